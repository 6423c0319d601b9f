"""The image's steps, taken from the Dockerfile, give an installation that runs as in the container.

There is no container engine on most machines that run tests, so the build stage's commands run in a folder
that stands for the image's root, and the program in it as the image's user.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from airbyte_exporter import __version__
from tests.certificates import Certificates
from tests.requirements import ROOT, unavailable

DOCKERFILE = ROOT / "Dockerfile"
NOBODY = 65532
STRANGERS = {"the image's own user": (NOBODY, NOBODY), "a platform's choice": (1_000_680_000, 0)}
"""User and group: OpenShift takes a user from the namespace's range, and the group 0."""

OFFLINE = re.compile(
    r"NewConnectionError|Max retries|name resolution|Connection refused|timed out|ProxyError"
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def argv(self) -> list[str]:
        """The command of the exec form, which needs no shell."""
        found: list[str] = json.loads(self.text[self.text.index("[") :])
        return found


def stages() -> list[list[Step]]:
    """The instructions of each stage, without what stands before the first."""
    text = "\n".join(line for line in DOCKERFILE.read_text("utf-8").splitlines() if not line.startswith("#"))
    found: list[list[Step]] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        if name and found:
            found[-1].append(Step(name, rest.strip()))
    return found


def environment(steps: list[Step]) -> dict[str, str]:
    return dict(word.split("=", 1) for step in steps if step.name == "ENV" for word in step.words)


def one(steps: list[Step], name: str) -> Step:
    (step,) = (step for step in steps if step.name == name)
    return step


def as_stranger(argv: list[str], user: int = NOBODY, group: int = NOBODY) -> list[str]:
    """Run a command as the image's user, or another, where the test may change users.

    It is `env` that runs it: setpriv itself still has the right to run what lies in a private home.
    """
    if os.geteuid() != 0:
        return argv
    identity = [f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
    return ["setpriv", *identity, "/usr/bin/env", *argv]


def on_a_read_only_root(argv: list[str], state: Path) -> list[str]:
    """Run a command as a read-only container would, with `state` as its volume, where that can be had."""
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"'
    wrapped = ["unshare", "--mount", "/bin/sh", "-c", script, str(state)]
    if os.geteuid() != 0 or subprocess.run([*wrapped, "true"], capture_output=True, check=False).returncode:
        return argv
    return [*wrapped, *argv]


def base_python() -> str:
    """A Python that the image's user may run; the one of the tests may lie in a private home."""
    probe = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    for candidate in (os.path.realpath(sys.executable), shutil.which("python3"), "/usr/bin/python3"):
        if (
            candidate
            and not subprocess.run(as_stranger([candidate, "-c", probe]), check=False, cwd="/").returncode
        ):
            return candidate
    return unavailable("no Python from 3.11 on with venv that every user may run is installed")


@dataclass(frozen=True)
class Image:
    """What the Dockerfile makes, below `root` instead of ``/``."""

    root: Path
    final: list[Step]

    def inside(self, text: str) -> str:
        return re.sub(r"(?<![\w.:/])/(?=(?:opt|src|dist)\b)", f"{self.root}/", text)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a container: those of the image and nothing else, so no HOME."""
        state = "/var/lib/airbyte-exporter"
        variables = {
            name: self.inside(value).replace(state, f"{self.root}{state}")
            for name, value in environment(self.final).items()
        }
        return {**variables, "PATH": variables["PATH"].replace("$PATH", "/usr/bin:/bin")}

    @property
    def state(self) -> Path:
        """The folder of the state."""
        return self.root / "var" / "lib" / "airbyte-exporter"

    def entry(self, *arguments: str) -> list[str]:
        """The entry point with `arguments`."""
        (program,) = one(self.final, "ENTRYPOINT").argv
        return [f"{self.root}/opt/airbyte-exporter/bin/{program}", *arguments]


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    build, final = stages()
    root = Path(tempfile.mkdtemp(prefix="airbyte-exporter-image-"))
    root.chmod(0o755)
    made = Image(root, final)
    python = base_python()
    subprocess.run([python, "-m", "venv", str(root / "base")], check=True)
    variables = {**os.environ, **environment(build), "PATH": f"{root}/base/bin:{os.environ['PATH']}"}
    del variables["PIP_NO_CACHE_DIR"]  # keeps an image small; here it would only fetch everything again
    try:
        for step in build:
            take(step, made, variables)
        for path in (root, *root.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o555 | (0o111 if path.is_dir() else 0))
        yield made
    finally:
        for path in (root, *root.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(root)


def take(step: Step, image: Image, variables: dict[str, str]) -> None:
    """Do what one instruction of the build stage says."""
    source = image.root / "src"
    match step.name:
        case "FROM" | "ENV":
            pass
        case "WORKDIR":
            assert step.text == "/src"
            source.mkdir()
        case "COPY":
            *origins, target = step.words
            for origin in origins:
                to_folder = target.endswith("/")
                place = source / image.inside(target) / (Path(origin).name if to_folder else "")
                place.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / origin).is_dir():
                    shutil.copytree(ROOT / origin, place, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / origin, place)
                if os.geteuid() == 0:
                    for path in (place, *place.rglob("*")):
                        path.chmod(0o700 if path.is_dir() else 0o600)  # as after a clone under umask 077
        case "RUN":
            done = subprocess.run(
                ["/bin/sh", "-c", image.inside(step.text)],
                cwd=source,
                env=variables,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode and OFFLINE.search(done.stderr):
                unavailable("the package index cannot be reached")
            assert done.returncode == 0, done.stdout + done.stderr
        case _:
            pytest.fail(f"this test does not know what {step.name} does")


def test_only_what_the_dockerfile_copies_is_in_the_build_context() -> None:
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    build, _ = stages()
    copied = {origin for step in build if step.name == "COPY" for origin in step.words[:-1]}
    assert "*" in ignore
    assert let_in == copied


def test_the_image_runs_as_a_numeric_user_without_rights_and_owns_only_the_state() -> None:
    _, final = stages()
    assert one(final, "USER").text == f"{NOBODY}:{NOBODY}"
    state = one(final, "VOLUME").text
    assert one(final, "RUN").text == f"install -d -o {NOBODY} -g 0 -m 0770 {state}"
    assert environment(final)["AIRBYTE_EXPORTER_STATE__URL"] == f"sqlite:///{state}/state.db"
    assert f"VERSION={__version__}" in [step.text for step in final if step.name == "ARG"]


def test_the_environment_is_copied_to_where_it_was_made() -> None:
    _, final = stages()
    source, origin, target = one(final, "COPY").words
    assert (source, origin) == ("--from=build", target)


def test_the_base_is_pinned_and_said() -> None:
    build, final = stages()
    origin = final[0].text
    assert build[0].text == f"{origin} AS build"
    name, _, digest = origin.partition("@")
    assert re.fullmatch(r"python:3\.\d+-slim", name)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    said = dict(word.split("=", 1) for word in one(final, "LABEL").words)
    prefix = "org.opencontainers.image."
    assert said[f"{prefix}base.name"] == f"docker.io/library/{name}"
    assert said[f"{prefix}base.digest"] == "${BASE_DIGEST}"
    given = {step.text.partition("=")[0] for step in final if step.name == "ARG"}
    used = {name for value in said.values() for name in re.findall(r"\$\{(\w+)\}", value)}
    assert used == given == {"VERSION", "REVISION", "CREATED", "BASE_DIGEST"}


def test_an_empty_address_is_none_for_the_health_check() -> None:
    """As it is for the exporter; whether anything listens on this machine at that port is all the same."""
    checked = subprocess.run(
        [sys.executable, ROOT / "deploy" / "image" / "healthy.py"],
        env={"AIRBYTE_EXPORTER_WEB__LISTEN_ADDRESS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stderr == ""
    assert checked.returncode == 0 or checked.stdout.startswith(":10980 does not answer: ")


def test_the_image_runs_as_a_stranger_on_a_tree_that_cannot_be_written(image: Image) -> None:
    # One test, since building takes long and parallel workers would each build.
    assert_it_says_its_version_without_a_home(image)
    assert_it_holds_nothing_that_only_builds(image)
    for user, group in STRANGERS.values():
        with a_new_volume(image):
            assert_it_runs_is_found_healthy_and_stops_though_airbyte_is_down(image, user, group)
    with a_new_volume(image):
        encrypted = {"AIRBYTE_EXPORTER_WEB__CONFIG_FILE": str(a_web_configuration_with_tls(image.state))}
        assert_it_runs_is_found_healthy_and_stops_though_airbyte_is_down(image, NOBODY, 0, **encrypted)


def a_web_configuration_with_tls(folder: Path) -> Path:
    """Write one, whose certificate is for nobody that a health check knows; everybody may read it."""
    Certificates(folder).make("exporter", "DNS:exporter.example.com")
    web = folder / "web.yml"
    web.write_text("tls_server_config: {cert_file: exporter.crt, key_file: exporter.key}\n", encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)
    return web


@contextmanager
def a_new_volume(image: Image) -> Iterator[None]:
    """Make the folder of the state as the image's last stage does."""
    image.root.chmod(0o755)
    image.state.mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(image.state, NOBODY, 0)
    image.state.chmod(0o770)
    try:
        yield
    finally:
        shutil.rmtree(image.root / "var")


def assert_it_says_its_version_without_a_home(image: Image) -> None:
    said = subprocess.run(
        as_stranger(image.entry("--version")),
        env=image.environment,
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, f"airbyte-exporter {__version__}\n", "")


def assert_it_holds_nothing_that_only_builds(image: Image) -> None:
    names = {path.name for path in (image.root / "opt").rglob("site-packages/*")}
    assert "airbyte_exporter" in names
    assert not names & {"hatchling", "pip", "setuptools"}
    assert not [name for name in names if name.startswith("__editable__")]


def assert_it_runs_is_found_healthy_and_stops_though_airbyte_is_down(
    image: Image, user: int, group: int, **web: str
) -> None:
    port, nothing = free_port(), free_port()
    variables = {
        **image.environment,
        "AIRBYTE_EXPORTER_WEB__LISTEN_ADDRESS": f"127.0.0.1:{port}",
        "AIRBYTE_EXPORTER_AIRBYTE__URL": f"http://127.0.0.1:{nothing}",
        **web,
    }
    program, *arguments = one(image.final, "HEALTHCHECK").argv
    check = [f"{image.root}/opt/airbyte-exporter/bin/{program}", *map(image.inside, arguments)]

    def ask() -> subprocess.CompletedProcess[str]:
        command = as_stranger(check, user, group)
        return subprocess.run(command, env=variables, capture_output=True, text=True, cwd="/", check=False)

    def healthy() -> bool:
        return not ask().returncode

    down = ask()
    assert (down.returncode, down.stderr) == (1, "")
    assert down.stdout.startswith(f"127.0.0.1:{port} does not answer: ")
    before = tree(image.root)
    command = as_stranger(image.entry(*one(image.final, "CMD").argv), user, group)
    running = subprocess.Popen(
        on_a_read_only_root(command, image.state),
        env=variables,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert wait_for(lambda: running.poll() is not None or healthy(), 30)
        assert running.poll() is None, running.communicate()[0]
        running.send_signal(signal.SIGTERM)
        output, _ = running.communicate(timeout=10)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 0, output
    assert f'"listening": "{"https" if web else "http"}://127.0.0.1:{port}"' in output
    written = {path for path in tree(image.root) - before if path.parts[0] != "var"}
    assert not written
    written_state = (image.state / "state.db").stat()
    assert written_state.st_size > 0
    assert os.geteuid() != 0 or written_state.st_uid == user


def tree(root: Path) -> set[Path]:
    return {path.relative_to(root) for path in root.rglob("*")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return False
