"""Asking Airbyte why connections that were active are so no more."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import structlog

from airbyte_exporter.airbyte import AirbyteClient, ApiError, Reason
from airbyte_exporter.model import Disabling, Fact, Inventory
from airbyte_exporter.store import Store, Unexplained

__all__ = ["Disablings"]

log = structlog.get_logger(__name__)

ASKED_PER_INVENTORY: Final = 20

UNANSWERED_SECONDS: Final = 900
"""How long, in Airbyte's time, asking may fail before it is given up: somebody waits to hear of it."""

LATE_SECONDS: Final = 60
"""For how long, in Airbyte's time, the event may still be written: the connection changes before that."""

OVERLAP_SECONDS: Final = 120
"""How much earlier than what is asked about events may be dated: they have their times from other clocks."""


METHOD: Final = "connections/events/list"
_REFUSALS: Final[frozenset[Reason]] = frozenset(
    {"forbidden", "not_found", "rejected", "malformed", "too_large"}
)
"""What that method would answer the next time, too."""


class Disablings:
    """Asks once for each connection that an inventory has found disabled, some after each inventory.

    As long as there is no answer nothing is told of it, so that nobody is paged for what a colleague did.
    """

    def __init__(self, client: AirbyteClient, store: Store) -> None:
        self._client = client
        self._store = store
        self._failing_since: dict[Unexplained, int] = {}

    def ask(self, inventory: Inventory) -> AbstractSet[str]:
        """Ask about those that wait for it; return the connections of which more is known by now.

        Raises:
            StoreError: The answers could not be kept.
        """
        answers: dict[Unexplained, Disabling | None]
        if inventory.instance.tells(Fact.DISABLINGS):
            waiting = self._store.unexplained(ASKED_PER_INVENTORY)
            answers = self._answers(waiting, inventory.read_at)
        else:  # another version than the one that was to be asked
            waiting = self._store.unexplained()
            answers = dict.fromkeys(waiting)
        left = [asked for asked in waiting if asked not in answers]
        self._failing_since = {
            asked: self._failing_since[asked] for asked in left if asked in self._failing_since
        }
        return self._store.explain(answers) if answers else frozenset()

    def _answers(self, waiting: Sequence[Unexplained], now: int) -> dict[Unexplained, Disabling | None]:
        """Return what Airbyte tells as of `now`, in its time, but for those that are to be asked again."""
        answers: dict[Unexplained, Disabling | None] = {}
        for asked in waiting:
            try:
                told = self._client.why_disabled(asked.connection_id, asked.after - OVERLAP_SECONDS)
            except ApiError as error:
                if error.reason in _REFUSALS and error.method == METHOD:
                    log.info("Airbyte does not tell why", connection_id=asked.connection_id, error=str(error))
                    answers[asked] = None
                    continue
                if error.reason == "stopped":
                    break
                if asked not in self._failing_since:
                    log.warning("not known yet why", connection_id=asked.connection_id, error=str(error))
                if now - self._failing_since.setdefault(asked, now) >= UNANSWERED_SECONDS:
                    answers[asked] = None
                elif error.reason != "server_error":
                    break  # it is not about this connection alone
            else:
                if told is not None or now - asked.at >= LATE_SECONDS:
                    answers[asked] = told
        return answers
