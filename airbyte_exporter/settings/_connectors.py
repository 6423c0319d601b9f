"""The configuration of a source or destination from a file, with its secrets from elsewhere.

A value that is ``${NAME}`` and nothing else is that variable of the environment, and one that begins with
``file:`` the text of that file: both are secrets from then on. ``$${NAME}`` stands for the text ``${NAME}``.
A ``${NAMESPACE}`` inside a longer text is Airbyte's own business, as is an address that begins with
``file://``.

A file is JSON, or YAML in which only what JSON knows is not text: ``true``, ``false``, ``null`` and numbers
as JSON writes them. So ``2024-01-01``, ``NO``, ``12:30`` and ``007`` stay what they are. All that is wrong is
told at once, by its place and never with a value: any of them can be a secret.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import yaml
from pydantic import SecretStr

from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.logs import visible
from airbyte_exporter.settings._sources import environment, read_secret
from airbyte_exporter.yamlfile import composed, system_reason

__all__ = ["read_configuration"]

_STANDARD_INPUT: Final = "-"
_SIZE_LIMIT: Final = 1024 * 1024
_DEEPEST: Final = 100
_MOST_VALUES: Final = 100_000
_LONGEST_KEY: Final = 80

_REFERENCE: Final = re.compile(r"(\$+)(\{[^{}\n]*\})")
_VARIABLE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_FILE: Final = re.compile(r"file:(?!//)\s*(.*)", re.DOTALL)

_NOT_FINITE: Final = "is not a number that JSON knows; put it in quotes if it is text"
_UNSOUND: Final = "has a character that is half of one"
_UNUSABLE: Final = "is not a value that can be used here; put it in quotes"
_TOO_DEEP: Final = "is nested too deeply"
_TOO_MUCH: Final = f"has more than {_MOST_VALUES} values"
_REFUSED: Final = {
    "infinite": _NOT_FINITE,
    "merge": "is written <<, and merging is not possible here",
}
_NO_MAPPING: Final = "must be a mapping of names to values"


def read_configuration(
    file: Path | None, *, stdin: TextIO | None, environ: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    """Read a connector's configuration; a `SecretStr` stands for what comes from elsewhere.

    Args:
        file: JSON or YAML; ``None`` or ``-`` is standard input.
        stdin: Standard input, if there is one.
        environ: The environment; by default that of the process.

    Raises:
        ConfigurationError: Something is wrong. The message has a line for each problem, telling where it is.
    """
    if file is None or str(file) == _STANDARD_INPUT:
        where, folder, content = "standard input", Path(), _from_standard_input(stdin)
    else:
        where, folder, content = visible(str(file)), file.parent, _from_file(file)
    if len(content) > _SIZE_LIMIT:
        raise ConfigurationError(f"{where}: is larger than {_SIZE_LIMIT >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{where}: is not text in UTF-8") from None
    if not text.strip():
        raise ConfigurationError(f"{where}: is empty")
    written = _parsed(text, where)
    reader = _Reader(where, folder, environment(environ))
    configuration = reader.settled(written, "")
    if reader.problems:
        raise ConfigurationError("\n".join(reader.problems))
    if not isinstance(configuration, dict):
        raise ConfigurationError(f"{where}: {_NO_MAPPING}")
    return configuration


def _from_file(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        why = system_reason(error) if isinstance(error, OSError) else "no file can be called that"
        raise ConfigurationError(
            f"cannot read the connector's configuration {visible(str(file))}: {why}"
        ) from None


def _from_standard_input(stdin: TextIO | None) -> bytes:
    why = "it is closed"
    try:
        if (raw := getattr(stdin, "buffer", None)) is not None:
            return bytes(raw.read(_SIZE_LIMIT + 1))
        if stdin is not None:
            return stdin.read(_SIZE_LIMIT + 1).encode(errors="surrogateescape")
    except OSError as error:
        why = system_reason(error)
    except ValueError:
        why = "it is closed, or not text in UTF-8"
    raise ConfigurationError(f"cannot read the connector's configuration from standard input: {why}")


class _Pairs(list[tuple[object, object]]):
    """A mapping as it is written: a name can be there twice, or be no text."""


class _Unusable(NamedTuple):
    """What stands for a value that cannot be used, and why not."""

    why: str


def _parsed(text: str, where: str) -> object:
    """Read JSON where it looks like it and is, else YAML: that cannot be indented with tabs."""
    looks_like_json = re.match(r'\s*\{\s*["}]', text) is not None
    problem: ConfigurationError | None = None
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text, object_pairs_hook=_Pairs, parse_constant=lambda _: _Unusable(_NOT_FINITE))
        except json.JSONDecodeError as error:
            said = f"{error.msg[:1].lower()}{error.msg[1:]}"
            problem = ConfigurationError(f"{where} line {error.lineno}: is not valid JSON: {said}")
        except RecursionError:
            raise ConfigurationError(f"{where}: {_TOO_DEEP}") from None
        except ValueError:
            raise ConfigurationError(f"{where}: has a number that is too long") from None
    try:
        _, node = composed(text, where, _Loader)
    except ConfigurationError:
        if problem is not None and looks_like_json:
            raise problem from None
        raise
    return _YamlReader(where).read(node, 0)


class _Loader(yaml.SafeLoader):
    """Finds out what a plain word in YAML is: text, unless JSON has it too."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", list("-0123456789")),
    ("infinite", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


@dataclass
class _YamlReader:
    """Makes plain values of a document's nodes; `values` is how many there were."""

    where: str
    values: int = 0

    def read(self, node: yaml.Node | None, depth: int) -> object:
        """Return what `node` means. An alias is read each time that it is used."""
        self.values += 1
        if self.values > _MOST_VALUES:
            raise ConfigurationError(f"{self.where}: {_TOO_MUCH}")
        if depth > _DEEPEST:
            raise ConfigurationError(f"{self.where}: {_TOO_DEEP}")
        if node is None:
            return None
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return _Pairs(
                (self.read(key, depth + 1), self.read(value, depth + 1)) for key, value in node.value
            )
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.read(item, depth + 1) for item in node.value]
        return _scalar(kind, str(node.value)) if isinstance(node, yaml.ScalarNode) else _Unusable(_UNUSABLE)


