"""Names that people give, among hundreds of connectors and things that share names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exporter.control import NotOneError, find_definition, find_one, quoted
from airbyte_exporter.model import Actor, Definition


def definition(number: int, name: str, image: str | None) -> Definition:
    return Definition(f"{number:08x}-0000-4000-8000-000000000000", "source", name, image, "1.0.0")


POSTGRES = definition(0xDECD338E, "Postgres", "airbyte/source-postgres")
S3 = definition(0x69589781, "S3", "airbyte/source-s3")
LAKE = definition(0x716CA874, "S3 Data Lake", "airbyte/source-s3-data-lake")
TWINS = [definition(0xA0000000 + n, "In-house CRM", f"registry.local:5000/crm-{n}") for n in range(2)]
ODD = definition(0xB0000000, "Ünï (.*) [x]+", None)
MANY = [definition(0xC0000000 + n, f"Connector {n}", f"airbyte/source-connector-{n}") for n in range(600)]
ALL = [LAKE, *MANY, *TWINS, ODD, S3, POSTGRES]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("postgres", POSTGRES),
        ("Postgres", POSTGRES),
        (" POSTGRES ", POSTGRES),
        ("airbyte/source-postgres", POSTGRES),
        ("source-postgres", POSTGRES),
        (POSTGRES.id, POSTGRES),
        (POSTGRES.id.upper(), POSTGRES),
        ("decd338e", POSTGRES),
        ("DECD", POSTGRES),
        ("s3", S3),
        ("S3", S3),
        ("S3 Data Lake", LAKE),
        ("s3-data-lake", LAKE),
        ("Connector 5", MANY[5]),
        ("connector-599", MANY[599]),
        ("crm-1", TWINS[1]),
        ("ünï (.*) [x]+", ODD),
    ],
)
def test_a_connector_is_found_by_what_people_call_it(name: str, expected: Definition) -> None:
    assert find_definition("source", ALL, name) == expected


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("in-house crm", "'in-house crm' means 2 source connectors: In-house CRM (a0000000-"),
        ("c000", "means 600 source connectors: Connector 0 ("),
        ("c000", " and 590 more; give the id of one"),
        ("lake", "there is no source connector 'lake'; there are S3 Data Lake (716ca874-"),
        ("postgress", "there is no source connector 'postgress'; did you mean 'Postgres'?"),
        ("zzzz", "there is no source connector 'zzzz'; see airbyte-exporter definitions list --kind source"),
        ("", "there is no source connector ''; see airbyte-exporter definitions list"),
        (" ", "there is no source connector ' '; see"),
        (".*", "there is no source connector '.*'; there are Ünï (.*) [x]+ ("),
        ("(", "there is no source connector '('"),
        ("dec", "there is no source connector 'dec'; see"),
        ("source-", "there are S3 Data Lake"),
        ("a\nb", r"there is no source connector 'a\nb'"),
    ],
)
def test_a_connector_that_is_none_or_several_is_told_so(name: str, why: str) -> None:
    with pytest.raises(NotOneError) as caught:
        find_definition("source", ALL, name)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_whatever_is_given_one_is_found_or_a_line_says_why_not(name: str) -> None:
    found, why = None, ""
    try:
        found = find_definition("source", ALL[:20], name)
    except NotOneError as error:
        why = str(error)
    assert found in ALL if found else len(why.splitlines()) == 1


def test_a_very_long_name_is_looked_for_and_not_found() -> None:
    for name in ("x" * 100_000, "decd338e" * 1000):
        with pytest.raises(NotOneError):
            find_definition("source", ALL, name)
        with pytest.raises(NotOneError):
            find_one("source", [], name)


SHOP = Actor("aaaa1111-0000-4000-8000-000000000000", "Shop", "Postgres")
OTHER = Actor("aaaa2222-0000-4000-8000-000000000000", "aaaa1", "Postgres")
TWIN = Actor("bbbb0000-0000-4000-8000-000000000000", "Shop", "MySQL")


@pytest.mark.parametrize(
    ("name", "expected"),
    [(SHOP.id, SHOP), (SHOP.id.upper(), SHOP), ("AAAA2", OTHER), ("bbbb", TWIN), ("bbbb0000-", TWIN)],
)
def test_a_thing_is_found_by_its_id_or_the_beginning_of_it(name: str, expected: Actor) -> None:
    assert find_one("source", [SHOP, OTHER, TWIN], name) == expected


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Shop", "aaaa1111-0000-4000-8000-000000000000 (Shop)"),
        ("Shop", "bbbb0000-0000-4000-8000-000000000000 (Shop)"),
        ("aaaa1", "aaaa2222-0000-4000-8000-000000000000 (aaaa1)"),
        ("aaa", "there is no source 'aaa' in workspace 'W'"),
        ("shop", "there is no source 'shop' in workspace 'W'"),
        ("", "there is no source ''"),
    ],
)
def test_a_name_of_several_things_or_none_is_told_so(name: str, why: str) -> None:
    with pytest.raises(NotOneError) as caught:
        find_one("source", [SHOP, OTHER, TWIN], name, where="workspace 'W'")
    assert why in str(caught.value)


def test_names_are_quoted_so_that_they_can_be_read() -> None:
    assert quoted("it's") == '"it\'s"'
    assert quoted('"') == "'\"'"
    assert quoted("a\x1b[2Jb") == r"'a\x1b[2Jb'"
