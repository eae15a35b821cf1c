"""A client and their chart: who they are, their episodes, who coordinates their care, their diagnoses.

The client's id is the chart's id. What can happen stands in ``client_events``.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from ledger.aggregates.base import Aggregate, Given, check_something_changes, decides
from ledger.aggregates.bounds import check_age, check_not_ancient
from ledger.aggregates.client_events import (
    AssignCoordinator,
    ClientDetailsCorrected,
    ClientRegistered,
    CloseEpisode,
    CoordinatorAssigned,
    CoordinatorReleased,
    CorrectClientDetails,
    DiagnosisRecorded,
    DiagnosisResolved,
    EpisodeClosed,
    EpisodeOpened,
    OpenEpisode,
    RecordDiagnosis,
    RegisterClient,
    ReleaseCoordinator,
    ResolveDiagnosis,
)
from ledger.aggregates.days import day_of, first_moment, today
from ledger.aggregates.programs import check_program
from ledger.aggregates.staff import Staff
from ledger.aggregates.vocabulary import Command, Event
from ledger.errors import Reasons
from ledger.policies.code_systems import code_systems

#: What can be corrected.
_DETAILS = ("name", "birth_date", "sex", "cin", "address", "phone", "language")


class Client(Aggregate):
    """One client; the stream that begins the chart. Keyed by the client's id."""

    KIND = "client"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.chart_id = identifier
        #: The details as they stand: those that were given, by name.
        self.details: dict[str, Any] = {}
        self.episodes: dict[str, EpisodeOpened] = {}
        self.closed: dict[str, date] = {}
        self.assignments: dict[str, CoordinatorAssigned] = {}
        self.released: dict[str, date] = {}
        self.diagnoses: dict[str, DiagnosisRecorded] = {}
        self.resolved: dict[str, date] = {}

    @property
    def name(self) -> str:
        return str(self.details.get("name", ""))

    @property
    def birth_date(self) -> date:
        born: date = self.details.get("birth_date", date.min)
        return born

    @property
    def cin(self) -> str | None:
        return self.details.get("cin")

    def apply(self, event: Event, occurred_at: datetime) -> None:
        match event:
            case ClientRegistered() | ClientDetailsCorrected():
                self.details |= {name: value for name in _DETAILS if (value := getattr(event, name)) is not None}
            case EpisodeOpened():
                self.episodes[event.episode_id] = event
            case EpisodeClosed():
                self.closed[event.episode_id] = event.closed_on
            case CoordinatorAssigned():
                self.assignments[event.assignment_id] = event
            case CoordinatorReleased():
                self.released[event.assignment_id] = event.last_day
            case DiagnosisRecorded():
                self.diagnoses[event.diagnosis_id] = event
            case DiagnosisResolved():
                self.resolved[event.diagnosis_id] = event.resolved_on
            case _:
                raise TypeError(f"a client's stream cannot hold {event.TYPE}")

    def not_before(self, command: Command, given: Given) -> tuple[datetime, str] | None:
        """An episode closes after it has opened; a diagnosis is resolved after its onset."""
        if isinstance(command, CloseEpisode) and (episode := self.episodes.get(command.episode_id)):
            return first_moment(given, episode.opened_on), "the episode opened"
        if isinstance(command, ResolveDiagnosis) and (diagnosis := self.diagnoses.get(command.diagnosis_id)):
            return first_moment(given, diagnosis.onset), "it had its onset"
        return None

    def episode_on(self, program: str, day: date) -> EpisodeOpened | None:
        """The episode of a program that a service on ``day`` falls into."""
        for episode in self.episodes.values():
            closed = self.closed.get(episode.episode_id)
            if episode.program == program and episode.opened_on <= day and (closed is None or day <= closed):
                return episode
        return None

    def coordinators_on(self, day: date) -> tuple[str, ...]:
        """The staff ids of everybody assigned to this client on a day."""
        return tuple(
            a.staff_id
            for a in self.assignments.values()
            if a.first_day <= day and day <= self.released.get(a.assignment_id, date.max)
        )

    def _coordinates(self, staff_id: str, program: str, day: date) -> bool:
        """Whether somebody is assigned in a program on a day: assigned twice, a client would count twice (PSC-16)."""
        return any(
            a.staff_id == staff_id
            and a.program == program
            and a.first_day <= day <= self.released.get(a.assignment_id, date.max)
            for a in self.assignments.values()
        )

    def diagnoses_on(self, day: date) -> tuple[DiagnosisRecorded, ...]:
        """The diagnoses on the list on a day, in the order they were recorded."""
        return tuple(
            d for d in self.diagnoses.values() if d.onset <= day and day <= self.resolved.get(d.diagnosis_id, date.max)
        )

    @decides(RegisterClient, on="client_id", creates=True)
    def register(self, command: RegisterClient, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(
            command.birth_date <= today(given), "birth_date", "the birth date is in the future", "check the year"
        )
        happened = day_of(given, given.occurred_at)
        reasons.unless(
            command.birth_date <= happened or command.birth_date > today(given),
            "birth_date",
            f"the registration is said to have happened on {happened}, before it",
            "check the birth date and occurred_at",
        )
        check_age(reasons, given, command.birth_date)
        reasons.refuse_if_any()
        self.record(
            ClientRegistered(
                name=command.name,
                birth_date=command.birth_date,
                sex=command.sex,
                cin=command.cin,
                identifiers=command.identifiers,
                address=command.address,
                phone=command.phone,
                language=command.language,
                source=command.source,
                late_entry=command.late_entry,
            ),
            given.occurred_at,
        )

    @decides(CorrectClientDetails, on="client_id")
    def correct_details(self, command: CorrectClientDetails, given: Given) -> None:
        told = {name: value for name in _DETAILS if (value := getattr(command, name)) is not None}
        changes = {name: value for name, value in told.items() if value != self.details.get(name)}
        reasons = Reasons()
        reasons.unless(bool(told), "name", "nothing to correct was given", "give at least one changed field")
        check_something_changes(reasons, told, changes)
        if command.birth_date is not None:
            check_age(reasons, given, command.birth_date)
        reasons.unless(
            command.birth_date is None or command.birth_date <= today(given),
            "birth_date",
            "the birth date is in the future",
            "check the year",
        )
        first = min((episode.opened_on for episode in self.episodes.values()), default=date.max)
        reasons.unless(
            command.birth_date is None or command.birth_date <= first or command.birth_date > today(given),
            "birth_date",
            f"an episode was opened on {first}",
            "check the year, or correct the episode first",
        )
        reasons.refuse_if_any()
        self.record(ClientDetailsCorrected(reason=command.reason, **changes), given.occurred_at)

    @decides(OpenEpisode, on="client_id", parts=("episode_id",))
    def open_episode(self, command: OpenEpisode, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(command.episode_id not in self.episodes, "episode_id", "this episode was opened before")
        check_program(reasons, command.program)
        reasons.unless(
            self.episode_on(command.program, command.opened_on) is None,
            "program",
            f"an episode in {command.program} is open on {command.opened_on} already",
            "close it first",
        )
        reasons.unless(command.opened_on >= self.birth_date, "opened_on", "it is before the client's birth date")
        check_not_ancient(reasons, given, "opened_on", command.opened_on)
        _check_not_ahead(reasons, given, "opened_on", command.opened_on, "open it on its first day")
        reasons.refuse_if_any()
        self.record(
            EpisodeOpened(
                episode_id=command.episode_id,
                program=command.program,
                opened_on=command.opened_on,
                referral=command.referral,
            ),
            given.occurred_at,
        )

    @decides(CloseEpisode, on="client_id")
    def close_episode(self, command: CloseEpisode, given: Given) -> None:
        reasons = Reasons()
        episode = self.episodes.get(command.episode_id)
        if episode is None:
            reasons.add("episode_id", "this client has no such episode")
        else:
            reasons.unless(command.episode_id not in self.closed, "episode_id", "this episode is closed already")
            reasons.unless(command.closed_on >= episode.opened_on, "closed_on", f"it opened on {episode.opened_on}")
        _check_not_ahead(reasons, given, "closed_on", command.closed_on, "close it on its last day")
        reasons.refuse_if_any()
        program = episode.program if episode else ""
        self.record(
            EpisodeClosed(
                episode_id=command.episode_id, program=program, closed_on=command.closed_on, reason=command.reason
            ),
            given.occurred_at,
        )

    @decides(AssignCoordinator, on="client_id", parts=("assignment_id",))
    def assign_coordinator(self, command: AssignCoordinator, given: Given) -> None:
        reasons = Reasons()
        staff = given.find(Staff, command.staff_id)
        if staff is None:
            reasons.add("staff_id", "no such staff member", "register them first")
        else:
            reasons.unless(
                staff.employed_on(command.first_day), "staff_id", f"{staff.name} is not employed on {command.first_day}"
            )
        reasons.unless(
            command.assignment_id not in self.assignments, "assignment_id", "this assignment was made before"
        )
        reasons.unless(
            not self._coordinates(command.staff_id, command.program, command.first_day),
            "staff_id",
            f"they coordinate this client's care in {command.program} on {command.first_day} already",
            "release them first",
        )
        reasons.unless(
            self.episode_on(command.program, command.first_day) is not None,
            "program",
            f"no episode in {command.program} is open on {command.first_day}",
            "open the episode first",
        )
        reasons.refuse_if_any()
        self.record(
            CoordinatorAssigned(
                assignment_id=command.assignment_id,
                staff_id=command.staff_id,
                program=command.program,
                first_day=command.first_day,
                lead=command.lead,
            ),
            given.occurred_at,
        )

    @decides(ReleaseCoordinator, on="client_id")
    def release_coordinator(self, command: ReleaseCoordinator, given: Given) -> None:
        reasons = Reasons()
        assignment = self.assignments.get(command.assignment_id)
        if assignment is None:
            reasons.add("assignment_id", "this client has no such assignment")
        else:
            reasons.unless(command.assignment_id not in self.released, "assignment_id", "it has ended already")
            reasons.unless(command.last_day >= assignment.first_day, "last_day", f"it began on {assignment.first_day}")
        reasons.refuse_if_any()
        staff_id, program = (assignment.staff_id, assignment.program) if assignment else ("", "")
        self.record(
            CoordinatorReleased(
                assignment_id=command.assignment_id,
                staff_id=staff_id,
                program=program,
                last_day=command.last_day,
                reason=command.reason,
            ),
            given.occurred_at,
        )

    @decides(RecordDiagnosis, on="client_id", parts=("diagnosis_id",))
    def record_diagnosis(self, command: RecordDiagnosis, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(command.diagnosis_id not in self.diagnoses, "diagnosis_id", "this diagnosis is recorded already")
        reasons.unless(command.onset <= today(given), "onset", "the onset is in the future", "check the date")
        known = code_systems(today(given))
        reasons.unless(
            command.system in known or (given.actor.relays and command.source is not None),
            "system",
            f"there is no code system {command.system!r}",
            f"use one of {', '.join(known)}, or add its row to code_systems.toml",
            "unknown",
        )
        reasons.refuse_if_any()
        self.record(
            DiagnosisRecorded(
                diagnosis_id=command.diagnosis_id,
                system=command.system,
                code=command.code,
                display=command.display,
                onset=command.onset,
                source=command.source,
                late_entry=command.late_entry,
            ),
            given.occurred_at,
        )

    @decides(ResolveDiagnosis, on="client_id")
    def resolve_diagnosis(self, command: ResolveDiagnosis, given: Given) -> None:
        reasons = Reasons()
        diagnosis = self.diagnoses.get(command.diagnosis_id)
        if diagnosis is None:
            reasons.add("diagnosis_id", "this client has no such diagnosis")
        else:
            reasons.unless(command.diagnosis_id not in self.resolved, "diagnosis_id", "it is resolved already")
            reasons.unless(command.resolved_on >= diagnosis.onset, "resolved_on", f"its onset was {diagnosis.onset}")
        reasons.refuse_if_any()
        self.record(
            DiagnosisResolved(diagnosis_id=command.diagnosis_id, resolved_on=command.resolved_on), given.occurred_at
        )


def _check_not_ahead(reasons: Reasons, given: Given, field: str, day: date, mend: str) -> None:
    reasons.unless(day <= today(given), field, f"{day} is in the future", mend, "future")
