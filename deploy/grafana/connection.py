"""The dashboard *Airbyte connection*: the life of one connection, told against its own past."""

from panels import (
    BLUE,
    CONNECTION_UID,
    GREEN,
    GREY,
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
    timeline,
    value_mapping,
)
from queries import LATE_AFTER, RATE, age, grown, grown_in_range, one
from tables import labels_table
from variables import TAG, connection_variable, links, targets

NEVER_SYNCED = "It has never finished a sync that Airbyte still tells of, or Airbyte cannot be read"
NO_LIVE_JOB = "No job runs or waits now, or Airbyte cannot be read"
NO_NUMBERS = (
    "Airbyte recorded no numbers for its newest sync, it has never finished one, or Airbyte cannot be read"
)

STATES: dict[str, dict[str, tuple[str, str]]] = {
    "status": {
        "active": ("active", GREEN),
        "inactive": ("inactive", GREY),
        "locked": ("locked", ORANGE),
        "deprecated": ("deleted", GREY),
        "unknown": ("unknown", "yellow"),
    },
    "last_sync_status": {
        "succeeded": ("succeeded", GREEN),
        "failed": ("failed", RED),
        "cancelled": ("cancelled", GREY),
        "unknown": ("unknown", "yellow"),
    },
    "active_job_status": {
        "pending": ("pending", ORANGE),
        "queued": ("queued", ORANGE),
        "running": ("running", BLUE),
        "incomplete": ("between attempts", "purple"),
        "unknown": ("unknown", "yellow"),
    },
    "schema_change": {
        "none": ("no change", GREEN),
        "non_breaking": ("changed", ORANGE),
        "breaking": ("breaking change", RED),
        "unknown": ("unknown", "yellow"),
    },
}
"""What each status family can say: how it is shown, and in which colour."""

ON_TIME, OVERDUE = 90, 91


def _coded(family: str, number: int) -> str:
    """Write the status that holds as one number, from `number` on."""
    label = "change" if family == "schema_change" else "status"
    each = (
        f"(max({one(family, f'{label}={chr(34)}{value}{chr(34)}')}) == 1) * {number + place}"
        for place, value in enumerate(STATES[family])
    )
    return " or ".join(each)


def _codes() -> dict[str, int]:
    return {family: 10 * (place + 1) for place, family in enumerate(STATES)}


def value(name: str, matchers: str = "") -> str:
    """Read a family of the connection, whichever exporter tells it."""
    return f"max({one(name, matchers)})"


def stamp(name: str) -> str:
    """Read a timestamp of the connection."""
    return value(f"{name}_timestamp_seconds")


def who() -> list[Json]:
    """Say which connection it is."""
    fields = {
        "connection_name": "Connection",
        "workspace_name": "Workspace",
        "source_name": "Source",
        "source_connector": "Source connector",
        "source_connector_version": "Version",
        "destination_name": "Destination",
        "destination_connector": "Destination connector",
        "destination_connector_version": "Version ",
        "schedule_type": "Schedule",
        "tags": "Tags",
        "connection_id": "Connection id",
    }
    return [
        labels_table(
            "Connection",
            f"group by ({', '.join(fields)}) ({one('info')})",
            fields,
            description="Names, connectors and tags as Airbyte has them now.",
            no_value="Airbyte knows no such connection, or Airbyte cannot be read",
        )
    ]


def now() -> list[Json]:
    """Say in numbers how it is now."""
    interval = value("schedule_interval_seconds")
    success = stamp("last_success")
    return [
        stat(
            "Since last success",
            age(success),
            unit="s",
            decimals=1,
            description="How old the data in the destination is.",
            no_value="It has never succeeded, as far as Airbyte still tells, or Airbyte cannot be read",
        ),
        stat(
            "Intervals since success",
            f"({age(success)}) / {interval}",
            decimals=1,
            steps=((None, GREEN), (1.5, ORANGE), (2, RED)),
            description="The age of the data in intervals of its own schedule: above 2 is late.",
            no_value="It has no schedule, or has never succeeded, or Airbyte cannot be read",
        ),
        stat(
            "Next run in",
            f"{stamp('next_run')} - time()",
            unit="s",
            decimals=1,
            steps=((None, RED), (-LATE_AFTER, ORANGE), (0, GREEN)),
            description="Time until the next run is due by the schedule; below 0 it is overdue.",
            no_value="It is not active, or has no schedule, or Airbyte cannot be read",
        ),
        stat(
            "Interval",
            interval,
            unit="s",
            decimals=1,
            description="Time between two runs by the schedule; of a cron schedule, at most.",
            no_value="It has no schedule, or Airbyte cannot be read",
        ),
        stat(
            "Failures in a row",
            value("consecutive_failures"),
            steps=((None, GREEN), (1, ORANGE), (3, RED)),
            description="Failed syncs since the last success; cancelled ones change nothing.",
            no_value="Airbyte knows no such connection, or Airbyte cannot be read",
        ),
        stat(
            "Attempts of the last sync",
            value("last_sync_attempts"),
            steps=((None, GREEN), (2, ORANGE)),
            description="How many attempts the newest finished sync took.",
            no_value=NEVER_SYNCED,
        ),
        *_past(),
    ]


