"""Sources and destinations, and the connectors that they are made of."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pydantic import SecretStr

from airbyte_exporter.airbyte.writing import BLANK, PATIENCE_SECONDS, Configuration, WritingClient
from airbyte_exporter.control._errors import ControlError
from airbyte_exporter.control._naming import find_definition, find_one, quoted
from airbyte_exporter.logs import visible
from airbyte_exporter.model import Actor, Catalog, Check, Connection, Definition, Workspace

__all__ = ["Actors", "Placed", "Sources"]

_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Placed:
    """A source or destination and the workspace that it is in."""

    actor: Actor
    workspace: Workspace

    @property
    def id(self) -> str:
        """Airbyte's id of the source or destination."""
        return self.actor.id

    @property
    def name(self) -> str:
        """What people call it."""
        return self.actor.name


class Actors:
    """The sources or the destinations of an Airbyte, as `kind` says."""

    def __init__(self, client: WritingClient, kind: Literal["source", "destination"]) -> None:
        self._client = client
        self.kind = kind

    def list(self, workspaces: Iterable[Workspace] | None = None) -> tuple[Placed, ...]:
        """List those of `workspaces`, by default of all that we may read."""
        read = self._client.sources if self.kind == "source" else self._client.destinations
        homes = self._client.workspaces() if workspaces is None else workspaces
        return tuple(Placed(actor, home) for home in homes for actor in read(home.id))

    def find(self, name: str, workspace: Workspace | None = None) -> Placed:
        """Return the one that `name` means: an id, the beginning of one, or an exact name.

        Raises:
            NotOneError: There is none in `workspace` or anywhere, or several match.
        """
        where = "" if workspace is None else f"workspace {quoted(workspace.name)}"
        return find_one(self.kind, self.list(None if workspace is None else [workspace]), name, where=where)

    def definition(self, name: str) -> Definition:
        """Return the connector that `name` means: ``postgres``, ``S3``, an id or an image.

        Raises:
            NotOneError: There is none, or several match.
        """
        return find_definition(self.kind, self._client.definitions(self.kind), name)

    def create(
        self, workspace: Workspace, definition: Definition, name: str, configuration: Configuration
    ) -> Placed:
        """Create one. Whether it can connect is not tried: `check` does that.

        `configuration` is what the connector's own documentation says; a text in it can be a `SecretStr`.

        Raises:
            ControlError: There is one of that name in the workspace, or a secret is not told but blanked out.
            ApiRejected: The connector does not take this configuration.
        """
        blanks = ", ".join(visible(path) for path in _blanks(configuration))
        if blanks:
            raise ControlError(f"{blanks}: is what is shown in place of a secret, not the secret")
        same = [each.id for each in self.list([workspace]) if each.name == name]
        if same:
            raise ControlError(
                f"workspace {quoted(workspace.name)} has a {self.kind} {quoted(name)} already ({same[0]}): "
                "choose another name, or update that one"
            )
        actor = self._client.create_actor(self.kind, workspace.id, definition.id, name, configuration)
        return Placed(_made_of(actor, definition.name), workspace)

    def update(
        self,
        placed: Placed,
        *,
        name: str | None = None,
        configuration: Configuration | None = None,
        replace: bool = False,
    ) -> Placed:
        """Change the name, and of the configuration what `configuration` has.

        The rest of the configuration stays as it is, secrets included, and what is ``None`` is taken out;
        with `replace` there is no rest.
        """
        setup = self._client.actor_setup(self.kind, placed.id)
        wanted: Configuration = setup.configuration
        if configuration is not None:
            wanted = configuration if replace else _overlaid(setup.configuration, configuration)
        new_name = setup.actor.name if name is None else name
        actor = self._client.update_actor(self.kind, placed.id, new_name, wanted)
        return Placed(_made_of(actor, placed.actor.connector), placed.workspace)

    def users(self, placed: Placed) -> tuple[Connection, ...]:
        """Return the connections that use it: they are deleted with it."""
        connections = self._client.connections(placed.workspace.id)
        return tuple(
            each
            for each in connections
            if (each.source if self.kind == "source" else each.destination).id == placed.id
        )

    def delete(self, placed: Placed) -> None:
        """Delete it, and with it every connection that uses it; what those have written stays."""
        self._client.delete_actor(self.kind, placed.id)

    def check(self, placed: Placed, *, timeout: float = PATIENCE_SECONDS) -> Check:
        """Make the connector connect, and wait up to `timeout` seconds for what it says."""
        return self._client.check_actor(self.kind, placed.id, patience=timeout)


class Sources(Actors):
    """The sources of an Airbyte."""

    def __init__(self, client: WritingClient) -> None:
        super().__init__(client, "source")

    def discover(self, source: Placed, *, timeout: float = PATIENCE_SECONDS) -> Catalog:
        """Have a source tell its streams, and wait up to `timeout` seconds for that.

        Raises:
            ApiRejected: The connector could not tell, for the reason in the message.
        """
        return self._client.discover(source.id, patience=timeout)


def _made_of(actor: Actor, connector: str) -> Actor:
    """Return `actor`, made of that connector where the answer does not say so itself."""
    return replace(actor, connector=connector) if actor.connector == _UNKNOWN else actor


def _overlaid(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return `present` with what `wanted` has in its place, mapping by mapping, without what is ``None``.

    That is JSON Merge Patch (RFC 7386).
    """
    merged = dict(present)
    for name, value in wanted.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            inside = present.get(name)
            merged[name] = _overlaid(inside if isinstance(inside, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def _blanks(value: object, path: str = "") -> Iterator[str]:
    """Yield where in a configuration there is a blank for a secret."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _blanks(inner, f"{path}.{name}".removeprefix("."))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _blanks(inner, f"{path}[{index}]")
    elif (value.get_secret_value() if isinstance(value, SecretStr) else value) == BLANK:
        yield path
