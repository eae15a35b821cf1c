"""The rule book of documentation deadlines: which rules there are, how each may be read, and what they govern.

This file only describes and checks ``data/deadlines.toml``; :mod:`ledger.policies.deadlines` does the arithmetic.
A rule (``PSC-13``) has several *readings* (``72-elapsed-hours``), a reading has versions, and a version, once
released, is never edited: a change is a new row with a new version and its own dates.
"""

from __future__ import annotations

import hashlib
from datetime import date
from functools import lru_cache
from typing import Literal, TypeVar

import msgspec

from ledger.policies.provenance import Provenance, load_data

#: What is counted. Hours are counted between instants; days after the day on which the clock started (day 0).
Unit = Literal["elapsed_hours", "calendar_days", "business_days"]
#: Whose deadline it is: the employer's, its extension, the state's, or a limit that only rates a note.
Role = Literal["policy", "extension", "state", "rating"]
#: What starts the clock.
Clock = Literal["service", "discharge", "release"]


class RuleError(LookupError):
    """A rule, reading, version, document or program the rule book does not have, or not on the day asked for."""


class _Row(Provenance, frozen=True, kw_only=True, forbid_unknown_fields=True):
    def __post_init__(self) -> None:
        if not self.source.strip():
            raise ValueError("a row needs a source")


