"""What a person on call reads is there for every rule, and everything in it works as written."""

import keyword
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, get_args

import click
import pytest
import yaml

from airbyte_exporter.airbyte._domain import FAILURE_ORIGINS, FAILURE_TYPES
from airbyte_exporter.airbyte._errors import Reason
from airbyte_exporter.alerts import Match, RulesConfig
from airbyte_exporter.durations import parse_duration
from airbyte_exporter.settings import load_settings, options
from tests.commandline import read_command
from tests.promql import mistakes
from tests.requirements import ROOT

DOCS = ROOT / "docs"
RUNBOOKS = DOCS / "runbooks"
ALERTS = DOCS / "alerts.md"
FAILURES = RUNBOOKS / "failures.md"


class Expected(NamedTuple):
    """What is told of a rule: its severity, and its own parameters with their defaults."""

    severity: str
    parameters: Mapping[str, str] = MappingProxyType({})


RULES = {
    "AutoDisableSoon": Expected("critical", {"failures": "20", "without_success": "4d"}),
    "SyncFailing": Expected("critical", {"consecutive": "3"}),
    "SyncFailed": Expected("warning", {"together": "20"}),
    "NeverSucceeded": Expected("warning", {"after": "1d"}),
    "SyncOverdue": Expected("warning", {"grace": "30m", "max_age": "none"}),
    "BreakingSchemaChange": Expected("critical"),
    "ConnectionDisabled": Expected("critical"),
    "JobStuckPending": Expected("warning", {"after": "30m", "many": "5"}),
    "AirbyteUnreachable": Expected("critical"),
    "NotificationsFailing": Expected("critical", {"after": "15m"}),
}
"""Every rule that is told of, in the order of the document. Those that `RulesConfig` has are held against it
below; that it has none which is missing here, too. Where it lacks one, this is what that rule will have."""

EVERY_RULE = frozenset({"enabled", "severity", "for", "repeat"})
"""What can be set about each rule, beside its parameters."""

REASONS = frozenset({
    "succeeded", "started", "recovered", "enabled", "schedule_changed",
    "paused", "locked", "deleted", "not_watched", "rule_disabled",
})  # fmt: skip
"""Why an incident can end."""

HEADINGS = [
    "What it means",
    "What to look at first",
    "Causes and fixes",
    "When it is not what it seems",
    "How to quiet it",
    "How to see that it is over",
]
TWO_SCREENS = 100
SCREEN_COLUMNS = 150
OTHER_PROGRAMS = frozenset({"kubectl"})

TEXTS = (ROOT / "tests" / "golden" / "alert_texts.txt").read_text(encoding="utf-8")
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(RUNBOOKS.glob("*.md"))}
DOCUMENTS = {f"runbooks/{name}.md": text for name, text in PAGES.items()} | {
    "alerts.md": ALERTS.read_text(encoding="utf-8")
}


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks in that language, those in lists too."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(code) for _, code in found]


def commands(text: str) -> list[str]:
    """Return the command lines in a document: of its consoles, indented ones, and those inside sentences."""
    lines = [line for block in blocks(text, "console") for line in block.splitlines() if line]
    shown = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    indented = re.findall(r"^ {4}(?:\$ )?(airbyte-exporter .+)$", text, re.MULTILINE)
    inside = re.findall(r"(?<!`)`([^`\n]*\bairbyte-exporter [^`\n]+)`(?!`)", text)
    return [*shown, *indented, *inside]


def hints(rule: str) -> list[str]:
    """Return the commands that messages about a rule name, of one connection and of many."""
    messages = re.findall(rf"^alert\.\w+ {rule}\n(.*?)(?:^$|\Z)", TEXTS, re.MULTILINE | re.DOTALL)
    return re.findall(r": (airbyte-exporter .+)$", "".join(messages), re.MULTILINE)


def kind(line: str) -> tuple[str, ...]:
    """Return what a command does, without what it does it to: its words, and the names of its options."""
    words = shlex.split(line[line.index("airbyte-exporter ") :])[1:]
    options = {"--wait", "--discover", "--stream", "--status", "--since"}
    return (*words[: 1 if words[0] == "check" else 2], *sorted(options.intersection(words)))


def slugs(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    without_code = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> Iterator[tuple[str, str]]:
    for document, text in DOCUMENTS.items():
        for target in sorted(set(re.findall(r"\]\(([^)\s]+)\)", text))):
            yield document, target


def rows() -> list[list[str]]:
    """Return the cells of the table of rules."""
    section = DOCUMENTS["alerts.md"].partition("\n## Rules\n")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("| ") and "](runbooks/" in line]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in table]


