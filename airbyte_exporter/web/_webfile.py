"""The web configuration file: who may read the pages, and over what.

The format is that of Prometheus' exporter toolkit, so that one file can serve every exporter on a machine:
https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. As there, the file and
those it names are read again when they change.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

import structlog
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from airbyte_exporter.errors import ConfigurationError, did_you_mean
from airbyte_exporter.web._tls import TlsConfig, TlsError
from airbyte_exporter.yamlfile import YamlDocument

__all__ = ["LiveWebConfig", "RateLimit", "WebFile", "load_web_config"]

log = structlog.get_logger(__name__)

_KIND: Final = "web configuration file"
_DEPTH: Final = 3
_PATHS: Final = ("cert_file", "key_file", "client_ca_file")
# The salt's 22 characters are 16 bytes: of the last one only two bits count, and the others are 0.
_BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}", re.ASCII)
_LARGEST_BURST: Final = 1_000_000_000
_COSTS: Final = range(4, 15)
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
"""What may be set, and to what; nothing is anything."""


def _header_name(name: str) -> str:
    if name not in _HEADERS:
        choice = did_you_mean(name, _HEADERS) or f"; it can be {', '.join(_HEADERS)}"
        raise ValueError(f"is no header that can be set here{choice}")
    return name


def _header_value(value: str) -> str:
    if not value.isascii() or not value.replace("\t", " ").isprintable():
        raise ValueError("must be one line of printable ASCII characters")
    return value.strip()


def _user(name: str) -> str:
    # RFC 7617, section 2: the first colon ends the user name.
    if not name or ":" in name:
        raise ValueError("a user name must not be empty and has no colon in it")
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise ValueError("has half of a character in it")
    return name


def _hash(value: SecretStr) -> SecretStr:
    found = _BCRYPT.fullmatch(value.get_secret_value())
    if found is None:
        raise ValueError(
            "must be the password's bcrypt hash: what `htpasswd -nBC 10 NAME` prints after the colon"
        )
    if int(found[1]) not in _COSTS:
        raise ValueError(f"has a cost outside of {_COSTS[0]} to {_COSTS[-1]}; 10 is usual")
    return value


def _go_duration(value: object) -> object:
    if isinstance(value, str) and (parts := _DURATION.findall(value)) and _DURATION.sub("", value) == "":
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if value == "0" or (isinstance(value, int) and not isinstance(value, bool) and not value):
        return 0.0
    raise ValueError("must be a duration with a unit, such as 500ms, 1s or 1m30s, or 0")


_Loc = tuple[int | str, ...]
"""Where a value stands in the file: names, and positions in lists."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Http(_Strict):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    http2: bool = True
    """Has no effect: HTTP/1.1 is what is spoken, and what every client knows."""
    headers: dict[
        Annotated[str, AfterValidator(_header_name)], Annotated[str, AfterValidator(_header_value)]
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _values_are_known(self) -> "_Http":
        for name, value in self.headers.items():
            if (allowed := _HEADERS[name]) and value and value not in allowed:
                raise ValueError(f"headers: {name} must be {' or '.join(allowed)}")
        return self


class RateLimit(_Strict):
    """How many requests are answered: `burst` at once, then one each `interval` seconds; 0 is no limit."""

    interval: Annotated[float, BeforeValidator(_go_duration)] = 0.0
    burst: int = Field(default=0, ge=0, le=_LARGEST_BURST)

    @model_validator(mode="after")
    def _lets_something_through(self) -> "RateLimit":
        if self.interval and not self.burst:
            raise ValueError("needs a burst of at least 1, or no request would be answered")
        return self


class _Document(_Strict):
    tls_server_config: TlsConfig | None = None
    http_server_config: _Http = Field(default_factory=_Http)
    basic_auth_users: dict[
        Annotated[str, AfterValidator(_user)], Annotated[SecretStr, AfterValidator(_hash)]
    ] = Field(default_factory=dict)
    rate_limit: RateLimit = Field(default_factory=RateLimit)


_SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "tls_server_config": TlsConfig,
    "http_server_config": _Http,
    "rate_limit": RateLimit,
}


