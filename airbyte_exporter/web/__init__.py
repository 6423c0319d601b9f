"""HTTP in: the metrics, the status page, the snapshot as JSON, health and readiness.

Everything is answered from what is already in memory.
"""

from airbyte_exporter.web._app import create_app
from airbyte_exporter.web._server import AddressTaken, WebConfig, WebError, WebServer, check_address
from airbyte_exporter.web._webfile import WebFile, load_web_config

__all__ = [
    "AddressTaken",
    "WebConfig",
    "WebError",
    "WebFile",
    "WebServer",
    "check_address",
    "create_app",
    "load_web_config",
]
