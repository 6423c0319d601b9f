"""Many connections asked for their jobs at the same time: what fails, what is gone, what is waited for."""

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

from airbyte_exporter.airbyte import (
    ApiError,
    ApiForbidden,
    ApiNotFound,
    ApiRejected,
    ApiStopped,
    ApiUnauthorized,
    ApiUnreachable,
    Ask,
)
from tests.unit.airbyte.fakes import (
    NOW,
    Reaction,
    Say,
    talk,
)
from tests.unit.airbyte.installations import HTML, PYTHON_ERROR_PAGE, W1, Reference, flat_job
from tests.unit.airbyte.test_by_connection import SHORT, asked, asks

# All of them


def a_short_one(**jobs: list[dict[str, Any]]) -> Reference:
    return Reference(connections={W1: [*jobs]}, jobs=dict(jobs))


def test_a_listing_of_all_jobs_asks_every_connection() -> None:
    jobs = {
        name: [flat_job(n, created=NOW - 100 * n, updated=NOW - 50 * n) for n in range(6)] for name in "abc"
    }
    t = talk(a_short_one(**jobs).react, capabilities=None)
    pages = list(t.client.jobs(updated_since=NOW - 100, updated_until=NOW - 50))
    assert {(job.connection_id, job.id) for page in pages for job in page.jobs} == {
        (name, number) for name in "abc" for number in (1, 2)
    }
    assert not any(page.resumable for page in pages)
    (live,) = {len(page.jobs) for page in t.client.jobs(live=True)}
    assert live == 0
    newest = t.client.newest_job()
    assert newest is not None
    assert newest.created_at == NOW


@pytest.mark.parametrize(
    "gone",
    [Say(404, {"error": "no such connection"}), Say(404, {"exceptionClassName": "x"}), Say(405)],
)
def test_a_connection_that_is_gone_has_no_jobs(gone: Say) -> None:
    airbyte = a_short_one(c1=[flat_job()], c3=[])

    def react(method: str, body: dict[str, Any]) -> Reaction:
        return gone if body.get("configId") == "c2" else airbyte.react(method, body)

    t = talk(react, capabilities=None)
    t.client.inventory()
    for names in (("c1", "c2", "c3"), ("c2",), ("c2", "c2")):
        answers = {each.ask.connection_id: each for each in asked(t, *(Ask(id_, 0) for id_ in names))}
        assert answers.keys() == {*names}
        assert (answers["c2"].jobs, answers["c2"].served_at) == ((), None)
    t.client.workspaces()
    assert len(t.airbyte.bodies("deployment/metadata")) == 1, "that is no reason to look again"


@pytest.mark.parametrize("missing", [Say(404), Say(404, PYTHON_ERROR_PAGE, HTML), Say(501)])
def test_where_no_connection_has_jobs_although_they_exist_the_method_is_gone(missing: Say) -> None:
    airbyte = a_short_one(c1=[], c2=[])
    answers: dict[str, Reaction] = {}
    t = talk(lambda method, body: answers.get(method) or airbyte.react(method, body), capabilities=None)
    t.client.inventory()
    answers["jobs/list"] = missing
    for names in (("c1", "c2"), ("c1",), ("c1", "gone")):
        with pytest.raises(ApiError):
            asked(t, *(Ask(id_, 0) for id_ in names))
    t.client.workspaces()
    assert len(t.airbyte.bodies("deployment/metadata")) > 1, "it looks again what this is"


def test_where_everything_is_gone_no_connection_is_taken_for_gone() -> None:
    airbyte = a_short_one(c1=[])
    t = talk(airbyte.react, capabilities=None)
    t.client.inventory()
    t.airbyte.react = lambda *_: Say(404)
    with pytest.raises(ApiNotFound):
        asked(t, Ask("c1", 0))


@pytest.mark.parametrize(("answer", "error"), [(Say(403), ApiForbidden), (Say(503), ApiUnreachable)])
def test_one_connection_that_cannot_be_asked_does_not_hide_the_others(
    answer: Say, error: type[ApiError]
) -> None:
    airbyte = a_short_one(c1=[flat_job()], c2=[], c3=[flat_job()])

    def react(method: str, body: dict[str, Any]) -> Reaction:
        return answer if body.get("configId") == "c2" else airbyte.react(method, body)

    t = talk(react, capabilities=None)
    first, broken, last = t.client.jobs_of_connections([Ask("c1", 0), Ask("c2", 0), Ask("c3", 0)])
    assert (len(first.jobs), len(broken.jobs), len(last.jobs)) == (1, 0, 1)
    assert isinstance(broken.error, error)
    assert (first.error, last.error) == (None, None)
    with pytest.raises(error):
        list(t.client.jobs())


