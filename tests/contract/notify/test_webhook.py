"""The webhook against a real receiver on loopback: what arrives, and what each answer leads to."""

import base64
import gzip
import json
import logging
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from airbyte_exporter import __version__
from airbyte_exporter.model import Delivery, Notification
from airbyte_exporter.notify import DeliveryError, Endpoint, Webhook, WebhookConfig
from airbyte_exporter.notify._http import Poster
from tests.contract.notify.hooks import Answer, hook, raw, status, trickle
from tests.requirements import require_program

SECRET = "whsec_" + base64.b64encode(b"twenty-four bytes or more").decode()
BODY = {
    "type": "alert.firing",
    "timestamp": "2026-01-31T12:00:00Z",
    "data": {"summary": "Sync failed: Bestellungen → Lager 倉庫", "ends_at": None, "affected": {"count": 1}},
}


def delivery(body: dict[str, Any] | None = None) -> Delivery:
    notification = Notification("msg_abc_1", "abc", "alert.firing", 1_769_860_800, body or BODY)
    return Delivery(1, "webhook", notification, attempt=1, created_at=1_769_860_800.0)


def webhook(url: str, *, secret: str | None = None, read_timeout: float = 5, deadline: float = 5) -> Webhook:
    config = WebhookConfig(url=SecretStr(url), secret=SecretStr(secret) if secret else None)

    def connect(endpoint: Endpoint) -> Poster:
        return Poster(endpoint, connect_timeout=2, read_timeout=read_timeout, deadline=deadline)

    return Webhook("webhook", config, connect=connect)


def failure(
    receiver: Webhook, now: float = 1_769_860_800.0, body: dict[str, Any] | None = None
) -> DeliveryError:
    """Return what sending fails with; it must not tell a secret, at no level of detail."""
    with pytest.raises(DeliveryError) as caught:
        receiver.send(delivery(body), now)
    assert "s3cret" not in f"{caught.value!r} {caught.value}"
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)
    return caught.value


class TestWhatArrives:
    def test_the_body_as_it_is(self) -> None:
        with hook(status(200)) as receiver:
            webhook(receiver.url).send(delivery(), 1_769_860_860.9)
        (request,) = receiver.received
        assert request.line == "POST /hooks/path-s3cret?key=query-s3cret HTTP/1.1"
        assert json.loads(request.body) == BODY
        assert request.body == json.dumps(BODY, ensure_ascii=False, separators=(",", ":")).encode()
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["User-Agent"] == f"airbyte-exporter/{__version__}"
        assert request.headers["webhook-id"] == "msg_abc_1"
        assert request.headers["webhook-timestamp"] == "1769860860"
        assert "webhook-signature" not in request.headers

    def test_a_user_and_password_in_the_address_are_sent_as_basic_auth(self) -> None:
        with hook(status(200)) as receiver:
            webhook(receiver.url).send(delivery(), 0)
        expected = base64.b64encode(b"user-s3cret:pass-s3cret").decode()
        assert receiver.received[0].headers["Authorization"] == f"Basic {expected}"

    def test_the_signature_is_right(self) -> None:
        with hook(status(200)) as receiver:
            webhook(receiver.url, secret=SECRET).send(delivery(), time.time())
        (request,) = receiver.received
        assert Verifier(SECRET).verify(request.body, dict(request.headers.items())) == BODY
        with pytest.raises(WebhookVerificationError):
            Verifier(SECRET).verify(request.body + b" ", dict(request.headers.items()))

    def test_a_retry_is_the_same_but_for_the_time_of_the_attempt(self) -> None:
        with hook(status(500)) as receiver:
            sender = webhook(receiver.url, secret=SECRET)
            failure(sender, now=1_769_860_800.0)
            failure(sender, now=1_769_860_801.0)
        first, second = receiver.received
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
        assert first.headers["webhook-signature"] != second.headers["webhook-signature"]

    def test_what_cannot_be_written_in_utf_8_is_replaced(self) -> None:
        with hook(status(200)) as receiver:
            webhook(receiver.url).send(delivery({"summary": "lone \ud800 surrogate"}), 0)
        assert json.loads(receiver.received[0].body) == {"summary": "lone ? surrogate"}

    def test_cookies_are_not_kept(self) -> None:
        with hook(status(200, {"Set-Cookie": "session=1"})) as receiver:
            sender = webhook(receiver.url)
            sender.send(delivery(), 0)
            sender.send(delivery(), 0)
        assert "Cookie" not in receiver.received[1].headers


