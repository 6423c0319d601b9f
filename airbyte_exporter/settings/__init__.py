"""Settings: command line, environment, secret files and a YAML file become one frozen `Settings`.

Precedence in that order, defaults last. This is the only package that reads the environment. The options
themselves are declared beside the code that reads them; here they are only composed.

pydantic-settings merges the places and validates. Its own sources are left out: they pass over in silence
what a person has to hear about, a YAML file that is not there, a key written twice, a misspelt variable.
Here every name is compared with those that exist, every value remembers where it came from, all problems are
told at once, and no message contains a value, since any value can be a secret in the wrong place.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from airbyte_exporter.durations import format_duration
from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.settings._options import (
    AlertingConfig,
    Option,
    Setting,
    Settings,
    describe,
    options,
    readable,
    with_origins,
)
from airbyte_exporter.settings._sources import (
    Given,
    LayerSource,
    read_command_line,
    read_environment,
    read_secret_files,
    read_yaml,
)

__all__ = ["AlertingConfig", "Option", "Setting", "Settings", "describe", "load_settings", "options"]


def load_settings(
    *,
    config_file: Path | None,
    overrides: Mapping[str, Any] = MappingProxyType({}),
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read the configuration.

    Args:
        config_file: The YAML file, if there is one.
        overrides: What the command line says, by the option's name (``log.level``).
        environ: The environment; by default that of the process.

    Raises:
        ConfigurationError: Something is wrong. The message has a line for each problem, telling where it is.
    """
    problems: list[str] = []
    command_line = read_command_line(overrides, problems)
    # The one place that reads the environment.
    environment = read_environment(os.environ if environ is None else environ, problems)  # noqa: TID251
    written = read_yaml(config_file, problems)
    files = read_secret_files(
        environment, written, command_line.given.keys() | environment.given.keys(), problems
    )
    layers = (command_line, environment, files, written)
    given = {name: one for layer in reversed(layers) for name, one in layer.given.items()}

    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_args: object, **_kwargs: object
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(LayerSource(settings_cls, layer) for layer in layers)

    settings: Settings | None = None
    try:
        settings = Loaded()
    except ValidationError as error:
        problems += _validation_problems(error, given)
    if settings is not None:
        problems += _staleness_problems(settings, given)
    if settings is None or problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)))
    return with_origins(settings, {name: one.origin for name, one in given.items()})


def _validation_problems(error: ValidationError, given: Mapping[str, Given]) -> Iterator[str]:
    for found in error.errors(include_input=False, include_url=False, include_context=False):
        message = readable(found["msg"])
        name = ".".join(str(part) for part in found["loc"][:2])
        if name in options():
            index = "".join(f"[{part}]" for part in found["loc"][2:] if isinstance(part, int))
            yield f"{given[name].where if name in given else name}{index}: {message}"
        else:
            yield f"{name}: {message}{_origins_of_mentioned(name, message, given)}"


def _origins_of_mentioned(section: str, message: str, given: Mapping[str, Given]) -> str:
    """Say where the options that a message about a whole section speaks of were set."""
    origins = [
        given[option.name].origin
        for option in options().values()
        if option.section == section and option.name in given and re.search(rf"\b{option.key}\b", message)
    ]
    return f" ({', '.join(dict.fromkeys(origins))})" if origins else ""


def _staleness_problems(settings: Settings, given: Mapping[str, Given]) -> Iterator[str]:
    """Facts must not leave the page because of one slow poll."""
    poll, timeout = settings.poll, settings.airbyte.timeout
    for loop, interval, limit in (
        ("jobs", poll.jobs_interval, poll.jobs_max_staleness),
        ("inventory", poll.inventory_interval, poll.inventory_max_staleness),
    ):
        least = 3 * interval + timeout
        if limit < least:
            name = f"poll.{loop}_max_staleness"
            yield (
                f"{given[name].where if name in given else name}: must be at least three times "
                f"poll.{loop}_interval and one airbyte.timeout, which is {format_duration(least)}"
            )
