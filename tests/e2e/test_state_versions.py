"""Up two schemas and down again, with real programs: this one, and one that knows two schemas more."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import airbyte_exporter
from airbyte_exporter.store.schema import HEAD, KNOWN
from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, WebhookReceiver, eventually, exporter_for, running, to
from tests.e2e.test_kill import ABOUT_FAILURES_ALONE
from tests.e2e.test_main_job import wait_for_the_truth
from tests.e2e.truth import rest

COLUMN, TABLE = (f"{int(HEAD) + number:04}" for number in (1, 2))

MIGRATION = '''
"""A schema that does not exist yet."""

from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade():
    {upgrade}
'''


def next_version(folder: Path) -> Path:
    """Make a program that is this one with two more migrations; return the folder that it is found in."""
    package = folder / "airbyte_exporter"
    shutil.copytree(
        Path(airbyte_exporter.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    for revision, before, upgrade in (
        (COLUMN, HEAD, 'op.execute("ALTER TABLE jobs ADD COLUMN cost BIGINT NOT NULL DEFAULT 1")'),
        (TABLE, COLUMN, 'op.execute("CREATE TABLE notes AS SELECT id, name AS note FROM connections")'),
    ):
        text = MIGRATION.format(revision=revision, before=before, upgrade=upgrade)
        file = package / "store" / "migrations" / "versions" / f"v{revision}_next.py"
        file.write_text(textwrap.dedent(text), encoding="utf-8")
    schema = package / "store" / "schema.py"
    schema.write_text(
        schema.read_text("utf-8")
        + f"\nHEAD = {TABLE!r}\nKNOWN = frozenset({sorted({*KNOWN, COLUMN, TABLE})})\n",
        encoding="utf-8",
    )
    return folder


def program(exporter: Exporter, folder: Path | None) -> None:
    """Let the next start be that of the program in `folder`, or of this one."""
    exporter._environment.pop("PYTHONPATH", None)
    if folder is not None:
        exporter._environment["PYTHONPATH"] = str(folder)


def types_told(receiver: WebhookReceiver, connection: str) -> list[str]:
    return [message["type"] for _, message in receiver.of(connection)]


def test_two_schemas_up_and_down_again(simulate: Simulate, receiver: WebhookReceiver, tmp_path: Path) -> None:
    server = simulate(seed=3, connections=6, speed=60)
    rest(server.world)
    broken, sound = [one.id for one in server.world.connections() if one.schedule_type != "manual"][:2]
    exporter = exporter_for(tmp_path, server, **to(receiver), **ABOUT_FAILURES_ALONE)
    newer = next_version(tmp_path / "next")

    with running(exporter):
        exporter.wait_until_ready()
        server.world.run_now(broken, "failed")
        eventually(
            lambda: types_told(receiver, broken) == ["alert.firing"], "it is told", unless=exporter.died
        )
        wait_for_the_truth(server, exporter)
        assert exporter.terminate() == 0

        program(exporter, newer)
        server.world.run_now(sound, "succeeded", records=1000)
        exporter.start()
        exporter.wait_until_ready()
        wait_for_the_truth(server, exporter)
        assert f'"schema": "{TABLE}"' in exporter.output
        assert exporter.terminate() == 0
        assert types_told(receiver, broken) == ["alert.firing"]

        program(exporter, None)
        copy = exporter.state.with_name(f"{exporter.state.name}.{HEAD}")
        assert_refused(exporter, copy)

        copy.replace(exporter.state)
        exporter.start()
        exporter.wait_until_ready()
        wait_for_the_truth(server, exporter)
        assert types_told(receiver, broken) == ["alert.firing"]
        server.world.run_now(broken, "succeeded")
        eventually(
            lambda: types_told(receiver, broken) == ["alert.firing", "alert.resolved"],
            "its end is told",
            unless=exporter.died,
        )
        wait_for_the_truth(server, exporter)
        assert exporter.terminate() == 0
    assert "Traceback" not in exporter.output
    assert receiver.refused == []


def assert_refused(exporter: Exporter, copy: Path) -> None:
    """The older program says in one line what to do, and leaves the file as it is."""
    state = exporter.state
    before = state.read_bytes()
    said = (
        f"the state {state} was written by a newer version (schema {TABLE}, this one knows {HEAD}): "
        f"use that version again, or put back {copy}, which it was before, without -wal and -shm"
    )
    for command, code in (("run", 1), ("check", 1), ("alerts list", 1)):
        done = subprocess.run(
            [sys.executable, "-m", "airbyte_exporter", *command.split()],
            env=exporter._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code
        if command == "check":
            assert said.replace(": use that", " → use that") in done.stdout
        else:
            assert done.stderr == f"airbyte-exporter: {said}\n"
    assert state.read_bytes() == before
    assert not list(state.parent.glob("state.db-*"))
