"""What a simulation is asked for, and what it tells afterwards."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime

import msgspec

from ledger.errors import BadInput

#: Fewer clients than this do not give every kind of coordinator somebody to work with.
FEWEST_CLIENTS = 8
MOST_CLIENTS = 20_000
MOST_MONTHS = 120
#: The quarter that holds the autumn clock change, Veterans Day, Thanksgiving with the day after, and Christmas.
DEFAULT_START = date(2025, 10, 1)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """``clients`` charts over ``months`` calendar months from ``start``; ``seed`` decides everything else.

    Raises ``BadInput`` for a number out of range.
    """

    clients: int = 40
    months: int = 3
    seed: int = 1
    start: date = DEFAULT_START

    def __post_init__(self) -> None:
        if not FEWEST_CLIENTS <= self.clients <= MOST_CLIENTS:
            raise BadInput(f"--clients: {self.clients} is out of range; use {FEWEST_CLIENTS} to {MOST_CLIENTS}")
        if not 1 <= self.months <= MOST_MONTHS:
            raise BadInput(f"--months: {self.months} is out of range; use 1 to {MOST_MONTHS}")

    @property
    def end(self) -> date:
        """The first day after the simulated period."""
        month = self.start.month - 1 + self.months
        year, month = self.start.year + month // 12, month % 12 + 1
        return date(year, month, min(self.start.day, monthrange(year, month)[1]))

    @property
    def token(self) -> str:
        """Everything that decides the outcome, as one text: the seed of every id and every choice."""
        return f"simulate/{self.seed}/{self.clients}/{self.months}/{self.start}"


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """The ids and moments of the told story: a chart with a history, and a note whose late signature is disputed.

    ``known_before`` lies between the request for more time and its grant; ``known_after`` when all was over.
    """

    chart_id: str
    note_id: str
    contact_id: str
    dispute_id: str
    author_id: str
    supervisor_id: str
    compliance_id: str
    biller_id: str
    administrator_id: str
    service_on: date
    policy_changed_on: date
    known_before: datetime
    known_after: datetime
    billing_month: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulation recorded: counts, the months it spans, the people, and the story to look at.

    ``refusals`` counts, by reason code, the commands that were meant to be refused (an incomplete note, a lapsed
    credential, a change of a signed note) and were.
    """

    options: Options
    first_day: date
    last_day: date
    events: int
    commands: int
    by_type: dict[str, int]
    refusals: dict[str, int]
    clients: tuple[str, ...]
    staff: dict[str, tuple[str, ...]]
    months: tuple[str, ...]
    story: Story
