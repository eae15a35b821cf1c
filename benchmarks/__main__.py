"""``python -m benchmarks``: run the rows and write what they found. ``make bench`` calls it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.bench import Bench
from benchmarks.machine import machine
from benchmarks.pages import page
from benchmarks.result import Result, Results, now_text
from benchmarks.rows.every import ROWS
from benchmarks.scale import PAGE as SCALE
from benchmarks.scale import write_scale
from benchmarks.servers import BUILD, Servers
from benchmarks.sizes import FULL, QUICK, Sizes

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Read the arguments, run, write, print the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these of: {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, a few minutes; the page is not kept")
    parser.add_argument("--profile", action="store_true", help="keep the profiles under build/benchmarks/profiles")
    parser.add_argument("--out", type=Path, help="the folder to write to: benchmarks, or build/benchmarks for --quick")
    asked = parser.parse_args()
    unknown = [name for name in asked.rows if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {', '.join(unknown)}; use {', '.join(ROWS)}")
    for name in [name for name in os.environ if name.startswith("LEDGER_")]:
        del os.environ[name]  # what is set on the machine does not change a figure
    folder: Path = asked.out or (BUILD / "benchmarks" if asked.quick else HERE)
    folder.mkdir(parents=True, exist_ok=True)
    run(QUICK if asked.quick else FULL, asked.rows or list(ROWS), folder, profiles=asked.profile)
    print((folder / "RESULTS.md").read_text(encoding="utf-8"))  # noqa: T201 - what was asked for


def run(sizes: Sizes, names: list[str], folder: Path, *, profiles: bool = False) -> Results:
    """Run these rows; after each, write ``results.json`` and ``RESULTS.md`` with the others as they were."""
    servers = Servers()
    bench = Bench(servers, sizes)
    bench.keep_profiles = profiles
    try:
        here = machine(servers)
        known = _known(folder)
        for name in [name for name in ROWS if name in names]:
            began = time.perf_counter()
            _tell(f"{name} …")
            found = ROWS[name](bench)
            known[name] = msgspec.structs.replace(found, measured_at=now_text(), mode=sizes.mode)
            _tell(f"{name}: {time.perf_counter() - began:.0f} s; {_goals(found)}")
            results = Results(machine=here, rows=tuple(known[name] for name in ROWS if name in known))
            _write(folder, results)
    finally:
        bench.close()
        servers.stop()
    if folder == HERE and SCALE.exists():
        try:
            write_scale(results)
        except KeyError as missing:
            _tell(f"docs/scale.md stays as it is: {missing.args[0]}")
    return results


def _known(folder: Path) -> dict[str, Result]:
    file = folder / "results.json"
    if not file.exists():
        return {}
    return {row.row: row for row in msgspec.json.decode(file.read_bytes(), type=Results).rows}


def _write(folder: Path, results: Results) -> None:
    encoded = msgspec.json.format(msgspec.json.encode(results), indent=1)
    (folder / "results.json").write_bytes(encoded + b"\n")
    (folder / "RESULTS.md").write_text(page(results), encoding="utf-8")


def _goals(found: Result) -> str:
    return "; ".join(f"{goal.wanted}: {goal.found} {'met' if goal.met else 'MISSED'}" for goal in found.goals)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - told while it runs


if __name__ == "__main__":
    main()
