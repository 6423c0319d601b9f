"""Requests as the two APIs read them, and answers as they give them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID, uuid5

__all__ = [
    "Answer",
    "Body",
    "Problem",
    "conflict",
    "invalid",
    "json_bytes",
    "not_found",
    "pagination",
    "parse_instant",
    "refused",
    "server_error",
    "unexpected",
]

Json = dict[str, Any]
T = TypeVar("T")

_NO_CONTENT: Final = 204
_OFFSET_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: a JSON `body`, or `text` of the given type."""

    status: int = 200
    body: Any = None
    text: str | bytes | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        """Return the bytes to send."""
        if self.status == _NO_CONTENT:
            return b""
        if self.text is None:
            return json_bytes(self.body)
        return self.text if isinstance(self.text, bytes) else self.text.encode()


class Problem(Exception):  # noqa: N818 - an answer on its way out, not an error of the simulator
    """A request that is answered with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def json_bytes(body: object) -> bytes:
    """Write JSON as Airbyte does: compact and in UTF-8."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def not_found(what: str, identity: str) -> Problem:
    """Answer that an object does not exist, as Airbyte's known exceptions do."""
    name = "io.airbyte.config.persistence.ConfigNotFoundException"
    message = f"Could not find configuration for {what}: {identity}."
    body = {"id": identity, "message": message, "exceptionClassName": name, "exceptionStack": []}
    return Problem(Answer(404, body))


def invalid(message: str) -> Problem:
    """Answer that a body cannot be read."""
    return Problem(Answer(422, {"message": message, "exceptionStack": [], "validationErrors": []}))


def refused(message: str) -> Problem:
    """Answer that a body can be read, but asks for something that cannot be."""
    return Problem(Answer(400, {"message": message}))


def conflict(message: str) -> Problem:
    """Answer that something stands in the way, as Airbyte's ValueConflictKnownException does."""
    name = "io.airbyte.commons.server.errors.ValueConflictKnownException"
    return Problem(Answer(409, {"message": message, "exceptionClassName": name, "exceptionStack": []}))


def unexpected(message: str) -> Problem:
    """Answer that something is as it must not be, as older servers do: with the exception's message."""
    name = "java.lang.IllegalStateException"
    body = {"message": f"Internal Server Error: {message}", "exceptionClassName": name, "exceptionStack": []}
    return Problem(Answer(500, body))


def server_error(cause: str) -> Problem:
    """Answer that something unexpected happened, which Airbyte tells only by an id for its log."""
    return Problem(Answer(500, {"errorId": str(uuid5(UUID(int=0), cause))}))


