#!/usr/bin/env python3
"""Checks an evidence bundle with nothing but Python 3.11, its standard library and the package ``cryptography``.

    python3 verify_evidence.py BUNDLE.zip --vkey VKEY [--witness VKEY]… [--manifest SHA256] [--list]

VKEY is a verifier key (NAME+ID+KEY) or a file that holds one; get it from somebody whom you trust, and not from the
bundle. It says what it proved, what it did not, and every fault with the member of the bundle that it is in. Exit code
0 when there is no fault, 1 when there is one, 2 when it was called wrongly. It needs no network.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import itertools
import json
import re
import sys
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_FORMAT = "ledger-evidence/1"
_LOG, _WITNESS = 1, 4
_MEMBERS = re.compile(
    r"manifest\.json|README\.txt|report\.(html|pdf)|verify_evidence\.py|policies/[a-z_]+\.toml"
    r"|traces/[0-9a-f-]+\.(json|html)|events/(\d{8,})/(entry\.json|payload\.json|inclusion\.tlog-proof)"
    r"|checkpoints/(\d{8,})\.note|consistency/\d{8,}\.proof|timestamps/\d{8,}(\.note|-\d+\.tsr)"
)
_TEXTS = ("stream", "type", "payload_sha256", "occurred_at", "recorded_at", "actor")
_ENTRY: dict[str, type] = {**dict.fromkeys(_TEXTS, str), "position": int, "version": int}
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError)


class Bad(Exception):
    """Something in the bundle does not hold."""


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Key:
    """A verifier key of C2SP's signed-note: NAME+ID+KEY."""

    def __init__(self, text: str, kind: int) -> None:
        name, _, rest = text.strip().partition("+")
        key_id, _, material = rest.partition("+")
        raw = base64.b64decode(material, validate=True)
        if len(raw) != 33 or hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8] != key_id:
            raise ValueError("it is not a verifier key NAME+ID+KEY; was it copied whole?")
        if raw[0] != kind:
            raise ValueError("it is a key of another kind: --vkey takes the log's, --witness a witness's")
        self.name, self.id, self.raw = name, bytes.fromhex(key_id), raw[1:]

    def fits(self, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


class Checkpoint:
    """A signed checkpoint: origin, size, root, and the lines that sign it."""

    def __init__(self, encoded: bytes) -> None:
        try:
            body, found, below = encoded.decode().rpartition("\n\n")
            self.text = body + "\n"
            self.origin, size, root = body.split("\n")[:3]
            self.size, self.root = int(size), base64.b64decode(root, validate=True)
            self.lines = below.removesuffix("\n").split("\n")
            self.signatures = [self._taken_apart(line) for line in self.lines]
        except (UnicodeDecodeError, ValueError) as fault:
            raise Bad("it is not a signed checkpoint") from fault
        if not found or not below.endswith("\n") or len(self.root) != 32:
            raise Bad("it is not a signed checkpoint")

    @staticmethod
    def _taken_apart(line: str) -> tuple[str, bytes, bytes]:
        dash, name, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        if dash != "—" or len(raw) < 5:
            raise ValueError("not a signature line")
        return name, raw[:4], raw[4:]

    def signed_by(self, key: Key) -> bool:
        """Whether the log's key signed it; a signature in its name that does not fit raises ``Bad``."""
        found = False
        for name, key_id, raw in self.signatures:
            if (name, key_id) == (key.name, key.id):
                if not key.fits(self.text.encode(), raw):
                    raise Bad(f"the signature of {name} does not fit: the checkpoint or the signature was changed")
                found = True
        return found and key.name == self.origin

    def cosigned(self, key: Key) -> list[tuple[datetime, str]]:
        """When a witness cosigned it, and with which line."""
        found = []
        for line, (name, key_id, raw) in zip(self.lines, self.signatures, strict=True):
            if (name, key_id) == (key.name, key.id):
                moment = int.from_bytes(raw[:8], "big")
                if not key.fits(f"cosignature/v1\ntime {moment}\n{self.text}".encode(), raw[8:]):
                    raise Bad(f"the cosignature of {name} does not fit: the checkpoint or the cosignature was changed")
                found.append((datetime.fromtimestamp(moment, UTC), line))
        return found


def _left(size: int) -> int:
    """How many leaves stand at the left of where RFC 6962 divides a tree of more than one."""
    return 1 << ((size - 1).bit_length() - 1)


def _root(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root that an audit path leads to (RFC 6962, 2.1.1); the path is used up from its end."""
    if size == 1:
        return leaf
    left, beside = _left(size), path.pop()
    if index < left:
        return node(_root(index, left, leaf, path), beside)
    return node(beside, _root(index - left, size - left, leaf, path))


def _roots(old: int, new: int, path: list[bytes], known: bytes | None) -> tuple[bytes, bytes]:
    """The roots of both trees that a consistency proof leads to (RFC 6962, 2.1.2); ``known`` is the older one's."""
    if old == new:
        same = path.pop() if known is None else known
        return same, same
    left, beside = _left(new), path.pop()
    if old <= left:
        first, second = _roots(old, left, path, known)
        return first, node(second, beside)
    first, second = _roots(old - left, new - left, path, None)
    return node(beside, first), node(beside, second)


def check_inclusion(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> None:
    rest = list(path)
    try:
        fits = 0 <= index < size and _root(index, size, leaf, rest) == root and not rest
    except IndexError:
        fits = False
    if not fits:
        raise Bad("the event is not under the checkpoint: it, its proof or the checkpoint was changed")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]) -> None:
    rest = list(path)
    try:
        fits = 0 < old <= new and _roots(old, new, rest, old_root) == (old_root, new_root) and not rest
    except IndexError:
        fits = False
    if not fits:
        raise Bad(f"the log of {new:,} events does not begin with the {old:,} events of this checkpoint")


class Bundle:
    """A bundle while it is checked: what was proved, what was not, and every fault by the member that it is in."""

    def __init__(self, path: Path, key: Key | None, witnesses: list[Key], manifest: str | None) -> None:
        self.key, self.witnesses, self.wanted = key, witnesses, manifest
        self.proved: list[str] = []
        self.not_proved: list[str] = []
        self.faults: list[tuple[str, str]] = []
        self.events: list[dict[str, Any]] = []
        self.at: dict[int, Checkpoint] = {}
        self.size, self.root, self.bound = 0, b"", 0
        self.own_key: Key | None = None
        self.manifest: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        try:
            with zipfile.ZipFile(path) as file:
                for info in file.infolist():
                    self._read(file, info)
        except _UNREADABLE as fault:
            self.fault(path.name, f"it is not a zip file that can be read: {fault}")

    def _read(self, file: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        if info.filename in self.files:
            self.fault(info.filename, "it is there twice")
        try:
            self.files[info.filename] = file.read(info)
        except _UNREADABLE as fault:
            self.files[info.filename] = b""
            self.fault(info.filename, f"it cannot be read from the zip: {fault}")

    def fault(self, member: str, words: object) -> None:
        self.faults.append((member, str(words)))

    def check(self) -> None:
        try:
            self._check()
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as fault:
            self.fault("manifest.json", f"it and the events do not belong together: {fault!r}")

    def _check(self) -> None:
        if self._members():
            self._checkpoints()
            for listed in self.manifest["events"]:
                self._event(listed)
            self._streams()
            self._summed_up()
            self._what_is_not()

    def _members(self) -> bool:
        """Every member is listed with its digest, and no other is there."""
        raw = self.files.get("manifest.json", b"")
        if self.wanted is not None and digest(raw) != self.wanted.lower():
            self.fault("manifest.json", "its SHA-256 is not the one that you were told")
        try:
            found = json.loads(raw)
            if found["format"] != _FORMAT:
                raise Bad("it is of another format")
            listed = {f"{int(e['position']):08}" for e in found["events"] if (e["event_id"], e["payload"], e["sealed"])}
            members = dict(found["members"])
            self.size = int(found["size"])
            _ = (found["subject"]["kind"], found["subject"]["id"])
            self.own_key = Key(found["vkey"], _LOG) if found["vkey"] else None
        except (ValueError, KeyError, TypeError, Bad) as fault:
            self.fault("manifest.json", f"it is missing or cannot be read: {fault!r}")
            return False
        self.manifest = found
        for name in sorted((self.files.keys() | members.keys()) - {"manifest.json"}):
            known = _MEMBERS.fullmatch(name)
            if name not in self.files:
                self.fault(name, "it is listed in the manifest and missing")
            elif name not in members:
                self.fault(name, "it is not listed in the manifest")
            elif digest(self.files[name]) != members[name]:
                self.fault(name, "it was changed: its SHA-256 is not that of the manifest")
            elif known is None or (name.startswith("events/") and name[7:-1].partition("/")[0] not in listed):
                self.fault(name, "it is no member that this bundle should have")
        return True

    def _checkpoints(self) -> None:
        """The last checkpoint, which everything is proved under, and then that the others are of the same log."""
        names = sorted((n for n in self.files if n.startswith("checkpoints/")), reverse=True)
        last = f"checkpoints/{self.size:08}.note"
        if self.size and last not in names:
            self.fault(last, "it is missing")
        for name in sorted(names, key=lambda n: n != last):
            try:
                found = Checkpoint(self.files[name])
                key = self.key or self.own_key
                if name != f"checkpoints/{found.size:08}.note":
                    raise Bad("it is a checkpoint of another size")
                if key is not None and not found.signed_by(key):
                    raise Bad(f"it is not signed by the log's key {key.name}")
                for witness in self.witnesses:
                    found.cosigned(witness)
                if name == last:
                    self.root = found.root
                self._goes_on(found.size, found.root)
                self.at[found.size] = found
            except Bad as fault:
                self.fault(name, fault)

    def _goes_on(self, size: int, root: bytes) -> None:
        """The last checkpoint's log begins with the tree of this size and root."""
        path = [] if size == self.size else self._hashes(f"consistency/{size:08}.proof", f"old {size}")
        check_consistency(size, root, self.size, self.root, path)

    def _hashes(self, name: str, head: str) -> list[bytes]:
        try:
            said, _, below = self.files[name].decode().partition("\n\n")
            lines = said.removeprefix("c2sp.org/tlog-proof@v1\n").split("\n")
            if lines[0] != head or below.encode() != self.files[f"checkpoints/{self.size:08}.note"]:
                raise Bad(f"{name} is not a proof of this under the last checkpoint")
            return [base64.b64decode(line, validate=True) for line in lines[1:]]
        except (KeyError, ValueError) as fault:
            raise Bad(f"{name} is missing or cannot be read") from fault

    def _event(self, listed: dict[str, Any]) -> None:
        position, sealed = int(listed["position"]), bool(listed["sealed"])
        folder = f"events/{position:08}"
        entry, payload = (self.files.get(f"{folder}/{name}.json") for name in ("entry", "payload"))
        try:
            said = json.loads(entry or b"")
            if any(not isinstance(said[name], kind) for name, kind in _ENTRY.items()):
                raise Bad("it is no entry of a log")
            if said["position"] != position or f"{said['stream']}@{said['version']}" != listed["event_id"]:
                raise Bad("it is the entry of another event")
        except (ValueError, KeyError, TypeError, Bad) as fault:
            self.fault(f"{folder}/entry.json", f"it cannot be read as an entry: {fault}")
            return
        found: Any = None
        try:
            if payload is not None:
                found = json.loads(payload)
                if digest(payload) != said["payload_sha256"]:
                    raise Bad("it is not the content that was recorded: its digest is not the entry's")
            elif listed["payload"] or not said["type"].startswith(("access.", "staff.")):
                raise Bad("it is missing")
        except (ValueError, Bad) as fault:
            self.fault(f"{folder}/payload.json", fault)
        try:
            if sealed:
                path = self._hashes(f"{folder}/inclusion.tlog-proof", f"index {position - 1}")
                leaf = hashlib.sha256(b"\x00" + (entry or b"")).digest()
                check_inclusion(leaf, position - 1, self.size, path, self.root)
            elif position <= self.size:
                raise Bad("the checkpoint covers this event, and it is listed as not sealed")
        except Bad as fault:
            self.fault(f"{folder}/inclusion.tlog-proof", fault)
        self.events.append({"entry": said, "payload": found, "sealed": sealed, "folder": folder})

    def _streams(self) -> None:
        """Versions come in turn, contents are those that were signed, and each signature's bracket."""
        streams: dict[str, list[dict[str, Any]]] = {}
        for event in sorted(self.events, key=lambda e: int(e["entry"]["position"])):
            streams.setdefault(event["entry"]["stream"], []).append(event)
        for events in streams.values():
            self._contents(events)
            for before, event in itertools.pairwise(events):
                if event["entry"]["version"] != before["entry"]["version"] + 1:
                    self.fault(f"{event['folder']}/entry.json", "an event of its stream is left out before it")
        for event in self.events:
            if isinstance(event["payload"], dict) and "sealed_before" in event["payload"]:
                try:
                    self.proved.append(self._bracket(event, event["payload"]["sealed_before"]))
                except (Bad, KeyError, TypeError, ValueError) as fault:
                    self.fault(f"{event['folder']}/payload.json", f"the checkpoint that the signature carries: {fault}")

    def _contents(self, events: list[dict[str, Any]]) -> None:
        """A note's signatures are bound to the SHA-256 of what the note said when it was signed."""
        drafted: dict[str, Any] = {}
        content: Any = None
        names = ("author_id", "client_id", "contact_id", "document", "service_ended_at", "service_started_at")
        for event in events:
            kind, payload = event["entry"]["type"], event["payload"]
            if not isinstance(payload, dict):
                continue
            drafted = payload if kind == "note.drafted" else drafted
            content = payload.get("content", content) if kind in ("note.drafted", "note.content_written") else content
            if kind in ("note.signed", "note.cosigned") and drafted:
                whole = {name: drafted.get(name) for name in names} | {"content": content}
                canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                if digest(canonical.encode()) != payload.get("content_sha256"):
                    self.fault(f"{event['folder']}/payload.json", "the signature is not of this note's content")
                self.bound += event["sealed"]

    def _bracket(self, event: dict[str, Any], carried: dict[str, Any]) -> str:
        entry, size = event["entry"], int(carried["size"])
        said = f"{entry['type']} at position {entry['position']:,}, claimed {entry['occurred_at']}"
        if not event["sealed"]:
            return f"{said}: nothing of when it was signed, it is not sealed"
        if not 1 <= size < entry["position"]:
            raise Bad("it was not sealed before the signature")
        self._goes_on(size, bytes.fromhex(carried["root"]))
        vouchers = set(carried.get("vouchers", ()))
        before = [w for w in self._words() if w[3] == carried.get("vouched_size") and digest(w[2]) in vouchers]
        after = [w for w in self._words() if w[3] >= entry["position"]]
        nobody = "a time that no witness of yours vouches for"
        low, high = max(before, default=None), min(after, default=None)
        contradicted = low is not None and datetime.fromisoformat(entry["occurred_at"]) < low[0]
        return (
            f"{said}: signed not before {f'{low[0]:%Y-%m-%d %H:%M:%S}Z ({low[1]})' if low else nobody}, not after "
            f"{f'{high[0]:%Y-%m-%d %H:%M:%S}Z ({high[1]})' if high else nobody}"
        ) + ("; THE CLAIMED TIME IS CONTRADICTED" if contradicted else "")

    def _words(self) -> list[tuple[datetime, str, bytes, int]]:
        """Each cosignature of the witnesses that were named: when, whose, its line, and on how many events."""
        return [
            (moment, witness.name, f"{line}\n".encode(), size)
            for size, checkpoint in self.at.items()
            for witness in self.witnesses
            for moment, line in checkpoint.cosigned(witness)
        ]

    def _summed_up(self) -> None:
        sealed = [event for event in self.events if event["sealed"]]
        if sealed:
            whose = f"is signed by {self.key.name}" if self.key else "is here (NOT PROVED: whose it is)"
            shown = sum(event["payload"] is not None for event in sealed)
            self.proved[:0] = [
                f"{len(sealed):,} events stand, as they are here, in the log of {self.size:,} whose checkpoint {whose}",
                f"the content of {shown:,} of them is the one that was recorded",
                f"{self.bound:,} signatures of notes are bound to the content that is here",
                *([f"{len(self.at):,} checkpoints are of one log"] if len(self.at) > 1 else []),
            ]
        for witness in self.witnesses:
            signed = [(size, moment) for moment, name, _, size in self._words() if name == witness.name]
            for size, moment in [max(signed)] if signed else []:
                self.proved.append(
                    f"the first {size:,} events were there by {moment:%Y-%m-%d %H:%M:%S}Z ({witness.name})"
                )
            if not signed:
                self.not_proved.append(f"that {witness.name} stands behind the log: it has cosigned nothing here")

    def _what_is_not(self) -> None:
        subject, said = self.manifest["subject"], self.not_proved
        open_ = sum(not event["sealed"] for event in self.events)
        hidden = sum(event["payload"] is None for event in self.events)
        if self.key is None:
            said.append("whose log it is: no --vkey was given, and a key in the bundle proves nothing")
        if not self.witnesses:
            said.append("when anything was recorded: no --witness was given; recorded_at is the server's own word")
        if open_:
            said.append(
                f"anything of {open_:,} events that no checkpoint covers yet: they may be made or changed still"
            )
        if hidden:
            said.append(f"the content of {hidden:,} events: it is about other people's charts or leave, and left out")
        for name in sorted(name for name in self.files if name.endswith(".tsr")):
            note = f"{name.split('-')[0]}.note"
            said.append(f"the timestamp {name}: openssl ts -verify -data {note} -in {name} -CAfile ROOTS.pem")
        told = "" if self.wanted else "; compare the manifest's SHA-256 with the one that you were told (--manifest)"
        said += [
            "that what the events say is true: they say what was recorded",
            f"that nothing about the {subject['kind']} {subject['id']} is left out, but between two events of a stream",
            f"that report, traces and policy files say what the events say: they are the exporter's words{told}",
        ]

    def told(self, listed: bool) -> list[str]:
        lines = [f"manifest SHA-256  {digest(self.files.get('manifest.json', b''))}"]
        for e in (event["entry"] for event in self.events if listed):
            times = f"{e['recorded_at']}  {e['occurred_at']}"
            lines.append(f"{e['position']:>9,}  {times}  {e['type']:<26} {e['actor']}  {e['stream']}@{e['version']}")
        if self.faults:
            lines += [f"FAULT  {member}: {words}" for member, words in self.faults]
            return [*lines, f"NOT SOUND: {len(self.faults)} faults; rely on nothing in this bundle"]
        lines += [f"PROVED      {words}" for words in self.proved]
        return [*lines, *(f"NOT PROVED  {words}" for words in self.not_proved), "no fault"]


def read_key(text: str, kind: int) -> Key:
    path = Path(text)
    return Key(path.read_text(encoding="utf-8") if "+" not in text or path.is_file() else text, kind)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--vkey", help="the log's verifier key, or a file with it, from somebody whom you trust")
    parser.add_argument("--witness", action="append", default=[], help="a witness's verifier key; repeat")
    parser.add_argument("--manifest", help="the SHA-256 of the manifest that you were told")
    parser.add_argument("--list", action="store_true", help="also list the events")
    given = parser.parse_args(arguments)
    try:
        key = read_key(given.vkey, _LOG) if given.vkey else None
        witnesses = [read_key(each, _WITNESS) for each in given.witness]
    except (ValueError, OSError) as fault:
        sys.stderr.write(f"error: a key cannot be read: {fault}\n")
        return 2
    bundle = Bundle(given.bundle, key, witnesses, given.manifest)
    bundle.check()
    sys.stdout.write("\n".join(bundle.told(given.list)) + "\n")
    return 1 if bundle.faults else 0


if __name__ == "__main__":
    sys.exit(main())
