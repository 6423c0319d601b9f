"""The arithmetic of measurements, and how figures are written."""

import pytest

from benchmarks.figures import Spread, ratio, rounds
from benchmarks.goals import Goal
from benchmarks.updating import updates_of
from benchmarks.wording import duration, durations, number, ratios, size, spread


def test_a_spread_sums_up_measurements() -> None:
    assert Spread.of([3.0, 1.0, 2.0, 10.0]) == Spread(
        median=2.5, minimum=1.0, maximum=10.0, number=4, p99=10.0
    )
    assert Spread.of(range(1000)).p99 == 990


def test_a_ratio_is_formed_round_by_round_so_that_noise_hits_both_sides() -> None:
    quiet_and_noisy = ratio([[100.0], [900.0], [100.0]], [[1.0, 1.0, 50.0], [9.0], [1.0]])
    assert (quiet_and_noisy.median, quiet_and_noisy.minimum, quiet_and_noisy.maximum) == (100, 100, 100)


def test_both_sides_of_a_ratio_need_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([[1.0], [1.0]], [[1.0]])


def test_there_are_five_rounds_however_long_they_take_and_not_many_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    assert len(list(rounds())) == 25
    slow = rounds()
    counted = []
    for round_ in slow:
        counted.append(round_)
        now += 60.0
    assert counted == [0, 1, 2, 3, 4]


def test_growth_compares_sizes_next_to_each_other_for_the_same_changes() -> None:
    measured = updates_of(
        {
            (100, 10): [1.0, 3.0],
            (1000, 10): [2.0, 9.0],
            (1000, 100): [10.0, 10.0],
            (10_000, 10): [4.0, 9.0],
            (10_000, 100): [15.0, 5.0],
            (10_000, 1000): [90.0, 90.0],
        }
    )
    assert [(it.connections, it.changed, it.seconds.median) for it in measured.updates] == [
        (100, 10, 2.0),
        (1000, 10, 5.5),
        (1000, 100, 10.0),
        (10_000, 10, 6.5),
        (10_000, 100, 10.0),
        (10_000, 1000, 90.0),
    ]
    assert [(it.changed, it.smaller, it.larger, it.ratio.median) for it in measured.growth] == [
        (10, 100, 1000, 2.5),
        (10, 1000, 10_000, 1.5),
        (100, 1000, 10_000, 1.0),
    ]


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (Goal(100, at_least=True), 100.0, True),
        (Goal(100, at_least=True), 99.9, False),
        (Goal(1.5), 1.5, True),
        (Goal(1.5), 1.51, False),
    ],
)
def test_a_limit_itself_is_within_the_goal(goal: Goal, value: float, met: bool) -> None:
    assert goal.is_met(value) is met


def test_goals_are_written_as_limits() -> None:
    assert (str(Goal(100, at_least=True)), str(Goal(1.5))) == ("≥ 100", "≤ 1.5")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.000123, "0.12 ms"),
        (0.0123, "12.3 ms"),
        (0.5, "500 ms"),
        (1.234, "1.23 s"),
        (123.4, "123 s"),
    ],
)
def test_seconds_are_written_in_the_unit_that_suits_them(seconds: float, written: str) -> None:
    assert duration(seconds) == written


def test_the_least_and_the_most_are_written_in_the_unit_of_the_median() -> None:
    assert durations(Spread.of([0.002, 0.01, 2.0])) == "10.0 ms (2.0 … 2000.0)"
    assert ratios(Spread.of([0.5, 1.5, 2.0])) == "1.50x (0.50 … 2.00)"
    assert ratios(Spread.of([90.0, 1234.4, 2000.0])) == "1,234x (90 … 2,000)"
    assert spread(Spread.of([1, 2, 3])) == "2 (1 … 3)"
    assert spread(Spread.of([2, 2])) == number(2.0) == "2"


def test_bytes_are_written_in_the_unit_that_suits_them() -> None:
    assert [size(it) for it in (700, 1536, 3 * 1024**2, 50.4 * 1024**2, None)] == [
        "0.7 KiB",
        "1.5 KiB",
        "3.00 MiB",
        "50 MiB",
        "not known",
    ]
