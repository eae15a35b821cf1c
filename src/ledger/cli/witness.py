"""``ledger witness``: another party that cosigns a log's checkpoints, and refuses a fork."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.cli.session import Session, pass_session
from ledger.cli.stopping import stop_on_signal
from ledger.errors import BadInput
from ledger.proof.keys import load_key, load_vkey
from ledger.proof.notes import COSIGNATURE, ED25519
from ledger.proof.witness import Memory, Witness
from ledger.proof.witness_server import witnessing
from ledger.serving.endpoints import address_of

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--key", required=True, type=_FILE, help="The witness's own key, made with: ledger tlog key new --witness."
)
@click.option("--state", required=True, type=_FILE, help="The file that it remembers the last checkpoints in.")
@click.option("--log", "logs", required=True, multiple=True, metavar="VKEY|FILE", help="A log's verifier key; repeat.")
@click.option("--listen", default="127.0.0.1:8643", show_default=True, metavar="[HOST:]PORT", help="Where it answers.")
@pass_session
def witness(session: Session, key: Path, state: Path, logs: tuple[str, ...], listen: str) -> None:
    """Be a witness: keep the last checkpoint seen of each log, check that the next goes on from it, and cosign it.

    It is for another party than whoever runs the log: on its own machine, with its own key. It needs no store and no
    settings of the log, only the log's verifier key. It answers as c2sp.org/tlog-witness says, until it is stopped. A
    checkpoint that does not go on from the last one is refused, and kept beside the state as evidence (STATE.forks).

    \b
    Examples:
      ledger tlog key new --name witness.example.net --out witness.key --witness
      ledger witness --key witness.key --state witness.state --log vkey --listen 0.0.0.0:8643
    """
    signing = load_key(key, "--key")
    if signing.kind != COSIGNATURE:
        raise BadInput("--key: it is a log's key; a witness has its own: ledger tlog key new --witness")
    known = [load_vkey(each, "--log") for each in logs]
    for each in known:
        if each.kind != ED25519:
            raise BadInput(f"--log: the key of {each.name} is a witness's; name a log's")
    memory = Memory(state)
    memory.open()
    stop = stop_on_signal()
    try:
        with witnessing(address_of(listen, "--listen"), Witness(signing, known, memory, clock=session.clock)) as port:
            click.echo(f"{signing.name} answers at port {port}; its verifier key: {signing.public.vkey}", err=True)
            stop.wait()
    finally:
        memory.close()
