"""The lease files of one network, locked: Go host-local's directory, format and lock, so that both can be used at once.

DATA_DIR/NETWORK/
    10.1.2.3              "CONTAINER\\r\\nIFNAME"; one that holds only "CONTAINER" is from before CNI knew of ifnames
    last_reserved_ip.N    the address that range set N gave last
    lock                  flock(2), held by every call
A lease is written aside and linked to its name: it appears with its content or not at all, whenever we die.  There is
no fsync: after a power failure the machine boots, which voids every lease (docs/decisions/leases.md).
Source: plugins/ipam/host-local/backend/disk of containernetworking/plugins; open(2) O_TMPFILE, link(2).
"""

from __future__ import annotations

import fcntl
import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md
import time

from .. import errnos, signals
from ..errors import STATE_FAILED, TRY_AGAIN_LATER, CniError, errno_name
from ..ip import parse_ip
from .directories import LAST_RESERVED, LOCK, OPEN, make, open_index
from .index import Index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .lease import Lease

_WAIT_S = 30.0
MOST_CONTENT = 4096
_S_IFMT, _S_IFREG = 0o170000, 0o100000  # include/uapi/linux/stat.h; the module stat costs 0.1 ms
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO in a lease's place must not keep us


class Leases:
    """The directory, open and locked until the end of the with block.

    changed: whether a lease file came or went since the index was last current.
    """

    __slots__ = ("path", "fd", "lock_fd", "index", "changed", "wait_s")

    def __init__(self, data_dir: str, network: str, wait_s: float = _WAIT_S) -> None:
        self.path = f"{data_dir}/{network}"
        self.fd = self.lock_fd = -1
        self.index = Index(-1, -1)
        self.changed = False
        self.wait_s = wait_s

    def open(self, create: bool) -> bool:
        """The directory is open and locked, its index current.  False if there is none and none is to be made.

        CniError 104 if the state can not be had, 11 if another call holds the lock for 30 s.
        """
        try:
            try:
                self.fd = os.open(self.path, OPEN)
            except FileNotFoundError:
                if not create:
                    return False
                make(self.path, 0o755)
                self.fd = os.open(self.path, OPEN)
            self.lock_fd = self._locked(create)
            self._open_index()
        except OSError as e:
            self.close()
            raise self.failed("open", e) from None
        except BaseException:
            self.close()
            raise
        return True

    def __enter__(self) -> Leases:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Everything is given back, the lock last."""
        self.index.close()
        for fd in (self.fd, self.lock_fd):
            if fd >= 0:
                os.close(fd)
        self.fd = self.lock_fd = -1

    def failed(self, about: str, e: OSError) -> CniError:
        """The error for a system call on the leases that failed."""
        name = errno_name(e.errno or 0)
        return CniError(STATE_FAILED, f"{about} the leases in {self.path}", f"{name}: {e.strerror}: {e.filename}")

    def _locked(self, stoppable: bool) -> int:
        """The lock's descriptor.  stoppable: SIGTERM ends the wait; not where it made us take back what we did."""
        fd = os.open(LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600, dir_fd=self.fd)
        deadline, pause = time.monotonic() + self.wait_s, 0.0005
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return fd
                except BlockingIOError:
                    pass
                if time.monotonic() > deadline:
                    raise CniError(TRY_AGAIN_LATER, f"wait for the lock {self.path}/{LOCK}", "another call holds it")
                if stoppable:
                    signals.check()
                time.sleep(pause)
                pause = min(2 * pause, 0.005)
        except BaseException:
            os.close(fd)
            raise

    # --- the index ---

    def _open_index(self) -> None:
        data_dir, _, network = self.path.rpartition("/")
        self.index = Index(open_index(data_dir, network), self.fd)
        if not self.index.is_current():
            self.rebuild()

    def rebuild(self) -> None:
        """The index knows what the files say; torn and void leases are gone."""
        from . import rebuilding

        rebuilding.rebuild(self)

    def seal(self) -> None:
        """The index is current again, if a lease came or went."""
        if self.changed:
            self.index.seal()
            self.changed = False

    # --- the files ---

    def read(self, name: str) -> Lease | None:
        """The lease in a file; None if there is no file."""
        from .lease import Lease  # an ADD that is all right reads none

        try:
            fd = os.open(name, _READ, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        except OSError as e:
            import errno

            if e.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link, a socket: taken, but nobody's
                return Lease(name, None, 0)
            raise
        try:
            status = os.fstat(fd)
            is_regular = status.st_mode & _S_IFMT == _S_IFREG
            content = os.read(fd, MOST_CONTENT) if is_regular else None
            return Lease(name, content, status.st_mtime_ns)
        finally:
            os.close(fd)

    def held_by(self, owner: str) -> list[Lease]:
        """The leases whose content is `owner`, in the order of their names."""
        for _ in range(2):
            names = sorted(self.index.names_of(owner))
            leases = [lease for lease in map(self.read, names) if lease is not None and lease.owner == owner]
            if len(leases) == len(names):
                return leases
            self.rebuild()  # somebody wrote into a lease without the directory noticing
        return leases

    def reserve(self, name: str, owner: str, range_set: int) -> bool:
        """The file is there and says `owner`; False if it was there before.  OSError leaves nothing behind."""
        self.changed = True
        if not self._create(name, owner.encode("utf-8", "surrogateescape")):
            return False
        try:
            self._write_last(range_set, name)
        except BaseException:
            self.unlink(name)
            raise
        return True

    def _create(self, name: str, content: bytes) -> bool:
        fd = self._aside(content)
        try:
            # open(2): the way to name an O_TMPFILE without CAP_DAC_READ_SEARCH
            os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=self.fd, follow_symlinks=True)
        except FileExistsError:
            return False
        finally:
            os.close(fd)
        return True

    def _aside(self, content: bytes) -> int:
        """A descriptor of a nameless file with the content; it is gone with the descriptor, unless it gets a name."""
        fd = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=self.fd)
        try:
            if os.write(fd, content) != len(content):
                raise OSError(errnos.ENOSPC, os.strerror(errnos.ENOSPC), self.path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def probe(self) -> None:
        """OSError if a lease could not be written; nothing is left of the try."""
        os.close(self._aside(b"probe"))

    def unlink(self, name: str) -> None:
        """There is no such lease file."""
        self.changed = True
        try:
            os.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            pass  # somebody's own; never a lease

    def take_back(self, names: list[str]) -> None:
        """Leases that this call made and told nobody about are gone."""
        for name in names:
            self.unlink(name)
        self.seal()

    def note(self, owner: str, names: list[str]) -> None:
        """The index knows what this call reserved."""
        try:
            self.index.hold(owner, names, [parse_ip(name) for name in names])
            self.seal()
        except OSError:
            pass  # it is only a hint: the next call rebuilds it

    def release(self, owner: str) -> bool:
        """No lease says `owner` any more; whether any did."""
        leases = self.held_by(owner)
        for lease in leases:
            self.unlink(lease.name)
        if leases:
            try:
                self.index.release(owner, [a for a in [lease.address() for lease in leases] if a is not None])
                self.seal()
            except OSError:
                pass
        return bool(leases)

    def last_reserved(self, range_set: int) -> bytes | None:
        """The address that the range set gave last; None if that is not known."""
        try:
            fd = os.open(f"{LAST_RESERVED}.{range_set}", _READ, dir_fd=self.fd)
        except OSError:
            return None  # as Go: the round robin begins anew
        try:
            return parse_ip(os.read(fd, 64).decode("ascii"))
        except (OSError, ValueError):
            return None
        finally:
            os.close(fd)

    def _write_last(self, range_set: int, name: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(f"{LAST_RESERVED}.{range_set}", flags, 0o600, dir_fd=self.fd)
        try:
            os.write(fd, name.encode())
        finally:
            os.close(fd)


def owner_of(containerid: str, ifname: str) -> str:
    """What the lease of an attachment says."""
    return f"{containerid.strip()}\r\n{ifname}"
