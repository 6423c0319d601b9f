"""A YAML file as a tree that knows its lines and says what is wrong with it without quoting it.

What is in it can be a secret, and a message about a file ends up in logs.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml

from airbyte_exporter.errors import ConfigurationError

__all__ = ["YamlDocument", "composed", "system_reason"]

L = TypeVar("L", bound=yaml.SafeLoader)


def composed(text: str, where: str, loader: type[L]) -> tuple[L, yaml.Node | None]:
    """Return the tree of `text`, which is what `where` names, and the loader that knows its values.

    Raises:
        ConfigurationError: It is not YAML.
    """
    try:
        loading = loader(text)
        return loading, loading.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{where}{line}: is not valid YAML: {_unquoted(error.problem)}") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise ConfigurationError(
            f"{where}: is not valid YAML: it contains a character that YAML does not allow"
        ) from None
    except RecursionError:
        raise ConfigurationError(f"{where}: is nested too deeply") from None


class YamlDocument:
    """A configuration file in YAML; `kind` is what a message calls it.

    Raises:
        ConfigurationError: The file cannot be read, or it is not YAML.
    """

    def __init__(self, file: Path, kind: str = "configuration file") -> None:
        self._file = file
        try:
            text = file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ConfigurationError(f"cannot read the {kind} {file}: {system_reason(error)}") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"{file}: is not text in UTF-8") from None
        self._loader, self.root = composed(text, str(file), yaml.SafeLoader)

    def place(self, node: yaml.Node) -> str:
        """Name the file and the line of `node`."""
        return f"{self._file} line {node.start_mark.line + 1}"

    def entries(
        self, node: yaml.Node | None, name: str, problems: list[str]
    ) -> Iterator[tuple[str, yaml.Node]]:
        """Yield the keys and values of the mapping called `name`, each key once. Null is an empty mapping."""
        if node is None or (isinstance(node, yaml.ScalarNode) and self.value(node) is None):
            return
        if not isinstance(node, yaml.MappingNode):
            problems.append(f"{self.place(node)}: {name or 'the file'} must be a mapping of names to values")
            return
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                problems.append(f"{self.place(key)}: a name must be a plain word")
            elif key.value in seen:
                problems.append(f"{self.place(key)}: {name}{'.' if name else ''}{key.value} is written twice")
            else:
                seen.add(key.value)
        try:
            self._loader.flatten_mapping(node)
        except yaml.MarkedYAMLError as error:
            problems.append(f"{self.place(node)}: {_unquoted(error.problem)}")
            return
        yield from {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}.items()

    def value(self, node: yaml.Node) -> Any:  # noqa: ANN401 - YAML holds anything, the models look at it
        """Return the Python value of `node`.

        Raises:
            ConfigurationError: It has none: an unknown tag, a date that does not exist.
        """
        try:
            return self._loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError):
            raise ConfigurationError("is not a value that can be used here; put it in quotes") from None


def system_reason(error: OSError) -> str:
    """Say why the operating system refused, without the path."""
    return (error.strerror or type(error).__name__).lower()


def _unquoted(problem: str | None) -> str:
    """Hide what a parser quotes from the file: it can be a secret that YAML reads as an alias or a tag."""

    def hide(quoted: re.Match[str]) -> str:
        words = quoted[0][1:-1]
        return quoted[0] if len(words) <= 1 or words in {"\\t", "<stream end>", "<block end>"} else "'...'"

    return re.sub(r"""'[^']*'|"[^"]*\"""", hide, problem or "it cannot be parsed")
