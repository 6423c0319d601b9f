"""Settings of alerts: mappings with names of their own, and the one list of mappings."""

from pathlib import Path

import pytest

from airbyte_exporter.alerts import Match
from airbyte_exporter.notify import WebhookConfig
from airbyte_exporter.settings import Settings, describe
from tests.unit.configured import MARKER, WEBHOOK_SECRET, env, load, problems, secret_of

URL = "https://hooks.example.com/a"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "url").write_text(f"{URL}\n")
    (tmp_path / "key").write_text(f"{WEBHOOK_SECRET}\n")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    """Write a file whose first line is `alerts:`."""
    file = folder / "config.yaml"
    file.write_text("alerts:\n" + text, encoding="utf-8")
    return file


def webhooks(settings: Settings) -> dict[str, WebhookConfig]:
    """Return the receivers, every one of which must be a webhook."""
    receivers = settings.alerts.all_receivers
    found = {name: each for name, each in receivers.items() if isinstance(each, WebhookConfig)}
    assert found.keys() == receivers.keys()
    return found


class TestRules:
    def test_the_defaults_of_the_contract(self) -> None:
        rule = load().alerts.rules.SyncFailed
        assert (rule.enabled, rule.severity, rule.for_, rule.repeat) == (True, "warning", 0, None)

    @pytest.mark.parametrize("name", ["SyncFailed", "syncfailed", "SYNCFAILED"])
    def test_in_the_file_in_any_case(self, name: str, folder: Path) -> None:
        file = written(
            folder,
            f"  rules:\n    {name}:\n      enabled: false\n      severity: critical\n"
            "      for: 30m\n      repeat: 1h\n",
        )
        rule = load(file).alerts.rules.SyncFailed
        assert (rule.enabled, rule.severity, rule.for_, rule.repeat) == (False, "critical", 1800, 3600)

    @pytest.mark.parametrize(
        ("key", "text", "value"),
        [("ENABLED", "false", False), ("SEVERITY", "critical", "critical"), ("FOR", "30m", 1800.0),
         ("REPEAT", "3600", 3600.0)],
    )  # fmt: skip
    def test_in_the_environment(self, key: str, text: str, value: object) -> None:
        rule = load(environ=env(**{f"ALERTS__RULES__SYNCFAILED__{key}": text})).alerts.rules.SyncFailed
        assert rule.model_dump(by_alias=True)[key.lower()] == value

    def test_on_the_command_line(self) -> None:
        assert load(alerts__rules__SyncFailed__for="1m").alerts.rules.SyncFailed.for_ == 60

    def test_places_are_merged_key_by_key(self, folder: Path) -> None:
        file = written(folder, "  rules: {SyncFailed: {severity: critical, for: 1h, repeat: 2h}}\n")
        settings = load(
            file,
            env(ALERTS__RULES__SYNCFAILED__FOR="5m", ALERTS__RULES__SYNCFAILED__REPEAT="5m"),
            alerts__rules__SyncFailed__repeat="1m",
        )
        rule = settings.alerts.rules.SyncFailed
        assert (rule.enabled, rule.severity, rule.for_, rule.repeat) == (True, "critical", 300, 60)
        origins = [settings.origin(f"alerts.rules.SyncFailed.{key}") for key in ("severity", "for", "repeat")]
        variable = "AIRBYTE_EXPORTER_ALERTS__RULES__SYNCFAILED__FOR"
        assert origins == [f"{file} line 2", variable, "command line"]

    def test_one_rule_under_two_spellings_is_written_twice(self, folder: Path) -> None:
        file = written(folder, "  rules:\n    SyncFailed: {for: 1m}\n    syncfailed: {for: 2m}\n")
        assert problems(file) == [f"{file} line 4: alerts.rules.SyncFailed is written twice"]


