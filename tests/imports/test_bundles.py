"""Sixteen bundles made by Synthea come in whole, once, and every resource is either taken or counted by name."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.aggregates.contact import ContactRecorded
from ledger.aggregates.plan_events import PlanDrafted
from ledger.application.commands import Ledger
from ledger.imports.running import import_fhir_file, total_of
from ledger.store.codec import read

Resource = dict[str, Any]


def resources(files: list[Path]) -> list[Resource]:
    """Every resource of the files, read with nothing of ours."""
    found: list[Resource] = []
    for file in files:
        raw = file.read_bytes()
        bundle = json.loads(gzip.decompress(raw) if file.suffix == ".gz" else raw)
        found += [entry["resource"] for entry in bundle["entry"]]
    return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_all_bundles_come_in_and_every_resource_is_accounted_for(ledger: Ledger, fhir_files: list[Path]) -> None:
    sent = resources(fhir_files)
    reports = [
        import_fhir_file(ledger, file, actor="system:setup", program="psc", purpose="operations") for file in fhir_files
    ]
    total = total_of(reports)

    by_type: dict[str, list[Resource]] = {}
    for resource in sent:
        by_type.setdefault(resource["resourceType"], []).append(resource)
    served = [e for e in by_type["Encounter"] if any("individual" in p for p in e.get("participant", []))]
    npis = {i["value"] for p in by_type["Practitioner"] for i in p["identifier"] if i["system"].endswith("us-npi")}
    expected = {
        "client.registered": len(by_type["Patient"]),
        "client.episode_opened": len(by_type["Patient"]),
        "client.episode_closed": sum("deceasedDateTime" in p for p in by_type["Patient"]),
        "staff.registered": len(npis),
        "contact.recorded": len(served),
        "client.diagnosis_recorded": len(by_type["Condition"]),
        "client.diagnosis_resolved": sum("abatementDateTime" in c for c in by_type["Condition"]),
        "plan.drafted": len(by_type["CarePlan"]),
        "plan.put_in_force": len(by_type["CarePlan"]),
        "plan.ended": sum("end" in c["period"] for c in by_type["CarePlan"]),
        "import.file_taken": len(fhir_files),
    }
    assert total.events == expected
    rows = ledger.recorder.read_log(0, 1_000_000)
    assert Counter(row.topic for row in rows) == expected
    assert len(rows) == ledger.recorder.head() == total.appended

    kept = {"Patient", "Practitioner", "Encounter", "Condition", "CarePlan", "Goal"}
    assert total.taken == {kind: len(served if kind == "Encounter" else by_type[kind]) for kind in kept}
    assert {(left.resource, left.why): left.count for left in total.not_taken} == {
        **{(kind, ""): len(found) for kind, found in by_type.items() if kind not in kept},
        ("Encounter", "without a practitioner"): len(by_type["Encounter"]) - len(served),
    }
    assert sum(total.taken.values()) + sum(left.count for left in total.not_taken) == len(sent)


def test_contacts_keep_the_source_times_and_are_late_entries(ledger: Ledger, fhir_files: list[Path]) -> None:
    files = fhir_files[:6]
    for file in files:
        import_fhir_file(ledger, file, actor="system:setup", program="psc", purpose="operations")
    sent = Counter(
        (moment(e["period"]["start"]), moment(e["period"]["end"]), e["type"][0]["text"], e["class"]["code"] == "IMP")
        for e in resources(files)
        if e["resourceType"] == "Encounter" and "participant" in e
    )
    stored: Counter[tuple[datetime, datetime, str | None, bool]] = Counter()
    for row in ledger.recorder.read_log(0, 1_000_000):
        event = read(row).event
        if not isinstance(event, ContactRecorded):
            continue
        stored[event.started_at, event.ended_at, event.outcome, event.place == "21"] += 1
        span = event.ended_at - event.started_at
        stay = event.place == "21" or span > timedelta(hours=24)
        assert event.direct_minutes == (0 if stay else span.total_seconds() // 60)
        assert event.late_entry
        assert event.contact_kind == "visit"
        assert event.source == "fhir:https://github.com/synthetichealth/synthea"
        assert row.occurred == event.ended_at < row.recorded
        assert row.actor == "system:import"
    assert stored == sent
    assert any(stay for *_, stay in sent), "the bundles hold stays, which this test must see"


def test_plans_hold_the_goals_and_activities_of_the_care_plans(ledger: Ledger, fhir_files: list[Path]) -> None:
    for file in fhir_files:
        import_fhir_file(ledger, file, actor="system:setup", program="psc", purpose="operations")
    sent = [r for r in resources(fhir_files) if r["resourceType"] == "CarePlan"]
    plans = [e for row in ledger.recorder.read_log(0, 1_000_000) if isinstance(e := read(row).event, PlanDrafted)]
    assert Counter(len(plan.goals) for plan in plans) == Counter(len(plan.get("goal", [])) or 1 for plan in sent)
    activities = Counter(a["detail"]["code"]["text"] for plan in sent for a in plan.get("activity", []))
    assert Counter(i.text for plan in plans for goal in plan.goals for i in goal.interventions) == activities
    described = {r["description"]["text"] for r in resources(fhir_files) if r["resourceType"] == "Goal"}
    assert described <= {goal.text for plan in plans for goal in plan.goals}


def test_a_second_import_changes_nothing(ledger: Ledger, fhir_files: list[Path]) -> None:
    first = [
        import_fhir_file(ledger, file, actor="system:setup", program="psc", purpose="operations") for file in fhir_files
    ]
    head = ledger.recorder.head()
    second = [
        import_fhir_file(ledger, file, actor="system:setup", program="psc", purpose="operations")
        for file in reversed(fhir_files)
    ]
    assert ledger.recorder.head() == head > 0
    for before, after in zip(first, reversed(second), strict=True):
        assert after.appended == after.commands == 0
        assert after.repeated == before.commands + before.repeated
        assert (after.taken, after.not_taken) == (before.taken, before.not_taken)


def test_the_order_of_the_files_does_not_change_what_is_recorded(
    tmp_path: Path, fhir_files: list[Path], lines_of: Callable[[str], list[Any]]
) -> None:
    from ledger.store.database import open_store

    found = []
    for name, files in (("one", fhir_files), ("other", fhir_files[::-1])):
        url = f"sqlite:///{tmp_path / name}.db"
        recorder = open_store(url)
        for file in files:
            import_fhir_file(Ledger(recorder), file, actor="system:setup", program="psc", purpose="operations")
        recorder.engine.dispose()
        found.append(sorted(lines_of(url)))
    assert found[0] == found[1]


def test_the_example_bundle_shows_every_kind_of_resource(
    ledger: Ledger, example: Callable[[], Any], bring: Callable[..., Any]
) -> None:
    report = bring(example(), "example.json.gz")
    assert report.taken == {
        "CarePlan": 2,
        "Condition": 3,
        "Encounter": 10,
        "Goal": 2,
        "Patient": 2,
        "Practitioner": 2,
    }
    assert {(left.resource, left.why): left.count for left in report.not_taken} == {
        ("Encounter", "its status is cancelled"): 1,
        ("Encounter", "without a practitioner"): 1,
        ("Observation", ""): 1,
        ("Organization", ""): 1,
    }
    plan = next(e for row in ledger.recorder.read_log(0, 100) if isinstance(e := read(row).event, PlanDrafted))
    assert [goal.number for goal in plan.goals] == ["1", "2"]
    assert plan.goals[0].objectives[0].target == "<= 9 points"
    assert plan.goals[0].objectives[0].due == date(2026, 3, 1)
    assert [i.frequency for i in plan.goals[0].interventions] == ["weekly", "twice a month"]
