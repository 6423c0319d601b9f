"""Which Airbyte to watch and how to reach it."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from airbyte_exporter.durations import PositiveDuration

__all__ = ["AirbyteConfig", "ApiChoice", "AuthKind"]

ApiChoice = Literal["auto", "config", "public"]
AuthKind = Literal["none", "basic", "bearer", "client-credentials"]

_API_ROOT = "/api/v1"
_PUBLIC_API_ROOT = "/api/public/v1"
_CLOUD = "https://api.airbyte.com/v1"
_CLOUD_UI = "https://cloud.airbyte.com"
_KNOWN_ENDINGS = ("/api/public/v1", "/api/v1", "/api/public", "/api")
_CLOUD_HOSTS = {"api.airbyte.com", "cloud.airbyte.com"}
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
_BROKEN_SCHEME = re.compile(r"https?(:(?!\d)/?(?!/)|//)", re.IGNORECASE)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def _split(value: str, *, schemes: tuple[str, ...] = ("http", "https")) -> SplitResult:
    """Take an absolute URL apart. Messages never repeat the value, which may hold a secret."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("is not a valid URL: its host or port cannot be read") from None
    if parts.scheme not in schemes:
        raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not parts.hostname or port == 0 or re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError("is not a valid URL: it names no host that could be reached")
    return parts


def _without_secrets(value: str) -> SplitResult:
    parts = _split(value)
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "must not hold a user name or password; set airbyte.username and airbyte.password, "
            "or airbyte.client_id and airbyte.client_secret"
        )
    if parts.query or parts.fragment:
        raise ValueError("must not have a query or a fragment (the part from ? or # on)")
    return parts


def _with_scheme(value: str) -> str:
    """Complete an address without a scheme: ``https`` if the host has a dot and no port, else ``http``."""
    if _SCHEME.match(value):
        return value
    host = value.split("/", 1)[0]
    scheme = "https" if "." in host and ":" not in host else "http"
    return f"{scheme}://{value}"


def _api_url(value: str) -> str:
    """Turn what people write as Airbyte's address into the root of its Config API.

    Airbyte Cloud has one address, that of its public API, whatever page of it is named.

    Raises:
        ValueError: The address is not usable.
    """
    value = value.strip()
    if value[:1] in {'"', "'"}:
        raise ValueError("has quotes around it, which are not part of an address: leave them away")
    if _BROKEN_SCHEME.match(value):
        raise ValueError("must start with http:// or https://, with two slashes")
    parts = _without_secrets(_with_scheme(value))
    if parts.hostname in _CLOUD_HOSTS:
        return _CLOUD
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    ending = next((known for known in _KNOWN_ENDINGS if path.endswith(known)), "")
    return f"{parts.scheme}://{parts.netloc.lower()}{path.removesuffix(ending)}{_API_ROOT}"


def _ui_url(value: str) -> str:
    parts = _without_secrets(value.strip())
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _workspace_ids(values: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(str(UUID(value.strip())) for value in values))
    except ValueError:
        raise ValueError("must be workspace ids (UUIDs, as in the address of the workspace's page)") from None


