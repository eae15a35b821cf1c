"""What every aggregate shares: a stream of events folded into a state, and decisions that add to it.

The aggregates keep to the protocols of the ``eventsourcing`` library (``collect_events``, ``id``, ``version``). They
do not derive from its ``Aggregate``, which reads the machine's clock for every event; here the time comes in with the
command (``docs/decisions/0003-library.md``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Annotated, Any, ClassVar, Protocol, TypeVar, get_args, get_origin, get_type_hints

from ledger.aggregates.sealing import SealedBefore
from ledger.aggregates.vocabulary import Command, Event, Id
from ledger.errors import Reason, Reasons, Refused

#: The program of ours that records what other systems say (``system:import``).
IMPORT = "import"


@dataclass(frozen=True)
class HeldCredential:
    """A credential as it was held by the actor at one moment."""

    kind: str
    number: str = ""
    taxonomy: str = ""


@dataclass(frozen=True)
class Actor:
    """Who acts, in which role, under which credentials held then."""

    id: str
    name: str
    roles: tuple[str, ...]
    credentials: tuple[HeldCredential, ...] = ()
    system: bool = False

    @property
    def relays(self) -> bool:
        """Whether it says what another system said: then times, days and code systems are the source's."""
        return self.system and self.name == IMPORT

    @property
    def role(self) -> str:
        """The role that goes into the envelope: the first one held."""
        return self.roles[0] if self.roles else "none"

    @property
    def credential(self) -> str | None:
        """The credential that goes into the envelope: the first signing credential held, if any."""
        return self.credentials[0].kind if self.credentials else None


A = TypeVar("A", bound="Aggregate")


class Given(Protocol):
    """What a decision may look at: who acts, both times, and the other aggregates it names."""

    @property
    def actor(self) -> Actor: ...

    @property
    def now(self) -> datetime:
        """The server's time."""

    @property
    def occurred_at(self) -> datetime:
        """When it happened, as the person says, with the offset they meant."""

    @property
    def zone(self) -> tzinfo:
        """The agency's time zone."""

    @property
    def sealed(self) -> SealedBefore:
        """The newest sealed checkpoint, for a signature to carry; unset when nothing is sealed yet."""

    def find(self, kind: type[A], identifier: str) -> A | None:
        """Another aggregate as it stands, or None; to look at, never to change."""

    def beside(self, aggregate: Aggregate, event: Event) -> None:
        """Decide that this happened to another aggregate too: recorded together with the decision, or not at all.

        Of two decisions that say so of one aggregate at a time, one wins and the other gets a conflict.
        """


@dataclass(frozen=True)
class Change:
    """One event decided but not yet recorded: its place in its stream and the key it will be read by."""

    originator_id: str
    originator_version: int
    key: str
    chart_id: str | None
    event: Event
    occurred_at: datetime


Decision = Callable[[Any, Any, Given], None]


@dataclass(frozen=True)
class Handler:
    """Which aggregate decides a command, which field names it, and whether the command begins its stream."""

    command: type[Command]
    aggregate: type[Aggregate]
    target: str
    creates: bool
    decide: Decision
    #: Fields that name parts which the command adds to the stream: new ids, as the target's is when it creates.
    parts: tuple[str, ...] = ()
    #: Where the stream has an id that follows from what the target names: how. It begins with its first event.
    stream: Callable[[str], str] | None = None

    @property
    def new_ids(self) -> tuple[str, ...]:
        """The fields that name what the command makes."""
        return (self.target, *self.parts) if self.creates else self.parts

    def stream_of(self, command: Command) -> str:
        """The id of the stream that a command is decided on."""
        target: str = getattr(command, self.target)
        return target if self.stream is None else self.stream(target)

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The fields that name existing streams: the ids a decision is likely to look at."""
        hints = get_type_hints(self.command, include_extras=True)
        return tuple(name for name, hint in hints.items() if hint == Id and name not in self.new_ids)

    @cached_property
    def listed(self) -> tuple[str, ...]:
        """The fields that hold lists of such ids."""
        hints = get_type_hints(self.command)  # without what is said beside the types
        lists = tuple(name for name, hint in hints.items() if get_origin(hint) is tuple)
        extras = get_type_hints(self.command, include_extras=True)
        return tuple(name for name in lists if Id in _parts(extras[name]))

    def looks_at(self, command: Command) -> list[str]:
        """The ids of existing things that a command names."""
        found = [getattr(command, name) for name in self.references]
        return [*(i for i in found if i is not None), *(i for name in self.listed for i in getattr(command, name))]


def _parts(hint: Any) -> tuple[Any, ...]:
    """The types that a list's type, with what is said beside it, is made of."""
    inner = get_args(hint)
    return _parts(inner[0]) if get_origin(hint) is Annotated else inner


