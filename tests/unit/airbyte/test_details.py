"""Connectors on offer, and one job with its streams."""

from typing import Any, Literal

import pytest

from airbyte_exporter.airbyte import ApiMalformed
from airbyte_exporter.model import Definition, StreamVolumes, Volumes
from tests.unit.airbyte.fakes import Json, Say, attempt_row, job_row, talk

NUMBERS = {"recordsEmitted": 5, "bytesEmitted": 50, "recordsCommitted": 4, "bytesCommitted": 40}


@pytest.mark.parametrize("kind", ["source", "destination"])
def test_definitions_are_one_plain_request(kind: Literal["source", "destination"]) -> None:
    known = {
        f"{kind}DefinitionId": "d1",
        "name": "Postgres",
        "dockerRepository": "airbyte/x-postgres",
        "dockerImageTag": "3.6.1",
        "documentationUrl": "https://docs.example",
    }
    t = talk([Say(body={f"{kind}Definitions": [known, known, {f"{kind}DefinitionId": "d2", "name": 7}]})])
    assert t.client.definitions(kind) == (
        Definition("d1", kind, "Postgres", "airbyte/x-postgres", "3.6.1"),
        Definition("d2", kind, "d2"),
    )
    assert t.airbyte.bodies(f"{kind}_definitions/list") == [{}]


@pytest.mark.parametrize("body", [{}, {"sourceDefinitions": None}, {"sourceDefinitions": [{"name": "x"}]}])
def test_definitions_that_cannot_be_used_are_no_listing(body: Json) -> None:
    with pytest.raises(ApiMalformed, match="source_definitions/list"):
        talk([Say(body=body)]).client.definitions("source")


def answer(**job: Json) -> Say:
    row: dict[str, Any] = job_row(7, **job)
    return Say(body={"job": row["job"], "attempts": [{"attempt": attempt_row(0)}]})


def test_a_job_comes_with_its_streams_in_one_request() -> None:
    streams = [
        {"streamName": "orders", "streamNamespace": "public", **NUMBERS, "recordsRejected": 1},
        {"streamName": "users", "recordsEmitted": -1},
        {"recordsEmitted": 3},
    ]
    t = talk([answer(aggregatedStats=NUMBERS, streamAggregatedStats=streams)])
    details = t.client.job_details(7)
    assert details is not None
    assert details.streams == (
        StreamVolumes("public", "orders", Volumes(4, 40, 5, 50, 1)),
        StreamVolumes(None, "users", Volumes()),
    )
    assert (details.job.id, details.job.volumes) == (7, Volumes(4, 40, 5, 50))
    assert t.airbyte.bodies("jobs/get_without_logs") == [{"id": 7}]
    assert details.job == talk([answer(aggregatedStats=NUMBERS, streamAggregatedStats=streams)]).client.job(7)


@pytest.mark.parametrize("told", [{}, {"streamAggregatedStats": []}, {"streamAggregatedStats": "no"}])
def test_streams_that_are_not_told_are_not_known(told: dict[str, Json]) -> None:
    details = talk([answer(**told)]).client.job_details(7)
    assert details is not None
    assert details.streams is None


def test_details_of_a_job_that_does_not_exist() -> None:
    gone = Say(404, {"message": "no", "exceptionClassName": "io.airbyte.IdNotFoundKnownException"})
    assert talk([gone]).client.job_details(7) is None
