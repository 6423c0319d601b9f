"""Write the chart's table of values into its README; ``--check`` says whether it is in step.

The table is made of `values.yaml`: keys, defaults, and the comment above each key.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).resolve().parent / "airbyte-exporter"
README: Final = CHART / "README.md"
BEGIN: Final = "<!-- Written by deploy/helm/build.py from values.yaml. Do not edit: run `make docs`. -->\n"
END: Final = "<!-- End of what is written. -->\n"

Json = dict[str, Any]


def table() -> str:
    """Return the values in Markdown."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise SystemExit("values.yaml is no mapping")
    rows = list(_rows(node, yaml.safe_load(text), schema, text.splitlines(), ""))
    return "\n".join(["| value | default | |", "|---|---|---|", *rows]) + "\n"


def _rows(
    node: yaml.MappingNode, values: Mapping[str, Any], schema: Json, lines: list[str], above: str
) -> Iterator[str]:
    for key, value in node.value:
        name, path = key.value, f"{above}{key.value}"
        said = " ".join(_comment(lines, key.start_mark.line))
        inner = schema["properties"][name]
        if isinstance(value, yaml.MappingNode) and "properties" in inner:
            yield f"| **`{path}`** | | {said} |"
            yield from _rows(value, values[name], inner, lines, f"{path}.")
        else:
            written = json.dumps(values[name], ensure_ascii=False)
            yield f"| `{path}` | `{written}` | {said} |"


def _comment(lines: list[str], line: int) -> list[str]:
    """Return the comment that stands right above a line."""
    first = line
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return [each.lstrip().removeprefix("#").strip() for each in lines[first:line]]


def written(readme: str) -> str:
    """Return the README with the table of now.

    Raises:
        SystemExit: It has no place for the table.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{README.name} has lost the marks between which the values stand")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the README, or compare it; return the exit code."""
    if arguments not in ([], ["--check"]):
        print(f"usage: {Path(__file__).name} [--check]", file=sys.stderr)
        return 2
    now = README.read_text(encoding="utf-8")
    wanted = written(now)
    if not arguments:
        README.write_text(wanted, encoding="utf-8")
    elif now != wanted:
        print("the chart's README is not what its values say: run `make docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
