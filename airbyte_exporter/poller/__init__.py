"""The loops that read Airbyte: what changed, what exists, and in the background what can wait."""

from airbyte_exporter.poller._config import PollConfig
from airbyte_exporter.poller._poller import Poller

__all__ = ["PollConfig", "Poller"]