class TestReceivers:
    def test_several_in_the_file(self, folder: Path) -> None:
        file = written(
            folder,
            "  receivers:\n    oncall: {type: webhook, url_file: url, secret_file: key}\n"
            f"    chat_2: {{url: '{URL}2', secret: {WEBHOOK_SECRET}}}\n",
        )
        receivers = webhooks(load(file))
        assert {name: each.url.get_secret_value() for name, each in receivers.items()} == {
            "oncall": URL,
            "chat_2": f"{URL}2",
        }
        assert [secret_of(each.secret) for each in receivers.values()] == [WEBHOOK_SECRET, WEBHOOK_SECRET]

    @pytest.mark.parametrize("name", ["oncall", "on_call", "a__b", "_a", "a_", "7", "url"])
    def test_in_the_environment(self, name: str, folder: Path) -> None:
        prefix = f"ALERTS__RECEIVERS__{name.upper()}"
        settings = load(environ=env(**{f"{prefix}__URL": URL, f"{prefix}__SECRET_FILE": str(folder / "key")}))
        ((found, receiver),) = webhooks(settings).items()
        assert (found, receiver.url.get_secret_value()) == (name, URL)
        assert secret_of(receiver.secret) == WEBHOOK_SECRET
        assert settings.origin(f"alerts.receivers.{name}.url") == f"AIRBYTE_EXPORTER_{prefix}__URL"

    def test_on_the_command_line(self) -> None:
        settings = load(alerts__receivers__oncall__url=URL)
        assert list(settings.alerts.all_receivers) == ["oncall"]
        assert settings.origin("alerts.receivers.oncall.url") == "command line"

    def test_places_are_merged_key_by_key(self, folder: Path) -> None:
        file = written(
            folder,
            f"  receivers:\n    oncall: {{url: '{URL}-from-yaml', secret: {WEBHOOK_SECRET}}}\n"
            "    chat: {url_file: url}\n",
        )
        settings = load(
            file,
            env(
                ALERTS__RECEIVERS__ONCALL__URL_FILE=str(folder / "url"),
                ALERTS__RECEIVERS__CHAT__URL=f"{URL}3",
            ),
        )
        oncall, chat = (webhooks(settings)[name] for name in ("oncall", "chat"))
        assert (oncall.url.get_secret_value(), secret_of(oncall.secret)) == (URL, WEBHOOK_SECRET)
        assert chat.url.get_secret_value() == f"{URL}3"

    def test_beside_the_shortcut(self) -> None:
        settings = load(environ=env(ALERTS__WEBHOOK_URL=URL, ALERTS__RECEIVERS__ONCALL__URL=URL))
        assert list(settings.alerts.all_receivers) == ["webhook", "oncall"]

    def test_the_name_of_the_shortcut_is_free_without_it(self) -> None:
        assert list(load(environ=env(ALERTS__RECEIVERS__WEBHOOK__URL=URL)).alerts.all_receivers) == [
            "webhook"
        ]

    def test_the_shortcut_and_a_receiver_of_its_name_are_refused(self, folder: Path) -> None:
        file = written(folder, "  receivers:\n    webhook:\n      url_file: url\n")
        (found,) = problems(file, env(ALERTS__WEBHOOK_URL=URL))
        said, _, origins = found.partition(" (")
        assert said == (
            "alerts: webhook_url and receivers.webhook.url are two receivers of one name; keep one, or name "
            "the other differently"
        )
        assert origins == f"file {folder / 'url'}, {file} line 4, AIRBYTE_EXPORTER_ALERTS__WEBHOOK_URL)"

    def test_one_without_an_address_is_refused_with_its_place(self, folder: Path) -> None:
        file = written(folder, "  receivers:\n    oncall:\n    chat: {type: webhook}\n")
        variable = "AIRBYTE_EXPORTER_ALERTS__RECEIVERS__DATA__SECRET"
        needs = "must be set, or alerts.receivers.{0}.url_file"
        assert problems(file, env(ALERTS__RECEIVERS__DATA__SECRET=WEBHOOK_SECRET)) == [
            f"alerts.receivers.oncall.url: {needs.format('oncall')} ({file} line 3)",
            f"alerts.receivers.chat.url: {needs.format('chat')} ({file} line 4)",
            f"alerts.receivers.data.url: {needs.format('data')} ({variable})",
        ]

    def test_a_file_that_is_not_there_is_one_problem(self, folder: Path) -> None:
        file = written(folder, "  receivers:\n    oncall: {url_file: nowhere}\n")
        (found,) = problems(file)
        assert found.startswith(
            f"{file} line 3: alerts.receivers.oncall.url_file: cannot read {folder / 'nowhere'}: no such file"
        )

    def test_a_secret_and_its_file_in_one_place_are_refused(self, folder: Path) -> None:
        file = written(folder, f"  receivers:\n    oncall: {{url: '{URL}', url_file: url}}\n")
        both = "alerts.receivers.oncall.url and alerts.receivers.oncall.url_file are both set; keep one"
        assert problems(file) == [f"{file} line 3: alerts.receivers.oncall.url_file: {both}"]
        prefix = "ALERTS__RECEIVERS__ONCALL__URL"
        assert problems(environ=env(**{prefix: URL, f"{prefix}_FILE": str(folder / "url")})) == [
            f"AIRBYTE_EXPORTER_{prefix}_FILE: {both}"
        ]

    def test_a_mask_is_not_taken_for_the_secret(self, folder: Path) -> None:
        file = written(folder, "  receivers:\n    oncall: {url: '**********'}\n")
        assert f"{file} line 3: alerts.receivers.oncall.url: is what is shown in place of a secret" in str(
            problems(file)
        )

    def test_each_is_checked_by_the_rules_of_its_kind(self) -> None:
        prefix = "ALERTS__RECEIVERS__ONCALL"
        found = problems(
            environ=env(
                **{
                    f"{prefix}__URL": f"ftp://{MARKER}",
                    f"{prefix}__SECRET": MARKER,
                    f"{prefix}__TYPE": MARKER,
                }
            )
        )
        assert [line.split(": ")[0] for line in found] == [
            f"AIRBYTE_EXPORTER_{prefix}__{key}" for key in ("TYPE", "URL", "SECRET")
        ]
        assert MARKER not in str(found)


