"""The Grafana dashboard is what its generator writes, asks for what exists, and answers what it says."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from airbyte_exporter.exposition import Exposition
from airbyte_exporter.model import (
    Actor,
    Attempt,
    AttemptStatus,
    Connection,
    ConnectionCounters,
    ConnectionFacts,
    ConnectionStatus,
    Instance,
    Job,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    Snapshot,
    Volumes,
    Workspace,
)
from airbyte_exporter.telemetry import Telemetry
from tests.dashboards import chosen, dashboard_queries, load, panels, variable_queries
from tests.promql import TARGET_LABELS, known_families, selectors
from tests.requirements import ROOT, require_program

GENERATOR = ROOT / "deploy" / "grafana" / "build.py"
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning" / "airbyte.yaml"
STANDARD_FAMILIES: dict[str, set[str]] = {"process_resident_memory_bytes": set()}
NOW = 7200
HOSTILE = 'Stripe "EU" \\ São'


def grouped(expression: str) -> set[str]:
    """Every label that a query groups or joins by."""
    lists = re.findall(r"\b(?:by|on|group_left|without)\s*\(([^)]*)\)", expression)
    return {label.strip() for labels in lists for label in labels.split(",") if label.strip()}


def test_the_committed_json_is_what_the_generator_writes() -> None:
    checked = subprocess.run(
        [sys.executable, str(GENERATOR), "--check"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_check_tells_a_stale_file_from_a_fresh_one(tmp_path: Path) -> None:
    for name in ("build.py", "panels.py"):
        (tmp_path / name).write_text((GENERATOR.parent / name).read_text(encoding="utf-8"), encoding="utf-8")

    def run(*arguments: str) -> int:
        return subprocess.run(
            [sys.executable, str(tmp_path / "build.py"), *arguments], capture_output=True, check=False
        ).returncode

    assert run("--check") == 1
    assert run() == 0
    assert run("--check") == 0
    written = tmp_path / "dashboards" / "airbyte.json"
    written.write_text(written.read_text(encoding="utf-8").replace("now-24h", "now-6h"), encoding="utf-8")
    assert run("--check") == 1
    assert run("--what") == 2


def test_every_panel_says_what_it_shows_in_which_unit_and_why_it_may_be_empty() -> None:
    for panel in panels(load()):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["description"].endswith("."), panel["title"]
        assert defaults["unit"], panel["title"]
        assert len(defaults["noValue"]) > 20, panel["title"]


def test_the_dashboard_names_no_data_source_of_a_particular_grafana() -> None:
    text = json.dumps(load())
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {"${datasource}", "airbyte-exporter"}
    assert "id" not in load()


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    dashboard = load()
    flat = [*dashboard["panels"], *(inner for row in dashboard["panels"] for inner in row.get("panels", ()))]
    ids = [panel["id"] for panel in flat]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in flat:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"job": chosen(["airbyte-exporter"]), "instance": chosen(["10.0.0.1:10980", "b"])},
        {"workspace": chosen(["w-1", "w-2"]), "connection": chosen([HOSTILE.replace('"', "")])},
        {"group": "workspace_name", "rows": "25"},
    ],
    ids=["opened", "several targets", "several ids", "other choices"],
)
def test_every_query_is_promql_whatever_is_chosen(values: dict[str, str]) -> None:
    queries = [*dashboard_queries(values), *variable_queries(values)]
    assert len(queries) > 20
    for title, expression in queries:
        try:
            promql_parser.parse(expression)
        except ValueError as error:
            pytest.fail(f"{title}: {error}: {expression}")


@pytest.mark.parametrize("group", ["source_connector", "destination_connector", "workspace_name"])
def test_queries_ask_only_for_families_and_labels_that_exist(group: str) -> None:
    known = {**STANDARD_FAMILIES, **known_families()}
    every_label = set().union(*known.values()) | TARGET_LABELS
    for title, expression in [*dashboard_queries({"group": group}), *variable_queries()]:
        used = list(selectors(promql_parser.parse(expression)))
        assert used, title
        for selector in used:
            assert selector.name in known, f"{title}: {selector.name}"
            matched = {matcher.name for matcher in selector.matchers.matchers}
            assert matched <= known[selector.name] | TARGET_LABELS, f"{title}: {expression}"
        invented = set(re.findall(r'label_replace\(.*?, "(\w+)", "\$1"', expression))
        assert grouped(expression) <= every_label | invented, f"{title}: {expression}"


def test_every_query_about_airbyte_can_be_narrowed_to_a_target() -> None:
    for title, expression in dashboard_queries({"job": "a", "instance": "b"}):
        for selector in selectors(promql_parser.parse(expression)):
            matched = {matcher.name for matcher in selector.matchers.matchers}
            assert matched >= TARGET_LABELS, f"{title}: {expression}"


def test_the_provider_for_grafana_reads_the_folder_of_the_dashboard() -> None:
    text = PROVISIONING.read_text(encoding="utf-8")
    assert "apiVersion: 1" in text
    assert "path: /etc/grafana/dashboards/airbyte" in text


def job(connection_id: str, status: JobStatus, ended_at: int, *, number: int = 1) -> Job:
    attempt = Attempt(0, AttemptStatus.RUNNING, ended_at - 100)
    return Job(
        connection_id=connection_id,
        id=number,
        created_at=ended_at - 160,
        updated_at=ended_at,
        type=JobType.SYNC,
        status=status,
        attempts=(attempt,),
        volumes=Volumes(5, 50, 6, 60),
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
    )
    return ConnectionFacts(connection=connection, first_seen_at=1)


def snapshot() -> Snapshot:
    """Five connections: well, failing three times, failing but paused, running, never run."""
    active, long_ago = ConnectionStatus.ACTIVE, NOW - 90_000
    counted = ConnectionCounters(
        jobs={("sync", "succeeded"): 1, ("sync", "failed"): 1}, records_synced=5, bytes_synced=50
    )
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
        facts("new", "w-2", "Postgres", active),
    )
    return Snapshot(
        instance=Instance("2.0.1", "community", "config", "client-credentials"),
        epoch=1,
        workspaces=(Workspace("w-1", "Finance"), Workspace("w-2", 'Growth "EMEA"')),
        connections={it.connection.id: it for it in all_of_them},
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
    for loop in ("inventory", "jobs", "evaluate", "dispatch"):
        told.poll_succeeded(loop, 0.2, NOW - 20)
    told.poll_failed("jobs", "timeout", 30.0)
    return told


def page() -> str:
    exposition = Exposition(telemetry())
    exposition.publish(snapshot())
    return exposition.scrape(openmetrics=False, gzip=False).decode()


def quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def scraped(**target: str) -> list[dict[str, str]]:
    """The page as it comes from a target for two hours: gauges stand still, counters grow by one a minute."""
    series = []
    for family in text_string_to_metric_families(page()):
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
                "rule_files": [],
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
            result[1].strip() if result else "",
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


def test_every_query_answers_while_a_pod_is_being_replaced(tmp_path: Path) -> None:
    series = [
        *scraped(**KUBERNETES, pod="airbyte-exporter-a"),
        *scraped(**KUBERNETES, pod="airbyte-exporter-b"),
    ]
    queries = [query for group in GROUPS for _, query in dashboard_queries({"group": group})]
    for answer in evaluate(tmp_path, [*queries, *(query for _, query in variable_queries())], series):
        assert not answer.error, f"{answer.expression}: {answer.error}"
        assert answer.result not in {"", "nil"}, answer.expression


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """Answers of a panel's queries over one target, everything chosen unless told otherwise."""

    def asked(title: str, **values: str) -> list[str]:
        queries = [query for name, query in dashboard_queries(values) if name == title]
        assert queries, title
        folder = tmp_path_factory.mktemp("promtool")
        answers = evaluate(folder, queries, scraped(**KUBERNETES, pod="a"))
        assert not [answer.error for answer in answers if answer.error]
        return [answer.result for answer in answers]

    return asked


