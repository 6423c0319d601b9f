"""Airbyte's own specifications judge what the simulator answers, more strictly than they say."""

import json
from functools import cache
from typing import Any

from openapi_schema_validator import (
    OAS30Validator,
    OAS31Validator,
    oas30_format_checker,
    oas31_format_checker,
)

from airbyte_exporter.simulator import GENERATIONS
from tests.requirements import require_specs

__all__ = ["Specification", "config_api", "public_api"]


class Specification:
    """One version of a specification; nothing that it does not document may be sent."""

    def __init__(self, file: str, prefix: str) -> None:
        self._document: dict[str, Any] = json.loads((require_specs() / file).read_text())
        self._prefix = prefix
        self._validators: dict[tuple[str, str, int], Any] = {}
        self._modern = self._document["openapi"].startswith("3.1")
        schemas = self._document["components"]["schemas"]
        if "AirbyteStream" in schemas:
            # The specification asks for json_schema and at the same time forbids it: jsonSchema is meant.
            schemas["AirbyteStream"]["required"] = ["name", "jsonSchema"]
        if "ConnectionEvent" in schemas:
            # The specification asks for created_at and documents createdAt, which servers send.
            asked = schemas["ConnectionEvent"]["required"]
            schemas["ConnectionEvent"]["required"] = [name.replace("d_a", "dA") for name in asked]
        if "AttemptInfoRead" in schemas:
            # Older specifications ask for logs where jobs/get_without_logs gives none.
            asked = schemas["AttemptInfoRead"]["required"]
            schemas["AttemptInfoRead"]["required"] = [name for name in asked if name != "logs"]
        for schema in schemas.values():
            _close(schema)

    def documents(self, method: str, path: str) -> bool:
        """Tell whether there is such an operation."""
        return method.lower() in self._document["paths"].get(self._prefix + path, {})

    def choices(self, schema: str) -> set[str]:
        """Return the values that an enumeration documents."""
        return {*self._document["components"]["schemas"][schema]["enum"]}

    def allow(self, schema: str, prop: str, definition: dict[str, Any]) -> None:
        """Document a property that an older version had."""
        self._document["components"]["schemas"][schema]["properties"][prop] = definition

    def problems(self, method: str, path: str, status: int, payload: object) -> list[str]:
        """Return what is wrong with an answer."""
        key = (method, path, status)
        if key not in self._validators:
            self._validators[key] = self._validator(*key)
        return [f"{e.json_path}: {e.message[:200]}" for e in self._validators[key].iter_errors(payload)]

    def _validator(self, method: str, path: str, status: int) -> Any:  # noqa: ANN401 - of an untyped library
        operation = self._document["paths"][self._prefix + path][method.lower()]
        response = operation["responses"][str(status)]
        if "$ref" in response:
            response = self._document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        schema = {
            **response["content"]["application/json"]["schema"],
            "components": self._document["components"],
        }
        if self._modern:
            return OAS31Validator(schema, format_checker=oas31_format_checker)
        return OAS30Validator(schema, format_checker=oas30_format_checker)


def _close(schema: object) -> None:
    """Forbid properties that are not documented, here and inside."""
    if isinstance(schema, list):
        for one in schema:
            _close(one)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
        for inner in schema.values():
            _close(inner)


@cache
def config_api(generation: str) -> Specification:
    """Return the Configuration API's specification of a generation."""
    return Specification(f"config-api-{GENERATIONS[generation].version}.json", "/v1/")


@cache
def public_api(generation: str) -> Specification:
    """Return the public API's specification; what only older versions sent is added for them."""
    specification = Specification("public-api-2026-08-21.json", "/")
    if generation == "1.6":
        specification.allow("ConnectionResponse", "dataResidency", {"type": "string"})
    return specification
