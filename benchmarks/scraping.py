"""The exporter's page as a scraper gets it, and prometheus_client's rendering of the same series."""

import gzip
import http.client
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from benchmarks.processes import BenchmarkError

__all__ = ["Page", "Reference", "Scraper"]

_HEADERS: Final = {"accept": "text/plain;version=0.0.4"}
_TIMEOUT_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of ``/metrics`` in text format 0.0.4, and how many seconds it took to get all of it."""

    body: bytes
    seconds: float

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples called `name` that have these labels, 0 where there is none."""
        return sum(value for found, value in self._samples(name) if labels.items() <= found.items())

    def by(self, label: str, name: str) -> dict[str, float]:
        """Return the samples called `name`, summed by one of their labels."""
        sums: dict[str, float] = {}
        for found, value in self._samples(name):
            sums[found[label]] = sums.get(found[label], 0.0) + value
        return sums

    def number_of(self, name: str) -> int:
        """Return how many samples are called `name`."""
        return self.body.count(f"\n{name}{{".encode())

    def _samples(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        # Only the family asked for is parsed: the page can have a million lines.
        family = name.removesuffix("_sum").removesuffix("_count")
        start = self.body.find(f"# HELP {family} ".encode())
        if start < 0:
            return
        end = self.body.find(b"# HELP ", start + 1)
        block = self.body[start : end if end > 0 else len(self.body)].decode()
        for parsed in text_string_to_metric_families(block):
            for sample in parsed.samples:
                if sample.name == name:
                    yield sample.labels, sample.value


class Scraper:
    """Reads the exporter over one connection that is kept, as Prometheus does."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
        self._buffer = bytearray()

    def scrape(self, *, compressed: bool = False) -> Page:
        """Return the page as it came; the clock stops with its last byte, before anything is unpacked.

        Raises:
            BenchmarkError: There is no answer, or another one than was asked for.
        """
        headers = _HEADERS | {"accept-encoding": "gzip" if compressed else "identity"}
        began = time.perf_counter()
        try:
            self._connection.request("GET", "/metrics", headers=headers)
            answer = self._connection.getresponse()
            received = self._read(answer)
        except (OSError, http.client.HTTPException) as error:
            raise BenchmarkError(f"/metrics does not answer: {error!r}") from error
        seconds = time.perf_counter() - began
        body = bytes(memoryview(self._buffer)[:received])
        if answer.status != http.HTTPStatus.OK:
            raise BenchmarkError(f"/metrics answered {answer.status}: {body[:200].decode(errors='replace')}")
        if (answer.getheader("content-encoding") == "gzip") is not compressed:
            raise BenchmarkError("/metrics answered in another encoding than was asked for")
        return Page(body, seconds)

    def _read(self, answer: http.client.HTTPResponse) -> int:
        """Read a body into a buffer that is kept: new memory for each page would be timed as well."""
        if answer.length is None:
            raise BenchmarkError("/metrics does not say how long it is")
        if len(self._buffer) < answer.length:
            self._buffer = bytearray(2 * answer.length)
        view, received = memoryview(self._buffer), 0
        while part := answer.readinto(view[received:]):
            received += part
        return received

    def status(self, path: str) -> int | None:
        """Return the status that `path` answers with, ``None`` while nothing listens."""
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return None
        return answer.status

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @classmethod
    @contextmanager
    def of(cls, port: int) -> Iterator["Scraper"]:
        """Keep a connection for as long as the block."""
        scraper = cls(port)
        try:
            yield scraper
        finally:
            scraper.close()


class Reference(Collector):
    """What prometheus_client makes of the very series on a page of the exporter.

    The collector hands out finished families, so that nothing but the library's rendering is timed: no
    look-ups, no locks, no HTTP. That favours the library over an exporter that is built on it.
    """

    def __init__(self, page: Page) -> None:
        self._families = list(text_string_to_metric_families(page.body.decode()))
        self._registry = CollectorRegistry()
        self._registry.register(self)
        if _samples(self.render()[0]) != _samples(page.body):
            raise BenchmarkError("prometheus_client renders other samples than are on the exporter's page")

    def collect(self) -> Iterable[Metric]:
        return self._families

    def render(self) -> tuple[bytes, float, float]:
        """Render once; return the page, the seconds without and those with the library's own gzip."""
        began = time.perf_counter()
        body = generate_latest(self._registry)
        plain = time.perf_counter() - began
        gzip.compress(body)  # its own handlers do exactly this on every scrape that accepts gzip
        return body, plain, time.perf_counter() - began


def _samples(body: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }
