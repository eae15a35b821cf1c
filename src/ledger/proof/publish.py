"""Bringing checkpoints out: others are asked to sign, then every place is given what it lacks.

All of it is read from the store after the checkpoint is sealed, and all of it may fail: whoever is away is tried again,
at growing intervals, and gets what it missed. Only the sealer itself can hold up the sealing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from cryptography.x509 import Certificate
from sqlalchemy.exc import DBAPIError

from ledger.clock import Clock, from_text, to_text
from ledger.errors import IntegrityFault, LedgerError
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.cosigning import ask_to_cosign, last_seen
from ledger.proof.export import cosigned
from ledger.proof.notes import PublicKey
from ledger.proof.places import Place
from ledger.proof.seal import Behind, Seen
from ledger.proof.timestamp import request_timestamp
from ledger.proof.tree import StoredTree
from ledger.proof.trust import Witness
from ledger.store.database import is_away
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow

log = structlog.get_logger("ledger.proof")

#: Checkpoints that a place is given at once.
_AT_ONCE = 200
#: The longest pause before somebody who is away is tried again, in seconds.
_LONGEST_PAUSE = 60.0


@dataclass(frozen=True)
class Authority:
    """A time-stamping authority, the roots that it has to lead to, and how often it is asked."""

    url: str
    roots: list[Certificate]
    every: timedelta = timedelta(0)


@dataclass(frozen=True)
class Outcome:
    """What came of one turn with one party. ``alarm`` says that it knows another history than this log's."""

    party: str
    done: int = 0
    fault: str = ""
    alarm: bool = False
    #: Whether it lacks more than one turn gives it.
    more: bool = False


@dataclass
class _Away:
    failures: int = 0
    until: float = 0.0


