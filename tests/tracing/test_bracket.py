"""A signature between two checkpoints: what is proved of when it was made, whatever the clocks said."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integrity.meddling import meddle
from tests.proof.test_publish import Tsa, answering
from tests.tracing.clinic import Clinic, at
from tests.tracing.sealing import Parties

from ledger.aggregates.note_events import AddAddendum, CosignNote
from ledger.aggregates.sealing import SealedCheckpoint
from ledger.application.reading import open_charts
from ledger.cli.main import cli
from ledger.proof.between import Bracket, Trusted, Word
from ledger.proof.cosignature import cosign
from ledger.proof.notes import read_note
from ledger.proof.timestamp import read_roots, request_timestamp
from ledger.store.envelope import leaf_of
from ledger.store.recorder import Recorder
from ledger.store.sealed import digest_of
from ledger.tracing.bracket import findings, judged
from ledger.tracing.findings import SignatureBracket, Trace
from ledger.tracing.told import answer, told
from ledger.tracing.trace import trace_note

DRAFTED, SIGNED = at("2026-11-23 10:00"), at("2026-11-24 09:00")


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    clinic = Clinic(f"sqlite:///{tmp_path / 'ledger.db'}")
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(DRAFTED)
    return clinic


@pytest.fixture
def parties(clinic: Clinic, tmp_path: Path) -> Parties:
    return Parties(clinic.recorder, tmp_path, clinic.clock)


def traced(clinic: Clinic, trusted: Trusted | None = None, known: datetime | None = None) -> Trace:
    grant = open_charts(
        clinic.ledger, [clinic.client], reader=clinic.officer, purpose="audit", surface="cli", resource="trace",
        as_known_at=known,
    )  # fmt: skip
    return trace_note(
        clinic.recorder, grant, clinic.note, as_at=clinic.clock.now(), zone="America/Los_Angeles", trusted=trusted
    )


def signature(trace: Trace) -> SignatureBracket:
    return next(each for each in trace.brackets if each.what == "Signed")


def everything(trace: Trace) -> str:
    page = told(trace)
    return " ".join([*page.lead, *(line for section in page.sections for line in section.sentences)])


def test_a_signature_stands_between_the_witnesss_two_moments(clinic: Clinic, parties: Parties) -> None:
    before = parties.seal(at("2026-11-24 08:30"))
    clinic.sign(SIGNED)
    clinic.clock.set(at("2026-11-24 09:05"))
    after = parties.seal(at("2026-11-24 09:06"))
    found = signature(traced(clinic, parties.trusted))
    bracket = found.bracket
    assert (bracket.carried, bracket.covered) == (before.size, after.size)
    assert bracket.not_before == Word(
        at=at("2026-11-24 08:30"), size=before.size, whose="cosignature", name="county", checked=True
    )
    assert bracket.not_after == Word(
        at=at("2026-11-24 09:06"), size=after.size, whose="cosignature", name="county", checked=True
    )
    assert bracket.not_before_own is not None
    assert (bracket.not_before_own.at, bracket.not_before_own.whose) == (DRAFTED, "own")
    assert bracket.not_after_own is not None
    assert bracket.not_after_own.at == at("2026-11-24 09:05")
    assert (found.findings, bracket.faults) == ((), ())
    said = " ".join(told(traced(clinic, parties.trusted)).lead)
    assert (
        "Whatever the clocks said, it was signed not before Tue 2026-11-24 08:30 -08:00 (cosigned by the witness "
        "county) and not after Tue 2026-11-24 09:06 -08:00 (cosigned by the witness county)."
    ) in said


def test_a_claimed_time_before_the_checkpoint_it_carries_is_a_finding(clinic: Clinic, parties: Parties) -> None:
    parties.seal(at("2026-11-24 08:30"))
    clinic.sign(SIGNED, said=at("2026-11-23 14:40"))  # back-dated into the deadline
    clinic.clock.set(at("2026-11-24 09:05"))
    parties.seal(at("2026-11-24 09:06"))
    trace = traced(clinic, parties.trusted)
    assert signature(trace).findings == (
        "The claimed time is contradicted. The signature claims Mon 2026-11-23 14:40 -08:00, and carries the digest of "
        "a cosignature that was not there before Tue 2026-11-24 08:30 -08:00 (cosigned by the witness county): it was "
        "recorded at least 17 h 50 min after the moment that it claims.",
    )
    assert signature(trace).findings[0] in " ".join(told(trace).lead)
    late = {each.rule_id: each.proved for each in signature(trace).deadlines}
    assert late["PSC-13"] == "late", "due at 15:00 the day before"
    assert "proved to have been signed after it" in everything(trace)


def test_one_that_was_covered_before_its_deadline_is_proved_in_time(clinic: Clinic, parties: Parties) -> None:
    clinic.sign(at("2026-11-23 11:00"))
    parties.seal(at("2026-11-23 11:30"))
    found = signature(traced(clinic, parties.trusted))
    assert {each.rule_id: each.proved for each in found.deadlines}["PSC-13"] == "in time"
    assert found.bracket.carried is None
    assert "carries no checkpoint; nothing was sealed when it was recorded" in everything(traced(clinic))


def test_a_server_whose_clock_was_set_back_is_contradicted_by_the_witness(clinic: Clinic, parties: Parties) -> None:
    """The agency's clock says the 24th; it was the 26th when the county cosigned what the signature carries."""
    parties.seal(at("2026-11-26 08:00"))
    clinic.sign(SIGNED)
    found = signature(traced(clinic, parties.trusted))
    assert [each.partition(".")[0] for each in found.findings] == [
        "The claimed time is contradicted",
        "The server's clock is contradicted",
    ]


