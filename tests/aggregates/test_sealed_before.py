"""Every signature carries the newest sealed checkpoint; where nothing is sealed, the field is not there at all."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from tests.notation import given
from tests.sample import A_DRAFT, A_PLAN, ANN, CHART, NOTE, PLAN, SUE, ident

from ledger.aggregates.note_events import AddAddendum, AmendNote, CosignNote, NoteSigned, SignNote
from ledger.aggregates.plan_events import PutPlanInForce, RecordClientSignature
from ledger.aggregates.sealing import SealedCheckpoint
from ledger.aggregates.vocabulary import Command, event_types
from ledger.store.codec import decode_payload, encode_payload

SEALED = SealedCheckpoint(size=12, root="ab" * 32, vouched_size=9, vouchers=("cd" * 32,))
SIGNED = A_DRAFT.and_then(
    NoteSigned(
        client_id=ident("client"),
        contact_id=ident("contact"),
        signer_id=ANN,
        printed_name="Ann Sample",
        role="clinician",
        credential="lcsw",
        taxonomy="",
        meaning="authored",
        content_sha256="0" * 64,
        cited_plans=(),
    )
)
SIGNATURES: list[tuple[str, tuple[Any, ...], Command, str]] = [
    ("note.signed", (*CHART, A_DRAFT), SignNote(note_id=NOTE), ANN),
    ("note.cosigned", (*CHART, SIGNED), CosignNote(note_id=NOTE), SUE),
    ("note.addendum_added", (*CHART, SIGNED), AddAddendum(note_id=NOTE, addendum_id=ident("a"), text="more"), ANN),
    (
        "note.amended",
        (*CHART, SIGNED),
        AmendNote(
            note_id=NOTE, amendment_id=ident("a"), kind="correction", section="plan", text="Visit", reason="wrong day"
        ),
        ANN,
    ),
    (
        "plan.put_in_force",
        (*CHART[:-1], A_PLAN),
        PutPlanInForce(plan_id=PLAN, effective_from=date(2026, 1, 5)),
        ANN,
    ),
    ("plan.client_signed", CHART, RecordClientSignature(plan_id=PLAN, signed_by="Jo Doe"), ANN),
]
NAMES = [name for name, *_ in SIGNATURES]


@pytest.mark.parametrize(("name", "past", "command", "by"), SIGNATURES, ids=NAMES)
def test_a_signature_carries_the_newest_checkpoint(name: str, past: tuple[Any, ...], command: Command, by: str) -> None:
    given(*past).when(command, by=by, sealed=SEALED).then_a(event_types()[name], sealed_before=SEALED)


@pytest.mark.parametrize(("name", "past", "command", "by"), SIGNATURES, ids=NAMES)
def test_and_nothing_where_nothing_is_sealed(name: str, past: tuple[Any, ...], command: Command, by: str) -> None:
    given(*past).when(command, by=by).then_a(event_types()[name], sealed_before=msgspec.UNSET)


def test_those_are_all_the_events_that_carry_one() -> None:
    assert {n for n, cls in event_types().items() if "sealed_before" in cls.__struct_fields__} == set(NAMES)


def test_absent_it_takes_no_byte_and_present_it_is_read_as_it_was() -> None:
    without = next(event for event in SIGNED.events if isinstance(event, NoteSigned))
    assert b"sealed" not in encode_payload(without)
    carrying = msgspec.structs.replace(without, sealed_before=SEALED)
    assert decode_payload("note.signed", 1, encode_payload(carrying)) == carrying
