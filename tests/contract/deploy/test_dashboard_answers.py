"""The Grafana dashboards answer what they say, by Prometheus' own engine."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from airbyte_exporter.exposition import Exposition
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
    Failure,
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
from airbyte_exporter.telemetry import Telemetry
from tests.dashboards import dashboard_queries, every_variable_query, load, panels, several
from tests.requirements import require_program
from tests.rules import RULES

NOW = 7200
HOSTILE = 'Stripe "EU" \\ São'


def job(connection_id: str, status: JobStatus, ended_at: int, *, number: int = 1) -> Job:
    attempt = Attempt(0, AttemptStatus.RUNNING, ended_at - 100)
    if status is JobStatus.FAILED:
        failure = Failure("source", "config_error", "No.")
        attempt = Attempt(0, AttemptStatus.FAILED, ended_at - 100, ended_at, failure, partial_success=True)
    return Job(
        connection_id=connection_id,
        id=number,
        created_at=ended_at - 160,
        updated_at=ended_at,
        type=JobType.SYNC,
        status=status,
        attempts=(attempt,),
        volumes=Volumes(5, 50, 6, 60, 1),
        has_stats=True,
    )


def facts(name: str, workspace: str, source: str, status: ConnectionStatus) -> ConnectionFacts:
    connection = Connection(
        id=f"c-{name}",
        name=f"{HOSTILE} {name}",
        workspace_id=workspace,
        status=status,
        source=Actor(f"s-{name}", name, source, "1.0"),
        destination=Actor("d", "Warehouse", "Snowflake"),
        schedule=Schedule(ScheduleType.BASIC, units=1, time_unit="hours"),
        created_at=1,
        schema_change=SchemaChange.BREAKING if name == "failing" else SchemaChange.NONE,
    )
    is_active = status is ConnectionStatus.ACTIVE
    return ConnectionFacts(
        connection=connection,
        first_seen_at=1,
        schedule_interval=3600,
        next_run_at=NOW + 3000 if is_active else None,
    )


def snapshot() -> Snapshot:
    """Six connections: well, failing and trying, failing but paused, running, never run, waiting too long."""
    active, long_ago = ConnectionStatus.ACTIVE, NOW - 90_000
    counted = ConnectionCounters(
        jobs={("sync", "succeeded"): 1, ("sync", "failed"): 1},
        records_synced=5,
        bytes_synced=50,
        failures={("source", "config_error"): 1},
    )
    waiting = replace(job("c-waiting", JobStatus.PENDING, NOW - 3600, number=3), attempts=(), volumes=None)
    all_of_them = (
        replace(
            facts("well", "w-1", "Postgres", active),
            last_sync=job("c-well", JobStatus.SUCCEEDED, NOW - 600),
            last_success_at=NOW - 600,
            counters=counted,
        ),
        replace(
            facts("failing", "w-1", "Stripe", active),
            last_sync=job("c-failing", JobStatus.FAILED, NOW - 300),
            last_success_at=long_ago,
            last_failure_at=NOW - 300,
            consecutive_failures=3,
            counters=counted,
            live_jobs=(job("c-failing", JobStatus.INCOMPLETE, NOW - 60, number=4),),
        ),
        replace(
            facts("paused", "w-2", "Stripe", ConnectionStatus.INACTIVE),
            last_sync=job("c-paused", JobStatus.FAILED, NOW - 900),
            last_failure_at=NOW - 900,
            consecutive_failures=9,
        ),
        replace(
            facts("running", "w-2", "Postgres", active),
            last_sync=job("c-running", JobStatus.SUCCEEDED, long_ago),
            last_success_at=long_ago,
            live_jobs=(job("c-running", JobStatus.RUNNING, NOW - 60, number=2),),
        ),
        replace(facts("new", "w-2", "Postgres", active), next_run_at=NOW - 4000),
        replace(facts("waiting", "w-2", "Postgres", active), live_jobs=(waiting,)),
    )
    ends = [
        CompletedKey("sync", status, "Stripe", "Snowflake", "basic") for status in ("succeeded", "failed")
    ]
    return Snapshot(
        instance=Instance("2.0.1", "community", "config", "client-credentials"),
        epoch=1,
        workspaces=(Workspace("w-1", "Finance"), Workspace("w-2", 'Growth "EMEA"')),
        connections={it.connection.id: it for it in all_of_them},
        completed=dict.fromkeys(ends, 1),
        durations={DurationKey("sync", "succeeded"): Durations((1,) * (len(DURATION_BUCKETS) + 1), 900)},
        sources={"Postgres": 4, "Stripe": 2},
        destinations={"Snowflake": 1},
        jobs_as_of=NOW,
        inventory_as_of=NOW,
    )


def telemetry() -> Telemetry:
    """An exporter that has been through everything once."""
    told = Telemetry("0.1.0")
    told.set_up(True)
    told.set_queue(1, NOW - 5.0)
    told.set_alerts({("SyncFailed", "warning"): 1})
    told.notification("webhook", "delivered")
    told.api_request("jobs/list", "200", 0.1)
    told.api_request("jobs/list", "503", 0.1)
    for loop in ("inventory", "jobs", "evaluate", "dispatch"):
        told.poll_succeeded(loop, 0.2, NOW - 20)
    told.poll_failed("jobs", "timeout", 30.0)
    return told


def page(*, jobs_stale: bool = False) -> str:
    exposition = Exposition(telemetry())
    exposition.publish(replace(snapshot(), jobs_stale=jobs_stale))
    return exposition.scrape(openmetrics=False, gzip=False).decode()


def quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def scraped(text: str | None = None, **target: str) -> list[dict[str, str]]:
    """The page as it comes from a target for two hours: gauges stand still, counters grow by one a minute."""
    series = []
    for family in text_string_to_metric_families(text or page()):
        grows = family.type in {"counter", "histogram"}
        for sample in family.samples:
            labels = ",".join(
                f"{name}={quoted(value)}" for name, value in {**sample.labels, **target}.items()
            )
            values = f"{sample.value:.0f}+{int(grows)}x120"
            series.append({"series": f"{sample.name}{{{labels}}}", "values": values})
    return series


@dataclass(frozen=True)
class Answer:
    """What promtool says of one query: the text of its result, or of its error."""

    expression: str
    result: str
    error: str


def evaluate(folder: Path, queries: list[str], series: list[dict[str, str]]) -> list[Answer]:
    """Ask Prometheus' own engine, by unit tests that expect nothing and so print what there is."""
    promtool = require_program("promtool")
    tests = [{"expr": expression, "eval_time": "2h", "exp_samples": []} for expression in queries]
    suite = folder / "queries.yml"
    suite.write_text(
        json.dumps(
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": "1m",
                "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": tests}],
            }
        ),
        encoding="utf-8",
    )
    said = subprocess.run(
        [promtool, "test", "rules", str(suite)], capture_output=True, text=True, check=False
    )
    answers: dict[str, tuple[str, str]] = {}
    for part in re.split(r"\n\s*expr: ", said.stdout + said.stderr)[1:]:
        found = re.match(r'("(?:[^"\\]|\\.)*"), time: 2h,(.*)', part, re.DOTALL)
        assert found, part
        result = re.search(r"got:\s*(.*)", found[2], re.DOTALL)
        error = re.search(r"err: (.*)", found[2])
        answers[json.loads(found[1])] = (
            result[1].strip().removeprefix("nil") if result else "",
            error[1].strip() if error else "",
        )
    return [Answer(expression, *answers.get(expression, ("", ""))) for expression in queries]


