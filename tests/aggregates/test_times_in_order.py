"""What is said to have happened follows what it is about: a note its service, a decision the request, a plan its words.

The server's time is the fifth of January; the service ended on the second at three, and what is given happened at four.
"""

from __future__ import annotations

from datetime import date

import pytest
from tests.aggregates.test_agency import ADOPTED, HELD, POLICY, SESSION
from tests.aggregates.test_dispute import ARGUE, DECIDE, DISPUTE, OPENED
from tests.aggregates.test_note_afterwards import ASKED, REQUEST, SIGNED
from tests.notation import NOW, Stream, given, of
from tests.sample import (
    A_CLIENT,
    A_DRAFT,
    A_PLAN,
    ANN,
    CHART,
    CLIENT,
    COLE,
    CONTACT,
    EPISODE,
    GOALS,
    NOTE,
    PLAN,
    STARTED,
    SUE,
    contact_of,
    ident,
)

from ledger.aggregates import client_events as clients
from ledger.aggregates import note_events as notes
from ledger.aggregates import plan_events as plans
from ledger.aggregates.contact import ContactRecorded, CorrectContact, MarkContactInError, RecordContact
from ledger.aggregates.dispute import OpenDispute
from ledger.aggregates.policy import RetirePolicy
from ledger.aggregates.supervision import MarkSupervisionInError, RecordMissedSupervision, RecordSupervision
from ledger.aggregates.vocabulary import Command

FACTS = contact_of("individual")
RECORD = RecordContact(
    contact_id=ident("another"),
    client_id=CLIENT,
    staff_id=ANN,
    program="psc",
    contact_kind="individual",
    started_at=FACTS.started_at,
    ended_at=FACTS.ended_at,
    direct_minutes=50,
)
CORRECT = CorrectContact(contact_id=CONTACT, reason="x", place="11")
DRAFT = notes.DraftNote(note_id=ident("n"), contact_id=CONTACT)
SUPERVISED = RecordSupervision(
    session_id=ident("another"),
    supervisee_id=ANN,
    supervisor_id=SUE,
    started_at=HELD.started_at,
    ended_at=HELD.ended_at,
)
ILL = clients.DiagnosisRecorded(
    diagnosis_id=ident("d"), system="icd-10-cm", code="F20.9", display="d", onset=date(2025, 12, 1)
)
BEFORE_THE_SERVICE = "2026-01-02T13:59:00-08:00"
BEFORE_IT_ENDED = "2026-01-02T14:59:00-08:00"
BEFORE_IT_WAS_WRITTEN = "2026-01-02T15:59:00-08:00"

