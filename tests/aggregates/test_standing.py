"""Who may give which command: one row for each of them, and nobody beside it (PSC-6, PSC-11 to PSC-13, PSC-23, CSS-14).

The table here is written by hand: it says again, in another form, what ``standing.toml`` says.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from tests.aggregates.test_agency import ADOPT, ADOPTED, HELD, POLICY, SESSION
from tests.aggregates.test_note_afterwards import SIGNED
from tests.aggregates.test_privacy import A_CONSENT
from tests.notation import given, of
from tests.sample import (
    ANN,
    ASSIGNMENT,
    BOB,
    CHART,
    CLIENT,
    COLE,
    CONTACT,
    COORDINATED,
    EPISODE,
    GOALS,
    NOTE,
    PLAN,
    SUE,
    contact_of,
    ident,
    person,
)

from ledger.aggregates import client_events as clients
from ledger.aggregates import note_events as notes
from ledger.aggregates import plan_events as plans
from ledger.aggregates import privacy_events as privacy
from ledger.aggregates import staff as people
from ledger.aggregates.access import ChartShown, GrantAccess, RefuseAccess
from ledger.aggregates.base import command_types
from ledger.aggregates.contact import ContactRecorded, CorrectContact, MarkContactInError, RecordContact
from ledger.aggregates.dispute import AddEvidence, DecideDispute, DisputeOpened, OpenDispute
from ledger.aggregates.engagement import AssignAuditor, EndEngagement
from ledger.aggregates.import_file import TakeFile
from ledger.aggregates.policy import RetirePolicy
from ledger.aggregates.privacy import privacy_id
from ledger.aggregates.standing import MAY
from ledger.aggregates.supervision import MarkSupervisionInError, RecordMissedSupervision, RecordSupervision
from ledger.aggregates.utilisation_review import ReviewUtilisation
from ledger.aggregates.view import ApproveRebuild, CertifyView
from ledger.aggregates.vocabulary import Command

BILL, ADA = ident("bill"), ident("ada")
#: Credentials alone give no standing.
BILLER = person(BILL, "Bill", "biller")
ADMINISTRATOR = person(ADA, "Ada", "administrator")
DISPUTE, REVIEW = ident("dispute"), ident("review")
CONTESTED = of(DISPUTE, DisputeOpened(note_id=NOTE, client_id=CLIENT, opened_by=ANN, claim="In time"))
FACTS = contact_of("individual")
STREAMS = (
    *(one for one in CHART if one.identifier != CLIENT),
    COORDINATED,
    BILLER,
    ADMINISTRATOR,
    SIGNED,
    ADOPTED,
    CONTESTED,
    of(SESSION, HELD),
    of(
        privacy_id(CLIENT),
        privacy.GlassBroken(
            client_id=CLIENT,
            glass_id=ident("g"),
            reader_id=ANN,
            reason="emergency",
            until=FACTS.ended_at,
        ),
    ),
)
NAME = people.PersonName(family="Sample", given="Ned")
DAY = date(2026, 1, 5)
WEEK = (480, 480, 480, 480, 480, 0, 0)
OF_A_VIEW: dict[str, Any] = {
    "projection": "billing",
    "projection_version": 1,
    "code_version": "1",
    "position": 9,
    "root": "0" * 64,
}
SHOWN = (ChartShown(chart_id=CLIENT, position=1, relationship="care team"),)

COMMANDS: dict[str, Command] = {
    command.NAME: command
    for command in (
        clients.RegisterClient(client_id=ident("new"), name=NAME, birth_date=date(1980, 1, 1), sex="male"),
        clients.CorrectClientDetails(client_id=CLIENT, reason="misheard", phone="555-0100"),
        clients.OpenEpisode(client_id=CLIENT, episode_id=ident("e"), program="ecm", opened_on=DAY),
        clients.CloseEpisode(client_id=CLIENT, episode_id=EPISODE, closed_on=DAY, reason="moved"),
        clients.AssignCoordinator(
            client_id=CLIENT, assignment_id=ident("a"), staff_id=BOB, program="psc", first_day=DAY
        ),
        clients.ReleaseCoordinator(client_id=CLIENT, assignment_id=ASSIGNMENT, last_day=DAY, reason="leave"),
        clients.RecordDiagnosis(
            client_id=CLIENT, diagnosis_id=ident("d"), system="icd-10-cm", code="F20.9", display="x", onset=DAY
        ),
        clients.ResolveDiagnosis(client_id=CLIENT, diagnosis_id=ident("d"), resolved_on=DAY),
        RecordContact(
            contact_id=ident("another contact"),
            client_id=FACTS.client_id,
            staff_id=ANN,
            program=FACTS.program,
            contact_kind=FACTS.contact_kind,
            started_at=FACTS.started_at,
            ended_at=FACTS.ended_at,
            direct_minutes=FACTS.direct_minutes,
        ),
        CorrectContact(contact_id=CONTACT, reason="wrong place", place="12"),
        MarkContactInError(contact_id=CONTACT, reason="another chart"),
        notes.DraftNote(note_id=ident("another note"), contact_id=CONTACT),
        notes.WriteNote(note_id=NOTE, content=notes.NoteContent()),
        notes.SignNote(note_id=NOTE),
        notes.CosignNote(note_id=NOTE),
        notes.AddAddendum(note_id=NOTE, addendum_id=ident("an addendum"), text="The landlord rang"),
        notes.AmendNote(
            note_id=NOTE, amendment_id=ident("m"), kind="correction", section="plan", text="Tuesday", reason="misread"
        ),
        notes.MarkLateEntry(note_id=NOTE, reason="written the week after"),
        notes.MarkNoteInError(note_id=NOTE, reason="another chart"),
        notes.RequestExtension(note_id=NOTE, request_id=ident("r"), reason="crisis"),
        notes.GrantExtension(note_id=NOTE, request_id=ident("r")),
        notes.RefuseExtension(note_id=NOTE, request_id=ident("r")),
        plans.DraftPlan(plan_id=ident("another plan"), client_id=CLIENT, program="psc", goals=GOALS),
        plans.PutPlanInForce(plan_id=PLAN, effective_from=DAY),
        plans.RecordClientSignature(plan_id=PLAN, signed_by="Jo Doe"),
        plans.RecordMissingSignature(plan_id=PLAN, why="unable", reason="in hospital"),
        plans.RevisePlan(plan_id=PLAN, reason="relapse", goals=GOALS),
        plans.ReviewPlan(plan_id=PLAN, outcomes=(), summary="on the way"),
        plans.EndPlan(plan_id=PLAN, last_day=DAY, reason="discharge"),
        people.RegisterStaff(staff_id=ident("ned"), name=NAME, roles=("clinician",), programs=("psc",), hired_on=DAY),
        people.RecordCredential(
            staff_id=ANN, credential_id=ident("c"), credential_kind="asw", number="1", issued_on=DAY
        ),
        people.SetSchedule(staff_id=ANN, effective_from=DAY, minutes=WEEK),
        people.RecordTimeOff(staff_id=ANN, time_off_id=ident("t"), first_day=DAY, last_day=DAY, reason="pto"),
        people.CancelTimeOff(staff_id=ANN, time_off_id=ident("t"), reason="came in"),
        people.AssignSupervisor(staff_id=ANN, supervisor_id=SUE, effective_from=DAY),
        people.EndEmployment(staff_id=ANN, last_day=DAY, reason="moved"),
        RecordSupervision(
            session_id=ident("s"),
            supervisee_id=ANN,
            supervisor_id=SUE,
            started_at=HELD.started_at,
            ended_at=HELD.ended_at,
        ),
        RecordMissedSupervision(
            session_id=ident("s"), supervisee_id=ANN, supervisor_id=SUE, planned_for=date(2026, 1, 2), reason="pto"
        ),
        MarkSupervisionInError(session_id=SESSION, reason="wrong week"),
        msgspec.structs.replace(ADOPT, policy_id=ident("another policy")),
        RetirePolicy(policy_id=POLICY, last_day=date(2026, 3, 31), reason="new contract"),
        ReviewUtilisation(
            review_id=REVIEW,
            staff_id=ANN,
            first_day=date(2025, 12, 1),
            last_day=date(2025, 12, 31),
            billable_minutes=6000,
            target_minutes=5985,
            rating="full",
            position=1,
        ),
        OpenDispute(dispute_id=ident("another dispute"), note_id=NOTE, claim="In time"),
        AddEvidence(dispute_id=DISPUTE, evidence_id=ident("ev"), kind="statement", text="Seen"),
        DecideDispute(
            dispute_id=DISPUTE, outcome="upheld", rule_id="PSC-13", reading="72-elapsed-hours", reasoning="late"
        ),
        TakeFile(import_id=ident("file"), format="fhir-r4", file="a", sha256="0" * 64, program="psc", source="fhir:x"),
        GrantAccess(access_id=ident("x"), surface="cli", resource="chart", purpose="treatment", charts=SHOWN),
        RefuseAccess(
            access_id=ident("y"),
            reader_id=BOB,
            surface="cli",
            resource="chart",
            purpose="treatment",
            charts=(CLIENT,),
            why="no relationship",
        ),
        privacy.MarkSensitive(client_id=CLIENT, why="staff", reason="works here"),
        privacy.EndSensitive(client_id=CLIENT, reason="has left"),
        privacy.BreakGlass(client_id=CLIENT, glass_id=ident("g"), reason="emergency"),
        privacy.ReviewGlass(client_id=CLIENT, glass_id=ident("g"), justified=True, comment="called back"),
        privacy.MarkSegment(client_id=CLIENT, document_id=NOTE, segment="substance-use", reason="drinking"),
        A_CONSENT,
        privacy.RevokeConsent(client_id=CLIENT, consent_id=ident("consent"), revoked_on=DAY, reason="changed my mind"),
        AssignAuditor(
            auditor_id=ANN,
            engagement_id=ident("audit"),
            charts=(CLIENT,),
            services_from=DAY,
            services_to=DAY,
            last_day=DAY,
            reason="county audit",
        ),
        EndEngagement(auditor_id=ANN, engagement_id=ident("audit"), reason="done"),
        CertifyView(record_id=ident("certificate"), rows=3, **OF_A_VIEW),
        ApproveRebuild(record_id=ident("approval"), replaces=1, reason="looked at", **OF_A_VIEW),
    )
}

#: One letter for each who may: the owner Ann (a clinician), a Colleague of hers, her Supervisor, the Administrator, the
#: compliance Officer, the Biller, and our programs Import and sEtup.
WHO = {
    "n": ANN,
    "c": BOB,
    "s": SUE,
    "a": ADA,
    "o": COLE,
    "b": BILL,
    "i": "system:import",
    "e": "system:setup",
    "x": "system:somebody",
}
EXPECTED = {
    "register-client": "ncsaie",
    "correct-client-details": "ncsaobe",
    "open-episode": "ncsaie",
    "close-episode": "ncsaie",
    "assign-coordinator": "saie",
    "release-coordinator": "saie",
    "record-diagnosis": "ncsie",
    "resolve-diagnosis": "ncsie",
    "record-contact": "nsaie",
    "correct-contact": "nsao",
    "mark-contact-in-error": "nsao",
    "draft-note": "ni",
    "write-note": "n",
    "sign-note": "n",
    "cosign-note": "s",
    "add-addendum": "ncs",
    "amend-note": "n",
    "mark-late-entry": "nsao",
    "mark-note-in-error": "nsao",
    "request-extension": "n",
    "grant-extension": "s",
    "refuse-extension": "s",
    "draft-plan": "ncsie",
    "put-plan-in-force": "nsi",
    "record-client-signature": "ncs",
    "record-missing-signature": "ncs",
    "revise-plan": "ncs",
    "review-plan": "ncs",
    "end-plan": "ncsai",
    "register-staff": "aie",
    "record-credential": "aoie",
    "set-schedule": "sae",
    "record-time-off": "nsae",
    "cancel-time-off": "nsae",
    "assign-supervisor": "sae",
    "end-employment": "ae",
    "record-supervision": "sa",
    "record-missed-supervision": "sa",
    "mark-supervision-in-error": "sao",
    "adopt-policy": "saoe",
    "retire-policy": "saoe",
    "review-utilisation": "sao",
    "open-dispute": "nsao",
    "add-evidence": "nsao",
    "decide-dispute": "o",
    "take-file": "aoe",
    "grant-access": "".join(WHO),
    "refuse-access": "".join(WHO),
    "mark-sensitive": "aoe",
    "end-sensitive": "o",
    "break-glass": "ncso",
    "review-glass": "o",
    "mark-segment": "ncso",
    "give-consent": "ncsae",
    "revoke-consent": "ncsa",
    "assign-auditor": "ao",
    "end-engagement": "ao",
    "certify-view": "ao",
    "approve-rebuild": "ao",
}
#: Commands about somebody that they may not give themselves, whatever their role.
NEVER_ONES_OWN = sorted(
    {
        "cosign-note",
        "grant-extension",
        "refuse-extension",
        "record-credential",
        "set-schedule",
        "assign-supervisor",
        "end-employment",
        "record-supervision",
        "record-missed-supervision",
        "mark-supervision-in-error",
        "review-utilisation",
        "decide-dispute",
        "review-glass",
        "assign-auditor",
        "end-engagement",
    }
)
#: A signing credential held that day beside the role, where it is not one's own.
WITH_A_CREDENTIAL = ("add-addendum", "cosign-note")


def test_every_command_of_the_write_side_has_a_row_in_force_and_is_tried_here() -> None:
    assert set(MAY) == set(command_types()) == set(COMMANDS) == set(EXPECTED)
    for name, rows in MAY.items():
        assert [row.name for row in rows if row.in_force(DAY)] == [name]
        assert all(row.source and row.reason for row in rows)
        assert all(row.self_said and row.mend for row in rows if row.own == "never")


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_who_may_and_who_may_not(name: str) -> None:
    may = ""
    for letter, who in WHO.items():
        outcome = given(*STREAMS).when(COMMANDS[name], by=who)
        against = [r for r in outcome.reasons if r.field == "actor" and r.code in ("standing", "actor")]
        assert all(reason.mend for reason in against)
        may += "" if against else letter
    assert sorted(may) == sorted(EXPECTED[name])


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - {"correct-client-details", "grant-access", "refuse-access"}))
def test_a_biller_is_told_that_it_is_about_who_acts_and_who_may(name: str) -> None:
    reasons = given(*STREAMS).when(COMMANDS[name], by=BILL).reasons
    (told,) = [str(reason) for reason in reasons if reason.code == "standing"]
    assert told.startswith("actor: ")
    assert told.endswith(")")
    for role in MAY[name][0].roles:
        assert role in told


@pytest.mark.parametrize("name", NEVER_ONES_OWN)
def test_nobody_acts_on_their_own_whatever_their_role(name: str) -> None:
    roles = ("supervisor", "administrator", "compliance")
    others = [one for one in STREAMS if one.identifier != ANN]
    outcome = given(*others, person(ANN, "Ann", *roles)).when(COMMANDS[name], by=ANN)
    (reason,) = [r for r in outcome.reasons if r.code == "standing"]
    assert reason.field == "actor"
    assert reason.message.startswith("nobody ")
    assert reason.mend


@pytest.mark.parametrize("name", WITH_A_CREDENTIAL)
def test_psc_23_what_is_signed_beside_a_note_needs_a_credential_held_that_day(name: str) -> None:
    others = [one for one in STREAMS if one.identifier != SUE]
    without = person(SUE, "Sue", "supervisor", credential=None)
    outcome = given(*others, without).when(COMMANDS[name], by=SUE)
    assert any(r.field == "actor" and "held no signing credential on 2026-01-05" in r.message for r in outcome.reasons)
    clerk = person(BILL, "Bill", "biller", credential=None)
    others = [one for one in STREAMS if one.identifier != BILL]
    outcome = given(*others, clerk).when(COMMANDS[name], by=BILL)
    assert {"standing", "credential"} <= {r.code for r in outcome.reasons}


def test_a_credential_that_has_lapsed_gives_no_standing() -> None:
    given(*STREAMS).when(COMMANDS["add-addendum"], by=BOB, at="2027-01-01T09:00:00-08:00").then_refused(
        "actor", "held no signing credential on 2027-01-01"
    )


def test_a_program_without_standing_is_told_which_program_has_it() -> None:
    given(*STREAMS).when(COMMANDS["record-contact"], by="system:somebody").then_refused(
        "actor", "the program somebody has no standing to record contact"
    )
    (reason,) = given(*STREAMS).when(COMMANDS["record-contact"], by="system:somebody").reasons
    assert "system:import, system:setup" in reason.mend


def test_a_contact_that_is_imported_is_somebody_elses() -> None:
    given(*STREAMS).when(COMMANDS["record-contact"], by="system:import").then_a(ContactRecorded, staff_id=ANN)


def test_whoever_is_nobody_is_told_so_once() -> None:
    given(*STREAMS).when(COMMANDS["sign-note"], by="system:import").then_refused(
        "actor", "import is not a staff member", ("note_id", "signed")
    )
