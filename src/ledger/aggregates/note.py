"""A progress note: drafted, signed, co-signed, added to, amended; never edited once signed.

Sources: PSC-9 (complete PIRP), PSC-10 (objectives of the plan in force), PSC-11 (signature bound to the content),
PSC-13 (extensions), PSC-23 (credential held on the service date), CSS-14.
"""

from __future__ import annotations

from datetime import datetime

from ledger.aggregates.base import Given, decides
from ledger.aggregates.contact import Contact, ContactNoteBegun
from ledger.aggregates.days import day_of
from ledger.aggregates.note_events import (
    AddAddendum,
    AddendumAdded,
    AmendNote,
    CitedPlan,
    CosignNote,
    DraftNote,
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    GrantExtension,
    MarkLateEntry,
    MarkNoteInError,
    NoteAmended,
    NoteContentWritten,
    NoteCosigned,
    NoteDrafted,
    NoteEnteredInError,
    NoteMarkedLateEntry,
    NoteSigned,
    RefuseExtension,
    RequestExtension,
    SignNote,
    WriteNote,
)
from ledger.aggregates.note_state import NoteState
from ledger.aggregates.plan import Plan
from ledger.aggregates.staff import acting_staff
from ledger.aggregates.vocabulary import Command
from ledger.errors import Reasons
from ledger.policies.documents import contact_kinds, documents, missing_sections


