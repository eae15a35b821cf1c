"""Which reading of an ambiguous rule the agency goes by, from which day, and until when.

Every reading of a rule is a named policy version; adopting one is an event with an effective date. A changed rule never
rewrites what was decided under the old one.
"""

from __future__ import annotations

from datetime import date, datetime

from ledger.aggregates.base import Aggregate, Given, decides, refuse
from ledger.aggregates.programs import check_program
from ledger.aggregates.vocabulary import Command, Date, Event, Id, Label, Text, event
from ledger.errors import Reasons
from ledger.policies.adoptable import adoptable_readings, programs_of, rating_bounded_by, rules_of
from ledger.policies.calendar import CALENDAR_RULE, calendars
from ledger.policies.deadline_rules import rule_book

#: Events that belong to no chart and to no staff member are read by this key.
AGENCY_KEY = "agency"


@event("policy.adopted")
class PolicyAdopted(Event, frozen=True, kw_only=True):
    """The agency adopted a reading of a rule, for one program or for all, from a service date on."""

    rule_id: str
    reading: str
    program: str | None
    policy_version: str
    effective_from: date
    reason: str


@event("policy.retired")
class PolicyRetired(Event, frozen=True, kw_only=True):
    """The adopted reading ends; ``last_day`` is the last service date it covers."""

    rule_id: str
    reading: str
    program: str | None
    policy_version: str
    last_day: date
    reason: str


class AdoptPolicy(Command, frozen=True, kw_only=True):
    """Adopt a reading of a rule from a service date on."""

    NAME = "adopt-policy"
    policy_id: Id
    rule_id: Label
    reading: Label
    effective_from: Date
    policy_version: Label
    reason: Text
    program: Label | None = None


class RetirePolicy(Command, frozen=True, kw_only=True):
    """End an adopted reading; give the last service date it covers."""

    NAME = "retire-policy"
    policy_id: Id
    last_day: Date
    reason: Text


class Policy(Aggregate):
    """One adopted policy version; keyed by the agency."""

    KIND = "policy"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.key = AGENCY_KEY
        self.adopted: PolicyAdopted | None = None
        self.retired_on: date | None = None
        self.adopted_at: datetime | None = None

    def apply(self, event: Event, occurred_at: datetime) -> None:
        match event:
            case PolicyAdopted():
                self.adopted, self.adopted_at = event, occurred_at
            case PolicyRetired():
                self.retired_on = event.last_day
            case _:
                raise TypeError(f"a policy's stream cannot hold {event.TYPE}")

    def not_before(self, command: Command, given: Given) -> tuple[datetime, str] | None:
        """A reading is retired after it was adopted."""
        return (self.adopted_at, "the reading was adopted") if self.adopted_at else None

    @decides(AdoptPolicy, on="policy_id", creates=True)
    def adopt(self, command: AdoptPolicy, given: Given) -> None:
        reasons = Reasons()
        try:
            rules = adoptable_readings(command.effective_from)
        except LookupError:
            raise refuse(
                "effective_from", f"no rules are on file for {command.effective_from}", "check the year"
            ) from None
        readings = rules.get(command.rule_id)
        bounded = rating_bounded_by(command.rule_id)
        if bounded is not None:
            reasons.add(
                "rule_id",
                f"{command.rule_id} only bounds the rating {bounded}; a reading of it alone would change nothing",
                f"adopt a reading of {bounded}",
            )
        elif readings is None:
            reasons.add("rule_id", f"there is no rule {command.rule_id!r}", f"use one of {', '.join(rules)}")
        elif command.reading not in readings:
            reasons.add(
                "reading",
                f"{command.rule_id} has no reading {command.reading!r}",
                f"use one of {', '.join(readings)}",
            )
        else:
            versions = readings[command.reading]
            reasons.unless(
                command.policy_version in versions,
                "policy_version",
                f"this reading has no version {command.policy_version!r}",
                f"use one of {', '.join(versions)}",
            )
        known = command.program is None or check_program(reasons, command.program)
        if command.rule_id == CALENDAR_RULE and known:
            _check_calendar(reasons, command)
        elif command.program is not None and known:
            _check_governs(reasons, command, command.program)
        reasons.refuse_if_any()
        self.record(
            PolicyAdopted(
                rule_id=command.rule_id,
                reading=command.reading,
                program=command.program,
                policy_version=command.policy_version,
                effective_from=command.effective_from,
                reason=command.reason,
            ),
            given.occurred_at,
        )

    @decides(RetirePolicy, on="policy_id")
    def retire(self, command: RetirePolicy, given: Given) -> None:
        reasons = Reasons()
        adopted = self.adopted
        if adopted is None:
            raise TypeError("a policy stream begins with its adoption")
        reasons.unless(self.retired_on is None, "policy_id", f"this policy was retired as of {self.retired_on}")
        reasons.unless(
            command.last_day >= adopted.effective_from, "last_day", f"it took effect on {adopted.effective_from}"
        )
        reasons.refuse_if_any()
        self.record(
            PolicyRetired(
                rule_id=adopted.rule_id,
                reading=adopted.reading,
                program=adopted.program,
                policy_version=adopted.policy_version,
                last_day=command.last_day,
                reason=command.reason,
            ),
            given.occurred_at,
        )


def _check_governs(reasons: Reasons, command: AdoptPolicy, program: str) -> None:
    """A reading adopted for one program is of a rule that the program goes by."""
    programs = programs_of(command.rule_id, command.effective_from)
    reasons.unless(
        programs is None or program in programs,
        "rule_id",
        f"{command.rule_id} is no rule of program {program}",
        f"adopt it for {' or '.join(programs or ())}, or for the whole agency; "
        f"{program} goes by {', '.join(rules_of(program, command.effective_from))}",
        "other-program",
    )


def _check_calendar(reasons: Reasons, command: AdoptPolicy) -> None:
    """A calendar is adopted for one program, and keeps its zone: days begin and end where the program is."""
    book = rule_book()
    own = next((one.calendar for one in book.programs if one.id == command.program), None)
    if own is None:
        reasons.unless(
            command.program is not None,
            "program",
            "a calendar is adopted for one program",
            f"name one of {', '.join(one.id for one in book.programs)}",
        )
        return
    zones = {one.id: one.zone for one in calendars().calendars}
    alike = [found for found, zone in zones.items() if zone == zones[own]]
    reasons.unless(
        command.reading in alike or command.reading not in zones,
        "reading",
        f"the calendar {command.reading} is of another zone than program {command.program}",
        f"use one of {', '.join(alike)}",
    )
