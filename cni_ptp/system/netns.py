"""Network namespaces: opened once, verified on the descriptor, entered for a moment.

Source: setns(2), ioctl_ns(2); include/uapi/linux/{sched,nsfs}.h.
"""

from __future__ import annotations

import fcntl
import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base import errnos
from ..base.errors import INVALID_NETNS, CniError, errno_name, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

CLONE_NEWNET = 0x40000000
NS_GET_NSTYPE = 0xB703
_S_IFMT, _S_IFREG = 0o170000, 0o100000
_OWN = "/proc/self/ns/net"
ABSENT, OWN, REFUSED = "absent", "own", "refused"
_GONE = (errnos.ENOENT, errnos.ENOTDIR, errnos.ESRCH, errnos.ENXIO)


class NetnsError(CniError):
    """No namespace to work in (code 8).  why: ABSENT, OWN or REFUSED.

    ABSENT: the path leads to no network namespace, be it that nothing is there or something else.  OWN: it is the
    plugin's.  REFUSED: the kernel refuses to open it.
    """

    def __init__(self, why: str, msg: str, details: str) -> None:
        super().__init__(INVALID_NETNS, msg, details)
        self.why = why


class Netns:
    """A container's network namespace and the way back to ours, as descriptors; close it."""

    __slots__ = ("path", "fd", "own")

    def __init__(self, path: str, fd: int, own: int) -> None:
        self.path = path
        self.fd = fd
        self.own = own

    def __enter__(self) -> Netns:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self.fd)
        os.close(self.own)

    def inside(self, visit: Callable[[], T]) -> T:
        """Call `visit` with this thread in the namespace and return its value.

        The thread comes back to its own afterwards.
        CniError 8 if the kernel does not let it in.
        """
        setns = _setns()
        try:
            setns(self.fd, CLONE_NEWNET)
        except OSError as e:
            raise CniError(INVALID_NETNS, f'enter netns "{self.path}"', words_of(e)) from None
        try:
            return visit()
        finally:
            try:
                setns(self.own, CLONE_NEWNET)
            except OSError:
                setns(self.own, CLONE_NEWNET)  # nothing could be taken back from within the container


def open_netns(path: str, own_allowed: bool) -> Netns:
    """Open the network namespace at `path`, verified on the descriptor; the path is never looked at again.

    NetnsError (code 8): ABSENT, REFUSED, or OWN if that is not allowed.
    """
    fd = _open_namespace(path)
    try:
        own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        if not own_allowed and is_same_file(os.fstat(fd), os.fstat(own)):
            os.close(own)
            raise NetnsError(
                OWN,
                "plugin's netns and netns from CNI_NETNS should not be the same",
                f'CNI_NETNS is "{path}"',
            )
    except BaseException:
        os.close(fd)
        raise
    return Netns(path, fd, own)


def is_same_file(one: os.stat_result, other: os.stat_result) -> bool:
    """Return whether two descriptors or paths lead to one file: for namespaces, whether they are one."""
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def is_own(netns: Netns) -> bool:
    """Return whether the namespace is the one that the plugin is in."""
    return is_same_file(os.fstat(netns.fd), os.fstat(netns.own))


def _open_namespace(path: str) -> int:
    about = f'failed to open netns "{path}"'
    try:
        # O_PATH opens nothing: a FIFO does not block, a device (a watchdog!) does not notice.
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError) as e:
        number = getattr(e, "errno", None)
        words = f"{errno_name(number)}: {os.strerror(number)}" if number else str(e)
        if number in _GONE or number is None:
            raise NetnsError(ABSENT, about, words) from None
        raise NetnsError(REFUSED, about, words) from None
    try:
        if os.fstat(handle).st_mode & _S_IFMT != _S_IFREG:
            raise NetnsError(ABSENT, about, "not a network namespace")
        fd = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as e:
        raise NetnsError(REFUSED, about, words_of(e)) from None
    finally:
        os.close(handle)
    try:
        kind = fcntl.ioctl(fd, NS_GET_NSTYPE)
    except OSError:
        kind = 0  # ENOTTY: no namespace file at all
    if kind != CLONE_NEWNET:
        os.close(fd)
        raise NetnsError(ABSENT, about, "not a network namespace")
    return fd


def _setns() -> Callable[[int, int], None]:
    """Call os.setns, or setns(2) by ctypes for CPython up to 3.11, which has none.  OSError if the kernel refuses.

    What is returned raises CniError 8 if there is no ctypes either.
    """
    if hasattr(os, "setns"):
        builtin: Callable[[int, int], None] = os.setns
        return builtin
    try:
        # The C module alone: ctypes costs 4 ms more for types we do not use.
        from _ctypes import call_function, dlopen, dlsym

        address = dlsym(dlopen(None, 0), "setns")  # type: ignore[arg-type]
    except (ImportError, AttributeError, OSError):
        return _setns_by_ctypes

    def call(fd: int, nstype: int) -> None:
        if call_function(address, (fd, nstype)) != 0:
            try:
                _setns_by_ctypes(fd, nstype)  # once more, by what tells why
            except CniError:
                raise OSError(0, "refused, and without ctypes nobody knows why") from None

    return call


def _setns_by_ctypes(fd: int, nstype: int) -> None:
    try:
        from ctypes import CDLL, get_errno
    except ImportError:  # such as Debian 11's python3-minimal
        needs = "this Python has neither os.setns nor ctypes: it takes 3.12 or later, or Debian's package python3"
        raise CniError(INVALID_NETNS, "enter a network namespace", needs) from None
    if CDLL(None, use_errno=True).setns(fd, nstype) != 0:
        number = get_errno()
        raise OSError(number, os.strerror(number))
