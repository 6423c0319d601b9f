"""What goes wrong at the start is one line that a person can act on, and the right exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airbyte_exporter.simulator import Fault
from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, eventually, exporter_for, free_port, get, running

SECRET = "hunter2-the-secret-of-this-test"


def wait_for_line(exporter: Exporter, *words: str) -> str:
    """Return the first line of the log that holds all these words."""

    def found() -> str | None:
        for line in exporter.output.splitlines():
            if all(word in line for word in words):
                return line
        return None

    line = eventually(found, f"a line with {words} in the log", unless=exporter.died)
    assert line is not None
    return line


def assert_it_keeps_trying(exporter: Exporter, reason: str) -> None:
    """The process lives, is not ready and says why, and counts the failure under its reason."""
    scrape = exporter.wait_for(
        lambda scrape: scrape.value("airbyte_up") == 0, "it tells that Airbyte is not up"
    )
    assert (scrape.value("airbyte_exporter_poll_failures_total", loop="jobs", reason=reason) or 0) > 0
    assert not scrape.all("airbyte_connection_info"), "nothing is invented"
    status, text = get(f"{exporter.url}/-/ready")
    assert status == 503
    assert "no complete poll since the start" in text
    assert get(f"{exporter.url}/-/healthy")[0] == 200
    assert SECRET not in exporter.output + scrape.text + text
    assert "Traceback" not in exporter.output


def test_nothing_listens_and_then_airbyte_comes(simulate: Simulate, tmp_path: Path) -> None:
    port = free_port()
    with running(Exporter(tmp_path, f"http://127.0.0.1:{port}")) as exporter:
        line = wait_for_line(exporter, "poll failing")
        assert f"127.0.0.1:{port}" in line
        assert_it_keeps_trying(exporter, "connect")
        simulate(listen_address=f"127.0.0.1:{port}")
        exporter.wait_until_ready()
        wait_for_line(exporter, "poll recovered")
        assert exporter.terminate() == 0


def test_wrong_credentials(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate(auth="client-credentials")
    exporter = exporter_for(tmp_path, server)
    exporter = Exporter(
        tmp_path,
        server.url,
        AIRBYTE__CLIENT_ID=server.credentials.client_id,
        AIRBYTE__CLIENT_SECRET=SECRET,
    )
    with running(exporter):
        wait_for_line(exporter, "poll failing", "client_secret")
        assert_it_keeps_trying(exporter, "unauthorized")


def test_no_credentials_where_some_are_wanted(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate(auth="client-credentials")
    with running(Exporter(tmp_path, server.url)) as exporter:
        wait_for_line(exporter, "poll failing", "airbyte.client_id")
        assert_it_keeps_trying(exporter, "unauthorized")


def test_wrong_path(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate()
    with running(Exporter(tmp_path, f"{server.url}/somewhere/api/v1")) as exporter:
        line = wait_for_line(exporter, "poll failing")
        assert "/api/v1" in line
        scrape = exporter.wait_for(lambda scrape: scrape.value("airbyte_up") == 0, "it is not up")
        failures = scrape.all("airbyte_exporter_poll_failures_total")
        reasons = {dict(labels)["reason"] for labels, value in failures.items() if value}
        assert reasons <= {"not_found", "not_airbyte"}
        assert reasons


def test_a_web_page_instead_of_airbyte(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate()
    server.faults.append(
        Fault(
            "*", status=200, body="<!doctype html><title>Sign in</title>", content_type="text/html", times=1e9
        )
    )
    with running(Exporter(tmp_path, server.url)) as exporter:
        wait_for_line(exporter, "poll failing", "web page")
        assert_it_keeps_trying(exporter, "not_airbyte")


def test_an_empty_instance(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate(connections=0)
    with running(exporter_for(tmp_path, server)) as exporter:
        exporter.wait_until_ready()
        scrape = exporter.scrape()
        assert scrape.value("airbyte_up") == 1
        assert scrape.all("airbyte_connection_info") == {}
        assert scrape.value("airbyte_jobs", job_type="sync", status="running") == 0
        status, page = get(exporter.url)
        assert status == 200
        assert "no connections" in page.lower()


def run(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in an environment of its own."""
    return subprocess.run(
        [sys.executable, "-m", "airbyte_exporter", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        | {f"AIRBYTE_EXPORTER_{name}": value for name, value in environment.items()},
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AIRBYTE__URL": "ftp://airbyte"}, ["AIRBYTE_EXPORTER_AIRBYTE__URL", "http"]),
        ({"AIRBYTE__CLIENT_ID": SECRET}, ["client_id", "client_secret"]),
        ({"AIRBYTE__TOKNE": SECRET}, ["AIRBYTE_EXPORTER_AIRBYTE__TOKNE", "AIRBYTE_EXPORTER_AIRBYTE__TOKEN"]),
        ({"POLL__JOBS_INTERVAL": "often"}, ["AIRBYTE_EXPORTER_POLL__JOBS_INTERVAL", "30s"]),
        ({"POLL__JOBS_INTERVAL": "10m"}, ["poll.jobs_max_staleness"]),
        ({"ALERTS__WEBHOOK_URL": "http://127.0.0.1/x", "ALERTS__WEBHOOK_SECRET": SECRET}, ["whsec_"]),
        ({"WEB__LISTEN_ADDRESS": "everywhere"}, ["AIRBYTE_EXPORTER_WEB__LISTEN_ADDRESS"]),
    ],
    ids=["scheme", "half a pair", "misspelt", "no duration", "too stale", "no key", "no address"],
)
def test_bad_configuration(environment: dict[str, str], words: list[str], tmp_path: Path) -> None:
    ended = run(tmp_path, "run", **environment)

    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.strip().splitlines()
    for word in words:
        assert word in line
    assert SECRET not in ended.stderr


