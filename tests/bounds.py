"""How long a test waits, and how much it may compute, on a machine that does other work at the same time.

No test measures time: a busy machine would fail it.  It waits for a condition, or counts (system calls, packets).
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

_WAIT_S, _PAUSE_S = 60, 0.01


def until(condition: Callable[[], Any], what: str) -> None:
    """Return as soon as the condition holds; fail after a minute with `what` was awaited."""
    deadline = time.monotonic() + _WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"{_WAIT_S} s went by without: {what}"
        time.sleep(_PAUSE_S)


@contextlib.contextmanager
def little_work(about: object = "", most_s: float = 20) -> Iterator[None]:
    """Fail what runs inside once it has used this much processor time: it hangs, or its cost grows out of proportion.

    Other programs' work does not count, and a case that is as it should be takes a thousandth of it.
    """

    def too_much(number: int, frame: object) -> None:
        raise AssertionError(f"more than {most_s} s of processor time: {about!r:.500}")

    before = signal.signal(signal.SIGPROF, too_much)
    signal.setitimer(signal.ITIMER_PROF, most_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
