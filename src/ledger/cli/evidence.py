"""``ledger evidence``: what the record holds of a chart, a note or a dispute, packed for somebody who trusts nobody."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ledger.cli.named import Id
from ledger.cli.files import check_target
from ledger.cli.session import Session, pass_session
from ledger.answers.trusted import TRUST_HELP, trusted_by
from ledger.errors import BadInput
from ledger.evidence.bundle import bundle
from ledger.evidence.gather import gather, subject_of


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
    session.actor  # noqa: B018 - refuse before any work when nobody says who reads
    trusted = trusted_by(trust_file)
    session.recorder.sequence()
    found = subject_of(session.recorder, subject)
    grant = session.grant([found.chart_id], f"evidence of {found.kind} {found.id}")
    now, zone = session.now, str(session.ledger.zone)
    gathered = gather(session.recorder, grant, found, as_at=now, zone=zone, trusted=trusted)
    content, manifest = bundle(session.recorder, gathered)
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except OSError as fault:
        raise BadInput(f"--out: {out} cannot be written: {fault.strerror}") from fault
    sealed = sum(one.row.position <= gathered.size for one in gathered.events)
    data = {
        "file": str(out),
        "kind": found.kind,
        "id": found.id,
        "chart": found.chart_id,
        "events": len(gathered.events),
        "sealed": sealed,
        "checkpoint": gathered.size,
        "manifest_sha256": manifest,
        "access_id": grant.access_id,
    }
    lines = [
        f"written to {out}: {len(gathered.events):,} events, {sealed:,} of them proved under the checkpoint of "
        f"{gathered.size:,} events",
        f"manifest SHA-256  {manifest}",
    ]
    if sealed < len(gathered.events):
        lines.append("not everything is sealed: run ledger seal, then take the evidence again")
    session.emit(data, lambda: "\n".join(lines))
