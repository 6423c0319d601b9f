"""The dashboard *Airbyte overview*: is all well, what goes on, what fails, what moves, who is worst."""

from inventory import inventory
from panels import (
    BLUE,
    FEW_POINTS,
    GREEN,
    GREY,
    MANY_POINTS,
    NO_FACTS,
    NO_SCRAPE,
    ORANGE,
    OVERVIEW_UID,
    RED,
    Json,
    dashboard,
    lay_out,
    ranking,
    series,
    stat,
    target,
    value_mapping,
)
from queries import (
    ACTIVE,
    BUILD,
    CONNECTORS,
    DISABLED,
    FAILING,
    HANGING,
    HEALTHY,
    INFO,
    INTERVAL,
    JOIN,
    LATE,
    LATE_AFTER,
    MISSED,
    QUEUED,
    RATE,
    RUNNING,
    SYNC,
    WATCHED,
    age,
    both,
    chosen,
    connection,
    exporter,
    grown,
    grown_in_range,
    how_many,
    increase,
    named,
    or_zero,
    per_id,
    recorded,
    summed,
)
from tables import FAILURES_CELL, coloured, number, since, status, table
from variables import (
    TAG,
    connection_variable,
    connector_variables,
    custom_variable,
    links,
    targets,
    workspace_variable,
)

ENDED = ("job_type", "status", "source_connector", "destination_connector", "schedule_type")
COLOURS_OF_STATES = {"failing": RED, "late": ORANGE, "healthy": GREEN, "disabled": GREY}
STALEST = f"topk($rows, {both(MISSED, ACTIVE)})"
FAILING_ROWS = f"topk($rows, {FAILING})"
LIVE = f"topk($rows, {age(per_id(chosen(connection('active_job_created_timestamp_seconds'))))})"
NO_COUNTERS = "Nothing was moved by the chosen connections in the time range, or they are not scraped"


def completed(matchers: str = "") -> str:
    """Count syncs that ended: a few series of the whole instance, which cost the same at any size."""
    return exporter("airbyte_jobs_completed_total", f"{SYNC}, {CONNECTORS}{matchers and f', {matchers}'}")


def condition() -> list[Json]:
    """Say in six numbers whether all is well."""
    succeeded, finished = (
        f"sum({grown_in_range(completed(which), 'job', 'instance', *ENDED)})"
        for which in ('status="succeeded"', 'status=~"succeeded|failed"')
    )
    return [
        stat(
            "Healthy",
            how_many(HEALTHY, WATCHED),
            steps=((None, RED), (1, GREEN)),
            description="Active connections that neither fail nor are late.",
        ),
        stat(
            "Late",
            how_many(LATE, WATCHED),
            steps=((None, GREEN), (1, ORANGE)),
            description="Active connections that are late by their own schedule: the next run is due for "
            "more than half an hour and no job is at work, or the last success is older than twice the "
            "interval. One that fails may be late too; manual ones never are.",
        ),
        stat(
            "Failing",
            how_many(FAILING, WATCHED),
            steps=((None, GREEN), (1, RED)),
            description="Active connections with at least one failed sync since their last success.",
        ),
        stat(
            "Disabled",
            how_many(DISABLED),
            steps=((None, GREY),),
            description="Connections that are inactive or locked, whoever switched them off.",
        ),
        stat(
            "Success rate",
            f"({succeeded} or on () 0 * {finished}) / ({finished} > 0)",
            unit="percentunit",
            decimals=1,
            steps=((None, RED), (0.9, ORANGE), (0.99, GREEN)),
            description="Succeeded out of succeeded and failed syncs and refreshes in the time range; of the "
            "chosen connectors, in all workspaces. Cancelled ones count for neither.",
            no_value="No sync has ended in the time range, or the exporter is not scraped",
        ),
        stat(
            "Airbyte",
            f"min({exporter('airbyte_up')})",
            mappings=[value_mapping({"0": ("Down", RED), "1": ("Up", GREEN)})],
            steps=((None, RED), (1, GREEN)),
            description="Whether the newest poll of jobs worked; of several instances the worst.",
            no_value="No data: not scraped, or the first poll has not ended",
        ),
    ]


