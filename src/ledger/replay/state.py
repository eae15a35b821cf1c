"""The state of a chart: its documents as plain data, each with the events that made it what it is.

The events themselves are kept inside the documents (``Entry``), so that a field added to an event shows in the chart,
in its JSON and in the difference between two moments without another line here.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Generic, TypeVar

import msgspec

from ledger.aggregates.client_events import (
    ClientRegistered,
    CoordinatorAssigned,
    CoordinatorReleased,
    DiagnosisRecorded,
    DiagnosisResolved,
    EpisodeClosed,
    EpisodeOpened,
)
from ledger.aggregates.contact import ContactRecorded
from ledger.aggregates.dispute import DisputeDecided, DisputeOpened, EvidenceAdded
from ledger.aggregates.note_events import (
    AddendumAdded,
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    NoteAmended,
    NoteContent,
    NoteCosigned,
    NoteDrafted,
    NoteSigned,
)
from ledger.aggregates.plan_events import (
    Goal,
    PlanClientSignatureMissing,
    PlanClientSigned,
    PlanEnded,
    PlanPutInForce,
    PlanReviewed,
)
from ledger.aggregates.vocabulary import Event

E = TypeVar("E", bound=Event)


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Which event changed something: who, as what, why, at both times, and where it stands in the log."""

    event_id: str
    position: int
    type: str
    actor: str
    role: str
    credential: str | None
    purpose: str
    #: When it happened, as the person said, with the offset they meant.
    occurred_at: datetime
    #: When the server recorded it (UTC).
    recorded_at: datetime
    #: The leaf hash (hex) it has in the log; checked against the row when it was read.
    leaf: str


class Entry(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """An event as a part of a document, and its trace."""

    event: E
    by: Trace


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing on a chart. ``changes`` are all of its events so far, in the order of the log; never empty."""

    changes: tuple[Trace, ...]

    @property
    def first(self) -> Trace:
        return self.changes[0]

    @property
    def last(self) -> Trace:
        """The event that last changed it."""
        return self.changes[-1]


class ClientDetails(Item, frozen=True, kw_only=True):
    """Who the client is, with every correction made so far; ``reasons`` says why each was made."""

    details: ClientRegistered
    reasons: tuple[str, ...] = ()


class Episode(Item, frozen=True, kw_only=True):
    """An episode of care in one program."""

    opened: EpisodeOpened
    closed: EpisodeClosed | None = None


class Coordinator(Item, frozen=True, kw_only=True):
    """An assignment of a coordinator (ECM-1, PSC-16)."""

    assigned: CoordinatorAssigned
    released: CoordinatorReleased | None = None


class Diagnosis(Item, frozen=True, kw_only=True):
    """A diagnosis or problem on the list."""

    recorded: DiagnosisRecorded
    resolved: DiagnosisResolved | None = None


class Contact(Item, frozen=True, kw_only=True):
    """A contact with its facts as corrected so far; ``reasons`` says why each correction was made."""

    contact_id: str
    facts: ContactRecorded
    reasons: tuple[str, ...] = ()
    #: Why it is entered in error, if it is.
    in_error: str | None = None


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """A request for more time to complete a note, and the supervisor's decision (PSC-13)."""

    requested: Entry[ExtensionRequested]
    granted: Entry[ExtensionGranted] | None = None
    refused: Entry[ExtensionRefused] | None = None


class Note(Item, frozen=True, kw_only=True):
    """A progress note. Once signed, ``content`` is what the signature is bound to; the rest stands beside it."""

    note_id: str
    #: draft, signed, cosigned or in error.
    status: str
    drafted: NoteDrafted
    content: NoteContent
    signature: Entry[NoteSigned] | None = None
    cosignatures: tuple[Entry[NoteCosigned], ...] = ()
    addenda: tuple[Entry[AddendumAdded], ...] = ()
    amendments: tuple[Entry[NoteAmended], ...] = ()
    extensions: tuple[Extension, ...] = ()
    #: Why it is a late entry, if it is marked as one.
    late_entry: str | None = None
    #: Why it is entered in error, if it is.
    in_error: str | None = None


class PlanVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a plan's goals, with its signatures and reviews (PSC-12, PSC-19)."""

    number: int
    goals: tuple[Goal, ...]
    written: Trace
    #: Why it was revised; empty for the first version.
    reason: str | None = None
    put_in_force: Entry[PlanPutInForce] | None = None
    client_signature: Entry[PlanClientSigned] | None = None
    missing_signatures: tuple[Entry[PlanClientSignatureMissing], ...] = ()
    reviews: tuple[Entry[PlanReviewed], ...] = ()


class Plan(Item, frozen=True, kw_only=True):
    """A treatment plan in its versions. ``in_force`` is the version in force: the newest signed one, or the day's."""

    plan_id: str
    program: str
    source: str | None
    versions: tuple[PlanVersion, ...]
    in_force: int | None = None
    ended: Entry[PlanEnded] | None = None


class Dispute(Item, frozen=True, kw_only=True):
    """A dispute about the timeliness verdict on a note."""

    dispute_id: str
    opened: DisputeOpened
    evidence: tuple[Entry[EvidenceAdded], ...] = ()
    decided: Entry[DisputeDecided] | None = None


class Other(Item, frozen=True, kw_only=True):
    """A document of a kind that has no section of its own here: nothing of it is left out."""

    stream_id: str
    kind: str
    entries: tuple[Entry[Event], ...]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked while the chart was read: all of its events' leaf hashes, and every signature's content hash."""

    events: int = 0
    signatures: int = 0
    last_position: int = 0
    #: The leaf hash (hex) of the chart's last event; empty when it has none.
    last_leaf: str = ""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart as known at a position of the log, and, when ``as_of`` is given, as of a service date.

    Items stand in the order in which they were first recorded.
    """

    chart_id: str
    position: int
    as_known_at: datetime | None
    as_of: date | None
    client: ClientDetails | None
    episodes: tuple[Episode, ...]
    coordinators: tuple[Coordinator, ...]
    diagnoses: tuple[Diagnosis, ...]
    contacts: tuple[Contact, ...]
    notes: tuple[Note, ...]
    plans: tuple[Plan, ...]
    disputes: tuple[Dispute, ...]
    others: tuple[Other, ...]
    verified: Verified

    @property
    def items(self) -> tuple[Item, ...]:
        """Everything on the chart."""
        client: tuple[Item, ...] = () if self.client is None else (self.client,)
        return (
            *client,
            *self.episodes,
            *self.coordinators,
            *self.diagnoses,
            *self.contacts,
            *self.notes,
            *self.plans,
            *self.disputes,
            *self.others,
        )


#: How an item is told from every other on its chart: its section, and its id.
ItemKey = tuple[str, str]

SECTIONS: dict[str, type[Item]] = {
    "client": ClientDetails,
    "episodes": Episode,
    "coordinators": Coordinator,
    "diagnoses": Diagnosis,
    "contacts": Contact,
    "notes": Note,
    "plans": Plan,
    "disputes": Dispute,
    "others": Other,
}


def plain(value: Any) -> Any:
    """Structs as plain data."""
    return msgspec.to_builtins(value)
