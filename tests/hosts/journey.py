"""One container's way on a host: attached, reached, checked, detached, and nothing left.

    journey.py WORDS... ptp      the words that execute the plugin, such as: chroot /root /usr/lib/cni/ptp

Run it as root in network and mount namespaces of its own (`unshare -n -m`), or as the first program of a virtual
machine.  It needs Python's standard library and `ip`, and looks into nftables where `nft` is there.
Prints a line a finding; exit status 0 if all was right.  Python 3.9 and later.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time

NETNS, NETNS_PATH = "journey", "/run/netns/journey"
UPLINK = {4: "192.0.2.1", 6: "2001:db8:ffff::1"}
OUTSIDE = {4: "192.0.2.2", 6: "2001:db8:ffff::2"}
PORT = 7000
LEASES = "/var/lib/cni/networks/journey"
IPAM = {
    "type": "host-local",
    "ranges": [[{"subnet": "10.88.0.0/24"}], [{"subnet": "2001:db8:88::/64"}]],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
}
CONF = {"cniVersion": "1.0.0", "name": "journey", "type": "ptp", "ipMasq": True, "mtu": 1400, "ipam": IPAM}
TRACES = ("10.88.0.", "2001:db8:88:", "veth", "journey-container")


class Wrong(Exception):
    """The host or the plugin did not do what it should."""


def run(*argv: str) -> str:
    """What the program printed; Wrong if it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    words = done.stdout.decode(errors="replace")
    if done.returncode:
        raise Wrong(f"{' '.join(argv)}: exit {done.returncode}: {words}")
    return words


class Plugin:
    """The plugin, as the words that execute it."""

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv

    def call(self, command: str, conf: dict[str, object], netns: str = NETNS_PATH) -> tuple[int, str]:
        """Exit status and stdout; Wrong if it writes to stderr."""
        environ = {
            "PATH": os.environ.get("PATH", os.defpath), "CNI_COMMAND": command, "CNI_CONTAINERID": "journey-container",
            "CNI_NETNS": netns, "CNI_IFNAME": "eth0", "CNI_PATH": "/usr/lib/cni",
        }  # fmt: skip
        done = subprocess.run(self.argv, input=json.dumps(conf).encode(), capture_output=True, env=environ)
        if done.stderr:
            raise Wrong(f"{command} wrote to stderr: {done.stderr.decode(errors='replace')}")
        return done.returncode, done.stdout.decode()

    def ok(self, command: str, conf: dict[str, object], netns: str = NETNS_PATH) -> dict[str, object]:
        """The result; {} if the verb has none."""
        status, out = self.call(command, conf, netns)
        if status:
            raise Wrong(f"{command}: exit {status}: {out}")
        result: dict[str, object] = json.loads(out) if out else {}
        return result


