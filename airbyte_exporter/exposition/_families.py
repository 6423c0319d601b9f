"""The table of families: what each is called, what it means, and how it follows from the facts.

A row yields a sample only for what is known: an unknown value is absent, never 0. No value here moves with
time alone, so a page stays right for as long as its snapshot does.
"""

from typing import Final

from airbyte_exporter.exposition._connection_families import CONNECTION_FAMILIES
from airbyte_exporter.exposition._instance_families import INSTANCE_FAMILIES
from airbyte_exporter.exposition._table import Family

__all__ = ["FAMILIES"]

FAMILIES: Final[tuple[Family, ...]] = (*CONNECTION_FAMILIES, *INSTANCE_FAMILIES)
"""Every family with facts about Airbyte, in the order in which they stand on the page."""
