"""What can be set: the options, composed from the models declared beside their readers."""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, UnionType
from typing import Annotated, Final, NamedTuple, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from airbyte_exporter.airbyte import AirbyteConfig
from airbyte_exporter.alerts import AlertsConfig
from airbyte_exporter.durations import format_duration, parse_duration
from airbyte_exporter.logs import LogConfig
from airbyte_exporter.notify import WebhookConfig
from airbyte_exporter.poller import PollConfig
from airbyte_exporter.store import StoreConfig
from airbyte_exporter.web import WebConfig

ENVIRONMENT_PREFIX: Final = "AIRBYTE_EXPORTER_"
FILE_SUFFIX: Final = "_file"
MASK: Final = "**********"
DEFAULT: Final = "default"


def _check_webhook_url(url: SecretStr | None) -> SecretStr | None:
    if url is not None:
        _check_webhook(url=url)
    return url


def _check_webhook_secret(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        _check_webhook(url=SecretStr("https://receiver.example"), secret=secret)
    return secret


def _check_webhook(**values: SecretStr) -> None:
    """Apply the receiver's own rules to one of its options under the shortcut's name."""
    try:
        WebhookConfig.model_validate(values)
    except ValidationError as error:
        message = readable(error.errors(include_input=False, include_url=False)[0]["msg"])
        raise ValueError(message) from None


class AlertingConfig(AlertsConfig):
    """When alerts are judged and where they go."""

    webhook_url: Annotated[SecretStr | None, AfterValidator(_check_webhook_url)] = Field(
        default=None, description="The shortcut: one receiver named `webhook` that gets every alert."
    )
    webhook_secret: Annotated[SecretStr | None, AfterValidator(_check_webhook_secret)] = Field(
        default=None,
        description="Signs what is sent to `alerts.webhook_url` (Standard Webhooks): `whsec_` + base64.",
    )

    @model_validator(mode="after")
    def _secret_has_a_receiver(self) -> "AlertingConfig":
        if self.webhook_secret is not None and self.webhook_url is None:
            raise ValueError("webhook_secret is set but webhook_url is not; set both or neither")
        return self

    @property
    def webhook(self) -> WebhookConfig | None:
        """The receiver that the shortcut asks for, if it is used."""
        if self.webhook_url is None:
            return None
        return WebhookConfig(url=self.webhook_url, secret=self.webhook_secret)


class Settings(BaseSettings):
    """Everything that can be set. Made by `load_settings`; built directly, only its arguments count."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    airbyte: AirbyteConfig = Field(default_factory=AirbyteConfig, description="How Airbyte is reached.")
    poll: PollConfig = Field(default_factory=PollConfig, description="How often Airbyte is read.")
    state: StoreConfig = Field(default_factory=StoreConfig, description="Where facts are kept.")
    web: WebConfig = Field(default_factory=WebConfig, description="Where the pages are served.")
    alerts: AlertingConfig = Field(default_factory=AlertingConfig, description="Alerts and where they go.")
    log: LogConfig = Field(default_factory=LogConfig, description="What is logged, and how.")

    _origins: Mapping[str, str] = PrivateAttr(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out the library's own sources."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    def origin(self, name: str) -> str:
        """Say where the value of the option called `name` came from."""
        return self._origins.get(name, DEFAULT)


def with_origins(settings: Settings, origins: Mapping[str, str]) -> Settings:
    """Let `settings` remember where its values came from, by the option's name."""
    settings._origins = MappingProxyType(dict(origins))  # noqa: SLF001 - the same module's
    return settings


class Option(NamedTuple):
    """One thing that can be set: its place in the tree and the field that declares it."""

    section: str
    key: str
    declared: FieldInfo

    @property
    def name(self) -> str:
        """The name as in the documentation: ``airbyte.timeout``."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"{ENVIRONMENT_PREFIX}{self.section}__{self.key}".upper()

    @property
    def is_secret(self) -> bool:
        """Whether the value is never shown, and can be read from a file."""
        return SecretStr in _types(self.declared.annotation)

    @property
    def is_list(self) -> bool:
        """Whether the value is a list, in the environment separated by commas."""
        return any(get_origin(each) in {tuple, list} for each in _types(self.declared.annotation))

    @property
    def is_path(self) -> bool:
        """Whether the value is the path of a file, by the convention of its name."""
        return self.key.endswith(FILE_SUFFIX)

    @property
    def is_duration(self) -> bool:
        """Whether the value is a duration."""
        known = [*self.declared.metadata, *_metadata(self.declared.annotation)]
        return any(isinstance(each, BeforeValidator) and each.func is parse_duration for each in known)

    def show(self, value: object) -> str | float | bool | list[str] | None:
        """Return `value` fit to be shown and to be read again, a secret masked."""
        if value is None or isinstance(value, bool | int):
            return value
        if self.is_secret:
            return MASK
        if isinstance(value, float):
            return format_duration(value) if self.is_duration else value
        if isinstance(value, tuple | list):
            return [str(item) for item in value]
        return str(value)


@cache
def options() -> Mapping[str, Option]:
    """Return everything that can be set, by name, in the order of the documentation."""
    found = (
        Option(section, key, declared)
        for section, composed in Settings.model_fields.items()
        if isinstance(composed.annotation, type) and issubclass(composed.annotation, BaseModel)
        for key, declared in composed.annotation.model_fields.items()
    )
    return MappingProxyType({option.name: option for option in found})


class Setting(NamedTuple):
    """The value that an option has, fit to be shown, and where it came from."""

    option: Option
    value: str | float | bool | list[str] | None
    origin: str


def describe(settings: Settings) -> tuple[Setting, ...]:
    """Return the effective value of every option, secrets masked."""
    return tuple(_describe(option, settings) for option in options().values())


def _describe(option: Option, settings: Settings) -> Setting:
    value = getattr(getattr(settings, option.section), option.key)
    origin = settings.origin(option.name)
    if origin == DEFAULT and isinstance(value, SecretStr):
        # Nobody's secret: it comes with the code, and people look for where their state is.
        return Setting(option, value.get_secret_value(), origin)
    return Setting(option, option.show(value), origin)


def readable(message: str) -> str:
    """Turn pydantic's sentence into one that can follow the name of an option."""
    message = re.sub(r"^(Value error|Assertion failed), ", "", message)
    return re.sub(r"^(Input|String|Tuple|List|Value) should ", "must ", message)


def _types(annotation: object) -> list[object]:
    """Return what a type is made of, looking through unions and ``Annotated``."""
    if get_origin(annotation) is Annotated:
        return _types(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return [each for member in get_args(annotation) for each in _types(member)]
    return [annotation]


def _metadata(annotation: object) -> list[object]:
    """Return what ``Annotated`` adds anywhere inside a type."""
    own = list(get_args(annotation)[1:]) if get_origin(annotation) is Annotated else []
    return own + [each for member in get_args(annotation) for each in _metadata(member)]
