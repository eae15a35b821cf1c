"""The whole path on one machine: an agency's quarter and a FHIR bundle, and then what each reader asks.

Run it with ``make demo``. It works in the folder ``demo``, made anew; nothing else is touched. Every step is an
ordinary command of ``ledger``, printed before its answer, so that you can go on from there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "demo"
LEDGER = Path(sys.executable).parent / "ledger"
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")},
    "LEDGER_DATABASE": f"sqlite:///{FOLDER / 'ledger.db'}",
    "COLUMNS": "100",
}
#: A long answer is cut here; the command above it gives all of it.
LINES = 40


def title(words: str) -> None:
    """Announce a step."""
    line = "═" * 100
    sys.stdout.write(f"\n{line}\n{words}\n{line}\n")
    sys.stdout.flush()


def run(*arguments: str, show: bool = True, lines: int = LINES) -> str:
    """Run one command of ledger; print it and (the beginning of) its answer."""
    if show:
        sys.stdout.write(f"$ ledger {' '.join(arguments)}\n")
        sys.stdout.flush()
    done = subprocess.run(  # noqa: S603 - our own command, with arguments written here
        [LEDGER, *arguments], env=ENVIRONMENT, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if show:
        answer = done.stdout.rstrip("\n").split("\n")
        sys.stdout.write("\n".join(answer[:lines]) + "\n")
        if len(answer) > lines:
            sys.stdout.write(f"… {len(answer) - lines} more lines: run the command above\n")
        sys.stdout.flush()
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout


def main() -> None:
    """Simulate, import, and ask."""
    started = time.monotonic()
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir()

    title("1 · One quarter of an agency's life, by the ordinary commands (all people are made up)")
    sys.stdout.write("$ ledger --json simulate --clients 24 --months 3 --seed 7\n")
    sys.stdout.flush()
    simulated = json.loads(run("--json", "simulate", "--clients", "24", "--months", "3", "--seed", "7", show=False))
    story = simulated["story"]
    sys.stdout.write(
        f"{simulated['events']:,} events from {simulated['first_day']} to {simulated['last_day']}: "
        f"{len(simulated['clients'])} clients, {sum(len(ids) for ids in simulated['staff'].values())} staff\n\n"
    )
    run("--as", "system:import", "import", "fhir", "examples/riverside-clinic.fhir.json")
    run("run", "--once")

    compliance = ("--as", story["compliance_id"], "--purpose", "compliance")
    auditor = ("--as", "system:auditor", "--purpose", "audit")

    title("2 · An auditor: what did this chart say then, what does it say now, and who changed it?")
    before, after = story["known_before"], story["known_after"]
    for moment in (before, after):
        run(*auditor, "chart", story["chart_id"], "--as-known-at", moment, lines=24)
        sys.stdout.write("\n")
    run(*auditor, "chart", story["chart_id"], "--diff", before, after, lines=50)

    title("3 · A compliance officer: was this note late, under which rule, by which clock?")
    run(*compliance, "trace", story["note_id"], "--out", "demo/trace.html", show=False)
    run(*compliance, "trace", story["note_id"], lines=75)
    sys.stdout.write("The same with a picture is in demo/trace.html\n")

    title("4 · Billing: what can be claimed this month, and what blocks the rest?")
    run("--as", story["biller_id"], "--purpose", "payment", "billing", "rows", "--month", story["billing_month"])

    title("5 · A privacy officer: who has read this chart, when, and why?")
    run(*compliance, "access-audit", story["chart_id"])

    title("6 · And how do I know that nobody has tampered with it?")
    run("verify")
    run("status")

    month = story["billing_month"]
    title(f"Done in {time.monotonic() - started:.0f} seconds. To go on:")
    sys.stdout.write(
        f"""export LEDGER_DATABASE=sqlite:///demo/ledger.db LEDGER_ACTOR=system:auditor
.venv/bin/ledger chart {story["chart_id"]} --as-of {story["service_on"]}
.venv/bin/ledger trace {story["note_id"]} --out demo/trace.html     # then open demo/trace.html
.venv/bin/ledger timeliness --month {month}
.venv/bin/ledger utilisation --month {month}
.venv/bin/ledger supervision
.venv/bin/ledger caseload --on {story["service_on"]}
.venv/bin/ledger deadline progress_note --program psc --at 2026-11-20T15:00:00-08:00
.venv/bin/ledger rebuild
.venv/bin/ledger --help
"""
    )


if __name__ == "__main__":
    main()
