"""An Airbyte that changes under our feet: what is found out again, and when."""

import pytest

from airbyte_exporter.airbyte import (
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    ApiUnreachable,
)
from tests.unit.airbyte.fakes import NOW, Reaction, Say, job_row, talk
from tests.unit.airbyte.installations import (
    FORBIDDEN,
    HTML,
    W1,
    W2,
    W3,
    Installation,
    Reference,
)
from tests.unit.airbyte.test_capabilities import (
    CHANGES,
    CONNECTIONS,
    PAGES,
    WORKSPACES,
    anew,
    detections,
    ids,
    replacing,
    saying_once,
)


@pytest.mark.parametrize("missing", [Say(404), Say(405), *PAGES.values()])
def test_an_endpoint_that_is_gone_makes_it_look_again_and_only_once(missing: Say) -> None:
    answers: dict[str, Reaction] = {}
    t = anew(replacing(Installation("1.6.0"), answers))
    t.client.inventory()
    answers["workspaces/list_by_organization_id"] = missing
    with pytest.raises(ApiError):
        t.client.workspaces()
    assert detections(t) == 1
    for _ in range(3):
        assert ids(t.client.workspaces()) == [W1, W2], "listed the older way"
    assert detections(t) == 2


def test_an_administrator_who_is_one_no_more_reads_by_workspace_from_then_on() -> None:
    airbyte = Installation()
    t = anew(airbyte.react)
    list(t.client.jobs(updated_since=NOW))
    airbyte.admin = False
    with pytest.raises(ApiForbidden):
        list(t.client.jobs(updated_since=NOW))
    list(t.client.jobs(updated_since=NOW))
    assert t.client.capabilities().polling is WORKSPACES
    assert detections(t) == 2


def test_trouble_while_looking_again_does_not_end_the_doubt() -> None:
    answers: dict[str, Reaction] = {}
    t = anew(replacing(Installation("1.6.0"), answers))
    t.client.inventory()
    answers["workspaces/list_by_organization_id"] = Say(404)
    with pytest.raises(ApiNotFound):
        t.client.workspaces()
    answers["deployment/metadata"] = Say(503)
    with pytest.raises(ApiUnreachable):
        t.client.workspaces()
    del answers["deployment/metadata"]
    assert ids(t.client.workspaces()) == [W1, W2]


@pytest.mark.parametrize(
    "answer", [Say(404), FORBIDDEN, Say(404, {"message": "no", "exceptionClassName": "x"}), Say(500)]
)
def test_a_single_job_that_is_gone_says_nothing_about_the_rest(answer: Say) -> None:
    answers: dict[str, Reaction] = {}
    t = anew(replacing(Installation(), answers))
    t.client.inventory()
    answers["jobs/get_without_logs"] = Say(body={"job": {"id": 1}, "attempts": []})
    with pytest.raises(ApiMalformed):
        t.client.job(1)
    answers["jobs/get_without_logs"] = answer
    for _ in range(2):
        try:
            assert t.client.job(1) is None
        except ApiError:
            t.client.workspaces()
    assert detections(t) == 1


@pytest.mark.parametrize("answer", [Say(404), FORBIDDEN, Say(404, {"exceptionClassName": "x"})])
def test_a_single_connection_that_is_gone_says_nothing_about_the_rest(answer: Say) -> None:
    answers: dict[str, Reaction] = {}
    t = anew(replacing(Installation(), answers))
    t.client.newest_jobs("c1", 1)
    answers["jobs/list"] = answer
    with pytest.raises(ApiError):
        t.client.newest_jobs("c1", 1)
    t.client.workspaces()
    assert detections(t) == 1


def test_another_version_behind_the_address_is_noticed_by_the_inventory() -> None:
    airbyte = Installation("1.6.0")
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.version = "2.0.0"
    assert t.client.inventory().instance.version == "2.0.0"
    assert detections(t) == 2


@pytest.mark.parametrize("version", ["0.42.0", "0.50.24", "0.50.54", "1.6.0"])
def test_a_version_that_was_rolled_back_is_noticed_by_the_inventory(version: str) -> None:
    airbyte = Installation("2.0.0", workspaces=(W1,))
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.version = version
    t.client.inventory()
    it = t.client.capabilities()
    assert (it.version or version, it.polling) == (version, CHANGES if version == "1.6.0" else CONNECTIONS)


@pytest.mark.parametrize("version", ["0.50.24", "0.50.54", "1.6.0", "2.0.0"])
def test_the_short_reference_api_that_becomes_a_real_one_is_noticed(version: str) -> None:
    t = anew(Reference().react)
    assert t.client.inventory().instance.api == "reference"
    t.airbyte.react = Installation(version).react
    assert t.client.inventory().instance.api == "config"
    t.airbyte.react = Reference().react
    assert t.client.inventory().instance.api == "reference"


