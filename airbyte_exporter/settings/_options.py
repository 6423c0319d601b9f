"""What can be set: the options, composed from the models declared beside their readers."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, NamedTuple, TypeGuard, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from airbyte_exporter.airbyte import AirbyteConfig
from airbyte_exporter.alerts import AlertsConfig, Route, RulesConfig
from airbyte_exporter.durations import format_duration, parse_duration
from airbyte_exporter.exposition import MetricsConfig
from airbyte_exporter.logs import LogConfig
from airbyte_exporter.notify import LONG_TEXT, AlertmanagerConfig, ReceiverConfig, WebhookConfig
from airbyte_exporter.poller import PollConfig
from airbyte_exporter.store import StoreConfig
from airbyte_exporter.web import WebConfig

ENVIRONMENT_PREFIX: Final = "AIRBYTE_EXPORTER_"
FILE_SUFFIX: Final = "_file"
MASK: Final = "**********"
DEFAULT: Final = "default"

NAME: Final = "<name>"
"""Stands in an option's key for the name that somebody gives a receiver."""

HEADER: Final = "<header>"
"""Stands there for the name of an HTTP header, in small letters."""

_NAME_PATTERN: Final = "[a-z0-9_]{1,63}"
NAMES: Final[Mapping[str, tuple[str, str]]] = {
    NAME: (_NAME_PATTERN, "a name here consists of a-z, 0-9 and _, at most 63 of them"),
    HEADER: ("[a-z0-9-]{1,64}", "a header's name here consists of a-z, 0-9 and -, at most 64 of them"),
}
"""What people name themselves: the pattern of such names, and how to say it."""

_SHORTCUT: Final = "webhook"
"""The receiver that `alerts.webhook_url` defines."""


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


KINDS: Final[Mapping[str, type[ReceiverConfig]]] = {
    "webhook": WebhookConfig,
    "alertmanager": AlertmanagerConfig,
}
"""The kinds of receivers, by their type."""


def _kind_of(value: object) -> str:
    """Return the type of a receiver; for one that has none or a wrong one, what the rest looks like."""
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    if isinstance(kind, str) and kind in KINDS:
        return kind
    is_alertmanager = kind is not None and isinstance(value, Mapping) and "urls" in value
    return "alertmanager" if is_alertmanager else "webhook"


_Receiver = Annotated[
    Annotated[WebhookConfig, Tag("webhook")] | Annotated[AlertmanagerConfig, Tag("alertmanager")],
    Discriminator(_kind_of),
]
_ReceiverName = Annotated[str, StringConstraints(pattern=f"^{_NAME_PATTERN}$")]


class AlertingConfig(AlertsConfig):
    """When alerts are judged and where they go."""

    webhook_url: Annotated[SecretStr | None, AfterValidator(_check_webhook_url)] = Field(
        default=None,
        description="The shortcut: one receiver named `webhook`. Without routes it gets every alert.",
    )
    webhook_secret: Annotated[SecretStr | None, AfterValidator(_check_webhook_secret)] = Field(
        default=None,
        description="Signs what is sent to `alerts.webhook_url` (Standard Webhooks): `whsec_` + base64.",
    )

    rules: RulesConfig = Field(default_factory=RulesConfig, description="What is wrong, and how bad it is.")
    receivers: Mapping[_ReceiverName, _Receiver] = Field(
        default_factory=dict,
        description="Who is told, each under a name of its own.",
    )
    routes: tuple[Route, ...] = Field(
        default=(),
        description="Who is told about what, in order. Default: everybody about everything. Not in the "
        "environment, only in the file.",
    )

    @model_validator(mode="after")
    def _secret_has_a_receiver(self) -> "AlertingConfig":
        if self.webhook_secret is not None and self.webhook_url is None:
            raise ValueError("webhook_secret is set but webhook_url is not; set both or neither")
        return self

    @model_validator(mode="after")
    def _one_receiver_of_a_name(self) -> "AlertingConfig":
        if self.webhook_url is not None and _SHORTCUT in self.receivers:
            raise ValueError(
                "webhook_url and receivers.webhook.url are two receivers of one name; keep one, or name the "
                "other differently"
            )
        return self

    @property
    def webhook(self) -> WebhookConfig | None:
        """The receiver that the shortcut asks for, if it is used."""
        if self.webhook_url is None:
            return None
        return WebhookConfig(url=self.webhook_url, secret=self.webhook_secret)

    @property
    def all_receivers(self) -> Mapping[str, WebhookConfig | AlertmanagerConfig]:
        """Every receiver by name, that of the shortcut included."""
        shortcut = self.webhook
        return {**({} if shortcut is None else {_SHORTCUT: shortcut}), **self.receivers}


