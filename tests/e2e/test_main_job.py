"""The main job: what a simulated Airbyte does is what `/metrics` says, and a failed sync reaches people."""

import sqlite3
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from airbyte_exporter.simulator import Failure, Fault, ReceivedRequest, SimulatedConnection, SimulatorServer
from tests.e2e.conftest import Simulate
from tests.e2e.harness import (
    Exporter,
    Scrape,
    WebhookReceiver,
    eventually,
    exporter_for,
    get,
    reader_for,
    running,
    to,
)
from tests.e2e.truth import (
    BY_THE_PUBLIC_API,
    EVERYTHING,
    KNOWLEDGE,
    Expected,
    Knowledge,
    expected_counters,
    expected_gauges,
    rest,
)
from tests.requirements import ROOT
from tests.specifications import REFERENCE, problems_of, problems_of_query, problems_with, spec_of


def epoch_of(exporter: Exporter) -> int:
    """Return when counting began, from the state itself."""
    with sqlite3.connect(f"file:{exporter.state}?mode=ro", uri=True) as state:
        epoch: int = state.execute("select epoch from state").fetchone()[0]
        return epoch


def differences(
    server: SimulatorServer,
    exporter: Exporter,
    *,
    visible_only: bool = True,
    knowledge: Knowledge = EVERYTHING,
) -> list[str]:
    """Say where the exposition is not what the world says."""
    expected, epoch = Expected(), epoch_of(exporter)
    expected_gauges(
        server.world, expected, visible_only=visible_only, knowledge=knowledge, watched_since=epoch + 5
    )
    expected_counters(server.world, epoch, expected, knowledge=knowledge)
    return expected.differences(exporter.scrape())


def wait_for_the_truth(
    server: SimulatorServer,
    exporter: Exporter,
    *,
    visible_only: bool = True,
    knowledge: Knowledge = EVERYTHING,
    timeout: float = 40.0,
) -> None:
    """Wait until metrics and world agree in everything."""
    last: list[str] = []

    def agree() -> bool:
        last[:] = differences(server, exporter, visible_only=visible_only, knowledge=knowledge)
        return not last

    try:
        eventually(agree, "metrics and world agree", timeout=timeout, unless=exporter.died)
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *last[:20]])) from None


@dataclass(frozen=True)
class Airbyte:
    """An Airbyte to run against: what it speaks, how it authenticates, as whom we come, and by which API."""

    generation: str
    auth: str
    as_reader: bool = False
    api: str = "auto"

    def __str__(self) -> str:
        by = f" by {self.api}" if self.api != "auto" else ""
        return f"{self.generation} {self.auth}{' as reader' if self.as_reader else ''}{by}"

    def start(self, simulate: Simulate, **options: int) -> SimulatorServer:
        """Start it."""
        return simulate(generation=self.generation, auth=self.auth, **options)

    def exporter(self, folder: Path, server: SimulatorServer, **settings: str) -> Exporter:
        """Return an exporter for it."""
        settings |= {"AIRBYTE__API": self.api}
        return (reader_for if self.as_reader else exporter_for)(folder, server, **settings)

    def knowledge(self, server: SimulatorServer) -> Knowledge:
        """Return what it lets us know."""
        workspaces = server.reader_workspaces if self.as_reader else None
        known = BY_THE_PUBLIC_API if self.api == "public" else KNOWLEDGE[self.generation]
        return replace(known, workspaces=workspaces)


AIRBYTES = (
    Airbyte("reference", "none"),
    Airbyte("0.50", "basic"),
    Airbyte("1.6", "client-credentials"),
    Airbyte("1.6", "client-credentials", as_reader=True),
    Airbyte("2.0", "client-credentials"),
    Airbyte("2.0", "client-credentials", as_reader=True),
    Airbyte("2.0", "client-credentials", api="public"),
    Airbyte("2.0", "client-credentials", as_reader=True, api="public"),
)
READS_LOGS = {
    "jobs/get",
    "jobs/get_debug_info",
    "attempt/get_for_job",
}
"""Methods of real servers that read log files."""

