"""The pictures of the dashboards are small, shown, and of the dashboards that there are."""

import html
import re

import pytest

from docs.pictures.__main__ import SHOWN_ROWS
from docs.pictures.drawing import DARK, Box, Line, course, states
from docs.pictures.values import colour_of, mapped, written
from tests.dashboards import NAMES, load, panels
from tests.requirements import ROOT

IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 150_000


def drawn_titles(name: str) -> list[str]:
    """Return the titles of the panels that are drawn of a dashboard."""
    titles, is_drawn = [], True
    for panel in load(name)["panels"]:
        if panel["type"] == "row":
            shown = SHOWN_ROWS[name]
            is_drawn = shown is None or panel["title"] in shown
        elif is_drawn:
            titles.append(panel["title"].replace("${group:text}", "Source"))
    return titles


@pytest.mark.parametrize("kind", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_shows_the_panels_that_there_are(name: str, kind: str) -> None:
    path = IMAGES / f"dashboard-{name}-{kind}.svg"
    assert path.stat().st_size < MOST_BYTES
    texts = [html.unescape(text) for text in re.findall(r">([^<]+)<", path.read_text(encoding="utf-8"))]
    for title in drawn_titles(name):
        cut = title[:20]
        assert any(text.startswith(cut) for text in texts), f"{title}: draw it anew with `make pictures`"


def test_every_picture_is_shown_somewhere() -> None:
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/dashboards.md"))
    for path in IMAGES.glob("*.svg"):
        assert f"images/{path.name}" in text, path.name
    for linked in re.findall(r"images/(dashboard-[\w-]+\.svg)", text):
        assert (IMAGES / linked).is_file(), linked
    assert "drawings of real query results" in text.lower()


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0.25, "s", None, "250 ms"),
        (90.0, "s", 1, "1.5 mins"),
        (-1950.0, "s", 1, "-32.5 mins"),
        (7200.0, "s", None, "2 hours"),
        (0.873, "percentunit", 1, "87.3%"),
        (4_720_000.0, "short", None, "4.72 Mil"),
        (2_040_000_000.0, "decbytes", None, "2.04 GB"),
        (0.0, "none", None, "0"),
    ],
)
def test_numbers_are_written_as_grafana_does(
    value: float, unit: str, decimals: int | None, text: str
) -> None:
    assert written(value, unit, decimals) == text


def test_colours_follow_thresholds_and_mappings() -> None:
    (late,) = (panel for panel in panels(load("overview")) if panel["title"] == "Late")
    thresholds = late["fieldConfig"]["defaults"]["thresholds"]
    assert [colour_of(value, thresholds) for value in (0, 1, 7)] == ["green", "orange", "orange"]
    (airbyte,) = (panel for panel in panels(load("overview")) if panel["title"] == "Airbyte")
    assert mapped("0", airbyte["fieldConfig"]["defaults"]["mappings"]) == ("Down", "red")


def test_an_empty_panel_says_why_in_its_picture() -> None:
    (panel,) = (it for it in panels(load("overview")) if it["title"] == "Live jobs")
    drawn = course(Box(0, 0, 900, 200), [], panel, (0, 3600), 60, DARK)
    assert "no connection matches" in drawn


def test_states_are_stretches_with_gaps_where_nothing_was_known() -> None:
    (panel,) = (it for it in panels(load("connection")) if it["title"] == "Status over time")
    line = Line("Last sync", [(0, 20), (60, 20), (120, 21), (300, 20)])
    drawn = states(Box(0, 0, 900, 60), [line], panel["fieldConfig"]["defaults"], (0, 360), 60, DARK)
    assert drawn.count("fill-opacity") == 3
