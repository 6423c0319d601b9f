"""Who is who in the simulated company: its workspaces, sources, destinations and connections."""

import random
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from ._catalogue import CONNECTION_NAMES, DESTINATIONS, SOURCES, TAGS, TIME_ZONES, WORKSPACE_NAMES, Connector
from ._planning import Actor, Connection, streams_of
from ._schedule import MANUAL, Schedule, basic, cron_calendar, cron_every
from ._timeline import SCHEMA_IS_BREAKING

__all__ = ["Company", "Tag", "Workspace", "build_company", "new_uuid"]

DAY: Final = 86400
_EVERY_HOURS: Final = (1, 1, 1, 2, 3, 6, 6, 12, 24, 24)
_CHARACTERS: Final = {
    "steady": 880,
    "flaky": 40,
    "broken": 20,
    "silent": 10,
    "disabled": 30,
    "idle": 10,
    "stuck": 5,
    "waiting": 5,
}
# The first connections: what a small demonstration shows. Source, destination, schedule, character.
_CAST: Final = (
    ("Postgres", "Snowflake", "basic 1", "steady"),
    ("Stripe", "BigQuery", "cron 15", "flaky"),
    ("MySQL", "Postgres", "basic 1", "steady"),
    ("Salesforce", "Redshift", "cron 30", "steady"),
    ("HubSpot", "BigQuery", "manual", "idle"),
    ("Postgres", "Snowflake", "basic 2", "broken"),
    ("Zendesk Support", "S3 Data Lake", "basic 6", "stuck"),
    ("S3", "Snowflake", "cron 20", "silent"),
    ("Shopify", "BigQuery", "cron 5", "steady"),
    ("GitHub", "Postgres", "daily", "disabled"),
    ("MongoDb", "BigQuery", "basic 1", "waiting"),
    ("Google Sheets", "Postgres", "basic 3", "steady"),
)
_DAILY: Final = "0 30 5 * * ?"
# Expressions of the others, with how often they fire, in days.
_CALENDARS: Final = (
    ("0 0 6 ? * MON-FRI", 1),
    ("0 15 4,16 * * ?", 0.5),
    ("0 45 22 ? * SUN", 7),
    ("0 0 3 L * ?", 30),
    ("0 30 7 ? * 6L", 30),
    ("0 0 8 ? * 2#1", 30),
)
_TURNED_BEFORE: Final = {"broken": 9.5, "silent": 5.5, "disabled": 3.5, "stuck": 1.5, "waiting": 1.5}


@dataclass(slots=True, eq=False)
class Workspace:
    """A workspace of the company."""

    id: str
    name: str
    created: float


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag that a workspace's connections can carry."""

    id: str
    workspace_id: str
    name: str
    color: str


@dataclass(slots=True)
class Company:
    """Everything that an inventory can list, by id, in the order of creation."""

    deployment_id: str
    user_id: str
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    tags: dict[str, list[Tag]] = field(default_factory=dict)
    sources: dict[str, Actor] = field(default_factory=dict)
    destinations: dict[str, Actor] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)


