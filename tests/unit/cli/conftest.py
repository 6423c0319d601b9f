"""Commands in this process: arguments in, text and an exit code out, with a made-up Airbyte."""

import logging
import os
import time
from collections.abc import Callable, Iterator

import pytest
import structlog
from click.testing import CliRunner, Result

from airbyte_exporter.airbyte import AirbyteConfig
from airbyte_exporter.cli import command_line
from airbyte_exporter.cli._shared import Common
from tests.commands import FakeAirbyte, PassingTime, example_airbyte


@pytest.fixture
def airbyte() -> FakeAirbyte:
    """What the commands find."""
    return example_airbyte()


@pytest.fixture
def passing() -> PassingTime:
    """The time of the commands."""
    return PassingTime()


@pytest.fixture(autouse=True)
def _quiet_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of this machine's configuration counts, and logging is put back as it was."""
    for name in list(os.environ):
        if name.upper().startswith("AIRBYTE_EXPORTER_"):
            monkeypatch.delenv(name)
    root, own = logging.getLogger(), logging.getLogger("airbyte_exporter")
    before = (root.handlers[:], root.level, own.level)
    yield
    root.handlers[:], level, own_level = before
    root.setLevel(level)
    own.setLevel(own_level)
    structlog.reset_defaults()


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine is in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def common(airbyte: FakeAirbyte, passing: PassingTime) -> Callable[[], Common]:
    """Make global options for one command that meets the made-up Airbyte, and time as it is told."""

    def connect(config: AirbyteConfig, **_others: object) -> FakeAirbyte:
        airbyte.config = config
        return airbyte

    return lambda: Common(connect=connect, clock=passing.clock, monotonic=passing.clock, pause=passing.pause)


@pytest.fixture
def invoke(common: Callable[[], Common]) -> Callable[..., Result]:
    """Run a command line against the made-up Airbyte."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(command_line, [str(each) for each in arguments], obj=common())

    return run
