"""A note after its signature: co-signatures, addenda, amendments, late entries, errors; and more time (PSC-13)."""

from __future__ import annotations

from datetime import date

from tests.notation import Stream, given
from tests.sample import (
    A_DRAFT,
    ANN,
    BOB,
    CHART,
    CLIENT,
    COMPLETE,
    CONTACT,
    EVERYBODY,
    NOTE,
    SUE,
    ident,
    person,
)

from ledger.aggregates.note_events import (
    AddAddendum,
    AddendumAdded,
    AmendNote,
    CosignNote,
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    GrantExtension,
    MarkLateEntry,
    MarkNoteInError,
    NoteAmended,
    NoteCosigned,
    NoteEnteredInError,
    NoteMarkedLateEntry,
    NoteSigned,
    RefuseExtension,
    RequestExtension,
    SignNote,
    WriteNote,
)

REQUEST, ADDENDUM, AMENDMENT = ident("request"), ident("addendum"), ident("amendment")


def signed() -> tuple[Stream, str]:
    """The draft as its author signed it, and the digest she signed."""
    (change,) = given(*CHART, A_DRAFT).when(SignNote(note_id=NOTE), by=ANN).changes
    assert isinstance(change.event, NoteSigned)
    return A_DRAFT.and_then(change.event), change.event.content_sha256


SIGNED, DIGEST = signed()
DEAD = SIGNED.and_then(NoteEnteredInError(client_id=CLIENT, contact_id=CONTACT, reason="wrong chart"))
ASKED = A_DRAFT.and_then(
    ExtensionRequested(client_id=CLIENT, contact_id=CONTACT, request_id=REQUEST, staff_id=ANN, reason="ill")
)


def test_psc_11_nothing_edits_a_signed_note() -> None:
    given(*CHART, SIGNED).when(WriteNote(note_id=NOTE, content=COMPLETE), by=ANN).then_refused(
        "note_id", "this note is signed; nothing alters it (add an addendum, amend it, or mark it as entered in error)"
    )
    given(*CHART, SIGNED).when(SignNote(note_id=NOTE), by=ANN).then_refused("note_id", "nothing alters it")


def test_a_supervisor_co_signs_exactly_the_content_that_was_signed() -> None:
    given(*CHART, SIGNED).when(CosignNote(note_id=NOTE, content_sha256=DIGEST), by=SUE).then(
        NoteCosigned(
            client_id=CLIENT,
            contact_id=CONTACT,
            signer_id=SUE,
            printed_name="Sue Sample",
            role="supervisor",
            credential="lcsw",
            meaning="co-signed",
            content_sha256=DIGEST,
        )
    )


def test_a_co_signature_needs_a_signed_note_standing_and_the_same_content() -> None:
    given(*CHART, A_DRAFT).when(CosignNote(note_id=NOTE, content_sha256="0" * 64), by=ANN).then_refused(
        "note_id",
        "not signed yet",
        ("actor", "does not have the role supervisor"),
        ("actor", "nobody co-signs their own note"),
        ("content_sha256", "it is not the signed content's"),
    )


def test_psc_23_a_supervisor_without_a_credential_does_not_co_sign() -> None:
    people = [one for one in EVERYBODY if one.identifier != SUE]
    given(*people, person(SUE, "Sue", "supervisor", credential=None), SIGNED).when(
        CosignNote(note_id=NOTE), by=SUE
    ).then_refused("actor", "Sue Sample held no signing credential on 2026-01-05")


def test_nobody_co_signs_twice() -> None:
    (change,) = given(*CHART, SIGNED).when(CosignNote(note_id=NOTE), by=SUE).changes
    given(*CHART, SIGNED.and_then(change.event)).when(CosignNote(note_id=NOTE), by=SUE).then_refused(
        "actor", "has co-signed already"
    )


def test_an_addendum_gives_new_information_by_anybody_on_the_staff() -> None:
    added = AddendumAdded(
        client_id=CLIENT,
        contact_id=CONTACT,
        addendum_id=ADDENDUM,
        author_id=BOB,
        printed_name="Bob Sample",
        credential="lcsw",
        text="The landlord rang",
    )
    command = AddAddendum(note_id=NOTE, addendum_id=ADDENDUM, text="The landlord rang")
    given(*CHART, SIGNED).when(command, by=BOB).then(added)
    given(*CHART, SIGNED.and_then(added)).when(command, by=BOB).then_refused("addendum_id", "was added before")
    given(*CHART, A_DRAFT).when(command, by="system:import").then_refused(
        "note_id", "not signed yet", ("actor", "not a staff member")
    )


