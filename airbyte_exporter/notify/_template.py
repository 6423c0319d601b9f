"""Bodies made by a template: Jinja2 in a sandbox, so bounded that a mistake in one cannot hold a delivery.

Nothing is loaded, no undefined name passes silently, and three things are limited: the steps that rendering
takes (each turn of a loop, each call, each filter), its time, and the size of every text and of the result.
"""

import functools
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["BodyError", "BodyTemplate"]

SIZE_LIMIT: Final = 64 * 1024
"""Bytes of a body, and characters of any text on the way to it."""

STEPS_LIMIT: Final = 20_000
SECONDS_LIMIT: Final = 2.0
_POWER_LIMIT: Final = 1000
BITS_LIMIT: Final = 4096
"""Of a whole number."""

_WIDE: Final = frozenset({"batch", "center", "indent", "slice", "tojson", "truncate", "wordwrap"})
"""Filters whose whole numbers are widths."""

_WIDE_METHODS: Final = frozenset({"center", "expandtabs", "ljust", "rjust", "zfill"})
_RANDOM: Final = ("lipsum", "random")
"""A global and a filter that are left out: a notification is the same on every attempt."""

_WIDTHS: Final = re.compile(r"\d{5}|%[^a-zA-Z%]*\*|\{[^{}]*\{")
"""In a format: a width of five digits, or one that comes from a value."""

_LOADING: Final = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
T = TypeVar("T")

_TURNS: Final = "_turns"
_PART: Final = "_part"


class BodyError(ValueError):
    """A template cannot be used, or makes nothing that can be sent. The message is one line."""


class BodyTemplate:
    """A template for the body of a request.

    Args:
        source: The template.
        monotonic: A clock for durations, in seconds.

    Raises:
        BodyError: It is no template.
    """

    def __init__(self, source: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._environment = _Environment(monotonic)
        try:
            self._template = self._environment.from_string(source)
        except TemplateSyntaxError as error:
            raise BodyError(f"line {error.lineno}: {_one_line(error.message or '')}") from None
        except (TemplateError, RecursionError, SyntaxError, ValueError) as error:
            raise BodyError(_told(error)) from None

    def render(self, body: Mapping[str, Any], *, is_json: bool) -> bytes:
        """Render with the parts of a notification's `body` as variables.

        With `is_json` the result must parse as JSON.

        Raises:
            BodyError: It cannot be rendered with this body, or not within the limits.
        """
        with self._lock:
            self._environment.begin()
            try:
                text = "".join(self._pieces(body))
            except Exception as error:  # noqa: BLE001  # a template can fail like any program
                raise BodyError(f"{_line_of(error.__traceback__)}{_told(error)}") from None
        # A lone surrogate is legal in JSON, but not in UTF-8.
        rendered = text.encode("utf-8", "replace")
        if len(rendered) > SIZE_LIMIT:
            raise BodyError(_too_much("the result"))
        if is_json:
            _check_json(rendered)
        return rendered

    def _pieces(self, body: Mapping[str, Any]) -> Iterator[str]:
        size = 0
        for piece in self._template.generate(dict(body)):
            size += len(piece)
            if size > SIZE_LIMIT:
                raise BodyError(_too_much("the result"))
            yield piece


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which keeps a template away from Python, with a limit on what it may cost."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, loader=None)
        self._monotonic = monotonic
        self._steps = 0
        self._ends_at = 0.0
        self.globals = {name: value for name, value in self.globals.items() if name not in _RANDOM}
        self.filters = {
            name: self._bounded(name, function)
            for name, function in self.filters.items()
            if name not in _RANDOM
        }
        self.filters |= {_TURNS: self._turns, _PART: self._part}
        self.policies["json.dumps_kwargs"] = {"sort_keys": False, "default": dict}

    def begin(self) -> None:
        """Begin to count anew."""
        self._steps = 0
        self._ends_at = self._monotonic() + SECONDS_LIMIT

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for node in tree.find_all(_LOADING):
            raise TemplateSyntaxError("a template here is by itself: it loads no other", node.lineno)
        for loop in tree.find_all(nodes.For):
            if loop.recursive:
                raise TemplateSyntaxError("a recursive loop is not possible here", loop.lineno)
            loop.iter = _filtered(loop.iter, _TURNS)
        for joined in tree.find_all(nodes.Concat):
            joined.nodes = [_filtered(part, _PART) for part in joined.nodes]
        return tree

    def call(self, context: Context, function: object, *args: object, **kwargs: object) -> object:
        """Call something within the limits."""
        self._step()
        if getattr(function, "__name__", "") in _WIDE_METHODS:
            _check_numbers(args)
        return _small(super().call(context, function, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Reckon within the limits."""
        self._step()
        if operator == "%" and isinstance(left, str):
            _check_format(left)
        if operator == "*":
            for many, times in ((left, right), (right, left)):
                if isinstance(many, str | list | tuple) and isinstance(times, int):
                    _check_size(len(many) * times)
        if operator == "**" and not (_is_small(left) and _is_small(right)):
            raise BodyError("a power may only be of numbers up to 1000")
        return _small(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: object) -> Callable[..., str] | None:
        """Look at a format before it is used."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None:
            _check_format(str(getattr(value, "__self__", "")))
        return wrapped

    def _bounded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a filter that takes a step, no more."""

        @functools.wraps(function)
        def bounded(*args: object, **kwargs: object) -> object:
            self._step()
            if name in _WIDE:
                _check_numbers((*args[1:], *kwargs.values()))
            if name == "format":
                _check_format(str(args[0]))
            return _small(function(*args, **kwargs))

        return bounded

    def _turns(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._step()
            yield value

    def _part(self, value: object) -> object:
        self._step()
        return _small(value)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > STEPS_LIMIT:
            raise BodyError(f"rendering takes more than {STEPS_LIMIT:,} steps")
        if self._monotonic() > self._ends_at:
            raise BodyError(f"rendering takes longer than {SECONDS_LIMIT:g} s")


def _filtered(value: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)


def _small(value: T) -> T:
    if isinstance(value, str | list | tuple):
        _check_size(len(value))
    elif isinstance(value, int) and value.bit_length() > BITS_LIMIT:
        raise BodyError(f"a number has more than {BITS_LIMIT} bits")
    return value


def _check_size(size: int) -> None:
    if size > SIZE_LIMIT:
        raise BodyError(_too_much("a text or list"))


def _check_numbers(values: Iterable[object]) -> None:
    for value in values:
        if isinstance(value, int):
            _check_size(value)


def _check_format(text: str) -> None:
    if _WIDTHS.search(text):
        raise BodyError("a format may not have a width of five digits, or one that comes from a value")


def _is_small(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= _POWER_LIMIT


def _too_much(what: str) -> str:
    return f"{what} is larger than {SIZE_LIMIT // 1024} KiB"


def _check_json(rendered: bytes) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        json.loads(rendered, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise BodyError(
            f"the result is not JSON: line {error.lineno} column {error.colno} of it: {error.msg}; "
            "write values with `| tojson`"
        ) from None
    except (ValueError, RecursionError) as error:
        raise BodyError(f"the result is not JSON: {_one_line(str(error))}") from None


def _line_of(traceback: TracebackType | None) -> str:
    """Begin a message with the line of the template in which something went wrong, as far as it is known."""
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return f"line {line}: " if line else ""


def _told(error: Exception) -> str:
    said = _one_line(str(error))
    if isinstance(error, BodyError | TemplateError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
