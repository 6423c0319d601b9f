"""Keep Alertmanagers up to date: what goes on and what is over, pushed as state, not by way of the outbox.

Every address has a pusher of its own, so that one that is slow or dead delays no other. What it has taken is
known only to this process: after a restart, and when it was away, everything is pushed anew, which is
harmless.
"""

import random as randomness
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Final

import structlog

from airbyte_exporter.alerts import Means, in_words, runbook_url
from airbyte_exporter.model import (
    ConnectionFacts,
    ConnectionHistory,
    Incident,
    IncidentStatus,
    Latest,
    Workspace,
)
from airbyte_exporter.notify import Alert, Alertmanager, DeliveryError, alert_of
from airbyte_exporter.store import Store, StoreError
from airbyte_exporter.telemetry import Telemetry

__all__ = ["AlertSource", "AlertmanagerPusher", "Tally"]

log = structlog.get_logger(__name__)

PUSH_INTERVAL_SECONDS: Final = 60.0
"""Between two pushes while nothing changes: four of them fail before an alert ends for want of a push."""

FIRST_DELAY_SECONDS: Final = 1.0
LAST_DELAY_SECONDS: Final = 60.0

KEEP_ENDS_SECONDS: Final = 900.0
"""How long an end is pushed, taken or not, for an Alertmanager that was restarted meanwhile."""

OWED_ENDS_SECONDS: Final = 24 * 3600.0
"""How long an end is pushed to an address that has not taken it."""

RECENT_ENDS_SECONDS: Final = 3600.0
"""How far back ends are read while none is owed; the clocks of both sides may differ so much."""

_Key = tuple[tuple[str, str], ...]
_State = tuple[str, int | None]


class AlertSource:
    """What there is to push, read from the state when evaluation has come round. Thread-safe.

    Args:
        store: Where the incidents are.
        published: Where evaluation publishes what goes on: something new there is the sign to read again.
        receivers: Names of the receivers that are pushed to.
        instance: The Airbyte's name.
        ui_url: Where people open that Airbyte, ``None`` when that is not known.
        trials: Names of the receivers that ``alerts test`` can try.
    """

    def __init__(
        self,
        *,
        store: Store,
        published: Latest[Sequence[Incident] | None],
        receivers: Collection[str],
        instance: str,
        ui_url: str | None,
        trials: Collection[str] = (),
    ) -> None:
        self._store = store
        self._published = published
        self._receivers = frozenset(receivers)
        self._instance = instance
        self._ui_url = ui_url
        self._trials = tuple(trials)
        self._lock = threading.Lock()
        self._alerts: tuple[Alert, ...] = ()
        self._read_of: object = self
        self._read_at = 0.0
        self._since = 0.0
        self._failing = False

    def read(self, now: float, *, ends_of_seconds: float) -> Sequence[Alert]:
        """Return the alerts that go on, and those that have ended for no longer than `ends_of_seconds`.

        While the state cannot be read, what was last known is returned. Equal alerts are the same object.

        Raises:
            StoreError: The state is lost to this process, so that going on makes no sense.
        """
        with self._lock:
            published = self._published.get()
            since = now - ends_of_seconds
            is_fresh = abs(now - self._read_at) < PUSH_INTERVAL_SECONDS and self._since <= since
            if published is self._read_of and is_fresh:
                return self._alerts
            try:
                alerts = self._read(since)
            except StoreError as error:
                if error.is_fatal:
                    raise
                if not self._failing:
                    log.error("alerts cannot be read", error=str(error))  # noqa: TRY400  # one line says it all
                self._failing = True
                return self._alerts
            self._failing = False
            self._read_of, self._read_at, self._since = published, now, since
            if alerts != self._alerts:
                self._alerts = alerts
            return self._alerts

    def _read(self, since: float) -> tuple[Alert, ...]:
        incidents = [
            incident
            for incident in self._store.incidents(ended_since=int(since))
            if not self._receivers.isdisjoint(incident.receivers) and not _is_held_back(incident)
        ]
        ids = {incident.connection_id for incident in incidents if incident.connection_id}
        facts = self._store.facts(ids, deleted_too=True) if ids else {}
        workspaces = {workspace.id: workspace for workspace in self._store.workspaces()} if ids else {}
        means = Means.of(self._store.instance() if ids else None, self._trials)
        return tuple(
            self._alert(incident, facts.get(incident.connection_id), workspaces, means)
            for incident in incidents
        )

    def _alert(
        self,
        incident: Incident,
        facts: ConnectionFacts | None,
        workspaces: dict[str, Workspace],
        means: Means,
    ) -> Alert:
        connection = None if facts is None else facts.connection
        workspace = None if connection is None else workspaces.get(connection.workspace_id)
        history = None
        if facts is not None and connection is not None:
            home = workspace or Workspace(connection.workspace_id, "")
            history = ConnectionHistory(facts, home, None, ())
        words = in_words(incident, history, self._instance, ui_url=self._ui_url, means=means)
        return alert_of(
            incident,
            summary=words.summary,
            description=words.description,
            hint=words.hint,
            runbook_url=runbook_url(incident.rule),
            instance=self._instance,
            ui_url=self._ui_url,
            connection=connection,
            workspace=workspace,
        )


