"""The doctor on files: the plugin and its Python, configurations, leases."""

from __future__ import annotations

import os
import stat
import time

from ..base import jsonio
from ..base.errors import CniError
from ..bundle import built_file
from ..cni.conf import NetConf, ptp_settings, read
from ..commands import status
from ..ipam.data_dir import ipam_of
from ..ipam.source import ipam_for
from ..system import spawn
from ..system.trusted import distrust
from . import conflist, lease_files
from .diagnosis import Line, ok, problem, warning
from .inventory import Inventory, Network
from .pools import AS_ADD, pools_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


_EMBEDDED = ("host-local", "static")
_OLD_S = 60.0
_MOST_COUNTED = 1 << 17  # leases of a range: more are never counted, so a /64 costs nothing
_PATIENCE_S = 20.0


def lines(inventory: Inventory, conf_dir: str, cni_path: str) -> Iterator[Line]:
    """Return all lines about files.  cni_path: the directories of plugins, joined by colons."""
    directories = [d for d in cni_path.split(":") if os.path.isdir(d)]
    plugins = [p for p in (os.path.join(d, "ptp") for d in directories) if os.path.lexists(p)]
    if not plugins:
        state = problem if inventory.networks else warning
        yield state("plugin", f"there is no ptp in {cni_path}", "ptp install --to DIR")
    else:
        yield from _plugin(plugins[0])
        yield from _others(plugins)
    yield from _configurations(inventory, conf_dir, directories)
    yield from _data_dirs(inventory)
    yield from _leases(inventory)


def _plugin(path: str) -> Iterator[Line]:
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        yield problem("plugin", f"{path} is no executable file", f"chmod 755 {path}, or ptp install --to DIR --force")
        return
    refusal = distrust(path)
    if refusal:
        yield problem("plugin", f"{refusal}: the runtime would run theirs as root", _remedy(refusal))
    if not built_file.is_ours(path):
        yield warning("plugin", f"{path} is another plugin of that name", "ptp install --force keeps a backup of it")
        return
    if refusal:
        yield warning("python", f"not tried: whoever wrote {path} names it", _remedy(refusal))
        return
    yield ok("plugin", path)
    with open(path, "rb") as f:
        yield _interpreter(path, built_file.interpreter_of(f.read(256)))


def _remedy(refusal: str) -> str:
    """Return what remedies a reason of system/trusted.py's."""
    for words, command in ((" can be written by", "chmod go-w"), (" belongs to user", "chown root")):
        place, found, _ = refusal.partition(words)
        if found:
            return f"{command} {place}"
    return "ptp install --to DIR --python PATH"


def _others(plugins: list[str]) -> Iterator[Line]:
    """Report further copies.

    Podman and Debian's containerd look elsewhere, and the runtime decides which it executes.
    """
    if any(built_file.is_ours(path) for path in plugins):
        for path in plugins[1:]:
            if not built_file.is_ours(path):
                found = f"{path} is another plugin: a runtime that looks there first executes that one"
                yield warning("plugin", found, f"ptp install --force --to {os.path.dirname(path)} keeps a backup of it")


def _interpreter(path: str, interpreter: str) -> Line:
    remedy = f"ptp install --to {os.path.dirname(path)} --python PATH"
    if not os.access(interpreter, os.X_OK):
        return problem("python", f"{path} wants {interpreter or 'no interpreter'}, which is not there", remedy)
    refusal = distrust(interpreter)
    if refusal:
        return problem("python", f"{interpreter} was not tried: {refusal}", _remedy(refusal))
    code = "import sys, _imp, _frozen_importlib_external as e; print(*sys.version_info[:2], e.MAGIC_NUMBER.hex())"
    try:
        done = spawn.python(interpreter, code, [], time_s=_PATIENCE_S)
        major, minor, magic = done.out.decode("ascii").split()
    except (OSError, ValueError, spawn.LimitExceeded):
        return problem("python", f"{interpreter} does not run", remedy)
    version = f"{major}.{minor}"
    if (int(major), int(minor)) < (3, 9):
        return problem("python", f"{interpreter} is Python {version}; 3.9 is the least", remedy)
    with open(path, "rb") as f:
        if repr(bytes.fromhex(magic)).encode() not in f.read(1024):
            found = f"{interpreter} is Python {version} now, the plugin was built for another: it works, only slower"
            return warning("python", found, remedy)
    return ok("python", f"{interpreter}, Python {version}")


# --- configurations -------------------------------------------------------------------------------------------------


