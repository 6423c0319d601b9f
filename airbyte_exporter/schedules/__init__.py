"""When connections are meant to sync: Quartz cron expressions, and one rule for both kinds of schedules.

Pure: no clock, and nothing is read but time zones. Every instant is in epoch seconds.
"""

from airbyte_exporter.schedules._cron import CronExpression
from airbyte_exporter.schedules._due import next_due, problem, usual_gap
from airbyte_exporter.schedules._invalid import InvalidSchedule
from airbyte_exporter.schedules._runs import HISTORY, Runs

__all__ = ["HISTORY", "CronExpression", "InvalidSchedule", "Runs", "next_due", "problem", "usual_gap"]
