"""What a message says to do: commands that exist, made of ids alone, whatever names people choose."""

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exporter.alerts import Hint, Means, RulesConfig, hints_of, in_words, receiver_group, trial
from airbyte_exporter.alerts._hints import in_lines
from airbyte_exporter.alerts._message import MessageContext, body
from airbyte_exporter.model import (
    Actor,
    Attempt,
    AttemptStatus,
    Connection,
    ConnectionFacts,
    ConnectionHistory,
    ConnectionStatus,
    Failure,
    Incident,
    IncidentStatus,
    Instance,
    Job,
    JobStatus,
    JobType,
    Workspace,
)
from tests.commandline import read_command
from tests.unit.alerts.story import CONNECTION, LOGIN_FAILED, NOON, WORKSPACE

GOLDEN: Final = Path(__file__).parents[2] / "golden" / "alert_texts.txt"
ID: Final = CONNECTION.id
UI_URL: Final = "https://airbyte.example.com"
PAGE: Final = CONNECTION.page(UI_URL)
AT_THE_END: Final = Failure("destination", "config_error", None)
EVERYTHING: Final = Means(changes=True, trials=("oncall",))

INSTANCES: Final = {
    "config": Instance("2.0.0", "community", "config", "none"),
    "reference": Instance(None, None, "reference", "basic"),
    "public": Instance(None, "cloud", "public", "client-credentials"),
}


def job(failure: Failure | None = None, status: JobStatus = JobStatus.FAILED, id_: int = 4711) -> Job:
    tries = (Attempt(0, AttemptStatus.FAILED, NOON - 600, NOON, failure),)
    return Job(ID, id_, NOON - 600, NOON, JobType.SYNC, status, attempts=tries)


def incident(
    rule: str = "SyncFailed", about: Job | None = None, *, group: str = "sync-health", connection_id: str = ID
) -> Incident:
    return Incident(
        fingerprint="f-1", group=group, connection_id=connection_id, rule=rule, severity="warning",
        status=IncidentStatus.FIRING, starts_at=NOON, job=about,
    )  # fmt: skip


def hints(
    it: Incident,
    connection: Connection | None = CONNECTION,
    *,
    means: Means = EVERYTHING,
    receiver: str | None = None,
    ui_url: str | None = UI_URL,
) -> list[Hint]:
    facts = None if connection is None else ConnectionFacts(connection, NOON)
    return list(hints_of(it, facts, receiver=receiver, ui_url=ui_url, means=means))


def commands(found: list[Hint]) -> list[str | None]:
    return [
        None if hint.command is None else hint.command.removeprefix("airbyte-exporter ") for hint in found
    ]


