"""Prometheus metrics and trustworthy alerts for Airbyte."""

__all__ = ["__version__"]

__version__ = "0.1.0"
