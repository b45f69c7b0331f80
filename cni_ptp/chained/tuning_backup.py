"""What an interface was like before tuning changed it, kept in a file as the Go plugin keeps it.

DIRECTORY/CONTAINER_IFNAME.json has mac, promisc, mtu, allmulti and txQLen as far as they were changed.
Source: plugins/meta/tuning/tuning.go createBackup(), restoreBackup().
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base.errors import STATE_FAILED, CniError, words_of
from ..base.jsonio import JsonObject, dumps, loads
from ..cni.conf import mac_text
from ..cni.mac import parse
from ..ipam.directories import make
from ..system.state_files import check_directory, opened
from .tuning_settings import DATA_DIR, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.args import Args
    from ..netlink.rt_link_set import Tuned

__all__ = ["DATA_DIR", "forget", "keep", "kept"]
_MOST = 4096


def _path(data_dir: str, args: Args) -> str:
    return f"{data_dir}/{args.containerid}_{args.ifname}.json"


def keep(wanted: Settings, args: Args, link: Tuned) -> None:
    """Write down what of the link will change, unless that was done before.  CniError 104 if it cannot be."""
    document: dict[str, object] = {}
    if wanted.mac is not None:
        document["mac"] = mac_text(link.mac)
    if wanted.promisc:
        document["promisc"] = link.promisc
    if wanted.mtu:
        document["mtu"] = link.mtu
    if wanted.allmulti is not None:
        document["allmulti"] = link.allmulti
    if wanted.txqlen is not None:
        document["txQLen"] = link.txqlen
    path = _path(wanted.data_dir, args)
    try:
        make(wanted.data_dir, 0o700)
        check_directory(wanted.data_dir, follow=True)
        try:
            fd = opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return
        try:
            raw = dumps(document)
            if os.write(fd, raw) != len(raw):
                raise OSError("short write")
        except BaseException:
            os.unlink(path)
            raise
        finally:
            os.close(fd)
    except OSError as e:
        raise CniError(STATE_FAILED, f"write {path}", words_of(e)) from None


def kept(data_dir: str, args: Args) -> Settings | None:
    """Return what was written down; None if nothing was, or if it cannot be read."""
    try:
        fd = opened(_path(data_dir, args), os.O_RDONLY)
        try:
            fields = JsonObject(loads(os.read(fd, _MOST)), "")
        finally:
            os.close(fd)
        found = Settings()
        text = fields.text("mac")
        found.mac = parse(text) if text else None
        found.promisc = fields.flag("promisc") if fields.has("promisc") else None
        found.mtu = fields.number("mtu") or 0
        found.allmulti = fields.flag("allmulti") if fields.has("allmulti") else None
        found.txqlen = fields.number("txQLen")
    except (OSError, ValueError, CniError):
        return None
    return found


def forget(data_dir: str, args: Args) -> None:
    """Delete what was written down, if it exists."""
    try:
        os.unlink(_path(data_dir, args))
    except OSError:
        pass
