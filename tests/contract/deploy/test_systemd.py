"""The unit for systemd: judged by systemd's own tools, and run as it says as far as that goes without it."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from airbyte_exporter.cli._shared import EXIT_USAGE
from airbyte_exporter.simulator import SimulatorServer, World
from tests.e2e.harness import Scrape, eventually, free_port, get
from tests.requirements import ROOT, require_program
from tests.sandbox import (
    as_stranger,
    folder_of_stranger,
    installed_programs,
    python_for_all,
    with_nothing_writable_but,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

FOLDER = ROOT / "deploy" / "systemd"
UNIT = FOLDER / "airbyte-exporter.service"
GUIDE = (ROOT / "docs" / "install.md").read_text("utf-8")
SECTION = GUIDE.partition("## With systemd\n")[2].partition("\n## ")[0]
PROGRAM = "/opt/airbyte-exporter/bin/airbyte-exporter"
OWN_FOLDER = "/etc/airbyte-exporter"
CALLS_THAT_ARE_ALLOWED = re.compile(r"^(?P<name>@[\w-]+)\n(?P<what>(?: .*\n|\n)+)", re.MULTILINE)


def settings_of(name: str) -> list[str]:
    """Return what the unit says for a key, line by line."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)


def setting(name: str) -> str:
    (value,) = settings_of(name)
    return value


def credentials() -> dict[str, Path]:
    """Return the files that the unit shows to the service, by their names there."""
    pairs = (line.split(":", 1) for line in settings_of("LoadCredential"))
    return {name: Path(path) for name, path in pairs}


@dataclass(frozen=True)
class Service:
    """The unit below a folder that stands for ``/``, with what systemd would put in its place."""

    root: Path

    @property
    def credentials(self) -> Path:
        return self.root / "credentials"

    @property
    def state(self) -> Path:
        return self.root / "lib" / setting("StateDirectory")

    def expanded(self, text: str) -> str:
        for specifier, value in {
            "%d": str(self.credentials),
            "%S": str(self.root / "lib"),
            PROGRAM: str(installed_programs() / "airbyte-exporter"),
        }.items():
            text = text.replace(specifier, value)
        assert "%" not in text
        return text

    @property
    def argv(self) -> list[str]:
        return as_stranger(shlex.split(self.expanded(setting("ExecStart"))))

    @property
    def environment(self) -> dict[str, str]:
        given = dict(self.expanded(line).split("=", 1) for line in settings_of("Environment"))
        return {"PATH": "/usr/bin:/bin", "CREDENTIALS_DIRECTORY": str(self.credentials)} | given

    def configure(self, config: str, **secrets: str) -> None:
        """Put files to where systemd shows them to the service, for its user alone."""
        self.credentials.chmod(0o700)
        for name, text in {"config.yaml": config, **secrets}.items():
            file = self.credentials / name.replace("_", "-")
            file.unlink(missing_ok=True)
            file.write_text(text, encoding="utf-8")
            file.chmod(0o400)
            shutil.chown(file, *owner_of(self.credentials))
        self.credentials.chmod(0o500)


