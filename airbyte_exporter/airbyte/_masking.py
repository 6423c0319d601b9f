"""Which values of a connector's configuration may be shown: few, for connectors name secrets as they like."""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pydantic import SecretStr

__all__ = ["BLANK", "Configuration", "masked", "revealed", "secrets_in"]

Configuration: TypeAlias = Mapping[str, Any]
"""A connector's configuration: JSON, where a `SecretStr` stands for the text in it."""

BLANK: Final = "**********"
"""What Airbyte itself shows in the place of a secret, and takes for the one that it has."""

_HARMLESS: Final = re.compile(
    r"(.*_)?(host|port|database|db|schemas?|user|username|bucket|bucket_name|bucket_path|region|endpoint|path|prefix"
    r"|type|mode|method|format|codec|compression|name|start_date|end_date|ssl)"
)
_SECRET_WORD: Final = re.compile(r"pass|pwd|secret|token|cred")
_TELLTALE: Final = re.compile(r"[@?]|-----BEGIN|\s|(?=[A-Za-z]*\d)[A-Za-z0-9]{20,}", re.ASCII)
"""What is in secrets, and in addresses with secrets, and not in plain ones."""

_SECRET_NUMBER: Final = re.compile(
    rf".*({_SECRET_WORD.pattern}).*|(.*_)?(pin|code|key|sid|otp|auth)(_.*)?", re.ASCII
)
_LONGEST_SHOWN: Final = 200
_SHORTEST_NUMBER: Final = 4
_SHORTEST_LINE: Final = 8
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def masked(value: object, key: str = "") -> object:
    """Return `value`, which stands under `key`, with a blank for every text that is not known to be harmless.

    Harmless are addresses, names, modes and formats by the usual names of properties, and what is no text,
    but for numbers that stand where secrets do.
    """
    if isinstance(value, Mapping):
        return {name: masked(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [masked(inner, key) for inner in value]
    return BLANK if _is_secret(value, key) else value


def revealed(value: Configuration) -> dict[str, Any]:
    """Return `value` as plain JSON, secrets included."""
    return {name: _plain(inner) for name, inner in value.items()}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return revealed(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def secrets_in(value: object, key: str = "") -> Iterator[str]:
    """Yield every text in `value` that `masked` blanks out, but not the blank itself.

    Of one with several lines, as keys have, each line too, and of one that is JSON what is secret in that:
    they are repeated by themselves.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from secrets_in(inner, str(name))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from secrets_in(inner, key)
    elif _is_secret(value, key) and (text := str(_plain(value))) != BLANK:
        if isinstance(value, str | SecretStr):
            yield from _parts(text)
        elif len(text) >= _SHORTEST_NUMBER:
            yield text


def _parts(text: str) -> Iterator[str]:
    yield text
    lines = [line.strip() for line in text.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE)
    if text.lstrip().startswith(("{", "[")):
        with contextlib.suppress(ValueError, RecursionError):
            yield from secrets_in(json.loads(text))


def _is_secret(value: object, key: str) -> bool:
    if isinstance(value, SecretStr):
        return True
    name = _CAMEL.sub("_", key).replace("-", "_").replace(" ", "_").lower()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _SECRET_NUMBER.fullmatch(name) is not None
    if not isinstance(value, str):
        return False
    is_known = _HARMLESS.fullmatch(name) and not _SECRET_WORD.search(name)
    harmless = is_known and len(value) <= _LONGEST_SHOWN
    return not harmless or _TELLTALE.search(value) is not None
