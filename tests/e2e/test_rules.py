"""Real Prometheus and Alertmanager servers judge the real exporter by the shipped rules, made quicker.

What a receiver refuses is sent again ever more slowly, and that cannot be made quicker: NotificationsFailing
comes and goes here, and the unit tests of the rules have how long it lasts.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from airbyte_exporter.simulator import Fault, SimulatorServer, World
from tests.e2e.alertmanager import Alertmanager, running_alertmanager
from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, WebhookReceiver, eventually, exporter_for, running, to
from tests.e2e.prometheus import TARGET_LABELS, Prometheus, running_prometheus
from tests.e2e.truth import rest
from tests.rules import FOLDER, VERSIONS, alerts, program, written_quicker

Told = tuple[str, str]
"""An alert and the connection that it is about, if any."""

QUICK = {
    "AIRBYTE__TIMEOUT": "1s",
    "POLL__JOBS_MAX_STALENESS": "4s",
    "POLL__INVENTORY_MAX_STALENESS": "6s",
}
FOR_EVER = 1e9
NAMES = {"connection_id", "connection_name", "workspace_name", "source_connector", "destination_connector"}


class People:
    """Keep what an Alertmanager sends: for each alert what was heard of it, in order."""

    def __init__(self) -> None:
        self.heard: dict[Told, list[str]] = {}
        people = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                people.hear(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_request(self, *_args: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/page"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def hear(self, group: dict[str, Any]) -> None:
        """Note the alerts of a message, repetitions left out."""
        for alert in group["alerts"]:
            heard = self.heard.setdefault(named(alert["labels"]), [])
            if heard[-1:] != [alert["status"]]:
                heard.append(alert["status"])


def named(labels: dict[str, str]) -> Told:
    return labels["alertname"], labels.get("connection_id", "")


@pytest.fixture(name="people")
def people_who_are_told() -> Iterator[People]:
    people = People()
    yield people
    people.server.shutdown()
    people.server.server_close()


@dataclass
class Company:
    """A world in which nothing happens by itself, and who in it is to get into which trouble."""

    world: World
    trouble: dict[str, str]
    stuck_job: int = 0

    @property
    def expected(self) -> set[Told]:
        return set(self.trouble.items())

    def go_wrong(self) -> None:
        """Make each trouble, as far as it begins at once."""
        for alert, times in (
            ("SyncFailed", 1),
            ("SyncFailing", 3),
            ("AutoDisableSoon", 20),
            ("ConnectionDisabled", 20),
        ):
            for _ in range(times):
                self.world.run_now(self.trouble[alert], "failed")
        self.world.change_schema(self.trouble["BreakingSchemaChange"], "breaking")
        self.stuck_job = self.world.run_now(self.trouble["JobStuckPending"], queued=FOR_EVER)

    def recover(self) -> None:
        """Let everything be well again."""
        self.world.finish(self.stuck_job)
        for alert in ("BreakingSchemaChange", "ConnectionDisabled"):
            self.world.enable(self.trouble[alert])
        for alert in ("SyncFailed", "SyncFailing", "AutoDisableSoon", "NeverSucceeded"):
            self.world.run_now(self.trouble[alert], "succeeded")
        self.world.pause(self.trouble["SyncOverdue"])


def company(server: SimulatorServer) -> Company:
    """Choose who gets into trouble; everyone else is paused, so that none of them is late."""
    world = server.world
    rest(world)
    idle = [
        one
        for one in world.connections()
        if one.status == "active" and all(job.is_final for job in world.jobs(one.id))
    ]
    late = next(one for one in idle if one.schedule_type == "cron")
    others = [one for one in idle if one is not late]
    names = [
        "SyncFailed",
        "SyncFailing",
        "AutoDisableSoon",
        "BreakingSchemaChange",
        "ConnectionDisabled",
        "JobStuckPending",
    ]
    trouble = {name: one.id for name, one in zip(names, others, strict=False)} | {"SyncOverdue": late.id}
    assert len(trouble) == len(names) + 1
    for one in world.connections():
        if one.id not in trouble.values() and one.status == "active":
            world.pause(one.id)
    for connection_id in trouble.values():
        world.run_now(connection_id, "succeeded")
    trouble["NeverSucceeded"] = world.add_connection("Never → Anywhere", every_hours=24)
    world.run_now(trouble["NeverSucceeded"], "cancelled")
    return Company(world, trouble)


@contextmanager
def rules_judged(
    version: str, folder: Path, exporter: Exporter, manager: Alertmanager
) -> Iterator[Prometheus]:
    """Run a Prometheus with the rules, made quicker, that tells the Alertmanager."""
    rules = folder / "rules.yaml"
    rules.write_text(yaml.safe_dump(written_quicker()), encoding="utf-8")
    config = (
        f"rule_files: ['{rules}']\nalerting:\n  alertmanagers:\n    - static_configs:\n"
        f"        - targets: ['{manager.url.removeprefix('http://')}']\n"
    )
    target = f"127.0.0.1:{exporter.port}"
    with running_prometheus(program("prometheus", version), folder, target, config=config) as server:
        yield server


def firing(prometheus: Prometheus) -> set[Told]:
    return {named(labels) for labels, _ in prometheus.query('ALERTS{alertstate="firing"}')}


def begun(prometheus: Prometheus, about: set[Told]) -> dict[Told, float]:
    """Since when alerts fire: one that has ended and begun anew has another time."""
    rows = prometheus.query("ALERTS_FOR_STATE")
    return {named(labels): value for labels, value in rows if named(labels) in about}


def known_to(manager: Alertmanager) -> set[Told]:
    return {named(alert["labels"]) for alert in manager.alerts() if alert["status"]["state"] == "active"}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_goes_wrong_fires_lasts_and_resolves(
    version: str, simulate: Simulate, receiver: WebhookReceiver, people: People, tmp_path: Path
) -> None:
    server = simulate(speed=600, connections=20, history_jobs=3)
    it = company(server)
    receiver.answer = lambda _: 500
    exporter = exporter_for(tmp_path, server, **QUICK, **to(receiver))
    with (
        running_alertmanager(program("prometheus-alertmanager", version), tmp_path, people.url) as manager,
        running(exporter),
        rules_judged(version, tmp_path, exporter, manager) as prometheus,
    ):
        exporter.wait_until_ready()
        everything_fires(it, prometheus, manager)
        an_outage_of_airbyte_ends_nothing(it, server, prometheus, manager)
        an_outage_of_the_exporter_ends_nothing(it, exporter, prometheus, manager)
        it.recover()
        receiver.answer = lambda _: 204
        delayed = ("AirbyteExporterNotificationsDelayed", "")
        over = it.expected | {delayed}
        eventually(lambda: not firing(prometheus) & over, "all of it is over", unless=exporter.died)
        eventually(lambda: not known_to(manager) & over, "Alertmanager knows", unless=exporter.died)
        # Beside those: what waits to be delivered is not known while the exporter is away.
        once = it.expected | {("AirbyteUnreachable", ""), ("AirbyteExporterDown", "")}
        refused = ("NotificationsFailing", "")

        def heard() -> bool:
            others = {told: people.heard.get(told) for told in once}
            others = {told: said for told, said in others.items() if said != ["firing", "resolved"]}
            assert not others, others
            again_and_again = people.heard.get(refused, [])
            assert again_and_again[:1] + again_and_again[-1:] == ["firing", "resolved"], again_and_again
            return True

        eventually(heard, "people have heard of each beginning and each end, once")
        every_rule_was_judged(prometheus)


def everything_fires(it: Company, prometheus: Prometheus, manager: Alertmanager) -> None:
    it.go_wrong()
    failures = 'max by (connection_id) (airbyte_connection_consecutive_failures{connection_id="%s"}) >= 20'
    eventually(lambda: prometheus.query(failures % it.trouble["ConnectionDisabled"]), "the failures are seen")
    it.world.disable(it.trouble["ConnectionDisabled"])

    def all_fire() -> bool:
        waiting = it.expected - firing(prometheus)
        if ("AutoDisableSoon", it.trouble["AutoDisableSoon"]) in waiting:
            it.world.run_now(it.trouble["AutoDisableSoon"], "failed")  # it depends on the newest failure
        assert not waiting, waiting
        return True

    eventually(all_fire, "everything fires", timeout=40)
    eventually(
        lambda: ("AirbyteExporterNotificationsDelayed", "") in firing(prometheus),
        "notifications wait",
        timeout=20,
    )
    eventually(lambda: known_to(manager) >= it.expected, "everything has reached Alertmanager")
    names = {one.id: one.name for one in it.world.connections()}
    for alert in manager.alerts():
        labels, said = alert["labels"], alert["annotations"]
        assert labels["severity"] == alerts()[labels["alertname"]]["labels"]["severity"]
        if named(labels) in it.expected:
            assert set(labels) == {"alertname", "severity", "job", "instance", *NAMES}
            assert labels["connection_name"] == names[labels["connection_id"]]
            assert said["summary"].endswith(f": {labels['connection_name']}")
            assert said["runbook_url"].endswith(f"/runbooks/{labels['alertname']}.md")


def an_outage_of_airbyte_ends_nothing(
    it: Company, server: SimulatorServer, prometheus: Prometheus, manager: Alertmanager
) -> None:
    # What was taken over by a higher rule ends by itself meanwhile: only what goes on is looked at.
    since = begun(prometheus, it.expected)
    assert since.keys() == it.expected
    unreachable = ("AirbyteUnreachable", "")
    server.faults.append(Fault("*", status=503, times=FOR_EVER))
    eventually(lambda: not prometheus.query("airbyte_connection_info"), "the facts have left")
    eventually(lambda: unreachable in known_to(manager), "that Airbyte is away has reached Alertmanager")
    assert begun(prometheus, it.expected) == since
    server.faults.clear()
    eventually(lambda: prometheus.query("instance:airbyte_up:fresh == 1"), "Airbyte is read again")
    eventually(lambda: unreachable not in firing(prometheus), "Airbyte is back")
    assert begun(prometheus, it.expected) == since
    assert firing(prometheus) >= it.expected


def an_outage_of_the_exporter_ends_nothing(
    it: Company, exporter: Exporter, prometheus: Prometheus, manager: Alertmanager
) -> None:
    since = begun(prometheus, it.expected)
    down = ("AirbyteExporterDown", "")
    exporter.kill()
    eventually(lambda: down in known_to(manager), "that the exporter is away has reached Alertmanager")
    exporter.start()
    exporter.wait_until_ready()
    eventually(lambda: prometheus.query("instance:airbyte_up:fresh == 1"), "it is read again")
    eventually(lambda: down not in firing(prometheus), "the exporter is back", unless=exporter.died)
    assert begun(prometheus, it.expected) == since


def every_rule_was_judged(prometheus: Prometheus) -> None:
    """No rule has ever failed, and none has brought a label of the target's that changes with the pod."""
    judged = prometheus._ask("rules")["groups"]
    rules = [rule for group in judged for rule in group["rules"]]
    assert len(rules) == sum(len(group["rules"]) for group in written_quicker()["groups"])
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    assert prometheus.value("sum(prometheus_rule_evaluation_failures_total) or vector(0)") == 0
    for name in {rule["name"] for rule in rules if rule["type"] == "recording"} | {"ALERTS"}:
        for labels, _ in prometheus.query(name):
            assert not labels.keys() & TARGET_LABELS.keys(), name
    assert (FOLDER / "airbyte-rules.yaml").is_file()
