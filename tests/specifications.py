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
    return spec


def _closed(node: Json) -> Json:
    """Refuse properties that are not in the schema, as strict servers do."""
    if isinstance(node, dict):
        node = {name: _closed(value) for name, value in node.items()}
        if node.get("type") == "object" and isinstance(node.get("properties"), dict):
            node.setdefault("additionalProperties", False)
        return node
    return [_closed(item) for item in node] if isinstance(node, list) else node


def inline(node: Json, schemas: dict[str, Any]) -> Json:
    """Put the schemas in the place of references to them; those of requests are not recursive."""
    if isinstance(node, dict):
        if "$ref" in node:
            return inline(schemas[node["$ref"].rsplit("/", 1)[1]], schemas)
        return {name: inline(value, schemas) for name, value in node.items()}
    return [inline(item, schemas) for item in node] if isinstance(node, list) else node


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


def _only(**properties: Json) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
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
"""Every method of the short reference API, and all that it may be sent."""
