"""The directory of one network's lease files: Go host-local's, in format and lock, so that both can be used at once.

DATA_DIR/NETWORK/
    10.1.2.3              "CONTAINER\\r\\nIFNAME"; one that holds only "CONTAINER" is from before CNI knew of ifnames
    last_reserved_ip.N    the address that range set N gave last
    lock                  flock(2), held by every call
    .cni-ptp-new          where a lease cannot be written without a name: see temporary_file.py
Source: plugins/ipam/host-local/backend/disk of containernetworking/plugins.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base.errors import STATE_FAILED, CniError, words_of
from ..system.state_files import opened
from .lease_index import Index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .lease import Lease

MOST_CONTENT = 4096


class LeaseDirectory:
    """The lease files of a network, and the index beside them.

    fd: the directory's descriptor, -1 while it is not open.  changed: whether a lease file came or went since the index
    was last current.
    """

    __slots__ = ("path", "fd", "index", "changed")

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = -1
        self.index = Index(-1, -1)
        self.changed = False

    def failed(self, about: str, e: OSError) -> CniError:
        """Return the error for a system call on the leases that failed."""
        return CniError(STATE_FAILED, f"{about} the leases in {self.path}", words_of(e))

    def read(self, name: str) -> Lease | None:
        """Return the lease in a file; None if there is no file.  What is no regular file takes its address, for nobody.

        CniError 104 if it is a regular file whose words do not count: somebody else's, or one with several names.
        """
        from .lease import Lease  # an ADD that is all right reads none

        try:
            fd = opened(name, os.O_RDONLY, self.fd)
        except FileNotFoundError:
            return None
        except CniError:
            from ..system.state_files_refusal import is_regular

            if is_regular(name, self.fd):
                raise
            return Lease(name, None, 0)
        try:
            return Lease(name, os.read(fd, MOST_CONTENT), os.fstat(fd).st_mtime_ns)
        finally:
            os.close(fd)

    def unlink(self, name: str) -> None:
        """Delete the lease file, if it exists."""
        self.changed = True
        try:
            os.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            pass  # somebody's own; never a lease