class Note(NoteState):
    """What may be done with one note, and by whom."""

    def owners(self, command: Command, given: Given) -> frozenset[str]:
        """The author: whoever gave the service."""
        if isinstance(command, DraftNote):
            contact = given.find(Contact, command.contact_id)
            # Of a contact that is not there nobody is the owner: the decision says that it is not there.
            return frozenset({contact.facts.staff_id if contact and contact.facts else given.actor.id})
        return frozenset({self.facts.author_id})

    def not_before(self, command: Command, given: Given) -> tuple[datetime, str] | None:
        """A note follows its service, a signature the content, what joins a note its signature."""
        if isinstance(command, DraftNote):
            contact = given.find(Contact, command.contact_id)
            return (contact.facts.started_at, "the service began") if contact and contact.facts else None
        follows: datetime | None = self.facts.service_started_at
        what = "the service began"
        match command:
            case SignNote() if given.occurred_at >= self.facts.service_ended_at:
                follows, what = self.written_at, "the content was written"
            case SignNote():
                return None  # the decision says that the service had not ended
            case RequestExtension():
                follows, what = self.facts.service_ended_at, "the service ended"
            case GrantExtension() | RefuseExtension():
                follows, what = self.asked_at.get(command.request_id), "more time was asked for"
            case CosignNote() | AddAddendum() | AmendNote():
                follows, what = self.signed_at, "the note was signed"
        return None if follows is None else (follows, what)

    def _check_no_other(self, reasons: Reasons, given: Given, contact: Contact, field: str) -> None:
        """One service has one signed note: a second would be another account of it (PSC-11)."""
        for note_id in contact.notes:
            other = None if note_id == self.id else given.find(Note, note_id)
            reasons.unless(
                other is None or other.signed is None or other.in_error,
                field,
                f"this contact has a signed note: {note_id}",
                "add an addendum to it or amend it, or mark it as entered in error first",
                "signed-note",
            )

    @decides(DraftNote, on="note_id", creates=True)
    def draft(self, command: DraftNote, given: Given) -> None:
        reasons = Reasons()
        contact = given.find(Contact, command.contact_id)
        if contact is None or contact.facts is None:
            reasons.add("contact_id", "no such contact", "record the contact first")
            reasons.refuse_if_any()
            return
        facts = contact.facts
        reasons.unless(not contact.in_error, "contact_id", "this contact is entered in error")
        for note_id in contact.notes:
            begun = given.find(Note, note_id)
            reasons.unless(
                begun is None or begun.signed is not None or begun.in_error,
                "contact_id",
                f"a draft of this contact is open: note {note_id}",
                "write in it, or mark it as entered in error first",
                "open-draft",
            )
        self._check_no_other(reasons, given, contact, "contact_id")
        reasons.refuse_if_any()
        given.beside(contact, ContactNoteBegun(client_id=facts.client_id, note_id=command.note_id))
        self.record(
            NoteDrafted(
                contact_id=command.contact_id,
                client_id=facts.client_id,
                author_id=facts.staff_id,
                program=facts.program,
                document=contact_kinds()[facts.contact_kind].document,
                service_started_at=facts.started_at,
                service_ended_at=facts.ended_at,
                content=command.content,
                source=command.source,
            ),
            given.occurred_at,
        )

    @decides(WriteNote, on="note_id")
    def write(self, command: WriteNote, given: Given) -> None:
        reasons = Reasons()
        self.check_draft(reasons)
        reasons.refuse_if_any()
        self.record(
            NoteContentWritten(client_id=self.key, contact_id=self.facts.contact_id, content=command.content),
            given.occurred_at,
        )

    @decides(SignNote, on="note_id")
    def sign(self, command: SignNote, given: Given) -> None:
        reasons = Reasons()
        draft = self.facts
        self.check_draft(reasons)
        contact = given.find(Contact, draft.contact_id)
        reasons.unless(
            contact is None or not contact.in_error, "note_id", "its contact is entered in error", "record it anew"
        )
        if contact is not None:
            self._check_no_other(reasons, given, contact, "note_id")
        reasons.unless(
            given.occurred_at >= draft.service_ended_at,
            "occurred_at",
            "a note cannot be signed before its service ended",
            "give the time of the signature",
        )
        cited = self._check_content(reasons, given)
        staff = acting_staff(given, reasons)
        day = day_of(given, draft.service_ended_at, draft.program)
        held = staff.held_on(day) if staff else ()
        if staff is not None:
            reasons.unless(
                bool(held),
                "actor",
                f"{staff.name} held no signing credential on {day}",
                "record the credential with its dates",
                "credential",
            )
        digest = self.content_sha256
        reasons.unless(
            command.content_sha256 in (None, digest),
            "content_sha256",
            "the content has changed since you read it",
            "read the note again, then sign",
        )
        reasons.refuse_if_any()
        self.record(
            NoteSigned(
                client_id=self.key,
                contact_id=draft.contact_id,
                signer_id=given.actor.id,
                printed_name=given.actor.name,
                role=given.actor.role,
                credential=held[0].kind if held else None,
                taxonomy=held[0].taxonomy if held else "",
                meaning="authored",
                content_sha256=digest,
                cited_plans=cited,
                late_reason=command.late_reason,
                sealed_before=given.sealed,
            ),
            given.occurred_at,
        )

    def _check_content(self, reasons: Reasons, given: Given) -> tuple[CitedPlan, ...]:
        """PSC-9 and PSC-10: every section is filled, and the objectives are of the plan in force that day."""
        draft = self.facts
        document = documents()[draft.document]
        for name in missing_sections(document, dict(self.content.sections)):
            how = 'write it, or write "not known"' if document.unknown_allowed else "write it"
            reasons.add(f"content.sections.{name}", f"the section {name} is empty", how, "incomplete")
        cited: dict[str, CitedPlan] = {}
        day = day_of(given, draft.service_ended_at, draft.program)
        for number, reference in enumerate(self.content.objectives):
            place = f"content.objectives[{number}]"
            plan = given.find(Plan, reference.plan_id)
            if plan is None or plan.chart_id != self.chart_id:
                reasons.add(f"{place}.plan_id", "this chart has no such plan", "check the id")
                continue
            version = plan.version_on(day)
            if version is None:
                reasons.add(f"{place}.plan_id", f"the plan was not in force on {day}", "cite the plan that was")
                continue
            reasons.unless(
                reference.objective in plan.objectives_on(day),
                f"{place}.objective",
                f"version {version} of the plan has no objective {reference.objective}",
                f"use one of {', '.join(plan.objectives_on(day))}",
            )
            cited[plan.id] = CitedPlan(plan_id=plan.id, plan_version=version)
        if document.cites_plan and not self.content.objectives:
            reasons.unless(
                bool((self.content.no_plan_reason or "").strip()),
                "content.objectives",
                "the note names no objective of the treatment plan",
                "name at least one, or say in no_plan_reason why there is none (intake, crisis)",
                "no-objective",
            )
        return tuple(cited.values())

    @decides(CosignNote, on="note_id")
    def cosign(self, command: CosignNote, given: Given) -> None:
        reasons = Reasons()
        self.check_signed(reasons)
        staff = acting_staff(given, reasons)
        held = staff.held_on(day_of(given, given.occurred_at)) if staff else ()
        if staff is not None:
            reasons.unless(staff.id not in self.cosigners, "actor", f"{staff.name} has co-signed already")
        digest = self.content_sha256
        reasons.unless(command.content_sha256 in (None, digest), "content_sha256", "it is not the signed content's")
        reasons.refuse_if_any()
        self.record(
            NoteCosigned(
                client_id=self.key,
                contact_id=self.facts.contact_id,
                signer_id=given.actor.id,
                printed_name=given.actor.name,
                role=given.actor.role,
                credential=held[0].kind if held else None,
                meaning="co-signed",
                content_sha256=digest,
                sealed_before=given.sealed,
            ),
            given.occurred_at,
        )

    @decides(AddAddendum, on="note_id", parts=("addendum_id",))
    def add_addendum(self, command: AddAddendum, given: Given) -> None:
        reasons = Reasons()
        self.check_signed(reasons)
        staff = acting_staff(given, reasons)
        reasons.unless(command.addendum_id not in self.additions, "addendum_id", "this addendum was added before")
        reasons.refuse_if_any()
        held = staff.held_on(day_of(given, given.occurred_at)) if staff else ()
        self.record(
            AddendumAdded(
                client_id=self.key,
                contact_id=self.facts.contact_id,
                addendum_id=command.addendum_id,
                author_id=given.actor.id,
                printed_name=given.actor.name,
                credential=held[0].kind if held else None,
                text=command.text,
                sealed_before=given.sealed,
            ),
            given.occurred_at,
        )

    @decides(AmendNote, on="note_id", parts=("amendment_id",))
    def amend(self, command: AmendNote, given: Given) -> None:
        reasons = Reasons()
        self.check_signed(reasons)
        staff = acting_staff(given, reasons)
        reasons.unless(
            command.section in self.content.sections,
            "section",
            f"the note has no section {command.section!r}",
            f"use one of {', '.join(self.content.sections)}",
        )
        reasons.unless(command.amendment_id not in self.additions, "amendment_id", "this amendment was made before")
        reasons.refuse_if_any()
        held = staff.held_on(day_of(given, given.occurred_at)) if staff else ()
        self.record(
            NoteAmended(
                client_id=self.key,
                contact_id=self.facts.contact_id,
                amendment_id=command.amendment_id,
                author_id=given.actor.id,
                printed_name=given.actor.name,
                credential=held[0].kind if held else None,
                kind=command.kind,
                section=command.section,
                text=command.text,
                reason=command.reason,
                sealed_before=given.sealed,
            ),
            given.occurred_at,
        )

    @decides(MarkLateEntry, on="note_id")
    def mark_late_entry(self, command: MarkLateEntry, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(not self.in_error, "note_id", "this note is entered in error")
        reasons.unless(not self.late_entry, "note_id", "this note is marked as a late entry already")
        reasons.refuse_if_any()
        self.record(
            NoteMarkedLateEntry(client_id=self.key, contact_id=self.facts.contact_id, reason=command.reason),
            given.occurred_at,
        )

    @decides(MarkNoteInError, on="note_id")
    def mark_in_error(self, command: MarkNoteInError, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(not self.in_error, "note_id", "this note is marked as entered in error already")
        reasons.refuse_if_any()
        self.record(
            NoteEnteredInError(client_id=self.key, contact_id=self.facts.contact_id, reason=command.reason),
            given.occurred_at,
        )

    @decides(RequestExtension, on="note_id", parts=("request_id",))
    def request_extension(self, command: RequestExtension, given: Given) -> None:
        reasons = Reasons()
        self.check_draft(reasons)
        reasons.unless(command.request_id not in self.requests, "request_id", "this request was made before")
        reasons.unless(
            "requested" not in self.requests.values(), "request_id", "a request is waiting for a decision already"
        )
        reasons.refuse_if_any()
        self.record(
            ExtensionRequested(
                client_id=self.key,
                contact_id=self.facts.contact_id,
                request_id=command.request_id,
                staff_id=given.actor.id,
                reason=command.reason,
            ),
            given.occurred_at,
        )

    @decides(GrantExtension, on="note_id")
    def grant_extension(self, command: GrantExtension, given: Given) -> None:
        self._decide_extension(command.request_id, given)
        self.record(
            ExtensionGranted(
                client_id=self.key,
                contact_id=self.facts.contact_id,
                request_id=command.request_id,
                decided_by=given.actor.id,
                comment=command.comment,
            ),
            given.occurred_at,
        )

    @decides(RefuseExtension, on="note_id")
    def refuse_extension(self, command: RefuseExtension, given: Given) -> None:
        self._decide_extension(command.request_id, given)
        self.record(
            ExtensionRefused(
                client_id=self.key,
                contact_id=self.facts.contact_id,
                request_id=command.request_id,
                decided_by=given.actor.id,
                comment=command.comment,
            ),
            given.occurred_at,
        )

    def _decide_extension(self, request_id: str, given: Given) -> None:
        """PSC-13: the supervisor decides a waiting request, once."""
        reasons = Reasons()
        state = self.requests.get(request_id)
        reasons.unless(state is not None, "request_id", "no such request was made")
        reasons.unless(state in (None, "requested"), "request_id", f"this request was {state} already")
        reasons.unless(not self.in_error, "note_id", "this note is entered in error", "write a new one", "in-error")
        acting_staff(given, reasons)
        reasons.refuse_if_any()
