"""The dashboard *Airbyte exporter*: does the exporter work, and what does it cost."""

from panels import (
    BLUE,
    EXPORTER_UID,
    GREEN,
    NO_SCRAPE,
    ORANGE,
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
from queries import BUILD, RANGE, RATE, age, exporter, grown, or_zero, summed
from tables import labels_table
from variables import TAG, links, targets

NO_QUEUE = "No data: the exporter has no receiver that is told by notifications, or is not scraped"
STALE = "airbyte_exporter_poll_last_success_timestamp_seconds"
MEMORY = "process_resident_memory_bytes"


def increase_by(labels: str, family: str) -> str:
    """Add up what a counter of the exporter grew in a step, from its first count on."""
    counter = exporter(f"airbyte_exporter_{family}")
    return f"sum by ({labels}) ({grown(counter, RATE, f'job, instance, {labels}')})"


def quantile_by(labels: str, family: str, share: float = 0.9) -> str:
    """Estimate what so many observations of a step stayed below."""
    rate = f"rate({exporter(f'airbyte_exporter_{family}_bucket')}[{RATE}])"
    return f"histogram_quantile({share}, sum by (le, {labels}) ({rate}))"


def condition() -> list[Json]:
    """Say in numbers whether it works."""
    polled = exporter(STALE, 'loop=~"jobs|inventory"')
    oldest = exporter("airbyte_exporter_notification_oldest_timestamp_seconds")
    failures = exporter("airbyte_exporter_poll_failures_total")
    failed = f"sum({grown(failures, RANGE, 'job, instance, loop, reason')})"
    rounds = f"sum(increase({exporter('airbyte_exporter_polls_total')}[{RANGE}]))"
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
            age(f"min(max by (job, instance, loop) ({polled}))"),
            unit="s",
            decimals=1,
            steps=((None, GREEN), (900, ORANGE), (1800, RED)),
            description="Time since the last complete poll, the older of jobs and inventory; of several "
            "exporters the oldest.",
            no_value="No data: no poll has been complete since the exporter's start",
        ),
        stat(
            "Rounds that failed",
            f"({or_zero(failed, BUILD)}) / ({rounds} > 0)",
            unit="percentunit",
            decimals=1,
            steps=((None, GREEN), (0.01, ORANGE), (0.1, RED)),
            description="Failed rounds of all loops out of all in the time range.",
            no_value=NO_SCRAPE,
        ),
        stat(
            "Notifications waiting",
            f"sum({exporter('airbyte_exporter_notification_queue_length')})",
            steps=((None, GREEN), (10, ORANGE), (100, RED)),
            description="Notifications that have not been delivered yet.",
            no_value=NO_QUEUE,
        ),
        stat(
            "Oldest waiting",
            age(f"min({oldest})"),
            unit="s",
            decimals=1,
            steps=((None, GREEN), (300, ORANGE), (900, RED)),
            description="How long the oldest notification has waited: above 15 minutes a receiver fails.",
            no_value="No notification waits",
        ),
        stat(
            "Connections left out",
            f"sum({exporter('airbyte_exporter_connections_left_out')})",
            steps=((None, GREEN), (1, ORANGE)),
            description="Connections that metrics.max_connections keeps out of the families of single "
            "connections: the other dashboards do not show them.",
            no_value="No limit is set: every connection is shown",
        ),
    ]


def loops() -> list[Json]:
    """Show how the exporter's loops run."""
    polled = f"min by (loop) (max by (job, instance, loop) ({exporter(STALE)}))"
    failed = f"{increase_by('loop', 'poll_failures_total')} or 0 * {increase_by('loop', 'polls_total')}"
    return [
        series(
            "Time since the last good round",
            [target(age(polled), "{{loop}}")],
            unit="s",
            width=6,
            steps=((None, "transparent"), (1800, RED)),
            no_value=NO_SCRAPE,
            description="When each loop last worked. A line that keeps climbing is a loop that fails; at "
            "half an hour (the dashed line) facts leave the page unless configured otherwise.",
        ),
        series(
            "Rounds",
            [target(increase_by("loop", "polls_total"), "{{loop}}")],
            unit="none",
            width=6,
            bars=True,
            no_value=NO_SCRAPE,
            description="Rounds of each loop that ended, well or badly, per step.",
        ),
        series(
            "Failed rounds",
            [
                target(failed, "{{loop}}"),
                target(f"{increase_by('loop, reason', 'poll_failures_total')} > 0", "{{loop}}: {{reason}}"),
            ],
            unit="none",
            width=6,
            interval="5m",
            no_value=NO_SCRAPE,
            description="Rounds of each loop that failed, in all and by reason, per step.",
        ),
        series(
            "Time of a round, 90 %",
            [target(quantile_by("loop", "poll_duration_seconds"), "{{loop}}")],
            unit="s",
            width=6,
            interval="5m",
            no_value=NO_SCRAPE,
            description="Nine of ten rounds of a loop were at most this long.",
        ),
    ]


