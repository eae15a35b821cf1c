"""What is proved of a note's signatures, told to a person who decides about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ledger.proof.between import Bracket, Word
from ledger.tracing.bracket import whose
from ledger.tracing.findings import Judged, SignatureBracket, Trace
from ledger.tracing.page import Section, Table
from ledger.tracing.words import when

_NOBODY = "nobody"


def proved_in_short(trace: Trace) -> Iterable[str]:
    """For the head of the page: what is proved of the author's signature, and every contradiction."""
    for signed in trace.brackets:
        if signed.what == "Signed":
            yield _in_short(signed)
        yield from signed.findings


def _in_short(signed: SignatureBracket) -> str:
    found = signed.bracket
    if found.carried is None and found.covered is None:
        return "Nothing is proved of when it was signed: no checkpoint stands on either side of it."
    before, after = found.not_before, found.not_after
    if before is None and after is None:
        return (
            "Whatever the clocks said: nobody outside the agency vouches for when it was signed. By its own clock "
            f"alone it was signed {_between(found.not_before_own, found.not_after_own)}."
        )
    return f"Whatever the clocks said, it was signed {_between(before, after)}."


def _between(before: Word | None, after: Word | None) -> str:
    parts = []
    if before is not None:
        parts.append(f"not before {when(before.at)} ({whose(before)})")
    if after is not None:
        parts.append(f"not after {when(after.at)} ({whose(after)})")
    return " and ".join(parts) or "at a moment that nothing bounds"


def proved_sections(trace: Trace) -> list[Section]:
    """One section for each signature that a checkpoint stands beside, or that does not hold, in their order."""
    return [
        _section(signed)
        for signed in trace.brackets
        if signed.bracket.carried is not None or signed.bracket.covered is not None or signed.findings
    ]


def _section(signed: SignatureBracket) -> Section:
    found = signed.bracket
    rows = [
        ("Claimed", when(signed.claimed_at), "the signer's own clock", "-"),
        _row("Not before", found.not_before, found.carried),
        _row("Not before", found.not_before_own, found.carried),
        ("Recorded", when(signed.recorded_at), "the server's clock", "-"),
        _row("Not after", found.not_after, found.covered),
        _row("Not after", found.not_after_own, found.covered),
    ]
    strong = [n for n, word in ((1, found.not_before), (4, found.not_after)) if word is not None]
    return Section(
        title=f"{signed.what} by {signed.name} (event {signed.event}): what is proved, whatever the clocks said",
        sentences=(
            *signed.findings,
            *_how(found),
            *(_judged_words(each) for each in signed.deadlines),
        ),
        table=Table(
            headings=("", "Moment", "On whose word", "Checkpoint of events"),
            rows=tuple(rows),
            marked=frozenset(strong),
        ),
    )


def _row(side: str, word: Word | None, size: int | None) -> tuple[str, str, str, str]:
    if word is None:
        return (side, "not proved", _NOBODY, "-" if size is None else f"{size:,}")
    return (side, when(word.at), whose(word), f"{word.size:,}")


def _how(found: Bracket) -> Iterable[str]:
    if found.carried is None:
        yield "Not before: the signature carries no checkpoint; nothing was sealed when it was recorded."
    else:
        vouched = (
            "and the digest of what somebody outside the agency signed, which nobody could know before it was signed"
            if found.not_before is not None
            else "which could not be known before the last of these events was recorded"
        )
        yield (
            f"Not before: the signature carries the root over the first {found.carried:,} events of the log, {vouched}."
        )
    if found.covered is None:
        yield "Not after: no sealed checkpoint covers the signature yet."
    else:
        yield (
            f"Not after: the signature is one of the {found.covered:,} events under the next checkpoint; nobody can "
            "have written it after that checkpoint was cosigned or stamped."
        )
    unchecked = [word for word in (*found.before_words, *found.after_words) if not word.checked]
    if unchecked:
        names = ", ".join(dict.fromkeys(word.name for word in unchecked))
        yield f"Not counted, since no key or root to check them with was named: what {names} signed."
    if found.lost_vouchers:
        yield (
            f"The signature names {found.lost_vouchers} cosignatures or timestamps that the store does not have any "
            "more; whoever still has them can prove more."
        )


def _judged_words(each: Judged) -> str:
    said = {
        "in time": "proved to have been signed before it, which came after the latest moment that is proved",
        "late": "proved to have been signed after it, which came before the earliest moment that is proved",
        "undecided": "the proof by itself does not decide it; the server's clock does",
    }[each.proved]
    return f"{each.rule_id} read as {each.reading}, due {when(each.due)}: {said}."


def proved_lines(trace: Trace) -> Iterable[tuple[datetime, str]]:
    """For the picture: the two proved moments of the author's signature, each with its words."""
    for signed in trace.brackets:
        if signed.what == "Signed":
            found = signed.bracket
            for side, word in (
                ("not before", found.not_before or found.not_before_own),
                ("not after", found.not_after or found.not_after_own),
            ):
                if word is not None:
                    yield word.at, f"Signed {side} {when(word.at)}, {whose(word)}"
