"""Bytes that are ready to be sent: of a column, and of a page in both formats, plain and compressed."""

import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

__all__ = ["Block", "Generation", "Page"]

# The page repeats itself so much that the fastest level already gets most of the gain.
_LEVEL: Final = 1
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # deflate, no time, fastest, unknown system
# What is smaller is compressed together with what stands beside it.
_LARGE: Final = 16 * 1024
# What is handed to the system at once: large enough for few calls, small enough to stay in the cache.
_CHUNK: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """What answers a scrape, in chunks that are put together while they are sent. Can be read once."""

    size: int
    chunks: Iterator[bytes]


class Block:
    """The lines of a column at one moment, in the pieces that they are kept in. Compressed at most once.

    Generations share the blocks of what did not change between them, and both formats share all of them.
    """

    __slots__ = ("_compressing", "_deflated", "pieces", "series", "size")

    def __init__(self, pieces: Sequence[bytes], series: int) -> None:
        self.pieces: Final = pieces
        self.series: Final = series
        self.size: Final = sum(map(len, pieces))
        self._deflated: bytes | None = None
        self._compressing = threading.Lock()

    def deflated(self) -> bytes:
        """Return the lines compressed, such that any other compressed piece may follow."""
        with self._compressing:
            if self._deflated is None:
                self._deflated = _deflated(self.pieces)
            return self._deflated


class Generation:
    """The page of one snapshot, without the exporter's own series.

    Each format is given as the headers of its columns with their blocks.
    """

    def __init__(
        self, text: Sequence[tuple[bytes, Block]], openmetrics: Sequence[tuple[bytes, Block]]
    ) -> None:
        self._columns = {False: text, True: openmetrics}
        self._compressed: dict[bool, _Compressed] = {}
        self._compressing = threading.Lock()

    def plain(self, tail: bytes, *, openmetrics: bool) -> Page:
        """Return the page with `tail` at its end."""
        columns = self._columns[openmetrics]
        pieces = chain.from_iterable((header, *block.pieces) for header, block in columns)
        size = sum(len(header) + block.size for header, block in columns) + len(tail)
        return Page(size, _in_chunks(chain(pieces, (tail,))))

    def compressed(self, tail: bytes, *, openmetrics: bool) -> Page:
        """Return the page with `tail` at its end, as one member of gzip."""
        pieces = self._in_gzip(openmetrics).finish(tail)
        return Page(sum(map(len, pieces)), _in_chunks(pieces))

    def compress(self, *, openmetrics: bool) -> None:
        """Compress the page ahead, so that nobody has to wait for it."""
        self._in_gzip(openmetrics)

    def _in_gzip(self, openmetrics: bool) -> "_Compressed":
        with self._compressing:
            if openmetrics not in self._compressed:
                self._compressed[openmetrics] = _Compressed(self._columns[openmetrics])
            return self._compressed[openmetrics]


class _Compressed:
    """The beginning of a gzip member (RFC 1952) that can be finished with any tail.

    Deflate's full flush ends on a byte, so that what other compressors made, which never refer back, may
    follow: blocks that did not change are not compressed again. The check sum goes on from piece to piece.
    """

    def __init__(self, columns: Iterable[tuple[bytes, Block]]) -> None:
        self._head: list[bytes] = [_GZIP_HEADER]
        self._crc = self._size = 0
        small: list[bytes] = []
        for header, block in columns:
            small.append(header)
            if block.size < _LARGE:
                small += block.pieces
            else:
                self._add(small, _deflated(small))
                self._add(block.pieces, block.deflated())
                small = []
        self._add(small, _deflated(small))

    def finish(self, tail: bytes) -> Sequence[bytes]:
        """Return the whole member in pieces, with `tail` at the end of what it holds."""
        crc = zlib.crc32(tail, self._crc)
        size = (self._size + len(tail)) & 0xFFFFFFFF
        end = _deflated([tail], zlib.Z_FINISH) + crc.to_bytes(4, "little") + size.to_bytes(4, "little")
        return [*self._head, end]

    def _add(self, plain: Iterable[bytes], packed: bytes) -> None:
        self._head.append(packed)
        for chunk in _in_chunks(plain):
            self._crc = zlib.crc32(chunk, self._crc)
            self._size += len(chunk)


def _deflated(pieces: Iterable[bytes], end: int = zlib.Z_FULL_FLUSH) -> bytes:
    # By chunks: zlib lets other threads work only while it has much to do.
    compress = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = [compress.compress(chunk) for chunk in _in_chunks(pieces)]
    return b"".join((*packed, compress.flush(end)))


def _in_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in chunks that are worth a call each."""
    chunk: list[bytes] = []
    size = 0
    for piece in pieces:
        chunk.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(chunk)
            chunk, size = [], 0
    if chunk:
        yield b"".join(chunk)
