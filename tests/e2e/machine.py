"""A machine for one test: network, mounts and processes of its own; what a runtime writes, it writes to memory.

Nothing of the real machine is touched: /run is a new tmpfs; /etc, /opt, /var, /tmp and the plugin directory are
overlays whose upper side lies in it; the end of the machine's first process ends every daemon and container in it.
Outside of it there is one more host, behind the link `uplink`: it knows no route to any container.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]

# The plugin under test; Debian's Go plugin can stand in (PTP=/usr/lib/cni/ptp).
PTP = Path(os.environ.get("PTP", ROOT / "dist" / "ptp"))

# Another Debian for the machine's programs, such as tools/debian_root.sh makes; "/" is this one.
SYSTEM = os.environ.get("SYSTEM", "/")

# Debian's plugins lie here.  ctr looks here or in /opt/cni/bin, whatever the configuration says.
PLUGINS = "/usr/lib/cni"

UPLINK4, OUTSIDE4 = "192.0.2.1", "192.0.2.2"
UPLINK6, OUTSIDE6 = "2001:db8:ffff::1", "2001:db8:ffff::2"
ECHO_PORT = 7000

ENTER_SYSTEM = """
set -e
[ "$SYSTEM" = / ] || mount --bind "$SYSTEM" "$SYSTEM"
mount -t tmpfs -o mode=755 run "$SYSTEM/run"
cp "$PTP" "$SYSTEM/run/ptp"
if [ "$SYSTEM" != / ]; then
    for directory in dev proc sys; do mount --rbind "/$directory" "$SYSTEM/$directory"; done
    cd "$SYSTEM"
    pivot_root . .
    umount -l .
fi
exec sh -c "$FIRST_PROCESS"
"""

# Its last line is the first process's work: the shell reaps what the runtimes leave behind.
FIRST_PROCESS = f"""
set -e
mkdir -p /run/lock /run/netns /run/plugins
for directory in /etc /opt /var /tmp {PLUGINS}; do
    ours=/run/overlay/$directory
    mkdir -p "$ours/upper" "$ours/work"
    mount -t overlay -o "lowerdir=$directory,upperdir=$ours/upper,workdir=$ours/work" overlay "$directory"
done
rm -rf /var/lib/cni/* /var/lib/containerd /var/lib/containers /etc/cni /etc/containerd /etc/containers
mkdir -p /var/lib/cni /var/lib/containerd /var/lib/containers /etc/cni/net.d /etc/containerd /etc/containers
cp /run/ptp {PLUGINS}/ptp
mount -t tmpfs containerd /var/lib/containerd # an overlay can lie on it, but not on an overlay
rm -rf /opt/cni && mkdir -p /opt/cni && ln -s {PLUGINS} /opt/cni/bin
ip link set lo up
ip netns add outside
ip link add uplink type veth peer name eth0 netns outside
ip addr add {UPLINK4}/24 dev uplink
ip addr add {UPLINK6}/64 dev uplink nodad
ip link set uplink up
ip -n outside addr add {OUTSIDE4}/24 dev eth0
ip -n outside addr add {OUTSIDE6}/64 dev eth0 nodad
ip -n outside link set eth0 up
ip -n outside link set lo up
echo ready
while :; do sleep 1; done
"""

# Tells each client whom the outside sees.
ECHO_SERVER = f"""
import socket
server = socket.create_server(("::", {ECHO_PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    client, peer = server.accept()
    client.sendall(peer[0].removeprefix("::ffff:").encode())
    client.close()
"""


class Machine:
    """A running machine; `close` ends it and all that runs in it."""

    def __init__(self) -> None:
        unshare = ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--mount-proc", "--kill-child"]
        environ = {**os.environ, "PTP": str(PTP), "SYSTEM": SYSTEM, "FIRST_PROCESS": FIRST_PROCESS}
        self._process = subprocess.Popen([*unshare, "sh", "-c", ENTER_SYSTEM], stdout=subprocess.PIPE, env=environ)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the machine did not start: its words stand above")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self._pid = int(children.read_text().split()[0])
        self._daemons: list[subprocess.Popen[bytes]] = []

    def close(self) -> None:
        """Nothing of it runs any more."""
        self._process.kill()
        self._process.wait()
        for daemon in self._daemons:
            daemon.wait()

    def _argv(self, argv: tuple[str, ...]) -> list[str]:
        return ["nsenter", "-t", str(self._pid), "-n", "-m", "-p", "-u", "-i", "-r", "-w", *argv]

    def run(self, *argv: str, stdin: bytes = b"", ok: bool = True) -> str:
        """What the program printed.  ok: AssertionError with all of its words if it fails."""
        done = subprocess.run(self._argv(argv), input=stdin, capture_output=True, timeout=120)
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert not ok or done.returncode == 0, f"{' '.join(argv)}: exit {done.returncode}\n{out}{err}"
        return out

    def start(self, *argv: str, log: str = "/dev/null") -> subprocess.Popen[bytes]:
        """The program runs, in the background; its words go to the file `log` of the machine."""
        script = 'log=$1; shift; exec "$@" >>"$log" 2>&1'
        argv = ("sh", "-c", script, "sh", log, *argv)
        daemon = subprocess.Popen(self._argv(argv), stdin=subprocess.DEVNULL)
        self._daemons.append(daemon)
        return daemon

    def write(self, path: str, text: str | bytes) -> None:
        """The file has this content; its directory is made if it is not there."""
        content = text.encode() if isinstance(text, str) else text
        self.run("sh", "-c", 'mkdir -p "${1%/*}" && cat >"$1"', "sh", path, stdin=content)

    def read(self, path: str) -> str:
        return self.run("cat", path)

    def listen_outside(self) -> None:
        """A server on the outside host's ECHO_PORT answers with the address it sees."""
        inside_netns = ("ip", "netns", "exec", "outside")
        server = subprocess.Popen(self._argv((*inside_netns, "python3", "-c", ECHO_SERVER)), stdout=subprocess.PIPE)
        self._daemons.append(server)
        assert server.stdout is not None and server.stdout.readline() == b"ready\n"

    def get_from_outside(self, port: int, host: str = UPLINK4) -> str:
        """What this machine's published port serves by HTTP, asked for by the outside host."""
        curl = ("curl", "-sS", "-g", "--max-time", "10", f"http://{host}:{port}/")
        return self.run("ip", "netns", "exec", "outside", *curl).strip()

    def traces(self, *words: str) -> str:
        """Lines about any of the words in what a container may leave: links, routes, rules, files of /var/lib/cni and
        /run/cni."""
        commands: tuple[str, ...] = (
            "ip addr",
            "ip route show table all",
            "ip -6 route show table all",
            "nft list ruleset",
        )
        commands += ("iptables-legacy-save", "ip6tables-legacy-save")
        commands += ("find /var/lib/cni /run/cni /run/netns", "grep -rs . /var/lib/cni/networks /run/cni")
        lines = [line for c in commands for line in self.run("sh", "-c", f"{c} 2>/dev/null; true").splitlines()]
        return "\n".join(line for line in lines if any(w in line for w in words) and "last_reserved_ip" not in line)


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 15) -> None:
    """Returns as soon as the condition holds; AssertionError if it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{seconds} s went by without: {what}"
        time.sleep(0.05)


def missing_programs(*names: str) -> list[str]:
    """Those that this host does not have."""
    return [name for name in names if shutil.which(name) is None]
