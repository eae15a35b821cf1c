"""``ledger verify``: the record against itself, against what was sealed of it, and against what others have of that."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from ledger.answers.trusted import trust_of
from ledger.cli.against_kafka import compare_with_topic, refuse_unequal, topic_data, topic_lines
from ledger.cli.seal import sealing_key
from ledger.cli.session import Session, pass_session
from ledger.clock import SystemClock
from ledger.errors import BadInput, IntegrityFault, LedgerError
from ledger.integrity.outside import Outside, check_timestamps, check_witnesses
from ledger.integrity.sealed import SealedWalk
from ledger.integrity.signatures import SignatureWalk
from ledger.integrity.verify import Completeness, Report
from ledger.integrity.verify import verify as verify_record
from ledger.kafka.connection import read_kafka_settings
from ledger.projections.every import PROJECTIONS
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.keys import load_vkey
from ledger.proof.memory import Memory
from ledger.proof.notes import PublicKey
from ledger.proof.places import notes_of_file
from ledger.proof.settings import read_proof_settings
from ledger.proof.trust import Trust
from ledger.proof.web import ask
from ledger.serving.lag import ahead_words, head_ahead

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--vkey", "vkeys", multiple=True, metavar="VKEY|FILE", help="The log's verifier key; repeat for older ones."
)
@click.option("--trust", "trust_file", type=_FILE, help="A trust policy (c2sp.org/tlog-policy). Default: LEDGER_TRUST.")
@click.option(
    "--witness", is_flag=True, help="Ask for the cosignatures that the policy wants (k of n), and ask witnesses."
)
@click.option("--checkpoint", "kept", multiple=True, type=_FILE, help="A checkpoint that you have kept; repeat.")
@click.option(
    "--since", type=_FILE, metavar="CHECKPOINT", help="Check only what came behind this checkpoint, which you trust."
)
@click.option("--against-kafka", is_flag=True, help="Also compare the store with the topic, event by event.")
@click.option("--alone", is_flag=True, help="Ask nobody else: neither places nor Kafka nor witnesses.")
@pass_session
def verify(
    session: Session,
    vkeys: tuple[str, ...],
    trust_file: Path | None,
    witness: bool,
    kept: tuple[Path, ...],
    since: Path | None,
    against_kafka: bool,
    alone: bool,
) -> None:
    """Recompute every hash and the gapless order, and check that no view has skipped an event.

    The log is held against the tiles and checkpoints in the store, against the checkpoints that you name, and against
    those of the places, the topic and the witnesses of the settings. Signatures are checked with the keys of --vkey, of
    the trust policy, or of LEDGER_SEAL_KEY. Every event that differs is named. With --since, events that the
    checkpoint covers are not read again: the stored tree must lead to its root, and what came behind it is checked.
    With --against-kafka also what the topic lacks, has besides, has in other words, out of order, or twice. Exit code 5
    when something differs.

    \b
    Examples:
      ledger verify
      ledger verify --trust policy --witness
      ledger --json verify --vkey vkey --checkpoint checkpoint-i-kept
      ledger verify --vkey vkey --since last-weeks-checkpoint
      LEDGER_KAFKA=localhost:9092 ledger verify --against-kafka
    """
    settings = read_proof_settings()
    trust = trust_of(trust_file or settings.trust, "--trust" if trust_file else "LEDGER_TRUST")
    if witness and trust is None:
        raise BadInput("--witness: it needs a trust policy that names witnesses: --trust or LEDGER_TRUST")
    keys = _keys(vkeys, trust)
    behind = None if since is None else _trusted(since, keys)
    outside = _outside(trust, keys, (*kept, since) if since is not None else kept, alone=alone)
    session.only_read()
    head = session.recorder.sequence()
    walk = SealedWalk(session.recorder, keys, outside.held, behind)
    with session.progress("Verifying", head - (behind.size if behind else 0)) as advance:
        signatures = SignatureWalk(session.recorder)
        report = verify_record(session.recorder, PROJECTIONS, advance, sealed=walk, signatures=signatures)
    outside.report(report)
    if witness and trust is not None:
        check_witnesses(session.recorder, trust, walk.seals, report, (session.clock or SystemClock()).now())
    if settings.tsa_roots is not None:
        from ledger.proof.timestamp import read_roots  # it takes a moment to import, and few have it

        check_timestamps(session.recorder, read_roots(settings.tsa_roots), walk.seals, report)
    topic = compare_with_topic(session) if against_kafka else None
    made = {c.projection for c in report.projections}
    not_made = [p.name for p in PROJECTIONS if p.name not in made]
    sound = report.sound and (topic is None or topic.equal)
    ahead = head_ahead(session.recorder, report.head, (session.clock or SystemClock()).now())
    data = _data(report, walk, outside, not_made) | {
        "signatures": vars(signatures.signatures),
        "sound": sound,
        "ahead_seconds": round(ahead, 3),
    }
    compared: list[str] = []
    if topic is not None:
        data |= {"topic": topic_data(topic)}
        compared = topic_lines(topic)
    last = "sound: nothing differs" if sound else "NOT SOUND"
    session.emit(
        data,
        lambda: "\n".join([*_lines(report, walk, signatures, outside, not_made), *ahead_words(ahead), *compared, last]),
    )
    if not report.sound:
        first = report.faults[0]
        raise IntegrityFault(f"position {first.position} {first.event_id}: {first.words}")
    if topic is not None:
        refuse_unequal(topic)


def _trusted(path: Path, keys: Sequence[PublicKey]) -> Checkpoint:
    """The checkpoint to begin behind, its signature checked."""
    if not keys:
        raise BadInput("--since: it is checked with the log's verifier key; name it with --vkey or --trust")
    (note,) = _read(path)
    return open_checkpoint(note, keys)[0]


def _keys(vkeys: Sequence[str], trust: Trust | None) -> list[PublicKey]:
    """The log's keys: those named, else those of the policy, else that of the signing key."""
    found = [load_vkey(each, "--vkey") for each in vkeys] or list(trust.logs if trust is not None else ())
    if not found and read_proof_settings().key is not None:
        found = [sealing_key(None)[1].public]
    return found


