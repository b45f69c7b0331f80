"""The steps of a call: after each of them ADD may be stopped, and the log tells how long each took."""

from __future__ import annotations

from ..system import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Set by commands/logfile.py, if there is a log.
watcher: Callable[[str], None] | None = None


def log_step(step: str) -> None:
    """Log that the step, whatever became of it, has ended."""
    if watcher is not None:
        watcher(step)


def checkpoint(step: str) -> None:
    """Log that the step has ended, and let the next one begin: CniError 11 if a signal asked us to stop."""
    log_step(step)
    signals.check()
