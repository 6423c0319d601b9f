"""Write the Grafana dashboard, or say with ``--check`` whether the committed JSON is what this writes."""

import json
import sys
from pathlib import Path

from panels import (
    BLUE,
    FAILURES_CELL,
    GREEN,
    INFO,
    NO_FACTS,
    NO_SCRAPE,
    ORANGE,
    RED,
    SYNC,
    UID,
    Json,
    active,
    age,
    chosen,
    connection,
    custom_variable,
    datasource_variable,
    exporter,
    lay_out,
    named,
    number,
    or_zero,
    per_id,
    query_variable,
    ranking,
    series,
    since,
    stat,
    status,
    table,
    target,
    value_mapping,
)

TARGET = Path(__file__).parent / "dashboards" / "airbyte.json"

FAILURES = per_id(chosen(connection("consecutive_failures")))
LAST_END_AGE = age(per_id(connection("last_sync_end_timestamp_seconds")))
# Failures in a row first; the age of the newest sync breaks ties, so that every column picks the same rows.
WORST = f"topk($rows, ({FAILURES} + on (connection_id) ({LAST_END_AGE}) / 1e10) or {FAILURES})"
FAILING = f"topk($rows, {per_id(active(chosen(connection('consecutive_failures') + ' > 0')))})"
LIVE = f"topk($rows, {age(per_id(chosen(connection('active_job_created_timestamp_seconds'))))})"


def condition() -> list[Json]:
    """Say in four numbers whether all is well."""
    failing = f"({connection('consecutive_failures')} > bool 0)"
    polled = exporter("airbyte_exporter_poll_last_success_timestamp_seconds", 'loop=~"jobs|inventory"')
    succeeded, finished = (
        f"sum({chosen(connection('jobs_total', f'{SYNC}, {which}', '$__range'))})"
        for which in ('status="succeeded"', 'status=~"succeeded|failed"')
    )
    return [
        stat(
            "Airbyte",
            f"min({exporter('airbyte_up')})",
            mappings=[value_mapping({"0": ("Down", RED), "1": ("Up", GREEN)})],
            steps=((None, RED), (1, GREEN)),
            description="Whether the newest poll of jobs worked; of several instances the worst.",
            no_value="No data: not scraped, or the first poll has not ended",
        ),
        stat(
            "Data age",
            age(f"min({polled})"),
            unit="s",
            steps=((None, GREEN), (900, ORANGE), (1800, RED)),
            decimals=0,
            description="Time since the last complete poll, the older of jobs and inventory. "
            "The inventory is read every five minutes unless configured otherwise.",
            no_value="No data: no poll has been complete since the exporter's start",
        ),
        stat(
            "Failing",
            f"sum({active(chosen(failing))})",
            unit="none",
            steps=((None, GREEN), (1, RED)),
            description="Active connections with at least one failed sync since their last success.",
        ),
        stat(
            "Success rate",
            f"{succeeded} / ({finished} > 0)",
            unit="percentunit",
            decimals=1,
            steps=((None, RED), (0.9, ORANGE), (0.99, GREEN)),
            description="Succeeded out of succeeded and failed syncs and refreshes in the time range. "
            "Cancelled ones count for neither.",
            no_value="No sync has ended in the time range",
        ),
    ]


def activity() -> list[Json]:
    """Say in four numbers what there is and what goes on."""
    is_active = connection("status", 'status="active"')
    fresh = active(f"{age(connection('last_success_timestamp_seconds'))} <= bool 86400")
    running, waiting = (
        or_zero(f"sum({chosen(connection('active_job_status', those))})", INFO)
        for those in ('status="running"', 'status=~"pending|queued"')
    )
    return [
        stat(
            "No success for a day",
            f"sum({chosen(is_active)}) - ({or_zero(f'sum({chosen(fresh)})', INFO)})",
            unit="none",
            steps=((None, GREEN), (1, ORANGE)),
            description="Active connections whose last success is more than 24 hours ago or has never been. "
            "Weekly and manual ones are among them when they rest.",
        ),
        stat(
            "Active connections",
            f"sum({chosen(is_active)})",
            unit="none",
            description="Connections that are switched on.",
        ),
        stat(
            "Running",
            running,
            unit="none",
            description="Connections whose newest job is running now.",
        ),
        stat(
            "Waiting",
            waiting,
            unit="none",
            steps=((None, BLUE), (10, ORANGE)),
            description="Connections whose newest job is pending or queued: it waits for a worker.",
        ),
    ]


