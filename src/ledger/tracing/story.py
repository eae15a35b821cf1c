"""The story of one note, gathered from the log: its events, its service, its disputes, its policies, its readers.

Everything is taken up to the position that the grant names, so that a trace as known at an earlier moment shows what
was known then. Content of the note is never part of it. Every event that the story is taken from is checked against
its leaf hash, and the chart's own against the order of their streams; where one does not hold, there is no story.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import select

from ledger.aggregates.access import AccessGranted, ChartShown
from ledger.aggregates.contact import ContactNoteBegun
from ledger.aggregates.dispute import DisputeOpened
from ledger.aggregates.note_events import NoteDrafted
from ledger.aggregates.policy import AGENCY_KEY, PolicyAdopted, PolicyRetired
from ledger.aggregates.staff import StaffRegistered, SupervisorAssigned
from ledger.errors import NotFound
from ledger.grants import NO_LIMITS, Grant, NotAllowed
from ledger.policies.adoption import Adoption
from ledger.policies.calendar import CALENDAR_RULE
from ledger.policies.deadline_rules import RuleError, rule_book
from ledger.projections.folding import Folding
from ledger.projections.policies import in_order, policies
from ledger.projections.seen import seen
from ledger.projections.service_notes import ServiceNote
from ledger.projections.timeliness import timeliness
from ledger.store.checked import check_leaf, in_turn
from ledger.store.codec import read
from ledger.store.envelope import Recorded, StoredRow, row_of
from ledger.store.recorder import LOG, Recorder


@dataclass(frozen=True)
class Step:
    """One event of the story, and what was known of the service and of the policies once it was recorded."""

    number: int
    recorded: Recorded
    service: ServiceNote | None
    adoptions: tuple[Adoption, ...]


@dataclass(frozen=True)
class Read:
    """One recorded read of the chart."""

    recorded: Recorded
    event: AccessGranted
    shown: ChartShown


@dataclass(frozen=True)
class Person:
    """A staff member as the log knows them: their name, and who supervised them from which day."""

    id: str
    name: str
    supervisors: tuple[tuple[date, str], ...] = ()

    def supervisors_between(self, first: date, last: date) -> list[str]:
        """Who supervised this person on any of these days."""
        found = []
        for number, (start, supervisor) in enumerate(self.supervisors):
            following = self.supervisors[number + 1][0] if number + 1 < len(self.supervisors) else date.max
            if start <= last and following > first and supervisor not in found:
                found.append(supervisor)
        return found


@dataclass
class Story:
    """What the log holds about one note; ``steps`` are in the order of the log and numbered from 1."""

    note_id: str
    chart_id: str
    drafted: NoteDrafted
    steps: list[Step]
    reads: list[Read]
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def service(self) -> ServiceNote:
        """The service and the note as the story leaves them."""
        service = self.steps[-1].service
        if service is None:
            raise LookupError(f"note {self.note_id} belongs to a contact that was not recorded")
        return service

    def name(self, actor: str) -> str:
        """An actor's name, or the id of one who is not a staff member."""
        person = self.people.get(actor)
        return person.name if person else actor


def chart_of_note(recorder: Recorder, note_id: str) -> str:
    """The chart a note belongs to, to ask for a grant with; ``NotFound`` for an id that names no note."""
    first = recorder.read_stream(note_id, limit=1)
    if not first:
        raise NotFound("note", note_id)
    check_leaf(first[0])
    if first[0].topic != NoteDrafted.TYPE or first[0].chart_id is None:
        raise NotFound("note", note_id)
    return first[0].chart_id


def _check_open(recorder: Recorder, grant: Grant, chart_id: str, note_id: str, rows: Sequence[StoredRow]) -> None:
    """Raise ``NotAllowed`` when the note is among what stays shut of the chart."""
    limits = grant.limits_of(chart_id)
    if limits != NO_LIMITS and note_id not in {str(e.row.originator_id) for e in seen(map(read, rows), limits)}:
        raise NotAllowed(
            f"note {note_id} is among what stays shut to this reader: it needs a consent, or another audit"
        )


def gather(recorder: Recorder, grant: Grant, note_id: str) -> Story:
    """The story of a note, as known at the grant's position.

    Raises ``NotGranted`` when the grant does not name the note's chart, ``NotAllowed`` when the note stays shut,
    ``NotFound`` when there was no such note at that position, and ``IntegrityFault`` naming the event that is not what
    was recorded.
    """
    chart_id = chart_of_note(recorder, note_id)
    grant.check(chart_id)
    rows = list(in_turn(recorder.read_chart(chart_id, until=grant.position)))
    own = [read(row) for row in rows if row.originator_id == note_id]
    drafted = own[0].event if own else None
    if not isinstance(drafted, NoteDrafted):
        raise NotFound("note", note_id)
    _check_open(recorder, grant, chart_id, note_id, rows)
    # That the note was begun is said by the note.
    about_it = [row for row in rows if row.topic != ContactNoteBegun.TYPE]
    contact = [read(row) for row in about_it if row.originator_id == drafted.contact_id]
    disputes = [read(row) for row in rows if row.topic.startswith("dispute.")]
    about = {d.originator_id for d in disputes if isinstance(d.event, DisputeOpened) and d.event.note_id == note_id}
    adopted = _policies(recorder, grant, drafted)
    told = sorted(
        [*own, *contact, *(d for d in disputes if d.originator_id in about), *adopted], key=lambda r: r.row.position
    )
    first = min(recorded.row.position for recorded in contact) if contact else own[0].row.position
    last = max(recorded.row.position for recorded in told)
    reads = [
        *_reads((read(row) for row in rows if row.topic == AccessGranted.TYPE and row.position > first), chart_id),
        *_shared_reads(recorder, chart_id, first, last),
    ]
    story = Story(
        note_id=note_id,
        chart_id=chart_id,
        drafted=drafted,
        steps=list(_steps(told, note_id, drafted.contact_id)),
        reads=sorted(reads, key=lambda found: found.recorded.row.position),
    )
    _meet(recorder, grant, story)
    return story


