"""The ways a notification leaves: one small module per kind of receiver, one set of verdicts for all."""

from airbyte_exporter.notify._reach import reach
from airbyte_exporter.notify._receiver import DeliveryError, Receiver
from airbyte_exporter.notify.webhook import Webhook, WebhookConfig

__all__ = ["DeliveryError", "Receiver", "Webhook", "WebhookConfig", "reach"]
