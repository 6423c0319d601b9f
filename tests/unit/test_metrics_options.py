"""What the options of `metrics` change on the page, as both parsers read it, and how they are refused."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from pydantic import ValidationError

from airbyte_exporter.exposition import ALWAYS_EXPOSED, FAMILIES, Exposition, MetricsConfig
from airbyte_exporter.model import Snapshot
from airbyte_exporter.telemetry import OWN_FAMILIES, STANDARD_FAMILIES, Telemetry
from tests.snapshots import EPOCH, rich_snapshot

Series = tuple[str, frozenset[tuple[str, str]]]

PER_CONNECTION = {family.info.name for family in FAMILIES if "connection_id" in family.info.labels}
COUNTED = {family.info.name.removesuffix("_total") for family in FAMILIES if family.info.type != "gauge"}
FORMATS = pytest.mark.parametrize("openmetrics", [False, True], ids=["text 0.0.4", "OpenMetrics 1.0"])


def page(config: MetricsConfig, *snapshots: Snapshot, openmetrics: bool = False) -> str:
    """Return the page after `snapshots` were published one after the other."""
    telemetry = Telemetry("test")
    telemetry.set_up(True)
    exposition = Exposition(telemetry, config)
    for snapshot in snapshots:
        exposition.publish(snapshot)
    return exposition.scrape(openmetrics=openmetrics, gzip=False).decode()


def parsed(text: str) -> list[Metric]:
    if text.endswith("# EOF\n"):
        return list(parse_openmetrics(text))  # type: ignore[no-untyped-call]  # not annotated there
    return list(parse_text(text))


def facts(text: str) -> dict[Series, float]:
    """Return the samples about Airbyte by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parsed(text)
        for sample in family.samples
        if not sample.name.startswith(("process_", "python_", "airbyte_exporter_"))
    }


def names(text: str) -> set[str]:
    """Return the documented names of the families whose header is on the page."""
    typed = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    return {f"{name.removesuffix('_total')}_total" if kind == "counter" else name for name, kind in typed}


def value(text: str, name: str) -> float | None:
    return next((it.value for family in parsed(text) for it in family.samples if it.name == name), None)


def shown(text: str) -> set[str]:
    """Return the ends of the ids of the connections that have any sample."""
    return {of[-2:] for of in re.findall(r'connection_id="([^"]*)"', text)}


def seen(ages: dict[str, int]) -> Snapshot:
    """Return the rich snapshot with some connections first seen so many seconds after the epoch."""
    rich = rich_snapshot()
    known = {
        id_: replace(it, first_seen_at=EPOCH + ages.get(id_[-2:], 0)) for id_, it in rich.connections.items()
    }
    return replace(rich, connections=known)


@FORMATS
def test_without_options_nothing_is_left_out_or_added(openmetrics: bool) -> None:
    text = page(MetricsConfig(), rich_snapshot(), openmetrics=openmetrics)
    declared = {info.name for info in (*(it.info for it in FAMILIES), *OWN_FAMILIES)}
    assert {name for name in names(text) if name.startswith("airbyte_")} == declared
    assert value(text, "airbyte_exporter_connections_left_out") is None
    assert "_created{" not in text