class Tally:
    """What the addresses of one receiver come to together. Thread-safe.

    A state of an alert is delivered when the first address has taken it. An attempt is a failure of the
    receiver's when no address of it works.

    Args:
        receiver: The receiver's name.
        addresses: How many addresses it has.
        telemetry: Counts what was delivered and what failed.
    """

    def __init__(self, receiver: str, addresses: int, telemetry: Telemetry) -> None:
        self.receiver = receiver
        self._addresses = addresses
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._failing: dict[object, float] = {}
        self._delivered: dict[_Key, _State] = {}
        telemetry.add_receiver(receiver)

    @property
    def failing_since(self) -> float | None:
        """Since when no address takes alerts, in epoch seconds by our own clock; ``None`` while one does."""
        with self._lock:
            return max(self._failing.values()) if len(self._failing) == self._addresses else None

    def taken(self, address: object, alerts: Collection[Alert], now: float) -> None:
        """Note that an address took the alerts, at `now` by our own clock.

        What was over before this process could have told it is not counted.
        """
        states = {
            alert.key: (alert.fingerprint, alert.ends_at)
            for alert in alerts
            if not _is_over_for(alert, KEEP_ENDS_SECONDS, now)
        }
        with self._lock:
            self._failing.pop(address, None)
            new = sum(self._delivered.get(key) != state for key, state in states.items())
            self._delivered |= states
            for key, (_, ends_at) in list(self._delivered.items()):
                if ends_at is not None and ends_at < now - OWED_ENDS_SECONDS:
                    del self._delivered[key]
        for _ in range(new):
            self._telemetry.notification(self.receiver, "delivered")

    def failed(self, address: object, now: float) -> None:
        """Note that an address did not take alerts, at `now` by our own clock."""
        with self._lock:
            self._failing.setdefault(address, now)
            is_failure = len(self._failing) == self._addresses
        if is_failure:
            self._telemetry.notification(self.receiver, "failed")


