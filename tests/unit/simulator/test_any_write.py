"""Whatever is written over either API, the answer is one that Airbyte gives, and the world goes on."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.simulator import World
from tests.specifications import Json
from tests.unit.simulator.asking import NOW, PUBLIC, SPECIFIED, Config
from tests.unit.simulator.openapi import config_api
from tests.unit.simulator.public_writing import Writer
from tests.unit.simulator.writing import DATABASE, catalogue, new_connection, stream

ANSWERS = {200, 204, 400, 404, 409, 422, 500}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["active", "inactive", "**********", "cron", "0 0 9 * * ?", "UTC"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def spoiled(body: Json, data: st.DataObject) -> Json:
    """Put anything in the place of something inside."""
    inside = (
        list(body) if isinstance(body, dict) else list(range(len(body))) if isinstance(body, list) else []
    )
    if not inside or data.draw(st.integers(0, 3)) == 0:
        return data.draw(ANYTHING)
    place = data.draw(st.sampled_from(inside))
    copy = body.copy()
    copy[place] = spoiled(body[place], data)
    return copy


@pytest.mark.parametrize("generation", SPECIFIED)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_body_is_answered(generation: str, data: st.DataObject) -> None:
    world = World(seed=3, connections=2, now=NOW, history_jobs=1)
    config, specification = Config(world, generation), config_api(generation)
    connection = new_connection(config)
    body: Any = {
        **{name: connection[name] for name in ("connectionId", "sourceId", "destinationId")},
        "id": 1,
        "workspaceId": world.workspaces()[0].id,
        "sourceDefinitionId": config.definition("source", "Postgres"),
        "destinationDefinitionId": config.definition("destination", "Postgres"),
        "name": "New",
        "connectionConfiguration": {**DATABASE, "schema": "public"},
        "status": "active",
        "syncCatalog": catalogue(stream("orders", cursorField=["id"], primaryKey=[["id"]], selected=True)),
        "scheduleType": data.draw(st.sampled_from(["basic", "cron", "manual"])),
        "scheduleData": {
            "basicSchedule": {"units": 1, "timeUnit": "hours"},
            "cron": {"cronExpression": "0 0 9 * * ?", "cronTimeZone": "UTC"},
        },
        "tags": [],
        "refreshMode": "Merge",
        "streams": [{"streamName": "orders", "streamNamespace": "public"}],
    }
    for _ in range(3):
        path = data.draw(st.sampled_from(sorted(config.write_paths)))
        answer = config.ask(path, spoiled(body, data) if data.draw(st.booleans()) else body)
        assert answer.status in ANSWERS
        assert b"hunter2" not in answer.payload()
        if answer.status == 200:
            assert specification.problems("POST", path, 200, json.loads(answer.payload())) == []
        world.advance(world.now + data.draw(st.sampled_from([0, 1, 4000])))
    assert len({one.id for one in world.connections()}) == len(world.connections()) >= 3


@pytest.mark.parametrize("generation", PUBLIC)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_body_is_answered_by_the_public_api(generation: str, data: st.DataObject) -> None:
    public = Writer(generation)
    connection = public.works("GET", f"connections/{public.connection}")
    ids = {kind: connection[f"{kind}Id"] for kind in ("source", "destination", "connection")}
    fields = [{"fieldPath": ["id"]}]
    orders = {
        "name": "orders",
        "syncMode": "incremental_append",
        "cursorField": ["id"],
        "primaryKey": [["id"]],
    }
    body: Any = {
        **{f"{kind}Id": identity for kind, identity in ids.items()},
        "name": "New",
        "workspaceId": connection["workspaceId"],
        "configuration": {
            **DATABASE, "schema": "public", "sourceType": "postgres", "destinationType": "postgres",
        },
        "status": "active",
        "schedule": {"scheduleType": "cron", "cronExpression": "0 0 9 * * ?"},
        "configurations": {"streams": [{"name": "customers", "selectedFields": fields}, orders]},
        "tags": [],
        "jobType": "sync",
    }  # fmt: skip
    paths = [f"{kind}s" for kind in ids] + [f"{kind}s/{identity}" for kind, identity in ids.items()]
    for _ in range(3):
        method, path = (
            data.draw(st.sampled_from(["POST", "PATCH", "PUT", "DELETE"])),
            data.draw(st.sampled_from([*paths, "jobs"])),
        )
        status, told = public.ask(method, path, spoiled(body, data) if data.draw(st.booleans()) else body)
        assert status in ANSWERS | {405}
        assert "hunter2" not in json.dumps(told)
        public.world.advance(public.world.now + data.draw(st.sampled_from([0, 1, 4000])))