@FORMATS
@pytest.mark.parametrize(
    ("patterns", "gone"),
    [
        (("airbyte_connection_last_sync_status",), {"airbyte_connection_last_sync_status"}),
        (("airbyte_connection_jobs_total",), {"airbyte_connection_jobs_total"}),
        (
            ("airbyte_connection_*_emitted*", "airbyte_jobs"),
            {
                "airbyte_connection_last_sync_records_emitted",
                "airbyte_connection_last_sync_bytes_emitted",
                "airbyte_connection_active_job_records_emitted",
                "airbyte_connection_active_job_bytes_emitted",
                "airbyte_connection_records_emitted_total",
                "airbyte_connection_bytes_emitted_total",
                "airbyte_jobs",
            },
        ),
        (("airbyte_exporter_api_request*",), {
            "airbyte_exporter_api_requests_total", "airbyte_exporter_api_request_duration_seconds",
        }),
        (("python_gc_*_total", "process_cpu_seconds_total"), {
            "python_gc_objects_collected_total", "python_gc_objects_uncollectable_total",
            "python_gc_collections_total", "process_cpu_seconds_total",
        }),
    ],
)  # fmt: skip
def test_excluded_families_are_gone_and_no_other(
    openmetrics: bool, patterns: tuple[str, ...], gone: set[str]
) -> None:
    whole = page(MetricsConfig(), rich_snapshot(), openmetrics=openmetrics)
    less = page(MetricsConfig(exclude=patterns), rich_snapshot(), openmetrics=openmetrics)
    assert names(whole) - names(less) == gone
    assert facts(less) == {key: value for key, value in facts(whole).items() if key[0] not in gone}


@FORMATS
def test_what_tells_whether_the_page_can_be_trusted_stays(openmetrics: bool) -> None:
    text = page(MetricsConfig(exclude=("*",), max_connections=1), rich_snapshot(), openmetrics=openmetrics)
    assert names(text) == set(ALWAYS_EXPOSED)
    assert value(text, "airbyte_up") == 1
    assert value(text, "airbyte_exporter_connections_left_out") == 14


def test_the_number_of_series_is_that_of_the_page() -> None:
    for config in (
        MetricsConfig(),
        MetricsConfig(created=True),
        MetricsConfig(exclude=("airbyte_connection_*_emitted*",), max_connections=3),
    ):
        text = page(config, rich_snapshot())
        assert value(text, "airbyte_exporter_series") == len(facts(text)) - 1  # airbyte_up is not Airbyte's


def test_every_family_can_be_named() -> None:
    everything = {info.name for info in (*(it.info for it in FAMILIES), *OWN_FAMILIES)}
    for name in (everything | set(STANDARD_FAMILIES)) - set(ALWAYS_EXPOSED):
        assert MetricsConfig(exclude=(name,)).exposes(name) is False


