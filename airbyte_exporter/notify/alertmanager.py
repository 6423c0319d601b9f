"""Prometheus Alertmanager: incidents as alerts of its API v2, pushed as state and not as messages.

An alert is what its labels are: pushed again, it goes on; pushed with an end in the past, it is over; not
pushed any more, it ends by itself when the end that it was last given is reached.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator

from airbyte_exporter.model import Connection, Incident, Workspace
from airbyte_exporter.notify._config import ReceiverConfig, check_address, header_safe
from airbyte_exporter.notify._http import Endpoint, Poster, as_json

__all__ = ["Alert", "Alertmanager", "AlertmanagerConfig", "alert_of"]

AHEAD_SECONDS: Final = 240
"""How far ahead of the push the end of an alert is that goes on, as Prometheus does it for its own."""

ALERTS_AT_ONCE: Final = 256
ADDRESSES_LIMIT: Final = 16

_PATH: Final = "/api/v2/alerts"


def _user_name(name: str) -> str:
    if not name or ":" in name or not name.isprintable():
        raise ValueError("must not be empty, nor hold a colon or control characters")
    return name


class AlertmanagerConfig(ReceiverConfig):
    """Where Alertmanagers are, and how they know us."""

    type: str = Field(default="alertmanager", description=ReceiverConfig.model_fields["type"].description)
    urls: tuple[str, ...] = Field(
        min_length=1,
        max_length=ADDRESSES_LIMIT,
        description="For `alertmanager`: its addresses, with the path prefix if it has one. Each is told "
        "everything, as Alertmanagers in a cluster want it. No user name or password in them.",
    )
    username: Annotated[str, AfterValidator(_user_name)] | None = Field(
        default=None, description="For `alertmanager`: user name for HTTP basic authentication."
    )
    password: SecretStr | None = Field(default=None, description="For `alertmanager`: password of that user.")
    token: Annotated[SecretStr, AfterValidator(header_safe)] | None = Field(
        default=None, description="For `alertmanager`: bearer token."
    )

    @field_validator("urls")
    @classmethod
    def _are_addresses(cls, urls: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for url in urls:
            check_address(url, info)
            parts = urlsplit(url)
            if "@" in parts.netloc:
                raise ValueError("must not hold a user name or password: set username and password")
            if parts.query or parts.fragment:
                raise ValueError("must not have a query or fragment")
        if len({_alerts_url(url) for url in urls}) < len(urls):
            raise ValueError("must not name an address twice")
        return urls

    @model_validator(mode="after")
    def _one_way_to_authenticate(self) -> Self:
        if (self.username is None) != (self.password is None):
            missing = "password" if self.password is None else "username"
            raise ValueError(f"username and password go together: {missing} is missing")
        ways = {
            "username with password": self.username,
            "token": self.token,
            "headers.authorization": self.headers.get("authorization"),
        }
        chosen = [way for way, value in ways.items() if value is not None]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} are {len(chosen)} ways to authenticate: set one")
        return self

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where alerts are posted to."""
        return tuple(self.endpoint(_alerts_url(url)) for url in self.urls)

    @property
    def plain_headers(self) -> dict[str, str]:
        """The headers as they are sent, with those that say who we are: secrets."""
        headers = super().plain_headers
        if self.username is not None and self.password is not None:
            pair = f"{self.username}:{self.password.get_secret_value()}".encode()
            headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token.get_secret_value()}"
        return headers


def _alerts_url(url: str) -> str:
    return f"{url.rstrip('/').removesuffix(_PATH)}{_PATH}"


@dataclass(frozen=True, slots=True)
class Alert:
    """An incident as Alertmanager knows it.

    Its `labels` are what it is: two with the same are one alert. `fingerprint` is the incident's, `receivers`
    are the names of those who were told of it. `ends_at` is ``None`` while it goes on.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str | None
    fingerprint: str
    starts_at: int
    ends_at: int | None
    receivers: tuple[str, ...]

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """The labels, fit to be looked up."""
        return tuple(sorted(self.labels.items()))

    def posted(self, now: float) -> dict[str, Any]:
        """Return the alert ready for JSON, pushed at `now` in epoch seconds by our own clock.

        Where Airbyte's clock is ahead of ours, nothing starts or has ended in the future: Alertmanager would
        wait for it. Nor does anything end before it starts, which it refuses.
        """
        starts_at = min(self.starts_at, int(now))
        ends_at = int(now) + AHEAD_SECONDS if self.ends_at is None else min(self.ends_at, int(now))
        posted: dict[str, Any] = {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": _rfc3339(starts_at),
            "endsAt": _rfc3339(max(ends_at, starts_at)),
        }
        if self.generator_url is not None:
            posted["generatorURL"] = self.generator_url
        return posted


def alert_of(
    incident: Incident,
    *,
    summary: str,
    description: str,
    hint: str,
    runbook_url: str,
    instance: str,
    ui_url: str | None,
    connection: Connection | None,
    workspace: Workspace | None,
) -> Alert:
    """Return what an Alertmanager is told of an incident.

    Labels are only what never changes about it; names, which people change, are annotations. What is not
    known is left out.

    Args:
        incident: The incident.
        summary: What it is, in a few words.
        description: What it is, in sentences.
        hint: What to do about it, one thing a line; empty for nothing.
        runbook_url: Where it is written what to do.
        instance: The Airbyte's name.
        ui_url: Where people open that Airbyte.
        connection: The one that it is about, ``None`` for the whole instance or when it is not known.
        workspace: Where that connection is.
    """
    labels = {
        "alertname": incident.rule,
        "severity": incident.severity,
        "instance": instance,
        "connection_id": incident.connection_id,
        "workspace_id": "" if connection is None else connection.workspace_id,
    }
    texts = {"summary": summary, "description": description, "hint": hint}
    annotations = {**texts, "runbook_url": runbook_url}
    if workspace is not None:
        annotations["workspace_name"] = workspace.name
    if connection is not None:
        annotations |= {
            "connection_name": connection.name,
            "source_name": connection.source.name,
            "source_connector": connection.source.connector,
            "destination_name": connection.destination.name,
            "destination_connector": connection.destination.connector,
            "tags": ",".join(sorted(connection.tags)),
        }
    return Alert(
        labels={name: value for name, value in labels.items() if value},
        annotations={name: value for name, value in annotations.items() if value},
        generator_url=None if connection is None else connection.page(ui_url),
        fingerprint=incident.fingerprint,
        starts_at=incident.starts_at,
        ends_at=incident.ends_at,
        receivers=incident.receivers,
    )


class Alertmanager:
    """One address that alerts are pushed to.

    Args:
        endpoint: Where it is.
        headers: What is sent with every request.
        connect: Builds what sends to an address.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        *,
        connect: Callable[[Endpoint], Poster] = Poster,
    ) -> None:
        self.host = endpoint.host
        self._headers = dict(headers)
        self._poster = connect(endpoint)

    def push(self, alerts: Sequence[Alert], now: float) -> None:
        """Post the alerts as they are at `now`, in epoch seconds by our own clock. Again is harmless.

        Without any, an empty list is posted, which finds out whether it works.

        Raises:
            DeliveryError: Not all of them were taken.
        """
        for start in range(0, max(1, len(alerts)), ALERTS_AT_ONCE):
            some = [alert.posted(now) for alert in alerts[start : start + ALERTS_AT_ONCE]]
            self._poster.post(as_json(some), self._headers, now)

    def close(self) -> None:
        """Give up a push that is under way, from any thread; nothing can be sent afterwards."""
        self._poster.close()


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