class Settings(BaseSettings):
    """Everything that can be set. Made by `load_settings`; built directly, only its arguments count."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    airbyte: AirbyteConfig = Field(default_factory=AirbyteConfig, description="How Airbyte is reached.")
    poll: PollConfig = Field(default_factory=PollConfig, description="How often Airbyte is read.")
    state: StoreConfig = Field(default_factory=StoreConfig, description="Where facts are kept.")
    web: WebConfig = Field(default_factory=WebConfig, description="Where the pages are served.")
    metrics: MetricsConfig = Field(default_factory=MetricsConfig, description="What is on `/metrics`.")
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
    """Return `settings`, remembering where the values came from, by the option's name.

    It is a `Settings` and no class derived from it, so that what was read twice compares as equal.
    """
    plain = Settings.model_construct(settings.model_fields_set, **dict(settings))
    plain._origins = MappingProxyType(dict(origins))  # noqa: SLF001 - the same module's
    return plain


class Option(NamedTuple):
    """One thing that can be set: its place in the tree and the field that declares it.

    `key` is the way inside the section: ``timeout``, ``rules.SyncFailed.severity``. Where people name things
    themselves it holds `NAME` for the name, unless it is a `named` one.
    """

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
        return f"{ENVIRONMENT_PREFIX}{self.section}__{self.key.replace('.', '__').replace('-', '_')}".upper()

    @property
    def needs_name(self) -> bool:
        """Whether the option exists once for every name that somebody gives."""
        return any(each in self.key for each in NAMES)

    def named(self, *names: str) -> "Option":
        """Return the option of the thing that is called so: the first name for the first place of one."""
        way, given = self.key.split("."), iter(names)
        return self._replace(key=".".join(next(given, part) if part in NAMES else part for part in way))

    @property
    def key_inside(self) -> str:
        """The first part of the key inside the thing that somebody names."""
        return self.key.partition(f"{NAME}.")[2].partition(".")[0]

    @property
    def is_secret(self) -> bool:
        """Whether the value is never shown, and can be read from a file."""
        return SecretStr in _types(self.declared.annotation)

    @property
    def is_long_text(self) -> bool:
        """Whether the file that holds the secret may have more than one line."""
        extra = self.declared.json_schema_extra
        return isinstance(extra, dict) and LONG_TEXT in extra

    @property
    def is_list(self) -> bool:
        """Whether the value is a list, in the environment separated by commas."""
        return self.item is None and any(
            get_origin(each) in {tuple, list} for each in _types(self.declared.annotation)
        )

    @property
    def item(self) -> type[BaseModel] | None:
        """What a list of mappings consists of; only a file can hold one. ``None`` for everything else."""
        inner = get_args(self.declared.annotation)[:1]
        return next((each for each in inner if is_model(each)), None)

    @property
    def is_path(self) -> bool:
        """Whether the value is the path of a file, by the convention of its name."""
        return self.key.endswith(FILE_SUFFIX)

    @property
    def is_duration(self) -> bool:
        """Whether the value is a duration."""
        known = [*self.declared.metadata, *_metadata(self.declared.annotation)]
        return any(isinstance(each, BeforeValidator) and each.func is parse_duration for each in known)

    def show(self, value: object) -> "Shown":
        """Return `value` fit to be shown and to be read again, a secret masked."""
        if value is None or isinstance(value, bool | int):
            return value
        if self.is_secret:
            return MASK
        if isinstance(value, float):
            return format_duration(value) if self.is_duration else value
        if isinstance(value, tuple | list):
            return [_plain(item) if isinstance(item, BaseModel) else str(item) for item in value]
        # Elsewhere a relative path would mean another file.
        return str(Path(str(value)).absolute()) if self.is_path else str(value)


Shown = str | float | bool | list[Any] | None
"""A value as YAML can hold it."""


def _plain(item: BaseModel) -> dict[str, Any]:
    return item.model_dump(mode="json", by_alias=True, exclude_defaults=True)


@cache
def options() -> Mapping[str, Option]:
    """Return everything that can be set, by name, in the order of the documentation."""
    return MappingProxyType(
        {
            option.name: option
            for section, composed in Settings.model_fields.items()
            if is_model(composed.annotation)
            for option in _options_of(section, composed.annotation, "")
        }
    )


def _options_of(section: str, model: type[BaseModel], prefix: str) -> Iterator[Option]:
    for field, declared in model.model_fields.items():
        key = f"{prefix}{declared.alias or field}"
        if is_model(declared.annotation):
            yield from _options_of(section, declared.annotation, f"{key}.")
        elif get_origin(declared.annotation) is not Mapping:
            yield Option(section, key, declared)
        elif kinds := models_in(get_args(declared.annotation)[1]):
            alike = [option for kind in kinds for option in _options_of(section, kind, f"{key}.{NAME}.")]
            yield from {option.key: option for option in (*alike, *reversed(alike))}.values()
        else:
            value = FieldInfo.from_annotation(get_args(declared.annotation)[1])
            value.description = declared.description
            yield Option(section, f"{key}.{HEADER}", value)


def models_in(annotation: object) -> list[type[BaseModel]]:
    """Return the models of which a value can be one."""
    return [each for each in _types(annotation) if is_model(each)]


def is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    """Whether a field holds further fields."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def is_name(text: str, place: str = NAME) -> bool:
    """Whether something can be called that, a receiver for example; `place` is one of `NAMES`."""
    return re.fullmatch(NAMES[place][0], text) is not None


