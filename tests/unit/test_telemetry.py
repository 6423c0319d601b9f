"""What the exporter tells of itself, as a scraper reads it."""

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from airbyte_exporter.telemetry import LOOPS, OWN_FAMILIES, Telemetry

Labels = tuple[tuple[str, str], ...]


def samples(telemetry: Telemetry) -> dict[tuple[str, Labels], float]:
    text = telemetry.render(openmetrics=False).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(text)
        for sample in family.samples
    }


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return samples(telemetry).get((name, tuple(sorted(labels.items()))))


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry("1.2.3")


def test_before_anything_happened_nothing_is_claimed(telemetry: Telemetry) -> None:
    for name in (
        "airbyte_up",
        "airbyte_exporter_notification_queue_length",
        "airbyte_exporter_notification_oldest_timestamp_seconds",
        "airbyte_exporter_series",
    ):
        assert value(telemetry, name) is None


def test_every_loop_is_counted_from_zero(telemetry: Telemetry) -> None:
    for loop in LOOPS:
        assert value(telemetry, "airbyte_exporter_polls_total", loop=loop) == 0


def test_the_build_is_told_once(telemetry: Telemetry) -> None:
    builds = [dict(labels) for (name, labels) in samples(telemetry) if name == "airbyte_exporter_build_info"]
    assert [build["version"] for build in builds] == ["1.2.3"]


@pytest.mark.parametrize(("up", "shown"), [(True, 1), (False, 0)])
def test_up_follows_the_last_poll(telemetry: Telemetry, up: bool, shown: int) -> None:
    telemetry.set_up(not up)
    telemetry.set_up(up)
    assert value(telemetry, "airbyte_up") == shown


def test_a_good_round_counts_and_notes_its_time(telemetry: Telemetry) -> None:
    telemetry.poll_succeeded("jobs", 0.2, 1_769_860_800.5)
    assert value(telemetry, "airbyte_exporter_polls_total", loop="jobs") == 1
    assert (
        value(telemetry, "airbyte_exporter_poll_last_success_timestamp_seconds", loop="jobs")
        == 1_769_860_800.5
    )
    assert value(telemetry, "airbyte_exporter_poll_duration_seconds_count", loop="jobs") == 1
    assert value(telemetry, "airbyte_exporter_poll_duration_seconds_bucket", loop="jobs", le="0.25") == 1
    assert value(telemetry, "airbyte_exporter_poll_failures_total", loop="jobs", reason="timeout") is None


def test_a_bad_round_counts_as_a_round_and_as_a_failure_and_leaves_the_last_good_time(
    telemetry: Telemetry,
) -> None:
    telemetry.poll_succeeded("jobs", 0.2, 100.0)
    telemetry.poll_failed("jobs", "timeout", 30.0)
    assert value(telemetry, "airbyte_exporter_polls_total", loop="jobs") == 2
    assert value(telemetry, "airbyte_exporter_poll_failures_total", loop="jobs", reason="timeout") == 1
    assert value(telemetry, "airbyte_exporter_poll_duration_seconds_sum", loop="jobs") == pytest.approx(30.2)
    assert value(telemetry, "airbyte_exporter_poll_last_success_timestamp_seconds", loop="jobs") == 100


def test_requests_by_method_and_code(telemetry: Telemetry) -> None:
    telemetry.api_request("jobs/list", "200", 0.07)
    telemetry.api_request("jobs/list", "timeout", 30.5)
    assert value(telemetry, "airbyte_exporter_api_requests_total", method="jobs/list", code="200") == 1
    assert value(telemetry, "airbyte_exporter_api_requests_total", method="jobs/list", code="timeout") == 1
    assert value(telemetry, "airbyte_exporter_api_request_duration_seconds_count", method="jobs/list") == 2


def test_alerts_are_replaced_whole(telemetry: Telemetry) -> None:
    telemetry.set_alerts({("SyncFailed", "warning"): 3, ("SyncFailing", "critical"): 1})
    telemetry.set_alerts({("SyncFailed", "warning"): 2})
    assert value(telemetry, "airbyte_exporter_alerts", rule="SyncFailed", severity="warning") == 2
    assert value(telemetry, "airbyte_exporter_alerts", rule="SyncFailing", severity="critical") is None


def test_an_empty_queue_has_a_length_but_no_oldest(telemetry: Telemetry) -> None:
    telemetry.set_queue(2, 50.0)
    assert value(telemetry, "airbyte_exporter_notification_oldest_timestamp_seconds") == 50
    telemetry.set_queue(0, None)
    assert value(telemetry, "airbyte_exporter_notification_queue_length") == 0
    assert value(telemetry, "airbyte_exporter_notification_oldest_timestamp_seconds") is None


def test_notifications_by_receiver_and_outcome(telemetry: Telemetry) -> None:
    telemetry.notification("webhook", "delivered")
    assert (
        value(telemetry, "airbyte_exporter_notifications_total", receiver="webhook", outcome="delivered") == 1
    )


def test_both_formats_say_the_same(telemetry: Telemetry) -> None:
    telemetry.poll_succeeded("inventory", 1.0, 10.0)
    telemetry.set_series(7)
    openmetrics = telemetry.render(openmetrics=True).decode()
    families = parse_openmetrics(openmetrics)  # type: ignore[no-untyped-call]  # not annotated there
    names = {sample.name for family in families for sample in family.samples}
    assert names == {name for name, _ in samples(telemetry)}
    assert openmetrics.endswith("# EOF\n")


def test_no_series_tells_when_a_counter_was_created(telemetry: Telemetry) -> None:
    telemetry.poll_failed("jobs", "tls", 1.0)
    assert "_created" not in telemetry.render(openmetrics=False).decode()
    assert "_created" not in telemetry.render(openmetrics=True).decode()


def test_the_declared_families_are_those_on_the_page(telemetry: Telemetry) -> None:
    text = telemetry.render(openmetrics=False).decode()
    typed = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    own = {name: kind for name, kind in typed.items() if not name.startswith(("process_", "python_"))}
    assert own == {info.name: info.type for info in OWN_FAMILIES}
    assert "process_resident_memory_bytes" in typed
    assert "python_info" in typed


def test_two_of_them_do_not_share_anything(telemetry: Telemetry) -> None:
    Telemetry("other").poll_failed("jobs", "tls", 1.0)
    assert value(telemetry, "airbyte_exporter_polls_total", loop="jobs") == 0