def _scalar(kind: str, written: str) -> object:
    """Return the value of a word; tags that people write can claim anything of it."""
    if kind == "str":
        return written
    if kind in _REFUSED:
        return _Unusable(_REFUSED[kind])
    meaning: object = _Unusable(_UNUSABLE)
    if kind == "null" and written in {"", "~", "null", "Null", "NULL"}:
        meaning = None
    elif kind == "bool" and written.lower() in {"true", "false"}:
        meaning = written.lower() == "true"
    elif kind in {"int", "float"}:
        with suppress(ValueError):
            meaning = int(written) if kind == "int" else float(written)
    return meaning


@dataclass
class _Reader:
    """Looks at what is written, and puts secrets where they are referred to."""

    where: str
    folder: Path
    environ: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def settled(self, value: object, path: str, depth: int = 0) -> object:
        """Return what stands at `path` as it is to be sent; note what is wrong with it."""
        if depth > _DEEPEST:
            self._complain(path, _TOO_DEEP)
        elif isinstance(value, _Unusable):
            self._complain(path, value.why)
        elif isinstance(value, _Pairs):
            return {
                key: self.settled(inner, f"{path}.{_shown(key)}".removeprefix("."), depth + 1)
                for key, inner in self._named(value, path)
            }
        elif isinstance(value, list):
            return [self.settled(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            self._complain(path, _NOT_FINITE)
        elif isinstance(value, str):
            return self._text(value, path)
        else:
            return value
        return None

    def _named(self, pairs: _Pairs, path: str) -> Iterator[tuple[str, object]]:
        seen: set[str] = set()
        for key, inner in pairs:
            if not isinstance(key, str):
                why = key.why if isinstance(key, _Unusable) and key.why != _UNUSABLE else "is no text"
                self._complain(path, f"a name in it {why}; put it in quotes")
            elif not _is_sound(key):
                self._complain(path, f"a name in it {_UNSOUND}")
            elif key in seen:
                self._complain(f"{path}.{_shown(key)}".removeprefix("."), "is written twice")
            else:
                seen.add(key)
                yield key, inner

    def _text(self, text: str, path: str) -> str | SecretStr | None:
        reference, named = _REFERENCE.fullmatch(text), _FILE.fullmatch(text)
        if not _is_sound(text):
            self._complain(path, _UNSOUND)
        elif reference is not None and len(reference[1]) > 1:
            return text[1:]
        else:
            try:
                if reference is not None:
                    return SecretStr(self._variable(reference[2]))
                return text if named is None else SecretStr(self._content(named[1]))
            except ConfigurationError as error:
                self._complain(path, str(error))
        return None

    def _variable(self, braced: str) -> str:
        found = _VARIABLE.fullmatch(braced)
        if found is None:
            raise ConfigurationError(
                "has no variable's name between ${ and }; write $${ instead of ${ if that text is meant"
            )
        value = self.environ.get(found[1])
        if value is None:
            raise ConfigurationError(
                f"the environment has no {found[1]}; set it, or write $${braced} if that text is meant"
            )
        if not value:
            raise ConfigurationError(f"{found[1]} is empty in the environment")
        if not _is_sound(value):
            raise ConfigurationError(f"{found[1]} is not text in UTF-8 in the environment")
        return value

    def _content(self, name: str) -> str:
        if not name:
            raise ConfigurationError("file: must be followed by the path of a file")
        try:
            return read_secret(self.folder / Path(name).expanduser(), is_long=True)
        except (ValueError, RuntimeError):
            raise ConfigurationError("file: is followed by what is not the path of a file") from None

    def _complain(self, path: str, problem: str) -> None:
        self.problems.append(f"{self.where}: {path}{': ' if path else ''}{visible(problem)}")


def _is_sound(text: str) -> bool:
    """Whether `text` can be written in UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _shown(key: str) -> str:
    """Return a name for a path in a message; one that is very long is not one that somebody chose."""
    return visible(key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}…")