def test_many_that_cannot_be_asked_and_few_that_can_is_an_error_of_all() -> None:
    t = talk(lambda _, body: Say(200 if body["configId"] == "c0" else 400, {"jobs": []}), capabilities=SHORT)
    got: list[str] = []
    with pytest.raises(ApiRejected):
        got.extend(each.ask.connection_id for each in t.client.jobs_of_connections(asks(500)))
    assert got[0] == "c0", "what was answered has come"
    assert len(t.airbyte.sent) <= 64


def test_a_page_of_something_before_airbyte_is_not_a_connection_that_is_gone() -> None:
    airbyte = a_short_one(c1=[flat_job()], c2=[flat_job()])

    def react(method: str, body: dict[str, Any]) -> Reaction:
        return Say(404, b"<html>", HTML) if body.get("configId") == "c2" else airbyte.react(method, body)

    _, broken = talk(react, capabilities=None).client.jobs_of_connections(asks(3)[1:])
    assert broken.ask.connection_id == "c2"
    assert isinstance(broken.error, ApiNotFound)


# At the same time


@dataclass
class Meeting:
    """Answers once as many requests are under way as are waited for; remembers the most there were."""

    expected: int
    most: int = 0
    under_way: int = 0
    met: threading.Condition = field(default_factory=threading.Condition)

    def react(self, _: str, __: dict[str, Any]) -> Reaction:
        with self.met:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            self.met.notify_all()
            assert self.met.wait_for(lambda: self.most >= self.expected, 10)
            self.under_way -= 1
        return Say(body={"jobs": []})


@pytest.mark.parametrize("number", [1, 3, 8])
def test_as_many_are_asked_at_the_same_time_as_is_allowed(number: int) -> None:
    meeting = Meeting(number)
    t = talk(meeting.react, capabilities=SHORT, max_concurrency=number)
    answers = asked(t, *(Ask(f"c{n}", 0) for n in range(150)))
    assert [each.ask.connection_id for each in answers] == [f"c{n}" for n in range(150)]
    assert meeting.most == number


def test_callers_together_have_no_more_requests_under_way_than_is_allowed() -> None:
    meeting = Meeting(2)
    t = talk(meeting.react, capabilities=SHORT, max_concurrency=2)
    threads = [threading.Thread(target=asked, args=(t, *(Ask(f"c{n}", 0) for n in range(20))), daemon=True)
               for _ in range(3)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(t.airbyte.sent) == 60
    assert meeting.most == 2


@pytest.mark.parametrize("end", ["stop", "close"])
def test_a_stop_ends_it_at_once(end: str) -> None:
    def react(_: str, body: dict[str, Any]) -> Reaction:
        if body["configId"] == "c5":
            ends[end]()
        return Say(body={"jobs": []})

    t = talk(react, capabilities=SHORT, max_concurrency=2)
    ends: dict[str, Callable[[], None]] = {"stop": t.time.set, "close": t.client.close}
    with pytest.raises(ApiStopped):
        asked(t, *(Ask(f"c{n}", 0) for n in range(500)))
    assert len(t.airbyte.sent) < 10


def test_an_error_ends_it_at_once() -> None:
    t = talk(lambda _, body: Say(401 if body["configId"] == "c5" else 200, {"jobs": []}), capabilities=SHORT)
    with pytest.raises(ApiUnauthorized):
        asked(t, *asks(500))
    assert len(t.airbyte.sent) <= 16


def test_who_does_not_want_the_rest_does_not_wait_for_it() -> None:
    t = talk(lambda *_: Say(body={"jobs": []}), capabilities=SHORT)
    answers = t.client.jobs_of_connections(Ask(f"c{n}", 0) for n in range(500))
    next(answers)
    assert isinstance(answers, Generator)
    answers.close()
    assert len(t.airbyte.sent) <= 64


def test_nothing_asked_is_nothing_sent() -> None:
    t = talk([], capabilities=SHORT)
    assert asked(t) == []