def _policies(recorder: Recorder, grant: Grant, drafted: NoteDrafted) -> list[Recorded]:
    """The adoptions of rules that govern this document in this program."""
    try:
        book = rule_book()
        rules, ratings = book.governing(drafted.document, drafted.program, drafted.service_ended_at.date())
    except RuleError:
        return []
    ours = {CALENDAR_RULE} | {rule.id for rule in rules} | {rating.id for rating in ratings}
    found = []
    for row in recorder.read_key(AGENCY_KEY, until=grant.position):
        check_leaf(row)
        if row.topic in (PolicyAdopted.TYPE, PolicyRetired.TYPE):
            recorded = read(row)
            event = recorded.event
            if isinstance(event, PolicyAdopted | PolicyRetired) and (
                event.rule_id in ours and event.program in (None, drafted.program)
            ):
                found.append(recorded)
    return found


def _steps(told: Sequence[Recorded], note_id: str, contact_id: str) -> Iterator[Step]:
    """Fold the story as the views do, event by event."""
    services, adopted = Folding(timeliness), Folding(policies)
    known: tuple[Adoption, ...] = ()
    for number, recorded in enumerate(told, start=1):
        if type(recorded.event) in policies.routes:
            adopted.add(recorded)
            known = in_order(adopted.lines().values())
        elif recorded.originator_id in (note_id, contact_id):
            services.add(recorded)
        line = services.line((contact_id,))
        yield Step(number, recorded, line.row if line else None, known)


def _reads(events: Iterator[Recorded], chart_id: str) -> Iterator[Read]:
    for recorded in events:
        if isinstance(recorded.event, AccessGranted):
            for shown in recorded.event.charts:
                if shown.chart_id == chart_id:
                    yield Read(recorded, recorded.event, shown)


def _shared_reads(recorder: Recorder, chart_id: str, first: int, last: int) -> Iterator[Read]:
    """Reads of pages that showed many charts, this one among them, while the story went on.

    They belong to their reader's key, so they are looked for in that stretch of the log; their bytes are searched for
    the chart's id before any of them is decoded.
    """
    statement = (
        select(*LOG.c)
        .where(
            LOG.c.position > first,
            LOG.c.position <= last,
            LOG.c.type == AccessGranted.TYPE,
            LOG.c.chart_id.is_(None),
        )
        .order_by(LOG.c.position)
    )
    wanted = chart_id.encode()
    with recorder.reading() as connection:
        rows = [row_of(values) for values in connection.execute(statement)]
    for row in rows:
        check_leaf(row)  # of all of them: a read may not be hidden by taking the chart's id out of it
    yield from _reads((read(row) for row in rows if wanted in row.state), chart_id)


def _meet(recorder: Recorder, grant: Grant, story: Story) -> None:
    """Read the names of everybody in the story, and of the author's supervisors."""
    days = [step.recorded.row.recorded.date() for step in story.steps]
    wanted = [story.drafted.author_id, *(step.recorded.row.actor for step in story.steps)]
    wanted += [found.event.reader_id for found in story.reads]
    while wanted:
        who = wanted.pop(0)
        if who in story.people or ":" in who:
            continue
        person = _person(recorder, grant, who)
        story.people[who] = person
        if who == story.drafted.author_id:
            first = min(story.drafted.service_started_at.date(), *days)
            wanted += person.supervisors_between(first, max(days))


def _person(recorder: Recorder, grant: Grant, staff_id: str) -> Person:
    name, supervisors = staff_id, []
    for row in recorder.read_key(staff_id, until=grant.position):
        if row.originator_id != staff_id:
            continue
        check_leaf(row)
        if row.topic in (StaffRegistered.TYPE, SupervisorAssigned.TYPE):
            event = read(row).event
            if isinstance(event, StaffRegistered):
                name = str(event.name)
            elif isinstance(event, SupervisorAssigned):
                supervisors.append((event.effective_from, event.supervisor_id))
    return Person(staff_id, name, tuple(sorted(supervisors)))


def recorded_at(step: Step) -> datetime:
    """When the server recorded a step."""
    return step.recorded.row.recorded
