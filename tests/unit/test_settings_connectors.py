"""A connector's configuration from a file: what it may say and refer to, and what is never said of it."""

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.logs import visible
from airbyte_exporter.settings import read_configuration

MARKER = "m4rk3r"
NO_FILE = Path("/nowhere/at/all")
NOT_FINITE = "is not a number that JSON knows; put it in quotes if it is text"
UNUSABLE = "is not a value that can be used here; put it in quotes"
NO_TEXT = "a name in it is no text; put it in quotes"
NO_NAME = "has no variable's name between ${ and }; write $${ instead of ${ if that text is meant"
MERGING = "and merging is not possible here; put it in quotes"
NO_MAPPING = "must be a mapping of names to values"
UNREADABLE = "is not valid YAML: it contains a character that YAML does not allow"


def read(text: str | bytes, **environ: str) -> Mapping[str, Any]:
    """Read what comes by standard input."""
    raw = text if isinstance(text, bytes) else text.encode()
    return read_configuration(None, stdin=io.TextIOWrapper(io.BytesIO(raw)), environ=environ)


def problems(text: str | bytes, **environ: str) -> list[str]:
    """Return the lines that are said about it, without where it comes from."""
    with pytest.raises(ConfigurationError) as caught:
        read(text, **environ)
    lines = str(caught.value).splitlines()
    assert lines
    assert all(line.startswith(("standard input: ", "standard input line ")) for line in lines)
    return [line.removeprefix("standard input").removeprefix(": ").lstrip() for line in lines]


def test_yaml_says_what_json_can_say() -> None:
    text = (
        "host: db\nport: 5432\nssl: true\nratio: 0.5\nnothing: null\nlist: [a, 1]\ninside: {deep: {x: y}}\n"
    )
    assert read(text) == {
        "host": "db",
        "port": 5432,
        "ssl": True,
        "ratio": 0.5,
        "nothing": None,
        "list": ["a", 1],
        "inside": {"deep": {"x": "y"}},
    }


@pytest.mark.parametrize(
    "word",
    [
        "2024-01-01",
        "2024-01-01T00:00:00Z",
        "2001-12-14 21:59:43.10 -5",
        "NO",
        "no",
        "off",
        "Yes",
        "y",
        "on",
        "12:30:45",
        "007",
        "0o17",
        "0x1F",
        "1_000",
        "+1",
        ".5",
        "1.",
        "1.2.3",
        "=",
        "tRUE",
        "nULL",
        "12e",
        "0b1",
        "\u0663",
        "sk-1e5",
        "file",
        "http://x",
        "${",
        "a/${NAMESPACE}/b",
        "${A}${B}",
    ],
)
def test_what_is_no_word_of_json_is_text(word: str) -> None:
    assert read(f"it: {word}\n") == {"it": word}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("Null", None),
        ("0", 0),
        ("-12", -12),
        ("12345678901234567890", 12345678901234567890),
        ("1.10", 1.1),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
        ("!!str 5", "5"),
        ("'5'", "5"),
        ("!!int '7'", 7),
    ],
)
def test_what_is_a_word_of_json_is_that(word: str, value: object) -> None:
    found = read(f"it: {word}\n")["it"]
    assert (found, type(found)) == (value, type(value))


def test_json_with_tabs_is_read_and_so_is_what_only_looks_like_it() -> None:
    assert read('\ufeff\n{\t"a": 1,\n\t"b": ["x\\ty"]}\n') == {"a": 1, "b": ["x\ty"]}
    assert read('{"a": 1, }') == {"a": 1}, "YAML lets a comma stand at the end"
    assert read("{a: 1, b: x}") == {"a": 1, "b": "x"}
    assert read("{}") == {}
    assert problems('{\n\t"a": 1\n\t"b": 2}') == ["line 3: is not valid JSON: expecting ',' delimiter"]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_of_json_that_are_none_are_errors(word: str) -> None:
    assert problems(f'{{"a": [{word}]}}') == [
        "a[0]: is not a number that JSON knows; put it in quotes if it is text"
    ]