def activity() -> list[Json]:
    """Say in six numbers what goes on, and how old what is said may be."""
    polled = exporter("airbyte_exporter_poll_last_success_timestamp_seconds", 'loop=~"jobs|inventory"')
    breaking = per_id(chosen(connection("schema_change", 'change="breaking"') + " == 1"))
    incidents = exporter("airbyte_exporter_alerts")
    return [
        stat(
            "Running",
            how_many(RUNNING, WATCHED),
            description="Connections whose job runs now, or is between two attempts.",
        ),
        stat(
            "Queued",
            how_many(QUEUED, WATCHED),
            steps=((None, BLUE), (10, ORANGE), (50, RED)),
            description="Connections whose job is pending or queued: it waits for a worker.",
        ),
        stat(
            "Hanging",
            how_many(HANGING, WATCHED),
            steps=((None, GREEN), (1, ORANGE)),
            description="Jobs that have waited for more than half an hour, or have run for more than an hour "
            "without reading a record in the last one, where Airbyte tells numbers of live jobs.",
        ),
        stat(
            "Open incidents",
            or_zero(summed(incidents, "", "rule", "severity"), BUILD),
            steps=((None, GREEN), (1, ORANGE)),
            description="Incidents that the exporter's own alert rules see now, of all connections.",
            no_value=NO_SCRAPE,
        ),
        stat(
            "Breaking schemas",
            how_many(breaking),
            steps=((None, GREEN), (1, RED)),
            description="Connections whose source has changed so that syncs will break. "
            "Always 0 with an API that does not tell.",
        ),
        stat(
            "Data age",
            age(f"min(max by (job, instance, loop) ({polled}))"),
            unit="s",
            steps=((None, GREEN), (900, ORANGE), (1800, RED)),
            decimals=1,
            description="Time since the last complete poll, the older of jobs and inventory; of several "
            "exporters the oldest. The inventory is read every five minutes unless configured otherwise.",
            no_value="No data: no poll has been complete since the exporter's start",
        ),
    ]


def history() -> list[Json]:
    """Show how the first numbers were. That is recorded: it is too much to work out for every point."""
    said = (
        "As the numbers above, of all connections of the chosen workspaces, by exporter. Recorded by "
        "the group airbyte-workspaces of deploy/prometheus, every minute while Airbyte can be read."
    )
    return [
        series(
            title,
            [target(recorded(state), f"{state} {{{{instance}}}}") for state in states],
            points=MANY_POINTS,
            step_line=True,
            unit="none",
            colours={state: COLOURS_OF_STATES[state] for state in states},
            description=said,
            no_value="Nothing is recorded: Airbyte could not be read, or the group airbyte-workspaces of "
            "deploy/prometheus/airbyte-rules.yaml is not loaded",
        )
        for title, states in (
            ("Failing and late over time", ("failing", "late")),
            ("Healthy and disabled over time", ("healthy", "disabled")),
        )
    ]


def attention() -> list[Json]:
    """List the connections that need somebody."""
    return [
        table(
            "Worst freshness against the own schedule",
            STALEST,
            [
                (
                    "Intervals old",
                    MISSED,
                    {"unit": "none", "decimals": 1, **coloured((None, GREEN), (1.5, ORANGE), (2, RED))},
                ),
                ("Interval", INTERVAL, {"unit": "s", "decimals": 1}),
                since("Since last success", "last_success"),
                since("Since due", "next_run", **coloured((None, "text"), (300, ORANGE), (LATE_AFTER, RED))),
                status("Last sync", "last_sync_status"),
                status("Job state", "active_job_status"),
                number("Failures in a row", "consecutive_failures", "none", **FAILURES_CELL),
            ],
            description="Active scheduled connections by how many of their own intervals ago they last "
            "succeeded (or were created, if never): above 2 is late. A time since due below 0 lies ahead. "
            "Click a name for its own dashboard; Rows bounds the list.",
            no_value="No scheduled connection is active, or Airbyte cannot be read (see Data age)",
            sort="Intervals old",
        ),
        table(
            "Failing connections",
            FAILING_ROWS,
            [
                number("Failures in a row", "consecutive_failures", "none", **FAILURES_CELL),
                since("Since last success", "last_success"),
                since("Since last failure", "last_failure"),
                number("Attempts", "last_sync_attempts", "none"),
                number("Last duration", "last_sync_duration_seconds", "s"),
            ],
            description="Active connections with failed syncs since their last success.",
            no_value="No active connection is failing, or Airbyte cannot be read (see Data age)",
            sort="Failures in a row",
            height=7,
        ),
    ]


def work() -> list[Json]:
    """Show what runs and waits, and how long that takes."""
    live = summed(exporter("airbyte_jobs", SYNC), "status", "job_type")
    oldest = age(f"min by (status) ({exporter('airbyte_jobs_oldest_created_timestamp_seconds')})")
    took = exporter("airbyte_job_duration_seconds_bucket", f'{SYNC}, status="succeeded"')
    return [
        series(
            "Live jobs",
            [target(live, "{{status}}")],
            points=MANY_POINTS,
            step_line=True,
            unit="none",
            width=8,
            no_value=NO_FACTS,
            description="Syncs and refreshes without a final status, of all connections.",
        ),
        series(
            "Age of the oldest live job",
            [target(oldest, "{{status}}")],
            points=MANY_POINTS,
            unit="s",
            width=8,
            steps=((None, "transparent"), (LATE_AFTER, ORANGE)),
            no_value="No job runs or waits, or Airbyte cannot be read (see Data age)",
            description="Time since the oldest job of each state was created, of all connections. Pending "
            "for more than half an hour (the dashed line): workers are missing.",
        ),
        series(
            "How long syncs take",
            [
                target(
                    f"histogram_quantile({share}, sum by (le) ({increase(took, RATE)}))",
                    f"{share * 100:.0f} %",
                )
                for share in (0.5, 0.9, 0.99)
            ],
            unit="s",
            width=8,
            interval="1h",
            no_value="No sync has succeeded in the time range, or the exporter is not scraped",
            description="Half, nine of ten and 99 of 100 succeeded syncs that ended in an hour took at most "
            "this long, from their first attempt on; of all connections.",
        ),
        _live_jobs(),
    ]


