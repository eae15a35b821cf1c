"""A question with its answer: what it takes, how it is answered, what it opens, what its data is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledger.answers.ask import Answer, Ask
from ledger.answers.asking import Asking


@dataclass(frozen=True)
class Query:
    """One question of the record."""

    ask: type[Ask]
    #: From who asks and what is asked to the answer; :meth:`answer` is how it is called.
    made_by: Callable[[Asking, Any], Answer]
    #: What kind of thing its access event names (its resource begins so); None where it opens no chart.
    resource: str | None
    #: The type of the answer's data, where that is a struct.
    data: Any = None

    @property
    def name(self) -> str:
        """Its name: that of its command, mostly."""
        return self.ask.NAME

    @property
    def summary(self) -> str:
        """What it is about, in a line."""
        return self.description.partition("\n")[0]

    @property
    def description(self) -> str:
        """What it is about, in full."""
        return inspect.getdoc(self.ask) or ""

    def answer(self, asking: Asking, ask: Ask) -> Answer:
        """Answer it. The access to every chart that is shown is recorded first; when it cannot be, nothing is.

        Raises what the answer raises: ``BadInput``, ``NotFound``, ``NotGranted``, ``IntegrityFault``.
        """
        asking.asked = ask
        return self.made_by(asking, ask)
