"""Where checkpoints go: places that are away and come back, witnesses, and a real time-stamping authority."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.proof.conftest import ORIGIN
from tests.proof.test_witness import Standing
from tests.store.agency import said_log

from ledger.clock import SystemClock
from ledger.integrity.outside import check_witnesses
from ledger.integrity.report import Report
from ledger.integrity.sealed import Seals
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.cosignature import cosigned_at
from ledger.proof.notes import PrivateKey, read_note
from ledger.proof.places import FilePlace, HttpPlace, notes_of_file
from ledger.proof.publish import Authority, Publisher
from ledger.proof.seal import Sealer
from ledger.proof.timestamp import BadTimestamp, read_roots, stamped_at
from ledger.proof.trust import Trust, Witness
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed

SealerOf = Callable[[Recorder], Sealer]


def grow(recorder: Recorder, count: int, label: str) -> None:
    recorder.insert_events(said_log([(f"{label} {n % 5}", f"text {n}") for n in range(count)]))
    recorder.sequence()


@contextmanager
def answering(answer: Callable[[bytes], tuple[int, str, bytes]], port: int = 0) -> Iterator[int]:
    """A real HTTP server that answers POST."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, kind, body = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_place_that_is_away_holds_up_nobody_and_gets_what_it_missed(
    recorder: Recorder, sealer_of: SealerOf, key: PrivateKey, tmp_path: Path
) -> None:
    taken: list[int] = []

    def take(body: bytes) -> tuple[int, str, bytes]:
        taken.append(open_checkpoint(body, [key.public])[0].size)
        return 204, "text/plain", b""

    with answering(take) as port:
        pass  # the port is known, and nobody is there
    sealed = Sealed(recorder)
    file = FilePlace(tmp_path / "checkpoints", [key.public])
    there = HttpPlace(f"http://127.0.0.1:{port}/checkpoints", sealed, SystemClock())
    publisher = Publisher(recorder, ORIGIN, [key.public], SystemClock(), [there, file])
    sealer = sealer_of(recorder)
    for number in range(3):
        grow(recorder, 10, str(number))
        assert sealer.seal() is not None, "sealing goes on"
        outcomes = {each.party: each for each in publisher.turn()}
        assert "does not answer" in outcomes[there.name].fault
        assert outcomes[file.name].done == 1
    with answering(take, port):
        assert {each.fault for each in publisher.turn()} == {""}
        assert {each.done for each in publisher.turn()} == {0}
    assert taken == [10, 20, 30]
    assert sealed.delivered(there.name) == 30
    assert len(notes_of_file(tmp_path / "checkpoints")) == 3


