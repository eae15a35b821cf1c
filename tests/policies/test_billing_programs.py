"""The table of programmes, default codes and checks between services: every row fits the tables it speaks of."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from ledger.policies.billing_programs import DefaultCode, _tables, code_of, finding, local_time
from ledger.policies.credentials import credential_kinds
from ledger.policies.deadline_rules import rule_book
from ledger.policies.documents import contact_kinds
from ledger.policies.service_codes import code_on, delivery_system
from ledger.policies.taxonomy import class_named

TABLES = _tables()
DAY = date(2025, 11, 3)


def test_every_programme_of_the_rule_book_bills_in_a_system_that_takes_it() -> None:
    assert {row.program for row in TABLES.program} == {row.id for row in rule_book().programs}
    for row in TABLES.program:
        system = delivery_system(row.state, row.system, max(DAY, row.effective_from))
        assert system is not None
        assert row.program in system.programs


@pytest.mark.parametrize("row", TABLES.default_code, ids=lambda row: f"{row.system}-{row.code}-{row.kinds[0]}")
def test_every_default_code_is_in_the_table_from_its_first_day_for_kinds_and_classes_that_exist(
    row: DefaultCode,
) -> None:
    assert code_on(row.state, row.system, row.code, row.variant, row.effective_from) is not None
    assert set(row.kinds) <= contact_kinds().keys()
    assert all(class_named(name, DAY) is not None for name in row.classes)
    assert row.source


def test_every_billable_kind_of_contact_has_a_default_in_the_first_programme() -> None:
    started = datetime(2025, 11, 3, 17, 0, tzinfo=UTC)
    for kind in contact_kinds().values():
        if kind.billable:
            assert code_of("psc", kind.name, None, "mhrs", 60, started).code is not None, kind.name


def test_cosignatures_are_asked_of_credentials_that_exist() -> None:
    kinds = {kind.id for kind in credential_kinds(DAY)}
    assert all(set(row.credential_kinds) <= kinds for row in TABLES.cosign)


@pytest.mark.parametrize(
    "code", ["overlap", "minutes-over-day", "lockout", "ceiling", "add-on-alone", "add-on-above-primary"]
)
def test_every_finding_of_a_day_has_a_check_with_its_mend(code: str) -> None:
    block, flag = finding(code, "what was found", "", DAY)
    found = block or flag
    assert found is not None
    assert found.mend
    assert found.source
    early, _ = finding(code, "what was found", "its own source", date(2000, 1, 1))
    assert early is not None
    assert early.source == "its own source"


def test_a_check_without_a_row_is_an_error_and_never_silence() -> None:
    with pytest.raises(LookupError):
        finding("no-such-check", "x", "", DAY)


def test_local_time_is_the_programmes_clock() -> None:
    moment = datetime(2025, 11, 4, 5, 0, tzinfo=UTC)
    assert local_time("psc", moment).isoformat() == "2025-11-03T21:00:00-08:00"
    assert local_time("css", moment).isoformat() == "2025-11-03T23:00:00-06:00"
    assert local_time("pilot", moment) == moment
