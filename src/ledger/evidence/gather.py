"""What belongs to a chart, a note or a dispute: its events up to the grant's position, and the proofs of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import or_, select

from ledger.aggregates.access import AccessGranted
from ledger.aggregates.client_events import ClientRegistered
from ledger.aggregates.dispute import DisputeOpened
from ledger.aggregates.note_events import AddendumAdded, NoteAmended, NoteCosigned, NoteDrafted, NoteSigned
from ledger.aggregates.plan_events import PlanClientSigned, PlanPutInForce
from ledger.aggregates.policy import AGENCY_KEY, PolicyAdopted, PolicyRetired
from ledger.aggregates.sealing import SealedCheckpoint
from ledger.aggregates.staff import CredentialRecorded, StaffRegistered, SupervisorAssigned
from ledger.errors import NotFound
from ledger.grants import NO_LIMITS, Grant, NotAllowed
from ledger.proof.between import Bracket, Trusted, bracket_of
from ledger.store.codec import read
from ledger.store.envelope import Recorded, StoredRow, row_of
from ledger.store.recorder import LOG, Recorder
from ledger.store.sealed import Sealed, SealedRow
from ledger.tracing.findings import Trace
from ledger.tracing.trace import trace_note

Kind = Literal["chart", "note", "dispute"]
_KINDS: Mapping[str, Kind] = {ClientRegistered.TYPE: "chart", NoteDrafted.TYPE: "note", DisputeOpened.TYPE: "dispute"}
SIGNATURES = (NoteSigned, NoteCosigned, AddendumAdded, NoteAmended, PlanPutInForce, PlanClientSigned)
#: Of a staff member's events those whose content goes out: who they are. When somebody was ill stays here.
_OF_PEOPLE = (StaffRegistered.TYPE, CredentialRecorded.TYPE, SupervisorAssigned.TYPE)


@dataclass(frozen=True)
class Subject:
    """What evidence is asked of: a chart, one of its notes (``notes`` holds it), or a dispute about one."""

    kind: Kind
    id: str
    chart_id: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What was gathered. ``events`` are in the log's order; ``withheld`` are positions whose payload stays here."""

    subject: Subject
    grant: Grant
    zone: str
    events: tuple[Recorded, ...]
    withheld: frozenset[int]
    last: SealedRow | None
    #: Other checkpoints that say something of the events' times, by size.
    checkpoints: tuple[SealedRow, ...]
    traces: tuple[Trace, ...]
    #: Each signature, and between which moments it was made.
    brackets: tuple[tuple[Recorded, Bracket], ...]
    trusted: Trusted

    @property
    def size(self) -> int:
        """How many events the checkpoint covers that everything is proved under."""
        return self.last.size if self.last is not None else 0


def subject_of(recorder: Recorder, identifier: str) -> Subject:
    """What an id names, to ask for a grant with; ``NotFound`` when it is neither a chart, a note nor a dispute."""
    first = recorder.select_events(identifier, limit=1)
    kind = _KINDS.get(first[0].topic) if first else None
    if not first or kind is None or first[0].chart_id is None:
        raise NotFound("chart, note or dispute", identifier)
    event = read(first[0]).event
    notes = (identifier,) if kind == "note" else (event.note_id,) if isinstance(event, DisputeOpened) else ()
    return Subject(kind, identifier, first[0].chart_id, notes)