@pytest.mark.parametrize("word", [".nan", ".NaN", ".inf", "-.Inf", "+.INF", "1e999"])
def test_numbers_of_yaml_that_are_none_are_errors(word: str) -> None:
    assert problems(f"a: {word}") == [f"a: {NOT_FINITE}"]
    assert read("a: NaN") == {"a": "NaN"}


@pytest.mark.parametrize("text", ["{}", "a: 1"])
def test_a_file_is_read_and_dash_is_standard_input(text: str, tmp_path: Path) -> None:
    file = tmp_path / "pg.yaml"
    file.write_text(text)
    nothing = io.StringIO()
    assert read_configuration(file, stdin=nothing) == read(text)
    for dash in (None, Path("-")):
        assert read_configuration(dash, stdin=io.StringIO(text)) == read(text)


def test_secrets_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "key.pem").write_text("-----BEGIN\nabc\n-----END\n")
    (tmp_path / "here").write_bytes(b"caf\xc3\xa9 \r\n")
    file = tmp_path / "in" / "c.yaml"
    file.write_text(
        "password: ${PG_PASSWORD}\n"
        "credentials: {key: 'file:key.pem', list: ['file:../here', \"${lower_1}\"]}\n"
        f"absolute: file:{tmp_path}/here\n"
    )
    found = read_configuration(file, stdin=None, environ={"PG_PASSWORD": " a\nb ", "lower_1": "x"})
    assert found == {
        "password": SecretStr(" a\nb "),
        "credentials": {
            "key": SecretStr("-----BEGIN\nabc\n-----END"),
            "list": [SecretStr("café "), SecretStr("x")],
        },
        "absolute": SecretStr("café "),
    }
    assert MARKER not in repr(read("a: ${X}", X=MARKER))


def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_PASSWORD", MARKER)
    found = read_configuration(None, stdin=io.StringIO('{"a": "${PG_PASSWORD}"}'))
    assert found["a"].get_secret_value() == MARKER


def test_files_named_by_standard_input_are_looked_for_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text(MARKER)
    monkeypatch.chdir(tmp_path)
    assert read("a: file:secret")["a"].get_secret_value() == MARKER


