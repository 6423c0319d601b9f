"""The page that a scrape gets: prepared bytes and, after them, the exporter's own series as they are now."""

import threading
import zlib
from collections.abc import Sequence
from typing import Final

import structlog

from airbyte_exporter.exposition._config import MetricsConfig
from airbyte_exporter.exposition._families import FAMILIES
from airbyte_exporter.exposition._table import Family
from airbyte_exporter.exposition._whole import Rendered, render
from airbyte_exporter.model import Snapshot
from airbyte_exporter.telemetry import Telemetry

__all__ = ["OPENMETRICS_CONTENT_TYPE", "TEXT_CONTENT_TYPE", "Exposition"]

TEXT_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

log = structlog.get_logger(__name__)

# The page repeats itself so much that the fastest level already gets most of the gain.
_LEVEL: Final = 1
# A page in gzip is prepared ahead for as long as somebody asked for one within so many snapshots.
_WANTED_FOR: Final = 30
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # deflate, no time, fastest, unknown system


class Exposition:
    """Keep the newest snapshot ready as bytes, in both formats, plain and compressed. Thread-safe."""

    def __init__(
        self,
        telemetry: Telemetry,
        config: MetricsConfig | None = None,
        families: Sequence[Family] = FAMILIES,
    ) -> None:
        self._telemetry = telemetry
        self._config = config or MetricsConfig()
        self._families = [family for family in families if self._config.exposes(family.info.name)]
        telemetry.expose_only(self._config.exposes)
        self._body = _Body(b"", b"")
        self._generation = 0
        self._wanted: dict[bool, int] = {}
        self._duplicates: tuple[str, ...] = ()
        self._publishing = threading.Lock()

    def publish(self, snapshot: Snapshot) -> None:
        """Render `snapshot` and swap it in whole: a scrape gets all of the old page or all of the new one."""
        with self._publishing:
            rendered = render(
                self._families,
                snapshot,
                max_connections=self._config.max_connections,
                created=self._config.created,
            )
            self._report(rendered)
            body = _Body(rendered.text, rendered.openmetrics)
            self._generation += 1
            for openmetrics, asked in tuple(self._wanted.items()):
                if self._generation - asked <= _WANTED_FOR:
                    body.compressed(openmetrics=openmetrics)
            self._telemetry.set_series(rendered.series)
            self._telemetry.set_left_out(rendered.left_out)
            self._body = body

    def scrape(self, *, openmetrics: bool, gzip: bool) -> bytes:
        """Return the whole page as OpenMetrics 1.0 or text format 0.0.4, compressed on request.

        The prepared part is not compressed again: the exporter's own series are added to it as another piece
        of the same gzip member.
        """
        body = self._body
        tail = self._telemetry.render(openmetrics=openmetrics)
        if not gzip:
            return body.plain(openmetrics=openmetrics) + tail
        self._wanted[openmetrics] = self._generation
        return body.compressed(openmetrics=openmetrics).finish(tail)

    def _report(self, rendered: Rendered) -> None:
        if rendered.duplicates and rendered.duplicates != self._duplicates:
            log.error(
                "two facts claim the same series; only the first is exposed",
                series=rendered.duplicates[0],
                number=len(rendered.duplicates),
            )
        self._duplicates = rendered.duplicates


class _Body:
    """One generation of the prepared part. What nobody asks for compressed is never compressed."""

    def __init__(self, text: bytes, openmetrics: bytes) -> None:
        self._text = text
        self._openmetrics = openmetrics
        self._compressed: dict[bool, _Compressed] = {}
        self._compressing = threading.Lock()

    def plain(self, *, openmetrics: bool) -> bytes:
        return self._openmetrics if openmetrics else self._text

    def compressed(self, *, openmetrics: bool) -> "_Compressed":
        with self._compressing:
            if openmetrics not in self._compressed:
                self._compressed[openmetrics] = _Compressed(self.plain(openmetrics=openmetrics))
            return self._compressed[openmetrics]


class _Compressed:
    """The beginning of a gzip member (RFC 1952) that can be finished with any tail.

    Deflate's full flush ends on a byte, so that blocks of another compressor, which never refer back, may
    follow; the check sum is continued from where the beginning left it.
    """

    def __init__(self, data: bytes) -> None:
        compress = _deflate()
        self._head = b"".join((_GZIP_HEADER, compress.compress(data), compress.flush(zlib.Z_FULL_FLUSH)))
        self._crc = zlib.crc32(data)
        self._size = len(data)

    def finish(self, tail: bytes) -> bytes:
        compress = _deflate()
        crc = zlib.crc32(tail, self._crc)
        size = (self._size + len(tail)) & 0xFFFFFFFF
        return b"".join(
            (
                self._head,
                compress.compress(tail),
                compress.flush(),
                crc.to_bytes(4, "little"),
                size.to_bytes(4, "little"),
            )
        )


def _deflate() -> "zlib._Compress":
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
