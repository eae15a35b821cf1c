"""What the import's tests share: a store, the example bundle to change, and the sixteen bundles nobody here wrote."""

from __future__ import annotations

import copy
import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.application.commands import Ledger
from ledger.imports.running import Report, import_fhir_file
from ledger.store.database import open_store

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "riverside-clinic.fhir.json"

Bundle = dict[str, Any]


@pytest.fixture(scope="session")
def fhir_files() -> list[Path]:
    """The bundles of LEDGER_TEST_FHIR, or of the folder beside the project; without either the test fails."""
    named = os.environ.get("LEDGER_TEST_FHIR")
    folder = Path(named) if named else ROOT.parent / "shared" / "fhir"
    files = sorted(folder.glob("*.json.gz")) + sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not files:
        pytest.fail(f"no FHIR bundles in {folder}: set LEDGER_TEST_FHIR to a folder of R4 transaction bundles")
    return files


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def ledger(database: str) -> Iterator[Ledger]:
    recorder = open_store(database)
    yield Ledger(recorder)
    recorder.engine.dispose()


@pytest.fixture(scope="session")
def example() -> Callable[[], Bundle]:
    """A fresh copy of the example bundle, to change."""
    bundle: Bundle = json.loads(EXAMPLE.read_text("utf-8"))
    return lambda: copy.deepcopy(bundle)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a bundle (or bytes) to a file."""

    def write_file(content: Bundle | bytes, name: str = "bundle.json") -> Path:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") and not raw.startswith(b"\x1f\x8b") else raw)
        return path

    return write_file


@pytest.fixture
def bring(ledger: Ledger, write: Callable[..., Path]) -> Callable[..., Report]:
    """Import a bundle (or bytes) into the store."""

    def bring_in(content: Bundle | bytes, name: str = "bundle.json", **options: Any) -> Report:
        return import_fhir_file(
            ledger, write(content, name), actor="system:setup", program="psc", purpose="operations", **options
        )

    return bring_in


@pytest.fixture
def entry_of() -> Callable[[Bundle, str, int], tuple[int, Any]]:
    """The index and resource of the n-th resource of a type in a bundle."""

    def find(bundle: Bundle, kind: str, number: int = 0) -> tuple[int, Any]:
        found = [(i, e["resource"]) for i, e in enumerate(bundle["entry"]) if e["resource"]["resourceType"] == kind]
        return found[number]

    return find


#: An event as it must be in every import of the same files: all but the moment of recording.
Line = tuple[str, int, str, bytes, str, str | None]


@pytest.fixture
def lines_of() -> Callable[[str], list[Line]]:
    """The log of a store in its order, without what depends on the moment of the import."""

    def read(url: str) -> list[Line]:
        recorder = open_store(url)
        try:
            rows = recorder.read_log(0, 1_000_000)
        finally:
            recorder.engine.dispose()
        return [
            (
                str(row.originator_id),
                row.originator_version,
                row.topic,
                row.state,
                row.command_id,
                # A practitioner comes without a time of the source, so that event happened when it was imported.
                None if row.topic in ("staff.registered", "import.file_taken") else row.occurred_at,
            )
            for row in rows
        ]

    return read
