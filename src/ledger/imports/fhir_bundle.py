"""A bundle in hand: its entries, what its references name, and the commands that are being made of it.

Ids are derived from the source's own identifiers, so that one practitioner in several bundles is one staff member,
and a bundle that comes a second time is known by its command ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ledger.aggregates.base import IMPORT
from ledger.aggregates.vocabulary import Command
from ledger.application.commands import SYSTEM, Request
from ledger.clock import derived_id
from ledger.errors import Reasons
from ledger.imports.fhir_types import Identifier, When

#: Who acts in every envelope of an import, whoever started it; the digest of a command holds it. Who started it is the
#: actor of the event that each envelope names as its cause (``aggregates.import_file``).
ACTOR = f"{SYSTEM}{IMPORT}"

#: The order of the commands of one bundle: who serves, who is served, since when, what happened, how it ended.
STAFF, CLIENT, EPISODE, CARE, END = range(5)


@dataclass(frozen=True)
class Entry:
    """One resource that we take: its place in the file, its shape, and the id it gets here."""

    index: int
    kind: str
    resource: Any
    full_url: str

    @property
    def place(self) -> str:
        return f"entry[{self.index}].resource"

    @property
    def own_id(self) -> str:
        """What the source calls it: the resource's id, or else its URL in the bundle."""
        return str(self.resource.id) or self.full_url


@dataclass(frozen=True)
class Step:
    """One command with the place in the file that it comes from."""

    command: Command
    command_id: str
    occurred_at: datetime | None
    place: str
    stage: int
    client_id: str | None = None

    def request(self, purpose: str, correlation_id: str | None, cause: str | None = None) -> Request:
        """The command as it is given to the application; ``cause`` is the event that says who imports the file."""
        return Request(
            command=self.command,
            actor_id=ACTOR,
            purpose=purpose,
            command_id=self.command_id,
            occurred_at=self.occurred_at,
            correlation_id=correlation_id,
            causation_id=cause,
        )


@dataclass(frozen=True)
class Earlier:
    """What an earlier import recorded of a client, so that a later bundle of the same client gives the same commands.

    ``registered_at`` is when the registration says it happened and ``digest`` that command's; ``episodes`` are, by
    id, the day each was opened on and when that says it happened.
    """

    registered_at: datetime
    digest: str
    episodes: dict[str, tuple[date, datetime]]


@dataclass
class Draft:
    """What one bundle becomes. Faults are collected, so that a file is refused with all of them at once."""

    program: str
    zone: ZoneInfo
    today: date
    earlier: Callable[[str], Earlier | None]
    source: str = "fhir"
    entries: list[Entry] = field(default_factory=list)
    urls: dict[str, Entry] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    faults: Reasons = field(default_factory=Reasons)
    #: Resources taken, by type.
    taken: Counter[str] = field(default_factory=Counter)
    #: Resources not taken: (type, why).
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: What was taken in another form than it came: a sentence, and how often.
    notes: Counter[str] = field(default_factory=Counter)
    #: Our ids of the people in this bundle, by the place of their entry.
    people: dict[int, str] = field(default_factory=dict)
    #: The first contact of each client, by our id: decides when the episode opens.
    first_contact: dict[str, datetime] = field(default_factory=dict)

    def person_id(self, entry: Entry) -> str:
        """Our id of a Patient or Practitioner of this bundle."""
        if entry.index not in self.people:
            self.people[entry.index] = _person_id(entry, self.source)
        return self.people[entry.index]

    def of(self, kind: str) -> list[Entry]:
        """The entries of one resource type, in the order of the file."""
        return [entry for entry in self.entries if entry.kind == kind]

    def leave(self, entry: Entry, why: str) -> None:
        self.left[entry.kind, why] += 1

    def take(self, entry: Entry) -> None:
        self.taken[entry.kind] += 1

    def add(
        self,
        entry: Entry,
        command: Command,
        *,
        target: str,
        occurred_at: datetime | None,
        part: str = "",
        client_id: str | None = None,
        stage: int = CARE,
    ) -> None:
        """Keep a command; one whose fields do not fit what the record holds becomes a fault at the entry's place."""
        try:
            msgspec.convert(msgspec.to_builtins(command), type(command))
        except msgspec.ValidationError as fault:
            self.faults.add(entry.place, f"does not become a {command.NAME}: {fault}")
            return
        command_id = command_id_of(target, command, part)
        self.steps.append(Step(command, command_id, occurred_at, entry.place, stage, client_id))

    def said_at(self, command: Command, client_id: str, first: datetime | None) -> datetime | None:
        """When a client's registration happened: with their first dated resource, or as it was said the first time.

        Two bundles of one client begin at different times; the registration must be the same command in both.
        """
        earlier = self.earlier(client_id)
        if earlier is None:
            return first
        for moment in (earlier.registered_at, None):
            if Step(command, "", moment, "", CLIENT).request("", None).digest == earlier.digest:
                return moment
        return earlier.registered_at

    def moment(self, when: When | None) -> datetime | None:
        """The instant of a ``dateTime``; a day alone begins at midnight in the agency's zone."""
        if when is None or when.day is None:
            return None
        return when.moment or datetime.combine(when.day, time(), self.zone)

    def client_of(self, entry: Entry, reference: str, path: str = "subject.reference") -> str | None:
        """Our id of the client that a reference names; a fault when it names no Patient of this bundle."""
        found = self.urls.get(reference)
        if found is None or found.kind != "Patient":
            self.faults.add(
                f"{entry.place}.{path}",
                f"{reference[:120]!r} names no Patient in this bundle",
                "send the Patient in the same bundle",
            )
            return None
        return self.person_id(found)

    def staff_of(self, entry: Entry, reference: str, path: str) -> str | None:
        """Our id of the practitioner that a reference names; None for another kind of participant."""
        kind, _, query = reference.partition("?identifier=")
        if kind == "Practitioner" and query:
            system, _, value = query.partition("|")
            return derived_id("fhir", "Practitioner", system, value)
        found = self.urls.get(reference)
        if found is not None:
            return self.person_id(found) if found.kind == "Practitioner" else None
        if reference.startswith(("RelatedPerson/", "PractitionerRole/")):
            return None
        self.faults.add(
            f"{entry.place}.{path}",
            f"{reference[:120]!r} names nothing in this bundle",
            "send the Practitioner in the same bundle",
        )
        return None


def command_id_of(target: str, command: Command, part: str = "") -> str:
    """The id of the command that makes (a part of) something: the same whenever it is imported."""
    return derived_id("fhir", target, command.NAME, part)


def _person_id(entry: Entry, source: str) -> str:
    """Our id of a Patient or Practitioner: from its first identifier that fits, or else from its id in the source."""
    chosen = chosen_identifier(entry.kind, entry.resource.identifier)
    if chosen is not None:
        return derived_id("fhir", entry.kind, chosen.system, chosen.value)
    return derived_id("fhir", entry.kind, source, entry.own_id)


#: By resource type: the system or type code of the identifier that names the person best.
_PREFERRED = {"Patient": "MR", "Practitioner": "http://hl7.org/fhir/sid/us-npi"}


def chosen_identifier(kind: str, identifiers: tuple[Identifier, ...]) -> Identifier | None:
    """A patient's medical record number, a practitioner's NPI; or else the first identifier with system and value."""
    whole = [i for i in identifiers if i.system and i.value]
    best = [i for i in whole if _PREFERRED[kind] in (i.system, *(coding.code for coding in i.type.coding))]
    return next(iter(best or whole), None)
