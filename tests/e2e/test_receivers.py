"""Webhooks with a body of another shape, sent by the real process and verified by their signature."""

from pathlib import Path

from tests.e2e.conftest import Simulate
from tests.e2e.harness import WEBHOOK_SECRET, WebhookReceiver, eventually, exporter_for, running
from tests.e2e.test_alertmanager import two_that_succeed

TEMPLATE = (
    '{"who": {{ data.connection.name | tojson if data.connection else 0 }}, "what": "{{ data.status }}"}'
)


def test_a_body_by_a_template_from_a_file(
    simulate: Simulate, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    server = simulate(speed=600, connections=8)
    failing, _ = two_that_succeed(server)
    (tmp_path / "chat.j2").write_text(f"{TEMPLATE}\n")
    chat = {
        "URL": receiver.url,
        "SECRET": WEBHOOK_SECRET,
        "TEMPLATE_FILE": str(tmp_path / "chat.j2"),
    }
    settings = {f"ALERTS__RECEIVERS__CHAT__{name}": value for name, value in chat.items()}
    exporter = exporter_for(tmp_path, server, **settings)
    with running(exporter):
        exporter.wait_until_ready()
        server.world.run_now(failing, "failed")
        eventually(lambda: len(receiver.messages) == 1, "the failure is told", unless=exporter.died)
        server.world.run_now(failing, "succeeded")
        eventually(lambda: len(receiver.messages) == 2, "so is its end", unless=exporter.died)
    (name,) = [one.name for one in server.world.connections() if one.id == failing]
    assert [body for _, body in receiver.messages] == [
        {"who": name, "what": "firing"},
        {"who": name, "what": "resolved"},
    ]
    assert receiver.refused == [], "every signature was right"