def test_and_so_is_one_that_runs_ahead(clinic: Clinic, parties: Parties) -> None:
    clinic.sign(SIGNED)
    parties.seal(at("2026-11-23 12:00"))
    found = signature(traced(clinic, parties.trusted))
    assert [each.partition(" is")[0] for each in found.findings] == ["The claimed time", "The server's clock"]


def test_without_a_trust_policy_the_witness_counts_for_nothing_and_is_named(clinic: Clinic, parties: Parties) -> None:
    parties.seal(at("2026-11-24 08:30"))
    clinic.sign(SIGNED)
    clinic.clock.set(at("2026-11-24 09:05"))
    parties.seal(at("2026-11-24 09:06"))
    trace = traced(clinic)
    bracket = signature(trace).bracket
    assert (bracket.not_before, bracket.not_after) == (None, None)
    assert [word.checked for word in (*bracket.before_words, *bracket.after_words)] == [False, False]
    said = everything(trace)
    assert "nobody outside the agency vouches for when it was signed" in said
    assert "by the agency's own clock only" in said
    assert "Not counted, since no key or root to check them with was named: what county signed." in said


def test_every_signature_has_its_bracket(clinic: Clinic, parties: Parties) -> None:
    clinic.sign(SIGNED)
    first = parties.seal(at("2026-11-24 10:00"))
    clinic.do(CosignNote(note_id=clinic.note), clinic.supervisor, at("2026-11-25 09:00"))
    clinic.do(AddAddendum(note_id=clinic.note, addendum_id=clinic.new(), text="more"), clinic.author)
    found = [(each.what, each.bracket.carried) for each in traced(clinic, parties.trusted).brackets]
    assert found == [("Signed", None), ("Co-signed", first.size), ("Addendum", first.size)]


def test_a_trace_as_known_earlier_takes_no_word_that_was_given_later(clinic: Clinic, parties: Parties) -> None:
    clinic.sign(SIGNED)
    clinic.clock.set(at("2026-11-24 09:05"))
    parties.seal(at("2026-11-24 09:06"))
    clinic.clock.set(at("2026-11-25 09:00"))
    assert signature(traced(clinic, parties.trusted, known=at("2026-11-24 09:01"))).bracket.covered is None
    assert signature(traced(clinic, parties.trusted, known=at("2026-11-24 09:10"))).bracket.not_after is not None


# Attacks by somebody who owns the database


def change_signature(clinic: Clinic, carried: SealedCheckpoint | None = None, occurred_at: str | None = None) -> None:
    """Rewrite the signature by SQL, with a leaf that fits."""
    row = next(row for row in clinic.recorder.read_log(0, 1000) if row.topic == "note.signed")
    payload = json.loads(row.state)
    if carried is not None:
        payload["sealed_before"] = msgspec.to_builtins(carried)
    state = json.dumps(payload).encode()
    new = replace(row, state=state, occurred_at=occurred_at or row.occurred_at)
    meddle(
        clinic.recorder,
        "UPDATE events SET payload = :payload, occurred_at = :at, leaf = :leaf WHERE position = :position",
        payload=state,
        at=new.occurred_at,
        leaf=leaf_of(new, row.position, row.recorded_at),
        position=row.position,
    )


