"""The leases of one network for one call: locked, with an index beside them, reserved and released.

A lease is written aside and gets its name then: it appears with its content or not at all, whenever we die.  There is
no fsync: after a power failure the machine boots, which voids every lease (docs/decisions/leases.md).
Source: plugins/ipam/host-local/backend/disk of containernetworking/plugins; open(2) O_TMPFILE, link(2).
"""

from __future__ import annotations

import fcntl
import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md
import time

from ..base import errnos
from ..base.errors import TRY_AGAIN_LATER, CniError
from ..base.ip import parse_ip
from ..system import signals
from ..system.state_files import opened
from .directories import LAST_RESERVED, LOCK, make, open_index, open_network
from .lease_dir import LeaseDirectory
from .lease_index import Index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .lease import Lease

_WAIT_S = 30.0


class Leases(LeaseDirectory):
    """The directory, open and locked until the end of the with block."""

    __slots__ = ("lock_fd", "wait_s")

    def __init__(self, data_dir: str, network: str, wait_s: float = _WAIT_S) -> None:
        super().__init__(f"{data_dir}/{network}")
        self.lock_fd = -1
        self.wait_s = wait_s

    def open(self, create: bool) -> bool:
        """Open and lock the directory, its index current.  False if it does not exist and is not to be made.

        CniError 104 if the state cannot be read or others can write to it, 11 if another call holds the lock for 30 s.
        """
        data_dir, _, network = self.path.rpartition("/")
        try:
            try:
                self.fd = open_network(data_dir, network)
            except FileNotFoundError:
                if not create:
                    return False
                make(self.path, 0o755)
                self.fd = open_network(data_dir, network)
            self.lock_fd = self._locked(create)
            self._open_index(data_dir, network)
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
        """Close everything, the lock last."""
        self.index.close()
        for fd in (self.fd, self.lock_fd):
            if fd >= 0:
                os.close(fd)
        self.fd = self.lock_fd = -1

    def _locked(self, stoppable: bool) -> int:
        """Return the lock's descriptor.

        CniError 11 if a signal asked us to stop, unless it made us take back what we did.
        """
        fd = opened(LOCK, os.O_RDONLY | os.O_CREAT, self.fd)
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
                if stoppable or signals.noted_from_now():
                    signals.check()
                time.sleep(pause)
                pause = min(2 * pause, 0.005)
        except BaseException:
            os.close(fd)
            raise

    # --- the index ---

    def _open_index(self, data_dir: str, network: str) -> None:
        self.index = Index(open_index(data_dir, network), self.fd)
        if not self.index.is_current():
            self.rebuild()

    def rebuild(self) -> None:
        """Make the index tell what the files tell, and delete incomplete and void leases."""
        from . import index_rebuild

        index_rebuild.rebuild(self)

    def mark_current(self) -> None:
        """Make the index current again, if a lease came or went."""
        if self.changed:
            self.index.mark_current()
            self.changed = False

    # --- the files ---

    def held_by(self, owner: str) -> list[Lease]:
        """Return the leases whose content is `owner`, in the order of their names."""
        for _ in range(2):
            names = sorted(self.index.names_of(owner))
            leases = [lease for lease in map(self.read, names) if lease is not None and lease.owner == owner]
            if len(leases) == len(names):
                return leases
            self.rebuild()  # somebody wrote into a lease without the directory noticing
        return leases

    def reserve(self, name: str, owner: str, range_set: int) -> bool:
        """Write the file with the content `owner`; False if it existed before.  OSError leaves nothing behind."""
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
        """Write the file, whole from its first moment on; False if there was one before."""
        try:
            fd = self._nameless(content)
            try:
                # open(2): the way to name an O_TMPFILE without CAP_DAC_READ_SEARCH
                os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=self.fd, follow_symlinks=True)
            finally:
                os.close(fd)
        except FileExistsError:
            return False
        except OSError:  # why does not matter: what stands in every way is met on the other one too
            from . import temporary_file

            return temporary_file.create(self.fd, name, content)
        return True

    def _nameless(self, content: bytes) -> int:
        """Return a descriptor of a nameless file with the content.

        It ends with the descriptor, unless it gets a name.
        """
        fd = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=self.fd)
        try:
            if os.write(fd, content) != len(content):
                raise OSError(errnos.ENOSPC, os.strerror(errnos.ENOSPC), self.path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def probe(self) -> None:
        """Raise OSError if a lease could not be written; nothing is left of the try."""
        try:
            os.close(self._nameless(b"probe"))
        except OSError:
            from . import temporary_file

            self.changed = True
            temporary_file.write(self.fd, b"probe")
            temporary_file.remove(self.fd)
            self.mark_current()

    def take_back(self, names: list[str]) -> None:
        """Delete leases that this call made and told nobody about."""
        for name in names:
            self.unlink(name)
        self.mark_current()

    def note(self, owner: str, names: list[str]) -> None:
        """Note in the index what this call reserved."""
        try:
            self.index.hold(owner, names, [parse_ip(name) for name in names])
            self.mark_current()
        except OSError:
            pass  # it is only a hint: the next call rebuilds it
        except CniError:
            self.index.close()  # half of it is written, so it must not be sealed
            raise

    def release(self, owner: str) -> bool:
        """Release every lease of `owner`; return whether there was any."""
        leases = self.held_by(owner)
        for lease in leases:
            self.unlink(lease.name)
        if leases:
            try:
                self.index.release(owner, [a for a in [lease.address() for lease in leases] if a is not None])
                self.mark_current()
            except OSError:
                pass
        return bool(leases)

    def last_reserved(self, range_set: int) -> bytes | None:
        """Return the address that the range set gave last; None if that is not known."""
        try:
            fd = opened(f"{LAST_RESERVED}.{range_set}", os.O_RDONLY, self.fd)
        except OSError:
            return None  # as Go: the round robin begins anew
        try:
            return parse_ip(os.read(fd, 64).decode("ascii"))
        except (OSError, ValueError):
            return None
        finally:
            os.close(fd)

    def _write_last(self, range_set: int, name: str) -> None:
        fd = opened(f"{LAST_RESERVED}.{range_set}", os.O_WRONLY | os.O_CREAT, self.fd)
        try:
            os.ftruncate(fd, 0)
            os.write(fd, name.encode())
        finally:
            os.close(fd)


def owner_of(containerid: str, ifname: str) -> str:
    """Return the content of an attachment's lease."""
    return f"{containerid.strip()}\r\n{ifname}"
