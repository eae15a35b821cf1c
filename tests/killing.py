"""Processes to kill: the program is loaded once, and a child does the work for each line that it is told.

So a kill never falls on Python's own start, and a child is started in the time that a fork takes.
"""

from __future__ import annotations

import subprocess
import sys

#: Loads what the work needs; then, for each line of standard input, a child does the work with the words of the line
#: and is killed after so many seconds, which come first. Answers how the child ended.
_RUNNER = """
import os, signal, sys, time
{work}

for line in sys.stdin:
    seconds, *words = line.split()
    deadline = time.monotonic() + float(seconds)
    child = os.fork()
    if child == 0:
        try:
            work(*words)
        except BaseException as fault:
            print(repr(fault), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    ended, status = 0, 0
    while not ended:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            ended, status = os.waitpid(child, 0)
        else:
            time.sleep(0.0005)
            ended, status = os.waitpid(child, os.WNOHANG)
    print(status, flush=True)
"""
NEVER = 600.0


class Killing:
    """Runs a piece of work one time after another, each time in a process that can be killed.

    ``work`` is a program that defines a function of that name.
    """

    def __init__(self, work: str, *arguments: str) -> None:
        program = _RUNNER.format(work=work)
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *words: str, kill_after: float = NEVER) -> int:
        """Do the work with these words, killing it after some seconds; gives the status it ended with."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{kill_after} {' '.join(words)}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()
