"""A small process that lives a scripted history: state, evaluation and delivery, and nothing else.

Airbyte's time is the script's. Whoever starts it, kills it: it picks up where the one before got to.
"""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from airbyte_exporter.alerts import RuleBook, RulesConfig
from airbyte_exporter.dispatcher import Dispatcher
from airbyte_exporter.evaluator import Evaluator
from airbyte_exporter.model import (
    Attempt,
    AttemptStatus,
    Failure,
    Incident,
    Job,
    JobStatus,
    Latest,
    Snapshot,
)
from airbyte_exporter.notify import Webhook, WebhookConfig
from airbyte_exporter.store import Progress, Store, StoreConfig, open_store
from airbyte_exporter.telemetry import Telemetry
from tests.e2e.harness import WEBHOOK_SECRET
from tests.unit.alerts.keeping import connection, job, record_inventory, view
from tests.unit.alerts.story import MINUTE, NOON

STEPS: Final = 200
STEP_SECONDS: Final = 5 * MINUTE
PACE_SECONDS: Final = 0.04
NAMES: Final = tuple(f"connection {number}" for number in range(14))

OUTAGE_EVERY, OUTAGE_STEPS, OUTAGE_OF = 40, 4, 8

RULES: Final = RulesConfig.model_validate(
    {
        "SyncFailed": {"repeat": "1h", "together": 3},
        "SyncFailing": {"repeat": "30m"},
        # Whether something is overdue depends on for how long this very process has watched.
        "SyncOverdue": {"enabled": False},
        "NeverSucceeded": {"enabled": False},
    }
)

Story = Sequence[Sequence[Job]]


def story_of(seed: int) -> Story:
    """Return what ends in each step: syncs fail and recover, and now and then many fail for one reason."""
    chance = random.Random(f"story {seed}")
    return [
        [
            _sync(name, step, number, chance, down=step % OUTAGE_EVERY < OUTAGE_STEPS and number < OUTAGE_OF)
            for number, name in enumerate(NAMES)
            if chance.random() < 0.3
        ]
        for step in range(STEPS)
    ]


def time_of(step: int) -> int:
    """Return the Airbyte time of the poll that sees a step's syncs."""
    return NOON + (step + 1) * STEP_SECONDS


def _sync(name: str, step: int, number: int, chance: random.Random, *, down: bool) -> Job:
    ended_at = time_of(step) - chance.randrange(1, MINUTE)
    id_ = 1 + step * len(NAMES) + number
    created_at = ended_at - chance.randrange(1, 3 * MINUTE)
    if not down and chance.random() < 0.55:
        return replace(job(name, JobStatus.SUCCEEDED, ended_at, id_), created_at=created_at)
    reason = Failure("source", "config_error", f"login refused, {id_}")
    if down:
        reason = Failure("airbyte_platform", "system_error", "the workers are gone")
    attempt = Attempt(0, AttemptStatus.FAILED, created_at, ended_at, reason)
    failed = job(name, JobStatus.FAILED, ended_at, id_)
    return replace(failed, created_at=created_at, attempts=(attempt,))


class Loop:
    """A state and the evaluator over it, on their way through a story."""

    def __init__(self, folder: Path, receivers: Sequence[str], seed: int) -> None:
        self.store = open_store(state_of(folder))
        self.telemetry = Telemetry("test")
        self._story = story_of(seed)
        self._snapshot: Latest[Snapshot | None] = Latest(None)
        incidents: Latest[Sequence[Incident] | None] = Latest(None)
        self._evaluator = Evaluator(
            store=self.store,
            snapshot=self._snapshot,
            incidents=incidents,
            receivers=receivers,
            instance="airbyte",
            ui_url=None,
            telemetry=self.telemetry,
            rules=RuleBook(RULES),
        )
        self.store.bind(url="http://airbyte", deployment_id=None, epoch=NOON)
        record_inventory(self.store, map(connection, NAMES))

    @property
    def next_step(self) -> int:
        """The step that the state is at: whether it was judged is not known."""
        return steps_done(self.store)

    def take(self, step: int) -> None:
        """Record what a poll sees, publish it and judge it."""
        as_of = time_of(step)
        self.store.record_jobs(self._story[step], progress=Progress(jobs_as_of=as_of))
        self._snapshot.publish(view(self.store, as_of))
        self._evaluator.run_once(time.time())


def steps_done(store: Store) -> int:
    """Return the step that was recorded last."""
    as_of = store.progress().jobs_as_of
    return 0 if as_of is None else (as_of - NOON) // STEP_SECONDS - 1


def state_of(folder: Path) -> StoreConfig:
    """Return where the state is."""
    return StoreConfig(url=SecretStr(f"sqlite:///{folder / 'state.db'}"))


def live(folder: Path, urls: Mapping[str, str], seed: int) -> None:
    """Go on with the story, and deliver, until killed."""
    loop = Loop(folder, list(urls), seed)
    for name, url in urls.items():
        config = WebhookConfig(url=SecretStr(url), secret=SecretStr(WEBHOOK_SECRET))
        dispatcher = Dispatcher(
            store=loop.store,
            receiver=Webhook(name, config),
            telemetry=loop.telemetry,
            clock=time.time,
            stop=threading.Event(),
        )
        threading.Thread(target=_deliver, args=(dispatcher,), daemon=True).start()
    for step in range(loop.next_step, STEPS):
        loop.take(step)
        time.sleep(PACE_SECONDS)
    threading.Event().wait()


def _deliver(dispatcher: Dispatcher) -> None:
    while True:
        dispatcher.run_once(time.time())
        time.sleep(PACE_SECONDS)