def test_a_signature_that_is_dated_back_by_sql_is_contradicted_by_what_it_carries(
    clinic: Clinic, parties: Parties
) -> None:
    parties.seal(at("2026-11-24 08:30"))
    clinic.sign(SIGNED)
    assert signature(traced(clinic, parties.trusted)).findings == ()
    change_signature(clinic, occurred_at="2026-11-23T20:00:00.000000Z")
    (finding,) = signature(traced(clinic, parties.trusted)).findings
    assert finding.startswith("The claimed time is contradicted. The signature claims Mon 2026-11-23 12:00 -08:00")


def test_once_it_is_sealed_the_rewritten_event_is_not_the_one_under_the_checkpoint(
    clinic: Clinic, parties: Parties
) -> None:
    parties.seal(at("2026-11-24 08:30"))
    clinic.sign(SIGNED)
    parties.seal(at("2026-11-24 09:06"))
    change_signature(clinic, occurred_at="2026-11-24T16:45:00.000000Z")
    found = signature(traced(clinic, parties.trusted))
    assert found.bracket.not_after is None
    assert any("the log does not lead to its root" in each for each in found.findings)


@pytest.mark.parametrize("attack", ["a changed root", "another log's", "a later one"])
def test_a_carried_checkpoint_that_is_not_of_this_log_before_it_proves_nothing(
    clinic: Clinic, parties: Parties, attack: str
) -> None:
    before = parties.seal(at("2026-11-24 08:30"))
    clinic.sign(SIGNED)
    root = hashlib.sha256(attack.encode()).hexdigest() if attack != "a later one" else before.root.hex()
    size = {"a changed root": before.size, "another log's": before.size - 3, "a later one": before.size + 5}[attack]
    change_signature(clinic, SealedCheckpoint(size=size, root=root))
    found = signature(traced(clinic, parties.trusted))
    assert found.bracket.not_before_own is None
    assert found.findings[0].startswith("The proof does not hold: it carries a")
    assert found.findings[0] in everything(traced(clinic, parties.trusted))


def test_a_cosignature_that_was_taken_away_is_said_to_be_missing(clinic: Clinic, parties: Parties) -> None:
    parties.seal(at("2026-11-24 08:30"))
    clinic.sign(SIGNED)
    meddle(clinic.recorder, "DELETE FROM cosignatures")
    trace = traced(clinic, parties.trusted)
    assert signature(trace).bracket.lost_vouchers == 1
    assert signature(trace).bracket.not_before is None
    assert "names 1 cosignatures or timestamps that the store does not have any more" in everything(trace)


def test_a_cosignature_put_there_afterwards_does_not_count_as_one_that_was_there(
    clinic: Clinic, parties: Parties
) -> None:
    """Another moment on the same checkpoint, though it is truly the witness's: the signature did not carry it."""
    row = parties.seal()
    clinic.sign(SIGNED)
    line = cosign(read_note(row.note).text, parties.county, int(at("2026-11-30 08:30").timestamp())).line
    parties.sealed.add_cosignature(row.size, "county", line, "2026-11-30T16:30:00.000000Z")
    assert signature(traced(clinic, parties.trusted)).bracket.not_before is None


def test_a_real_authoritys_timestamps_bound_it_on_both_sides(clinic: Clinic, parties: Parties, tmp_path: Path) -> None:
    """Its clock is the machine's, years from the clinic's: the bracket is the authority's, whatever the clinic said."""
    for name in ("tsa", "stranger"):
        (tmp_path / name).mkdir()
    tsa = Tsa(tmp_path / "tsa")
    roots = read_roots(tsa.root)
    started = datetime.now(UTC).replace(microsecond=0)
    with answering(tsa.reply) as port:
        for sign in (True, False):
            row = parties.seal()
            token = request_timestamp(f"http://127.0.0.1:{port}", row.note, roots)
            parties.sealed.add_timestamp(row.size, "tsa", token, row.sealed_at)
            if sign:
                clinic.sign(SIGNED)
    found = signature(traced(clinic, replace(parties.trusted, roots=roots))).bracket
    assert found.not_before is not None
    assert found.not_after is not None
    assert started <= found.not_before.at <= found.not_after.at <= datetime.now(UTC)
    assert (found.not_before.whose, found.not_after.whose, found.faults) == ("timestamp", "timestamp", ())
    unchecked = signature(traced(clinic, parties.trusted)).bracket
    assert unchecked.not_before is None
    assert [word.checked for word in unchecked.before_words] == [False]
    stranger = Tsa(tmp_path / "stranger")
    foreign = signature(traced(clinic, replace(parties.trusted, roots=read_roots(stranger.root)))).bracket
    assert foreign.not_before is None
    assert "the timestamp does not hold" in foreign.faults[0]


# Properties

