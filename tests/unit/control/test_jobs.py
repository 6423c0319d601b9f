"""Jobs are begun once and cancelled once, whoever else is at it."""

from collections.abc import Callable
from typing import Any

import pytest

from airbyte_exporter.airbyte import ApiError, ApiRejected, ApiUnreachable
from airbyte_exporter.control import AlreadyRunningError, Control, ControlError, NotOneError
from airbyte_exporter.model import ConnectionStatus, Job, JobStatus
from tests.unit.airbyte.fakes import Json, Reaction, Say, writing_talk
from tests.unit.airbyte.writable import CONNECTION, Writable, job_answer
from tests.unit.control.controlled import CONNECTED, Controlled, connection, controlled, job, live_row

STARTS: dict[str, Callable[[Control], Job]] = {
    "sync": lambda control: control.connections.sync(CONNECTED),
    "reset": lambda control: control.connections.reset(CONNECTED),
    "refresh": lambda control: control.connections.refresh(CONNECTED),
}


@pytest.mark.parametrize("name", sorted(STARTS))
def test_a_job_that_is_begun_is_told(name: str) -> None:
    c = controlled()
    begun = STARTS[name](c.control)
    assert (begun.id, begun.connection_id) == (7, CONNECTION)
    assert c.changes == [f"connections/{name}"]


@pytest.mark.parametrize("status", [each for each in ConnectionStatus if each is not ConnectionStatus.ACTIVE])
def test_what_is_not_active_is_not_synced(status: ConnectionStatus) -> None:
    c = controlled()
    with pytest.raises(ControlError, match=f"is {status}, and Airbyte syncs only active ones"):
        c.control.connections.sync(connection(status))
    assert not c.talk.airbyte.sent


@pytest.mark.parametrize("status", [409, 500])
@pytest.mark.parametrize("name", sorted(STARTS))
def test_a_job_at_work_already_is_named(name: str, status: int) -> None:
    busy = Say(status, {"message": "A sync is already running for: c"})
    c = controlled(told={f"connections/{name}": busy}, jobs=[live_row(9), live_row(8, "succeeded")])
    with pytest.raises(AlreadyRunningError, match="job 9 of connection 'Shop to Lake' is running") as caught:
        STARTS[name](c.control)
    assert caught.value.job is not None
    assert caught.value.job.id == 9
    assert c.changes == [f"connections/{name}"]


@pytest.mark.parametrize("listing", [Say(body={"jobs": []}), Say(500), Say(403), Say(body={})])
def test_a_job_at_work_that_cannot_be_found_is_told_of_nevertheless(listing: Reaction) -> None:
    c = controlled(told={"connections/sync": Say(409), "jobs/list": listing})
    with pytest.raises(AlreadyRunningError, match="a job of connection 'Shop to Lake' is at work") as caught:
        STARTS["sync"](c.control)
    assert caught.value.job is None


@pytest.mark.parametrize("answer", [{}, {"value": True}])
def test_a_refresh_that_is_not_shown_is_looked_for(answer: Json) -> None:
    jobs = [live_row(10), live_row(9, configType="refresh"), live_row(8, "failed", configType="refresh")]
    c = controlled(told={"connections/refresh": Say(body=answer)}, jobs=jobs)
    assert STARTS["refresh"](c.control).id == 9, "10 is a sync that somebody else began"


def test_a_refresh_that_is_not_begun_is_said_to_be_none() -> None:
    c = controlled("1.0.0", told={"connections/refresh": Say(body={"value": False})}, jobs=[live_row(9)])
    with pytest.raises(ApiRejected, match="has not begun it") as caught:
        STARTS["refresh"](c.control)
    assert not caught.value.maybe_done


@pytest.mark.parametrize("listing", [Say(body={"jobs": []}), Say(500)])
def test_a_refresh_that_is_shown_nowhere_was_accepted_all_the_same(listing: Reaction) -> None:
    c = controlled(told={"connections/refresh": Say(body={}), "jobs/list": listing})
    with pytest.raises(ControlError, match=r"has accepted the refresh of .* do not repeat it") as caught:
        STARTS["refresh"](c.control)
    assert not isinstance(caught.value, AlreadyRunningError)
    assert c.changes == ["connections/refresh"]


@pytest.mark.parametrize("version", ["0.50.54", "0.57.0", None])
def test_an_airbyte_without_refreshes_is_not_asked_for_one(version: str | None) -> None:
    c = controlled(version)
    with pytest.raises(ControlError, match="this Airbyte has no refreshes"):
        STARTS["refresh"](c.control)
    assert not c.changes


