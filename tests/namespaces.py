"""A host of one's own for each test: a fresh network namespace, and empty /run and /var/lib/cni.

The worker's thread moves into a new network namespace for each test and never back, so whatever a test does wrong, the
machine's network is out of its reach; it refuses to go on if it did not move.  Works as root under `unshare -n -m` and
without privileges under `unshare -Urnm` (see the Makefile).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.bounds import until

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_PRIVATE_REC = 1 << 18 | 1 << 14
MNT_DETACH = 2
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REFERENCE = Path("/usr/lib/cni")

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _namespace(kind: str) -> int:
    return os.stat(f"/proc/thread-self/ns/{kind}").st_ino


def _initial(kind: str) -> int | None:
    try:
        return os.stat(f"/proc/1/ns/{kind}").st_ino
    except OSError:
        return None  # another user's process 1: then this process has no power over its namespaces either


_STARTED_IN = _namespace("net")
started_in_fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)  # for the test that it is refused


def refuse_initial_namespace() -> None:
    """Returns only in a network namespace that is neither the one we were started in nor that of process 1."""
    if _namespace("net") in (_STARTED_IN, _initial("net")):
        raise RuntimeError("no network namespace of one's own: refused")


# The ways into the machine's namespaces that are left open: by the number of process 1, and by the files of it.
_MACHINE = re.compile(r"\bnetns[ =]1\b|/proc/1/|\bnsenter\b.*(-t|--target)[ =]?1\b|\bnet_ns_pid[ =]1\b")


def refuse_machine(argv: Iterable[str]) -> None:
    """RuntimeError for a program that could reach the machine's namespaces, whatever it would do there."""
    if _MACHINE.search(" ".join(argv)):
        raise RuntimeError(f"it would reach the machine's namespaces: refused: {argv}")


@contextlib.contextmanager
def entered(path: str) -> Iterator[None]:
    """Inside, this thread is in the network namespace at `path`."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(path, os.O_RDONLY)
    try:
        _call("setns", there, CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", back, CLONE_NEWNET)
    finally:
        os.close(there)
        os.close(back)


def new_mount_namespace() -> None:
    """This thread has a mount namespace of its own, with nothing of it seen outside."""
    before = _namespace("mnt")
    _call("unshare", CLONE_NEWNS)
    if _namespace("mnt") == before:
        raise RuntimeError("no mount namespace of one's own: refused")
    _call("mount", b"none", b"/", None, MS_PRIVATE_REC, None)


def new_network_namespace() -> None:
    """This thread has an empty network namespace of its own."""
    _call("unshare", CLONE_NEWNET)
    refuse_initial_namespace()


def empty_directory(path: str) -> None:
    """The directory is an empty tmpfs, private to this mount namespace."""
    parent = os.path.dirname(path)
    if not os.path.isdir(path) and not os.access(parent, os.W_OK):  # we are not root
        _make_writable(parent)
    os.makedirs(path, exist_ok=True)
    _call("mount", b"tmpfs", path.encode(), b"tmpfs", 0, b"mode=755")


def _make_writable(path: str) -> None:
    """The directory takes new files, for as long as this mount namespace lives; what it held shows through."""
    below = os.open(path, os.O_PATH)
    try:
        _call("mount", b"tmpfs", path.encode(), b"tmpfs", 0, b"mode=755")
        for name in ("new", "work"):
            os.mkdir(f"{path}/{name}", 0o755)
        layers = f"lowerdir=/proc/thread-self/fd/{below},upperdir={path}/new,workdir={path}/work"
        _call("mount", b"overlay", path.encode(), b"overlay", 0, layers.encode())
    finally:
        os.close(below)


def release_directory(path: str) -> None:
    """The tmpfs over the directory is gone, and with it the namespaces that it holds."""
    _call("umount2", path.encode(), MNT_DETACH)


class Reply:
    """What a plugin call gave."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.status = done.returncode
        self.stdout = done.stdout
        self.stderr = done.stderr

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.stdout)

    def ok(self) -> Any:
        """The result of a call that must have succeeded, None if it has none."""
        assert self.status == 0, (self.stdout.decode(), self.stderr.decode())
        assert self.stderr == b"", self.stderr.decode()
        return json.loads(self.stdout) if self.stdout else None

    def error(self, code: int) -> Any:
        """The error document of a call that must have failed with this code."""
        assert self.status == 1, (self.status, self.stdout.decode(), self.stderr.decode())
        assert self.stderr == b"", self.stderr.decode()
        assert self.json["code"] == code, self.json
        return self.json


