"""A signature between two checkpoints: what the signer's clock claimed, and what is proved whatever the clocks said.

``ledger.proof.between`` finds the moments; here they are held against what was claimed and against the deadlines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from ledger.aggregates.note_events import AddendumAdded, NoteAmended, NoteCosigned, NoteSigned
from ledger.policies.deadlines import in_zone
from ledger.proof.between import Bracket, Trusted, Word, bracket_of
from ledger.store.recorder import Recorder
from ledger.tracing.findings import Judged, Opinion, SignatureBracket
from ledger.tracing.story import Story
from ledger.tracing.words import span, when

_SIGNING = {NoteSigned: "Signed", NoteCosigned: "Co-signed", AddendumAdded: "Addendum", NoteAmended: "Amendment"}
_WHAT = {
    "own": "a checkpoint",
    "cosignature": "the digest of a cosignature",
    "timestamp": "the digest of a timestamp",
}
#: Clocks of two machines are held to agree when they are no further apart than this, as everywhere in a trace.
_SAME = timedelta(seconds=1)


def brackets(
    recorder: Recorder, story: Story, opinions: Sequence[Opinion], trusted: Trusted, zone: str, until: datetime | None
) -> tuple[SignatureBracket, ...]:
    """The bracket of each signing event of the story, in its order."""
    return tuple(_brackets(recorder, story, opinions, trusted, zone, until))


def _brackets(
    recorder: Recorder, story: Story, opinions: Sequence[Opinion], trusted: Trusted, zone: str, until: datetime | None
) -> Iterable[SignatureBracket]:
    for step in story.steps:
        event, row = step.recorded.event, step.recorded.row
        if not isinstance(event, NoteSigned | NoteCosigned | AddendumAdded | NoteAmended):
            continue
        found = _in_zone(bracket_of(recorder, row, event.sealed_before, trusted, until), zone)
        recorded = in_zone(row.recorded, zone)
        yield SignatureBracket(
            event=step.number,
            event_id=row.event_id,
            what=_SIGNING[type(event)],
            name=event.printed_name,
            claimed_at=row.occurred,
            recorded_at=recorded,
            bracket=found,
            findings=tuple(findings(found, row.occurred, recorded)),
            deadlines=tuple(judged(found, opinions)) if isinstance(event, NoteSigned) else (),
        )


def findings(bracket: Bracket, claimed: datetime, recorded: datetime) -> Iterable[str]:
    """What contradicts the bracket, in words."""
    before = bracket.not_before or bracket.not_before_own
    if before is not None and _after(before.at, claimed):
        yield (
            f"The claimed time is contradicted. The signature claims {when(claimed)}, and carries "
            f"{_WHAT[before.whose]} that was not there before {when(before.at)} ({whose(before)}): it was recorded at "
            f"least {span(before.at - claimed)} after the moment that it claims."
        )
    if bracket.not_before is not None and _after(bracket.not_before.at, recorded):
        yield (
            f"The server's clock is contradicted. It says that the signature was recorded {when(recorded)}; it was not "
            f"there before {when(bracket.not_before.at)} ({whose(bracket.not_before)})."
        )
    after = bracket.not_after
    for clock, moment in (("claimed time", claimed), ("server's clock", recorded)):
        if after is not None and _after(moment, after.at):
            yield (
                f"The {clock} is contradicted. It says {when(moment)}; the signature was there by {when(after.at)} "
                f"({whose(after)})."
            )
    yield from (f"The proof does not hold: {fault}." for fault in bracket.faults)


def _after(later: datetime, earlier: datetime) -> bool:
    return later.timestamp() > earlier.timestamp() + _SAME.total_seconds()


def judged(bracket: Bracket, opinions: Iterable[Opinion]) -> Iterable[Judged]:
    """Each deadline in force, held against what others vouch for."""
    for opinion in opinions:
        if opinion.adopted:
            due = opinion.due.timestamp()
            proved: Literal["in time", "late", "undecided"] = "undecided"
            if bracket.not_after is not None and bracket.not_after.at.timestamp() <= due:
                proved = "in time"
            elif bracket.not_before is not None and bracket.not_before.at.timestamp() > due:
                proved = "late"
            yield Judged(rule_id=opinion.rule_id, reading=opinion.reading, due=opinion.due, proved=proved)


def whose(word: Word) -> str:
    """On whose word a moment stands."""
    match word.whose:
        case "own":
            return "by the agency's own clock only"
        case "cosignature":
            return f"cosigned by the witness {word.name}" + ("" if word.checked else ", not checked")
        case "timestamp":
            return f"RFC 3161 timestamp of {word.name}" + ("" if word.checked else ", not checked")


def _in_zone(bracket: Bracket, zone: str) -> Bracket:
    def moved(word: Word | None) -> Word | None:
        return None if word is None else msgspec.structs.replace(word, at=in_zone(word.at, zone))

    return msgspec.structs.replace(
        bracket,
        not_before_own=moved(bracket.not_before_own),
        not_after_own=moved(bracket.not_after_own),
        not_before=moved(bracket.not_before),
        not_after=moved(bracket.not_after),
        before_words=tuple(msgspec.structs.replace(w, at=in_zone(w.at, zone)) for w in bracket.before_words),
        after_words=tuple(msgspec.structs.replace(w, at=in_zone(w.at, zone)) for w in bracket.after_words),
    )
