"""Templates of bodies: what they make of a notification, and that no mistake in one can hold a delivery."""

import json
import time
from collections.abc import Iterator
from itertools import count
from types import MappingProxyType
from typing import Any

import pytest

from airbyte_exporter.notify._examples import examples
from airbyte_exporter.notify._template import BodyError, BodyTemplate
from tests.unit.alerts.story import MINUTE, NOON, Story

BODY = {
    "type": "alert.firing",
    "timestamp": "2026-01-31T12:00:00Z",
    "data": {
        "summary": 'Sync failed: "Bestellungen" → 倉庫 & <more>',
        "job": None,
        "records": 1_234_567,
        "tags": ["gold", "finance"],
    },
}


OFTEN = "{% for i in range(9999) %}"


def growing(first: str, then: str) -> str:
    """Return a template in which something grows by itself sixty times."""
    loop = f"{{% for i in range(60) %}}{{% set s.x = {then} %}}{{% endfor %}}"
    return f"{{% set s = namespace(x={first}) %}}{loop}"


def rendered(source: str, *, is_json: bool = False) -> str:
    return BodyTemplate(source).render(BODY, is_json=is_json).decode()


def problem(source: str, *, is_json: bool = False) -> str:
    with pytest.raises(BodyError) as caught:
        BodyTemplate(source).render(BODY, is_json=is_json)
    assert caught.value.__cause__ is None
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 300
    return said


class TestWhatItMakes:
    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("{{ type }} at {{ timestamp }}", "alert.firing at 2026-01-31T12:00:00Z"),
            ("{{ data.summary }}", 'Sync failed: "Bestellungen" → 倉庫 & <more>'),
            ("{{ data['records'] + 1 }}", "1234568"),
            ("{{ '{:,}'.format(data.records) }} {{ '%.1f'|format(data.records / 1e6) }}", "1,234,567 1.2"),
            ("{% for t in data.tags %}{{ loop.index }}/{{ loop.length }}{{ ' ' if loop.first }}{% endfor %}",
             "1/2 2/2"),
            ("{{ data.tags | sort | join(', ') }}", "finance, gold"),
            ("{% if data.job %}{{ data.job.id }}{% else %}no job{% endif %}", "no job"),
            ("{% macro bold(x) %}*{{ x }}*{% endmacro %}{{ bold(type) ~ '!' }}", "*alert.firing*!"),
            ("{# nothing #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ],
    )  # fmt: skip
    def test_text(self, source: str, text: str) -> None:
        assert rendered(source) == text

    def test_tojson_writes_any_value_so_that_it_is_read_the_same(self) -> None:
        text = rendered('{"text": {{ data.summary | tojson }}, "all": {{ data | tojson }}}', is_json=True)
        assert json.loads(text) == {"text": BODY["data"]["summary"], "all": BODY["data"]}  # type: ignore[index]

    def test_any_mapping_is_an_object(self) -> None:
        body = MappingProxyType({"data": MappingProxyType({"b": 1, "a": 2})})
        assert BodyTemplate("{{ data | tojson }}").render(body, is_json=True) == b'{"b": 1, "a": 2}'

    def test_the_same_notification_makes_the_same_body(self) -> None:
        template = BodyTemplate("{{ data | tojson }}")
        assert template.render(BODY, is_json=True) == template.render(BODY, is_json=True)
        assert "random" in problem("{{ data.tags | random }}")

    def test_what_cannot_be_written_in_utf_8_is_replaced(self) -> None:
        assert BodyTemplate("{{ data }}").render({"data": "lone \ud800"}, is_json=False) == b"lone ?"


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("{{", "line 1: unexpected 'end of template'"),
            ("fine\n{% if %}", "line 2: Expected an expression"),
            ("{{ data.nothing }}", "line 1: 'dict object' has no attribute 'nothing'"),
            ("\n\n{{ dat.summary }}", "line 3: 'dat' is undefined"),
            ("{{ data.job.id }}", "line 1: 'None' has no attribute 'id'"),
            ("{{ 1 / 0 }}", "line 1: ZeroDivisionError: division by zero"),
            ("{% for x in data.job %}{% endfor %}", "line 1: TypeError: 'NoneType' object is not iterable"),
            ("{% include 'other' %}", "line 1: a template here is by itself: it loads no other"),
            ("{% extends '/etc/passwd' %}", "loads no other"),
            ("{% import 'other' as other %}", "loads no other"),
            ("{% from 'other' import x %}", "loads no other"),
            ("{{ data | nofilter }}", "line 1: No filter named 'nofilter'."),
            ("{{ ''.__class__.__mro__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
            ("{{ data.tags.append('x') }}", "access to attribute 'append' of 'list' object is unsafe"),
            ("{{ cycler.__init__.__globals__ }}", "is unsafe"),
        ],
    )
    def test_with_its_line(self, source: str, said: str) -> None:
        assert said in problem(source)

    def test_what_is_no_json_where_json_is_promised(self) -> None:
        assert problem('{"text": "{{ data.summary }}"}', is_json=True) == (
            "the result is not JSON: line 1 column 25 of it: Expecting ',' delimiter; "
            "write values with `| tojson`"
        )
        assert problem("{{ data.records }} NaN", is_json=True).startswith("the result is not JSON")
        assert problem("NaN", is_json=True) == "the result is not JSON: NaN is not JSON"
        assert problem("[" * 20_000, is_json=True).startswith("the result is not JSON")


