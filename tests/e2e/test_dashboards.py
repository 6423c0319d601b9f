"""Real Prometheus servers answer every query of the dashboards while things go wrong and right again.

They scrape the daemon over a simulated world, twice under two pods' names, as while a pod is replaced: with
the labels that a ServiceMonitor adds, so that a join that is not unique is an error all the time.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from airbyte_exporter.simulator import Fault, SimulatedConnection, SimulatorServer, World
from tests.dashboards import NAMES, queries, several, variable_queries
from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, WebhookReceiver, eventually, exporter_for, running, to
from tests.e2e.prometheus import Prometheus, running_prometheus
from tests.rules import written_quicker
from tests.specifications import Json

SPEED = 600
SCRAPE = 1
WINDOW = 60


QUIET = {"Since it was created"}
"""What this Airbyte's listing does not tell."""


@dataclass
class Story:
    """A world, who watches it, and which connections something happens to."""

    server: SimulatorServer
    exporter: Exporter
    prometheus: Prometheus
    receiver: WebhookReceiver
    manual: str
    waiting: set[tuple[str, str, int]] = field(default_factory=set)

    @property
    def world(self) -> World:
        """What happens."""
        return self.server.world

    def connection(self, connection_id: str) -> SimulatedConnection:
        """Return a connection as it is now."""
        return next(one for one in self.world.connections() if one.id == connection_id)

    def number(self, title: str, **values: str) -> float | None:
        """Read a number of the overview."""
        (query,) = (text for name, text in overview(values) if name == title)
        return self.prometheus.value(query)

    def wait_for(self, title: str, condition: Callable[[float], bool], what: str, **values: str) -> None:
        """Wait until a number of the overview is as it should be."""

        def holds() -> bool:
            number = self.number(title, **values)
            return number is not None and condition(number)

        eventually(holds, f"{title}: {what}", timeout=40, unless=self.exporter.died)

    def run(self, outcome: str, **options: Json) -> None:
        """Start a job by hand, once the last one has ended."""
        eventually(
            lambda: all(job.is_final for job in self.world.jobs(self.manual)), "the job by hand has ended"
        )
        self.world.run_now(self.manual, outcome, **options)

    def ask_everything(self, values: Mapping[str, str]) -> None:
        """Ask every query as Grafana would, over the last minute; strike off those that have an answer."""
        until = time.time()
        for name in NAMES:
            for asked in queries(name, values, seconds=WINDOW, scrape=SCRAPE, step=5 * SCRAPE):
                place = (asked.dashboard, asked.panel, asked.number)
                if asked.instant:
                    answer: list[object] = [*self.prometheus.query(asked.expression)]
                else:
                    answer = [
                        *self.prometheus.range(
                            asked.expression, since=until - WINDOW, until=until, step=asked.step
                        )
                    ]
                if answer:
                    self.waiting.discard(place)
            for _, query in variable_queries(name, values):
                assert self.prometheus.query(query), query


