"""What a person saw at a moment, made again from the access event, and proved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from ledger.aggregates.access import AccessGranted, ChartShown, Question
from ledger.aggregates.vocabulary import Id
from ledger.answers.as_it_stood import NotTheSame, Opened, as_it_stood, shown_again
from ledger.answers.ask import Answer, Ask
from ledger.answers.asking import Asking, digest_of_file, release
from ledger.answers.names import names_of
from ledger.answers.query import Query
from ledger.answers.replay_page import AccessTold, ChartTold, Covered, Replayed, as_words, page_of
from ledger.application.reading import CHARTS_PER_EVENT
from ledger.errors import IntegrityFault, LedgerError, NotFound
from ledger.projections.every import PROJECTIONS
from ledger.proof.between import Trusted, bracket_of
from ledger.proof.merkle import check_inclusion, prove_inclusion
from ledger.proof.settings import read_proof_settings
from ledger.proof.tree import StoredTree
from ledger.replay.shown import versions_shown
from ledger.replay.verified import read_verified
from ledger.store.checked import check_leaf
from ledger.store.codec import read
from ledger.store.envelope import StoredRow, leaf_of
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed

#: The commands whose pages are made again; each only reads.
_PAGES = frozenset(("chart", "trace", "billing rows", "caseload", "timeliness", "access-audit"))
#: Those that read nothing but one chart, the agency's policy and its staff.
_OF_ONE_CHART = frozenset(("chart", "trace"))
_EXPORT = re.compile(r"tlog export of the entries of positions (\d+) to (\d+)")


class AskReplayView(Ask, frozen=True, kw_only=True):
    """What a person saw at a moment: the page of an access made again to the byte, and proved.

    The access says who read what, when and why, and at which positions of the log; the page is made from the log up to
    there, in a throwaway store. Each event used is checked against its leaf hash, and held against the sealed
    checkpoint that covers it. What is not known, or was made by another release, is said. This reading is recorded
    first, as a read of the same charts.
    """

    NAME = "replay-view"
    PLACED = ("access_id",)
    TRUSTS = True
    access_id: Annotated[Id, msgspec.Meta(description="The access that is replayed.")]


def _replay_view(asking: Asking, ask: AskReplayView) -> Answer:
    access_id, trust_file = ask.access_id, asking.trust_file
    asking.actor  # noqa: B018 - refuse before any work when nobody says who reads
    trusted = asking.trusted()
    parts = accesses_of(asking.recorder, access_id)
    row, event = parts[0].row, parts[0].event
    charts = tuple(chart for part in parts for chart in part.event.charts)
    at = {chart.chart_id: chart.position for chart in charts}
    grant = asking.open(
        at, f"replay of access {access_id}", as_of=event.as_of, stands=(max(at.values(), default=row.position), at)
    )
    differs: list[str] = []
    question, unknown = question_known(row, event, charts, str(asking.ledger.zone))
    differs += unknown
    events = {chart: read_verified(asking.recorder, grant, chart) for chart in at}
    told = tuple(
        ChartTold(
            chart_id=chart.chart_id,
            position=chart.position,
            relationship=chart.relationship,
            versions=versions_shown(chart.chart_id, events[chart.chart_id], [(chart.position, event.as_of)])[0],
        )
        for chart in charts
    )
    used = [one.row for chart, found in events.items() for one in found if one.row.position <= at[chart]]
    used += _exported(asking.recorder, event)
    shown_covered = _covered(asking.recorder, used, trusted)
    access_covered = _covered(asking.recorder, [one.row for one in parts], trusted)
    content: str | None = None
    why_not: str | None = _why_not_at_all(event)
    if question is not None and question.command in _PAGES:
        differs += _made_otherwise(question)
        opened = Opened(
            access_id=str(row.originator_id),
            position=row.position,
            recorded_at=row.recorded_at,
            reader_id=event.reader_id,
            purpose=event.purpose,
            charts=charts,
            as_known_at=event.as_known_at,
            as_of=event.as_of,
            question=question,
            withheld=event.withheld or 0,
            decided=event.decided is not msgspec.UNSET,
        )
        content, why_not = _made_again(asking, opened, trust_file, differs)
    data = Replayed(
        access_id=grant.access_id,
        replayed=_told(access_id, row, event, tuple(one.row.event_id for one in parts)),
        charts=told,
        question=question,
        names={},
        events_checked=len(used) + len(parts),
        access_covered=access_covered,
        shown_covered=shown_covered,
        differs=tuple(differs),
        shown=content,
        not_shown_because=None if content is not None else why_not,
    )
    names = names_of(asking, data)
    told_with = msgspec.structs.replace(data, names=names.known)
    zone = asking.ledger.zone

    def words() -> str:
        return as_words(told_with, names, zone)

    return Answer(
        data=told_with,
        text=words,
        page=lambda: page_of(told_with, names, zone),
        access_id=grant.access_id,
        position=grant.position,
        others={".txt": words},
    )


class Access(msgspec.Struct, frozen=True):
    """An access event with its row, which holds against its leaf hash."""

    row: StoredRow
    event: AccessGranted


def accesses_of(recorder: Recorder, access_id: str) -> list[Access]:
    """The access, and with it the others of the same page where its charts took several; checked.

    Raises ``NotFound`` when there is no such access, ``IntegrityFault`` when it is not what was recorded.
    """
    recorder.sequence()
    first = _access(recorder.read_stream(access_id, limit=1))
    if first is None:
        raise NotFound("access", access_id)
    question = first.event.question
    if not isinstance(question, Question) or question.opened_with is None:
        return [first]
    first = _access(recorder.read_stream(question.opened_with, limit=1))
    if first is None:
        raise IntegrityFault(f"access {question.opened_with}, with which this page begins, is missing from the log")
    found = [first]
    while following := _access(recorder.read_log(found[-1].row.position, 1)):
        asked = following.event.question
        if not isinstance(asked, Question) or asked.opened_with != question.opened_with:
            break
        found.append(following)
    return found


def _access(rows: Sequence[StoredRow]) -> Access | None:
    if not rows or rows[0].topic != AccessGranted.TYPE:
        return None
    check_leaf(rows[0])
    event = read(rows[0]).event
    return Access(rows[0], event) if isinstance(event, AccessGranted) else None


def question_known(
    row: StoredRow, event: AccessGranted, charts: tuple[ChartShown, ...], zone: str
) -> tuple[Question | None, list[str]]:
    """What was asked, as recorded; for an access from before questions were, what can be told, and what cannot."""
    if isinstance(event.question, Question):
        return event.question, []
    said = ["what was asked is not recorded with this access: its options, its form and the time zone are not known"]
    if len(charts) == CHARTS_PER_EVENT:
        said.append(f"it names {CHARTS_PER_EVENT} charts, the most of one access: the page may have had more")
    known = ["--as-known-at", event.as_known_at.isoformat()] if event.as_known_at is not None else []
    month = re.fullmatch(r"billing rows (\d{4}-\d{2})(?: file)?", event.resource)
    if event.surface != "cli":
        return None, said
    if event.resource == "chart" and len(charts) == 1:
        day = ["--as-of", event.as_of.isoformat()] if event.as_of is not None else []
        command, options = "chart", [*known, *day, charts[0].chart_id]
    elif event.resource == "caseload" and event.as_of is not None:
        command, options = "caseload", ["--on", event.as_of.isoformat()]
    elif event.resource == "access audit" and len(charts) == 1:
        command, options = "access-audit", [charts[0].chart_id]
    elif month is not None:
        command, options = "billing rows", ["--month", month[1], *known]
    else:
        return None, said
    said.append(f"made again as: ledger {command} {' '.join(options)}, in {zone}; what was seen may have been less")
    stood = max((chart.position for chart in charts), default=row.position - 1)
    views = {view.name: view.version for view in PROJECTIONS if command not in _OF_ONE_CHART}
    question = Question(
        command=command,
        options=tuple(options),
        form="text",
        asked_at=row.recorded,
        zone=zone,
        position=row.position - 1 if known else stood,
        views=views,
        release=release(),
    )
    return question, said


def _made_otherwise(question: Question) -> list[str]:
    """Where the code that makes the page now is not the code that made it then."""
    now = {view.name: view.version for view in PROJECTIONS}
    found = [
        f"the view {name} was at version {version} then, and is at {now.get(name, 'none')} now: its rows may differ"
        for name, version in question.views.items()
        if now.get(name) != version
    ]
    if question.release != release():
        found.append(f"made by release {question.release} then, by {release()} now: words and rules may differ")
    return found


def _made_again(
    asking: Asking, opened: Opened, trust: Path | None, differs: list[str]
) -> tuple[str | None, str | None]:
    """What was shown, or why it cannot be made again."""
    command, options = opened.question.command, opened.question.options
    trust = trust or read_proof_settings().trust
    if "--trust" in options:
        digest = options[options.index("--trust") + 1]
        if trust is None or digest_of_file(trust) != digest:
            trust = None
            differs.append(f"made then with a policy of trust ({digest}); give it with --trust to see the same words")
    elif command == "trace" and read_proof_settings().trust is not None:
        differs.append("made then without a policy of trust; LEDGER_TRUST names one now, whose words stand on it too")
    charts = {chart.chart_id for chart in opened.charts}
    used: Callable[[StoredRow], bool] = lambda _: True  # noqa: E731 - the one or the other
    if command in _OF_ONE_CHART:
        used = lambda row: row.key in charts or (row.topic != AccessGranted.TYPE and row.chart_id is None)  # noqa: E731
    try:
        with as_it_stood(asking, opened, used) as stood:
            return shown_again(stood, trust), None
    except NotTheSame as fault:
        return None, str(fault)
    except IntegrityFault:
        raise
    except LedgerError as fault:
        return None, f"this release answers otherwise: {fault}"


def _why_not_at_all(event: AccessGranted) -> str:
    if found := _EXPORT.fullmatch(event.resource):
        return f"the entries of positions {found[1]} to {found[2]} were written to files: ledger tlog export"
    if replayed := re.fullmatch(r"replay of access (\S+)", event.resource):
        return f"it was itself a replay; see what it replayed: ledger replay-view {replayed[1]}"
    return f"a page of this kind ({event.resource}) is not made again; the charts and versions above could be seen"


def _exported(recorder: Recorder, event: AccessGranted) -> Iterable[StoredRow]:
    found = _EXPORT.fullmatch(event.resource)
    if found is None:
        return
    after, last = int(found[1]) - 1, int(found[2])
    while after < last and (rows := recorder.read_log(after, 1000, until=last)):
        for row in rows:
            check_leaf(row)
            yield row
        after = rows[-1].position


def _told(access_id: str, row: StoredRow, event: AccessGranted, event_ids: tuple[str, ...]) -> AccessTold:
    return AccessTold(
        access_id=access_id,
        event_ids=event_ids,
        position=row.position,
        leaf=row.leaf.hex(),
        recorded_at=row.recorded,
        reader_id=event.reader_id,
        role=row.role,
        credential=row.credential,
        surface=event.surface,
        resource=event.resource,
        purpose=event.purpose,
        correlation_id=row.correlation_id,
        as_known_at=event.as_known_at,
        as_of=event.as_of,
    )


def _covered(recorder: Recorder, rows: Sequence[StoredRow], trusted: Trusted) -> Covered | None:
    """The first sealed checkpoint that covers the last of some events, where each of them is under its root.

    None when nothing is sealed over it yet. Raises ``IntegrityFault`` naming the event that is another than was sealed.
    """
    if not rows:
        return None
    last = max(rows, key=lambda row: row.position)
    bracket = bracket_of(recorder, last, msgspec.UNSET, trusted)
    if bracket.faults:
        raise IntegrityFault(
            f"the log is another than was sealed: {'; '.join(bracket.faults)}; which event it is, says: ledger verify"
        )
    there = None if bracket.covered is None else Sealed(recorder).checkpoint(bracket.covered)
    if there is None:
        return None
    tree = StoredTree(recorder)
    for row in rows:
        path = prove_inclusion(tree, row.position - 1, there.size)
        try:
            check_inclusion(leaf_of(row, row.position, row.recorded_at), row.position - 1, there.size, path, there.root)
        except IntegrityFault as fault:
            raise IntegrityFault(
                f"event {row.event_id} (log position {row.position}) is not the one under the checkpoint of "
                f"{there.size:,} events: {fault}"
            ) from fault
    return Covered(
        size=there.size,
        root=there.root.hex(),
        sealed_at=there.sealed_at,
        last_position=last.position,
        words=bracket.after_words,
    )


REPLAY_VIEW = Query(AskReplayView, _replay_view, "replay of access", Replayed)
