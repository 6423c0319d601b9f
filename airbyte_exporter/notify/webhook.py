"""The webhook: our own JSON, signed as Standard Webhooks describes (standardwebhooks.com)."""

import base64
import binascii
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from standardwebhooks import Webhook as Signer

from airbyte_exporter.model import Delivery
from airbyte_exporter.notify._http import Poster, check_url

__all__ = ["Webhook", "WebhookConfig"]

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # how every such secret begins


class WebhookConfig(BaseModel):
    """Where a webhook goes, and how it is signed."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    type: Literal["webhook"] = Field(default="webhook", description="The kind of receiver: `webhook`.")
    url: SecretStr = Field(description="The receiver's address, `http://` or `https://`.")
    secret: SecretStr | None = Field(
        default=None,
        description="Key of the `webhook-signature` header: `whsec_` followed by base64, such as "
        "`whsec_$(openssl rand -base64 32)`. Without it nothing is signed.",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr) -> SecretStr:
        check_url(url.get_secret_value())
        return url

    @field_validator("secret")
    @classmethod
    def _is_a_key(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            _check_secret(secret.get_secret_value())
        return secret


class Webhook:
    """A receiver that takes each notification as one JSON POST.

    The body's bytes are the same on every attempt and ``webhook-id`` is the notification's id, so a receiver
    can tell a repetition; ``webhook-timestamp`` is the time of the attempt, which it can check for freshness.

    Args:
        name: The receiver's name.
        config: Address and key.
        connect: Builds what sends to an address.
    """

    def __init__(
        self, name: str, config: WebhookConfig, *, connect: Callable[[str], Poster] = Poster
    ) -> None:
        self._name = name
        self._signer = None if config.secret is None else Signer(config.secret.get_secret_value())
        self._poster = connect(config.url.get_secret_value())

    @property
    def name(self) -> str:
        """The name in the configuration, in the outbox and in metrics."""
        return self._name

    def send(self, delivery: Delivery, now: float) -> None:
        """Post the notification, at `now` in epoch seconds by our own clock.

        Raises:
            DeliveryError: The receiver did not take it.
        """
        notification = delivery.notification
        # A lone surrogate is legal in JSON, but not in UTF-8.
        text = json.dumps(notification.body, ensure_ascii=False, separators=(",", ":"), default=dict)
        text = text.encode("utf-8", "replace").decode()
        headers = {"webhook-id": notification.id, "webhook-timestamp": str(int(now))}
        if self._signer is not None:
            attempted = datetime.fromtimestamp(int(now), UTC)
            headers["webhook-signature"] = self._signer.sign(notification.id, attempted, text)
        self._poster.post(text.encode(), headers, now)

    def close(self) -> None:
        """Give up a delivery that is under way, from any thread; nothing can be sent afterwards."""
        self._poster.close()


def _check_secret(secret: str) -> None:
    """Refuse what is not ``whsec_`` and base64; the signing library takes anything and signs with noise."""
    problem = "must be `whsec_` followed by base64, such as the output of `openssl rand -base64 32`"
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(problem)
    key = secret.removeprefix(SECRET_PREFIX)
    try:
        decoded = base64.b64decode(key + "=" * (-len(key) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(problem) from None
    if not decoded:
        raise ValueError(problem)