def _past() -> list[Json]:
    """Say when things were."""
    whens = (
        (
            "Since last failure",
            "last_failure",
            "Since the newest failed sync ended.",
            "It has never failed, or Airbyte cannot be read",
        ),
        ("Since last sync began", "last_sync_start", "Since its first attempt.", NEVER_SYNCED),
        ("Since last sync ended", "last_sync_end", "Since the newest sync ended, however.", NEVER_SYNCED),
        (
            "Since it was created",
            "created",
            "Age of the connection.",
            "This API does not tell, or Airbyte cannot be read",
        ),
    )
    yes_no = value_mapping({"0": ("no", ORANGE), "1": ("yes", GREEN)})
    return [
        *(
            stat(title, age(stamp(name)), unit="s", decimals=1, description=told, no_value=empty)
            for title, name, told, empty in whens
        ),
        stat(
            "Has numbers",
            value("last_sync_has_stats"),
            mappings=[yes_no],
            steps=((None, ORANGE), (1, GREEN)),
            description="Whether Airbyte recorded any numbers for the newest finished sync.",
            no_value="That cannot be told of its newest sync, or Airbyte cannot be read",
        ),
        stat(
            "Partial success",
            value("last_sync_partial_success"),
            mappings=[value_mapping({"0": ("nothing committed", RED), "1": ("some committed", ORANGE)})],
            steps=((None, RED), (1, ORANGE)),
            description="Whether the newest sync, which failed or was cancelled, committed some records.",
            no_value="The newest sync succeeded, or Airbyte does not say, or Airbyte cannot be read",
        ),
    ]


def life() -> list[Json]:
    """Show its states over time."""
    codes = _codes()
    due = value("next_run_timestamp_seconds")
    titles = {
        "status": "Connection",
        "last_sync_status": "Last sync",
        "active_job_status": "Live job",
        "schema_change": "Schema",
    }
    texts = {
        str(codes[family] + place): shown
        for family, states in STATES.items()
        for place, shown in enumerate(states.values())
    }
    texts |= {str(ON_TIME): ("on time", GREEN), str(OVERDUE): ("due", ORANGE)}
    return [
        timeline(
            "Status over time",
            [
                *((titles[family], _coded(family, codes[family])) for family in STATES),
                ("Schedule", f"({due} < bool time()) + {ON_TIME}"),
            ],
            texts,
            description="The connection's own status, how its newest finished sync ended, its live job, what "
            "Airbyte says of the source's schema, and whether a run is due by the schedule. A gap: nothing "
            "was known, there was no live job, or it has no schedule.",
            no_value="Nothing is known of it in the time range: it is not scraped, or did not exist",
        )
    ]


def duration() -> list[Json]:
    """Show how long syncs took and waited, against the past, and how far the live job is."""
    return [
        _against_past(
            "Duration against its past",
            "last_sync_duration_seconds",
            [target(age(stamp("active_job_start")), "the live job so far")],
            "How long the newest finished sync took from its first attempt on, and the mean and the longest "
            "of seven days, weighted by how long each was the newest. The live job above the longest: stuck?",
        ),
        _against_past(
            "Queue against its past",
            "last_sync_queue_seconds",
            [
                target(
                    f"({age(stamp('active_job_created'))}) unless {stamp('active_job_start')}",
                    "the live job so far",
                )
            ],
            "How long the newest finished sync waited for its first attempt, and the mean and the longest of "
            "seven days. A queue that grows: workers are missing.",
        ),
        series(
            "Attempts and failures in a row",
            [
                target(value("last_sync_attempts"), "attempts of the last sync"),
                target(value("consecutive_failures"), "failures in a row"),
            ],
            unit="none",
            width=8,
            step_line=True,
            steps=((None, "transparent"), (3, RED)),
            no_value=NEVER_SYNCED,
            description="How many attempts the newest finished sync took, and failed syncs since the last "
            "success. Three in a row (the dashed line) is when SyncFailing begins.",
        ),
    ]