@dataclass
class Publisher:
    """Everybody who is told of this log's checkpoints. ``keys`` are the log's own, with which they are checked."""

    recorder: Recorder
    origin: str
    keys: Sequence[PublicKey]
    clock: Clock
    places: Sequence[Place] = ()
    witnesses: Sequence[Witness] = ()
    authority: Authority | None = None
    _away: dict[str, _Away] = field(default_factory=dict)
    _stands: dict[str, int] = field(default_factory=dict)
    #: How many others' signatures and timestamps a place has of the checkpoint that it stands at; unset: not known.
    _has: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sealed = Sealed(self.recorder)

    def seen(self) -> list[Seen]:
        """The checkpoints of this log that others hold now; whoever does not answer is passed over, with a warning."""
        asked: list[tuple[str, Callable[[], Checkpoint | None]]] = [(place.name, place.held) for place in self.places]
        asked += [(f"the witness {each.name}", self._of_witness(each)) for each in self.witnesses if each.url]
        found = []
        for where, ask in asked:
            try:
                checkpoint = ask()
            except LedgerError as fault:
                log.warning("a place was not asked what it has seen", error=type(fault).__name__)
                continue
            if checkpoint is not None and checkpoint.origin == self.origin:
                found.append(Seen(where, checkpoint))
        return found

    def _of_witness(self, witness: Witness) -> Callable[[], Checkpoint | None]:
        def held() -> Checkpoint | None:
            found = last_seen(witness, self.origin, list(self.keys))
            return None if found is None else found[0]

        return held

    def turn(self, *, patient: bool = False) -> list[Outcome]:
        """Ask and tell everybody once; ``patient`` leaves out those who were away a moment ago."""
        last = self._sealed.last()
        if last is None:
            return []
        first: list[tuple[str, Callable[[], Outcome]]] = [
            (each.name, partial(self._cosign, each, last)) for each in self.witnesses if each.url
        ]
        if self.authority is not None:
            first.append((self.authority.url, partial(self._stamp, self.authority, last)))
        second = [(place.name, partial(self._tell, place, last)) for place in self.places]
        return [*self._together(first, patient), *self._together(second, patient)]

    def _together(self, parties: Sequence[tuple[str, Callable[[], Outcome]]], patient: bool) -> list[Outcome]:
        """Each in a thread of its own, so that one that hangs holds up the others for its time-out at most."""
        now = time.monotonic()
        due = [(name, act) for name, act in parties if not patient or self._away.get(name, _Away()).until <= now]
        if not due:
            return []
        with ThreadPoolExecutor(len(due)) as pool:
            return list(pool.map(self._tried, due))

    def _tried(self, party: tuple[str, Callable[[], Outcome]]) -> Outcome:
        name, act = party
        try:
            outcome = act()
        except LedgerError as fault:
            away = self._away.setdefault(name, _Away())
            away.failures += 1
            away.until = time.monotonic() + min(_LONGEST_PAUSE, 2.0 ** min(away.failures, 10))
            self._stands.pop(name, None)
            self._has.pop(name, None)
            alarm = isinstance(fault, IntegrityFault)
            (log.error if alarm else log.warning)(
                "a party outside knows another history" if alarm else "a party outside is away",
                error=type(fault).__name__,
                count=away.failures,
            )
            return Outcome(name, fault=str(fault), alarm=alarm)
        self._away.pop(name, None)
        return outcome

    def _cosign(self, witness: Witness, last: SealedRow) -> Outcome:
        if self._stands.get(witness.name) == last.size or witness.name in self._sealed.cosignatures(last.size):
            return Outcome(witness.name)
        checkpoint, note = open_checkpoint(last.note, self.keys)
        since = self._sealed.cosigned_until(witness.name)
        signature = ask_to_cosign(witness, since, checkpoint, note, StoredTree(self.recorder))
        self._sealed.add_cosignature(last.size, witness.name, signature.line, to_text(self.clock.now()))
        self._stands[witness.name] = last.size
        return Outcome(witness.name, 1)

    def _stamp(self, authority: Authority, last: SealedRow) -> Outcome:
        before = self._sealed.last_timestamp(authority.url)
        due = before is None or self.clock.now() - from_text(before) >= authority.every
        if not due or any(row["authority"] == authority.url for row in self._sealed.timestamps(last.size)):
            return Outcome(authority.url)
        token = request_timestamp(authority.url, last.note, authority.roots)
        self._sealed.add_timestamp(last.size, authority.url, token, to_text(self.clock.now()))
        return Outcome(authority.url, 1)

    def _tell(self, place: Place, last: SealedRow) -> Outcome:
        stands = self._stands.get(place.name)
        if stands is None:
            stands = place.last()
        if stands > last.size:
            raise Behind(
                f"{place.name} has a checkpoint of {stands:,} events, the last one here has {last.size:,}: "
                "an old backup was restored"
            )
        rows = [*self._signed_since(place, stands), *self._sealed.checkpoints(stands, _AT_ONCE)]
        if rows:
            vouchers = self._vouchers(rows[-1].size)  # counted before, so that one that comes meanwhile goes next time
            place.send([(row.size, cosigned(self._sealed, row)) for row in rows])
            stands = rows[-1].size
            self._has[place.name] = vouchers
        self._stands[place.name] = stands
        return Outcome(place.name, len(rows), more=stands < last.size)

    def _signed_since(self, place: Place, stands: int) -> list[SealedRow]:
        """The checkpoint that a place stands at, when others have signed it since it was sent there."""
        if not place.again or self._vouchers(stands) <= self._has.get(place.name, 0):
            return []
        row = self._sealed.checkpoint(stands)
        return [] if row is None else [row]

    def _vouchers(self, size: int) -> int:
        return len(self._sealed.cosignatures(size)) + len(self._sealed.timestamps(size)) if size else 0


class Publishing:
    """Tells everybody in a thread beside the sealer, whenever a checkpoint was made or somebody who was away is due."""

    def __init__(self, publisher: Publisher, *, look: float = 1.0) -> None:
        self._publisher = publisher
        self._look = look
        self._news = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        #: Who knows another history, by party; and what ended the thread, if anything did.
        self.alarms: dict[str, str] = {}
        self.fault: BaseException | None = None

    def __enter__(self) -> Publishing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._news.set()
        self._thread.join()

    def news(self) -> None:
        """A checkpoint was made."""
        self._news.set()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._news.clear()
                outcomes = self._turn()
                self.alarms |= {each.party: each.fault for each in outcomes if each.alarm}
                if not any(each.more for each in outcomes):
                    self._news.wait(self._look)
            self._turn()  # what was sealed last goes out too
        except BaseException as fault:  # noqa: BLE001 - the sealer's own loop is told, and ends with it
            self.fault = fault

    def _turn(self) -> list[Outcome]:
        """One turn; nobody is told of anything while the database is away, which the sealer itself waits for."""
        try:
            return self._publisher.turn(patient=True)
        except DBAPIError as fault:
            if not is_away(fault):
                raise
            log.warning("nobody is told while the database is away", error=type(fault).__name__)
            return []
