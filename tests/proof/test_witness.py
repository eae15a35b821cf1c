"""The witness over HTTP: what it answers to whom, what it remembers, and that no two histories get its signature."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.proof.conftest import ORIGIN, Outside
from tests.proof.test_merkle import LEAVES, Naive

from ledger.clock import ManualClock
from ledger.errors import BadInput, LedgerError
from ledger.proof.checkpoint import Checkpoint, sign_checkpoint
from ledger.proof.cosignature import cosigned_at
from ledger.proof.cosigning import RefusedByWitness, ask_to_cosign, last_seen
from ledger.proof.keys import write_key
from ledger.proof.merkle import EMPTY_ROOT, prove_consistency
from ledger.proof.notes import COSIGNATURE, Note, PrivateKey, new_key, read_note, read_signatures, sign_note
from ledger.proof.trust import Witness as Trusted
from ledger.proof.web import Unreachable
from ledger.proof.witness import Memory, Witness, request_text
from ledger.proof.witness_server import MOST_BYTES, witnessing

TREE = Naive(LEAVES)
FORK = Naive([*LEAVES[:4], hashlib.sha256(b"another").digest(), *LEAVES[5:]])
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def checkpoint(key: PrivateKey, size: int, tree: Naive = TREE) -> Note:
    return sign_checkpoint(Checkpoint(ORIGIN, size, tree.mth(0, size) if size else EMPTY_ROOT), key)


class Standing:
    """A witness that answers, and how it is asked."""

    def __init__(self, folder: Path, log: PrivateKey) -> None:
        self.log, self.key = log, new_key("witness.example.net", COSIGNATURE)
        self.state = folder / "witness.state"
        self.clock = ManualClock(NOW)
        self.port = 0

    @contextmanager
    def up(self) -> Iterator[None]:
        memory = Memory(self.state)
        memory.open()
        try:
            witness = Witness(self.key, [self.log.public], memory, clock=self.clock)
            with witnessing(("127.0.0.1", 0), witness) as self.port:
                yield
        finally:
            memory.close()

    def post(self, body: bytes, path: str = "/add-checkpoint") -> tuple[int, str, bytes]:
        return self.ask("POST", path, body)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read()
        finally:
            connection.close()

    def offer(self, old: int, new: int, tree: Naive = TREE) -> tuple[int, str, bytes]:
        path = prove_consistency(tree, old, new) if old <= new else []
        return self.post(request_text(old, path, checkpoint(self.log, new, tree)))


@pytest.fixture
def standing(tmp_path: Path, key: PrivateKey) -> Iterator[Standing]:
    one = Standing(tmp_path, key)
    with one.up():
        yield one


def test_it_cosigns_what_goes_on_from_the_last(standing: Standing, tmp_path: Path, outside: Outside) -> None:
    for old, new in ((0, 3), (3, 7), (7, 7), (7, 200), (200, 256)):
        status, _, body = standing.offer(old, new)
        assert status == 200, body
        note = checkpoint(standing.log, new).with_signatures(read_signatures(body.decode()))
        assert cosigned_at(note, standing.key.public) == int(NOW.timestamp())
        (tmp_path / "note").write_bytes(note.encoded)
        found = outside("cosignature", tmp_path / "note", standing.key.public.vkey)
        assert found["time"] == int(NOW.timestamp()), "Go agrees"
        held = standing.ask("GET", f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint")
        assert held == (200, "text/plain; charset=utf-8", note.encoded)


def test_a_log_without_entries_may_begin(standing: Standing) -> None:
    assert standing.offer(0, 0)[0] == 200
    assert standing.offer(0, 5)[0] == 200
    other = sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), standing.log)
    assert standing.post(request_text(5, [], other))[0] == 400, "the old size is above it"


def test_where_it_stands_is_said_with_409(standing: Standing) -> None:
    assert standing.offer(0, 9)[0] == 200
    for old in (0, 8, 10):
        assert standing.offer(old, 12) == (409, "text/x.tlog.size", b"9\n")


def wrong(standing: Standing) -> list[tuple[str, int, bytes]]:
    """Requests of all kinds that are refused once it stands at 9, and the status that the format has for each."""
    log, good = standing.log, checkpoint(standing.log, 12)
    path = prove_consistency(TREE, 9, 12)
    stranger = new_key(ORIGIN)
    other = new_key("another.example.org")
    tampered = Note(good.text.replace("12", "13", 1), good.signatures)
    head = b"".join(f"{line}\n".encode() for line in ("old 9",))
    return [
        ("empty", 400, b""),
        ("no old size", 400, request_text(9, path, good).replace(b"old 9\n", b"")),
        ("leading zero", 400, request_text(9, path, good).replace(b"old 9", b"old 09")),
        ("negative", 400, request_text(9, path, good).replace(b"old 9", b"old -9")),
        ("other digits", 400, request_text(9, path, good).replace(b"old 9", "old ９".encode())),
        ("huge", 400, request_text(9, path, good).replace(b"old 9", b"old " + b"9" * 40)),
        ("no checkpoint", 400, head + b"\n"),
        ("no empty line", 400, head + good.encoded.replace(b"\n\n", b"\n")),
        ("hash not base64", 400, b"old 9\n!!!\n\n" + good.encoded),
        ("hash too short", 400, b"old 9\nAAAA\n\n" + good.encoded),
        ("64 hashes", 400, request_text(9, [bytes(32)] * 64, good)),
        ("not a checkpoint", 400, b"old 9\n\n" + sign_note("hello\n", log).encoded),
        ("old above new", 400, request_text(13, [], good)),
        ("unknown log", 404, request_text(9, path, sign_checkpoint(Checkpoint(other.name, 12, bytes(32)), other))),
        ("unsigned by the log", 403, request_text(9, path, checkpoint(stranger, 12))),
        ("signature that does not fit", 403, request_text(9, path, tampered)),
        ("stands elsewhere", 409, request_text(8, prove_consistency(TREE, 8, 12), good)),
        ("fork of the same size", 422, request_text(9, [], checkpoint(log, 9, FORK))),
        ("fork that grew", 422, request_text(9, prove_consistency(FORK, 9, 12), checkpoint(log, 12, FORK))),
        ("no proof", 422, request_text(9, [], good)),
        ("proof too long", 422, request_text(9, [*path, bytes(32)], good)),
        ("proof for the same size", 422, request_text(9, [bytes(32)], checkpoint(log, 9))),
    ]


def test_everything_else_is_refused_with_its_status_and_changes_nothing(standing: Standing) -> None:
    assert standing.offer(0, 9)[0] == 200
    before = standing.state.read_bytes()
    for what, status, body in wrong(standing):
        found = standing.post(body)
        assert found[0] == status, (what, found)
        assert standing.state.read_bytes() == before, what
    assert standing.offer(9, 12)[0] == 200, "and it is there for those who ask rightly"


def test_the_first_checkpoint_needs_no_proof_and_bears_none(standing: Standing) -> None:
    note = checkpoint(standing.log, 5)
    assert standing.post(request_text(0, [bytes(32)], note))[0] == 422
    assert standing.post(request_text(0, [], note))[0] == 200


def test_a_fork_is_kept_as_evidence_once(standing: Standing, capfd: pytest.CaptureFixture[str]) -> None:
    assert standing.offer(0, 9)[0] == 200
    for _ in range(3):
        assert standing.post(request_text(9, [], checkpoint(standing.log, 9, FORK)))[0] == 422
    lines = standing.state.with_name("witness.state.forks").read_text().splitlines()
    assert len(lines) == 1
    evidence = json.loads(lines[0])
    assert evidence["certain"] is True
    assert evidence["origin"] == ORIGIN
    assert read_note(evidence["offered"].encode()) == checkpoint(standing.log, 9, FORK)
    assert read_note(evidence["held"].encode()).text == checkpoint(standing.log, 9).text
    assert "it was forked" in capfd.readouterr().err


def test_http_is_held_to_its_limits(standing: Standing) -> None:
    assert standing.post(b"x" * (MOST_BYTES + 1))[0] == 413
    assert standing.post(b"old 0\n\n", "/other")[0] == 404
    assert standing.ask("GET", "/add-checkpoint")[0] == 404
    assert standing.ask("GET", f"/{'0' * 64}/checkpoint")[0] == 404
    assert standing.ask("GET", f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint")[0] == 404, "none seen yet"
    with socket.create_connection(("127.0.0.1", standing.port), timeout=20) as raw:
        raw.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 411")


def test_many_at_once_never_take_the_log_back(standing: Standing) -> None:
    """Two requests are checked against one state; whichever is second hears 409, and the largest stays."""
    standing.offer(0, 1)
    signed: list[int] = []
    guard = threading.Lock()

    def climb(step: int) -> None:
        size = 1
        while size < 300:
            status, _, body = standing.offer(size, min(300, size + step))
            if status == 200:
                size = min(300, size + step)
                with guard:
                    signed.append(size)
            else:
                assert status == 409
                size = int(body)

    threads = [threading.Thread(target=climb, args=(step,)) for step in (7, 11, 13, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(signed)) == sorted(signed), "no size was signed by two that raced"
    assert standing.offer(300, 300)[0] == 200


def test_it_remembers_over_a_restart(standing: Standing, tmp_path: Path, key: PrivateKey) -> None:
    assert standing.offer(0, 9)[0] == 200
    again = Standing(tmp_path, key)
    with pytest.raises(LedgerError, match="another witness works with"), again.up():
        pass
    standing_state = standing.state.read_bytes()
    third = Standing(tmp_path, key)
    third.state = tmp_path / "copy"
    third.state.write_bytes(standing_state)
    with third.up():
        assert third.offer(0, 12)[0] == 409
        assert third.offer(9, 12)[0] == 200


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": "no note"}'])
def test_a_broken_state_is_refused_and_never_begun_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "state").write_text(content)
    memory = Memory(tmp_path / "state")
    with pytest.raises(BadInput, match="without it a fork would pass"):
        memory.open()
    memory.close()
    assert (tmp_path / "state").read_text() == content


def trusted(standing: Standing) -> Trusted:
    return Trusted("w", standing.key.public, f"http://127.0.0.1:{standing.port}")


def asked(standing: Standing, since: int, size: int, tree: Naive = TREE) -> Note:
    note = checkpoint(standing.log, size, tree)
    said = Checkpoint(ORIGIN, size, tree.mth(0, size))
    return note.with_signatures([ask_to_cosign(trusted(standing), since, said, note, tree)])


def test_the_log_asks_as_the_witness_answers(standing: Standing) -> None:
    assert cosigned_at(asked(standing, 0, 5), standing.key.public) is not None
    for thought in (0, 3, 5, 6, 9):
        assert cosigned_at(asked(standing, thought, 9), standing.key.public) is not None, "it is told where it stands"
    with pytest.raises(RefusedByWitness, match="it was forked"):
        asked(standing, 9, 20, FORK)
    with pytest.raises(RefusedByWitness, match=r"w has cosigned 9 events of this log, which has 7"):
        asked(standing, 7, 7)
    found = last_seen(trusted(standing), ORIGIN, [standing.log.public])
    assert found is not None
    assert found[0].size == 9
    assert last_seen(trusted(standing), "another.example.org", [standing.log.public]) is None


def test_a_witness_that_signs_with_another_key_is_not_taken(standing: Standing) -> None:
    other = Trusted("w", new_key("witness.example.net", COSIGNATURE).public, f"http://127.0.0.1:{standing.port}")
    note, said = checkpoint(standing.log, 5), Checkpoint(ORIGIN, 5, TREE.mth(0, 5))
    with pytest.raises(Unreachable, match="another key than the one that is trusted"):
        ask_to_cosign(other, 0, said, note, TREE)
    with pytest.raises(Unreachable, match="has not cosigned"):
        last_seen(other, ORIGIN, [standing.log.public])


def test_nobody_there(tmp_path: Path, key: PrivateKey) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nobody = Trusted("w", new_key("w", COSIGNATURE).public, f"http://127.0.0.1:{port}")
    with pytest.raises(Unreachable, match="does not answer"):
        ask_to_cosign(nobody, 0, Checkpoint(ORIGIN, 5, TREE.mth(0, 5)), checkpoint(key, 5), TREE)


def test_killed_at_any_moment_it_never_signs_two_histories(tmp_path: Path, key: PrivateKey) -> None:
    """A real process, killed at random while two histories ask it; whatever it has signed lies on one of them."""
    seed = random.SystemRandom().getrandbits(32)
    print(f"kill seed {seed}")  # noqa: T201 - a failure must be repeatable
    chance = random.Random(seed)
    mine = new_key("witness.example.net", COSIGNATURE)
    write_key(tmp_path / "witness.key", mine)
    (tmp_path / "vkey").write_text(key.public.vkey)
    signed: dict[int, set[bytes]] = {}
    standing = Standing(tmp_path, key)
    for _ in range(12):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            standing.port = free.getsockname()[1]
        process = start_witness(tmp_path, standing.port)
        budget = chance.randint(1, 25)
        try:
            for number in range(budget):
                tree = chance.choice([TREE, TREE, FORK])
                try:
                    status, _, body = standing.offer(0, 1, tree)
                    old = int(body) if status == 409 else 1
                    new = min(700, old + chance.randint(0, 20))
                    if number == budget - 1:
                        killer = threading.Timer(chance.random() * 0.02, process.kill)
                        killer.start()
                    status, _, body = standing.offer(old, new, tree)
                except (OSError, http.client.HTTPException):
                    break
                if status == 200:
                    signed.setdefault(new, set()).add(tree.mth(0, new))
        finally:
            process.kill()
            process.communicate()
    assert all(len(roots) == 1 for roots in signed.values())
    sizes = [size for size in signed if size >= 5]
    histories = {"tree" if TREE.mth(0, size) in signed[size] else "fork" for size in sizes}
    assert len(histories) <= 1, f"both histories were signed: {signed}"
    assert len(sizes) > 5


def start_witness(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """The real command; returns once it answers."""
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "witness"]
    command += ["--key", str(folder / "witness.key"), "--state", str(folder / "witness.state")]
    command += ["--log", str(folder / "vkey"), "--listen", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ})
    assert process.stderr is not None
    assert b"answers at port" in process.stderr.readline()
    return process
