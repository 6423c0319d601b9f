"""The PromQL that dashboards are made of: what is selected, narrowed, joined and added up.

Rules of the queries:

* Names and connectors come from ``airbyte_connection_info`` by (job, instance, connection_id). The info
  side is aggregated to exactly those labels first, and one is taken, so that neither target labels
  (namespace, pod, service, endpoint, container), which differ while a pod is replaced, nor a new name that
  one of two pods does not know yet ever make a join many-to-many.
* A series of one connection is filtered with ``and on``, which has no "one" side at all.
* What connections are is told by `per_id`: while two exporters watch one Airbyte, as when one takes over
  from the other, every connection is still counted once.
* A count that may have nothing to count says 0 only where the exporter is there to say so (`or_zero`); of
  what depends on jobs, only where those are known: they leave the page before the connections do (`WATCHED`).
* Lists are cut by ``topk``: a page costs the same with ten connections and with ten thousand.
"""

SCRAPED = 'job=~"$job", instance=~"$instance"'
JOIN = "job, instance, connection_id"
CHOSEN = f'{SCRAPED}, connection_id=~"$connection"'
CONNECTORS = 'source_connector=~"$source", destination_connector=~"$destination"'
INFO = f'airbyte_connection_info{{{CHOSEN}, workspace_id=~"$workspace", {CONNECTORS}}}'
BUILD = f"airbyte_exporter_build_info{{{SCRAPED}}}"
SYNC = 'job_type=~"sync|refresh"'
RATE, RANGE = "$__rate_interval", "$__range"
LATE_AFTER = 1800
"""Seconds after which a run that is due and has not begun makes a connection late, as for `SyncOverdue`."""


def exporter(name: str, matchers: str = "") -> str:
    """Select a family about the whole instance or the exporter."""
    return f"{name}{{{SCRAPED}{', ' if matchers else ''}{matchers}}}"


def connection(name: str, matchers: str = "") -> str:
    """Select a family about connections, those that the variables choose."""
    return f"airbyte_connection_{name}{{{CHOSEN}{', ' if matchers else ''}{matchers}}}"


def one(name: str, matchers: str = "") -> str:
    """Select a family about the one connection that a dashboard is about."""
    chosen_one = f'{SCRAPED}, connection_id="$connection"'
    return f"airbyte_connection_{name}{{{chosen_one}{', ' if matchers else ''}{matchers}}}"


def recorded(state: str) -> str:
    """Add up how many connections of the chosen workspaces were so; deploy/prometheus records it."""
    counted = exporter(f"workspace:airbyte_connections:{state}", 'workspace_id=~"$workspace"')
    return f"sum by (instance) (max by (instance, workspace_id) ({counted}))"


def increase(selector: str, window: str) -> str:
    """Tell by how much counters grew that are there from 0 on."""
    return f"increase({selector}[{window}])"


def grown(selector: str, window: str, identity: str) -> str:
    """Tell by how much counters grew that appear with their first count, which ``increase`` cannot see.

    One that was not there a `window` ago, although its exporter was, has grown by its value. `identity` are
    the labels that tell counters apart when their exporter has moved to another pod.
    """
    born = f"{selector} unless on ({identity}) {selector} offset {window}"
    return f"(({born}) and on (job) {BUILD} offset {window} or {increase(selector, window)})"


def grown_in_range(selector: str, *identity: str) -> str:
    """Tell by how much counters that outlive the process grew in the dashboard's time range.

    Two samples of each tell that, however many lie between them: with ten thousand connections and a sample
    every thirty seconds, ``increase`` over a day reads thirty million. What stood there up to an hour before
    is good enough as the beginning. One that was not there then, or has been reset, has grown by its value.
    """
    labels = ", ".join(identity)
    last = f"max by ({labels}) ({selector})"
    first = f"max by ({labels}) (last_over_time({selector}[1h] offset {RANGE}))"
    return f"({last} - {first} >= 0 or {last})"


