"""What a failed ADD has to take back.

Every effect notes how to undo it before it happens, if that is safe, else right after: words for it, such as "release
the lease", and the call.
"""

from __future__ import annotations

from .errors import words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Rollback = list[tuple[str, Callable[[], object]]]


def roll_back(steps: Rollback) -> list[str]:
    """Try every step, last-first, and forget it; return a sentence for each one that failed."""
    failures = []
    while steps:
        about, step = steps.pop()
        try:
            step()
        except Exception as e:  # noqa: BLE001  one failed step must not keep the others from running
            failures.append(f"could not {about}: {words_of(e)}")
    return failures