class AlertmanagerPusher:
    """The loop that pushes to one address of a receiver.

    Args:
        client: The address.
        tally: What the addresses of the receiver come to together.
        stop: A push that was cut off once it is set is no failure.
        random: A number from 0 to 1 for each retry's jitter.
        monotonic: A clock for durations, in seconds.
    """

    def __init__(
        self,
        *,
        client: Alertmanager,
        tally: Tally,
        stop: threading.Event,
        random: Callable[[], float] = randomness.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._tally = tally
        self._stop = stop
        self._random = random
        self._monotonic = monotonic
        self._seen: Sequence[Alert] | None = None
        self._taken: dict[_Key, Alert] = {}
        self._pushed_at = 0.0
        self._not_before = 0.0
        self._failures = 0
        self._owes = True

    @property
    def name(self) -> str:
        """The receiver's name and the address' host."""
        return f"{self._tally.receiver} {self._client.host}"

    @property
    def receiver_name(self) -> str:
        """The receiver's name."""
        return self._tally.receiver

    @property
    def failing_since(self) -> float | None:
        """Since when no address of the receiver takes alerts, in epoch seconds by our own clock."""
        return self._tally.failing_since

    @property
    def ends_of_seconds(self) -> float:
        """How far back this address has to be told of ends."""
        return OWED_ENDS_SECONDS if self._owes else RECENT_ENDS_SECONDS

    def run_once(self, now: float, alerts: Sequence[Alert]) -> int:
        """Push if something has changed, or a minute after the last push; return how many alerts were taken.

        What is not taken is pushed again, at first after a second, then after twice as long each time up to a
        minute. `now` is our own time.
        """
        moment = self._monotonic()
        is_time = self._seen is None or moment - self._pushed_at >= PUSH_INTERVAL_SECONDS
        if moment < self._not_before or (alerts is self._seen and not is_time):
            return 0
        current = self._current(alerts, now)
        news = {key for key, alert in current.items() if not self._has_taken(alert)}
        if not news and not is_time:
            self._seen = alerts
            return 0
        batch = [
            alert
            for key, alert in current.items()
            if key in news or not _is_over_for(alert, KEEP_ENDS_SECONDS, now)
        ]
        if not batch and not self._failures:
            self._seen, self._taken, self._pushed_at, self._owes = alerts, current, moment, False
            return 0
        if not self._push(batch, now):
            self._seen = None
            return 0
        self._seen, self._taken, self._pushed_at, self._owes = alerts, current, moment, False
        self._tally.taken(self, batch, now)
        return len(batch)

    def close(self) -> None:
        """Give up a push that is under way, from any thread; nothing can be sent afterwards."""
        self._client.close()

    def _current(self, alerts: Sequence[Alert], now: float) -> dict[_Key, Alert]:
        """Return the alerts of this receiver by their labels.

        Of several with the same labels only the newest counts. One that went on at the last push and is not
        heard of any more, since another rule has taken over for example, is over now.
        """
        current: dict[_Key, Alert] = {}
        for alert in alerts:
            if self._tally.receiver not in alert.receivers or _is_over_for(alert, OWED_ENDS_SECONDS, now):
                continue
            other = current.get(alert.key)
            if other is None or _newness(alert) > _newness(other):
                current[alert.key] = alert
        for key, alert in self._taken.items():
            if key not in current and not _is_over_for(alert, KEEP_ENDS_SECONDS, now):
                current[key] = alert if alert.ends_at is not None else replace(alert, ends_at=int(now))
        return current

    def _has_taken(self, alert: Alert) -> bool:
        taken = self._taken.get(alert.key)
        return taken is not None and (taken.fingerprint, taken.ends_at) == (alert.fingerprint, alert.ends_at)

    def _push(self, batch: Sequence[Alert], now: float) -> bool:
        """Push; tell of a failure once, and of its end."""
        try:
            self._client.push(batch, now)
        except DeliveryError as error:
            self._failed(error, now)
            return False
        except Exception as error:
            log.exception("a push failed inside the exporter", receiver=self._tally.receiver)
            self._failed(DeliveryError(f"internal error: {type(error).__name__}", retryable=True), now)
            return False
        if self._failures:
            log.info(
                "Alertmanager takes alerts again", receiver=self._tally.receiver, address=self._client.host
            )
        self._failures = 0
        return True

    def _failed(self, error: DeliveryError, now: float) -> None:
        if self._stop.is_set():
            return
        if not self._failures:
            log.warning("Alertmanager does not take alerts", receiver=self._tally.receiver, error=str(error))
        self._failures += 1
        self._owes = True
        doubled = FIRST_DELAY_SECONDS * 2.0 ** min(self._failures - 1, 30) * (0.8 + 0.4 * self._random())
        delay = min(max(doubled, error.retry_after or 0.0), LAST_DELAY_SECONDS)
        self._not_before = self._monotonic() + delay
        self._tally.failed(self, now)


def _is_held_back(incident: Incident) -> bool:
    """Whether an incident goes on again that had ended, and nobody has been told yet: it is silenced."""
    return incident.status is IncidentStatus.FIRING and incident.notified_at is None


def _is_over_for(alert: Alert, seconds: float, now: float) -> bool:
    return alert.ends_at is not None and alert.ends_at < now - seconds


def _newness(alert: Alert) -> tuple[bool, int]:
    return alert.ends_at is None, alert.starts_at
