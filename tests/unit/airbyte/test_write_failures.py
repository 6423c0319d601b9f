"""A change whose answer is lost is not asked for again, and its error says that it may have happened."""

import errno
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3.exceptions as u3

from airbyte_exporter.airbyte import (
    ApiConflict,
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    ApiRejected,
    ApiStopped,
    ApiUnreachable,
)
from airbyte_exporter.airbyte._methods import READING, WRITING
from airbyte_exporter.airbyte._session import Connections
from airbyte_exporter.airbyte.writing import ConnectionChange, NewConnection, WritingClient
from airbyte_exporter.model import (
    Catalog,
    Job,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    Stream,
    StreamSync,
)
from tests.unit.airbyte.fakes import NOW, Reaction, Say, WritingTalk, talk, writing_talk
from tests.unit.airbyte.installations import W1
from tests.unit.airbyte.test_failures import refused, tls_error, unresolved, untrusted
from tests.unit.airbyte.test_write_requests import IS_AS_WAS
from tests.unit.airbyte.writable import (
    CONNECTION,
    DEFINITION,
    DESTINATION,
    SOURCE,
    connection_read,
)

DOUBT = "Airbyte may have done it all the same: look before you try again"
CATALOG = Catalog((StreamSync(Stream("bare")),))
NEW = NewConnection(SOURCE.id, DESTINATION.id, "N", CATALOG, Schedule(ScheduleType.MANUAL))
Change = Callable[[WritingClient], object]


def update(client: WritingClient) -> object:
    return client.update_connection(SETUP, ConnectionChange(name="M"))


SETUP = writing_talk([Say(body=connection_read())]).client.connection_setup(IS_AS_WAS)
JOB = Job(CONNECTION, 7, NOW, NOW, JobType.SYNC, JobStatus.RUNNING)

ONCE: dict[str, Change] = {
    "source": lambda client: client.create_actor("source", W1, DEFINITION, "N", {}),
    "destination": lambda client: client.create_actor("destination", W1, DEFINITION, "N", {}),
    "connection": lambda client: client.create_connection(NEW, W1, SOURCE, DESTINATION),
    "sync": lambda client: client.start(JobType.SYNC, CONNECTION),
    "reset": lambda client: client.start(JobType.RESET, CONNECTION),
    "refresh": lambda client: client.start(JobType.REFRESH, CONNECTION),
    "delete source": lambda client: client.delete_actor("source", SOURCE.id),
    "delete connection": lambda client: client.delete_connection(CONNECTION),
    "cancel": lambda client: client.cancel(
        JOB
    ),  # the next job of the connection may be hit by the second one
}
AGAIN: dict[str, Change] = {
    "update connection": update,
    "update source": lambda client: client.update_actor("source", SOURCE.id, "N", {}),
}
RUNS: dict[str, Change] = {
    "check": lambda client: client.check_actor("source", SOURCE.id),
    "discover": lambda client: client.discover(SOURCE.id),
}


def broken() -> requests.ConnectionError:
    return requests.ConnectionError(u3.ProtocolError("x", ConnectionResetError(errno.ECONNRESET, "reset")))


def truncated() -> Say:
    return Say(200, b'{"job": {', {"Content-Length": "500"})


LOST: dict[str, Callable[[], Reaction]] = {
    "broken": broken,
    "no answer in time": requests.ReadTimeout,
    "tls breaks": lambda: tls_error("DECRYPTION_FAILED_OR_BAD_RECORD_MAC"),
    "500": lambda: Say(500, {"message": "oh"}),
    "502": lambda: Say(502, b"<html>", {"Content-Type": "text/html"}),
    "503": lambda: Say(503),
    "504": lambda: Say(504),
    "408": lambda: Say(408),
    "truncated": truncated,
    "wrong compression": lambda: Say(200, b"{}", {"Content-Encoding": "gzip"}),
}
UNDONE: dict[str, Callable[[], Reaction]] = {
    "refused": refused,
    "dns": unresolved,
    "slow to connect": requests.ConnectTimeout,
    "proxy": lambda: requests.exceptions.ProxyError(OSError(errno.ECONNREFUSED, "x")),
    "429": lambda: Say(429, {}, {"Retry-After": "2"}),
}
FOR_GOOD: dict[str, tuple[Callable[[], Reaction], type[ApiError]]] = {
    "400": (lambda: Say(400, {"message": "no"}), ApiRejected),
    "403": (lambda: Say(403), ApiForbidden),
    "404": (lambda: Say(404, {"exceptionClassName": "x"}), ApiNotFound),
    "422": (lambda: Say(422, {"message": "no"}), ApiRejected),
    "501": (lambda: Say(501), ApiRejected),
    "redirect": (lambda: Say(302, b"", {"Location": "http://sign.in/"}), ApiRejected),
    "web page": (lambda: Say(200, b"<html>", {"Content-Type": "text/html"}), ApiMalformed),
    "untrusted": (lambda: untrusted("self-signed certificate"), ApiUnreachable),
}


