"""Bad input: a clear message that names the field, exit code 2, and nothing written."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.application.chart import open_chart
from tests.sample import ANN, BOB, CLIENT, CONTACT, NOTE, ident

from ledger.application.commands import Ledger
from ledger.cli.main import cli, main
from ledger.store.database import open_store

#: The program as it is installed beside the interpreter.
PROGRAM = str(Path(sys.executable).with_name("ledger"))
CONTACT_DATA = {
    "client_id": CLIENT,
    "staff_id": ANN,
    "program": "psc",
    "contact_kind": "individual",
    "started_at": "2026-01-02T14:00:00-08:00",
    "ended_at": "2026-01-02T15:00:00-08:00",
    "direct_minutes": 55,
}
NAME = {"family": "Doe", "given": "Jo"}
CLIENT_DATA = {"name": NAME, "birth_date": "1980-05-01"}


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a chart, for all of these; nothing here changes it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('bad') / 'ledger.db'}"
    store = open_store(url)
    open_chart(Ledger(store))
    store.engine.dispose()
    return url


def head(url: str) -> int:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        (found,) = connection.execute("SELECT count(*) FROM events").fetchone()
    connection.close()
    return int(found)


def send(url: str, command: str, data: Any, by: str = ANN, *flags: str) -> tuple[int, str]:
    """Give a command to the program as a process would; its exit code and what it says on standard error."""
    sent = data if isinstance(data, bytes) else json.dumps(data).encode()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    done = subprocess.run(
        [PROGRAM, "--json", "--as", by, "record", command, "--stdin", *flags],
        input=sent,
        capture_output=True,
        env={**environment, "LEDGER_DATABASE": url},
        check=False,
    )
    assert done.stdout == b""
    return done.returncode, done.stderr.decode()


def refuse_quickly(url: str, monkeypatch: pytest.MonkeyPatch, data: bytes, command: str, by: str) -> tuple[int, str]:
    """The same through the same entry point, in this process."""
    arguments = ["--json", "--as", by, "record", command, "--stdin"]
    monkeypatch.setattr(sys, "argv", ["ledger", *arguments])
    runner = CliRunner(env={"LEDGER_DATABASE": url})
    with runner.isolation(input=data) as (out, err, _):
        with pytest.raises(SystemExit) as ended:
            main()
        assert out.getvalue() == b""
        return int(str(ended.value.code)), err.getvalue().decode()


CASES: dict[str, tuple[str, Any, str, list[str]]] = {
    "malformed id": ("sign-note", {"note_id": "42"}, ANN, ["note_id"]),
    "id in capitals": ("sign-note", {"note_id": NOTE.upper()}, ANN, ["note_id"]),
    "id with a line break": ("sign-note", {"note_id": NOTE + "\n"}, ANN, ["note_id"]),
    "unknown id": ("sign-note", {"note_id": ident("none")}, ANN, ["note_id"]),
    "id of another kind": ("sign-note", {"note_id": CLIENT}, ANN, ["note_id"]),
    "time without offset": (
        "record-contact", {**CONTACT_DATA, "started_at": "2026-01-02T14:00:00"}, ANN, ["started_at"],
    ),
    "time that is none": ("record-contact", {**CONTACT_DATA, "ended_at": "2026-02-30T14:00:00Z"}, ANN, ["ended_at"]),
    "time as a number": ("record-contact", {**CONTACT_DATA, "ended_at": 1767391200}, ANN, ["ended_at"]),
    "offset with seconds": (
        "record-contact", {**CONTACT_DATA, "ended_at": "2026-01-02T15:00:00-08:00:30"}, ANN, ["ended_at"],
    ),
    "year one": ("record-contact", {**CONTACT_DATA, "started_at": "0001-01-01T00:00:00+14:00"}, ANN, ["started_at"]),
    "year 9999": ("record-contact", {**CONTACT_DATA, "ended_at": "9999-12-31T23:59:59-12:00"}, ANN, ["ended_at"]),
    "ends before it starts": (
        "record-contact", {**CONTACT_DATA, "ended_at": "2026-01-02T13:00:00-08:00"}, ANN, ["ended_at"],
    ),
    "future service": (
        "record-contact",
        {**CONTACT_DATA, "started_at": "2126-01-02T13:00:00-08:00", "ended_at": "2126-01-02T14:00:00-08:00"},
        ANN,
        ["ended_at"],
    ),
    "signature without standing": ("sign-note", {"note_id": NOTE}, BOB, ["actor"]),
    "signature by a program": ("sign-note", {"note_id": NOTE}, "system:x", ["actor"]),
    "signature by a stranger": ("sign-note", {"note_id": NOTE}, ident("stranger"), ["actor"]),
    "control characters": (
        "write-note",
        {"note_id": NOTE, "content": {"sections": {"problem": "a\u0000b", "plan": "\u0085"}}},
        ANN,
        ["content.sections.problem", "content.sections.plan"],
    ),
    "control character in a name": ("add-addendum", {"note_id": NOTE, "text": "x\u001b[2J"}, ANN, ["text"]),
    "half a character": ("add-addendum", {"note_id": NOTE, "text": "x\ud83d"}, ANN, ["text"]),
    "half a character as a section": (
        "write-note", {"note_id": NOTE, "content": {"sections": {"\ud83d": "x"}}}, ANN, ["content.sections.\\ud83d"],
    ),
    "empty text": ("add-addendum", {"note_id": NOTE, "text": ""}, ANN, ["text"]),
    "blank text": ("add-addendum", {"note_id": NOTE, "text": " \n\t\u3000"}, ANN, ["text"]),
    "long section": (
        "write-note",
        {"note_id": NOTE, "content": {"sections": {"problem": "x" * 20_001}}},
        ANN,
        ["content.sections.problem"],
    ),
    "many sections": (
        "write-note",
        {"note_id": NOTE, "content": {"sections": {f"s{n}": "é" * 10_000 for n in range(7)}}},
        ANN,
        ["payload"],
    ),
    "missing fields": ("record-contact", {}, ANN, list(CONTACT_DATA)),
    "unknown field": ("sign-note", {"note_id": NOTE, "colour": "red"}, ANN, ["colour"]),
    "unknown field inside": (
        "register-client", {**CLIENT_DATA, "name": {**NAME, "middle": "X"}}, ANN, ["name.middle"],
    ),
    "unknown field with an escape": ("sign-note", {"note_id": NOTE, "\u001b[2J": 1}, ANN, ["\\x1b[2J"]),
    "null": ("sign-note", {"note_id": None}, ANN, ["note_id"]),
    "number as text": ("add-addendum", {"note_id": NOTE, "text": 5}, ANN, ["text"]),
    "text as number": ("record-contact", {**CONTACT_DATA, "direct_minutes": "55"}, ANN, ["direct_minutes"]),
    "boolean as number": ("record-contact", {**CONTACT_DATA, "direct_minutes": True}, ANN, ["direct_minutes"]),
    "number as boolean": ("record-contact", {**CONTACT_DATA, "late_entry": 1}, ANN, ["late_entry"]),
    "fraction": ("record-contact", {**CONTACT_DATA, "direct_minutes": 5.5}, ANN, ["direct_minutes"]),
    "negative": ("record-contact", {**CONTACT_DATA, "travel_minutes": -1}, ANN, ["travel_minutes"]),
    "huge number": ("record-contact", {**CONTACT_DATA, "direct_minutes": 10**40}, ANN, ["direct_minutes"]),
    "object as text": ("add-addendum", {"note_id": NOTE, "text": {"a": 1}}, ANN, ["text"]),
    "list as object": ("register-client", {**CLIENT_DATA, "name": []}, ANN, ["name"]),
    "text as list": (
        "register-staff",
        {"name": NAME, "roles": "clinician", "programs": ["psc"], "hired_on": "2026-01-01"},
        ANN,
        ["roles"],
    ),
    "wrong number of values": (
        "set-schedule", {"staff_id": ANN, "effective_from": "2026-01-01", "minutes": [480]}, ANN, ["minutes"],
    ),
    "not one of": ("record-contact", {**CONTACT_DATA, "delivery": "owl"}, ANN, ["delivery"]),
    "not a date": ("register-client", {**CLIENT_DATA, "birth_date": "1980-5-1"}, ANN, ["birth_date"]),
    "future birth": ("register-client", {**CLIENT_DATA, "birth_date": "2980-05-01"}, ANN, ["birth_date"]),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CASES))
def test_bad_input_is_refused_by_field_with_exit_code_2_and_nothing_written(
    chart: str, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    command, data, by, fields = CASES[case]
    before = head(chart)
    code, said = refuse_quickly(chart, monkeypatch, json.dumps(data).encode(), command, by)
    assert code == 2, said
    reasons = json.loads(said)["reasons"]
    assert sorted({reason["field"] for reason in reasons}) == sorted(fields), said
    assert all(reason["message"] for reason in reasons)
    assert head(chart) == before


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not JSON"),
    "not JSON": (b"{note_id: 1}", "not JSON at line 1, column 2"),
    "a list": (b"[]", "one JSON object"),
    "a text": (b'"x"', "one JSON object"),
    "not UTF-8": (b'{"text": "\xff"}', "not UTF-8 at byte 11"),
    "halves in UTF-8": (b'{"text": "\xed\xa0\xbd"}', "not UTF-8"),
    "UTF-16": ('{"text": "x"}'.encode("utf-16"), "not UTF-8"),
    "deep": (b'{"a":' * 100_000, "nested too deeply"),
    "many digits": (b'{"a":' + b"9" * 5000 + b"}", "too many digits"),
    "not a number": (b'{"direct_minutes": NaN}', "NaN is not a number"),
    "infinite": (b'{"direct_minutes": -Infinity}', "-Infinity is not a number"),
    "twice": (f'{{"note_id": "{NOTE}", "note_id": "{CONTACT}"}}'.encode(), "'note_id' comes twice"),
    "10 MB": (json.dumps({"text": "x" * 10_000_000}).encode(), "more than 1,048,576 bytes"),
}


@pytest.mark.parametrize("case", list(UNREADABLE))
def test_what_cannot_be_read_at_all_names_standard_input(
    chart: str, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    data, words = UNREADABLE[case]
    before = head(chart)
    code, said = refuse_quickly(chart, monkeypatch, data, "add-addendum", ANN)
    assert code == 2
    assert json.loads(said)["error"].startswith("stdin: ")
    assert words in said
    assert "; " in said, "it says how to mend it"
    assert head(chart) == before


def test_a_real_process_says_the_same(chart: str) -> None:
    before = head(chart)
    code, said = send(chart, "record-contact", {**CONTACT_DATA, "ended_at": "2026-01-02T13:00:00-08:00"})
    assert code == 2
    assert {reason["field"] for reason in json.loads(said)["reasons"]} == {"ended_at"}
    code, said = send(chart, "add-addendum", b'{"text": "' + b"x" * 10_000_000 + b'"}')
    assert (code, json.loads(said)["reasons"]) == (2, [])
    assert "stdin" in said
    assert head(chart) == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--occurred-at", "2026-01-02T14:00:00"], "no UTC offset"),
        (["--occurred-at", "0001-01-01T00:00:00+14:00"], "year 1"),
        (["--occurred-at", "yesterday"], "not a time"),
        (["--occurred-at", "2126-01-01T00:00:00Z"], "in the future"),
        (["--command-id", ""], "command_id: it is empty"),
        (["--command-id", "x" * 129], "command_id: it is longer"),
        (["--causation-id", "a\tb"], "causation_id"),
        (["--expected-version", "one"], "--expected-version"),
        (["--colour", "red"], "--colour"),
        (["--content", "{"], "content: not JSON"),
        (["--content", "[" * 100_000], "content: nested too deeply"),
    ],
    ids=range(11),
)
def test_bad_flags_are_named(
    chart: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    before = head(chart)
    content = [] if "--content" in flags else ["--content", '{"no_plan_reason": "intake"}']
    arguments = ["--as", ANN, "record", "write-note", "--note-id", NOTE, *content, *flags]
    monkeypatch.setattr(sys, "argv", ["ledger", *arguments])
    monkeypatch.setenv("LEDGER_DATABASE", chart)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
    assert head(chart) == before


def test_bytes_that_are_no_text_are_refused_wherever_they_stand(chart: str) -> None:
    before = head(chart)
    raw = os.fsdecode(b"\xff")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    for arguments, field in (
        (["--as", raw, "record", "sign-note", "--note-id", NOTE], "actor"),
        (["--as", ANN, "--purpose", raw, "record", "sign-note", "--note-id", NOTE], "purpose"),
        (["--as", ANN, "--correlation-id", raw, "record", "sign-note", "--note-id", NOTE], "correlation-id"),
        (["--as", ANN, "record", "add-addendum", "--note-id", NOTE, "--text", raw], "text"),
    ):
        done = subprocess.run(
            [PROGRAM, *arguments],
            capture_output=True,
            env={**environment, "LEDGER_DATABASE": chart},
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert field.encode() in done.stderr
        assert b"Traceback" not in done.stderr
    assert head(chart) == before


def test_without_saying_who_one_is_nothing_is_done(chart: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = head(chart)
    result = CliRunner(env={"LEDGER_DATABASE": chart}).invoke(cli, ["record", "sign-note", "--note-id", NOTE])
    assert getattr(result.exception, "exit_code", None) == 2
    assert "say who you are" in str(result.exception)
    assert head(chart) == before
