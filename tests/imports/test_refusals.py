"""A broken file is refused whole, with the place of every fault, and the store is as before."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.application.commands import Ledger
from ledger.errors import BadInput
from ledger.imports.running import FileRefused
from ledger.store.codec import read

Change = Callable[[Any], None]


def at(kind: str, number: int, change: Change) -> Callable[[Any, Any], int]:
    """Change the n-th resource of a kind; answers its index."""

    def apply(bundle: Any, entry_of: Any) -> int:
        index, resource = entry_of(bundle, kind, number)
        change(resource)
        return int(index)

    return apply


def put(path: str, value: Any) -> Change:
    """Set a value deep inside a resource: ``period.start``, ``name.0.family``."""
    steps = [int(step) if step.isdigit() else step for step in path.split(".")]

    def change(resource: Any) -> None:
        for step in steps[:-1]:
            resource = resource[step]
        resource[steps[-1]] = value

    return change


def drop(path: str) -> Change:
    steps = [int(step) if step.isdigit() else step for step in path.split(".")]

    def change(resource: Any) -> None:
        for step in steps[:-1]:
            resource = resource[step]
        del resource[steps[-1]]

    return change


FAULTS: list[tuple[str, int, Change, str, str]] = [
    ("Encounter", 2, put("period.start", "2025-09-16T11:00:00"), ".period.start", "has no UTC offset"),
    (
        "Encounter",
        2,
        put("period.start", "2025-02-30T11:00:00Z"),
        ".period.start",
        "not a date or time of the calendar",
    ),
    ("Encounter", 2, put("period.start", "yesterday"), ".period.start", "is not a dateTime"),
    ("Encounter", 2, put("period.start", 20250916), ".period.start", "a dateTime is text"),
    ("Encounter", 2, put("period.start", "0001-01-01T00:00:00Z"), ".period.start", "outside what a record can hold"),
    ("Encounter", 2, put("period.end", "2025-09-16T10:00:00-07:00"), ".period.end", "before the period's start"),
    ("Encounter", 2, put("period.end", "2099-01-01T10:00:00-07:00"), "", "in the future"),
    ("Encounter", 2, put("period", "soon"), ".period", "is not an object"),
    ("Encounter", 2, put("id", "a b/../c"), ".id", "is not an id"),
    ("Encounter", 2, drop("status"), ".status", "is missing"),
    ("Encounter", 2, drop("class"), ".class", "is missing"),
    ("Encounter", 2, put("subject.reference", "urn:uuid:gone"), ".subject.reference", "names no Patient"),
    (
        "Encounter",
        2,
        put("participant.0.individual.reference", "Practitioner/gone"),
        ".participant[0].individual.reference",
        "names nothing in this bundle",
    ),
    ("Encounter", 2, put("participant", {}), ".participant", "is not a list"),
    ("Patient", 1, drop("birthDate"), ".birthDate", "is missing"),
    ("Patient", 1, put("birthDate", "1991"), ".birthDate", "is not a full date"),
    ("Patient", 1, put("birthDate", None), ".birthDate", "is null"),
    ("Patient", 1, put("gender", "yes"), ".gender", "is not an administrative gender"),
    ("Patient", 1, put("name", []), ".name", "needs at least 1"),
    ("Patient", 1, drop("name.0.family"), ".name[0].family", "is missing"),
    ("Patient", 1, put("name.0.family", 7), ".name[0].family", "Not a valid string"),
    ("Patient", 1, put("name.0.family", "  "), ".name[0].family", "is empty"),
    ("Patient", 1, put("name.0.family", "a\u0000b"), ".name[0].family", "control character U+0000 at character 2"),
    ("Patient", 1, put("name.0.given.0", "\u001b[31mred"), ".name[0].given[0]", "control character U+001B"),
    ("Patient", 1, put("address.0.line.0", "a\u0008"), ".address[0].line[0]", "control character U+0008"),
    ("Patient", 1, put("name.0.family", "x" * 201), ".name[0].family", "at most 200"),
    ("Patient", 1, put("deceasedDateTime", "2025-01-01"), ".deceasedDateTime", "before the first contact"),
    ("Practitioner", 1, drop("name"), ".name", "is missing"),
    ("Condition", 1, put("abatementDateTime", "2024-01-01"), ".abatementDateTime", "before the onset"),
    ("Condition", 2, put("onsetDateTime", "2099-01-01"), "", "in the future"),
    ("Condition", 1, put("code.coding.0.code", ["F10"]), ".code.coding[0].code", "Not a valid string"),
    ("CarePlan", 0, put("goal.1.reference", "urn:uuid:gone"), ".goal[1].reference", "names no Goal"),
    ("CarePlan", 1, put("period.end", "2025-10-01"), ".period.end", "before the start"),
]


@pytest.mark.parametrize(("kind", "number", "change", "place", "words"), FAULTS)
def test_a_fault_in_a_resource_is_named_with_its_place(
    ledger: Ledger,
    example: Callable[[], Any],
    bring: Callable[..., Any],
    entry_of: Callable[..., tuple[int, Any]],
    kind: str,
    number: int,
    change: Change,
    place: str,
    words: str,
) -> None:
    bundle = example()
    index = at(kind, number, change)(bundle, entry_of)
    with pytest.raises(FileRefused) as refused:
        bring(bundle, "broken.json.gz")
    found = {reason.field: reason.message for reason in refused.value.reasons}
    assert words in found[f"broken.json.gz: entry[{index}].resource{place}"]
    assert refused.value.exit_code == 2
    assert ledger.recorder.head() == 0


def test_all_faults_are_told_at_once(
    ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any], entry_of: Callable[..., tuple[int, Any]]
) -> None:
    bundle = example()
    first = at("Encounter", 0, put("period.end", "2025-09-02T10:30:00"))(bundle, entry_of)
    second = at("Patient", 0, drop("birthDate"))(bundle, entry_of)
    with pytest.raises(FileRefused) as refused:
        bring(bundle)
    assert {reason.field for reason in refused.value.reasons} == {
        f"bundle.json: entry[{first}].resource.period.end",
        f"bundle.json: entry[{second}].resource.birthDate",
    }
    assert ledger.recorder.head() == 0


def test_a_url_that_comes_twice_or_is_malformed_is_refused(
    ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any]
) -> None:
    twice = example()
    twice["entry"][6]["fullUrl"] = twice["entry"][5]["fullUrl"]
    with pytest.raises(FileRefused, match=r"entry\[6\]\.resource: .* comes twice, first at entry\[5\]"):
        bring(twice)
    malformed = example()
    malformed["entry"][6]["fullUrl"] = "urn:uuid:not-one"
    with pytest.raises(FileRefused, match=r"entry\[6\]\.fullUrl"):
        bring(malformed)
    assert ledger.recorder.head() == 0


FILES: list[tuple[str, bytes, str]] = [
    ("empty", b"", r"line 1 column 1"),
    ("cut off", b'{"resourceType": "Bundle",\n "entry": [{"full', r"line 2 column 13: Unterminated string"),
    ("cut off later", b'{"resourceType": "Bundle",\n "entry": [', r"line 2 column 12: .*was it cut off"),
    ("not JSON", b'{"resourceType": "Bundle",\n oops}', r"line 2 column 2"),
    ("not UTF-8", b'{"resourceType": "B\xff"}', r"line 1 byte 20: this is not UTF-8"),
    ("not a number", b'{"a": NaN}', r"NaN is not JSON"),
    ("half a character", b'{"type": "\\ud800"}', r"line 1 column 11: \\ud800 is half a character"),
    ("too deep", b'{"x":' + b"[" * 200_000, r"nested too deeply"),
    ("a list", b"[]", r"the file: Expected `object`, got `array`"),
    ("another resource", b'{"resourceType": "Patient"}', r"resourceType: this is not a FHIR Bundle"),
    ("another bundle", b'{"resourceType": "Bundle", "type": "batch"}', r"type: 'batch' is not taken"),
    ("entries of another kind", b'{"resourceType": "Bundle", "type": "transaction", "entry": [3]}', r"entry\[0\]"),
    (
        "a resource of another kind",
        b'{"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": {"resourceType": 7}}]}',
        r"entry\[0\]\.resource\.resourceType: int is not a resource type",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "words"), FILES, ids=[name for name, *_ in FILES])
def test_a_file_that_is_no_bundle_is_refused_with_the_place(
    ledger: Ledger, bring: Callable[..., Any], name: str, content: bytes, words: str
) -> None:
    with pytest.raises(BadInput, match=rf"bundle\.json: .*{words}") as refused:
        bring(content)
    assert refused.value.exit_code == 2
    assert ledger.recorder.head() == 0


def test_broken_gzip_is_refused(ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any]) -> None:
    whole = gzip.compress(json.dumps(example()).encode())
    for cut in (3, 11, len(whole) // 2, len(whole) - 1):
        with pytest.raises(BadInput, match=r"b\.json\.gz: the gzip data is cut off after [\d,]+ decompressed bytes"):
            bring(whole[:cut], "b.json.gz")
    damaged = bytearray(whole)
    damaged[-6] ^= 0xFF
    with pytest.raises(BadInput, match=r"the gzip data is damaged"):
        bring(bytes(damaged), "b.json.gz")
    assert ledger.recorder.head() == 0


def test_a_file_that_unfolds_beyond_the_limit_is_refused(ledger: Ledger, bring: Callable[..., Any]) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(BadInput, match=r"holds more than 1,000,000 bytes once decompressed"):
        bring(bomb, "bomb.json.gz", limit=1_000_000)
    with pytest.raises(BadInput, match=r"holds more than 1,000,000 bytes; split it"):
        bring(b" " * 1_000_001, limit=1_000_000)
    assert ledger.recorder.head() == 0


HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE events; --",
    '{"_type_": "os.system", "_data_": "id"}',
    "{{7*7}} ${jndi:ldap://x} %s %n",
    "\u202egnirts desrever",
    "مرحبا بالعالم",
    "山田 太郎 🧑‍⚕️",
    "=cmd|' /C calc'!A0",
    "tab\tand\nline",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_kept_as_the_text_it_is(
    ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any], entry_of: Callable[..., Any], text: str
) -> None:
    bundle = example()
    at("Patient", 0, put("name.0.family", text))(bundle, entry_of)
    at("Condition", 0, put("code.text", text))(bundle, entry_of)
    at("Goal", 0, put("description.text", text))(bundle, entry_of)
    bring(bundle)
    events = [read(row).event for row in ledger.recorder.read_log(0, 100)]
    assert text in [e.name.family for e in events if e.TYPE == "client.registered"]  # type: ignore[attr-defined]
    assert text in [e.display for e in events if e.TYPE == "client.diagnosis_recorded"]  # type: ignore[attr-defined]
    assert text in [e.goals[0].text for e in events if e.TYPE == "plan.drafted"]  # type: ignore[attr-defined]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_an_element_the_file_is_taken_or_refused_by_name(
    ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any], data: st.DataObject
) -> None:
    """One element, anywhere in the bundle, holds anything: never a traceback, never half a file."""
    bundle = example()
    place: Any = bundle["entry"][data.draw(st.integers(0, len(bundle["entry"]) - 1), label="entry")]
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys), label="element")
        inside = place[key]
        if not isinstance(inside, dict | list) or not inside or data.draw(st.booleans(), label="stop"):
            break
        place = inside
    place[key] = data.draw(anything, label="value")
    head = ledger.recorder.head()
    try:
        report = bring(bundle)
    except BadInput as fault:
        appended, said = 0, str(fault)
    else:
        appended, said = report.appended, "bundle.json: taken"
    assert said.startswith("bundle.json: ")
    assert ledger.recorder.head() == head + appended
