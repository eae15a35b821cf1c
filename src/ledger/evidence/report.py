"""The report in a bundle, for somebody who decides: what was recorded, what is proved of it, and what is not.

One page of findings, printed as HTML and as PDF from the same words. Every line about an event names its position, so
that it can be looked up among the events whose proofs are beside it.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from importlib.resources import files

import msgspec
import typst

from ledger.aggregates.access import AccessGranted
from ledger.aggregates.note_events import AddendumAdded, NoteAmended, NoteContent, NoteContentWritten, NoteDrafted
from ledger.aggregates.policy import PolicyAdopted, PolicyRetired
from ledger.aggregates.staff import CredentialRecorded, StaffRegistered, SupervisorAssigned
from ledger.aggregates.vocabulary import Event
from ledger.clock import from_text
from ledger.evidence.gather import Evidence
from ledger.policies.deadlines import in_zone
from ledger.projections.timeline_words import words
from ledger.proof.between import Word
from ledger.store.envelope import Recorded
from ledger.tracing.bracket import findings, whose
from ledger.tracing.page import Page, Section, Table
from ledger.tracing.told import answer, told
from ledger.tracing.words import in_words, when

#: Narrow columns keep their words together; wide ones share what is left.
_LEAST, _MOST = 11, 50


def report_of(evidence: Evidence) -> Page:
    """The report as a page."""
    subject = evidence.subject
    names = _names(evidence)
    sealed = [one for one in evidence.events if one.row.position <= evidence.size]
    return Page(
        title=f"Evidence about {subject.kind} {subject.id}",
        under=(
            f"Chart {subject.chart_id}, as recorded up to log position {evidence.grant.position:,}. Times of the "
            f"server are in {evidence.zone}; what a person claimed keeps the offset they meant.",
            f"Taken out under access {evidence.grant.access_id} by {_name(names, evidence.grant.reader_id)}, purpose: "
            f"{evidence.grant.purpose}. That access is itself recorded in the log.",
        ),
        lead=tuple(_lead(evidence, len(sealed))),
        sections=(
            *(section for trace in evidence.traces for section in told(trace).sections),
            _written(evidence, names),
            _signatures(evidence),
            _events(evidence, names),
            _checkpoints(evidence),
            _policies(evidence),
            _accesses(evidence, names),
            _how_to_check(),
        ),
    )


def _lead(evidence: Evidence, sealed: int) -> Iterable[str]:
    for trace in evidence.traces:
        yield from answer(trace)
        yield from told(trace).lead[len(answer(trace)) :]
    count = len(evidence.events)
    if evidence.last is None:
        yield f"{count:,} events. Nothing of the log is sealed, so nothing is proved of them to an outsider."
        return
    yield (
        f"{count:,} events, of which {sealed:,} stand under the signed checkpoint of the log's first {evidence.size:,} "
        "events: their proofs are in this bundle."
    )
    if count > sealed:
        yield f"{count - sealed:,} events were recorded after that checkpoint, and are not proved yet."


def _names(evidence: Evidence) -> dict[str, str]:
    return {one.originator_id: str(one.event.name) for one in evidence.events if isinstance(one.event, StaffRegistered)}


def _name(names: dict[str, str], who: str) -> str:
    return names.get(who, who)


def _written(evidence: Evidence, names: dict[str, str]) -> Section:
    """What was written in the notes, in every version; nothing is ever written over."""
    rows: list[tuple[str, str, str, str]] = []
    heads: set[int] = set()
    for one in evidence.events:
        what, parts = _parts(one.event)
        if what:
            heads.add(len(rows))
            recorded = when(in_zone(one.row.recorded, evidence.zone))
            who = f"{what} by {_name(names, one.row.actor)}"
            rows.append((f"{one.row.position:,}", recorded, who, f"note {one.originator_id}"))
            rows += [("", "", part, text) for part, text in parts]
    return Section(
        title="What was written",
        sentences=("Each version of each note stands by itself, in the order in which it was recorded.",)
        if rows
        else ("No note was written.",),
        table=Table(headings=("Position", "Recorded", "Part", "Words"), rows=tuple(rows), marked=frozenset(heads)),
    )


def _parts(event: Event) -> tuple[str, list[tuple[str, str]]]:
    """What kind of writing an event is, and its parts; nothing for one that is none."""
    match event:
        case NoteDrafted():
            return "Drafted", _content(event.content)
        case NoteContentWritten():
            return "Rewritten", _content(event.content)
        case AddendumAdded():
            return "Addendum", [("addendum", event.text)]
        case NoteAmended():
            return f"Amendment ({event.kind})", [(event.section, event.text), ("reason", event.reason)]
        case _:
            return "", []


def _content(content: NoteContent) -> list[tuple[str, str]]:
    objectives = [(f"objective {each.objective}", each.progress) for each in content.objectives]
    none = [("no objective, because", content.no_plan_reason)] if content.no_plan_reason else []
    return [*((name.replace("_", " "), text) for name, text in content.sections.items()), *objectives, *none]


def _events(evidence: Evidence, names: dict[str, str]) -> Section:
    rows = []
    for one in evidence.events:
        row = one.row
        credential = f", {row.credential}" if row.credential else ""
        rows.append(
            (
                f"{row.position:,}",
                when(row.occurred),
                when(in_zone(row.recorded, evidence.zone)),
                f"{_name(names, row.actor)} ({row.role}{credential})",
                "content left out" if row.position in evidence.withheld else _words(one, names),
            )
        )
    return Section(
        title="Every event in this bundle, on both clocks",
        sentences=(
            "Happened is what the person said; recorded is the server's clock. Neither is proved by being written "
            "here: what is proved of a signature's time stands with that signature.",
        ),
        table=Table(headings=("Position", "Happened", "Recorded", "Who", "What"), rows=tuple(rows)),
    )


def _words(one: Recorded, names: dict[str, str]) -> str:
    match event := one.event:
        case StaffRegistered():
            return f"Registered: {event.name} ({', '.join(event.roles)}), employed from {event.hired_on}"
        case CredentialRecorded():
            until = f" to {event.expires_on}" if event.expires_on else ""
            who = _name(names, one.originator_id)
            return f"Credential of {who}: {event.credential_kind} {event.number}, from {event.issued_on}{until}"
        case SupervisorAssigned():
            supervisor = _name(names, event.supervisor_id)
            return f"{_name(names, one.originator_id)} supervised by {supervisor} from {event.effective_from}"
        case AccessGranted():
            return f"Chart opened: {event.surface}, {event.resource}; for {event.purpose}"
        case _:
            said = in_words(event, lambda who: _name(names, who))
            return words(event) if said == event.TYPE else said


def _signatures(evidence: Evidence) -> Section:
    """Each signature and the moments between which it was made."""
    rows = [
        (
            f"{one.row.position:,}",
            one.event.TYPE.replace(".", " ").replace("_", " "),
            when(one.row.occurred),
            _moment(found.not_before or found.not_before_own, evidence.zone),
            _moment(found.not_after or found.not_after_own, evidence.zone),
        )
        for one, found in evidence.brackets
    ]
    return Section(
        title="Each signature, between two moments",
        sentences=(
            "Claimed is what the signer said. The two moments stand on the word that is named; the agency's own clock "
            "alone proves nothing to an outsider."
            if rows
            else "Nothing was signed.",
            *(
                f"Position {one.row.position:,}: {finding}"
                for one, found in evidence.brackets
                for finding in findings(found, one.row.occurred, one.row.recorded)
            ),
        ),
        table=Table(headings=("Position", "What", "Claimed", "Not before", "Not after"), rows=tuple(rows)),
    )


def _moment(word: Word | None, zone: str) -> str:
    return "not proved" if word is None else f"{when(in_zone(word.at, zone))} ({whose(word)})"


def _checkpoints(evidence: Evidence) -> Section:
    if evidence.last is None:
        return Section(title="Checkpoints", sentences=("Nothing of the log is sealed.",))
    rows = tuple(
        (f"{row.size:,}", row.root.hex(), when(in_zone(from_text(row.sealed_at), evidence.zone)))
        for row in (*evidence.checkpoints, evidence.last)
    )
    return Section(
        title="Checkpoints",
        sentences=(
            "Each is signed by the log, and lies in the folder checkpoints with what witnesses have signed of it; "
            "RFC 3161 timestamps lie in timestamps. The time of sealing is the agency's own clock.",
        ),
        table=Table(headings=("Events", "Root (SHA-256)", "Sealed, by the agency's clock"), rows=rows),
    )


def _policies(evidence: Evidence) -> Section:
    """Which readings the agency adopted; the rules themselves lie beside."""
    adopted = [one for one in evidence.events if isinstance(one.event, PolicyAdopted | PolicyRetired)]
    used = {
        (o.rule_id, o.title, o.reading, o.policy_version, o.source)
        for trace in evidence.traces
        for o in trace.opinions
        if o.adopted
    }
    said = [
        f"{rule}, {title}: read as {reading}, version {version}. {src}."
        for rule, title, reading, version, src in sorted(used)
    ]
    said += [f"Position {one.row.position:,}: {in_words(one.event, str)}" for one in adopted]
    return Section(
        title="The policies",
        sentences=(
            *said,
            "The rules as this program has them, with their sources, are the files in the folder policies.",
        ),
    )


def _accesses(evidence: Evidence, names: dict[str, str]) -> Section:
    rows = []
    for one in evidence.events:
        if isinstance(one.event, AccessGranted):
            shown = next(s for s in one.event.charts if s.chart_id == evidence.subject.chart_id)
            known = f" (as known at {when(one.event.as_known_at)})" if one.event.as_known_at else ""
            rows.append(
                (
                    f"{one.row.position:,}",
                    when(in_zone(one.row.recorded, evidence.zone)),
                    _name(names, one.event.reader_id),
                    f"{one.event.surface}: {one.event.resource}",
                    one.event.purpose,
                    shown.relationship,
                    f"{shown.position:,}{known}",
                )
            )
    headings = ("Position", "When", "Who", "Page", "Purpose", "Relationship", "Showed up to")
    empty = () if rows else ("No read of this chart is recorded before this one.",)
    return Section(title="Who has read the chart", sentences=empty, table=Table(headings=headings, rows=tuple(rows)))


def _how_to_check() -> Section:
    return Section(
        title="How to check this, and what it is worth",
        sentences=(
            "Run: python3 verify_evidence.py BUNDLE.zip --vkey VKEY --witness WITNESS_VKEY. It needs Python 3.11 and "
            "the package cryptography, no network, and nothing of the agency. Get both keys from "
            "somebody whom you trust.",
            "It proves that each event stands in the log as it is here, that the contents are those that were recorded "
            "and signed, and between which moments each signature was made, on the word of the witnesses that you "
            "name.",
            "It does not prove that what was recorded is true, that nothing was left out of this bundle, or that this "
            "report tells the events rightly: the report is for reading, the events are the evidence.",
        ),
    )


def as_pdf(page: Page) -> bytes:
    """The page as a PDF; the same page gives the same bytes."""
    data = msgspec.to_builtins(page, str_keys=True)
    for section in data["sections"]:
        if section["table"] is not None:
            section["table"]["marked"] = sorted(section["table"]["marked"])
            section["table"]["widths"] = _widths(section["table"]["headings"], section["table"]["rows"])
    compiler = typst.Compiler(
        files("ledger.evidence").joinpath("report.typ").read_bytes(),
        ignore_system_fonts=True,
        sys_inputs={"page": json.dumps(_printable(data), ensure_ascii=False)},
    )
    made = compiler.compile(format="pdf")
    if not isinstance(made, bytes):
        raise TypeError("a PDF is one file")
    return made


def _widths(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    columns = zip(headings, *rows, strict=True)
    return [min(max(_LEAST, max(len(cell) for cell in column)), _MOST) for column in columns]


def _printable(data: object) -> object:
    """Texts without control characters and marks that turn the direction of what follows."""
    if isinstance(data, str):
        return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf") and c != "\n" else c for c in data)
    if isinstance(data, dict):
        return {name: _printable(value) for name, value in data.items()}
    return [_printable(each) for each in data] if isinstance(data, list | tuple) else data
