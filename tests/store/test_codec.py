"""Payloads come back as they went in, whatever they hold; what cannot be read is named; older schemas are raised."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.agency import give, named, said, small_agency, stored

from ledger.aggregates import vocabulary
from ledger.aggregates.client_events import OpenEpisode
from ledger.aggregates.note_events import NoteContent, NoteContentWritten
from ledger.aggregates.vocabulary import Event, check_upcasters, event, upcaster
from ledger.application.commands import Ledger
from ledger.errors import Refused
from ledger.store.codec import UnreadableEvent, decode_payload, encode_payload, read
from ledger.store.envelope import MAX_PAYLOAD_BYTES
from ledger.store.recorder import Recorder

HOSTILE = (
    '{"_type_": "uuid_hex", "_data_": "6b1f0f0e3c555b0c9a531b7f6f8a2d10"}',
    '{"_type_": "datetime_iso", "_data_": "2026-01-01"}',
    '{"type": "note.signed"}',
    "'; DROP TABLE events; --",
    "%(name)s %s {0} ${x} :position",
    "<script>alert(1)</script>",
    "\u2028\u202e\ufeff😀",
)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(HOSTILE)
#: What commands let through: no control characters but tab and line ends.
WRITTEN = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r"), min_size=1, max_size=60)
TEXTS = WRITTEN | st.sampled_from(HOSTILE)


@given(text=ANY)
def test_any_text_comes_back(text: str) -> None:
    payload = encode_payload(said("a", text))
    assert decode_payload("note.addendum_added", 1, payload) == said("a", text)


@given(sections=st.dictionaries(TEXTS, TEXTS, max_size=5), reason=st.none() | TEXTS)
def test_whatever_a_user_writes_comes_back(sections: dict[str, str], reason: str | None) -> None:
    content = NoteContent(sections=sections, no_plan_reason=reason)
    written = NoteContentWritten(client_id=named("c"), contact_id=named("k"), content=content)
    payload = encode_payload(written)
    assert decode_payload(written.TYPE, 1, payload) == written
    assert encode_payload(decode_payload(written.TYPE, 1, payload)) == payload


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_through_a_database(recorder: Recorder, text: str) -> None:
    written = NoteContentWritten(
        client_id=named("c"), contact_id=named("k"), content=NoteContent(sections={text: text, "_type_": text})
    )
    recorder.insert_events([stored(written, stream="a", version=1, chart="c")])
    recorder.sequence()
    assert read(recorder.read_log(0, 1)[0]).event == written


def test_a_payload_cannot_choose_its_type() -> None:
    other = {"type": "note.signed", "_type_": "note.signed"}
    payload = msgspec.json.encode(msgspec.to_builtins(said("a", "x")) | other)
    assert decode_payload("note.addendum_added", 1, payload) == said("a", "x")


@pytest.mark.parametrize(
    ("type_name", "schema", "payload", "words"),
    [
        ("tomorrow.happened", 1, b"{}", "knows no event type"),
        ("note.addendum_added", 2, b"{}", "reads up to 1"),
        ("note.addendum_added", 0, b"{}", "does not read"),
        ("note.addendum_added", 1, b"{}", "missing required field"),
        ("note.addendum_added", 1, b"[]", "Expected `object`"),
        ("note.addendum_added", 1, b"", "truncated"),
        ("note.addendum_added", 1, b"\xff", "malformed"),
        ("note.addendum_added", 1, b'{"client_id": "\xff"}', "UnicodeDecodeError"),
        ("note.addendum_added", 1, b'{"more": ' + b"[" * 100_000, "RecursionError|truncated"),
        ("note.addendum_added", 1, b'{"client_id": 7}', "Expected `str`"),
    ],
)
def test_what_cannot_be_read_is_named(type_name: str, schema: int, payload: bytes, words: str) -> None:
    with pytest.raises(UnreadableEvent, match=words):
        decode_payload(type_name, schema, payload)


def test_an_unreadable_event_stops_the_command_and_not_the_log(sqlite_ledger: Ledger) -> None:
    (chart,) = small_agency(sqlite_ledger, clients=1, contacts=0)
    recorder = sqlite_ledger.recorder
    version = recorder.stream_version(chart) + 1
    row = stored(said("a", "x"), stream="a", version=version, type_name="client.cloned")
    recorder.insert_events([replace(row, originator_id=chart, key=chart, chart_id=chart)])
    later = Ledger(recorder, clock=sqlite_ledger.clock, ids=sqlite_ledger.ids)
    command = OpenEpisode(client_id=chart, episode_id=later.ids.new(), program="ecm", opened_on=date(2026, 1, 2))
    with pytest.raises(UnreadableEvent, match=r"client\.cloned"):
        give(later, command)
    assert recorder.stream_version(chart) == version
    assert recorder.read_chart(chart)[-1].topic == "client.cloned"


def test_an_event_has_a_greatest_size() -> None:
    room = MAX_PAYLOAD_BYTES - len(encode_payload(said("a", "")))
    assert len(encode_payload(said("a", "x" * room))) == MAX_PAYLOAD_BYTES
    with pytest.raises(Refused, match="at most"):
        encode_payload(said("a", "x" * (room + 1)))


@pytest.fixture
def vocabulary_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events and upcasters registered in a test are gone after it."""
    monkeypatch.setattr(vocabulary, "_events", dict(vocabulary._events))
    monkeypatch.setattr(vocabulary, "_upcasters", dict(vocabulary._upcasters))