def chosen(expression: str) -> str:
    """Keep what belongs to the chosen workspaces and connectors."""
    return f"({expression} and on ({JOIN}) {INFO})"


def named(expression: str, label: str, *, info: str = INFO) -> str:
    """Give per-connection series the info label `label`, those of the chosen connections only.

    While two pods know a renamed connection under two names, one of those is taken.
    """
    return f"{expression} * on ({JOIN}) group_left ({label}) topk by ({JOIN}) (1, {_labels(label, info)})"


def _labels(label: str, info: str) -> str:
    return f"group by ({JOIN}, {label}) ({info})"


def or_zero(expression: str, witness: str) -> str:
    """Say 0 when `expression` has nothing to add up although `witness` is there."""
    return f"{expression} or on () 0 * count({witness})"


def per_id(expression: str) -> str:
    """Leave the connection's id as the only label, which is what tables join by."""
    return f"max by (connection_id) ({expression})"


def summed(expression: str, by: str, *others: str) -> str:
    """Add up a gauge by one label, each exporter once, even while its pod is replaced.

    Args:
        expression: the gauge.
        by: the label that stays; empty for a single sum.
        others: the gauge's other labels.
    """
    labels = ", ".join(("instance", *filter(None, (by, *others))))
    return f"sum{f' by ({by})' if by else ''} (max by ({labels}) ({expression}))"


def age(expression: str) -> str:
    """Turn a timestamp into seconds since then."""
    return f"time() - {expression}"


def both(expression: str, condition: str) -> str:
    """Keep the connections that `condition` has too; both are told by id."""
    return f"({expression} and on (connection_id) {condition})"


def neither(expression: str, *conditions: str) -> str:
    """Keep the connections that no condition has."""
    return " ".join((f"({expression}", *(f"unless on (connection_id) {each}" for each in conditions))) + ")"


def how_many(connections: str, witness: str = INFO) -> str:
    """Count connections; 0 where `witness` has some and none of them is meant."""
    return or_zero(f"count({connections})", witness)


def timestamp(name: str) -> str:
    """Tell by connection when something was."""
    return per_id(connection(f"{name}_timestamp_seconds"))


def holds(family: str, which: str) -> str:
    """Choose the connections of which a status holds now."""
    return per_id(chosen(connection(family, f'status=~"{which}"') + " == 1"))


ACTIVE = holds("status", "active")
DISABLED = holds("status", "inactive|locked")
WATCHED = chosen(connection("consecutive_failures"))
"""The connections whose jobs are known, which every connection has or none."""

_FAILS = per_id(connection("consecutive_failures") + " > 0")
FAILING = both(_FAILS, ACTIVE)
RUNNING = holds("active_job_status", "running|incomplete")
QUEUED = holds("active_job_status", "pending|queued")

INTERVAL = per_id(connection("schedule_interval_seconds"))
_OVERDUE = neither(f"({age(timestamp('next_run'))} > {LATE_AFTER})", timestamp("active_job_created"))
_OLD = f"({age(timestamp('last_success'))} > 2 * {INTERVAL})"
_IS_LATE = f"({_OVERDUE} or {_OLD})"
LATE = both(_IS_LATE, ACTIVE)
HEALTHY = neither(both(ACTIVE, per_id(connection("consecutive_failures"))), _FAILS, _IS_LATE)

_WAITS_LONG = both(f"({age(timestamp('active_job_created'))} > {LATE_AFTER})", QUEUED)
_MOVES = per_id(f"changes({connection('active_job_records_emitted')}[1h])")
_RUNS_LONG = both(f"({age(timestamp('active_job_start'))} > 3600)", RUNNING)
HANGING = f"({_WAITS_LONG} or {both(_RUNS_LONG, f'({_MOVES} == 0)')})"

_SINCE = f"({timestamp('last_success')} or {timestamp('created')})"
MISSED = f"(({age(_SINCE)}) / {INTERVAL})"
"""How many of its own intervals ago a connection last succeeded, or was created if it never has."""