PROBES = {"instance_configuration", "deployment/metadata", "web_backend/connections/list"}
"""What an Airbyte may be asked for that does not have it: its 404 is what tells."""

each_airbyte = pytest.mark.parametrize("airbyte", AIRBYTES, ids=str)


def watched_manual_connection(airbyte: Airbyte, server: SimulatorServer) -> SimulatedConnection:
    """Return a connection that only syncs when somebody wants it to, in a workspace that we may read."""
    known = airbyte.knowledge(server).connections(server.world)
    return next(one for one in known if one.schedule_type == "manual" and one.status == "active")


def assert_only_read(server: SimulatorServer) -> None:
    """Nothing that was sent could change anything, or make Airbyte read log files."""
    for request in server.requests:
        if request.path.startswith("/api/public/v1/"):
            path = request.path.removeprefix("/api/public/v1")
            assert request.method == "GET" or path == "/applications/token"
            assert path != "/streams", "that may start a connector"
            assert not problems_of_query(request.method, path, request.query, request.json()), request
            continue
        method = request.path.removeprefix("/api/v1/")
        assert method.rpartition("/")[2].startswith(("list", "get")) or method in {
            "instance_configuration",
            "deployment/metadata",
            "applications/token",
        }, f"{method} might change something"
        assert method not in READS_LOGS
        assert_as_specified(server.generation.version, method, request)


def assert_as_specified(version: str, method: str, request: ReceivedRequest) -> None:
    """A request is one that the specification of that version, or the short reference, knows and allows."""
    body = request.json() or {}
    if not version:
        assert method in REFERENCE or (method in PROBES and request.status == 404)
        assert method not in REFERENCE or not problems_with(REFERENCE[method], body), (method, body)
        return
    spec, path = spec_of(version), f"/v1/{method}"
    if path not in spec["paths"]:
        assert method in PROBES, method
        assert request.status == 404
        return
    assert not problems_of(spec, request.method, path, body), (method, body)


