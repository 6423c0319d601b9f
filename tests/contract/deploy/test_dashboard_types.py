"""The dashboards are what Grafana's own types say, those of the oldest and the newest supported release.

TypeScript reads each dashboard as a literal, where a key that a type does not have is an error too.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.dashboards import NAMES, load, panels
from tests.npm import TYPESCRIPT, install, tsc
from tests.requirements import ROOT

SCHEMAS = ("11.0.0", "12.4.11", "13.2.3")
HOME = ROOT / ".cache" / "grafana-types"
KINDS = {
    "stat": "Stat",
    "timeseries": "TimeSeries",
    "bargauge": "BarGauge",
    "table": "Table",
    "state-timeline": "StateTimeline",
}
WITH_FIELDS = {"timeseries", "table", "state-timeline"}
PRELUDE = """
// What an enumeration is in JSON: the text behind it.
type Plain<T> = T extends string ? `${T}` : T extends number ? number : T extends boolean ? boolean
  : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""


@pytest.fixture(scope="session")
def compile_(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, dict[str, str]], str]:
    """Compile files with the types of a release, and return what the compiler has to say."""

    def compiled(schema: str, files: dict[str, str]) -> str:
        packages = {"@grafana/schema": schema, **TYPESCRIPT}
        home = install(HOME / schema, packages, "Grafana's types")
        return tsc(home, tmp_path_factory.mktemp("types"), files)

    return compiled


def source(dashboard: dict[str, Any]) -> str:
    """Write a dashboard as TypeScript: as a whole, and the options of every panel by its kind."""
    lines = ["import type { Dashboard } from '@grafana/schema';"]
    for kind, name in KINDS.items():
        path = f"@grafana/schema/dist/esm/raw/composable/{name.lower()}/panelcfg/x/{name}PanelCfg_types.gen"
        fields = f", FieldConfig as {name}Fields" if kind in WITH_FIELDS else ""
        lines.append(f"import type {{ Options as {name}Options{fields} }} from '{path}';")
    lines += [PRELUDE, f"export const dashboard: Plain<Dashboard> = {json.dumps(dashboard, indent=1)};"]
    for number, panel in enumerate(panels(dashboard)):
        name = KINDS[panel["type"]]
        options = json.dumps(panel["options"])
        lines.append(f"export const options{number}: Plain<Partial<{name}Options>> = {options};")
        if panel["type"] in WITH_FIELDS:
            custom = json.dumps(panel["fieldConfig"]["defaults"]["custom"])
            lines.append(f"export const fields{number}: Plain<Partial<{name}Fields>> = {custom};")
    return "\n".join(lines)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_dashboards_have_grafanas_types(compile_: Callable[[str, dict[str, str]], str], schema: str) -> None:
    assert compile_(schema, {f"{name}.ts": source(load(name)) for name in NAMES}) == ""


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda it: it.update(refesh="1m"), "refesh"),
        (lambda it: it["panels"][1]["gridPos"].update(h="4"), "string"),
        (lambda it: it["panels"][1]["options"].update(colorMode="rainbow"), "rainbow"),
        (lambda it: it["panels"][1]["fieldConfig"]["defaults"]["thresholds"].update(mode="some"), "some"),
        (lambda it: it["templating"]["list"][1].update(hide="never"), "'string' is not assignable"),
    ],
    ids=["key", "number", "option", "thresholds", "variable"],
)
def test_the_types_find_what_is_wrong(
    compile_: Callable[[str, dict[str, str]], str], spoil: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    spoiled = load("overview")
    spoil(spoiled)
    assert complaint in compile_(SCHEMAS[-1], {"spoiled.ts": source(spoiled)})
