"""Signed notes, keys, checkpoints, cosignatures, policies: as their formats have them, and nothing else accepted."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proof.conftest import ORIGIN

from ledger.errors import BadInput
from ledger.proof.checkpoint import Checkpoint, open_checkpoint, read_checkpoint, sign_checkpoint
from ledger.proof.cosignature import cosign, cosigned_at
from ledger.proof.keys import load_key, load_vkey, write_key
from ledger.proof.notes import (
    COSIGNATURE,
    BadNote,
    Note,
    PrivateKey,
    Signature,
    check_note,
    new_key,
    read_note,
    read_private_key,
    read_vkey,
    sign_note,
)
from ledger.proof.trust import read_trust

#: The example of c2sp.org/signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()


def test_the_formats_own_example_is_accepted() -> None:
    key = read_vkey(VKEY)
    assert key.vkey == VKEY
    note = read_note(NOTE)
    assert check_note(note, [key]) == key
    assert note.encoded == NOTE


@pytest.mark.parametrize("at", range(0, len(NOTE), 7))
def test_the_example_with_any_byte_changed_is_not(at: int) -> None:
    changed = NOTE[:at] + bytes([NOTE[at] ^ 1]) + NOTE[at + 1 :]
    with pytest.raises(BadNote):
        check_note(read_note(changed), [read_vkey(VKEY)])


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        (b"text only\n", "no signatures"),
        (b"text\n\n\xe2\x80\x94 a AAAAAAAA", "no signatures"),
        (b"text\n\n- a AAAAAAAA\n", "malformed"),
        (b"text\n\n\xe2\x80\x94 a AAAA\n", "malformed"),
        (b"text\n\n\xe2\x80\x94 a+b AAAAAAAA\n", "malformed"),
        (b"text\n\n\xe2\x80\x94 a !!!!\n", "malformed"),
        (b"te\x00xt\n\n\xe2\x80\x94 a AAAAAAAA\n", "control"),
        (b"te\xffxt\n\n\xe2\x80\x94 a AAAAAAAA\n", "UTF-8"),
        (b"text\n\n" + b"\xe2\x80\x94 a AAAAAAAA\n" * 101, "more than 100"),
    ],
)
def test_what_is_no_note_is_refused(encoded: bytes, words: str) -> None:
    with pytest.raises(BadNote, match=words):
        read_note(encoded)


def test_unknown_signatures_are_passed_over_and_a_wrong_one_of_a_known_key_condemns() -> None:
    ours, theirs = new_key("a"), new_key("b")
    note = sign_note("text\n", ours).with_signatures(sign_note("text\n", theirs).signatures)
    assert check_note(note, [ours.public]) == ours.public
    assert check_note(note, [theirs.public]) == theirs.public
    with pytest.raises(BadNote, match="no key that is trusted"):
        check_note(note, [new_key("a").public])
    wrong = Signature("b", theirs.public.key_id, bytes(64))
    with pytest.raises(BadNote, match="does not fit"):
        check_note(Note(note.text, (note.signatures[0], wrong)), [ours.public, theirs.public])


@pytest.mark.parametrize("name", ["", "two words", "a+b", "line\nend", "tab\tbed", "no\u00a0break"])
def test_a_name_that_notes_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=r"example\.org/ledger"):
        new_key(name)


@pytest.mark.parametrize(
    "text",
    ["", "name", "name+00000000", VKEY[:-4], VKEY.replace("530d903a", "530d903b"), VKEY.replace("+Ae", "+De"), "++"],
)
def test_a_verifier_key_that_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="verifier key"):
        read_vkey(text)


def test_a_key_shows_its_seed_nowhere_but_in_its_own_text() -> None:
    key = new_key(ORIGIN)
    assert read_private_key(key.text) == key
    assert key.text not in repr(key)
    assert key.seed.hex() not in repr(key)
    with pytest.raises(BadInput) as refused:
        read_private_key(key.text[:-3])
    assert key.text[40:60] not in str(refused.value)


def test_key_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    file, key = tmp_path / "key", new_key(ORIGIN)
    write_key(file, key)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_key(file, "LEDGER_SEAL_KEY") == key
    with pytest.raises(BadInput, match="never overwritten"):
        write_key(file, new_key(ORIGIN))
    for mode in (0o640, 0o604, 0o644, 0o660, 0o610):
        file.chmod(mode)
        with pytest.raises(BadInput, match=rf"LEDGER_SEAL_KEY: others may read .*{mode:04o}.*chmod 600"):
            load_key(file, "LEDGER_SEAL_KEY")
    file.chmod(0o400)
    assert load_key(file, "--key") == key
    (tmp_path / "vkey").write_text(key.public.vkey + "\n")
    assert load_vkey(str(tmp_path / "vkey"), "--vkey") == load_vkey(key.public.vkey, "--vkey") == key.public
    with pytest.raises(BadInput, match="--vkey: "):
        load_vkey(str(tmp_path / "missing"), "--vkey")


@given(size=st.integers(0, (1 << 63) - 1), root=st.binary(min_size=32, max_size=32))
def test_a_checkpoint_comes_back_as_it_was(size: int, root: bytes) -> None:
    key = new_key(ORIGIN)
    checkpoint = Checkpoint(ORIGIN, size, root)
    opened, note = open_checkpoint(sign_checkpoint(checkpoint, key).encoded, [key.public])
    assert opened == checkpoint
    assert read_checkpoint(note.text) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "origin\n1\n",
        "origin\n01\n" + "A" * 43 + "=\n",
        "origin\n-1\n" + "A" * 43 + "=\n",
        "origin\n１\n" + "A" * 43 + "=\n",
        "origin\n9223372036854775808\n" + "A" * 43 + "=\n",
        "origin\n1\n" + "A" * 42 + "==\n",
        "origin\n1\n" + "A" * 42 + "B=\n",
        "origin\n1\nroot\n",
        "\n1\n" + "A" * 43 + "=\n",
        "origin\n1\n" + "A" * 43 + "=\n\nmore\n",
        "origin\n1\n" + "A" * 43 + "=",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadNote):
        read_checkpoint(text)


def test_a_checkpoint_of_another_log_is_refused_even_when_its_key_is_known() -> None:
    ours, theirs = new_key(ORIGIN), new_key("another.example.org")
    forged = sign_note(Checkpoint(ORIGIN, 1, bytes(32)).text, theirs)
    with pytest.raises(BadNote, match="no key that is trusted"):
        open_checkpoint(forged.encoded, [ours.public, theirs.public])


def witness(name: str) -> PrivateKey:
    return new_key(name, COSIGNATURE)


def test_a_cosignature_binds_text_and_time() -> None:
    log, one = new_key(ORIGIN), witness("w")
    note = sign_checkpoint(Checkpoint(ORIGIN, 5, bytes(32)), log)
    signature = cosign(note.text, one, 1_700_000_000)
    cosigned = note.with_signatures([signature])
    assert cosigned_at(cosigned, one.public) == 1_700_000_000
    assert cosigned_at(note, one.public) is None
    assert cosigned_at(cosigned, witness("w").public) is None
    later = Signature(signature.name, signature.key_id, (1_700_000_001).to_bytes(8, "big") + signature.raw[8:])
    for text, line in ((note.text, later), (note.text.replace("5", "6", 1), signature)):
        with pytest.raises(BadNote, match="does not fit"):
            cosigned_at(Note(text, (line,)), one.public)
    with pytest.raises(BadNote, match="malformed"):
        cosigned_at(Note(note.text, (Signature("w", one.public.key_id, signature.raw[:-1]),)), one.public)
    with pytest.raises(ValueError, match="witness's key"):
        cosign(note.text, log, 1)


def policy(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def test_a_trust_policy_asks_for_k_of_n() -> None:
    log, keys = new_key(ORIGIN), {name: witness(name) for name in "abcde"}
    lines = [f"log {log.public.vkey} https://log.example.org", "# a comment", ""]
    lines += [f"witness {name} {key.public.vkey}\t https://{name}.example.org/w/" for name, key in keys.items()]
    lines += ["group two 2 a b c", "group one any d e", "group both all two one", "quorum both"]
    trust = read_trust(policy(*lines), "--trust")
    assert trust.logs == (log.public,)
    assert trust.witnesses["a"].url == "https://a.example.org/w"
    assert trust.wanted == "2 of 2 (2 of 3 (a, b, c), 1 of 2 (d, e))"
    for names, enough in (("abd", True), ("bce", True), ("abc", False), ("ade", False), ("", False), ("abcde", True)):
        assert trust.enough(dict.fromkeys(names, 1)) is enough
    note = sign_checkpoint(Checkpoint(ORIGIN, 5, bytes(32)), log)
    signed = note.with_signatures(cosign(note.text, keys[name], 7) for name in "bce")
    assert trust.check(signed) == dict.fromkeys("bce", 7)
    with pytest.raises(BadNote, match=r"cosigned by b, c; wanted: 2 of 2"):
        trust.check(note.with_signatures(cosign(note.text, keys[name], 7) for name in "bc"))
    assert read_trust("quorum none\n", "--trust").enough({})


A, B = witness("a").public.vkey, witness("b").public.vkey


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["log x"], "line 1: .*verifier key"),
        ([f"log {A}", "quorum none"], "line 1: .*not one of a log"),
        ([f"witness a {VKEY}", "quorum a"], "line 1: .*not one of a witness"),
        ([f"witness a {A}", f"witness a {B}", "quorum a"], "line 2: the name a is taken"),
        ([f"witness none {A}", "quorum none"], "line 1: the name none is taken"),
        ([f"witness a {A}", f"witness b {A}", "quorum a"], "line 2: the key of a is there twice"),
        ([f"witness a {A}"], "it has no line “quorum NAME”"),
        ([f"witness a {A}", "quorum b"], "line 2: b is neither"),
        ([f"witness a {A}", "quorum a", "quorum a"], "line 3: there is a second quorum"),
        ([f"witness a {A}", "group g 2 a", "quorum g"], "line 2: '2' of 1"),
        ([f"witness a {A}", "group g 0 a", "quorum g"], "line 2: '0' of 1"),
        ([f"witness a {A}", "group g some a", "quorum g"], "line 2: 'some' of 1"),
        ([f"witness a {A}", "group g any b", "quorum g"], "line 2: b is neither"),
        ([f"witness a {A}", "group g any a", "group h any a", "quorum g"], "line 3: a is a member of a group already"),
        (["group g any", "quorum g"], "line 1: it is no line of a trust policy"),
        (["something else"], "line 1: it is no line of a trust policy"),
    ],
)
def test_a_trust_policy_that_cannot_be_is_refused_with_its_line(lines: list[str], words: str) -> None:
    with pytest.raises(BadInput, match=f"--trust: {words}"):
        read_trust(policy(*lines), "--trust")