class Place:
    """A network namespace to run programs in; `prefix` leads there from the host's."""

    prefix: list[str] = []

    def run(self, *argv: str, check: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
        """The finished program, its output as text."""
        refuse_machine(argv)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        done = subprocess.run([*self.prefix, *argv], text=True, check=False, **more)
        assert not check or done.returncode == 0, (argv, done.stdout, done.stderr)
        return done

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        """The program, running."""
        refuse_machine(argv)
        more.setdefault("stdout", subprocess.PIPE)
        return subprocess.Popen([*self.prefix, *argv], text=True, **more)

    def ip(self, *arguments: str) -> Any:
        """What `ip -j` prints, as values; [] for nothing."""
        return json.loads(self.run("ip", "-j", *arguments).stdout or "[]")

    def sysctl(self, name: str) -> str:
        """The value of a setting below /proc/sys/net, such as ipv4/ip_forward."""
        return self.run("cat", f"/proc/sys/net/{name}").stdout.strip()


class Container(Place):
    """A container: a named network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = f"/run/netns/{name}"
        self.prefix = ["ip", "netns", "exec", name]

    def links(self) -> list[Any]:
        """Its links with their addresses, comparable."""
        return [(link["ifname"], link["address"], settled(link["addr_info"])) for link in self.ip("addr")]


class Host(Place):
    """The host: the namespace that the test's thread is in."""

    def __init__(self, plugin: Path) -> None:
        self.plugin_file = plugin
        self.containers: list[Container] = []

    def container(self, name: str = "c1") -> Container:
        """A new container, its loopback down as a runtime leaves it."""
        self.run("ip", "netns", "add", name)
        made = Container(name)
        self.containers.append(made)
        return made

    def environment(
        self, command: str, container: str, netns: str, ifname: str, path: str, args: str
    ) -> dict[str, str]:
        """What a runtime sets for a call; empty variables are left out."""
        variables = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": netns,
            "CNI_IFNAME": ifname,
            "CNI_PATH": path,
            "CNI_ARGS": args,
            "PATH": PATH,
        }
        return {name: value for name, value in variables.items() if value}

    def plugin(
        self,
        command: str,
        conf: dict[str, Any] | bytes,
        container: str = "c1",
        netns: str = "/run/netns/c1",
        ifname: str = "eth0",
        path: str = "",
        args: str = "",
        exe: str | Path | None = None,
        env: dict[str, str] | None = None,
        **more: Any,
    ) -> Reply:
        """One call of the built plugin, or of another one, as a runtime makes it."""
        environment = self.environment(command, container, netns, ifname, path, args)
        stdin = conf if isinstance(conf, bytes) else json.dumps(conf).encode()
        more.setdefault("stdout", subprocess.PIPE)
        refuse_initial_namespace()
        done = subprocess.run(
            [str(exe or self.plugin_file)],
            input=stdin,
            stderr=subprocess.PIPE,
            env={**environment, **(env or {})},
            check=False,
            timeout=120,
            **more,
        )
        return Reply(done)

    def has_local_routes(self) -> bool:
        """Whether each IPv6 address has its local route, which the kernel may make some time after it."""
        wanted = {i["local"] for a in self.ip("-6", "addr", "show", "up") for i in settled(a["addr_info"])}
        return wanted <= {r["dst"] for r in self.ip("-6", "route", "show", "table", "local")}

    def snapshot(self) -> dict[str, Any]:
        """Whatever the plugin may leave, comparable; what the host as a whole keeps (forwarding) is not in it."""
        until(self.has_local_routes, "the local routes of all addresses")
        links = [
            (link["ifname"], link.get("address"), link.get("ifalias"), link.get("master"), "UP" in link["flags"])
            for link in self.ip("-d", "link")
        ]
        addresses = [
            (a["ifname"], i["local"], i["prefixlen"]) for a in self.ip("addr") for i in settled(a["addr_info"])
        ]
        routes = [
            # Flags such as linkdown follow the carrier, some time after a link is up.
            sorted(
                str({**r, "flags": []})
                for r in self.ip(f, "route", "show", "table", "all")
                if not r["dst"].startswith(("fe80", "ff00"))
            )
            for f in ("-4", "-6")
        ]
        state = Path("/var/lib/cni")
        files = sorted(
            str(p) for p in state.rglob("*") if p.is_file() and ".cni-ptp" not in p.parts and is_lease(p.name)
        )
        return {
            "links": sorted(map(str, links)),
            "addresses": sorted(map(str, addresses)),
            "routes": routes,
            "nftables": without_skeleton(self.run("nft", "list", "ruleset").stdout),
            "leases": files,
            "containers": {c.name: c.links() for c in self.containers if os.path.exists(c.path)},
        }


def settled(addresses: list[Any]) -> list[Any]:
    """Without the addresses that the kernel makes by itself, some time after a link is up."""
    return [a for a in addresses if not a["local"].startswith("fe80")]


def is_lease(name: str) -> bool:
    """Whether a file of the state directory is a lease: named by an address, or not yet."""
    return (
        name == ".cni-ptp-new"
        or name[0] in "0123456789abcdef:"
        and ("." in name or ":" in name)
        and not name.startswith("last_")
    )


def without_skeleton(ruleset: str) -> str:
    """The ruleset without our table if that holds no element: it may stay until GC."""
    tables = ("\n" + ruleset).split("\ntable ")
    kept = [
        t
        for t in tables
        if not (t.startswith(("inet cni_ptp", "arp cni_ptp", "ip cni_ptp ", "ip6 cni_ptp ")) and _is_empty(t))
    ]
    return "\ntable ".join(kept).strip()


def _is_empty(table: str) -> bool:
    return "elements" not in table