def test_a_refresh_may_be_of_some_streams() -> None:
    c = controlled("0.58.0")
    c.control.connections.refresh(CONNECTED, ["customers"], truncate=True)
    assert c.last("connections/refresh") == {
        "connectionId": CONNECTION,
        "refreshMode": "Truncate",
        "streams": [{"streamName": "customers", "streamNamespace": "public"}],
    }
    with pytest.raises(ControlError, match="no stream 'orders'"):  # the connection knows it, and syncs it not
        c.control.connections.refresh(CONNECTED, ["orders"])


def test_a_lost_answer_to_a_sync_is_not_asked_for_again() -> None:
    c = controlled(told={"connections/sync": Say(504)})
    with pytest.raises(ApiUnreachable, match="look before you try again") as caught:
        STARTS["sync"](c.control)
    assert caught.value.maybe_done
    assert c.changes == ["connections/sync"]


# Cancelling


def test_a_job_is_cancelled() -> None:
    c = controlled()
    cancelled = c.control.jobs.cancel(job())
    assert (cancelled.id, cancelled.connection_id, cancelled.status) == (7, CONNECTION, JobStatus.CANCELLED)
    assert c.last("jobs/cancel") == {"id": 7}


@pytest.mark.parametrize("status", [JobStatus.SUCCEEDED, JobStatus.FAILED])
def test_a_job_that_is_over_is_not_cancelled(status: JobStatus) -> None:
    c = controlled()
    with pytest.raises(ControlError, match=f"job 7 has {status} already: there is nothing to cancel"):
        c.control.jobs.cancel(job(status))
    assert not c.talk.airbyte.sent


def test_a_job_that_is_cancelled_already_stays_so() -> None:
    c = controlled()
    over = job(JobStatus.CANCELLED)
    assert c.control.jobs.cancel(over) == over
    assert not c.talk.airbyte.sent


def looked_at(*statuses: str, cancel: Reaction) -> Controlled:
    """An Airbyte whose job 7 is in each of `statuses` when it is looked at."""
    left = iter(statuses)
    airbyte = Writable()

    def react(method: str, body: dict[str, Any]) -> Reaction:
        if method == "jobs/get_without_logs":
            status = next(left)
            return Say(500) if status == "trouble" else Say(body=job_answer(7, status))
        return cancel if method == "jobs/cancel" else airbyte.react(method, body)

    talk = writing_talk(react, capabilities=None)
    return Controlled(Control(talk.client), talk)


def test_a_job_that_has_ended_since_we_looked_is_not_cancelled_for_its_successor_would_be() -> None:
    c = looked_at("succeeded", cancel=Say(500))
    with pytest.raises(ControlError, match="job 7 has succeeded already"):
        c.control.jobs.cancel(job())
    assert not c.changes


def test_a_job_that_another_has_just_cancelled_stays_so() -> None:
    c = looked_at("cancelled", cancel=Say(500))
    assert c.control.jobs.cancel(job()).status is JobStatus.CANCELLED
    assert not c.changes


def test_a_job_that_ends_while_it_is_cancelled_has_ended() -> None:
    ended = job_answer(7, "succeeded")
    c = looked_at("running", cancel=Say(body=ended))
    with pytest.raises(ControlError, match="job 7 has succeeded before it could be cancelled"):
        c.control.jobs.cancel(job())
    c = looked_at("running", "failed", cancel=Say(500, {"message": "not running"}))
    with pytest.raises(ControlError, match="job 7 has failed before it could be cancelled"):
        c.control.jobs.cancel(job())
    c = looked_at("running", "cancelled", cancel=Say(500))
    assert c.control.jobs.cancel(job()).status is JobStatus.CANCELLED
    assert c.changes == ["jobs/cancel"]


@pytest.mark.parametrize("then", ["running", "trouble"])
def test_trouble_with_cancelling_a_job_that_goes_on_is_told(then: str) -> None:
    c = looked_at("running", then, cancel=Say(500))
    with pytest.raises(ApiError, match=r"jobs/cancel: Airbyte at .* look before you try again"):
        c.control.jobs.cancel(job())


def test_a_job_that_does_not_exist_is_told_so() -> None:
    gone = Say(404, {"exceptionClassName": "x", "message": "no"})
    c = controlled(told={"jobs/get_without_logs": gone})
    with pytest.raises(NotOneError, match="there is no job 5"):
        c.control.jobs.get(5)
    assert controlled().control.jobs.get(5).id == 5
