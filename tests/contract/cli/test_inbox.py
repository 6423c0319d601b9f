"""The demo's webhook receiver takes what is signed, and nothing else."""

import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from standardwebhooks import Webhook

from airbyte_exporter.cli._inbox import Inbox

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"
OTHER_SECRET = "whsec_b3RoZXJvdGhlcm90aGVyb3Ro"


@pytest.fixture
def received() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def inbox(received: list[dict[str, Any]]) -> Iterator[Inbox]:
    inbox = Inbox(SECRET, received.append)
    inbox.start()
    yield inbox
    inbox.stop()


def post(inbox: Inbox, body: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(urlsplit(inbox.url).netloc, timeout=10)
    try:
        connection.request("POST", "/", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def signed(body: str, secret: str) -> dict[str, str]:
    now = datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", now, body)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


def test_a_signed_message_is_taken(inbox: Inbox, received: list[dict[str, Any]]) -> None:
    body = json.dumps({"type": "alert.firing"})
    assert post(inbox, body, signed(body, SECRET)) == 204
    assert received == [{"type": "alert.firing"}]


def test_what_is_not_signed_rightly_is_refused(inbox: Inbox, received: list[dict[str, Any]]) -> None:
    body = json.dumps({"type": "alert.firing"})
    assert post(inbox, body, {}) == 401
    assert post(inbox, body, signed(body, OTHER_SECRET)) == 401
    assert post(inbox, body + " ", signed(body, SECRET)) == 401
    assert received == []