class TestLimits:
    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("{% for i in range(10**9) %}x{% endfor %}", "Range too big"),
            (f"{OFTEN}{OFTEN}{{% endfor %}}{{% endfor %}}", "20,000 steps"),
            (f"{OFTEN}{OFTEN}{{{{ i }}}}{{% endfor %}}{{% endfor %}}", "64 KiB"),
            ("{% macro f(n) %}{{ f(n - 1) ~ f(n - 1) if n }}{% endmacro %}{{ f(60) }}", "20,000 steps"),
            ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
            ("{% for x in [data] recursive %}{{ loop([x]) }}{% endfor %}", "a recursive loop"),
            ("{% for i in range(9999) %}12345678{% endfor %}", "the result is larger than 64 KiB"),
            (growing("'ab'", "s.x ~ s.x"), "64 KiB"),
            (growing("'ab'", "s.x + s.x"), "64 KiB"),
            (growing("[1]", "s.x + s.x"), "64 KiB"),
            (growing("3", "s.x * s.x"), "4096 bits"),
            ("{{ 'x' * 10**9 }}", "64 KiB"),
            ("{{ 10**9 * [1] }}", "64 KiB"),
            ("{{ 9**9**9 }}", "a power may only be of numbers up to 1000"),
            ("{{ 'x'.ljust(10**9) }}", "64 KiB"),
            ("{{ 'x' | center(10**9) }}", "64 KiB"),
            ("{{ 'x\ny' | indent(width=10**9) }}", "64 KiB"),
            ("{{ '%1000000000d' % 1 }}", "a width of five digits"),
            ("{{ '%*d' % (10**9, 1) }}", "a width of five digits, or one that comes from a value"),
            ("{{ '%1000000000d' | format(1) }}", "a width of five digits"),
            ("{{ '{:1000000000}'.format(1) }}", "a width of five digits"),
            ("{{ '{:{}}'.format(1, 10**9) }}", "or one that comes from a value"),
            ("{{ range(100000) | list | length }}", "64 KiB"),
            ("{{ lipsum(10**6) }}", "'lipsum' is undefined"),
        ],
    )  # fmt: skip
    def test_a_mistake_ends_at_once(self, source: str, said: str) -> None:
        started = time.process_time()
        assert said in problem(source)
        assert time.process_time() - started < 5

    def test_time_is_limited_too(self) -> None:
        ticks: Iterator[int] = count()
        template = BodyTemplate(
            "{% for i in range(100) %}{{ i }}{% endfor %}", monotonic=lambda: next(ticks) * 0.1
        )
        with pytest.raises(BodyError, match="rendering takes longer than 2 s"):
            template.render(BODY, is_json=False)

    def test_each_rendering_has_its_own_limits(self) -> None:
        template = BodyTemplate("{% for i in range(9000) %}{{ i % 2 }}{% endfor %}")
        for _ in range(3):
            assert len(template.render(BODY, is_json=False)) == 9000


def keys(value: Any, way: str = "") -> set[str]:  # noqa: ANN401 - bodies of any shape
    """Return the ways to everything inside a body, lists by what they consist of."""
    if isinstance(value, list):
        return {key for item in value for key in keys(item, way)}
    if isinstance(value, dict):
        return {
            key for name, inside in value.items() for key in {f"{way}.{name}"} | keys(inside, f"{way}.{name}")
        }
    return set()


def test_examples_look_like_what_is_sent() -> None:
    story = Story()
    story.fails(NOON + MINUTE)
    assert story.evaluate(NOON + MINUTE) == ["alert.firing"]
    (sent,) = story.sent
    assert {key for _, body in examples() for key in keys(body)} == keys(dict(sent.body))
    assert {body["type"] for _, body in examples()} == {
        "alert.firing", "alert.updated", "alert.repeated", "alert.resolved",
    }  # fmt: skip
