"""Write the documents that follow from the code, or ``--check`` that they are in step with it."""
# ruff: noqa: INP001  # a script beside the documents that it writes, not a package

import argparse
import difflib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from airbyte_exporter.alerts import RULE_NEEDS, RULE_WANTS
from airbyte_exporter.exposition import FAMILIES
from airbyte_exporter.model import TOLD, Dialect, Fact
from airbyte_exporter.settings import Option, Settings, is_model, models_in, options
from airbyte_exporter.telemetry import OWN_FAMILIES, FamilyInfo

HERE: Final = Path(__file__).resolve().parent

_METRICS: Final = """\
# Metrics

<!-- Written by docs/build.py from the tables in the code. Do not edit: run `make docs`. -->

What `/metrics` shows, in the Prometheus text format 0.0.4 or OpenMetrics 1.0, as the scraper asks for.

- **Facts, no judgments.** No rates, no windows, no ages: PromQL makes those. Times are seconds since the
  epoch.
- **What is not known has no sample.** It is never 0. A connection that never synced has no `last_sync`
  samples.
- **A status is a set of series**, one for each known status, 1 or 0. A status that this version does not
  know shows as `unknown`, which exists only while it is 1.
- **A *sync* is a job that moves data**: sync or refresh. Resets and clears are only in
  `airbyte_connection_jobs_total`, `airbyte_jobs` and `airbyte_jobs_completed_total`.
- **Synced is committed** to the destination; emitted is what the source sent.
- **Counters begin at 0** when the state is created, and count every job that ends after that exactly once,
  over restarts, crashes and downtime. Losing the state is an ordinary counter reset. So does the histogram.
- **What an API cannot tell is absent**: [which metric is told by which Airbyte](compatibility.md#metrics).
- **When runs are due** follows from schedules and from the syncs that were: [schedules](schedules.md).
- **Names are in `airbyte_connection_info`** only, so that a renamed connection keeps its series.
- **When Airbyte cannot be read** for longer than `poll.jobs_max_staleness` or
  `poll.inventory_max_staleness`, the gauges that depend on it leave the page. Counters and the exporter's
  own metrics stay; `airbyte_up` tells at once.

Three [options](configuration.md#metrics) change what is on the page. They change nothing else: alerts, the
status page and the commands go on to know everything.

- `metrics.exclude` leaves families out, those about the exporter and the standard ones too. `airbyte_up` and
  `airbyte_exporter_connections_left_out` always stay, whatever the pattern. Names are only in
  `airbyte_connection_info`: without it, queries and the dashboards have ids alone.
- `metrics.max_connections` keeps connections out of the families of single connections: those past the limit
  in the order in which the exporter first saw them, and by id where it saw several at once. So the same ones
  stay over polls and restarts, and one that is left out comes in when one that was shown is deleted.
  `airbyte_exporter_connections_left_out` counts them. Families of the whole instance count all.
- `metrics.created` gives every counter with facts about Airbyte a `_created` sample in OpenMetrics, and in
  the text format, which has no such thing, a gauge family with that name beside it, as client libraries do.
  Its value is when counting began: when the state was created, for connections that came later too. It is
  left out with its counter. Counters about the exporter have none: they begin at
  `process_start_time_seconds`.
"""

_QUERIES: Final = """\
## Questions and their PromQL

The metrics carry the label `connection_id`; this puts the name beside it:

```promql
airbyte_connection_consecutive_failures
  * on (job, instance, connection_id) group_left (connection_name, workspace_name) airbyte_connection_info
```

Is my table fresh? Seconds since the last success, of connections that are switched on:

```promql
time() - airbyte_connection_last_success_timestamp_seconds
  and on (job, instance, connection_id) airbyte_connection_status{status="active"} == 1
```

What fails now?

```promql
airbyte_connection_consecutive_failures > 0
```

What share of the syncs failed in the last day, by source connector?

```promql
sum by (source_connector) (increase(airbyte_jobs_completed_total{job_type="sync", status="failed"}[1d]))
  / sum by (source_connector) (increase(airbyte_jobs_completed_total{job_type="sync"}[1d]))
```

Which connections are late? Their next run is due for more than half an hour, and no job is at work:

```promql
(time() - airbyte_connection_next_run_timestamp_seconds > 1800)
  unless on (job, instance, connection_id) airbyte_connection_active_job_created_timestamp_seconds
```

Which tables are older than twice their own schedule allows?

```promql
time() - airbyte_connection_last_success_timestamp_seconds
  > 2 * airbyte_connection_schedule_interval_seconds
```

Why do attempts fail, and how many attempts does a sync take?

```promql
topk(10, sum by (failure_origin, failure_type) (increase(airbyte_connection_failures_total[1d])))
```

```promql
airbyte_connection_last_sync_attempts > 1
```

How long do nine of ten syncs take, and how long do jobs wait before they start?

```promql
histogram_quantile(0.9,
  sum by (le) (increase(airbyte_job_duration_seconds_bucket{job_type="sync", status="succeeded"}[1d])))
```

```promql
airbyte_connection_last_sync_queue_seconds > 300
```

Whose source has changed so that syncs will break?

```promql
airbyte_connection_schema_change{change="breaking"} == 1
```

What is stuck? Jobs that have run for more than six hours, and jobs that have waited for more than half
an hour:

```promql
time() - airbyte_connection_active_job_start_timestamp_seconds > 6 * 3600
```

```promql
(time() - airbyte_connection_active_job_created_timestamp_seconds > 1800)
  and on (job, instance, connection_id) airbyte_connection_active_job_status{status=~"pending|queued"} == 1
```

How much did each connection move in the last day?

```promql
increase(airbyte_connection_records_synced_total[1d])
```

Which syncs succeeded and moved nothing, or left no numbers at all?

```promql
airbyte_connection_last_sync_records_synced == 0
  and on (job, instance, connection_id) airbyte_connection_last_sync_status{status="succeeded"} == 1
```

```promql
airbyte_connection_last_sync_has_stats == 0
```

Can Airbyte be read, and do the exporter's loops come round?

```promql
airbyte_up == 0
```

```promql
time() - airbyte_exporter_poll_last_success_timestamp_seconds{loop="jobs"} > 300
```

Do alerts reach their receivers?

```promql
time() - airbyte_exporter_notification_oldest_timestamp_seconds > 900
```
"""