@pytest.mark.parametrize(
    ("title", "answer"),
    [
        ("Airbyte", "{} 1E+00"),
        ("Data age", "{} 2E+01"),
        ("Failing", "{} 1E+00"),
        ("Success rate", "{} 5E-01"),
        ("No success for a day", "{} 3E+00"),
        ("Active connections", "{} 4E+00"),
        ("Running", "{} 1E+00"),
        ("Waiting", "{} 0E+00"),
    ],
)
def test_a_number_of_the_overview_is_what_its_description_says(
    ask: Callable[..., list[str]], title: str, answer: str
) -> None:
    assert ask(title) == [answer]


def test_a_workspace_narrows_the_numbers(ask: Callable[..., list[str]]) -> None:
    assert ask("Active connections", workspace="w-1") == ["{} 2E+00"]
    assert ask("Failing", workspace="w-2") == ["{} 0E+00"]


def test_a_connection_narrows_the_numbers(ask: Callable[..., list[str]]) -> None:
    assert ask("Active connections", connection=chosen(["c-well", "c-paused"])) == ["{} 1E+00"]


def test_the_table_lists_the_worst_first_and_no_more_than_asked_for(ask: Callable[..., list[str]]) -> None:
    names, *columns = ask("Connections, the worst first", rows="2")
    assert re.findall(r'connection_id="(c-\w+)"', names) in (
        ["c-paused", "c-failing"],
        ["c-failing", "c-paused"],
    )
    for column in columns:
        assert set(re.findall(r'connection_id="(c-\w+)"', column)) <= {"c-paused", "c-failing"}
    assert 'last_sync="failed"' in columns[1]


def test_failing_connections_are_the_active_ones(ask: Callable[..., list[str]]) -> None:
    names, failures, *_ = ask("Failing connections")
    assert re.findall(r'connection_id="(c-\w+)"', names) == ["c-failing"]
    assert failures == '{connection_id="c-failing"} 3E+00'


def test_live_jobs_are_listed_with_their_age(ask: Callable[..., list[str]]) -> None:
    _, state, age, *_ = ask("Jobs that run or wait")
    assert state == '{connection_id="c-running", job_state="running"} 1E+00'
    assert age == '{connection_id="c-running"} 2.2E+02'


def test_open_incidents_are_told_apart_without_a_line_of_zeros(ask: Callable[..., list[str]]) -> None:
    assert ask("Open incidents") == ['{rule="SyncFailed", severity="warning"} 1E+00']


def test_volumes_are_told_apart_by_what_is_chosen(ask: Callable[..., list[str]]) -> None:
    (by_source,) = ask("Records synced by ${group:text}", group="source_connector")
    assert set(re.findall(r'source_connector="(\w+)"', by_source)) == {"Postgres", "Stripe"}
    (by_workspace,) = ask("Records synced by ${group:text}", group="workspace_name")
    assert 'workspace_name="Finance"' in by_workspace
