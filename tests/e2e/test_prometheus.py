"""A real Prometheus scrapes the running exporter: what it answers is what the world says."""

import subprocess
import time
from pathlib import Path

from airbyte_exporter.simulator import SimulatorServer
from tests.e2e.conftest import Simulate
from tests.e2e.harness import WebhookReceiver, eventually, exporter_for, get, running, to
from tests.e2e.prometheus import TARGET_LABELS, Prometheus, running_prometheus
from tests.e2e.test_main_job import epoch_of, wait_for_the_truth
from tests.e2e.truth import VOLUMES, counted, rest
from tests.requirements import require_program


def test_promtool_finds_nothing_to_say(simulate: Simulate, tmp_path: Path) -> None:
    promtool = require_program("promtool")
    server = simulate(speed=600, connections=30)
    with running(exporter_for(tmp_path, server)) as exporter:
        exporter.wait_until_ready()
        exporter.wait_for(
            lambda scrape: len(scrape.all("airbyte_jobs_completed_total")) > 5, "jobs are counted"
        )
        page = exporter.scrape().text
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False, timeout=60
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_what_prometheus_answers(
    prometheus_program: str, simulate: Simulate, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    server = simulate(speed=600, connections=20)
    exporter = exporter_for(tmp_path, server, **to(receiver))
    with (
        running(exporter),
        running_prometheus(prometheus_program, tmp_path, f"127.0.0.1:{exporter.port}") as prometheus,
    ):
        exporter.wait_until_ready()
        exporter.wait_for(
            lambda scrape: len(scrape.all("airbyte_jobs_completed_total")) > 20, "jobs are counted"
        )
        rest(server.world)
        wait_for_the_truth(server, exporter)
        settled = time.time()
        eventually(
            lambda: (prometheus.value("min(timestamp(airbyte_up))") or 0) > settled + 1, "a scrape of the end"
        )
        assert_answers_equal_the_world(prometheus, server, epoch_of(exporter))


def assert_answers_equal_the_world(prometheus: Prometheus, server: SimulatorServer, epoch: int) -> None:
    """Compare sums and joins in PromQL with the world's own numbers."""
    connections = [one for one in server.world.connections() if one.status != "deprecated"]
    jobs = counted(server.world, epoch)
    assert len(jobs) > 20
    assert prometheus.value("count(airbyte_connection_info)") == len(connections)
    assert prometheus.value("sum(airbyte_connections)") == len(connections)
    assert prometheus.value("sum(airbyte_jobs_completed_total)") == len(jobs)
    for status in ("succeeded", "failed", "cancelled"):
        number = sum(job.status == status for job in jobs)
        assert (prometheus.value(f'sum(airbyte_connection_jobs_total{{status="{status}"}})') or 0) == number
        assert (prometheus.value(f'sum(airbyte_jobs_completed_total{{status="{status}"}})') or 0) == number
    for name, read in VOLUMES.items():
        total = sum(read(job) or 0 for job in jobs)
        assert prometheus.value(f"sum(airbyte_connection_{name}_total)") == total
    joined = prometheus.query(
        "airbyte_connection_consecutive_failures * on (job, instance, connection_id) "
        "group_left (connection_name) airbyte_connection_info"
    )
    assert {labels["connection_name"] for labels, _ in joined} == {one.name for one in connections}
    for labels, _ in joined:
        assert labels.items() >= TARGET_LABELS.items(), "the target's own labels are not overwritten"
    assert not prometheus.query("{__name__=~'airbyte.*', exported_job=~'.+'}")
    assert not prometheus.query("{__name__=~'airbyte.*', exported_instance=~'.+'}")


def test_both_formats_tell_the_same(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate(speed=60)
    server.world.freeze()
    with running(exporter_for(tmp_path, server)) as exporter:
        exporter.wait_until_ready()
        status, text = get(f"{exporter.url}/metrics", headers={"accept": "application/openmetrics-text"})
        assert status == 200
        assert text.endswith("# EOF\n")
        plain = {
            line for line in exporter.scrape().text.splitlines() if line.startswith("airbyte_connection")
        }
        assert plain == {line for line in text.splitlines() if line.startswith("airbyte_connection")}