_STANDARD: Final = """\
### Standard families

`process_*` (memory, CPU seconds, file descriptors, start time; on Linux), `python_info` and `python_gc_*`
are those of the Prometheus client library for Python.
"""


def metrics() -> str:
    """Return docs/metrics.md."""
    facts = [family.info for family in FAMILIES]
    of_connections = [info for info in facts if info.labels[:1] == ("connection_id",)]
    parts = [
        _METRICS,
        "## For each connection\n",
        "Every one of these has the label `connection_id`; only further labels are named.\n",
        _table(of_connections, hidden="connection_id"),
        "## For the whole instance\n",
        _table(info for info in facts if info not in of_connections),
        "## The exporter itself\n",
        _table(OWN_FAMILIES),
        _STANDARD,
        _QUERIES,
    ]
    return "\n".join(parts)


_CONFIGURATION: Final = """\
# Configuration

<!-- Written by docs/build.py from the code. Do not edit: run `make docs`. -->

Only your Airbyte's address and the credentials for it have to be set. Every setting can be given

1. on the command line, where there is an option for it (`airbyte-exporter run --help`),
2. as an environment variable: `AIRBYTE_EXPORTER_`, the section, two underscores, the key,
3. for a secret, in a file of its own, named by the key with `_file` appended,
4. in a YAML file: `airbyte-exporter run --config FILE`,

and what comes first in this list wins.

`airbyte-exporter config show` prints what is in force, and where each value comes from. What it prints can be
used as a file, once the secrets, which it does not show, are put in.
`airbyte-exporter config validate FILE` checks a file, together with the environment, and connects to nothing.

- **A name that does not exist is an error**, in the file and among the variables that begin with
  `AIRBYTE_EXPORTER_`, with the nearest name that does exist. So is a key written twice, or a file that is not
  there. All problems are told at once; what depends on several keys, when each of them is right.
  What Kubernetes injects for a Service called `airbyte-exporter`
  (`AIRBYTE_EXPORTER_SERVICE_HOST`, `AIRBYTE_EXPORTER_PORT` and so on) is ignored.
- **Durations** are seconds as a number, or `30s`, `5m`, `6h`, `1d`.
- **Lists** are separated by commas in the environment.
- **Names of rules** can be written in any case, since the environment has only one. `<name>` is a name that
  you choose, up to 63 of `a-z`, `0-9` and `_`, in capitals in the variable:
  `AIRBYTE_EXPORTER_ALERTS__RECEIVERS__ONCALL__URL` sets `alerts.receivers.oncall.url`.
- **An empty variable** and `null` in the file mean: not set.
- **Secrets are never shown**: not by `config show`, not in logs, errors or metrics. The file of a secret
  holds the secret and nothing else; a line break at its end does not count. A secret and its file in the same
  place (both variables, or both in the YAML file) are an error.
- **Relative paths** in the YAML file start at the file's own folder, elsewhere at the working directory.

A configuration file: [config.example.yaml](config.example.yaml).
"""


def configuration() -> str:
    """Return docs/configuration.md."""
    parts = [_CONFIGURATION]
    for section, composed in Settings.model_fields.items():
        parts += [f"## `{section}`\n", f"{composed.description}\n"]
        mine = [option for option in options().values() if option.section == section]
        for mapping, together in groupby(
            sorted(mine, key=lambda option: "." in option.key),
            key=lambda option: option.name.rpartition(".")[0],
        ):
            if mapping != section:
                parts += [f"### `{mapping}`\n", f"{_description(Settings, mapping)}\n"]
            parts += [*_TABLE, *(_option_row(option) for option in together), ""]
        for option in mine:
            if option.item is not None:
                parts += [f"### Each of `{option.name}`\n", *_TABLE, *_item_rows(option.item, ""), ""]
    return "\n".join(parts)


