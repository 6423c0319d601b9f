"""What sets the generations of Airbyte's API apart, as far as they are simulated."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ._auth import AUTH_MODES

__all__ = ["GENERATIONS", "Generation"]


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation of the API. What is not said of it is as in the newest one.

    The versions in brackets are those of the platform that brought or ended something.
    """

    version: str = ""
    """The platform version that it behaves as, like ``1.6.0``; empty: no version of Airbyte at all."""
    auth_modes: tuple[str, ...] = AUTH_MODES
    """How clients can be made to authenticate."""
    lacks: frozenset[str] = frozenset()
    """Paths below ``/api/v1/`` that other generations have."""

    tells_version: bool = True
    """instance_configuration tells the version and the way of authentication [0.58, 0.61]."""
    public_api: bool = True
    """``/api/public/v1`` is there [0.50.54], not a server of its own."""
    tokens: bool = True
    """Tokens are issued for client credentials [0.50.38, 0.63.7]."""

    any_connection: bool = True
    """jobs/list does not need a ``configId`` [0.50.46]."""
    several_statuses: bool = True
    """Listings of jobs filter by ``statuses`` [0.50.46], not by one ``status``."""
    orders: bool = True
    """Listings of jobs come in the order asked for [0.63]; else see `ConfigApi`."""
    page_numbers: bool = True
    """jobs/list rounds an offset down to a whole page [0.64.3]."""
    light_listing: bool = True
    """jobs/list_for_workspaces does not read what an attempt wrote at its end."""
    aggregated_stats: bool = True
    """Jobs tell their numbers over all attempts [0.50.54]."""
    refreshes: bool = True
    """There are jobs of the type ``refresh`` [0.57.2]."""
    failure_types: frozenset[str] | None = None
    """The types of failures that it tells apart; ``None``: all."""

    destination_sync_modes: frozenset[str] = frozenset({
        "append", "overwrite", "append_dedup", "overwrite_dedup", "update", "soft_delete",
    })  # fmt: skip
    """How a stream can be written [overwrite_dedup: 1.0, the last two: 1.8]."""
    schedule_types: bool = True
    """Schedules have a type; else there is ``schedule`` in units, or none."""
    error_ids: bool = True
    """An unexpected error is told by an id for the log alone, not by the exception's message [2.0]."""
    tags: bool = True
    """Connections have tags [1.4]."""
    actor_versions: bool = True
    """web_backend/connections/list tells the versions of connectors [0.63.6]."""
    details: bool = True
    """Objects have the many small properties that came between 0.50 and 1.6."""
    cursors: bool = True
    """Listings of connections, sources and destinations come in pages, by cursor [1.8]."""
    newest_details: bool = True
    """Rejected records, how a source's connections do, and other properties that came with 1.8 and 2.0."""

    @property
    def job_types(self) -> frozenset[str]:
        """The configuration types of the rows that exist: Airbyte stores a clear as a reset."""
        return frozenset({"sync", "reset_connection"} | ({"refresh"} if self.refreshes else set()))

    @property
    def config_types(self) -> frozenset[str]:
        """The configuration types that a listing can be asked for."""
        others = {"check_connection_source", "check_connection_destination", "discover_schema", "get_spec"}
        return self.job_types | others | ({"clear"} if self.refreshes else set())


_PROXY: Final = ("none", "basic")
_MODES: Final = frozenset({"append", "overwrite", "append_dedup"})

GENERATIONS: Final[Mapping[str, Generation]] = MappingProxyType({
    "reference": Generation(
        auth_modes=_PROXY,
        tells_version=False,
        public_api=False,
        tokens=False,
        destination_sync_modes=_MODES,
        schedule_types=False,
        error_ids=False,
        tags=False,
        details=False,
    ),
    "0.50": Generation(
        version="0.50.24",
        auth_modes=_PROXY,
        lacks=frozenset({
            "deployment/metadata", "workspaces/list_by_user_id", "tags/list", "connections/events/list",
            "connections/refresh", "connections/clear",
        }),
        tells_version=False,
        public_api=False,
        tokens=False,
        any_connection=False,
        several_statuses=False,
        orders=False,
        page_numbers=False,
        light_listing=False,
        aggregated_stats=False,
        refreshes=False,
        failure_types=frozenset({
            "config_error", "system_error", "manual_cancellation", "refresh_schema", "heartbeat_timeout",
        }),
        destination_sync_modes=_MODES,
        error_ids=False,
        tags=False,
        actor_versions=False,
        details=False,
        cursors=False,
        newest_details=False,
    ),
    "1.6": Generation(
        version="1.6.0",
        destination_sync_modes=_MODES | {"overwrite_dedup"},
        error_ids=False,
        cursors=False,
        newest_details=False,
    ),
    "2.0": Generation(version="2.0.0", lacks=frozenset({"workspaces/list"})),
})  # fmt: skip
"""The API generations that can be spoken, by name, the newest last.

``reference`` is the short API that many people know Airbyte by, and nothing else.
"""