def test_a_configuration_file_that_is_not_there(tmp_path: Path) -> None:
    ended = run(tmp_path, "run", "--config", "nowhere.yaml")

    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "nowhere.yaml" in ended.stderr


def test_a_taken_address(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate()
    taken = server.url.removeprefix("http://")
    ended = run(tmp_path, "run", AIRBYTE__URL=server.url, WEB__LISTEN_ADDRESS=taken)

    assert ended.returncode == 1
    line = ended.stderr.strip().splitlines()[-1]
    assert line.startswith("airbyte-exporter: ")
    assert taken.rpartition(":")[2] in line
    assert "Traceback" not in ended.stderr


def test_a_state_that_cannot_be_written(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate()
    ended = run(tmp_path, "run", AIRBYTE__URL=server.url, STATE__URL="sqlite:////proc/nowhere/state.db")

    assert ended.returncode == 1
    line = ended.stderr.strip().splitlines()[-1]
    assert line.startswith("airbyte-exporter: ")
    assert "/proc/nowhere" in line


def test_kubernetes_own_variables_do_no_harm(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate()
    injected = {
        "SERVICE_HOST": "10.96.1.2",
        "SERVICE_PORT": "10980",
        "SERVICE_PORT_HTTP": "10980",
        "PORT": "tcp://10.96.1.2:10980",
        "PORT_10980_TCP": "tcp://10.96.1.2:10980",
        "PORT_10980_TCP_PROTO": "tcp",
    }
    with running(exporter_for(tmp_path, server, **injected)) as exporter:
        exporter.wait_until_ready()
        assert exporter.terminate() == 0


def test_a_state_of_another_airbyte(simulate: Simulate, tmp_path: Path) -> None:
    first, second = simulate(seed=1), simulate(seed=2)
    with running(exporter_for(tmp_path, first)) as exporter:
        exporter.wait_until_ready()
    ended = run(
        tmp_path,
        "run",
        AIRBYTE__URL=second.url,
        STATE__URL=f"sqlite:///{exporter.state}",
        WEB__LISTEN_ADDRESS=f"127.0.0.1:{free_port()}",
    )
    assert ended.returncode == 1
    line = ended.stderr.strip().splitlines()[-1]
    assert line.startswith("airbyte-exporter: ")
    assert "--adopt-state" in line
