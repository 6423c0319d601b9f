"""What a client has found out about an Airbyte, kept together with how to read that one."""

from collections.abc import Sequence
from dataclasses import replace

from airbyte_exporter.airbyte._capabilities import Capabilities, InstanceAnswer, Loss
from airbyte_exporter.airbyte._job_listings import JobListings
from airbyte_exporter.airbyte._listings import Listings
from airbyte_exporter.airbyte._public import PublicListings
from airbyte_exporter.airbyte._public_jobs import PublicJobListings
from airbyte_exporter.airbyte._workspaces import unwatched
from airbyte_exporter.model import Workspace

__all__ = ["Found"]


class Found:
    """What was found out about an Airbyte, and how to read that one.

    `instance` is what it said of itself, without a date; ``None`` if it was not asked. `since` is on the
    monotonic clock.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        instance: InstanceAnswer | None,
        listings: Listings | PublicListings,
        jobs: JobListings | PublicJobListings,
        since: float,
    ) -> None:
        self.capabilities = capabilities
        self.instance = instance
        self.listings = listings
        self.jobs = jobs
        self.since = since

    @property
    def is_public(self) -> bool:
        """Whether it is read by the public API."""
        return self.capabilities.api == "public"

    def is_of(self, instance: InstanceAnswer) -> bool:
        """Whether `instance` is the same Airbyte as far as it tells."""
        if self.instance is None:
            return instance.version in {None, self.capabilities.version}
        return replace(instance, date=None) == self.instance

    @property
    def is_guess(self) -> bool:
        """Whether it may be another API: without a workspace an old one and the short reference are alike."""
        return self.capabilities.version is None and not self.capabilities.workspaces

    def reading(self, workspaces: Sequence[Workspace]) -> "Found":
        """Return the same with other readable workspaces."""
        changed = replace(self.capabilities, workspaces=tuple(workspaces))
        return Found(changed, self.instance, self.listings, self.jobs, self.since)

    def without(self, workspace: Workspace) -> "Found":
        """Return the same with one more workspace that we may not read."""
        light = self.capabilities.endpoints.light_listing
        method = "web_backend/connections/list" if light else "connections/list"
        changed = replace(
            self.capabilities,
            unreadable=(*self.capabilities.unreadable, workspace),
            losses=(*self.capabilities.losses, Loss(method, unwatched(workspace))),
        )
        return Found(changed, self.instance, self.listings, self.jobs, self.since)
