"""The bundle itself: its members, and the zip. The same evidence gives the same bytes.

What is in it: ``events/POSITION/`` with the entry that the leaf hash is made over, the payload and the inclusion proof;
``checkpoints/SIZE.note`` with every cosignature, ``consistency/SIZE.proof`` from each to the last, ``timestamps/``;
``policies/``, ``traces/``, the report, the verifier, and a manifest of the SHA-256 of everything.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from importlib.resources import files

import msgspec

from ledger.aggregates.sealing import SealedCheckpoint
from ledger.errors import IntegrityFault
from ledger.evidence.gather import SIGNATURES, Evidence
from ledger.evidence.report import as_pdf, report_of
from ledger.proof.checkpoint import read_checkpoint
from ledger.proof.export import cosigned
from ledger.proof.merkle import check_inclusion
from ledger.proof.notes import read_note
from ledger.proof.proofs import consistency_of, inclusion_of
from ledger.proof.tree import StoredTree
from ledger.store.envelope import StoredRow, entry_bytes, leaf_of
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed
from ledger.tracing.page import as_html
from ledger.tracing.picture import trace_picture
from ledger.tracing.told import told

FORMAT = "ledger-evidence/1"
#: The rules that a record of care is judged by; what is billed is another matter.
POLICIES = ("calendars", "credentials", "deadlines", "documents")
#: The earliest time that a zip can hold: the members have none of their own.
_NO_TIME = (1980, 1, 1, 0, 0, 0)

_README = """EVIDENCE

report.html, report.pdf   for reading; the same words
events/                   each event of the log: entry.json is what its hash is made over (envelope, both times, the
                          content's SHA-256), payload.json the content, inclusion.tlog-proof that the log has it
checkpoints/              signed checkpoints of the log, with the cosignatures of witnesses (c2sp.org/tlog-checkpoint)
consistency/              that the last checkpoint's log begins with each of the others
timestamps/               RFC 3161 timestamps, and the notes that they are on
traces/                   was the note late: every reading, both clocks, and what is proved of the signature's time
policies/                 the dated rules, with their sources
verify_evidence.py        checks all of it: Python 3.11 and the package cryptography, no network
manifest.json             the SHA-256 of every file

    python3 verify_evidence.py BUNDLE.zip --vkey VKEY --witness WITNESS_VKEY

The verifier that came with the bundle came from whoever made it. If that matters to you, take it from elsewhere: the
program that makes such bundles ships it as ledger/evidence/verify_evidence.py.
"""


def bundle(recorder: Recorder, evidence: Evidence) -> tuple[bytes, str]:
    """The zip, and the SHA-256 (hex) of its manifest."""
    members = dict(_members(recorder, evidence))
    manifest = _manifest(evidence, members)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, content in sorted({**members, "manifest.json": manifest}.items()):
            info = zipfile.ZipInfo(name, _NO_TIME)
            info.create_system, info.external_attr = 3, 0o600 << 16
            file.writestr(info, content, zipfile.ZIP_DEFLATED, 9)
    return made.getvalue(), hashlib.sha256(manifest).hexdigest()


def _manifest(evidence: Evidence, members: dict[str, bytes]) -> bytes:
    subject, origin = evidence.subject, None
    if evidence.last is not None:
        origin = read_checkpoint(read_note(evidence.last.note).text).origin
    said = {
        "format": FORMAT,
        "subject": {"kind": subject.kind, "id": subject.id, "chart": subject.chart_id},
        "position": evidence.grant.position,
        "size": evidence.size,
        "origin": origin,
        "vkey": next((key.vkey for key in evidence.trusted.logs if key.name == origin), None),
        "access": {
            "id": evidence.grant.access_id,
            "reader": evidence.grant.reader_id,
            "purpose": evidence.grant.purpose,
        },
        "events": [
            {
                "position": one.row.position,
                "event_id": one.row.event_id,
                "type": one.row.topic,
                "payload": one.row.position not in evidence.withheld,
                "sealed": one.row.position <= evidence.size,
            }
            for one in evidence.events
        ],
        "members": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(members.items())},
    }
    return (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()


def _members(recorder: Recorder, evidence: Evidence) -> Iterator[tuple[str, bytes]]:
    yield "README.txt", _README.encode()
    yield "verify_evidence.py", files("ledger.evidence").joinpath("verify_evidence.py").read_bytes()
    for name in POLICIES:
        yield f"policies/{name}.toml", files("ledger.policies").joinpath(f"data/{name}.toml").read_bytes()
    page = report_of(evidence)
    yield "report.html", as_html(page).encode()
    yield "report.pdf", as_pdf(page)
    for trace in evidence.traces:
        written = json.dumps(msgspec.to_builtins(trace), indent=1, ensure_ascii=False) + "\n"
        yield f"traces/{trace.note_id}.json", written.encode()
        yield f"traces/{trace.note_id}.html", as_html(told(trace), trace_picture(trace)).encode()
    yield from _events(recorder, evidence)
    yield from _sealed(recorder, evidence)


def _events(recorder: Recorder, evidence: Evidence) -> Iterator[tuple[str, bytes]]:
    tree, sealed = StoredTree(recorder), Sealed(recorder)
    note = cosigned(sealed, evidence.last) if evidence.last is not None else b""
    for one in evidence.events:
        row = one.row
        folder = f"events/{row.position:08}"
        yield f"{folder}/entry.json", entry_bytes(row, row.position, row.recorded_at)
        if row.position not in evidence.withheld:
            yield f"{folder}/payload.json", bytes(row.state)
        if row.position <= evidence.size:
            yield f"{folder}/inclusion.tlog-proof", _proved(tree, row, note).encode()


def _proved(tree: StoredTree, row: StoredRow, note: bytes) -> str:
    """The inclusion proof of an event; ``IntegrityFault`` when the event is not the one that was sealed."""
    proof, last = inclusion_of(tree, row.position, note), read_checkpoint(read_note(note).text)
    try:
        check_inclusion(leaf_of(row, row.position, row.recorded_at), proof.index, last.size, proof.path, last.root)
    except IntegrityFault as fault:
        raise IntegrityFault(
            f"position {row.position} {row.event_id} is not what was sealed; see: ledger verify"
        ) from fault
    return proof.text


def _sealed(recorder: Recorder, evidence: Evidence) -> Iterator[tuple[str, bytes]]:
    if evidence.last is None:
        return
    tree, sealed = StoredTree(recorder), Sealed(recorder)
    last = cosigned(sealed, evidence.last)
    sizes = {row.size for row in evidence.checkpoints}
    for row in (*evidence.checkpoints, evidence.last):
        yield f"checkpoints/{row.size:08}.note", cosigned(sealed, row)
        stamps = sealed.timestamps(row.size)
        if stamps:
            yield f"timestamps/{row.size:08}.note", row.note
        for number, stamp in enumerate(stamps, start=1):
            yield f"timestamps/{row.size:08}-{number}.tsr", bytes(stamp["token"])
    for one in evidence.events:
        if isinstance(one.event, SIGNATURES) and one.row.position <= evidence.size:
            carried = one.event.sealed_before
            sizes |= {carried.size} if isinstance(carried, SealedCheckpoint) else set()
    for size in sorted(sizes):
        if not 0 < size < evidence.size:
            raise IntegrityFault(f"a signature carries a checkpoint of {size:,} events; see: ledger verify")
        yield f"consistency/{size:08}.proof", consistency_of(tree, size, last).text.encode()
