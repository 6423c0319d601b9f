"""Reading jobs where each connection has to be asked for its own."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from airbyte_exporter.airbyte import AirbyteClient, ApiError, Ask, ConnectionJobs
from airbyte_exporter.model import Connection, ConnectionFacts, Job, JobKey
from airbyte_exporter.poller._ledger import Ledger, Reading
from airbyte_exporter.poller._sweep import Asked, Sweep, learn
from airbyte_exporter.store import Store

__all__ = ["ConnectionReader"]

log = structlog.get_logger(__name__)

OVERLAP_SECONDS: Final = 3600
"""How far behind the newest job known of a connection its jobs are recorded again."""

JOBS_AT_ONCE: Final = 500
"""About how many jobs one transaction records."""


LONG_POLL_SECONDS: Final = 30.0
SHORT_POLL_SECONDS: Final = 5.0
"""A poll that takes longer lets the sweep of the next be no larger than what fits into a long one."""

LATE_SECONDS: Final = 86400
"""How much of its past is taken for news when a connection comes into sight that was there before."""

FEW_UNANSWERED: Final = 0.05
"""Up to this share of all connections may be without an answer, or one, before a poll is none."""


class ConnectionReader:
    """Asks those connections for their jobs that are worth asking.

    `lookback` is how many seconds of history are read at a connection's first answer. `alive` is called as
    long as answers come.
    """

    def __init__(
        self,
        client: AirbyteClient,
        store: Store,
        ledger: Ledger,
        *,
        lookback: float,
        monotonic: Callable[[], float],
        alive: Callable[[], None],
    ) -> None:
        self._client = client
        self._store = store
        self._ledger = ledger
        self._lookback = lookback
        self._monotonic = monotonic
        self._alive = alive
        self._ahead = 0.0
        self.forget()

    def forget(self) -> None:
        """Ask every connection the next time: until now, jobs were read in another way."""
        self._asked: dict[str, Asked] = {}
        self._unanswered: dict[str, ApiError] = {}
        self._given_up: set[JobKey] = set()
        self._sweep = Sweep()
        self._most: int | None = None

    def read(self, connections: Sequence[Connection], now: float) -> Reading:
        """Record the jobs of the connections to ask now.

        Some connections may be without an answer: what is known of them stays, and they are asked again.

        Raises:
            ApiError: Airbyte could not be asked, or too many connections had no answer. Those that answered
                are recorded.
        """
        started = self._monotonic()
        existing = {connection.id for connection in connections}
        live: dict[str, set[JobKey]] = defaultdict(set)
        for key in self._store.live_keys():
            if key not in self._given_up:
                live[key.connection_id].add(key)
        ids = self._sweep.plan(
            connections,
            self._asked,
            live=live.keys(),
            airbyte_now=self._airbyte_now(now),
            monotonic=started,
            most=self._most,
        )
        # What was asked and is gone by now may have ended something in between.
        ids += [id_ for id_ in self._asked if id_ not in existing and id_ not in live]
        first = self._store.facts(id_ for id_ in ids if self._is_first(id_))
        asks = [self._ask(id_, live.get(id_, ()), first.get(id_), now) for id_ in ids]
        as_of = self._answers(asks, live, existing, now)
        if as_of is None:
            # Nothing is there to ask, or nothing answered: is Airbyte there at all?
            as_of = self._time_of(self._client.airbyte_time(), now)
        self._settle(started, len(asks))
        self._asked = {id_: it for id_, it in self._asked.items() if id_ in existing or id_ in live}
        self._unanswered = {id_: error for id_, error in self._unanswered.items() if id_ in existing}
        if len(self._unanswered) > max(1, FEW_UNANSWERED * len(existing)):
            raise next(iter(self._unanswered.values()))
        # Every change up to the time of the answer that is oldest by now is recorded.
        self._ledger.record((), read_to=min((it.as_of for it in self._asked.values()), default=as_of))
        answered = (it.as_of for id_, it in self._asked.items() if id_ not in self._unanswered)
        return Reading(as_of, min(answered, default=as_of))

    def _settle(self, started: float, asked: int) -> None:
        """Let the next polls be no larger than what Airbyte answers in time."""
        self._sweep.done(started)
        took = self._monotonic() - started
        fitting = math.ceil(asked * LONG_POLL_SECONDS / took) if took > SHORT_POLL_SECONDS else None
        self._most = fitting if fitting is None else max(1, fitting)

    def _is_first(self, connection_id: str) -> bool:
        """Whether a connection has not answered yet."""
        known = self._asked.get(connection_id)
        return known is None or known.is_unanswered

    def _airbyte_now(self, now: float) -> int:
        return int(now + self._ahead)

    def _time_of(self, served_at: int | None, now: float) -> int:
        """Return Airbyte's time of an answer; one that does not tell it is dated by our own clock."""
        return self._airbyte_now(now) if served_at is None else served_at

    def _ask(
        self, connection_id: str, live: Iterable[JobKey], facts: ConnectionFacts | None, now: float
    ) -> Ask:
        """Return what to ask: what is new since the last answer, or at first the look-back.

        No job is newer than Airbyte's present: one that is dated so, since a clock was wrong, hides nothing.
        """
        known = self._asked.get(connection_id)
        newest = None if known is None else known.newest_created
        is_first = self._is_first(connection_id)
        if is_first and facts is not None and facts.last_sync is not None and facts.is_history_complete:
            newest = facts.last_sync.created_at
        if newest is None:
            since = self._store.epoch - int(self._lookback)
        else:
            since = min(newest, self._airbyte_now(now)) - OVERLAP_SECONDS
        return Ask(
            connection_id,
            min([since, *(key.created_at for key in live)]),
            to_success=is_first and newest is None,
        )

    def _answers(
        self, asks: Sequence[Ask], live: dict[str, set[JobKey]], existing: set[str], now: float
    ) -> int | None:
        """Record the answers as they come, several in one transaction; return the time of the first."""
        started = self._monotonic()
        first: int | None = None
        waiting: list[_Arrived] = []
        try:
            for answer in self._client.jobs_of_connections(asks):
                self._alive()
                at = self._monotonic()
                if answer.error is not None:
                    self._note_unanswered(answer.ask.connection_id, answer.error, live, existing)
                    continue
                present = now + at - started
                if first is None and answer.served_at is not None:
                    self._ahead = answer.served_at - present
                as_of = self._time_of(answer.served_at, present)
                first = as_of if first is None else min(first, as_of)
                waiting.append(_Arrived(answer, at, as_of))
                if sum(len(each.answer.jobs) + 1 for each in waiting) >= JOBS_AT_ONCE:
                    self._record(waiting, live)
                    waiting = []
        finally:
            # Whatever ends this, what was answered is recorded and not asked for again.
            self._record(waiting, live)
        return first

    def _note_unanswered(
        self, connection_id: str, error: ApiError, live: dict[str, set[JobKey]], existing: set[str]
    ) -> None:
        """Remember that a connection had no answer; it waits for its turn like the others."""
        if connection_id not in existing:
            log.info("it cannot be known what became of live jobs", connection_id=connection_id)
            self._given_up |= live.get(connection_id, set())
            return
        if connection_id not in self._unanswered:
            log.warning("a connection's jobs cannot be read", connection_id=connection_id, error=str(error))
        self._unanswered[connection_id] = error
        known = self._asked.get(connection_id)
        if known is None:
            read_to = self._ledger.progress.watermark or self._store.epoch
            known = Asked(0.0, read_to, is_unanswered=True)
        self._asked[connection_id] = replace(known, at=self._monotonic())

    def _record(self, arrived: Sequence["_Arrived"], live: dict[str, set[JobKey]]) -> None:
        news: list[Job] = []
        past: list[Job] = []
        for each in arrived:
            since = self._news_since(each)
            for job in each.answer.jobs:
                is_news = job.updated_at >= since or not job.status.is_final
                (news if is_news else past).append(job)
        if news:
            self._ledger.record(news)
        if past:
            self._ledger.record(past, counting=False, judging=False)
        if known := [each.answer.ask.connection_id for each in arrived if each.answer.success_known]:
            self._ledger.successes_looked_up(known)
        for each in arrived:
            id_ = each.answer.ask.connection_id
            for key in sorted(live.get(id_, set()) - {job.key for job in each.answer.jobs}):
                log.info("a live job is gone from Airbyte", connection_id=id_, job_id=key.id)
                self._ledger.forget_live(key)
            self._asked[id_] = learn(self._asked.get(id_), each.answer.jobs, at=each.at, as_of=each.as_of)
            if self._unanswered.pop(id_, None) is not None:
                log.info("a connection's jobs can be read again", connection_id=id_)

    def _news_since(self, arrived: "_Arrived") -> int:
        """Return since when what a connection tells is news, and not the past of one that came into sight.

        Whoever is given a role in a workspace later must not be paged for all that was before. What happened
        since the last complete poll is news in any case.
        """
        if not arrived.answer.ask.to_success:
            return 0
        complete = self._ledger.progress.jobs_as_of
        if complete is None:
            return 0
        return min(arrived.as_of - LATE_SECONDS, complete)


@dataclass(frozen=True, slots=True)
class _Arrived:
    """An answer, when it came on the monotonic clock, and the Airbyte time of it."""

    answer: ConnectionJobs
    at: float
    as_of: int
