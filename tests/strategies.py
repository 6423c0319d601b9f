"""Facts as hypothesis makes them up: any names and numbers, everything known or not."""

from typing import Any, Final

from hypothesis import strategies as st

from airbyte_exporter.model import (
    DURATION_BUCKETS,
    Actor,
    Attempt,
    AttemptStatus,
    CompletedKey,
    Connection,
    ConnectionCounters,
    ConnectionFacts,
    ConnectionStatus,
    DurationKey,
    Durations,
    Instance,
    Job,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    SchemaChange,
    Snapshot,
    Volumes,
    Workspace,
)

__all__ = [
    "IDS",
    "INSTANCES",
    "NAMES",
    "NUMBERS",
    "TIMES",
    "actors",
    "connection_facts",
    "counters",
    "durations",
    "jobs",
    "snapshots",
]

_SPECIAL: Final = st.sampled_from('"\\\n\r\t\0{}=,# \ud800\udfff\ufffd\u2028\u0085\u200b')
NAMES: Final = st.text(st.one_of(_SPECIAL, st.characters(exclude_categories=())), max_size=12)
IDS: Final = st.uuids().map(str)
NUMBERS: Final = st.integers(0, 2**63)
TIMES: Final = st.integers(0, 4_102_444_800)


def _optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


_ACTORS: Final = st.builds(Actor, IDS, NAMES, NAMES, _optional(NAMES))
_VOLUMES: Final = st.builds(Volumes, *[_optional(NUMBERS)] * 5)
_ATTEMPTS: Final = st.lists(
    st.builds(
        Attempt,
        NUMBERS,
        st.sampled_from(AttemptStatus),
        TIMES,
        partial_success=_optional(st.booleans()),
    ),
    max_size=2,
)
_VERSIONS: Final = _optional(NAMES | st.sampled_from(["0.50.38", "v1.7.0", "1.8.0", "2.0.1", "10.0"]))
_FAILURES: Final = st.tuples(st.sampled_from(["source", "unknown"]), NAMES)
INSTANCES: Final = st.builds(
    Instance,
    _VERSIONS,
    _optional(NAMES),
    st.sampled_from(["config", "public", "reference"]),
    st.sampled_from(["none", "bearer"]),
)


@st.composite
def jobs(draw: st.DrawFn, of: str, *, final: bool) -> Job:
    """Draw a job of the connection `of` that has ended, or one that has not."""
    states = [state for state in JobStatus if state.is_final is final] + [JobStatus.UNKNOWN]
    return Job(
        of,
        draw(NUMBERS),
        draw(TIMES),
        draw(TIMES),
        draw(st.sampled_from(JobType)),
        draw(st.sampled_from(states)),
        draw(_optional(_ATTEMPTS.map(tuple))),
        draw(_optional(_VOLUMES)),
        draw(_optional(st.booleans())),
    )


@st.composite
def counters(draw: st.DrawFn) -> ConnectionCounters:
    """Draw what a connection's jobs add up to."""
    key = st.tuples(st.sampled_from(JobType), st.sampled_from(JobStatus)).map(
        lambda it: (it[0].value, it[1].value)
    )
    counted = draw(st.dictionaries(key, NUMBERS, max_size=3))
    failures = draw(st.dictionaries(_FAILURES, NUMBERS, max_size=2))
    return ConnectionCounters(
        jobs=counted,
        records_synced=draw(NUMBERS),
        bytes_synced=draw(NUMBERS),
        records_emitted=draw(NUMBERS),
        bytes_emitted=draw(NUMBERS),
        records_rejected=draw(NUMBERS),
        attempts_succeeded=draw(NUMBERS),
        attempts_failed=draw(NUMBERS),
        failures=failures,
    )


def durations() -> st.SearchStrategy[dict[DurationKey, Durations]]:
    """Draw how long jobs took."""
    buckets = len(DURATION_BUCKETS) + 1
    numbers = st.lists(st.integers(0, 2**40), min_size=buckets, max_size=buckets).map(tuple)
    keys = st.builds(DurationKey, st.sampled_from(["sync", "reset"]), st.sampled_from(["failed", "unknown"]))
    return st.dictionaries(keys, st.builds(Durations, numbers, NUMBERS), max_size=2)


def actors() -> st.SearchStrategy[dict[str, int] | None]:
    """Draw how many sources or destinations there are."""
    # Two connectors that are told apart by Airbyte can look the same on the page.
    return _optional(st.dictionaries(st.sampled_from(["Postgres", 'a "b"', "\n"]), NUMBERS, max_size=3))


@st.composite
def connection_facts(
    draw: st.DrawFn,
    ids: st.SearchStrategy[str] = IDS,
    workspace_ids: st.SearchStrategy[str] = IDS,
    first_seen: st.SearchStrategy[int] = TIMES,
) -> ConnectionFacts:
    """Draw everything about one connection."""
    of = draw(ids)
    it = Connection(
        of,
        draw(NAMES),
        draw(workspace_ids),
        draw(st.sampled_from(ConnectionStatus)),
        draw(_ACTORS),
        draw(_ACTORS),
        Schedule(draw(st.sampled_from(ScheduleType))),
        tuple(draw(st.lists(NAMES, max_size=2))),
        draw(_optional(TIMES)),
        draw(_optional(st.sampled_from(SchemaChange))),
    )
    return ConnectionFacts(
        it,
        draw(first_seen),
        draw(_optional(jobs(of, final=True))),
        draw(_optional(TIMES)),
        draw(_optional(TIMES)),
        tuple(draw(st.lists(jobs(of, final=False), max_size=2))),
        draw(NUMBERS),
        draw(counters()),
        draw(_optional(NUMBERS)),
        draw(_optional(TIMES)),
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Draw a whole view of an Airbyte, with everything fresh."""
    facts = draw(st.lists(connection_facts(), max_size=3, unique_by=lambda it: it.connection.id))
    workspaces = [Workspace(it.connection.workspace_id, draw(NAMES)) for it in facts]
    return Snapshot(
        Instance(draw(_optional(NAMES)), draw(_optional(NAMES)), "config", "none"),
        0,
        tuple({it.id: it for it in workspaces}.values()),
        {it.connection.id: it for it in facts},
        draw(st.dictionaries(st.builds(CompletedKey, *[NAMES] * 5), NUMBERS, max_size=3)),
        draw(durations()),
        draw(actors()),
        draw(actors()),
        jobs_as_of=draw(TIMES),
        inventory_as_of=draw(TIMES),
    )
