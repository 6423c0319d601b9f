"""What can be set about every receiver that is reached over HTTP."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from airbyte_exporter.notify._http import Endpoint, check_ca_file, check_url

__all__ = ["LONG_TEXT", "ReceiverConfig", "check_address", "header_safe"]

LONG_TEXT: Final = "long_text"
"""Marks a secret whose file may have more than one line."""

HEADERS_LIMIT: Final = 32
HEADER_LENGTH_LIMIT: Final = 4096

_HEADER_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")
_OURS: Final = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer"),
        *("upgrade", "expect", "proxy-connection", "proxy-authorization", "content-encoding"),
        *("user-agent", "accept", "accept-encoding"),
    }
)
"""Headers that the exporter sets itself, or that decide how the request is read."""

_OURS_TO_SIGN: Final = "webhook-"


def _header_name(name: str) -> str:
    """Return a header's name in lower case; HTTP does not tell them apart."""
    name = name.lower()
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("a header's name here consists of a-z, 0-9 and -, at most 64 of them")
    if name in _OURS or name.startswith(_OURS_TO_SIGN):
        raise ValueError("this header is the exporter's own and cannot be set")
    if name == "content-type":
        raise ValueError("set content_type instead, which goes with a template")
    return name


def header_safe(value: SecretStr) -> SecretStr:
    """Return a header's value if it can be one.

    Raises:
        ValueError: It cannot; the message does not repeat it.
    """
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable() and text.strip() == text):
        raise ValueError("must consist of printable ASCII characters, with no space at either end")
    if not 0 < len(text) <= HEADER_LENGTH_LIMIT:
        raise ValueError(f"must have 1 to {HEADER_LENGTH_LIMIT} characters")
    return value


Headers = Mapping[
    Annotated[str, AfterValidator(_header_name)], Annotated[SecretStr, AfterValidator(header_safe)]
]


class ReceiverConfig(BaseModel, ABC):
    """How a receiver is reached, whatever its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    type: str = Field(default="webhook", description="The kind of receiver: `webhook` or `alertmanager`.")
    headers: Headers = Field(
        default_factory=dict,
        description="A header that is sent with every request, such as `authorization`. In the environment "
        "`_` stands for the `-` in its name. Those that the exporter sets itself cannot be set.",
    )
    ca_file: str | None = Field(
        default=None,
        min_length=1,
        description="PEM file with the certificate authorities to trust. Default: the well-known ones.",
    )
    allow_link_local: bool = Field(
        default=False,
        description="Whether its address may be a link-local or cloud metadata one (`169.254.0.0/16`, "
        "`fe80::/10`). Nothing is sent to those otherwise, whatever its name leads to.",
    )

    @field_validator("type")
    @classmethod
    def _is_known(cls, kind: str) -> str:
        if kind != cls.model_fields["type"].default:
            raise PydanticCustomError("receiver_type", "must be `webhook` or `alertmanager`")
        return kind

    @field_validator("headers")
    @classmethod
    def _not_too_many(cls, headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        if len(headers) > HEADERS_LIMIT:
            raise ValueError(f"headers may be at most {HEADERS_LIMIT}")
        return headers

    @field_validator("ca_file")
    @classmethod
    def _holds_certificates(cls, path: str | None) -> str | None:
        if path is not None:
            check_ca_file(path)
        return path

    @property
    def plain_headers(self) -> dict[str, str]:
        """The headers as they are sent: secrets."""
        return {name: value.get_secret_value() for name, value in self.headers.items()}

    @property
    @abstractmethod
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where the receiver is."""

    def endpoint(self, url: str) -> Endpoint:
        """Return where `url` is, trusted as is configured."""
        return Endpoint(url, self.ca_file, self.allow_link_local)


def check_address(url: str, info: ValidationInfo) -> None:
    """Check the address of a receiver by what else is set.

    Raises:
        ValueError: It cannot be one.
    """
    check_url(url, allow_link_local=bool(info.data.get("allow_link_local")))
    if "authorization" in info.data.get("headers", {}) and "@" in url.split("://", 1)[1].split("/", 1)[0]:
        raise ValueError("must not name a user: headers.authorization says already who is calling")