class TestHeaders:
    def test_they_are_sent_beside_ours(self) -> None:
        headers = {"Authorization": SecretStr("Bearer token-s3cret"), "x-team": SecretStr("data")}
        with hook(status(500)) as receiver:
            address = f"http://127.0.0.1:{receiver.port}/"
            config = WebhookConfig(url=SecretStr(address), secret=SecretStr(SECRET), headers=headers)
            failure(Webhook("webhook", config))
        (request,) = receiver.received
        assert request.headers["authorization"] == "Bearer token-s3cret"
        assert request.headers["x-team"] == "data"
        assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert request.headers["webhook-id"] == "msg_abc_1"


class TestTemplate:
    def sender(self, url: str, template: str, content_type: str = "application/json") -> Webhook:
        config = WebhookConfig(
            url=SecretStr(url),
            secret=SecretStr(SECRET),
            template=SecretStr(template),
            content_type=content_type,
        )
        return Webhook("chat", config)

    def test_what_it_makes_is_what_is_signed_and_sent(self) -> None:
        template = (
            '{"text": {{ data.summary | tojson }},\n "key": "routing-s3cret", "at": "{{ timestamp }} ü"}'
        )
        with hook(status(200)) as receiver:
            self.sender(receiver.url, template).send(delivery(), time.time())
        (request,) = receiver.received
        data = BODY["data"]
        assert isinstance(data, dict)
        assert Verifier(SECRET).verify(request.body, dict(request.headers.items())) == {
            "text": data["summary"],
            "key": "routing-s3cret",
            "at": "2026-01-31T12:00:00Z ü",
        }

    def test_it_can_be_another_type_of_content(self) -> None:
        with hook(status(200)) as receiver:
            sender = self.sender(receiver.url, "{{ data.summary }}!", "text/plain; charset=utf-8")
            sender.send(delivery(), time.time())
        (request,) = receiver.received
        assert request.headers["content-type"] == "text/plain; charset=utf-8"
        assert request.body.decode() == "Sync failed: Bestellungen → Lager 倉庫!"

    def test_one_that_fails_is_told_and_not_tried_again(self) -> None:
        template = (
            '{"until": {{ (data.ends_at if data.ends_at else "now") | tojson }}, "s": "routing-s3cret"}'
        )
        with hook(status(200)) as receiver:
            error = failure(self.sender(receiver.url, template), body={"data": {}})
        assert receiver.received == []
        assert not error.retryable
        assert str(error) == (
            "alerts.receivers.chat.template: line 1: 'dict object' has no attribute 'ends_at'"
        )