KUBERNETES = {
    "job": "airbyte-exporter",
    "instance": "airbyte-exporter",
    "namespace": "monitoring",
    "service": "airbyte-exporter",
    "endpoint": "http",
    "container": "airbyte-exporter",
}
GROUPS = ("source_connector", "destination_connector", "workspace_name")
QUIET = {
    "No limit is set": "Connections left out",
    "Polling has not begun here": "How Airbyte is read",
    "The failing connection's live job has begun": "Queue against its past",
}
"""Panels of which a query has nothing to say here, by why."""


def every_query() -> list[tuple[str, str]]:
    """Every query of every panel, and of every variable, about a connection that has everything."""
    of_panels = [query for group in GROUPS for query in dashboard_queries({"group": group, **FAILING})]
    return [*of_panels, *every_variable_query()]


FAILING = {"connection": "c-failing"}


def test_every_query_answers_while_a_pod_is_being_replaced(tmp_path: Path) -> None:
    series = [
        *scraped(**KUBERNETES, pod="airbyte-exporter-a"),
        *scraped(**KUBERNETES, pod="airbyte-exporter-b"),
    ]
    queries = every_query()
    silent = set()
    for (title, _), answer in zip(
        queries, evaluate(tmp_path, [text for _, text in queries], series), strict=True
    ):
        assert not answer.error, f"{answer.expression}: {answer.error}"
        if not answer.result:
            silent.add(title)
    assert silent == set(QUIET.values())


