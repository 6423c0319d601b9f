"""Write what follows from the rules.

Without arguments these are the same rules for the Prometheus Operator; ``--check`` says whether they are in
step. ``--tests FOLDER`` writes the unit tests for promtool, a file for each alert: that it fires, that its
nearest innocent case is silent, that it goes on while the exporter restarts, while its pod is replaced and
while Airbyte cannot be read, and that it ends.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from extras import EXTRAS
from scenarios import SCENARIOS, Scenario
from timeline import TARGET, Event, Timeline

HERE: Final = Path(__file__).resolve().parent
RULES: Final = HERE / "airbyte-rules.yaml"
OPERATOR: Final = HERE / "prometheus-rule.yaml"

NOTE: Final = f"# Written by {Path(__file__).name}. Do not edit: run `make docs`.\n"
CRD: Final = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: airbyte-exporter
  labels:
    app.kubernetes.io/name: airbyte-exporter
    app.kubernetes.io/part-of: airbyte
spec:
"""
LASTS: Final = 90
AFTER: Final = 30
EVENT_AFTER: Final = 10

Json = dict[str, Any]


def alerts() -> dict[str, Json]:
    """Return the alerting rules by name."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def operator() -> str:
    """Return the rules as the Prometheus Operator takes them."""
    text = RULES.read_text(encoding="utf-8").partition("\ngroups:\n")[2]
    spec = "".join(
        f"  {line}" if line.strip() else line for line in f"groups:\n{text}".splitlines(keepends=True)
    )
    return NOTE + CRD + spec


def unit_tests(name: str, rule: Json, scenario: Scenario) -> str:
    """Return promtool's file for one alert of the rules in the folder above."""
    tests = list(cases(name, rule, scenario))
    return NOTE + yaml.safe_dump(
        {"rule_files": ["../airbyte-rules.yaml"], "evaluation_interval": "1m", "tests": tests},
        sort_keys=False,
        allow_unicode=True,
        width=1000,
    )


def cases(name: str, rule: Json, scenario: Scenario) -> Iterator[Json]:
    """Yield the tests of one alert."""
    fires, over = scenario.begin + scenario.fires, scenario.begin + scenario.fires + LASTS
    wrong = Timeline(
        wrong=scenario.wrong,
        begin=scenario.begin,
        over=over,
        end=over + AFTER + scenario.ends,
        up=scenario.up,
        always=scenario.always,
    )
    expected = [{"exp_labels": labels(name, rule, scenario), "exp_annotations": annotations(rule, scenario)}]
    yield {
        **test(f"{name}: fires and resolves", wrong),
        "promql_expr_test": goes_on(name, fires, over - 1),
        "alert_rule_test": [
            {"eval_time": f"{max(scenario.begin - 1, 0)}m", "alertname": name, "exp_alerts": []},
            {"eval_time": f"{fires}m", "alertname": name, "exp_alerts": expected},
            {"eval_time": f"{over + scenario.ends}m", "alertname": name, "exp_alerts": []},
        ],
    }
    innocent = Timeline(
        wrong=scenario.innocent,
        begin=scenario.begin,
        over=wrong.end + 1,
        end=wrong.end,
        up=scenario.innocent_up,
        always=scenario.always,
    )
    yield {**test(f"{name}: silent", innocent), "promql_expr_test": [never(name, innocent.end)]}
    events: dict[Event, str] = {"restart": "restart", "leader": "leader change", "outage": "outage"}
    for event, title in events.items():
        if event == "outage" and not scenario.is_about_connection:
            continue
        happens = wrong.with_event(event, fires + EVENT_AFTER)
        yield {**test(f"{name}: {title}", happens), "promql_expr_test": goes_on(name, fires, over - 1)}
    for title, timeline, expectations in EXTRAS.get(name, ()):
        yield {
            **test(f"{name}: {title}", timeline),
            "promql_expr_test": [firing(*expectation) for expectation in expectations],
        }


def test(name: str, timeline: Timeline) -> Json:
    """Return a test without anything to expect yet."""
    return {"name": name, "interval": "1m", "input_series": timeline.series()}


def labels(name: str, rule: Json, scenario: Scenario) -> dict[str, str]:
    """Return the labels with which an alert fires."""
    target = (
        {"job": TARGET["job"]}
        if name == "AirbyteExporterMissing"
        else {k: TARGET[k] for k in ("job", "instance")}
    )
    return {**target, **scenario.labels, **rule["labels"]}


def annotations(rule: Json, scenario: Scenario) -> dict[str, str]:
    """Return what an alert says, its templates filled in."""
    known = {**{k: TARGET[k] for k in ("job", "instance")}, **scenario.labels}
    return {key: filled(text, known, scenario.value) for key, text in rule["annotations"].items()}


def filled(text: str, known: Mapping[str, str], value: str) -> str:
    """Fill in a template that does nothing but name labels, or `with` one of them."""
    before, is_there, rest = text.partition("{{ with $labels.job }}")
    if is_there:
        inner, _, after = rest.partition("{{ end }}")
        text = f"{before}{inner.replace('{{ . }}', known['job'])}{after}"
    for label, stands_for in known.items():
        text = text.replace(f"{{{{ $labels.{label} }}}}", stands_for)
    text = text.replace("{{ $value }}", value)
    if "{{" in text:
        raise ValueError(f"a template that this does not know: {text}")
    return text


def firing(name: str, minute: int, number: int) -> Json:
    """Expect so many alerts of a name to fire at a minute."""
    return {
        "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": "{}", "value": number}],
    }


def never(name: str, end: int) -> Json:
    """Expect an alert not to fire until `end`."""
    return {
        "expr": f'max_over_time(ALERTS{{alertname="{name}", alertstate="firing"}}[{end}m])',
        "eval_time": f"{end}m",
        "exp_samples": [],
    }


def goes_on(name: str, begin: int, end: int) -> list[Json]:
    """Expect exactly one alert from `begin` until `end`, which does not end and begin anew."""
    window = f"[{end - begin}m:1m]"
    number = f'(count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0))'
    since = f'max(changes(ALERTS_FOR_STATE{{alertname="{name}"}}[{end - begin}m]))'
    return [
        {"expr": expression, "eval_time": f"{end}m", "exp_samples": [{"labels": "{}", "value": value}]}
        for expression, value in (
            (f"min_over_time({number}{window})", 1),
            (f"max_over_time({number}{window})", 1),
            (since, 0),
        )
    ]


def write_tests(folder: Path) -> None:
    """Write the unit tests of every alert into a folder, and the rules that they are of beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / RULES.name).write_text(RULES.read_text(encoding="utf-8"), encoding="utf-8")
    for name, rule in alerts().items():
        (folder / f"{name}.yaml").write_text(unit_tests(name, rule, SCENARIOS[name]), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write the files, or compare."""
    match arguments:
        case []:
            OPERATOR.write_text(operator(), encoding="utf-8")
        case ["--check"]:
            if not OPERATOR.is_file() or OPERATOR.read_text(encoding="utf-8") != operator():
                sys.stderr.write(
                    f"{OPERATOR} is not what {Path(__file__).name} writes; run it without --check\n"
                )
                return 1
        case ["--tests", folder]:
            write_tests(Path(folder))
        case _:
            sys.stderr.write(f"usage: {Path(__file__).name} [--check | --tests FOLDER]\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
