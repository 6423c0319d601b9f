"""Where settings come from: the command line, the environment, files that hold a secret, a YAML file."""

import difflib
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.settings._options import (
    ENVIRONMENT_PREFIX,
    FILE_SUFFIX,
    HEADER,
    MASK,
    NAME,
    NAMES,
    Option,
    find_option,
    is_model,
    is_name,
    options,
)
from airbyte_exporter.yamlfile import YamlDocument, system_reason

_SECRET_SIZE_LIMIT: Final = 65_536

_INJECTED: Final = re.compile(r"SERVICE_(HOST|PORT(_.+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?")
"""What Kubernetes appends to a Service's name in the variables that it gives every pod of the namespace."""


Way = tuple[str | int, ...]
"""The way into a value: keys, and numbers in a list."""


class Given(NamedTuple):
    """A value as some place gives it.

    `origin` names the place, `where` begins an error message about it. `places` are those of what the
    value consists of, where they are known.
    """

    value: Any
    origin: str
    where: str
    places: Mapping[Way, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place says: values by option name, and the files that secrets are to be read from.

    `begun` are the places of things with a name of their own, also where nothing is said about them.
    """

    given: dict[str, Given] = field(default_factory=dict)
    files: dict[str, Given] = field(default_factory=dict)
    begun: dict[str, str] = field(default_factory=dict)

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
            if (option := find_option(name)) and option.is_secret and given.value == MASK
        )


class LayerSource(PydanticBaseSettingsSource):
    """Hands a layer to pydantic-settings, which merges the layers and validates the whole."""

    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self._tree: dict[str, dict[str, Any]] = {}
        for name in layer.begun:
            self._inside(name)
        for name, given in layer.given.items():
            mapping, _, key = name.rpartition(".")
            self._inside(mapping)[key] = given.value

    def _inside(self, name: str) -> dict[str, Any]:
        mapping: dict[str, Any] = self._tree
        for part in name.split("."):
            mapping = mapping.setdefault(part, {})
        return mapping

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
        option = find_option(name)
        if option is None:
            problems.append(f"command line: {name}: there is no such setting{nearest(name, options())}")
        else:
            layer.given[name] = Given(_split(option, value), "command line", f"command line: {name}")
    return layer


def environment(given: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return what is `given` in its place, or the environment of the process: the one place that reads it."""
    return os.environ if given is None else given  # noqa: TID251


def read_environment(environ: Mapping[str, str], problems: list[str]) -> Layer:
    """Take the variables with our prefix. An empty one is not set; one that means nothing is a problem."""
    layer = Layer()
    for variable, text in sorted(environ.items()):
        if not variable.upper().startswith(ENVIRONMENT_PREFIX) or _is_injected(variable, environ):
            continue
        found = _named_by(variable)
        if found is None:
            close = _no_secret(variable, _variables(), FILE_SUFFIX.upper()) or nearest(
                variable, _known_like(variable.upper()), prefix=ENVIRONMENT_PREFIX
            )
            problems.append(f"{variable}: there is no such setting{close}")
        elif text and found.option.item is not None:
            problems.append(f"{variable}: {found.option.name} can only be set in the configuration file")
        elif text:
            kept = layer.files if found.is_file else layer.given
            kept[found.option.name] = Given(_split(found.option, text), variable, variable)
    layer.refuse_both(problems)
    layer.refuse_masks(problems)
    return layer


class _Named(NamedTuple):
    """An option, or with `is_file` the file that its secret is read from, as a name in some place."""

    option: Option
    is_file: bool = False


@cache
def _variables() -> Mapping[str, _Named]:
    """Return what every variable means; `NAME` in capitals stands for names that people give."""
    found = {option.variable: _Named(option) for option in options().values()}
    for option in options().values():
        if option.is_secret:
            found[f"{option.variable}{FILE_SUFFIX.upper()}"] = _Named(option, is_file=True)
    return found


def _named_by(variable: str) -> _Named | None:
    """Return what a variable sets, ``None`` when there is no such setting."""
    known = _variables()
    if variable in known:
        return None if known[variable].option.needs_name else known[variable]
    for each, (option, _) in known.items():
        if option.item is not None and variable.startswith(f"{each}__"):
            return _Named(option)
    for pattern, (option, is_file) in _patterns():
        match = pattern.fullmatch(variable)
        if match is not None:
            name, *header = (text.lower() for text in match.groups())
            names = [name, *(text.replace("_", "-") for text in header)]
            if is_name(name) and all(is_name(text, HEADER) for text in names[1:]):
                return _Named(option.named(*names), is_file)
    return None


@cache
def _patterns() -> Sequence[tuple[re.Pattern[str], _Named]]:
    """Return the patterns of variables with names in them, those that say more before the others."""
    found = [
        (
            re.compile(
                re.escape(each).replace(NAME.upper(), "([A-Z0-9_]+)").replace(HEADER.upper(), "([A-Z0-9_]+)")
            ),
            it,
        )
        for each, it in _variables().items()
        if it.option.needs_name
    ]
    return sorted(found, key=lambda pair: (-pair[0].groups, not pair[1].is_file))


def _known_like(variable: str) -> Iterator[str]:
    """Yield every variable there is, those of named things under the name that `variable` seems to give."""
    parts = variable.split("__")
    places = {place.upper() for place in NAMES}
    for known in _variables():
        own = known.split("__")
        if len(own) == len(parts):
            own = [given if mine in places else mine for mine, given in zip(own, parts, strict=True)]
        yield "__".join(own)


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
            secret = read_secret(
                path, is_long=(option := find_option(name)) is not None and option.is_long_text
            )
        except ConfigurationError as error:
            problems.append(f"{file.where}: {error}")
        else:
            layer.given[name] = Given(secret, f"file {path}, {file.origin}", f"{file.where}: {path}")
    return layer


def read_secret(path: Path, *, is_long: bool) -> str:
    """Return what a file holds that is a secret; one that `is_long` may have several lines.

    Raises:
        ConfigurationError: It cannot be read, or what is in it cannot be meant.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_SECRET_SIZE_LIMIT + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {system_reason(error)}") from None
    if len(content) > _SECRET_SIZE_LIMIT:
        raise ConfigurationError(f"{path} is larger than {_SECRET_SIZE_LIMIT // 1024} KiB")
    try:
        secret = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text in UTF-8") from None
    if not secret:
        raise ConfigurationError(f"{path} is empty")
    if "\n" in secret and not is_long:
        raise ConfigurationError(f"{path} has more than one line; it must hold the secret and nothing else")
    return secret


def read_yaml(file: Path | None, problems: list[str]) -> Layer:
    """Take what a YAML file says. A relative path in it starts at the file's folder; null is not set."""
    layer = Layer()
    if file is None:
        return layer
    try:
        document = YamlDocument(file)
        reader = _YamlReader(document, file.parent, layer, problems)
        reader.read(document.root, "", _option_tree())
    except ConfigurationError as error:
        problems.append(str(error))
    layer.refuse_both(problems)
    layer.refuse_masks(problems)
    return layer


_Tree = dict[str, "Option | _Tree"]
"""Options by the keys that lead to them."""


@cache
def _option_tree() -> _Tree:
    tree: _Tree = {}
    for option in options().values():
        *way, last = option.name.split(".")
        inside = tree
        for part in way:
            deeper = inside.setdefault(part, {})
            assert isinstance(deeper, dict)  # noqa: S101 - an option is no section
            inside = deeper
        inside[last] = option
    return tree


@dataclass(frozen=True, slots=True)
class _YamlReader:
    """Takes a document apart by what can be set."""

    document: YamlDocument
    folder: Path
    layer: Layer
    problems: list[str]

    def read(self, node: yaml.Node | None, name: str, tree: _Tree, called: tuple[str, ...] = ()) -> None:
        """Read the mapping `name`, in which the keys of `tree` can be; `called` are names given before."""
        place = next((each for each in NAMES if each in tree), None)
        if place is not None:
            self._read_named(node, name, tree[place], place, called)
            return
        files = {
            f"{key}{FILE_SUFFIX}": it for key, it in tree.items() if isinstance(it, Option) and it.is_secret
        }
        known: _Tree = {**tree, **files}
        seen: set[str] = set()
        for written, leaf in self.document.entries(node, name, self.problems):
            key = _in_any_case(written, known)
            full = f"{name}.{key or written}".removeprefix(".")
            where = f"{self.document.place(leaf)}: {full}"
            if key is None:
                kind = "setting" if name else "section"
                close = _no_secret(written, tree, FILE_SUFFIX) or (
                    nearest(written, known) or _elsewhere(written)
                    if name
                    else _elsewhere(written) or nearest(written, known)
                )
                self.problems.append(f"{where}: there is no such {kind}{close}")
            elif key in seen:
                self.problems.append(f"{where} is written twice")
            elif key in files:
                self._read_option(files[key].named(*called), leaf, where, is_file=True)
            else:
                self._go_on(tree[key], leaf, full, called)
            seen.add(key or written)

    def _read_named(
        self, node: yaml.Node | None, name: str, each: "Option | _Tree", place: str, called: tuple[str, ...]
    ) -> None:
        """Read a mapping whose keys are names that people give: of receivers, or of headers in any case."""
        seen: set[str] = set()
        for written, leaf in self.document.entries(node, name, self.problems):
            key = written.lower() if place == HEADER else written
            full = f"{name}.{key}"
            where = f"{self.document.place(leaf)}: {full}"
            own = key.removesuffix(FILE_SUFFIX) if isinstance(each, Option) and each.is_secret else key
            if key in seen:
                self.problems.append(f"{where} is written twice")
            elif not is_name(own, place):
                self.problems.append(f"{where}: {NAMES[place][1]}")
            elif isinstance(each, Option):
                self._read_option(each.named(*called, own), leaf, where, is_file=own != key)
            else:
                self.layer.begun[full] = self.document.place(leaf)
                self.read(leaf, full, each, (*called, key))
            seen.add(key)

    def _go_on(self, found: "Option | _Tree", node: yaml.Node, name: str, called: tuple[str, ...]) -> None:
        if isinstance(found, Option):
            where = f"{self.document.place(node)}: {name}"
            self._read_option(found.named(*called), node, where, is_file=False)
        else:
            self.read(node, name, found, called)

    def _read_option(self, option: Option, leaf: yaml.Node, where: str, *, is_file: bool) -> None:
        places: dict[Way, str] = {}
        try:
            if option.item is not None and isinstance(leaf, yaml.SequenceNode):
                value: Any = [
                    self._read_item(option.item, item, f"{option.name}[{index}]", (index,), places)
                    for index, item in enumerate(leaf.value)
                ]
            else:
                value = self.document.value(leaf)
        except ConfigurationError as error:
            self.problems.append(f"{where}: {error}")
            return
        if is_file and value is not None and not isinstance(value, str):
            self.problems.append(f"{where}: must be the path of a file")
        elif value is not None:
            if isinstance(value, str) and (is_file or option.is_path):
                value = str(self.folder / Path(value).expanduser())
            kept = self.layer.files if is_file else self.layer.given
            kept[option.name] = Given(_split(option, value), self.document.place(leaf), where, places)

    def _read_item(
        self, model: type[BaseModel], node: yaml.Node, name: str, way: Way, places: dict[Way, str]
    ) -> Any:  # noqa: ANN401 - what is no mapping is for the model to refuse
        """Read a mapping inside a list, and note the places of what is in it."""
        places[way] = self.document.place(node)
        if not isinstance(node, yaml.MappingNode):
            return self.document.value(node)
        known = {declared.alias or field: declared for field, declared in model.model_fields.items()}
        values: dict[str, Any] = {}
        for key, leaf in self.document.entries(node, name, self.problems):
            inside = (*way, key)
            places[inside] = self.document.place(leaf)
            where = f"{places[inside]}: {name}.{key}"
            if key not in known:
                self.problems.append(f"{where}: there is no such setting{nearest(key, known)}")
                continue
            if isinstance(leaf, yaml.SequenceNode):
                places |= {
                    (*inside, index): self.document.place(item) for index, item in enumerate(leaf.value)
                }
            annotation = known[key].annotation
            try:
                values[key] = (
                    self._read_item(annotation, leaf, f"{name}.{key}", inside, places)
                    if is_model(annotation)
                    else self.document.value(leaf)
                )
            except ConfigurationError as error:
                self.problems.append(f"{where}: {error}")
        return {key: value for key, value in values.items() if value is not None}


def _in_any_case(written: str, known: Iterable[str]) -> str | None:
    """Find a key: as it is written, or in any case where it has capitals, as in the environment."""
    return next(
        (key for key in known if key == written or (key != key.lower() and key.lower() == written.lower())),
        None,
    )


def _split(option: Option, value: object) -> object:
    if option.is_list and isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def nearest(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Suggest the name that was probably meant; what all begin with does not make two names alike."""
    names = {each.removeprefix(prefix).lower(): each for each in known}
    close = difflib.get_close_matches(name.lower().removeprefix(prefix.lower()), names, n=1)
    return f"; did you mean {names[close[0]]}?" if close else ""


def _no_secret(name: str, values: Container[str], suffix: str) -> str:
    """Say what is wrong with the file of a setting that is no secret."""
    bare = name.removesuffix(suffix)
    return f"; only secrets are read from files: set {bare} itself" if bare != name and bare in values else ""


def _elsewhere(key: str) -> str:
    """Name the setting that `key` is in another section, or when its section is written before it."""
    found = [
        f"{option.key} under {option.section}"
        for option in options().values()
        if key.lower() in {option.key, option.name}
    ]
    return f"; did you mean {' or '.join(found)}?" if found else ""
