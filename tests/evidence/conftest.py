"""A note that was signed late and disputed, sealed and cosigned; and its evidence, packed once for the tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cryptography
import pytest
from tests.tracing.clinic import Clinic, at
from tests.tracing.sealing import Parties

from ledger.application.reading import open_charts
from ledger.evidence import verify_evidence
from ledger.evidence.bundle import bundle
from ledger.evidence.gather import Evidence, gather, subject_of

VERIFIER = Path(verify_evidence.__file__)


@dataclass
class Case:
    """A clinic with a story, its sealer and witness."""

    clinic: Clinic
    parties: Parties
    folder: Path

    def evidence(self, subject: str) -> Evidence:
        found = subject_of(self.clinic.recorder, subject)
        grant = open_charts(
            self.clinic.ledger, [found.chart_id], reader=self.clinic.officer, purpose="legal", surface="cli",
            resource=f"evidence of {found.kind} {found.id}",
        )  # fmt: skip
        return gather(
            self.clinic.recorder, grant, found, as_at=self.clinic.clock.now(), zone="America/Los_Angeles",
            trusted=self.parties.trusted,
        )  # fmt: skip

    def packed(self, subject: str) -> bytes:
        return bundle(self.clinic.recorder, self.evidence(subject))[0]

    @property
    def keys(self) -> list[str]:
        """What the verifier is given: the log's key and the witness's."""
        return ["--vkey", self.parties.key.public.vkey, "--witness", self.parties.county.public.vkey]


def told_story(folder: Path, url: str) -> Case:
    """Drafted, a checkpoint cosigned, signed with a time before it, sealed, disputed, sealed again."""
    clinic = Clinic(url)
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.recorder.sequence()
    parties = Parties(clinic.recorder, folder, clinic.clock)
    parties.seal(at("2026-11-24 08:30"))
    clinic.read(clinic.supervisor, at("2026-11-24 08:40"))
    clinic.sign(at("2026-11-24 09:00"), said=at("2026-11-23 14:40"))
    clinic.recorder.sequence()
    clinic.clock.set(at("2026-11-24 09:05"))
    parties.seal(at("2026-11-24 09:06"))
    clinic.dispute(at("2026-11-25 10:00"))
    clinic.recorder.sequence()
    clinic.clock.set(at("2026-11-25 12:05"))
    parties.seal(at("2026-11-25 12:06"))
    return Case(clinic, parties, folder)


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """For the tests that only look."""
    folder = tmp_path_factory.mktemp("evidence")
    return told_story(folder, f"sqlite:///{folder / 'ledger.db'}")


@pytest.fixture(scope="session")
def note_zip(case: Case) -> bytes:
    return case.packed(case.clinic.note)


Checked = verify_evidence.Bundle


@pytest.fixture
def check(case: Case, tmp_path: Path) -> Callable[..., Checked]:
    """Checks a zip in this process, with the keys of the case."""

    def run(content: bytes, manifest: str | None = None) -> Checked:
        file = tmp_path / "checked.zip"
        file.write_bytes(content)
        log = verify_evidence.Key(case.parties.key.public.vkey, 1)
        witness = verify_evidence.Key(case.parties.county.public.vkey, 4)
        found = Checked(file, log, [witness], manifest)
        found.check()
        return found

    return run


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(content: Mapping[str, bytes]) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, raw in content.items():
            file.writestr(name, raw)
    return made.getvalue()


def clean_interpreter(folder: Path) -> Path:
    """A folder with the package cryptography and what it loads itself, and nothing else of this environment."""
    site = Path(cryptography.__file__).parent.parent
    alone = folder / "only-cryptography"
    if not alone.exists():
        alone.mkdir()
        for name in ("cryptography", "cffi", "pycparser"):
            (alone / name).symlink_to(site / name)
        backend = next(site.glob("_cffi_backend*.so"))
        (alone / backend.name).symlink_to(backend)
    return alone


def run_verifier(folder: Path, script: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a verifier as somebody would who has Python and cryptography: no site-packages, no environment."""
    alone = clean_interpreter(folder)
    program = (
        "import sys, runpy\n"
        f"sys.path.append({str(alone)!r})\n"
        "for name in ('ledger', 'msgspec', 'sqlalchemy', 'click', 'typst'):\n"
        "    try:\n"
        "        __import__(name)\n"
        "    except ImportError:\n"
        "        continue\n"
        "    sys.exit('this interpreter has ' + name)\n"
        f"sys.argv = {[str(script), *map(str, arguments)]!r}\n"
        f"runpy.run_path({str(script)!r}, run_name='__main__')\n"
    )
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
