"""The edges of the command line: what is refused before anything is read, what never leaves, who may read a file."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from tests.cli.agency import Agency
from tests.tracing.clinic import Clinic, at

from ledger.cli.main import cli
from ledger.consumers import exclusive
from ledger.consumers.exclusive import BeingRebuilt, exclusively
from ledger.errors import BadInput, NotFound
from ledger.policies.purposes import PURPOSES
from ledger.projections.billing import billing
from ledger.store.database import open_store

NOBODY = "11111111-1111-4111-8111-111111111111"
FUTURE = "2999-01-01T00:00:00+00:00"
DUE = ("deadline", "progress_note", "--program", "psc", "--at", "2026-11-20T15:00:00-08:00")


@pytest.fixture
def agency(sqlite_url: str) -> Iterator[Agency]:
    made = Agency(sqlite_url)
    made.service(3, "09:00", 60)
    yield made
    made.recorder.engine.dispose()


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def spoil(agency: Agency) -> None:
    """Make the views, and write into a live row what the log does not say."""
    agency.read("run", "--once")
    with agency.recorder.engine.execution_options(ledger_write=True).begin() as connection:
        assert connection.execute(text("UPDATE rows_billing_g1 SET code = 'SECRET-CODE'")).rowcount == 1


def live_codes(agency: Agency) -> list[str]:
    with agency.recorder.reading() as connection:
        return list(connection.scalars(text(f"SELECT code FROM {billing.view.name}")))  # noqa: S608 - our own name


def test_a_rebuild_names_keys_and_columns_and_never_what_a_chart_holds(agency: Agency) -> None:
    spoil(agency)
    before = agency.recorder.sequence()
    (found,) = agency.read("rebuild", "billing", "--dry-run")
    (named,) = found["examples"]
    assert (named["kind"], named["columns"], len(named["key"])) == ("changed", ["code"], 1)
    printed = agency.run("rebuild", "--dry-run", "billing").stdout + json.dumps(found)
    assert "code" in printed
    for value in ("SECRET-CODE", "T1017", *agency.clients, agency.worker):
        assert value not in printed
    assert agency.recorder.sequence() == before, "nothing of a chart was shown, so no access was recorded"


def test_a_dry_run_on_a_view_that_is_merely_behind_finds_no_difference(agency: Agency) -> None:
    agency.read("run", "--once")
    before = agency.recorder.head()
    agency.service(4, "09:00", 60)
    (found,) = agency.read("rebuild", "billing", "--dry-run")
    assert (found["added"], found["changed"], found["position"]) == (0, 0, before)
    said = agency.run("rebuild", "billing", "--dry-run").stdout
    assert f"the same as the live ones (as at position {before:,}" in said
    assert agency.read("status")["views"][0]["behind"] > 0, "a dry run brings nothing up to date"
    assert agency.read("rebuild", "billing")[0]["switched"], "nothing differs, so nothing has to be asked"
    assert len(live_codes(agency)) == 2


@pytest.mark.parametrize(
    "command",
    [
        ("chart", "CLIENT", "--as-known-at"),
        ("trace", "NOTE", "--as-known-at"),
        ("timeliness", "--month", "2025-11", "--as-known-at"),
        ("billing", "rows", "--month", "2025-11", "--as-known-at"),
        ("billing", "rows", "--month", "2025-11", "--changed-since"),
        ("utilisation", "--month", "2025-11", "--as-known-at"),
        ("supervision", "--as-known-at"),
    ],
    ids=" ".join,
)
def test_what_will_be_known_is_not_known(agency: Agency, command: tuple[str, ...]) -> None:
    before = agency.recorder.sequence()
    words = [agency.clients[0] if word == "CLIENT" else NOBODY if word == "NOTE" else word for word in command]
    done = agency.run(*words, FUTURE)
    assert isinstance(done.exception, BadInput)
    assert str(done.exception).startswith(f"{command[-1]}: ")
    assert "future" in str(done.exception)
    assert agency.recorder.sequence() == before


@pytest.mark.parametrize("wrong", ["abc", os.fsdecode(b"\xff"), "", NOBODY + "\n"], ids=ascii)
@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("chart",), "CLIENT"),
        (("access-audit",), "CLIENT"),
        (("trace",), "NOTE"),
        (("caseload", "--staff"), "--staff"),
        (("timeliness", "--month", "2025-11", "--staff"), "--staff"),
        (("billing", "rows", "--month", "2025-11", "--staff"), "--staff"),
        (("billing", "rows", "--month", "2025-11", "--client"), "--client"),
        (("utilisation", "--staff"), "--staff"),
        (("supervision", "--staff"), "--staff"),
        (("retry", "--key"), "--key"),
    ],
    ids=str,
)
def test_a_malformed_id_names_its_argument_and_the_mend(
    agency: Agency, command: tuple[str, ...], named: str, wrong: str
) -> None:
    done = agency.run(*command, wrong)
    assert done.exit_code == 2
    assert f"'{named}'" in done.stderr
    assert "write a UUID" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("chart",), "chart"),
        (("trace",), "note"),
        (("caseload", "--staff"), "staff member"),
        (("timeliness", "--month", "2025-11", "--staff"), "staff member"),
        (("billing", "rows", "--month", "2025-11", "--staff"), "staff member"),
        (("billing", "rows", "--month", "2025-11", "--client"), "chart"),
        (("utilisation", "--staff"), "staff member"),
        (("supervision", "--staff"), "staff member"),
    ],
    ids=str,
)
def test_an_id_of_nothing_is_exit_4_and_never_an_empty_page(
    agency: Agency, command: tuple[str, ...], what: str
) -> None:
    before = agency.recorder.sequence()
    of_another_kind = agency.clients[0] if what == "staff member" else agency.worker
    for missing in (NOBODY, of_another_kind):
        done = agency.run(*command, missing)
        assert isinstance(done.exception, NotFound)
        assert str(done.exception) == f"there is no {what} {missing}"
    assert agency.recorder.sequence() == before


def test_an_id_in_capitals_is_the_same_id(agency: Agency) -> None:
    client, worker = agency.clients[0], agency.worker
    assert agency.read("chart", client.upper())["chart"]["chart_id"] == client
    found = agency.read("billing", "rows", "--month", "2025-11", "--staff", worker.upper(), "--client", client.upper())
    assert len(found["rows"]) == 1


@pytest.mark.parametrize("command", [("caseload",), ("timeliness", "--month", "2025-11")], ids=" ".join)
def test_an_unknown_program_is_told_which_there_are(agency: Agency, command: tuple[str, ...]) -> None:
    done = agency.run(*command, "--program", "pcs")
    assert done.exit_code == 2
    said = " ".join(done.stderr.split())
    assert "'--program'" in said
    assert all(program in said for program in ("psc", "ecm", "css"))


def test_claimable_and_blocked_are_not_asked_for_together(agency: Agency) -> None:
    for flags in (("--claimable", "--blocked"), ("--blocked", "--claimable")):
        done = agency.run("billing", "rows", "--month", "2025-11", *flags)
        assert isinstance(done.exception, BadInput)
        assert "--claimable" in str(done.exception)
    parts = [
        agency.read("billing", "rows", "--month", "2025-11", flag)["rows"] for flag in ("--claimable", "--blocked")
    ]
    assert len(parts[0]) + len(parts[1]) == 1


@pytest.mark.parametrize("name", ["note.html", "note.svg", "note.json", "note.txt"])
def test_a_trace_in_a_file_is_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    clinic = Clinic(f"sqlite:///{tmp_path / 'ledger.db'}")
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-21 10:00"))
    clinic.recorder.engine.dispose()
    monkeypatch.setenv("LEDGER_DATABASE", clinic.url)
    for words in (("--as", "system:auditor", "trace", clinic.note), DUE):
        file = tmp_path / f"{words[0].strip('-')}-{name}"
        assert CliRunner().invoke(cli, [*words, "--out", str(file)]).exit_code == 0
        assert mode(file) == 0o600
        folder = tmp_path / f"folder-{file.name}"
        folder.mkdir()
        refused = CliRunner().invoke(cli, [*words, "--out", str(folder)])
        assert isinstance(refused.exception, BadInput)
        assert str(refused.exception).startswith("--out: ")


def test_a_database_is_made_for_its_owner_only_and_one_that_is_there_keeps_its_rights(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        file = tmp_path / "ledger.db"
        store = open_store(f"sqlite:///{file}")
        with store.reading() as connection:
            connection.execute(text("SELECT 1"))
            modes = {found.name: mode(found) for found in tmp_path.iterdir()}
            assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
        store.engine.dispose()
        file.chmod(0o640)
        open_store(f"sqlite:///{file}").engine.dispose()
        assert mode(file) == 0o640
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    "words",
    [
        ("verify",),
        ("status",),
        ("billing", "rows", "--month", "2025-11"),
        ("utilisation", "--month", "2025-11"),
        ("record", "register-client", "--name", '{"family": "A", "given": "B"}', "--birth-date", "1980-05-01"),
    ],
    ids=" ".join,
)
def test_json_may_stand_after_the_command_and_between_its_words(agency: Agency, words: tuple[str, ...]) -> None:
    done = agency.run(*words, "--json", actor="system:setup")
    assert done.exit_code == 0, (done.output, done.exception)
    assert isinstance(json.loads(done.stdout), dict)
    between = agency.run(words[0], "--json", *words[1:], actor="system:setup")
    assert isinstance(json.loads(between.stdout), dict)


def test_json_after_two_dashes_or_as_a_value_is_a_word_like_any_other(agency: Agency) -> None:
    done = agency.run("rebuild", "--dry-run", "--", "--json")
    assert isinstance(done.exception, BadInput)
    assert "no view '--json'" in str(done.exception)
    done = agency.run("record", "add-addendum", "--note-id", NOBODY, "--text", "--json")
    assert not isinstance(done.exception, SystemExit), "the value was taken as the addendum's text"
    assert "note_id" in str(done.exception)


def test_a_purpose_is_one_of_those_there_are(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    before = agency.recorder.sequence()
    done = agency.run("--purpose", "nonsense", "chart", agency.clients[0])
    assert isinstance(done.exception, BadInput)
    assert str(done.exception).startswith("--purpose: 'nonsense'")
    assert all(purpose in str(done.exception) for purpose in PURPOSES)
    assert agency.recorder.sequence() == before
    monkeypatch.setenv("LEDGER_PURPOSE", "curiosity")
    refused = agency.run("chart", agency.clients[0])
    assert str(refused.exception).startswith("LEDGER_PURPOSE: 'curiosity'")
    monkeypatch.delenv("LEDGER_PURPOSE")
    for purpose in PURPOSES:
        agency.read("--as", "system:auditor", "--purpose", purpose, "chart", agency.clients[0])
    recorded = [row.purpose for row in agency.recorder.read_log(before, 100)]
    assert recorded == list(PURPOSES)


def test_verify_says_what_is_empty_not_made_and_behind(agency: Agency, tmp_path: Path) -> None:
    empty = CliRunner().invoke(cli, ["verify"], env={"LEDGER_DATABASE": f"sqlite:///{tmp_path / 'empty.db'}"})
    assert empty.stdout.startswith("0 events: the log is empty\n")
    assert "positions 1 to" not in empty.stdout
    assert "not made yet" in empty.stdout
    assert "sound: nothing differs" in empty.stdout
    agency.read("run", "--once")
    level = agency.run("verify").stdout
    assert "behind" not in level
    assert "ledger rebuild --dry-run" in level
    agency.service(4, "09:00", 30)
    assert "behind 4" in agency.run("verify").stdout
    found = agency.read("verify")
    assert (found["not_made"], {view["behind"] for view in found["projections"]}) == ([], {4})


def deadline(url: str, *words: str) -> Result:
    done = CliRunner().invoke(cli, list(words), env={"LEDGER_DATABASE": url})
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def test_a_deadline_marks_what_the_agency_adopted(sqlite_url: str) -> None:
    clinic = Clinic(sqlite_url)
    clinic.adopt("PSC-13", "3-business-days", date(2026, 11, 1), at("2026-10-20 09:00"), program="psc")
    head = clinic.recorder.sequence()
    told = deadline(sqlite_url, *DUE).stdout
    assert "PSC-13 (policy) [in force]" in told
    assert "read as 3-business-days@1 from 2026-11-01" in " ".join(told.split())
    found = json.loads(deadline(sqlite_url, "--json", *DUE).stdout)
    held = {one["rule_id"]: one["reading"] for one in found["readings"]}
    assert held["PSC-13"] == "3-business-days"
    marked = [limit for limit in found["limits"] if any("PSC-13 (policy) [in force]" in s for s in limit["serves"])]
    adopted = next(d for d in found["deadlines"] if (d["rule_id"], d["reading"]) == ("PSC-13", "3-business-days"))
    assert [limit["due"] for limit in marked] == [adopted["due"]]
    earlier = deadline(sqlite_url, *DUE[:-1], "2026-10-20T15:00:00-07:00").stdout
    assert "[default]" in earlier, "it held from November on"
    assert clinic.recorder.sequence() == head, "no chart was opened"
    clinic.recorder.engine.dispose()


def test_a_deadline_that_no_rule_sets_names_the_day_and_makes_no_database(tmp_path: Path) -> None:
    words = ("deadline", "team_note", *DUE[2:])
    told = deadline(f"sqlite:///{tmp_path / 'never.db'}", *words).stdout
    assert "No rule sets a time limit for a team_note in program psc on 2026-11-20." in " ".join(told.split())
    other = tmp_path / "other.db"
    other.write_bytes(b"")
    deadline(f"sqlite:///{other}", *words)
    deadline(f"sqlite:///{tmp_path}", *words)
    assert [(found.name, found.stat().st_size) for found in tmp_path.iterdir()] == [("other.db", 0)]


def test_run_says_where_it_reads_from() -> None:
    assert "LEDGER_KAFKA" in CliRunner().invoke(cli, ["run", "--help"]).stdout


def test_a_rebuild_is_refused_while_somebody_is_at_it(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusive, "PATIENCE", 0.0)
    agency.run("run", "--once")
    with exclusively(agency.recorder.engine, ["billing"]):
        done = agency.run("rebuild", "billing")
    assert isinstance(done.exception, BeingRebuilt)
    assert f"process {os.getpid()} on" in str(done.exception)
    assert agency.run("rebuild", "billing").exit_code == 0


@pytest.mark.parametrize(
    ("days", "blamed"),
    [
        (("--from", "2099-01-05"), "--from: it lies after 2025-12-01"),
        (("--from", "2025-11-10", "--to", "2025-11-03"), "--to: it lies before --from"),
        (("--from", "2099-01-05", "--to", "2098-01-05"), "--to: it lies before --from"),
    ],
    ids=" ".join,
)
def test_of_two_days_that_do_not_fit_the_one_that_was_given_is_blamed(
    tmp_path: Path, days: tuple[str, ...], blamed: str
) -> None:
    agency = Agency(f"sqlite:///{tmp_path / 'ledger.db'}")
    known = ("--as-known-at", "2025-12-01T17:00:00Z")
    done = agency.run("supervision", *days, *known)
    assert isinstance(done.exception, BadInput)
    assert str(done.exception).startswith(blamed)