def _outside(trust: Trust | None, keys: Sequence[PublicKey], kept: Sequence[Path], *, alone: bool) -> Outside:
    """Every checkpoint of this log that can be had from elsewhere."""
    outside = Outside()
    for path in kept:
        if not keys:
            raise BadInput("--checkpoint: it is checked with the log's verifier key; name it with --vkey or --trust")
        outside.take(str(path), partial(_read, path), keys)
    if alone or not keys:
        return outside
    settings = read_proof_settings()
    if settings.key is not None and (memory := Memory(settings.key)).path.exists():
        outside.take(str(memory.path), partial(_read, memory.path), keys)
    for place in settings.places:
        if place.startswith("file:"):
            path = Path(place.removeprefix("file://"))
            outside.take(str(path), partial(notes_of_file, path), keys)
    kafka = read_kafka_settings()
    if kafka is not None:
        from ledger.proof.kafka_place import SUFFIX, every_note  # its client takes a moment to import

        outside.take(f"topic {kafka.topic}{SUFFIX}", partial(every_note, kafka), keys)
    origins = {key.name for key in keys}
    for each in trust.witnesses.values() if trust is not None else ():
        if each.url is not None:
            urls = [f"{each.url}/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint" for origin in origins]
            outside.take(f"the witness {each.name}", partial(_from_witness, urls), keys)
    return outside


def _from_witness(urls: Sequence[str]) -> list[bytes]:
    answers = [ask(url) for url in urls]
    return [answer.body for answer in answers if answer.status == 200]


def _read(path: Path) -> list[bytes]:
    try:
        return [path.read_bytes()]
    except OSError as fault:
        raise LedgerError(f"{path} cannot be read: {fault.strerror}") from fault


def _data(report: Report, walk: SealedWalk, outside: Outside, not_made: Sequence[str]) -> dict[str, Any]:
    return {
        "events": report.events,
        "head": report.head,
        "last_leaf": report.last_leaf,
        "since": walk.since.size if walk.since is not None else 0,
        "unplaced": report.unplaced,
        "fault_count": report.fault_count,
        "faults": [vars(f) for f in report.faults],
        "projections": [{**vars(c), "behind": max(0, report.head - c.dealt_with)} for c in report.projections],
        "not_made": list(not_made),
        "sealed": {**vars(walk.seals), "not_asked": dict(outside.away)},
    }


def _lines(
    report: Report, walk: SealedWalk, signatures: SignatureWalk, outside: Outside, not_made: Sequence[str]
) -> list[str]:
    first = 1 if walk.since is None else walk.since.size + 1
    lines = [
        "0 events: the log is empty"
        if report.sound and not report.head
        else f"{report.events:,} events, positions {first:,} to {report.head:,}, without a gap"
        if report.sound and report.events
        else f"no event has come since position {report.head:,}"
        if report.sound
        else f"{report.events:,} events up to position {report.head:,}: {report.fault_count} faults",
        f"last leaf hash  {report.last_leaf or '-'}",
    ]
    lines += [f"  FAULT ({f.kind}) at {f.position} {f.event_id}: {f.words}" for f in report.faults]
    if report.fault_count > len(report.faults):
        lines.append(f"  … and {report.fault_count - len(report.faults)} more")
    lines += _sealed_text(report, walk, outside)
    signed = signatures.signatures
    lines.append(f"signatures: {signed.count:,}, of which {signed.carrying:,} carry a checkpoint from before them")
    if report.projections:
        lines.append("views: applied + parked + not concerned = events up to their place")
        lines += [view_line(view, report.head) for view in report.projections]
        lines += [f"  {name:<16} not made yet" for name in not_made]
    else:
        lines.append("views: not made yet (ledger run --once makes them)")
    lines.append("The rows themselves are compared by: ledger rebuild --dry-run")
    return lines


def view_line(view: Completeness, head: int) -> str:
    """One view's sum, which is true also while one partition of the topic has been read further than another."""
    words = (
        f"  {view.projection:<16} {view.applied:>8} + {view.parked:>5} + {view.not_concerned:>8} = {view.dealt_with:>8}"
    )
    if view.dealt_with != view.place:
        words += f" of the {view.place:,} up to its newest"
    return words + (f"  behind {head - view.dealt_with:,}" if head > view.dealt_with else "")


def _sealed_text(report: Report, walk: SealedWalk, outside: Outside) -> list[str]:
    seals = walk.seals
    if not seals.checkpoints and not seals.others:
        return ["sealed: nothing yet (ledger seal signs a checkpoint)"]
    signed = f"signed by {', '.join(seals.signed_by)}" if seals.signed_by else "signatures not checked: name the --vkey"
    lines = [f"sealed: {seals.agrees:,} of {report.head:,} events, {seals.checkpoints:,} checkpoints, {signed}"]
    lines += [f"  as {where} has it: {size:,} events" for where, size in seals.others.items()]
    lines += [f"  NOT ASKED {where}: {words}" for where, words in outside.away.items()]
    if seals.witnessed is not None:
        lines.append(f"  cosigned: {seals.witnessed:,} events, by {', '.join(seals.witnesses) or 'nobody'}")
    if seals.stamped is not None:
        lines.append(f"  timestamp: {seals.stamped_size:,} events at {seals.stamped}")
    return lines
