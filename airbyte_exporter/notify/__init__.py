"""The ways a notification leaves: one small module per kind of receiver, one set of verdicts for all."""

from airbyte_exporter.notify._config import LONG_TEXT, ReceiverConfig
from airbyte_exporter.notify._http import Endpoint
from airbyte_exporter.notify._reach import reach
from airbyte_exporter.notify._receiver import DeliveryError, Receiver
from airbyte_exporter.notify.alertmanager import Alert, Alertmanager, AlertmanagerConfig, alert_of
from airbyte_exporter.notify.webhook import Webhook, WebhookConfig

__all__ = [
    "LONG_TEXT",
    "Alert",
    "Alertmanager",
    "AlertmanagerConfig",
    "DeliveryError",
    "Endpoint",
    "Receiver",
    "ReceiverConfig",
    "Webhook",
    "WebhookConfig",
    "alert_of",
    "reach",
]
