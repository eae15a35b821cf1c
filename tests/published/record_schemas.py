"""Records the schemas that were released, for the tests to compare with: ``python -m tests.published.record_schemas``.

What was recorded is replaced only by a schema of the same version that keeps its promise; otherwise the event needs a
new schema version and an upcaster. Recorded schemas of earlier versions stay for ever.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ledger.published.compatibility import breaks
from ledger.published.schemas import event_schema, file_name, published_types, render

RECORDED = Path(__file__).parent / "schemas"


def record(folder: Path) -> int:
    """Write every schema that is new or differs in what it may; returns how many. Ends on a broken promise."""
    written = 0
    today = {folder / file_name(cls): event_schema(cls) for cls in published_types().values()}
    broken = [
        f"{schema['title']} {each}"
        for path, schema in today.items()
        if path.exists()
        for each in breaks(json.loads(path.read_text(encoding="utf-8")), schema)
    ]
    if broken:
        sys.exit("\n".join([*broken, "raise the schema version and write an upcaster"]))
    for path, schema in today.items():
        if not path.exists() or path.read_text(encoding="utf-8") != render(schema):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render(schema), encoding="utf-8")
            written += 1
    return written


if __name__ == "__main__":
    print(f"{record(RECORDED)} schemas written")  # noqa: T201 - a script that says what it did
