"""Connections are disabled while the exporter watches: it tells who or what it was, where Airbyte does."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Simulate
from tests.e2e.harness import eventually, exporter_for, get, reader_for, running

BREAKING = "SCHEMA_CHANGES_ARE_BREAKING"


@pytest.mark.parametrize(
    ("generation", "as_reader"), [("0.50", False), ("1.6", False), ("2.0", False), ("2.0", True)]
)
def test_who_or_what_disabled_a_connection_is_told(
    simulate: Simulate, tmp_path: Path, generation: str, as_reader: bool
) -> None:
    auth = "client-credentials" if as_reader else "none"
    server = simulate(history_jobs=2, generation=generation, auth=auth)
    world = server.world
    watched = [
        it
        for it in world.connections()
        if it.status == "active" and (not as_reader or it.workspace_id in server.reader_workspaces)
    ]
    paused, broken, quiet = watched[:3]
    begin = reader_for if as_reader else exporter_for
    with running(begin(tmp_path, server)) as exporter:

        def told(*of: str) -> dict[str, Any] | None:
            connections = json.loads(get(f"{exporter.url}/api/v1/status")[1])["connections"]
            found = {it["id"]: it["disabled"] for it in connections if it["id"] in of}
            return found if all(found.values()) else None

        exporter.wait_until_ready()
        world.pause(paused.id)
        world.change_schema(broken.id, "breaking")
        found = eventually(lambda: told(paused.id, broken.id), "both are told of", unless=exporter.died)
        exporter.kill()
        exporter.start()
        exporter.wait_until_ready()
        assert told(paused.id, broken.id) == found, "a restart changes nothing"
        assert told(quiet.id) is None
        events = server.counts.get("POST /api/v1/connections/events/list", 0)
    tells = generation != "0.50"
    assert found is not None
    assert {id_: (it["reason"], it["by_person"]) for id_, it in found.items()} == {
        paused.id: (None, True if tells else None),
        broken.id: (BREAKING if tells else None, False if tells else None),
    }
    assert events == (2 if tells else 0)
