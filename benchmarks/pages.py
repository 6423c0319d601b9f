"""What is on a page of metrics, and what differs between two of them."""

import io
import re
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.parser import text_fd_to_metric_families
from prometheus_client.samples import Sample

from airbyte_exporter.exposition import FAMILIES
from benchmarks.processes import BenchmarkError

__all__ = ["differences", "expect_same_samples"]

_PARTS: Final = ("", "_bucket", "_sum", "_count")
"""What is added to a family's name in the names of its samples."""

_HELP: Final = re.compile(rb"^(?=# HELP )", re.MULTILINE)


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
    should_be = b"".join([*_families(ours, about_airbyte=True), *_families(own, about_airbyte=False)])
    # A page can have half a million samples: numbers take a tenth of the memory.
    expected, found = ({_hash(sample) for sample in _samples(page)} for page in (should_be, theirs))
    if expected != found:
        differs = (
            it for page in (theirs, should_be) for it in _samples(page) if _hash(it) in expected ^ found
        )
        raise BenchmarkError(f"prometheus_client's page and the exporter's differ in {next(differs)}")


def _families(page: bytes, *, about_airbyte: bool) -> Iterator[bytes]:
    """Return the parts of a page that tell about Airbyte, or about the exporter itself."""
    known = {family.info.name for family in FAMILIES}
    for part in _HELP.split(page):
        if part and (part.split(b" ", 3)[2].decode() in known) is about_airbyte:
            yield part


def _samples(page: bytes) -> Iterator[Sample]:
    # Not `str.splitlines`, which also ends lines within label values.
    for family in text_fd_to_metric_families(io.TextIOWrapper(io.BytesIO(page), "utf-8", newline="\n")):
        yield from family.samples


def _hash(sample: Sample) -> int:
    return hash((sample.name, frozenset(sample.labels.items()), sample.value))