class TestTaken:
    @pytest.mark.parametrize("code", [200, 201, 202, 204])
    def test_every_success(self, code: int) -> None:
        with hook(status(code)) as receiver:
            webhook(receiver.url).send(delivery(), 0)
        assert len(receiver.received) == 1

    def test_whatever_the_answer_says_and_however_long_it_is(self) -> None:
        endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5_000_000
        with hook(raw(endless)) as receiver:
            webhook(receiver.url).send(delivery(), 0)
        assert len(receiver.received) == 1

    def test_an_answer_that_claims_to_be_compressed_is_not_unpacked(self) -> None:
        bomb = gzip.compress(b"0" * 10_000_000)
        with hook(status(200, {"Content-Encoding": "gzip"}, bomb)) as receiver:
            webhook(receiver.url).send(delivery(), 0)
        assert len(receiver.received) == 1

    def test_an_answer_that_breaks_off_after_the_status(self) -> None:
        with hook(raw(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf")) as receiver:
            webhook(receiver.url).send(delivery(), 0)
        assert len(receiver.received) == 1


class TestRefused:
    @pytest.mark.parametrize(
        "code", [400, 401, 403, 404, 405, 408, 409, 415, 422, 425, 429, 500, 502, 503, 504]
    )
    def test_is_tried_again_since_somebody_may_set_the_receiver_right(self, code: int) -> None:
        with hook(status(code)) as receiver:
            error = failure(webhook(receiver.url))
        assert error.retryable
        assert f"127.0.0.1:{receiver.port} answered HTTP {code}" in str(error)
        assert error.retry_after is None

    @pytest.mark.parametrize("code", [410, 413])
    def test_is_final_where_the_same_notification_can_never_be_taken(self, code: int) -> None:
        with hook(status(code)) as receiver:
            assert not failure(webhook(receiver.url)).retryable

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"Retry-After": "17"}, 17.0),
            ({"Retry-After": "0"}, 0.0),
            ({"Retry-After": "Sat, 31 Jan 2026 12:00:30 GMT"}, 30.0),
            ({"Retry-After": "Sat, 31 Jan 2026 13:00:30 GMT", "Date": "Sat, 31 Jan 2026 13:00:00 GMT"}, 30.0),
            ({"Retry-After": "Sat, 31 Jan 2026 11:00:00 GMT"}, 0.0),
            ({"Retry-After": "soon"}, None),
            ({"Retry-After": "-5"}, None),
            ({"Retry-After": "Sat, 99 Jan 2026 12:00:30 GMT"}, None),
        ],
    )
    def test_retry_after_is_passed_on(self, headers: dict[str, str], seconds: float | None) -> None:
        with hook(status(429, headers)) as receiver:
            assert failure(webhook(receiver.url), now=1_769_860_800.0).retry_after == seconds


class TestNoAnswer:
    def assert_fails(
        self, answer: Answer, text: str, *, read_timeout: float = 5, deadline: float = 5
    ) -> None:
        with hook(answer) as receiver:
            error = failure(webhook(receiver.url, read_timeout=read_timeout, deadline=deadline))
        assert error.retryable
        assert text in str(error)

    @pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b""])
    def test_a_trickle_is_cut_at_the_deadline(self, head: bytes) -> None:
        started = time.monotonic()
        self.assert_fails(trickle(head), "no complete answer within 0.2 s", read_timeout=5, deadline=0.2)
        assert time.monotonic() - started < 3

    def test_a_name_that_does_not_exist(self) -> None:
        error = failure(webhook("https://receiver.invalid/path-s3cret"))
        assert error.retryable
        assert str(error) == "receiver.invalid: its name cannot be resolved"

    def test_tls_to_a_receiver_that_does_not_speak_it(self) -> None:
        with hook(status(200)) as receiver:
            error = failure(webhook(f"https://127.0.0.1:{receiver.port}/path-s3cret"))
        assert error.retryable
        assert "no trusted TLS connection" in str(error)