def _header_safe(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    text = text.removeprefix("Bearer ").strip()
    if not _HEADER_SAFE.fullmatch(text):
        raise ValueError("must be one word of printable ASCII characters")
    return SecretStr(text)


def _user_name(value: str) -> str:
    # RFC 7617, section 2: the first colon ends the user name.
    if not value or ":" in value or not value.isprintable():
        raise ValueError("must be a user name: printable, not empty, and without a colon")
    return value


def _filled(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().strip():
        raise ValueError("must not be empty")
    return SecretStr(value.get_secret_value().strip())


def _proxy(value: SecretStr) -> SecretStr:
    _split(value.get_secret_value().strip())
    return SecretStr(value.get_secret_value().strip())


class AirbyteConfig(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True):
    """Which Airbyte to watch and how to reach it."""

    name: str | None = Field(
        default=None,
        min_length=1,
        description="Name of this Airbyte in alerts and on the page. Default: the host of `airbyte.url`.",
    )
    url: Annotated[str, AfterValidator(_api_url)] = Field(
        default="http://localhost:8001/api/v1",
        description=(
            "Address of Airbyte: a host, `host:port` or a URL, with or without `/api/v1` or "
            "`/api/public/v1`; for Airbyte Cloud `https://api.airbyte.com/v1`. "
            "Without a scheme it is `https` if the host has a dot and no port, else `http`. "
            "No user name or password in it."
        ),
    )
    api: ApiChoice = Field(
        default="auto",
        description=(
            "Which of Airbyte's APIs to speak. `auto` takes what answers at `airbyte.url`: the Config API or "
            "its short reference form, or else the public API, as for Airbyte Cloud. `config` insists on the "
            "Config API itself, so that another program behind the address is an error; `public` on the "
            "public API, which tells neither attempts nor why a job failed."
        ),
    )
    username: Annotated[str, AfterValidator(_user_name)] | None = Field(
        default=None,
        description=(
            "User name for the proxy before Airbyte (HTTP basic authentication), as in Docker installations."
        ),
    )
    password: SecretStr | None = Field(default=None, description="Password of that user.")
    token: Annotated[SecretStr, AfterValidator(_header_safe)] | None = Field(
        default=None,
        description="Static bearer token. Airbyte's own ones live for minutes: prefer client credentials.",
    )
    client_id: Annotated[SecretStr, AfterValidator(_filled)] | None = Field(
        default=None,
        description="Client id of an Airbyte application; `abctl local credentials` prints one.",
    )
    client_secret: Annotated[SecretStr, AfterValidator(_filled)] | None = Field(
        default=None, description="Client secret of that application."
    )
    workspace_ids: Annotated[tuple[str, ...], AfterValidator(_workspace_ids)] = Field(
        default=(), description="Watch only these workspaces. Default: every visible one."
    )
    ui_url: Annotated[str, AfterValidator(_ui_url)] | None = Field(
        default=None,
        description="Address of Airbyte's user interface for links. Default: derived from `airbyte.url`.",
    )
    timeout: PositiveDuration = Field(
        default=30.0,
        le=3600,
        description=(
            "Longest wait for a connection or for more of an answer. "
            "A call with all its retries ends after three of them."
        ),
    )
    ca_file: str | None = Field(
        default=None,
        min_length=1,
        description="PEM file with the certificate authorities to trust. Default: the system's.",
    )
    client_cert_file: str | None = Field(
        default=None, min_length=1, description="PEM file with a client certificate to present."
    )
    client_key_file: str | None = Field(
        default=None, min_length=1, description="PEM file with its key, if it is not in `client_cert_file`."
    )
    insecure_skip_verify: bool = Field(
        default=False, description="Accept any TLS certificate. Whoever sits in between can read everything."
    )
    proxy: Annotated[SecretStr, AfterValidator(_proxy)] | None = Field(
        default=None,
        description=(
            "HTTP proxy to reach Airbyte through, with credentials if it wants some. "
            "The environment's proxy variables are not used."
        ),
    )
    max_concurrency: int = Field(
        default=4, ge=1, le=64, description="Have no more requests under way at the same time than this."
    )
    requests_per_second: float | None = Field(
        default=None,
        ge=0.001,
        allow_inf_nan=False,
        description="Send no more requests than this. Default: no limit.",
    )

    @model_validator(mode="after")
    def _one_way_to_authenticate(self) -> Self:
        for first, second in (("client_id", "client_secret"), ("username", "password")):
            missing = [name for name in (first, second) if getattr(self, name) is None]
            if len(missing) == 1:
                raise ValueError(f"{first} and {second} go together: {missing[0]} is missing")
        ways = {
            "token": self.token,
            "client_id with client_secret": self.client_id,
            "username with password": self.username,
        }
        chosen = [way for way, value in ways.items() if value is not None]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} are {len(chosen)} ways to authenticate: set one")
        if self.client_key_file is not None and self.client_cert_file is None:
            raise ValueError("client_key_file needs client_cert_file")
        return self

    @model_validator(mode="after")
    def _cloud_is_public(self) -> Self:
        if self.is_cloud and self.api == "config":
            raise ValueError("api is config, but url names Airbyte Cloud: only its public API is supported")
        return self

    @property
    def is_cloud(self) -> bool:
        """Whether this is Airbyte Cloud."""
        return self.url == _CLOUD

    @property
    def only_public(self) -> bool:
        """Whether nothing but the public API is to be used."""
        return self.is_cloud or self.api == "public"

    @property
    def public_url(self) -> str:
        """Root of the public API."""
        return self.url if self.is_cloud else self.url.removesuffix(_API_ROOT) + _PUBLIC_API_ROOT

    @property
    def address(self) -> str:
        """Root of the API that is read first: what messages say."""
        return self.public_url if self.only_public else self.url

    @property
    def auth(self) -> AuthKind:
        """How we authenticate, whichever is set."""
        if self.username is not None:
            return "basic"
        if self.token is not None:
            return "bearer"
        return "none" if self.client_id is None else "client-credentials"

    @property
    def host(self) -> str:
        """Host, and port where one is written, of `url`: what messages say."""
        return urlsplit(self.url).netloc

    @property
    def instance_name(self) -> str:
        """`name`, or the host of `url`."""
        return self.name or urlsplit(self.url).hostname or self.host

    @property
    def base_ui_url(self) -> str:
        """Root of Airbyte's user interface, without a slash at its end."""
        if self.ui_url is None and self.is_cloud:
            return _CLOUD_UI
        return self.ui_url or self.url.removesuffix(_API_ROOT)