def test_a_home_is_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(MARKER)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read("a: file:~/secret")["a"].get_secret_value() == MARKER
    assert "not the path of a file" in problems("a: file:~nobody-of-that-name/secret")[0]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$${NAME}"),
        ("$${not a name}", "${not a name}"),
        ("a ${NAME}", "a ${NAME}"),
        ("${NAME} ", "${NAME} "),
        ("${NAME}\n", "${NAME}\n"),
        ("${NAMESPACE}/${STREAM_NAME}/", "${NAMESPACE}/${STREAM_NAME}/"),
        ("x$${NAME}", "x$${NAME}"),
        ("$NAME", "$NAME"),
        ("{NAME}", "{NAME}"),
        ("file:///etc/hosts", "file:///etc/hosts"),
        ("File:x", "File:x"),
        (" file:x", " file:x"),
    ],
)
def test_other_texts_stay_as_they_are(text: str, meant: str) -> None:
    assert read(json.dumps({"a": text, "${NAME}": 1}), NAME=MARKER) == {"a": meant, "${NAME}": 1}


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_bytes(b"\xff" * 65_537)
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "at the limit").write_text("x" * 65_536)
    file = tmp_path / "config.yaml"
    file.write_text(
        f"host: {MARKER}\n"
        "credentials:\n"
        "  password: ${PG_PASSWORD}\n"
        "  keys: [x, '${EMPTY}', '${A-B}', '${}', '${CUT}']\n"
        "a: file:none\nb: file:.\nc: file:empty\nd: file:large\ne: file:binary\nf: 'file:'\n"
        'g: "file:\\0"\nh: file:at the limit\ni: !mine x\n'
    )
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(file, stdin=None, environ={"EMPTY": "", "CUT": "\udcff"})
    missing = "the environment has no PG_PASSWORD; set it, or write $${PG_PASSWORD} if that text is meant"
    assert str(caught.value).splitlines() == [
        f"{file}: {line}"
        for line in (
            f"credentials.password: {missing}",
            "credentials.keys[1]: EMPTY is empty in the environment",
            f"credentials.keys[2]: {NO_NAME}",
            f"credentials.keys[3]: {NO_NAME}",
            "credentials.keys[4]: CUT is not text in UTF-8 in the environment",
            f"a: cannot read {tmp_path}/none: no such file or directory",
            f"b: cannot read {tmp_path}: is a directory",
            f"c: {tmp_path}/empty is empty",
            f"d: {tmp_path}/large is larger than 64 KiB",
            f"e: {tmp_path}/binary is not text in UTF-8",
            "f: file: must be followed by the path of a file",
            "g: file: is followed by what is not the path of a file",
            f"i: {UNUSABLE}",
        )
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" \n\t\n", "is empty"),
        ("# only this", NO_MAPPING),
        ("- a", NO_MAPPING),
        ("[1]", NO_MAPPING),
        ("text", NO_MAPPING),
        ("${PG}", "the environment has no PG; set it, or write $${PG} if that text is meant"),
        ("a: 1\na: 2", "a: is written twice"),
        ('{"a": {"b": 1, "b": 2}}', "a.b: is written twice"),
        ("a: [{b: 1, b: 2}]", "a[0].b: is written twice"),
        ("1: x", NO_TEXT),
        ("a: {null: x}", f"a: {NO_TEXT}"),
        ("? [a]\n: x", NO_TEXT),
        ("a: {<<: {b: c}}", "a: a name in it is written <<, " + MERGING),
        ('{"a": "\\ud800"}', "a: has a character that is half of one"),
        ('a: "\\ud800"', "a: has a character that is half of one"),
        ('{"\\udc00": 1}', "a name in it has a character that is half of one"),
        ("a: !!python/object/apply:os.system [ls]", f"a: {UNUSABLE}"),
        ("a: !!binary aGVsbG8=", f"a: {UNUSABLE}"),
        ("a: !!timestamp x", f"a: {UNUSABLE}"),
        ("a: !!bool x", f"a: {UNUSABLE}"),
        ("a: !!int ''", f"a: {UNUSABLE}"),
        ("a: !!set {x}", f"a: {UNUSABLE}"),
        ("a: " + "1" * 5000, f"a: {UNUSABLE}"),
        ('{"a": ' + "1" * 5000 + "}", "has a number that is too long"),
        ("a: 1\n---\nb: 2", "line 2: is not valid YAML: but found another document"),
        (b"a: \xff", "is not text in UTF-8"),
        ("a: \x01", UNREADABLE),
        ('"\\UFFFFFFFF": 1', UNREADABLE),
        ("a: &a [*a]", "is nested too deeply"),
        ("[" * 20_000, "is nested too deeply"),
        ('{"a":' * 100_000, "is nested too deeply"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(text: str | bytes, said: str) -> None:
    assert problems(text) == [said]


def test_depth_is_limited_alike_in_json_and_yaml() -> None:
    for deep, wanted in ((99, True), (101, False)):
        text = '{"a":' * deep + "1" + "}" * deep
        for written in (text, f"# yaml\n{text}"):
            if wanted:
                assert read(written)
            else:
                assert "is nested too deeply" in problems(written)[0]


def test_aliases_are_read_each_time_they_are_used_but_not_without_end() -> None:
    assert read("a: &it {x: 1}\nb: *it\n") == {"a": {"x": 1}, "b": {"x": 1}}
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert problems("\n".join(lines)) == ["has more than 100000 values"]


def test_what_is_larger_than_a_mebibyte_is_not_read(tmp_path: Path) -> None:
    text = '{"a": "' + "x" * (1024 * 1024 - 9) + '"}'
    assert len(read(text)["a"]) == 1024 * 1024 - 9
    assert problems(text + " ") == ["is larger than 1 MiB"]
    file = tmp_path / "large"
    file.write_text(text + " ")
    with pytest.raises(ConfigurationError, match="large: is larger than 1 MiB"):
        read_configuration(file, stdin=None)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (NO_FILE, "no such file or directory"),
        (Path(), "is a directory"),
        (Path("a\0b"), "no file can be called that"),
    ],
)
def test_a_file_that_cannot_be_read(file: Path, why: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(file, stdin=None)
    assert str(caught.value).startswith("cannot read the connector's configuration ")
    assert str(caught.value).endswith(f": {why}")
    assert str(caught.value).isprintable()


def test_standard_input_that_cannot_be_read() -> None:
    closed = io.StringIO("a: 1")
    closed.close()

    class Broken(io.StringIO):
        def read(self, size: int | None = -1) -> str:
            raise OSError(5, "Input/output error")

    said = {
        None: "it is closed",
        closed: "it is closed, or not text in UTF-8",
        Broken(): "input/output error",
    }
    for stdin, why in said.items():
        with pytest.raises(ConfigurationError, match=f"from standard input: {why}$"):
            read_configuration(None, stdin=stdin)


def test_names_in_a_path_cannot_fake_lines_and_are_not_endless() -> None:
    text = json.dumps({"a\nb\u202e": {"k" * 500: "${NO}"}})
    (said,) = problems(text)
    assert said.startswith("a\\nb\\u202e." + "k" * 80 + "…: the environment has no NO")


# Whatever is in a file: a mapping, or an error that has nothing of it.

SECRETS = st.sampled_from(
    [
        before + MARKER + after
        for before in (
            "",
            "*",
            "&",
            "!",
            "'",
            "@",
            "`",
            "%",
            "|",
            ">",
            '"\\',
            "${",
            "!!",
            "!<",
            "[",
            "\udcff",
        )
        for after in ("", " x", " : x", ">", "'", "}")
    ]
)
WORDS = (
    "\n", "  ", "- ", ": ", "a: ", "b:\n  ", "{", "}", "[", "]", ",", '"', "'", "#", "---\n", "...\n", "? ",
    "<<: ", "*a", "&a ", "!!int ", "!!float ", "!!bool ", "!!null ", "!!str ", "!!map ", "!!seq ", "!!set ",
    "!!omap ", "!!timestamp ", "!!binary ", "null", "${X}", ".nan", "1e999", "\\x", "\\U",
    "%YAML 1.1\n---\n", "%TAG ! tag:x,2000:\n", "|\n ", ">-\n ", "\t", "\r", "\x85", "\u2028", "\x00",
    "\ufeff",
)  # fmt: skip
PIECES = st.one_of(SECRETS, st.sampled_from(WORDS), st.text(max_size=5))
TEXTS = st.lists(PIECES, max_size=15).map("".join)


def said_of(content: bytes) -> str:
    """Return what is said of a file, nothing if it can be used: then it is JSON."""
    try:
        found = read(content, X=MARKER)
    except ConfigurationError as error:
        return str(error)
    json.dumps(found, default=SecretStr.get_secret_value, allow_nan=False)
    return ""


@given(TEXTS)
@example("%TAG !e! tag:x:\n---\na: !e!y 1")
@example('a: "\\U12345678"')
@example("a: !!float '.'")
def test_any_text_is_a_mapping_or_an_error_without_its_values(text: str) -> None:
    said = said_of(text.encode(errors="replace"))
    assert all(line == visible(line) for line in said.split("\n"))
    if MARKER in said:  # only as the name of something
        assert re.search(rf"{MARKER}[^\n]*?:|[{{[,?][^\n]*{MARKER}", text.replace("\r", "\n"))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    LEAVES | st.just(MARKER) | st.sampled_from(["${X}", "${N}", "file:none"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=4), VALUES), st.booleans())
def test_no_value_is_ever_said(value: dict[str, object], ascii_only: bool) -> None:
    for text in (
        json.dumps(value, ensure_ascii=ascii_only),
        "# yaml\n" + yaml.safe_dump(value, default_style='"' if ascii_only else None),
    ):
        said = said_of(text.encode(errors="replace"))
        assert MARKER not in said
