"""Was a document signed in time? The verdict under every reading of every rule that governs it, with the reasons.

The verdicts are those of one moment, ``as_at``: a signature, a request or a decision made later is not known yet. The
adopted readings come in from outside (:mod:`ledger.policies.adoption`, by the date of the service) and are
marked; the others stand beside them.

An extension moves the employer's deadline only. It never shortens it, never touches the state's, and never changes a
Full / Partial / Non rating, which counts from the service. A request made after the deadline is accepted and
marked late. A request made after the note was signed extends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from ledger.policies.calendar import Calendar
from ledger.policies.deadline_rules import (
    Rating,
    Role,
    Rule,
    RuleBook,
    RuleError,
    pick_rating,
    rule_book,
    split_selector,
)
from ledger.policies.deadlines import Deadline, deadline, in_zone, instant, moment, program_calendar, reading_ids

#: ``full``, ``partial`` and ``non`` are PSC-14's ratings; ``pending`` is unsigned and not due, ``overdue`` unsigned and
#: past the (first) deadline.
Outcome = Literal["on_time", "late", "full", "partial", "non", "pending", "overdue"]
#: What became of the request for more time, as known at the moment asked about.
ExtensionState = Literal["granted", "refused", "undecided", "asked_after_signature"]


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """A request for more time, and the supervisor's decision. ``granted`` None is undecided. Times are aware."""

    requested_at: datetime
    decided_at: datetime | None = None
    granted: bool | None = None

    def __post_init__(self) -> None:
        if (self.decided_at is None) != (self.granted is None):
            raise ValueError("a decision has a time and an answer, or neither")
        if self.decided_at is not None and instant(self.decided_at) < instant(self.requested_at):
            raise ValueError("a request for more time was decided before it was made")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One rule under one reading. ``deadlines`` are all that went into it; ``due`` is the one that counted.

    ``adopted`` marks the reading in force, ``is_default`` that it is so only because nobody adopted one. With an
    extension granted, there is one verdict for each reading of the rule and of the extension's rule.
    ``at_best`` is the best rating an unsigned note can still get. ``requested_late`` marks a request for more time
    that was made after the deadline.
    """

    rule_id: str
    reading: str
    policy_version: str
    role: Role
    outcome: Outcome
    due: Deadline
    deadlines: tuple[Deadline, ...]
    reasons: tuple[str, ...]
    adopted: bool
    is_default: bool
    extension_reading: str | None = None
    extension: ExtensionState | None = None
    requested_late: bool = False
    at_best: Outcome | None = None


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """Every verdict on one document, as known at ``as_at``."""

    document: str
    program: str
    service_ended_at: datetime
    signed_at: datetime | None
    as_at: datetime
    verdicts: tuple[Verdict, ...]

    def under(self, rule_id: str, reading: str, extension_reading: str | None = None) -> Verdict:
        """The verdict of a rule under a reading; ``RuleError`` if that rule does not govern the document."""
        for verdict in self.verdicts:
            same = verdict.rule_id == rule_id and verdict.reading == reading
            if same and extension_reading in (None, verdict.extension_reading):
                return verdict
        raise RuleError(f"no verdict of {rule_id} read as {reading} on a {self.document} in {self.program}")

    def adopted(self, rule_id: str) -> Verdict | None:
        """The verdict of a rule under the adopted (or default) readings; None if it does not govern the document."""
        return next((v for v in self.verdicts if v.rule_id == rule_id and v.adopted), None)


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, once, for all rules: the moment, the signature as then known, and where the days come from."""

    started: datetime
    signed_at: datetime | None
    as_at: datetime
    extension: Extension | None
    adopted: Mapping[str, str]
    days: Calendar
    book: RuleBook

    def deadline(self, rule_id: str, selector: str) -> Deadline:
        return deadline(rule_id, selector, self.started, calendar=self.days, book=self.book)

    def selectors(self, rule: Rule) -> list[tuple[str, bool]]:
        """Every reading in force on the day of the service, and whether it is the adopted one."""
        chosen = self.adopted.get(rule.id, rule.default)
        return self._with_adopted(reading_ids(rule, self.started.date()), chosen)

    def rating_selectors(self, rating: Rating) -> list[tuple[str, bool]]:
        day = self.started.date()
        ids = list(dict.fromkeys(reading.id for reading in rating.readings if reading.in_force(day)))
        return self._with_adopted(ids, self.adopted.get(rating.id, rating.default))

    def _with_adopted(self, ids: list[str], chosen: str) -> list[tuple[str, bool]]:
        reading = split_selector(chosen)[0]
        if reading not in ids:  # pick() then says whether it is unknown or not in force
            return [(found, False) for found in ids] + [(chosen, True)]
        return [(chosen, True) if found == reading else (found, False) for found in ids]


