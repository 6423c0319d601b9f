"""From the global options to settings and a configured log."""

import sys
from collections.abc import Mapping
from typing import Any, Final

from airbyte_exporter.cli._journal import is_journal
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._terminal import may_color
from airbyte_exporter.durations import format_duration, parse_duration
from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.logs import configure_logging
from airbyte_exporter.settings import Settings, load_settings

_LONGEST_SECONDS: Final = 86_400.0
"""What a socket can wait for, everywhere, and no connector takes."""


def settings_for(
    common: Common, overrides: Mapping[str, Any] | None = None, *, environ: Mapping[str, str] | None = None
) -> Settings:
    """Read the configuration that `common` names, and set up the log as it says.

    Args:
        common: The global options.
        overrides: What else the command line says, by option name; ``None`` values are not said.
        environ: The environment, by default that of the process.

    Raises:
        ConfigurationError: The configuration cannot be used.
    """
    said = {"log.level": common.log_level, "log.format": common.log_format, **(overrides or {})}
    settings = load_settings(
        config_file=common.config,
        overrides={name: value for name, value in said.items() if value is not None},
        environ=environ,
    )
    common.debug = settings.log.level == "debug"
    configure_logging(
        settings.log, sys.stderr, color=may_color(sys.stderr), is_journal=is_journal(sys.stderr)
    )
    return settings


def patience(timeout: str) -> float:
    """Return the seconds that ``--timeout`` of a command gives a connector.

    Raises:
        ConfigurationError: It is not a duration, not more than zero, or more than a day.
    """
    seconds = positive_seconds("--timeout", timeout)
    if seconds > _LONGEST_SECONDS:
        raise ConfigurationError(f"--timeout must be at most {format_duration(_LONGEST_SECONDS)}")
    return seconds


def positive_seconds(option: str, text: str, *, shortest: float = 0) -> float:
    """Return the seconds that `text`, the value of a command line option, stands for.

    Raises:
        ConfigurationError: It is not a duration, not more than zero, or less than `shortest`.
    """
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"{option} {error}") from None
    if seconds <= 0:
        raise ConfigurationError(f"{option} must be more than zero")
    if seconds < shortest:
        raise ConfigurationError(f"{option} must be at least {format_duration(shortest)}")
    return seconds