def test_the_standard_families_are_those_of_the_library() -> None:
    on_page = {name for name in names(page(MetricsConfig())) if not name.startswith("airbyte_")}
    assert on_page <= set(STANDARD_FAMILIES)
    assert {name for name in STANDARD_FAMILIES if name.startswith("python_")} <= on_page


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("airbyte_conection_info", "matches no metric family; did you mean airbyte_connection_info?"),
        (
            "airbyte_connection_jobs",  # without the suffix of a counter
            "matches no metric family; did you mean airbyte_connection_jobs_total?",
        ),
        ("airbyte_exporter_pols_*", "matches no metric family; did you mean airbyte_exporter_polls_total?"),
        ("python_gc_collection", "matches no metric family; did you mean python_gc_collections_total?"),
        ("AIRBYTE_CONNECTION_*", "matches no metric family"),
        ("zzz", "matches no metric family"),
        ("", "matches no metric family"),
        ("airbyte_u?", "matches only what is never left out: airbyte_up"),
    ],
)
def test_a_pattern_without_effect_is_refused_with_the_nearest_family(pattern: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MetricsConfig(exclude=("airbyte_connection_info", pattern))
    (error,) = caught.value.errors()
    assert error["loc"] == ("exclude", 1)
    assert error["msg"] == f"Value error, {said}"


@pytest.mark.parametrize("number", [0, -1, True, "many", 1.5])
def test_a_limit_that_is_no_number_of_connections_is_refused(number: object) -> None:
    with pytest.raises(ValidationError):
        MetricsConfig.model_validate({"max_connections": number})


@FORMATS
def test_past_the_limit_the_connections_seen_last_are_left_out(openmetrics: bool) -> None:
    # All at the epoch, except for three that came later; the first of them would be first by id.
    snapshot = seen({"01": 300, "08": 100, "14": 200})
    whole = facts(page(MetricsConfig(), snapshot, openmetrics=openmetrics))
    for limit, gone in (
        (20, set()),
        (15, set()),
        (14, {"01"}),
        (13, {"01", "14"}),
        (12, {"01", "14", "08"}),
        (11, {"01", "14", "08", "15"}),  # of those seen at once, the last by id
    ):
        text = page(MetricsConfig(max_connections=limit), snapshot, openmetrics=openmetrics)
        assert shown(text) == {f"{number:02}" for number in range(1, 16)} - gone
        assert value(text, "airbyte_exporter_connections_left_out") == len(gone)
        assert facts(text) == {
            (name, labels): it
            for (name, labels), it in whole.items()
            if dict(labels).get("connection_id", "")[-2:] not in gone
        }


def test_families_of_the_instance_count_connections_that_are_left_out() -> None:
    snapshot = rich_snapshot()
    whole, less = (
        {key: value for key, value in facts(page(config, snapshot)).items() if key[0] not in PER_CONNECTION}
        for config in (MetricsConfig(), MetricsConfig(max_connections=1))
    )
    assert less == whole
    assert sum(value for (name, _), value in less.items() if name == "airbyte_connections") == 15


def test_a_new_connection_takes_nobodys_place_and_a_deleted_one_makes_room() -> None:
    config = MetricsConfig(max_connections=14)
    before = seen({"15": 50})
    without = replace(before, connections=dict(list(before.connections.items())[1:]))
    assert shown(page(config, before)) == {f"{number:02}" for number in range(1, 15)}
    text = page(config, before, without)
    assert shown(text) == {f"{number:02}" for number in range(2, 16)}
    assert value(text, "airbyte_exporter_connections_left_out") == 0


def test_who_turns_out_to_have_been_there_for_longer_is_shown() -> None:
    config = MetricsConfig(max_connections=14)
    text = page(config, seen({"15": 50}), seen({"14": 50}))
    assert shown(text) == {f"{number:02}" for number in range(1, 16)} - {"14"}


def created(openmetrics: bool, config: MetricsConfig) -> Iterator[tuple[str, Series, float]]:
    """Yield each `_created` sample with the family that it is in."""
    for family in parsed(page(config, rich_snapshot(), openmetrics=openmetrics)):
        for sample in family.samples:
            if sample.name.endswith("_created"):
                yield family.name, (sample.name, frozenset(sample.labels.items())), sample.value


@FORMATS
def test_every_counter_of_airbyte_says_since_when_it_counts(openmetrics: bool) -> None:
    whole = facts(page(MetricsConfig(), rich_snapshot(), openmetrics=openmetrics))
    more = facts(page(MetricsConfig(created=True), rich_snapshot(), openmetrics=openmetrics))
    of_samples = ((name.removesuffix("_total").removesuffix("_count"), labels) for name, labels in whole)
    added = {(f"{name}_created", labels): EPOCH for name, labels in of_samples if name in COUNTED}
    assert added
    assert more == whole | added


def test_in_openmetrics_it_is_a_sample_of_the_counter_and_in_text_a_gauge_beside_it() -> None:
    config = MetricsConfig(created=True)
    families = {family for family, _, _ in created(openmetrics=True, config=config)}
    assert families == COUNTED
    text = page(config, rich_snapshot())
    for name in COUNTED:
        assert f"# TYPE {name}_created gauge\n" in text
    assert {name for name, _, _ in created(openmetrics=False, config=config)} == {
        f"{name}_created" for name in COUNTED
    }


@FORMATS
def test_what_is_left_out_is_not_said_to_be_created(openmetrics: bool) -> None:
    config = MetricsConfig(created=True, exclude=("airbyte_connection_jobs_total",), max_connections=2)
    found = [series for _, series, _ in created(openmetrics, config)]
    assert "airbyte_connection_jobs_created" not in {name for name, _ in found}
    ids = {dict(labels)["connection_id"] for _, labels in found if "connection_id" in dict(labels)}
    assert len(ids) == 2
