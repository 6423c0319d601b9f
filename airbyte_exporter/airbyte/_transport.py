"""One call to Airbyte: a fixed table of methods, retries by verdict, hard limits, no secrets told.

Everything that a call can end in is an `Answer` or an `ApiError`. The retries are our own because the
library's can neither be interrupted nor be held to a total time, and obey ``Retry-After`` for hours.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import requests
import structlog
import urllib3.exceptions
from requests.adapters import BaseAdapter

from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.airbyte._errors import ApiError, ApiMalformed, ApiStopped, ApiUnreachable
from airbyte_exporter.airbyte._methods import READING, Methods
from airbyte_exporter.airbyte._session import Connections, open_session
from airbyte_exporter.airbyte._verdicts import Judge, Reply

__all__ = ["Answer", "Clocks", "Observe", "Transport"]

LARGEST_ANSWER: Final = 64 * 1024 * 1024
LARGEST_ERROR: Final = 1024 * 1024
"""How much is read of an answer that is not a good one: enough for Airbyte's stack traces."""

TRIES: Final = 4
_TIMEOUTS_PER_CALL: Final = 3
_LONGEST_CONNECT: Final = 10.0
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 10.0
_CHUNK: Final = 64 * 1024
_STOP_SEEN_WITHIN: Final = 0.1
"""How often, in seconds, who waits for others to end looks for a stop: nothing waits for both at once."""
_PIECE_SECONDS: Final = 1.0
_GOOD: Final = 2

log = structlog.get_logger(__name__)

Observe = Callable[[str, str, float], None]
"""Told (method, HTTP status or ``error``, seconds) of each HTTP request."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where time and chance come from: epoch seconds, monotonic seconds, and numbers from 0 to 1."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]
    random: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of a good answer; `date` is Airbyte's own time of it, epoch seconds."""

    body: bytes
    date: int | None


