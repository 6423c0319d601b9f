"""The options of the state."""

import os
import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from airbyte_exporter.durations import PositiveDuration

__all__ = ["StoreConfig", "sqlite_path"]

MIN_RETENTION_SECONDS: Final = 2 * 86400
"""Airbyte's last day is read again every hour, so what is newer than two days must still be known."""

_SQLITE_URL: Final = re.compile(r"sqlite:///(?P<path>[^?#]+)")


def sqlite_path(url: SecretStr) -> Path:
    """Return the file that a state URL names.

    Raises:
        ValueError: It is no ``sqlite:///`` URL with a path. The message does not repeat it.
    """
    named = _SQLITE_URL.fullmatch(url.get_secret_value().strip())
    if named is None or named["path"].startswith(":memory:"):
        raise ValueError(
            "must be sqlite:/// and the path of a file, like sqlite:////var/lib/airbyte-exporter/state.db"
        )
    try:
        return Path(named["path"]).expanduser()
    except RuntimeError:
        raise ValueError("starts with ~, but there is no such home directory") from None


def _checked(url: SecretStr) -> SecretStr:
    sqlite_path(url)
    return url


def _enough(seconds: float) -> float:
    if seconds < MIN_RETENTION_SECONDS:
        raise ValueError("must be at least 2d, because the last day is read again every hour")
    return seconds


def _default_url() -> SecretStr:
    """Return a file in the user's state directory, as the XDG base directory specification has it."""
    # The specification has relative paths ignored. Only this default is defined by a variable of the system.
    home = os.environ.get("XDG_STATE_HOME", "")  # noqa: TID251 - not one of our settings: it defines this default
    folder = Path(home) if Path(home).is_absolute() else Path("~/.local/state")
    return SecretStr(f"sqlite:///{folder / 'airbyte-exporter' / 'state.db'}")


class StoreConfig(BaseModel):
    """Where the state is kept, and for how long what is in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: Annotated[SecretStr, AfterValidator(_checked)] = Field(
        default_factory=_default_url,
        description="Where the state is kept: `sqlite:///` and the path of a file, which is created. The "
        "default is `airbyte-exporter/state.db` in the user's state directory (`$XDG_STATE_HOME`, else "
        "`~/.local/state`).",
    )
    retention: Annotated[PositiveDuration, AfterValidator(_enough)] = Field(
        14 * 86400.0,
        description="How long finished jobs are kept, at least `2d`. The last 50 of each connection, and "
        "what its metrics and alerts need, are kept longer; counters are for good.",
    )
