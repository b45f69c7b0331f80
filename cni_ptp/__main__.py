"""The process: main's exit status becomes its own, at once."""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md
import sys

from .main import main

_EX_IOERR = 74


def run() -> None:
    """Exit with main's status, or with 74 if what it printed could not be written.

    The interpreter is not taken down piece by piece: that takes 1 ms, and nothing here waits for it.
    """
    try:
        status = main(sys.argv)
    except KeyboardInterrupt:
        _end_by_sigint()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # the caller may have started us with a closed descriptor
                stream.flush()
        except OSError:
            status = status or _EX_IOERR
    os._exit(status)


def _end_by_sigint() -> None:
    """End as SIGINT ends any program; Python would print where it was."""
    import _signal  # type: ignore[import-not-found]

    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    os.kill(os.getpid(), _signal.SIGINT)


if __name__ == "__main__":
    run()