def test_a_line_that_was_cut_off_is_left_and_another_begun(
    recorder: Recorder, sealer_of: SealerOf, key: PrivateKey, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints"
    publisher = Publisher(recorder, ORIGIN, [key.public], SystemClock(), [FilePlace(file, [key.public])])
    sealer = sealer_of(recorder)
    for number in range(2):
        grow(recorder, 10, str(number))
        sealer.seal()
        publisher.turn()
    whole = file.read_bytes()
    file.write_bytes(whole[:-30])
    again = Publisher(recorder, ORIGIN, [key.public], SystemClock(), [FilePlace(file, [key.public])])
    again.turn()
    assert [open_checkpoint(note, [key.public])[0].size for note in notes_of_file(file)] == [10, 20]
    assert file.read_bytes().startswith(whole[:-30] + b"\n"), "nothing that was there is changed"


def test_a_place_that_has_more_is_an_alarm(
    recorder: Recorder, sealer_of: SealerOf, key: PrivateKey, tmp_path: Path
) -> None:
    class Ahead(FilePlace):
        def last(self) -> int:
            return 99

    grow(recorder, 10, "a")
    sealer_of(recorder).seal()
    outcome = Publisher(recorder, ORIGIN, [key.public], SystemClock(), [Ahead(tmp_path / "x", [key.public])]).turn()[0]
    assert outcome.alarm
    assert "an old backup was restored" in outcome.fault


def test_witnesses_stand_behind_what_goes_out_and_k_of_n_is_asked_for(
    recorder: Recorder, sealer_of: SealerOf, key: PrivateKey, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    one = Standing(tmp_path / "one", key)
    later = datetime.now(UTC) + timedelta(hours=1)
    with one.up():
        asked = {
            "w": Witness("w", one.key.public, f"http://127.0.0.1:{one.port}"),
            "away": Witness("away", Standing(tmp_path, key).key.public, "http://127.0.0.1:1"),
        }
        file = FilePlace(tmp_path / "checkpoints", [key.public])
        publisher = Publisher(recorder, ORIGIN, [key.public], SystemClock(), [file], tuple(asked.values()))
        sealer = sealer_of(recorder)
        for number in range(2):
            grow(recorder, 300, str(number))
            sealer.seal()
            outcomes = {each.party: each for each in publisher.turn()}
            assert outcomes["w"].done == 1
            assert outcomes["away"].fault
    for note in notes_of_file(tmp_path / "checkpoints"):
        assert cosigned_at(read_note(note), one.key.public) is not None, "it went out with the cosignature"
    for quorum, kinds in (("w", []), ("away", ["unwitnessed"])):
        seals, report = Seals(), Report()
        check_witnesses(recorder, Trust((key.public,), asked, {}, quorum), seals, report, later)
        assert [fault.kind for fault in report.faults] == kinds
        assert seals.witnessed == (600 if quorum == "w" else 0)


class Tsa:
    """A time-stamping authority: `openssl ts` with a root of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        if shutil.which("openssl") is None:
            pytest.fail("openssl is missing; on Debian or Ubuntu: apt-get install openssl", pytrace=False)
        (folder / "ts.cnf").write_text(
            "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_digest = sha256\ndefault_policy = 1.2.3.4\n"
            "digests = sha256\naccuracy = secs:1\nordering = no\ntsa_name = no\ness_cert_id_chain = no\n"
            "[ext]\nextendedKeyUsage = critical,timeStamping\nkeyUsage = critical,digitalSignature\n"
        )
        (folder / "serial").write_text("01\n")
        new = ["req", "-newkey", "rsa:2048", "-nodes"]
        self.openssl(*new, "-x509", "-days", "30", "-subj", "/CN=root", "-keyout", "root.key", "-out", "root.pem")
        self.openssl(*new, "-subj", "/CN=tsa", "-keyout", "tsa.key", "-out", "tsa.csr")
        signing = ["-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "30"]
        signing += ["-extfile", "ts.cnf", "-extensions", "ext"]
        self.openssl("x509", "-req", "-in", "tsa.csr", *signing, "-out", "tsa.pem")

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)  # noqa: S607

    def reply(self, query: bytes) -> tuple[int, str, bytes]:
        (self.folder / "q").write_bytes(query)
        signer = ["-signer", "tsa.pem", "-inkey", "tsa.key"]
        self.openssl("ts", "-reply", "-config", "ts.cnf", "-queryfile", "q", *signer, "-out", "r")
        return 200, "application/timestamp-reply", (self.folder / "r").read_bytes()


def test_a_timestamp_of_a_real_authority_is_checked_and_kept(
    recorder: Recorder, sealer_of: SealerOf, key: PrivateKey, tmp_path: Path
) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    tsa, stranger = Tsa(tmp_path / "ours"), Tsa(tmp_path / "theirs")
    roots = read_roots(tsa.root)
    grow(recorder, 10, "a")
    row = sealer_of(recorder).seal()
    assert row is not None
    with answering(stranger.reply) as port:
        wrong = Authority(f"http://127.0.0.1:{port}", roots)
        outcome = Publisher(recorder, ORIGIN, [key.public], SystemClock(), authority=wrong).turn()[0]
    assert "the timestamp does not hold" in outcome.fault
    assert not Sealed(recorder).timestamps(10)
    with answering(tsa.reply) as port:
        right = Authority(f"http://127.0.0.1:{port}", roots)
        publisher = Publisher(recorder, ORIGIN, [key.public], SystemClock(), authority=right)
        assert [each.done for each in publisher.turn()] == [1]
        assert [each.done for each in publisher.turn()] == [0]
    token = Sealed(recorder).timestamps(10)[0]["token"]
    assert abs(stamped_at(token, row.note, roots) - datetime.now(UTC)) < timedelta(hours=1)
    for note, trusted in ((row.note + b"x", roots), (row.note, read_roots(stranger.root))):
        with pytest.raises(BadTimestamp):
            stamped_at(token, note, trusted)