def _against_past(title: str, family: str, more: list[Json], description: str) -> Json:
    week = f"{one(family)}[7d]"
    return series(
        title,
        [
            target(value(family), "newest sync"),
            target(f"max(avg_over_time({week}))", "mean of 7 days"),
            target(f"max(max_over_time({week}))", "longest in 7 days"),
            *more,
        ],
        unit="s",
        width=8,
        step_line=True,
        points=200,
        no_value=NEVER_SYNCED,
        description=description,
    )


def moved() -> list[Json]:
    """Show what syncs moved."""
    panels = []
    for kind, unit, states in (
        ("Records", "short", ("emitted", "synced", "rejected")),
        ("Bytes", "decbytes", ("emitted", "synced")),
    ):
        name = kind.lower()
        panels += [
            series(
                f"{kind} of the newest sync",
                [target(value(f"last_sync_{name}_{state}"), state) for state in states],
                unit=unit,
                step_line=True,
                no_value=NO_NUMBERS,
                description=f"{kind} that the source emitted and that were committed to the destination, of "
                "the newest finished sync at that time. Synced below emitted: something was lost on the way.",
            ),
            series(
                f"{kind} per step",
                [target(f"sum(increase({one(f'{name}_{state}_total')}[{RATE}]))", state) for state in states],
                unit=unit,
                bars=True,
                stacked=False,
                no_value=NO_SCRAPE,
                description=f"{kind} of all jobs that ended in a step, failed and cancelled ones included.",
            ),
        ]
    return panels


def ends() -> list[Json]:
    """Show how jobs and attempts ended, and why attempts failed."""
    attempts = f"sum by (status) (increase({one('attempts_total')}[{RATE}]))"
    jobs = grown(one("jobs_total"), RATE, "connection_id, job_type, status")
    kinds = grown_in_range(one("failures_total"), "failure_origin", "failure_type")
    return [
        series(
            "Jobs that ended",
            [target(f"sum by (job_type, status) ({jobs}) > 0", "{{job_type}} {{status}}")],
            unit="none",
            width=8,
            bars=True,
            no_value="No job of it has ended in the time range, as far as was counted, or it is not scraped",
            description="Jobs that ended, resets and clears too, per step.",
        ),
        series(
            "Attempts that ended",
            [target(attempts, "{{status}}")],
            unit="none",
            width=8,
            bars=True,
            no_value=NO_SCRAPE,
            description="Attempts of syncs by how they ended, counted when their sync ends, per step.",
        ),
        ranking(
            "Failed attempts by origin and type",
            f"topk(15, sum by (failure_origin, failure_type) ({kinds}) > 0)",
            "{{failure_origin}}: {{failure_type}}",
            description="Failed attempts in the time range, by their first failure. What the failure said is "
            "in the exporter's alerts and in `airbyte-exporter jobs show`.",
            no_value="No attempt has failed in the time range, as far as was counted, or it is not scraped",
        ),
    ]


def live() -> list[Json]:
    """Show the job that it has now."""
    whens = (
        ("Live job: since created", "active_job_created", "Since the job was created."),
        ("Live job: since started", "active_job_start", "Since its first attempt."),
    )
    volumes = (
        ("Live job: records", "active_job_records_emitted", "short"),
        ("Live job: bytes", "active_job_bytes_emitted", "decbytes"),
    )
    return [
        *(
            stat(
                title,
                age(stamp(name)),
                unit="s",
                decimals=1,
                width=6,
                description=told,
                no_value=NO_LIVE_JOB,
            )
            for title, name, told in whens
        ),
        *(
            stat(
                title,
                value(name),
                unit=unit,
                width=6,
                description="What the source has emitted so far, where Airbyte tells it of live jobs.",
                no_value=f"{NO_LIVE_JOB}, or Airbyte tells no numbers of it",
            )
            for title, name, unit in volumes
        ),
    ]


def connection() -> Json:
    """Build the dashboard."""
    return dashboard(
        CONNECTION_UID,
        "Airbyte connection",
        "One connection's life: its states, how long its syncs take, what they move, why they fail.",
        tag=TAG,
        links=links(),
        variables=[*targets(), connection_variable(several=False)],
        panels=lay_out(
            ("${connection:text}", [*who(), *now()], False),
            ("Its states", [*life(), *live()], False),
            ("Its syncs against their past", duration(), False),
            ("What it moves", moved(), False),
            ("How it ends", ends(), False),
        ),
    )
