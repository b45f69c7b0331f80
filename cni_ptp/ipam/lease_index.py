"""A hint beside the lease files: who holds which, and which addresses are taken.  It makes ADD and DEL cost the same
however many leases there are.

The lease files are the truth, in Go host-local's format, and Go changes them without a word.  So the index counts only
while both directories carry the pair of modification times that `mark_current` gave them: whatever anybody makes or
removes in the lease directory moves its time.  Everything here happens under the network's lock.

On disk: DATA_DIR/.cni-ptp/NETWORK@BOOT_ID/ (Go walks its directories recursively, so never inside them), in it
    CONTAINER IFNAME -> FILE,FILE      a symbolic link nobody follows: made, and read, in one system call each
    4:PAGE, 6:PAGE                     a bit for each of 32,768 addresses, set if the address is taken
A new boot has no index, so its first call reads the lease files.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..cni.attachment import digest
from ..system.state_files import opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_BITS = 15
PAGE_BYTES = 1 << PAGE_BITS >> 3
_BEHIND = 1 << 58  # ns, nine years: no clock gives the two directories times that far apart by chance
_SECOND = 1_000_000_000
_MOST_NAME = 200


class Index:
    """The index of one network.

    fd: its directory, or -1 if there can be none: then the index lives in memory, for this call.
    known: whether index_rebuild filled it in this call; then owners and pages hold it, else the directory does.
    """

    __slots__ = ("fd", "leases_fd", "known", "owners", "pages")

    def __init__(self, fd: int, leases_fd: int) -> None:
        self.fd = fd
        self.leases_fd = leases_fd
        self.known = False
        self.owners: dict[str, list[str]] = {}
        self.pages: dict[str, bytearray] = {}

    def close(self) -> None:
        """Give the descriptor back."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def is_current(self) -> bool:
        """Return whether nobody changed the leases since `mark_current`."""
        if self.fd < 0:
            return False
        leases, index = os.fstat(self.leases_fd).st_mtime_ns, os.fstat(self.fd).st_mtime_ns
        # A file system that keeps whole seconds only could not show a change within the second.
        return leases == index + _BEHIND and leases % _SECOND != 0

    def mark_current(self) -> None:
        """Declare the index current; the caller has changed both alike."""
        if self.fd < 0:
            return
        # A time of our own making: the kernel's clock ticks in milliseconds, so its times are not unique.
        fraction = int.from_bytes(os.urandom(4), "big") % (_SECOND - 1) + 1
        stamp = os.fstat(self.leases_fd).st_mtime_ns // _SECOND * _SECOND + fraction
        try:
            os.utime(self.fd, ns=(stamp - _BEHIND, stamp - _BEHIND))
            os.utime(self.leases_fd, ns=(stamp, stamp))
        except OSError:
            pass  # not declared, so the next call rebuilds

    # --- questions ---

    def names_of(self, owner: str) -> list[str]:
        """Return the names of the lease files an owner holds."""
        if self.known:
            return self.owners.get(owner, [])
        try:
            return os.readlink(link_name(owner), dir_fd=self.fd).split(",")
        except FileNotFoundError:
            return []

    def first_free(self, spans: list[tuple[int, int]], size: int) -> int | None:
        """Return the first address (an integer) in the inclusive spans that is not taken; None if all are."""
        return next(self.free(spans, size), None)

    def free(self, spans: list[tuple[int, int]], size: int) -> Iterator[int]:
        """Yield each address (an integer) in the inclusive spans that is not taken, in order."""
        for first, last in spans:
            while first <= last:
                page = first >> PAGE_BITS
                end = min(last, ((page + 1) << PAGE_BITS) - 1)
                offset, width = first - (page << PAGE_BITS), end - first + 1
                free = ~(int.from_bytes(self._page(_page_name(page, size)), "little") >> offset) & ((1 << width) - 1)
                while free:
                    lowest = free & -free
                    yield first + lowest.bit_length() - 1
                    free ^= lowest
                first = end + 1

    def _page(self, name: str) -> bytes:
        if self.known:
            return bytes(self.pages.get(name, b""))
        try:
            fd = opened(name, os.O_RDONLY, self.fd)
        except FileNotFoundError:
            return b""
        try:
            return os.read(fd, PAGE_BYTES)
        finally:
            os.close(fd)

    # --- changes: the caller seals after them ---

    def hold(self, owner: str, names: list[str], addresses: list[bytes]) -> None:
        """Note that the owner holds these lease files, too."""
        if self.fd >= 0:
            before = self.names_of(owner)
            if before:
                os.unlink(link_name(owner), dir_fd=self.fd)
            os.symlink(",".join(before + names), link_name(owner), dir_fd=self.fd)
            self._mark(addresses, True)

    def release(self, owner: str, addresses: list[bytes]) -> None:
        """Note that the owner holds nothing any more."""
        if self.fd >= 0:
            os.unlink(link_name(owner), dir_fd=self.fd)
            self._mark(addresses, False)

    def _mark(self, addresses: list[bytes], taken: bool) -> None:
        for address in addresses:
            page, at, mask = place(address)
            fd = opened(page, os.O_RDWR | os.O_CREAT, self.fd)
            try:
                bits = (os.pread(fd, 1, at) or b"\0")[0]
                os.pwrite(fd, bytes([bits | mask if taken else bits & ~mask]), at)
            finally:
                os.close(fd)


def place(address: bytes) -> tuple[str, int, int]:
    """Return (page file, byte in it, mask) of an address's bit; bytes and bits count upwards."""
    number = int.from_bytes(address, "big")
    bit = number & ((1 << PAGE_BITS) - 1)
    return _page_name(number >> PAGE_BITS, len(address)), bit >> 3, 1 << (bit & 7)


def _page_name(page: int, size: int) -> str:
    return f"{4 if size == 4 else 6}:{page:x}"  # no container's name has a colon


def link_name(owner: str) -> str:
    """Return the owner as one file name.

    "CONTAINER IFNAME", or "CONTAINER" for a lease from before CNI knew of ifnames.
    """
    name = owner.replace("\r\n", " ")
    if len(name) <= _MOST_NAME:
        return name
    return f"#{digest(name)}"
