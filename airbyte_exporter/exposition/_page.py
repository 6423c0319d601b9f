"""The page that a scrape gets: prepared bytes and, after them, the exporter's own series as they are now."""

import threading
from collections.abc import Sequence
from typing import Final

import structlog

from airbyte_exporter.exposition._blocks import Generation, Page
from airbyte_exporter.exposition._config import MetricsConfig
from airbyte_exporter.exposition._families import FAMILIES
from airbyte_exporter.exposition._renderer import Rendered, Renderer
from airbyte_exporter.exposition._table import Family
from airbyte_exporter.model import Snapshot
from airbyte_exporter.telemetry import Telemetry

__all__ = ["OPENMETRICS_CONTENT_TYPE", "TEXT_CONTENT_TYPE", "Exposition"]

TEXT_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

log = structlog.get_logger(__name__)

# A page in gzip is prepared ahead for as long as somebody asked for one within so many snapshots.
_WANTED_FOR: Final = 30


class Exposition:
    """Keep the newest snapshot ready as bytes, in both formats, plain and compressed. Thread-safe."""

    def __init__(
        self,
        telemetry: Telemetry,
        config: MetricsConfig | None = None,
        families: Sequence[Family] = FAMILIES,
    ) -> None:
        config = config or MetricsConfig()
        self._telemetry = telemetry
        telemetry.expose_only(config.exposes)
        self._renderer = Renderer(
            [family for family in families if config.exposes(family.info.name)],
            max_connections=config.max_connections,
            created=config.created,
        )
        self._generation = Generation((), ())
        self._number = 0
        self._wanted: dict[bool, int] = {}
        self._duplicates: tuple[str, ...] = ()
        self._publishing = threading.Lock()

    def publish(self, snapshot: Snapshot) -> None:
        """Render what differs in `snapshot` and swap the page in whole: a scrape gets the old or the new one.

        What was asked for in gzip lately is compressed here, before the swap, so that no scrape waits for it.

        Raises:
            ValueError: A value is no whole number. The old page stays.
        """
        with self._publishing:
            rendered = self._renderer.render(snapshot)
            self._report(rendered)
            self._number += 1
            for openmetrics, asked in tuple(self._wanted.items()):
                if self._number - asked <= _WANTED_FOR:
                    rendered.generation.compress(openmetrics=openmetrics)
            self._telemetry.set_series(rendered.series)
            self._telemetry.set_left_out(rendered.left_out)
            self._generation = rendered.generation

    def scrape(self, *, openmetrics: bool, gzip: bool) -> bytes:
        """Return the whole page as OpenMetrics 1.0 or text format 0.0.4, compressed on request."""
        return b"".join(self.page(openmetrics=openmetrics, gzip=gzip).chunks)

    def page(self, *, openmetrics: bool, gzip: bool) -> Page:
        """Return the same in chunks, so that a large page is never in memory once more.

        The prepared part is not compressed again: the exporter's own series are added to it as another piece
        of the same gzip member.
        """
        generation = self._generation
        tail = self._telemetry.render(openmetrics=openmetrics)
        if not gzip:
            return generation.plain(tail, openmetrics=openmetrics)
        self._wanted[openmetrics] = self._number
        return generation.compressed(tail, openmetrics=openmetrics)

    def _report(self, rendered: Rendered) -> None:
        if rendered.duplicates and rendered.duplicates != self._duplicates:
            log.error(
                "two facts claim the same series; only the first is exposed",
                series=rendered.duplicates[0],
                number=len(rendered.duplicates),
            )
        self._duplicates = rendered.duplicates
