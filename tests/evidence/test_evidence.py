"""An evidence bundle: what is in it, that it is the same whenever it is made, and that the read is recorded first."""

from __future__ import annotations

import json
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

import pypdf
import pytest
from click.testing import CliRunner, Result
from tests.evidence.conftest import VERIFIER, Case, members, run_verifier, told_story
from tests.integrity.meddling import rewrite_event
from tests.proof.test_publish import Tsa, answering
from tests.tracing.clinic import Clinic, at

from ledger.aggregates.access import AccessGranted
from ledger.aggregates.client_events import RegisterClient
from ledger.aggregates.note_events import AddAddendum
from ledger.aggregates.staff import PersonName, RecordTimeOff
from ledger.application.reading import open_charts
from ledger.cli.main import cli
from ledger.errors import IntegrityFault, NotFound
from ledger.evidence.bundle import bundle
from ledger.evidence.gather import gather, subject_of
from ledger.grants import NotGranted
from ledger.proof.between import Trusted
from ledger.proof.notes import COSIGNATURE, new_key
from ledger.proof.timestamp import read_roots, request_timestamp
from ledger.store.codec import read


def test_the_bundle_is_checked_by_the_file_inside_it_in_an_interpreter_that_has_only_cryptography(
    case: Case, note_zip: bytes, tmp_path: Path
) -> None:
    (tmp_path / "note.zip").write_bytes(note_zip)
    (tmp_path / "verify_evidence.py").write_bytes(members(note_zip)["verify_evidence.py"])
    done = run_verifier(tmp_path, tmp_path / "verify_evidence.py", "note.zip", *case.keys)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout
    assert (
        "16 events stand, as they are here, in the log of 18 whose checkpoint is signed by agency.example.org" in said
    )
    assert "1 signatures of notes are bound to the content that is here" in said
    assert (
        "note.signed at position 15, claimed 2026-11-23T22:40:00.000000Z: signed not before 2026-11-24 16:30:00Z "
        "(county.example.gov/w), not after 2026-11-24 17:06:00Z (county.example.gov/w); "
        "THE CLAIMED TIME IS CONTRADICTED"
    ) in said
    assert "NOT PROVED  that what the events say is true" in said
    assert said.endswith("no fault\n")


def test_without_keys_it_says_what_that_leaves_open(case: Case, note_zip: bytes, tmp_path: Path) -> None:
    (tmp_path / "note.zip").write_bytes(note_zip)
    done = run_verifier(tmp_path, VERIFIER, "note.zip", "--list")
    assert done.returncode == 0
    assert "NOT PROVED  whose log it is: no --vkey was given" in done.stdout
    assert "NOT PROVED  when anything was recorded: no --witness was given" in done.stdout
    assert "not before a time that no witness of yours vouches for" in done.stdout
    assert "CONTRADICTED" not in done.stdout
    assert done.stdout.count("staff.credential_recorded") == 3


def test_a_wrong_key_is_a_wrong_call_or_a_fault(case: Case, note_zip: bytes, tmp_path: Path) -> None:
    (tmp_path / "note.zip").write_bytes(note_zip)
    assert run_verifier(tmp_path, VERIFIER, "note.zip", "--vkey", "x+y+z").returncode == 2
    witness = case.parties.county.public.vkey
    assert run_verifier(tmp_path, VERIFIER, "note.zip", "--vkey", witness).returncode == 2
    other = run_verifier(tmp_path, VERIFIER, "note.zip", "--vkey", new_key("agency.example.org/ledger").public.vkey)
    assert other.returncode == 1
    assert "FAULT  checkpoints/00000018.note: it is not signed by the log's key" in other.stdout
    stranger = new_key("stranger.example.org/w", COSIGNATURE).public.vkey
    silent = run_verifier(tmp_path, VERIFIER, "note.zip", *case.keys, "--witness", stranger)
    assert silent.returncode == 0
    assert "that stranger.example.org/w stands behind the log: it has cosigned nothing here" in silent.stdout


def test_the_same_evidence_gives_the_same_bytes(case: Case) -> None:
    found = case.evidence(case.clinic.note)
    first, digest = bundle(case.clinic.recorder, found)
    assert bundle(case.clinic.recorder, found) == (first, digest)


def test_evidence_taken_again_differs_by_the_access_and_by_nothing_else(tmp_path: Path) -> None:
    case = told_story(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}")
    first, second = (members(case.packed(case.clinic.note)) for _ in range(2))
    added = second.keys() - first.keys()
    assert {name.partition("/")[0] for name in added} == {"events"}
    access = json.loads(second[next(name for name in added if name.endswith("entry.json"))])
    assert access["type"] == "access.granted"
    assert {name for name in first if first[name] != second[name]} <= {
        "manifest.json", "report.html", "report.pdf",
        *(f"traces/{case.clinic.note}.{ending}" for ending in ("html", "json")),
    }  # fmt: skip


