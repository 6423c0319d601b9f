"""Reading jobs where each connection has to be asked for its own."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from airbyte_exporter.airbyte import AirbyteClient, Ask, ConnectionJobs
from airbyte_exporter.model import Connection, ConnectionFacts, Job, JobKey
from airbyte_exporter.poller._ledger import Ledger
from airbyte_exporter.poller._sweep import Asked, Sweep, learn
from airbyte_exporter.store import Store

__all__ = ["ConnectionReader"]

log = structlog.get_logger(__name__)

OVERLAP_SECONDS: Final = 3600
"""How far behind the newest job known of a connection its jobs are recorded again."""

JOBS_AT_ONCE: Final = 500
"""About how many jobs one transaction records."""


class ConnectionReader:
    """Asks those connections for their jobs that are worth asking.

    `lookback` is how many seconds of history are read at a connection's first answer.
    """

    def __init__(
        self,
        client: AirbyteClient,
        store: Store,
        ledger: Ledger,
        *,
        lookback: float,
        airbyte_time: Callable[[int | None], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._client = client
        self._store = store
        self._ledger = ledger
        self._lookback = lookback
        self._airbyte_time = airbyte_time
        self._monotonic = monotonic
        self._ahead = 0.0
        self.forget()

    def forget(self) -> None:
        """Ask every connection the next time: until now, jobs were read in another way."""
        self._asked: dict[str, Asked] = {}
        self._sweep = Sweep()

    def read(self, connections: Sequence[Connection], now: float) -> int:
        """Record the jobs of the connections to ask now; return the Airbyte time this began at.

        Raises:
            ApiError: Not all of them could be asked. Those that answered are not asked again for it.
        """
        started = self._monotonic()
        live: dict[str, set[JobKey]] = defaultdict(set)
        for key in self._store.live_keys():
            live[key.connection_id].add(key)
        ids = self._sweep.plan(
            connections,
            self._asked,
            live=live.keys(),
            airbyte_now=now + self._ahead,
            monotonic=started,
        )
        first = self._store.facts(id_ for id_ in ids if id_ not in self._asked)
        asks = [self._ask(id_, live.get(id_, ()), first.get(id_)) for id_ in ids]
        as_of = self._answers(asks, live, now) if asks else self._airbyte_time(self._client.airbyte_time())
        self._sweep.done(started)
        existing = {connection.id for connection in connections}
        self._asked = {id_: known for id_, known in self._asked.items() if id_ in existing}
        # Every change up to the time of the answer that is oldest by now is recorded.
        read_to = min((known.as_of for known in self._asked.values()), default=as_of)
        self._ledger.record((), read_to=read_to)
        return as_of

    def _ask(self, connection_id: str, live: Iterable[JobKey], facts: ConnectionFacts | None) -> Ask:
        """Return what to ask: what is new since the last answer, or at first the look-back."""
        known = self._asked.get(connection_id)
        since: int | None = None
        if known is not None:
            since = known.newest_created
        elif facts is not None and facts.last_sync is not None:
            since = facts.last_sync.created_at
        to_success = since is None and known is None
        since = self._store.epoch - int(self._lookback) if since is None else since - OVERLAP_SECONDS
        return Ask(connection_id, min([since, *(key.created_at for key in live)]), to_success=to_success)

    def _answers(self, asks: Sequence[Ask], live: dict[str, set[JobKey]], now: float) -> int:
        """Record the answers as they come, several in one transaction; return the time of the first."""
        as_of: int | None = None
        waiting: list[tuple[ConnectionJobs, float]] = []
        try:
            for answer in self._client.jobs_of_connections(asks):
                if answer.served_at is not None:
                    as_of = answer.served_at if as_of is None else min(as_of, answer.served_at)
                waiting.append((answer, self._monotonic()))
                if sum(len(each.jobs) + 1 for each, _ in waiting) >= JOBS_AT_ONCE:
                    self._record(waiting, live)
                    waiting = []
        finally:
            # Whatever ends this, what was answered is recorded and not asked for again.
            self._record(waiting, live)
        if as_of is not None:
            self._ahead = as_of - now
        return self._airbyte_time(as_of)

    def _record(self, answers: Sequence[tuple[ConnectionJobs, float]], live: dict[str, set[JobKey]]) -> None:
        jobs: list[Job] = [job for answer, _ in answers for job in answer.jobs]
        if jobs:
            self._ledger.record(jobs)
        for answer, at in answers:
            id_ = answer.ask.connection_id
            for key in sorted(live.get(id_, set()) - {job.key for job in answer.jobs}):
                log.info("a live job is gone from Airbyte", connection_id=id_, job_id=key.id)
                self._ledger.forget_live(key)
            as_of = self._airbyte_time(answer.served_at)
            self._asked[id_] = learn(self._asked.get(id_), answer.jobs, at=at, as_of=as_of)
