"""Made-up names and sentences. Every name says that it is made up; no sentence was written about anybody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from random import Random

from ledger.aggregates.note_events import NoteContent, ObjectiveReference
from ledger.aggregates.plan_events import Goal, Intervention, Objective
from ledger.aggregates.staff import PersonName
from ledger.policies.documents import contact_kinds, documents

_GIVEN = (
    "Alder Amber Aspen Basalt Birch Bracken Briar Cedar Clover Cobalt Coral Cypress Dahlia Ember Fennel Fern Flint "
    "Garnet Ginger Hazel Heather Indigo Iris Ivy Jasper Juniper Larch Laurel Linden Marble Mica Moss Myrtle Nettle "
    "Olive Onyx Opal Pepper Quartz Reed Rowan Rush Saffron Sage Slate Sorrel Tansy Thistle Topaz Yarrow"
)
_FAMILY_FIRST = "Sample Test Mock Demo Faux Dummy Proto Specimen"
_FAMILY_LAST = "ford ton wick by dale field stead worth ley mere brook gate hurst combe shaw thorpe"

#: Diagnoses for charts: ICD-10-CM code and its words.
DIAGNOSES = (
    ("F20.9", "Schizophrenia, unspecified"),
    ("F25.0", "Schizoaffective disorder, bipolar type"),
    ("F31.9", "Bipolar disorder, unspecified"),
    ("F33.2", "Major depressive disorder, recurrent, severe"),
    ("F43.10", "Post-traumatic stress disorder, unspecified"),
)
SUBSTANCES = (
    ("F10.20", "Alcohol dependence, uncomplicated"),
    ("F11.20", "Opioid dependence, uncomplicated"),
    ("F15.20", "Other stimulant dependence, uncomplicated"),
)
HOUSING = ("Z59.00", "Homelessness, unspecified")

_PHRASES: dict[str, tuple[str, ...]] = {
    "problem": (
        "Client reports poor sleep and more cravings since the weekend.",
        "Client is worried about losing the room at the end of the month.",
        "Client missed two medical appointments and has no transport.",
        "Client hears voices in the evening and keeps away from others.",
    ),
    "intervention": (
        "Worked through the wellness plan together and practised the breathing exercise twice.",
        "Called the housing programme with the client and completed the application.",
        "Reviewed triggers of the last week and rehearsed how to refuse an offer.",
        "Helped the client to set up reminders and to plan the bus route to the clinic.",
    ),
    "response": (
        "Client took part, named two coping skills and agreed to try one a day.",
        "Client was tired, stayed for the whole session and asked for another one this week.",
        "Client was doubtful at first, then made the call without help.",
        "Client disagreed about the next step; both views are recorded.",
    ),
    "plan": (
        "Meet again within the week; client brings the letter from the landlord.",
        "Coordinator sends the referral today and calls the client on Monday.",
        "Client practises daily; progress is measured at the next visit.",
        "Accompany the client to the appointment and review the objective afterwards.",
    ),
    "contact_with": (
        "The client's sister, with consent on file.",
        "The landlord of the sample residence.",
        "A clinic.",
    ),
    "purpose": ("To agree who helps on which day.", "To prevent the loss of housing.", "To arrange an appointment."),
    "outcome": ("Agreed; the next call is planned.", "Left open; to be tried again.", "An appointment was made."),
    "topic": ("Relapse prevention: early signs.", "Skills for the evening hours.", "Money and the end of the month."),
    "participation": ("Took part in every exercise.", "Listened, and spoke once.", "Led the opening round."),
    "people_involved": ("The client and a neighbour.", "The client alone, by telephone.", "The client and an officer."),
    "factors": ("An argument at the residence.", "Medication ran out two days ago.", "not known"),
    "maladaptive_reactions": ("Threw objects; nobody was hurt.", "Locked the door and did not answer.", "not known"),
    "regression_risk": ("Raised for the next days.", "Low while a friend stays.", "Not raised after the call."),
    "resolution": ("Calmed during the call; safety plan reviewed.", "Agreed to be seen tomorrow.", "Walked together."),
    "referral": ("Urgent clinic, tomorrow morning.", "None needed.", "Crisis residence, a bed is offered."),
}
_PROGRESS = ("Some progress: one step taken.", "Steady: two of four days.", "No change yet.", "Reached this week.")
_BARRIERS = ("no transport", "unstable housing", "low income", "side effects", "isolation")


def pick(rng: Random, options: Sequence[str]) -> str:
    return options[rng.randrange(len(options))]


def person(rng: Random) -> PersonName:
    """A made-up person's name."""
    family = pick(rng, _FAMILY_FIRST.split()) + pick(rng, _FAMILY_LAST.split())
    return PersonName(family=family, given=pick(rng, _GIVEN.split()))


def note_content(
    rng: Random, kind: str, objectives: Sequence[tuple[str, str]], no_plan_reason: str, *, without: str | None = None
) -> NoteContent:
    """A note for a kind of contact: ``objectives`` are (plan id, number); ``without`` leaves a section out."""
    document = documents()[contact_kinds()[kind].document]
    sections = {
        name: f"{pick(rng, _PHRASES[name])} {pick(rng, _PHRASES[name])}"
        if document.cites_plan
        else pick(rng, _PHRASES[name])
        for name in document.sections
        if name != without
    }
    if not document.cites_plan:
        return NoteContent(sections=sections)
    if not objectives:
        return NoteContent(sections=sections, no_plan_reason=no_plan_reason)
    chosen = rng.sample(list(objectives), k=min(len(objectives), 1 + (rng.random() < 0.3)))
    cited = tuple(ObjectiveReference(plan_id=p, objective=o, progress=pick(rng, _PROGRESS)) for p, o in sorted(chosen))
    return NoteContent(sections=sections, objectives=cited)


def first_section(kind: str) -> str:
    """The section of a kind's note that amendments of this simulation speak of."""
    return documents()[contact_kinds()[kind].document].sections[0]


def last_section(kind: str) -> str:
    """The section that gets forgotten."""
    return documents()[contact_kinds()[kind].document].sections[-1]


def goals(rng: Random, due: date, *, revised: bool = False) -> tuple[Goal, ...]:
    """Two goals with three objectives (a fourth when revised), with a measure, a target and a day each (SVC-2)."""
    steps = [
        ("1.1", "Keep the weekly budget", "weeks with a written budget", "3 of 4 weeks"),
        ("1.2", "Complete the housing application", "steps done", "5 of 5 steps"),
        ("2.1", "Use a coping skill before evening", "days with a skill used", "5 of 7 days"),
        ("2.2", "Attend the recovery group", "groups attended", "3 of 4 groups"),
    ]
    objectives = [Objective(number=n, text=t, measure=m, target=g, due=due) for n, t, m, g in steps]
    if not revised:
        objectives = objectives[:3]
    return (
        Goal(
            number="1",
            text="I want a place of my own.",
            barriers=(pick(rng, _BARRIERS),),
            objectives=tuple(o for o in objectives if o.number.startswith("1")),
            interventions=(Intervention(text="Housing search and linkage", frequency="weekly", responsible="team"),),
        ),
        Goal(
            number="2",
            text="I want to get through the evenings without using.",
            barriers=(pick(rng, _BARRIERS),),
            objectives=tuple(o for o in objectives if o.number.startswith("2")),
            interventions=(Intervention(text="Skills practice", frequency="twice a week", responsible="coordinator"),),
        ),
    )
