"""A whole command: load what it looks at, decide, append; several clients at once, beside appending the same events."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta

from benchmarks.bench import Bench
from benchmarks.measure import Timed, compare, percentile
from benchmarks.processes import at_once, sequencing
from benchmarks.result import Result, compared
from benchmarks.rows.append import writer
from ledger.aggregates.client_events import AssignCoordinator, OpenEpisode, RegisterClient
from ledger.aggregates.contact import RecordContact
from ledger.aggregates.note_events import DraftNote, NoteContent, SignNote
from ledger.aggregates.staff import PersonName, RecordCredential, RegisterStaff
from ledger.aggregates.vocabulary import Command
from ledger.application.commands import Ledger, Request
from ledger.clock import SeededIds
from ledger.store.database import open_store
from ledger.store.envelope import StoredRow

CHARTS = 10
_CONTENT = NoteContent(
    sections={
        "problem": "Could not sleep after the move, and missed two appointments because of it.",
        "intervention": "Went through sleep hygiene together and set up reminders for the appointments.",
        "response": "Was tired but followed, and named two things to try.",
        "plan": "Call on Thursday; next visit in a week.",
    },
    no_plan_reason="intake",
)


def contact_ids(name: str) -> SeededIds:
    """The ids of the contacts that a client records, in their order: so that a reader knows what to look for."""
    return SeededIds(f"benchmark/contacts/{name}")


class Clinician:
    """One client of the ledger: a clinician with some charts, registered when it is made."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self.ledger = ledger
        self._ids = SeededIds(f"benchmark/{name}")
        self._contacts = contact_ids(name)
        self.staff = self._ids.new()
        self._charts = [self._ids.new() for _ in range(CHARTS)]
        self._done = 0
        self._register()

    def _register(self) -> None:
        person = PersonName(family="Example", given="Robin")
        self.give(
            RegisterStaff(
                staff_id=self.staff, name=person, roles=("clinician",), programs=("psc",), hired_on=date(2024, 1, 1)
            )
        )
        self.give(
            RecordCredential(
                staff_id=self.staff,
                credential_id=self._ids.new(),
                credential_kind="lcsw",
                number="BENCH-1",
                issued_on=date(2024, 1, 1),
                taxonomy="1041C0700X",
            )
        )
        opened = self.ledger.clock.now().date() - timedelta(days=90)
        for number, chart in enumerate(self._charts):
            client = PersonName(family="Client", given=f"Number {number}")
            self.give(RegisterClient(client_id=chart, name=client, birth_date=date(1980, 1, 1)))
            self.give(OpenEpisode(client_id=chart, episode_id=self._ids.new(), program="psc", opened_on=opened))
            self.give(
                AssignCoordinator(
                    client_id=chart,
                    assignment_id=self._ids.new(),
                    staff_id=self.staff,
                    program="psc",
                    first_day=opened,
                )
            )

    def give(self, command: Command, actor: str = "system:setup") -> None:
        """Carry out one command under an id of its own."""
        request = Request(command=command, actor_id=actor, purpose="treatment", command_id=self._ids.new())
        self.ledger.execute(request)

    def contact(self) -> RecordContact:
        """The next service: half an hour that ended a while ago."""
        self._done += 1
        ended = self.ledger.clock.now() - timedelta(minutes=30 + self._done)
        return RecordContact(
            contact_id=self._contacts.new(),
            client_id=self._charts[self._done % CHARTS],
            staff_id=self.staff,
            program="psc",
            contact_kind="individual",
            started_at=ended - timedelta(minutes=30),
            ended_at=ended,
            direct_minutes=25,
        )

    def service(self) -> tuple[RecordContact, DraftNote, SignNote]:
        """The three commands of a service: the contact, its note, the signature."""
        contact = self.contact()
        note = self._ids.new()
        draft = DraftNote(note_id=note, contact_id=contact.contact_id, content=_CONTENT)
        return contact, draft, SignNote(note_id=note)


def whole_command(bench: Bench) -> Result:
    """Contacts recorded, notes drafted and signed by several clients; the events have their places at the end."""
    clients, services = bench.sizes.writers, bench.sizes.services
    count = clients * services * 4
    written: list[list[StoredRow]] = []
    seconds: list[float] = []

    def ours() -> Timed:
        url = bench.servers.database()
        registered = clients * (2 + 3 * CHARTS)
        with sequencing(url, registered + count) as sequencer:
            began, ended, took = at_once(client, [(url, number, services) for number in range(clients)])
            placed = sequencer.reached()
        seconds[:] = [one for each in took for one in each[1]]
        if not written:
            recorder = open_store(url)
            rows = recorder.read_log(0, registered + count)
            written.extend([row for row in rows if row.actor == staff] for staff, _ in took)
            recorder.engine.dispose()
        bench.servers.drop(url)
        return Timed(count, max(placed, ended) - began)

    def append_alone() -> Timed:
        url = bench.servers.database()
        with sequencing(url, count) as sequencer:
            began, ended, _ = at_once(writer, [(url, rows) for rows in written])
            placed = sequencer.reached()
        bench.servers.drop(url)
        return Timed(count, max(placed, ended) - began)

    ours()  # tells which events there are to append
    found = compare(ours, {"append of the same events": append_alone}, bench.sizes.repeats)
    alone = client(bench.servers.database(), 0, services)
    return compared(
        found,
        "command",
        f"whole command (load, decide, append), {clients} clients, PostgreSQL",
        0.5,
        unit="commands/s",
        events=count,
        shares=bench.profile("command", alone),
        limit="Python that loads and decides, eight processes on the machine's cores",
        notes=(
            f"a command took {percentile(seconds, 0.5) * 1000:.1f} ms (median) and "
            f"{percentile(seconds, 0.99) * 1000:.1f} ms (99 of 100), with {clients} clients at once",
        ),
    )


def client(url: str, number: int, services: int) -> Callable[[], tuple[str, list[float]]]:
    """A process that carries out so many services; answers with its staff id and what each command took."""
    recorder = open_store(url)
    clinician = Clinician(Ledger(recorder), f"client {number}")

    def work() -> tuple[str, list[float]]:
        seconds = []
        for _ in range(services):
            for command in clinician.service():
                began = time.perf_counter()
                clinician.give(command, clinician.staff)
                seconds.append(time.perf_counter() - began)
        recorder.engine.dispose()
        return clinician.staff, seconds

    return work
