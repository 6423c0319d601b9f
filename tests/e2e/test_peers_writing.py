"""Other people's clients and our commands see and work on what the other has made in the simulated Airbyte.

Schedules come due on the 29th of February only, so that no sync begins but those that somebody asks for.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airbyte_exporter.simulator import World
from tests.e2e.harness import eventually
from tests.e2e.peers import AIRBYTE_API, DAGSTER, SEED, Peer, Running, simulated
from tests.specifications import Json

pytestmark = pytest.mark.timeout(300)  # the first run installs the peers

RARELY = "0 0 6 29 2 ?"
PASSWORD, KEY = "mArKeR-of-a-password", "mArKeR-of-a-key"
SHOP = {
    "host": "db.example.com",
    "port": 5432,
    "database": "shop",
    "username": "reader",
    "password": PASSWORD,
}
LAKE = {
    "s3_bucket_name": "lake",
    "s3_bucket_path": "shop",
    "s3_bucket_region": "eu-central-1",
    "access_key_id": "mArKeR-of-an-id",
    "secret_access_key": KEY,
    "format": {"format_type": "JSONL"},
}

READING = (
    AIRBYTE_API
    + """
    from airbyte_api.errors import ResponseValidationError

    asked = json.load(sys.stdin)

    def told(call):
        try:
            return call().raw_response.json()
        except ResponseValidationError as unread:
            return json.loads(unread.body)
"""
)
"""The client cannot make its models of destinations, nor of some sources: it raises what it was `told`."""

SEE_WITH_AIRBYTE_API = (
    READING
    + """
    ids = [asked["workspace"]]
    sources = told(lambda: client.sources.list_sources(
        request=api.ListSourcesRequest(workspace_ids=ids, limit=100)))["data"]
    destinations = told(lambda: client.destinations.list_destinations(
        request=api.ListDestinationsRequest(workspace_ids=ids, limit=100)))["data"]
    connections = every(lambda offset: client.connections.list_connections(
        request=api.ListConnectionsRequest(workspace_ids=ids, offset=offset)).connections_response)
    connection = next(one for one in connections if one.connection_id == asked["connection"])
    source = next(one for one in sources if one["sourceId"] == connection.source_id)
    destination = next(one for one in destinations if one["destinationId"] == connection.destination_id)
    jobs = every(lambda offset: client.jobs.list_jobs(request=api.ListJobsRequest(
        connection_id=connection.connection_id, offset=offset)).jobs_response)
    json.dump({
        "source": [source["sourceId"], source["name"], source["sourceType"]],
        "destination": [destination["destinationId"], destination["name"], destination["destinationType"]],
        "connection": [connection.name, connection.status.value],
        "schedule": [connection.schedule.schedule_type.value, connection.schedule.cron_expression],
        "streams": {one.name: one.sync_mode.value for one in connection.configurations.streams},
        "jobs": {one.job_id: one.status.value for one in jobs},
    }, sys.stdout)
"""
)

CREATE_WITH_AIRBYTE_API = (
    READING
    + """
    source = client.sources.create_source(request=models.SourceCreateRequest(
        name="Their shop", workspace_id=asked["workspace"],
        configuration=models.SourcePostgres(**asked["shop"]),
    )).source_response
    lake = asked["lake"] | {"format": models.DestinationS3JSONLinesNewlineDelimitedJSON()}
    destination = told(lambda: client.destinations.create_destination(request=models.DestinationCreateRequest(
        name="Their lake", workspace_id=asked["workspace"], configuration=models.DestinationS3(**lake),
    )))["destinationId"]
    cron = models.AirbyteAPIConnectionSchedule(
        schedule_type=models.ScheduleTypeEnum.CRON, cron_expression=asked["cron"])
    streams = [
        models.StreamConfiguration(
            name="customers", sync_mode=models.ConnectionSyncModeEnum.FULL_REFRESH_OVERWRITE),
        models.StreamConfiguration(
            name="orders", sync_mode=models.ConnectionSyncModeEnum.INCREMENTAL_DEDUPED_HISTORY,
            cursor_field=["updated_at"], primary_key=[["id"]]),
    ]
    connection = client.connections.create_connection(request=models.ConnectionCreateRequest(
        name="Their shop to lake", source_id=source.source_id, destination_id=destination,
        schedule=cron if asked["cron"] else None,
        configurations=models.StreamConfigurations(streams=streams),
    )).connection_response
    job = asked["cron"] and client.jobs.create_job(request=models.JobCreateRequest(
        connection_id=connection.connection_id, job_type=models.JobTypeEnum.SYNC)).job_response.job_id
    json.dump({
        "source": source.source_id, "destination": destination,
        "connection": connection.connection_id, "job": job,
    }, sys.stdout)
