"""``ledger trace``, ``ledger deadline`` and ``ledger timeliness`` as a person or a program calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result
from tests.tracing.clinic import Clinic, at

from ledger.aggregates.staff import PersonName, RegisterStaff
from ledger.cli.main import cli
from ledger.errors import BadInput, NotFound
from ledger.printable import safe

DUE = ("deadline", "progress_note", "--program", "psc", "--at", "2026-11-20T15:00:00-08:00")


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("LEDGER_DATABASE", url)
    clinic = Clinic(url)
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.sign(at("2026-11-24 09:00"), reason="clinic was closed")
    return clinic


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--as", "system:auditor", "--purpose", "audit", *arguments])


def good(*arguments: str) -> str:
    done = run(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def data(*arguments: str) -> Any:
    return json.loads(good("--json", *arguments))


def somebody_is_hired(clinic: Clinic, when: datetime) -> None:
    """An event that changes no review: it carries the log on, so that the days before it have been."""
    name = PersonName(family="Example", given="Eve")
    who = clinic.new()
    hired = RegisterStaff(staff_id=who, name=name, roles=("clinician",), programs=("psc",), hired_on=when.date())
    clinic.do(hired, when=when)


def test_trace_prints_the_answer_first(clinic: Clinic) -> None:
    text = good("trace", clinic.note)
    assert text.startswith(f"Trace of note {clinic.note}")
    assert "LATE under PSC-13" in text
    assert text.index("LATE under PSC-13") < text.index("Every event, on both clocks")


def test_trace_records_the_read_before_it_shows_anything(clinic: Clinic) -> None:
    before = clinic.recorder.head()
    good("trace", clinic.note)
    (access,) = clinic.recorder.read_log(before, 10)
    assert (access.topic, access.chart_id, access.actor) == ("access.granted", clinic.client, "system:auditor")
    assert json.loads(access.state)["resource"] == "trace"
    again = data("trace", clinic.note)
    assert [(read["reader_id"], read["resource"]) for read in again["reads"]] == [("system:auditor", "trace")]


def test_trace_as_json_holds_the_opinions(clinic: Clinic) -> None:
    trace = data("trace", clinic.note)
    mine = [o for o in trace["opinions"] if o["adopted"] and o["rule_id"] == "PSC-13"]
    assert [(o["outcome"], o["due"]) for o in mine] == [("late", "2026-11-23T15:00:00-08:00")]
    assert trace["signature"]["late_reason"] == "clinic was closed"


def test_trace_as_known_earlier(clinic: Clinic) -> None:
    trace = data("trace", clinic.note, "--as-known-at", "2026-11-23T14:00:00-08:00")
    assert trace["signature"] is None
    assert {o["outcome"] for o in trace["opinions"]} == {"pending"}


@pytest.mark.parametrize("kind", ["html", "svg", "json", "txt"])
def test_trace_writes_each_kind_of_file_and_says_so(clinic: Clinic, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"note.{kind}"
    said = good("trace", clinic.note, "--out", str(file))
    assert f"Written to {file}" in said
    content = file.read_text(encoding="utf-8")
    if kind == "html":
        assert content.startswith("<!DOCTYPE html>")
        assert "<svg" in content
    elif kind == "svg":
        assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own file
    elif kind == "json":
        assert json.loads(content)["note_id"] == clinic.note
    else:
        assert "What changed the verdict" in content


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_read(clinic: Clinic, tmp_path: Path) -> None:
    before = clinic.recorder.head()
    for wrong in (tmp_path / "note.pdf", tmp_path / "nowhere" / "note.html"):
        assert isinstance(run("trace", clinic.note, "--out", str(wrong)).exception, BadInput)
    assert clinic.recorder.head() == before


def test_trace_of_what_is_no_note_is_not_found_and_records_no_read(clinic: Clinic) -> None:
    before = clinic.recorder.head()
    done = run("trace", clinic.contact)
    assert isinstance(done.exception, NotFound)
    assert clinic.recorder.head() == before


def test_deadline_needs_neither_actor_nor_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_DATABASE", f"sqlite:///{tmp_path / 'never.db'}")
    done = CliRunner().invoke(cli, list(DUE))
    assert done.exit_code == 0, done.output
    assert "PSC-13 (policy) [default]" in done.stdout
    assert "Mon 2026-11-23 15:00 -08:00" in done.stdout
    assert not (tmp_path / "never.db").exists()


def test_deadline_as_json_and_as_a_picture(tmp_path: Path) -> None:
    file = tmp_path / "due.svg"
    found = data(*DUE, "--out", str(file))
    assert {d["rule_id"] for d in found["deadlines"]} >= {"PSC-13", "PSC-13-extension", "BHIN-23-068-routine"}
    assert ET.fromstring(file.read_text(encoding="utf-8")) is not None  # noqa: S314 - our own file


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("deadline", "poem", "--program", "psc", "--at", "2026-11-20T15:00:00-08:00"), "no document 'poem'"),
        (("deadline", "progress_note", "--program", "x", "--at", "2026-11-20T15:00:00-08:00"), "no program 'x'"),
        (("deadline", "progress_note", "--program", "psc", "--at", "2045-11-20T15:00:00-08:00"), "covers 2018"),
    ],
)
def test_deadline_refuses_what_no_rule_knows(wrong: tuple[str, ...], said: str) -> None:
    done = run(*wrong)
    assert isinstance(done.exception, BadInput)
    assert said in str(done.exception)


def test_deadline_refuses_a_time_without_an_offset() -> None:
    done = run("deadline", "progress_note", "--program", "psc", "--at", "2026-11-20T15:00:00")
    assert done.exit_code == 2
    assert "no UTC offset" in done.stderr


def test_the_monthly_review_counts_missing_notes_and_lists_the_late_ones(clinic: Clinic) -> None:
    late = clinic.note
    clinic.serve(at("2026-11-24 15:00"))
    somebody_is_hired(clinic, at("2027-01-04 09:00"))
    known = at("2026-12-24 15:00").isoformat()
    found = data("timeliness", "--month", "2026-11", "--as-known-at", known)
    (staff,) = found["staff"]
    assert (staff["services"], staff["signed"], staff["missing"]) == (2, 1, 1)
    assert [note["note_id"] for note in staff["late"]] == [late, None]
    rated = next(t for t in staff["tallies"] if t["rule_id"] == "PSC-14" and t["reading"] == "as adopted")
    assert rated["counts"] == {"overdue": 1, "partial": 1}
    assert rated["percent"] == {"overdue": 50.0, "partial": 50.0}
    text = good("timeliness", "--month", "2026-11", "--as-known-at", known)
    assert "1 without a note" in " ".join(text.split())
    assert data("timeliness", "--month", "2026-10")["staff"] == []


def test_the_review_as_known_earlier_is_the_review_of_then(clinic: Clinic) -> None:
    found = data("timeliness", "--month", "2026-11", "--as-known-at", "2026-11-23T14:00:00-08:00")
    somebody_is_hired(clinic, at("2027-01-04 09:00"))
    (staff,) = found["staff"]
    assert (staff["drafts"], staff["late"]) == (1, [])
    live, folded = (
        data("timeliness", "--month", "2026-11", *more)["staff"]
        for more in ((), ("--as-known-at", at("2026-12-31 00:00").isoformat()))
    )
    assert live == folded


def test_the_review_by_staff_and_program_and_the_reads_it_leaves(clinic: Clinic) -> None:
    before = clinic.recorder.head()
    assert data("timeliness", "--month", "2026-11", "--staff", clinic.supervisor)["staff"] == []
    assert data("timeliness", "--month", "2026-11", "--program", "css")["staff"] == []
    assert len(data("timeliness", "--month", "2026-11", "--staff", clinic.author)["staff"]) == 1
    assert [row.topic for row in clinic.recorder.read_log(before, 10)] == ["access.granted"] * 3


def test_a_month_that_is_none_is_refused(clinic: Clinic) -> None:
    assert isinstance(run("timeliness", "--month", "2026-13").exception, BadInput)


TURNED = "\u202egnp.exe\u202c \u2066isolated\u2069 \u200f\u061c\x1b[31m"


@pytest.mark.parametrize("ending", [".html", ".svg", ".txt", ".json"])
def test_what_turns_a_line_is_in_no_trace_and_whole_in_its_data(clinic: Clinic, tmp_path: Path, ending: str) -> None:
    clinic.serve(at("2026-11-25 15:00"))
    clinic.draft(at("2026-11-25 16:00"))
    clinic.sign(at("2026-12-05 09:00"), reason=TURNED)
    out = tmp_path / f"trace{ending}"
    printed = [
        good("trace", clinic.note),
        good("--json", "trace", clinic.note),
        good("trace", clinic.note, "--out", str(out)),
    ]
    for text in [*printed, out.read_text(encoding="utf-8")]:
        assert safe(text) == text
    assert "\ufffdgnp.exe\ufffd" in printed[0]
    assert json.loads(printed[1])["signature"]["late_reason"] == TURNED
    if ending == ".json":
        assert json.loads(out.read_text(encoding="utf-8"))["signature"]["late_reason"] == TURNED


def test_a_wrong_option_is_repeated_without_what_turns_a_line() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("ledger"), "trace", "\u202egnp"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "\u202e" not in done.stderr


def test_the_monthly_review_names_its_staff(clinic: Clinic) -> None:
    text = good("timeliness", "--month", "2026-11")
    assert f"Ann Sample ({clinic.author})" in text
    assert data("timeliness", "--month", "2026-11")["names"] == {clinic.author: "Ann Sample"}