class Reading(_Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to read a deadline rule, in one version: so many hours or days."""

    id: str
    version: str
    unit: Unit
    amount: int

    @property
    def limit(self) -> str:
        """The limit in words: ``72 elapsed hours``, ``1 business day``."""
        words = self.unit.replace("_", " ")
        return f"{self.amount} {words.removesuffix('s') if self.amount == 1 else words}"

    @property
    def policy_version(self) -> str:
        """The version's name and eight hex digits of the SHA-256 of what it says, so that an edit shows."""
        return _stamp(self.version, self.id, self.unit, str(self.amount), str(self.effective_from))


class Rule(_Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deadline rule and its readings. ``default`` is the reading where an agency has adopted none."""

    id: str
    title: str
    role: Role
    clock: Clock
    default: str
    readings: tuple[Reading, ...]
    when_late: str | None = None  # what a late document still allows, in the rule's own terms


class RatingReading(_Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to read a rating: which reading bounds Full, and which bounds Partial."""

    id: str
    version: str
    full: str
    partial: str

    @property
    def policy_version(self) -> str:
        """As :attr:`Reading.policy_version`. The limits themselves have versions of their own."""
        return _stamp(self.version, self.id, self.full, self.partial, str(self.effective_from))


class Rating(_Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Full / Partial / Non rating, made of two deadline rules."""

    id: str
    title: str
    full_rule: str
    partial_rule: str
    default: str
    readings: tuple[RatingReading, ...]


class Program(_Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program and the business-day calendar it goes by."""

    id: str
    title: str
    calendar: str


class Governance(_Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rules and ratings govern which documents of a program."""

    program: str
    documents: tuple[str, ...]
    rules: tuple[str, ...]
    ratings: tuple[str, ...] = ()


class RuleBook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything ``data/deadlines.toml`` says. Loading fails when a row names something that is not there."""

    rules: tuple[Rule, ...]
    ratings: tuple[Rating, ...]
    programs: tuple[Program, ...]
    governs: tuple[Governance, ...]

    def __post_init__(self) -> None:
        for rule in self.rules:
            _one_row_a_version(rule.id, rule.default, rule.readings)
        for rating in self.ratings:
            _one_row_a_version(rating.id, rating.default, rating.readings)
            for reading in rating.readings:
                self._expect(rating.full_rule, reading.full)
                self._expect(rating.partial_rule, reading.partial)
        programs = {program.id for program in self.programs}
        for row in self.governs:
            known = {rule.id for rule in self.rules}, {rating.id for rating in self.ratings}
            if row.program not in programs or not set(row.rules) <= known[0] or not set(row.ratings) <= known[1]:
                raise ValueError(f"a governance row of {row.program} names a program, rule or rating that is not there")

    def _expect(self, rule_id: str, reading_id: str) -> None:
        if not any(rule.id == rule_id and any(r.id == reading_id for r in rule.readings) for rule in self.rules):
            raise ValueError(f"a rating names {rule_id} read as {reading_id}, which is not there")

    def rule(self, rule_id: str) -> Rule:
        """One deadline rule; :class:`RuleError` if there is none of that id."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise RuleError(f"no deadline rule {rule_id!r}; there are {', '.join(rule.id for rule in self.rules)}")

    def rating(self, rating_id: str) -> Rating:
        """One rating; :class:`RuleError` if there is none of that id."""
        for rating in self.ratings:
            if rating.id == rating_id:
                return rating
        raise RuleError(f"no rating {rating_id!r}; there are {', '.join(rating.id for rating in self.ratings)}")

    def rule_or_rating(self, found_id: str) -> Rule | Rating:
        """What an agency may adopt a reading of: a deadline rule or a rating."""
        if any(rating.id == found_id for rating in self.ratings):
            return self.rating(found_id)
        return self.rule(found_id)

    def program(self, program_id: str) -> Program:
        """One program; :class:`RuleError` if there is none of that id."""
        for program in self.programs:
            if program.id == program_id:
                return program
        raise RuleError(f"no program {program_id!r}; there are {', '.join(p.id for p in self.programs)}")

    def governing(self, document: str, program: str, day: date) -> tuple[tuple[Rule, ...], tuple[Rating, ...]]:
        """The rules and ratings that govern ``document`` in ``program`` on ``day``, in the file's order.

        Empty when the program's sources set no limit for that document. :class:`RuleError` for a program or a
        document that no row of the file knows, so that a misspelt one never passes for an ungoverned one.
        """
        if self is rule_book():
            return _governing(document, program, day)  # asked for every event of every note
        return self.find_governing(document, program, day)

    def governing_ids(self, document: str, program: str, day: date) -> tuple[str, ...]:
        """The ids of all that a verdict on ``document`` may rest on: what governs it, and what bounds its ratings.

        Empty where nothing sets a limit for that document, or no row knows it.
        """
        try:
            rules, ratings = self.governing(document, program, day)
        except RuleError:
            return ()
        bounding = (rule for rating in ratings for rule in (rating.full_rule, rating.partial_rule))
        return tuple(dict.fromkeys((*(r.id for r in rules), *(r.id for r in ratings), *bounding)))

    def programs_of(self, found_id: str) -> tuple[str, ...] | None:
        """The programs in which a rule or rating governs some document; None for one that the book does not have."""
        if found_id not in {rule.id for rule in self.rules} | {rating.id for rating in self.ratings}:
            return None
        named = [row.program for row in self.governs if found_id in (*row.rules, *row.ratings)]
        return tuple(dict.fromkeys(named))

    def find_governing(self, document: str, program: str, day: date) -> tuple[tuple[Rule, ...], tuple[Rating, ...]]:
        """As :meth:`governing`, looked up afresh."""
        self.program(program)
        if not any(document in row.documents for row in self.governs):
            known = sorted({name for row in self.governs for name in row.documents})
            raise RuleError(f"no document {document!r}; there are {', '.join(known)}")
        rows = [r for r in self.governs if r.program == program and document in r.documents and r.in_force(day)]
        rules = [rule for rule in self.rules if rule.in_force(day) and any(rule.id in row.rules for row in rows)]
        ratings = [found for found in self.ratings if found.in_force(day) and any(found.id in r.ratings for r in rows)]
        return tuple(rules), tuple(ratings)


def split_selector(selector: str) -> tuple[str, str | None]:
    """A reading as adopted: ``3-business-days``, or with a version, ``3-business-days@2``."""
    reading, at, version = selector.partition("@")
    return reading, version if at else None


def pick(rule: Rule, selector: str, day: date) -> Reading:
    """The row of a rule for a reading (and version, if the selector names one) in force on ``day``.

    Where two versions are in force and none is named, the later row of the file is taken.
    """
    return _pick(rule, rule.readings, selector, day)


def pick_rating(rating: Rating, selector: str, day: date) -> RatingReading:
    """As :func:`pick`, for a rating."""
    return _pick(rating, rating.readings, selector, day)


R = TypeVar("R", Reading, RatingReading)


def _pick(owner: Rule | Rating, rows: tuple[R, ...], selector: str, day: date) -> R:
    reading_id, version = split_selector(selector)
    named = [row for row in rows if row.id == reading_id and version in (None, row.version)]
    if not named:
        raise RuleError(f"{owner.id} has no reading {selector!r}; there are {', '.join(row.id for row in rows)}")
    found = [row for row in named if row.in_force(day)]
    if not found or not owner.in_force(day):
        raise RuleError(f"{owner.id} read as {selector} is not in force on {day}")
    return found[-1]


def _stamp(version: str, *said: str) -> str:
    return f"{version}+{hashlib.sha256('|'.join((version, *said)).encode()).hexdigest()[:8]}"


def _one_row_a_version(owner: str, default: str, readings: tuple[Reading, ...] | tuple[RatingReading, ...]) -> None:
    if default not in {reading.id for reading in readings}:
        raise ValueError(f"{owner}: the default {default} is none of its readings")
    versions = [(reading.id, reading.version) for reading in readings]
    if len(set(versions)) != len(versions):
        raise ValueError(f"{owner}: two rows give the same version of the same reading")


@lru_cache(maxsize=1)
def rule_book() -> RuleBook:
    """The rule book of ``data/deadlines.toml``."""
    return load_data("deadlines", RuleBook)


@lru_cache(maxsize=16_384)
def _governing(document: str, program: str, day: date) -> tuple[tuple[Rule, ...], tuple[Rating, ...]]:
    return rule_book().find_governing(document, program, day)
