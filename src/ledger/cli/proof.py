"""``ledger proof``: that an event is in the log, that the log only grew; and checking both without the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ledger.answers.ask import Ask
from ledger.answers.proofs import AskConsistency, AskInclusion
from ledger.cli.answering import answered
from ledger.cli.session import Session, pass_session
from ledger.errors import BadInput
from ledger.proof.keys import load_vkey
from ledger.proof.proofs import check_consistency_proof, check_inclusion_proof, read_consistency, read_inclusion
from ledger.store.envelope import leaf_hash

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def proof() -> None:
    """Prove that an event is in the log and that the log only grew, and check such proofs.

    \b
    Examples:
      ledger proof inclusion 1204 --out event.tlog-proof
      ledger proof consistency 1204 1730
      ledger proof check event.tlog-proof --vkey vkey --entry entry.json
    """


@proof.command()
@click.argument("event", metavar="EVENT")
@click.option("--at", "size", type=click.IntRange(1), help="In the checkpoint of so many events; the last by default.")
@click.option("--with-entry", is_flag=True, help="With the event's entry; this opens its chart, so say who you are.")
@click.option("--out", type=_FILE, help="Write the proof to a file.")
@pass_session
def inclusion(session: Session, event: str, size: int | None, with_entry: bool, out: Path | None) -> None:
    """Prove that an event is in the sealed log. EVENT is its position, or its id: STREAM@VERSION.

    The proof (c2sp.org/tlog-proof) holds hashes and the signed checkpoint, and nothing of the event; --with-entry adds
    the entry that its leaf hash is made over: envelope and digest of the content, not the content.

    \b
    Examples:
      ledger proof inclusion 1204
      ledger --as system:auditor proof inclusion 1204 --with-entry --out event.tlog-proof
    """
    _hand_over(session, AskInclusion(event=event, size=size, with_entry=with_entry), out)


@proof.command()
@click.argument("a", metavar="A", type=click.IntRange(0))
@click.argument("b", metavar="B", type=click.IntRange(1))
@click.option("--out", type=_FILE, help="Write the proof to a file.")
@pass_session
def consistency(session: Session, a: int, b: int, out: Path | None) -> None:
    """Prove that the checkpoint of B events goes on from that of A: nothing before A was changed, removed or inserted.

    \b
    Example:
      ledger proof consistency 1204 1730
    """
    _hand_over(session, AskConsistency(old=a, new=b), out)


@proof.command()
@click.argument("file", type=_FILE)
@click.option("--vkey", required=True, metavar="VKEY|FILE", help="The log's verifier key, from somewhere you trust.")
@click.option("--entry", type=_FILE, help="The event's entry, to check an inclusion proof that has none in it.")
@click.option("--leaf", metavar="HEX", help="Or the event's leaf hash.")
@click.option("--old", type=_FILE, help="The older checkpoint, to check a consistency proof.")
@pass_session
def check(session: Session, file: Path, vkey: str, entry: Path | None, leaf: str | None, old: Path | None) -> None:
    """Check a proof with nothing but the log's verifier key: no store, no network. Exit code 5 when it proves nothing.

    \b
    Examples:
      ledger proof check event.tlog-proof --vkey vkey
      ledger proof check consistency.proof --vkey vkey --old checkpoint-i-kept
    """
    keys = [load_vkey(vkey, "--vkey")]
    text = _read(file, "FILE").decode(errors="replace")
    if text.startswith("old "):
        if old is None:
            raise BadInput("--old: give the older checkpoint, the one that you kept")
        before, after, _ = check_consistency_proof(read_consistency(text), _read(old, "--old"), keys)
        found: dict[str, Any] = {"origin": after.origin, "old": before.size, "size": after.size}
        words = f"proved: the log of {after.size:,} events begins with the {before.size:,} of the older checkpoint"
    else:
        proved = read_inclusion(text)
        checkpoint, _ = check_inclusion_proof(proved, _leaf(entry, leaf), keys)
        found = {"origin": checkpoint.origin, "position": proved.index + 1, "size": checkpoint.size}
        words = f"proved: the event stands at position {proved.index + 1:,} of the {checkpoint.size:,} that were signed"
    session.emit({"proved": True, **found}, lambda: f"{words} by {found['origin']}")


def _leaf(entry: Path | None, leaf: str | None) -> bytes | None:
    if entry is not None:
        return leaf_hash(_read(entry, "--entry").removesuffix(b"\n"))
    try:
        return None if leaf is None else bytes.fromhex(leaf)
    except ValueError as fault:
        raise BadInput("--leaf: it is not a hash in hex") from fault


def _read(file: Path, name: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        raise BadInput(f"{name}: {file} cannot be read: {fault.strerror}") from fault


def _hand_over(session: Session, ask: Ask, out: Path | None) -> None:
    answer = answered(session, ask, out)
    if out is None:
        session.emit(answer.data, answer.text)
        return
    try:
        out.write_text(answer.text(), encoding="utf-8")
    except OSError as fault:
        raise BadInput(f"--out: cannot write {out}: {fault.strerror}") from fault
    session.emit({**answer.data, "file": str(out)}, lambda: f"written to {out}")
