"""The monthly review of note records (PSC-15): each staff member's notes, rated as adopted and under every reading.

This is where the adopted readings meet the rows of the timeliness view: by the date of the service, never by the date
of the review. A service whose note is not written yet counts as its verdict says: overdue, or not due yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime

import msgspec

from ledger.policies.adoption import Adoption, adopted_calendar, adopted_readings, known_by
from ledger.policies.deadline_rules import Rule, RuleBook, pick, pick_rating, rule_book, split_selector
from ledger.policies.deadlines import program_calendar
from ledger.projections.restating import (
    Names,
    Turned,
    as_known,
    learned,
    moved_before,
    settled_at,
    told_at,
    told_correction,
    turned,
)
from ledger.projections.service_notes import Rated, ServiceNote, rate_note, to_rated

#: What is not in time, in whole or in part.
LATE_OUTCOMES = ("late", "overdue", "partial", "non")
#: Not signed and not due yet: it counts for nothing until it is due.
NOT_DUE = "pending"
#: The reading under which a tally counts each service by what was adopted for its date.
AS_ADOPTED = "as adopted"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict on a service, and whether its reading is the adopted one (or the default, nobody having adopted).

    ``as_extended`` is false for a verdict whose extension is read otherwise than adopted: a what-if of a what-if.
    ``known_then`` is what the verdict in force was by what was known when the note was signed (a service without a
    signed note: when it ended), where that was another; or by the end first recorded, where a correction before the
    signature made the outcome.
    """

    rated: Rated
    adopted: bool
    is_default: bool
    as_extended: bool
    known_then: Rated | None = None


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How a staff member's services stand under one reading of one rule.

    ``counts`` is by outcome. ``percent`` is of the ``due`` ones, those that are signed or whose time is up, to a tenth.
    ``in_force`` names the readings that ``as adopted`` stands for.
    """

    program: str
    rule_id: str
    role: str
    reading: str
    due: int
    counts: dict[str, int]
    percent: dict[str, float]
    in_force: tuple[str, ...] = ()


class LateNote(msgspec.Struct, frozen=True, kw_only=True):
    """A service whose note was not in time under an adopted reading. Without ``note_id`` there is no note at all.

    ``restated_from`` are the verdicts that were others by what was known when the note was signed, as they were then.
    """

    client_id: str
    contact_id: str
    note_id: str | None
    program: str
    document: str
    state: str
    service_ended_at: str
    signed_at: str | None
    verdicts: tuple[Rated, ...]
    restated_from: tuple[Rated, ...]
    late_reason: str | None
    late_entry: str | None


class RestatedVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict in force that is another than it was when the note was signed, because of something recorded since.

    ``then`` is the verdict by what was known then (where a correction before the signature made the outcome: by the
    service's end first recorded), ``now`` the one in force; ``because`` says what turned it, when it
    was recorded, and by whom where it was a correction or a decision on more time (who adopted a policy, the trace
    says).
    """

    client_id: str
    contact_id: str
    note_id: str | None
    then: Rated
    now: Rated
    because: tuple[str, ...]


class StaffReview(msgspec.Struct, frozen=True, kw_only=True):
    """One staff member's month. ``in_error`` services are out of account; ``problems`` could not be rated, and why."""

    staff_id: str
    services: int
    signed: int
    drafts: int
    missing: int
    in_error: int
    tallies: tuple[Tally, ...]
    late: tuple[LateNote, ...]
    restated: tuple[RestatedVerdict, ...]
    problems: tuple[str, ...]


def standings(
    row: ServiceNote, adoptions: Iterable[Adoption], as_at: datetime, *, book: RuleBook | None = None
) -> tuple[Standing, ...]:
    """Every verdict on the note that stands, as known at ``as_at``, with the adopted ones marked.

    Empty for a service that no rule governs, or to which none could be applied (``row.problem``).
    """
    if row.problem is not None:
        return ()
    used, known = book or rule_book(), tuple(adoptions)
    now = _standings(row, known, as_at, used)
    then = {rule_id: was for rule_id, (was, _, _) in _turned(row, known, as_at, used).items()}
    return tuple(
        msgspec.structs.replace(s, known_then=then[s.rated.rule_id]) if s.adopted and s.rated.rule_id in then else s
        for s in now
    )


