"""Bring notifications from the outbox to one receiver: claim, send, then acknowledge, put off or give up.

A notification is acknowledged only after the receiver took it, so each arrives at least once, with the same
id whenever it comes twice. Each receiver has a dispatcher of its own: a slow or dead one delays nobody else.
"""

import random as randomness
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from airbyte_exporter.model import Delivery
from airbyte_exporter.notify import DeliveryError, Receiver
from airbyte_exporter.store import Store, StoreError
from airbyte_exporter.telemetry import Telemetry

__all__ = ["GIVE_UP_SECONDS", "Dispatcher"]

log = structlog.get_logger(__name__)

LOOP: Final = "dispatch"

LEASE_SECONDS: Final = 120.0
"""How long a claim keeps others away: longer than any delivery takes, short enough after a kill."""

FIRST_DELAY_SECONDS: Final = 1.0
LAST_DELAY_SECONDS: Final = 300.0
RETRY_AFTER_LIMIT_SECONDS: Final = 3600.0
"""A receiver may ask for more patience than our own last delay, but not for the rest of the day."""

HASTEN_AFTER_SECONDS: Final = 10.0
"""How long a receiver must fail for its return to bring forward what waits: until then delays are short."""

GIVE_UP_SECONDS: Final = 24 * 3600.0


class Dispatcher:
    """The loop that delivers to one receiver.

    Args:
        store: Where the outbox is.
        receiver: Who gets the notifications.
        telemetry: Counts runs, attempts and the queue.
        clock: Our own time in epoch seconds: a run can take long, and each attempt has its own time.
        stop: Ends a run between two deliveries; a delivery that was cut off then is put back at once.
        random: A number from 0 to 1 for each retry's jitter.
        monotonic: A clock for durations, in seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        receiver: Receiver,
        telemetry: Telemetry,
        clock: Callable[[], float],
        stop: threading.Event,
        random: Callable[[], float] = randomness.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._receiver = receiver
        self._telemetry = telemetry
        self._clock = clock
        self._stop = stop
        self._random = random
        self._monotonic = monotonic
        self._failed: set[int] = set()  # since the receiver last took anything
        self._failing_since = 0.0
        self._brought_forward: set[int] = set()
        self._failures: Counter[int] = Counter()
        self._is_new = True
        self._not_before = 0.0
        self._failing = False
        telemetry.add_receiver(receiver.name)

    @property
    def receiver_name(self) -> str:
        """The receiver's name."""
        return self._receiver.name

    def run_once(self, now: float) -> int:
        """Deliver everything that is due; return how many notifications the receiver took.

        A notification that the receiver does not take is tried again in a later run. That ends this one: the
        others would most likely not be taken either, and each can take a time-out to find out. When the
        receiver takes one again, what was put off meanwhile follows at once, in the order of its writing; so
        does, in the first run, what an earlier process put off. `now` is our own time.

        Raises:
            StoreError: The state is lost to this process, so that going on makes no sense.
        """
        started = self._monotonic()
        delivered = 0
        try:
            if self._is_new:
                self._store.hasten(self._clock(), receiver=self.receiver_name)
                self._is_new = False
            while not self._stop.is_set() and (delivery := self._claim()) is not None:
                if self._deliver(delivery):
                    delivered += 1
                elif self._failed:
                    break
            queue = self._store.queue()
        except StoreError as error:
            self._telemetry.poll_failed(LOOP, "state", self._monotonic() - started)
            if not self._failing:
                log.error(  # noqa: TRY400  # one line says it all
                    "dispatch failing", receiver=self.receiver_name, error=str(error)
                )
            self._failing = True
            if error.is_fatal:
                raise
            return delivered
        self._telemetry.set_queue(queue.length, queue.oldest)
        self._telemetry.poll_succeeded(LOOP, self._monotonic() - started, now)
        if self._failing:
            log.info("dispatch recovered", receiver=self.receiver_name)
        self._failing = False
        return delivered

    def _claim(self) -> Delivery | None:
        """Claim one notification: what a kill interrupts is then never more than what was being sent."""
        now = self._clock()
        if now < self._not_before <= now + RETRY_AFTER_LIMIT_SECONDS:
            return None
        claimed = self._store.claim(now, receiver=self.receiver_name, lease=LEASE_SECONDS, limit=1)
        return claimed[0] if claimed else None

    def _deliver(self, delivery: Delivery) -> bool:
        try:
            self._receiver.send(delivery, self._clock())
        except DeliveryError as error:
            self._not_taken(delivery, error)
            return False
        except Exception as error:
            # Our own mistake must not lose a notification either.
            log.exception("a delivery failed inside the exporter", receiver=self.receiver_name)
            self._not_taken(
                delivery, DeliveryError(f"internal error: {type(error).__name__}", retryable=True)
            )
            return False
        self._store.acknowledge(delivery, self._clock())
        self._telemetry.notification(self.receiver_name, "delivered")
        if self._failed:
            self._is_back(delivery)
        self._forget(delivery)
        return True

    def _is_back(self, taken: Delivery) -> None:
        """Bring forward what was put off, for each notification once.

        One that is never taken, among others that are, would else be tried again after each of these, and end
        the run.
        """
        log.info("receiver takes notifications again", receiver=self.receiver_name)
        waiting = self._failed - self._brought_forward - {taken.id}
        if waiting and self._monotonic() - self._failing_since >= HASTEN_AFTER_SECONDS:
            self._store.hasten(self._clock(), receiver=self.receiver_name)
            self._brought_forward |= waiting
            for put_off in waiting:
                del self._failures[put_off]
        self._failed.clear()

    def _forget(self, delivery: Delivery) -> None:
        self._brought_forward.discard(delivery.id)
        del self._failures[delivery.id]

    def _not_taken(self, delivery: Delivery, error: DeliveryError) -> None:
        now = self._clock()
        if self._stop.is_set():
            self._store.defer(delivery, now, str(error))
            return
        give_up_at = delivery.created_at + GIVE_UP_SECONDS
        if not error.retryable or now >= give_up_at:
            self._store.bury(delivery, now, str(error))
            self._forget(delivery)
            self._telemetry.notification(self.receiver_name, "given_up")
            log.error(
                "a notification was given up",
                receiver=self.receiver_name,
                notification=delivery.notification.id,
                attempts=delivery.attempt,
                error=str(error),
            )
            return
        # The last attempt is made when the time is up, however long the delays have become.
        self._failures[delivery.id] += 1
        due_at = min(now + self._delay(self._failures[delivery.id], error.retry_after), give_up_at)
        self._not_before = now + min(error.retry_after or 0.0, RETRY_AFTER_LIMIT_SECONDS)
        self._store.defer(delivery, due_at, str(error))
        self._telemetry.notification(self.receiver_name, "failed")
        if not self._failed:
            log.warning("receiver does not take notifications", receiver=self.receiver_name, error=str(error))
            self._failing_since = self._monotonic()
        self._failed.add(delivery.id)

    def _delay(self, failures: int, retry_after: float | None) -> float:
        """Return the seconds until the next attempt: doubled by each failure, a fifth of jitter either way.

        A receiver that asks for more time gets it; one that asks for less does not make us hammer it.
        """
        doubled = FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 30)
        delay = min(doubled * (0.8 + 0.4 * self._random()), LAST_DELAY_SECONDS)
        return max(delay, min(retry_after or 0.0, RETRY_AFTER_LIMIT_SECONDS))
