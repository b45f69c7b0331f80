"""ptp demo: everything the plugin does, seen once, in namespaces of its own."""

from __future__ import annotations

import argparse
import os
import socket
import threading
import time

from ..base import jsonio
from ..bundle import built_file
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import spawn
from ..system.netns import Netns, open_netns
from ..system.trusted import distrust
from . import sandbox
from .compact_json import compact
from .demo_remains import network_lines, remains
from .terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ABOUT = """\
Makes a host and a container out of empty network namespaces, attaches the
container by executing the plugin as a container runtime does, opens TCP
connections over IPv4 and IPv6, checks, detaches, and looks at what is left.
This machine's network is not touched. Works as root, and as a user who may make
user namespaces.
Exit status: 0 if every step was right, 1 if one was wrong, 3 if it could
not begin.
"""
EXAMPLES = """\
example:
  ptp demo
"""
_SUBNETS = ("10.88.0.0/24", "fd00:88::/64")
_CONTAINER, _IFNAME = "demo-container", "eth0"
_COPY = "/run/ptp-demo"
_GREETING = b"hello from the host\n"
_PATIENCE_S = 5.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no options: a demonstration needs no choices."""


def run(options: argparse.Namespace) -> int:
    """Give the demonstration; return 0 if every step was right."""
    demo = Demo(Terminal())
    try:
        demo.run()
    except (sandbox.Refused, Wrong) as e:
        demo.terminal.say()
        demo.terminal.say(demo.terminal.paint("red", f"The demo stopped: {e}"))
        return 1
    return 0


class Wrong(Exception):
    """A step did not do what it should; the message says which, and what happened instead."""


class Demo:
    """One demonstration.  conf: what is given to the plugin.  netns: the container."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.paint = terminal.paint
        self.since = self.step_since = time.monotonic()
        self.step = 0
        self.plugin = ""
        self.conf: dict[str, Any] = {}
        self.netns_path = ""
        self.result: dict[str, Any] = {}

    def run(self) -> None:
        """Take all steps, in order.  Wrong or sandbox.Refused at the first that fails."""
        self._namespaces()
        before = remains()
        with open_netns(self.netns_path, False) as netns:
            self._add()
            self._look(netns)
            self._talk(netns)
        self._check_and_delete(before)
        took = time.monotonic() - self.since
        self.terminal.say()
        self.terminal.say(
            self.paint("green", f"Everything worked, in {took:.1f} s. ") + "Next: ptp doctor, ptp install."
        )

    def _title(self, text: str) -> None:
        self.step += 1
        self.terminal.say()
        self.terminal.say(self.paint("bold", f"{self.step}. {text}"))

    def _say(self, text: str) -> None:
        self.terminal.say("   " + text)

    # --- the steps ---

    def _namespaces(self) -> None:
        self.terminal.say("ptp demo: a host and a container of its own. This machine's network is not touched.")
        content, path = _plugin()
        unprivileged = sandbox.enter()
        # The tmpfs over /run may have covered it; or root was given a file of somebody else's.
        at_hand = path is not None and os.access(path, os.X_OK) and not distrust(path)
        self.plugin = path if path is not None and at_hand else _written(content)
        with Socket(NETLINK_ROUTE) as sock:
            _set_lo_up(sock)
        self.netns_path = sandbox.new_netns("demo")
        self._title("Two empty network namespaces" + (", made without root" if unprivileged else ""))
        self._say(f"host       {os.readlink('/proc/self/ns/net')}")
        self._say(f"container  net:[{os.stat(self.netns_path).st_ino}]  {self.netns_path}")

    def _add(self) -> None:
        self.conf = _conf()
        self._title("ADD: the plugin is executed as a container runtime does it")
        for name, value in self._environ("ADD").items():
            self._say("  " + self.paint("cyan", f"{name}={value}"))
        self._say("  " + self.paint("cyan", self.plugin))
        self._say("with this network configuration on its standard input:")
        self._document(self.conf)
        reply, took = self._execute("ADD")
        self.result = reply
        self._say(f"It answered after {self._ms(took)}, with what it made:")
        self._document(reply)

    def _look(self, netns: Netns) -> None:
        self._title("What the container has now")
        for line in netns.inside(network_lines):
            self._say(line)
        self.terminal.say()
        self._say("and the host:")
        for line in network_lines():
            self._say(line)

    def _talk(self, netns: Netns) -> None:
        self._title("TCP from the container to the host, first try")
        gateways = [ip["gateway"] for ip in self.result["ips"]]
        with Server() as server:
            for gateway in gateways:
                took = netns.inside(lambda: _connect(gateway, server.port))  # noqa: B023  called at once
                family = "IPv6" if ":" in gateway else "IPv4"
                self._say(f"{family}  {gateway:<12} connected and answered in {self._ms(took)}  {self._right()}")

    def _check_and_delete(self, before: dict[str, list[str]]) -> None:
        self._title("CHECK, and DEL twice: the second has nothing to do, and succeeds as well")
        previous = {**self.conf, "prevResult": self.result}
        for verb in ("CHECK", "DEL", "DEL"):
            _, took = self._execute(verb, previous)
            self._say(f"{verb:<5}  {self._ms(took)}  {self._right()}")
        self._title("What is left on the host")
        after = remains()
        for kind, found in after.items():
            left = [item for item in found if item not in before[kind]]
            self._say(f"{kind:<10} {', '.join(left) or 'none'}" + ("" if left else f"  {self._right()}"))
        if after != before:
            raise Wrong("DEL left something behind, see above")

    # --- executing the plugin ---

    def _environ(self, command: str) -> dict[str, str]:
        return {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": _CONTAINER,
            "CNI_NETNS": self.netns_path,
            "CNI_IFNAME": _IFNAME,
            "CNI_PATH": os.path.dirname(self.plugin),
        }

    def _execute(self, command: str, conf: dict[str, Any] | None = None) -> tuple[dict[str, Any], float]:
        """Return (what the plugin printed, seconds it took).  Wrong if it failed."""
        raw = jsonio.dumps(conf or self.conf)
        environ = {**spawn.ENVIRONMENT, **self._environ(command)}
        since = time.monotonic()
        try:
            done = spawn.run(self.plugin, [self.plugin], environ, raw)
        except (OSError, spawn.LimitExceeded) as e:
            raise Wrong(f"{command} was not executed: {e}") from None
        took = time.monotonic() - since
        if done.status:
            words = " ".join((done.out or done.err).decode("utf-8", "replace").split())
            raise Wrong(f"{command} failed with status {done.status}: {words}")
        return _parsed(done.out) if done.out.strip() else {}, took

    def _document(self, value: dict[str, Any]) -> None:
        for line in compact(value).splitlines():
            self._say("  " + self.paint("dim", line))

    def _ms(self, seconds: float) -> str:
        return self.paint("bold", f"{seconds * 1000:.1f} ms")

    def _right(self) -> str:
        return self.paint("green", "ok")


