"""Whether a long-running process lives (its loop turns) and is ready (it has come up to its work)."""

from __future__ import annotations

import time
from collections.abc import Callable

#: How long a loop may take for one turn before it counts as standing still, in seconds. A broker's transaction may
#: take a minute before it fails, so a turn may.
PATIENCE = 120.0


class Health:
    """Told of every turn of a loop; asked by the health endpoints."""

    def __init__(self, *, patience: float = PATIENCE, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._monotonic = monotonic
        self._turned = monotonic()
        self._ready = False
        self.words = "starting"

    def turn(self, words: str, *, ready: bool = True) -> None:
        """The loop has turned once more. ``words`` say what it does now; once ready it stays ready while it turns."""
        self._turned = self._monotonic()
        self._ready = self._ready or ready
        self.words = words

    def away(self, server: str) -> None:
        """The loop turns, and waits for a server that is away: it is not ready."""
        self._turned = self._monotonic()
        self._ready = False
        self.words = f"{server} is away"

    @property
    def silent(self) -> float:
        """Seconds since the loop turned last."""
        return self._monotonic() - self._turned

    @property
    def live(self) -> bool:
        """Whether the loop turns; a process that does not should be started anew."""
        return self.silent <= self._patience

    @property
    def ready(self) -> bool:
        """Whether it lives and has come up to its work."""
        return self.live and self._ready
