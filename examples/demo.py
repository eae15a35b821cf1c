"""The whole path on one machine: an agency's quarter and a FHIR bundle, and then what each reader asks.

Run it with ``make demo``. It works in the folder ``demo``, made anew; nothing else is touched. Every step is an
ordinary command of ``ledger``, printed before its answer, so that you can go on from there.
"""

from __future__ import annotations

import json
import os
import re
import shlex
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
#: A long answer is cut about here.
LINES = 40
#: How the entries of an answer begin, and what they are called.
Entry = tuple[str, str]
BLOCKS = (r"  \S", "entries")
SERVICES = (r"\d{4}-\d\d-\d\d ", "services")


def title(words: str) -> None:
    """Announce a step."""
    line = "═" * 100
    sys.stdout.write(f"\n{line}\n{words}\n{line}\n")
    sys.stdout.flush()


def run(*arguments: str, show: bool = True, lines: int = LINES, last: int = 0, entry: Entry | None = None) -> str:
    """Run one command of ledger; print it and its answer, cut to about the first ``lines`` and the ``last`` ones."""
    if show:
        sys.stdout.write(f"$ ledger {' '.join(arguments)}\n")
        sys.stdout.flush()
    done = subprocess.run(  # noqa: S603 - our own command, with arguments written here
        [LEDGER, *arguments], env=ENVIRONMENT, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if show:
        whole = f"LEDGER_DATABASE=sqlite:///demo/ledger.db .venv/bin/ledger {shlex.join(arguments)}"
        sys.stdout.write("\n".join(cut(done.stdout.rstrip("\n").split("\n"), lines, last, entry, whole)) + "\n")
        sys.stdout.flush()
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout


def cut(answer: list[str], lines: int, last: int, entry: Entry | None, command: str) -> list[str]:
    """A long answer's first and last lines; between them how much is left out, and the command that shows all of it."""
    if len(answer) <= lines + last + 4:
        return answer
    rest = answer[lines : len(answer) - last]
    how_many = f"{len(rest):,} of {len(answer):,} lines"
    if entry is not None:
        pattern, what = entry
        inside, whole = (sum(bool(re.match(pattern, line)) for line in some) for some in (rest, answer))
        how_many = f"{inside:,} of {whole:,} {what} ({how_many})"
    return [
        *answer[:lines],
        f"… left out here: {how_many}. To see all of it:",
        f"  {command}",
        *answer[len(answer) - last :],
    ]


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
    run("--as", story["administrator_id"], "import", "fhir", "examples/riverside-clinic.fhir.json")
    run("run", "--once")

    compliance = ("--as", story["compliance_id"], "--purpose", "compliance")
    auditor = ("--as", "system:auditor", "--purpose", "audit")

    title("2 · An auditor: what did this chart say then, what does it say now, and who changed it?")
    before, after = story["known_before"], story["known_after"]
    for moment in (before, after):
        run(*auditor, "chart", story["chart_id"], "--as-known-at", moment, lines=24, entry=BLOCKS)
        sys.stdout.write("\n")
    run(*auditor, "chart", story["chart_id"], "--diff", before, after, lines=50, entry=BLOCKS)

    title("3 · A compliance officer: was this note late, under which rule, by which clock?")
    run(*compliance, "trace", story["note_id"], "--out", "demo/trace.html", show=False)
    run(*compliance, "trace", story["note_id"], lines=75)
    sys.stdout.write("The same with a picture is in demo/trace.html\n")

    title("4 · Billing: what can be claimed this month, and what blocks the rest?")
    billing = ("--as", story["biller_id"], "--purpose", "payment", "billing", "rows", "--month", story["billing_month"])
    answer = run(*billing, show=False).rstrip("\n").split("\n")
    # The totals, which are the end of the answer, are never left out.
    run(*billing, last=len(answer) - max(number for number, line in enumerate(answer) if not line), entry=SERVICES)

    title("5 · A privacy officer: who has read this chart, when, and why?")
    run(*compliance, "access-audit", story["chart_id"], entry=BLOCKS)

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