def _plugin() -> tuple[bytes, str | None]:
    """Return (the built file's content, its path or None if we run from sources)."""
    path = built_file.path()
    if path is None:
        return built_file.built(built_file.own_interpreter()), None
    with open(path, "rb") as f:
        return f.read(), path


def _written(content: bytes) -> str:
    os.mkdir(_COPY, 0o755)
    path = os.path.join(_COPY, "ptp")
    with open(path, "wb") as f:
        f.write(content)
    os.chmod(path, 0o755)  # noqa: S103  a program for all
    return path


def _conf() -> dict[str, Any]:
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": subnet}] for subnet in _SUBNETS],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    }
    return {"cniVersion": "1.0.0", "name": "demo", "type": "ptp", "ipMasq": _can_masquerade(), "ipam": ipam}


def _can_masquerade() -> bool:
    from ..firewall.masquerade_check import why_unavailable

    return not why_unavailable("")


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        import json
    except ImportError:  # Debian's python3-minimal
        value: dict[str, Any] = jsonio.loads(raw)
        return value
    parsed: dict[str, Any] = json.loads(raw)
    return parsed


def _set_lo_up(sock: Socket) -> None:
    from ..netlink.rt_link import set_up

    sock.do(set_up(1, "lo"))


class Server:
    """Greets every TCP connection to the host, over both families, on one port, until the end of the with block."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.bind(("::", 0))
        self.socket.listen()
        self.port: int = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.sendall(_GREETING)


def _connect(address: str, port: int) -> float:
    """Return the seconds from the first packet to the greeting.  Wrong if it did not come at the first try."""
    since = time.monotonic()
    try:
        with socket.create_connection((address, port), _PATIENCE_S) as connection:
            greeting = connection.makefile("rb").readline()
    except OSError as e:
        raise Wrong(f"no TCP connection to {address}: {e}") from None
    if greeting != _GREETING:
        raise Wrong(f"{address} answered {greeting!r}")
    return time.monotonic() - since
