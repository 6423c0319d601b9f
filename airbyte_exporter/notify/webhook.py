"""The webhook: our JSON, or what a template makes of it, signed as standardwebhooks.com describes."""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from standardwebhooks import Webhook as Signer

from airbyte_exporter.model import Delivery, Notification
from airbyte_exporter.notify._config import LONG_TEXT, ReceiverConfig, check_address
from airbyte_exporter.notify._examples import examples
from airbyte_exporter.notify._http import Endpoint, Poster, as_json
from airbyte_exporter.notify._receiver import DeliveryError
from airbyte_exporter.notify._template import BodyError, BodyTemplate

__all__ = ["Webhook", "WebhookConfig"]

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # how every such secret begins


_MEDIA_TYPE: Final = re.compile(r"[a-zA-Z0-9!#$&^_.+-]+/([a-zA-Z0-9!#$&^_.+-]+)(;[ -~]*)?")
_JSON: Final = "application/json"


class WebhookConfig(ReceiverConfig):
    """Where a webhook goes, what its body is, and how it is signed."""

    url: SecretStr = Field(description="For `webhook`: its address, `http://` or `https://`.")
    secret: SecretStr | None = Field(
        default=None,
        description="For `webhook`: key of the `webhook-signature` header: `whsec_` followed by base64, "
        "such as `whsec_$(openssl rand -base64 32)`. Without it nothing is signed.",
    )
    content_type: str = Field(
        default=_JSON,
        max_length=127,
        description="For `webhook`: the `content-type` of what `template` makes. If it is JSON, the result "
        "must be, too.",
    )
    template: SecretStr | None = Field(
        default=None,
        json_schema_extra={LONG_TEXT: True},
        description="For `webhook`: a Jinja2 template for the body, in place of the JSON of the exporter. "
        "It may hold a key, and can be in a file.",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        check_address(url.get_secret_value(), info)
        return url

    @field_validator("secret")
    @classmethod
    def _is_a_key(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            _check_secret(secret.get_secret_value())
        return secret

    @field_validator("content_type")
    @classmethod
    def _is_a_media_type(cls, written: str) -> str:
        if not _MEDIA_TYPE.fullmatch(written):
            raise ValueError(
                "must be a media type, such as `application/json` or `text/plain; charset=utf-8`"
            )
        return written

    @field_validator("template")
    @classmethod
    def _can_be_rendered(cls, template: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if template is not None and "content_type" in info.data:
            body = BodyTemplate(template.get_secret_value())
            for what, example in examples():
                try:
                    body.render(example, is_json=_is_json(info.data["content_type"]))
                except BodyError as failure:
                    raise ValueError(f"{failure} (tried with {what})") from None
        return template

    @model_validator(mode="after")
    def _another_type_needs_a_template(self) -> Self:
        if self.template is None and self.content_type != _JSON:
            raise ValueError("content_type goes with a template, and there is none")
        return self

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where it goes."""
        return (self.endpoint(self.url.get_secret_value()),)


class Webhook:
    """A receiver that takes each notification as one JSON POST.

    The body's bytes are the same on every attempt and ``webhook-id`` is the notification's id, so a receiver
    can tell a repetition; ``webhook-timestamp`` is the time of the attempt, which it can check for freshness.

    Args:
        name: The receiver's name.
        config: Address, body and key.
        connect: Builds what sends to an address.
    """

    def __init__(
        self, name: str, config: WebhookConfig, *, connect: Callable[[Endpoint], Poster] = Poster
    ) -> None:
        self._name = name
        self._signer = None if config.secret is None else Signer(config.secret.get_secret_value())
        self._poster = connect(config.endpoints[0])
        self._headers = {**config.plain_headers, "Content-Type": config.content_type}
        self._is_json = _is_json(config.content_type)
        self._template = None if config.template is None else BodyTemplate(config.template.get_secret_value())

    @property
    def name(self) -> str:
        """The name in the configuration, in the outbox and in metrics."""
        return self._name

    def send(self, delivery: Delivery, now: float) -> None:
        """Post the notification, at `now` in epoch seconds by our own clock.

        Raises:
            DeliveryError: The receiver did not take it, or the template makes nothing of it that can be sent.
        """
        notification = delivery.notification
        body = self._body(notification)
        headers = self._headers | {"webhook-id": notification.id, "webhook-timestamp": str(int(now))}
        if self._signer is not None:
            attempted = datetime.fromtimestamp(int(now), UTC)
            headers["webhook-signature"] = self._signer.sign(notification.id, attempted, body.decode())
        self._poster.post(body, headers, now)

    def _body(self, notification: Notification) -> bytes:
        if self._template is None:
            return as_json(notification.body)
        try:
            return self._template.render(notification.body, is_json=self._is_json)
        except BodyError as failure:
            # The same notification makes the same text: to try again would only hold up what comes after.
            raise DeliveryError(
                f"alerts.receivers.{self._name}.template: {failure}", retryable=False
            ) from None

    def close(self) -> None:
        """Give up a delivery that is under way, from any thread; nothing can be sent afterwards."""
        self._poster.close()


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == _JSON or media_type.endswith("+json")


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
