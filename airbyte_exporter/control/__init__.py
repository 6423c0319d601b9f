"""What operators may change in Airbyte, by the names that people know: the only writers.

`Control` has the groups of the command line: ``sources.create``, ``connections.sync``, ``jobs.cancel``. What
is asked for is looked at before anything is sent: streams against the schema that the source tells, cron
expressions as Quartz reads them, whether a connection can sync at all.
"""

from airbyte_exporter.airbyte.writing import PATIENCE_SECONDS, Configuration, Request
from airbyte_exporter.control._actors import Actors, Placed, Sources
from airbyte_exporter.control._connections import Connections
from airbyte_exporter.control._control import Control
from airbyte_exporter.control._errors import AlreadyRunningError, ControlError
from airbyte_exporter.control._jobs import Jobs
from airbyte_exporter.control._naming import NotOneError, find_definition, find_one, quoted
from airbyte_exporter.control._schedules import MANUAL, cron, every, next_runs
from airbyte_exporter.control._streams import ALL_STREAMS, choose, key_of, written

__all__ = [
    "ALL_STREAMS",
    "MANUAL",
    "PATIENCE_SECONDS",
    "Actors",
    "AlreadyRunningError",
    "Configuration",
    "Connections",
    "Control",
    "ControlError",
    "Jobs",
    "NotOneError",
    "Placed",
    "Request",
    "Sources",
    "choose",
    "cron",
    "every",
    "find_definition",
    "find_one",
    "key_of",
    "next_runs",
    "quoted",
    "written",
]
