"""``ledger restore``: a store from the topic alone, with the checkpoints that were signed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ledger.answers.trusted import trust_of
from ledger.cli.kafka import kafka_settings
from ledger.cli.seal import sealing_key
from ledger.cli.session import Session, pass_session
from ledger.consumers.generations import keeper_of
from ledger.errors import IntegrityFault
from ledger.integrity.sealed import SealedWalk
from ledger.integrity.verify import verify
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.place import last_position, live
from ledger.kafka.restore import restore as restore_store
from ledger.proof.kafka_place import every_sent
from ledger.proof.notes import PublicKey
from ledger.proof.places import Sent
from ledger.proof.restored import read_sent, restore_checkpoints, restore_vouchers
from ledger.proof.settings import read_proof_settings
from ledger.proof.trust import Witness

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


@click.command()
@click.option("--from-kafka", is_flag=True, required=True, help="Restore from the topic.")
@pass_session
def restore(session: Session, from_kafka: bool) -> None:
    """Write what the store lacks from the topic, byte for byte, and verify the store; then run ``ledger rebuild``.

    The store is empty (on PostgreSQL with its tables: ledger migrate), or has the beginning of the log: a restore that
    was interrupted, or an older backup. Where there are database roles ledger_owner restores, and ledger_projector
    rebuilds. The signed checkpoints come back from their own topic, each where the log leads to its root, with what
    witnesses and authorities have added to them; signatures are checked with the keys of LEDGER_TRUST (with
    LEDGER_TSA_ROOTS) or LEDGER_SEAL_KEY. Exit code 5 when the restored store does not agree
    with its hashes or with a checkpoint.

    \b
    Example:
      LEDGER_KAFKA=localhost:9092 LEDGER_DATABASE=sqlite:///new.db ledger restore --from-kafka
    """
    settings, recorder = kafka_settings(), session.recorder
    with session.progress("Restoring", last_position(live(settings))) as advance:
        count = restore_store(recorder, settings, advance)
    keys, sent = _keys(), _checkpoints(settings)
    held = read_sent(sent, keys)
    checkpoints = restore_checkpoints(recorder, held)
    vouched = restore_vouchers(recorder, held, *_others())
    walk = SealedWalk(recorder, keys, {})
    with session.progress("Verifying", recorder.sequence()) as advance:
        report = verify(recorder, (), advance, sealed=walk)
    seals = walk.seals
    with recorder.engine.connect() as connection:
        keeper = keeper_of(connection)
    rebuilds = f", as {keeper}" if keeper else ""
    session.emit(
        {
            "events": count,
            "head": report.head,
            "last_leaf": report.last_leaf,
            "checkpoints": checkpoints,
            "vouched": vouched,
            "sealed": seals.agrees,
            "sound": report.sound,
        },
        lambda: (
            f"{count:,} events restored; the store has {report.events:,}, up to position {report.head:,}\n"
            f"last leaf hash  {report.last_leaf or '-'}\n"
            f"{checkpoints:,} checkpoints restored; the store has {seals.checkpoints:,}, over {seals.agrees:,} events"
            + (f"; on {vouched:,} what others had added" if vouched else "")
            + ("\n" if keys or not seals.checkpoints else ", signatures not checked: set LEDGER_TRUST\n")
            + (f"sound: every hash agrees; now{rebuilds}: ledger rebuild" if report.sound else "NOT SOUND")
        ),
    )
    if not report.sound:
        first = report.faults[0]
        raise IntegrityFault(f"position {first.position} {first.event_id}: {first.words}")


def _keys() -> list[PublicKey]:
    """The log's keys: those of the trust policy, else that of the signing key; none when neither is set."""
    settings = read_proof_settings()
    trust = trust_of(settings.trust, "LEDGER_TRUST")
    if trust is not None:
        return list(trust.logs)
    return [sealing_key(None)[1].public] if settings.key is not None else []


def _others() -> tuple[list[Witness], list[Certificate]]:
    """Whose cosignatures and timestamps are checked: those of LEDGER_TRUST and LEDGER_TSA_ROOTS."""
    settings = read_proof_settings()
    trust = trust_of(settings.trust, "LEDGER_TRUST")
    roots: list[Certificate] = []
    if settings.tsa_roots is not None:
        from ledger.proof.timestamp import read_roots  # it takes a moment to import, and few have it

        roots = read_roots(settings.tsa_roots)
    return list(trust.witnesses.values()) if trust is not None else [], roots


def _checkpoints(settings: KafkaSettings) -> list[Sent]:
    """What the topics of checkpoints have: that of the topic that is named, and of the one that the log is on now."""
    found = every_sent(settings)
    now = live(settings)
    return found if now.topic == settings.topic else [*found, *every_sent(now)]