def test_every_query_answers_while_one_exporter_takes_over_from_another(tmp_path: Path) -> None:
    """Two instances for one interval: no error, and every connection is counted once."""
    both = [
        *scraped(**KUBERNETES | {"instance": "10.0.0.1:10980"}, pod="a"),
        *scraped(**KUBERNETES | {"instance": "10.0.0.2:10980"}, pod="b"),
    ]
    queries = [*every_query(), *dashboard_queries(dashboard="overview")]
    answers = evaluate(tmp_path, [text for _, text in queries], both)
    assert not [f"{answer.expression}: {answer.error}" for answer in answers if answer.error]
    told = {title: answer.result for (title, _), answer in zip(queries, answers, strict=True)}
    for title, number in OVERVIEW.items():
        assert told[title] == number, title


def test_a_new_name_that_one_of_two_pods_does_not_know_yet_breaks_nothing(tmp_path: Path) -> None:
    series = scraped(**KUBERNETES, pod="airbyte-exporter-a")
    for renamed in scraped(**KUBERNETES, pod="airbyte-exporter-b"):
        for label in ("connection_name", "workspace_name", "source_connector", "destination_connector"):
            renamed["series"] = renamed["series"].replace(f'{label}="', f'{label}="New ')
        series.append(renamed)
    queries = every_query()
    answers = evaluate(tmp_path, [text for _, text in queries], series)
    assert not [f"{answer.expression}: {answer.error}" for answer in answers if answer.error]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """Answers of a panel's queries over one target, everything chosen unless told otherwise."""

    def asked(title: str, dashboard: str = "overview", **values: str) -> list[str]:
        queries = [query for name, query in dashboard_queries(values, dashboard=dashboard) if name == title]
        assert queries, title
        folder = tmp_path_factory.mktemp("promtool")
        answers = evaluate(folder, queries, scraped(**KUBERNETES, pod="a"))
        assert not [answer.error for answer in answers if answer.error]
        return [answer.result for answer in answers]

    return asked


EXPORTER = '{instance="airbyte-exporter"}'
OVERVIEW = {
    "Airbyte": "{} 1E+00",
    "Data age": "{} 2E+01",
    "Healthy": "{} 2E+00",
    "Late": "{} 3E+00",
    "Failing": "{} 1E+00",
    "Disabled": "{} 1E+00",
    "Success rate": "{} 5E-01",
    "Running": "{} 2E+00",
    "Queued": "{} 1E+00",
    "Hanging": "{} 1E+00",
    "Breaking schemas": "{} 1E+00",
}


def test_the_numbers_of_the_overview_are_what_their_descriptions_say(tmp_path: Path) -> None:
    queries = dashboard_queries(dashboard="overview")
    answers = evaluate(tmp_path, [text for _, text in queries], scraped(**KUBERNETES, pod="a"))
    told = {title: answer.result for (title, _), answer in zip(queries, answers, strict=True)}
    assert {title: told[title] for title in OVERVIEW} == OVERVIEW
    assert told["Open incidents"] == "{} 1E+00"


