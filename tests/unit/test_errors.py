"""What is reported under which code, and what is taken back."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from cni_ptp import errors
from cni_ptp.errors import CniError, DecodeError, NetlinkError, errno_name, to_cni
from cni_ptp.undo import Undo

CASES = [
    (CniError(7, "m", "d"), 7, "m", "d"),
    (
        NetlinkError(errno.EEXIST, "add x", "there", "IFLA_IFNAME"),
        100,
        "add x",
        "EEXIST, kernel: there, at IFLA_IFNAME",
    ),
    (NetlinkError(errno.EINTR, "list x"), 11, "list x", "EINTR"),
    (NetlinkError(errno.ENOBUFS, "list x"), 11, "list x", "ENOBUFS"),
    (DecodeError("short"), 100, "understand the kernel's reply", "short"),
    (OSError(errno.EMFILE, "Too many open files", "/x"), 100, "use /x", "EMFILE: Too many open files"),
    (KeyError("x"), 999, "internal error: KeyError", "'x'"),
]


@pytest.mark.parametrize(("failure", "code", "msg", "details"), CASES)
def test_each_failure_has_its_code(failure: Exception, code: int, msg: str, details: str) -> None:
    error = to_cni(failure)
    assert (error.code, error.msg, error.details) == (code, msg, details)


def test_every_code_is_in_the_documents_table() -> None:
    table = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
    documented = set(map(int, re.findall(r"\b(\d+)\b", " ".join(re.findall(r"^\| ([\d, ]+) \|", table, re.M)))))
    codes = {value for name, value in vars(errors).items() if name.isupper() and type(value) is int}
    assert codes <= documented


def test_an_unknown_errno_is_still_named() -> None:
    assert errno_name(4242) == "errno 4242"


def test_details_are_joined() -> None:
    error = CniError(7, "m")
    error.add("a")
    error.add("b")
    assert error.details == "a; b"


def test_steps_are_taken_back_last_first_whatever_fails() -> None:
    done = []
    undo = Undo()

    def fail() -> None:
        done.append("second")
        raise ValueError("no")

    undo.add("do the first", lambda: done.append("first"))
    undo.add("do the second", fail)
    assert undo.run() == ["could not do the second: no"]
    assert done == ["second", "first"]
    assert undo.run() == []
