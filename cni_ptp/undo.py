"""What a failed ADD has to take back.

Every effect registers how to undo it before it happens, if that is safe, else right after; on failure the list runs
last-first.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Undo:
    """The effects so far, each with the call that takes it back."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps: list[tuple[str, Callable[[], object]]] = []

    def add(self, about: str, step: Callable[[], object]) -> None:
        """Register `step`; `about` names it if it fails, such as "release the lease"."""
        self.steps.append((about, step))

    def forget(self) -> None:
        """Nothing is to be taken back: what there is turned out to be another's."""
        self.steps.clear()

    def run(self) -> list[str]:
        """Run every step last-first and forget them; returns a sentence for each one that failed."""
        failures = []
        while self.steps:
            about, step = self.steps.pop()
            try:
                step()
            except Exception as e:  # noqa: BLE001  one failed step must not keep the others from running
                failures.append(f"could not {about}: {e}")
        return failures
