"""The day the agency goes live: its rules, its people, and the charts it brings along."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial

from ledger.aggregates.client_events import Address, AssignCoordinator, OpenEpisode, RecordDiagnosis, RegisterClient
from ledger.aggregates.plan_events import DraftPlan, PutPlanInForce, RecordClientSignature, RecordMissingSignature
from ledger.aggregates.policy import AdoptPolicy
from ledger.aggregates.staff import AssignSupervisor, PersonName, RecordCredential, RegisterStaff, SetSchedule
from ledger.policies.adoptable import adoptable_readings
from ledger.simulation import words
from ledger.simulation.agency import ASSOCIATES, LATE, PROMPT, STEADY, Agency, Chart, PlanFile, Style, Worker, minutes
from ledger.simulation.days import DAY

SETUP = "system:setup"
#: What the agency goes by at first; rules that are not named here are left at their defaults.
FIRST_READINGS = {
    "PSC-13": "72-elapsed-hours",
    "PSC-13-extension": "5-business-days",
    "PSC-14": "72-elapsed-hours+5-business-days",
    "ECM-8": "3-business-days",
    "CSS-7": "next-business-day",
    "PSC-2": "calendar_months",
    "PSC-4": "lesser_of_band_and_days",
    "PSC-7": "both",
}
#: The first four characters say the class (domain facts A); the rest is made up.
TAXONOMY = {
    "mhrs": "171M00000X",
    "oqp": "171R00000X",
    "catc": "101YA0400X",
    "amft": "106H00000X",
    "asw": "1041C0700X",
    "lcsw": "1041C0700X",
    "peer_specialist": "175T00000X",
}
#: Who is there from the first day, in every agency; larger ones go on with ``MORE``.
CORE: tuple[tuple[Style, str], ...] = ((PROMPT, "mhrs"), (LATE, "mhrs"), (STEADY, "amft"), (STEADY, "mhrs"))
MORE: tuple[tuple[Style, str], ...] = (
    (PROMPT, "lcsw"),
    (STEADY, "mhrs"),
    (LATE, "catc"),
    (STEADY, "asw"),
    (PROMPT, "mhrs"),
    (STEADY, "oqp"),
)
#: Kinds that run out and have to be renewed.
EXPIRING = (*ASSOCIATES, "lcsw", "catc", "peer_specialist")
PER_COORDINATOR = {"psc": 27, "ecm": 50}
PER_SUPERVISOR = 8


def open_agency(agency: Agency) -> None:
    """Adopt the rules, register everybody, and bring the charts in, one after another on the first morning."""
    start = agency.days.at(agency.options.start, 5)
    agency.stage.at(start, partial(adopt_first_rules, agency))
    _register_office(agency, start + minutes(2))
    share = max(1, round(agency.options.clients * 0.15))
    counts = {"psc": agency.options.clients - share, "ecm": share}
    psc = max(len(CORE), -(-counts["psc"] // PER_COORDINATOR["psc"]))
    for number in range(psc):
        style, kind = CORE[number] if number < len(CORE) else MORE[(number - len(CORE)) % len(MORE)]
        make_worker(agency, "psc", style, kind, start + minutes(10))
    for number in range(-(-counts["ecm"] // PER_COORDINATOR["ecm"])):
        make_worker(agency, "ecm", (STEADY, PROMPT)[number % 2], ("mhrs", "oqp")[number % 2], start + minutes(10))
    _make_charts(agency, counts, start + minutes(20))


def adopt_first_rules(agency: Agency) -> None:
    for rule, reading in FIRST_READINGS.items():
        adopt(agency, SETUP, rule, reading, agency.options.start, "Adopted for the first day of this record.")


def adopt(agency: Agency, actor: str, rule: str, reading: str, since: date, reason: str) -> None:
    """Adopt a reading in its newest version."""
    policy_id = agency.stage.ids.new()
    version = adoptable_readings(since)[rule][reading][-1]
    command = AdoptPolicy(
        policy_id=policy_id,
        rule_id=rule,
        reading=reading,
        effective_from=since,
        policy_version=version,
        reason=reason,
    )
    agency.stage.do(command, actor, "operations")
    agency.policies[rule] = policy_id


def _register_office(agency: Agency, moment: datetime) -> None:
    """Supervisors, the compliance officer, the biller and the administrator."""
    rng = agency.rng("office")
    ids = agency.stage.ids
    agency.administrator, agency.compliance, agency.biller = ids.new(), ids.new(), ids.new()
    share = max(1, round(agency.options.clients * 0.15))
    coordinators = len(CORE) + (agency.options.clients - share) // PER_COORDINATOR["psc"]
    agency.supervisors = [ids.new() for _ in range(max(1, -(-coordinators // PER_SUPERVISOR)))]
    roles = {agency.administrator: "administrator", agency.compliance: "compliance", agency.biller: "biller"}
    roles |= dict.fromkeys(agency.supervisors, "supervisor")

    def register() -> None:
        for staff_id, role in roles.items():
            hired = agency.options.start - timedelta(days=rng.randrange(400, 3000))
            register_staff(agency, SETUP, staff_id, role, words.person(rng), ("psc", "ecm"), hired)
            if role == "supervisor":
                credential(agency, staff_id, "lcsw", hired, agency.options.end + timedelta(days=400))

    agency.stage.at(moment, register)


def register_staff(
    agency: Agency,
    actor: str,
    staff_id: str,
    role: str,
    name: PersonName,
    programs: tuple[str, ...],
    hired_on: date,
) -> None:
    command = RegisterStaff(
        staff_id=staff_id,
        name=name,
        roles=(role,),
        programs=programs,
        hired_on=hired_on,
        # No NPI that was ever issued begins with 9.
        npi=f"9{int(staff_id[:7], 16) % 10**9:09d}" if role in ("clinician", "supervisor") else None,
        email=f"{name.given}.{name.family}.{staff_id[:4]}@agency.example".lower(),
    )
    agency.stage.do(command, actor, "operations")


def credential(
    agency: Agency, staff_id: str, kind: str, issued_on: date, expires_on: date | None, actor: str = SETUP
) -> None:
    """Record a credential of a kind that signs, or of a condition of work."""
    credential_id = agency.stage.ids.new()
    command = RecordCredential(
        staff_id=staff_id,
        credential_id=credential_id,
        credential_kind=kind,
        number=f"SAMPLE-{credential_id[:6].upper()}",
        issued_on=issued_on,
        expires_on=expires_on,
        taxonomy=TAXONOMY.get(kind, ""),
    )
    agency.stage.do(command, actor, "operations")


def make_worker(
    agency: Agency, program: str, style: Style, kind: str, moment: datetime, hired_on: date | None = None
) -> Worker:
    """Take somebody on; their registration is recorded at ``moment``."""
    number = len(agency.workers)
    rng = agency.rng("worker", number)
    start, end = agency.options.start, agency.options.end
    worker = Worker(
        id=agency.stage.ids.new(),
        name=words.person(rng),
        program=program,
        style=style,
        credential=kind,
        hired_on=hired_on or start - timedelta(days=rng.randrange(120, 2500)),
        supervisor_id=agency.supervisors[number % len(agency.supervisors)],
        rng=rng,
    )
    if number >= len(CORE) and rng.random() < 0.2:
        worker.week = (480, 480, 480, 480, 0, 0, 0)
    agency.workers.append(worker)
    actor = SETUP if hired_on is None else agency.administrator

    def register() -> None:
        register_staff(agency, actor, worker.id, "clinician", worker.name, (program,), worker.hired_on)
        expires = None
        if kind in EXPIRING:
            expires = worker.lapse[0] - DAY if worker.lapse else end + timedelta(days=rng.randrange(60, 500))
        credential(agency, worker.id, kind, worker.hired_on, expires, actor)
        credential(agency, worker.id, "drivers_licence", worker.hired_on, end + timedelta(days=700), actor)
        insured = end + timedelta(days=rng.randrange(-30, 300))
        credential(agency, worker.id, "auto_insurance", insured - timedelta(days=365), insured, actor)
        schedule = SetSchedule(staff_id=worker.id, effective_from=max(worker.hired_on, start), minutes=worker.week)
        agency.stage.do(schedule, actor, "operations")
        supervisor = AssignSupervisor(
            staff_id=worker.id, supervisor_id=worker.supervisor_id, effective_from=max(worker.hired_on, start)
        )
        agency.stage.do(supervisor, actor, "operations")

    agency.stage.at(moment, register)
    return worker


def _make_charts(agency: Agency, counts: dict[str, int], moment: datetime) -> None:
    """Every client who is there on the first day, or will come; the charts go in over the first hour or so."""
    new = max(1, round(agency.options.clients * 0.1))
    total = agency.options.clients
    for number in range(total):
        rng = agency.rng("client", number)
        program = "psc" if number < counts["psc"] else "ecm"
        ids = agency.stage.ids
        chart = Chart(
            id=ids.new(),
            number=number,
            name=words.person(rng),
            program=program,
            episode_id=ids.new(),
            opened_on=agency.options.start - timedelta(days=rng.randrange(30, 900)),
            rng=rng,
        )
        agency.charts.append(chart)
        # The last of the service coordination clients come during the period; see ``changes``.
        if program == "psc" and number >= counts["psc"] - new:
            continue
        team = [w for w in agency.workers if w.program == program]
        worker = team[number % len(team)]
        agency.stage.at(moment + minutes(number * 60 // total), partial(_bring_in, agency, chart, worker))


def _bring_in(agency: Agency, chart: Chart, worker: Worker) -> None:
    """A chart from before: registered, assigned, with its diagnoses and a plan that is signed anew."""
    register_client(agency, chart)
    assign(agency, chart, worker, max(chart.opened_on, worker.hired_on))
    if chart.number % 20 != 7:  # some charts lack a diagnosis, until somebody notices
        diagnose(agency, chart, chart.opened_on)
    plan_in_force(agency, chart, worker, agency.options.start)


def register_client(agency: Agency, chart: Chart) -> None:
    """Register a client and open the episode; about one in fifteen has no Medi-Cal number on file."""
    rng = chart.rng
    has_cin = chart.number % 15 != 5
    command = RegisterClient(
        client_id=chart.id,
        name=chart.name,
        birth_date=date(1950, 1, 1) + timedelta(days=rng.randrange(50 * 365)),
        sex=rng.choice(("female", "male", "female", "male", "other", "unknown")),
        cin=made_up_cin(chart) if has_cin else None,
        address=Address(
            line=f"{rng.randrange(1, 999)} {words.pick(rng, ('Sample', 'Example', 'Specimen'))} Street",
            city="Exampleton",
            state="CA",
            postal_code="00000",
        ),
        phone=f"555-01{rng.randrange(100):02d}",
        language=rng.choice(("en", "en", "en", "es")),
    )
    agency.stage.do(command, agency.administrator, "operations")
    episode = OpenEpisode(
        client_id=chart.id,
        episode_id=chart.episode_id,
        program=chart.program,
        opened_on=chart.opened_on,
        referral=rng.choice(("county access line", "hospital discharge", "self", "outreach team")),
    )
    agency.stage.do(episode, agency.administrator, "operations")


def made_up_cin(chart: Chart) -> str:
    """A number in the payer's form that begins with 9000 for no real member."""
    return f"9000{chart.number % 10_000:04d}{'ACDEFGHJKM'[chart.number // 10_000 % 10]}"