@pytest.mark.usefixtures("vocabulary_of_its_own")
def test_older_schemas_are_raised_step_by_step() -> None:
    @event("garden.watered", schema=3)
    class Watered(Event, frozen=True, kw_only=True):
        litres: int
        at: datetime
        beds: tuple[str, ...]

    with pytest.raises(TypeError, match="nothing upcasts schema 1"):
        check_upcasters()

    @upcaster("garden.watered", 1)
    def to_litres(payload: dict[str, object]) -> dict[str, object]:
        return {"litres": int(str(payload["millilitres"])) // 1000, "at": payload["at"], "bed": payload["bed"]}

    with pytest.raises(TypeError, match="nothing upcasts schema 2"):
        check_upcasters()

    @upcaster("garden.watered", 2)
    def to_beds(payload: dict[str, object]) -> dict[str, object]:
        return {"litres": payload["litres"], "at": payload["at"], "beds": [payload["bed"]]}

    check_upcasters()
    watered = Watered(litres=4, at=datetime(2026, 1, 1, tzinfo=UTC), beds=("roses",))
    first = b'{"millilitres":4200,"at":"2026-01-01T00:00:00Z","bed":"roses"}'
    assert decode_payload("garden.watered", 1, first) == watered
    second = b'{"litres":4,"at":"2026-01-01T00:00:00Z","bed":"roses"}'
    assert decode_payload("garden.watered", 2, second) == watered
    assert decode_payload("garden.watered", 3, encode_payload(watered)) == watered
    for payload in (b'{"litres":4}', b"[]", b'{"millilitres":"much","at":"2026-01-01T00:00:00Z","bed":"x"}'):
        with pytest.raises(UnreadableEvent, match="schema 1"):
            decode_payload("garden.watered", 1, payload)
    with pytest.raises(TypeError, match="two upcasters"):
        upcaster("garden.watered", 1)(to_litres)


@pytest.mark.usefixtures("vocabulary_of_its_own")
@pytest.mark.parametrize(("name", "version"), [("garden.dug", 1), ("note.addendum_added", 1)])
def test_an_upcaster_that_leads_nowhere_is_found(name: str, version: int) -> None:
    upcaster(name, version)(lambda payload: payload)
    with pytest.raises(TypeError, match="leads nowhere"):
        check_upcasters()


def test_the_chains_of_this_release_are_whole() -> None:
    check_upcasters()
