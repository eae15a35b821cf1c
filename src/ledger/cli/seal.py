"""``ledger seal``: sign a checkpoint of what is in the log, once or again and again, and send it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ledger.cli.kafka import stop_on_signal
from ledger.cli.session import Session, pass_session
from ledger.errors import BadInput
from ledger.proof.keys import load_key
from ledger.proof.memory import Memory
from ledger.proof.seal import Sealer
from ledger.proof.settings import read_proof_settings
from ledger.store.sealed import SealedRow


def sealing_key(given: Path | None) -> Path:
    """The key file: the one given, or that of the setting."""
    found = given or read_proof_settings().key
    if found is None:
        raise BadInput(
            "LEDGER_SEAL_KEY: not set; make a key with: ledger tlog key new --name example.org/ledger --out FILE"
        )
    return found


KEY = click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The log's signing key. Default: LEDGER_SEAL_KEY.",
)


@click.command()
@KEY
@click.option("--every", type=click.FloatRange(0.05, 86400), metavar="SECONDS", help="Keep going, and seal so often.")
@pass_session
def seal(session: Session, key_file: Path | None, every: float | None) -> None:
    """Seal what is in the log: sign a checkpoint over every event so far.

    Before it signs, it proves to itself that the log goes on from the last checkpoint, and from those that it can find
    outside the store. When it does not, nothing is signed and it ends with exit code 5.

    \b
    Examples:
      ledger seal
      ledger seal --every 1
    """
    path = sealing_key(key_file)
    key = load_key(path, "LEDGER_SEAL_KEY" if key_file is None else "--key")
    memory = Memory(path)
    stop = stop_on_signal()
    sealed: list[SealedRow] = []
    with memory.held():
        sealer = Sealer(session.recorder, key, memory, clock=session.clock)
        while True:
            with session.progress("Sealing", session.recorder.head()) as advance:
                row = sealer.seal(advance)
            sealed += [row] if row else []
            if every is None or stop.is_set():
                break
            stop.wait(every)
    last = sealer.last()

    def text() -> str:
        if last is None:
            return "nothing to seal: the log is empty"
        what = "sealed" if sealed else "sealed before, nothing is new"
        return f"{last.size:,} events {what}, root {last.root.hex()}"

    session.emit(_data(last, len(sealed)), text)


def _data(last: SealedRow | None, count: int) -> dict[str, Any]:
    found: dict[str, Any] = {"checkpoints_made": count, "size": last.size if last else 0}
    return found | ({"root": last.root.hex(), "checkpoint": last.note.decode()} if last else {})