def new_uuid(rng: random.Random) -> str:
    """Draw a random UUID."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def build_company(
    *, seed: int, connections: int, workspaces: int, speed: float, now: float, history_jobs: int
) -> Company:
    """Found a company; the same arguments give the same one."""
    rng = random.Random(f"company {seed}")
    company = Company(new_uuid(rng), new_uuid(rng))
    for place in range(workspaces):
        number = place // len(WORKSPACE_NAMES)
        name = WORKSPACE_NAMES[place % len(WORKSPACE_NAMES)] + (f" {number + 1}" if number else "")
        workspace = Workspace(new_uuid(rng), name, now - 500 * DAY)
        company.workspaces[workspace.id] = workspace
        company.tags[workspace.id] = [Tag(new_uuid(rng), workspace.id, *tag) for tag in TAGS]
    builder = _Builder(company, rng, speed, now, history_jobs)
    for place in range(connections):
        builder.connection(place)
    builder.unused()
    return company


class _Builder:
    def __init__(
        self, company: Company, rng: random.Random, speed: float, now: float, history_jobs: int
    ) -> None:
        self._company = company
        self._rng = rng
        self._speed = speed
        self._now = now
        self._history_jobs = history_jobs
        self._workspaces = list(company.workspaces)

    def connection(self, place: int) -> None:
        """Add the connection number `place`: of the cast first, then others at random."""
        rng = self._rng
        # Half of all connections are the first workspace's, a quarter the second's, and so on.
        rank = min(int(rng.expovariate(0.7)), len(self._workspaces) - 1) if place else 0
        workspace = self._workspaces[rank]
        if place < len(_CAST):
            source_name, destination_name, timing, character = _CAST[place]
            source = next(c for c in SOURCES if c.name == source_name)
            destination = next(c for c in DESTINATIONS if c.name == destination_name)
            schedule = self._schedule(timing)
        else:
            source, destination = rng.choice(SOURCES), rng.choice(DESTINATIONS)
            character = rng.choices(list(_CHARACTERS), list(_CHARACTERS.values()))[0]
            schedule = MANUAL if character == "idle" else self._some_schedule()
        self._add(place, workspace, (source, destination), schedule, character)

    def _add(
        self,
        place: int,
        workspace_id: str,
        connectors: tuple[Connector, Connector],
        schedule: Schedule,
        character: str,
    ) -> None:
        rng = self._rng
        source = self._actor(self._company.sources, workspace_id, connectors[0], reuse=0.3)
        destination = self._actor(self._company.destinations, workspace_id, connectors[1], reuse=0.9)
        own = random.Random(rng.getrandbits(64))
        interval = schedule.interval
        connection = Connection(
            id=new_uuid(rng),
            name=self._name(place, source, destination),
            workspace_id=workspace_id,
            source=source,
            destination=destination,
            schedule=schedule,
            created=self._now - 200 * DAY - rng.random() * 200 * DAY,
            character=character,
            rng=own,
            streams=streams_of(connectors[0], own),
            records=10 ** own.uniform(2.5, 5.5),
            record_bytes=own.randint(120, 900),
            duration=interval * self._speed * own.uniform(0.08, 0.35),
            tags=tuple(sorted(own.sample(range(len(TAGS)), own.choice((0, 0, 1, 1, 2))))),
            count=own.randrange(40),
            schema_change=own.choices(("no_change", "non_breaking"), (92, 8))[0],
        )
        connection.turns = self._now - _TURNED_BEFORE.get(character, 0.0) * interval
        if character == "disabled":
            # Airbyte disables a connection whose source has broken its schema.
            connection.schema_change = own.choice(("breaking", connection.schema_change))
            connection.disable(
                connection.turns,
                user_id=self._company.user_id,
                reason=SCHEMA_IS_BREAKING if connection.schema_change == "breaking" else None,
            )
        if schedule.type != "manual":
            reach = min(self._history_jobs * interval, 150 * DAY)
            start = self._now - reach - (own.random() * interval if reach else 0.0)
            connection.ran, connection.due = start, schedule.next_after(start)
        self._company.connections[connection.id] = connection

    def unused(self) -> None:
        """Add a source and a destination to each workspace that no connection uses."""
        for workspace_id in self._workspaces:
            self._actor(self._company.sources, workspace_id, self._rng.choice(SOURCES), reuse=0.0)
            self._actor(self._company.destinations, workspace_id, self._rng.choice(DESTINATIONS), reuse=0.0)

    def _name(self, place: int, source: Actor, destination: Actor) -> str:
        if place < len(CONNECTION_NAMES):
            return CONNECTION_NAMES[place]
        return f"{source.name} → {destination.name} {place}"

    def _actor(
        self, actors: dict[str, Actor], workspace_id: str, connector: Connector, reuse: float
    ) -> Actor:
        """Take one of the workspace's newest actors of this connector, or a new one."""
        rng = self._rng
        recent = [
            actor
            for actor in list(actors.values())[-50:]
            if actor.workspace_id == workspace_id and actor.connector is connector
        ]
        if recent and rng.random() < reuse:
            return rng.choice(recent)
        name = rng.choice(connector.names)
        actor = Actor(new_uuid(rng), workspace_id, name, connector, self._now - 450 * DAY)
        actors[actor.id] = actor
        return actor

    def _schedule(self, timing: str) -> Schedule:
        kind, _, number = timing.partition(" ")
        match kind:
            case "basic":
                return basic(int(number), "hours", self._speed)
            case "cron":
                return cron_every(int(number) * 60, "Europe/Berlin", self._speed)
            case "daily":
                return cron_calendar(_DAILY, DAY, "Europe/Berlin", self._speed)
            case _:
                return MANUAL

    def _some_schedule(self) -> Schedule:
        rng = self._rng
        kind = rng.choices(("basic", "hourly", "daily", "calendar", "often"), (70, 12, 8, 5, 5))[0]
        match kind:
            case "basic":
                return basic(rng.choice(_EVERY_HOURS), "hours", self._speed)
            case "hourly":
                return cron_every(3600, rng.choice(TIME_ZONES), self._speed)
            case "daily":
                daily = f"0 {rng.choice((0, 15, 30))} {rng.randint(4, 23)} * * ?"
                return cron_calendar(daily, DAY, rng.choice(TIME_ZONES), self._speed)
            case "calendar":
                expression, days = rng.choice(_CALENDARS)
                return cron_calendar(expression, days * DAY, rng.choice(TIME_ZONES), self._speed)
            case _:
                return cron_every(rng.choice((10, 15, 30)) * 60, rng.choice(TIME_ZONES), self._speed)
