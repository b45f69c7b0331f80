"""SIGTERM and its kin, noted when they come and acted upon between two steps.

Until `note` is called, before the first effect, they end the process as they end any other.

A runtime ends a plugin that takes too long with SIGTERM.  An exception in the middle of a step could lose track of an
effect, so the handler only notes the signal; whoever waits or has just finished a step calls `check`.
"""

from __future__ import annotations

# The C module under signal: signal itself costs 6 ms, as it loads enum.  Both have had these names since Python 3.
import _signal  # type: ignore[import-not-found]

from ..base.errors import TRY_AGAIN_LATER, CniError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_noting: list[bool] = []
_noted: list[int] = []
_ignored: list[bool] = []


def note() -> None:
    """Note SIGTERM, SIGINT and SIGHUP from now on, instead of ending the process."""
    for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
        _signal.signal(number, _handle)
    _noting.append(True)


def noted_from_now() -> bool:
    """Return whether `note` was called: then a signal does not end a system call that waits."""
    return bool(_noting)


def came() -> bool:
    """Return whether a signal asked us to stop, be it that we are undoing because of it."""
    return bool(_noted)


def _handle(number: int, frame: Any) -> None:
    _noted.append(number)


def undoing() -> None:
    """Let `check` pass from now on: nothing may stop what is done to leave nothing behind.

    It is bounded by itself; who cannot wait has SIGKILL, and DEL.
    """
    _ignored.append(True)


def check() -> None:
    """Raise CniError 11 if a signal asked us to stop."""
    if _noted and not _ignored:
        raise CniError(TRY_AGAIN_LATER, "stopped by a signal", f"signal {_noted[0]}")
