"""What holds for a receiver of every kind, against real sockets: limits on all, and no word of a secret."""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from airbyte_exporter.model import Delivery, Notification
from airbyte_exporter.notify import (
    Alert,
    Alertmanager,
    AlertmanagerConfig,
    DeliveryError,
    Endpoint,
    ReceiverConfig,
    Webhook,
    WebhookConfig,
)
from airbyte_exporter.notify._http import Poster
from tests.certificates import Certificates
from tests.contract.notify.hooks import Answer, Hook, hook, raw, status, trickle

NOW = 1_769_860_800.0
BODY = {"type": "alert.firing", "timestamp": "2026-01-31T12:00:00Z", "data": {"summary": "Sync failed: 倉庫"}}
DELIVERY = Delivery(1, "it", Notification("msg_1", "abc", "alert.firing", int(NOW), BODY), 1, NOW)
ALERT = Alert(
    {"alertname": "SyncFailed"}, {"summary": "Sync failed: 倉庫"}, None, "abc", int(NOW), None, ("it",)
)
TEMPLATE = '{"text": {{ (data.summary ~ " key-s3cret") | tojson }}}'


@dataclass(frozen=True)
class Kind:
    """A kind of receiver: how it is configured, and how it is told something."""

    name: str
    config: Callable[..., ReceiverConfig]
    send: Callable[[Any, "Connect"], tuple[Callable[[], None], Callable[[], None]]]


Connect = Callable[[Endpoint], Poster]


def _webhook(config: WebhookConfig, connect: Connect) -> tuple[Callable[[], None], Callable[[], None]]:
    receiver = Webhook("it", config, connect=connect)
    return lambda: receiver.send(DELIVERY, NOW), receiver.close


def _alertmanager(
    config: AlertmanagerConfig, connect: Connect
) -> tuple[Callable[[], None], Callable[[], None]]:
    receiver = Alertmanager(config.endpoints[0], config.plain_headers, connect=connect)
    return lambda: receiver.push([ALERT], NOW), receiver.close


KINDS = [
    Kind("webhook", lambda url, **more: WebhookConfig(url=SecretStr(url), **more), _webhook),
    Kind(
        "webhook with a template",
        lambda url, **more: WebhookConfig(url=SecretStr(url), template=SecretStr(TEMPLATE), **more),
        _webhook,
    ),
    Kind("alertmanager", lambda url, **more: AlertmanagerConfig(urls=(url,), **more), _alertmanager),
]


@pytest.fixture(name="kind", params=KINDS, ids=lambda kind: kind.name)
def every_kind(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


def connecting(*, read_timeout: float = 5, deadline: float = 5) -> Connect:
    return lambda endpoint: Poster(endpoint, connect_timeout=2, read_timeout=read_timeout, deadline=deadline)


def address(receiver: Hook) -> str:
    return f"{receiver.scheme}://127.0.0.1:{receiver.port}/path-s3cret"


def sender(kind: Kind, url: str, connect: Connect | None = None, **more: Any) -> Callable[[], None]:  # noqa: ANN401
    headers = {"x-api-key": SecretStr("header-s3cret")}
    config = kind.config(url, headers=headers, **more)
    return kind.send(config, connect or connecting())[0]


def failure(send: Callable[[], None]) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        send()
    assert "s3cret" not in f"{caught.value!r} {caught.value}"
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)
    return caught.value


def test_it_arrives_with_the_configured_headers(kind: Kind) -> None:
    with hook(status(200)) as receiver:
        sender(kind, address(receiver))()
    (request,) = receiver.received
    assert request.line.startswith("POST /path-s3cret")
    assert request.headers["x-api-key"] == "header-s3cret"
    assert request.headers["content-type"] == "application/json"
    assert request.headers.get_all("content-type") == ["application/json"]
    assert "倉庫".encode() in request.body or b"\\u5009\\u5eab" in request.body


@pytest.mark.parametrize("code", [400, 401, 403, 404, 429, 500, 503])
def test_a_refusal_is_tried_again(kind: Kind, code: int) -> None:
    with hook(status(code, body=b"s3cret " * 100)) as receiver:
        error = failure(sender(kind, address(receiver)))
    assert (error.retryable, error.retry_after) == (True, None)
    assert str(error).startswith(f"127.0.0.1:{receiver.port} answered HTTP {code}")


