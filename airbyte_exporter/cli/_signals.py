"""Wait for the request to stop: SIGTERM, SIGINT, SIGHUP, or something else that ends the wait."""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import Final, Self

_PIECE_SECONDS: Final = 1.0
_SAME_REQUEST_SECONDS: Final = 1.0
"""Supervisors send one request twice: to the process and to its group."""


@contextmanager
def every_signal_interrupts() -> Iterator[None]:
    """While entered, a request to stop is a `KeyboardInterrupt`, as Ctrl-C is: what was begun is put back."""
    asked = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asked.append(signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopRequest:
    """While entered, the first signal ends the wait; another one more than a second later ends the process.

    SIGHUP, the terminal that was closed, counts unless it is ignored, as under ``nohup``.

    A queue and not an event, because a signal handler runs inside whatever the main thread was doing, and
    only `SimpleQueue.put` may be entered again there.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._signalled_at: float | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        wanted = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            wanted.append(signal.SIGHUP)
        for number in wanted:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned before

    def request(self) -> None:
        """End the wait from another thread."""
        self._asked.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds; return whether to stop.

        That is done in pieces: Python runs a handler between two steps of the main thread, so the handler of
        a signal that comes just before a blocking call would wait for the end of that.
        """
        ends_at = math.inf if timeout is None else self._clock() + timeout
        while True:
            left = max(0.0, ends_at - self._clock())
            with suppress(Empty):
                self._asked.get(timeout=min(left, _PIECE_SECONDS))
                return True
            if left <= _PIECE_SECONDS:
                return False

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        now = self._clock()
        if self._signalled_at is None:
            self._signalled_at = now
            self._asked.put(None)
        elif now - self._signalled_at > _SAME_REQUEST_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