def _turned(
    row: ServiceNote, adoptions: tuple[Adoption, ...], as_at: datetime, used: RuleBook
) -> dict[str, tuple[Rated, Rated, Turned]]:
    """Of each rule in force, the verdict when it was settled, the one now, and what turned it; only where it turned."""
    note = row.note(row.note_id)
    settled, before = settled_at(row, note), moved_before(row, note)
    since = [one.recorded_at for one in learned(row, note, adoptions, _zone(row, used))]

    def judge(at: str, end_at: str | None = None) -> dict[str, Rated]:
        then = as_known(row, note, at, end_at=end_at)
        found = () if then.problem is not None else _standings(then, known_by(adoptions, at), as_at, used)
        return {standing.rated.rule_id: standing.rated for standing in found if standing.adopted}

    answer: dict[str, tuple[Rated, Rated, Turned]] = {}
    if before:
        ends = [one.recorded_at for one in before]
        answer = turned(lambda end_at: judge(settled, end_at), "", ends, lambda verdict: verdict.outcome)
    return answer | turned(judge, settled, since, _counted) if since else answer


def _counted(verdict: Rated) -> object:
    return verdict.reading, verdict.extension_reading, verdict.policy_version, verdict.outcome, verdict.due


def _zone(row: ServiceNote, used: RuleBook) -> str:
    return program_calendar(row.program, None, book=used).zone


def _standings(
    row: ServiceNote, adoptions: tuple[Adoption, ...], as_at: datetime, used: RuleBook
) -> tuple[Standing, ...]:
    day = date.fromisoformat(row.service_day)
    adopted = adopted_readings(adoptions, row.program, day, book=used)
    calendar = adopted_calendar(adoptions, row.program, day)
    rated = row.verdicts
    if row.state != "signed" or calendar is not None or not _versions_of_the_day(adopted, day, used):
        found = rate_note(row, row.note(row.note_id), as_at=as_at, adopted=adopted, calendar=calendar)
        rated = tuple(to_rated(verdict) for verdict in found.verdicts)
    rules, ratings = used.governing(row.document, row.program, day)
    chosen = {rule.id: rule.default for rule in rules} | {rating.id: rating.default for rating in ratings}
    chosen = {rule_id: split_selector(adopted.get(rule_id, default))[0] for rule_id, default in chosen.items()}
    longer = {rule.id: chosen[rule.id] for rule in rules if rule.role == "extension"}
    answer = []
    for verdict in rated:
        extended = verdict.extension_reading is not None
        as_extended = not extended or verdict.extension_reading in longer.values()
        mine = as_extended and verdict.reading == chosen.get(verdict.rule_id)
        nobody = verdict.rule_id not in adopted and not (extended and longer.keys() & adopted.keys())
        answer.append(Standing(rated=verdict, adopted=mine, is_default=mine and nobody, as_extended=as_extended))
    return tuple(answer)


def _versions_of_the_day(adopted: Mapping[str, str], day: date, book: RuleBook) -> bool:
    """Whether every adopted version is the one that the rows were rated by: the one in force on the service date."""
    for rule_id, selector in adopted.items():
        owner = book.rule_or_rating(rule_id)
        reading, version = split_selector(selector)
        row = pick(owner, reading, day) if isinstance(owner, Rule) else pick_rating(owner, reading, day)
        if version not in (None, row.version):
            return False
    return True


def review(
    rows: Sequence[ServiceNote], adoptions: Iterable[Adoption], as_at: datetime, name: Names = str
) -> tuple[StaffReview, ...]:
    """The review of these services, one entry for each staff member, as known at ``as_at``. Source: PSC-15.

    ``name`` gives the name of a staff member for the words that say who turned a verdict.
    """
    known = tuple(adoptions)
    staff = sorted({row.staff_id for row in rows})
    return tuple(_review_one(who, [row for row in rows if row.staff_id == who], known, as_at, name) for who in staff)


