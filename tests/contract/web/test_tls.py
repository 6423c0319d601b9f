"""TLS as the web configuration file asks for it, on real sockets."""

import socket
import ssl
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from airbyte_exporter.web import _limits
from tests.certificates import Certificates
from tests.contract.web.clients import (
    MESSAGE,
    MUTUAL,
    STOP_LIMIT,
    TLS,
    USERS,
    ask,
    connect,
    hashed,
    is_let_go,
    refused,
    serving,
    status,
    trusting,
    where,
)


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


def test_a_certificate_that_comes_after_its_name_needs_no_touch_of_the_file(pki: Certificates) -> None:
    web = pki.folder / "web.yml"
    with serving(pki.folder, TLS % "") as server:
        with capture_logs() as logs:
            web.write_text(web.read_text(encoding="utf-8").replace("server.", "late."), encoding="utf-8")
            for _ in range(3):
                assert status(server, "/metrics", trusting(pki)) == 200
            (told,) = [entry for entry in logs if entry["log_level"] == "error"]
            assert "cannot read" in told["reason"]
            pki.make("late", "IP:127.0.0.1")
            assert refused(server, trusting(pki))
        assert status(server, "/metrics", trusting(pki, "late")) == 200
        assert len([entry for entry in logs if entry["log_level"] == "error"]) == 1


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
    monkeypatch.setattr(_limits, "FIRST_REQUEST_SECONDS", 0.1)
    with serving(pki.folder, TLS % "") as server, socket.create_connection(where(server), 10) as peer:
        peer.sendall(sent)
        assert is_let_go(peer)


def test_a_peer_that_asks_nothing_after_its_handshake_is_let_go(
    monkeypatch: pytest.MonkeyPatch, pki: Certificates
) -> None:
    monkeypatch.setattr(_limits, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(_limits.GuardedProtocol, "_patience", 0.1)
    with (
        serving(pki.folder, TLS % "") as server,
        socket.create_connection(where(server), 10) as plain,
        trusting(pki).wrap_socket(plain, server_hostname="127.0.0.1") as peer,
    ):
        assert is_let_go(peer)


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
