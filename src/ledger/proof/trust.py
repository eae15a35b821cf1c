"""Whom somebody trusts: a trust policy as https://c2sp.org/tlog-policy writes it.

It names the log's keys, the witnesses with their keys and addresses, and which of them together are enough (k of n)::

    log agency.example.org/ledger+7d0c2f31+AQ…
    witness county county.example.gov/w+13a4…+BA… https://county.example.gov/witness
    witness board board.example.org/w+93b1…+BA… https://board.example.org/witness
    group both 2 county board
    quorum both
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.errors import BadInput
from ledger.proof.cosignature import cosigned_at
from ledger.proof.notes import COSIGNATURE, ED25519, BadNote, Note, PublicKey, read_vkey

_NOBODY = "none"


@dataclass(frozen=True)
class Witness:
    """Another party that cosigns: its name in the policy, its key, and where it is asked."""

    name: str
    key: PublicKey
    url: str | None = None


@dataclass(frozen=True)
class Group:
    """Some witnesses or groups, of which so many are enough."""

    enough: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Trust:
    """A policy as it was read. ``quorum`` names a witness or a group; ``none`` asks for no witness."""

    logs: tuple[PublicKey, ...]
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, Group]
    quorum: str

    def cosigned(self, note: Note) -> dict[str, int]:
        """Which witnesses have cosigned a checkpoint, and when; a cosignature that does not fit raises ``BadNote``."""
        found = {name: cosigned_at(note, witness.key) for name, witness in self.witnesses.items()}
        return {name: moment for name, moment in found.items() if moment is not None}

    def enough(self, signed: Mapping[str, int]) -> bool:
        """Whether these witnesses together are enough."""
        return self.quorum == _NOBODY or self._witnessed(self.quorum, signed)

    def _witnessed(self, name: str, signed: Mapping[str, int]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in signed
        return sum(self._witnessed(member, signed) for member in group.members) >= group.enough

    @property
    def wanted(self) -> str:
        """The quorum in words."""
        return "no witness" if self.quorum == _NOBODY else self._words(self.quorum)

    def _words(self, name: str) -> str:
        group = self.groups.get(name)
        if group is None:
            return name
        members = ", ".join(self._words(member) for member in group.members)
        return f"{group.enough} of {len(group.members)} ({members})"

    def check(self, note: Note) -> dict[str, int]:
        """The cosignatures on a checkpoint; raises ``BadNote`` when they are not enough."""
        signed = self.cosigned(note)
        if not self.enough(signed):
            raise BadNote(f"the checkpoint is cosigned by {', '.join(signed) or 'nobody'}; wanted: {self.wanted}")
        return signed


def read_trust(text: str, setting: str) -> Trust:
    """Read a policy; raises ``BadInput`` naming the setting and the line."""
    reading = _Reading()
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if not words or words[0].startswith("#"):
            continue
        try:
            reading.take(words)
        except BadInput as fault:
            raise BadInput(f"{setting}: line {number}: {fault}") from fault
    if reading.quorum is None:
        raise BadInput(f"{setting}: it has no line “quorum NAME”; write “quorum none” to ask for no witness")
    return Trust(tuple(reading.logs), reading.witnesses, reading.groups, reading.quorum)


class _Reading:
    """A policy while it is read, line by line."""

    def __init__(self) -> None:
        self.logs: list[PublicKey] = []
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._members: set[str] = set()

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) < 2:
                self._new_key(read_vkey(vkey), ED25519)
                self.logs.append(read_vkey(vkey))
            case ["witness", name, vkey, *url] if len(url) < 2:
                self._new_name(name)
                key = read_vkey(vkey)
                self._new_key(key, COSIGNATURE)
                self.witnesses[name] = Witness(name, key, url[0].rstrip("/") if url else None)
            case ["group", name, enough, *members] if members:
                self._new_name(name)
                self.groups[name] = Group(self._count(enough, members), self._known(members))
            case ["quorum", name]:
                if self.quorum is not None:
                    raise BadInput("there is a second quorum; one is enough")
                if name != _NOBODY and name not in self.witnesses and name not in self.groups:
                    raise BadInput(f"{name} is neither a witness nor a group of a line before")
                self.quorum = name
            case _:
                raise BadInput(
                    "it is no line of a trust policy: log, witness, group or quorum; see c2sp.org/tlog-policy"
                )

    def _new_name(self, name: str) -> None:
        if name == _NOBODY or name in self.witnesses or name in self.groups:
            raise BadInput(f"the name {name} is taken")

    def _new_key(self, key: PublicKey, kind: int) -> None:
        if key.kind != kind:
            raise BadInput(f"the key of {key.name} is not one of a {'log' if kind == ED25519 else 'witness'}")
        if key.raw in {each.raw for each in (*self.logs, *(w.key for w in self.witnesses.values()))}:
            raise BadInput(f"the key of {key.name} is there twice")

    def _count(self, enough: str, members: list[str]) -> int:
        if enough in ("all", "any"):
            return len(members) if enough == "all" else 1
        if not (enough.isascii() and enough.isdigit() and 1 <= int(enough) <= len(members)):
            raise BadInput(f"{enough!r} of {len(members)} is not possible; write a number, “any” or “all”")
        return int(enough)

    def _known(self, members: list[str]) -> tuple[str, ...]:
        for member in members:
            if member not in self.witnesses and member not in self.groups:
                raise BadInput(f"{member} is neither a witness nor a group of a line before")
            if member in self._members:
                raise BadInput(f"{member} is a member of a group already: each witness counts once")
            self._members.add(member)
        return tuple(members)