def failures() -> list[Json]:
    """Show what fails, where and since when."""
    failed = connection("jobs_total", f'{SYNC}, status="failed"', "$__range")
    ended = chosen(connection("jobs_total", SYNC, "$__rate_interval"))
    incidents = or_zero(
        f"sum by (rule, severity) ({exporter('airbyte_exporter_alerts')})",
        exporter("airbyte_exporter_build_info"),
    )
    return [
        series(
            "Finished syncs",
            [target(f"sum by (status) ({ended})", "{{status}}")],
            bars=True,
            interval="2m",
            description="Syncs and refreshes that ended, by how they ended, per step.",
            no_value=NO_FACTS,
        ),
        series(
            "Open incidents",
            [target(incidents, "{{rule}} {{severity}}")],
            unit="none",
            description="Incidents that are firing, by rule; all connections, whatever the variables choose.",
            no_value=NO_SCRAPE,
        ),
        *(
            ranking(
                f"Failed syncs by {end} connector",
                f"topk(15, sum by ({end}_connector) ({named(failed, f'{end}_connector')}))",
                f"{{{{{end}_connector}}}}",
                unit="none",
                description="Failed syncs and refreshes in the time range: a connector that fails for many "
                "connections at once stands out.",
                no_value="No sync of the chosen connections could be counted in the time range",
            )
            for end in ("source", "destination")
        ),
        table(
            "Failing connections",
            FAILING,
            [
                number("Failures in a row", "consecutive_failures", "none", **FAILURES_CELL),
                since("Since last success", "last_success"),
                since("Since last failure", "last_failure"),
                number("Last duration", "last_sync_duration_seconds", "s"),
            ],
            description="Active connections with failed syncs since their last success.",
            no_value="No active connection is failing, or Airbyte cannot be read (see Data age)",
            sort="Failures in a row",
        ),
    ]


def volumes() -> list[Json]:
    """Show how much is moved, and by whom."""
    kinds = (("Records", "records_synced_total", "short"), ("Bytes", "bytes_synced_total", "decbytes"))
    moved = "What was committed to the destination, counted when a sync ends, failed ones included."
    return [
        *(
            series(
                f"{kind} synced by ${{group:text}}",
                bars=True,
                interval="2m",
                unit=unit,
                no_value=NO_FACTS,
                targets=[
                    target(f"sum by ($group) ({named(connection(family, '', '$__rate_interval'), '$group')})")
                ],
                description=f"{kind} per step. {moved} The variable Group by chooses what is told apart.",
            )
            for kind, family, unit in kinds
        ),
        *(
            ranking(
                f"Most {kind.lower()} by connection",
                "topk(15, sum by (connection_id, connection_name) "
                f"({named(connection(family, '', '$__range'), 'connection_name')}))",
                "{{connection_name}}",
                unit=unit,
                no_value=NO_FACTS,
                description=f"{kind} synced in the time range. {moved}",
            )
            for kind, family, unit in kinds
        ),
    ]