def _configurations(inventory: Inventory, conf_dir: str, directories: list[str]) -> Iterator[Line]:
    names: dict[str, str] = {}
    broken = False
    for path in conflist.files(conf_dir):
        try:
            conf = conflist.read(path)
        except (OSError, ValueError) as e:
            broken = True
            yield problem("configuration", f"{path} cannot be read: {e}", "mend or remove it")
            continue
        name = str(conf.get("name"))
        if name in names:
            yield warning("configuration", f"{names[name]} and {path} both name the network {name}", "keep one")
        names.setdefault(name, path)
        if any(p.get("type") == "ptp" for p in conflist.plugins_of(conf)):
            found = list(_configuration(path, conf, directories))
            yield from found or [ok("configuration", f"{path}: network {name}")]
    if not inventory.networks and not broken:
        yield warning("configuration", f"none in {conf_dir} names ptp", "ptp install --conflist NAME writes one")


def _configuration(path: str, conf: dict[str, Any], directories: list[str]) -> Iterator[Line]:
    for plugin in conflist.plugins_of(conf):
        kind = str(plugin.get("type"))
        ipam = plugin.get("ipam")
        wanted = [kind] if kind != "ptp" else []
        if isinstance(ipam, dict) and isinstance(ipam.get("type"), str):
            embedded = kind == "ptp" and ipam["type"] in _EMBEDDED and plugin.get("embeddedipam") is not False
            wanted += [] if embedded else [ipam["type"]]
        for name in wanted:
            if not any(os.access(os.path.join(d, name), os.X_OK) for d in directories):
                found = f"{path} needs the plugin {name}, which is in none of {':'.join(directories) or 'no directory'}"
                yield problem("configuration", found, f"install {name}, or take it out of the configuration")
        if kind == "ptp":
            try:
                _judge(conf, plugin)
            except CniError as e:
                yield problem("configuration", f"{path}: {e}", "ADD would fail so: mend it")


def _judge(conf: dict[str, Any], plugin: dict[str, Any]) -> None:
    """Raise CniError if ADD would refuse the configuration."""
    whole = dict(plugin, name=conf.get("name"), cniVersion=conf.get("cniversion"))
    network: NetConf = read(jsonio.dumps(whole))
    ptp_settings(network, AS_ADD)
    ipam = ipam_of(network)
    if not ipam.text("type"):
        raise CniError(7, "no plugin name provided", "ipam.type is missing")
    if network.fields.flag("embeddedIPAM", True) and ipam.text("type") in _EMBEDDED:
        status.refuse_unusable(ipam_for(network, AS_ADD), network)


# --- leases ---------------------------------------------------------------------------------------------------------


def _data_dirs(inventory: Inventory) -> Iterator[Line]:
    for path in inventory.data_dirs:
        there = path
        while not os.path.lexists(there):
            there = os.path.dirname(there)
        if not os.path.isdir(there):
            yield problem("leases", f"{there} is no directory", "remove it")
        elif os.stat(there).st_mode & stat.S_IWOTH and not os.stat(there).st_mode & stat.S_ISVTX:
            yield problem("leases", f"everybody can write to {there}", f"chmod o-w {there}")
        elif os.statvfs(there).f_flag & os.ST_RDONLY or not os.access(there, os.W_OK | os.X_OK):
            remedy = "mount it writable, or set ipam.dataDir" if os.geteuid() == 0 else "run ptp doctor as root"
            yield problem("leases", f"{there} cannot be written", remedy)
        else:
            yield ok("leases", f"{path} can be written")


def _leases(inventory: Inventory) -> Iterator[Line]:
    ours = set(inventory.networks) | {f.attachment.network for f in inventory.attachments()}
    for data_dir in inventory.data_dirs:
        for name in lease_files.networks(data_dir):
            if name not in ours:
                continue
            try:
                leases = lease_files.of_network(data_dir, name)
            except OSError as e:
                yield problem("leases", f"{data_dir}/{name} cannot be read: {e.strerror}", "run ptp doctor as root")
                continue
            incomplete = [lease.path for lease in leases if lease.incomplete]
            if incomplete:
                yield warning(
                    "leases", f"{len(incomplete)} say no owner: {incomplete[0]}", "remove the files: nobody has these"
                )
            network = inventory.networks.get(name)
            if network is not None and network.data_dir() == data_dir:
                yield from _exhausted(network, leases)
    stale = _stale(inventory)
    if stale:
        yield warning("leases", f"{len(stale)} of containers that are gone: {stale[0]}", "ptp gc removes them")


def _stale(inventory: Inventory) -> list[str]:
    before = time.time() - _OLD_S  # an ADD at work has its lease before its interface
    return [
        lease.path
        for found in inventory.attachments()
        if found.link is None
        for lease in found.leases
        if lease.made < before
    ]


def _exhausted(network: Network, leases: list[lease_files.LeaseFile]) -> Iterator[Line]:
    for pool in pools_of(network, leases):
        said = f"network {network.name}: {pool.taken} of {pool.size} addresses of {pool.text} are taken"
        if pool.size < _MOST_COUNTED and pool.taken >= pool.size:
            yield problem("leases", said, "ptp gc, if containers are gone; else a larger range")
        elif pool.size < _MOST_COUNTED and pool.taken * 10 >= pool.size * 9:
            yield warning("leases", said, "a larger range")
