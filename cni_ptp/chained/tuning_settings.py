"""What the plugin tuning is asked for: sysctls and properties of an interface, validated.  Pure.

Later wins: the configuration, CNI_ARGS, runtimeConfig, args.cni.  Source: plugins/meta/tuning; docs/tuning.md.
"""

from __future__ import annotations

from ..base.errors import INVALID_NETWORK_CONFIG, CniError
from ..base.jsonio import members_as_written, wrong_type
from ..cni.args import known_cni_args
from ..cni.mac import parse as parse_mac

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.jsonio import JsonObject
    from ..cni.args import Args
    from ..cni.conf import NetConf

DATA_DIR = "/run/cni/tuning"
_MOST = 1000
_NET = "net/"


class Settings:
    """sysctls: (key as written, path below /proc/sys/net/, value).  The rest: None, or 0, for what stays as it is.

    mac: 6 bytes.  mtu: bytes.  txqlen: packets.
    """

    __slots__ = ("sysctls", "mac", "promisc", "mtu", "allmulti", "txqlen", "data_dir")

    def __init__(self) -> None:
        self.sysctls: list[tuple[str, str, str]] = []
        self.mac: bytes | None = None
        self.promisc: bool | None = None
        self.mtu = 0
        self.allmulti: bool | None = None
        self.txqlen: int | None = None
        self.data_dir = DATA_DIR

    def changes_link(self) -> bool:
        """Return whether any property of the interface is to change, so that the old ones must be kept."""
        return (
            bool(self.mtu or self.mac)
            or self.promisc is not None
            or self.allmulti is not None
            or self.txqlen is not None
        )


def read(conf: NetConf, args: Args) -> Settings:
    """Return what is asked for.  CniError 4, 6 or 7; nothing has been done."""
    found = Settings()
    found.data_dir = data_dir_of(conf)
    sysctls: dict[str, str] = {}
    text = ""
    for fields, path in ((conf.fields, ("sysctl",)), (conf.cni_conf_args(), ("args", "cni", "sysctl"))):
        if fields.object("sysctl") is not None:
            sysctls.update(_sysctls(members_as_written(conf.raw, *path)))
        if fields is conf.fields:
            text = fields.text("mac")
            text = known_cni_args(args.args, ("MAC",)).get("MAC", "") or text
            text = conf.runtime_config().text("mac") or text
        else:
            text = fields.text("mac") or text
        if fields.has("promisc"):
            found.promisc = fields.flag("promisc") or None  # as with Go's, false is no wish
        found.allmulti = fields.flag("allmulti") if fields.has("allmulti") else found.allmulti
        found.mtu = _at_least(fields, "mtu") or found.mtu
        length = _at_least(fields, "txQLen")
        found.txqlen = length if length is not None else found.txqlen
    found.mac = parse_mac(text) if text else None
    found.sysctls = [(key, _path(key, args.ifname), value) for key, value in sysctls.items()]
    return found


def data_dir_of(conf: NetConf) -> str:
    """Return the directory of the original values.  CniError 7 if it is not an absolute path."""
    data_dir = conf.fields.text("dataDir") or DATA_DIR
    if not data_dir.startswith("/") or "\0" in data_dir:
        raise CniError(INVALID_NETWORK_CONFIG, f'dataDir "{data_dir}" is not an absolute path')
    return data_dir


def _at_least(fields: JsonObject, key: str) -> int | None:
    value = fields.number(key)
    if value is not None and not 0 <= value < 1 << 31:
        raise CniError(INVALID_NETWORK_CONFIG, f"{key} of {value} cannot be used")
    return value


def _sysctls(members: list[tuple[str, Any]]) -> dict[str, str]:
    if len(members) > _MOST:
        raise CniError(INVALID_NETWORK_CONFIG, f"more than {_MOST} sysctls")
    found: dict[str, str] = {}
    for key, value in members:
        if not isinstance(value, str):
            raise wrong_type(f"sysctl.{key}", "a string", value)
        if key in found:
            raise CniError(INVALID_NETWORK_CONFIG, "duplicated sysctl keys are not allowed", key)
        found[key] = value
    return found


def _path(key: str, ifname: str) -> str:
    """Return the path below /proc/sys/net/: dots are slashes, and the first IFNAME is the interface's name."""
    parts = [part for part in key.replace(".", "/").split("/") if part]
    if parts[:1] != ["net"] or any(part in ("..", "") or "\0" in part for part in parts) or len(parts) < 2:
        raise CniError(INVALID_NETWORK_CONFIG, f'invalid net sysctl key: "{key}"')
    return "/".join(parts[1:]).replace("IFNAME", ifname, 1)
