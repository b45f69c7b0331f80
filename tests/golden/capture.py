"""Writes the .hex files beside it: what iproute2 asks of the kernel, and what the kernel answers.

Run by hand, in namespaces of its own, when a file is to be added:

    unshare -n -m sh -c 'mount -t tmpfs t /run && mkdir /run/netns && python3 -m tests.golden.capture'

What is sent was made by iproute2, what is received by the kernel; nothing in these files was made by our encoder.
"""

from __future__ import annotations

import datetime
import os
import socket
import subprocess
from _socket import MSG_DONTWAIT
from pathlib import Path

from cni_ptp.netlink import rt_link, rt_link_dump, rt_route_dump, tc
from cni_ptp.netlink.sock import NETLINK_ROUTE, Socket
from cni_ptp.nlmsg import NLMSGHDR, Request

HERE = Path(__file__).resolve().parent
ENDS = "mtu 1400 address 0a:58:0a:01:02:01", "mtu 1400 address 0a:58:0a:01:02:02"
# Run first; what they send is in other files.
SETUP = (
    "ip netns add c1",
    "ip link set lo up",
    f"ip link add vethA {ENDS[0]} type veth peer name eth0 {ENDS[1]} netns c1",
    "ip -n c1 link set eth0 up",
    "ip link set vethA up",
    "ip addr add 10.1.2.2/24 brd + dev vethA noprefixroute",
    "ip addr add 2001:db8::2/64 dev vethA nodad noprefixroute",
    "ip route add 10.1.2.1/32 dev vethA scope link src 10.1.2.2",
)
# File name: the command, whose request is kept.
SENT = {
    "set_alias": "ip link set vethA alias cni-ptp",
    "set_up": "ip link set vethA up",
    "new_addr4_32": "ip addr add 10.1.3.2/32 dev vethA noprefixroute",
    "new_route_subnet": "ip route add 10.1.2.0/24 via 10.1.2.1 dev vethA src 10.1.2.2",
    "new_route_host": "ip route add 10.1.2.7/32 dev vethA scope host",
    "new_route6_gateway": "ip route add 2001:db8::1/128 dev vethA src 2001:db8::2",
    "new_route6_default": "ip route add ::/0 via 2001:db8::1 dev vethA mtu 1300",
}
# File name: a command that the kernel refuses, whose answer is kept.
REFUSED = {
    "error_exists": "ip link add vethA type veth peer name vethB",
    "error_kind": "ip link add x type nonsense",
    "error_gateway": "ip route add 10.7.0.0/16 via 192.0.2.1 dev vethA",
    "error_mtu": "ip link set vethA mtu 1",
}


def main() -> None:
    """Every file is written anew."""
    for setup in SETUP:
        subprocess.run(setup.split(), check=True)
    for name, command in SENT.items():
        _write(name, command, ">", _traced(command, "sendmsg")[-1])
    for name, command in REFUSED.items():
        _write(name, command, "<", _traced(command, "recvmsg")[-1])
    for gateways in ("10.6.0.0/16 nexthop via 10.1.2.1", "2001:db8:6::/64 nexthop via 2001:db8::1"):
        other = gateways.rpartition(" ")[2][:-1] + "3"
        subprocess.run(f"ip route add {gateways} nexthop via {other} onlink dev vethA".split(), check=True)
    netns = os.open("/run/netns/c1", os.O_RDONLY)
    long_name = rt_link.new_veth(("vethC", 0, None), ("x" * 16, 0, None), netns)
    asked = {
        "reply_veths": rt_link_dump.dump_links("veth"),
        "reply_routes4": rt_route_dump.dump_routes(2),
        "reply_routes6": rt_route_dump.dump_routes(10),
        "error_name": long_name,
    }
    _write_answers(asked)
    _shaped()


# Traffic control, as tc makes it; files of their own, so that those above do not change with it.
SHAPED = (
    "ip link add bwpA type ifb",
    "tc qdisc add dev vethA root handle 1: tbf rate 10mbit burst 125000 limit 156250",
    "tc qdisc add dev bwpA root handle 1: tbf rate 40gbit burst 2000000 limit 2000000",
    "tc qdisc add dev vethA ingress",
    "tc filter add dev vethA parent ffff: prio 1 u32 match u32 0 0 classid 1:1 action mirred egress redirect dev bwpA",
)


def _shaped() -> None:
    for command in SHAPED:
        subprocess.run(command.split(), check=True)
    veth, ifb = [socket.if_nametoindex(name) for name in ("vethA", "bwpA")]
    _write_answers(
        {
            "reply_tbf": tc.get_root(veth, "vethA"),
            "reply_tbf64": tc.get_root(ifb, "bwpA"),
            "reply_ingress": tc.get_ingress(veth, "vethA"),
            "reply_filters": tc.dump_filters(veth, "vethA"),
        }
    )


def _write_answers(asked: dict[str, Request]) -> None:
    for name, request in asked.items():
        _write(name, f"the kernel's answer to our request: {request.operation}", "<", _answer(request))


def _traced(command: str, call: str) -> list[bytes]:
    """The buffers of each such call on descriptor 3, iproute2's netlink socket."""
    argv = ["strace", "-s", "0", "-e", f"trace={call}", "-e", "read=3,4,5", "-e", "write=3,4,5", *command.split()]
    words = subprocess.run(argv, capture_output=True, text=True, check=False).stderr
    buffers: list[bytes] = []
    for line in words.splitlines():
        if line.startswith(f"{call}("):
            buffers.append(b"")
        elif line.startswith(" | "):
            buffers[-1] += bytes.fromhex(line[10:59])
    return [b for b in buffers if b]


def _answer(request: Request) -> bytes:
    """The datagrams that come back, joined: each ends aligned."""
    with Socket(NETLINK_ROUTE) as sock:
        sock.socket.send(request.pack(1))
        datagrams = b""
        while True:
            try:
                datagrams += sock.socket.recv(65536, MSG_DONTWAIT)
            except BlockingIOError:
                return datagrams


def _write(name: str, origin: str, direction: str, raw: bytes) -> None:
    assert len(raw) > NLMSGHDR.size, (name, raw)
    iproute2 = subprocess.run(["ip", "-V"], capture_output=True, text=True, check=True).stdout.split()[2].strip(",")
    how = "strace -e write=3 -e read=3 (sendmsg, recvmsg)" if origin.startswith("ip ") else "a netlink socket"
    release = os.uname().release.partition("-")[0]
    lines = [
        f"# origin: {origin}",
        f"# captured with {how}, Linux {release}, {iproute2}, {datetime.date.today()}",
        "# datagram",
    ]
    lines += [raw[i : i + 16].hex(" ", 4) for i in range(0, len(raw), 16)]
    (HERE / f"{name}.hex").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