def assign(agency: Agency, chart: Chart, worker: Worker, first_day: date) -> None:
    chart.coordinator = worker
    chart.assignment_id = agency.stage.ids.new()
    worker.caseload.append(chart)
    command = AssignCoordinator(
        client_id=chart.id,
        assignment_id=chart.assignment_id,
        staff_id=worker.id,
        program=chart.program,
        first_day=first_day,
    )
    agency.stage.do(command, worker.supervisor_id, "operations")


def diagnose(agency: Agency, chart: Chart, onset: date) -> None:
    """A mental health diagnosis, mostly one of substance use beside it, sometimes a social circumstance."""
    rng = chart.rng
    listed = [rng.choice(words.DIAGNOSES)]
    if rng.random() < 0.8:
        listed.append(rng.choice(words.SUBSTANCES))
    if rng.random() < 0.15:
        listed.append(words.HOUSING)
    actor = chart.coordinator.supervisor_id if chart.coordinator else agency.administrator
    for code, display in listed:
        command = RecordDiagnosis(
            client_id=chart.id,
            diagnosis_id=agency.stage.ids.new(),
            system="icd-10-cm",
            code=code,
            display=display,
            onset=onset,
        )
        agency.stage.do(command, actor)


def plan_in_force(agency: Agency, chart: Chart, worker: Worker, since: date) -> None:
    """Draft a plan, sign it as its author, and record the client's signature or why there is none (PSC-12)."""
    plan = PlanFile(agency.stage.ids.new())
    goals = words.goals(chart.rng, since + timedelta(days=180))
    draft = DraftPlan(plan_id=plan.id, client_id=chart.id, program=chart.program, goals=goals)
    agency.stage.do(draft, worker.id)
    agency.stage.do(PutPlanInForce(plan_id=plan.id, effective_from=since), signer(agency, worker))
    plan.versions.append((since, tuple(o.number for goal in goals for o in goal.objectives)))
    chart.plan = plan
    client_signature(agency, chart, worker)


