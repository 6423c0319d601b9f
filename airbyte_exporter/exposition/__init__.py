"""The facts about Airbyte as metrics: a table of families, rendered to bytes when the facts change.

A scrape copies bytes that `Exposition.publish` has made ready and adds the exporter's own few series. So a
scrape costs the same whatever Airbyte does, calls neither Airbyte nor the database, and always shows one
whole snapshot.
"""

from airbyte_exporter.exposition._blocks import Page
from airbyte_exporter.exposition._config import ALWAYS_EXPOSED, MetricsConfig
from airbyte_exporter.exposition._families import FAMILIES
from airbyte_exporter.exposition._page import OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE, Exposition
from airbyte_exporter.exposition._table import ConnectionFamily, Distribution, Facet, Family, InstanceFamily

__all__ = [
    "ALWAYS_EXPOSED",
    "FAMILIES",
    "OPENMETRICS_CONTENT_TYPE",
    "TEXT_CONTENT_TYPE",
    "ConnectionFamily",
    "Distribution",
    "Exposition",
    "Facet",
    "Family",
    "InstanceFamily",
    "MetricsConfig",
    "Page",
]
