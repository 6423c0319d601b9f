"""The receivers that the document about alerts shows can be used as they are shown."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from airbyte_exporter.notify import AlertmanagerConfig, WebhookConfig
from airbyte_exporter.notify._examples import examples
from airbyte_exporter.notify._template import BodyTemplate
from airbyte_exporter.settings import load_settings
from tests.requirements import ROOT
from tests.unit.notify.test_alerts_of_incidents import alert

DOCUMENT = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
SECTION = DOCUMENT.partition("\n## Receivers\n")[2]
EXAMPLES = {
    re.findall(r"^    (\w+):$", text, re.MULTILINE)[0]: text
    for text in re.findall(r"```yaml\n(.*?)```", SECTION.partition("\n## ")[0], re.DOTALL)
}
PAGERDUTY = re.findall(r"```jinja\n(.*?)```", SECTION, re.DOTALL)[0]
SECRETS = {
    "slack-url": "https://hooks.slack.com/services/T000/B000/x",
    "pagerduty.json.j2": PAGERDUTY,
    "alertmanager-password": "s3cret",
}


def configured(name: str, folder: Path) -> WebhookConfig | AlertmanagerConfig:
    (folder / "secrets").mkdir()
    for file, content in SECRETS.items():
        (folder / "secrets" / file).write_text(content)
    config = folder / "config.yaml"
    config.write_text(EXAMPLES[name])
    return load_settings(config_file=config, environ={}).alerts.receivers[name]


def bodies(name: str, folder: Path) -> list[tuple[dict[str, Any], Any]]:
    """Return what the example makes of each type of message: the message's data, and the body."""
    receiver = configured(name, folder)
    assert isinstance(receiver, WebhookConfig)
    assert receiver.template is not None
    template = BodyTemplate(receiver.template.get_secret_value())
    return [
        (message["data"], json.loads(template.render(message, is_json=True))) for _, message in examples()
    ]


def test_what_to_do_is_shown_as_it_is_sent() -> None:
    shown = re.findall(r"```json\n(.*?)```", DOCUMENT.partition("\n### What to do\n")[2], re.DOTALL)[0]
    sent = json.loads((ROOT / "tests" / "golden" / "webhook_firing.json").read_text(encoding="utf-8"))
    assert json.loads(shown)["data"]["hints"] == sent["data"]["hints"]


def test_all_of_them_are_looked_at() -> None:
    assert set(EXAMPLES) == {"slack", "pagerduty", "managers"}


def test_slack(tmp_path: Path) -> None:
    for data, body in bodies("slack", tmp_path):
        mark = ":white_check_mark:" if data["status"] == "resolved" else ":rotating_light:"
        lines = body.pop("text").split("\n")
        assert body == {}
        assert lines[0] == f'{mark} *An example with "quotes", an &amp; and a &lt;tag&gt;*'
        assert "\n".join(lines[1:3]) == data["description"]
        has_page = data["connection"] is not None and data["connection"]["url"] is not None
        link = [f"<{data['connection']['url']}|Open in Airbyte>"] if has_page else []
        hints = [
            f"{hint['what']}: " + (f"`{hint['command']}`" if hint["command"] else f"<{hint['url']}>")
            for hint in data["hints"]
        ]
        assert lines[3:] == link + hints


def test_pagerduty(tmp_path: Path) -> None:
    for data, body in bodies("pagerduty", tmp_path):
        assert body["event_action"] == ("resolve" if data["status"] == "resolved" else "trigger")
        assert body["dedup_key"] == data["fingerprint"]
        payload = body["payload"]
        assert payload["severity"] in {"critical", "error", "warning", "info"}
        assert (payload["summary"], payload["source"]) == (data["summary"], data["instance"])
        assert payload["custom_details"] == {
            "description": data["description"],
            "commands": [hint["command"] for hint in data["hints"] if hint["command"]],
            "runbook": data["runbook_url"],
        }


def test_alertmanager(tmp_path: Path) -> None:
    receiver = configured("managers", tmp_path)
    assert isinstance(receiver, AlertmanagerConfig)
    assert [endpoint.host for endpoint in receiver.endpoints] == [
        "alertmanager-0.example.com",
        "alertmanager-1.example.com",
    ]
    assert receiver.plain_headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize("name", ["labels", "annotations"])
def test_what_an_alert_has_is_told(name: str) -> None:
    of_a_connection = alert()
    (told,) = re.findall(rf"^- \*\*{name.capitalize()}\*\*: ([^.]*)\.", SECTION, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", told)) == set(getattr(of_a_connection, name))
