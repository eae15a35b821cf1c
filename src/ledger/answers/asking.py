"""Who asks: the store that is asked, the reader and why, the surface; and the way to charts, which records it first."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ledger.aggregates.access import Question
from ledger.aggregates.policy import AGENCY_KEY
from ledger.answers.ask import Ask
from ledger.answers.trusted import trusted_by
from ledger.application.commands import Ledger
from ledger.application.reading import open_charts
from ledger.consumers.generations import at_one_moment
from ledger.consumers.log import LocalLog
from ledger.consumers.parking import parked_in
from ledger.consumers.runner import Runner
from ledger.errors import BadInput
from ledger.grants import Grant
from ledger.policies.adoption import Adoption
from ledger.projections.base import Projection
from ledger.projections.every import PROJECTIONS
from ledger.projections.folding import fold_all
from ledger.projections.policies import in_order, policies
from ledger.proof.between import Trusted
from ledger.proof.settings import read_proof_settings
from ledger.store.checked import read_checked
from ledger.store.recorder import Recorder


@dataclass(frozen=True)
class Shown:
    """Views as they stand at one moment: the connection that sees it, and the log's position that their rows are as at.

    ``held_up`` has the earlier positions of the charts that are parked in one of them.
    """

    connection: Connection
    position: int
    held_up: dict[str, int]


class Asking:
    """Who asks what of which store, why, and on which surface: all that an answer needs. One for each question.

    A surface makes it from what it knows of the reader, or is one (the command line's session). ``form`` is the form
    in which the answer is shown (``text``, ``json`` or a file's ending), which the access event keeps.
    """

    #: A file with the policy of trust, where one was given; by default LEDGER_TRUST names it.
    trust_file: Path | None = None

    def __init__(
        self,
        *,
        surface: str,
        purpose: str,
        correlation_id: str | None = None,
        actor: str | None = None,
        ledger: Ledger | None = None,
        runner: Runner | None = None,
        form: str = "json",
        address: str | None = None,
    ) -> None:
        self._actor = actor
        self.surface = surface
        self.purpose = purpose
        self.correlation_id = correlation_id
        #: The views that this question has read, with their versions: an access event names them.
        self.views: dict[str, int] = {}
        self.asked: Ask | None = None
        #: Where the question came from, where the surface knows it.
        self.address = address
        self._form = form
        if ledger is not None:
            self.ledger = ledger
        if runner is not None:
            self.runner = runner

    @property
    def actor(self) -> str:
        """Who reads. Raises ``BadInput`` where nobody says it."""
        if self._actor is None:
            raise BadInput("actor: say who you are")
        return self._actor

    @cached_property
    def ledger(self) -> Ledger:
        """Commands over the store that is asked."""
        raise BadInput("ledger: name the store that is asked")

    @cached_property
    def recorder(self) -> Recorder:
        """The store that is asked."""
        return self.ledger.recorder

    @cached_property
    def now(self) -> datetime:
        """What this question calls now: one moment, however long the answer takes."""
        return self.ledger.clock.now()

    @cached_property
    def runner(self) -> Runner:
        """The runner of every view, with its tables made."""
        runner = Runner(self.recorder.engine, LocalLog(self.recorder), PROJECTIONS)
        runner.prepare()
        return runner

    @property
    def form(self) -> str:
        """The form in which the answer is shown."""
        return self._form

    @property
    def into_file(self) -> bool:
        """The answer goes into a file, which may be read again by others; the access event says so."""
        return False

    def called(self, option: str) -> str:
        """What an option is called on this surface, where a message names it."""
        return option

    def refused(self, option: str, message: str) -> BadInput:
        """The error that names an option, says what is wrong with it, and how to mend it."""
        return BadInput(f"{self.called(option)}: {message}")

    def progress(self, label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Told how far long work is; a surface that shows it has its own."""
        return nullcontext(lambda _: None)

    def catch_up(self) -> None:
        """Bring every view up to the head of the log: here, or by waiting for the projectors where Kafka is used."""
        head = self.recorder.sequence()
        if os.environ.get("LEDGER_KAFKA"):
            self.runner.await_events(head)
            return
        if head == 0:
            self.runner.catch_up()
            return
        with self.progress("Updating the views", head) as advance:
            self.runner.catch_up(advance)

    def question(self) -> Question | None:
        """What the access event keeps of the question: enough to ask it again. None where it has no words."""
        if self.asked is None:
            return None
        return Question(
            command=self.asked.command(),
            options=(*self.asked.words(), *self._trust_words()),
            form=self.form,
            asked_at=self.now,
            zone=str(self.ledger.zone),
            views=dict(sorted(self.views.items())),
            release=release(),
        )

    def _trust_words(self) -> tuple[str, ...]:
        """A policy of trust is named by what is in it; LEDGER_TRUST makes the answer as the option does."""
        if self.asked is None or not self.asked.TRUSTS:
            return ()
        file = self.trust_file or read_proof_settings().trust
        return () if file is None else ("--trust", digest_of_file(file))

    def grant(
        self,
        charts: Iterable[str],
        resource: str,
        *,
        as_known_at: datetime | None = None,
        as_of: date | None = None,
        shown: Shown | None = None,
    ) -> Grant:
        """Record the access with what was asked, then hand out the grant to what is ``shown``."""
        stands = None if shown is None else (shown.position, shown.held_up)
        return self.open(charts, resource, as_known_at=as_known_at, as_of=as_of, stands=stands)

    def open(
        self,
        charts: Iterable[str],
        resource: str,
        *,
        as_known_at: datetime | None = None,
        as_of: date | None = None,
        stands: tuple[int, dict[str, int]] | None = None,
    ) -> Grant:
        """As :meth:`grant`, for what stands at a position, and some charts at earlier ones: ``application.reading``."""
        return open_charts(
            self.ledger,
            charts,
            reader=self.actor,
            purpose=self.purpose,
            surface=self.surface,
            resource=resource,
            as_known_at=as_known_at,
            as_of=as_of,
            correlation_id=self.correlation_id,
            position=None if stands is None else stands[0],
            held_up=None if stands is None else stands[1],
            question=self.question(),
            address=self.address,
        )

    @contextmanager
    def one_moment(self, *views: Projection[Any]) -> Iterator[Shown]:
        """Read views as they stand at one moment, whatever is recorded and applied meanwhile."""
        self.views |= {view.name: view.version for view in views}
        with at_one_moment(self.recorder.engine) as connection:
            position = self.runner.only(*views).place(connection)
            names = {view.name for view in views}
            parked = [one for one in parked_in(connection) if one.projection.partition(".")[0] in names]
            held_up: dict[str, int] = {}
            for one in parked:
                held_up[one.key] = min(one.position - 1, held_up.get(one.key, position))
            yield Shown(connection, position, held_up)

    def trusted(self) -> Trusted:
        """Whose word counts for the moments that others give."""
        return trusted_by(self.trust_file)

    def adoptions(self) -> tuple[tuple[Adoption, ...], int]:
        """What the agency adopted, as the log has it up to a position. It is agency policy, so no chart is opened.

        Raises ``IntegrityFault`` for an adoption that is not what was recorded.
        """
        head = self.recorder.head()
        events = [read_checked(row) for row in self.recorder.read_key(AGENCY_KEY, until=head)]
        return in_order(fold_all(policies, events).values()), head


def release() -> str:
    """The release of this code."""
    return version("ledger")


def digest_of_file(path: Path) -> str:
    """How a file that was given is named: by what is in it."""
    try:
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError:
        return "a file that could not be read"
