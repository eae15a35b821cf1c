"""A note before and at its signature: who writes it, what it must say, who may sign it (PSC-9 to PSC-11, PSC-23)."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest
from tests.notation import given, of
from tests.sample import (
    A_CONTACT,
    A_DRAFT,
    A_PLAN,
    ANN,
    BOB,
    CHART,
    CLIENT,
    CLINICIAN,
    COMPLETE,
    CONTACT,
    ENDED,
    EVERYBODY,
    GOALS,
    NOTE,
    PIRP,
    PLAN,
    PLAN_IN_FORCE,
    ROSA,
    STARTED,
    contact_of,
    draft_of,
    ident,
    in_force,
    person,
)

from ledger.aggregates.contact import ContactEnteredInError, ContactNoteBegun
from ledger.aggregates.note import Note
from ledger.aggregates.note_events import (
    CitedPlan,
    DraftNote,
    NoteContent,
    NoteContentWritten,
    NoteDrafted,
    NoteEnteredInError,
    NoteSigned,
    ObjectiveReference,
    SignNote,
    WriteNote,
    canonical_content,
)
from ledger.aggregates.plan_events import PlanEnded, PlanRevised
from ledger.aggregates.staff import CredentialRecorded, EmploymentEnded
from ledger.policies.documents import documents

BEGUN = ContactNoteBegun(client_id=CLIENT, note_id=NOTE)


def test_the_author_drafts_the_note_of_her_contact() -> None:
    given(*CHART).when(DraftNote(note_id=NOTE, contact_id=CONTACT), by=ANN).then(
        BEGUN,
        NoteDrafted(
            contact_id=CONTACT,
            client_id=CLIENT,
            author_id=ANN,
            program="psc",
            document="progress_note",
            service_started_at=STARTED,
            service_ended_at=ENDED,
            content=NoteContent(),
        ),
    )


def test_ecm_11_the_kind_of_contact_decides_which_document_it_is() -> None:
    group = of(CONTACT, contact_of("group"))
    outcome = given(CLINICIAN, group).when(DraftNote(note_id=NOTE, contact_id=CONTACT), by=ANN)
    assert [getattr(change.event, "document", "") for change in outcome.changes] == ["", "group_note"]


def test_somebody_who_did_not_give_the_service_does_not_draft_its_note() -> None:
    in_error = A_CONTACT.and_then(ContactEnteredInError(client_id=CLIENT, reason="wrong chart"))
    given(*EVERYBODY, in_error).when(DraftNote(note_id=NOTE, contact_id=CONTACT), by=BOB).then_refused(
        "contact_id", "entered in error", ("actor", "did not give this service")
    )


def test_a_note_needs_a_contact() -> None:
    given(*CHART).when(DraftNote(note_id=NOTE, contact_id=ident("other")), by=ANN).then_refused(
        "contact_id", "no such contact"
    )


def test_the_author_rewrites_her_draft() -> None:
    content = NoteContent(sections={"problem": "Another"})
    given(*CHART, A_DRAFT).when(WriteNote(note_id=NOTE, content=content), by=ANN).then(
        NoteContentWritten(client_id=CLIENT, contact_id=CONTACT, content=content)
    )


def test_only_the_author_writes_in_a_draft() -> None:
    given(*CHART, A_DRAFT).when(WriteNote(note_id=NOTE, content=COMPLETE), by=BOB).then_refused(
        "actor", "only the author writes"
    )


def test_psc_11_the_signature_is_bound_to_the_exact_content_with_name_credential_and_meaning() -> None:
    drafted = A_DRAFT.events[0]
    assert isinstance(drafted, NoteDrafted)
    digest = hashlib.sha256(canonical_content(drafted, COMPLETE)).hexdigest()
    given(*CHART, A_DRAFT).when(SignNote(note_id=NOTE, content_sha256=digest), by=ANN).then(
        NoteSigned(
            client_id=CLIENT,
            contact_id=CONTACT,
            signer_id=ANN,
            printed_name="Ann Sample",
            role="clinician",
            credential="lcsw",
            taxonomy="1041C0700X",
            meaning="authored",
            content_sha256=digest,
            cited_plans=(CitedPlan(plan_id=PLAN, plan_version=1),),
        )
    )


def test_psc_11_the_canonical_content_is_pinned_to_its_bytes() -> None:
    drafted = draft_of(NoteContent(sections={"plan": "é", "problem": "p"})).events[0]
    assert isinstance(drafted, NoteDrafted)
    assert (
        canonical_content(drafted, drafted.content)
        == (
            f'{{"author_id":"{ANN}","client_id":"{CLIENT}","contact_id":"{CONTACT}",'
            '"content":{"no_plan_reason":null,"objectives":[],"sections":{"plan":"é","problem":"p"}},'
            '"document":"progress_note","service_ended_at":"2026-01-02T15:00:00-08:00",'
            '"service_started_at":"2026-01-02T14:00:00-08:00"}'
        ).encode()
    )


def test_psc_11_one_signs_what_one_has_seen() -> None:
    given(*CHART, A_DRAFT).when(SignNote(note_id=NOTE, content_sha256="0" * 64), by=ANN).then_refused(
        "content_sha256", "the content has changed"
    )


@pytest.mark.parametrize("document", sorted(documents()))
def test_psc_9_css_4_every_missing_section_is_named_at_once(document: str) -> None:
    draft = draft_of(NoteContent(no_plan_reason="intake"), document)
    first, *rest = documents()[document].sections
    given(*CHART, draft).when(SignNote(note_id=NOTE), by=ANN).then_refused(
        f"content.sections.{first}",
        f"the section {first} is empty",
        *((f"content.sections.{name}", f"the section {name} is empty") for name in rest),
    )


def test_psc_9_a_section_of_blanks_is_missing() -> None:
    draft = draft_of(NoteContent(sections={**PIRP, "response": " \n\t"}, no_plan_reason="intake"))
    given(*CHART, draft).when(SignNote(note_id=NOTE), by=ANN).then_refused("content.sections.response", "is empty")


def test_css_4_not_known_fills_a_section_of_a_crisis_note() -> None:
    sections = dict.fromkeys(documents()["crisis_note"].sections, "not known")
    draft = draft_of(NoteContent(sections=sections), "crisis_note")
    given(*CHART, draft).when(SignNote(note_id=NOTE), by=ANN).then_a(NoteSigned, cited_plans=())


def test_psc_10_a_note_names_an_objective_or_says_why_there_is_none() -> None:
    unnamed = draft_of(NoteContent(sections=PIRP))
    given(*CHART, unnamed).when(SignNote(note_id=NOTE), by=ANN).then_refused(
        "content.objectives", "names no objective of the treatment plan"
    )
    reasoned = draft_of(NoteContent(sections=PIRP, no_plan_reason="intake"))
    given(*CHART, reasoned).when(SignNote(note_id=NOTE), by=ANN).then_a(NoteSigned, cited_plans=())


def test_psc_10_the_plan_must_be_in_force_on_the_service_date() -> None:
    for plan in (
        A_PLAN,
        A_PLAN.and_then(in_force(date(2026, 1, 3))),
        PLAN_IN_FORCE.and_then(PlanEnded(client_id=CLIENT, last_day=date(2026, 1, 1), reason="moved")),
    ):
        given(*EVERYBODY, A_CONTACT, plan, A_DRAFT).when(SignNote(note_id=NOTE), by=ANN).then_refused(
            "content.objectives[0].plan_id", "the plan was not in force on 2026-01-02"
        )


def test_psc_10_the_version_in_force_that_day_is_cited_and_not_a_later_one() -> None:
    revised = PLAN_IN_FORCE.and_then(
        PlanRevised(client_id=CLIENT, plan_version=2, reason="new goals", goals=GOALS[:1]),
        in_force(date(2026, 1, 4), version=2),
    )
    given(*EVERYBODY, A_CONTACT, revised, A_DRAFT).when(SignNote(note_id=NOTE), by=ANN).then_a(
        NoteSigned, cited_plans=(CitedPlan(plan_id=PLAN, plan_version=1),)
    )


def test_psc_10_objectives_and_plans_that_are_not_there_are_all_named() -> None:
    cited = (
        ObjectiveReference(plan_id=PLAN, objective="9.9", progress="p"),
        ObjectiveReference(plan_id=ident("another plan"), objective="1.1", progress="p"),
    )
    draft = draft_of(NoteContent(sections=PIRP, objectives=cited))
    given(*CHART, draft).when(SignNote(note_id=NOTE), by=ANN).then_refused(
        "content.objectives[0].objective",
        "version 1 of the plan has no objective 9.9 (use one of 1.1, 1.2)",
        ("content.objectives[1].plan_id", "this chart has no such plan"),
    )


def test_psc_11_somebody_without_standing_is_told_every_reason_at_once() -> None:
    empty = draft_of(NoteContent(sections={"problem": "p", "intervention": "i", "response": "r"}))
    given(*CHART, empty).when(SignNote(note_id=NOTE, content_sha256="0" * 64), by=ROSA).then_refused(
        "actor",
        "Rosa Sample did not give this service",
        ("actor", "Rosa Sample held no signing credential on 2026-01-02"),
        ("content.sections.plan", "the section plan is empty"),
        ("content.objectives", "names no objective"),
        ("content_sha256", "the content has changed"),
    )


def test_a_program_of_ours_signs_nothing() -> None:
    given(*CHART, A_DRAFT).when(SignNote(note_id=NOTE), by="system:import").then_refused(
        "actor", "import is not a staff member"
    )


@pytest.mark.parametrize(
    ("issued_on", "expires_on", "kind", "signs"),
    [
        (date(2025, 1, 2), date(2026, 1, 2), "lcsw", True),  # its last day
        (date(2026, 1, 2), None, "asw", True),  # its first day
        (date(2025, 1, 2), date(2026, 1, 1), "lcsw", False),  # lapsed the day before
        (date(2026, 1, 3), None, "lcsw", False),  # issued between the service and the signature
        (date(2024, 1, 1), None, "drivers_licence", False),  # a condition of work, not a credential that signs
    ],
)
def test_psc_23_the_credential_held_on_the_service_date_decides(
    issued_on: date, expires_on: date | None, kind: str, signs: bool
) -> None:
    ann = person(ANN, "Ann", "clinician", credential=None).and_then(
        CredentialRecorded(
            credential_id=ident("dated"), credential_kind=kind, number="1", issued_on=issued_on, expires_on=expires_on
        )
    )
    outcome = given(ann, A_CONTACT, PLAN_IN_FORCE, A_DRAFT).when(SignNote(note_id=NOTE), by=ANN)
    if signs:
        outcome.then_a(NoteSigned, credential=kind)
    else:
        outcome.then_refused("actor", "held no signing credential on 2026-01-02")


def test_a_former_colleague_signs_nothing() -> None:
    left = CLINICIAN.and_then(EmploymentEnded(last_day=date(2026, 1, 4), reason="moved"))
    given(left, A_CONTACT, PLAN_IN_FORCE, A_DRAFT).when(SignNote(note_id=NOTE), by=ANN).then_refused(
        "actor", "was not employed on 2026-01-05"
    )


def test_a_note_is_not_signed_before_its_service_ended_nor_for_a_contact_in_error() -> None:
    in_error = A_CONTACT.and_then(ContactEnteredInError(client_id=CLIENT, reason="wrong chart"))
    given(CLINICIAN, in_error, PLAN_IN_FORCE, A_DRAFT).when(
        SignNote(note_id=NOTE), by=ANN, at="2026-01-02T14:59:00-08:00"
    ).then_refused("occurred_at", "before its service ended", ("note_id", "its contact is entered in error"))


def test_a_note_in_error_is_neither_written_nor_signed() -> None:
    dead = A_DRAFT.and_then(NoteEnteredInError(client_id=CLIENT, contact_id=CONTACT, reason="wrong chart"))
    given(*CHART, dead).when(WriteNote(note_id=NOTE, content=COMPLETE), by=ANN).then_refused(
        "note_id", "entered in error"
    )
    given(*CHART, dead).when(SignNote(note_id=NOTE), by=ANN).then_refused("note_id", "entered in error")


def test_what_a_signature_is_bound_to_is_the_same_after_reading_it_back() -> None:
    note = Note(NOTE)
    for event in A_DRAFT.events:
        note.replay(event, ENDED)
    drafted = A_DRAFT.events[0]
    assert isinstance(drafted, NoteDrafted)
    assert note.content_sha256 == hashlib.sha256(canonical_content(drafted, COMPLETE)).hexdigest()


def test_a_contact_has_one_open_draft() -> None:
    """The next note is begun when the first is entered in error."""
    begun = [one if one.identifier != CONTACT else one.and_then(BEGUN) for one in CHART]
    second = DraftNote(note_id=ident("second"), contact_id=CONTACT)
    given(*begun, A_DRAFT).when(second, by=ANN).then_refused(
        "contact_id",
        f"a draft of this contact is open: note {NOTE} (write in it, or mark it as entered in error",
    )
    in_error = A_DRAFT.and_then(NoteEnteredInError(client_id=CLIENT, contact_id=CONTACT, reason="wrong form"))
    assert len(given(*begun, in_error).when(second, by=ANN).changes) == 2


def test_psc_11_a_contact_has_one_signed_note() -> None:
    """A second account of a service joins the first as an addendum or an amendment; it does not stand beside it."""
    (change,) = given(*CHART, A_DRAFT).when(SignNote(note_id=NOTE), by=ANN).changes
    other = ident("second")
    begun = A_CONTACT.and_then(
        ContactNoteBegun(client_id=CLIENT, note_id=NOTE), ContactNoteBegun(client_id=CLIENT, note_id=other)
    )
    chart = (*(one for one in CHART if one.identifier != CONTACT), begun)
    signed = A_DRAFT.and_then(change.event)
    again = DraftNote(note_id=ident("third"), contact_id=CONTACT)
    words = f"this contact has a signed note: {NOTE} (add an addendum to it or amend it, or mark it as entered in error"
    given(*chart, signed).when(again, by=ANN).then_refused("contact_id", words)
    # Two drafts begun before that was refused: one of them is signed.
    beside = of(other, *A_DRAFT.events)
    given(*chart, signed, beside).when(SignNote(note_id=other), by=ANN).then_refused("note_id", words)
    in_error = signed.and_then(NoteEnteredInError(client_id=CLIENT, contact_id=CONTACT, reason="wrong chart"))
    assert len(given(*chart, in_error).when(again, by=ANN).changes) == 2
    given(*chart, in_error, beside).when(SignNote(note_id=other), by=ANN).then_a(NoteSigned, signer_id=ANN)


def test_a_draft_that_is_refused_for_want_of_standing_begins_nothing() -> None:
    past = given(*CHART)
    past.when(DraftNote(note_id=NOTE, contact_id=CONTACT), by=BOB).then_refused("actor", "did not give this service")
    past.when(DraftNote(note_id=NOTE, contact_id=CONTACT), by=ANN).then(BEGUN, *draft_of(NoteContent()).events)
