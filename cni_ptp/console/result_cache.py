"""What a runtime's libcni remembers of each attachment: configuration and result, as ADD had and gave them.

DIRECTORY/NETWORK-CONTAINER-IFNAME is JSON: kind, containerId, networkName, ifName, netns, config (base64), cniArgs,
capabilityArgs, result.  Source: libcni/api.go cachedInfo, getCacheFilePath of containernetworking/cni.
"""

from __future__ import annotations

import binascii
import json
import os

from ..base import jsonio
from ..base.errors import CniError
from ..cni.args import Args
from ..cni.attachment import Attachment
from ..cni.conf import NetConf, read
from ..system.state_files import opened
from . import conflist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# libcni's own, which containerd, CRI-O, Nomad and kubelets use, and podman's.
DIRECTORIES = ("/var/lib/cni/results", "/run/cni/results", "/run/podman/cni/results")
_KIND = "cniCacheV1"
_MOST = 1 << 20  # bytes of a file


class Remembered:
    """An attachment as its runtime remembers it.  pod: "NAMESPACE/NAME" if Kubernetes named it, else ""."""

    __slots__ = ("attachment", "args", "conf", "path", "pod")

    def __init__(self, attachment: Attachment, args: Args, conf: NetConf, path: str, pod: str) -> None:
        self.attachment = attachment
        self.args = args
        self.conf = conf
        self.path = path
        self.pod = pod


def remembered(directories: tuple[str, ...] = DIRECTORIES) -> tuple[list[Remembered], list[str]]:
    """Return (the attachments by ptp that runtimes remember, in order; which files could not be read, in words)."""
    found: dict[tuple[str, str, str], Remembered] = {}
    unread = []
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        for name in names:
            path = os.path.join(directory, name)
            try:
                one = _read(path)
            except (OSError, ValueError, CniError) as e:
                unread.append(f"{path}: {e}")
                continue
            if one is not None:
                found.setdefault(one.attachment.identity(), one)
    return [found[key] for key in sorted(found)], unread


def _read(path: str) -> Remembered | None:
    """Return what a file remembers; None if another plugin made it.  ValueError, OSError, CniError if it is damaged."""
    fd = opened(path, os.O_RDONLY)
    with open(fd, "rb") as file:
        document = json.loads(file.read(_MOST))
    if not isinstance(document, dict) or document.get("kind") != _KIND:
        return None  # of a libcni before 0.8: the result alone
    listed = json.loads(binascii.a2b_base64(str(document.get("config", ""))))
    if not isinstance(listed, dict):
        raise ValueError("its configuration is no object")
    plugin = next((p for p in listed.get("plugins", [listed]) if isinstance(p, dict) and p.get("type") == "ptp"), None)
    if plugin is None:
        return None
    result = document.get("result")
    attachment = Attachment(*[str(document.get(key, "")) for key in ("networkName", "containerId", "ifName")])
    made = {
        **plugin,
        "name": listed.get("name"),
        "cniVersion": listed.get("cniVersion", "0.1.0"),
        **_runtime_config(plugin, document.get("capabilityArgs")),
        **({"prevResult": result} if isinstance(result, dict) else {}),
    }
    pairs = [pair for pair in document.get("cniArgs") or [] if isinstance(pair, list) and len(pair) == 2]
    arguments = {str(key): str(value) for key, value in pairs}
    netns = str(document.get("netns") or _sandbox(result, attachment.ifname))
    text = ";".join([f"{key}={value}" for key, value in arguments.items()])
    args = Args("CHECK", attachment.containerid, netns, attachment.ifname, text, ":".join(conflist.PLUGINS), False)
    pod = "/".join([arguments[key] for key in ("K8S_POD_NAMESPACE", "K8S_POD_NAME") if arguments.get(key)])
    return Remembered(attachment, args, read(jsonio.dumps(made)), path, pod)


def _runtime_config(plugin: dict[str, Any], given: Any) -> dict[str, Any]:
    """Return what libcni hands to the plugin of what the runtime gave: the capabilities that the plugin declares."""
    declared = plugin.get("capabilities")
    if not isinstance(declared, dict) or not isinstance(given, dict):
        return {}
    handed = {key: value for key, value in given.items() if declared.get(key) is True}
    return {"runtimeConfig": handed} if handed else {}


def _sandbox(result: Any, ifname: str) -> str:
    """Return the namespace of the container's interface in a result, for a libcni that does not remember it."""
    interfaces = result.get("interfaces") if isinstance(result, dict) else None
    for interface in interfaces if isinstance(interfaces, list) else []:
        if isinstance(interface, dict) and interface.get("name") == ifname and interface.get("sandbox"):
            return str(interface["sandbox"])
    return ""
