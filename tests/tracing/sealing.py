"""An agency's sealer and a witness of another house, each with a clock of its own, for stores made in a test."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from ledger.clock import Clock, to_text
from ledger.proof.between import Trusted
from ledger.proof.cosignature import cosign
from ledger.proof.memory import Memory
from ledger.proof.notes import COSIGNATURE, new_key, read_note
from ledger.proof.seal import Sealer
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow

ORIGIN = "agency.example.org/ledger"


class Parties:
    """Seals a store by the agency's clock, and lets the county's witness cosign by the county's."""

    def __init__(self, recorder: Recorder, folder: Path, clock: Clock) -> None:
        self.key = new_key(ORIGIN)
        self.county = new_key("county.example.gov/w", COSIGNATURE)
        self.sealed = Sealed(recorder)
        self._sealer = Sealer(recorder, self.key, Memory(folder / "seal.key"), clock=clock)

    @property
    def trusted(self) -> Trusted:
        return Trusted([self.key.public], {"county": self.county.public})

    @property
    def policy(self) -> str:
        """The trust policy that says the same."""
        lines = (f"log {self.key.public.vkey}", f"witness county {self.county.public.vkey}", "quorum county")
        return "".join(f"{line}\n" for line in lines)

    def seal(self, cosigned: datetime | None = None) -> SealedRow:
        """Seal what is there; the county cosigns it at a moment of its own clock, if one is given."""
        row = self._sealer.seal()
        assert row is not None, "there was nothing new to seal"
        if cosigned is not None:
            line = cosign(read_note(row.note).text, self.county, int(cosigned.timestamp())).line
            self.sealed.add_cosignature(row.size, "county", line, to_text(cosigned))
        return row
