"""What the tests of the proof share: a key, a sealer of a store, and an outsider's program written in Go."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.proof.memory import Memory
from ledger.proof.notes import PrivateKey, new_key
from ledger.proof.seal import Sealer
from ledger.store.recorder import Recorder

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).parent / "outside"
BUILD = ROOT / "build" / "outside"
ORIGIN = "agency.example.org/ledger"


@pytest.fixture
def key() -> PrivateKey:
    return new_key(ORIGIN)


@pytest.fixture
def sealer_of(key: PrivateKey, tmp_path: Path) -> Callable[[Recorder], Sealer]:
    """A sealer of a store with the test's key, which remembers what it signed as every sealer does."""

    def make(recorder: Recorder) -> Sealer:
        return Sealer(recorder, key, Memory(tmp_path / "seal.key"))

    return make


Outside = Callable[..., Any]


@pytest.fixture(scope="session")
def outside() -> Outside:
    """Runs the outsider's program; what it refuses raises ``subprocess.CalledProcessError``."""
    program = build_outside()

    def run(*arguments: str | Path) -> Any:
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, arguments, done.stdout, done.stderr)
        return json.loads(done.stdout)

    return run


def build_outside() -> Path:
    """The program, built by one test process while the others wait."""
    go = shutil.which("go")
    if go is None:
        pytest.fail("go is missing; on Debian or Ubuntu: apt-get install golang-go", pytrace=False)
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [go, "build", "-mod=readonly", "-buildvcs=false", "-o", str(BUILD / "outside"), "."]
        done = subprocess.run(
            command, cwd=SOURCE, capture_output=True, text=True, check=False, env={**os.environ, "GOFLAGS": ""}
        )
    if done.returncode:
        pytest.fail(f"the outsider's program cannot be built: {done.stderr}", pytrace=False)
    return BUILD / "outside"
