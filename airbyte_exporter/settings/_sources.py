"""Where settings come from: the command line, the environment, files that hold a secret, a YAML file."""

import difflib
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.settings._options import ENVIRONMENT_PREFIX, FILE_SUFFIX, MASK, Option, options
from airbyte_exporter.settings._yaml import YamlDocument, system_reason

_SECRET_SIZE_LIMIT: Final = 65_536

_INJECTED: Final = re.compile(r"SERVICE_(HOST|PORT(_.+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?")
"""What Kubernetes appends to a Service's name in the variables that it gives every pod of the namespace."""


class Given(NamedTuple):
    """A value as some place gives it. `origin` names the place, `where` begins an error message about it."""

    value: Any
    origin: str
    where: str


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place says: values by option name, and the files that secrets are to be read from."""

    given: dict[str, Given] = field(default_factory=dict)
    files: dict[str, Given] = field(default_factory=dict)

    def refuse_both(self, problems: list[str]) -> None:
        """Complain of a secret that comes with the file that holds it: only one of them can be meant."""
        problems.extend(
            f"{self.files[name].where}: {name} and {name}{FILE_SUFFIX} are both set; keep one"
            for name in sorted(self.given.keys() & self.files.keys())
        )

    def refuse_masks(self, problems: list[str]) -> None:
        """Complain of a secret that was copied from where secrets are not shown."""
        problems.extend(
            f"{given.where}: is what is shown in place of a secret, not the secret"
            for name, given in self.given.items()
            if options()[name].is_secret and given.value == MASK
        )


class LayerSource(PydanticBaseSettingsSource):
    """Hands a layer to pydantic-settings, which merges the layers and validates the whole."""

    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self._tree: dict[str, dict[str, Any]] = {}
        for name, given in layer.given.items():
            section, _, key = name.partition(".")
            self._tree.setdefault(section, {})[key] = given.value

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the values of one section."""
        del field
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values by section and key."""
        return self._tree


def read_command_line(overrides: Mapping[str, Any], problems: list[str]) -> Layer:
    """Take what the command line says, by option name."""
    layer = Layer()
    for name, value in overrides.items():
        option = options().get(name)
        if option is None:
            problems.append(f"command line: {name}: there is no such setting{_nearest(name, options())}")
        else:
            layer.given[name] = Given(_split(option, value), "command line", f"command line: {name}")
    return layer


def read_environment(environ: Mapping[str, str], problems: list[str]) -> Layer:
    """Take the variables with our prefix. An empty one is not set; one that means nothing is a problem."""
    layer = Layer()
    values = {option.variable: option for option in options().values()}
    files = {
        f"{option.variable}{FILE_SUFFIX.upper()}": option for option in values.values() if option.is_secret
    }
    for variable, text in sorted(environ.items()):
        if not variable.upper().startswith(ENVIRONMENT_PREFIX) or _is_injected(variable, environ):
            continue
        option = values.get(variable) or files.get(variable)
        if option is None:
            close = _nearest(variable.upper(), [*values, *files], prefix=ENVIRONMENT_PREFIX)
            problems.append(f"{variable}: there is no such setting{close}")
        elif text:
            kept = layer.given if variable in values else layer.files
            kept[option.name] = Given(_split(option, text), variable, variable)
    layer.refuse_both(problems)
    layer.refuse_masks(problems)
    return layer


def _is_injected(variable: str, environ: Mapping[str, str]) -> bool:
    """Whether Kubernetes wrote `variable`, for a Service ``airbyte-exporter`` or ``airbyte-exporter-...``."""
    rest = variable.removeprefix(ENVIRONMENT_PREFIX)
    if rest.startswith(("SERVICE_", "PORT")):
        return True
    return any(
        _INJECTED.fullmatch(rest, start.start())
        and f"{ENVIRONMENT_PREFIX}{rest[: start.start()]}SERVICE_HOST" in environ
        for start in re.finditer(r"(?<=_)(SERVICE_|PORT)", rest)
    )


def read_secret_files(
    environment: Layer, written: Layer, stronger: Container[str], problems: list[str]
) -> Layer:
    """Read the files that hold secrets, except where a stronger place gives the secret itself."""
    layer = Layer()
    for name, file in {**written.files, **environment.files}.items():
        if name in stronger:
            continue
        path = Path(file.value)
        try:
            secret = _read_secret(path)
        except ConfigurationError as error:
            problems.append(f"{file.where}: {error}")
        else:
            layer.given[name] = Given(secret, f"file {path}, {file.origin}", f"{file.where}: {path}")
    return layer


def _read_secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            secret = file.read(_SECRET_SIZE_LIMIT).decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {system_reason(error)}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text in UTF-8") from None
    if not secret:
        raise ConfigurationError(f"{path} is empty")
    if "\n" in secret:
        raise ConfigurationError(f"{path} has more than one line; it must hold the secret and nothing else")
    return secret


def read_yaml(file: Path | None, problems: list[str]) -> Layer:
    """Take what a YAML file says. A relative path in it starts at the file's folder; null is not set."""
    layer = Layer()
    if file is None:
        return layer
    sections = list(dict.fromkeys(option.section for option in options().values()))
    try:
        document = YamlDocument(file)
        for section, node in document.entries(document.root, "", problems):
            if section in sections:
                _read_section(document, section, node, file.parent, layer, problems)
            else:
                close = _nearest(section, sections)
                problems.append(f"{document.place(node)}: {section}: there is no such section{close}")
    except ConfigurationError as error:
        problems.append(str(error))
    layer.refuse_both(problems)
    layer.refuse_masks(problems)
    return layer


def _read_section(
    document: YamlDocument, section: str, node: yaml.Node, folder: Path, layer: Layer, problems: list[str]
) -> None:
    values = {option.key: option for option in options().values() if option.section == section}
    files = {f"{option.key}{FILE_SUFFIX}": option for option in values.values() if option.is_secret}
    for key, leaf in document.entries(node, section, problems):
        where = f"{document.place(leaf)}: {section}.{key}"
        option = values.get(key) or files.get(key)
        if option is None:
            problems.append(f"{where}: there is no such setting{_nearest(key, [*values, *files])}")
            continue
        try:
            value = document.value(leaf)
        except ConfigurationError as error:
            problems.append(f"{where}: {error}")
            continue
        if key in files and value is not None and not isinstance(value, str):
            problems.append(f"{where}: must be the path of a file")
        elif value is not None:
            if isinstance(value, str) and (key in files or option.is_path):
                value = str(folder / Path(value).expanduser())
            kept = layer.given if key in values else layer.files
            kept[option.name] = Given(_split(option, value), document.place(leaf), where)


def _split(option: Option, value: object) -> object:
    if option.is_list and isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _nearest(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Suggest the name that was probably meant; what all begin with does not make two names alike."""
    close = difflib.get_close_matches(
        name.removeprefix(prefix), [each.removeprefix(prefix) for each in known], n=1
    )
    return f"; did you mean {prefix}{close[0]}?" if close else ""
