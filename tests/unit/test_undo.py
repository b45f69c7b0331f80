"""What a failed ADD takes back."""

from __future__ import annotations

from functools import partial

from cni_ptp.errors import CniError
from cni_ptp.undo import Undo


def test_steps_run_last_first_and_only_once() -> None:
    ran: list[int] = []
    undo = Undo()
    for i in range(3):
        undo.add(f"step {i}", partial(ran.append, i))
    assert undo.run() == []
    assert undo.run() == []
    assert ran == [2, 1, 0]


def test_a_step_that_fails_is_told_and_does_not_keep_the_others_from_running() -> None:
    ran: list[str] = []

    def fail() -> None:
        raise CniError(104, "no such state")

    undo = Undo()
    undo.add("release the lease", lambda: ran.append("lease"))
    undo.add("delete the link", fail)
    undo.add("clear rules", lambda: ran.append("rules"))
    assert undo.run() == ["could not delete the link: no such state"]
    assert ran == ["rules", "lease"]