class TestWhichCommands:
    @pytest.mark.parametrize("rule", ["SyncFailed", "SyncFailing", "AutoDisableSoon"])
    def test_of_a_sync_that_failed(self, rule: str) -> None:
        it = incident(rule, job(Failure("replication", "system_error", "killed")))
        assert hints(it) == [
            Hint("Look at the job", "airbyte-exporter jobs show 4711"),
            Hint("Run it again", f"airbyte-exporter connections sync {ID} --wait"),
        ]

    @pytest.mark.parametrize(
        ("failure", "checks"),
        [
            (LOGIN_FAILED, [f"sources check {CONNECTION.source.id}"]),
            (
                AT_THE_END,
                [f"destinations check {CONNECTION.destination.id}"],
            ),
            (Failure("airbyte_platform", "config_error", None), []),
            (Failure("source", "system_error", None), []),
            (None, []),
        ],
        ids=["source", "destination", "platform", "not its configuration", "no reason"],
    )
    def test_what_is_set_up_wrong_at_one_end_is_checked_there(
        self, failure: Failure | None, checks: list[str]
    ) -> None:
        found = commands(hints(incident("SyncFailing", job(failure))))
        assert found == ["jobs show 4711", *checks, f"connections sync {ID} --wait"]

    @pytest.mark.parametrize("rule", ["SyncOverdue", "NeverSucceeded"])
    def test_of_a_sync_that_was_not_there(self, rule: str) -> None:
        assert hints(incident(rule)) == [
            Hint("Look at the connection", f"airbyte-exporter connections show {ID}"),
            Hint("Run it now", f"airbyte-exporter connections sync {ID} --wait"),
        ]

    def test_of_a_job_that_waits(self) -> None:
        it = incident("JobStuckPending", job(status=JobStatus.PENDING), group="stuck")
        assert commands(hints(it)) == ["jobs show 4711", "jobs cancel 4711"]
        assert commands(hints(replace(it, job=None))) == [f"connections show {ID}"]

    def test_of_one_that_airbyte_disabled(self) -> None:
        it = incident("ConnectionDisabled", group="availability")
        off = replace(CONNECTION, status=ConnectionStatus.INACTIVE)
        locked = replace(CONNECTION, status=ConnectionStatus.LOCKED)
        assert commands(hints(it, off)) == [f"connections show {ID}", f"connections enable {ID}"]
        assert commands(hints(it, locked)) == [f"connections show {ID}"]

    def test_of_a_schema_that_broke_it(self) -> None:
        it = incident("BreakingSchemaChange", group="availability")
        off = replace(CONNECTION, status=ConnectionStatus.INACTIVE)
        first = [
            f"connections show {ID}",
            f"sources discover {CONNECTION.source.id}",
            f"connections update {ID} --discover",
        ]
        assert commands(hints(it)) == first
        assert commands(hints(it, off)) == [*first, f"connections enable {ID}"]

    def test_of_what_many_share(self) -> None:
        failed = incident("SyncFailing", job(), connection_id="", group="sync-health of many 1")
        waits = incident("JobStuckPending", job(), connection_id="", group="stuck of many")
        queued = replace(waits, job=job(status=JobStatus.QUEUED))
        assert commands(hints(failed, None)) == ["jobs list --status failed --since 24h"]
        assert commands(hints(waits, None)) == ["jobs list --status pending"]
        assert commands(hints(queued, None)) == ["jobs list --status queued"]

    def test_of_watching_itself(self) -> None:
        unreachable = incident("AirbyteUnreachable", connection_id="", group="unreachable")
        deaf = incident("NotificationsFailing", connection_id="", group=receiver_group("oncall"))
        assert commands(hints(unreachable, None)) == ["check"]
        assert commands(hints(deaf, None, receiver="oncall")) == ["check", "alerts test oncall"]
        # Alertmanagers are told states and not messages: the test has none for them.
        assert commands(hints(deaf, None, receiver="managers")) == ["check"]

    def test_of_a_connection_that_is_gone(self) -> None:
        assert commands(hints(incident(about=job()), None)) == ["jobs show 4711"]

    @pytest.mark.parametrize("rule", RulesConfig.model_fields)
    def test_what_is_over_has_none(self, rule: str) -> None:
        over = replace(incident(rule, job(LOGIN_FAILED)), status=IncidentStatus.RESOLVED, ends_at=NOON)
        assert hints(over) == hints(replace(over, connection_id=""), None) == []
        history = ConnectionHistory(ConnectionFacts(CONNECTION, NOON), WORKSPACE, None, ())
        assert in_words(over, history, "airbyte", means=EVERYTHING).hint == ""

    def test_a_trial_shows_how_a_command_arrives(self) -> None:
        begins, ends = (each.body["data"]["hints"] for each in trial("airbyte", NOON))
        assert [hint["command"] for hint in begins] == ["airbyte-exporter alerts list"]
        assert ends == []


class TestWhereAirbyteCannotBeChanged:
    @pytest.mark.parametrize(
        ("api", "changes"), [("config", True), ("reference", True), ("public", False), (None, False)]
    )
    def test_the_public_api_takes_no_changes(self, api: str | None, changes: bool) -> None:
        assert Means.of(None if api is None else INSTANCES[api]).changes is changes

    @pytest.mark.parametrize("rule", RulesConfig.model_fields)
    def test_its_page_stands_for_every_command_that_would_change_something(self, rule: str) -> None:
        it = incident(rule, job(LOGIN_FAILED), group="stuck" if rule == "JobStuckPending" else "sync-health")
        off = replace(CONNECTION, status=ConnectionStatus.INACTIVE)
        look, *rest = hints(it, off, means=Means.of(INSTANCES["public"]))
        assert look == Hint("Look at the job", "airbyte-exporter jobs show 4711")
        assert rest == [Hint("Open it in Airbyte", None, PAGE)]

    def test_without_pages_there_is_what_can_be_read(self) -> None:
        found = hints(incident(about=job()), means=Means.of(INSTANCES["public"]), ui_url=None)
        assert commands(found) == ["jobs show 4711"]


