"""When a schedule of either kind is due, and how long it usually waits."""

from airbyte_exporter.model import Schedule, ScheduleType
from airbyte_exporter.schedules._cron import CronExpression
from airbyte_exporter.schedules._invalid import InvalidSchedule

__all__ = ["next_due", "problem", "usual_gap"]


def next_due(schedule: Schedule, after: int) -> int | None:
    """Return when a run is due after one at `after`, both in epoch seconds.

    A basic schedule counts its interval from there, a cron schedule fires strictly after it. ``None`` where
    nothing is due: manual schedules, those that are not known, and what Quartz rejects or never fires.
    """
    if schedule.type is not ScheduleType.CRON:
        interval = schedule.interval
        return None if interval is None else after + interval
    cron = _cron(schedule)
    return cron.next_after(after) if isinstance(cron, CronExpression) else None


def usual_gap(schedule: Schedule, seen_at: int) -> int | None:
    """Return for how many seconds nothing may be due by a schedule.

    It is the interval of a basic schedule, and of a cron schedule the longest gap between two of the 60 fire
    times after `seen_at`, in epoch seconds. ``None`` for other schedules, for what Quartz rejects, and for
    what it fires once at most.
    """
    if schedule.type is not ScheduleType.CRON:
        return schedule.interval
    cron = _cron(schedule)
    return cron.longest_gap(seen_at) if isinstance(cron, CronExpression) else None


def problem(schedule: Schedule) -> str | None:
    """Return in one line why a cron schedule cannot be evaluated, ``None`` where nothing is wrong."""
    cron = _cron(schedule) if schedule.type is ScheduleType.CRON else None
    return str(cron) if isinstance(cron, InvalidSchedule) else None


def _cron(schedule: Schedule) -> CronExpression | InvalidSchedule:
    if schedule.cron_expression is None:
        return InvalidSchedule("Airbyte tells no cron expression")
    if schedule.cron_time_zone is None:
        return InvalidSchedule("Airbyte tells no time zone for the cron expression")
    try:
        return CronExpression.parse(schedule.cron_expression, schedule.cron_time_zone)
    except InvalidSchedule as exc:
        return exc
