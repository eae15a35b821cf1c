"""What a question is, and what its answer is.

A question is one frozen struct, like a command: its fields, each described, are what a surface may offer as options, as
query parameters, in a schema. The words of the command line follow from it, and they are what an access event keeps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, ClassVar

import msgspec

from ledger.aggregates.vocabulary import Date, Id, Moment
from ledger.answers.page import Page, as_html
from ledger.errors import BadInput
from ledger.printable import escaped, safe

#: Where the word for a field is not the field's name with hyphens in it: what people write, on every surface.
_WORDS = {
    "client_id": "client",
    "staff_id": "staff",
    "note_id": "note",
    "first": "from",
    "last": "to",
    "day": "on",
    "started_at": "at",
    "size": "at",
}


def word_of(name: str) -> str:
    """What people write for a field: ``as-known-at`` for ``as_known_at``, ``client`` for ``client_id``."""
    return _WORDS.get(name, name.replace("_", "-"))


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=word_of):
    """A question. Its fields are named for people by :func:`word_of`, in data as on the command line."""

    NAME: ClassVar[str] = ""
    #: The command of the command line that asks it, where that is not its name.
    COMMAND: ClassVar[str] = ""
    #: The fields that stand on the command line without an option's name.
    PLACED: ClassVar[tuple[str, ...]] = ()
    #: Fields whose values stand together behind one option, and that option: those of ``--diff T1 T2``.
    TOGETHER: ClassVar[tuple[str, ...]] = ()
    BEHIND: ClassVar[str] = ""
    #: The answer says whose word counts: a policy of trust is part of the question.
    TRUSTS: ClassVar[bool] = False

    @classmethod
    def command(cls) -> str:
        """The command that asks it, as an access event names it."""
        return cls.COMMAND or cls.NAME

    def words(self) -> tuple[str, ...]:
        """The question as the words of its command, in the order of the fields; what is not asked is left out."""
        return tuple(self._words())

    def _words(self) -> Iterator[str]:
        for name, option in zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True):
            value = getattr(self, name)
            if value is None or value is False:
                continue
            if name in self.TOGETHER:
                if name == self.TOGETHER[0]:
                    yield f"--{self.BEHIND}"
            elif name not in self.PLACED:
                yield f"--{option}"
            if value is not True:
                yield said(value)


def said(value: Any) -> str:
    """A value as a word of the command line."""
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


#: Fields that many questions have.
ClientId = Annotated[Id, msgspec.Meta(description="The client whose chart it is.")]
OfClient = Annotated[Id | None, msgspec.Meta(description="Only what belongs to this client.")]
OfStaff = Annotated[Id | None, msgspec.Meta(description="Only what belongs to this staff member.")]
AsKnownAt = Annotated[Moment | None, msgspec.Meta(description="As it was known at this time (default: now).")]
AsOf = Annotated[
    Date | None, msgspec.Meta(description="Only what had begun by this service date, as it was in force then.")
]
Program = Annotated[str | None, msgspec.Meta(description="Only this program of the rule book: psc, ecm, css, …")]
MonthName = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])\Z", description="a month, as 2025-11")]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was found, in every form that it has; none is made before it is asked for."""

    #: The struct, or the dictionary, that ``--json`` prints.
    data: Any
    #: What the command line prints without ``--json``.
    text: Callable[[], str]
    #: The log's position that the answer is as at: nothing recorded later is in it.
    position: int
    #: As a page, where it can be one.
    page: Callable[[], Page] | None = None
    #: The access event behind it; None where no chart was opened.
    access_id: str | None = None
    #: By the ending of a file: forms that the page does not give, as ``.svg``.
    others: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    #: The file that is the answer, where it is one; data and text then tell of it.
    content: bytes | None = None
    #: The answer alone, with a sentence after it; for a surface that has put the whole elsewhere.
    short: Callable[[str], str] | None = None

    @property
    def endings(self) -> Sequence[str]:
        """The forms there are, as endings of files."""
        pages = (".html",) if self.page is not None else ()
        return tuple(dict.fromkeys((".txt", ".json", *pages, *self.others)))

    def form(self, ending: str) -> str:
        """The whole in the form of a file with this ending. Raises ``BadInput`` where it has no such form."""
        if ending in self.others:
            return self.others[ending]()
        if ending == ".json":
            return to_json(self.data) + "\n"
        if ending == ".html" and self.page is not None:
            return as_html(self.page())
        if ending == ".txt":
            return f"{safe(self.text()).rstrip()}\n"
        raise BadInput(f"this answer has no form {ending!r}; ask for {', '.join(self.endings)}")


def to_json(data: Any) -> str:
    """JSON as every surface gives it: two spaces, keys in the order of their definition, nothing that turns a line."""
    return escaped(json.dumps(msgspec.to_builtins(data, order="deterministic"), indent=2, ensure_ascii=False))