def rate(
    document: str,
    program: str,
    service_ended_at: datetime,
    signed_at: datetime | None,
    *,
    extension: Extension | None = None,
    adopted: Mapping[str, str] | None = None,
    as_at: datetime,
    calendar: Calendar | str | None = None,
    book: RuleBook | None = None,
) -> Verdicts:
    """The verdict of every rule and rating that governs the document, under each of its readings.

    ``adopted`` maps a rule's id to the reading (``3-business-days`` or ``3-business-days@1``) in force for the date of
    the service; a rule that is missing from it goes by its default, and is marked so. ``calendar`` replaces the
    program's own. Raises :class:`~ledger.policies.deadline_rules.RuleError` for an unknown document, program or
    reading, and ``ValueError`` for a time without an offset. Source: PSC-13, PSC-14, CSS-7, BHIN 23-068.
    """
    used = book or rule_book()
    days = program_calendar(program, calendar, book=used)
    now = in_zone(as_at, days.zone)
    signed = None if signed_at is None else in_zone(signed_at, days.zone)
    asked = _Asked(
        started=in_zone(service_ended_at, days.zone),
        signed_at=signed if signed is not None and instant(signed) <= instant(now) else None,
        as_at=now,
        extension=_as_known(extension, now, days.zone),
        adopted=adopted or {},
        days=days,
        book=used,
    )
    rules, ratings = used.governing(document, program, asked.started.date())
    extensions = [rule for rule in rules if rule.role == "extension"]
    verdicts: list[Verdict] = []
    for rule in rules:
        if rule.role == "policy":
            verdicts += _policy(rule, extensions, asked)
        elif rule.role == "state":
            verdicts += [_state(rule, selector, mine, asked) for selector, mine in asked.selectors(rule)]
    for rating in ratings:
        verdicts += [_rating(rating, selector, mine, asked) for selector, mine in asked.rating_selectors(rating)]
    return Verdicts(
        document=document,
        program=program,
        service_ended_at=asked.started,
        signed_at=asked.signed_at,
        as_at=now,
        verdicts=tuple(verdicts),
    )


def _policy(rule: Rule, extensions: list[Rule], asked: _Asked) -> list[Verdict]:
    found: list[Verdict] = []
    for selector, mine in asked.selectors(rule):
        due = asked.deadline(rule.id, selector)
        is_default = mine and rule.id not in asked.adopted
        state, late, why = _extension(asked, due) if extensions else (None, False, ())
        if state != "granted":
            outcome, said = _in_time(due, asked)
            found.append(
                Verdict(
                    rule_id=rule.id,
                    reading=due.reading,
                    policy_version=due.policy_version,
                    role=rule.role,
                    outcome=outcome,
                    due=due,
                    deadlines=(due,),
                    reasons=(due.words(), *why, said),
                    adopted=mine,
                    is_default=is_default,
                    extension=state,
                    requested_late=late,
                )
            )
            continue
        for longer in extensions:
            for longer_selector, longer_mine in asked.selectors(longer):
                extended = asked.deadline(longer.id, longer_selector)
                counts, kept = (due, (_SHORTER,)) if due.met_by(extended.due) else (extended, ())
                outcome, said = _in_time(counts, asked)
                found.append(
                    Verdict(
                        rule_id=rule.id,
                        reading=due.reading,
                        policy_version=due.policy_version,
                        role=rule.role,
                        outcome=outcome,
                        due=counts,
                        deadlines=(due, extended),
                        reasons=(due.words(), *why, extended.words(), *kept, said),
                        adopted=mine and longer_mine,
                        is_default=is_default and longer.id not in asked.adopted,
                        extension_reading=extended.reading,
                        extension=state,
                        requested_late=late,
                    )
                )
    return found


_SHORTER = "The extension does not end after the deadline itself, and more time never means less: the deadline stands."