def connections() -> list[Json]:
    """List connections and live jobs."""
    live = f"sum by (status) ({exporter('airbyte_jobs', SYNC)})"
    by_status = f"sum by (status) ({exporter('airbyte_connections')})"
    return [
        table(
            "Connections, the worst first",
            WORST,
            [
                status("State", "status"),
                status("Last sync", "last_sync_status"),
                status("Job state", "active_job_status"),
                number("Failures in a row", "consecutive_failures", "none", **FAILURES_CELL),
                since("Since last success", "last_success"),
                since("Since last sync", "last_sync_end"),
                number("Last duration", "last_sync_duration_seconds", "s"),
                number("Records", "last_sync_records_synced", "short"),
                number("Bytes", "last_sync_bytes_synced", "decbytes"),
            ],
            description="Most failures in a row first, then the longest without a sync, at most Rows. "
            "Records and bytes are the newest finished sync's; empty: Airbyte recorded none.",
            no_value=NO_FACTS,
            sort="Failures in a row",
        ),
        table(
            "Jobs that run or wait",
            LIVE,
            [
                status("Job state", "active_job_status"),
                since("Since created", "active_job_created"),
                since("Since started", "active_job_start"),
                number("Last duration", "last_sync_duration_seconds", "s"),
                number("Records so far", "active_job_records_emitted", "short"),
                number("Bytes so far", "active_job_bytes_emitted", "decbytes"),
            ],
            description="The newest live job of each connection, the oldest first: compare its age with "
            "how long the last finished sync took.",
            no_value="No job runs or waits, or Airbyte could not be read for too long (see Data age)",
            sort="Since created",
        ),
        series(
            "Live jobs",
            [target(live, "{{status}}")],
            unit="none",
            no_value=NO_FACTS,
            description="Syncs and refreshes without a final status, of all connections.",
        ),
        series(
            "Connections by state",
            [target(by_status, "{{status}}")],
            unit="none",
            no_value=NO_FACTS,
            description="Connections by Airbyte's status; all of them, whatever the variables choose.",
        ),
    ]


def increase_by(labels: str, family: str) -> str:
    """Add up what a counter of the exporter grew in a step."""
    return f"sum by ({labels}) (increase({exporter(f'airbyte_exporter_{family}')}[$__rate_interval]))"


def p90_by(labels: str, family: str) -> str:
    """Estimate what nine of ten observations of a step stayed below."""
    rate = f"rate({exporter(f'airbyte_exporter_{family}_bucket')}[$__rate_interval])"
    return f"histogram_quantile(0.9, sum by (le, {labels}) ({rate}))"


def loops() -> list[Json]:
    """Show how the exporter's loops run."""
    polled = f"max by (loop) ({exporter('airbyte_exporter_poll_last_success_timestamp_seconds')})"
    failed = f"{increase_by('loop', 'poll_failures_total')} or 0 * {increase_by('loop', 'polls_total')}"
    return [
        series(
            "Time since the last good run",
            [target(age(polled), "{{loop}}")],
            unit="s",
            width=8,
            no_value=NO_SCRAPE,
            description="When each loop last worked. A line that keeps climbing is a loop that fails.",
        ),
        series(
            "Failed runs",
            [target(failed, "{{loop}}")],
            unit="none",
            width=8,
            no_value=NO_SCRAPE,
            bars=True,
            interval="2m",
            description="Runs of each loop that failed, per step.",
        ),
        series(
            "Run time, 90 %",
            [target(p90_by("loop", "poll_duration_seconds"), "{{loop}}")],
            unit="s",
            width=8,
            description="Nine of ten runs of a loop were at most this long.",
            no_value=NO_SCRAPE,
        ),
    ]


def peers() -> list[Json]:
    """Show the talk with Airbyte and with the receivers."""
    return [
        series(
            "API requests",
            [target(increase_by("method, code", "api_requests_total"), "{{method}} {{code}}")],
            unit="none",
            width=8,
            bars=True,
            interval="2m",
            no_value=NO_SCRAPE,
            description="Requests to Airbyte's API by method and answer, per step.",
        ),
        series(
            "API latency, 90 %",
            [target(p90_by("method", "api_request_duration_seconds"), "{{method}}")],
            unit="s",
            width=8,
            description="Nine of ten answers of Airbyte's API took at most this long.",
            no_value=NO_SCRAPE,
        ),
        series(
            "Notifications",
            [
                target(f"sum({exporter('airbyte_exporter_notification_queue_length')})", "waiting"),
                target(increase_by("receiver, outcome", "notifications_total"), "{{receiver}} {{outcome}}"),
            ],
            unit="none",
            width=8,
            interval="2m",
            description="Notifications that wait, and attempts to deliver by outcome, per step.",
            no_value=NO_SCRAPE,
        ),
    ]


