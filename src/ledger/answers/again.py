"""A question read again from the words that an access event keeps: what :meth:`Ask.words` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ledger.answers.ask import Ask
from ledger.answers.every import QUERIES
from ledger.errors import BadInput


def ask_again(command: str, words: Sequence[str]) -> Ask:
    """The question of a command's words. Raises ``BadInput`` for words that no question of this release has."""
    fault = BadInput(f"there is no question {command!r}")
    for name in QUERIES:
        if name.split()[0] != command.split()[0]:
            continue  # a file that is not needed is not loaded
        cls = QUERIES[name].ask
        if cls.command() != command:
            continue
        try:
            return _read(cls, words)
        except BadInput as unread:
            fault = unread
    raise fault


def _read(cls: type[Ask], words: Sequence[str]) -> Ask:
    known = {one.encode_name: one for one in msgspec.structs.fields(cls)}
    names = {one.name: one.encode_name for one in known.values()}
    placed = [names[name] for name in cls.PLACED]
    given: dict[str, Any] = {}
    left = list(words)
    try:
        while left:
            word = left.pop(0)
            option = word.removeprefix("--")
            if option == word:
                given[placed.pop(0)] = word
            elif cls.TOGETHER and option == cls.BEHIND:
                given |= {names[name]: left.pop(0) for name in cls.TOGETHER}
            elif option not in known:
                raise BadInput(f"{word}: {cls.NAME} has no such option")
            else:
                given[option] = True if known[option].default is False else left.pop(0)
        return msgspec.convert(given, cls, strict=False)
    except IndexError:
        raise BadInput(f"{cls.NAME}: a word is missing, or there is one too many") from None
    except msgspec.ValidationError as fault:
        raise BadInput(f"{cls.NAME}: {fault}") from None
