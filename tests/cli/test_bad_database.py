"""A database that cannot be used: a message a person can act on, exit code 1, and never a traceback."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import pytest
from tests.sample import CLIENT

from ledger.cli.main import main

DATA = ["--client-id", CLIENT, "--name", '{"family": "Quixote", "given": "Zebulon"}', "--birth-date", "1980-05-01"]
RECORD = ["--as", "system:setup", "record", "register-client", *DATA]


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, *arguments: str
) -> tuple[int, str]:
    """The program's exit code and what it says on standard error."""
    monkeypatch.setenv("LEDGER_DATABASE", url)
    monkeypatch.setattr(sys, "argv", ["ledger", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(str(ended.value.code)), capsys.readouterr().err


def test_a_file_that_is_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ledger.db").write_bytes(b"a letter to the county" * 100)
    code, said = run(monkeypatch, capsys, f"sqlite:///{tmp_path / 'ledger.db'}", *RECORD)
    assert (code, "Traceback" in said) == (1, False)
    assert "LEDGER_DATABASE: cannot open the database: file is not a database" in said
    assert (tmp_path / "ledger.db").read_bytes().startswith(b"a letter")


def test_a_folder_in_place_of_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(monkeypatch, capsys, f"sqlite:///{tmp_path}", *RECORD)
    assert (code, "Traceback" in said) == (1, False)
    assert "LEDGER_DATABASE: cannot open the database" in said


def test_a_folder_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(monkeypatch, capsys, f"sqlite:///{tmp_path / 'none' / 'ledger.db'}", *RECORD)
    assert (code, "Traceback" in said) == (2, False)
    assert "does not exist; create it first" in said


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true", "sqlite://a.db"]
)
def test_a_store_that_would_be_gone_with_the_process_takes_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(monkeypatch, capsys, url, *RECORD)
    assert (code, "Traceback" in said) == (2, False)
    assert "LEDGER_DATABASE: it names no file" in said


@pytest.mark.parametrize("url", ["mysql://host/ledger", "ledger.db", "sqlite", "postgresql://u@host:x/d"])
def test_a_url_that_is_none_of_ours(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(monkeypatch, capsys, url, *RECORD)
    assert code == 2
    assert "LEDGER_DATABASE: " in said


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(monkeypatch, capsys, "postgresql://nobody@127.0.0.1:1/ledger", *RECORD)
    assert (code, "Traceback" in said) == (1, False)
    assert "LEDGER_DATABASE: cannot open the database" in said


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """A store whose table of events has been taken away behind our back."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    assert run(monkeypatch, capsys, url, *RECORD)[0] == 0
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("DROP VIEW log")
        connection.execute("DROP TABLE events")
    connection.close()
    return url


def test_what_nobody_foresaw_is_told_without_the_values_that_were_sent(
    broken: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(monkeypatch, capsys, broken, *RECORD)
    assert (code, "Traceback" in said) == (1, False)
    assert "no such table: events" in said
    assert "Quixote" not in said
    code, said = run(monkeypatch, capsys, broken, "--json", *RECORD)
    line, _, printed = said.partition("\n")
    assert code == 1
    logged = json.loads(line) if line != "{" else {}
    assert logged.get("level", "error") == "error"
    assert "no such table" in json.loads(printed if logged else said)["error"]


def test_verbose_shows_where_it_happened(
    broken: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(monkeypatch, capsys, broken, "--verbose", *RECORD)
    assert (code, "Traceback" in said) == (1, True)
    assert "no such table: events" in said
    assert "Quixote" not in said