"""
)

DELETE_WITH_AIRBYTE_API = (
    READING
    + """
    client.jobs.cancel_job(request=api.CancelJobRequest(job_id=asked["job"]))
    for done in (
        client.connections.delete_connection(request=api.DeleteConnectionRequest(connection_id=asked["connection"])),
        client.sources.delete_source(request=api.DeleteSourceRequest(source_id=asked["source"])),
        client.destinations.delete_destination(request=api.DeleteDestinationRequest(destination_id=asked["destination"])),
    ):
        assert done.status_code == 204, done
    json.dump(True, sys.stdout)
"""
)

SEE_WITH_DAGSTER = (
    DAGSTER
    + """
    asked = json.load(sys.stdin)
    found = workspace(asked["workspace"])
    data, client = found.fetch_airbyte_workspace_data(), found.get_client()
    connection = data.connections_by_id[asked["connection"]]
    destination = data.destinations_by_id[connection.destination_id]
    details = client.get_connection_details(connection.id)
    json.dump({
        "source": details["sourceId"],
        "destination": [destination.id, destination.type],
        "connection": [connection.name, details["status"]],
        "schedule": details["scheduleData"]["cron"],
        "tables": sorted(
            one.table_name for one in data.to_airbyte_connection_table_props_data()
            if one.connection_id == connection.id),
        "modes": {
            one["stream"]["name"]: [one["config"]["syncMode"], one["config"]["destinationSyncMode"]]
            for one in details["syncCatalog"]["streams"]},
        "jobs": {job.id: job.status for job in client.get_jobs_for_connection(connection.id)},
    }, sys.stdout)
"""
)

START_WITH_DAGSTER = (
    DAGSTER
    + """
    asked = json.load(sys.stdin)
    json.dump(workspace(asked["workspace"]).get_client().start_sync_job(asked["connection"]), sys.stdout)
"""
)

CANCEL_WITH_DAGSTER = (
    DAGSTER
    + """
    asked = json.load(sys.stdin)
    json.dump(workspace(asked["workspace"]).get_client().cancel_job(asked["job"]), sys.stdout)
"""
)

SYNC_WITH_DAGSTER = (
    DAGSTER
    + """
    asked = json.load(sys.stdin)
    client = workspace(asked["workspace"], poll_interval=0.2).get_client()
    json.dump(client.sync_and_poll(asked["connection"]).job_details, sys.stdout)
