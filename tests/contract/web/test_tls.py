"""TLS, users and what else the web configuration file asks for, on real sockets."""

import base64
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from starlette.responses import PlainTextResponse
from structlog.testing import capture_logs

from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.exposition import Exposition
from airbyte_exporter.model import Latest, Snapshot
from airbyte_exporter.telemetry import Telemetry
from airbyte_exporter.web import WebConfig, WebServer, _access, _server, create_app
from tests.certificates import Certificates
from tests.snapshots import NOW, rich_incidents, rich_snapshot

MESSAGE = b"password authentication failed"
STOP_LIMIT = 2.0
TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key%s}\n"
MUTUAL = TLS % ", client_ca_file: client.crt, client_auth_type: RequireAndVerifyClientCert%s"


def hashed(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


USERS = f"basic_auth_users:\n  alice: {hashed('secret')}\n  bob: {hashed('other')}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("pki"))
    made.make("server", "IP:127.0.0.1")
    made.make("renewed", "IP:127.0.0.1")
    made.make("client", "DNS:prometheus", "IP:2001:db8::1", "email:ops@example.com")
    made.make("stranger", "DNS:prometheus")
    return made


@pytest.fixture
def pki(made: Certificates, tmp_path: Path) -> Certificates:
    """Certificates in a folder that a test may change."""
    for file in made.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return Certificates(tmp_path)


@contextmanager
def serving(folder: Path, text: str) -> Iterator[WebServer]:
    """Serve the example with a web configuration file in `folder` that says `text`."""
    file = folder / "web.yml"
    file.write_text(text, encoding="utf-8")
    exposition = Exposition(Telemetry("0.1.0"))
    exposition.publish(rich_snapshot())
    snapshot: Latest[Snapshot | None] = Latest(rich_snapshot())
    app = create_app(
        exposition=exposition,
        snapshot=snapshot,
        alive=lambda: None,
        ready=lambda: None,
        failures=dict,
        incidents=Latest(rich_incidents()),
        instance_name="airbyte",
        ui_url=None,
        version="0.1.0",
        clock=lambda: float(NOW),
    )
    server = WebServer(WebConfig(listen_address="127.0.0.1:0", config_file=str(file)), app)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def where(server: WebServer) -> tuple[str, int]:
    host, _, port = server.address.partition("://")[2].rpartition(":")
    return host, int(port)


def trusting(pki: Certificates, name: str = "server", client: str | None = None) -> ssl.SSLContext:
    """Return what a client uses that trusts the certificate `name` and shows that of `client`."""
    context = ssl.create_default_context(cafile=pki.cert(name))
    if client is not None:
        context.load_cert_chain(pki.cert(client), pki.key(client))
    return context


def connect(server: WebServer, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if context is None:
        return http.client.HTTPConnection(*where(server), timeout=10)
    return http.client.HTTPSConnection(*where(server), timeout=10, context=context)


def ask(
    server: WebServer,
    path: str = "/metrics",
    context: ssl.SSLContext | None = None,
    *,
    login: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
) -> tuple[http.client.HTTPResponse, bytes]:
    sent = dict(headers or {})
    if login is not None:
        sent["Authorization"] = basic(":".join(login).encode())
    connection = connect(server, context)
    try:
        connection.request(method, path, headers=sent)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def basic(credentials: bytes) -> str:
    return f"Basic {base64.b64encode(credentials).decode()}"


def status(server: WebServer, *arguments: Any, **named: Any) -> int:  # noqa: ANN401  # as `ask` takes them
    return ask(server, *arguments, **named)[0].status


def refused(server: WebServer, context: ssl.SSLContext | None) -> bool:
    """Whether a client gets no answer at all. In TLS 1.3 it learns so only when it reads."""
    try:
        ask(server, context=context)
    except (OSError, http.client.HTTPException):
        return True
    return False


# TLS


def test_pages_over_tls(pki: Certificates) -> None:
    with serving(pki.folder, TLS % "") as server:
        assert server.address.startswith("https://127.0.0.1:")
        response, body = ask(server, "/metrics", trusting(pki))
        assert response.status == 200
        assert b"airbyte_connection_info{" in body


def test_whoever_speaks_no_tls_is_refused_and_disturbs_nobody(pki: Certificates) -> None:
    with serving(pki.folder, TLS % "") as server:
        assert refused(server, None)
        assert refused(server, trusting(pki, "renewed"))
        assert status(server, "/metrics", trusting(pki)) == 200


def test_http_1_1_is_what_is_agreed_on(pki: Certificates) -> None:
    context = trusting(pki)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        serving(pki.folder, TLS % "") as server,
        socket.create_connection(where(server), 10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as peer,
    ):
        assert peer.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize(("version", "answered"), [("TLSv1_2", False), ("TLSv1_3", True)])
def test_an_older_version_than_the_least_is_refused(pki: Certificates, version: str, answered: bool) -> None:
    context = trusting(pki)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with serving(pki.folder, TLS % ", min_version: TLS13") as server:
        assert refused(server, context) is not answered


def test_only_clients_with_a_certificate_of_the_authority(pki: Certificates) -> None:
    with serving(pki.folder, MUTUAL % "") as server:
        assert refused(server, trusting(pki))
        assert refused(server, trusting(pki, client="stranger"))
        assert status(server, "/metrics", trusting(pki, client="client")) == 200


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize(
    ("names", "answered"),
    [
        ("prometheus", True),
        ("other, ops@example.com", True),
        ("2001:DB8:0:0:0:0:0:1", True),
        ("other, prometheus.example.com, client", False),
    ],
)
def test_only_clients_whose_certificate_has_an_allowed_name(
    pki: Certificates, names: str, version: str, answered: bool
) -> None:
    context = trusting(pki, client="client")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    allowed = ", ".join(f"'{name}'" for name in names.split(", "))
    with serving(pki.folder, MUTUAL % f", client_allowed_sans: [{allowed}]") as server:
        assert refused(server, context) is not answered


@pytest.mark.parametrize("path", ["/", "/api/v1/status"])
def test_messages_are_for_clients_with_a_certificate(pki: Certificates, path: str) -> None:
    elsewhere = {"Host": "exporter.example.com"}  # so that being on this machine does not count
    with serving(
        pki.folder, MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven") % ""
    ) as it:
        assert MESSAGE not in ask(it, path, trusting(pki), headers=elsewhere)[1]
        assert MESSAGE in ask(it, path, trusting(pki, client="client"), headers=elsewhere)[1]
        assert refused(it, trusting(pki, client="stranger"))


# Renewal


def replace(pki: Certificates, name: str, by: str, *kinds: str) -> None:
    """Put one certificate or key in the place of another, at once, as careful tools do."""
    for kind in kinds:
        new = pki.folder / "new"
        new.write_bytes((pki.folder / f"{by}.{kind}").read_bytes())
        new.replace(pki.folder / f"{name}.{kind}")


def test_a_renewed_certificate_counts_from_the_next_connection_on(pki: Certificates) -> None:
    before, after = trusting(pki), trusting(pki, "renewed")
    with serving(pki.folder, TLS % "") as server, ExitStack() as stack:
        kept = connect(server, before)
        stack.callback(kept.close)
        kept.request("GET", "/-/healthy")
        assert kept.getresponse().read() == b"healthy\n"
        assert refused(server, after)
        replace(pki, "server", "renewed", "crt", "key")
        assert status(server, "/metrics", after) == 200
        assert refused(server, before)
        kept.request("GET", "/-/healthy")
        assert kept.getresponse().read() == b"healthy\n"


def test_half_a_renewal_leaves_the_old_certificate_with_one_line_in_the_log(pki: Certificates) -> None:
    before, after = trusting(pki), trusting(pki, "renewed")
    with serving(pki.folder, TLS % "") as server:
        with capture_logs() as logs:
            replace(pki, "server", "renewed", "crt")
            assert [status(server, "/metrics", before) for _ in range(3)] == [200] * 3
        (line,) = logs
        assert line["log_level"] == "error"
        assert "tls_server_config.key_file: " in line["reason"]
        replace(pki, "server", "renewed", "key")
        assert status(server, "/metrics", after) == 200


def test_another_authority_and_other_users_need_no_restart(pki: Certificates) -> None:
    with serving(pki.folder, MUTUAL % "" + USERS) as server:
        assert status(server, context=trusting(pki, client="client"), login=("alice", "secret")) == 200
        changed = MUTUAL.replace("client.crt", "stranger.crt") % ""
        (pki.folder / "web.yml").write_text(f"{changed}basic_auth_users: {{alice: {hashed('changed')}}}\n")
        stranger = trusting(pki, client="stranger")
        assert refused(server, trusting(pki, client="client"))
        assert status(server, context=stranger, login=("alice", "secret")) == 401
        assert status(server, context=stranger, login=("alice", "changed")) == 200
        assert status(server, context=stranger, login=("bob", "other")) == 401


@pytest.mark.parametrize(
    "text", ["", f"basic_auth_users: {{alice: {hashed('secret')}}}\n"], ids=["nothing", "users"]
)
def test_tls_stays_until_the_next_start(pki: Certificates, text: str) -> None:
    with serving(pki.folder, TLS % "") as server, capture_logs() as logs:
        (pki.folder / "web.yml").write_text(text)
        assert status(server, "/-/healthy", trusting(pki)) == 200
        assert refused(server, None)
    assert [it["event"] for it in logs if it["log_level"] == "warning"] == [
        "tls_server_config came or went; that takes effect with the next start"
    ]


def test_a_file_that_became_unusable_leaves_the_users(tmp_path: Path) -> None:
    with serving(tmp_path, USERS) as server, capture_logs() as logs:
        (tmp_path / "web.yml").unlink()
        assert status(server) == 401
        assert status(server, login=("alice", "secret")) == 200
        (tmp_path / "web.yml").write_text("basic_auth_users: {alice: oops}\n")
        assert status(server) == 401
    assert len([it for it in logs if it["log_level"] == "error"]) == 2


def test_users_stay_until_the_next_start_when_the_file_has_none_left(tmp_path: Path) -> None:
    with serving(tmp_path, USERS) as server:
        (tmp_path / "web.yml").write_text("")  # as in the middle of being written
        assert status(server) == 401
        assert status(server, login=("alice", "secret")) == 200
        (tmp_path / "web.yml").write_text(f"basic_auth_users: {{carol: {hashed('third')}}}\n")
        assert status(server, login=("alice", "secret")) == 401
        assert status(server, login=("carol", "third")) == 200


# Peers that do not finish


def test_peers_that_never_begin_or_finish_a_handshake_do_not_stand_in_the_way(pki: Certificates) -> None:
    with serving(pki.folder, TLS % "") as server, ExitStack() as stack:
        for number in range(50):
            peer = stack.enter_context(socket.create_connection(where(server), 10))
            if number % 2:
                peer.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        assert status(server, "/metrics", trusting(pki)) == 200


@pytest.mark.parametrize(
    "sent", [b"", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["says nothing", "stops in its first message"]
)
def test_a_peer_that_never_finishes_its_handshake_is_let_go(
    monkeypatch: pytest.MonkeyPatch, pki: Certificates, sent: bytes
) -> None:
    monkeypatch.setattr(_server, "_FIRST_REQUEST_SECONDS", 0.1)
    with serving(pki.folder, TLS % "") as server, socket.create_connection(where(server), 10) as peer:
        peer.sendall(sent)
        with suppress(ConnectionResetError):
            while peer.recv(10_000):  # times out, and so fails, when nobody hangs up
                pass


def test_a_peer_that_asks_nothing_after_its_handshake_is_let_go(
    monkeypatch: pytest.MonkeyPatch, pki: Certificates
) -> None:
    monkeypatch.setattr(_server, "_WATCH_SECONDS", 0.02)
    monkeypatch.setattr(_server._GuardedProtocol, "_patience", 0.1)
    with (
        serving(pki.folder, TLS % "") as server,
        socket.create_connection(where(server), 10) as plain,
        trusting(pki).wrap_socket(plain, server_hostname="127.0.0.1") as peer,
        suppress(ConnectionResetError, ssl.SSLEOFError),
    ):
        while peer.recv(10_000):
            pass


def test_it_stops_in_time_with_peers_in_every_state(pki: Certificates) -> None:
    context = trusting(pki)
    with ExitStack() as stack:
        server = stack.enter_context(serving(pki.folder, TLS % ""))
        for sent in (b"", b"\x16\x03\x01\x02\x00\x01\x00"):
            stack.enter_context(socket.create_connection(where(server), 10)).sendall(sent)
        plain = stack.enter_context(socket.create_connection(where(server), 10))
        stack.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))
        kept = connect(server, context)
        stack.callback(kept.close)
        kept.request("HEAD", "/")
        kept.getresponse().read()
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < STOP_LIMIT
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(where(server), 10)


# Users


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/status", "/nope", "/-/ready/", "//-/healthy"])
def test_without_a_user_nothing_is_told(tmp_path: Path, path: str) -> None:
    with serving(tmp_path, USERS) as server:
        response, body = ask(server, path)
        assert response.status == 401
        assert response.getheader("www-authenticate") == 'Basic realm="airbyte-exporter", charset="UTF-8"'
        assert body == b"a user name and a password are needed\n"
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
