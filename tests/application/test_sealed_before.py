"""The newest checkpoint is read when a command is handled: once for what is appended together, anew for the next."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.tracing.clinic import Clinic, at
from tests.tracing.sealing import Parties

from ledger.aggregates.note_events import AddAddendum, AddendumAdded, CosignNote
from ledger.aggregates.sealing import SealedBefore, SealedCheckpoint
from ledger.application.commands import Request
from ledger.store.codec import read


@pytest.fixture
def clinic(database_url: str) -> Clinic:
    clinic = Clinic(database_url)
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.sign(at("2026-11-23 11:00"))
    clinic.recorder.sequence()
    return clinic


def asked(clinic: Clinic, *, cosign: bool = False) -> list[Request]:
    commands = [AddAddendum(note_id=clinic.note, addendum_id=clinic.new(), text="more") for _ in range(2)]
    requests = [
        Request(command=command, actor_id=clinic.author, purpose="treatment", command_id=clinic.new())
        for command in commands
    ]
    if cosign:
        command = CosignNote(note_id=clinic.note)
        requests.append(Request(command=command, actor_id=clinic.supervisor, purpose="treatment", command_id="cosign"))
    return requests


def carried(clinic: Clinic) -> list[SealedBefore]:
    clinic.recorder.sequence()
    rows = [row for row in clinic.recorder.read_log(0, 1000) if row.topic == AddendumAdded.TYPE]
    return [event.sealed_before for row in rows if isinstance(event := read(row).event, AddendumAdded)]


def test_what_is_appended_together_carries_one_checkpoint_and_the_next_the_newer_one(
    clinic: Clinic, tmp_path: Path
) -> None:
    parties = Parties(clinic.recorder, tmp_path, clinic.clock)
    clinic.ledger.execute_batch(asked(clinic))
    assert carried(clinic) == [msgspec.UNSET, msgspec.UNSET]
    first = parties.seal()
    clinic.ledger.execute_batch(asked(clinic, cosign=True))
    one = SealedCheckpoint(size=first.size, root=first.root.hex())
    assert carried(clinic)[2:] == [one, one]
    second = parties.seal(at("2026-11-23 12:00"))
    for request in asked(clinic):
        clinic.ledger.execute(request)
    sizes = [each.size for each in carried(clinic)[4:] if isinstance(each, SealedCheckpoint)]
    assert sizes == [second.size, second.size]
    last = carried(clinic)[-1]
    assert isinstance(last, SealedCheckpoint)
    assert (last.vouched_size, len(last.vouchers)) == (second.size, 1)


def test_a_retried_signature_gives_its_first_result_whatever_was_sealed_since(clinic: Clinic, tmp_path: Path) -> None:
    (request, _) = asked(clinic)
    result = clinic.ledger.execute(request)
    clinic.recorder.sequence()
    Parties(clinic.recorder, tmp_path, clinic.clock).seal()
    again = clinic.ledger.execute(request)
    assert (again.events, again.repeated) == (result.events, True)
    assert carried(clinic) == [msgspec.UNSET]