class TestTls:
    @pytest.fixture(name="certificate")
    def own_certificate(self, tmp_path: Path) -> Path:
        """A certificate for 127.0.0.1 that nobody has signed, with its key in the same file."""
        file = tmp_path / "own.pem"
        subprocess.run(
            [
                *(require_program("openssl"), "req", "-x509", "-newkey", "ec"),
                *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
                *("-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(file), "-out", str(tmp_path / "certificate.pem")),
            ],
            check=True,
            capture_output=True,
        )
        file.write_bytes(file.read_bytes() + (tmp_path / "certificate.pem").read_bytes())
        return file

    def server(self, certificate: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        return context

    def test_a_trusted_receiver_gets_it(self, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
        with hook(status(200), self.server(certificate)) as receiver:
            webhook(receiver.url, secret=SECRET).send(delivery(), time.time())
        (request,) = receiver.received
        assert Verifier(SECRET).verify(request.body, dict(request.headers.items())) == BODY

    def test_a_trickle_is_cut_at_the_deadline(
        self, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
        with hook(trickle(b"HTTP/1.1 200 OK\r\nX-Slow: "), self.server(certificate)) as receiver:
            error = failure(webhook(receiver.url, deadline=0.3))
        assert "no complete answer within 0.3 s" in str(error)

    def test_a_handshake_that_never_ends_is_cut_at_the_deadline(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            error = failure(webhook(f"https://127.0.0.1:{mute.getsockname()[1]}/path-s3cret", deadline=0.2))
        assert "no complete answer within 0.2 s" in str(error)


def test_after_a_failure_the_next_delivery_works() -> None:
    answers: list[Answer] = [raw(b"garbage"), status(503), status(200)]

    def next_answer(line: socket.socket) -> None:
        answers.pop(0)(line)

    with hook(next_answer) as receiver:
        sender = webhook(receiver.url)
        failure(sender)
        failure(sender)
        sender.send(delivery(), 0)
    assert len(receiver.received) == 3


def test_our_own_logs_never_tell_the_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="airbyte_exporter")
    with hook(status(500)) as receiver:
        failure(webhook(receiver.url, secret=SECRET))
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("airbyte_exporter")]
    assert "s3cret" not in " ".join(ours)


class TestConfig:
    @pytest.mark.parametrize(
        "url",
        [
            "http://localhost:9000",
            "https://hooks.example.com/services/T000/B000/x",
            "https://user:pass@10.0.0.7:8443/",
            "http://[::1]:8080/",
        ],
    )
    def test_accepts(self, url: str) -> None:
        assert WebhookConfig(url=SecretStr(url)).url.get_secret_value() == url

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("hooks.example.com/s3cret", "begins with http:// or https://"),
            ("ftp://hooks.example.com/s3cret", "begins with http:// or https://"),
            ("https:///s3cret", "names a host"),
            ("https://host:99999/s3cret", "is not a URL"),
            ("https://[half/s3cret", "is not a URL"),
            ("http://169.254.169.254/s3cret", "metadata"),
            ("http://[fe80::1%25eth0]/s3cret", "metadata"),
            ("http://[fd00:ec2::254]/s3cret", "metadata"),
            ("http://[::ffff:169.254.169.254]/s3cret", "metadata"),
        ],
    )
    def test_refuses_an_address(self, url: str, problem: str) -> None:
        with pytest.raises(ValidationError) as caught:
            WebhookConfig(url=SecretStr(url))
        assert problem in str(caught.value)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize(
        "secret",
        [
            "s3cret",
            "whsec_",
            "whsec_s3cret!!",
            "whsec_czNjcmV0!!!!",
            "whsec_====",
            "c2VjcmV0LXdpdGhvdXQtcHJlZml4",
            "whsec_s3cre",
        ],
    )
    def test_refuses_a_malformed_secret(self, secret: str) -> None:
        with pytest.raises(ValidationError) as caught:
            WebhookConfig(url=SecretStr("http://localhost"), secret=SecretStr(secret))
        assert "must be `whsec_` followed by base64" in str(caught.value)
        assert secret.removeprefix("whsec_") in {"", "===="} or secret not in str(caught.value)

    def test_accepts_a_secret_without_padding(self) -> None:
        unpadded = "whsec_" + base64.b64encode(b"some key of 25 characters").decode().rstrip("=")
        with hook(status(200)) as receiver:
            webhook(receiver.url, secret=unpadded).send(delivery(), time.time())
        request = receiver.received[0]
        assert Verifier(unpadded).verify(request.body, dict(request.headers.items())) == json.loads(
            request.body
        )
