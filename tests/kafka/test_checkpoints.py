"""Checkpoints on their own topic of a real broker: every one, in order, and none lost while the broker was away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.store.agency import said_log

from ledger.clock import SystemClock
from ledger.kafka.connection import KafkaSettings
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.kafka_place import KafkaPlace, every_note
from ledger.proof.memory import Memory
from ledger.proof.notes import new_key
from ledger.proof.publish import Publisher
from ledger.proof.seal import Sealer
from ledger.store.recorder import Recorder


def test_checkpoints_go_to_their_own_topic(
    sqlite_recorder: Recorder, new_topic: Callable[[int], KafkaSettings], tmp_path: Path
) -> None:
    settings, key = new_topic(1), new_key("agency.example.org/ledger")
    sealer = Sealer(sqlite_recorder, key, Memory(tmp_path / "seal.key"))
    nobody = KafkaPlace(KafkaSettings(brokers=("127.0.0.1:1",)), key.name, [key.public])
    place = KafkaPlace(settings, key.name, [key.public])
    assert place.held() is None
    for number in range(4):
        sqlite_recorder.insert_events(said_log([(f"{number}", "text")]))
        assert sealer.seal() is not None
        if number == 0:
            away = Publisher(sqlite_recorder, key.name, [key.public], SystemClock(), [nobody]).turn()[0]
            assert away.fault
        if number > 1:  # the first two are what it missed
            outcome = Publisher(sqlite_recorder, key.name, [key.public], SystemClock(), [place]).turn()[0]
            assert not outcome.fault
            assert outcome.done == (3 if number == 2 else 1)
    place.close()
    assert [open_checkpoint(note, [key.public])[0].size for note in every_note(settings)] == [1, 2, 3, 4]
    again = KafkaPlace(settings, key.name, [key.public])
    assert again.last() == 4, "it finds its place again on the topic itself"
