"""Was a document signed in time? The verdict under every reading of every rule that governs it, with the reasons.

The verdicts are those of one moment, ``as_at``: a signature, a request or a decision made later is not known yet. The
adopted readings come in from outside (:mod:`ledger.policies.adoption`, by the date of the service) and are
marked; the others stand beside them. What is decided is decided by :mod:`ledger.policies.rulings`; here are its words.

An extension moves the employer's deadline only. It never shortens it, never touches the state's, and never changes a
Full / Partial / Non rating, which counts from the service. A request made after the deadline is accepted and
marked late. A request made after the note was signed extends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from ledger.policies.calendar import Calendar
from ledger.policies.deadline_rules import Role, Rule, RuleBook, RuleError, rule_book
from ledger.policies.deadlines import Deadline, Limit, deadline, in_zone, instant, moment, program_calendar
from ledger.policies.rulings import Extension, ExtensionState, Known, Outcome, Ruling, decide, known, questions

__all__ = ["Extension", "ExtensionState", "Outcome", "Verdict", "Verdicts", "rate"]


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
    started = in_zone(service_ended_at, days.zone)
    facts = known(started, signed_at, as_at, extension)
    own = None if calendar is None else days
    asked = questions(document, program, started.date(), adopted=adopted, calendar=own, book=used)
    telling = _Telling(facts=facts, started=started, days=days, book=used)
    return Verdicts(
        document=document,
        program=program,
        service_ended_at=started,
        signed_at=None if facts.signed_at is None else in_zone(facts.signed_at, days.zone),
        as_at=in_zone(as_at, days.zone),
        verdicts=tuple(telling.verdict(ruling) for ruling in decide(asked, facts, adopted)),
    )


class _Telling(msgspec.Struct, frozen=True, kw_only=True):
    """Tells what was decided: the facts as then known, and where the days come from."""

    facts: Known
    started: datetime
    days: Calendar
    book: RuleBook

    def verdict(self, ruling: Ruling) -> Verdict:
        question = ruling.question
        second = question.partial or ruling.longer
        due, other = self._deadline(question.limit), None if second is None else self._deadline(second)
        if other is not None and question.role == "rating":
            reasons = self._rating(ruling, due, other)
        elif question.role == "state":
            reasons = self._state(ruling, due)
        else:
            reasons = self._policy(ruling, due, other)
        return Verdict(
            rule_id=question.owner.id,
            reading=question.reading,
            policy_version=question.policy_version,
            role=question.role,
            outcome=ruling.outcome,
            due=due if other is None or ruling.counted is question.limit else other,
            deadlines=(due,) if other is None else (due, other),
            reasons=tuple(reasons),
            adopted=ruling.adopted,
            is_default=ruling.is_default,
            extension_reading=ruling.extension_reading,
            extension=ruling.extension,
            requested_late=ruling.requested_late,
            at_best=ruling.at_best,
        )

    def _deadline(self, limit: Limit) -> Deadline:
        return deadline(limit.rule.id, limit.selector, self.started, calendar=self.days, book=self.book)

    def _at(self, at: datetime) -> str:
        return moment(in_zone(at, self.days.zone))

    def _policy(self, ruling: Ruling, due: Deadline, extended: Deadline | None) -> list[str]:
        reasons = [due.words(), *self._request(ruling, due)]
        if extended is not None:
            reasons.append(extended.words())
            if ruling.counted is not ruling.longer:
                reasons.append(_SHORTER)
        return [*reasons, self._in_time(extended if ruling.counted is ruling.longer and extended else due)]

    def _state(self, ruling: Ruling, due: Deadline) -> list[str]:
        reasons = [due.words(), self._in_time(due)]
        if self.facts.extension is not None:
            reasons.append("An extension given by the employer does not move the state's deadline.")
        owner = ruling.question.owner
        if ruling.outcome == "late" and isinstance(owner, Rule) and owner.when_late:
            reasons.append(f"{owner.when_late}.")
        return reasons

    def _rating(self, ruling: Ruling, full: Deadline, partial: Deadline) -> list[str]:
        reasons = [f"Full: {full.words()}", f"Partial: {partial.words()}"]
        if full.met_by(partial.due):
            reasons.append(
                "The limit for Partial does not end after the limit for Full, so no note of this service is Partial."
            )
        if self.facts.signed_at is None:
            return [*reasons, f"Not signed at {self._at(self.facts.as_at)}: at best {ruling.at_best}."]
        return [*reasons, f"Signed {self._at(self.facts.signed_at)}: {ruling.outcome}."]

    def _in_time(self, due: Deadline) -> str:
        facts = self.facts
        if facts.signed_at is None:
            if due.met_by(facts.as_at):
                return f"Not signed at {self._at(facts.as_at)}: not due yet."
            return f"Not signed at {self._at(facts.as_at)}: overdue since {moment(due.due)}."
        early = "" if facts.started <= facts.signed_at else ", before the service had ended"
        return f"Signed {self._at(facts.signed_at)}{early}: {'on time' if due.met_by(facts.signed_at) else 'late'}."

    def _request(self, ruling: Ruling, due: Deadline) -> tuple[str, ...]:
        """What the request for more time does to this deadline, in words."""
        request = self.facts.extension
        if request is None or ruling.extension is None:
            return ()
        when = f"More time was asked for {self._at(request.requested_at)}"
        if ruling.requested_late:
            when += f", after the deadline of {moment(due.due)}: accepted, and marked late"
        if ruling.extension == "asked_after_signature":
            return (f"{when}; the note was signed already, so nothing is extended.",)
        if request.decided_at is None:
            return (f"{when}; not decided yet, so the deadline stands.",)
        if ruling.extension == "refused":
            return (f"{when}; refused {self._at(request.decided_at)}, so the deadline stands.",)
        signed = self.facts.signed_at
        after = signed is not None and signed < instant(request.decided_at)
        return (f"{when}; granted {self._at(request.decided_at)}{', after the signature' if after else ''}.",)


_SHORTER = "The extension does not end after the deadline itself, and more time never means less: the deadline stands."
