"""One Airbyte, and everything that operators may do with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airbyte_exporter.airbyte import AirbyteConfig
from airbyte_exporter.airbyte.writing import Request, WritingClient
from airbyte_exporter.control._actors import Actors, Sources
from airbyte_exporter.control._connections import Connections
from airbyte_exporter.control._errors import ControlError
from airbyte_exporter.control._jobs import Jobs
from airbyte_exporter.control._naming import find_one, quoted
from airbyte_exporter.model import Workspace

__all__ = ["Control"]


class Control:
    """What can be done with an Airbyte, in the groups of the command line.

    `client` reads and changes it by ids. Every method may raise `ApiError`; one whose `maybe_done` is set may
    have had its effect, and the message says so.
    """

    def __init__(self, client: WritingClient) -> None:
        self.client = client
        self.sources = Sources(client)
        self.destinations = Actors(client, "destination")
        self.connections = Connections(client, self.sources)
        self.jobs = Jobs(client)

    @classmethod
    @contextmanager
    def open(
        cls,
        config: AirbyteConfig,
        *,
        clock: Callable[[], float],
        announce: Callable[[Request], None] | None = None,
        connect: Callable[..., WritingClient] = WritingClient,
    ) -> Iterator["Control"]:
        """Give the Airbyte that `config` names, and close its connections at the end.

        Args:
            config: Where it is and how to authenticate.
            clock: Epoch seconds, such as `time.time`.
            announce: Is told each change before it is asked for, without secrets; it prevents it by raising.
            connect: Makes the client.

        Raises:
            ConfigurationError: A certificate or key file cannot be used.
        """
        client = connect(config, clock=clock)
        client.announce = announce
        try:
            yield cls(client)
        finally:
            client.close()

    def workspace(self, name: str | None = None) -> Workspace:
        """Return the workspace that `name` means: an id, the beginning of one, or an exact name.

        Without a name it is the only one that we may read.

        Raises:
            NotOneError: There is none, or several match.
            ControlError: No name is given and there are several, or none.
        """
        workspaces = self.client.workspaces()
        if name is not None:
            return find_one("workspace", workspaces, name)
        if len(workspaces) == 1:
            return workspaces[0]
        if not workspaces:
            raise ControlError("Airbyte shows us no workspace")
        names = ", ".join(quoted(each.name) for each in workspaces)
        raise ControlError(f"there are {len(workspaces)} workspaces: say which one is meant: {names}")