_TABLE: Final = ("| key | default | meaning |", "|---|---|---|")


def _description(model: type[BaseModel], name: str) -> str:
    """Return what the field says of itself that is the farthest on the way `name` through the models."""
    first, _, rest = name.partition(".")
    declared = model.model_fields[first]
    if rest and is_model(declared.annotation):
        return _description(declared.annotation, rest)
    _, _, inside = rest.partition(".")
    if inside:
        kinds = models_in(get_args(declared.annotation)[1])
        return _description(next(kind for kind in kinds if inside in kind.model_fields), inside)
    return declared.description or ""


def _option_row(option: Option) -> str:
    variable = "" if option.item else f"<br>`{option.variable}`"
    secret = " *Secret.*" if option.is_secret else ""
    default = _default(option.declared, option.show)
    return f"| `{option.name}`{variable} | {default} | {option.declared.description}{secret} |"


def _item_rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for field, declared in model.model_fields.items():
        key = f"{prefix}{declared.alias or field}"
        yield f"| `{key}` | {_default(declared, lambda value: value)} | {declared.description} |"
        if is_model(declared.annotation):
            yield from _item_rows(declared.annotation, f"{key}.")


def _default(declared: FieldInfo, show: Callable[[Any], object]) -> str:
    shown = None if declared.default_factory or declared.is_required() else show(declared.get_default())
    if shown is None or shown in ([], ()):
        return ""
    return f"`{str(shown).lower() if isinstance(shown, bool) else shown}`"


_TOLD_BEGINS: Final = (
    "<!-- Written by docs/build.py from the tables in the code, by {}. Do not edit: run `make docs`. -->\n"
)
_TOLD_ENDS: Final = "<!-- End of what docs/build.py writes by {}. -->\n"


def compatibility() -> str:
    """Return docs/compatibility.md with the tables of what each dialect tells put in anew."""
    text = (HERE / "compatibility.md").read_text(encoding="utf-8")
    metrics = {it.info.name: (it.needs, it.partly) for it in FAMILIES if it.needs or it.partly}
    rules = {
        name: (RULE_NEEDS.get(name), RULE_WANTS.get(name)) for name in sorted({*RULE_NEEDS, *RULE_WANTS})
    }
    for kind, facts in (("metric", metrics), ("rule", rules)):
        before, rest = text.split(_TOLD_BEGINS.format(kind))
        after = rest.split(_TOLD_ENDS.format(kind))[1]
        table = "\n".join(_told_rows(kind, facts))
        text = f"{before}{_TOLD_BEGINS.format(kind)}\n{table}\n\n{_TOLD_ENDS.format(kind)}{after}"
    return text


def _told_rows(kind: str, facts: Mapping[str, tuple[Fact | None, Fact | None]]) -> Iterator[str]:
    yield f"| {kind} | " + " | ".join(f"`{dialect}`" for dialect in Dialect) + " |"
    yield "|---|" + "---|" * len(Dialect)
    for name, (needs, partly) in facts.items():
        yield f"| `{name}` | " + " | ".join(_told(needs, partly, dialect) for dialect in Dialect) + " |"


def _told(needs: Fact | None, partly: Fact | None, dialect: Dialect) -> str:
    told = TOLD[dialect]
    if needs is not None and needs not in told:
        return "no"
    return "yes" if partly is None or partly in told else "in part"


DOCUMENTS: Final[Mapping[str, Callable[[], str]]] = {
    "compatibility.md": compatibility,
    "configuration.md": configuration,
    "metrics.md": metrics,
}
"""File names in this folder, each with the function that returns its text."""


def _table(families: Iterable[FamilyInfo], *, hidden: str = "") -> str:
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for info in families:
        labels = " ".join(f"`{label}`" for label in info.labels if label != hidden)
        rows.append(f"| `{info.name}` | {info.type} | {labels} | {info.help} |")
    return "\n".join([*rows, ""])


def _difference(path: Path, text: str) -> str:
    written = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        written.splitlines(), text.splitlines(), f"{path.name} as it is", "as it should be", "", "", 1, ""
    )
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Write every document, or with ``--check`` only tell which are out of step; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing, fail when a document is out of step"
    )
    check = parser.parse_args(arguments).check
    stale = 0
    for name, generate in DOCUMENTS.items():
        path, text = HERE / name, generate()
        if difference := _difference(path, text):
            stale += 1
            if check:
                sys.stderr.write(
                    f"{difference}\n\ndocs/{name} is out of step with the code: run docs/build.py\n"
                )
            else:
                path.write_text(text, encoding="utf-8")
                sys.stdout.write(f"wrote docs/{name}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
