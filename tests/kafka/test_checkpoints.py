"""Checkpoints on their own topic of a real broker: every one, in order, and none lost while the broker was away."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import PostgresServer
from tests.deploy.commands import ledger
from tests.proof.test_publish import Tsa, answering
from tests.store.agency import said_log

from ledger.cli.seal import _stamps
from ledger.clock import SystemClock
from ledger.kafka.connection import KafkaSettings
from ledger.proof.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.proof.cosignature import cosign
from ledger.proof.kafka_place import KafkaPlace, every_note
from ledger.proof.keys import write_key
from ledger.proof.memory import Memory
from ledger.proof.notes import COSIGNATURE, new_key, read_note
from ledger.proof.places import Stamp
from ledger.proof.publish import Publisher
from ledger.proof.seal import Sealer
from ledger.proof.timestamp import read_roots, request_timestamp
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow


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


class Lost:
    """A store that was sealed four times and relayed, with its checkpoints on their topic; then it is lost."""

    def __init__(self, recorder: Recorder, settings: KafkaSettings, folder: Path, relay: Callable[..., int]) -> None:
        self.settings, self.key, self.file = settings, new_key("agency.example.org/ledger"), folder / "seal.key"
        write_key(self.file, self.key)
        self.place = KafkaPlace(settings, self.key.name, [self.key.public])
        self.sealer = Sealer(recorder, self.key, Memory(self.file))
        rows = said_log([(f"chart {n % 7}", f"text {n}") for n in range(700)])
        for start, end in ((0, 3), (3, 300), (300, 600), (600, 690)):
            recorder.insert_events(rows[start:end])
            self.sealer.seal()
            outcome = Publisher(recorder, self.key.name, [self.key.public], SystemClock(), [self.place]).turn()[0]
            assert not outcome.fault
        self.place.close()
        recorder.insert_events(rows[690:])
        self.head = relay(recorder, settings)
        sealed = Sealed(recorder)
        self.checkpoints, self.tiles = sealed.checkpoints(), sealed.tiles(0, 0, 10)

    def restore(self, url: str, *, key: bool = True) -> subprocess.CompletedProcess[str]:
        return self.ledger(url, "restore", "--from-kafka", key=key)

    def ledger(self, url: str, *command: str, key: bool = True) -> subprocess.CompletedProcess[str]:
        variables = {
            "LEDGER_DATABASE": url,
            "LEDGER_KAFKA": ",".join(self.settings.brokers),
            "LEDGER_KAFKA_TOPIC": self.settings.topic,
        }
        return ledger(variables | ({"LEDGER_SEAL_KEY": str(self.file)} if key else {}), "--json", *command)

    def send(self, size: int, root: bytes) -> None:
        """Another checkpoint on the topic, signed by the log's own key."""
        note = sign_checkpoint(Checkpoint(self.key.name, size, root), self.key)
        self.place.send([(size, note.encoded)])
        self.place.close()


@pytest.fixture
def lost(
    sqlite_recorder: Recorder,
    new_topic: Callable[[int], KafkaSettings],
    relay_all: Callable[..., int],
    tmp_path: Path,
) -> Lost:
    return Lost(sqlite_recorder, new_topic(2), tmp_path, relay_all)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create()


@pytest.mark.parametrize("key", [True, False])
def test_checkpoints_come_back_with_the_store(
    key: bool, lost: Lost, empty_url: str, opened: Callable[[str], Recorder]
) -> None:
    done = lost.restore(empty_url, key=key)
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["checkpoints"], json.loads(done.stdout)["sealed"]) == (4, 690)
    restored = opened(empty_url)
    sealed = Sealed(restored)
    assert [(c.size, c.root, c.note) for c in sealed.checkpoints()] == [
        (c.size, c.root, c.note) for c in lost.checkpoints
    ]
    assert list(sealed.tiles(0, 0, 10)) == list(lost.tiles) != []
    said = lost.ledger(empty_url, "verify")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["sealed"]["agrees"] == 690
    again = lost.restore(empty_url, key=key)
    assert (again.returncode, json.loads(again.stdout)["checkpoints"]) == (0, 0), "it may be typed again"
    going_on = Sealer(restored, lost.key, Memory(lost.file)).seal()
    assert going_on is not None
    assert going_on.size == lost.head


def test_a_checkpoint_that_the_topics_log_does_not_lead_to_is_named(lost: Lost, empty_url: str) -> None:
    lost.send(695, b"\7" * 32)
    done = lost.restore(empty_url)
    assert done.returncode == 5
    assert "checkpoint of 695 events" in done.stderr
    assert "690" in done.stderr
    assert "another root" in done.stderr


def test_events_that_were_sealed_and_are_not_on_the_topic_are_named(lost: Lost, empty_url: str) -> None:
    lost.send(705, b"\7" * 32)
    done = lost.restore(empty_url)
    assert done.returncode == 5
    assert "checkpoint of 705 events" in done.stderr
    assert "the topic has 700" in done.stderr


def test_a_checkpoint_of_another_key_is_refused(lost: Lost, empty_url: str) -> None:
    other = new_key(lost.key.name)
    note = sign_checkpoint(Checkpoint(other.name, 695, b"\7" * 32), other)
    lost.place.send([(695, note.encoded)])
    lost.place.close()
    done = lost.restore(empty_url)
    assert done.returncode == 5
    assert "no key that is trusted has signed it" in done.stderr


