"""What is on a page of metrics, and what differs between two of them."""

import io
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.parser import text_fd_to_metric_families
from prometheus_client.samples import Sample

from airbyte_exporter.exposition import FAMILIES
from benchmarks.processes import BenchmarkError

__all__ = ["differences", "expect_same_samples"]

_PARTS: Final = ("", "_bucket", "_sum", "_count")
"""What is added to a family's name in the names of its samples."""


def differences(old: bytes, new: bytes) -> tuple[str, str]:
    """Return the lines about Airbyte that only the `old` page has, and those that only the `new` one has.

    Lines stand below the type of their family. A histogram that differs is new as a whole.
    """
    before, after = set(old.splitlines()), set(new.splitlines())
    gone, fresh = _by_name(before - after), _by_name(after - before)
    only_old: list[bytes] = []
    only_new: list[bytes] = []
    for family in FAMILIES:
        info = family.info
        kind = f"# TYPE {info.name} {info.type}".encode()
        if info.type == "histogram":
            if any(f"{info.name}{part}" in fresh for part in _PARTS):
                only_new += [kind, *_block(new, info.name)]
            continue
        if info.name in gone:
            only_old += [kind, *gone[info.name]]
        if info.name in fresh:
            only_new += [kind, *fresh[info.name]]
    return _text(only_old), _text(only_new)


def _by_name(lines: Iterable[bytes]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for line in lines:
        if not line.startswith(b"#"):
            found.setdefault(_name(line), []).append(line)
    return found


def _name(line: bytes) -> str:
    return line.partition(b"{")[0].partition(b" ")[0].decode()


def _block(page: bytes, name: str) -> list[bytes]:
    """Return a family's samples, in their order."""
    begin = page.index(f"# TYPE {name} ".encode())
    end = page.find(b"\n# HELP ", begin)
    return page[begin : None if end < 0 else end].splitlines()[1:]


def _text(lines: Iterable[bytes]) -> str:
    return "".join(f"{line.decode()}\n" for line in lines)


def expect_same_samples(ours: bytes, theirs: bytes, own: bytes) -> None:
    """Make sure that two pages hold the same samples, names, labels and values.

    What `ours` tells of the exporter itself changes with each scrape, so that is taken from the page `own`.

    Raises:
        BenchmarkError: They do not; the message names a sample.
    """
    expected = {*_hashes(ours, about_airbyte=True), *_hashes(own, about_airbyte=False)}
    found = set(_hashes(theirs))
    if expected == found:
        return
    for sample in (*_samples(theirs), *_samples(ours, about_airbyte=True)):
        if _hash(sample) in expected ^ found:
            raise BenchmarkError(f"prometheus_client's page and the exporter's differ in {sample}")
    raise BenchmarkError("prometheus_client's page and the exporter's differ in series about the exporter")


def _hashes(page: bytes, *, about_airbyte: bool | None = None) -> Iterator[int]:
    # A page can have half a million samples: numbers take a tenth of the memory.
    return (_hash(sample) for sample in _samples(page, about_airbyte=about_airbyte))


def _hash(sample: Sample) -> int:
    return hash((sample.name, frozenset(sample.labels.items()), sample.value))


def _samples(page: bytes, *, about_airbyte: bool | None = None) -> Iterator[Sample]:
    """Return the samples of a page, all, or only those about Airbyte or about the exporter itself."""
    known = {family.info.name.removesuffix("_total") for family in FAMILIES}
    # Not `str.splitlines`, which also ends lines within label values.
    for family in text_fd_to_metric_families(io.TextIOWrapper(io.BytesIO(page), "utf-8", newline="\n")):
        if about_airbyte is None or (family.name in known) is about_airbyte:
            yield from family.samples
