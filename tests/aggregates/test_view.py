"""What goes on record of a view: what was computed, by whom it was made, and who approved other rows."""

from __future__ import annotations

from typing import Any

from tests.notation import given
from tests.sample import ANN, CLINICIAN, COLE, COMPLIANCE, ident

from ledger.aggregates.view import ApproveRebuild, CertifyView, RebuildApproved, ViewCertified

RECORD = ident("record of a view")
FACTS: dict[str, Any] = {
    "projection": "billing",
    "projection_version": 3,
    "code_version": "1.0+0123456789abcdef",
    "position": 1730,
    "root": "ab" * 32,
}
CERTIFY = CertifyView(record_id=RECORD, rows=14, **FACTS)
APPROVE = ApproveRebuild(record_id=RECORD, replaces=1, changed=2, reason="the code table of 2026", **FACTS)


def test_a_certificate_is_on_record_with_what_was_computed() -> None:
    given(CLINICIAN, COMPLIANCE).when(CERTIFY, by="system:certify").then(ViewCertified(rows=14, **FACTS))
    given(CLINICIAN, COMPLIANCE).when(CERTIFY, by=COLE).then(ViewCertified(rows=14, **FACTS))
    given(CLINICIAN, COMPLIANCE).when(CERTIFY, by=ANN).then_refused("actor", "no standing to certify view")


def test_other_rows_are_approved_by_a_person_who_answers_for_that() -> None:
    given(CLINICIAN, COMPLIANCE).when(APPROVE, by=COLE).then(
        RebuildApproved(replaces=1, added=0, changed=2, removed=0, reason="the code table of 2026", **FACTS)
    )
    given(CLINICIAN, COMPLIANCE).when(APPROVE, by=ANN).then_refused("actor", "no standing to approve rebuild")
    given(CLINICIAN, COMPLIANCE).when(APPROVE, by="system:certify").then_refused(
        "actor", "the program certify has no standing to approve rebuild"
    )
