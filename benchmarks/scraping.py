"""A page of metrics as a scraper gets it."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.processes import BenchmarkError

__all__ = ["Page", "Scraper"]

_TEXT: Final = "text/plain;version=0.0.4"
_OPENMETRICS: Final = "application/openmetrics-text;version=1.0.0"
_TIMEOUT_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of ``/metrics``, and how many seconds it took to get all of it.

    It can be looked into if it is plain text format 0.0.4.
    """

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
    """Reads a server, over one connection if the server keeps it, as Prometheus does."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
        self._buffer = bytearray()

    def scrape(self, *, compressed: bool = False, openmetrics: bool = False) -> Page:
        """Return the page as it came; the clock stops with its last byte, before anything is unpacked.

        Raises:
            BenchmarkError: There is no answer, or another one than was asked for.
        """
        headers = {
            "accept": _OPENMETRICS if openmetrics else _TEXT,
            "accept-encoding": "gzip" if compressed else "identity",
        }
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