def make_outside() -> None:
    """There is a container's namespace; and an outside host, behind a link, that has no route to any container."""
    run("ip", "link", "set", "lo", "up")
    for name in (NETNS, "outside"):
        run("ip", "netns", "add", name)
    run("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "uplink0")
    run("ip", "link", "set", "uplink0", "netns", "outside")
    for where, addresses, link in (((), UPLINK, "uplink"), (("-n", "outside"), OUTSIDE, "uplink0")):
        run("ip", *where, "addr", "add", addresses[4] + "/24", "dev", link)
        run("ip", *where, "addr", "add", addresses[6] + "/64", "dev", link, "nodad")
        run("ip", *where, "link", "set", link, "up")


def serve() -> None:
    """Every client is told the address that it is seen with."""
    server = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
    print("ready", flush=True)
    while True:
        client, peer = server.accept()
        client.sendall(str(peer[0]).replace("::ffff:", "").encode())
        client.close()


def ask(address: str) -> None:
    """The server's answer is printed."""
    with socket.create_connection((address, PORT), timeout=20) as server:
        print(server.makefile().read())


def in_netns(name: str, *argv: str) -> list[str]:
    """The words that run this program's part in a namespace."""
    return ["ip", "netns", "exec", name, sys.executable, os.path.abspath(__file__), *argv]


def traces() -> list[str]:
    """What a container may leave: lines about it from links, addresses, routes, rules and leases."""
    commands = [["ip", "-o", "addr"], ["ip", "route"], ["ip", "-6", "route"], ["find", "/var/lib/cni"]]
    if shutil.which("nft"):
        commands.append(["nft", "list", "ruleset"])
    lines = [line for argv in commands for line in run(*argv).splitlines()]
    return [line for line in lines if any(t in line for t in TRACES) and "last_reserved" not in line]


def expect(what: str, condition: bool, found: object = "") -> None:
    """The finding is printed; Wrong if the condition does not hold."""
    if not condition:
        raise Wrong(f"{what}: {found}")
    print(f"ok: {what}", flush=True)


def attach(plugin: Plugin) -> dict[str, object]:
    """The result of ADD, and its time on stdout."""
    before = time.monotonic()
    result = plugin.ok("ADD", dict(CONF))
    print(f"ok: ADD, dual stack with ipMasq, in {1000 * (time.monotonic() - before):.0f} ms", flush=True)
    return result


def journey(plugin: Plugin) -> None:
    """All of it; Wrong at the first thing that is not right."""
    about = subprocess.run(plugin.argv, capture_output=True, stdin=subprocess.DEVNULL)
    words = (about.stdout + about.stderr).decode()
    expect("called without CNI_COMMAND it tells what it is", about.returncode == 0 and "CNI" in words, words)
    status, out = plugin.call("ADD", dict(CONF), "/run/netns/none")
    expect("a missing namespace is refused with code 8", status == 1 and json.loads(out)["code"] == 8, out)
    expect("and leaves nothing", traces() == [], traces())

    result = attach(plugin)
    status, out = plugin.call("ADD", dict(CONF))
    expect("a second ADD is refused", status == 1, out)
    for family, host in UPLINK.items():
        seen = run(*in_netns(NETNS, "ask", OUTSIDE[family])).strip()
        expect(f"IPv{family}: the outside sees the host's address", seen == host, seen)
        run(*in_netns(NETNS, "ask", host))
        print(f"ok: IPv{family}: the container reaches the host", flush=True)
    plugin.ok("CHECK", {**CONF, "prevResult": result})
    print("ok: CHECK", flush=True)
    run("ip", "-n", NETNS, "link", "set", "eth0", "mtu", "1300")
    run("ip", "-n", NETNS, "addr", "flush", "dev", "eth0")
    status, out = plugin.call("CHECK", {**CONF, "prevResult": result})
    expect("CHECK tells that the addresses are gone", status == 1 and json.loads(out)["code"] == 105, out)
    plugin.ok("DEL", {**CONF, "prevResult": result})
    expect("DEL leaves nothing", traces() == [], traces())

    attach(plugin)
    plugin.ok("DEL", dict(CONF), "")
    expect("DEL without a namespace and a previous result leaves nothing", traces() == [], traces())
    plugin.ok("DEL", dict(CONF))
    print("ok: DEL again", flush=True)


def main(argv: list[str]) -> int:
    """Exit status."""
    if argv[1:2] == ["serve"]:
        serve()
    if argv[1:2] == ["ask"]:
        ask(argv[2])
        return 0
    servers = []
    try:
        make_outside()
        for where in (in_netns("outside", "serve"), [sys.executable, os.path.abspath(__file__), "serve"]):
            server = subprocess.Popen(where, stdout=subprocess.PIPE)
            servers.append(server)
            if server.stdout is None or server.stdout.readline() != b"ready\n":
                raise Wrong(f"no server: {where}")
        journey(Plugin(argv[1:]))
    except Wrong as e:
        print(f"WRONG: {e}", flush=True)
        return 1
    finally:
        for server in servers:
            server.kill()
            server.wait()
    print("the journey is over: all is right", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
