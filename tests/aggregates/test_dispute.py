"""A late-signature dispute: opened, argued, decided by compliance and by nobody in their own cause."""

from __future__ import annotations

import msgspec
from tests.notation import given, of
from tests.sample import A_DRAFT, ANN, BOB, CLIENT, COLE, COMPLIANCE, EVERYBODY, NOTE, SUE, contact_of, ident, person

from ledger.aggregates.dispute import (
    AddEvidence,
    DecideDispute,
    DisputeDecided,
    DisputeOpened,
    EvidenceAdded,
    OpenDispute,
)
from ledger.aggregates.note_events import NoteDrafted

OTHER_CONTACT, OTHER_CLIENT = ident("another contact"), ident("another client")
DISPUTE, EVIDENCE = ident("dispute"), ident("evidence")
OPENED = of(DISPUTE, DisputeOpened(note_id=NOTE, client_id=CLIENT, opened_by=ANN, claim="It was in time"))
ADDED = EvidenceAdded(note_id=NOTE, evidence_id=EVIDENCE, kind="statement", text="Seen", events=())
DECIDED = DisputeDecided(
    note_id=NOTE,
    outcome="overturned",
    rule_id="PSC-13",
    reading="72-elapsed-hours",
    reasoning="A holiday",
    decided_by=COLE,
)
DECIDE = DecideDispute(
    dispute_id=DISPUTE, outcome="overturned", rule_id="PSC-13", reading="72-elapsed-hours", reasoning="A holiday"
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


def test_evidence_points_to_events_that_are_recorded_in_this_chart_or_in_none() -> None:
    pointed = msgspec.structs.replace(ARGUE, kind="event", events=(f"{NOTE}@1", f"{ANN}@2"))
    given(*EVERYBODY, A_DRAFT, OPENED).when(pointed, by=SUE).then_a(EvidenceAdded, events=pointed.events)
    another = of(OTHER_CONTACT, msgspec.structs.replace(contact_of("individual"), client_id=OTHER_CLIENT))
    wrong = msgspec.structs.replace(
        ARGUE, kind="event", events=(f"{NOTE}@2", "the draft", f"{ident('nothing')}@1", f"{OTHER_CONTACT}@1")
    )
    given(*EVERYBODY, A_DRAFT, OPENED, another).when(wrong, by=SUE).then_refused(
        "events[0]",
        f"there is no event {NOTE}@2 (write an event id, STREAM@VERSION",
        ("events[1]", "there is no event the draft"),
        ("events[2]", "there is no event"),
        ("events[3]", "belongs to another chart (point to events of this note's chart)"),
    )


def test_a_decision_names_a_rule_that_governs_the_note() -> None:
    other = msgspec.structs.replace(DECIDE, rule_id="ECM-8", reading="3-business-days")
    given(*EVERYBODY, A_DRAFT, OPENED).when(other, by=COLE).then_refused(
        "rule_id", "ECM-8 does not govern a progress note of program psc (use one of PSC-13, PSC-13-extension"
    )
    crisis = msgspec.structs.replace(DECIDE, rule_id="BHIN-23-068-crisis", reading="24-elapsed-hours")
    given(*EVERYBODY, A_DRAFT, OPENED).when(crisis, by=COLE).then_refused("rule_id", "does not govern a progress note")
    for rule, reading in (("PSC-14", "72-elapsed-hours+5-business-days"), ("PSC-14-full", "3-business-days")):
        named = msgspec.structs.replace(DECIDE, rule_id=rule, reading=reading)
        given(*EVERYBODY, A_DRAFT, OPENED).when(named, by=COLE).then_a(DisputeDecided, rule_id=rule)
    (drafted,) = A_DRAFT.events
    assert isinstance(drafted, NoteDrafted)
    team = of(NOTE, msgspec.structs.replace(drafted, document="team_note"))
    given(*EVERYBODY, team, OPENED).when(DECIDE, by=COLE).then_refused(
        "rule_id", "PSC-13 does not govern a team note of program psc (no rule sets a limit for it)"
    )


def test_a_decision_names_a_rule_and_a_reading_that_there_are() -> None:
    for field, value, words in (
        ("rule_id", "PSC-99", "there is no rule 'PSC-99' (use one of"),
        ("reading", "three-days", "PSC-13 has no reading 'three-days' (use one of 72-elapsed-hours"),
    ):
        wrong = msgspec.structs.replace(DECIDE, **{field: value})
        given(*EVERYBODY, A_DRAFT, OPENED).when(wrong, by=COLE).then_refused(field, words)
    exact = msgspec.structs.replace(DECIDE, reading="72-elapsed-hours@1")
    given(*EVERYBODY, A_DRAFT, OPENED).when(exact, by=COLE).then_a(DisputeDecided, reading="72-elapsed-hours@1")
