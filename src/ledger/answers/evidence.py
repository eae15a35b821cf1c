"""What the record holds of a chart, a note or a dispute, packed for somebody who trusts nobody."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ledger.aggregates.vocabulary import Id
from ledger.answers.ask import Answer, Ask
from ledger.answers.asking import Asking
from ledger.answers.query import Query
from ledger.evidence.bundle import bundle
from ledger.evidence.gather import gather, subject_of


class AskEvidence(Ask, frozen=True, kw_only=True):
    """The evidence about a chart, a note or a dispute: a zip that a stranger can check and read.

    In it: every event with both times and the bytes that its hash is made over, proofs, checkpoints with what witnesses
    and time-stamping authorities signed, the policies, who has read the chart, a report as HTML and PDF, and a verifier
    in one file that needs only Python and the package cryptography. The read is recorded first.
    """

    NAME = "evidence"
    PLACED = ("subject",)
    TRUSTS = True
    subject: Annotated[Id, msgspec.Meta(description="The chart, the note or the dispute.")]


class EvidencePacked(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the zip, and the SHA-256 of its manifest."""

    access_id: str
    chart: str
    checkpoint: int
    events: int
    id: str
    kind: str
    manifest_sha256: str
    #: How many of the events are proved under the checkpoint.
    sealed: int


def _evidence(asking: Asking, ask: AskEvidence) -> Answer:
    asking.actor  # noqa: B018 - refuse before any work when nobody says who reads
    trusted = asking.trusted()
    asking.recorder.sequence()
    found = subject_of(asking.recorder, ask.subject)
    grant = asking.grant([found.chart_id], f"evidence of {found.kind} {found.id}")
    now, zone = asking.now, str(asking.ledger.zone)
    gathered = gather(asking.recorder, grant, found, as_at=now, zone=zone, trusted=trusted)
    content, manifest = bundle(asking.recorder, gathered)
    data = EvidencePacked(
        access_id=grant.access_id,
        chart=found.chart_id,
        checkpoint=gathered.size,
        events=len(gathered.events),
        id=found.id,
        kind=found.kind,
        manifest_sha256=manifest,
        sealed=sum(one.row.position <= gathered.size for one in gathered.events),
    )
    lines = [
        f"{data.events:,} events, {data.sealed:,} of them proved under the checkpoint of {data.checkpoint:,} events",
        f"manifest SHA-256  {manifest}",
    ]
    if data.sealed < data.events:
        lines.append("not everything is sealed: run ledger seal, then take the evidence again")
    return Answer(
        data=data,
        text=lambda: "\n".join(lines),
        access_id=grant.access_id,
        position=grant.position,
        content=content,
    )


EVIDENCE = Query(AskEvidence, _evidence, "evidence of", EvidencePacked)