def test_a_listing_that_notices_another_airbyte_asks_that_one_its_own_way() -> None:
    rows = [job_row(number, created=NOW - number) for number in range(300)]
    t = anew(Reference().react)
    t.client.capabilities()
    t.airbyte.react = Installation("0.50.24", workspaces=(W1,), jobs={"c1": rows}).react
    jobs = [job for page in t.client.jobs(created_since=0) for job in page.jobs]
    assert len(jobs) == 300, "page by page, not the first one alone"


@pytest.mark.parametrize("of_old", ["0.42.0", "0.50.2"])
def test_an_empty_one_is_looked_at_again_when_it_has_something(of_old: str) -> None:
    """Without a workspace an old release and the short reference API cannot be told apart."""
    for airbyte, api in ((Installation(of_old, workspaces=()), "config"), (Reference(()), "reference")):
        t = anew(airbyte.react)
        assert t.client.inventory().connections == ()
        assert next(t.client.jobs(updated_since=0)).jobs == ()
        airbyte.workspaces = (W1,)
        assert [each.id for each in t.client.inventory().connections] == ["c1"]
        assert t.client.instance().api == api


def test_what_was_forbidden_is_tried_again_every_hour() -> None:
    airbyte = Installation(readable=(W1,), admin=False)
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.readable = None
    t.time.now = 3599
    assert ids(t.client.inventory().workspaces) == [W1]
    t.time.now = 3600
    assert ids(t.client.inventory().workspaces) == [W1, W2]


def test_who_becomes_an_administrator_reads_all_changes_within_the_hour() -> None:
    airbyte = Installation(admin=False)
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.admin = True
    t.time.now = 3600
    t.client.inventory()
    assert t.client.capabilities().polling is CHANGES


def test_where_nothing_is_missing_nothing_is_tried_again() -> None:
    t = anew(Installation().react)
    t.client.inventory()
    t.time.now = 100_000
    t.client.inventory()
    assert detections(t) == 1


@pytest.mark.parametrize("first", ["inventory", "jobs"])
def test_a_workspace_that_could_be_read_and_is_forbidden_now_is_not_gone(first: str) -> None:
    airbyte = Installation(admin=False)
    t = anew(airbyte.react)
    assert len(t.client.inventory().connections) == 2
    airbyte.readable = (W1,)
    if first == "jobs":
        with pytest.raises(ApiForbidden):
            list(t.client.jobs(updated_since=NOW))
    for hour in range(3):
        t.time.now = hour * 3600
        with pytest.raises(ApiForbidden):
            t.client.inventory()
        with pytest.raises(ApiForbidden, match="which is watched"):
            list(t.client.jobs(updated_since=NOW))
    airbyte.readable = None
    t.time.now += 120
    assert len(t.client.inventory().connections) == 2


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_forbidden_is_not_found_out_again_at_every_poll(restarted: bool) -> None:
    many = tuple(f"{number:08}-1111-4111-8111-111111111111" for number in range(40))
    airbyte = Installation(workspaces=many, admin=False, connections={})
    t = anew(airbyte.react, read_before=many if restarted else (), api="config")
    if not restarted:
        list(t.client.jobs(updated_since=NOW))
    airbyte.readable = many[1:]

    def polls() -> int:
        before = len(t.airbyte.sent)
        for poll in (
            t.client.capabilities,
            lambda: list(t.client.jobs(updated_since=NOW)),
            t.client.inventory,
            t.client.workspaces,
        ):
            with pytest.raises(ApiForbidden, match=rf"read workspace 0 \({many[0]}\), which is watched"):
                poll()
        return len(t.airbyte.sent) - before

    with pytest.raises(ApiForbidden):
        list(t.client.jobs(updated_since=NOW))
    polls()
    t.time.now += 119
    assert polls() == 0
    t.time.now += 1
    assert polls() == 7, "what it is, its workspaces, and twice what is refused"
    airbyte.readable = None
    assert polls() == 0
    t.time.now += 120
    assert ids(t.client.inventory().workspaces) == [*many]
    airbyte.readable = many[1:]
    with pytest.raises(ApiForbidden):
        t.client.inventory()


def test_what_must_be_readable_is_asked_for_first_and_all_keep_their_order() -> None:
    airbyte = Installation(workspaces=(W1, W2, W3), readable=(W2, W3), admin=False, connections={})
    t = talk(airbyte.react, capabilities=None, read_before=[W3])
    it = t.client.capabilities()
    asked = [body["workspaceId"] for body in t.airbyte.bodies("web_backend/connections/list")]
    assert asked == [W3, W1, W1, W2]
    assert (ids(it.workspaces), ids(it.unreadable)) == ([W2, W3], [W1])


@pytest.mark.parametrize("answer", [Say(403, b"<html>", HTML), Say(503)])
def test_other_trouble_is_not_remembered(answer: Say) -> None:
    t = anew(saying_once(Installation(), "jobs/list", *[answer] * (4 if answer.status == 503 else 1)))
    with pytest.raises(ApiError):
        t.client.capabilities()
    assert t.client.capabilities().polling is CHANGES
