"""The process: main's exit status becomes its own, at once."""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md
import sys

from .main import main

_EX_IOERR = 74


def run() -> None:
    """The process ends with main's exit status, or 74 if what it printed can not be written.

    The interpreter is not taken down piece by piece: that takes 1 ms, and nothing here waits for it.
    """
    status = main(sys.argv)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # the caller may have started us with a closed descriptor
                stream.flush()
        except OSError:
            status = status or _EX_IOERR
    os._exit(status)


if __name__ == "__main__":
    run()
