"""What a row of the table of families is made of."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from airbyte_exporter.exposition._tallies import Tallies
from airbyte_exporter.model import ConnectionFacts, Fact, Instance, Snapshot
from airbyte_exporter.telemetry import FamilyInfo

__all__ = ["ConnectionFamily", "Context", "Distribution", "Facet", "Family", "InstanceFamily", "Sample"]


@dataclass(frozen=True, slots=True)
class Distribution:
    """The value of a histogram: how many observations there were, and how they are spread.

    `at_most` has the number of those up to each bound, bounds ascending and without infinity, each number
    including those before it. `sum` is all observations added up.
    """

    at_most: tuple[tuple[float, int], ...]
    count: int
    sum: int


Sample = tuple[tuple[str, ...], int]
"""Label values in the order of the family's labels, without the connection's id, and the value."""

InstanceSample = tuple[tuple[str, ...], int | Distribution]
"""A sample of a family of the whole instance; a histogram's value is a distribution."""


class Facet(Enum):
    """Which poll a family depends on, so when its samples leave the page."""

    INVENTORY = "inventory"
    JOBS = "jobs"
    BOTH = "both"
    COUNTS = "counts"

    def is_shown(self, snapshot: Snapshot) -> bool:
        """Whether the facts are fresh enough to be shown. What has been counted stays true for good."""
        inventory = snapshot.inventory_as_of is not None and not snapshot.inventory_stale
        jobs = snapshot.jobs_as_of is not None and not snapshot.jobs_stale
        match self:
            case Facet.INVENTORY:
                return inventory
            case Facet.JOBS:
                return jobs
            case Facet.BOTH:
                return inventory and jobs
            case Facet.COUNTS:
                return True


@dataclass(frozen=True, slots=True)
class Context:
    """What a family of single connections may read beside the facts about one: the instance around it.

    `workspace_names` are names by workspace id.
    """

    instance: Instance
    workspace_names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConnectionFamily:
    """A row with samples for each connection; the first label is ``connection_id``.

    `samples` is called again when the facts of that connection are others than before, and with
    `reads_context` for every connection when the context is another one. It must read nothing else. `needs`
    is the kind of fact without which an API cannot tell this, `partly` the one without which it tells only
    some of it.
    """

    info: FamilyInfo
    facet: Facet
    samples: Callable[[ConnectionFacts, Context], Sequence[Sample]]
    reads_context: bool = False
    needs: Fact | None = None
    partly: Fact | None = None


@dataclass(frozen=True, slots=True)
class InstanceFamily:
    """A row about the whole instance. `samples` must not walk the snapshot's connections.

    `needs` is the kind of fact without which an API cannot tell this.
    """

    info: FamilyInfo
    facet: Facet
    samples: Callable[[Snapshot, Tallies], Iterable[InstanceSample]]
    needs: Fact | None = None
    partly: Fact | None = None


Family = ConnectionFamily | InstanceFamily