_handlers: dict[type[Command], Handler] = {}
_commands: dict[str, type[Command]] = {}


def decides(
    command: type[Command],
    *,
    on: str,
    creates: bool = False,
    parts: tuple[str, ...] = (),
    stream: Callable[[str], str] | None = None,
) -> Callable[[Callable[[A, Any, Given], None]], Callable[[A, Any, Given], None]]:
    """Mark the method of an aggregate that decides ``command``; ``on`` is the field holding the aggregate's id.

    ``parts`` are the fields that name what the command adds to the stream. With ``stream`` the field names something
    else (a client, say), and the id of the aggregate's stream follows from it; that stream begins by itself.
    """

    def mark(method: Callable[[A, Any, Given], None]) -> Callable[[A, Any, Given], None]:
        marks: list[tuple[Any, ...]] = getattr(method, "_decides", [])
        method._decides = [*marks, (command, on, creates, parts, stream)]  # type: ignore[attr-defined]  # a mark on a function
        return method

    return mark


class Aggregate(ABC):
    """A consistency boundary: one stream of events, one state, the decisions that may extend it."""

    KIND: ClassVar[str] = ""

    def __init__(self, identifier: str) -> None:
        self._id = identifier
        self._version = 0
        self._pending: list[Change] = []
        #: The partition key of the stream's events: the chart (client) id, or the staff id, or ``agency``.
        self.key: str = identifier
        #: The chart the stream belongs to, if it belongs to one.
        self.chart_id: str | None = None

    def __init_subclass__(cls) -> None:
        for name in list(vars(cls)):
            method = vars(cls)[name]
            for command, target, creates, parts, stream in getattr(method, "_decides", ()):
                if command in _handlers:
                    raise TypeError(f"two aggregates decide {command.__name__}")
                _handlers[command] = Handler(command, cls, target, creates, method, parts, stream)
                _commands[command.NAME] = command

    @property
    def id(self) -> str:
        return self._id

    @property
    def version(self) -> int:
        return self._version

    @version.setter
    def version(self, value: int) -> None:
        self._version = value

    @property
    def exists(self) -> bool:
        return self._version > 0

    def owners(self, command: Command, given: Given) -> frozenset[str]:
        """The staff ids of those whose record this is, or would become by a command that creates it (standing)."""
        return frozenset()

    def not_before(self, command: Command, given: Given) -> tuple[datetime, str] | None:
        """The moment before which the command cannot have happened, and what happened then; None where none is known.

        What happened then is a clause: "the note was signed".
        """
        return None

    @abstractmethod
    def apply(self, event: Event, occurred_at: datetime) -> None:
        """Fold one event into the state; the only place where the state changes."""

    def replay(self, event: Event, occurred_at: datetime) -> None:
        """Fold a recorded event, in its turn."""
        self.apply(event, occurred_at)
        self._version += 1

    def record(self, event: Event, occurred_at: datetime) -> None:
        """Decide that this happened: fold it, and keep it for the store."""
        self.replay(event, occurred_at)
        self._pending.append(Change(self._id, self._version, self.key, self.chart_id, event, occurred_at))

    def collect_events(self) -> Sequence[Change]:
        """Hand over what was decided since the last call."""
        pending, self._pending = self._pending, []
        return pending


def handler_of(command: Command) -> Handler:
    return _handlers[type(command)]


def command_types() -> Mapping[str, type[Command]]:
    """Every command there is, by name."""
    return dict(sorted(_commands.items()))


def handlers() -> Mapping[type[Command], Handler]:
    return dict(_handlers)


def check_something_changes(reasons: Reasons, told: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """A correction changes something: what is told again as it stands is no correction."""
    if changes:
        return
    for name in told:
        reasons.add(name, "nothing would change: the record says so already", "give what it should say", "unchanged")


def refuse(field: str, message: str, mend: str = "", code: str = "") -> Refused:
    """A refusal with a single reason, to raise."""
    return Refused([Reason(field, message, mend, code)])
