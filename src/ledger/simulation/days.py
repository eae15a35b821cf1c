"""Days and hours of the agency: local times as UTC instants, open days, and months."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from ledger.policies.calendar import Calendar

DAY = timedelta(days=1)


class Days:
    """The agency's zone and its calendar of open days."""

    def __init__(self, zone: ZoneInfo, calendar: Calendar) -> None:
        self.zone = zone
        self.calendar = calendar

    def at(self, day: date, hour: int, minute: int = 0) -> datetime:
        """A local time of a day as an instant (UTC); minutes may run over the hour."""
        start = datetime.combine(day, time(hour), self.zone).astimezone(UTC)
        return start + timedelta(minutes=minute)

    def local(self, moment: datetime) -> datetime:
        """An instant as people write it here: local time with its plain UTC offset."""
        here = moment.astimezone(self.zone)
        return here.replace(tzinfo=timezone(here.utcoffset() or timedelta(0)), fold=0)

    def date_of(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def open(self, day: date) -> bool:
        return self.calendar.is_business_day(day)

    def next_open(self, day: date, count: int = 1) -> date:
        """The ``count``-th open day after ``day``."""
        return self.calendar.add_business_days(day, count)[0]

    def first_open(self, day: date) -> date:
        """``day`` itself if the offices are open, else the next open day."""
        return day if self.open(day) else self.next_open(day)

    def clock_change(self, day: date) -> bool:
        """Whether the clocks change in this day."""
        offsets = {datetime.combine(d, time(0), self.zone).utcoffset() for d in (day, day + DAY)}
        return len(offsets) > 1


def span(first: date, end: date) -> list[date]:
    """Every day from ``first`` to the day before ``end``."""
    return [first + n * DAY for n in range((end - first).days)]


def month_text(day: date) -> str:
    """The month of a day, as ``2025-11``."""
    return f"{day:%Y-%m}"