ROUTES = """\
  receivers: {oncall: {url: 'https://h.example/1'}, chat: {url: 'https://h.example/2'}}
  routes:
    - match: {severity: critical, rule: syncfailed, tag: [gold, silver], workspace: Sales}
      receivers: [oncall, chat]
      continue: true
    - match:
        source_connector: Postgres
        destination_connector: Snowflake
        connection: 'orders*'
      receivers: oncall
    - receivers: []
"""


class TestRoutes:
    def test_from_the_file(self, folder: Path) -> None:
        first, second, third = load(written(folder, ROUTES)).alerts.routes
        assert (first.receivers, first.continue_) == (("oncall", "chat"), True)
        assert first.match == Match(
            severity=("critical",), rule=("SyncFailed",), tag=("gold", "silver"), workspace=("Sales",)
        )
        assert (second.receivers, second.continue_) == (("oncall",), False)
        assert (second.match.source_connector, second.match.connection) == (("Postgres",), ("orders*",))
        assert (third.receivers, third.match) == ((), Match())

    def test_the_receiver_of_the_shortcut_can_be_named(self, folder: Path) -> None:
        file = written(folder, "  routes: [{receivers: webhook}]\n")
        assert load(file, env(ALERTS__WEBHOOK_URL=URL)).alerts.routes[0].receivers == ("webhook",)

    @pytest.mark.parametrize("variable", ["ALERTS__ROUTES", "ALERTS__ROUTES__0__RECEIVERS"])
    def test_not_from_the_environment(self, variable: str) -> None:
        assert problems(environ=env(**{variable: "[]"})) == [
            f"AIRBYTE_EXPORTER_{variable}: alerts.routes can only be set in the configuration file"
        ]
        load(environ=env(**{variable: ""}))

    @pytest.mark.parametrize(
        ("route", "said"),
        [
            ("{match: {tag: x}}", "line 4: {1}.receivers: must be set"),
            ("gold", "line 4: {1}: must be a mapping of names to values"),
            ("{receivers: a, match: gold}", "line 4: {1}.match: must be a mapping of names to values"),
            ("{receivers: [], matches: {}}", "line 4: {1}.matches: there is no such setting; did you mean"),
            (
                "{receivers: [],\n       match: {tagg: x}}",
                "line 5: {1}.match.tagg: there is no such setting; did you mean tag?",
            ),
            (
                "{receivers: [], match: {rule: [SyncFailed,\n       SyncFaild]}}",
                "line 5: {1}.match.rule[1]: there is no such rule; did you mean SyncFailed?",
            ),
            (
                "{receivers: [], match: {severity: info}}",
                "line 4: {1}.match.severity: must be 'critical' or 'warning'",
            ),
            ("{receivers: [], match: {tag: []}}", "line 4: {1}.match.tag: must name at least one"),
            ("{receivers: [], match: {tag: 7}}", "line 4: {1}.match.tag: must be a list"),
            ("{receivers: [], receivers: []}", "line 4: {1}.receivers is written twice"),
            (
                "{receivers: [oncall,\n       oncal]}",
                "line 5: {1}.receivers[1]: there is no such receiver; did you mean oncall?",
            ),
            ("{receivers: nobody}", "line 4: {1}.receivers: there is no such receiver"),
            ("{receivers: [], match: {tag: 2026-99-99}}", "line 4: {1}.match.tag: is not a value"),
        ],
    )  # fmt: skip
    def test_a_bad_one_is_explained_with_its_line(self, route: str, said: str, folder: Path) -> None:
        file = written(
            folder,
            f"  receivers: {{oncall: {{url: '{URL}'}}}}\n  routes: [{{receivers: oncall}},\n    {route}]\n",
        )
        (found,) = problems(file)
        assert found.startswith(f"{file} {said.replace('{1}', 'alerts.routes[1]')}")

    @pytest.mark.parametrize("value", ["everything", "{receivers: oncall}", "7"])
    def test_what_is_no_list_is_refused(self, value: str, folder: Path) -> None:
        file = written(folder, f"  routes: {value}\n")
        assert problems(file) == [f"{file} line 2: alerts.routes: must be a list"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule: {}", "alerts.rule: there is no such setting; did you mean rules?"),
        (
            "rules: {SyncFaild: {}}",
            "alerts.rules.SyncFaild: there is no such setting; did you mean SyncFailed?",
        ),
        (
            "rules: {SyncFailed: {sevrity: x}}",
            "alerts.rules.SyncFailed.sevrity: there is no such setting; did you mean severity?",
        ),
        ("rules: {SyncFailed: 1}", "alerts.rules.SyncFailed must be a mapping of names to values"),
        ("rules: [SyncFailed]", "alerts.rules must be a mapping of names to values"),
        ("rules: {SyncFailed: {repeat: 5s}}", "alerts.rules.SyncFailed.repeat: must be a minute or more"),
        ("rules: {SyncFailed: {for: soon}}", "alerts.rules.SyncFailed.for: must be a number of seconds or"),
        ("rules: {SyncFailed: {severity: info}}", "alerts.rules.SyncFailed.severity: must be 'critical' or"),
        ("recievers: {}", "alerts.recievers: there is no such setting; did you mean receivers?"),
        ("receivers: {On-Call: {}}", "alerts.receivers.On-Call: a name here consists of a-z, 0-9 and _"),
        (
            f"receivers: {{oncall: {{url: '{URL}', secrt: x}}}}",
            "alerts.receivers.oncall.secrt: there is no such setting; did you mean secret?",
        ),
        (
            f"receivers: {{oncall: {{url: '{URL}', secret_fiel: x}}}}",
            "alerts.receivers.oncall.secret_fiel: there is no such setting; did you mean secret_file?",
        ),
    ],
)
def test_a_misspelt_or_bad_key_is_explained_with_its_line(text: str, said: str, folder: Path) -> None:
    file = written(folder, f"  {text}\n")
    (found,) = problems(file)
    assert found.startswith(f"{file} line 2: {said}")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("ALERTS__RULES__SYNCFAILD__SEVERITY", "ALERTS__RULES__SYNCFAILED__SEVERITY"),
        ("ALERTS__RULES__SYNCFAILED__SEVRITY", "ALERTS__RULES__SYNCFAILED__SEVERITY"),
        ("ALERTS__RULE__SYNCFAILED__FOR", "ALERTS__RULES__SYNCFAILED__FOR"),
        ("ALERTS__RECEIVERS__ONCALL__ULR", "ALERTS__RECEIVERS__ONCALL__URL"),
        ("ALERTS__RECIEVERS__ONCALL__URL", "ALERTS__RECEIVERS__ONCALL__URL"),
        ("ALERTS__RECEIVERS__ONCALL__SECRET_FIEL", "ALERTS__RECEIVERS__ONCALL__SECRET_FILE"),
        ("ALERTS__RECEIVERS__oncall__URL", "ALERTS__RECEIVERS__ONCALL__URL"),
        ("ALERTS__ROUTE", "ALERTS__ROUTES"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(variable: str, meant: str) -> None:
    assert problems(environ=env(**{variable: MARKER})) == [
        f"AIRBYTE_EXPORTER_{variable}: there is no such setting; did you mean AIRBYTE_EXPORTER_{meant}?"
    ]


def everything(folder: Path) -> Settings:
    return load(
        written(folder, ROUTES + "  rules: {syncfailed: {for: 90s}}\n"),
        env(ALERTS__RECEIVERS__ONCALL__SECRET=WEBHOOK_SECRET, ALERTS__RULES__SYNCFAILED__REPEAT="1h"),
    )


def test_everything_is_described_with_its_origin_and_secrets_are_masked(folder: Path) -> None:
    file = folder / "config.yaml"
    shown = [
        (setting.option.key, setting.value, setting.origin)
        for setting in describe(everything(folder))
        if setting.option.key.startswith(("rules.SyncFailed.", "receivers.", "routes"))
    ]
    untouched = ("ca_file", None), ("allow_link_local", False)
    of_a_template = ("content_type", "application/json"), ("template", None)
    unset = {
        (f"receivers.{name}.{key}", value, "default")
        for name in ("oncall", "chat")
        for key, value in (*untouched, *of_a_template)
    }
    assert unset <= {row for row in shown if row[0] != "routes"}
    assert [row for row in shown if row[0] == "routes" or row not in unset] == [
        ("rules.SyncFailed.enabled", True, "default"),
        ("rules.SyncFailed.severity", "warning", "default"),
        ("rules.SyncFailed.for", "90s", f"{file} line 13"),
        ("rules.SyncFailed.repeat", "1h", "AIRBYTE_EXPORTER_ALERTS__RULES__SYNCFAILED__REPEAT"),
        ("rules.SyncFailed.together", 20, "default"),
        ("receivers.oncall.type", "webhook", "default"),
        ("receivers.oncall.url", "**********", f"{file} line 2"),
        ("receivers.oncall.secret", "**********", "AIRBYTE_EXPORTER_ALERTS__RECEIVERS__ONCALL__SECRET"),
        ("receivers.chat.type", "webhook", "default"),
        ("receivers.chat.url", "**********", f"{file} line 2"),
        ("receivers.chat.secret", None, "default"),
        (
            "routes",
            [
                {
                    "receivers": ["oncall", "chat"],
                    "match": {
                        "severity": ["critical"],
                        "rule": ["SyncFailed"],
                        "workspace": ["Sales"],
                        "tag": ["gold", "silver"],
                    },
                    "continue": True,
                },
                {
                    "receivers": ["oncall"],
                    "match": {
                        "source_connector": ["Postgres"],
                        "destination_connector": ["Snowflake"],
                        "connection": ["orders*"],
                    },
                },
                {"receivers": []},
            ],
            f"{file} line 4",
        ),
    ]


def test_reading_twice_gives_the_same(folder: Path) -> None:
    first, second = everything(folder), everything(folder)
    assert first.model_dump() == second.model_dump()
    assert describe(first) == describe(second)
