"""New connections from a container while many others are attached: nf_tables against iptables, in one run.

    bench_masquerade.py [--attached N ...] [--rounds N] [--connections N]

In a network and mount namespace of its own: a host, a container attached last by dist/ptp, a machine beyond the host.
The other attachments are made as the backends make them, without their interfaces.  Backends alternate; what counts is
the median of the rounds.  Also measured: one nf_tables transaction of ADD and of DEL with that many elements.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

from cni_ptp import iptables_cmd  # noqa: E402
from cni_ptp.cni.attachment import Attachment  # noqa: E402
from cni_ptp.firewall import nft_add, nft_socket, nft_transaction  # noqa: E402
from cni_ptp.firewall.nft_table import INET, element_places  # noqa: E402
from cni_ptp.firewall.owner_mark import element_comment  # noqa: E402
from cni_ptp.netlink import nft, nft_element  # noqa: E402
from cni_ptp.netlink.sock import Socket  # noqa: E402
from cni_ptp.nlmsg import Request  # noqa: E402

_INSIDE = (
    "mount -t tmpfs t /run && mkdir -p /run/netns /var/lib/cni && mount -t tmpfs t /var/lib/cni "
    '&& ip link set lo up && exec "$@"'
)
# The machine beyond the host drops what it gets: the address is not its own.
_OUTSIDE = """
ip netns add out
ip link add uplink type veth peer name eth0 netns out
ip addr add 192.0.2.1/24 dev uplink
ip link set uplink up
ip -n out link set eth0 address 02:00:00:00:00:02 up
ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev uplink
"""
_CLIENT = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"", ("192.0.2.2", 1))
count = int(sys.argv[1])
start = time.perf_counter()
for port in range(2000, 2000 + count):
    s.sendto(b"", ("192.0.2.2", port))
print(count / (time.perf_counter() - start))
"""
BACKENDS = ("nftables", "iptables")


def main() -> None:
    """Measure and print a line a case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attached", type=int, nargs="*", default=[0, 2000])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--connections", type=int, default=10000)
    options = parser.parse_args()
    if os.environ.get("BENCH_INSIDE") != "1":
        os.environ["BENCH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-n", "-m", "sh", "-c", _INSIDE, "sh", sys.executable, "-I", "-S", *sys.argv])
    for line in _OUTSIDE.strip().splitlines():
        subprocess.run(line.split(), check=True)
    for attached in options.attached:
        rates: dict[str, list[float]] = {backend: [] for backend in BACKENDS}
        for number in range(options.rounds):
            for backend in BACKENDS:
                rates[backend].append(rate(backend, attached, f"c{attached}-{number}-{backend}", options.connections))
        nft, iptables = (statistics.median(rates[backend]) for backend in BACKENDS)
        print(f"{attached} attached: nftables {nft:.0f}/s, iptables {iptables:.0f}/s, ratio {nft / iptables:.2f}")
    for count in (1, *[n for n in options.attached if n], 5000):
        add, delete = transactions(count)
        print(f"{count} elements: ADD's transaction {add:.0f} us, DEL's {delete:.0f} us")


def rate(backend: str, attached: int, name: str, connections: int) -> float:
    """New UDP flows a second from a container attached last."""
    fill(backend, attached)
    subprocess.run(["ip", "netns", "add", name], check=True)
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    conf = {
        "cniVersion": "1.0.0",
        "name": "bench",
        "type": "ptp",
        "ipMasq": True,
        "ipMasqBackend": backend,
        "ipam": ipam,
    }
    call("ADD", conf, name)
    # Else the flows of one round fill the table of the next.
    Path("/proc/sys/net/netfilter/nf_conntrack_udp_timeout").write_text("1")
    try:
        argv = ["ip", "netns", "exec", name, sys.executable, "-I", "-S", "-c", _CLIENT, str(connections)]
        done = subprocess.run(argv, capture_output=True, check=True)
    finally:
        call("DEL", conf, name)
        subprocess.run(["nft", "flush", "ruleset"], check=True)
        subprocess.run(["ip", "netns", "del", name], check=True)
    return float(done.stdout)


def call(command: str, conf: dict[str, object], name: str) -> None:
    """One call of the built plugin."""
    env = {"CNI_COMMAND": command, "CNI_CONTAINERID": name, "CNI_NETNS": f"/run/netns/{name}", "CNI_IFNAME": "eth0"}
    done = subprocess.run([ROOT / "dist" / "ptp"], input=json.dumps(conf).encode(), env=env, capture_output=True)
    assert done.returncode == 0, done.stdout


def others(count: int) -> list[tuple[Attachment, bytes]]:
    """Attachments with their addresses."""
    return [(Attachment("bench", f"other{i:059d}", "eth0"), bytes((10, 2, i >> 8, i & 255))) for i in range(count)]


def fill(backend: str, count: int) -> None:
    """So many attachments are masqueraded."""
    if backend == "nftables":
        with nft_socket.open_socket() as sock:
            for attachment, address in others(count):
                nft_add.add(sock, attachment, [(address, 16)])
        return
    chains, jumps = [], []
    for attachment, address in others(count):
        lines = iptables_cmd._addition(attachment, 4, [(address, 16)], [], None)
        chains += lines[:-1]
        jumps.append(lines[-1])
    text = "\n".join(["*nat", *chains, *jumps, "COMMIT", ""])
    subprocess.run(["iptables-restore", "--noflush"], input=text.encode(), check=True)


def transactions(count: int) -> tuple[float, float]:
    """Microseconds of ADD's and of DEL's transaction, medians, with so many elements in the sets."""
    with nft_socket.open_socket() as sock:
        for attachment, address in others(count):
            nft_add.add(sock, attachment, [(address, 16)])
        times: dict[str, list[float]] = {"add": [], "delete": []}
        table = INET[0][0]
        probe = Attachment("bench", "probe", "eth0")
        places = element_places(bytes((10, 9, 9, 9)), 16)
        for _ in range(200):
            changes = [nft.new_element(table, n, k, element_comment(probe, 16, 1)) for n, k in places]
            times["add"].append(timed(sock, changes))
            times["delete"].append(timed(sock, [nft_element.delete_element(table, n, k) for n, k in places]))
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    return 1e6 * statistics.median(times["add"]), 1e6 * statistics.median(times["delete"])


def timed(sock: Socket, changes: list[Request]) -> float:
    """Seconds that the transaction took."""
    start = time.perf_counter()
    nft_transaction.commit(sock, changes, None)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
