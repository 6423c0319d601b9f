"""What rules read over time is written for them, and no more than that."""

from pathlib import Path

import pytest

from benchmarks import past
from benchmarks.history import BLOCK_SECONDS
from benchmarks.past import remember, windows

NOW = 1_790_000_000
PAGE = """\
airbyte_up 1
airbyte_connection_status{connection_id="c",status="active"} 1
airbyte_connection_status{connection_id="c",status="inactive"} 0
airbyte_connection_schema_change{connection_id="c",change="none"} 1
"""
RULES = """
max_over_time(instance:airbyte_up:fresh[4h])
last_over_time(airbyte_connection_status{status="active",connection_id=~".+"}[1h] offset 4d)
max_over_time(airbyte_connection_status{status="active"}[2h])
airbyte_connection_schema_change == 1
"""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """The ages in seconds of what is written, by series."""
    ages: dict[str, list[int]] = {}

    def keep(lines: list[str], _work: Path, _data: Path) -> None:
        for line in lines:
            series, _, at = line.strip().rsplit(" ", 2)
            ages.setdefault(series, []).append(NOW - int(at))

    monkeypatch.setattr(past, "load", keep)
    return ages


def test_windows_are_those_of_the_expressions() -> None:
    assert [(it.family, it.matchers, it.since, it.until) for it in windows(RULES)] == [
        ("instance:airbyte_up:fresh", (), 4 * 3600, 0),
        ("airbyte_connection_status", ('status="active"',), 4 * 86400 + 3600, 4 * 86400),
        ("airbyte_connection_status", ('status="active"',), 2 * 3600, 0),
    ]


def test_what_is_read_is_there_with_all_its_samples(written: dict[str, list[int]], tmp_path: Path) -> None:
    told: list[str] = []
    remember(PAGE, RULES, NOW, tmp_path, told.append)
    (fresh,), (active,) = (
        [ages for series, ages in written.items() if part in series]
        for part in ("airbyte_up:fresh", 'status="active"')
    )
    assert set(range(30, 4 * 3600, 30)) <= {age // 30 * 30 for age in fresh}
    assert min(active) <= 30 < 2 * 3600 <= max(age for age in active if age < BLOCK_SECONDS * 3)
    assert len([age for age in active if 4 * 86400 <= age <= 4 * 86400 + 3600]) == 120
    assert not [age for age in active if 3 * 3600 < age < 3 * 86400], "nobody reads that"
    assert not [series for series in written if "inactive" in series or "schema" in series]
    assert told[0] == "the past, 98 hours ago", "its block of two hours begins then"
