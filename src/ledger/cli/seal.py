"""``ledger seal``: sign a checkpoint of what is in the log, once or again and again, and send it out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click

from ledger.answers.trusted import trust_of
from ledger.cli.serving import METRICS, serving
from ledger.cli.session import Session, pass_session
from ledger.cli.stopping import stop_on_signal
from ledger.clock import SystemClock
from ledger.errors import BadInput, IntegrityFault
from ledger.kafka.connection import read_kafka_settings
from ledger.proof.keys import load_key
from ledger.proof.memory import Memory
from ledger.proof.notes import ED25519, PrivateKey
from ledger.proof.places import Place, Stamp, open_places
from ledger.proof.publish import Authority, Outcome, Publisher, Publishing
from ledger.proof.seal import Sealer
from ledger.proof.settings import ProofSettings, read_proof_settings
from ledger.serving.health import PATIENCE, Health
from ledger.serving.metrics import Now
from ledger.serving.sealing import SealerMetrics
from ledger.store.database import check_store
from ledger.store.sealed import Sealed, SealedRow

#: How often an authority is asked for a timestamp while sealing goes on and on, in seconds.
TIMESTAMP_EVERY = 600


def sealing_key(given: Path | None) -> tuple[Path, PrivateKey]:
    """The log's signing key and its file: the one given, or that of the setting."""
    path = given or read_proof_settings().key
    if path is None:
        raise BadInput("LEDGER_SEAL_KEY: not set; make a key with: ledger tlog key new --name ORIGIN --out FILE")
    setting = "LEDGER_SEAL_KEY" if given is None else "--key"
    key = load_key(path, setting)
    if key.kind != ED25519:
        raise BadInput(f"{setting}: {path} is a witness's key; the log has another")
    return path, key


KEY = click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The log's signing key. Default: LEDGER_SEAL_KEY.",
)


@click.command()
@KEY
@click.option("--every", type=click.FloatRange(0.05, 86400), metavar="SECONDS", help="Keep going, and seal so often.")
@METRICS
@pass_session
def seal(session: Session, key_file: Path | None, every: float | None, metrics: tuple[str, int] | None) -> None:
    """Seal what is in the log: sign a checkpoint over every event so far, and send it out.

    Before it signs, it proves to itself that the log goes on from the last checkpoint, and from those that it finds
    with others. When it does not, nothing is signed. Witnesses (LEDGER_TRUST) are asked to cosign, an authority
    (LEDGER_TSA) for a timestamp; then the checkpoint goes to its topic (LEDGER_KAFKA) and to each place of
    LEDGER_SEAL_TO. Whoever is away gets it later.

    Exit code 5 when this log is not the one that was signed before, or when somebody outside knows another history.

    \b
    Examples:
      ledger seal
      ledger seal --every 1
    """
    path, key = sealing_key(key_file)
    memory = Memory(path)
    publisher = _publisher(session, key, read_proof_settings(), every is not None)
    sealer = Sealer(session.recorder, key, memory, clock=session.clock, seen=publisher.seen)
    with memory.held():
        if every is None:
            with session.progress("Sealing", session.recorder.head()) as advance:
                made = 1 if sealer.seal(advance) else 0
            outcomes = _all_told(publisher)
        else:
            made, outcomes = _keep_sealing(session, sealer, publisher, every, metrics), []
    last = Sealed(session.recorder).last()
    session.emit(_data(last, made, outcomes), lambda: _text(last, made, outcomes))
    alarms = [each.fault for each in outcomes if each.alarm]
    if alarms:
        raise IntegrityFault(alarms[0])


def _publisher(session: Session, key: PrivateKey, settings: ProofSettings, keeps_going: bool) -> Publisher:
    sealed, clock = Sealed(session.recorder), session.clock or SystemClock()
    trust = trust_of(settings.trust, "LEDGER_TRUST")
    others = trust.logs if trust else ()
    keys = list(dict.fromkeys([key.public, *(each for each in others if each.name == key.name)]))
    places: list[Place] = open_places(settings.places, keys, sealed, clock)
    kafka = read_kafka_settings()
    if kafka is not None:
        from ledger.proof.kafka_place import KafkaPlace  # its client takes a moment to import

        places.append(KafkaPlace(kafka, key.name, keys, partial(_stamps, sealed)))
    authority = None
    if settings.tsa is not None and settings.tsa_roots is not None:
        from ledger.proof.timestamp import read_roots  # likewise

        pause = timedelta(seconds=TIMESTAMP_EVERY if keeps_going else 0)
        authority = Authority(settings.tsa, read_roots(settings.tsa_roots), pause)
    witnesses = tuple(trust.witnesses.values()) if trust else ()
    return Publisher(session.recorder, key.name, keys, clock, places, witnesses, authority)


def _stamps(sealed: Sealed, size: int) -> list[Stamp]:
    return [Stamp(row["authority"], bytes(row["token"]), row["received_at"]) for row in sealed.timestamps(size)]


def _all_told(publisher: Publisher) -> list[Outcome]:
    """Tell everybody, until nobody who answers lacks a checkpoint."""
    outcomes = publisher.turn()
    while any(each.more for each in outcomes):
        outcomes = publisher.turn(patient=True)
    return outcomes


def _keep_sealing(
    session: Session, sealer: Sealer, publisher: Publisher, every: float, metrics: tuple[str, int] | None
) -> int:
    stop: threading.Event = stop_on_signal()
    health, made = Health(patience=PATIENCE + every), 0
    publishing = Publishing(publisher, look=max(every, 1.0))
    from ledger.kafka.outage import Outage  # it takes a moment to import, and to seal once needs none

    outage = Outage(lambda: check_store(session.recorder.engine))
    outage.told = health.away

    def measured(now: Now) -> SealerMetrics:
        found = SealerMetrics(session.recorder, health, now, lambda: made, lambda: len(publishing.alarms))
        found.outage = outage
        return found

    with serving(session, metrics, health, measured), publishing:
        while not stop.is_set():
            try:
                sealed = sealer.seal()
            except Exception as fault:  # noqa: BLE001
                outage.wait(fault, stop)  # what is no outage is raised again
                continue
            outage.over()
            if sealed is not None:
                made += 1
                publishing.news()
            if publishing.fault is not None:
                raise publishing.fault
            health.turn("sealing")
            stop.wait(every)
    for words in publishing.alarms.values():
        raise IntegrityFault(words)
    return made


def _data(last: SealedRow | None, made: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    found: dict[str, Any] = {"checkpoints_made": made, "size": last.size if last else 0}
    if last is not None:
        found |= {"root": last.root.hex(), "checkpoint": last.note.decode()}
    return found | {"told": [vars(each) for each in outcomes]}


def _text(last: SealedRow | None, made: int, outcomes: Sequence[Outcome]) -> str:
    if last is None:
        return "nothing to seal: the log is empty"
    lines = [f"{last.size:,} events {'sealed' if made else 'sealed before, nothing is new'}, root {last.root.hex()}"]
    lines += [f"  {each.party}: {each.fault or ('told' if each.done else 'has it')}" for each in outcomes]
    return "\n".join(lines)
