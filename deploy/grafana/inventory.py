"""What there is, on the overview: by state and connector, and every connection, the worst first."""

from panels import NO_FACTS, Json, ranking, series, target
from queries import CONNECTORS, age, chosen, connection, exporter, per_id, summed, timestamp
from tables import FAILURES_CELL, number, since, status, table

# The age of the newest sync breaks ties, so that every column picks the same rows.
_LAST_END = age(timestamp("last_sync_end"))
_FAILURES = per_id(chosen(connection("consecutive_failures")))
WORST = f"topk($rows, ({_FAILURES} + on (connection_id) ({_LAST_END}) / 1e10) or {_FAILURES})"


def inventory() -> list[Json]:
    """Tell what there is, by state and connector."""
    filtered = exporter("airbyte_connections", CONNECTORS)
    facets = ("status", "source_connector", "destination_connector", "schedule_type")
    return [
        series(
            "Connections by state",
            [target(summed(filtered, "status", *facets[1:]), "{{status}}")],
            unit="none",
            width=6,
            no_value=NO_FACTS,
            description="Connections of the chosen connectors by Airbyte's status, in all workspaces.",
        ),
        *(
            ranking(
                title,
                f"topk(15, {summed(family, label, *others)})",
                f"{{{{{label}}}}}",
                width=6,
                no_value=NO_FACTS,
                description=description,
            )
            for title, label, family, others, description in (
                (
                    "Connections by kind of schedule",
                    "schedule_type",
                    filtered,
                    facets[:3],
                    "Connections of the chosen connectors: basic, cron or manual, in all workspaces.",
                ),
                (
                    "Sources by connector",
                    "source_connector",
                    exporter("airbyte_sources", 'source_connector=~"$source"'),
                    (),
                    "Sources, whether or not a connection uses them.",
                ),
                (
                    "Destinations by connector",
                    "destination_connector",
                    exporter("airbyte_destinations", 'destination_connector=~"$destination"'),
                    (),
                    "Destinations, whether or not a connection uses them.",
                ),
            )
        ),
        _everyone(),
    ]


def _everyone() -> Json:
    """List every connection, at most Rows."""
    return table(
        "All connections, the worst first",
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
        height=12,
    )
