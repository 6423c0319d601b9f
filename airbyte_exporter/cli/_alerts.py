"""``alerts list``, ``alerts history`` and ``alerts test``."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import click

from airbyte_exporter.alerts import subject, trial
from airbyte_exporter.cli._airbyte import progress
from airbyte_exporter.cli._jobs import explained
from airbyte_exporter.cli._settings import positive_seconds, settings_for
from airbyte_exporter.cli._shared import EXIT_FAILED, PROGRAM, Common
from airbyte_exporter.cli._state import Board, open_state
from airbyte_exporter.cli._tables import Cell, Column, Listing, iso_time, local_time, print_listing, span
from airbyte_exporter.control import NotOneError, find_one, quoted
from airbyte_exporter.errors import did_you_mean
from airbyte_exporter.logs import visible
from airbyte_exporter.model import Delivery, Incident, IncidentStatus
from airbyte_exporter.notify import DeliveryError, Receiver
from airbyte_exporter.settings import Settings

_TOLD: Final = "TOLD"
_SILENCED: Final = "SILENT UNTIL"
_COLUMNS: Final = (
    Column("SINCE"),
    Column("RULE"),
    Column("SEVERITY"),
    Column("CONNECTION", flexible=True),
    Column(_TOLD, flexible=True),
    Column(_SILENCED),
    Column("WHAT", flexible=True, wide=True),
)
_HISTORY_COLUMNS: Final = (
    Column("SINCE"),
    Column("LASTED", numeric=True),
    Column("RULE"),
    Column("SEVERITY"),
    Column("CONNECTION", flexible=True),
    Column("ENDED"),
    Column(_TOLD, flexible=True, wide=True),
    Column("WHAT", flexible=True, wide=True),
)
FIELDS: Final = (
    "fingerprint",
    "rule",
    "severity",
    "status",
    "starts_at",
    "ends_at",
    "reason",
    "connection.id",
    "connection.name",
    "workspace.id",
    "workspace.name",
    "job.id",
    "failure.origin",
    "failure.type",
    "failure.message",
    "affected",
    "adopted",
    "told",
    "told_at",
    "silenced_until",
    "silence.id",
)
_STYLES: Final = {"critical": "bold red", "warning": "yellow"}


def main(common: Common, *, output: str) -> int:
    """List the incidents that go on, newest first."""
    settings = settings_for(common)
    with open_state(settings) as store:
        board = Board.read(store, settings, common.clock(), firing_only=True)
    empty = f"no incident goes on in {settings.airbyte.instance_name}"
    print_listing(open_incidents(board, board.incidents, empty=empty), output, FIELDS)
    return 0


def history(common: Common, *, since: str, connection: str | None, output: str) -> int:
    """List the incidents that went on lately, those that are over too, newest first."""
    settings = settings_for(common)
    seconds = positive_seconds("--since", since)
    now = common.clock()
    with open_state(settings) as store:
        wanted = find_one("connection", store.connections(), connection) if connection else None
        board = Board.read(store, settings, now, firing_only=False)
    about = f" of {wanted.name}" if wanted else ""
    within = f"{since}s" if since[-1].isdigit() else since
    listing = Listing(_HISTORY_COLUMNS, empty=f"no incidents{about} in the last {within}")
    for it in board.incidents:
        if wanted is not None and it.connection_id != wanted.id:
            continue
        if it.ends_at is None or it.ends_at >= now - seconds:
            listing.add(_history_cells(it, board), incident_record(it, board))
    print_listing(listing, output, FIELDS)
    return 0


def test(common: Common, *, receiver: str) -> int:
    """Send a receiver the beginning and the end of a test alert, and tell what happened."""
    settings = settings_for(common)
    found = _receiver(settings, receiver, common.receivers or _receivers)
    now = common.clock()
    try:
        for number, notification in enumerate(trial(settings.airbyte.instance_name, int(now)), 1):
            began = common.monotonic()
            try:
                with progress(f"Sending {notification.type} to {receiver} …"):
                    found.send(Delivery(number, receiver, notification, 1, now), common.clock())
            except DeliveryError as error:
                left = "; there the test alert stays open" if number > 1 else ""
                said = f"{receiver} did not take {notification.type}: {visible(str(error))}{left}"
                click.echo(f"{PROGRAM}: {said}", err=True)
                return EXIT_FAILED
            click.echo(f"{receiver} took {notification.type} after {common.monotonic() - began:.1f} s")
    finally:
        found.close()
    return 0


def _receivers(settings: Settings) -> Sequence[Receiver]:
    # What the daemon has, so that a trial takes the way of an alert; it is costly to load.
    from airbyte_exporter.app import receivers  # noqa: PLC0415 - see above

    return receivers(settings)


def _receiver(settings: Settings, name: str, make: Callable[[Settings], Sequence[Receiver]]) -> Receiver:
    known = settings.alerts.all_receivers
    if not known:
        raise NotOneError("there are no receivers: set alerts.webhook_url, or alerts.receivers")
    if name not in known:
        raise NotOneError(
            f"there is no receiver {quoted(name)}{did_you_mean(name, known)}; there are: {', '.join(known)}"
        )
    chosen: Receiver | None = None
    for receiver in make(settings):
        if receiver.name == name:
            chosen = receiver
        else:
            receiver.close()
    if chosen is None:
        raise NotOneError(f"{name} cannot be tried: it is not sent messages one by one")
    return chosen


def open_incidents(board: Board, incidents: Iterable[Incident], *, empty: str = "") -> Listing:
    """Make a listing of incidents that go on; `empty` is what is said when there are none."""
    found = list(incidents)
    if any(board.silence_of(it) for it in found):
        # Of a narrow terminal's room the connections need the rest.
        shown = [(column, replace(column, wide=column.wide or column.title == _TOLD)) for column in _COLUMNS]
    else:
        shown = [(column, column) for column in _COLUMNS if column.title != _SILENCED]
    listing = Listing([column for _, column in shown], empty=empty)
    places = [_COLUMNS.index(column) for column, _ in shown]
    for it in found:
        cells = _cells(it, board)
        listing.add([cells[place] for place in places], incident_record(it, board))
    return listing


def _cells(it: Incident, board: Board) -> tuple[Cell, ...]:
    silence = board.silence_of(it)
    return (
        local_time(it.starts_at),
        Cell(it.rule),
        Cell(it.severity, style=_STYLES.get(it.severity, "")),
        Cell(_name(it, board)),
        Cell(_told(it)),
        local_time(None if silence is None else silence.over_at),
        Cell(_what(it)),
    )


def _history_cells(it: Incident, board: Board) -> tuple[Cell, ...]:
    until = board.at if it.ends_at is None else it.ends_at
    is_over = it.status is IncidentStatus.RESOLVED
    return (
        local_time(it.starts_at),
        Cell(span(max(0, until - it.starts_at))),
        Cell(it.rule),
        Cell(it.severity, style=_STYLES.get(it.severity, "")),
        Cell(_name(it, board)),
        Cell(it.reason or "over", style="green") if is_over else Cell("goes on", style="bold"),
        Cell(_told(it)),
        Cell(_what(it)),
    )


def _name(it: Incident, board: Board) -> str:
    history = board.history_of(it)
    if history is not None:
        return history.facts.connection.name
    return it.connection_id or subject(it, board.instance)


def _told(it: Incident) -> str:
    if it.receivers:
        return ", ".join(it.receivers)
    return "nobody (adopted)" if it.adopted else "nobody"


def _what(it: Incident) -> str:
    if it.job is None:
        return ""
    # Its number leads on to `jobs show` and `jobs cancel`.
    said = explained(it.job.failure)
    return f"job {it.job.id}: {said}" if said else f"job {it.job.id} {it.job.status}"


def incident_record(it: Incident, board: Board) -> dict[str, Any]:
    """Write an incident for machines; what is not known is ``None``."""
    history = board.history_of(it)
    silence = board.silence_of(it) if it.status is IncidentStatus.FIRING else None
    failure = it.job.failure if it.job is not None else None
    name = history.facts.connection.name if history else None
    return {
        "fingerprint": it.fingerprint,
        "rule": it.rule,
        "severity": it.severity,
        "status": it.status.value,
        "starts_at": iso_time(it.starts_at),
        "ends_at": iso_time(it.ends_at),
        "reason": it.reason,
        "connection": {"id": it.connection_id, "name": name} if it.connection_id else None,
        "workspace": {"id": history.workspace.id, "name": history.workspace.name or None}
        if history
        else None,
        "job": {"id": it.job.id} if it.job is not None else None,
        "failure": None
        if failure is None
        else {"origin": failure.origin, "type": failure.type, "message": failure.message},
        "affected": it.affected,
        "adopted": it.adopted,
        "told": list(it.receivers),
        "told_at": iso_time(it.notified_at),
        "silenced_until": None if silence is None else iso_time(silence.over_at),
        "silence": None if silence is None else {"id": silence.id},
    }