def process() -> list[Json]:
    """Show the process itself."""
    return [
        series(
            "Series on the page",
            [target(f"sum by (instance) ({exporter('airbyte_exporter_series')})", "{{instance}}")],
            width=8,
            description="Series that a scrape returns.",
            no_value=NO_SCRAPE,
        ),
        series(
            "Memory",
            [target(f"max by (instance) ({exporter('process_resident_memory_bytes')})", "{{instance}}")],
            unit="bytes",
            width=8,
            description="Resident memory of the exporter.",
            no_value=NO_SCRAPE,
        ),
        series(
            "Versions",
            [
                target(
                    f"max by (version) ({exporter('airbyte_exporter_build_info')})", "exporter {{version}}"
                ),
                target(f"max by (version) ({exporter('airbyte_instance_info')})", "Airbyte {{version}}"),
            ],
            unit="none",
            width=8,
            description="Versions of the exporter and of Airbyte over time.",
            no_value=NO_SCRAPE,
        ),
    ]


def variables() -> list[Json]:
    """Offer the choices at the top. Ids are the values behind names: a quote in a name breaks nothing."""
    build = "airbyte_exporter_build_info"
    workspaces = exporter("airbyte_workspace_info")
    connected = exporter("airbyte_connection_info", 'workspace_id=~"$workspace"')
    pair = '/{0}_id="(?<value>[^"]+)",{0}_name="(?<text>.*)"}}/'
    return [
        datasource_variable("datasource", "Data source", "The Prometheus that scrapes the exporter."),
        query_variable(
            "job", "Job", f"label_values({build}, job)", description="The scrape job of the exporter."
        ),
        query_variable(
            "instance",
            "Instance",
            f'label_values({build}{{job=~"$job"}}, instance)',
            description="The exporter; one for each Airbyte.",
        ),
        query_variable(
            "workspace",
            "Workspace",
            regex=pair.format("workspace"),
            query=f"query_result(group by (workspace_id, workspace_name) ({workspaces}))",
            description="Filters what is about connections.",
        ),
        query_variable(
            "connection",
            "Connection",
            regex=pair.format("connection"),
            query=f"query_result(group by (connection_id, connection_name) ({connected}))",
            description="Filters what is about connections.",
        ),
        custom_variable(
            "group",
            "Group by",
            {
                "Source": "source_connector",
                "Destination": "destination_connector",
                "Workspace": "workspace_name",
            },
            description="What the volume panels tell apart.",
        ),
        custom_variable(
            "rows",
            "Rows",
            {"100": "100", "25": "25", "500": "500", "2000": "2000"},
            description="At most how many connections a table lists.",
        ),
    ]


def dashboard() -> Json:
    """Build the whole dashboard."""
    return {
        "uid": UID,
        "title": "Airbyte",
        "description": "Connections, failures and volumes of Airbyte, as airbyte-exporter sees them.",
        "tags": ["airbyte"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "",
        "refresh": "1m",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": variables()},
        "panels": lay_out(
            ("Overview", [*condition(), *activity()], False),
            ("Failures", failures(), False),
            ("Volumes", volumes(), False),
            ("Connections", connections(), False),
            ("Exporter", [*loops(), *peers(), *process()], True),
        ),
    }


def main(arguments: list[str]) -> int:
    """Write the file, or compare."""
    text = json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"
    if arguments == ["--check"]:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write(f"{TARGET} is not what {Path(__file__).name} writes; run it without --check\n")
        return 1
    if arguments:
        sys.stderr.write(f"usage: {Path(__file__).name} [--check]\n")
        return 2
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