def _live_jobs() -> Json:
    """List what runs and waits."""
    return table(
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
        height=7,
    )


def failures() -> list[Json]:
    """Show what fails, where and why."""
    failed = grown_in_range(completed('status="failed"'), "job", "instance", *ENDED)
    ended = grown(completed(), RATE, ", ".join(ENDED))
    incidents = f"max by (instance, rule, severity) ({exporter('airbyte_exporter_alerts')})"
    kinds = chosen(
        grown_in_range(connection("failures_total"), *JOIN.split(", "), "failure_origin", "failure_type")
    )
    return [
        series(
            "Finished syncs",
            [target(f"sum by (status) ({ended})", "{{status}}")],
            unit="none",
            bars=True,
            points=FEW_POINTS,
            description="Syncs and refreshes that ended, by how they ended, per step; of the chosen "
            "connectors, in all workspaces, deleted connections too.",
            no_value="No sync of these connectors has ended since counting began, or it is not scraped",
        ),
        series(
            "Open incidents by rule",
            [target(or_zero(f"sum by (rule, severity) ({incidents})", BUILD), "{{rule}} {{severity}}")],
            points=MANY_POINTS,
            step_line=True,
            unit="none",
            description="Incidents that are firing, by rule; all connections, whatever the variables choose.",
            no_value=NO_SCRAPE,
        ),
        ranking(
            "Failed attempts by origin and type",
            f"topk(15, sum by (failure_origin, failure_type) ({kinds}) > 0)",
            "{{failure_origin}}: {{failure_type}}",
            description="Failed attempts of syncs that ended in the time range, by their first failure: "
            "source and config_error is for the data's owners, platform for whoever runs Airbyte.",
            no_value="No attempt has failed in the time range, as far as was counted, or it is not scraped",
        ),
        *(
            ranking(
                f"Failed syncs by {end} connector",
                f"topk(15, sum by ({end}_connector) ({failed}) > 0)",
                f"{{{{{end}_connector}}}}",
                description="Failed syncs and refreshes in the time range, in all workspaces: a connector "
                "that fails for many connections at once stands out.",
                no_value="No sync has failed in the time range, as far as was counted, or it is not scraped",
            )
            for end in ("source", "destination")
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
                points=FEW_POINTS // 4,
                unit=unit,
                no_value=NO_COUNTERS,
                targets=[target(_largest(connection(family)))],
                description=f"{kind} per step, of the ten that have moved most since counting began, "
                f"and of connections that exist at the end. {moved} "
                "The variable Group by chooses what is told apart.",
            )
            for kind, family, unit in kinds
        ),
        *(
            ranking(
                f"Most {kind.lower()} by connection",
                "topk(15, sum by (connection_id, connection_name) "
                f"({named(grown_in_range(connection(family), *JOIN.split(', ')), 'connection_name')}) > 0)",
                "{{connection_name}}",
                unit=unit,
                width=12,
                no_value="No chosen connection has moved anything in the time range, or it is not scraped",
                description=f"{kind} synced in the time range. {moved}",
            )
            for kind, family, unit in kinds
        ),
    ]


AT_END = f"{INFO} @ end()"


def _largest(counter: str) -> str:
    """Add up by what is chosen; only those that have counted most, else every name were a series.

    Names are those of the end of the range, so that they are looked up once, and not for every point.
    """
    each = f"sum by ({JOIN}) ({increase(counter, RATE)})"  # few labels make the join cheap
    moved = f"sum by ($group) ({named(each, '$group', info=AT_END)})"
    over_all = named(f"max by ({JOIN}) ({counter} @ end())", "$group", info=AT_END)
    return f"{moved} and on ($group) topk(10, sum by ($group) ({over_all}) > 0)"


def overview() -> Json:
    """Build the dashboard."""
    groups = {"Source": "source_connector", "Destination": "destination_connector"}
    choices = [
        custom_variable(
            "group",
            "Group by",
            {**groups, "Workspace": "workspace_name"},
            description="What the volume panels tell apart.",
        ),
        custom_variable(
            "rows",
            "Rows",
            {"100": "100", "25": "25", "500": "500", "2000": "2000"},
            description="At most how many connections a table lists.",
        ),
    ]
    return dashboard(
        OVERVIEW_UID,
        "Airbyte overview",
        "How Airbyte's connections are: healthy, late, failing; what runs, what fails and what moves.",
        hours=12,
        tag=TAG,
        links=links(),
        variables=[
            *targets(),
            workspace_variable(),
            *connector_variables(),
            connection_variable(several=True),
            *choices,
        ],
        panels=lay_out(
            ("How it is", [*condition(), *activity(), *history()], False),
            ("What needs somebody", attention(), False),
            ("What runs and waits", work(), False),
            ("What fails", failures(), False),
            ("What moves", volumes(), False),
            ("What there is", inventory(), False),
        ),
    )
