"""The root of every exception that this package raises on purpose.

A message is one line for a person: what went wrong, where, and what to do. It never holds a secret.
"""

__all__ = ["AirbyteExporterError", "ConfigurationError"]


class AirbyteExporterError(Exception):
    """Something failed that a person can be told about in one line."""


class ConfigurationError(AirbyteExporterError):
    """The configuration or the command line cannot be used as it is."""
