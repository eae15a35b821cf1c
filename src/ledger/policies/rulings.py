"""Was a document signed in time? Decided under every reading of every rule that governs it, without a word.

The words are made from the same rulings by :mod:`ledger.policies.timeliness`, which also says what an extension does.
What is asked of a document (rules, readings, limits) depends on its kind, its program and the day of the service only,
so it is worked out once a day; a ruling then compares instants. All times here are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Literal

import msgspec

from ledger.policies.calendar import Calendar
from ledger.policies.deadline_rules import Rating, Role, Rule, RuleBook, pick_rating, rule_book, split_selector
from ledger.policies.deadlines import Limit, instant, limit_of, program_calendar, reading_ids

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


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One rule (or rating) under one reading, as it is asked of the documents of one day.

    ``longer`` are the extension's limits under each of its readings, each with whether that one is adopted; ``partial``
    is the second limit of a rating. ``adopted`` marks the reading in force, ``is_default`` that nobody adopted one.
    """

    owner: Rule | Rating
    role: Role
    reading: str
    policy_version: str
    limit: Limit
    partial: Limit | None = None
    longer: tuple[tuple[Limit, bool], ...] = ()
    adopted: bool
    is_default: bool


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided on one question. ``due`` is the end of the limit that counted (``counted``).

    With an extension granted there is one ruling for each reading of the extension (``longer``). ``at_best`` is the
    best rating an unsigned note can still get. ``requested_late``: more time was asked for after the deadline.
    """

    question: Question
    outcome: Outcome
    counted: Limit
    due: datetime
    adopted: bool
    is_default: bool
    longer: Limit | None = None
    extension: ExtensionState | None = None
    requested_late: bool = False
    at_best: Outcome | None = None

    @property
    def extension_reading(self) -> str | None:
        """The reading of the extension's rule, where one was granted."""
        return None if self.longer is None else self.longer.reading.id


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a document at a moment: when the service ended, the signature, and a request for more time."""

    started: datetime
    signed_at: datetime | None
    as_at: datetime
    extension: Extension | None = None


def known(started: datetime, signed_at: datetime | None, as_at: datetime, extension: Extension | None = None) -> Known:
    """What is known at ``as_at``: a signature, a request or a decision made later is not yet.

    Raises ``ValueError`` for a time without an offset.
    """
    now = instant(as_at)
    signed = None if signed_at is None else instant(signed_at)
    return Known(
        started=instant(started),
        signed_at=signed if signed is not None and signed <= now else None,
        as_at=now,
        extension=_as_known(extension, now),
    )


def _as_known(extension: Extension | None, now: datetime) -> Extension | None:
    if extension is None or (requested := instant(extension.requested_at)) > now:
        return None
    decided = None if extension.decided_at is None else instant(extension.decided_at)
    if decided is None or decided > now:
        return Extension(requested_at=requested)
    return Extension(requested_at=requested, decided_at=decided, granted=extension.granted)


def questions(
    document: str,
    program: str,
    day: date,
    *,
    adopted: Mapping[str, str] | None = None,
    calendar: Calendar | None = None,
    book: RuleBook | None = None,
) -> tuple[Question, ...]:
    """Everything asked of a document whose service ended on ``day`` (in the agency's zone), in the rule book's order.

    Arguments and errors as for :func:`ledger.policies.timeliness.rate`.
    """
    used = book or rule_book()
    if not adopted and calendar is None and used is rule_book():
        return _usual(document, program, day)
    return _ask(document, program, day, adopted or {}, calendar or program_calendar(program, None, book=used), used)


@lru_cache(maxsize=8192)
def _usual(document: str, program: str, day: date) -> tuple[Question, ...]:
    book = rule_book()
    return _ask(document, program, day, {}, program_calendar(program, None, book=book), book)


def _ask(
    document: str, program: str, day: date, adopted: Mapping[str, str], days: Calendar, book: RuleBook
) -> tuple[Question, ...]:
    rules, ratings = book.governing(document, program, day)
    extensions = [rule for rule in rules if rule.role == "extension"]
    asked: list[Question] = []
    for rule in rules:
        if rule.role not in ("policy", "state"):
            continue
        longer = [
            (limit_of(one.id, selector, day, days, book), mine)
            for one in (extensions if rule.role == "policy" else ())
            for selector, mine in _selectors(reading_ids(one, day), adopted.get(one.id, one.default))
        ]
        for selector, mine in _selectors(reading_ids(rule, day), adopted.get(rule.id, rule.default)):
            limit = limit_of(rule.id, selector, day, days, book)
            asked.append(
                Question(
                    owner=rule,
                    role=rule.role,
                    reading=limit.reading.id,
                    policy_version=limit.policy_version,
                    limit=limit,
                    longer=tuple(longer),
                    adopted=mine,
                    is_default=mine and rule.id not in adopted,
                )
            )
    for rating in ratings:
        ids = list(dict.fromkeys(row.id for row in rating.readings if row.in_force(day)))
        for selector, mine in _selectors(ids, adopted.get(rating.id, rating.default)):
            row = pick_rating(rating, selector, day)
            asked.append(
                Question(
                    owner=rating,
                    role="rating",
                    reading=row.id,
                    policy_version=row.policy_version,
                    limit=limit_of(rating.full_rule, row.full, day, days, book),
                    partial=limit_of(rating.partial_rule, row.partial, day, days, book),
                    adopted=mine,
                    is_default=mine and rating.id not in adopted,
                )
            )
    return tuple(asked)


def _selectors(ids: list[str], chosen: str) -> list[tuple[str, bool]]:
    """Every reading in force on the day of the service, and whether it is the adopted one."""
    reading = split_selector(chosen)[0]
    if reading not in ids:  # pick() then says whether it is unknown or not in force
        return [(found, False) for found in ids] + [(chosen, True)]
    return [(chosen, True) if found == reading else (found, False) for found in ids]


def decide(asked: tuple[Question, ...], facts: Known, adopted: Mapping[str, str] | None = None) -> list[Ruling]:
    """The ruling on every question; with an extension granted, one for each reading of the extension."""
    rulings: list[Ruling] = []
    for question in asked:
        if question.role == "rating":
            rulings.append(_rating(question, facts))
            continue
        due = question.limit.due(facts.started)
        state, late = _request(facts, due) if question.longer else (None, False)
        if state != "granted":
            rulings.append(
                Ruling(
                    question=question,
                    outcome=in_time(due, facts),
                    counted=question.limit,
                    due=due,
                    adopted=question.adopted,
                    is_default=question.is_default,
                    extension=state,
                    requested_late=late,
                )
            )
            continue
        for longer, mine in question.longer:
            extended = longer.due(facts.started)
            # More time never means less: an extension that ends first leaves the deadline itself.
            counted, end = (question.limit, due) if extended <= due else (longer, extended)
            rulings.append(
                Ruling(
                    question=question,
                    outcome=in_time(end, facts),
                    counted=counted,
                    due=end,
                    adopted=question.adopted and mine,
                    is_default=question.is_default and longer.rule.id not in (adopted or {}),
                    longer=longer,
                    extension=state,
                    requested_late=late,
                )
            )
    return rulings


def _rating(question: Question, facts: Known) -> Ruling:
    full = question.limit.due(facts.started)
    at = facts.signed_at or facts.as_at
    grade: Outcome = "non"
    if at <= full:
        grade = "full"
    elif question.partial is not None and at <= question.partial.due(facts.started):
        grade = "partial"
    unsigned: Outcome = "pending" if grade == "full" else "overdue"
    return Ruling(
        question=question,
        outcome=grade if facts.signed_at is not None else unsigned,
        counted=question.limit,
        due=full,
        adopted=question.adopted,
        is_default=question.is_default,
        at_best=grade if facts.signed_at is None else None,
    )


def in_time(due: datetime, facts: Known) -> Outcome:
    """Whether it was signed by an instant, or can still be."""
    if facts.signed_at is None:
        return "pending" if facts.as_at <= due else "overdue"
    return "on_time" if facts.signed_at <= due else "late"


def _request(facts: Known, due: datetime) -> tuple[ExtensionState | None, bool]:
    """What became of the request for more time, and whether it was made after the deadline."""
    request = facts.extension
    if request is None:
        return None, False
    late = request.requested_at > due
    if facts.signed_at is not None and request.requested_at >= facts.signed_at:
        return "asked_after_signature", late
    if request.decided_at is None:
        return "undecided", late
    return ("granted" if request.granted else "refused"), late
