"""Importing FHIR bundles into PostgreSQL, beside inserting the same events in the same batches."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import bare
from benchmarks.bench import Bench
from benchmarks.measure import Stopwatch, Timed, compare
from benchmarks.result import Result, compared
from benchmarks.servers import ROOT
from ledger.application.commands import Ledger
from ledger.imports.running import import_fhir_file
from ledger.store.database import open_store

EXAMPLE = ROOT / "examples" / "riverside-clinic.fhir.json"
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def import_bundles(bench: Bench) -> Result:
    """Each file is a transaction; the time is that of the import, as whoever waits for it counts."""
    files = bundles(bench.servers.folder, bench.sizes.bundles, bench.sizes.bundle_copies)
    batches: list[list[bare.Values]] = []

    def ours() -> Timed:
        url = bench.servers.database()
        recorder = open_store(url)
        ledger = Ledger(recorder)
        watch = Stopwatch()
        with watch.running():
            sizes = [
                import_fhir_file(ledger, file, actor="system:setup", program="psc", purpose="operations").appended
                for file in files
            ]
        if not batches:
            recorder.sequence()
            position = 0
            for size in sizes:
                rows = recorder.read_log(position, size)
                batches.append([(*bare.values(row), row.recorded_at) for row in rows])
                position += size
        recorder.engine.dispose()
        bench.servers.drop(url)
        return watch.timed(sum(sizes))

    def plain(insert: Callable[[Any, Any], None]) -> Callable[[], Timed]:
        def work() -> Timed:
            url = bench.servers.database()
            connection = bare.postgres_table(url)
            watch = Stopwatch()
            with watch.running():
                for batch in batches:
                    insert(connection, batch)
            connection.close()
            bench.servers.drop(url)
            return watch.timed(sum(map(len, batches)))

        return work

    ours()  # tells which events there are to insert
    ways = {f"{name}, {bare.KEY_ALONE}": plain(insert) for name, insert in bare.BATCH_WAYS.items()}
    found = compare(ours, ways, bench.sizes.repeats)
    count = sum(map(len, batches))
    size = sum(file.stat().st_size for file in files)
    return compared(
        found,
        "import",
        f"import, batches of {count // len(files):,} events, PostgreSQL",
        0.3,
        events=count,
        shares=bench.profile("import", ours),
        limit="Python that reads, translates and decides, one process",
        notes=(f"{size / count:,.0f} bytes of JSON for each event, read, checked and translated in our time only",),
    )


def bundles(folder: Path, count: int, copies: int) -> list[Path]:
    """Files of the example bundle, each with as many copies of its people and their services as asked, all ids new.

    The practitioners stay who they are: an agency's bundles are about many clients and few staff.
    """
    example = msgspec.json.decode(EXAMPLE.read_bytes())
    shared = [e for e in example["entry"] if e["resource"]["resourceType"] in ("Practitioner", "Organization")]
    others = msgspec.json.encode([entry for entry in example["entry"] if entry not in shared]).decode()
    kept = {entry["resource"]["id"] for entry in shared}
    files = []
    for number in range(count):
        entries: list[Any] = list(shared)
        for copy in range(copies):
            entries += _copied(others, f"{number * copies + copy:08x}", kept)
        file = folder / f"bundle-{number}.fhir.json"
        file.write_bytes(msgspec.json.encode({**example, "id": f"bench-{number}", "entry": entries}))
        files.append(file)
    return files


def _copied(others: str, mark: str, kept: set[str]) -> list[Any]:
    renamed = _ID.sub(lambda found: found[0] if found[0] in kept else mark + found[0][8:], others)
    entries: list[Any] = msgspec.json.decode(renamed)
    for entry in entries:
        if entry["resource"]["resourceType"] == "Patient":
            for identifier in entry["resource"]["identifier"]:
                identifier["value"] += f"-{mark}"
    return entries
