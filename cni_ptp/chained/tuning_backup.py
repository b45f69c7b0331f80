"""What an interface was like before tuning changed it, kept in a file as the Go plugin keeps it.

DIRECTORY/CONTAINER_IFNAME.json has mac, promisc, mtu, allmulti and txQLen as far as they were changed.
Source: plugins/meta/tuning/tuning.go createBackup(), restoreBackup().
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base.errnos import ENOTDIR
from ..base.errors import STATE_FAILED, CniError, words_of
from ..base.jsonio import JsonObject, dumps, loads
from ..cni.conf import mac_text
from ..cni.mac import parse
from ..ipam.directories import make
from ..system.state_files import check_directory, opened
from .tuning_settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.undo import Rollback
    from ..cni.args import Args
    from ..cni.attachment import Attachment
    from ..netlink.rt_link_set import Tuned

_MOST = 4096
_NETWORK = "network"  # ours: Go's tuning reads past it
_ASIDE = ".new"
_NAMES = ("mac", "promisc", "mtu", "allmulti", "txQLen")  # in Go's order


def _path(data_dir: str, containerid: str, ifname: str) -> str:
    return f"{data_dir}/{containerid}_{ifname}.json"


def properties(wanted: Settings, link: Tuned) -> Settings:
    """Return what the link has of all that is to change."""
    found = Settings()
    found.mac = link.mac if wanted.mac is not None else None
    found.promisc = link.promisc if wanted.promisc is not None else None
    found.mtu = link.mtu if wanted.mtu else 0
    found.allmulti = link.allmulti if wanted.allmulti is not None else None
    found.txqlen = link.txqlen if wanted.txqlen is not None else None
    return found


def keep(data_dir: str, args: Args, network: str, before: Settings, undo: Rollback) -> None:
    """Write down the properties that no earlier ADD wrote down: a second one sees what the first one set.

    undo: takes what puts the file back.  CniError 104 if it cannot be written.
    """
    path = _path(data_dir, args.containerid, args.ifname)
    try:
        make(data_dir, 0o700)
        check_directory(data_dir, follow=True)
        raw = _read(path)
        document = _document(before)
        if raw is not None:
            earlier = _decoded(raw)
            if all(earlier.get(key.lower()) is not None for key in document):
                return
            document.update({name: earlier[name.lower()] for name in _NAMES if earlier.get(name.lower()) is not None})
        undo.append((f"put back {path}", lambda: _put(path, raw)))
        _put(path, dumps({**{name: document[name] for name in _NAMES if name in document}, _NETWORK: network}))
    except OSError as e:
        raise CniError(STATE_FAILED, f"write {path}", words_of(e)) from None


def _document(before: Settings) -> dict[str, Any]:
    values = (
        mac_text(before.mac) if before.mac is not None else None,
        before.promisc,
        before.mtu or None,
        before.allmulti,
        before.txqlen,
    )
    return {name: value for name, value in zip(_NAMES, values) if value is not None}


def _read(path: str) -> bytes | None:
    """Return what the file holds; None if it does not exist."""
    try:
        fd = opened(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return os.read(fd, _MOST)
    finally:
        os.close(fd)


def _decoded(raw: bytes) -> dict[str, Any]:
    """Return the members, keys in lower case; {} if they cannot be read: a killed call of Go's wrote half of them."""
    try:
        found = loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _put(path: str, raw: bytes | None) -> None:
    """Write the file whole or not at all; None deletes it."""
    aside = path + _ASIDE
    _unlink(path if raw is None else aside)  # the second is of a call that was killed
    if raw is None:
        return
    try:
        fd = opened(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            if os.write(fd, raw) != len(raw):
                raise OSError("short write")
        finally:
            os.close(fd)
        os.rename(aside, path)
    except BaseException:
        _unlink(aside)
        raise


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def kept(data_dir: str, args: Args) -> Settings | None:
    """Return what was written down; None if nothing was, or nonsense.  CniError 104 if it cannot be read."""
    path = _path(data_dir, args.containerid, args.ifname)
    try:
        raw = _read(path)
    except OSError as e:
        if e.errno == ENOTDIR:
            return None
        raise CniError(STATE_FAILED, f"read {path}", words_of(e)) from None
    if raw is None:
        return None
    found = Settings()
    try:
        fields = JsonObject(_decoded(raw), "")
        text = fields.text("mac")
        found.mac = parse(text) if text else None
        found.promisc = fields.flag("promisc") if fields.has("promisc") else None
        found.mtu = fields.number("mtu") or 0
        found.allmulti = fields.flag("allmulti") if fields.has("allmulti") else None
        found.txqlen = fields.number("txQLen")
    except CniError:
        return None
    return found


def forget(data_dir: str, args: Args) -> None:
    """Delete what was written down, if it exists."""
    path = _path(data_dir, args.containerid, args.ifname)
    for name in (path, path + _ASIDE):
        try:
            _unlink(name)
        except OSError:
            pass


def gc(data_dir: str, network: str, valid: list[Attachment]) -> None:
    """Delete what was written down for the network's other attachments.  CniError 104."""
    keep_names = {_path("", a.containerid, a.ifname)[1:] for a in valid}
    try:
        check_directory(data_dir, follow=True)
        names = os.listdir(data_dir)
        for name in names:
            if name.endswith(".json") and name not in keep_names and _is_of(f"{data_dir}/{name}", network):
                os.unlink(f"{data_dir}/{name}")
    except FileNotFoundError:
        pass
    except OSError as e:
        raise CniError(STATE_FAILED, f"collect what is stale in {data_dir}", words_of(e)) from None


def _is_of(path: str, network: str) -> bool:
    try:
        raw = _read(path)
    except (OSError, CniError):
        return False
    return raw is not None and _decoded(raw).get(_NETWORK) == network
