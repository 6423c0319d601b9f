"""A real state in a temporary folder, with connections to alert about, for the loops that work on it."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from airbyte_exporter.model import Connection, Instance, Inventory, Job, JobStatus, JobType, Snapshot
from airbyte_exporter.store import Store, StoreConfig, open_store
from airbyte_exporter.telemetry import Telemetry
from tests.unit.alerts.story import CONNECTION, NOON, WORKSPACE

INSTANCE: Final = Instance("2.0.0", "community", "config", "none")


def connection(name: str) -> Connection:
    return replace(CONNECTION, id=f"{name}-id", name=name)


def open_state(folder: Path) -> Store:
    """Open an empty state; its schema is made once and copied."""
    (folder / "state.db").write_bytes(_empty_state())
    return _open(folder)


@cache
def _empty_state() -> bytes:
    with TemporaryDirectory() as folder:
        _open(Path(folder)).close()
        return (Path(folder) / "state.db").read_bytes()


def _open(folder: Path) -> Store:
    return open_store(StoreConfig(url=SecretStr(f"sqlite:///{folder / 'state.db'}")))


def record_inventory(store: Store, connections: Iterable[Connection], read_at: int = NOON) -> None:
    store.record_inventory(Inventory(INSTANCE, (WORKSPACE,), tuple(connections), read_at))


def job(name: str, status: JobStatus, ended_at: int, job_id: int = 1) -> Job:
    return Job(f"{name}-id", job_id, ended_at - 600, ended_at, JobType.SYNC, status)


def view(store: Store, as_of: int, *, jobs_stale: bool = False, inventory_stale: bool = False) -> Snapshot:
    """Return what a complete poll at `as_of` publishes of the state."""
    return Snapshot(
        instance=INSTANCE,
        epoch=NOON,
        workspaces=store.workspaces(),
        connections=store.facts(),
        jobs_as_of=as_of,
        inventory_as_of=as_of,
        jobs_stale=jobs_stale,
        inventory_stale=inventory_stale,
        sequence=store.sequence(),
    )


def samples(telemetry: Telemetry, name: str, *labels: str) -> dict[str, float]:
    """Return the samples of that name, keyed by the values of `labels`."""
    page = telemetry.render(openmetrics=False).decode()
    return {
        " ".join(sample.labels[label] for label in labels): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name
    }
