"""HTTP in: the metrics, the status page, the snapshot as JSON, health and readiness.

Everything is answered from what is already in memory; only the list of incidents is read from the state, and
never for a scrape.
"""

from airbyte_exporter.web._app import create_app
from airbyte_exporter.web._server import WebConfig, WebError, WebServer

__all__ = ["WebConfig", "WebError", "WebServer", "create_app"]
