"""Rebuilt rows that differ are seen by readers only after somebody with standing has approved them, on record."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from tests.cli.agency import Agency

from ledger.aggregates import staff as s
from ledger.aggregates.view import RebuildApproved, ViewCertified
from ledger.cli.main import cli
from ledger.errors import BadInput, LedgerError, Refused
from ledger.integrity.certificates import code_version, on_record
from ledger.projections.billing import billing
from ledger.projections.every import PROJECTIONS

LEDGER = Path(sys.executable).with_name("ledger")
CERTIFIER = "system:certify"


@pytest.fixture
def agency(sqlite_url: str) -> Iterator[Agency]:
    made = Agency(sqlite_url)
    made.service(3, "09:00", 60)
    made.read("run", "--once")
    yield made
    made.recorder.engine.dispose()


@pytest.fixture
def officer(agency: Agency) -> str:
    """A compliance officer, who has standing to approve."""
    officer = agency.new()
    agency.do(
        s.RegisterStaff(
            staff_id=officer,
            name=s.PersonName(family="Example", given="Cat"),
            roles=("compliance",),
            programs=("psc",),
            hired_on=date(2024, 1, 1),
        )
    )
    return officer


def spoil(agency: Agency, generation: int = 1) -> None:
    """Write into a live row what the log does not say."""
    with agency.recorder.engine.execution_options(ledger_write=True).begin() as connection:
        changed = connection.execute(text(f"UPDATE rows_billing_g{generation} SET code = 'SECRET-CODE'"))  # noqa: S608
        assert changed.rowcount > 0


def live_codes(agency: Agency) -> set[str]:
    with agency.recorder.reading() as connection:
        return set(connection.scalars(text(f"SELECT code FROM {billing.view.name}")))  # noqa: S608 - our own name


def approvals(agency: Agency) -> list[RebuildApproved]:
    return [one for one in on_record(agency.recorder, billing) if isinstance(one, RebuildApproved)]


def refused(agency: Agency, *words: str, actor: str | None = None) -> LedgerError:
    done = agency.run("rebuild", "billing", *words, actor=actor)
    assert isinstance(done.exception, LedgerError), done.output
    return done.exception


def to_approve(agency: Agency) -> dict[str, Any]:
    (found,) = agency.read("rebuild", "billing", "--dry-run")
    asked: dict[str, Any] = found["to_approve"]
    return asked


def test_nobody_sees_other_rows_before_they_are_approved(agency: Agency, officer: str) -> None:
    spoil(agency)
    fault = refused(agency)
    assert fault.exit_code == 1
    assert "billing" in str(fault)
    assert "--approve" in str(fault)
    assert live_codes(agency) == {"SECRET-CODE"}
    assert approvals(agency) == []
    done = agency.run("rebuild", "billing", "--approve", "somebody wrote into the table", actor=officer)
    assert done.exit_code == 0, done.output
    assert live_codes(agency) == {"T1017"}
    (approval,) = approvals(agency)
    assert (approval.reason, approval.changed, approval.replaces) == ("somebody wrote into the table", 1, 1)
    assert approval.code_version == code_version()
    (row,) = [row for row in agency.recorder.read_log(0, 1000) if row.topic == "view.rebuild_approved"]
    assert row.actor == officer
    (found,) = agency.read("rebuild", "billing")
    assert found["switched"], "nothing differs, so nothing has to be approved"
    assert len(approvals(agency)) == 1


def test_views_that_do_not_differ_are_switched_and_the_others_are_named(agency: Agency) -> None:
    spoil(agency)
    done = agency.run("--json", "rebuild")
    assert isinstance(done.exception, LedgerError)
    assert {one["projection"]: one["switched"] for one in json.loads(done.stdout)} == {
        projection.name: projection is not billing for projection in PROJECTIONS
    }


def test_an_approval_may_be_recorded_beforehand_by_another_than_who_rebuilds(agency: Agency, officer: str) -> None:
    spoil(agency)
    words = [word for name, value in to_approve(agency).items() for word in (f"--{name.replace('_', '-')}", str(value))]
    record = ["record", "approve-rebuild", *words, "--reason", "looked at each row"]
    assert "approve-rebuild" in agency.run("rebuild", "billing", "--dry-run").stdout
    assert isinstance(agency.run(*record, actor=agency.worker).exception, Refused), "a clinician has no standing for it"
    assert agency.run(*record, actor=officer).exit_code == 0
    agency.service(4, "09:00", 60)
    agency.read("run", "--once")  # the log goes on between the approval and the switch
    done = agency.run("rebuild", "billing")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "looked at each row" in done.stdout
    assert live_codes(agency) == {"T1017"}


def test_an_approval_is_for_these_rows_and_is_spent_with_the_switch(agency: Agency, officer: str) -> None:
    spoil(agency)
    asked = to_approve(agency)
    words = [
        word for name, value in asked.items() if name != "root" for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    other = ["record", "approve-rebuild", *words, "--root", "0" * 64, "--reason", "of other rows"]
    assert agency.run(*other, actor=officer).exit_code == 0
    assert refused(agency).exit_code == 1
    assert agency.run("rebuild", "billing", "--approve", "these", actor=officer).exit_code == 0
    spoil(agency, generation=2)
    assert refused(agency).exit_code == 1, "what was approved were the rows that came for the first generation"
    assert live_codes(agency) == {"SECRET-CODE"}


@pytest.mark.parametrize("who", ["clinician", "a program"])
def test_one_without_standing_approves_nothing(agency: Agency, who: str) -> None:
    spoil(agency)
    fault = refused(agency, "--approve", "why not", actor=agency.worker if who == "clinician" else CERTIFIER)
    assert isinstance(fault, Refused)
    assert "approve rebuild" in str(fault)
    assert live_codes(agency) == {"SECRET-CODE"}


def test_who_approves_is_asked_for_before_anything_is_built(agency: Agency) -> None:
    words = ["rebuild", "--approve", "why not"]
    done = CliRunner().invoke(cli, words, env={"LEDGER_DATABASE": agency.url, "LEDGER_ACTOR": None})
    assert isinstance(done.exception, BadInput)
    assert "--as" in str(done.exception)


@pytest.mark.parametrize("answer", ["the table was written into", ""])
def test_on_a_terminal_the_reason_is_asked_for(agency: Agency, officer: str, answer: str) -> None:
    spoil(agency)
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [LEDGER, "rebuild", "billing"],
            stdin=theirs,
            capture_output=True,
            text=True,
            env=os.environ | {"LEDGER_DATABASE": agency.url, "LEDGER_ACTOR": officer},
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == (0 if answer else 1), done.stderr
    assert live_codes(agency) == {"T1017" if answer else "SECRET-CODE"}
    assert [one.reason for one in approvals(agency)] == ([answer] if answer else [])


def test_a_rebuild_reproduces_what_was_certified(agency: Agency) -> None:
    assert agency.run("certify", actor=CERTIFIER).exit_code == 0
    agency.service(4, "09:00", 60)
    agency.read("run", "--once")
    assert [one["certificate_reproduced"] for one in agency.read("rebuild")] == [True] * len(PROJECTIONS)
    assert "reproduces the certificate at position" in agency.run("rebuild", "billing", "--dry-run").stdout


def test_rows_that_were_certified_and_are_not_the_logs_do_not_pass(agency: Agency, officer: str) -> None:
    """Whoever certifies rows that were written into is found out by the first rebuild, even once they are mended."""
    spoil(agency)
    assert agency.run("certify", "billing", actor=CERTIFIER).exit_code == 0
    said = agency.run("rebuild", "billing", "--dry-run").stdout
    assert "DOES NOT reproduce the certificate" in said
    with agency.recorder.engine.execution_options(ledger_write=True).begin() as connection:
        connection.execute(text("UPDATE rows_billing_g1 SET code = 'T1017'"))
    (found,) = agency.read("rebuild", "billing", "--dry-run")
    assert (found["changed"], found["certificate_reproduced"]) == (0, False)
    assert refused(agency).exit_code == 1, "the rows are the same as the live ones, but not what was certified"
    assert agency.run("rebuild", "billing", "--approve", "the certificate was wrong", actor=officer).exit_code == 0
    assert agency.run("certify", "billing", actor=CERTIFIER).exit_code == 0
    assert agency.read("rebuild", "billing", "--dry-run")[0]["certificate_reproduced"]


def test_a_certificate_says_what_it_is_over(agency: Agency) -> None:
    printed = agency.run("--json", "certify", "billing", actor=CERTIFIER)
    assert printed.exit_code == 0, printed.output
    (one,) = json.loads(printed.stdout)
    (recorded,) = on_record(agency.recorder, billing)
    assert isinstance(recorded, ViewCertified)
    assert (recorded.root, recorded.rows, recorded.position) == (one["root"], 1, one["position"])
    assert (recorded.projection_version, recorded.code_version) == (billing.version, code_version())
    assert agency.run("certify", "billing", actor=agency.worker).exit_code != 0, (
        "a clinician has no standing to certify"
    )
