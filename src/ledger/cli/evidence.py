"""``ledger evidence``: what the record holds of a chart, a note or a dispute, packed for somebody who trusts nobody."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from ledger.answers.evidence import AskEvidence
from ledger.answers.trusted import TRUST_HELP
from ledger.cli.answering import answered
from ledger.cli.files import check_target
from ledger.cli.named import Id
from ledger.cli.session import Session, pass_session
from ledger.errors import BadInput


@click.command()
@click.argument("subject", metavar="CHART|NOTE|DISPUTE", type=Id())
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The zip to write; never one that is there."
)
@click.option("--trust", "trust_file", type=click.Path(path_type=Path, dir_okay=False), help=TRUST_HELP)
@pass_session
def evidence(session: Session, subject: str, out: Path, trust_file: Path | None) -> None:
    """Pack the evidence about a chart, a note or a dispute into a zip that a stranger can check and read.

    In it: every event with both times and the bytes that its hash is made over, proofs, checkpoints with what witnesses
    and time-stamping authorities signed, the policies, who has read the chart, a report as HTML and PDF, and a verifier
    in one file that needs only Python and the package cryptography. The read is recorded first. Left out is the content
    of reads that showed other charts too, and when staff were away. Tell whoever gets the bundle the SHA-256 that is
    printed, by another way.

    \b
    Examples:
      ledger --as STAFF --purpose audit evidence NOTE --out note.zip --trust policy
      ledger --as STAFF --purpose legal evidence CHART --out chart.zip
      python3 verify_evidence.py note.zip --vkey vkey --witness county.vkey
    """
    check_target(out, (".zip",))
    if out.exists():
        raise BadInput(f"--out: {out} is there already; evidence is never written over, choose another name")
    session.trust_file = trust_file
    answer = answered(session, AskEvidence(subject=subject), out)
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(answer.content or b"")
    except OSError as fault:
        raise BadInput(f"--out: {out} cannot be written: {fault.strerror}") from fault
    data = {**msgspec.to_builtins(answer.data), "file": str(out)}
    session.emit(data, lambda: f"written to {out}: {answer.text()}")