def _review_one(
    staff_id: str, rows: Sequence[ServiceNote], adoptions: tuple[Adoption, ...], as_at: datetime, name: Names
) -> StaffReview:
    counted = [row for row in rows if row.in_error is None]
    rated = [(row, standings(row, adoptions, as_at)) for row in counted]
    late = (_late(row, [found for found in verdicts if found.adopted]) for row, verdicts in rated)
    return StaffReview(
        staff_id=staff_id,
        services=len(counted),
        signed=sum(row.state == "signed" for row in counted),
        drafts=sum(row.state == "draft" for row in counted),
        missing=sum(row.state == "missing" for row in counted),
        in_error=len(rows) - len(counted),
        tallies=_tallies(rated),
        late=tuple(found for found in late if found is not None),
        restated=tuple(
            found
            for row, verdicts in rated
            if any(standing.known_then is not None for standing in verdicts)
            for found in _restated(row, adoptions, as_at, name)
        ),
        problems=tuple(f"contact {row.contact_id}: {row.problem}" for row in counted if row.problem is not None),
    )


def _late(row: ServiceNote, adopted: Sequence[Standing]) -> LateNote | None:
    late = tuple(standing for standing in adopted if standing.rated.outcome in LATE_OUTCOMES)
    if not late:
        return None
    note = row.note(row.note_id)
    return LateNote(
        client_id=row.client_id,
        contact_id=row.contact_id,
        note_id=row.note_id,
        program=row.program,
        document=row.document,
        state=row.state,
        service_ended_at=row.ended_at,
        signed_at=row.signed_at,
        verdicts=tuple(standing.rated for standing in late),
        restated_from=tuple(standing.known_then for standing in late if standing.known_then is not None),
        late_reason=note.signature.late_reason if note and note.signature else None,
        late_entry=note.late_entry if note else None,
    )


def _restated(
    row: ServiceNote, adoptions: tuple[Adoption, ...], as_at: datetime, name: Names
) -> Iterator[RestatedVerdict]:
    used = rule_book()
    zone = _zone(row, used)
    note = row.note(row.note_id)
    told = [told_correction(one, zone, name) for one in moved_before(row, note)]
    told += learned(row, note, adoptions, zone, name)
    for then, now, by in _turned(row, adoptions, as_at, used).values():
        yield RestatedVerdict(
            client_id=row.client_id,
            contact_id=row.contact_id,
            note_id=row.note_id,
            then=then,
            now=now,
            because=tuple(
                f"{one.words}, recorded {told_at(one.recorded_at, zone)}" for one in told if one.recorded_at in by.at
            ),
        )


def _tallies(rated: Sequence[tuple[ServiceNote, Sequence[Standing]]]) -> tuple[Tally, ...]:
    counts: dict[tuple[str, str, str, str], dict[str, int]] = {}
    in_force: dict[tuple[str, str, str, str], list[str]] = {}
    for row, verdicts in rated:
        for found in verdicts:
            verdict = found.rated
            name = reading_name(verdict.reading, verdict.extension_reading)
            group = (row.program, verdict.rule_id, verdict.role)
            if found.adopted:
                _count(counts, (*group, AS_ADOPTED), verdict.outcome)
                names = in_force.setdefault((*group, AS_ADOPTED), [])
                if name not in names:
                    names.append(name)
            if found.as_extended:
                _count(counts, (*group, verdict.reading), verdict.outcome)
    answer = []
    for key in sorted(counts, key=lambda k: (k[0], k[1], k[3] != AS_ADOPTED, k[3])):
        due = sum(count for outcome, count in counts[key].items() if outcome != NOT_DUE)
        answer.append(
            Tally(
                program=key[0],
                rule_id=key[1],
                role=key[2],
                reading=key[3],
                due=due,
                counts=dict(sorted(counts[key].items())),
                percent={
                    outcome: (count * 2000 + due) // (2 * due) / 10
                    for outcome, count in sorted(counts[key].items())
                    if outcome != NOT_DUE
                },
                in_force=tuple(sorted(in_force.get(key, ()))),
            )
        )
    return tuple(answer)


def _count(counts: dict[tuple[str, str, str, str], dict[str, int]], key: tuple[str, str, str, str], what: str) -> None:
    of = counts.setdefault(key, {})
    of[what] = of.get(what, 0) + 1


def reading_name(reading: str, extension_reading: str | None) -> str:
    """A reading as it is printed: ``72-elapsed-hours``, or extended ``72-elapsed-hours, then 5-business-days``."""
    return reading if extension_reading is None else f"{reading}, then {extension_reading}"