def failed(change: Change, reactions: Callable[[], Reaction]) -> tuple[WritingTalk, ApiError]:
    t = writing_talk(lambda _method, _body: reactions())
    with pytest.raises(ApiError) as caught:
        change(t.client)
    assert "\n" not in str(caught.value)
    return t, caught.value


@pytest.mark.parametrize("lost", sorted(LOST))
@pytest.mark.parametrize("name", sorted(ONCE))
def test_what_must_not_happen_twice_is_asked_for_once(name: str, lost: str) -> None:
    t, error = failed(ONCE[name], LOST[lost])
    assert len(t.airbyte.sent) == 1
    assert error.maybe_done
    assert str(error).endswith(f"; {DOUBT}")
    assert str(error).count(DOUBT) == 1


@pytest.mark.parametrize("lost", ["broken", "no answer in time", "502", "503", "504", "408"])
@pytest.mark.parametrize("name", sorted(AGAIN))
def test_what_may_happen_twice_is_tried_again(name: str, lost: str) -> None:
    t, error = failed(AGAIN[name], LOST[lost])
    assert len(t.airbyte.sent) == 4
    assert error.maybe_done
    assert str(error).count(DOUBT) == 1


@pytest.mark.parametrize("undone", sorted(UNDONE))
@pytest.mark.parametrize("name", sorted(ONCE | AGAIN | RUNS))
def test_what_airbyte_cannot_have_done_is_tried_again(name: str, undone: str) -> None:
    t, error = failed((ONCE | AGAIN | RUNS)[name], UNDONE[undone])
    assert len(t.airbyte.sent) == 4
    assert not error.maybe_done
    assert DOUBT not in str(error)


@pytest.mark.parametrize("final", sorted(FOR_GOOD))
@pytest.mark.parametrize("name", sorted(ONCE | AGAIN | RUNS))
def test_a_no_is_neither_tried_again_nor_in_doubt(name: str, final: str) -> None:
    reaction, kind = FOR_GOOD[final]
    t, error = failed((ONCE | AGAIN | RUNS)[name], reaction)
    assert len(t.airbyte.sent) == 1
    assert isinstance(error, kind)
    assert not error.maybe_done
    assert DOUBT not in str(error)


def failing_handshake(t: WritingTalk) -> Callable[[str, dict[str, Any]], Reaction]:
    """What `_session` notes where a connection breaks before there is one."""
    connections: Connections = t.client._transport._connections

    def react(method: str, body: dict[str, Any]) -> Reaction:
        try:
            with connections.connecting():
                raise tls_error("UNEXPECTED_EOF_WHILE_READING")
        except requests.ConnectionError as exc:
            return exc

    return react


@pytest.mark.parametrize("name", sorted(ONCE))
def test_a_handshake_that_fails_is_tried_again_for_nothing_was_sent(name: str) -> None:
    t = writing_talk([])
    t.airbyte.react = failing_handshake(t)
    with pytest.raises(ApiUnreachable) as caught:
        ONCE[name](t.client)
    assert caught.value.reason == "tls"
    assert len(t.airbyte.sent) == 4
    assert not caught.value.maybe_done
    assert DOUBT not in str(caught.value)