class Transport:
    """Send requests to one Airbyte. Thread-safe.

    It knows `methods` and no others: by default none that changes anything.
    """

    def __init__(
        self,
        config: AirbyteConfig,
        *,
        clocks: Clocks,
        stop: threading.Event,
        observe: Observe | None = None,
        adapter: BaseAdapter | None = None,
        methods: Methods = READING,
    ) -> None:
        self.judge = Judge(config, clocks.wall)
        self._methods = methods
        self._root = config.url.removesuffix("v1")
        self._public_root = config.public_url
        self._host = config.host
        self._timeout = config.timeout
        self._rate = config.requests_per_second
        self._clocks = clocks
        self._stop = stop
        self._closed = False
        self._observe = observe
        self._connections = Connections(clocks.monotonic)
        self._session = open_session(config, self._connections)
        if adapter is not None:
            self._session.mount("http://", adapter)
            self._session.mount("https://", adapter)
        self._places = threading.BoundedSemaphore(config.max_concurrency)
        self._turns = threading.Lock()
        self._next_turn = 0.0

    def deadline(self, patience: float | None = None) -> float:
        """Return until when a call that starts now may take, on the monotonic clock.

        With `patience`, seconds, that long and no longer: for what Airbyte itself takes its time over.
        """
        return self._clocks.monotonic() + (patience or _TIMEOUTS_PER_CALL * self._timeout)

    def call(
        self,
        method: str,
        body: Mapping[str, Any] | None = None,
        *,
        authorization: str | None,
        deadline: float,
        tries: int = TRIES,
        patience: float | None = None,
        once: bool = False,
    ) -> Answer:
        """Call `method`, at most `tries` times where that may help, until `deadline`.

        Args:
            method: One of the methods that this transport knows.
            body: What to send.
            authorization: The header's value.
            deadline: On the monotonic clock.
            tries: How often at most.
            patience: How many seconds to wait for an answer; by default the configured time-out.
            once: Whether Airbyte must not be asked twice: what it may have done already is not tried again.

        Raises:
            ApiError: It did not work; `ApiStopped` at once when the exporter stops.
        """
        request = self._prepared(method, body, authorization)
        tried, doubt = 0, False
        while True:
            try:
                deadline += self._take_turn(method) + self._take_place(method)
                tried += 1
                reply = self._in_its_place(method, request, deadline, patience or self._timeout)
                if isinstance(reply, Answer):
                    return reply
                error = reply
                doubt = doubt or error.maybe_done
                if not error.retryable or tried >= tries or (once and doubt):
                    raise error
                wait = self._wait_before(tried, error.retry_after)
                if self._clocks.monotonic() + wait >= deadline:
                    raise _does_not_fit(error, wait)
                log.debug(
                    "Airbyte call is tried again",
                    method=method,
                    reason=error.reason,
                    wait_seconds=round(wait, 1),
                )
                self._pause(method, wait)
            except ApiError as exc:
                exc.maybe_done = doubt and method not in READING
                raise

    def _in_its_place(
        self, method: str, request: requests.PreparedRequest, deadline: float, patience: float
    ) -> Answer | ApiError:
        """Send one request in the place that is taken for it, and judge what comes of it."""
        try:
            reply = self._exchange(method, request, deadline, patience)
        finally:
            self._places.release()
        if not isinstance(reply, Reply):
            return reply
        return self.judge.reply(method, reply) or Answer(reply.body, reply.date)

    def _prepared(
        self, method: str, body: Mapping[str, Any] | None, authorization: str | None
    ) -> requests.PreparedRequest:
        verb, path = self._methods[method]
        public = path.removeprefix("public/v1")
        url = self._root + path if public == path else self._public_root + public
        query: dict[str, Any] = {}
        headers = {} if authorization is None else {"Authorization": authorization}
        data = None
        if verb == "POST":
            headers["Content-Type"] = "application/json"
            data = json.dumps(body or {}, separators=(",", ":")).encode()
        else:
            url, query = _addressed(url, body or {})
        return self._session.prepare_request(
            requests.Request(verb, url, params=query, headers=headers, data=data)
        )

    def _exchange(
        self, method: str, request: requests.PreparedRequest, deadline: float, patience: float
    ) -> Reply | ApiError:
        """Send one request and read its answer whole, or say why that did not work."""
        started = self._clocks.monotonic()
        limit = min(patience, deadline - started)
        if limit <= 0:
            return self._too_slow(method, patience, sent=False)
        code = "error"
        try:
            with self._connections.until(deadline):
                response = self._session.send(
                    request, stream=True, timeout=(min(limit, _LONGEST_CONNECT), limit), allow_redirects=False
                )
                code = str(response.status_code)
                with closing(response):
                    body = self._read(method, response, deadline, patience)
            return Reply(response.status_code, response.headers, body)
        except ApiError as exc:
            return exc
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
            if self._stop.is_set() or self._closed:
                return self._stopped(method)
            # The limit that is set, not what was left of it: one trouble is told in the same words each time.
            is_connecting = isinstance(exc, requests.ConnectTimeout)
            waited = min(patience, _LONGEST_CONNECT) if is_connecting else patience
            error = self.judge.exception(method, exc, waited)
            error.maybe_done = error.maybe_done and not self._connections.is_connecting
            return error
        except Exception:
            if self._stop.is_set() or self._closed:
                # The socket was shut down while the library was at work on it.
                return self._stopped(method)
            raise
        finally:
            if self._observe is not None:
                self._observe(method, code, self._clocks.monotonic() - started)

    def _read(self, method: str, response: requests.Response, deadline: float, patience: float) -> bytes:
        """Read the body piece by piece, so that neither a dripping nor an endless one holds us."""
        is_good = response.status_code // 100 == _GOOD
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            size += len(chunk)
            if not is_good and size > LARGEST_ERROR:
                break
            if size > LARGEST_ANSWER:
                text = f"{method}: Airbyte's answer is larger than {LARGEST_ANSWER >> 20} MB and was not read"
                error = ApiMalformed(text, method=method, reason="too_large")
                error.maybe_done = True
                raise error
            if self._stop.is_set() or self._closed:
                raise self._stopped(method)
            if self._clocks.monotonic() >= deadline:
                raise self._too_slow(method, patience)
            chunks.append(chunk)
        return b"".join(chunks)

    def _stopped(self, method: str) -> ApiStopped:
        """Return the error of a request that was on its way when we were to stop."""
        error = ApiStopped(method)
        error.maybe_done = not self._connections.is_connecting
        return error

    def _too_slow(self, method: str, patience: float, *, sent: bool = True) -> ApiUnreachable:
        longest, hint = patience, ""
        if patience == self._timeout:
            longest = _TIMEOUTS_PER_CALL * self._timeout
            hint = ", the longest that a call may take; is it overloaded? airbyte.timeout is a third of that"
        text = f"{method}: no whole answer of {self._host} within {longest:.3g} s{hint}"
        error = ApiUnreachable(text, method=method, reason="timeout")
        error.maybe_done = sent
        return error

    def _wait_before(self, tries: int, asked: float | None) -> float:
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (tries - 1))
        return max(asked or 0.0, wait * (0.5 + self._clocks.random() / 2))

    def _take_turn(self, method: str) -> float:
        """Wait until this request may be sent without exceeding the pace; return how long that took."""
        wait = 0.0
        if self._rate is not None:
            with self._turns:
                now = self._clocks.monotonic()
                at = max(now, self._next_turn)
                self._next_turn = at + 1 / self._rate
            wait = at - now
        self._pause(method, wait)
        return wait

    def _take_place(self, method: str) -> float:
        """Wait until fewer requests are under way than are allowed; return how long that took."""
        started = self._clocks.monotonic()
        while not self._places.acquire(timeout=_STOP_SEEN_WITHIN):
            self._pause(method, 0)
        try:
            self._pause(method, 0)
        except ApiStopped:
            self._places.release()
            raise
        return self._clocks.monotonic() - started

    def _pause(self, method: str, seconds: float) -> None:
        if self._closed or self._stop.is_set() or (seconds > 0 and self._stop.wait(seconds)):
            raise ApiStopped(method)

    def pause(self, method: str, seconds: float) -> None:
        """Let some time pass before `method` is called again.

        Raises:
            ApiStopped: The exporter stops, which ends it at once, or this was closed, within a second.
        """
        while seconds > 0:
            piece = min(seconds, _PIECE_SECONDS)
            self._pause(method, piece)
            seconds -= piece
        self._pause(method, 0)

    def close(self) -> None:
        """End every connection; calls in other threads raise `ApiStopped`."""
        self._closed = True
        self._connections.interrupt()
        self._session.close()


def _addressed(url: str, query: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Put what `url` names in braces into it; return it with the rest of the query."""
    rest = dict(query)
    for name in re.findall(r"\{(\w+)\}", url):
        url = url.replace(f"{{{name}}}", quote(str(rest.pop(name)), safe=""))
    return url, rest


def _does_not_fit(error: ApiError, wait: float) -> ApiError:
    if error.retry_after is not None:
        error.args = (f"{error}; it asks to wait {wait:.0f} s, longer than a call may take",)
    return error
