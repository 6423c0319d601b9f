"""Users and what else the web configuration file asks for beside TLS, on real sockets."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from starlette.responses import PlainTextResponse

from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.web import WebConfig, WebServer, _access
from tests.contract.web.clients import MESSAGE, USERS, ask, basic, connect, hashed, serving, status


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/status", "/nope", "/-/ready/", "//-/healthy"])
def test_without_a_user_nothing_is_told(tmp_path: Path, path: str) -> None:
    with serving(tmp_path, USERS) as server:
        response, body = ask(server, path)
        assert response.status == 401
        assert response.getheader("www-authenticate") == 'Basic realm="airbyte-exporter", charset="UTF-8"'
        assert body == b"a user name and a password are needed\n"
        assert response.getheader("x-frame-options") == "DENY"
        assert status(server, path, method="POST") == 401
        assert ask(server, path, method="HEAD")[1] == b""


def test_probes_need_no_user(tmp_path: Path) -> None:
    with serving(tmp_path, USERS) as server:
        assert (status(server, "/-/healthy"), status(server, "/-/ready")) == (200, 200)


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (basic(b"alice:secret"), 200),
        (basic(b"bob:other"), 200),
        (basic(b"alice:secret").replace("Basic", "bASIC"), 200),
        (basic(b"alice:other"), 401),
        (basic(b"alice:"), 401),
        (basic(b"alice:secret\n"), 401),
        (basic(b"Alice:secret"), 401),
        (basic(b"nobody:secret"), 401),
        (basic(b":"), 401),
        (basic(b"alice"), 401),
        (basic(b"\xff\xfe:\x00"), 401),
        ("Basic", 401),
        ("Basic not!base64", 401),
        ("Bearer abc", 401),
        ("", 401),
    ],
)
def test_a_user_with_a_password(tmp_path: Path, authorization: str, expected: int) -> None:
    with serving(tmp_path, USERS) as server:
        assert status(server, headers={"Authorization": authorization}) == expected


def test_two_authorizations_are_none(tmp_path: Path) -> None:
    right = basic(b"alice:secret")
    with serving(tmp_path, USERS) as server:
        connection = connect(server, None)
        connection.putrequest("GET", "/metrics")
        connection.putheader("Authorization", right)
        connection.putheader("Authorization", right)
        connection.endheaders()
        assert connection.getresponse().status == 401
        connection.close()


def test_of_a_long_password_the_first_72_bytes_count_as_in_every_tool(tmp_path: Path) -> None:
    users = f"basic_auth_users: {{alice: {hashed('x' * 72)}}}\n"
    with serving(tmp_path, users) as server:
        assert status(server, login=("alice", "x" * 100)) == 200
        assert status(server, login=("alice", "x" * 71)) == 401


@pytest.mark.parametrize("path", ["/", "/api/v1/status"])
def test_messages_are_for_users_wherever_they_are(tmp_path: Path, path: str) -> None:
    elsewhere = {"Host": "exporter.example.com", "X-Forwarded-For": "192.0.2.7"}
    with serving(tmp_path, USERS) as server:
        assert MESSAGE in ask(server, path, login=("alice", "secret"), headers=elsewhere)[1]
    with serving(tmp_path, "") as server:
        assert MESSAGE not in ask(server, path, login=("alice", "secret"), headers=elsewhere)[1]


class Checks:
    """Counts what is asked of bcrypt, and holds it up when told to."""

    def __init__(self) -> None:
        self.costs: list[int] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self._check = bcrypt.checkpw

    def __call__(self, password: bytes, against: bytes) -> bool:
        self.costs.append(int(against[4:6]))
        assert self.go_on.wait(10)
        return self._check(password, against)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    checks = Checks()
    monkeypatch.setattr(bcrypt, "checkpw", checks)
    return checks


def test_a_password_that_was_accepted_is_not_worked_out_again(tmp_path: Path, checks: Checks) -> None:
    with serving(tmp_path, USERS) as server:
        assert [status(server, login=("alice", "secret")) for _ in range(5)] == [200] * 5
        assert len(checks.costs) == 1
        assert [status(server, login=("alice", "wrong")) for _ in range(3)] == [401] * 3
        assert len(checks.costs) == 4
        assert status(server, login=("alice", "secret")) == 200
        assert len(checks.costs) == 4


def test_somebody_unknown_costs_as_much_as_somebody_known(tmp_path: Path, checks: Checks) -> None:
    users = f"basic_auth_users: {{alice: {hashed('secret', 5)}, bob: {hashed('other', 6)}}}\n"
    with serving(tmp_path, users) as server:
        assert status(server, login=("bob", "wrong")) == 401
        assert status(server, login=("nobody", "wrong")) == 401
    assert checks.costs == [6, 6]


def test_guessing_holds_up_nobody_who_is_known(tmp_path: Path, checks: Checks) -> None:
    with serving(tmp_path, USERS) as server:
        assert status(server, login=("alice", "secret")) == 200
        checks.go_on.clear()
        with ThreadPoolExecutor(_access._WAITING + 4) as pool:
            guesses = [
                pool.submit(status, server, login=("alice", f"guess {number}"))
                for number in range(_access._WAITING + 4)
            ]
            # Those past the limit are turned away at once, while the others wait.
            turned_away = [it for it in as_done(guesses, 4) if it == 503]
            assert len(turned_away) == 4
            assert status(server, login=("alice", "secret")) == 200
            assert status(server, "/-/healthy") == 200
            checks.go_on.set()
            assert sorted(it.result(10) for it in guesses) == [401] * _access._WAITING + [503] * 4


def as_done(futures: list[Any], number: int) -> list[int]:
    deadline = time.monotonic() + 10
    while sum(it.done() for it in futures) < number and time.monotonic() < deadline:
        time.sleep(0.01)
    return [it.result() for it in futures if it.done()]


# The rest


def test_headers_are_added_replaced_and_taken_away(tmp_path: Path) -> None:
    headers = (
        "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=60\n"
        "    X-Frame-Options: sameorigin\n    Content-Security-Policy: ''\n"
    )
    with serving(tmp_path, headers + USERS) as server:
        for login, expected in ((None, 401), (("alice", "secret"), 200)):
            response = ask(server, "/", login=login)[0]
            assert response.status == expected
            assert response.getheader("strict-transport-security") == "max-age=60"
            assert response.getheader("x-frame-options") == "sameorigin"
            assert response.getheader("content-security-policy") is None
            assert response.getheader("x-content-type-options") == "nosniff"


def test_requests_past_the_limit_are_turned_away_and_probes_are_not(tmp_path: Path) -> None:
    with serving(tmp_path, "rate_limit: {interval: 1h, burst: 3}\n") as server:
        assert [status(server) for _ in range(5)] == [200, 200, 200, 429, 429]
        assert status(server, "/-/healthy") == 200
        (tmp_path / "web.yml").write_text("rate_limit: {interval: 1ms, burst: 1}\n")
        deadline = time.monotonic() + 10
        while status(server) != 200:
            assert time.monotonic() < deadline


def test_a_file_that_cannot_be_used_is_refused_before_anything_listens(tmp_path: Path) -> None:
    config = WebConfig(listen_address="127.0.0.1:0", config_file=str(tmp_path / "no.yml"))
    with pytest.raises(ConfigurationError, match="cannot read the web configuration file"):
        WebServer(config, PlainTextResponse("never"))