def overview(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the overview's queries, over the last minute."""
    return [
        (asked.panel, asked.expression)
        for asked in queries("overview", values, seconds=WINDOW, scrape=SCRAPE)
    ]


def test_every_query_in_a_world_in_which_things_fail_and_recover(
    prometheus_program: str, simulate: Simulate, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    server = simulate(speed=SPEED, connections=16, auth="client-credentials")
    exporter = exporter_for(tmp_path, server, METRICS__MAX_CONNECTIONS="1000", **to(receiver))
    port = exporter.port
    pods = {
        f"127.0.0.1:{port}": {"instance": "airbyte/exporter", "pod": "airbyte-exporter-a"},
        f"localhost:{port}": {"instance": "airbyte/exporter", "pod": "airbyte-exporter-b"},
    }
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(written_quicker()), encoding="utf-8")
    config = f"rule_files: ['{rules}']\n"
    with (
        running(exporter),
        running_prometheus(prometheus_program, tmp_path, "", pods=pods, config=config) as prometheus,
    ):
        exporter.wait_until_ready()
        manual = next(one.id for one in server.world.connections() if one.schedule_type == "manual")
        story = Story(server, exporter, prometheus, receiver, manual)
        story.waiting = {
            (asked.dashboard, asked.panel, asked.number) for name in NAMES for asked in queries(name)
        }
        assert len(story.waiting) > 100
        eventually(
            lambda: prometheus.value('count(airbyte_up{instance="airbyte/exporter"})') == len(pods),
            "two pods tell the same",
        )
        a_sync_fails_while_nobody_can_be_told(story)
        a_source_breaks_and_syncs_are_late(story)
        a_job_waits_and_one_does_not_end(story)
        the_api_stumbles(story)
        all_is_asked_whatever_is_chosen(story)
        it_recovers(story)


def a_sync_fails_while_nobody_can_be_told(story: Story) -> None:
    """Its failures are counted by kind, and the notification waits."""
    story.receiver.answer = lambda _number: 503
    story.run("failed", attempts=2, records=900, rejected=40)
    story.wait_for("Failing", lambda number: number >= 1, "a sync failed", connection=story.manual)
    oldest = "min(airbyte_exporter_notification_oldest_timestamp_seconds)"
    eventually(lambda: story.prometheus.query(oldest), "a notification waits")
    story.ask_everything({"connection": story.manual})
    story.receiver.answer = lambda _number: 204


def a_source_breaks_and_syncs_are_late(story: Story) -> None:
    """A connection whose source is broken fails every time, and then is late by its own schedule."""
    steady = late_candidate(story.world)
    story.world.break_actor(steady.source_id)
    chosen = several([steady.id])
    story.wait_for("Failing", lambda number: number == 1, "it fails", connection=chosen)
    story.wait_for("Late", lambda number: number == 1, "older than two intervals", connection=chosen)
    assert story.number("Healthy", connection=chosen) == 0
    rows = story.prometheus.query(
        next(text for name, text in overview({}) if name == "Worst freshness against the own schedule")
    )
    assert steady.name in {labels["connection_name"] for labels, _ in rows}
    story.world.heal_actor(steady.source_id)


def late_candidate(world: World) -> SimulatedConnection:
    """Return a steady connection that syncs every few seconds, and that the API says so of."""
    return next(
        one
        for one in world.connections()
        if one.character == "steady" and 2 <= one.told_interval <= 5 and one.status == "active"
    )


def a_job_waits_and_one_does_not_end(story: Story) -> None:
    """A job waits for a worker, then runs."""
    story.run("succeeded", queued=5, duration=6, records=7000, rejected=7)
    chosen = several([story.manual])
    story.wait_for("Queued", lambda number: number == 1, "it waits", connection=chosen)
    story.ask_everything({"connection": story.manual})
    story.wait_for("Running", lambda number: number == 1, "it runs", connection=chosen)
    story.ask_everything({"connection": story.manual})
    story.wait_for("Queued", lambda number: number == 0, "for both pods", connection=chosen)
    assert story.number("Hanging", connection=chosen) == 0, "for seconds only"


def the_api_stumbles(story: Story) -> None:
    """Requests are refused until a poll has failed."""
    refusal = Fault("*", status=503, times=float("inf"))
    story.server.faults.append(refusal)
    story.wait_for("Airbyte", lambda number: number == 0, "it is down")
    story.server.faults.remove(refusal)
    story.wait_for("Airbyte", lambda number: number == 1, "it is up again")


def all_is_asked_whatever_is_chosen(story: Story) -> None:
    """One, several or all of everything, whatever is in names and ids: no query fails."""
    connections = [one for one in story.world.connections() if one.status == "active"]
    some = connections[:3]
    group = {"group": "workspace_name", "rows": "25"}
    for values in (
        {"connection": several([one.id for one in some])},
        {"workspace": several(sorted({one.workspace_id for one in some})), **group},
        {"source": several(sorted({one.source_connector for one in some})), "group": "destination_connector"},
        {"job": "airbyte-exporter", "instance": several(["airbyte/exporter", "10.0.0.1:10980"]), "rows": "2"},
    ):
        story.ask_everything({"group": "source_connector", **values})
    assert story.number("Disabled", destination="nothing (like) this") is None

    def all_answered() -> bool:
        story.ask_everything({"connection": with_everything(story)})
        return {panel for _, panel, _ in story.waiting} <= QUIET

    try:
        eventually(all_answered, "every query has had an answer", timeout=30, unless=story.exporter.died)
    except AssertionError as error:
        raise AssertionError(f"{error}: {sorted(story.waiting)}") from None


def with_everything(story: Story) -> str:
    """Return a connection that is at work and syncs by a schedule."""
    live = [job.connection_id for job in story.world.jobs() if not job.is_final]
    scheduled = [one.id for one in story.world.connections() if one.id in live and one.interval]
    return scheduled[0] if scheduled else story.manual


def it_recovers(story: Story) -> None:
    """Healed, the connection is neither failing nor late any more, and its own dashboard tells of both."""
    healed = late_candidate(story.world)
    chosen = several([healed.id])
    story.wait_for("Failing", lambda number: number == 0, "it succeeds again", connection=chosen)
    story.wait_for("Late", lambda number: number == 0, "it is on time", connection=chosen)
    story.wait_for("Healthy", lambda number: number == 1, "it is well", connection=chosen)
    (states,) = (
        asked
        for asked in queries("connection", {"connection": healed.id}, seconds=WINDOW, scrape=SCRAPE, step=1)
        if asked.legend == "Last sync"
    )
    until = time.time()
    ((_, told),) = story.prometheus.range(states.expression, since=until - WINDOW, until=until, step=1)
    assert {20, 21} <= {number for _, number in told}, "it succeeded and failed within the minute"
