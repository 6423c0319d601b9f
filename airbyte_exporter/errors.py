"""The root of every exception that this package raises on purpose.

A message is one line for a person: what went wrong, where, and what to do. It never holds a secret.
"""

import difflib
from collections.abc import Iterable

__all__ = ["AirbyteExporterError", "ConfigurationError", "did_you_mean"]


class AirbyteExporterError(Exception):
    """Something failed that a person can be told about in one line."""


class ConfigurationError(AirbyteExporterError):
    """The configuration or the command line cannot be used as it is."""


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return what to append to a message about an unknown name: the nearest `known` one, or nothing.

    The name itself is not repeated. `cutoff`, from 0 to 1, is how alike two names must be.
    """
    close = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"; did you mean {close[0]}?" if close else ""
