"""Carrying out an import: one transaction a file, so that a broken file leaves the store as it was before it.

A file that was imported before is known by its command ids and changes nothing. A file that was stopped half-way, by
whatever, has left nothing behind.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from ledger.aggregates.client import Client
from ledger.aggregates.import_file import TakeFile
from ledger.application.commands import Ledger, Request, Result
from ledger.clock import derived_id
from ledger.errors import CommandReused, Conflict, Reason, Refused
from ledger.imports.fhir import Bundle, translate
from ledger.imports.fhir_bundle import Draft, Earlier, Step
from ledger.imports.reading import DEFAULT_LIMIT, read_json

#: How often a file is tried anew when somebody else changes one of its streams at the same moment.
_TRIES = 3
#: Characters of a file's name that are kept, the last ones of a longer one.
_LONGEST_NAME = 200
#: The most faults of one file that are listed; the rest are counted.
_LISTED = 20


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Resources of one type that were not taken; ``why`` is empty for a type that is never taken."""

    resource: str
    why: str
    count: int


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """Something taken in another form than it came, and how often."""

    what: str
    count: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file, or of several: resources, commands and events, and what was not taken.

    ``taken`` counts resources by type; ``commands`` those carried out now and ``repeated`` those carried out by an
    earlier import; ``events`` by type are what was appended now.
    """

    file: str
    taken: dict[str, int] = {}
    commands: int = 0
    repeated: int = 0
    events: dict[str, int] = {}
    not_taken: tuple[Left, ...] = ()
    notes: tuple[Noted, ...] = ()

    @property
    def appended(self) -> int:
        """How many events were appended."""
        return sum(self.events.values())


class FileRefused(Refused):
    """A file was refused whole; each reason names the file and the place in it. Nothing of it was written."""

    def __init__(self, file: str, reasons: Sequence[Reason]) -> None:
        self.file = file
        listed = [Reason(f"{file}: {r.field}", r.message, r.mend, r.code) for r in reasons[:_LISTED]]
        if len(reasons) > _LISTED:
            listed.append(Reason(file, f"and {len(reasons) - _LISTED} more faults"))
        super().__init__(listed)


def check_may_import(ledger: Ledger, actor: str, program: str, purpose: str) -> None:
    """Refuse somebody who may not have files taken in, with every reason, before any file is looked at."""
    unit = ledger.unit()
    try:
        ledger.decide(unit, _take(_About("", "0" * 64, program, "fhir"), actor, purpose, None))
    finally:
        unit.give_back(appended=False)


def import_fhir_file(
    ledger: Ledger,
    path: Path,
    *,
    actor: str,
    program: str,
    purpose: str,
    correlation_id: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Report:
    """Import one R4 transaction bundle, plain or gzip, in one transaction; ``actor`` is who answers for it.

    Raises ``BadInput`` (unreadable), ``FileRefused`` (every fault with its place) or ``Refused`` (the actor may not
    import), and then nothing was written.
    """
    bundle = read_json(path, Bundle, limit)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    for attempt in range(1, _TRIES + 1):
        try:
            return _import_bundle(ledger, path.name, digest, bundle, actor, program, purpose, correlation_id)
        except Conflict:
            if attempt == _TRIES:
                raise
    raise AssertionError("unreachable")


def _import_bundle(
    ledger: Ledger,
    file: str,
    digest: str,
    bundle: Bundle,
    actor: str,
    program: str,
    purpose: str,
    correlation_id: str | None,
) -> Report:
    try:
        draft = translate(
            bundle,
            program=program,
            zone=ledger.zone,
            today=ledger.clock.now().astimezone(ledger.zone).date(),
            earlier=cache(lambda client_id: _earlier(ledger, client_id)),
        )
    except Refused as fault:
        raise FileRefused(file, fault.reasons) from fault
    about = _About(file, digest, program, draft.source)
    take = _take(about, actor, purpose, correlation_id)
    while ledger.recorder.find_commands([take.command_id]):  # it came before; does it bring something new?
        take = _take(about, actor, purpose, correlation_id, after=take.command_id)
    # Looked up before what it brings: of two who import the file at once, both give the same command.
    requests = [step.request(purpose, correlation_id) for step in draft.steps]
    known = ledger.recorder.find_commands([request.command_id for request in requests])
    changed = [
        _reused(step)
        for step, request in zip(draft.steps, requests, strict=True)
        if known.get(step.command_id, request.digest) != request.digest
    ]
    if changed:
        raise FileRefused(file, changed)
    new = [step for step in draft.steps if step.command_id not in known]
    if not new:
        return _report(file, draft, [])
    cause = f"{derived_id(take.command_id, 'import_id')}@1"
    try:
        taken, *results = ledger.execute_batch([take, *(step.request(purpose, correlation_id, cause) for step in new)])
    except (Refused, CommandReused) as fault:
        if fault.command_id == take.command_id:
            raise
        raise FileRefused(file, _placed(fault, draft.steps)) from fault
    return _report(file, draft, results, taken)


class _About(msgspec.Struct, frozen=True):
    """A file: its name, the SHA-256 of its bytes, the program its episodes open in, and who sent it."""

    file: str
    sha256: str
    program: str
    source: str


def _take(about: _About, actor: str, purpose: str, correlation_id: str | None, *, after: str = "") -> Request:
    """The command that says who has a file taken in: the same for two who do so at once, another ``after`` that."""
    name = about.file if about.file.isprintable() else ascii(about.file)
    command_id = derived_id("import", about.sha256, about.program, about.file, actor, after)
    command = TakeFile(
        import_id=derived_id(command_id, "import_id"),
        format="fhir-r4",
        file=name[-_LONGEST_NAME:] or "none",
        sha256=about.sha256,
        program=about.program,
        source=about.source,
    )
    return Request(
        command=command, actor_id=actor, purpose=purpose, command_id=command_id, correlation_id=correlation_id
    )


def _earlier(ledger: Ledger, client_id: str) -> Earlier | None:
    rows = ledger.recorder.find_command(derived_id("fhir", client_id, "register-client", ""))
    if not rows:
        return None
    client = ledger.unit().find(Client, client_id)
    episodes = {}
    for opened in client.episodes.values() if client is not None else ():
        said = ledger.recorder.find_command(derived_id("fhir", client_id, "open-episode", opened.episode_id))
        if said:
            episodes[opened.episode_id] = (opened.opened_on, said[0].occurred)
    return Earlier(rows[0].occurred, rows[0].command_digest, episodes)


def _placed(fault: Refused | CommandReused, steps: Sequence[Step]) -> list[Reason]:
    """The reasons of a refused command, each at the place of the resource that it was made of."""
    step = next(step for step in steps if step.command_id == fault.command_id)
    if isinstance(fault, CommandReused):
        return [_reused(step)]
    return [
        Reason(step.place, f"{step.command.NAME} is refused: {r.field}: {r.message}", r.mend, r.code)
        for r in fault.reasons
    ]


def _reused(step: Step) -> Reason:
    return Reason(
        step.place,
        f"was imported before, and its {step.command.NAME} said something else then",
        "record the change as a correction; import with the same --program as before",
        "reused",
    )


def _report(file: str, draft: Draft, results: Sequence[Result], taken: Result | None = None) -> Report:
    done = [result for result in results if not result.repeated]
    appended = [*done, *([taken] if taken is not None and not taken.repeated else [])]
    return Report(
        file=file,
        taken=dict(sorted(draft.taken.items())),
        commands=len(done),
        repeated=len(draft.steps) - len(done),
        events=dict(sorted(Counter(kind for result in appended for kind in result.types).items())),
        not_taken=_left(draft.left),
        notes=_noted(draft.notes),
    )


def total_of(reports: Sequence[Report]) -> Report:
    """Several reports as one; ``file`` says how many."""
    taken, events, notes = Counter[str](), Counter[str](), Counter[str]()
    left = Counter[tuple[str, str]]()
    for report in reports:
        taken.update(report.taken)
        events.update(report.events)
        notes.update({note.what: note.count for note in report.notes})
        left.update({(item.resource, item.why): item.count for item in report.not_taken})
    return Report(
        file=f"{len(reports)} files",
        taken=dict(sorted(taken.items())),
        commands=sum(report.commands for report in reports),
        repeated=sum(report.repeated for report in reports),
        events=dict(sorted(events.items())),
        not_taken=_left(left),
        notes=_noted(notes),
    )


def _left(counts: Counter[tuple[str, str]]) -> tuple[Left, ...]:
    return tuple(Left(resource=kind, why=why, count=count) for (kind, why), count in sorted(counts.items()))


def _noted(counts: Counter[str]) -> tuple[Noted, ...]:
    return tuple(Noted(what=what, count=count) for what, count in sorted(counts.items()))