def _state(rule: Rule, selector: str, mine: bool, asked: _Asked) -> Verdict:
    due = asked.deadline(rule.id, selector)
    outcome, said = _in_time(due, asked)
    reasons = [due.words(), said]
    if asked.extension is not None:
        reasons.append("An extension given by the employer does not move the state's deadline.")
    if outcome == "late" and rule.when_late:
        reasons.append(f"{rule.when_late}.")
    return Verdict(
        rule_id=rule.id,
        reading=due.reading,
        policy_version=due.policy_version,
        role=rule.role,
        outcome=outcome,
        due=due,
        deadlines=(due,),
        reasons=tuple(reasons),
        adopted=mine,
        is_default=mine and rule.id not in asked.adopted,
    )


def _rating(rating: Rating, selector: str, mine: bool, asked: _Asked) -> Verdict:
    row = pick_rating(rating, selector, asked.started.date())
    full = asked.deadline(rating.full_rule, row.full)
    partial = asked.deadline(rating.partial_rule, row.partial)
    reasons = [f"Full: {full.words()}", f"Partial: {partial.words()}"]
    if full.met_by(partial.due):
        reasons.append(
            "The limit for Partial does not end after the limit for Full, so no note of this service is Partial."
        )
    at = asked.signed_at or asked.as_at
    grade: Outcome = "full" if full.met_by(at) else "partial" if partial.met_by(at) else "non"
    outcome: Outcome = grade
    if asked.signed_at is None:
        outcome = "pending" if grade == "full" else "overdue"
        reasons.append(f"Not signed at {moment(asked.as_at)}: at best {grade}.")
    else:
        reasons.append(f"Signed {moment(asked.signed_at)}: {grade}.")
    return Verdict(
        rule_id=rating.id,
        reading=row.id,
        policy_version=row.policy_version,
        role="rating",
        outcome=outcome,
        due=full,
        deadlines=(full, partial),
        reasons=tuple(reasons),
        adopted=mine,
        is_default=mine and rating.id not in asked.adopted,
        at_best=grade if asked.signed_at is None else None,
    )


def _in_time(due: Deadline, asked: _Asked) -> tuple[Outcome, str]:
    if asked.signed_at is None:
        if due.met_by(asked.as_at):
            return "pending", f"Not signed at {moment(asked.as_at)}: not due yet."
        return "overdue", f"Not signed at {moment(asked.as_at)}: overdue since {moment(due.due)}."
    on_time = due.met_by(asked.signed_at)
    early = "" if instant(asked.started) <= instant(asked.signed_at) else ", before the service had ended"
    said = f"Signed {moment(asked.signed_at)}{early}: {'on time' if on_time else 'late'}."
    return ("on_time" if on_time else "late"), said


def _extension(asked: _Asked, due: Deadline) -> tuple[ExtensionState | None, bool, tuple[str, ...]]:
    """What the request for more time does to this deadline: its state, whether it was made late, and the words."""
    request = asked.extension
    if request is None:
        return None, False, ()
    late = not due.met_by(request.requested_at)
    when = f"More time was asked for {moment(request.requested_at)}"
    when += f", after the deadline of {moment(due.due)}: accepted, and marked late" if late else ""
    if asked.signed_at is not None and instant(request.requested_at) >= instant(asked.signed_at):
        return "asked_after_signature", late, (f"{when}; the note was signed already, so nothing is extended.",)
    if request.decided_at is None:
        return "undecided", late, (f"{when}; not decided yet, so the deadline stands.",)
    if not request.granted:
        return "refused", late, (f"{when}; refused {moment(request.decided_at)}, so the deadline stands.",)
    after = asked.signed_at is not None and instant(asked.signed_at) < instant(request.decided_at)
    return (
        "granted",
        late,
        (f"{when}; granted {moment(request.decided_at)}{', after the signature' if after else ''}.",),
    )


def _as_known(extension: Extension | None, now: datetime, zone: str) -> Extension | None:
    """The request and decision as known at ``now``, with their times in the agency's zone."""
    if extension is None or instant(requested := in_zone(extension.requested_at, zone)) > instant(now):
        return None
    decided = None if extension.decided_at is None else in_zone(extension.decided_at, zone)
    if decided is None or instant(decided) > instant(now):
        return Extension(requested_at=requested)
    return Extension(requested_at=requested, decided_at=decided, granted=extension.granted)