def test_what_is_recorded_is_what_the_numbers_say(ask: Callable[..., list[str]]) -> None:
    for choice in ({}, {"workspace": "w-1"}, {"workspace": several(["w-1", "w-2"])}):
        numbers = {
            state: ask(state.capitalize(), **choice) for state in ("failing", "late", "healthy", "disabled")
        }
        recorded = [
            *ask("Failing and late over time", **choice),
            *ask("Healthy and disabled over time", **choice),
        ]
        assert [[it.replace(EXPORTER, "{}")] for it in recorded] == list(numbers.values()), choice
    late = ask("Failing and late over time", workspace="w-2")
    assert late == [f"{EXPORTER} 0E+00", f"{EXPORTER} 2E+00"]


def test_nothing_is_recorded_of_an_airbyte_that_cannot_be_read(tmp_path: Path) -> None:
    series = scraped(**KUBERNETES, pod="a")
    (up,) = (it for it in series if it["series"].startswith("airbyte_up{"))
    up["values"] = "0x120"
    queries = [text for title, text in dashboard_queries(dashboard="overview") if "over time" in title]
    assert [(it.result, it.error) for it in evaluate(tmp_path, queries, series)] == [("", "")] * 4


OF_JOBS = {"Healthy", "Late", "Failing", "Running", "Queued", "Hanging"}


def test_what_depends_on_jobs_is_no_number_while_they_are_not_known(tmp_path: Path) -> None:
    """They leave the page before the connections do: then nobody is well, and nobody fails."""
    queries = [it for it in dashboard_queries(dashboard="overview") if it[0] in OVERVIEW]
    answers = evaluate(tmp_path, [text for _, text in queries], scraped(page(jobs_stale=True), **KUBERNETES))
    told = {title: answer.result for (title, _), answer in zip(queries, answers, strict=True)}
    assert {title for title, result in told.items() if not result} == OF_JOBS
    assert told["Disabled"] == OVERVIEW["Disabled"]


def test_the_oldest_of_several_exporters_is_how_old_the_data_is(tmp_path: Path) -> None:
    old = page().replace(f" {NOW - 20}.0", " 100.0")
    series = [*scraped(**KUBERNETES), *scraped(old, **KUBERNETES | {"instance": "another"})]
    for name in ("overview", "exporter"):
        queries = [text for title, text in dashboard_queries(dashboard=name) if title == "Data age"]
        (answer,) = evaluate(tmp_path, queries, series)
        assert answer.result == "{} 7.1E+03", name


def test_a_connector_that_always_fails_has_a_success_rate_of_nothing(tmp_path: Path) -> None:
    failures = [it for it in scraped(**KUBERNETES) if 'status="succeeded"' not in it["series"]]
    (query,) = (text for title, text in dashboard_queries(dashboard="overview") if title == "Success rate")
    (answer,) = evaluate(tmp_path, [query], failures)
    assert (answer.result, answer.error) == ("{} 0E+00", "")


def test_a_workspace_narrows_the_numbers(ask: Callable[..., list[str]]) -> None:
    assert ask("Late", workspace="w-1") == ["{} 1E+00"]
    assert ask("Failing", workspace="w-2") == ["{} 0E+00"]


def test_connectors_narrow_the_numbers(ask: Callable[..., list[str]]) -> None:
    assert ask("Healthy", source=several(["Stripe", "S3"])) == ["{} 0E+00"]
    assert ask("Disabled", source=several(["Stripe", "S3"])) == ["{} 1E+00"]
    assert ask("Healthy", destination="Snowflake") == ["{} 2E+00"]
    assert ask("Healthy", destination="BigQuery") == [""], "no connection matches: no number, not 0"


def test_a_connection_narrows_the_numbers(ask: Callable[..., list[str]]) -> None:
    assert ask("Healthy", connection=several(["c-well", "c-paused"])) == ["{} 1E+00"]


def ids(answer: str) -> list[str]:
    return re.findall(r'connection_id="(c-\w+)"', answer)


