"""Jobs that clients start and cancel over the public API, and properties of connections that they change."""

from typing import Any

import pytest

from airbyte_exporter.simulator._roles import reader_of
from tests.unit.simulator.asking import NOW, PUBLIC, STRANGER
from tests.unit.simulator.public_writing import Writer

Json = dict[str, Any]


@pytest.fixture(params=PUBLIC)
def public(request: pytest.FixtureRequest) -> Writer:
    """The public API, in every generation that has it."""
    return Writer(request.param)


def test_a_new_connection_is_told_in_the_public_words(public: Writer) -> None:
    status, told = public.ask("GET", f"connections/{public.connection}")
    assert (status, told["namespaceDefinition"]) == (200, "source")
    modes = {one["name"]: one["syncMode"] for one in told["configurations"]["streams"]}
    assert modes == {"customers": "full_refresh_overwrite", "orders": "incremental_deduped_history"}


@pytest.mark.parametrize(("kind", "stored"), [("sync", "sync"), ("reset", "reset"), ("clear", "reset")])
def test_a_job_is_started_and_cancelled(public: Writer, kind: str, stored: str) -> None:
    body = {"connectionId": public.connection, "jobType": kind}
    status, job = public.ask("POST", "jobs", body)
    assert (status, job["status"], job["jobType"]) == (200, "pending", stored)
    assert public.ask("POST", "jobs", body)[0] == 409
    status, cancelled = public.ask("DELETE", f"jobs/{job['jobId']}")
    assert (status, cancelled["status"]) == (200, "cancelled")
    assert public.ask("DELETE", f"jobs/{job['jobId']}") == (200, cancelled)
    assert public.world.jobs(public.connection)[-1].status == "cancelled"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"jobType": "refresh"}, 422),
        ({"jobType": "dance"}, 422),
        ({"jobType": None}, 400),
        ({"connectionId": STRANGER}, 404),
        ({"connectionId": None}, 400),
    ],
)
def test_a_job_that_cannot_be_is_refused(public: Writer, body: Json, status: int) -> None:
    assert (
        public.ask("POST", "jobs", {"connectionId": public.connection, "jobType": "sync", **body})[0]
        == status
    )
    assert public.ask("DELETE", "jobs/999999999")[0] == 404
    assert public.ask("DELETE", "jobs/all")[0] == 404


def test_a_connection_is_changed_where_something_is_said(public: Writer) -> None:
    path = f"connections/{public.connection}"
    before = public.ask("GET", path)[1]
    assert public.ask("PATCH", path, {}) == (200, before)
    told = public.ask("PATCH", path, {"name": "Neu", "status": "inactive", "prefix": "x_"})[1]
    assert told == {**before, "name": "Neu", "status": "inactive", "prefix": "x_"}
    assert public.world.connections()[-1].disabled_at == NOW
    assert public.ask("POST", "jobs", {"connectionId": public.connection, "jobType": "sync"})[0] == 500
    words = {
        "namespaceDefinition": "custom_format",
        "namespaceFormat": "raw",
        "nonBreakingSchemaUpdatesBehavior": "disable_connection",
    }
    assert public.ask("PATCH", path, words)[1].items() > words.items()
    stored = public.config.specified("connections/get", connectionId=public.connection)
    assert (stored["namespaceDefinition"], stored["nonBreakingChangesPreference"]) == (
        "customformat",
        "disable",
    )


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("0 0 9 * * ?", "0 0 9 * * ? UTC"),
        ("0 0 9 * * ? UTC", "0 0 9 * * ? UTC"),
        ("0 0 9 * * ? 2030", "0 0 9 * * ? 2030 UTC"),
    ],
)
def test_a_schedule_is_a_cron_expression_or_none(public: Writer, sent: str, told: str) -> None:
    path = f"connections/{public.connection}"
    changed = public.ask("PATCH", path, {"schedule": {"scheduleType": "cron", "cronExpression": sent}})[1]
    assert changed["schedule"] == {"scheduleType": "cron", "cronExpression": told}
    changed = public.ask("PATCH", path, {"schedule": {"scheduleType": "manual"}})[1]
    assert changed["schedule"] == {"scheduleType": "manual"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"schedule": {"scheduleType": "cron", "cronExpression": ""}}, 400),
        ({"schedule": {"scheduleType": "cron", "cronExpression": "0 9 * * *"}}, 400),
        ({"schedule": {"scheduleType": "cron", "cronExpression": "0 0 9 * * ? Europe/Berlin"}}, 400),
        ({"schedule": {"scheduleType": "cron", "cronExpression": "* 0 9 * * ?"}}, 400),
        ({"schedule": {"scheduleType": "cron", "cronExpression": "0 * 9 * * ? 2030"}}, 400),
        ({"schedule": {"scheduleType": "cron"}}, 400),
        ({"schedule": {"scheduleType": "basic"}}, 422),
        ({"schedule": {}}, 400),
        ({"status": "on"}, 422),
        ({"configurations": {"streams": [{"name": "secrets"}]}}, 400),
        ({"configurations": {"streams": [{}]}}, 400),
        ({"configurations": []}, 422),
    ],
)
def test_a_change_that_cannot_be_is_refused(public: Writer, body: Json, status: int) -> None:
    before = public.world.connections()
    assert public.ask("PATCH", f"connections/{public.connection}", body)[0] == status
    assert public.world.connections() == before
    assert public.ask("PATCH", f"connections/{STRANGER}", {})[0] == 404


def test_a_reader_may_write_nothing(public: Writer) -> None:
    reader = reader_of(public.world, STRANGER, None)
    job_id = public.world.jobs()[0].id
    for method, path, body in (
        ("POST", "jobs", {"connectionId": public.connection, "jobType": "sync"}),
        ("DELETE", f"jobs/{job_id}", None),
        ("PATCH", f"connections/{public.connection}", {"name": "mine"}),
    ):
        assert public.ask(method, path, body, caller=reader)[0] == 403, path
    assert public.ask("GET", f"connections/{public.connection}", caller=reader)[0] == 200
