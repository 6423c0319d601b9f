"""``alerts silence add``, ``list`` and ``expire``."""

import getpass
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

import click
from pydantic import ValidationError

from airbyte_exporter.alerts import Match, Silences, matchers_of
from airbyte_exporter.cli._alerts import incident_record, open_incidents
from airbyte_exporter.cli._settings import positive_seconds, settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._state import Board, open_state
from airbyte_exporter.cli._tables import (
    Cell,
    Column,
    Listing,
    iso_time,
    local_time,
    print_json,
    print_listing,
    print_table,
)
from airbyte_exporter.control import NotOneError, quoted
from airbyte_exporter.errors import ConfigurationError, did_you_mean
from airbyte_exporter.logs import visible
from airbyte_exporter.model import Silence
from airbyte_exporter.settings import readable
from airbyte_exporter.store import Store

_COLUMNS: Final = (
    Column("ID"),
    Column("SINCE", wide=True),
    Column("UNTIL"),
    Column("STATE"),
    Column("MATCHES", flexible=True),
    Column("AUTHOR", flexible=True),
    Column("REASON", flexible=True),
)
_FIELDS: Final = (
    "id",
    "state",
    "starts_at",
    "ends_at",
    "expired_at",
    *(f"matchers.{key}" for key in Match.model_fields),
    "author",
    "reason",
    "created_at",
)
_STYLES: Final = {"holds": "green", "ended": "dim", "over": "dim"}

_LONGEST_SECONDS: Final = 366 * 86400
_SHORTEST_PREFIX: Final = 4
_DAYTIME: Final = re.compile(r"([01]?\d|2[0-3]):[0-5]\d", re.ASCII)


def main(common: Common, *, all_: bool, output: str) -> int:
    """List the silences that hold or are to come, with `all_` those that are over too."""
    settings = settings_for(common)
    now = common.clock()
    with open_state(settings) as store:
        found = store.silences()
    listing = Listing(_COLUMNS, empty="there are no silences" if all_ else "nothing is silenced")
    for silence in found:
        if all_ or now < silence.over_at:
            listing.add(_cells(silence, now), _record(silence, now))
    print_listing(listing, output, _FIELDS)
    return 0


def add(
    common: Common,
    *,
    match: Sequence[str],
    all_: bool,
    for_: str | None,
    until: str | None,
    reason: str,
    author: str | None,
    output: str,
) -> int:
    """Keep a new silence, and tell which of the incidents that go on it is about."""
    settings = settings_for(common)
    now = common.clock()
    silence = Silence(
        id=secrets.token_hex(4),
        matchers=_matchers(match, all_=all_),
        starts_at=int(now),
        ends_at=_end(for_, until, now),
        reason=_not_blank("--reason", reason),
        author=_user() if author is None else _not_blank("--author", author),
        created_at=int(now),
    )
    with open_state(settings) as store:
        store.add_silence(silence)
        board = Board.read(store, settings, now, firing_only=True)
    its = Silences((silence,))
    silenced = [it for it in board.incidents if its.silencing(it, board.history_of(it), now)]
    if output == "json":
        records = [incident_record(it, board) for it in silenced]
        print_json(_record(silence, now) | {"incidents": records})
        return 0
    until_when = local_time(silence.ends_at).text
    click.echo(f"silence {silence.id} holds until {until_when}: {visible(silence.about)}")
    if not silenced:
        click.echo("nothing that goes on now is silenced by it")
        return 0
    many = "1 incident that goes" if len(silenced) == 1 else f"{len(silenced)} incidents that go"
    click.echo(f"{many} on now {'is' if len(silenced) == 1 else 'are'} silenced by it:\n")
    print_table(open_incidents(board, silenced))
    return 0


def expire(common: Common, *, silence_id: str) -> int:
    """End a silence before its time."""
    settings = settings_for(common)
    now = common.clock()
    with open_state(settings) as store:
        silence = _find(store, silence_id)
        if not store.expire_silence(silence.id, now):
            over = local_time(silence.over_at).text
            raise NotOneError(f"the silence {silence.id} has been over since {over}: nothing was changed")
    click.echo(f"silence {silence.id} has ended: {visible(silence.about)}")
    return 0