def test_a_connection_that_breaks_after_one_that_could_not_be_made_is_in_doubt() -> None:
    t = writing_talk([])
    handshakes = failing_handshake(t)

    def react(method: str, body: dict[str, Any]) -> Reaction:
        return broken() if len(t.airbyte.sent) > 1 else handshakes(method, body)

    t.airbyte.react = react
    with pytest.raises(ApiUnreachable) as caught:
        ONCE["sync"](t.client)
    assert len(t.airbyte.sent) == 2
    assert caught.value.maybe_done


def test_doubt_stays_where_another_try_cannot_even_be_made() -> None:
    t = writing_talk([Say(500), refused(), refused(), refused()])
    with pytest.raises(ApiUnreachable) as caught:
        update(t.client)
    assert caught.value.reason == "connect"
    assert caught.value.maybe_done
    assert DOUBT in str(caught.value)


def test_a_stop_while_a_change_is_on_its_way_is_in_doubt() -> None:
    t = writing_talk([])

    def react(method: str, body: dict[str, Any]) -> Reaction:
        t.time.set()
        return broken()

    t.airbyte.react = react
    with pytest.raises(ApiStopped) as caught:
        ONCE["sync"](t.client)
    assert caught.value.maybe_done
    assert DOUBT in str(caught.value)


def test_a_stop_before_a_change_is_sent_is_not_in_doubt() -> None:
    t = writing_talk([])
    t.time.set()
    with pytest.raises(ApiStopped) as caught:
        ONCE["sync"](t.client)
    assert not caught.value.maybe_done
    assert not t.airbyte.sent


@pytest.mark.parametrize("name", sorted(ONCE))
def test_a_token_that_has_ended_is_renewed_and_the_change_is_asked_for_again(name: str) -> None:
    tokens = iter(["old", "new"])

    def react(method: str, body: dict[str, Any]) -> Reaction:
        if method == "applications/token":
            return Say(body={"access_token": next(tokens)})
        if t.airbyte.here.authorization == "Bearer old":
            return Say(401)
        return Say(500)

    t = writing_talk(react, client_id="id", client_secret="secret")
    with pytest.raises(ApiUnreachable) as caught:
        ONCE[name](t.client)
    asked = [sent.authorization for sent in t.airbyte.sent if "token" not in sent.path]
    assert asked == ["Bearer old", "Bearer new"]
    assert caught.value.maybe_done


@pytest.mark.parametrize("status", [401, 500])
def test_no_token_means_that_nothing_was_asked_for(status: int) -> None:
    t = writing_talk(lambda _method, _body: Say(status), client_id="id", client_secret="secret")
    with pytest.raises(ApiError) as caught:
        ONCE["sync"](t.client)
    assert not caught.value.maybe_done
    assert DOUBT not in str(caught.value)
    assert not t.airbyte.bodies("connections/sync")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"job": 1}', b'{"connectionId": 5, "id": 1}'])
@pytest.mark.parametrize("name", sorted((ONCE | AGAIN).keys() - {"delete source", "delete connection"}))
def test_an_answer_to_a_change_that_cannot_be_read_is_in_doubt(name: str, body: bytes) -> None:
    t, error = failed((ONCE | AGAIN)[name], lambda: Say(200, body))
    assert isinstance(error, ApiMalformed)
    assert len(t.airbyte.sent) == 1
    assert error.maybe_done
    assert str(error).count(DOUBT) == 1


@pytest.mark.parametrize("kind", [JobType.SYNC, JobType.RESET, JobType.REFRESH])
def test_a_job_at_work_is_a_conflict_at_once(kind: JobType) -> None:
    said = {"message": f"A sync is already running for: {CONNECTION}"}
    for status in (409, 500):  # as older versions say it
        t = writing_talk([Say(status, said)])
        with pytest.raises(
            ApiConflict, match=f"refuses this now .{status}: A sync is already running"
        ) as caught:
            t.client.start(kind, CONNECTION)
        assert not caught.value.maybe_done


def test_a_connection_that_is_not_active_is_refused_in_airbytes_words() -> None:
    t = writing_talk([Say(500, {"message": "Internal Server Error: Can only sync an active connection"})])
    with pytest.raises(ApiRejected, match="Can only sync an active connection"):
        t.client.start(JobType.SYNC, CONNECTION)


