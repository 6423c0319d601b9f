"""Writing the messages of an incident: to whom, under which id, and unless it is silenced."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from airbyte_exporter.alerts._hints import NO_MEANS, Means
from airbyte_exporter.alerts._message import Affected, MessageContext, body
from airbyte_exporter.alerts._routing import Routing
from airbyte_exporter.alerts._rules import Rule, repeat_seconds
from airbyte_exporter.alerts._silences import Silences
from airbyte_exporter.alerts._texts import last_success_before, told_about
from airbyte_exporter.model import ConnectionHistory, Incident, Notification

__all__ = ["Teller", "fingerprint"]

FIRING: Final = "alert.firing"
UPDATED: Final = "alert.updated"
REPEATED: Final = "alert.repeated"
RESOLVED: Final = "alert.resolved"


def fingerprint(*parts: str) -> str:
    """Name an incident after what it began with: the same for whoever decides, and however often."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


class Teller:
    """Collects the messages of one decision. Each verb returns the incident as it is once that is told.

    `streak` is how many syncs have failed in a row, as far as the decision has come.
    While a silence is for an incident nothing of it is told but the end of what was told before.

    Args:
        instance: The Airbyte's name.
        ui_url: Where people open it.
        as_of: The time that messages are of, in Airbyte's time.
        routing: Who is told.
        silences: What nobody is told of for now.
        now: The exporter's own time, which silences go by.
        resumed_at: The first poll after an outage, in Airbyte's time: repeats are counted anew from there.
        affected: The connections that an incident of the whole instance stands for.
        note: What is known of an incident that is about no connection.
        means: What commands can do here.
    """

    def __init__(
        self,
        instance: str,
        ui_url: str | None,
        as_of: int,
        routing: Routing,
        silences: Silences,
        now: float,
        *,
        resumed_at: int | None = None,
        affected: Sequence[Affected] | None = None,
        note: str | None = None,
        means: Means = NO_MEANS,
    ) -> None:
        self._instance = instance
        self._ui_url = ui_url
        self._as_of = as_of
        self._routing = routing
        self._silences = silences
        self._now = now
        self._resumed_at = resumed_at
        self._affected = affected
        self._note = note
        self._means = means
        self.streak = 0
        self.notifications: list[Notification] = []

    def first(self, incident: Incident, history: ConnectionHistory | None) -> Incident:
        """Tell of an incident for the first time."""
        return self._tell(FIRING, incident, history)

    def update(self, incident: Incident, history: ConnectionHistory | None) -> Incident:
        """Tell that a higher rule has taken over."""
        return self._tell(UPDATED, incident, history)

    def repeat(self, incident: Incident, history: ConnectionHistory | None) -> Incident:
        """Tell of an incident that goes on once more."""
        return self._tell(REPEATED, incident, history)

    def end(self, incident: Incident, history: ConnectionHistory | None) -> Incident:
        """Tell those who know of the incident, and nobody else, that it is over."""
        return self._tell(RESOLVED, incident, history)

    def repeats_at(self, incident: Incident, rule: Rule | None) -> int | None:
        """Return when an incident that goes on is to be told again, ``None`` for never."""
        seconds = repeat_seconds(rule, incident.severity)
        if incident.notified_at is None or seconds is None:
            return None  # it is adopted or waits, or once is enough
        return max(incident.notified_at, self._resumed_at or 0) + int(seconds)

    def _tell(self, kind: str, incident: Incident, history: ConnectionHistory | None) -> Incident:
        """Send a message to those who were told of the incident before.

        Routes are asked when it is told for the first time, when a higher rule takes over, and when nobody
        of those who were told exists any more; whom they add learns of it as something new.
        """
        if kind != RESOLVED and self._silences.silencing(incident, history, self._now) is not None:
            return incident
        told = tuple(name for name in self._routing.receivers if name in incident.receivers)
        new: tuple[str, ...] = ()
        if kind != RESOLVED and not (kind == REPEATED and told):
            routed = self._routing.receivers_of(incident, history)
            new = tuple(name for name in routed if name not in incident.receivers)
        incident = replace(
            incident,
            notified_at=self._as_of,
            receivers=incident.receivers + new,
            told_rule=incident.rule,
        )
        for what, receivers in ((kind, told), (FIRING, new)):
            if receivers:
                incident = self._write(what, incident, history, receivers)
        return incident

    def _write(
        self, kind: str, incident: Incident, history: ConnectionHistory | None, receivers: tuple[str, ...]
    ) -> Incident:
        incident = replace(incident, sequence=incident.sequence + 1)
        message = MessageContext(
            instance=self._instance,
            ui_url=self._ui_url,
            # A poll's time can be a little before the end of a job that it brought.
            at=max(self._as_of, incident.ends_at or incident.starts_at),
            last_success_at=last_success_before(told_about(incident), history),
            streak=self.streak,
            affected=self._affected,
            note=self._note,
            means=self._means,
        )
        self.notifications.append(
            Notification(
                id=f"msg_{incident.fingerprint}_{incident.sequence}",
                fingerprint=incident.fingerprint,
                type=kind,
                created_at=message.at,
                body=body(kind, incident, history, message),
                receivers=receivers,
            )
        )
        return incident
