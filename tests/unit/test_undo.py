"""What a failed ADD takes back."""

from __future__ import annotations

from functools import partial

from cni_ptp.base import undo
from cni_ptp.base.errors import CniError, NetlinkError


def test_steps_run_last_first_and_only_once() -> None:
    ran: list[int] = []
    steps: undo.Rollback = [(f"step {i}", partial(ran.append, i)) for i in range(3)]
    assert undo.roll_back(steps) == []
    assert undo.roll_back(steps) == []
    assert ran == [2, 1, 0]


def test_a_step_that_fails_is_told_and_does_not_keep_the_others_from_running() -> None:
    ran: list[str] = []

    def fail() -> None:
        raise CniError(104, "no such state")

    steps: undo.Rollback = [
        ("release the lease", lambda: ran.append("lease")),
        ("delete the link", fail),
        ("clear rules", lambda: ran.append("rules")),
    ]
    assert undo.roll_back(steps) == ["could not delete the link: no such state"]
    assert ran == ["rules", "lease"]


def test_words_of_the_kernel_that_can_not_be_read_do_not_keep_the_other_steps_from_running() -> None:
    ran: list[str] = []

    def unreadable() -> tuple[str, str]:
        raise EOFError

    def fail() -> None:
        raise NetlinkError(1, "delete link a", ext_ack=unreadable)

    steps: undo.Rollback = [("release the lease", lambda: ran.append("lease")), ("delete the link", fail)]
    told = undo.roll_back(steps)
    assert told == ["could not delete the link: delete link a: EPERM, kernel: its words cannot be read: EOFError"]
    assert ran == ["lease"]
