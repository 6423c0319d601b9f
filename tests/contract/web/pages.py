"""An app that serves the pages of a snapshot."""

from collections.abc import Sequence

from starlette.types import ASGIApp

from airbyte_exporter.exposition import Exposition
from airbyte_exporter.model import Incident, Latest, Snapshot
from airbyte_exporter.telemetry import Telemetry
from airbyte_exporter.web import create_app
from tests.snapshots import NOW

__all__ = ["app_of"]


def app_of(
    snapshot: Snapshot, incidents: Sequence[Incident] = (), *, telemetry: Telemetry | None = None
) -> ASGIApp:
    """Return an app that has `snapshot` published, alive and ready."""
    exposition = Exposition(telemetry or Telemetry("0.1.0"))
    exposition.publish(snapshot)
    shown: Latest[Snapshot | None] = Latest(snapshot)
    return create_app(
        exposition=exposition,
        snapshot=shown,
        alive=lambda: None,
        ready=lambda: None,
        failures=dict,
        incidents=Latest(incidents),
        instance_name="airbyte",
        ui_url=None,
        version="0.1.0",
        clock=lambda: float(NOW),
    )