def find_option(name: str) -> Option | None:
    """Return the option of that name, ``alerts.receivers.oncall.url`` too; ``None`` if there is none."""
    if name in options():
        return None if options()[name].needs_name else options()[name]
    way = name.split(".")
    for option in options().values():
        own = option.name.split(".")
        if len(own) != len(way) or not option.needs_name:
            continue
        pairs = list(zip(own, way, strict=True))
        if all(is_name(part, mine) if mine in NAMES else part == mine for mine, part in pairs):
            return option.named(*(part for mine, part in pairs if mine in NAMES))
    return None


class Setting(NamedTuple):
    """The value that an option has, fit to be shown, and where it came from."""

    option: Option
    value: Shown
    origin: str


def describe(settings: Settings) -> tuple[Setting, ...]:
    """Return the effective value of every option, secrets masked."""
    found: list[Setting] = []
    described: set[str] = set()
    for option in options().values():
        container = option.name.partition(f".{NAME}")[0]
        if not option.needs_name:
            found.append(_describe(option, settings))
        elif container not in described:
            # All about one receiver before the next.
            described.add(container)
            alike = [each for each in options().values() if each.name.startswith(f"{container}.{NAME}.")]
            for name, named in _value_at(settings, container).items():
                own = type(named).model_fields
                its = [each.named(name) for each in alike if each.key_inside in own]
                found += [_describe(each, settings) for one in its for each in _each_header(one, settings)]
    return tuple(found)


def _each_header(option: Option, settings: Settings) -> Iterator[Option]:
    """Yield the option, or one for every header where it stands for all of them."""
    if not option.needs_name:
        yield option
        return
    for header in _value_at(settings, option.name.rpartition(".")[0]):
        yield option.named(header)


def _describe(option: Option, settings: Settings) -> Setting:
    value = _value_at(settings, option.name)
    origin = settings.origin(option.name)
    if origin == DEFAULT and isinstance(value, SecretStr):
        # Nobody's secret: it comes with the code, and people look for where their state is.
        return Setting(option, value.get_secret_value(), origin)
    return Setting(option, option.show(value), origin)


def _value_at(settings: Settings, name: str) -> Any:  # noqa: ANN401 - settings hold anything
    value: Any = settings
    for part in name.split("."):
        if isinstance(value, Mapping):
            value = value[part]
        else:
            fields = type(value).model_fields
            value = getattr(value, next(field for field in fields if part in {field, fields[field].alias}))
    return value


def readable(message: str) -> str:
    """Turn pydantic's sentence into one that can follow the name of an option."""
    message = re.sub(r"^(Value error|Assertion failed), ", "", message)
    message = re.sub(r"^Field required$", "must be set", message)
    message = re.sub(r"^(Input|String|Tuple|List|Value) should ", "must ", message)
    message = re.sub(r"\ba valid (tuple|list)$", "a list", message)
    return re.sub(
        r"^must be a valid dictionary or instance of \w+$", "must be a mapping of names to values", message
    )


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
