"""The properties of a connection that clients write, but for its streams."""

from typing import Any, Final

from ._answers import Body, invalid, not_found, refused
from ._generations import Generation
from ._planning import Actor
from ._schedule import MANUAL, TIME_UNITS, Schedule, as_told, cron_as_told
from .world import World

__all__ = ["NEW_SETTINGS", "name_of", "read_schedule", "read_settings", "read_tags"]

Json = dict[str, Any]

_TYPES: Final = frozenset({"manual", "basic", "cron"})
_MINUTE: Final = 60.0
_LONGEST: Final = 2**31 - 1
_CHOICES: Final = {
    "namespaceDefinition": frozenset({"source", "destination", "customformat"}),
    "nonBreakingChangesPreference": frozenset({"ignore", "disable", "propagate_columns", "propagate_fully"}),
    "backfillPreference": frozenset({"enabled", "disabled"}),
}
_TEXTS: Final = ("namespaceFormat", "prefix")
NEW_SETTINGS: Final[Json] = {"namespaceDefinition": "source", "nonBreakingChangesPreference": "ignore"}
"""What a new connection has whose creator did not say."""
_FLAGS: Final = ("notifySchemaChanges", "notifySchemaChangesByEmail")


def name_of(body: Body, ends: tuple[Actor, Actor]) -> str:
    """Return the name that a new connection is given, or Airbyte's for one without."""
    given = body.text("name")
    return f"{ends[0].name} <> {ends[1].name}" if given is None else given


def read_settings(body: Body) -> Json:
    """Read the properties that are kept as they are; those that are absent are left out."""
    read: Json = {name: body.choice(name, choices) for name, choices in _CHOICES.items()}
    read |= {name: body.text(name) for name in _TEXTS} | {name: body.boolean(name) for name in _FLAGS}
    read["sourceCatalogId"] = body.uuid("sourceCatalogId")
    return {name: value for name, value in read.items() if value is not None}


def read_tags(body: Body, world: World, workspace_id: str) -> tuple[int, ...] | None:
    """Read which of the workspace's tags a connection is to have; ``None``: nothing is said of them."""
    tags = body.bodies("tags")
    if tags is None:
        return None
    known = {tag.id: place for place, tag in enumerate(world.company.tags.get(workspace_id, ()))}
    wanted = [one.required_uuid("tagId") for one in tags]
    if unknown := [one for one in wanted if one not in known]:
        raise not_found("TAG", unknown[0])
    return tuple(known[one] for one in wanted)


def read_schedule(body: Body, generation: Generation, world: World) -> Schedule:
    """Read when a connection syncs: just as it is written, the world's speed does not divide it.

    Without a type there is the legacy ``schedule``, which is a basic one, or none: by hand.
    """
    kind = body.choice("scheduleType", _TYPES) if generation.schedule_types else None
    if kind is None:
        return _basic(body.inner("schedule")) if body.has("schedule") else MANUAL
    data = body.inner("scheduleData")
    if kind == "manual":
        return MANUAL
    if not body.has("scheduleData"):
        raise invalid("schedule data must be populated if schedule type is populated")
    part = "basicSchedule" if kind == "basic" else "cron"
    if not data.has(part):
        raise invalid(f"if schedule type is {kind}, then scheduleData.{part} must be populated")
    return _basic(data.inner(part)) if kind == "basic" else _cron(data.inner(part), world)


def _basic(timing: Body) -> Schedule:
    units = timing.required_integer("units")
    unit = timing.required_choice("timeUnit", TIME_UNITS)
    if not 1 <= units <= _LONGEST:
        raise refused(f"units: must be between 1 and {_LONGEST}")
    return as_told(units, unit)


def _cron(timing: Body, world: World) -> Schedule:
    expression, zone = timing.required_text("cronExpression"), timing.required_text("cronTimeZone")
    try:
        schedule = cron_as_told(expression, zone, world.now)
    except KeyError:
        raise refused(f"The provided cron time zone is invalid: {zone}") from None
    except ValueError as error:
        raise refused(f"The provided cron expression is invalid: {error}") from None
    if 0 < schedule.interval < _MINUTE and world.speed == 1:
        raise refused("The provided cron expression is invalid: it runs more often than once a minute")
    return schedule
