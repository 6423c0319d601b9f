"""Logs: one format for our own lines and for those of the libraries, readable by people or by machines.

Everything goes to one stream. On a terminal a line is for people, with the time of this machine, elsewhere it
is one JSON object with ``timestamp`` (ISO 8601, UTC), ``level``, ``event``, ``logger`` and the details. In
systemd's journal each line says its priority, and one for people leaves the time to the journal.
Libraries speak from warnings on, and below that only at level debug. An exception is one line; its traceback
is shown at level debug.
"""

import logging
import sys
import unicodedata
from typing import Final, Literal, TextIO

import structlog
from pydantic import BaseModel, ConfigDict, Field
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["LogConfig", "configure_logging", "leave_logging_alone", "mark_after", "visible"]

_OWN_LOGGER: Final = __name__.partition(".")[0]

_MUTED: Final = ("urllib3",)
"""Libraries that never speak below warning: urllib3 logs the paths it calls, a webhook's path is a secret."""

_PRIORITIES: Final = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)
"""Syslog's priorities, each with the level from which it holds."""

_FIRST_KEYS: Final = ("timestamp", "level", "event", "logger")
_EVENT_WIDTH: Final = 20
"""Most of our own events are shorter, and the details of lines that follow each other stand in a column."""

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS_AND_MARKS: Final = frozenset("\u200c\u200d\u200e\u200f")
"""Invisible, but part of ordinary Persian, Hindi, Arabic, Hebrew, and of emoji."""


_LEFT_TO_RIGHT_MARK: Final = "\u200e"
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})


class LogConfig(BaseModel):
    """How much is logged, and how it looks."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="The least important lines that are logged. `debug` adds tracebacks and the libraries' "
        "own lines.",
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto",
        description="`console` is for people, `json` one object per line; `auto`: console on a terminal, "
        "JSON elsewhere. In systemd's journal each line has its priority, and `console` no time of its own.",
    )


def configure_logging(
    config: LogConfig, stream: TextIO, *, color: bool | None = None, is_journal: bool = False
) -> None:
    """Send every log line of this process to `stream`, replacing what was configured before.

    Args:
        config: Level and format.
        stream: Where the lines go, standard error as a rule.
        color: Whether console lines are coloured; by default when `stream` is a terminal.
        is_journal: Whether `stream` is systemd's journal, which takes priorities and has its own times.
    """
    is_terminal = stream.isatty()
    console = config.format == "console" or (config.format == "auto" and is_terminal)
    debug = config.level == "debug"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
    ]
    if not (console and is_journal):
        shared.append(_LOCAL_TIME if console else _UTC_TIME)
    exceptions: list[Processor] = [structlog.processors.format_exc_info] if debug else [_shorten_exception]
    renderer: list[Processor] = (
        [_leave_to_people, _console_renderer(colors=is_terminal if color is None else color)]
        if console
        else [_put_first_things_first, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(stream)
    formatter = _JournalFormatter if is_journal else structlog.stdlib.ProcessorFormatter
    handler.setFormatter(
        formatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *exceptions, *renderer],
        )
    )
    level = logging.getLevelNamesMapping()[config.level.upper()]
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level if debug else max(level, logging.WARNING))
    logging.getLogger(_OWN_LOGGER).setLevel(level)
    for name in _MUTED:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def leave_logging_alone() -> None:
    """Let a program that only uses this as a library decide what is logged: nothing unless it says so.

    Lines then go to the loggers of the standard library below ``airbyte_exporter``. By itself structlog would
    print every one of them.
    """
    logging.getLogger(_OWN_LOGGER).addHandler(logging.NullHandler())
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.processors.format_exc_info,
                structlog.processors.KeyValueRenderer(key_order=["event"]),
            ],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
        )


class _JournalFormatter(structlog.stdlib.ProcessorFormatter):
    """Begins each line with a priority, which the journal takes off; without it, all would have the same."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next(priority for least, priority in _PRIORITIES if record.levelno >= least)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))


def visible(text: str) -> str:
    """Escape what moves a terminal's cursor, turns its text around, hides, or fakes a line.

    Names and failure messages come from elsewhere, and everything that people write in them stays as it is.
    """
    return text if text.isprintable() else "".join(map(_visible_character, text))


def _visible_character(char: str) -> str:
    if unicodedata.category(char) not in _UNSEEN or char in _JOINERS_AND_MARKS:
        return char
    return char.encode("unicode_escape").decode("ascii")


def mark_after(text: str) -> str:
    """Return what has to follow `text` for what follows it to stay to its right: a mark that is not seen."""
    turns = any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text)
    return _LEFT_TO_RIGHT_MARK if turns else ""


_LOCAL_TIME: Final = structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False)
_UTC_TIME: Final = structlog.processors.TimeStamper(fmt="iso", utc=True)


def _console_renderer(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=_EVENT_WIDTH, exception_formatter=structlog.dev.plain_traceback
    )


def _shorten_exception(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Say in one line what an exception says; the traceback is for level debug."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    if isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        said = " ".join(str(raised).split())
        event["error"] = f"{type(raised).__name__}: {said}" if said else type(raised).__name__
    event.pop("stack_info", None)
    return event


def _leave_to_people(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Leave out which of our own modules speaks, and let no text from elsewhere fake a line."""
    if str(event.get("logger", "")).partition(".")[0] == _OWN_LOGGER:
        del event["logger"]
    for key, value in event.items():
        if isinstance(value, str) and key not in {"exception", "stack"}:
            event[key] = visible(value)
    return event


def _put_first_things_first(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Begin each line with the same keys, for whoever reads JSON with the eyes."""
    first = {key: event[key] for key in _FIRST_KEYS if key in event}
    return {**first, **event}
