"""A late-signature dispute: opened, argued, decided by compliance and by nobody in their own cause."""

from __future__ import annotations

from tests.notation import given, of
from tests.sample import A_DRAFT, ANN, BOB, CLIENT, COLE, COMPLIANCE, EVERYBODY, NOTE, SUE, ident, person

from ledger.aggregates.dispute import (
    AddEvidence,
    DecideDispute,
    DisputeDecided,
    DisputeOpened,
    EvidenceAdded,
    OpenDispute,
)

DISPUTE, EVIDENCE = ident("dispute"), ident("evidence")
OPENED = of(DISPUTE, DisputeOpened(note_id=NOTE, client_id=CLIENT, opened_by=ANN, claim="It was in time"))
ADDED = EvidenceAdded(note_id=NOTE, evidence_id=EVIDENCE, kind="statement", text="Seen", events=())
DECIDED = DisputeDecided(
    note_id=NOTE,
    outcome="overturned",
    rule_id="PSC-13",
    reading="elapsed_72h",
    reasoning="A holiday",
    decided_by=COLE,
)
DECIDE = DecideDispute(
    dispute_id=DISPUTE, outcome="overturned", rule_id="PSC-13", reading="elapsed_72h", reasoning="A holiday"
)
ARGUE = AddEvidence(dispute_id=DISPUTE, evidence_id=EVIDENCE, kind="statement", text="Seen")


def test_a_staff_member_contests_a_verdict() -> None:
    command = OpenDispute(dispute_id=DISPUTE, note_id=NOTE, claim="It was in time")
    given(*EVERYBODY, A_DRAFT).when(command, by=ANN).then(*OPENED.events)
    given().when(command, by="system:x").then_refused("actor", "not a staff member", ("note_id", "no such note"))


def test_evidence_is_added_until_the_dispute_is_decided() -> None:
    given(*EVERYBODY, OPENED).when(ARGUE, by=SUE).then(ADDED)
    given(*EVERYBODY, OPENED.and_then(ADDED, DECIDED)).when(ARGUE, by=SUE).then_refused(
        "dispute_id", "this dispute is decided", ("evidence_id", "was added before")
    )


def test_compliance_decides_once() -> None:
    given(*EVERYBODY, A_DRAFT, OPENED).when(DECIDE, by=COLE).then(DECIDED)
    given(*EVERYBODY, A_DRAFT, OPENED.and_then(DECIDED)).when(DECIDE, by=BOB).then_refused(
        "dispute_id", "decided already", ("actor", "does not have the role compliance")
    )


def test_nobody_decides_in_their_own_cause() -> None:
    ann = person(ANN, "Ann", "compliance")
    given(ann, COMPLIANCE, A_DRAFT, OPENED).when(DECIDE, by=ANN).then_refused(
        "actor", "nobody decides a dispute they opened, or one about their own note"
    )
    by_bob = of(DISPUTE, DisputeOpened(note_id=NOTE, client_id=CLIENT, opened_by=BOB, claim="For Ann"))
    given(ann, A_DRAFT, by_bob).when(DECIDE, by=ANN).then_refused("actor", "about their own note")
