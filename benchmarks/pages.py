"""``RESULTS.md``, made from the figures."""

from __future__ import annotations

from benchmarks.measure import Spread
from benchmarks.result import Figure, Result, Results, shown

_HEAD = """# Benchmarks

Made by `make bench` from `results.json`; nothing here is written by hand. Each figure stands beside its baseline,
measured in the same run on the same servers, in turn; a rate is the median of its repeats (least to greatest), a ratio
the median of the pairs' ratios. The baseline is the fastest of the honest ways that were tried, which are listed below
the table.
"""
_LOG = """
## The log they work on

`ledger simulate` lives through every command and is too slow for a million events. One simulated agency's log is
multiplied: the same events again and again with new ids, each copy an agency of its own, all going forward together;
signatures are bound to the content with the new ids, every event has its place and its leaf hash, and the store's own
`restore` writes them in bulk. `ledger verify` finds such a store sound, and each chart in it replays. Payloads have the
simulation's sizes (about 570 bytes, 1,050 bytes with the envelope).
"""


def page(results: Results) -> str:
    """The whole page."""
    parts = [_HEAD, _machine(results), _table(results.rows), _growth(results.rows), _LOG, _each(results.rows)]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _machine(results: Results) -> str:
    m = results.machine
    small = [row.row for row in results.rows if row.mode != "full"]
    lines = [
        f"- **Machine**: {m.processor}, {m.cores} cores, {m.memory_gb} GB, {m.system}; the servers, the clients",
        "  and the ledger's processes all share it.",
        "- **Versions**: " + ", ".join(f"{name} {number}" for name, number in m.versions.items()),
        "- **Settings**: " + ", ".join(f"{name} {value}" for name, value in m.settings.items()),
        f"- **Measured**: {_when(results.rows)}"
        + (f"; of small sizes (`make bench` measures in full): {', '.join(small)}" if small else ""),
    ]
    return "\n".join(lines)


def _when(rows: tuple[Result, ...]) -> str:
    times = sorted({row.measured_at for row in rows})
    return times[0] if len(times) == 1 else f"{times[0]} to {times[-1]}"


def _table(rows: tuple[Result, ...]) -> str:
    lines = [
        "## The table",
        "",
        "| work | figure | baseline | ratio | goal | |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if not row.goals:
            continue
        goals = "; ".join(
            f"{goal.wanted}: {goal.found}" if goal.wanted[0] != "≥" else goal.wanted for goal in row.goals
        )
        lines.append(
            f"| {row.work} | {_spread(row.ours, row.unit)} | {_spread(row.bare, row.unit)} | {_spread(row.ratio)} "
            f"| {goals} | {'met' if row.met else '**missed**'} |"
        )
    return "\n".join(lines)


def _spread(spread: Spread | None, unit: str = "") -> str:
    if spread is None:
        return "–"
    text = f"{shown(spread.median)} {unit}".strip()
    return text if spread.low == spread.high else f"{text} ({shown(spread.low)}–{shown(spread.high)})"


def _growth(rows: tuple[Result, ...]) -> str:
    figures = [figure for row in rows for figure in row.figures]
    sizes = sorted({figure.size for figure in figures})
    if not sizes:
        return ""
    whats = dict.fromkeys((figure.what, figure.unit) for figure in figures)
    lines = [
        "## How cost grows with the log",
        "",
        f"| | {' | '.join(f'{size:,} events' for size in sizes)} |",
        f"|---|{'---|' * len(sizes)}",
    ]
    for what, unit in whats:
        cells = [_cell(figures, what, size) for size in sizes]
        lines.append(f"| {what}{f', {unit}' if unit else ''} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(figures: list[Figure], what: str, size: int) -> str:
    found = next((figure.value for figure in figures if (figure.what, figure.size) == (what, size)), None)
    return "–" if found is None else shown(found)


def _each(rows: tuple[Result, ...]) -> str:
    lines = ["## Each row", ""]
    for row in rows:
        goals = "; ".join(f"{goal.wanted}: {goal.found}, {'met' if goal.met else 'missed'}" for goal in row.goals)
        lines += [f"### {row.work}", ""]
        lines.append(f"- `{row.row}`: {row.events:,} events, repeats: {row.repeats}; {row.measured_at}, {row.mode}")
        if goals:
            lines.append(f"- Goal: {goals}")
        if row.baseline:
            lines.append(f"- Baseline: {row.baseline}")
        others = {name: rate for name, rate in row.tried.items() if name != row.baseline}
        if others:
            lines.append(
                f"- Ways tried, the better of two runs: {row.baseline} {shown(row.tried[row.baseline])} {row.unit}; "
                + "; ".join(f"{name} {shown(rate)} {row.unit}" for name, rate in others.items())
            )
        if row.data.get("cpu_us"):
            ours, bare = row.data["cpu_us"], row.data.get("bare_cpu_us", 0.0)
            theirs = f"; the baseline's {bare:,.0f} µs" if bare else ""
            lines.append(f"- Processor time of the process, an event: {ours:,.0f} µs{theirs}")
        if row.shares:
            named = ", ".join(f"{share.where} {share.share:.0%}" for share in row.shares[:7])
            lines.append(f"- Where our time goes (a profile): {named}")
        if row.limit:
            lines.append(f"- What limits it: {row.limit}")
        lines += [f"- {note[:1].upper()}{note[1:]}" for note in row.notes]
        lines.append("")
    return "\n".join(lines)