def test_in_lines_each_is_one() -> None:
    found = hints(incident(about=job()), means=Means.of(INSTANCES["public"]))
    assert in_lines(found) == f"Look at the job: airbyte-exporter jobs show 4711\nOpen it in Airbyte: {PAGE}"


TOLD: Final = re.findall(r"^  [A-Z][^:\n]*: airbyte-exporter (.+)$", GOLDEN.read_text("utf-8"), re.MULTILINE)


def test_every_kind_of_command_is_in_the_golden_file() -> None:
    assert {" ".join(line.split()[:2]) for line in TOLD} == {
        "jobs show", "jobs list", "jobs cancel", "connections show", "connections sync", "connections enable",
        "connections update", "sources check", "sources discover", "alerts test", "check",
    }  # fmt: skip


@pytest.mark.parametrize("line", sorted(set(TOLD)))
def test_every_command_in_the_golden_file_can_be_given(line: str) -> None:
    words = shlex.split(line)
    assert read_command(words) in words[:3]


HOSTILE: Final = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "; rm -rf /",
            "$(reboot)",
            "`id`",
            "a b",
            "--yes",
            "-h",
            "'",
            '"',
            "x\ny",
            "\u202eabc",
            "..",
            "",
            "~",
            "*",
        ]
    ),
)
SAFE: Final = re.compile(r"airbyte-exporter( (--)?[0-9A-Za-z_][0-9A-Za-z_-]*)+")
OUR_WORDS: Final = {
    "airbyte-exporter", "alerts", "cancel", "check", "connections", "destinations", "discover", "enable",
    "failed", "jobs", "list", "pending", "queued", "show", "sources", "sync", "test", "update", "24h",
    "STREAM", "--discover", "--since", "--status", "--stream", "--wait",
}  # fmt: skip
AN_ID: Final = re.compile(r"[0-9]+|[0-9a-fA-F][0-9a-fA-F-]{3,63}")


@given(
    rule=st.sampled_from(list(RulesConfig.model_fields)),
    names=st.tuples(*[HOSTILE] * 8),
    origin=st.sampled_from(["source", "destination"]),
    status=st.sampled_from(list(ConnectionStatus)),
    job_id=st.integers(-(2**70), 2**70),
    group=st.sampled_from(["sync-health", "stuck", "availability"]),
    api=st.sampled_from(list(INSTANCES)),
    shared=st.booleans(),
    real_ids=st.booleans(),
)
def test_nothing_that_people_write_is_ever_in_a_command(
    rule: str,
    names: tuple[str, ...],
    origin: str,
    status: ConnectionStatus,
    job_id: int,
    group: str,
    api: str,
    shared: bool,
    real_ids: bool,
) -> None:
    connection = Connection(
        id=ID if real_ids else names[0],
        name=names[1],
        workspace_id=names[2],
        status=status,
        source=Actor(CONNECTION.source.id if real_ids else names[3], names[4], names[4]),
        destination=Actor(CONNECTION.destination.id if real_ids else names[3], names[5], names[5]),
        schedule=CONNECTION.schedule,
        tags=(names[6],),
    )
    receiver = names[7]
    it = incident(
        rule,
        job(Failure(origin, "config_error", names[6]), id_=job_id),
        group=receiver_group(receiver) if rule == "NotificationsFailing" else group,
        connection_id="" if shared else ID,
    )
    history = None
    if not shared:
        history = ConnectionHistory(
            ConnectionFacts(connection, NOON), Workspace(names[2], names[2]), None, ()
        )
    means = Means.of(INSTANCES[api], [receiver])
    context = MessageContext(names[6], UI_URL, NOON, means=means)
    found = body("alert.firing", it, history, context)["data"]["hints"]
    assert len(found) <= 4
    for hint in found:
        assert (hint["command"] is None) is (hint["what"] == "Open it in Airbyte")
        assert len(hint["what"]) <= 70
        if hint["command"] is None:
            continue
        assert len(hint["command"]) <= 160
        assert SAFE.fullmatch(hint["command"])
        words = shlex.split(hint["command"])
        assert words == hint["command"].split(" ")
        read_command(words[1:])
        foreign = [word for word in words if word not in OUR_WORDS and not AN_ID.fullmatch(word)]
        assert foreign in ([], [receiver] if re.fullmatch(r"[0-9a-zA-Z_][0-9a-zA-Z_-]*", receiver) else [])