#: What is given beside the chart, the command, who gives it, a time too early, and what it lies before.
CASES: list[tuple[str, tuple[Stream, ...], Command, str, str, str]] = [
    ("a contact", (), RECORD, ANN, BEFORE_IT_ENDED, "the service ended"),
    (
        "its correction",
        (),
        CorrectContact(contact_id=CONTACT, reason="x", place="11"),
        ANN,
        BEFORE_IT_ENDED,
        "the service ended",
    ),
    ("its error", (), MarkContactInError(contact_id=CONTACT, reason="x"), ANN, BEFORE_IT_ENDED, "the service ended"),
    (
        "a draft",
        (),
        notes.DraftNote(note_id=ident("n"), contact_id=CONTACT),
        ANN,
        BEFORE_THE_SERVICE,
        "the service began",
    ),
    ("a signature", (A_DRAFT,), notes.SignNote(note_id=NOTE), ANN, BEFORE_IT_WAS_WRITTEN, "the content was written"),
    (
        "a request",
        (A_DRAFT,),
        notes.RequestExtension(note_id=NOTE, request_id=ident("r"), reason="ill"),
        ANN,
        BEFORE_IT_ENDED,
        "the service ended",
    ),
    (
        "a grant",
        (ASKED,),
        notes.GrantExtension(note_id=NOTE, request_id=REQUEST),
        SUE,
        BEFORE_IT_WAS_WRITTEN,
        "more time was asked for",
    ),
    (
        "a refusal",
        (ASKED,),
        notes.RefuseExtension(note_id=NOTE, request_id=REQUEST),
        SUE,
        BEFORE_IT_WAS_WRITTEN,
        "more time was asked for",
    ),
    ("a co-signature", (SIGNED,), notes.CosignNote(note_id=NOTE), SUE, BEFORE_IT_WAS_WRITTEN, "the note was signed"),
    (
        "an addendum",
        (SIGNED,),
        notes.AddAddendum(note_id=NOTE, addendum_id=ident("a"), text="x"),
        ANN,
        BEFORE_IT_WAS_WRITTEN,
        "the note was signed",
    ),
    (
        "an amendment",
        (SIGNED,),
        notes.AmendNote(note_id=NOTE, amendment_id=ident("m"), kind="correction", section="plan", text="x", reason="x"),
        ANN,
        BEFORE_IT_WAS_WRITTEN,
        "the note was signed",
    ),
    (
        "a note's error",
        (A_DRAFT,),
        notes.MarkNoteInError(note_id=NOTE, reason="x"),
        ANN,
        BEFORE_THE_SERVICE,
        "the service began",
    ),
    (
        "a dispute",
        (SIGNED,),
        OpenDispute(dispute_id=DISPUTE, note_id=NOTE, claim="x"),
        ANN,
        BEFORE_IT_WAS_WRITTEN,
        "the note was signed",
    ),
    (
        "a dispute about a draft",
        (A_DRAFT,),
        OpenDispute(dispute_id=DISPUTE, note_id=NOTE, claim="x"),
        ANN,
        BEFORE_IT_ENDED,
        "the service ended",
    ),
    ("evidence", (A_DRAFT, OPENED), ARGUE, SUE, BEFORE_IT_WAS_WRITTEN, "the dispute was opened"),
    ("a decision", (A_DRAFT, OPENED), DECIDE, COLE, BEFORE_IT_WAS_WRITTEN, "the last that was said in it happened"),
    (
        "a review of a plan",
        (A_PLAN,),
        plans.ReviewPlan(plan_id=PLAN, outcomes=(), summary="x"),
        ANN,
        BEFORE_IT_WAS_WRITTEN,
        "version 1 of the plan was written",
    ),
    (
        "a client's signature",
        (A_PLAN,),
        plans.RecordClientSignature(plan_id=PLAN, signed_by="Jo"),
        ANN,
        BEFORE_IT_WAS_WRITTEN,
        "version 1 of the plan was written",
    ),
    (
        "a revision",
        (A_PLAN,),
        plans.RevisePlan(plan_id=PLAN, reason="x", goals=GOALS),
        ANN,
        BEFORE_IT_WAS_WRITTEN,
        "version 1 of the plan was written",
    ),
    ("a session", (), SUPERVISED, SUE, "2026-01-02T09:45:00-08:00", "the session ended"),
    (
        "a missed session",
        (),
        RecordMissedSupervision(
            session_id=ident("m"), supervisee_id=ANN, supervisor_id=SUE, planned_for=date(2026, 1, 4), reason="ill"
        ),
        SUE,
        "2026-01-03T23:59:00-08:00",
        "the day began for which it was planned",
    ),
    (
        "a session's error",
        (of(SESSION, HELD),),
        MarkSupervisionInError(session_id=SESSION, reason="x"),
        SUE,
        BEFORE_IT_WAS_WRITTEN,
        "the session took place",
    ),
    (
        "a retirement",
        (ADOPTED,),
        RetirePolicy(policy_id=POLICY, last_day=date(2026, 3, 1), reason="x"),
        COLE,
        BEFORE_IT_WAS_WRITTEN,
        "the reading was adopted",
    ),
    (
        "a discharge",
        (),
        clients.CloseEpisode(client_id=CLIENT, episode_id=EPISODE, closed_on=date(2026, 1, 4), reason="moved"),
        SUE,
        "2025-09-30T23:59:00-07:00",
        "the episode opened",
    ),
    (
        "a resolution",
        (of(CLIENT, *A_CLIENT.events, ILL),),
        clients.ResolveDiagnosis(client_id=CLIENT, diagnosis_id=ident("d"), resolved_on=date(2026, 1, 4)),
        SUE,
        "2025-11-30T23:59:00-08:00",
        "it had its onset",
    ),
]


@pytest.mark.parametrize(("_", "beside", "command", "by", "early", "what"), CASES, ids=[case[0] for case in CASES])
def test_what_happened_follows_what_it_is_about(
    _: str, beside: tuple[Stream, ...], command: Command, by: str, early: str, what: str
) -> None:
    replaced = {stream.identifier for stream in beside}
    world = (*(one for one in CHART if one.identifier not in replaced), *beside)
    given(*world).when(command, by=by, at=early, now=NOW).then_refused("occurred_at", f"when {what}")
    assert given(*world).when(command, by=by).changes


def test_a_time_is_compared_as_an_instant_whatever_its_offset() -> None:
    grant = notes.GrantExtension(note_id=NOTE, request_id=REQUEST)
    given(*CHART, ASKED).when(grant, by=SUE, at="2026-01-03T05:00:00+05:00", now=NOW).then_a(notes.ExtensionGranted)
    given(*CHART, ASKED).when(grant, by=SUE, at="2026-01-03T04:59:00+05:00", now=NOW).then_refused(
        "occurred_at", "it lies before 2026-01-02T16:00:00-08:00, when more time was asked for (give the time"
    )


def test_an_import_records_the_times_of_its_source_in_whatever_order_they_come() -> None:
    given(*CHART).when(RECORD, by="system:import", at=STARTED.isoformat(), now=NOW).then_a(
        ContactRecorded, staff_id=ANN
    )