def keys(value: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every value in nested mappings and lists; a list's items have the list's path."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from keys(below, (*above, key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            yield from keys(item, above)
    else:
        yield above


def settable(rule: str) -> frozenset[str]:
    return EVERY_RULE | RULES[rule].parameters.keys()


class TestRules:
    def test_every_rule_that_can_be_configured_is_told_of(self) -> None:
        assert RULES.keys() >= RulesConfig.model_fields.keys()

    @pytest.mark.parametrize("rule", RulesConfig.model_fields)
    def test_its_defaults_are_those_of_the_configuration(self, rule: str) -> None:
        config = getattr(load_settings(config_file=None, environ={}).alerts.rules, rule)
        common = {f"{name}_" if keyword.iskeyword(name) else name for name in EVERY_RULE}
        own = {name: getattr(config, name) for name in type(config).model_fields if name not in common}
        assert RULES[rule].severity == config.severity
        assert own == {
            name: None if default == "none" else parse_duration(default)
            for name, default in RULES[rule].parameters.items()
        }

    def test_the_table_has_each_in_order_with_severity_parameters_and_runbook(self) -> None:
        told = [
            (*re.findall(r"\[`(\w+)`\]\(runbooks/(\w+)\.md\)", rule), severity.strip("`"), parameters)
            for _, rule, _, severity, parameters, _ in rows()
        ]
        assert told == [
            (
                (rule, rule),
                expected.severity,
                ", ".join(f"`{name}`: {default}" for name, default in expected.parameters.items()),
            )
            for rule, expected in RULES.items()
        ]

    def test_every_reason_for_an_end_is_explained(self) -> None:
        table = DOCUMENTS["alerts.md"].partition("\n### Ends\n")[2].partition("\n#")[0]
        first = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
        assert sorted(re.findall(r"`(\w+)`", " ".join(first))) == sorted({"reason"} | REASONS)


class TestShape:
    def test_there_is_a_page_for_each_rule_and_one_about_failures(self) -> None:
        assert PAGES.keys() == RULES.keys() | {"failures"}

    @pytest.mark.parametrize("rule", RULES)
    def test_a_page_answers_the_same_questions_in_the_same_order(self, rule: str) -> None:
        assert PAGES[rule].startswith(f"# {rule}\n\n`{RULES[rule].severity}`, ")
        assert re.findall(r"^## (.+)$", PAGES[rule], re.MULTILINE) == HEADINGS

    @pytest.mark.parametrize("page", PAGES)
    def test_it_fits_two_screens(self, page: str) -> None:
        heights = [max(1, -(-len(line) // SCREEN_COLUMNS)) for line in PAGES[page].splitlines()]
        assert sum(heights) <= TWO_SCREENS

    @pytest.mark.parametrize("rule", RULES)
    def test_it_tells_when_the_rule_fires_and_with_which_reasons_it_ends(self, rule: str) -> None:
        meaning = PAGES[rule].partition("## What it means\n")[2].partition("\n## ")[0]
        assert "**It fires**" in meaning
        end = meaning.partition("**It ends**")[2].partition("\n- **")[0]
        reasons = set(re.findall(r"\(`(\w+)`\)", end))
        assert reasons <= REASONS
        assert reasons >= {"rule_disabled"}

    @pytest.mark.parametrize("rule", RULES)
    def test_it_has_something_to_ask_and_something_to_quiet(self, rule: str) -> None:
        first = PAGES[rule].partition("## What to look at first\n")[2].partition("\n## ")[0]
        quiet = PAGES[rule].partition("## How to quiet it\n")[2].partition("\n## ")[0]
        over = PAGES[rule].partition("## How to see that it is over\n")[2]
        assert all(blocks(part, kind) for part in (first, over) for kind in ("console", "promql"))
        assert "alerts silence add" in quiet
        assert f"alerts.rules.{rule}." in quiet

    @pytest.mark.parametrize("rule", ["AutoDisableSoon", "SyncFailing", "SyncFailed", "ConnectionDisabled"])
    def test_it_leads_to_the_page_about_failures(self, rule: str) -> None:
        assert "](failures.md)" in PAGES[rule]


class TestCommands:
    @pytest.mark.parametrize("document", DOCUMENTS)
    def test_every_command_can_be_given(
        self, document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for line in commands(DOCUMENTS[document]):
            ours = re.search(r"(?:^| )airbyte-exporter (.+)$", line)
            if ours is None:
                assert line.split()[0] in OTHER_PROGRAMS, line
                continue
            given = shlex.split(ours[1])
            try:
                read_command(given)
            except click.ClickException as error:
                pytest.fail(f"{document}: {line}: {error.format_message()}")

    @pytest.mark.parametrize("rule", RULES)
    def test_those_that_an_alert_names_are_explained(self, rule: str) -> None:
        told = {kind(line) for line in hints(rule)}
        assert told
        assert told <= {kind(line) for line in commands(PAGES[rule]) if "airbyte-exporter " in line}

    @pytest.mark.parametrize(
        "line",
        [
            "jobs lst",
            "sources check",
            "sources check a b",
            "jobs check a",
            "jobs list --conection x",
            "jobs list --status stuck",
            "jobs show",
            "jobs show x",
        ],
    )
    def test_a_wrong_one_is_found_out(self, line: str) -> None:
        with pytest.raises(click.UsageError):
            read_command(line.split())

    def test_they_are_found_in_consoles_and_sentences(self) -> None:
        text = (
            "1. a\n\n   ```console\n   $ kubectl get pods\n   $ airbyte-exporter check\n   fine\n   ```\n\n"
            "Try `airbyte-exporter run`, or:\n\n    airbyte-exporter demo\n"
        )
        assert [line.split()[-1] for line in commands(text)] == ["pods", "check", "demo", "run"]


class TestQueries:
    @pytest.mark.parametrize("document", DOCUMENTS)
    def test_every_query_asks_for_what_exists(self, document: str) -> None:
        assert {
            query: mistakes(query) for query in blocks(DOCUMENTS[document], "promql") if mistakes(query)
        } == {}

    @pytest.mark.parametrize("document", DOCUMENTS)
    def test_every_metric_in_a_sentence_exists(self, document: str) -> None:
        quoted = re.findall(r"`((?:absent\()?airbyte_\w+[^`\n]*)`", DOCUMENTS[document])
        inline = [query for query in quoted if query not in FAILURE_ORIGINS]
        assert {query: mistakes(query) for query in inline if mistakes(query)} == {}

    def test_the_queries_of_a_list_are_found(self) -> None:
        assert blocks("- a\n\n  ```promql\n  up\n    == 0\n  ```\n", "promql") == ["up\n  == 0\n"]


class TestLinks:
    @pytest.mark.parametrize(("document", "target"), list(links()))
    def test_a_link_leads_to_a_file_and_a_heading_that_exist(self, document: str, target: str) -> None:
        if target.startswith("https://"):
            return
        path, _, anchor = target.partition("#")
        file = ((DOCS / document).parent / path).resolve() if path else DOCS / document
        assert file.is_file()
        assert not anchor or anchor in slugs(file.read_text(encoding="utf-8"))


class TestOptions:
    @pytest.mark.parametrize("document", DOCUMENTS)
    def test_every_key_of_a_rule_can_be_set(self, document: str) -> None:
        for rule, key in re.findall(r"\balerts\.rules\.(\w+)\.(\w+)", DOCUMENTS[document]):
            assert key in settable(rule), f"{rule}.{key}"

    @pytest.mark.parametrize("document", DOCUMENTS)
    def test_every_key_of_a_rule_in_an_example_can_be_set(self, document: str) -> None:
        text = DOCUMENTS[document]
        indented = re.findall(r"^( +)(alerts:\n(?:\1 +.*\n)+)", text, re.MULTILINE)
        examples = [*blocks(text, "yaml"), *(textwrap.dedent(first + code) for first, code in indented)]
        for example in examples:
            for path in keys(yaml.safe_load(example)):
                if path[:2] == ("alerts", "rules"):
                    _, _, rule, key, *below = path
                    assert key in settable(rule)
                    if key == "overrides":
                        assert below[0] in settable(rule) | {"match"}
                        assert below[0] != "match" or below[1] in Match.model_fields

    @pytest.mark.parametrize("document", DOCUMENTS)
    def test_every_other_option_exists(self, document: str) -> None:
        sections = "|".join(sorted({name.partition(".")[0] for name in options()} - {"alerts"}))
        named_options = set(re.findall(rf"`((?:{sections})\.[a-z_]+)\b", DOCUMENTS[document]))
        assert named_options <= options().keys()


class TestFailures:
    def test_every_origin_and_type_is_in_the_table(self) -> None:
        table = PAGES["failures"].partition("\n## Origin and type\n")[2].partition("\n## ")[0]
        told = [line.strip("|").split(" | ")[:2] for line in table.splitlines() if line.startswith("| `")]
        origins = {name for cell, _ in told for name in re.findall(r"`(\w+)`", cell)}
        types = {name for _, cell in told for name in re.findall(r"`(\w+)`", cell)}
        assert origins == FAILURE_ORIGINS
        assert types <= FAILURE_TYPES | {"unknown"}

    def test_every_type_is_explained_by_itself(self) -> None:
        table = PAGES["failures"].partition("\n## By type\n")[2].partition("\n## ")[0]
        assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == FAILURE_TYPES | {"unknown"}

    def test_every_reason_why_airbyte_cannot_be_read_has_its_row(self) -> None:
        table = PAGES["AirbyteUnreachable"].partition("## Causes and fixes\n")[2].partition("\n## ")[0]
        first = " ".join(re.findall(r"^\| (`.+?) \|", table, re.MULTILINE))
        told = set(re.findall(r"`(\w+)`", first)) - {"reason"}
        assert told == {*get_args(Reason), "state", "internal"} - {"stopped"}
