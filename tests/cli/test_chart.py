"""``ledger chart`` and ``ledger access-audit`` as a person runs them: text, JSON, files, exit codes, the trace."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from tests.replay.world import START, WORDS, World, a_world, full_story

from ledger.aggregates.client_events import CorrectClientDetails, RegisterClient
from ledger.aggregates.staff import PersonName
from ledger.answers.page import WIDTH
from ledger.cli import main


@dataclass
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as made:
        full_story(made)
        yield made


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("LEDGER_DATABASE", str(world.recorder.engine.url).replace("+pysqlite", ""))

    def command(*arguments: str, who: str | None = None) -> Done:
        monkeypatch.setattr("sys.argv", ["ledger", "--as", who or world.supervisor, *arguments])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as done:
            code = int(done.code or 0)
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return command


def accesses(world: World) -> int:
    return sum(row.topic == "access.granted" for row in world.recorder.read_log(0, 10_000))


def test_a_chart_reads_as_text_within_its_columns(world: World, run: Run) -> None:
    done = run("chart", world.charts[0])
    assert done.code == 0, done.err
    assert max(len(line) for line in done.out.splitlines()) <= WIDTH
    for part in ("Chart of Client 0 Sample", "COORDINATORS", "DIAGNOSES", "TREATMENT PLANS", "CONTACTS AND NOTES"):
        assert part in done.out
    assert "Progress note (PIRP)" in done.out
    assert "COSIGNED" in done.out
    assert "Rosa Example" in done.out
    head = world.recorder.read_chart(world.charts[0])
    assert f"{len(head) - 1} events by their leaf hashes, 2 signatures" in done.out
    assert head[-2].leaf.hex() in done.out


def test_the_access_is_recorded_first_and_names_the_position_shown(world: World, run: Run) -> None:
    head = world.recorder.sequence()
    done = run("--purpose", "audit", "--json", "chart", world.charts[0])
    (row,) = world.recorder.read_log(head, 10)
    assert (row.topic, row.purpose, row.chart_id) == ("access.granted", "audit", world.charts[0])
    assert done.data["access_id"] == row.originator_id
    assert done.data["chart"]["position"] == head


def test_json_has_every_item_with_its_events_and_the_names(world: World, run: Run) -> None:
    data = run("--json", "chart", world.charts[0], "--timeline").data
    chart = data["chart"]
    assert data["names"][world.staff] == "Rosa Example"
    rows = [row for row in world.recorder.read_chart(world.charts[0]) if row.topic != "access.granted"]
    items = [chart["client"], *(item for section in chart.values() if isinstance(section, list) for item in section)]
    assert {t["event_id"] for item in items for t in item["changes"]} == {row.event_id for row in rows}
    assert [line["event_id"] for line in data["timeline"]] == [row.event_id for row in rows]
    signed = next(note for note in chart["notes"] if note["signature"])
    assert signed["signature"]["by"]["leaf"] == next(r.leaf.hex() for r in rows if r.topic == "note.signed")


def test_as_known_at_is_the_chart_of_that_time(world: World, run: Run) -> None:
    row = next(row for row in world.recorder.read_chart(world.charts[0]) if row.topic == "note.signed")
    data = run("--json", "chart", world.charts[0], "--as-known-at", row.recorded.isoformat()).data
    assert data["chart"]["position"] == row.position
    assert [note["status"] for note in data["chart"]["notes"]] == ["signed"]
    earlier = (row.recorded - timedelta(microseconds=1)).isoformat()
    data = run("--json", "chart", world.charts[0], "--as-known-at", earlier).data
    assert [note["status"] for note in data["chart"]["notes"]] == ["draft"]
    before = run("chart", world.charts[0], "--as-known-at", "2020-01-01T00:00:00Z")
    assert before.code == 0
    assert "the chart did not exist yet" in before.out
    assert "Sample" not in before.out


def test_as_of_a_service_date_leaves_out_what_had_not_begun(world: World, run: Run) -> None:
    chart = run("--json", "chart", world.charts[0], "--as-of", "2025-01-17").data["chart"]
    assert (chart["contacts"], chart["notes"], chart["disputes"], chart["as_of"]) == ([], [], [], "2025-01-17")
    chart = run("--json", "chart", world.charts[0], "--as-of", "2025-01-18").data["chart"]
    assert len(chart["contacts"]) == 2
    assert chart["plans"] == []
    chart = run("--json", "chart", world.charts[0], "--as-of", "2025-03-03").data["chart"]
    assert [plan["in_force"] for plan in chart["plans"]] == [2]


def test_a_difference_tells_who_changed_what_from_what_to_what(world: World, run: Run) -> None:
    world.clock.advance(timedelta(days=1))
    before = world.clock.now()
    world.clock.advance(timedelta(hours=1))
    correction = CorrectClientDetails(client_id=world.charts[0], reason="new phone", phone="555-0199")
    assert world.give(correction, world.staff)
    (row,) = world.recorder.read_log(world.recorder.sequence() - 1, 1)
    times = (before.isoformat(), world.clock.now().isoformat())
    done = run("chart", world.charts[0], "--diff", *times)
    assert done.code == 0, done.err
    assert "1 CHANGED" in done.out
    assert "phone: “555-0112” → “555-0199”" in done.out
    assert "Rosa Example" in done.out
    assert row.event_id in done.out.replace("\n", " ")
    found = run("--json", "chart", world.charts[0], "--diff", *times).data
    (item,) = found["diff"]["items"]
    changed = next(f for f in item["fields"] if f["field"] == "details.phone")
    assert (changed["before"], changed["after"]) == ("555-0112", "555-0199")
    assert (changed["by"]["event_id"], changed["by"]["actor"]) == (row.event_id, world.staff)
    assert datetime.fromisoformat(changed["by"]["recorded_at"]) == row.recorded
    assert found["said"] == {row.event_id: "details corrected (phone): new phone"}


def test_no_difference_between_a_time_and_itself(world: World, run: Run) -> None:
    now = world.clock.now().isoformat()
    done = run("chart", world.charts[0], "--diff", now, now)
    assert "nothing changed between these times" in done.out


@pytest.mark.parametrize(
    "options",
    [
        ("--as-known-at", "2025-03-01T10:00:00"),
        ("--as-known-at", "yesterday"),
        ("--as-known-at", "9998-01-01T00:00:00Z"),
        ("--as-of", "01/02/2025"),
        ("--diff", "2025-03-02T00:00:00Z", "2025-03-01T00:00:00Z"),
        ("--diff", "2025-03-01T00:00:00", "2025-03-02T00:00:00Z"),
        ("--diff", "2025-03-01T00:00:00Z", "9998-01-01T00:00:00Z"),
        ("--diff", "2025-03-01T00:00:00Z", "2025-03-02T00:00:00Z", "--as-known-at", "2025-03-01T00:00:00Z"),
        ("--diff", "2025-03-01T00:00:00Z", "2025-03-02T00:00:00Z", "--timeline"),
        ("--out", "chart.pdf"),
        ("--out", "/no/such/folder/chart.txt"),
        ("--colour", "blue"),
    ],
)
def test_bad_input_is_exit_2_and_reads_nothing(world: World, run: Run, options: tuple[str, ...]) -> None:
    before = accesses(world)
    done = run("chart", world.charts[0], *options)
    assert done.code == 2
    assert options[0] in done.err
    assert done.out == ""
    assert accesses(world) == before


def test_a_chart_that_does_not_exist_is_exit_4(world: World, run: Run) -> None:
    before = accesses(world)
    for command in ("chart", "access-audit"):
        for missing in ("11111111-1111-4111-8111-111111111111", world.staff):
            done = run(command, missing)
            assert (done.code, done.out) == (4, "")
            assert missing in done.err
    assert accesses(world) == before


@pytest.mark.parametrize("ending", ["txt", "json", "html"])
def test_a_file_has_the_whole_chart_and_only_its_owner_reads_it(
    world: World, run: Run, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"chart.{ending}"
    file.write_text("of yesterday")
    done = run("chart", world.charts[0], "--out", str(file), "--timeline")
    assert (done.code, done.out) == (0, f"Written to {file}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [file.name]  # noqa: PTH208 - names only
    content = file.read_text(encoding="utf-8")
    assert "Client 0" in content
    assert "phone" in content
    if ending == "json":
        assert json.loads(content)["chart"]["chart_id"] == world.charts[0]


def test_what_people_write_cannot_leave_its_place(world: World, run: Run, tmp_path: Path) -> None:
    """Markup is escaped in HTML; in text a line break stays inside its block and no control character gets out."""
    nasty = world.new()
    name = PersonName(family="<script>alert(1)</script>", given="\u202eRed")
    assert world.give(RegisterClient(client_id=nasty, name=name, birth_date=START.date()))
    file = tmp_path / "chart.html"
    assert run("chart", nasty, "--out", str(file)).code == 0
    page = file.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    for outside in ("http:", "https:", "src=", "href="):
        assert outside not in page
    done = run("chart", nasty)
    assert "\u202e" not in done.out
    assert "\ufffdRed" in done.out
    assert "line one\nline two" in WORDS
    text = run("chart", world.charts[0]).out
    assert not [line for line in text.splitlines() if line.startswith("line two")]


@pytest.mark.parametrize("column", ["payload", "recorded_at", "actor"])
@pytest.mark.parametrize("options", [(), ("--diff", "2025-03-01T00:00:00Z", "2025-03-04T00:00:00Z")])
def test_tampering_is_exit_5_and_names_the_event(world: World, run: Run, column: str, options: tuple[str, ...]) -> None:
    row = next(row for row in world.recorder.read_chart(world.charts[0]) if row.topic == "client.registered")
    value: object = {
        "payload": row.state.replace(b"Sample", b"Simple"),
        "recorded_at": "2025-03-03T15:59:59.000000Z",
        "actor": world.staff,
    }[column]
    tamper(world, f"UPDATE events SET {column} = ? WHERE position = ?", value, row.position)  # noqa: S608
    done = run("chart", world.charts[0], *options)
    assert (done.code, done.out) == (5, "")
    assert row.event_id in done.err
    assert row.topic in done.err


def test_an_event_damaged_beyond_reading_is_exit_5_too(world: World, run: Run) -> None:
    row = next(row for row in world.recorder.read_chart(world.charts[0]) if row.topic == "client.registered")
    tamper(world, "UPDATE events SET payload = ? WHERE position = ?", b"{", row.position)
    done = run("chart", world.charts[0])
    assert (done.code, done.out) == (5, "")
    assert row.event_id in done.err


def tamper(world: World, statement: str, *values: object) -> None:
    file = make_url(str(world.recorder.engine.url)).database
    assert file is not None
    with closing(sqlite3.connect(file)) as connection:
        for trigger in ("events_no_update", "events_no_delete", "events_in_order"):
            connection.execute(f"DROP TRIGGER {trigger}")
        assert connection.execute(statement, values).rowcount == 1
        connection.commit()


def test_the_audit_says_who_why_and_with_what_relationship(world: World, run: Run) -> None:
    run("--purpose", "compliance", "chart", world.charts[0])
    run("--purpose", "audit", "chart", world.charts[0], "--as-of", "2025-01-17", who="system:auditor")
    run("chart", world.charts[1])
    done = run("--json", "access-audit", world.charts[0])
    assert done.code == 0, done.err
    found = [entry["access"] for entry in done.data["accesses"]][-2:]
    assert [(a["reader_id"], a["purpose"], a["surface"], a["relationship"]) for a in found] == [
        (world.supervisor, "compliance", "cli", "none"),
        ("system:auditor", "audit", "cli", "system"),
    ]
    assert found[1]["as_of"] == "2025-01-17"
    again = run("access-audit", world.charts[0])
    assert "Sam Example" in again.out
    assert "access audit on cli" in again.out, "reading the audit is itself a read"
    assert done.data["access_id"] in again.out


def test_the_audit_names_the_exact_versions_that_were_shown(world: World, run: Run) -> None:
    chart_id = world.charts[0]
    shown = run("--json", "chart", chart_id).data["chart"]
    world.give(CorrectClientDetails(client_id=chart_id, reason="moved", phone="555-0100"), world.staff)
    entries = run("--json", "access-audit", chart_id, "--versions").data["accesses"]
    last: dict[str, int] = {}
    for row in world.recorder.read_chart(chart_id, until=shown["position"]):
        if row.topic != "access.granted":
            last[str(row.originator_id)] = row.originator_version
    assert entries[-1]["versions"] == [f"{stream}@{version}" for stream, version in last.items()]
    text = run("access-audit", chart_id, "--versions").out
    assert f"shown: {chart_id}@{last[chart_id]}" in text


def test_the_audit_of_a_period_counts_days_in_the_agencys_zone(world: World, run: Run) -> None:
    """The one read of the story was on 3 March 2025 in California; the others are of today."""
    read = next(row for row in world.recorder.read_log(0, 1000) if row.topic == "access.granted")
    run("chart", world.charts[0])
    one = run("--json", "access-audit", world.charts[0], "--from", "2025-03-03", "--to", "2025-03-03").data
    assert [entry["access"]["position"] for entry in one["accesses"]] == [read.position]
    none = run("access-audit", world.charts[0], "--to", "2025-03-02")
    assert "nobody read it in this period" in none.out
    later = run("--json", "access-audit", world.charts[0], "--from", "2025-03-04").data
    assert read.position not in [entry["access"]["position"] for entry in later["accesses"]]


def test_an_audit_that_is_not_complete_says_so(world: World, run: Run) -> None:
    """An event of a later release waits, and the accesses after it with it: the audit must not look whole."""
    assert run("--json", "access-audit", world.charts[0]).data["waiting"] == 0
    assert "NOT COMPLETE" not in run("access-audit", world.charts[0]).out
    row = next(row for row in world.recorder.read_log(0, 1000) if row.chart_id == world.charts[0])
    later = replace(
        row, topic="access.of_a_later_release", originator_id=world.new(), originator_version=1, command_id=world.new()
    )
    world.recorder.insert_events([later])
    run("chart", world.charts[0])
    done = run("access-audit", world.charts[0])
    assert done.code == 0
    assert "NOT COMPLETE  2 events could not be applied" in done.out


def test_bad_input_to_the_audit_is_exit_2_and_reads_nothing(world: World, run: Run) -> None:
    before = accesses(world)
    for options in (("--from", "2025-03-04", "--to", "2025-03-03"), ("--from", "today"), ("--out", "audit.doc")):
        done = run("access-audit", world.charts[0], *options)
        assert (done.code, done.out) == (2, "")
    assert accesses(world) == before


@pytest.mark.parametrize("options", [(), ("--diff", "2025-03-01T00:00:00Z", "2025-03-04T00:00:00Z")])
def test_the_end_of_the_page_says_what_was_checked_and_what_was_not(
    world: World, run: Run, options: tuple[str, ...]
) -> None:
    """The counts are those of the events read; nothing is claimed of seals, of what is missing, or of plans."""
    done = run("chart", world.charts[0], *options)
    end = " ".join(done.out[done.out.index("Checked while this was read:") :].split())
    position = int(done.out.split("Log position")[1].split()[0])
    rows = world.recorder.read_chart(world.charts[0], until=position)
    signatures = sum(row.topic in ("note.signed", "note.cosigned") for row in rows)
    assert signatures > 0
    assert f"{len(rows)} events of this chart up to log position {position}" in end
    assert f"and {signatures} signature" in end
    for limit in ("Not checked here", "sealed", "removed", "treatment plan", "ledger verify"):
        assert limit in end
    assert "every signature" not in end


PIRP = ["problem", "intervention", "response", "plan"]


@pytest.mark.parametrize("options", [(), ("--diff", "2025-03-01T00:00:00Z", "2025-03-05T00:00:00Z")])
def test_a_notes_sections_stand_in_the_documents_order(world: World, run: Run, options: tuple[str, ...]) -> None:
    """They are stored by the alphabet; a reader goes from the problem to the plan."""
    out = run("chart", world.charts[0], *options).out
    found = [word for line in out.splitlines() if (word := line.strip(" +").partition(":")[0]) in PIRP + SECTIONS]
    shown = [word.removeprefix("sections.") for word in found]
    assert len(shown) >= 4
    assert shown[:4] == PIRP


SECTIONS = [f"sections.{name}" for name in PIRP]
