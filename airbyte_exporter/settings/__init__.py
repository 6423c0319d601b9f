"""Settings: command line, environment, secret files and a YAML file become one frozen `Settings`.

Precedence in that order, defaults last. This is the only package that reads the environment. The options
themselves are declared beside the code that reads them; here they are only composed.

pydantic-settings merges the places and validates. Its own sources are left out: they pass over in silence
what a person has to hear about, a YAML file that is not there, a key written twice, a misspelt variable.
Here every name is compared with those that exist, every value remembers where it came from, all problems are
told at once, and no message contains a value, since any value can be a secret in the wrong place.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from airbyte_exporter.durations import format_duration
from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.settings._connectors import read_configuration
from airbyte_exporter.settings._options import (
    FILE_SUFFIX,
    KINDS,
    AlertingConfig,
    Option,
    Setting,
    Settings,
    describe,
    find_option,
    is_model,
    models_in,
    options,
    readable,
    with_origins,
)
from airbyte_exporter.settings._sources import (
    Given,
    LayerSource,
    Way,
    environment,
    nearest,
    read_command_line,
    read_environment,
    read_secret_files,
    read_yaml,
)

__all__ = [
    "AlertingConfig",
    "Option",
    "Setting",
    "Settings",
    "describe",
    "find_option",
    "is_model",
    "load_settings",
    "models_in",
    "options",
    "read_configuration",
    "readable",
]


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
    from_environment = read_environment(environment(environ), problems)
    written = read_yaml(config_file, problems)
    files = read_secret_files(
        from_environment, written, command_line.given.keys() | from_environment.given.keys(), problems
    )
    layers = (command_line, from_environment, files, written)
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
        problems += _validation_problems(
            error, given, written.begun, from_environment.files.keys() | written.files.keys()
        )
    if settings is not None:
        problems += _staleness_problems(settings, given)
        problems += _route_problems(settings, given)
    if settings is None or problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)))
    return with_origins(settings, {name: one.origin for name, one in given.items()})


def _validation_problems(
    error: ValidationError, given: Mapping[str, Given], begun: Mapping[str, str], files: Container[str]
) -> Iterator[str]:
    for found in error.errors(include_input=False, include_url=False, include_context=False):
        message = readable(found["msg"])
        loc = _without_kind(found["loc"])
        option, way = _option_at(loc)
        if found["type"] == "extra_forbidden":
            message = "a receiver of this type has no such setting"
        if option is None:
            name = ".".join(str(part) for part in loc)
            yield f"{name}: {message}{_origins_of_mentioned(name, message, given)}"
        elif option.name in given or found["type"] != "missing":
            yield f"{_where(option, way, given)}: {message}"
        elif option.name not in files:
            # Its file, were there one that cannot be read, is a problem of its own.
            file = f", or {option.name}{FILE_SUFFIX}" if option.is_secret else ""
            yield f"{option.name}: {message}{file}{_origins_of_siblings(option, given, begun)}"


def _without_kind(loc: Way) -> Way:
    """Leave out what pydantic puts after a receiver's name: the kind that it was taken for."""
    if loc[:2] == ("alerts", "receivers") and loc[3:4] and loc[3] in KINDS:
        return (*loc[:3], *loc[4:])
    return loc


def _option_at(loc: Way) -> tuple[Option | None, Way]:
    """Return the option that a way through the settings leads to, and the way on inside its value."""
    for length in range(2, len(loc) + 1):
        option = find_option(".".join(str(part) for part in loc[:length]))
        if option is not None:
            return option, loc[length:]
    return None, loc


def _where(option: Option, way: Way, given: Mapping[str, Given]) -> str:
    """Begin a message about what lies on `way` inside an option's value, with the nearest place known."""
    if option.item is None:
        way = tuple(part for part in way if isinstance(part, int))
    one = given.get(option.name)
    if one is not None and way[:-1] in one.places and way not in one.places and isinstance(way[-1], int):
        way = way[:-1]  # one word in place of a list
    inside = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in way)
    if one is None:
        return f"{option.name}{inside}"
    for length in range(len(way), 0, -1):
        if way[:length] in one.places:
            return f"{one.places[way[:length]]}: {option.name}{inside}"
    return f"{one.where}{inside}"


def _origins_of_mentioned(section: str, message: str, given: Mapping[str, Given]) -> str:
    """Say where the options that a message about a whole section speaks of were set."""
    keys = {name: name.removeprefix(f"{section}.") for name in given if name.startswith(f"{section}.")}
    return _in_brackets(
        given[name].origin for name, key in keys.items() if re.search(rf"\b{re.escape(key)}\b", message)
    )


def _origins_of_siblings(option: Option, given: Mapping[str, Given], begun: Mapping[str, str]) -> str:
    """Say where that was set up of which a part is missing."""
    parent = option.name.rpartition(".")[0]
    origins = [one.origin for name, one in given.items() if name.startswith(f"{parent}.")]
    return _in_brackets([begun[parent]] if parent in begun else origins)


def _in_brackets(origins: Iterable[str]) -> str:
    found = ", ".join(dict.fromkeys(origins))
    return f" ({found})" if found else ""


def _route_problems(settings: Settings, given: Mapping[str, Given]) -> Iterator[str]:
    """Who is told must exist, or nobody is."""
    option, known = options()["alerts.routes"], settings.alerts.all_receivers
    for number, route in enumerate(settings.alerts.routes):
        for index, name in enumerate(route.receivers):
            if name not in known:
                where = _where(option, (number, "receivers", index), given)
                yield f"{where}: there is no such receiver{nearest(name, known)}"


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
