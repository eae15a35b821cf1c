"""Log lines carry ids, types, counts and correlation; never what a client's chart says."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import structlog
from tests.application.chart import SETUP, ask, open_chart
from tests.sample import ANN, CLIENT, NOTE, ident

from ledger.aggregates.client_events import CorrectClientDetails, RegisterClient
from ledger.aggregates.note_events import NoteContent, SignNote, WriteNote
from ledger.aggregates.staff import PersonName
from ledger.application.commands import Ledger, Request
from ledger.application.edge import find_command, read_command
from ledger.application.reading import open_charts
from ledger.errors import LedgerError
from ledger.logs import configure_logs, get_logger, only_allowed

SAID = ("Zebulon", "Quixote", "Xanthippe", "zolpidem", "K\u00f6nigsallee")


@pytest.fixture(autouse=True)
def _quiet_again() -> Iterator[None]:
    yield
    structlog.contextvars.clear_contextvars()
    configure_logs("auto")


class Lines:
    """What was logged since the last look, as JSON lines on standard error."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def text(self) -> str:
        return self._capture.readouterr().err

    def take(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    configure_logs("json", verbose=True)
    return Lines(capsys)


def test_a_command_carried_out_is_one_line_with_its_ids(sqlite_ledger: Ledger, lines: Lines) -> None:
    request = Request(
        command=RegisterClient(
            client_id=CLIENT, name=PersonName(family="Quixote", given="Zebulon"), birth_date=date(1980, 1, 1)
        ),
        actor_id="system:setup",
        purpose="treatment",
        command_id=ident("register"),
        correlation_id="visit-42",
    )
    sqlite_ledger.execute(request)
    sqlite_ledger.execute(request)
    first, again = lines.take()
    assert (first["event"], again["event"]) == ("recorded", "repeated")
    assert first["command"] == "register-client"
    assert first["command_id"] == ident("register")
    assert first["correlation_id"] == again["correlation_id"] == "visit-42"
    assert (first["stream_id"], first["version"], first["count"], first["level"]) == (CLIENT, 1, 1, "info")
    assert first["seconds"] >= 0


def test_a_refusal_is_logged_by_fields_and_codes_only(sqlite_ledger: Ledger, lines: Lines) -> None:
    open_chart(sqlite_ledger)
    lines.take()
    with pytest.raises(LedgerError):
        sqlite_ledger.execute(ask(SignNote(note_id=NOTE, late_reason="Zebulon"), by=ident("stranger")))
    with pytest.raises(LedgerError):
        read_command(find_command("write-note"), {"note_id": "Quixote", "Zebulon": 1}, ident("c"))
    decided, unread = lines.take()
    assert (decided["event"], decided["error"], decided["command"]) == ("not carried out", "Refused", "sign-note")
    assert decided["fields"] == ["actor"]
    assert decided["codes"] == ["actor"]
    assert (unread["fields"], unread["codes"], unread["count"]) == (["content", "note_id", "other"], ["invalid"], 3)


def test_no_line_holds_what_a_chart_says(sqlite_ledger: Ledger, lines: Lines) -> None:
    open_chart(sqlite_ledger)
    named = PersonName(family="Quixote", given="Zebulon")
    content = NoteContent(sections={"Xanthippe": "takes zolpidem"}, no_plan_reason="K\u00f6nigsallee")
    for command, by in (
        (CorrectClientDetails(client_id=CLIENT, reason="Zebulon", name=named, phone="K\u00f6nigsallee"), SETUP),
        (WriteNote(note_id=NOTE, content=content), ANN),
        (WriteNote(note_id=ident("Quixote"), content=content), ANN),
        (SignNote(note_id=NOTE, late_reason="zolpidem"), ANN),
    ):
        try:
            sqlite_ledger.execute(ask(command, by=by))
        except LedgerError:
            continue
    with pytest.raises(LedgerError):
        read_command(find_command("sign-note"), {"Xanthippe": "zolpidem", "note_id": "Zebulon"}, ident("d"))
    open_charts(sqlite_ledger, [CLIENT], reader=ANN, purpose="treatment", surface="cli", resource="chart")
    written = lines.text()
    told = [json.loads(line) for line in written.splitlines()]
    assert [line["event"] for line in told].count("not carried out") == 3
    assert told[-1]["commands"] == ["grant-access"]
    assert [word for word in SAID if word in written or word in json.dumps(told, ensure_ascii=False)] == []


def test_only_keys_on_the_list_and_values_that_are_labels_pass(lines: Lines) -> None:
    log = get_logger("tests")
    log.warning("parked", key=CLIENT, error="LookupError: Zebulon has no such contact", note="Quixote", position=7)
    log.error("a message of Zebulon \u2026 Quixote!", file="K\u00f6nigs allee", codes=["ok", "not a label, Quixote"])
    first, second = lines.take()
    assert first == {**first, "key": CLIENT, "error": "LookupError", "position": 7}
    assert "note" not in first
    assert second["event"] == second["file"] == "(withheld)"
    assert second["codes"] == ["ok", "(withheld)"]
    assert only_allowed(None, "", {"event": "x", "payload": "Zebulon", "exception": "Quixote"}) == {"event": "x"}


def test_a_terminal_gets_readable_lines_and_quiet_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure_logs("console")
    get_logger("tests").info("recorded", position=1)
    assert stream.getvalue() == ""
    get_logger("tests").warning("parked", position=12)
    assert "parked" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
    configure_logs("auto")  # not a terminal: JSON
    get_logger("tests").warning("parked", position=13)
    assert json.loads(stream.getvalue().splitlines()[-1])["position"] == 13


def test_lines_go_to_standard_error_as_it_is_when_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    monkeypatch.setattr("sys.stderr", closed)
    configure_logs("json")
    closed.close()
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    get_logger("tests").warning("parked")
    assert json.loads(stream.getvalue())["event"] == "parked"
