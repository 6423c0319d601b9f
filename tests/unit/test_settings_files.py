"""Configuration files that are wrong, and what is said of them."""

from pathlib import Path

import pytest

from tests.unit.configured import Write, env, load, problems


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "nothing.yaml"
    assert problems(file) == [f"cannot read the configuration file {file}: no such file or directory"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("airbyte:\n  tokn: x\n", " line 2: airbyte.tokn: there is no such setting; did you mean token?"),
        ("airbite: {}\n", " line 1: airbite: there is no such section; did you mean airbyte?"),
        ("airbyte:\n  login: x\n", " line 2: airbyte.login: there is no such setting"),
        ("LOG: {}\n", " line 1: LOG: there is no such section; did you mean log?"),
        ("log: {Level: x}\n", " line 1: log.Level: there is no such setting; did you mean level?"),
        (
            "metrics: {exlude: [airbyte_jobs]}\n",
            " line 1: metrics.exlude: there is no such setting; did you mean exclude?",
        ),
        (
            "lookback: 1d\n",
            " line 1: lookback: there is no such section; did you mean lookback under poll?",
        ),
        (
            "poll.lookback: 1d\n",
            " line 1: poll.lookback: there is no such section; did you mean lookback under poll?",
        ),
        (
            "log: {retention: 3d}\n",
            " line 1: log.retention: there is no such setting; did you mean retention under state?",
        ),
        (
            "airbyte: {url_file: x}\n",
            (
                " line 1: airbyte.url_file: there is no such setting; only secrets are read from files: "
                "set url itself"
            ),
        ),
        ("metrics: {exclude: {a: b}}\n", " line 1: metrics.exclude: must be a list"),
        ("- airbyte\n", " line 1: the file must be a mapping of names to values"),
        ("airbyte: http://x\n", " line 1: airbyte must be a mapping of names to values"),
        ("airbyte: {1: 2}\n", " line 1: airbyte.1: there is no such setting"),
        ("? [a, b]\n: 1\n", " line 1: a name must be a plain word"),
        ("log: {level: info}\nlog: {level: debug}\n", " line 2: log is written twice"),
        ("log:\n  level: info\n  level: debug\n", " line 3: log.level is written twice"),
        (
            "log:\n\tlevel: info\n",
            " line 2: is not valid YAML: found character '\\t' that cannot start any token",
        ),
        ("log: {level: info\n", " line 2: is not valid YAML: expected ',' or '}', but got"),
        ("a: 1\n---\nb: 2\n", " line 2: is not valid YAML: but found another document"),
        (
            "log: {level: 2026-99-99}\n",
            " line 1: log.level: is not a value that can be used here; put it in quotes",
        ),
        ("log: {level: !!python/object:x.y z}\n", " line 1: log.level: is not a value that can be used here"),
        ("log: {level: yes}\n", " line 1: log.level: must be 'debug', 'info', 'warning' or 'error'"),
        ("airbyte: {token: 12345}\n", " line 1: airbyte.token: must be a valid string"),
        ("airbyte: {token_file: 5}\n", " line 1: airbyte.token_file: must be the path of a file"),
    ],
)
def test_a_bad_file_is_explained_with_its_line(text: str, said: str, write: Write) -> None:
    file = write(text)
    found = problems(file)
    assert len(found) == 1
    assert found[0].startswith(f"{file}{said}")


def test_a_file_that_is_not_text_is_refused(write: Write, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(b"log: \xff\n")
    assert problems(file) == [f"{file}: is not text in UTF-8"]
    assert problems(write("log: \x01\n")) == [
        f"{file}: is not valid YAML: it contains a character that YAML does not allow"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 20_000, ": is nested too deeply"),
        (
            'log: "\\UFFFFFFFF"\n',
            ": is not valid YAML: it contains a character that YAML does not allow",
        ),
    ],
)
def test_what_the_parser_stumbles_over_is_said_too(text: str, said: str, write: Write) -> None:
    file = write(text)
    assert problems(file) == [f"{file}{said}"]


def test_anchors_and_merges_work_and_do_not_count_as_written_twice(write: Write) -> None:
    settings = load(write("poll: &poll {lookback: 1d}\nlog: {level: &l debug, format: json}\n"))
    assert settings.log.level == "debug"
    file = write("poll:\n  <<: {lookback: 1d, jobs_interval: 10s}\n  lookback: 2d\n")
    assert (load(file).poll.lookback, load(file).poll.jobs_interval) == (2 * 86400, 10)


def test_every_problem_is_told_at_once_with_its_place(write: Write, tmp_path: Path) -> None:
    file = write("airbyte:\n  timeout: soon\n  typo: 1\npoll: {lookback: 0}\n")
    found = problems(
        file,
        env(LOG__LEVEL="loud", NOTHING="1", AIRBYTE__PROXY_FILE=str(tmp_path / "no")),
        web__listen_address="nowhere",
    )
    assert len(found) == 7
    starts = (
        "AIRBYTE_EXPORTER_NOTHING: there is no such setting",
        f"{file} line 3: airbyte.typo: there is no such setting",
        f"AIRBYTE_EXPORTER_AIRBYTE__PROXY_FILE: cannot read {tmp_path / 'no'}: no such file",
        f"{file} line 2: airbyte.timeout: must be a number of seconds or a duration like 30s",
        f"{file} line 4: poll.lookback: must be greater than 0",
        "command line: web.listen_address: ",
        "AIRBYTE_EXPORTER_LOG__LEVEL: must be 'debug', 'info', 'warning' or 'error'",
    )
    for start in starts:
        assert [line for line in found if line.startswith(start)], (start, found)