def test_the_author_amends_a_section_with_the_reason() -> None:
    command = AmendNote(
        note_id=NOTE,
        amendment_id=AMENDMENT,
        kind="correction",
        section="plan",
        text="Visit on Tuesday",
        reason="wrong day",
    )
    amended = NoteAmended(
        client_id=CLIENT,
        contact_id=CONTACT,
        amendment_id=AMENDMENT,
        author_id=ANN,
        printed_name="Ann Sample",
        credential="lcsw",
        kind="correction",
        section="plan",
        text="Visit on Tuesday",
        reason="wrong day",
    )
    given(*CHART, SIGNED).when(command, by=ANN).then(amended)
    given(*CHART, SIGNED.and_then(amended)).when(command, by=ANN).then_refused("amendment_id", "was made before")


def test_an_amendment_by_somebody_else_of_a_section_that_is_not_there() -> None:
    command = AmendNote(
        note_id=NOTE, amendment_id=AMENDMENT, kind="clarification", section="mood", text="t", reason="r"
    )
    given(*CHART, DEAD).when(command, by=BOB).then_refused(
        "note_id",
        "entered in error",
        ("actor", "only the author amends"),
        ("section", "has no section 'mood' (use one of problem, intervention, response, plan)"),
    )


def test_a_late_entry_is_marked_once_with_its_reason() -> None:
    marked = NoteMarkedLateEntry(client_id=CLIENT, contact_id=CONTACT, reason="found in the diary")
    command = MarkLateEntry(note_id=NOTE, reason="found in the diary")
    given(*CHART, A_DRAFT).when(command, by=ANN).then(marked)
    given(*CHART, A_DRAFT.and_then(marked)).when(command, by=ANN).then_refused("note_id", "late entry already")


def test_a_note_is_marked_as_entered_in_error_once() -> None:
    command = MarkNoteInError(note_id=NOTE, reason="wrong chart")
    given(*CHART, SIGNED).when(command, by=ANN).then(
        NoteEnteredInError(client_id=CLIENT, contact_id=CONTACT, reason="wrong chart")
    )
    given(*CHART, DEAD).when(command, by=ANN).then_refused("note_id", "entered in error already")


def test_psc_13_the_author_asks_for_more_time() -> None:
    command = RequestExtension(note_id=NOTE, request_id=REQUEST, reason="ill")
    given(*CHART, A_DRAFT).when(command, by=ANN).then(*ASKED.events[1:])
    given(*CHART, ASKED).when(command, by=BOB).then_refused(
        "actor",
        "only the author asks",
        ("request_id", "this request was made before"),
        ("request_id", "waiting for a decision"),
    )
    given(*CHART, SIGNED).when(command, by=ANN).then_refused("note_id", "this note is signed")


def test_psc_13_a_request_after_the_deadline_is_accepted() -> None:
    command = RequestExtension(note_id=NOTE, request_id=REQUEST, reason="ill")
    given(*CHART, A_DRAFT).when(command, by=ANN, at="2026-02-27T09:00:00-08:00").then_a(
        ExtensionRequested, request_id=REQUEST
    )


def test_psc_13_the_supervisor_grants_or_refuses_once() -> None:
    decided = {"client_id": CLIENT, "contact_id": CONTACT, "request_id": REQUEST, "decided_by": SUE}
    granted = ExtensionGranted(**decided, comment="get well")
    grant = GrantExtension(note_id=NOTE, request_id=REQUEST, comment="get well")
    given(*CHART, ASKED).when(grant, by=SUE).then(granted)
    refuse = RefuseExtension(note_id=NOTE, request_id=REQUEST)
    given(*CHART, ASKED).when(refuse, by=SUE).then(ExtensionRefused(**decided))
    given(*CHART, ASKED.and_then(granted)).when(refuse, by=SUE).then_refused("request_id", "was granted already")


def test_psc_13_nobody_decides_their_own_request_and_only_a_supervisor_decides() -> None:
    people = [one for one in EVERYBODY if one.identifier != ANN]
    given(*people, person(ANN, "Ann", "supervisor"), ASKED).when(
        GrantExtension(note_id=NOTE, request_id=REQUEST), by=ANN
    ).then_refused("actor", "nobody decides their own request")
    given(*CHART, ASKED).when(RefuseExtension(note_id=NOTE, request_id=REQUEST), by=BOB).then_refused(
        "actor", "does not have the role supervisor"
    )
    given(*CHART, A_DRAFT).when(GrantExtension(note_id=NOTE, request_id=REQUEST), by="system:x").then_refused(
        "request_id", "no such request", ("actor", "not a staff member")
    )


def test_a_supervisor_hired_later_has_no_standing_yet() -> None:
    people = [one for one in EVERYBODY if one.identifier != SUE]
    given(*people, person(SUE, "Sue", "supervisor", hired_on=date(2026, 2, 1)), ASKED).when(
        GrantExtension(note_id=NOTE, request_id=REQUEST), by=SUE
    ).then_refused("actor", "was not employed on 2026-01-05")