def airbyte() -> list[Json]:
    """Show the talk with Airbyte."""
    requests = exporter("airbyte_exporter_api_requests_total")
    methods = f"topk(15, sum by (method) ({grown(requests, RANGE, 'job, instance, method, code')}) > 0)"
    errors = exporter("airbyte_exporter_api_requests_total", 'code!~"2.."')
    bad = grown(errors, RATE, "job, instance, method, code")
    return [
        series(
            "API requests by answer",
            [target(increase_by("code", "api_requests_total"), "{{code}}")],
            unit="none",
            width=6,
            bars=True,
            no_value=NO_SCRAPE,
            description="Requests to Airbyte by HTTP status or kind of failure, retries included, per step.",
        ),
        series(
            "API errors by method",
            [target(f"sum by (method, code) ({bad}) > 0", "{{method}} {{code}}")],
            unit="none",
            width=6,
            bars=True,
            no_value="Every request has been answered well in the time range",
            description="Requests that were answered with anything but 2xx, or not at all, per step.",
        ),
        series(
            "API latency, 90 %",
            [target(quantile_by("method", "api_request_duration_seconds"), "{{method}}")],
            unit="s",
            width=6,
            interval="5m",
            steps=((None, "transparent"), (10, ORANGE)),
            no_value=NO_SCRAPE,
            description="Nine of ten answers of Airbyte's API took at most this long. Above ten seconds (the "
            "dashed line) Airbyte is in trouble; airbyte.timeout is 30 seconds by default.",
        ),
        ranking(
            "API requests by method",
            methods,
            "{{method}}",
            width=6,
            no_value=NO_SCRAPE,
            description="Requests in the time range.",
        ),
    ]


def notifications() -> list[Json]:
    """Show the talk with the receivers, and what it is about."""
    incidents = f"max by (instance, rule, severity) ({exporter('airbyte_exporter_alerts')})"
    return [
        series(
            "Attempts to deliver",
            [target(increase_by("receiver, outcome", "notifications_total"), "{{receiver}} {{outcome}}")],
            unit="none",
            width=8,
            bars=True,
            no_value="Nothing had to be delivered, or the exporter has no receiver",
            description="Attempts to deliver notifications by receiver and outcome, per step.",
        ),
        series(
            "Queue of notifications",
            [target(f"sum({exporter('airbyte_exporter_notification_queue_length')})", "waiting")],
            unit="none",
            width=8,
            no_value=NO_QUEUE,
            description="Notifications that have not been delivered yet. A hill: a receiver was away.",
        ),
        series(
            "Open incidents",
            [target(or_zero(f"sum by (rule, severity) ({incidents})", BUILD), "{{rule}} {{severity}}")],
            unit="none",
            width=8,
            no_value=NO_SCRAPE,
            description="Incidents that are firing, by rule.",
        ),
    ]