def signer(agency: Agency, worker: Worker) -> str:
    """Who signs a plan: its author, or the supervisor while the author's credential has lapsed (PSC-23)."""
    return worker.supervisor_id if worker.lapsed(agency.today()) else worker.id


def client_signature(agency: Agency, chart: Chart, worker: Worker) -> None:
    """Most clients sign; some refuse or cannot, and most of those sign later."""
    if chart.plan is None:
        return
    plan_id = chart.plan.id
    sign = RecordClientSignature(plan_id=plan_id, signed_by=str(chart.name))
    roll = chart.rng.random()
    if roll < 0.86:
        agency.stage.do(sign, worker.id)
        return
    again = agency.days.next_open(agency.today(), 10)
    command = RecordMissingSignature(
        plan_id=plan_id,
        why="refused" if roll < 0.95 else "unable",
        reason="Client wishes to read the plan with a friend first." if roll < 0.95 else "Client was in hospital.",
        next_attempt=again,
    )
    agency.stage.do(command, worker.id)
    if chart.rng.random() < 0.7:
        agency.stage.at(agency.days.at(again, 11, 30), partial(_sign_later, agency, chart, worker, sign))


def _sign_later(agency: Agency, chart: Chart, worker: Worker, sign: RecordClientSignature) -> None:
    revised = chart.plan is None or len(chart.plan.versions) > 1
    if not revised and chart.open(agency.today()) and worker.employed(agency.today()):
        agency.stage.do(sign, worker.id)
