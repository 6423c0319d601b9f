"""Settings of receivers: their kinds, headers, templates and what each kind does not have."""

from pathlib import Path

import pytest

from airbyte_exporter.notify import AlertmanagerConfig, WebhookConfig
from airbyte_exporter.settings import Settings, describe
from tests.unit.configured import MARKER, env, load, problems

URL = "https://hooks.example.com/a"
PREFIX = "ALERTS__RECEIVERS__CHAT"


def written(folder: Path, receiver: str) -> Path:
    """Write a file with one receiver, `chat`, whose first line is the fourth."""
    file = folder / "config.yaml"
    lines = "".join(f"      {line}\n" for line in receiver.splitlines())
    file.write_text(f"alerts:\n  receivers:\n    chat:\n{lines}", encoding="utf-8")
    return file


def chat(settings: Settings) -> WebhookConfig:
    found = settings.alerts.receivers["chat"]
    assert isinstance(found, WebhookConfig)
    return found


class TestHeaders:
    def test_in_the_file_in_any_case_and_from_files_of_their_own(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("key-s3cret\n")
        file = written(tmp_path, f"url: {URL}\nheaders:\n  Authorization: Bearer x\n  X-Api-Key_file: key")
        settings = load(file)
        assert chat(settings).plain_headers == {"authorization": "Bearer x", "x-api-key": "key-s3cret"}
        assert settings.origin("alerts.receivers.chat.headers.authorization") == f"{file} line 6"
        assert settings.origin("alerts.receivers.chat.headers.x-api-key").startswith(
            f"file {tmp_path / 'key'}"
        )

    def test_in_the_environment_an_underscore_is_a_hyphen(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("key-s3cret\n")
        settings = load(
            environ=env(
                **{
                    f"{PREFIX}__URL": URL,
                    f"{PREFIX}__HEADERS__X_API_KEY_FILE": str(tmp_path / "key"),
                    f"{PREFIX}__HEADERS__TOKEN": "Bearer x",
                }
            )
        )
        assert chat(settings).plain_headers == {"x-api-key": "key-s3cret", "token": "Bearer x"}

    def test_the_environment_beats_the_file(self, tmp_path: Path) -> None:
        file = written(tmp_path, f"url: {URL}\nheaders: {{X-Api-Key: old, X-Team: data}}")
        settings = load(file, env(**{f"{PREFIX}__HEADERS__X_API_KEY": "new"}))
        assert chat(settings).plain_headers == {"x-api-key": "new", "x-team": "data"}

    def test_they_are_shown_masked_with_their_origin(self, tmp_path: Path) -> None:
        file = written(tmp_path, f"url: {URL}\nheaders: {{X-Api-Key: {MARKER}}}")
        shown = {each.option.name: (each.value, each.origin) for each in describe(load(file))}
        assert shown["alerts.receivers.chat.headers.x-api-key"] == ("**********", f"{file} line 5")
        assert MARKER not in repr(load(file))

    @pytest.mark.parametrize(
        "name",
        [
            "Host", "content-length", "Transfer-Encoding", "Connection", "User-Agent", "Accept-Encoding",
            "webhook-id", "Webhook-Signature", "webhook-anything", "Expect",
        ],
    )  # fmt: skip
    def test_those_of_the_exporter_are_refused(self, name: str, tmp_path: Path) -> None:
        (said,) = problems(written(tmp_path, f"url: {URL}\nheaders:\n  {name}: {MARKER}"))
        assert said == (
            f"{tmp_path / 'config.yaml'} line 6: alerts.receivers.chat.headers.{name.lower()}: "
            "this header is the exporter's own and cannot be set"
        )

    @pytest.mark.parametrize(
        ("header", "said"),
        [
            ("Content-Type: text/plain", "set content_type instead"),
            ("X Key: a", "a header's name here consists of"),
            ("'X-Key:': a", "a header's name here consists of"),
            ('"X-K\\r\\nHost": a', "a header's name here consists of"),
            (f'X-Key: "{MARKER}\\r\\nHost: other"', "must consist of printable ASCII characters"),
            (f"X-Key: '{MARKER} '", "with no space at either end"),
            (f"X-Key: {MARKER} Ü", "must consist of printable ASCII characters"),
            ('X-Key: ""', "must have 1 to 4096 characters"),
            (f"X-Key: {MARKER * 300}", "must have 1 to 4096 characters"),
            (f"X-Key: {MARKER}\n  x-key: b", "is written twice"),
            (f"X-Key: {MARKER}\n  x-key_file: b", "are both set; keep one"),
        ],
    )  # fmt: skip
    def test_what_would_break_a_request_is_refused(self, header: str, said: str, tmp_path: Path) -> None:
        found = problems(written(tmp_path, f"url: {URL}\nheaders:\n  {header}"))
        assert said in "\n".join(found)
        assert MARKER not in str(found)

    def test_there_may_be_so_many(self, tmp_path: Path) -> None:
        many = ", ".join(f"X-{number}: a" for number in range(33))
        (said,) = problems(written(tmp_path, f"url: {URL}\nheaders: {{{many}}}"))
        assert said.startswith("alerts.receivers.chat.headers: headers may be at most 32")

    def test_a_user_in_the_address_and_an_authorization_header_are_refused(self, tmp_path: Path) -> None:
        url = f"https://me:{MARKER}@h.example"
        file = written(tmp_path, f"url: {url}\nheaders: {{Authorization: Bearer x}}")
        (said,) = problems(file)
        assert said == (
            f"{file} line 4: alerts.receivers.chat.url: must not name a user: headers.authorization says "
            "already who is calling"
        )


class TestTemplates:
    def test_a_file_with_several_lines(self, tmp_path: Path) -> None:
        (tmp_path / "chat.j2").write_text('{\n  "text": {{ data.summary | tojson }}\n}\n')
        settings = load(written(tmp_path, f"url: {URL}\ntemplate_file: chat.j2"))
        template = chat(settings).template
        assert template is not None
        assert template.get_secret_value() == '{\n  "text": {{ data.summary | tojson }}\n}'
        assert chat(settings).content_type == "application/json"

    def test_inline_with_another_type_of_content(self, tmp_path: Path) -> None:
        file = written(
            tmp_path, f"url: {URL}\ncontent_type: text/plain\ntemplate: |\n  {{{{ data.summary }}}}\n  x"
        )
        assert chat(load(file)).content_type == "text/plain"

    @pytest.mark.parametrize(
        ("template", "said"),
        [
            ("{{ data.sumary }}", "line 1: 'dict object' has no attribute 'sumary'"),
            ("{% if %}", "line 1: Expected an expression"),
            ('{"text": "{{ data.summary }}"}', "the result is not JSON"),
            ("{{ data.job.id }}", "(tried with alert.firing about a connection without a job)"),
            ('{"text": {{ data.reason ~ "" | tojson }}}', "(tried with alert.firing about a connection)"),
            ("{{ 'x' if type == 'alert.resolved' else 1 }}", "(tried with alert.resolved about a conn"),
            ("{{ data.connection.id | tojson }}", "(tried with alert.firing about the whole instance"),
        ],
    )  # fmt: skip
    def test_a_broken_one_is_found_before_it_is_needed(
        self, template: str, said: str, tmp_path: Path
    ) -> None:
        (tmp_path / "chat.j2").write_text(template)
        file = written(tmp_path, f"url: {URL}\ntemplate_file: chat.j2")
        (found,) = problems(file)
        place = f"{file} line 5: alerts.receivers.chat.template_file"
        assert found.startswith(f"{place}: {tmp_path / 'chat.j2'}: ")
        assert said in found

    def test_one_that_is_too_large_or_not_there(self, tmp_path: Path) -> None:
        (tmp_path / "chat.j2").write_text("x" * 70_000)
        (found,) = problems(written(tmp_path, f"url: {URL}\ntemplate_file: chat.j2"))
        assert found.endswith(f"{tmp_path / 'chat.j2'} is larger than 64 KiB")
        (found,) = problems(written(tmp_path, f"url: {URL}\ntemplate_file: other.j2"))
        assert found.endswith(f"cannot read {tmp_path / 'other.j2'}: no such file or directory")

    def test_both_ways_to_give_one(self, tmp_path: Path) -> None:
        (tmp_path / "chat.j2").write_text("{}")
        (found,) = problems(written(tmp_path, f"url: {URL}\ntemplate_file: chat.j2\ntemplate: '{{}}'"))
        assert "are both set; keep one" in found

    def test_another_type_of_content_needs_one(self, tmp_path: Path) -> None:
        (found,) = problems(written(tmp_path, f"url: {URL}\ncontent_type: text/plain"))
        assert found == (
            "alerts.receivers.chat: content_type goes with a template, and there is none "
            f"({tmp_path / 'config.yaml'} line 5)"
        )

    @pytest.mark.parametrize("text", ["plain", "text/plain\r\nX: y", "a/b/c", "text/plain; x=ü"])
    def test_what_is_no_media_type(self, text: str) -> None:
        found = problems(environ=env(**{f"{PREFIX}__URL": URL, f"{PREFIX}__CONTENT_TYPE": text}))
        assert "must be a media type" in str(found)


class TestAlertmanager:
    def test_in_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("s3cret")
        file = written(
            tmp_path,
            "type: alertmanager\nurls: [http://one:9093, http://two:9093]\n"
            "username: me\npassword_file: password",
        )
        found = load(file).alerts.all_receivers["chat"]
        assert isinstance(found, AlertmanagerConfig)
        assert found.urls == ("http://one:9093", "http://two:9093")
        assert "authorization" in found.plain_headers

    def test_in_the_environment(self) -> None:
        settings = load(
            environ=env(
                **{f"{PREFIX}__TYPE": "alertmanager", f"{PREFIX}__URLS": "http://one:9093, http://two"}
            )
        )
        found = settings.alerts.receivers["chat"]
        assert isinstance(found, AlertmanagerConfig)
        assert found.urls == ("http://one:9093", "http://two")

    def test_only_its_own_settings_are_shown(self, tmp_path: Path) -> None:
        shown = {
            each.option.key.removeprefix("receivers.chat."): each.value
            for each in describe(load(written(tmp_path, "type: alertmanager\nurls: http://one:9093")))
            if each.option.key.startswith("receivers.")
        }
        assert shown == {
            "type": "alertmanager", "ca_file": None, "allow_link_local": False, "urls": ["http://one:9093"],
            "username": None, "password": None, "token": None,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("receiver", "said"),
        [
            ("type: alertmanager\nurls: http://a\nsecret: x",
             "line 6: alerts.receivers.chat.secret: a receiver of this type has no such setting"),
            ("url: https://a\nurls: http://a",
             "line 5: alerts.receivers.chat.urls: a receiver of this type has no such setting"),
            ("type: alertmanager", "alerts.receivers.chat.urls: must be set"),
            ("type: alertmanger\nurls: http://a",
             "line 4: alerts.receivers.chat.type: must be `webhook` or `alertmanager`"),
            ("type: alertmanager\nurls: http://a\nusername: me",
             "alerts.receivers.chat: username and password go together: password is missing"),
            ("type: alertmanager\nurls: ftp://a", "line 5: alerts.receivers.chat.urls: must be an address"),
        ],
    )  # fmt: skip
    def test_what_is_refused_with_its_place(self, receiver: str, said: str, tmp_path: Path) -> None:
        (found,) = problems(written(tmp_path, receiver))
        assert said in found

    def test_a_route_may_name_it(self, tmp_path: Path) -> None:
        file = written(tmp_path, "type: alertmanager\nurls: http://a")
        file.write_text(file.read_text() + "  routes: [{receivers: chat}]\n")
        assert load(file).alerts.routes[0].receivers == ("chat",)


def test_a_file_of_authorities_must_hold_some(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    (found,) = problems(written(tmp_path, f"url: {URL}\nca_file: ca.pem"))
    assert found.endswith("line 5: alerts.receivers.chat.ca_file: holds no PEM certificate")
    (found,) = problems(written(tmp_path, f"url: {URL}\nca_file: other.pem"))
    assert found.endswith("alerts.receivers.chat.ca_file: cannot be read: no such file or directory")


def test_a_link_local_address_is_taken_where_that_is_allowed(tmp_path: Path) -> None:
    receiver = "url: http://169.254.10.1/hook"
    (found,) = problems(written(tmp_path, receiver))
    assert "set allow_link_local" in found
    (endpoint,) = chat(load(written(tmp_path, f"{receiver}\nallow_link_local: true"))).endpoints
    assert endpoint.allow_link_local
