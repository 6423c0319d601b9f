"""The dashboards are what Grafana's own types say, those of the oldest and the newest supported release.

TypeScript reads each dashboard as a literal, where a key that a type does not have is an error too.
"""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards import NAMES, load, panels
from tests.requirements import ROOT

SCHEMAS = ("11.0.0", "12.4.11", "13.2.3")
TYPESCRIPT = "7.0.2"
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


def install(schema: str, folder: Path) -> None:
    """Let npm put the pinned types and TypeScript into `folder`, once."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("npm is not installed: Grafana's types are not to be had")
    versions = {"@grafana/schema": schema, "typescript": TYPESCRIPT}
    manifest = json.dumps({"private": True, "dependencies": versions})
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = folder / "package.json"
        if installed.is_file() and installed.read_text() == manifest and (folder / "done").exists():
            return
        (folder / "done").unlink(missing_ok=True)
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        installed.write_text(manifest)
        tried = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if tried.returncode:
            pytest.skip(f"npm could not get Grafana's types: {tried.stderr.strip()[-200:]}")
        (folder / "done").touch()


@pytest.fixture(scope="session")
def compile_(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, dict[str, str]], str]:
    """Compile files with the types of a release, and return what the compiler has to say."""

    def compiled(schema: str, files: dict[str, str]) -> str:
        home = HOME / schema
        install(schema, home)
        folder = tmp_path_factory.mktemp("types")
        (folder / "node_modules").symlink_to(home / "node_modules")
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        options = ["--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "bundler"]
        said = subprocess.run(
            [
                str(home / "node_modules" / ".bin" / "tsc"),
                *options,
                *("--module", "esnext", "--ignoreConfig"),
                *files,
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert bool(said.returncode) == bool(said.stdout), said
        return said.stdout

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
