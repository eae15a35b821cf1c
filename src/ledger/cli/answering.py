"""An answer on the command line: printed, or written to the file that was named."""

from __future__ import annotations

from pathlib import Path

from ledger.answers.ask import Answer, Ask
from ledger.answers.every import QUERIES
from ledger.cli.files import write_whole
from ledger.cli.session import Session


def answered(session: Session, ask: Ask, out: Path | None = None) -> Answer:
    """The answer to a question, which goes to a file where one is named."""
    session.out = out
    return QUERIES[ask.NAME].answer(session, ask)


def give(session: Session, ask: Ask, out: Path | None = None) -> None:
    """Ask, and print the answer; or write it to the file, in the form that its ending names, and say where it is."""
    hand_over(session, answered(session, ask, out), out)


def hand_over(session: Session, answer: Answer, out: Path | None) -> None:
    """Print an answer, or write it to the file, in the form that its ending names, and say where it is."""
    if out is None:
        session.emit(answer.data, answer.text)
        return
    size = write_whole(out, answer.form(out.suffix.lower()))
    session.emit({"written": str(out), "bytes": size, "access_id": answer.access_id}, lambda: f"Written to {out}")
