"""``ledger import``: what other systems send, taken in through the ordinary commands."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import click

from ledger.cli.named import ProgramName
from ledger.cli.session import Session, pass_session
from ledger.errors import BadInput, Reason, Refused
from ledger.imports.reading import DEFAULT_LIMIT, find_files
from ledger.imports.running import Report, check_may_import, import_fhir_file, total_of

_MEGABYTE = 1024 * 1024


@click.group("import")
def import_() -> None:
    """Take in what other systems send. Importing the same file again changes nothing.

    \b
    Example:
      ledger --as ADMINISTRATOR import fhir bundles/
    """


@import_.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option(
    "--program",
    type=ProgramName(),
    default="psc",
    show_default=True,
    help="The program that clients' episodes open in.",
)
@click.option("--keep-going", is_flag=True, help="Go on with the other files when one is refused.")
@click.option(
    "--max-megabytes",
    type=click.IntRange(1, 4096),
    default=DEFAULT_LIMIT // _MEGABYTE,
    show_default=True,
    help="The most a file may hold, once it is decompressed.",
)
@pass_session
def fhir(session: Session, paths: tuple[Path, ...], program: str, keep_going: bool, max_megabytes: int) -> None:
    """Import FHIR R4 transaction bundles (JSON, plain or gzip; a folder stands for the files in it).

    Patient, Practitioner, Encounter, Condition, CarePlan and Goal become clients, staff, contacts, diagnoses and
    plans, with the source's times and marked as late entries. What is not taken is counted and named. Each file is
    one transaction: a broken one is refused whole, with the place of the fault; files before it stay imported, files
    after it are not looked at unless --keep-going is given.

    Whoever imports needs standing for it (an administrator, a compliance officer, or system:setup while the office goes
    live), and is named by an event beside each file's own, which all of these have as their cause.

    \b
    Examples:
      ledger --as system:setup import fhir examples/riverside-clinic.fhir.json
      ledger --as ADMINISTRATOR --json import fhir --program ecm --keep-going exports/
    """
    files = find_files(paths)
    ledger = session.ledger
    check_may_import(ledger, session.actor, program, session.purpose)
    reports: list[Report] = []
    refused: list[BadInput] = []
    gc.freeze()  # the program itself need not be looked at again each time what was read is cleared away
    began = time.perf_counter()
    with session.progress("Importing", sum(file.stat().st_size for file in files)) as advance:
        for file in files:
            try:
                report = import_fhir_file(
                    ledger,
                    file,
                    actor=session.actor,
                    program=program,
                    purpose=session.purpose,
                    correlation_id=session.correlation_id,
                    limit=max_megabytes * _MEGABYTE,
                )
                reports.append(report)
            except BadInput as fault:
                refused.append(fault)
                if not keep_going:
                    break
            advance(file.stat().st_size)
    seconds = time.perf_counter() - began
    untried = len(files) - len(reports) - len(refused)
    total = total_of(reports)
    if reports or keep_going:
        session.emit(
            {
                "files": reports,
                "total": total,
                "refused": [reason for fault in refused for reason in _reasons(fault)],
                "not_tried": untried,
                "seconds": round(seconds, 3),
            },
            lambda: _text(reports, total, seconds),
        )
    if refused:
        raise Refused(
            [*(r for fault in refused for r in _reasons(fault)), _standing(len(reports), len(files), untried)]
        )


def _reasons(fault: BadInput) -> tuple[Reason, ...]:
    if isinstance(fault, Refused):
        return fault.reasons
    file, _, what = str(fault).partition(": ")
    return (Reason(file, what),)


def _standing(imported: int, files: int, untried: int) -> Reason:
    """How the store stands after a refusal, so that nobody has to guess."""
    untried_text = f", {untried} after it not looked at" if untried else ""
    return Reason(
        "store",
        f"nothing of a refused file was written; {imported} of {files} files are imported{untried_text}",
        "mend the file and import again: what is imported already will not change",
    )


def _text(reports: list[Report], total: Report, seconds: float) -> str:
    lines = [
        f"{report.file}: {report.appended:,} events, {sum(report.taken.values()):,} resources taken"
        + (f", {report.repeated:,} commands known from before" if report.repeated else "")
        for report in reports
    ]
    lines += ["", f"Taken from {total.file}:"]
    lines += [f"  {count:>7,}  {kind}" for kind, count in total.taken.items()]
    lines += ["Events appended:"] + [f"  {count:>7,}  {kind}" for kind, count in total.events.items()]
    if not total.events:
        lines[-1] = "Events appended: none; everything was imported before."
    if total.not_taken:
        lines.append("Not taken:")
        lines += [f"  {i.count:>7,}  {i.resource}{f': {i.why}' if i.why else ''}" for i in total.not_taken]
    if total.notes:
        lines.append("Noted:")
        lines += [f"  {note.count:>7,}  {note.what}" for note in total.notes]
    rate = f" ({total.appended / seconds:,.0f} a second)" if total.appended and seconds else ""
    lines.append(f"{total.appended:,} events in {seconds:.2f} s{rate}")
    return "\n".join(lines)
