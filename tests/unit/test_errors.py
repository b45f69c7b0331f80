"""Which failure is reported under which code.  Source: CNI SPEC.md "Error", docs/architecture.md."""

from __future__ import annotations

import errno
import re
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from pathlib import Path

import pytest

from cni_ptp.base import errors
from cni_ptp.base.errors import CniError, DecodeError, NetlinkError, to_cni


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("INCOMPATIBLE_CNI_VERSION", 1),
        ("INVALID_ENVIRONMENT_VARIABLES", 4),
        ("IO_FAILURE", 5),
        ("DECODING_FAILURE", 6),
        ("INVALID_NETWORK_CONFIG", 7),
        ("INVALID_NETNS", 8),
        ("TRY_AGAIN_LATER", 11),
        ("PLUGIN_NOT_AVAILABLE", 50),
        ("LIMITED_CONNECTIVITY", 51),
        ("INTERNAL", 999),
    ],
)
def test_a_code_of_the_specification_has_its_number(name: str, code: int) -> None:
    assert getattr(errors, name) == code


@pytest.mark.parametrize(
    ("failure", "code", "msg", "details"),
    [
        (CniError(7, "m", "d"), 7, "m", "d"),
        (NetlinkError(errno.EEXIST, "create veth a"), 100, "create veth a", "EEXIST"),
        (
            NetlinkError(errno.ERANGE, "x", ext_ack=lambda: ("too long", "IFLA_IFNAME")),
            100,
            "x",
            "ERANGE, kernel: too long, at IFLA_IFNAME",
        ),
        (NetlinkError(errno.EINTR, "list links"), 11, "list links", "EINTR"),
        (NetlinkError(errno.ENOBUFS, "list links"), 11, "list links", "ENOBUFS"),
        (DecodeError("short"), 100, "understand the kernel's reply", "short"),
        (OSError(errno.EPERM, "not permitted", "/proc/x"), 100, "use /proc/x", "EPERM: not permitted"),
        (OSError(errno.EPERM, "not permitted"), 100, "call the kernel", "EPERM: not permitted"),
        (OSError("odd"), 100, "call the kernel", "OSError: odd"),
        (KeyError("k"), 999, "internal error: KeyError", "'k'"),
        (RecursionError("deep"), 999, "internal error: RecursionError", "deep"),
        (MemoryError(), 11, "allocate memory", "ENOMEM"),
        (ImportError("no name", name="cni_ptp.base.ip"), 999, "internal error: ImportError", "no name"),
        (ImportError("odd"), 999, "internal error: ImportError", "odd"),
    ],
)
def test_every_exception_is_reported_as_a_cni_error(failure: BaseException, code: int, msg: str, details: str) -> None:
    error = to_cni(failure)
    assert (error.code, error.msg, error.details) == (code, msg, details)


def test_a_c_module_that_the_dynamic_loader_refuses_is_no_bug_of_ours(tmp_path: Path) -> None:
    """As with too many open files, no memory, or a disk that cannot be read."""
    library = tmp_path / f"_odd{EXTENSION_SUFFIXES[0]}"
    library.write_bytes(b"")
    loader = ExtensionFileLoader("_odd", str(library))
    with pytest.raises(ImportError) as refused:
        loader.create_module(ModuleSpec("_odd", loader, origin=str(library)))
    error = to_cni(refused.value)
    assert (error.code, error.msg) == (50, "load the module _odd of this Python")
    assert str(library) in error.details


def test_a_cni_error_is_passed_on_itself() -> None:
    error = CniError(103, "m")
    assert to_cni(error) is error


def test_its_text_is_msg_and_details() -> None:
    assert str(CniError(7, "m")) == "m"
    assert str(CniError(7, "m", "d")) == "m; d"


def test_details_grow_by_sentences() -> None:
    error = CniError(7, "m")
    error.add("one")
    error.add("two")
    assert error.details == "one; two"


def test_a_netlink_error_is_told_in_one_line() -> None:
    refused = NetlinkError(errno.EEXIST, "add route", ext_ack=lambda: ("said", "RTA_DST"))
    assert str(refused) == "add route: EEXIST, kernel: said, at RTA_DST"


@pytest.mark.parametrize(("number", "name"), [(17, "EEXIST"), (512, "ERESTARTSYS"), (9999, "errno 9999")])
def test_an_errno_has_a_name(number: int, name: str) -> None:
    assert errors.errno_name(number) == name


def test_every_code_is_in_the_documents_table() -> None:
    table = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
    documented = set(map(int, re.findall(r"\b(\d+)\b", " ".join(re.findall(r"^\| ([\d, ]+) \|", table, re.M)))))
    codes = {value for name, value in vars(errors).items() if name.isupper() and type(value) is int}
    assert len(codes) > 10
    assert codes == documented
