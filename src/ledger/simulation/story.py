"""The told story, the same in every run: a chart with a history, and a note signed late after more time was asked for.

A service on the Friday before the rule changes. The author asks for more time after the 72 hours are over; it is
granted; the note is signed on the fifth business day. Under the old reading the request came late, under the new one
(adopted meanwhile, for later services) it came in time: that is the dispute.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial

from ledger.aggregates.client_events import CorrectClientDetails, RecordDiagnosis
from ledger.simulation import changes, words
from ledger.simulation.agency import Agency, NoteFile, Worker, minutes
from ledger.simulation.days import month_text, span
from ledger.simulation.documentation import add_addendum, amend, ask_for_time, correct_contact, draft, sign, write
from ledger.simulation.options import Story
from ledger.simulation.oversight import contest
from ledger.simulation.practice import Visit, record

#: The chart and the author of the story: the second client and the second coordinator (who is habitually late).
CHART, AUTHOR = 1, 1
CLAIM = (
    "I asked for more time within three business days, and it was granted. When I signed, the agency already counted "
    "business days: the request was not late."
)


class _Times:
    """The moments of the story, all from the day on which the rule changes."""

    def __init__(self, agency: Agency) -> None:
        days = agency.days
        self.changed = changes.policy_change_on(agency)
        self.service_on = self.changed - timedelta(days=3)
        while not days.open(self.service_on):
            self.service_on -= timedelta(days=1)
        self.start = days.at(self.service_on, 14)
        self.asked = days.at(max(days.next_open(self.service_on, 2), self.service_on + timedelta(days=4)), 9, 10)
        self.granted = days.at(days.next_open(days.date_of(self.asked)), 16, 30)
        self.signed = days.at(days.next_open(self.service_on, 5), 16, 45)
        self.signed_on = days.date_of(self.signed)
        self.opened = days.at(days.next_open(self.signed_on, 2), 9, 40)


def keep_free(agency: Agency) -> None:
    """Before time off is planned: the days on which the author is needed at work."""
    first = _Times(agency).service_on
    agency.workers[AUTHOR].needed.update(span(first - timedelta(days=2), first + timedelta(days=22)))


def tell(agency: Agency) -> Story:
    """Put the story into the diary; every moment of it lies within the period, however short that is."""
    author, chart, times = agency.workers[AUTHOR], agency.charts[CHART], _Times(agency)
    days, stage = agency.days, agency.stage
    dispute_id, note_id = stage.ids.new(), stage.ids.new()
    end = times.start + minutes(55)
    author.take(times.service_on, times.start - minutes(15), end + minutes(15))
    visit = Visit(author, chart, "individual", times.start, end, 50, 20, "12", "in_person", "H2017")
    note = _told_visit(agency, visit, times, note_id)
    contest(agency, note, times.opened, dispute_id, "upheld", CLAIM)
    stage.at(days.at(agency.options.start, 15, 5), partial(_first_days, agency, author))
    stage.at(days.at(days.next_open(times.service_on), 11, 20), partial(correct_contact, agency, note))
    after = days.next_open(times.signed_on)
    text = "The client asked for the wellness plan in writing; a copy was handed over."
    stage.at(days.at(after, 8, 30), partial(add_addendum, agency, note, text))
    stage.at(days.at(after, 15, 15), partial(_new_diagnosis, agency, author, times.service_on))
    stage.at(days.at(times.signed_on, 11), partial(changes.revise_plan, agency, chart, "Relapse, then a fresh start."))
    stage.at(days.at(days.next_open(after), 12, 15), partial(amend, agency, note))
    stage.at(days.at(times.changed, 8), partial(changes.change_policy, agency, times.changed))
    return Story(
        chart_id=chart.id,
        note_id=note_id,
        contact_id=note.contact_id,
        dispute_id=dispute_id,
        author_id=author.id,
        supervisor_id=author.supervisor_id,
        compliance_id=agency.compliance,
        biller_id=agency.biller,
        administrator_id=agency.administrator,
        service_on=times.service_on,
        policy_changed_on=times.changed,
        known_before=days.local(times.granted - minutes(30)),
        known_after=days.local(_decided(agency, times.opened)),
        billing_month=month_text(times.changed),
    )


def _decided(agency: Agency, opened: datetime) -> datetime:
    day = agency.days.next_open(agency.days.date_of(opened), 3)
    return agency.days.at(day, 12)


def _told_visit(agency: Agency, visit: Visit, times: _Times, note_id: str) -> NoteFile:
    """The service of the story, with the note's own course instead of the author's habits."""
    note = record(agency, visit, note_id)
    stage = agency.stage
    stage.at(visit.end + minutes(45), partial(draft, agency, note, None))
    stage.at(times.asked, partial(ask_for_time, agency, note, times.granted))
    stage.at(times.signed - minutes(20), partial(write, agency, note))
    stage.at(times.signed, partial(sign, agency, note, False, True))
    return note


def _first_days(agency: Agency, author: Worker) -> None:
    """The address was copied wrongly from the old system."""
    chart = agency.charts[CHART]
    command = CorrectClientDetails(client_id=chart.id, reason="A digit was missing.", phone="555-0142")
    agency.stage.do(command, author.id)


def _new_diagnosis(agency: Agency, author: Worker, onset: date) -> None:
    chart = agency.charts[CHART]
    code, display = words.HOUSING
    command = RecordDiagnosis(
        client_id=chart.id,
        diagnosis_id=agency.stage.ids.new(),
        system="icd-10-cm",
        code=code,
        display=display,
        onset=onset,
    )
    agency.stage.do(command, author.id)
