"""A stream that says it is a terminal."""

import io


class Terminal(io.StringIO):
    """What a command writes there is kept."""

    def isatty(self) -> bool:
        return True
