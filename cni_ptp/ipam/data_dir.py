"""What every verb needs of the "ipam" object, DEL too: that it is there, and where its leases are.  Pure."""

from __future__ import annotations

from ..cni.conf import unusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.jsonio import JsonObject
    from ..cni.conf import NetConf

DATA_DIR = "/var/lib/cni/networks"
# include/uapi/linux/limits.h PATH_MAX is 4,096, NAME_MAX 255; a network's directories lie below dataDir.
_MOST_PATH, _MOST_PART = 3800, 255
_SHORT = 63  # characters, of at most 4 bytes each: nothing to count


def ipam_of(conf: NetConf) -> JsonObject:
    """Return the ipam object.  CniError 7 if there is none."""
    if conf.ipam is None:
        raise unusable("IPAM config missing 'ipam' key")
    return conf.ipam


def data_dir(conf: NetConf) -> str:
    """Return the directory of the leases of all networks.  CniError 6 or 7 as for the rest of the configuration."""
    path = ipam_of(conf).text("dataDir") or DATA_DIR
    check_path("ipam.dataDir", path)
    if not path.startswith("/"):  # Go takes it, and loses the leases when the runtime is started elsewhere
        raise unusable(f'ipam.dataDir "{path}" is not an absolute path')
    return path


def check_path(about: str, path: str) -> None:
    """Raise CniError 7 if no file can have this path."""
    if "\0" in path:
        raise unusable(f"{about} contains a NUL character")
    if "\ufffd" in path:  # a lone surrogate or bytes that are not UTF-8: two different paths would become one
        raise unusable(f"{about} contains characters that are not UTF-8")
    if len(path) > _SHORT:
        raw = path.encode("utf-8", "surrogateescape")
        if len(raw) > _MOST_PATH or max(map(len, raw.split(b"/"))) > _MOST_PART:
            raise unusable(f"{about} is too long", f"{_MOST_PATH} bytes are allowed, {_MOST_PART} between slashes")
