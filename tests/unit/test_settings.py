"""Settings: places in, one frozen value or the list of what is wrong out."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.settings import Option, Settings, describe, load_settings, options
from tests.unit.configured import MARKER, WEBHOOK_SECRET, Write, env, load, problems, secret_of


def test_without_anything_the_defaults_of_the_contract_hold() -> None:
    settings = load()
    assert settings.airbyte.url == "http://localhost:8001/api/v1"
    assert settings.airbyte.timeout == 30
    assert (settings.poll.jobs_interval, settings.poll.inventory_interval) == (30, 300)
    assert (settings.poll.jobs_max_staleness, settings.poll.inventory_max_staleness) == (600, 1800)
    assert settings.poll.lookback == 7 * 86400
    assert settings.state.retention == 14 * 86400
    assert settings.web.listen_address == "0.0.0.0:10980"
    assert settings.alerts.interval == 15
    assert settings.alerts.webhook is None
    assert (settings.log.level, settings.log.format) == ("info", "auto")


EACH = "enabled severity for repeat"
RULES = {
    "AutoDisableSoon": " failures without_success",
    "SyncFailing": " consecutive",
    "SyncFailed": " together",
    "NeverSucceeded": " after",
    "SyncOverdue": " grace max_age",
    "BreakingSchemaChange": "",
    "ConnectionDisabled": "",
    "JobStuckPending": " after many",
    "AirbyteUnreachable": "",
    "NotificationsFailing": " after",
}


def test_every_option_of_the_contract_exists_and_no_other() -> None:
    keys = {
        "airbyte": "name url api username password token client_id client_secret workspace_ids ui_url "
        "timeout ca_file client_cert_file client_key_file insecure_skip_verify proxy max_concurrency "
        "requests_per_second",
        "poll": "jobs_interval inventory_interval lookback jobs_max_staleness inventory_max_staleness",
        "state": "url retention",
        "web": "listen_address config_file",
        "metrics": "exclude max_connections created",
        "alerts": "interval notify_existing overrides webhook_url webhook_secret "
        + " ".join(f"rules.{rule}.{key}" for rule, more in RULES.items() for key in (EACH + more).split())
        + " receivers.<name>.type "
        "receivers.<name>.headers.<header> receivers.<name>.ca_file receivers.<name>.allow_link_local "
        "receivers.<name>.url receivers.<name>.secret receivers.<name>.content_type "
        "receivers.<name>.template receivers.<name>.urls receivers.<name>.username "
        "receivers.<name>.password receivers.<name>.token routes",
        "log": "level format",
    }
    assert list(options()) == [f"{section}.{key}" for section, names in keys.items() for key in names.split()]


def test_which_api_and_how_many_requests_at_a_time() -> None:
    assert (load().airbyte.api, load().airbyte.max_concurrency) == ("auto", 4)
    settings = load(None, env(AIRBYTE__API="config", AIRBYTE__MAX_CONCURRENCY="9"))
    assert (settings.airbyte.api, settings.airbyte.max_concurrency) == ("config", 9)
    assert load(None, env(AIRBYTE__API="public")).airbyte.only_public
    with pytest.raises(ConfigurationError, match="api is config, but url names Airbyte Cloud"):
        load(None, env(AIRBYTE__API="config", AIRBYTE__URL="api.airbyte.com"))


def test_every_option_has_a_description() -> None:
    assert [option.name for option in options().values() if not option.declared.description] == []


def test_command_line_beats_environment_beats_file_beats_default(write: Write) -> None:
    file = write("log: {level: error, format: json}\npoll: {lookback: 2d}\n")
    settings = load(file, env(LOG__LEVEL="warning", LOG__FORMAT="console"), log__level="debug")
    assert (settings.log.level, settings.log.format) == ("debug", "console")
    assert settings.poll.lookback == 2 * 86400


def test_places_are_merged_key_by_key(write: Write) -> None:
    settings = load(write("airbyte: {url: 'https://a.example', timeout: 5s}\n"), env(AIRBYTE__NAME="prod"))
    assert (settings.airbyte.url, settings.airbyte.timeout) == ("https://a.example/api/v1", 5)
    assert settings.airbyte.name == "prod"


def test_secret_files_stand_between_environment_and_file(write: Write, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("from-a-file\n")
    from_variable = env(AIRBYTE__TOKEN_FILE=str(token))
    file = write("airbyte: {token: from-yaml}\n")
    assert secret_of(load(file, from_variable).airbyte.token) == "from-a-file"

    file = write(f"airbyte: {{token_file: {token}}}\n")
    assert secret_of(load(file, env(AIRBYTE__TOKEN="from-env")).airbyte.token) == "from-env"
    assert secret_of(load(file).airbyte.token) == "from-a-file"


def test_a_variable_that_names_a_secret_file_beats_the_one_in_the_yaml_file(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "new").write_text("new")
    file = write(f"airbyte: {{token_file: {tmp_path / 'old'}}}\n")
    assert secret_of(load(file, env(AIRBYTE__TOKEN_FILE=str(tmp_path / "new"))).airbyte.token) == "new"


@pytest.mark.parametrize("option", [option for option in options().values() if option.is_secret])
def test_every_secret_can_come_from_a_file(option: Option, tmp_path: Path) -> None:
    assert option.name in {
        "airbyte.password",
        "airbyte.token",
        "airbyte.client_id",
        "airbyte.client_secret",
        "airbyte.proxy",
        "state.url",
        "alerts.webhook_url",
        "alerts.webhook_secret",
        "alerts.receivers.<name>.url",
        "alerts.receivers.<name>.secret",
        "alerts.receivers.<name>.headers.<header>",
        "alerts.receivers.<name>.template",
        "alerts.receivers.<name>.password",
        "alerts.receivers.<name>.token",
    }
    option = option.named("oncall", "x-api-key")
    file = tmp_path / "secret"
    assert problems(environ={f"{option.variable}_FILE": str(file)})[0] == (
        f"{option.variable}_FILE: cannot read {file}: no such file or directory"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"one\ntwo\n", "has more than one line; it must hold the secret and nothing else"),
        (b"\xff\xfe", "is not text in UTF-8"),
    ],
)
def test_a_secret_file_must_hold_one_secret(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    assert problems(environ=env(AIRBYTE__TOKEN_FILE=str(file))) == [
        f"AIRBYTE_EXPORTER_AIRBYTE__TOKEN_FILE: {file} {said}"
    ]


def test_a_secret_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    assert problems(environ=env(AIRBYTE__TOKEN_FILE=str(tmp_path))) == [
        f"AIRBYTE_EXPORTER_AIRBYTE__TOKEN_FILE: cannot read {tmp_path}: is a directory"
    ]


def test_a_secret_and_its_file_in_one_place_are_refused(write: Write, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    both = env(AIRBYTE__TOKEN=MARKER, AIRBYTE__TOKEN_FILE=str(tmp_path / "token"))
    assert problems(environ=both) == [
        "AIRBYTE_EXPORTER_AIRBYTE__TOKEN_FILE: airbyte.token and airbyte.token_file are both set; keep one"
    ]
    file = write(f"airbyte:\n  token: {MARKER}\n  token_file: {tmp_path / 'token'}\n")
    assert problems(file) == [
        f"{file} line 3: airbyte.token_file: airbyte.token and airbyte.token_file are both set; keep one"
    ]


def test_relative_paths_in_the_file_start_at_its_folder(write: Write, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\r\n")
    settings = load(write("airbyte: {token_file: token, ca_file: tls/ca.pem}\n"))
    assert secret_of(settings.airbyte.token) == "from-a-file"
    assert settings.airbyte.ca_file == str(tmp_path / "tls/ca.pem")


def test_lists_are_separated_by_commas_in_the_environment(write: Write) -> None:
    first, second = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
    assert load(environ=env(AIRBYTE__WORKSPACE_IDS=f"{first}, {second},")).airbyte.workspace_ids == (
        first,
        second,
    )
    assert load(write(f"airbyte: {{workspace_ids: [{first}]}}\n")).airbyte.workspace_ids == (first,)


def test_an_empty_variable_is_not_set(write: Write) -> None:
    file = write("log: {level: error}\n")
    assert load(file, env(LOG__LEVEL="", AIRBYTE__TOKEN="", AIRBYTE__TOKEN_FILE="")).log.level == "error"


def test_null_and_empty_sections_and_files_are_not_set(write: Write) -> None:
    assert load(write("")).model_dump() == load().model_dump()
    assert load(write("# nothing yet\n")).model_dump() == load().model_dump()
    assert load(write("airbyte:\nlog: {level: null}\n")).model_dump() == load().model_dump()


@pytest.mark.parametrize(
    ("variable", "suggestion"),
    [
        ("AIRBYTE_URL", "; did you mean AIRBYTE_EXPORTER_AIRBYTE__URL?"),
        ("AIRBYTE__TOKN", "; did you mean AIRBYTE_EXPORTER_AIRBYTE__TOKEN?"),
        ("LOG__LEVEL__X", "; did you mean AIRBYTE_EXPORTER_LOG__LEVEL?"),
        ("LOGLEVEL", "; did you mean AIRBYTE_EXPORTER_LOG__LEVEL?"),
        ("ALERTS__WEBHOOK_URL_FIEL", "; did you mean AIRBYTE_EXPORTER_ALERTS__WEBHOOK_URL_FILE?"),
        ("AIRBYTE", "; did you mean AIRBYTE_EXPORTER_AIRBYTE__URL?"),
        ("AIRBITE__URL", "; did you mean AIRBYTE_EXPORTER_AIRBYTE__URL?"),
        ("METRIC__EXCLUDE", "; did you mean AIRBYTE_EXPORTER_METRICS__EXCLUDE?"),
        ("AIRBYTE__METRICS__EXCLUDE", "; did you mean AIRBYTE_EXPORTER_METRICS__EXCLUDE?"),
        ("AIRBYTE__LISTEN_ADDRESS", "; did you mean AIRBYTE_EXPORTER_WEB__LISTEN_ADDRESS?"),
        ("WEB_CONFIG_FILE", "; did you mean AIRBYTE_EXPORTER_WEB__CONFIG_FILE?"),
        ("ALERT__WEBHOOK_URL_FILE", "; did you mean AIRBYTE_EXPORTER_ALERTS__WEBHOOK_URL_FILE?"),
        (
            "AIRBYTE__URL_FILE",
            "; only secrets are read from files: set AIRBYTE_EXPORTER_AIRBYTE__URL itself",
        ),
        (
            "WEB__CONFIG_FILE_FILE",
            "; only secrets are read from files: set AIRBYTE_EXPORTER_WEB__CONFIG_FILE itself",
        ),
        ("SOMETHING__ELSE", ""),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(variable: str, suggestion: str) -> None:
    said = problems(environ=env(**{variable: MARKER}))
    assert len(said) == 1
    assert said[0].startswith(f"AIRBYTE_EXPORTER_{variable}: there is no such setting")
    assert said[0].endswith(suggestion)
    assert MARKER not in said[0]


def test_a_variable_in_lower_case_is_refused_and_not_overlooked() -> None:
    assert problems(environ={"airbyte_exporter_log__level": "debug"}) == [
        "airbyte_exporter_log__level: there is no such setting; did you mean AIRBYTE_EXPORTER_LOG__LEVEL?"
    ]


def test_other_peoples_variables_are_none_of_our_business() -> None:
    others = {"AIRBYTE_URL": "x", "PATH": "/bin", "AIRBYTE_EXPORTERS": "y"}
    assert load(environ=others) == load(environ={})


def test_what_kubernetes_injects_is_ignored() -> None:
    address = "tcp://10.0.0.1:10980"
    injected = env(
        SERVICE_HOST="10.0.0.1",
        SERVICE_PORT="10980",
        SERVICE_PORT_HTTP="10980",
        PORT=address,
        PORT_10980_TCP=address,
        PORT_10980_TCP_PROTO="tcp",
        PORT_10980_TCP_PORT="10980",
        PORT_10980_TCP_ADDR="10.0.0.1",
        # Of a second Service called airbyte-exporter-metrics.
        METRICS_SERVICE_HOST="10.0.0.2",
        METRICS_SERVICE_PORT="10980",
        METRICS_PORT=address,
        METRICS_PORT_10980_TCP_ADDR="10.0.0.2",
    )
    assert load(environ=injected).model_dump() == load().model_dump()


def test_what_only_looks_like_kubernetes_is_refused() -> None:
    assert problems(environ=env(WEB_PORT="10980")) == ["AIRBYTE_EXPORTER_WEB_PORT: there is no such setting"]


def test_a_list_item_that_is_wrong_is_named() -> None:
    found = problems(environ=env(AIRBYTE__WORKSPACE_IDS="a,b"))
    assert found[0].startswith("AIRBYTE_EXPORTER_AIRBYTE__WORKSPACE_IDS: must be workspace ids")


def test_half_a_pair_of_credentials_tells_where_the_other_half_is(write: Write) -> None:
    file = write(f"airbyte:\n  client_id: {MARKER}\n")
    assert problems(file) == [
        f"airbyte: client_id and client_secret go together: client_secret is missing ({file} line 2)"
    ]


@pytest.mark.parametrize(
    ("values", "where", "loop", "least"),
    [
        ({"POLL__JOBS_MAX_STALENESS": "1m"}, "AIRBYTE_EXPORTER_POLL__JOBS_MAX_STALENESS", "jobs", "2m"),
        ({"POLL__JOBS_INTERVAL": "10m"}, "poll.jobs_max_staleness", "jobs", "1830s"),
        ({"POLL__INVENTORY_INTERVAL": "10m"}, "poll.inventory_max_staleness", "inventory", "1830s"),
        ({"AIRBYTE__TIMEOUT": "9m"}, "poll.jobs_max_staleness", "jobs", "630s"),
    ],
)
def test_staleness_below_three_intervals_and_a_timeout_is_refused(
    values: dict[str, str], where: str, loop: str, least: str
) -> None:
    rule = f"must be at least three times poll.{loop}_interval and one airbyte.timeout, which is {least}"
    assert problems(environ=env(**values)) == [f"{where}: {rule}"]


def test_staleness_of_exactly_three_intervals_and_a_timeout_is_enough() -> None:
    assert load(environ=env(POLL__JOBS_MAX_STALENESS="2m")).poll.jobs_max_staleness == 120


def test_a_family_that_does_not_exist_is_told_with_its_place(write: Write) -> None:
    said = "matches no metric family; did you mean airbyte_connection_info?"
    assert problems(environ=env(METRICS__EXCLUDE="airbyte_jobs, airbyte_conection_info")) == [
        f"AIRBYTE_EXPORTER_METRICS__EXCLUDE[1]: {said}"
    ]
    file = write("metrics:\n  max_connections: true\n  exclude: [airbyte_conection_info]\n")
    assert problems(file) == [
        f"{file} line 3: metrics.exclude[0]: {said}",
        f"{file} line 2: metrics.max_connections: must be a number",
    ]


def test_the_webhook_shortcut_becomes_a_receiver() -> None:
    settings = load(
        environ=env(ALERTS__WEBHOOK_URL="https://h.example/x", ALERTS__WEBHOOK_SECRET=WEBHOOK_SECRET)
    )
    assert settings.alerts.webhook is not None
    assert settings.alerts.webhook.url.get_secret_value() == "https://h.example/x"
    assert secret_of(settings.alerts.webhook.secret) == WEBHOOK_SECRET


def test_the_webhook_shortcut_is_checked_under_its_own_names() -> None:
    found = problems(environ=env(ALERTS__WEBHOOK_URL=f"ftp://{MARKER}", ALERTS__WEBHOOK_SECRET=MARKER))
    assert [line.split(": ")[0] for line in found] == [
        "AIRBYTE_EXPORTER_ALERTS__WEBHOOK_URL",
        "AIRBYTE_EXPORTER_ALERTS__WEBHOOK_SECRET",
    ]
    assert MARKER not in str(found)


def test_a_webhook_secret_without_a_webhook_is_refused() -> None:
    (said,) = problems(environ=env(ALERTS__WEBHOOK_SECRET=WEBHOOK_SECRET))
    assert said.startswith("alerts: webhook_secret is set but webhook_url is not; set both or neither")
    assert said.endswith("(AIRBYTE_EXPORTER_ALERTS__WEBHOOK_SECRET)")


def test_an_unknown_override_is_refused() -> None:
    assert problems(log__levle="debug") == [
        "command line: log.levle: there is no such setting; did you mean log.level?"
    ]


@pytest.mark.parametrize("name", list(options()))
def test_no_message_repeats_a_value(name: str, write: Write) -> None:
    option = options()[name].named("oncall", "x-api-key")
    bad = f"@{MARKER}://\n"
    nested = "".join(f"{{{key}: " for key in option.name.split("."))
    closed = "}" * nested.count("{")
    for said in (
        attempt(environ={option.variable: bad}),
        attempt(write(f"{nested}[{{x: '{MARKER}'}}]{closed}\n")),
        attempt(write(f"{nested}'{MARKER}'{closed}\n")),
        attempt(None, None, **{option.name.replace(".", "__"): {MARKER: object()}}),
    ):
        assert MARKER not in said


@pytest.mark.parametrize(
    "text",
    [
        f"airbyte: {{token: *{MARKER}}}\n",
        f"airbyte: {{token: !{MARKER} x}}\n",
        f"airbyte: {{token: '{MARKER}}}\n",
        f'airbyte: {{token: "\\q{MARKER}"}}\n',
        f"airbyte:\n  token: {MARKER}: x: y\n",
        f"airbyte:\n  token: @{MARKER}\n",
        f"airbyte:\n  token: %{MARKER}\n",
        f"airbyte:\n  token: {MARKER}\n client_id: x\n",
    ],
)
def test_no_message_about_broken_yaml_quotes_the_file(text: str, write: Write) -> None:
    said = attempt(write(text))
    assert said
    assert MARKER not in said


def attempt(file: Path | None = None, environ: Mapping[str, str] | None = None, **overrides: object) -> str:
    try:
        load(file, environ, **overrides)
    except ConfigurationError as error:
        return str(error)
    return ""


def test_describe_tells_values_and_origins_and_masks_secrets(write: Write, tmp_path: Path) -> None:
    (tmp_path / "id").write_text(f"{MARKER}-1")
    file = write(
        f"airbyte:\n  client_id_file: id\n  timeout: 45\nalerts:\n  webhook_url: https://h/{MARKER}-2\n"
    )
    settings = load(file, env(AIRBYTE__CLIENT_SECRET=f"{MARKER}-3", POLL__LOOKBACK="36h"), log__level="debug")
    shown = {setting.option.name: (setting.value, setting.origin) for setting in describe(settings)}
    assert shown["airbyte.client_id"] == ("**********", f"file {tmp_path / 'id'}, {file} line 2")
    assert shown["airbyte.client_secret"] == ("**********", "AIRBYTE_EXPORTER_AIRBYTE__CLIENT_SECRET")
    assert shown["airbyte.timeout"] == ("45s", f"{file} line 3")
    assert shown["airbyte.token"] == (None, "default")
    assert shown["airbyte.workspace_ids"] == ([], "default")
    assert shown["poll.lookback"] == ("36h", "AIRBYTE_EXPORTER_POLL__LOOKBACK")
    assert shown["log.level"] == ("debug", "command line")
    assert shown["state.url"][0] == settings.state.url.get_secret_value()
    assert MARKER not in str(shown) + repr(settings) + str(settings)


def test_a_state_url_that_was_given_is_masked() -> None:
    settings = load(environ=env(STATE__URL=f"sqlite:////tmp/{MARKER}.db"))
    shown = {setting.option.name: setting.value for setting in describe(settings)}
    assert shown["state.url"] == "**********"


def test_a_mask_is_not_taken_for_the_secret(write: Write) -> None:
    file = write("airbyte: {token: '**********', name: '**********'}\n")
    assert problems(file) == [
        f"{file} line 1: airbyte.token: is what is shown in place of a secret, not the secret"
    ]


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().log = load().log  # type: ignore[misc]  # that is the point


def test_built_directly_settings_do_not_look_at_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG", '{"level": "error"}')
    monkeypatch.setenv("AIRBYTE_EXPORTER_LOG__LEVEL", "error")
    assert Settings().log.level == "info"
    assert load_settings(config_file=None).log.level == "error"
