"""Writes into the pages what their examples print now: ``python -m tests.docs.write_pages``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.examples import PAGES, rewritten, simulated, with_every_command


def main() -> None:
    """Run every example of every page and write the answers between the markers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        agency = simulated(folder)
        for page in PAGES:
            before = page.read_text(encoding="utf-8")
            whole = with_every_command(before) if page.stem == "commands" else before
            place = folder / page.stem
            place.mkdir()
            after = rewritten(whole, agency, place)
            page.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{page.name}: {'as before' if after == before else 'written'}\n")


if __name__ == "__main__":
    main()