def _find(store: Store, given: str) -> Silence:
    known = {silence.id: silence for silence in store.silences()}
    wanted = given.strip().lower()
    if wanted in known:
        return known[wanted]
    found = [id_ for id_ in known if len(wanted) >= _SHORTEST_PREFIX and id_.startswith(wanted)]
    if len(found) == 1:
        return known[found[0]]
    if found:
        raise NotOneError(
            f"{quoted(given)} means {len(found)} silences: {', '.join(found)}; give the full id of one"
        )
    raise NotOneError(f"there is no silence {quoted(given)}; see airbyte-exporter alerts silence list --all")


def _matchers(given: Sequence[str], *, all_: bool) -> Mapping[str, tuple[str, ...]]:
    """Read ``--match key=value``; the values of a key that is given several times are alternatives."""
    if all_ and given:
        raise ConfigurationError("--all is about everything: leave out --match, or --all")
    if not all_ and not given:
        raise ConfigurationError(
            "without --match it would silence every alert: say which with --match key=value, or give --all"
        )
    words: dict[str, list[str]] = {}
    for one in given:
        key, equals, word = one.partition("=")
        key = key.strip()
        if not equals:
            raise ConfigurationError(f"--match must be like connection=orders*, not {quoted(one)}")
        if key not in Match.model_fields:
            known = ", ".join(Match.model_fields)
            hint = did_you_mean(key, Match.model_fields) or f"; there are: {known}"
            raise ConfigurationError(f"--match {visible(one)}: there is no key {quoted(key)}{hint}")
        words.setdefault(key, []).append(word)
    try:
        return matchers_of(Match.model_validate(words))
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        key, index = str(wrong["loc"][0]), int(wrong["loc"][1])
        raise ConfigurationError(
            f"--match {key}={visible(words[key][index])}: {readable(wrong['msg'])}"
        ) from None


def _end(for_: str | None, until: str | None, now: float) -> int:
    if (for_ is None) == (until is None):
        raise ConfigurationError("give either --for, such as 4h, or --until, such as 18:00")
    if until is not None:
        option, seconds = "--until", _instant(until, now) - now
        if int(now + seconds) <= int(now):
            raise ConfigurationError(f"--until {visible(until)} is not in the future")
    else:
        option, seconds = "--for", positive_seconds("--for", str(for_), shortest=1)
    if seconds > _LONGEST_SECONDS:
        raise ConfigurationError(
            f"{option} must be a year or less: what is never to be told is better left out by alerts.routes"
        )
    return int(now + seconds)


def _instant(written: str, now: float) -> float:
    """Read a time of day, the next one, or a date with or without one; local unless it names its zone."""
    text = written.strip()
    here = datetime.fromtimestamp(now, UTC).astimezone().replace(tzinfo=None)
    try:
        if not _DAYTIME.fullmatch(text):
            return datetime.fromisoformat(text).timestamp()
        today = datetime.combine(here.date(), time.fromisoformat(text.zfill(len("18:00"))))
        return (today if today > here else today + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ConfigurationError(
            "--until must be a time like 18:00, 2026-01-31T18:00 or 2026-01-31T17:00:00Z, not "
            f"{quoted(written)}"
        ) from None


def _not_blank(option: str, text: str) -> str:
    if not text.strip():
        raise ConfigurationError(f"{option} must not be empty: others will want to know")
    return " ".join(text.split())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}"  # in a container, where users have no names


def _state(silence: Silence, now: float) -> str:
    if silence.expired_at is not None:
        return "ended"
    if now >= silence.ends_at:
        return "over"
    return "holds" if silence.is_active(now) else "to come"


def _cells(silence: Silence, now: float) -> tuple[Cell, ...]:
    state = _state(silence, now)
    return (
        Cell(silence.id),
        local_time(silence.starts_at),
        local_time(silence.over_at),
        Cell(state, style=_STYLES.get(state, "")),
        Cell(silence.about),
        Cell(silence.author),
        Cell(silence.reason),
    )


def _record(silence: Silence, now: float) -> dict[str, Any]:
    return {
        "id": silence.id,
        "state": _state(silence, now),
        "starts_at": iso_time(silence.starts_at),
        "ends_at": iso_time(silence.ends_at),
        "expired_at": iso_time(silence.expired_at),
        "matchers": {key: list(words) for key, words in silence.matchers.items()},
        "author": silence.author,
        "reason": silence.reason,
        "created_at": iso_time(silence.created_at),
    }