def test_retry_after_is_passed_on(kind: Kind) -> None:
    with hook(status(429, {"Retry-After": "17"})) as receiver:
        assert failure(sender(kind, address(receiver))).retry_after == 17.0


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(kind: Kind, code: int) -> None:
    with hook(status(200)) as elsewhere, hook(status(code, {"Location": elsewhere.url})) as receiver:
        error = failure(sender(kind, address(receiver)))
    assert "redirects are not followed" in str(error)
    assert elsewhere.received == []


def test_silence_ends(kind: Kind) -> None:
    def silent(line: socket.socket) -> None:
        line.recv(1)

    with hook(silent) as receiver:
        error = failure(sender(kind, address(receiver), connecting(read_timeout=0.1)))
    assert str(error) == f"127.0.0.1:{receiver.port}: no answer in time"


def test_a_trickle_ends(kind: Kind) -> None:
    started = time.monotonic()
    with hook(trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ")) as receiver:
        error = failure(sender(kind, address(receiver), connecting(deadline=0.2)))
    assert "no complete answer within 0.2 s" in str(error)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "answer",
    [
        raw(b""),
        raw(b"\x00\xff\x16\x03\r\n\r\n"),
        raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        raw(b"HTTP/1.1 abc\r\n\r\n"),
    ],
    ids=["closed", "binary", "another protocol", "no status"],
)
def test_garbage_is_no_answer(kind: Kind, answer: Answer) -> None:
    with hook(answer) as receiver:
        error = failure(sender(kind, address(receiver)))
    assert "the connection broke before an answer that can be read" in str(error)


def test_a_huge_answer_is_not_read(kind: Kind) -> None:
    sent = 0

    def endless(line: socket.socket) -> None:
        nonlocal sent
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(1000):
            line.sendall(b"x" * 100_000)
            sent += 100_000

    with hook(endless) as receiver:
        sender(kind, address(receiver))()
    assert sent < 50_000_000, "who sends more finds that nobody listens"


def test_endless_headers_are_no_answer(kind: Kind) -> None:
    with hook(raw(b"HTTP/1.1 200 OK\r\n" + b"X-More: of it\r\n" * 10_000)) as receiver:
        error = failure(sender(kind, address(receiver)))
    assert error.retryable


def test_nobody_there(kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = failure(sender(kind, f"http://127.0.0.1:{port}/path-s3cret"))
    assert (error.retryable, str(error)) == (True, f"127.0.0.1:{port}: cannot connect: Connection refused")


def test_a_name_that_leads_to_a_metadata_address(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with DNS rebinding: the name is harmless, the address that answers is not."""
    monkeypatch.setattr(
        "airbyte_exporter.notify._http._METADATA_ADDRESSES", frozenset({ipaddress.ip_address("127.0.0.1")})
    )
    with hook(status(200)) as receiver:
        url = f"http://localhost:{receiver.port}/path-s3cret"
        assert "metadata address" in str(failure(sender(kind, url)))
        assert receiver.received == []
        sender(kind, url, allow_link_local=True)()
        assert len(receiver.received) == 1


def test_the_environment_has_no_say(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with hook(status(200)) as receiver:
        sender(kind, address(receiver))()
    assert len(receiver.received) == 1


def test_a_certificate_is_verified_by_the_authorities_of_this_receiver(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Certificates(tmp_path)
    made.make("right", "IP:127.0.0.1")
    made.make("wrong", "DNS:elsewhere.test")
    right, wrong = made.cert("right"), made.cert("wrong")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(right))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(right, made.key("right"))
    with hook(status(200), context) as receiver:
        assert "no trusted TLS connection" in str(failure(sender(kind, address(receiver))))
        failure(sender(kind, address(receiver), ca_file=str(wrong)))
        assert receiver.received == []
        sender(kind, address(receiver), ca_file=str(right))()
        assert len(receiver.received) == 1


def test_stopping_cuts_what_is_under_way(kind: Kind) -> None:
    waiting = threading.Event()

    def silent(line: socket.socket) -> None:
        waiting.set()
        line.recv(1)

    with hook(silent) as receiver:
        send, close = kind.send(kind.config(address(receiver)), connecting(read_timeout=30, deadline=30))
        stopper = threading.Thread(target=lambda: (waiting.wait(10), close()))
        stopper.start()
        assert "the exporter is stopping" in str(failure(send))
        stopper.join()
        assert "the exporter is stopping" in str(failure(send))
