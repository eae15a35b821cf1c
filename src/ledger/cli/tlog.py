"""``ledger tlog``: keys, and the log as files that any client of transparency logs reads."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.cli.seal import KEY, sealing_key
from ledger.cli.session import Session, pass_session
from ledger.errors import BadInput, IntegrityFault
from ledger.integrity.exported import check_export, checkpoint_of
from ledger.proof.export import export as export_log
from ledger.proof.keys import load_key, load_vkey, write_key
from ledger.proof.notes import COSIGNATURE, ED25519, PublicKey, new_key


@click.group()
def tlog() -> None:
    """The log as a transparency log: its keys, and its files for other people's clients.

    \b
    Examples:
      ledger tlog key new --name example.org/ledger --out seal.key
      ledger tlog export --out public
      ledger tlog check public --vkey vkey
    """


@tlog.group()
def key() -> None:
    """Signing keys (Ed25519) and the lines that check what they signed.

    \b
    Example:
      ledger tlog key new --name example.org/ledger --out seal.key
    """


@key.command()
@click.option("--name", required=True, help="Whose key it is: the log's origin, or the witness; as example.org/ledger.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option("--witness", is_flag=True, help="A witness's key, for cosignatures, not a log's.")
@pass_session
def new(session: Session, name: str, out: Path, witness: bool) -> None:
    """Make a key in a file that its owner alone may read, and print the line that checks its signatures.

    \b
    Examples:
      ledger tlog key new --name example.org/ledger --out seal.key
      ledger tlog key new --name witness.example.net --out witness.key --witness
    """
    made = new_key(name, COSIGNATURE if witness else ED25519)
    write_key(out, made)
    session.emit({"file": str(out), "vkey": made.public.vkey}, lambda: made.public.vkey)


@key.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_session
def show(session: Session, file: Path) -> None:
    """Print the line that checks what a key has signed (its vkey); the key itself is never shown.

    \b
    Example:
      ledger tlog key show seal.key
    """
    public = load_key(file, "FILE").public
    session.emit({"vkey": public.vkey}, lambda: public.vkey)


@tlog.command()
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="The folder to write to.")
@click.option("--vkey", metavar="VKEY|FILE", help="The log's verifier key; from the signing key by default.")
@click.option(
    "--entries/--no-entries", default=True, show_default=True, help="With the events' entries, or hashes alone."
)
@KEY
@pass_session
def export(session: Session, out: Path, vkey: str | None, entries: bool, key_file: Path | None) -> None:
    """Write the sealed log as files: `checkpoint`, `tile/…` and `vkey`, in the layout of c2sp.org/tlog-tiles.

    Any web server can serve the folder. Entries name charts, people and times, never content: they are for those who
    may know of every event, and writing them is recorded first, as an access to every chart they name, with their
    positions.
    --no-entries leaves hashes alone, which tell nothing and prove as much.

    \b
    Examples:
      ledger tlog export --out public --no-entries
      ledger --as system:auditor --purpose audit tlog export --out mirror --vkey vkey
    """
    public = _public(vkey, key_file)
    if public.kind != ED25519:
        raise BadInput("--vkey: it is a witness's key; name the log's")
    if entries:
        session.actor  # noqa: B018 - refuse before any work when nobody says who reads

    def opening(first: int, last: int) -> None:
        charts = session.recorder.charts_between(first, last)
        resource = f"tlog export of the entries of positions {first} to {last}"
        session.open(charts, resource, stands=(last, {}))

    with session.progress("Exporting", session.recorder.head()) as advance:
        done = export_log(session.recorder, out, public, entries=entries, progress=advance, opening=opening)
    session.emit(
        {"folder": str(out), "size": done.size, "files": done.files},
        lambda: f"{done.size:,} events in {out}: {done.files:,} files written",
    )


@tlog.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--vkey", required=True, metavar="VKEY|FILE", help="The log's verifier key, from somewhere you trust.")
@pass_session
def check(session: Session, folder: Path, vkey: str) -> None:
    """Check an exported log by its files alone: the signature, every tile up to the root, every entry there is.

    It opens no store, so anybody who was given the folder can do it. What differs is named by its file; exit code 5.

    \b
    Example:
      ledger tlog check public --vkey vkey
    """
    keys = [load_vkey(vkey, "--vkey")]
    with session.progress("Checking", checkpoint_of(folder, keys).size) as advance:
        found = check_export(folder, keys, advance)
    report = found.report
    what = "every tile, every entry" if found.entries else "every tile; there are no entries"
    session.emit(
        {
            "folder": str(folder),
            "size": found.size,
            "entries": found.entries,
            "sound": report.sound,
            "fault_count": report.fault_count,
            "faults": [vars(each) for each in report.faults],
        },
        lambda: "\n".join(
            [f"  FAULT ({each.kind}) at {each.position}: {each.words}" for each in report.faults]
            + [f"{found.size:,} events: {what}: {'sound' if report.sound else 'NOT SOUND'}"]
        ),
    )
    if not report.sound:
        raise IntegrityFault(report.faults[0].words)


def _public(vkey: str | None, key_file: Path | None) -> PublicKey:
    if vkey is not None:
        return load_vkey(vkey, "--vkey")
    return sealing_key(key_file)[1].public