def test_a_dispute_and_a_chart_are_packed_and_checked_too(case: Case, tmp_path: Path) -> None:
    clinic = case.clinic
    dispute = next(str(row.originator_id) for row in clinic.recorder.read_log(0, 1000) if row.topic == "dispute.opened")
    for subject, wanted, absent in (
        (dispute, "dispute.decided", "client.registered"),
        (clinic.client, "client.registered", ""),
    ):
        content = case.packed(subject)
        file = tmp_path / f"{subject}.zip"
        file.write_bytes(content)
        done = run_verifier(tmp_path, VERIFIER, file, *case.keys, "--list")
        assert done.returncode == 0, done.stdout
        assert wanted in done.stdout
        assert not absent or absent not in done.stdout
        report = members(content)["report.html"].decode()
        assert "secret words" in report, "what was written is in the report"
        assert "Tue 2026-11-24 08:30 -08:00 (cosigned by the witness county)" in report


def test_what_is_not_sealed_is_said_to_be_unproved(tmp_path: Path) -> None:
    case = told_story(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}")
    clinic = case.clinic
    clinic.do(AddAddendum(note_id=clinic.note, addendum_id=clinic.new(), text="more"), clinic.author)
    (tmp_path / "note.zip").write_bytes(case.packed(clinic.note))
    done = run_verifier(tmp_path, VERIFIER, "note.zip", *case.keys)
    assert done.returncode == 0
    assert "NOT PROVED  anything of 1 events that no checkpoint covers yet" in done.stdout
    assert "note.addendum_added at position 19" in done.stdout
    assert "nothing of when it was signed, it is not sealed" in done.stdout


def test_a_log_that_was_never_sealed_gives_evidence_that_proves_nothing_and_says_so(tmp_path: Path) -> None:
    clinic = Clinic(f"sqlite:///{tmp_path / 'ledger.db'}")
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    grant = clinic.read(clinic.officer)
    found = gather(
        clinic.recorder, grant, subject_of(clinic.recorder, clinic.note), as_at=clinic.clock.now(),
        zone="America/Los_Angeles", trusted=Trusted(),
    )  # fmt: skip
    (tmp_path / "note.zip").write_bytes(bundle(clinic.recorder, found)[0])
    done = run_verifier(tmp_path, VERIFIER, "note.zip")
    assert done.returncode == 0
    assert "PROVED      " not in done.stdout.replace("NOT PROVED", "")
    assert "Nothing of the log is sealed" in members(bundle(clinic.recorder, found)[0])["report.html"].decode()


def test_other_peoples_charts_and_leave_stay_out_though_that_somebody_read_is_in(tmp_path: Path) -> None:
    case = told_story(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}")
    clinic = case.clinic
    other = clinic.new()
    name = PersonName(family="Other", given="Otto")
    clinic.do(RegisterClient(client_id=other, name=name, birth_date=at("1980-01-01 00:00").date()))
    open_charts(
        clinic.ledger, [clinic.client, other], reader=clinic.supervisor, purpose="operations", surface="cli",
        resource="caseload",
    )  # fmt: skip
    day = at("2026-11-01 00:00").date()
    clinic.do(
        RecordTimeOff(staff_id=clinic.author, time_off_id=clinic.new(), first_day=day, last_day=day, reason="ill")
    )
    case.parties.seal(at("2026-11-26 09:00"))
    content = case.packed(clinic.note)
    everything = b"\n".join(members(content).values())
    assert other.encode() not in everything
    assert b'"reason":"ill"' not in everything
    shared = [e for e in json.loads(members(content)["manifest.json"])["events"] if not e["payload"]]
    assert [e["type"] for e in shared] == ["access.granted", "staff.time_off_recorded"]
    assert b"caseload" in members(content)["report.html"]
    (tmp_path / "note.zip").write_bytes(content)
    done = run_verifier(tmp_path, VERIFIER, "note.zip", *case.keys)
    assert done.returncode == 0
    assert "NOT PROVED  the content of 2 events" in done.stdout


