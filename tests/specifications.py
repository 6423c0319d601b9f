"""What Airbyte's published specifications, and the short reference of its API, allow a client to send."""

import json
import re
from functools import cache
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from openapi_schema_validator import OAS30Validator

from tests.requirements import require_specs

Json: TypeAlias = Any
"""Whatever JSON can say."""


@cache
def spec_of(version: str) -> dict[str, Any]:
    """Return the specification of a release; properties that it does not name are refused."""
    spec: dict[str, Any] = _closed(json.loads((require_specs() / f"config-api-{version}.json").read_text()))
    # It requires json_schema and defines jsonSchema, which is what servers send and take.
    spec["components"]["schemas"]["AirbyteStream"]["required"].remove("json_schema")
    return spec


def _closed(node: Json) -> Json:
    """Refuse properties that are not in the schema, as strict servers do."""
    if isinstance(node, dict):
        node = {name: _closed(value) for name, value in node.items()}
        if node.get("type") == "object" and isinstance(node.get("properties"), dict):
            node.setdefault("additionalProperties", False)
        return node
    return [_closed(item) for item in node] if isinstance(node, list) else node


def inline(node: Json, schemas: dict[str, Any], within: tuple[str, ...] = ()) -> Json:
    """Put the schemas in the place of references to them; inside itself (of mappers) a schema allows all."""
    if isinstance(node, dict):
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[1]
            return {} if name in within else inline(schemas[name], schemas, (*within, name))
        return {name: inline(value, schemas, within) for name, value in node.items()}
    return [inline(item, schemas, within) for item in node] if isinstance(node, list) else node


def problems_of(spec: dict[str, Any], verb: str, path: str, body: Json) -> list[str]:
    """Say what a specification finds wrong with a request to `path`, which it must know."""
    operation = spec["paths"][path][verb.lower()]
    if verb == "GET":
        return []
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return [] if not body else ["there must be no body"]
    if "inlined" not in content:
        content["inlined"] = inline(content["schema"], spec["components"]["schemas"])
    return problems_with(content["inlined"], body)


@cache
def public_spec() -> dict[str, Any]:
    """Return the specification of the public API."""
    spec: dict[str, Any] = json.loads((require_specs() / "public-api-2026-08-21.json").read_text())
    # It requires grant_type and defines grant-type: servers want neither, Airbyte's own clients send none.
    spec["components"]["schemas"]["ApplicationTokenRequestWithGrant"]["required"].remove("grant_type")
    return spec


def public_path(path: str) -> str:
    """Return the path of the public API's specification that `path`, which may hold an id, belongs to."""
    known: list[str] = [*public_spec()["paths"]]
    return (
        path
        if path in known
        else next(each for each in known if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each), path))
    )


def problems_of_query(verb: str, path: str, query: str, body: Json) -> list[str]:
    """Say what the public API's specification finds wrong with a request to `path`, which it must know."""
    spec = public_spec()
    if verb != "GET":
        return problems_of(spec, verb, public_path(path), body)
    parameters = spec["paths"][public_path(path)]["get"].get("parameters", [])
    known = {each["name"]: each for each in inline(parameters, spec["components"]["schemas"])}
    sent = parse_qs(query, keep_blank_values=True)
    problems = [f"{name} is not known" for name in sent.keys() - known.keys()]
    problems += [f"{name} is missing" for name in known if known[name].get("required") and name not in sent]
    for name in sent.keys() & known.keys():
        schema, values = known[name]["schema"], sent[name]
        if schema["type"] != "array" and len(values) > 1:
            problems.append(f"{name} comes {len(values)} times")  # as OpenAPI writes an array
        is_number = schema["type"] == "integer" and re.fullmatch(r"-?\d+", values[0])
        value = values if schema["type"] == "array" else int(values[0]) if is_number else values[0]
        problems += [f"{name}: {problem}" for problem in problems_with(schema, value)]
    return problems


def problems_with(schema: dict[str, Any], body: Json) -> list[str]:
    """Say what a schema finds wrong with a body."""
    found = OAS30Validator(schema, format_checker=OAS30Validator.FORMAT_CHECKER).iter_errors(body)
    return [error.message for error in found]


def _only(*, optional: dict[str, Json] | None = None, **properties: Json) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": [*properties],
        "additionalProperties": False,
    }


ONE_WORKSPACE = _only(workspaceId={"type": "string"})
REFERENCE = {
    "workspaces/list": _only(),
    "source_definitions/list": {**ONE_WORKSPACE, "required": []},
    "destination_definitions/list": {**ONE_WORKSPACE, "required": []},
    "sources/list": ONE_WORKSPACE,
    "destinations/list": ONE_WORKSPACE,
    "connections/list": ONE_WORKSPACE,
    "connections/get": _only(connectionId={"type": "string"}),
    "jobs/list": _only(
        configTypes={"type": "array", "items": {"enum": ["sync"]}}, configId={"type": "string"}
    ),
    "jobs/get": _only(id={"type": "integer"}),
}
"""Every reading method of the short reference API, and all that it may be sent."""

_TEXT = {"type": "string"}
_ANY = {"type": "object"}
_SCHEDULE = _only(
    units={"type": "integer"}, timeUnit={"enum": ["minutes", "hours", "days", "weeks", "months"]}
)
_CONNECTION = {
    "name": _TEXT,
    "namespaceDefinition": {"enum": ["source", "destination", "customformat"]},
    "status": {"enum": ["active", "inactive"]},
    "syncCatalog": _only(streams={"type": "array", "items": _only(stream=_ANY, config=_ANY)}),
}
_MAYBE = {"prefix": _TEXT, "namespaceFormat": _TEXT}
REFERENCE_WRITES = {
    "connections/create": _only(
        sourceId=_TEXT, destinationId=_TEXT, **_CONNECTION, optional={**_MAYBE, "schedule": _SCHEDULE}
    ),
    "connections/update": _only(
        connectionId=_TEXT,
        **_CONNECTION,
        optional={**_MAYBE, "schedule": {**_SCHEDULE, "nullable": True}},
    ),
    "jobs/cancel": _only(id={"type": "integer"}),
    **{f"connections/{what}": _only(connectionId=_TEXT) for what in ("get", "delete", "sync", "reset")},
    **{
        f"{kind}s/{what}": _only(**{f"{kind}Id": _TEXT})
        for kind in ("source", "destination")
        for what in ("get", "delete", "check_connection")
    },
    **{
        f"{kind}s/create": _only(
            workspaceId=_TEXT, name=_TEXT, connectionConfiguration=_ANY, **{f"{kind}DefinitionId": _TEXT}
        )
        for kind in ("source", "destination")
    },
    **{
        f"{kind}s/update": _only(name=_TEXT, connectionConfiguration=_ANY, **{f"{kind}Id": _TEXT})
        for kind in ("source", "destination")
    },
    "sources/discover_schema": _only(sourceId=_TEXT),
}
"""Every method of it that changes something, or that is needed to."""
