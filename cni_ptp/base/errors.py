"""What can go wrong, and the CNI error code each failure is reported under.  Pure.

Here live the exception classes of the whole package and the table of codes; nothing here does I/O.
Source: CNI SPEC.md "Error" (codes below 100), docs/architecture.md (ours, from 100).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

INCOMPATIBLE_CNI_VERSION = 1
INVALID_ENVIRONMENT_VARIABLES = 4
IO_FAILURE = 5
DECODING_FAILURE = 6
INVALID_NETWORK_CONFIG = 7
INVALID_NETNS = 8
TRY_AGAIN_LATER = 11
PLUGIN_NOT_AVAILABLE = 50
LIMITED_CONNECTIVITY = 51
KERNEL_REFUSED = 100
IPTABLES_FAILED = 101
DELEGATE_FAILED = 102
IPAM_FAILED = 103
STATE_FAILED = 104
CHECK_FAILED = 105
INTERNAL = 999

PACKAGE = "cni_ptp"


class CniError(Exception):
    """A failure as the runtime will read it: code, msg, details.

    `document` is the whole error object of a delegated plugin, to be passed on as it came.
    """

    def __init__(self, code: int, msg: str, details: str = "", document: dict[str, Any] | None = None) -> None:
        super().__init__(f"{msg}; {details}" if details else msg)
        self.code = code
        self.msg = msg
        self.details = details
        self.document = document

    def add(self, detail: str) -> None:
        """Append one more sentence to the details, after a semicolon."""
        self.details = f"{self.details}; {detail}" if self.details else detail


class DecodeError(ValueError):
    """Bytes that are not what the protocol says they must be."""


class NetlinkError(OSError):
    """The kernel refused one request.

    errno: positive. about: what was asked, in words. said: ours, where the kernel was not heard.
    words: what gives the kernel's extended-ack text or "", and the path of the attribute it points at, such as
    IFLA_LINKINFO.IFLA_INFO_KIND, or "".
    """

    def __init__(
        self, errno: int, operation: str, said: str = "", ext_ack: Callable[[], tuple[str, str]] | None = None
    ) -> None:
        super().__init__(errno, operation)
        self.errno: int = errno
        self.operation = operation
        self.ext_ack = ext_ack or (lambda: (said, ""))

    def __str__(self) -> str:
        return f"{self.operation}: {self.explanation()}"

    def explanation(self) -> str:
        """Return the errno's name, the kernel's words and the attribute, in one line."""
        words = errno_name(self.errno)
        try:
            said, where = self.ext_ack()
        except Exception as e:  # noqa: BLE001  what reads them may not load; whoever is undoing must go on
            said, where = f"its words cannot be read: {type(e).__name__}", ""
        if said:
            words += f", kernel: {said}"
        if where:
            words += f", at {where}"
        return words


def errno_name(number: int) -> str:
    """Return the kernel's name of an errno, such as EEXIST."""
    if number == 512:  # include/linux/errno.h ERESTARTSYS..: nf_tables leaks ERESTART (85) only, but a bug shows others
        return "ERESTARTSYS"
    from errno import errorcode

    return errorcode.get(number, f"errno {number}")


def words_of(failure: BaseException) -> str:
    """Return a failure's text, that of a system call as "ENOSPC: No space left on device: /var/lib/x".

    The path is left out where the call had none, or only "." or a descriptor.
    """
    if not isinstance(failure, OSError) or isinstance(failure, NetlinkError):
        return str(failure)
    path = _path_of(failure)
    return f"{_refusal(failure)}: {path}" if path not in ("", ".") else _refusal(failure)


def _path_of(failure: OSError) -> str:
    path = failure.filename
    if isinstance(path, bytes):
        return path.decode("utf-8", "replace")
    return path if isinstance(path, str) else ""


def _refusal(failure: OSError) -> str:
    """Return the errno's name and, if the failure has them, the C library's words for it."""
    if failure.errno is None:  # raised by Python, not for the kernel
        text = str(failure)
        return f"{type(failure).__name__}: {text}" if text else type(failure).__name__
    name = errno_name(failure.errno)
    return f"{name}: {failure.strerror}" if failure.strerror else name


def to_cni(failure: BaseException) -> CniError:
    """Return any exception as the CniError under which it is reported; the one table of classes and codes."""
    if isinstance(failure, CniError):
        return failure
    if isinstance(failure, NetlinkError):
        import errno

        code = TRY_AGAIN_LATER if failure.errno in (errno.EINTR, errno.ENOBUFS) else KERNEL_REFUSED
        return CniError(code, failure.operation, failure.explanation())
    if isinstance(failure, DecodeError):
        return CniError(KERNEL_REFUSED, "understand the kernel's reply", str(failure))
    if isinstance(failure, OSError):
        path = _path_of(failure)
        return CniError(KERNEL_REFUSED, f"use {path}" if path else "call the kernel", _refusal(failure))
    if isinstance(failure, UnicodeEncodeError):
        return CniError(INVALID_NETWORK_CONFIG, "a text of the configuration cannot be encoded", failure.reason)
    if isinstance(failure, ImportError) and not (failure.name or PACKAGE).startswith(PACKAGE):
        # A C module that the dynamic loader could not open (EMFILE, ENOMEM, EIO are only in its words), or a Python
        # without the module.
        return CniError(PLUGIN_NOT_AVAILABLE, f"load the module {failure.name} of this Python", str(failure))
    if isinstance(failure, MemoryError):
        return CniError(TRY_AGAIN_LATER, "allocate memory", "ENOMEM")
    return CniError(INTERNAL, f"internal error: {type(failure).__name__}", str(failure))
