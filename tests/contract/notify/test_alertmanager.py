"""What an Alertmanager's address is sent, against a real socket."""

import json
from dataclasses import replace

from airbyte_exporter.notify import Alert, Alertmanager, AlertmanagerConfig
from tests.contract.notify.hooks import hook, status

NOW = 1_769_860_800.0
ALERT = Alert({"alertname": "SyncFailed"}, {}, None, "abc", int(NOW), None, ("it",))


def pushed(*alerts: Alert) -> list[list[str]]:
    """Push, and return the connections of which each request told."""
    with hook(status(200)) as receiver:
        config = AlertmanagerConfig(urls=(f"http://127.0.0.1:{receiver.port}/prefix/",))
        Alertmanager(config.endpoints[0], config.plain_headers).push(alerts, NOW)
    assert {request.line for request in receiver.received} == {"POST /prefix/api/v2/alerts HTTP/1.1"}
    return [
        [alert["labels"]["connection_id"] for alert in json.loads(request.body)]
        for request in receiver.received
    ]


def test_many_alerts_are_several_requests() -> None:
    ids = [f"connection {number}" for number in range(600)]
    alerts = [replace(ALERT, labels={"alertname": "SyncFailed", "connection_id": id_}) for id_ in ids]
    told = pushed(*alerts)
    assert [len(some) for some in told] == [256, 256, 88]
    assert [id_ for some in told for id_ in some] == ids


def test_none_is_a_question_whether_it_works() -> None:
    assert pushed() == [[]]