moments = st.integers(0, 366 * 24 * 3600).map(lambda seconds: at("2026-01-01 00:00") + timedelta(seconds=seconds))


@given(claimed=moments, recorded=moments, low=moments, high=moments)
def test_findings_are_exactly_the_contradictions(
    claimed: datetime, recorded: datetime, low: datetime, high: datetime
) -> None:
    bracket = Bracket(
        not_before=Word(at=low, size=1, whose="cosignature", name="w"),
        not_after=Word(at=high, size=2, whose="cosignature", name="w"),
    )
    second = timedelta(seconds=1)
    utc = {name: moment.timestamp() for name, moment in
           (("claimed", claimed), ("recorded", recorded), ("low", low), ("high", high))}  # fmt: skip
    expected = sum(utc[name] + second.total_seconds() < utc["low"] for name in ("claimed", "recorded"))
    expected += sum(utc[name] > utc["high"] + second.total_seconds() for name in ("claimed", "recorded"))
    assert len(list(findings(bracket, claimed, recorded))) == expected


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=st.lists(st.integers(1, 500), min_size=3, max_size=3), steps=st.permutations(["seal", "sign", "seal"]))
def test_a_true_signature_always_lies_in_its_bracket_and_is_never_accused(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int], steps: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("bracket")
    clinic = Clinic(f"sqlite:///{folder / 'ledger.db'}")
    try:
        clinic.serve(at("2026-11-20 15:00"))
        clinic.draft(DRAFTED)
        parties = Parties(clinic.recorder, folder, clinic.clock)
        now = DRAFTED
        signed_at = DRAFTED
        for step, gap in zip(steps, gaps, strict=True):
            now += timedelta(minutes=gap)
            clinic.clock.set(now)
            if step == "sign":
                clinic.sign(now)
                signed_at = now
            elif clinic.recorder.sequence() > getattr(parties.sealed.last(), "size", 0):
                parties.seal(now)
        trace = traced(clinic, parties.trusted)
        found = signature(trace)
        assert found.findings == ()
        for word in found.bracket.before_words:
            assert word.at <= signed_at
        for word in found.bracket.after_words:
            assert word.at >= signed_at
        assert (found.bracket.not_before is not None) == (steps[0] == "seal")
        assert list(judged(found.bracket, trace.opinions)) == list(found.deadlines)
        assert answer(trace)
    finally:
        clinic.recorder.engine.dispose()


# As it is typed


def test_the_command_shows_the_bracket_in_every_form(
    clinic: Clinic, parties: Parties, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parties.seal(at("2026-11-24 08:30"))
    clinic.sign(SIGNED, said=at("2026-11-23 14:40"))
    clinic.clock.set(at("2026-11-24 09:05"))
    parties.seal(at("2026-11-24 09:06"))
    policy = tmp_path / "policy"
    policy.write_text(parties.policy, encoding="utf-8")
    monkeypatch.setenv("LEDGER_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["--as", "system:auditor", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    text = run("trace", clinic.note, "--trust", str(policy))
    assert "what is proved, whatever the clocks said" in text
    assert "cosigned by the witness county" in text
    assert text.index("The claimed time is contradicted") < text.index("Every event, on both clocks")
    data = json.loads(run("--json", "trace", clinic.note, "--trust", str(policy)))
    assert data["brackets"][0]["bracket"]["not_before"]["at"] == "2026-11-24T08:30:00-08:00"
    assert data["brackets"][0]["bracket"]["not_before"]["name"] == "county"
    for ending in ("html", "svg"):
        file = tmp_path / f"trace.{ending}"
        run("trace", clinic.note, "--trust", str(policy), "--out", str(file))
        whole = file.read_text(encoding="utf-8")
        assert "Signed not before Tue 2026-11-24 08:30 -08:00, cosigned by the witness county" in whole
        if ending == "svg":
            ET.fromstring(whole)  # noqa: S314 - our own
    assert "cosigned by the witness county" not in run("trace", clinic.note)


def test_a_recorder_names_what_it_sealed_last(clinic: Clinic, parties: Parties) -> None:
    recorder: Recorder = clinic.recorder
    assert parties.sealed.newest() is msgspec.UNSET
    first = parties.seal(at("2026-11-24 08:30"))
    clinic.sign(SIGNED)
    second = parties.seal()
    newest = parties.sealed.newest()
    assert isinstance(newest, SealedCheckpoint)
    assert (newest.size, newest.root, newest.vouched_size) == (second.size, second.root.hex(), first.size)
    line = parties.sealed.cosignatures(first.size)["county"]
    assert newest.vouchers == (digest_of(line),)
    assert recorder.sequence() == second.size
