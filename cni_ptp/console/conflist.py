"""A network configuration list, ready for a container runtime: ptp with all that it serves itself."""

from __future__ import annotations

import argparse
import os
from stat import S_ISREG

from ..base import jsonio
from ..base.errors import INVALID_ENVIRONMENT_VARIABLES, CniError
from ..base.ip import cidr_text, contains, network_of, parse_cidr, text_of
from ..cni import masquerade_options
from ..cni.args import is_name
from ..netlink.sock import NETLINK_ROUTE, Socket
from . import atomic_file, iproute
from .terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.ip import Prefix

DIRECTORY = "/etc/cni/net.d"
PLUGINS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni", "/usr/local/libexec/cni")
ENDINGS = (".conflist", ".conf", ".json")  # what libcni reads; pkg/types and libcni/conf.go ConfFiles
_SUBNET_V4 = "10.85.0.0/16"
_MOST_READ = 1 << 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--conflist", metavar="NAME", help="also write a network configuration with ipMasq")
    parser.add_argument("--conf-dir", metavar="DIR", default=DIRECTORY, help=f"the directory for that ({DIRECTORY})")
    parser.add_argument(
        "--subnet",
        metavar="CIDR",
        action="append",
        help=f"its addresses, once or twice (one IPv4, one IPv6; default {_SUBNET_V4} and a random fd.../64)",
    )
    parser.add_argument(
        "--non-masquerade",
        metavar="CIDR",
        action="append",
        default=[],
        help="a destination that its containers reach with their own addresses (nonMasqueradeCIDRs); may be repeated",
    )


class Listed:
    """A configuration list that may be written.  path: where to."""

    __slots__ = ("path", "content")

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self.content = content


def prepared(options: argparse.Namespace) -> Listed:
    """Return the requested list.  CniError 4 if it cannot be made, or would collide with what the host has."""
    name, directory = options.conflist, os.path.abspath(options.conf_dir)
    path = os.path.join(directory, f"10-{name}.conflist")
    about = f"write {path}"
    if not is_name(name):
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, "a network's name has letters, digits, '_', '.' and '-'")
    subnets = _subnets(options.subnet, about)
    spared = _spared(options.non_masquerade, about)
    if not options.force:
        if os.path.lexists(path):
            raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, "it is there already; --force replaces it")
        _refuse_collisions(name, directory, subnets, about)
    document = _document(name, subnets, spared)
    return Listed(path, jsonio.dumps(document) + b"\n")


def write(listed: Listed, terminal: Terminal) -> None:
    """Write the list to its path."""
    directory = os.path.dirname(listed.path)
    os.makedirs(directory, 0o755, exist_ok=True)
    atomic_file.sweep(directory)
    if os.path.lexists(listed.path):
        terminal.say(f"kept the one that was there as {atomic_file.keep(listed.path)}")
    with atomic_file.Aside(listed.path, listed.content, 0o644) as aside:
        aside.move_to(listed.path)
    terminal.say(f"wrote {listed.path}")
    first = next(iter(files(directory)), listed.path)
    if first != listed.path:
        terminal.say(f"note: {first} comes first in that directory, and is what most runtimes take")


def files(directory: str) -> list[str]:
    """Return the configurations in a directory, in the order in which runtimes look at them; [] if there is none."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [os.path.join(directory, name) for name in names if name.endswith(ENDINGS)]


def read(path: str) -> dict[str, Any]:
    """Return the configuration in a file, its keys in lower case.  ValueError or OSError if there is none."""
    # O_NONBLOCK: a FIFO in its place must not keep us.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY)) as f:
        if not S_ISREG(os.fstat(f.fileno()).st_mode):
            raise ValueError("it is no regular file")
        value = jsonio.loads(f.read(_MOST_READ))
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def plugins_of(conf: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the plugins of a list, or the configuration itself if it is a single plugin's."""
    listed = conf.get("plugins")
    return [p for p in listed if isinstance(p, dict)] if isinstance(listed, list) else [conf]


def _subnets(wanted: list[str] | None, about: str) -> list[Prefix]:
    if wanted is None:
        subnets = [parse_cidr(_SUBNET_V4)]
        if os.path.isdir("/proc/sys/net/ipv6"):
            subnets.append((b"\xfd" + os.urandom(5) + bytes(10), 64))  # RFC 4193 section 3.2
        return subnets
    try:
        subnets = [parse_cidr(text) for text in wanted]
    except ValueError as e:
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, str(e)) from None
    for addr, length in subnets:
        if network_of(addr, length) != addr or length > 8 * len(addr) - 2:
            raise CniError(
                INVALID_ENVIRONMENT_VARIABLES, about, f"{cidr_text(addr, length)} is no subnet for containers"
            )
    if len({len(addr) for addr, _ in subnets}) != len(subnets):
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, "at most one subnet of IPv4 and one of IPv6")
    return subnets


def _spared(wanted: list[str], about: str) -> dict[str, list[str]]:
    """Return the key for the destinations that are not masqueraded, if there are any."""
    if not wanted:
        return {}
    key = "nonMasqueradeCIDRs"
    try:
        masquerade_options.parse(jsonio.JsonObject({key.lower(): wanted}, ""))
    except CniError as e:
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, e.details) from None
    return {key: wanted}


def _refuse_collisions(name: str, directory: str, subnets: list[Prefix], about: str) -> None:
    for path in files(directory):
        try:
            there = read(path).get("name")
        except (OSError, ValueError):
            continue
        if there == name:
            raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, f"{path} has a network of that name")
    with Socket(NETLINK_ROUTE) as sock:
        for addr, length in subnets:
            family = iproute.AF_INET if len(addr) == 4 else iproute.AF_INET6
            for route in iproute.routes(sock, family):
                if route.length and (contains(route.dst, route.length, addr) or contains(addr, length, route.dst)):
                    details = (
                        f"{cidr_text(addr, length)} overlaps the host's route to {text_of(route.dst)}/{route.length}"
                    )
                    raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, f"{details}; choose another --subnet")


def _document(name: str, subnets: list[Prefix], spared: dict[str, list[str]]) -> dict[str, Any]:
    defaults = {4: "0.0.0.0/0", 16: "::/0"}
    ptp = {
        "type": "ptp",
        "ipMasq": True,
        **spared,
        "capabilities": {"portMappings": True},
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": cidr_text(addr, length)}] for addr, length in subnets],
            "routes": [{"dst": defaults[len(addr)]} for addr, _ in subnets],
        },
    }
    return {"cniVersion": "1.0.0", "name": name, "plugins": [ptp]}