"""
)


@dataclass(frozen=True)
class House:
    """A simulated Airbyte with our commands and the peers around it."""

    airbyte: Running
    airbyte_api: Peer
    dagster_airbyte: Peer
    home: Path

    @property
    def workspace(self) -> str:
        """The workspace in which everything is made."""
        return World(seed=SEED, now=0).workspaces()[0].id

    def with_airbyte_api(self, program: str, **asked: object) -> Json:
        """Return what a program of Airbyte's client tells."""
        return self._with(self.airbyte_api, program, self.airbyte.airbyte_api_secrets, asked)

    def with_dagster(self, program: str, **asked: object) -> Json:
        """Return what a program of Dagster's client tells."""
        return self._with(self.dagster_airbyte, program, self.airbyte.secrets, asked)

    def _with(self, peer: Peer, program: str, secrets: tuple[str, ...], asked: dict[str, object]) -> Json:
        asked = {"workspace": self.workspace, **asked}
        return peer.tells(program, self.airbyte.url, *secrets, home=self.home, asked=asked)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start one of our commands."""
        names = {"basic": ("USERNAME", "PASSWORD"), "client-credentials": ("CLIENT_ID", "CLIENT_SECRET")}
        how, *secrets = self.airbyte.secrets
        known = dict(zip((f"AIRBYTE_EXPORTER_AIRBYTE__{name}" for name in names[how]), secrets, strict=True))
        return subprocess.Popen(
            [sys.executable, "-m", "airbyte_exporter", *words],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "AIRBYTE_EXPORTER_AIRBYTE__URL": self.airbyte.url,
                **known,
            },
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *words: str, code: int = 0) -> str:
        """Run one of our commands; return everything that it prints."""
        process = self.start(*words)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == code, (words, output, errors)
        return output if code == 0 else output + errors

    def told(self, *words: str) -> Json:
        """Return what one of our commands tells as JSON, in which there is never a secret."""
        output = self.command(*words, "--output", "json")
        assert "mArKeR" not in output
        return json.loads(output)

    def create(self, kind: str, definition: str, name: str, configuration: dict[str, Any]) -> str:
        """Create a source or destination with our command; return its id."""
        file = self.home / f"{kind}.json"
        file.write_text(json.dumps(configuration))
        given = ("--definition", definition, "--name", name, "--config", str(file))
        return str(self.told(f"{kind}s", "create", *given, "--workspace", self.workspace)["id"])

    def jobs(self, connection: str) -> dict[int, str]:
        """Return the status of each job of a connection, as our commands tell it."""
        listed = self.told("jobs", "list", "--connection", connection)
        return {one["id"]: one["status"] for one in listed}


@pytest.fixture(params=[("1.6", "basic"), ("2.0", "client-credentials")], ids=["1.6", "2.0"])
def house(
    request: pytest.FixtureRequest, airbyte_api: Peer, dagster_airbyte: Peer, home: Path
) -> Iterator[House]:
    """A simulated Airbyte of each generation, at the pace of a real one."""
    with simulated(*request.param) as airbyte:
        yield House(airbyte, airbyte_api, dagster_airbyte, home)


def test_the_peers_see_what_our_commands_made(house: House) -> None:
    source = house.create("source", "postgres", "Our shop", SHOP)
    destination = house.create("destination", "s3", "Our lake", LAKE)
    connection = house.told(
        *(
            "connections",
            "create",
            "--source",
            source,
            "--destination",
            destination,
            "--name",
            "Our shop to lake",
        ),
        *("--stream", "customers:full_refresh:overwrite", "--stream", "orders:incremental:updated_at:append"),
        *("--cron", RARELY, "--timezone", "Europe/Berlin"),
    )["id"]
    job = house.told("connections", "sync", connection)["id"]

    theirs = house.with_airbyte_api(SEE_WITH_AIRBYTE_API, connection=connection)
    assert theirs.pop("jobs") in ({str(job): "pending"}, {str(job): "running"})
    assert theirs == {
        "source": [source, "Our shop", "postgres"],
        "destination": [destination, "Our lake", "s3"],
        "connection": ["Our shop to lake", "active"],
        "schedule": ["cron", f"{RARELY} Europe/Berlin"],
        "streams": {"customers": "full_refresh_overwrite", "orders": "incremental_append"},
    }
    dagsters = house.with_dagster(SEE_WITH_DAGSTER, connection=connection)
    assert dagsters.pop("jobs") in ({str(job): "pending"}, {str(job): "running"})
    assert dagsters == {
        "source": source,
        "destination": [destination, "s3"],
        "connection": ["Our shop to lake", "active"],
        "schedule": {"cronExpression": RARELY, "cronTimeZone": "Europe/Berlin"},
        "tables": ["customers", "orders"],
        "modes": {"customers": ["full_refresh", "overwrite"], "orders": ["incremental", "append"]},
    }

    house.command("jobs", "cancel", str(job), "--yes")
    house.command("connections", "disable", connection)
    theirs = house.with_airbyte_api(SEE_WITH_AIRBYTE_API, connection=connection)
    assert (theirs["connection"], theirs["jobs"]) == (
        ["Our shop to lake", "inactive"],
        {str(job): "cancelled"},
    )
    dagsters = house.with_dagster(SEE_WITH_DAGSTER, connection=connection)
    assert (dagsters["connection"][1], dagsters["jobs"]) == ("inactive", {str(job): "cancelled"})


def test_our_commands_see_what_the_peers_made(house: House) -> None:
    made = house.with_airbyte_api(CREATE_WITH_AIRBYTE_API, cron=RARELY, shop=SHOP, lake=LAKE)
    source = house.told("sources", "show", made["source"])
    assert (source["name"], source["connector"]) == ("Their shop", "Postgres")
    assert [one["id"] for one in source["connections"]] == [made["connection"]]
    destination = house.told("destinations", "show", made["destination"])
    assert (destination["name"], destination["connector"]) == ("Their lake", "S3")
    connection = house.told("connections", "show", made["connection"])
    assert (connection["name"], connection["status"]) == ("Their shop to lake", "active")
    assert (connection["source"]["id"], connection["destination"]["id"]) == (
        made["source"],
        made["destination"],
    )
    schedule = {name: value for name, value in connection["schedule"].items() if value is not None}
    assert schedule == {"type": "cron", "cron_expression": RARELY, "cron_time_zone": "UTC"}
    job = house.told("jobs", "show", str(made["job"]))
    assert (job["connection"]["id"], job["type"]) == (made["connection"], "sync")
    assert house.jobs(made["connection"]) in ({made["job"]: "pending"}, {made["job"]: "running"})
    offered = {one["name"] for one in house.told("sources", "discover", made["source"])}
    assert {"customers", "orders"} <= offered


def test_airbyte_api_cannot_read_any_destination_as_with_real_servers(house: House) -> None:
    refused = house.airbyte_api.run(
        AIRBYTE_API + "    client.destinations.list_destinations(request=api.ListDestinationsRequest())",
        *(house.airbyte.url, *house.airbyte.airbyte_api_secrets),
        home=house.home,
    )
    assert refused.returncode != 0
    wanted = "Could not find discriminator field destination_type"
    assert wanted in refused.stderr, "it wants the type in the configuration, where real servers keep none"


def test_the_wait_for_a_job_ends_when_a_peer_cancels_it(house: House) -> None:
    made = house.with_airbyte_api(CREATE_WITH_AIRBYTE_API, cron=RARELY, shop=SHOP, lake=LAKE)
    waiting = house.start("jobs", "wait", str(made["job"]), "--interval", "1s", "--timeout", "1m")
    assert waiting.stdout is not None
    begun = waiting.stdout.readline()
    assert f"job {made['job']} is " in begun, begun
    cancelled = house.with_dagster(CANCEL_WITH_DAGSTER, job=made["job"])
    assert (cancelled["jobId"], cancelled["status"]) == (made["job"], "cancelled")
    rest, errors = waiting.communicate(timeout=30)
    assert waiting.returncode == 1
    assert "cancelled" in rest + errors


def test_each_works_on_what_the_other_made(house: House) -> None:
    made = house.with_airbyte_api(CREATE_WITH_AIRBYTE_API, cron=RARELY, shop=SHOP, lake=LAKE)
    connection, first = made["connection"], made["job"]
    house.command("jobs", "cancel", str(first), "--yes")
    second = house.with_dagster(START_WITH_DAGSTER, connection=connection)["jobId"]
    assert house.jobs(connection)[first] == "cancelled"
    assert house.jobs(connection)[second] in {"pending", "running"}
    refused = house.command("connections", "sync", connection, code=1)
    assert f"{second}" in refused, "a sync runs already, and it is Dagster's"
    house.with_dagster(CANCEL_WITH_DAGSTER, job=second)
    assert house.told("jobs", "show", str(second))["status"] == "cancelled"

    house.command("connections", "schedule", connection, "--manual")
    house.command("connections", "disable", connection)
    theirs = house.with_airbyte_api(SEE_WITH_AIRBYTE_API, connection=connection)
    assert theirs["schedule"] == ["manual", None]
    assert theirs["connection"] == ["Their shop to lake", "inactive"]
    assert theirs["streams"] == {
        "customers": "full_refresh_overwrite",
        "orders": "incremental_deduped_history",
    }
    house.command("connections", "enable", connection)
    third = house.told("connections", "sync", connection)["id"]
    theirs = house.with_airbyte_api(SEE_WITH_AIRBYTE_API, connection=connection)
    assert theirs["connection"] == ["Their shop to lake", "active"]
    assert set(theirs["jobs"]) == {str(first), str(second), str(third)}

    house.with_airbyte_api(DELETE_WITH_AIRBYTE_API, **made | {"job": third})
    assert house.told("jobs", "show", str(third))["status"] == "cancelled"
    for kind in ("source", "destination", "connection"):
        assert "there is no" in house.command(f"{kind}s", "show", made[kind], code=1)


def test_the_wait_for_a_job_of_a_peer_ends_with_its_success(
    airbyte_api: Peer, dagster_airbyte: Peer, home: Path
) -> None:
    with simulated("2.0", "client-credentials", speed=60) as airbyte:  # a sync takes five seconds
        house = House(airbyte, airbyte_api, dagster_airbyte, home)
        made = house.with_airbyte_api(CREATE_WITH_AIRBYTE_API, cron="", shop=SHOP, lake=LAKE)
        with dagster_airbyte.begun(
            SYNC_WITH_DAGSTER,
            *(airbyte.url, *airbyte.secrets),
            home=home,
            asked={"workspace": house.workspace, "connection": made["connection"]},
        ) as syncing:
            job = eventually(
                lambda: next(iter(house.jobs(made["connection"])), None), "Dagster has begun a sync"
            )
            ended = house.command("jobs", "wait", str(job), "--interval", "1s")
            assert f"job {job} of Their shop to lake succeeded" in ended
            output, errors = syncing.communicate(timeout=60)
        assert syncing.returncode == 0, errors[-3000:]
    details = json.loads(output)
    assert (details["jobId"], details["status"]) == (job, "succeeded")
