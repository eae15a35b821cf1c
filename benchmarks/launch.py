"""``python -m benchmarks.launch COMMAND…``: run a command and print, as JSON, its exit code, seconds and most memory.

A process's greatest memory counts what it was forked from, so a large benchmark cannot ask it of its own child: this
small process, which imports next to nothing, stands between.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time


def main() -> None:
    """Run what the arguments say."""
    began = time.perf_counter()
    done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - the caller's command
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "code": done.returncode,
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime,
        "megabytes": used.ru_maxrss / 1024,
    }
    print(json.dumps(found))  # noqa: T201 - what was asked for


if __name__ == "__main__":
    main()