def test_a_timestamp_is_packed_with_the_command_that_checks_it(tmp_path: Path) -> None:
    case = told_story(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}")
    (tmp_path / "tsa").mkdir()
    tsa = Tsa(tmp_path / "tsa")
    last = case.parties.sealed.last()
    assert last is not None
    with answering(tsa.reply) as port:
        token = request_timestamp(f"http://127.0.0.1:{port}", last.note, read_roots(tsa.root))
    case.parties.sealed.add_timestamp(last.size, "tsa", token, last.sealed_at)
    with zipfile.ZipFile(BytesIO(case.packed(case.clinic.note))) as file:
        file.extractall(tmp_path / "out")
    (tmp_path / "note.zip").write_bytes(case.packed(case.clinic.note))
    said = run_verifier(tmp_path, VERIFIER, "note.zip", *case.keys).stdout
    command = next(line.partition(": ")[2] for line in said.splitlines() if "openssl ts -verify" in line)
    done = subprocess.run(
        command.replace("ROOTS.pem", str(tsa.root)).split(), cwd=tmp_path / "out", capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "Verification: OK" in done.stdout + done.stderr


def test_an_event_that_is_not_what_was_sealed_gives_no_evidence(tmp_path: Path) -> None:
    case = told_story(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}")
    row = next(r for r in case.clinic.recorder.read_log(0, 100) if r.topic == "note.content_written")
    rewrite_event(case.clinic.recorder, row.position, row.state.replace(b"secret", b"public"))
    with pytest.raises(IntegrityFault, match="is not what was sealed; see: ledger verify"):
        case.packed(case.clinic.note)


def test_a_grant_for_another_chart_opens_nothing(case: Case) -> None:
    clinic = case.clinic
    grant = open_charts(clinic.ledger, [], reader=clinic.officer, purpose="legal", surface="cli", resource="x")
    with pytest.raises(NotGranted):
        gather(
            clinic.recorder, grant, subject_of(clinic.recorder, clinic.note), as_at=clinic.clock.now(),
            zone="America/Los_Angeles", trusted=case.parties.trusted,
        )  # fmt: skip
    with pytest.raises(NotFound):
        subject_of(clinic.recorder, clinic.author)


def test_the_pdf_says_what_the_page_says_whatever_people_wrote(tmp_path: Path) -> None:
    case = told_story(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}")
    clinic = case.clinic
    hostile = 'He said #panic("x") $1^2$ *bold* <b>markup</b> \\ "quoted" – \u202ereversed\u202c end'
    clinic.do(AddAddendum(note_id=clinic.note, addendum_id=clinic.new(), text=hostile), clinic.author)
    raw = members(case.packed(clinic.note))
    text = " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(raw["report.pdf"])).pages).split())
    assert "Whatever the clocks said, it was signed not before Tue 2026-11-24 08:30 -08:00" in text
    assert '#panic("x") $1^2$ *bold* <b>markup</b>' in text
    assert "\u202e" not in text
    assert b"<b>markup</b>" not in raw["report.html"]


# As it is typed


def run(*arguments: str, actor: str | None = "system:auditor") -> Result:
    who = () if actor is None else ("--as", actor)
    return CliRunner().invoke(cli, [*who, "--purpose", "legal", *arguments])


def test_the_command_records_the_read_and_writes_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = told_story(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("LEDGER_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")
    policy = tmp_path / "policy"
    policy.write_text(case.parties.policy, encoding="utf-8")
    out = tmp_path / "note.zip"
    done = run("--json", "evidence", case.clinic.note, "--out", str(out), "--trust", str(policy))
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    last = read(case.clinic.recorder.read_log(0, 1000)[-1])
    assert isinstance(last.event, AccessGranted)
    assert (last.originator_id, last.event.resource) == (said["access_id"], f"evidence of note {case.clinic.note}")
    assert (said["events"], said["sealed"], said["checkpoint"]) == (16, 16, 18)
    assert out.stat().st_mode & 0o777 == 0o600
    checked = run_verifier(tmp_path, VERIFIER, out, *case.keys, "--manifest", said["manifest_sha256"])
    assert checked.returncode == 0
    assert "(--manifest)" not in checked.stdout


def test_what_cannot_be_done_is_refused_and_nothing_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = told_story(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("LEDGER_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")
    there = tmp_path / "there.zip"
    there.write_bytes(b"x")
    note, head = case.clinic.note, case.clinic.recorder.sequence()
    for arguments, code, words in (
        (("evidence", note, "--out", str(there)), 2, "never written over"),
        (("evidence", note, "--out", str(tmp_path / "note.pdf")), 2, ".zip"),
        (("evidence", note, "--out", str(tmp_path / "no" / "note.zip")), 2, "does not exist"),
        (("evidence", case.clinic.author, "--out", str(tmp_path / "a.zip")), 4, "chart, note or dispute"),
        (("evidence", note, "--out", str(tmp_path / "b.zip"), "--trust", str(there)), 2, "--trust"),
    ):
        done = run(*arguments)
        failed = getattr(done.exception, "exit_code", done.exit_code)
        assert (failed, words in f"{done.output}{done.exception}") == (code, True), (arguments, done.output)
    assert "--as" in f"{run('evidence', note, '--out', str(tmp_path / 'c.zip'), actor=None).exception}"
    assert there.read_bytes() == b"x"
    assert case.clinic.recorder.sequence() == head


def test_evidence_on_both_databases(database_url: str, tmp_path: Path) -> None:
    case = told_story(tmp_path, database_url)
    (tmp_path / "chart.zip").write_bytes(case.packed(case.clinic.client))
    done = run_verifier(tmp_path, VERIFIER, "chart.zip", *case.keys)
    assert (done.returncode, "THE CLAIMED TIME IS CONTRADICTED" in done.stdout) == (0, True), done.stdout