def process() -> list[Json]:
    """Show the process itself."""
    by_instance = (
        ("Memory", f"max by (instance) ({exporter(MEMORY)})", "bytes", "Resident memory."),
        (
            "CPU",
            f"sum by (instance) (rate({exporter('process_cpu_seconds_total')}[{RATE}]))",
            "percentunit",
            "Share of one core.",
        ),
        (
            "Series on the page",
            f"max by (instance) ({exporter('airbyte_exporter_series')})",
            "short",
            "Series with facts about Airbyte that a scrape returns: what Prometheus has to store.",
        ),
        (
            "Open files",
            f"max by (instance) ({exporter('process_open_fds')})",
            "none",
            "Open file descriptors. A line that keeps climbing is a leak.",
        ),
        (
            "Since the start",
            age(f"max by (instance) ({exporter('process_start_time_seconds')})"),
            "s",
            "Time since the exporter was started. A saw: it is restarted again and again.",
        ),
        (
            "Garbage collections",
            f"sum by (generation) (increase({exporter('python_gc_collections_total')}[{RATE}]))",
            "none",
            "Collections of Python's garbage collector by generation, per step.",
        ),
    )
    return [
        series(
            title,
            [target(expression, "{{generation}}" if "generation" in expression else "{{instance}}")],
            unit=unit,
            width=8,
            interval="5m",
            no_value=NO_SCRAPE,
            description=description,
        )
        for title, expression, unit, description in by_instance
    ]


BUILD_FIELDS = {"instance": "Instance", "version": "Exporter", "python_version": "Python"}
AIRBYTE_FIELDS = {
    "instance": "Instance",
    "version": "Airbyte",
    "edition": "Edition",
    "api": "API",
    "auth": "Authentication",
}
PYTHON_FIELDS = {
    "instance": "Instance",
    "implementation": "Python",
    "version": "Version",
}
MODE_FIELDS = {"instance": "Instance", "loop": "Loop", "mode": "Mode"}


def _labels(title: str, family: str, fields: dict[str, str], description: str, empty: str) -> Json:
    query = f"max by ({', '.join(fields)}) ({exporter(family)})"
    return labels_table(title, query, fields, description=description, no_value=empty, width=12, height=5)


def versions() -> list[Json]:
    """Tell which versions are at work, and how Airbyte is read."""
    workspaces = summed(exporter("airbyte_workspace_info"), "", "workspace_id")

    def labels(title: str, family: str, fields: dict[str, str], description: str, empty: str) -> Json:
        query = f"max by ({', '.join(fields)}) ({exporter(family)})"
        return labels_table(title, query, fields, description=description, no_value=empty, width=12, height=5)

    return [
        _labels(
            "Exporters",
            "airbyte_exporter_build_info",
            BUILD_FIELDS,
            "Version of each exporter and of its Python.",
            NO_SCRAPE,
        ),
        _labels(
            "Airbytes",
            "airbyte_instance_info",
            AIRBYTE_FIELDS,
            "Version and edition of Airbyte, and the API and authentication that are used.",
            "No data: Airbyte has not been read yet, or not for too long",
        ),
        _labels(
            "How Airbyte is read",
            "airbyte_exporter_poll_info",
            MODE_FIELDS,
            "How each loop reads: changes (what changed, of all connections at once), workspaces (the same "
            "by workspace) or connections (each one is asked for its jobs, which costs the most requests).",
            "No data: no poll has been complete since the exporter's start",
        ),
        _labels("Python", "python_info", PYTHON_FIELDS, "The interpreter that runs the exporter.", NO_SCRAPE),
        stat(
            "Workspaces",
            workspaces,
            steps=((None, BLUE),),
            width=12,
            description="Workspaces that the exporter sees.",
            no_value="No data: Airbyte has not been read yet, or not for too long",
        ),
        series(
            "Versions over time",
            [
                target(f"sum by (version) ({exporter(name)})", f"{whose} {{{{version}}}}")
                for name, whose in (
                    ("airbyte_exporter_build_info", "exporter"),
                    ("airbyte_instance_info", "Airbyte"),
                )
            ],
            unit="none",
            width=12,
            no_value=NO_SCRAPE,
            description="How many run each version of the exporter and of Airbyte: did it begin with an "
            "upgrade?",
        ),
    ]


def exporter_dashboard() -> Json:
    """Build the dashboard."""
    return dashboard(
        EXPORTER_UID,
        "Airbyte exporter",
        "The exporter itself: polls, requests to Airbyte, notifications, memory, series, versions.",
        tag=TAG,
        links=links(),
        variables=targets(),
        panels=lay_out(
            ("How it is", condition(), False),
            ("Loops", loops(), False),
            ("Airbyte's API", airbyte(), False),
            ("Notifications", notifications(), False),
            ("Process", process(), False),
            ("Versions", versions(), False),
        ),
    )
