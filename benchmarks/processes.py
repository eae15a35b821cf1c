"""Several clients at once, each a process of its own, and the sequencer beside them."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ledger.store.database import open_store

#: Processes that were not forked from one with threads of its own, and that start with everything imported.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["ledger.application.commands", "ledger.store.database", "ledger.aggregates.everything"]
)
_PATIENCE = 600.0
#: How long the relay, which gives the places, waits when there is nothing to do, in seconds.
_IDLE = 0.05

#: Made of its arguments in the process of its own; answers with what that process is to do once all are ready.
Prepare = Callable[..., Callable[[], Any]]


class Failed(RuntimeError):
    """A process of a benchmark ended before its work was done."""


def at_once(prepare: Prepare, arguments: Sequence[tuple[Any, ...]]) -> tuple[float, float, list[Any]]:
    """Do the work in as many processes as there are arguments; when the first began, the last ended, the answers.

    Times are those of ``time.monotonic``, which all processes of a machine share.
    """
    ready, answers = _CONTEXT.Barrier(len(arguments) + 1), _CONTEXT.Queue()
    processes = [
        _CONTEXT.Process(target=_work, args=(number, prepare, each, ready, answers), daemon=True)
        for number, each in enumerate(arguments)
    ]
    for process in processes:
        process.start()
    ready.wait(_PATIENCE)
    found = sorted((answers.get(timeout=_PATIENCE) for _ in processes), key=lambda answer: int(answer[0]))
    for process in processes:
        process.join()
    for answer in found:
        if isinstance(answer[3], BaseException):
            raise Failed(f"{type(answer[3]).__name__}: {answer[3]}")
    return min(each[1] for each in found), max(each[2] for each in found), [each[3] for each in found]


def _work(number: int, prepare: Prepare, arguments: tuple[Any, ...], ready: Any, answers: Any) -> None:
    began = time.monotonic()
    try:
        work = prepare(*arguments)
        ready.wait(_PATIENCE)
        began = time.monotonic()
        answer = work()
    except BaseException as fault:  # noqa: BLE001 - it has to reach whoever waits for the answer
        ready.abort()
        answer = RuntimeError(f"{type(fault).__name__}: {fault}")
    answers.put((number, began, time.monotonic(), answer))


class Sequencer:
    """Gives places in a process of its own, as the relay does in its turns."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.done: Any = _CONTEXT.Queue()
        self.ready: Any = _CONTEXT.Event()
        self.stop: Any = _CONTEXT.Event()

    def reached(self) -> float:
        """When the event at the target had its place; waits for it."""
        moment: float = self.done.get(timeout=_PATIENCE)
        return moment


@contextmanager
def sequencing(url: str, target: int) -> Iterator[Sequencer]:
    """While the block runs, committed events are given their places; ``target`` is the head to look out for."""
    sequencer = Sequencer(target)
    arguments = (url, target, sequencer.ready, sequencer.stop, sequencer.done)
    process = _CONTEXT.Process(target=_sequence, args=arguments, daemon=True)
    process.start()
    if not sequencer.ready.wait(_PATIENCE):
        raise Failed("the sequencer does not start")
    try:
        yield sequencer
    finally:
        sequencer.stop.set()
        process.join()


def _sequence(url: str, target: int, ready: Any, stop: Any, done: Any) -> None:
    recorder = open_store(url)
    head, told = recorder.sequence(), False
    ready.set()
    while not stop.is_set():
        before, head = head, recorder.sequence()
        if head >= target and not told:
            told = True
            done.put(time.monotonic())
        if head == before:
            stop.wait(_IDLE)
    recorder.engine.dispose()