def assert_the_document_is_right(airbyte: Airbyte, scrape: Scrape) -> None:
    """No metric is here that docs/compatibility.md denies this Airbyte, none is missing that it promises."""
    text = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    header, _, *rows = [
        [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
        for line in text[text.index("| metric |") :].partition("\n\n")[0].splitlines()
    ]
    column = header.index("public" if airbyte.api == "public" else airbyte.generation)
    told = {row[0] for row in rows if row[column] != "no"}
    assert "no" in {row[column] for row in rows}
    assert {row[0] for row in rows} & {*scrape.families.values()} == told


@pytest.mark.parametrize(
    "airbyte", [*AIRBYTES, Airbyte("2.0", "none"), Airbyte("1.6", "basic"), Airbyte("2.0", "bearer")], ids=str
)
def test_metrics_are_the_truth(airbyte: Airbyte, simulate: Simulate, tmp_path: Path) -> None:
    server = airbyte.start(simulate, connections=30, speed=600)
    knowledge = airbyte.knowledge(server)
    with running(airbyte.exporter(tmp_path, server)) as exporter:
        exporter.wait_until_ready()
        ended = exporter.wait_for(
            lambda scrape: sum(scrape.all("airbyte_jobs_completed_total").values()) > 20, "jobs are counted"
        )
        assert ended.value("airbyte_up") == 1
        rest(server.world)
        # Whether one of them has failed by then, having committed a part, is left to chance.
        partly = Failure("source", "config_error", "Authentication failed", "internal")
        manual = watched_manual_connection(airbyte, server)
        server.world.run_now(manual.id, "failed", records=500, failures=[partly])
        wait_for_the_truth(server, exporter, knowledge=knowledge)

        scrape = exporter.scrape()
        assert_the_document_is_right(airbyte, scrape)
        connections = [one for one in knowledge.connections(server.world) if one.status != "deprecated"]
        assert len(connections) == 30 or airbyte.as_reader
        infos = {
            dict(labels)["connection_id"]: dict(labels) for labels in scrape.all("airbyte_connection_info")
        }
        for connection in connections:
            info = infos.pop(connection.id)
            assert info["connection_name"] == connection.name
            assert info["workspace_name"] == connection.workspace_name
            assert (info["source_connector"], info["destination_connector"]) == knowledge.connectors(
                connection
            )
            assert bool(info["source_connector_version"]) is not knowledge.slugs
            assert info["schedule_type"] == knowledge.schedule_type(connection)
            assert info["tags"] == (",".join(sorted(connection.tags)) if knowledge.tags else "")
        assert infos == {}
        assert sum(scrape.all("airbyte_connections").values()) == len(connections)
        (instance,) = map(dict, scrape.all("airbyte_instance_info"))
        if airbyte.api == "public":
            assert (instance["api"], instance["version"], instance["edition"]) == ("public", "", "")
        else:
            assert instance["api"] == ("reference" if airbyte.generation == "reference" else "config")
        assert instance["auth"] == airbyte.auth
        (polling,) = map(dict, scrape.all("airbyte_exporter_poll_info"))
        assert polling == {"loop": "jobs", "mode": polling_of(airbyte)}
        assert exporter.terminate() == 0
    assert_only_read(server)


def polling_of(airbyte: Airbyte) -> str:
    """Return the way of polling that is to be used."""
    if airbyte.generation in {"reference", "0.50"}:
        return "connections"
    return "workspaces" if airbyte.as_reader and airbyte.api != "public" else "changes"


@each_airbyte
def test_live_jobs_show_and_their_numbers_move(airbyte: Airbyte, simulate: Simulate, tmp_path: Path) -> None:
    server = airbyte.start(simulate, speed=60)
    server.world.freeze()
    connection = watched_manual_connection(airbyte, server)
    key = {"connection_id": connection.id}
    with running(airbyte.exporter(tmp_path, server)) as exporter:
        exporter.wait_until_ready()
        job = server.world.run_now(connection.id, duration=20.0, records=100_000)
        exporter.wait_for(
            lambda scrape: scrape.value("airbyte_connection_active_job_status", status="running", **key),
            "a running job shows",
        )

        def emitted(scrape: Scrape) -> float:
            return scrape.value("airbyte_connection_active_job_records_emitted", **key) or 0.0

        if airbyte.knowledge(server).summaries_only:
            assert emitted(exporter.scrape()) == 0.0
        else:
            first = emitted(
                exporter.wait_for(lambda scrape: emitted(scrape) > 0, "a running job shows its numbers")
            )
            exporter.wait_for(lambda scrape: emitted(scrape) > first, "and they move")
        server.world.finish(job)
        ended = exporter.wait_for(
            lambda scrape: scrape.value(
                "airbyte_connection_jobs_total", job_type="sync", status="succeeded", **key
            ),
            "the job is counted",
        )
        assert not [
            labels
            for labels in ended.all("airbyte_connection_active_job_status")
            if dict(labels)["connection_id"] == connection.id
        ]


@each_airbyte
def test_a_failed_sync_is_told_once_and_its_recovery_too(
    airbyte: Airbyte, simulate: Simulate, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    server = airbyte.start(simulate, speed=60)
    server.world.freeze()
    connection = watched_manual_connection(airbyte, server)
    receiver.answer = lambda number: 500 if number <= 2 else 204
    with running(airbyte.exporter(tmp_path, server, **to(receiver))) as exporter:
        exporter.wait_until_ready()
        server.world.run_now(connection.id, "failed")
        eventually(lambda: receiver.of(connection.id), "the failure is told", unless=exporter.died)
        server.world.run_now(connection.id, "failed")
        server.world.run_now(connection.id, "succeeded")
        eventually(lambda: len(receiver.of(connection.id)) >= 2, "the recovery is told", unless=exporter.died)

    (first_id, firing), (second_id, resolved) = receiver.of(connection.id)
    assert (firing["type"], resolved["type"]) == ("alert.firing", "alert.resolved")
    assert first_id != second_id
    assert firing["data"]["fingerprint"] == resolved["data"]["fingerprint"]
    assert firing["data"]["rule"] == "SyncFailed"
    assert firing["data"]["connection"]["name"] == connection.name
    failure = firing["data"]["job"]["failure"]
    if airbyte.knowledge(server).summaries_only:
        assert failure is None, "why it failed is not known"
    else:
        assert failure["origin"]
    assert resolved["data"]["reason"] == "succeeded"
    assert resolved["data"]["starts_at"] < resolved["data"]["ends_at"] or resolved["data"]["ends_at"]
    assert receiver.refused == [], "every attempt was signed rightly"


@each_airbyte
def test_an_outage_of_airbyte_is_no_failed_sync(
    airbyte: Airbyte, simulate: Simulate, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    server = airbyte.start(simulate, speed=60)
    server.world.freeze()
    with running(airbyte.exporter(tmp_path, server, **to(receiver))) as exporter:
        exporter.wait_until_ready()
        before = exporter.wait_for(lambda scrape: scrape.value("airbyte_up") == 1, "it is up")
        server.faults.append(Fault("*", status=503, body="", times=float("inf")))
        down = exporter.wait_for(lambda scrape: scrape.value("airbyte_up") == 0, "it is down", timeout=60)
        assert down.all("airbyte_connection_info") == before.all("airbyte_connection_info"), (
            "what is known stays"
        )
        assert get(f"{exporter.url}/-/ready")[0] == 200, "that Airbyte is down is not for readiness to tell"
        server.faults.clear()
        exporter.wait_for(lambda scrape: scrape.value("airbyte_up") == 1, "it is up again", timeout=60)
        wait_for_the_truth(server, exporter, knowledge=airbyte.knowledge(server))
    assert receiver.messages == []


@pytest.mark.parametrize("status", [403, 404])
def test_where_only_the_public_api_is_let_through_that_is_read(
    status: int, simulate: Simulate, tmp_path: Path
) -> None:
    airbyte = Airbyte("2.0", "client-credentials", api="public")
    server = airbyte.start(simulate, speed=60)
    server.faults.append(Fault("/api/v1/[!a]*", status=status, body="{}", times=float("inf")))
    with running(exporter_for(tmp_path, server)) as exporter:
        exporter.wait_until_ready()
        rest(server.world)
        wait_for_the_truth(server, exporter, knowledge=airbyte.knowledge(server))
        (instance,) = map(dict, exporter.scrape().all("airbyte_instance_info"))
        assert instance["api"] == "public"
        assert exporter.output.count("Airbyte found") == 1
        assert "the Config API, which tells more, cannot be used here" in exporter.output
        server.faults.clear()


def test_a_second_daemon_on_the_same_state_is_refused(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate()
    with running(exporter_for(tmp_path, server)) as first:
        first.wait_until_ready()
        second = exporter_for(tmp_path, server, STATE__URL=f"sqlite:///{first.state}")
        second.log = tmp_path / "second.log"
        second.start()
        assert second.process is not None
        assert second.process.wait(20) == 1
        last_line = second.output.strip().splitlines()[-1]
        assert last_line.startswith("airbyte-exporter: ")
        assert str(first.state) in last_line
        assert first.scrape().value("airbyte_up") == 1


def test_it_stops_within_five_seconds_though_airbyte_hangs(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate()
    with running(exporter_for(tmp_path, server)) as exporter:
        exporter.wait_until_ready()
        server.faults.append(Fault("*/jobs/list", delay=20, times=float("inf")))
        counts = server.counts.copy()
        eventually(lambda: server.counts != counts or server.faults[0].times, "a request hangs")
        started = time.monotonic()
        assert exporter.terminate() == 0
        assert time.monotonic() - started < 5.5
    server.faults.clear()