def test_the_stalest_by_their_own_schedule_come_first(ask: Callable[..., list[str]]) -> None:
    names, missed, *_ = ask("Worst freshness against the own schedule", rows="2")
    assert set(ids(names)) == {"c-failing", "c-running"}
    assert missed.count("2.5E+01") == 2, "90,000 seconds are 25 hours"
    everyone = ask("Worst freshness against the own schedule")[1]
    assert '{connection_id="c-new"} 1.9' in everyone, "never succeeded: since it was created"
    assert "c-paused" not in everyone


def test_the_table_lists_the_worst_first_and_no_more_than_asked_for(ask: Callable[..., list[str]]) -> None:
    names, *columns = ask("All connections, the worst first", rows="2")
    assert sorted(ids(names)) == ["c-failing", "c-paused"]
    for column in columns:
        assert set(ids(column)) <= {"c-paused", "c-failing"}
    assert 'last_sync="failed"' in columns[1]


def test_failing_connections_are_the_active_ones(ask: Callable[..., list[str]]) -> None:
    names, failures, *_ = ask("Failing connections")
    assert ids(names) == ["c-failing"]
    assert failures == '{connection_id="c-failing"} 3E+00'


def test_live_jobs_are_listed_with_their_age(ask: Callable[..., list[str]]) -> None:
    _, state, age, *_ = ask("Jobs that run or wait", connection="c-running")
    assert state == '{connection_id="c-running", job_state="running"} 1E+00'
    assert age == '{connection_id="c-running"} 2.2E+02'


def test_open_incidents_are_told_apart_without_a_line_of_zeros(ask: Callable[..., list[str]]) -> None:
    assert ask("Open incidents by rule") == ['{rule="SyncFailed", severity="warning"} 1E+00']


def test_volumes_are_told_apart_by_what_is_chosen(ask: Callable[..., list[str]]) -> None:
    (by_source,) = ask("Records synced by ${group:text}", group="source_connector")
    assert set(re.findall(r'source_connector="(\w+)"', by_source)) == {"Postgres", "Stripe"}
    (by_workspace,) = ask("Records synced by ${group:text}", group="workspace_name")
    assert 'workspace_name="Finance"' in by_workspace


def test_the_life_of_a_connection_is_told_in_numbers_that_have_texts(ask: Callable[..., list[str]]) -> None:
    states = ask("Status over time", dashboard="connection", **FAILING)
    panel = next(it for it in panels(load("connection")) if it["title"] == "Status over time")
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    texts = [mapping["options"][f"{float(answer.split()[-1]):.0f}"]["text"] for answer in states]
    assert texts == ["active", "failed", "between attempts", "breaking change", "on time"]


def counted_failures(pod: str, values: str) -> dict[str, str]:
    """One kind of failure of one connection, as one pod tells it."""
    target = ",".join(f"{name}={quoted(text)}" for name, text in {**KUBERNETES, "pod": pod}.items())
    kind = 'connection_id="c-failing",failure_origin="source",failure_type="config_error"'
    return {"series": f"airbyte_connection_failures_total{{{kind},{target}}}", "values": values}


def test_a_failure_that_is_counted_for_the_first_time_is_seen(tmp_path: Path) -> None:
    """``increase`` sees nothing where a counter appears with its first count."""
    series = [it for it in scraped(**KUBERNETES, pod="a") if "failures_total" not in it["series"]]
    series.append(counted_failures("a", "_x100 1x20"))
    title = "Failed attempts by origin and type"
    for dashboard in ("overview", "connection"):
        (query,) = (text for name, text in dashboard_queries(FAILING, dashboard=dashboard) if name == title)
        (answer,) = evaluate(tmp_path, [query], series)
        assert answer.result == '{failure_origin="source", failure_type="config_error"} 1E+00', dashboard


def test_a_pod_that_was_replaced_has_no_new_failures(tmp_path: Path) -> None:
    """What looks new because its pod is new has been counted before."""
    series = [it for it in scraped(**KUBERNETES, pod="a") if "failures_total" not in it["series"]]
    series += [counted_failures("a", "7x100"), counted_failures("b", "_x100 7x20")]
    title = "Failed attempts by origin and type"
    (query,) = (text for name, text in dashboard_queries(dashboard="overview") if name == title)
    (answer,) = evaluate(tmp_path, [query], series)
    assert not answer.result