def test_another_conflict_is_trouble_with_the_database() -> None:
    t, error = failed(update, lambda: Say(409, {"message": "could not obtain lock"}))
    assert isinstance(error, ApiUnreachable)
    assert error.reason == "server_error"
    assert len(t.airbyte.sent) == 4


@pytest.mark.parametrize("name", sorted(ONCE))
def test_trouble_with_the_database_may_come_after_the_change(name: str) -> None:
    t, error = failed(ONCE[name], lambda: Say(409, {"message": "Failed to access database"}))
    assert isinstance(error, ApiUnreachable)
    assert len(t.airbyte.sent) == 1
    assert error.maybe_done
    assert str(error).count(DOUBT) == 1


def test_who_may_only_read_is_told_which_role_it_takes() -> None:
    _, error = failed(ONCE["sync"], lambda: Say(403))
    assert re.search("may change this: an editor of the workspace", str(error))


def test_a_cancelled_job_that_does_not_exist_was_surely_not_cancelled() -> None:
    t, error = failed(ONCE["cancel"], lambda: Say(500, {"message": "Could not find job with id: 7"}))
    assert isinstance(error, ApiNotFound)
    assert not error.maybe_done
    assert len(t.airbyte.sent) == 1


@pytest.mark.parametrize("name", sorted(RUNS))
@pytest.mark.parametrize("lost", sorted(LOST))
def test_a_connector_is_not_started_twice_and_changes_nothing(name: str, lost: str) -> None:
    t, error = failed(RUNS[name], LOST[lost])
    assert len(t.airbyte.sent) == 1
    assert not error.maybe_done
    assert DOUBT not in str(error)


def test_a_connector_is_waited_for_as_long_as_is_asked() -> None:
    t = writing_talk([Say(body={"status": "succeeded"}, seconds=299), requests.ReadTimeout()])
    assert t.client.check_actor("source", SOURCE.id, patience=300).succeeded
    assert t.airbyte.timeouts[0] == (10.0, 300.0)
    with pytest.raises(ApiUnreachable, match="no answer within 5m: the connector has not started yet"):
        t.client.check_actor("source", SOURCE.id, patience=300)


READS: dict[str, Change] = {
    "actor": lambda client: client.actor_setup("source", SOURCE.id),
    "connection": lambda client: client.connection_setup(IS_AS_WAS),
    "workspaces": lambda client: client.workspaces(),
}


@pytest.mark.parametrize("name", sorted(READS))
def test_what_is_only_read_is_never_in_doubt(name: str) -> None:
    for reaction in (Say(500), Say(200, {"workspaceId": W1, "name": "n"}), Say(200, b"{"), Say(504)):
        t = writing_talk([reaction] * 4)
        with pytest.raises(ApiError) as caught:
            READS[name](t.client)
        assert not caught.value.maybe_done
        assert DOUBT not in str(caught.value)


def test_the_client_of_the_daemon_knows_no_method_that_changes_anything() -> None:
    assert not READING.keys() & WRITING.keys()
    for method in WRITING:
        t = talk([])
        with pytest.raises(KeyError):
            t.client._call(method, {})
        assert not t.airbyte.sent


def test_the_daemon_does_not_even_load_what_writes() -> None:
    code = "import sys, airbyte_exporter.app; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    names = {*loaded.split()}
    assert "airbyte_exporter.airbyte.client" in names
    assert not {name for name in names if name.startswith("airbyte_exporter.control")}
    assert "airbyte_exporter.airbyte.writing" not in names
    assert "airbyte_exporter.airbyte._bodies" not in names


def test_connections_note_for_each_thread_whether_it_has_connected() -> None:
    connections = Connections(lambda: 0.0)
    with pytest.raises(OSError, match="no"), connections.connecting():
        raise OSError("no")
    assert connections.is_connecting
    others: list[bool] = []
    thread = threading.Thread(target=lambda: others.append(connections.is_connecting))
    thread.start()
    thread.join()
    assert others == [False]
    seen: list[bool] = []
    with connections.until(1.0):
        seen.append(connections.is_connecting)
        with connections.connecting():
            seen.append(connections.is_connecting)
        seen.append(connections.is_connecting)
    assert seen == [False, True, False]