def owner_of(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid


@pytest.fixture
def service() -> Iterator[Service]:
    root = Path(tempfile.mkdtemp(prefix="airbyte-exporter-systemd-"))
    root.chmod(0o755)
    (root / "lib").mkdir()
    made = Service(root)
    folder_of_stranger(made.credentials)
    folder_of_stranger(made.state)
    yield made
    shutil.rmtree(root)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with programs that exist."""
    file = tmp_path / UNIT.name
    file.write_text(UNIT.read_text("utf-8").replace(PROGRAM, "/bin/true"), encoding="utf-8")
    return file


def analyze(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require_program("systemd-analyze"), *arguments],
        env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{folder}:", "SYSTEMD_COLORS": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# What systemd says of it


def assert_verified(unit: Path) -> None:
    # What it does not understand it only warns of, and ends with 0.
    done = analyze("verify", "--man=no", str(unit), folder=unit.parent)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_understands_every_line(unit: Path) -> None:
    assert_verified(unit)


def test_what_systemd_does_not_understand_would_be_noticed(unit: Path) -> None:
    unit.write_text(unit.read_text("utf-8").replace("ProtectProc=invisible", "ProtectProc=hidden"), "utf-8")
    with pytest.raises(AssertionError, match="Failed to parse"):
        assert_verified(unit)


def test_systemd_understands_what_the_guide_adds(unit: Path) -> None:
    shown = re.findall(r"```ini\n(.*?)```", SECTION, re.DOTALL)
    assert len(shown) == 2
    for number, lines in enumerate(shown):
        folder = unit.with_name(f"{unit.name}.d")
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.conf").write_text(lines, encoding="utf-8")
    assert_verified(unit)


def test_its_exposure_is_below_two(unit: Path) -> None:
    judged = analyze("security", "--offline=true", "--threshold=20", str(unit), folder=unit.parent)
    (score,) = re.findall(r"Overall exposure level for \S+: ([\d.]+) ", judged.stdout)
    assert (judged.returncode, float(score) < 2.0) == (0, True), judged.stdout


# What it is given


def test_the_guide_and_the_unit_name_the_same_files() -> None:
    paths = {str(path) for path in credentials().values()}
    assert paths == {f"{OWN_FOLDER}/{name}" for name in credentials()}
    for path in (*paths, PROGRAM.rpartition("/bin/")[0], str(UNIT.relative_to(ROOT))):
        assert path in SECTION


def test_no_secret_is_in_the_environment_or_the_command_line() -> None:
    secrets = {"client-id", "client-secret"}
    assert secrets < credentials().keys()
    for line in (*settings_of("Environment"), setting("ExecStart")):
        assert not any(secret in line for secret in secrets)


def test_every_secret_that_the_configuration_names_lies_beside_it() -> None:
    """So the same file works for the service and for whoever runs `check` as root."""
    text = (FOLDER / "config.yaml").read_text("utf-8")
    named = set(re.findall(r"^ +\w+_file: (\S+)$", text, re.MULTILINE))
    assert named == credentials().keys() - {"config.yaml"}
    optional = set(re.findall(r"^# +\w+_file: (\S+)$", text, re.MULTILINE))
    shown = set(re.findall(r"^LoadCredential=([\w-]+):", SECTION, re.MULTILINE))
    assert optional == shown


def test_the_shipped_configuration_is_accepted_with_the_credentials(service: Service) -> None:
    service.configure((FOLDER / "config.yaml").read_text("utf-8"), client_id="id-1", client_secret="s3cret-2")
    argv = service.argv
    argv[argv.index("run") :] = ["config", "show", f"--config={service.credentials}/config.yaml"]
    shown = subprocess.run(
        argv, env=service.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert re.search(rf"client_secret: \S+ +# file {service.credentials}/client-secret", shown.stdout)
    assert "s3cret-2" not in shown.stdout
    state = yaml.safe_load((FOLDER / "config.yaml").read_text("utf-8"))["state"]["url"]
    assert state == f"sqlite:////var/lib/{setting('StateDirectory')}/state.db"


# How it runs


def confined(argv: list[str]) -> list[str]:
    """Run a command with the unit's filter of system calls, and without memory that can be executed."""
    assert setting("MemoryDenyWriteExecute") == "yes"
    told = analyze("syscall-filter", folder=Path("/"))
    groups = {
        found["name"]: found["what"].split("\n") for found in CALLS_THAT_ARE_ALLOWED.finditer(told.stdout)
    }

    def calls(name: str) -> set[str]:
        if not name.startswith("@"):
            return {name}
        lines = (line.strip() for line in groups[name])
        return set().union(*(calls(line) for line in lines if line and not line.startswith("#")))

    allowed: set[str] = set()
    for line in settings_of("SystemCallFilter"):
        named = set().union(*(calls(name) for name in line.lstrip("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    position = argv.index("/usr/bin/env") + 1
    script = [python_for_all(), "-c", (Path(__file__).parent / "confine.py").read_text("utf-8")]
    return [*argv[:position], *script, ",".join(sorted(allowed)), *argv[position:]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user and mount file systems")
def test_it_runs_as_hardened_as_the_unit_says_and_stops_cleanly(service: Service) -> None:
    world = World(clock=time.time, connections=5, history_jobs=3)
    with SimulatorServer(world, auth="client-credentials") as airbyte:
        config = (FOLDER / "config.yaml").read_text("utf-8")
        config = config.replace("http://localhost:8000", airbyte.url).replace(
            "/var/lib", f"{service.root}/lib"
        )
        own = airbyte.credentials
        service.configure(config, client_id=own.client_id, client_secret=own.client_secret)
        said, scrape = run_until_ready(service, confined(service.argv))
    assert scrape.value("airbyte_up") == 1
    started = scrape.value("process_start_time_seconds")
    assert started is not None
    assert abs(started - time.time()) < 600
    assert [line[:3] for line in said] == ["<6>"] * len(said)
    assert said[-1].split("] ")[1].strip() == "stopped"
    assert not re.search(r"\d\d:\d\d:\d\d", "".join(said)), "the journal has its own times"
    assert (service.state / "state.db").exists()


def run_until_ready(service: Service, argv: list[str]) -> tuple[list[str], Scrape]:
    """Run the service until it is ready, stop it, and return its lines for the journal and its metrics."""
    port = free_port()
    reader, writer = os.pipe()
    journal = os.fstat(writer)
    variables = service.environment | {
        "JOURNAL_STREAM": f"{journal.st_dev}:{journal.st_ino}",
        "AIRBYTE_EXPORTER_WEB__LISTEN_ADDRESS": f"127.0.0.1:{port}",
    }
    argv = with_nothing_writable_but(service.state, argv)
    with (
        os.fdopen(reader, encoding="utf-8") as lines,
        subprocess.Popen(argv, env=variables, cwd="/", stderr=writer) as daemon,
    ):
        os.close(writer)
        try:
            eventually(
                lambda: get(f"http://127.0.0.1:{port}/-/ready")[0] == 200,
                "it is ready",
                unless=lambda: lines.read() if daemon.poll() is not None else None,
            )
            scrape = Scrape(get(f"http://127.0.0.1:{port}/metrics")[1])
        finally:
            daemon.send_signal(signal.SIGTERM)
            code = daemon.wait(timeout=15)
        said = lines.read().splitlines()
    assert code == 0, said
    return said, scrape


def test_it_is_gone_in_time_though_airbyte_never_answers(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        service.configure(f"airbyte: {{url: '{url}'}}\nweb: {{listen_address: '127.0.0.1:0'}}\n")
        with started(service) as daemon:
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(1)
                asked = time.monotonic()
                daemon.send_signal(signal.SIGTERM)
                assert daemon.wait(timeout=15) == 0
                took = time.monotonic() - asked
    assert took < 5
    assert took < float(setting("TimeoutStopSec").removesuffix("s"))


def started(service: Service) -> subprocess.Popen[str]:
    return subprocess.Popen(
        service.argv, env=service.environment, cwd="/", stderr=subprocess.DEVNULL, text=True
    )


Break = Callable[[Service], None]


def no_setting(service: Service) -> None:
    service.configure("airbyte: {url: 'http://localhost', tokne: x}\n")


def missing_secret(service: Service) -> None:
    service.configure("airbyte: {url: 'http://localhost', token_file: token}\n")


def no_state(service: Service) -> None:
    service.configure(f"airbyte: {{url: 'http://localhost'}}\nstate: {{url: 'sqlite:///{service.state}'}}\n")


@pytest.mark.parametrize(
    ("spoil", "is_final"), [(no_setting, True), (missing_secret, True), (no_state, False)]
)
def test_only_what_never_gets_better_by_itself_ends_the_restarts(
    spoil: Break, is_final: bool, service: Service
) -> None:
    spoil(service)
    ended = subprocess.run(
        service.argv, env=service.environment, capture_output=True, text=True, timeout=60, check=False
    )
    final = setting("RestartPreventExitStatus").split()
    assert str(EXIT_USAGE) in final
    assert ended.returncode
    assert (str(ended.returncode) in final) is is_final, ended.stderr
    assert setting("Restart") == "on-failure"
    assert setting("StartLimitIntervalSec") == "0"


def test_systemd_knows_the_names_of_what_ends_the_restarts() -> None:
    told = analyze("exit-status", folder=Path("/")).stdout
    names = [name for name in setting("RestartPreventExitStatus").split() if not name.isdigit()]
    assert names
    for name in names:
        assert re.search(rf"^{name} ", told, re.MULTILINE), json.dumps(names)
