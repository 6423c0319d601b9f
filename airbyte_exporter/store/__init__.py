"""Durable facts: jobs, counters, what exists, alert states, silences, and the outbox of notifications.

One `Store` holds all of it; every verb is one transaction, so a crash between two verbs loses nothing that
was told and counts nothing twice. SQLAlchemy is loaded with `Store` and `open_store`, not with the rest, so
that reading a configuration costs none of it.
"""

import importlib
from typing import TYPE_CHECKING, Final

from airbyte_exporter.store._config import StoreConfig
from airbyte_exporter.store._errors import StateInUse, StateMismatch, StateTooNew, StoreError
from airbyte_exporter.store._values import Identity, Progress, Queue, Recorded, Unexplained

if TYPE_CHECKING:
    from airbyte_exporter.store._inspection import StateLook, inspect_store
    from airbyte_exporter.store._store import Store, join_store, open_store

__all__ = [
    "Identity",
    "Progress",
    "Queue",
    "Recorded",
    "StateInUse",
    "StateLook",
    "StateMismatch",
    "StateTooNew",
    "Store",
    "StoreConfig",
    "StoreError",
    "Unexplained",
    "inspect_store",
    "join_store",
    "open_store",
]

_LAZY: Final = {
    "StateLook": "_inspection",
    "Store": "_store",
    "inspect_store": "_inspection",
    "join_store": "_store",
    "open_store": "_store",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(importlib.import_module(f"airbyte_exporter.store.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
