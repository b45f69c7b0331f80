"""The kernel's error numbers."""

from __future__ import annotations

import errno

from cni_ptp.base import errnos

OURS = {name: number for name, number in vars(errnos).items() if name.startswith("E")}


def test_the_numbers_written_down_are_those_of_the_machine() -> None:
    assert OURS and OURS == {name: getattr(errno, name) for name in OURS}


def test_only_numbers_that_all_architectures_share_are_written_down() -> None:
    assert max(OURS.values()) <= 34  # the end of errno-base.h