@dataclass(frozen=True, slots=True)
class WebFile:
    """A web configuration that can be served.

    `users` are password hashes by name; where there are none, nobody is asked. `tls` is the context for new
    connections, ``None`` for plain HTTP. `files` are those that it was read from.
    """

    users: Mapping[bytes, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    limit: RateLimit = field(default_factory=RateLimit)
    tls: ssl.SSLContext | None = None
    files: tuple[Path, ...] = ()


class _UnusableError(ConfigurationError):
    """The web configuration cannot be used. `files` are those that it was read from, or names."""

    def __init__(self, message: str, files: tuple[Path, ...]) -> None:
        super().__init__(message)
        self.files = files


def load_web_config(path: Path) -> WebFile:
    """Read the web configuration file at `path`, and the certificates that it names.

    Relative paths in it start at its own folder.

    Raises:
        ConfigurationError: Something is wrong. The message has a line for each problem, telling where it is.
    """
    problems: list[str] = []
    tree = _Tree(path, problems)
    document: _Document | None = None
    try:
        document = _Document.model_validate(tree.value)
    except ValidationError as error:
        problems += [
            f"{tree.place(found['loc'])}: {_message(found['loc'], found['type'], found['msg'])}"
            for found in error.errors(include_input=False, include_url=False, include_context=False)
        ]
    context: ssl.SSLContext | None = None
    files: tuple[Path, ...] = (path,)
    if document is not None and document.tls_server_config is not None:
        files += document.tls_server_config.files
        try:
            context = document.tls_server_config.context()
        except TlsError as problem:
            problems.append(f"{tree.place(('tls_server_config', problem.key))}: {problem}")
    if document is None or problems:
        raise _UnusableError("\n".join(dict.fromkeys(problems)), files)
    return WebFile(
        users=MappingProxyType(
            {
                name.encode(): hashed.get_secret_value().encode()
                for name, hashed in document.basic_auth_users.items()
            }
        ),
        headers=MappingProxyType(dict(document.http_server_config.headers)),
        limit=document.rate_limit,
        tls=context,
        files=files,
    )


def _message(loc: _Loc, kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        section = _SECTIONS.get(str(loc[0])) if len(loc) > 1 else _Document
        return (
            f"there is no such setting{did_you_mean(str(loc[-1]), section.model_fields if section else ())}"
        )
    if kind in {"dict_type", "model_type"}:
        return "must be a mapping of names to values"
    message = re.sub(r"^(Value error|Assertion failed), ", "", message)
    return re.sub(r"^(Input|String|Tuple|List|Value) should ", "must ", message)


class _Tree:
    """The file's values as they are, with the place of each. Null is not set, but a user without a hash."""

    def __init__(self, file: Path, problems: list[str]) -> None:
        self._file = file
        self._document = YamlDocument(file, _KIND)
        self._problems = problems
        self._places: dict[_Loc, str] = {}
        self.value = self._mapping(self._document.root, ())

    def place(self, loc: _Loc) -> str:
        """Begin a message about what is at `loc`: the file, the line and the name."""
        while loc and loc not in self._places:
            loc = loc[:-1]
        name = ".".join(str(part) for part in loc if isinstance(part, str))
        index = "".join(f"[{part}]" for part in loc if isinstance(part, int))
        return f"{self._places[loc]}: {name}{index}" if loc else str(self._file)

    def _mapping(self, node: yaml.Node | None, loc: _Loc) -> dict[str, Any]:
        found: dict[str, Any] = {}
        name = ".".join(str(part) for part in loc)
        for key, leaf in self._document.entries(node, name, self._problems):
            value = self._read(leaf, (*loc, key))
            if value is not None or loc == ("basic_auth_users",):
                found[key] = value
        return found

    def _read(self, node: yaml.Node, loc: _Loc) -> Any:  # noqa: ANN401 - the models look at it
        self._places[loc] = self._document.place(node)
        if len(loc) > _DEPTH:  # an alias can make a value a part of itself
            self._problems.append(f"{self.place(loc)}: is nested too deeply")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self._read(item, (*loc, index)) for index, item in enumerate(node.value)]
        try:
            value = self._document.value(node)
        except ConfigurationError as error:
            self._problems.append(f"{self.place(loc)}: {error}")
            return None
        if value and isinstance(value, str) and loc[0] == "tls_server_config" and loc[-1] in _PATHS:
            return str(self._file.parent / value)
        return value


class LiveWebConfig:
    """The web configuration in force: that of the files as they are now. For one thread.

    Files that cannot be used leave what was in force before, with an error in the log. Only a restart
    changes between plain HTTP and HTTPS, and lets everybody in where users were asked for.

    Raises:
        ConfigurationError: The files cannot be used at the start.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamps: Mapping[Path, _Stamp] = {}
        self._newest = WebFile()
        if path is not None:
            self._newest = self._read(path)

    def current(self) -> WebFile:
        """Return what is in force, read again if a file has changed."""
        if self._path is None or all(_stamp(file) == stamp for file, stamp in self._stamps.items()):
            return self._newest
        before = self._newest
        try:
            newest = self._read(self._path)
        except ConfigurationError as error:
            log.error("the web configuration cannot be used; what was in force stays", reason=str(error))  # noqa: TRY400
            return before
        if (newest.tls is None) != (before.tls is None):
            log.warning("tls_server_config came or went; that takes effect with the next start")
            newest = replace(newest, tls=before.tls)
        if before.users and not newest.users:
            # Also what a file looks like for the moment in which an editor writes it anew.
            log.warning("basic_auth_users went; that takes effect with the next start")
            newest = replace(newest, users=before.users)
        log.info("the web configuration was read again")
        self._newest = newest
        return newest

    def _read(self, path: Path) -> WebFile:
        files = {path, *self._stamps}
        while True:
            # Looked at before they are read: what changes in between is seen the next time.
            self._stamps = {file: _stamp(file) for file in files}
            try:
                read = load_web_config(path)
            except _UnusableError as error:
                if files.issuperset(error.files):
                    raise
                files.update(error.files)  # one that is not there yet may come
            else:
                if files.issuperset(read.files):
                    self._stamps = {file: self._stamps[file] for file in read.files}
                    return read
                files.update(read.files)


_Stamp = tuple[int, int, int] | None


def _stamp(file: Path) -> _Stamp:
    """Return what differs when a file was written or replaced, ``None`` when it is not there."""
    try:
        found = file.stat()
    except (OSError, ValueError):  # the second where no file can have that name
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
