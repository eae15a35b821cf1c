"""Rows in bulk: whatever people write, in any number, comes back as it went in, on both databases."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from ledger.consumers.generations import Stand, make_generation
from ledger.consumers.rows import read_rows, write_rows
from ledger.projections.base import Line, Projection
from ledger.store.recorder import Recorder


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A row with a column of every kind, and a key of two."""

    book: str
    title: str
    text: str | None = None
    number: int = 0
    open: bool = False
    notes: tuple[str, ...] = ()


pages = Projection("pages", 1, Page, key=("book", "title"), indexes=(("number",),))

HOSTILE = [
    "",
    "\t",
    "a\tb\nc\rd\r\n",
    "\\",
    "\\N",
    "\\.",
    "\\.\n",
    "\\x41\\101\\t",
    "NULL",
    "'; DROP TABLE rows_pages_g1; --",
    '"quoted", and (%s), %(name)s, :name, ?',
    "{}[],\x01\x1f\x7f\x85",
    "ﷺ עברית 漢字 e\u0301 \U0001f600 \u202e reversed",
    "x" * 300_000,
]


def stand_in(recorder: Recorder) -> Stand:
    with recorder.engine.execution_options(ledger_write=True).begin() as connection:
        make_generation(connection, pages, 1)
    return Stand.of(pages, 1)


def write(recorder: Recorder, stand: Stand, rows: list[Page], gone: list[tuple[str, ...]]) -> None:
    values = [pages.to_values(Line(row, "key", 1, 2, 3)) for row in rows]
    with recorder.engine.execution_options(ledger_write=True).begin() as connection:
        write_rows(connection, stand, pages.columns, values, gone)


def stored(recorder: Recorder, stand: Stand, keys: list[tuple[str, ...]]) -> dict[tuple[str, ...], Page]:
    with recorder.engine.connect() as connection:
        lines = [pages.to_fold(values) for values in read_rows(connection, stand, pages.stored_columns, keys)]
    assert all((line.partition_key, line.first_position, line.event_count) == ("key", 1, 3) for line in lines)
    return {pages.key_of(line.row): line.row for line in lines}


def test_hostile_text_in_every_place(recorder: Recorder) -> None:
    stand = stand_in(recorder)
    rows = [
        Page(
            book=text[:100],
            title=f"{number}{text[:100]}",
            text=text,
            number=number,
            open=bool(number % 2),
            notes=(text,),
        )
        for number, text in enumerate(HOSTILE)
    ]
    write(recorder, stand, rows, [])
    keys = [pages.key_of(row) for row in rows]
    assert stored(recorder, stand, keys) == dict(zip(keys, rows, strict=True))


def test_nothing_and_an_empty_text_are_told_apart(recorder: Recorder) -> None:
    stand = stand_in(recorder)
    rows = [Page(book="b", title="none"), Page(book="b", title="empty", text="")]
    write(recorder, stand, rows, [])
    found = stored(recorder, stand, [("b", "none"), ("b", "empty"), ("b", "missing")])
    assert [found["b", "none"].text, found["b", "empty"].text] == [None, ""]
    assert len(found) == 2


def test_more_rows_than_a_statement_takes_parameters(recorder: Recorder) -> None:
    stand = stand_in(recorder)
    rows = [Page(book=f"book {n % 7}", title=f"page {n}", number=n - 2**62) for n in range(2500)]
    write(recorder, stand, rows, [])
    keys = [pages.key_of(row) for row in rows]
    assert stored(recorder, stand, keys) == dict(zip(keys, rows, strict=True))
    changed = [msgspec.structs.replace(row, text="again") for row in rows[:1000]]
    write(recorder, stand, changed, keys[:1500])
    left = [*changed, *rows[1500:]]
    assert stored(recorder, stand, keys) == {pages.key_of(row): row for row in left}


def test_a_row_that_is_there_already_is_an_error_and_changes_nothing(recorder: Recorder) -> None:
    stand = stand_in(recorder)
    write(recorder, stand, [Page(book="b", title="t", number=1)], [])
    with pytest.raises(DBAPIError):
        write(recorder, stand, [Page(book="b", title="u"), Page(book="b", title="t", number=2)], [])
    found = stored(recorder, stand, [("b", "t"), ("b", "u")])
    assert {key: row.number for key, row in found.items()} == {("b", "t"): 1}