def gather(
    recorder: Recorder, grant: Grant, subject: Subject, *, as_at: datetime, zone: str, trusted: Trusted
) -> Evidence:
    """Everything that is recorded of a subject, as known at the grant's position, and what is sealed of it.

    Raises ``NotGranted`` unless the grant names the chart, and ``NotAllowed`` when something of it stays shut: what is
    left out of a bundle could not be told from what was taken out.
    """
    if grant.limits_of(subject.chart_id) != NO_LIMITS:
        raise NotAllowed("a bundle holds everything on record, and some of it stays shut to this reader")
    chart = recorder.read_chart(subject.chart_id, until=grant.position)
    rows = {row.position: row for row in (chart if subject.kind == "chart" else _about(chart, subject))}
    shared = {row.position: row for row in _shared_reads(recorder, grant, subject.chart_id)}
    policies = (PolicyAdopted.TYPE, PolicyRetired.TYPE)
    agency = (row for row in recorder.read_key(AGENCY_KEY, until=grant.position) if row.topic in policies)
    rows |= shared | {row.position: row for row in agency}
    people = _people(recorder, grant, {row.actor for row in rows.values()} | _named(chart))
    rows |= (found := {row.position: row for row in people})
    withheld = frozenset(shared) | {row.position for row in found.values() if row.topic not in _OF_PEOPLE}
    events = tuple(read(rows[position]) for position in sorted(rows))
    sealed = Sealed(recorder)
    last = sealed.last()
    traces = [
        trace_note(recorder, grant, note_id, as_at=as_at, zone=zone, trusted=trusted) for note_id in subject.notes
    ]
    return Evidence(
        subject=subject,
        grant=grant,
        zone=zone,
        events=events,
        withheld=withheld,
        last=last,
        checkpoints=tuple(_checkpoints(sealed, events, last)) if last is not None else (),
        traces=tuple(traces),
        brackets=tuple(
            (one, bracket_of(recorder, one.row, one.event.sealed_before, trusted))
            for one in events
            if isinstance(one.event, SIGNATURES)
        ),
        trusted=trusted,
    )


def _about(chart: Sequence[StoredRow], subject: Subject) -> Iterable[StoredRow]:
    """Of a chart's events those of a note, of its service, of the disputes about it, and the reads of the chart."""
    streams = set(subject.notes)
    for row in chart:
        event = read(row).event if row.topic in (NoteDrafted.TYPE, DisputeOpened.TYPE) else None
        if isinstance(event, NoteDrafted) and row.originator_id in subject.notes:
            streams.add(event.contact_id)
        elif isinstance(event, DisputeOpened) and event.note_id in subject.notes:
            streams.add(str(row.originator_id))
    return [row for row in chart if row.originator_id in streams or row.topic == AccessGranted.TYPE]


def _shared_reads(recorder: Recorder, grant: Grant, chart_id: str) -> Iterable[StoredRow]:
    """Reads of pages that showed many charts, this one among them. Their payloads name the others, and stay here."""
    statement = select(*LOG.c).where(
        LOG.c.type == AccessGranted.TYPE, LOG.c.chart_id.is_(None), LOG.c.position <= grant.position
    )
    wanted = chart_id.encode()
    with recorder.reading() as connection:
        rows = [row_of(values) for values in connection.execute(statement.order_by(LOG.c.position))]
    for row in rows:
        if wanted in row.state:
            event = read(row).event
            if isinstance(event, AccessGranted) and any(shown.chart_id == chart_id for shown in event.charts):
                yield row


def _named(chart: Sequence[StoredRow]) -> set[str]:
    drafted = (read(row).event for row in chart if row.topic == NoteDrafted.TYPE)
    return {event.author_id for event in drafted if isinstance(event, NoteDrafted)}


def _people(recorder: Recorder, grant: Grant, actors: set[str]) -> Iterable[StoredRow]:
    """The streams of those who acted, so that names, credentials and supervisors are proved too."""
    wanted = sorted(actor for actor in actors if ":" not in actor)
    if not wanted:
        return
    statement = select(*LOG.c).where(or_(*(LOG.c.stream_id == who for who in wanted)), LOG.c.position <= grant.position)
    with recorder.reading() as connection:
        yield from (row_of(values) for values in connection.execute(statement.order_by(LOG.c.position)))


def _checkpoints(sealed: Sealed, events: Sequence[Recorded], last: SealedRow) -> Iterable[SealedRow]:
    """Those that a signature carries or names, and the first of each witness and authority that cover one."""
    sizes: set[int] = set()
    for recorded in events:
        if not isinstance(recorded.event, SIGNATURES) or recorded.row.position > last.size:
            continue
        carried = recorded.event.sealed_before
        if isinstance(carried, SealedCheckpoint):
            sizes |= {carried.size, carried.vouched_size or carried.size}
        covering = sealed.covering(recorded.row.position)
        sizes |= {covering.size} if covering is not None else set()
        sizes |= {size for size, _ in sealed.first_cosigned(recorded.row.position).values()}
        stamped = sealed.first_stamped(recorded.row.position)
        sizes |= {stamped} if stamped is not None else set()
    for size in sorted(sizes - {last.size}):
        row = sealed.checkpoint(size)
        if row is not None and size < last.size:
            yield row