class Body:
    """A request's JSON object, read field by field; what does not fit is answered as Airbyte answers it."""

    def __init__(self, fields: Json) -> None:
        self._fields = fields

    @classmethod
    def parse(cls, raw: bytes) -> "Body":
        """Read a request body; an empty one is an empty object."""
        if not raw.strip():
            return cls({})
        try:
            fields = json.loads(raw)
        except ValueError as error:
            raise invalid(f"Invalid json input. {error}") from None
        if not isinstance(fields, dict):
            raise invalid("Invalid json input. Cannot deserialize value from Array value")
        return cls(fields)

    def text(self, name: str) -> str | None:
        """Return a string, if it is there."""
        value = self._fields.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid(f"Cannot deserialize value of type `java.lang.String`: {name}")
        return value

    def required_text(self, name: str) -> str:
        """Return a string that must be there."""
        return self._required(name, self.text(name))

    def uuid(self, name: str) -> str | None:
        """Return a UUID, if it is there."""
        value = self.text(name)
        return None if value is None else _uuid(name, value)

    def required_uuid(self, name: str) -> str:
        """Return a UUID that must be there."""
        return self._required(name, self.uuid(name))

    def integer(self, name: str) -> int | None:
        """Return a whole number, if it is there."""
        value = self._fields.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise invalid(f"Cannot deserialize value of type `java.lang.Integer`: {name}")
        return value

    def required_integer(self, name: str) -> int:
        """Return a whole number that must be there."""
        return self._required(name, self.integer(name))

    def boolean(self, name: str) -> bool | None:
        """Return a truth value, if it is there."""
        value = self._fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise invalid(f"Cannot deserialize value of type `java.lang.Boolean`: {name}")
        return value

    def required_choice(self, name: str, choices: frozenset[str]) -> str:
        """Return one of `choices` that must be there."""
        return self._required(name, self.choice(name, choices))

    def choice(self, name: str, choices: frozenset[str]) -> str | None:
        """Return one of `choices`, if it is there, whatever its case."""
        value = self.text(name)
        return None if value is None else _choice(name, value, choices)

    def choices(self, name: str, choices: frozenset[str]) -> frozenset[str] | None:
        """Return a list of `choices`, if it is there."""
        values = self._list(name)
        return None if values is None else frozenset(_choice(name, str(value), choices) for value in values)

    def uuids(self, name: str) -> frozenset[str] | None:
        """Return a list of UUIDs, if it is there."""
        values = self._list(name)
        return None if values is None else frozenset(_uuid(name, str(value)) for value in values)

    def identities(self, name: str) -> list[str]:
        """Return the ids of a field, a list or a single one, as they are compared; whatever they are."""
        value = self._fields.get(name)
        values = value if isinstance(value, list) else [] if value is None else [value]
        return [str(one).lower() for one in values]

    def instant(self, name: str, default: float) -> float:
        """Return an ISO-8601 time with an offset in epoch seconds, or `default`."""
        value = self.text(name)
        return default if value is None else parse_instant(name, value)

    def inner(self, name: str) -> "Body":
        """Return an object inside this one; an absent one is empty."""
        value = self._fields.get(name)
        if value is None:
            return Body({})
        if not isinstance(value, dict):
            raise invalid(f"Cannot construct instance of object: {name}")
        return Body(value)

    def required_inner(self, name: str) -> "Body":
        """Return an object inside this one that must be there."""
        self._required(name, self._fields.get(name))
        return self.inner(name)

    def has(self, name: str) -> bool:
        """Tell whether a property is there and not null: nulls are like what is absent."""
        return self._fields.get(name) is not None

    @property
    def fields(self) -> Json:
        """All of it, as it arrived."""
        return self._fields

    def bodies(self, name: str) -> "list[Body] | None":
        """Return a list of objects, if it is there."""
        values = self._list(name)
        if values is not None and not all(isinstance(one, dict) for one in values):
            raise invalid(f"Cannot construct instance of object: {name}")
        return None if values is None else [Body(one) for one in values if isinstance(one, dict)]

    def texts(self, name: str) -> list[str] | None:
        """Return a list of strings, if it is there."""
        values = self._list(name)
        if values is not None and not all(isinstance(one, str) for one in values):
            raise invalid(f"Cannot deserialize value of type `java.lang.String`: {name}")
        return None if values is None else [str(one) for one in values]

    def paths(self, name: str) -> list[list[str]] | None:
        """Return a list of lists of strings, if it is there."""
        values = self._list(name)
        fine = all(
            isinstance(path, list) and all(isinstance(step, str) for step in path) for path in values or ()
        )
        if not fine:
            raise invalid(f"Cannot deserialize value of type `java.util.ArrayList`: {name}")
        if values is None:
            return None
        return [[str(step) for step in path] for path in values if isinstance(path, list)]

    def _list(self, name: str) -> list[object] | None:
        value = self._fields.get(name)
        if value is None or isinstance(value, list):
            return value
        raise invalid(f"Cannot deserialize value of type `java.util.ArrayList`: {name}")

    def _required(self, name: str, value: T | None) -> T:
        if value is None:
            raise refused(f"{name}: must not be null")
        return value


def pagination(body: Body, default: int) -> tuple[int, int]:
    """Return the size of the page that is asked for, and how many rows lie before it."""
    page = body.inner("pagination")
    size, offset = page.integer("pageSize"), page.integer("rowOffset") or 0
    size = default if size is None else size
    if size < 0 or offset < 0:
        raise server_error("LIMIT and OFFSET must not be negative")
    return size, offset


def parse_instant(name: str, value: str) -> float:
    """Return the epoch seconds of an ISO-8601 time with an offset, as strictly as Java's OffsetDateTime."""
    try:
        if _OFFSET_DATE_TIME.fullmatch(value):
            return datetime.fromisoformat(value).timestamp()
    except ValueError:
        pass
    raise invalid(f"Text '{value}' could not be parsed: {name}")


def _uuid(name: str, value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise invalid(f"Cannot deserialize value of type `java.util.UUID`: {name}") from None


def _choice(name: str, value: str, choices: frozenset[str]) -> str:
    known = {choice.lower(): choice for choice in choices}
    if value.lower() not in known:
        raise invalid(f"Unexpected value '{value}': {name}")
    return known[value.lower()]
