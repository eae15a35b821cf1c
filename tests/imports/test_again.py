"""What comes again: the same resources, more of them, and resources that the source has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.aggregates.client import Client
from ledger.application.commands import Ledger
from ledger.imports.running import FileRefused
from ledger.store.codec import read


def later_encounter(bundle: Any, entry_of: Callable[..., tuple[int, Any]]) -> Any:
    """A bundle of the same client that holds only one encounter, two weeks after the last one."""
    index, encounter = entry_of(bundle, "Encounter", 5)
    encounter["id"] = "later-visit"
    encounter["period"] = {"start": "2025-11-18T09:00:00-08:00", "end": "2025-11-18T09:30:00-08:00"}
    entry = bundle["entry"][index]
    entry["fullUrl"] = "https://riverside-clinic.example/Encounter/later-visit"
    people = [e for e in bundle["entry"] if e["resource"]["resourceType"] in ("Patient", "Practitioner")]
    return {**bundle, "entry": [*people, entry]}


def test_a_later_bundle_of_the_same_client_adds_only_what_is_new(
    ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any], entry_of: Callable[..., tuple[int, Any]]
) -> None:
    bring(example())
    head = ledger.recorder.head()
    report = bring(later_encounter(example(), entry_of))
    assert report.events == {"contact.recorded": 1, "import.file_taken": 1}
    assert ledger.recorder.head() == head + 2
    assert bring(later_encounter(example(), entry_of)).appended == 0


def test_a_client_who_came_without_dates_is_known_when_dates_come(
    ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any]
) -> None:
    people = example()
    people["entry"] = [e for e in people["entry"] if e["resource"]["resourceType"] in ("Patient", "Practitioner")]
    assert bring(people).events == {"client.registered": 2, "import.file_taken": 1, "staff.registered": 2}
    assert bring(example()).repeated == 4
    assert bring(people).appended == 0


def test_a_changed_resource_is_named_and_the_file_refused(
    ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any], entry_of: Callable[..., tuple[int, Any]]
) -> None:
    bring(example())
    head = ledger.recorder.head()
    changed = example()
    patient_at, patient = entry_of(changed, "Patient")
    encounter_at, encounter = entry_of(changed, "Encounter", 1)
    patient["birthDate"] = "1984-04-13"
    encounter["period"]["end"] = "2025-09-09T14:55:00-07:00"
    with pytest.raises(FileRefused) as refused:
        bring(changed)
    fields = [reason.field for reason in refused.value.reasons]
    assert fields == [f"bundle.json: entry[{patient_at}].resource", f"bundle.json: entry[{encounter_at}].resource"]
    assert all("was imported before" in reason.message for reason in refused.value.reasons)
    assert ledger.recorder.head() == head


def test_one_practitioner_under_two_ids_is_one_staff_member(
    ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any], entry_of: Callable[..., tuple[int, Any]]
) -> None:
    bring(example())
    other = example()
    index, practitioner = entry_of(other, "Practitioner")
    old = other["entry"][index]["fullUrl"]
    new = "urn:uuid:00000000-0000-4000-8000-00000000abcd"
    practitioner["id"] = "another-id"
    other["entry"][index]["fullUrl"] = new
    for entry in other["entry"]:
        for participant in entry["resource"].get("participant", []):
            if participant["individual"]["reference"] == old:
                participant["individual"]["reference"] = new
    assert bring(other).appended == 0


def test_a_practitioner_named_by_identifier_is_found_in_the_store(
    ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any], entry_of: Callable[..., tuple[int, Any]]
) -> None:
    bring(example())
    later = later_encounter(example(), entry_of)
    later["entry"] = [e for e in later["entry"] if e["resource"]["resourceType"] != "Practitioner"]
    encounter = later["entry"][-1]["resource"]
    encounter["participant"][0]["individual"]["reference"] = (
        "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|1999999992"
    )
    assert bring(later).events == {"contact.recorded": 1, "import.file_taken": 1}
    encounter["participant"][0]["individual"]["reference"] = "Practitioner?identifier=urn:nobody|1"
    encounter["id"] = "third-visit"
    with pytest.raises(FileRefused, match=r"entry\[2\]\.resource: record-contact is refused: staff_id"):
        bring(later)


def test_a_death_closes_the_episode_on_its_day(
    ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any], entry_of: Callable[..., tuple[int, Any]]
) -> None:
    bring(example())
    died = example()
    entry_of(died, "Patient")[1]["deceasedDateTime"] = "2025-11-10"
    report = bring(died)
    assert report.events == {"client.episode_closed": 1, "import.file_taken": 1}
    row = ledger.recorder.read_log(0, 100)[-1]
    client = ledger.unit().find(Client, str(row.originator_id))
    assert client is not None
    assert [str(day) for day in client.closed.values()] == ["2025-11-10"]
    assert getattr(read(row).event, "reason") == "deceased"  # noqa: B009 - the event's type is not known here