class Vouched:
    """A sealed store whose checkpoints others have signed: one before it was sent, the last one after it was."""

    def __init__(self, recorder: Recorder, settings: KafkaSettings, folder: Path) -> None:
        self.recorder, self.sealed, self.settings = recorder, Sealed(recorder), settings
        self.key, self.witness = new_key("agency.example.org/ledger"), new_key("witness.example.org", COSIGNATURE)
        self.place = KafkaPlace(settings, self.key.name, [self.key.public], partial(_stamps, self.sealed))
        self.sealer = Sealer(recorder, self.key, Memory(folder / "seal.key"))
        self.tsa = Tsa(folder)
        self.policy = folder / "policy"
        self.policy.write_text(
            f"log {self.key.public.vkey}\nwitness ours {self.witness.public.vkey}\nquorum ours\n", encoding="utf-8"
        )
        self.publisher = self.new_publisher(recorder)
        self.cosign(self.seal("1"))
        self.tell()
        row = self.seal("2")
        self.tell()
        self.cosign(row)
        self.tell()
        with answering(self.tsa.reply) as port:
            url = f"http://127.0.0.1:{port}"
            token = request_timestamp(url, row.note, read_roots(self.tsa.root))
            self.sealed.add_timestamp(2, url, token, "2026-01-05T17:00:00.000000Z")
        self.tell()
        self.tell()

    def new_publisher(self, recorder: Recorder) -> Publisher:
        return Publisher(recorder, self.key.name, [self.key.public], SystemClock(), [self.place])

    def seal(self, said: str) -> SealedRow:
        self.recorder.insert_events(said_log([(said, "text")]))
        row = self.sealer.seal()
        assert row is not None
        return row

    def cosign(self, row: SealedRow) -> None:
        text = read_note(row.note).text
        self.sealed.add_cosignature(row.size, "ours", cosign(text, self.witness, 1_767_632_400).line, "now")

    def tell(self) -> None:
        (outcome,) = self.publisher.turn()
        assert not outcome.fault

    def variables(self, url: str) -> dict[str, str]:
        return {
            "LEDGER_DATABASE": url,
            "LEDGER_KAFKA": ",".join(self.settings.brokers),
            "LEDGER_KAFKA_TOPIC": self.settings.topic,
            "LEDGER_TRUST": str(self.policy),
            "LEDGER_TSA": "http://tsa.example.org",
            "LEDGER_TSA_ROOTS": str(self.tsa.root),
        }

    def added(self, sealed: Sealed) -> list[Any]:
        """What others have added to each checkpoint, and the notes below it."""
        return [
            (
                c.size,
                c.note,
                sealed.cosignatures(c.size),
                [(s["authority"], s["token"]) for s in sealed.timestamps(c.size)],
            )
            for c in sealed.checkpoints()
        ]


def test_what_witnesses_and_authorities_have_added_comes_back_with_the_checkpoints(
    sqlite_recorder: Recorder,
    new_topic: Callable[[int], KafkaSettings],
    relay_all: Callable[..., int],
    empty_url: str,
    opened: Callable[[str], Recorder],
    tmp_path: Path,
) -> None:
    vouched = Vouched(sqlite_recorder, new_topic(1), tmp_path)
    relay_all(sqlite_recorder, vouched.settings)
    sizes = [open_checkpoint(note, [vouched.key.public])[0].size for note in every_note(vouched.settings)]
    assert sizes == [1, 2, 2, 2], "again when it was cosigned, and when it was stamped, and never without a reason"
    done = ledger(vouched.variables(empty_url), "--json", "restore", "--from-kafka")
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["checkpoints"], json.loads(done.stdout)["vouched"]) == (2, 2)
    restored = Sealed(opened(empty_url))
    assert vouched.added(restored) == vouched.added(vouched.sealed)
    assert [len(each[2]) + len(each[3]) for each in vouched.added(restored)] == [1, 2]
    said = ledger(vouched.variables(empty_url), "--json", "verify", "--witness")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["sealed"]["witnessed"] == json.loads(said.stdout)["sealed"]["stamped_size"] == 2
    again = ledger(vouched.variables(empty_url), "--json", "restore", "--from-kafka")
    assert (again.returncode, json.loads(again.stdout)["vouched"]) == (0, 0), "it may be typed again"
    restarted = vouched.new_publisher(sqlite_recorder)
    assert [restarted.turn()[0].done for _ in range(2)] == [1, 0], "one that does not know what it has sent sends it"


def test_what_is_on_the_topic_and_does_not_hold_is_not_taken_for_a_cosignature(
    sqlite_recorder: Recorder,
    new_topic: Callable[[int], KafkaSettings],
    relay_all: Callable[..., int],
    tmp_path: Path,
) -> None:
    vouched, url = Vouched(sqlite_recorder, new_topic(1), tmp_path), f"sqlite:///{tmp_path / 'empty.db'}"
    relay_all(sqlite_recorder, vouched.settings)
    row = vouched.seal("3")
    wrong = cosign("another text\n", vouched.witness, 1_767_632_400)
    stamp = Stamp("https://tsa.example.org", b"no token", "2026-01-05T17:00:00.000000Z")
    place = KafkaPlace(vouched.settings, vouched.key.name, [vouched.key.public], lambda _: [stamp])
    place.send([(3, read_note(row.note).with_signatures([wrong]).encoded)])
    place.close()
    relay_all(sqlite_recorder, vouched.settings)
    done = ledger(vouched.variables(url), "--json", "restore", "--from-kafka")
    assert (done.returncode, json.loads(done.stdout)["vouched"]) == (0, 2), done.stderr
    assert "a cosignature does not hold" in done.stderr
    assert "a timestamp does not hold" in done.stderr
