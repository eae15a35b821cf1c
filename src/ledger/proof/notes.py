"""Signed notes and their Ed25519 keys, as C2SP writes them: https://c2sp.org/signed-note.

A note is a text, an empty line, and one or more lines ``— NAME BASE64``. Signatures of unknown keys are passed over;
one of a known key that does not fit condemns the note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import BadInput, IntegrityFault

#: Signature types of C2SP's register that are used here.
ED25519 = 0x01
COSIGNATURE = 0x04
_TYPES = (ED25519, COSIGNATURE)
#: More signature lines than anybody needs; a note with more is refused.
MOST_SIGNATURES = 100
_PRIVATE = "PRIVATE+KEY+"


class BadNote(IntegrityFault):
    """A text is no signed note, or its signature does not fit."""


def fault_in_name(name: str) -> str:
    """Why a text cannot be a key's name, with the mend; empty when it can."""
    if not name:
        return "it is empty; write one as example.org/ledger"
    if "+" in name or any(ch.isspace() or unicodedata.category(ch).startswith("C") for ch in name):
        return "it has a space, a plus sign or a control character; write one as example.org/ledger"
    return ""


@dataclass(frozen=True)
class PublicKey:
    """A key that checks notes: its name, its 32 bytes, and for what kind of signature it is used."""

    name: str
    raw: bytes
    kind: int = ED25519

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.raw).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as one line of text: ``NAME+ID+KEY``."""
        material = base64.b64encode(bytes([self.kind]) + self.raw).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    def fits(self, message: bytes, signature: bytes) -> bool:
        """Whether it is this key's signature of the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class PrivateKey:
    """A key that signs notes. Its text form is Go's: ``PRIVATE+KEY+NAME+ID+SEED``."""

    name: str
    seed: bytes
    kind: int = ED25519

    def __repr__(self) -> str:
        return f"PrivateKey({self.name!r})"  # never its seed

    @property
    def public(self) -> PublicKey:
        raw = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return PublicKey(self.name, raw, self.kind)

    @property
    def text(self) -> str:
        material = base64.b64encode(bytes([self.kind]) + self.seed).decode()
        return f"{_PRIVATE}{self.name}+{self.public.key_id.hex()}+{material}"

    def sign(self, message: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


def new_key(name: str, kind: int = ED25519) -> PrivateKey:
    """A new key from the system's randomness; raises ``BadInput`` for a name that notes cannot carry."""
    if fault := fault_in_name(name):
        raise BadInput(f"name: {name!r}: {fault}")
    return PrivateKey(name, Ed25519PrivateKey.generate().private_bytes_raw(), kind)


def read_vkey(text: str) -> PublicKey:
    """Read ``NAME+ID+KEY``; raises ``BadInput`` saying what is wrong."""
    name, key_id, material = _parts(text.strip(), "a verifier key")
    key = PublicKey(name, material[1:], material[0])
    if key.key_id.hex() != key_id:
        raise BadInput("the verifier key's id does not belong to its name and key; was it copied whole?")
    return key


def read_private_key(text: str) -> PrivateKey:
    """Read ``PRIVATE+KEY+NAME+ID+SEED``; raises ``BadInput`` saying what is wrong, never what was read."""
    text = text.strip()
    if not text.startswith(_PRIVATE):
        raise BadInput("it is not a signing key (PRIVATE+KEY+…)")
    name, key_id, material = _parts(text.removeprefix(_PRIVATE), "a signing key")
    key = PrivateKey(name, material[1:], material[0])
    if key.public.key_id.hex() != key_id:
        raise BadInput("the signing key's id does not belong to its name and key; was it copied whole?")
    return key


def _parts(text: str, what: str) -> tuple[str, str, bytes]:
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        material = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        material = b""
    if fault_in_name(name) or len(key_id) != 8 or len(material) != 33 or material[0] not in _TYPES:
        raise BadInput(f"it is not {what} for Ed25519: NAME+ID+KEY, as `ledger tlog key` prints it")
    return name, key_id, material


@dataclass(frozen=True)
class Signature:
    """One signature line: whose it says it is, and its bytes."""

    name: str
    key_id: bytes
    raw: bytes

    @property
    def line(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.raw).decode()}\n"


@dataclass(frozen=True)
class Note:
    """A signed note taken apart; nothing is checked yet."""

    text: str
    signatures: tuple[Signature, ...]

    @property
    def encoded(self) -> bytes:
        return (self.text + "\n" + "".join(each.line for each in self.signatures)).encode()

    def by(self, key: PublicKey) -> tuple[Signature, ...]:
        """The signatures that name this key."""
        return tuple(each for each in self.signatures if (each.name, each.key_id) == (key.name, key.key_id))

    def with_signatures(self, more: Iterable[Signature]) -> Note:
        """The same note with more signature lines, each of them once."""
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *more))))


def sign_note(text: str, key: PrivateKey) -> Note:
    """A text with a key's signature under it. The text ends with a line end."""
    if not text.endswith("\n"):
        raise ValueError("the text of a note ends with a line end")
    return Note(text, (Signature(key.name, key.public.key_id, key.sign(text.encode())),))


def read_note(encoded: bytes) -> Note:
    """Take a signed note apart; raises ``BadNote``."""
    try:
        whole = encoded.decode()
    except UnicodeDecodeError as fault:
        raise BadNote("the note is not UTF-8") from fault
    if any(ch < " " and ch != "\n" for ch in whole):
        raise BadNote("the note has a control character")
    body, found, below = whole.rpartition("\n\n")
    if not found or not below.endswith("\n"):
        raise BadNote("the note has no signatures: an empty line and lines that begin with “— ” are missing")
    return Note(body + "\n", read_signatures(below))


def read_signatures(lines: str) -> tuple[Signature, ...]:
    """Signature lines, each ended by a line end; raises ``BadNote``."""
    if not lines.endswith("\n"):
        raise BadNote("the last signature line is not ended")
    rows = lines.removesuffix("\n").split("\n")
    if len(rows) > MOST_SIGNATURES:
        raise BadNote(f"the note has more than {MOST_SIGNATURES} signatures")
    return tuple(_signature(row) for row in rows)


def _signature(row: str) -> Signature:
    dash, _, rest = row.partition(" ")
    name, _, encoded = rest.partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if dash != "—" or fault_in_name(name) or len(raw) < 5:
        raise BadNote("a signature line is malformed; it is written as: — NAME BASE64")
    return Signature(name, raw[:4], raw[4:])


def check_note(note: Note, keys: Sequence[PublicKey]) -> PublicKey:
    """Which of these keys has signed the note. Raises ``BadNote`` when none has, or when a signature does not fit."""
    signed = None
    for key in keys:
        for signature in note.by(key):
            if not key.fits(note.text.encode(), signature.raw):
                raise BadNote(f"the signature of {key.name} does not fit the text: one of them was changed")
            signed = signed or key
    if signed is None:
        raise BadNote(f"no key that is trusted has signed it ({', '.join(key.name for key in keys) or 'none given'})")
    return signed
