"""What can be shown where: colour on terminals that want it, plain text elsewhere."""

import os
from typing import TextIO

from rich.console import Console


def may_color(stream: TextIO) -> bool:
    """Whether colour is wanted: only on a terminal, and not where NO_COLOR (no-color.org) is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def can_redraw(stream: TextIO) -> bool:
    """Whether what stands on `stream` can be replaced: only on a terminal whose cursor can be moved."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}


def console_for(stream: TextIO, *, width: int | None = None) -> Console:
    """Return a console that writes to `stream` what it is given and interprets nothing in it.

    Args:
        stream: What `sys.stdout` or `sys.stderr` is now.
        width: In columns; by default that of the terminal.
    """
    return Console(
        file=stream,
        width=width,
        # Said and not guessed: a variable such as FORCE_COLOR makes no terminal of a pipe.
        force_terminal=stream.isatty(),
        no_color=not may_color(stream),
        highlight=False,
        markup=False,
        emoji=False,
    )
