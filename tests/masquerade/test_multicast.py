"""What goes to a multicast group keeps its source address, by either backend.

The kernel forwards multicast only where a routing daemon runs, so the sender here is the host itself with an address
that is masqueraded as a container's would be: the rules see the same packet.
"""

from __future__ import annotations

import sys

import pytest

from cni_ptp.base.ip import parse_ip
from cni_ptp.cni.attachment import Attachment
from cni_ptp.firewall import masquerade_add
from cni_ptp.firewall.session import Session
from tests.masquerade.network import base_chains, outside
from tests.namespaces import Host, Place

# version: source, its prefix length, multicast group, address beyond the host, what is seen there
CASES = {
    4: ("10.50.0.1", 24, "239.1.2.3", "192.0.2.2", "192.0.2.1"),
    6: ("fd00:50::1", 64, "ff15::123", "2001:db8:ffff::2", "2001:db8:ffff::1"),
}
_RECEIVER = """
import socket, sys
group, mine = sys.argv[1:]
v6 = ":" in group
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5000))
index = socket.if_nametoindex("eth0")
if v6:
    request = socket.inet_pton(socket.AF_INET6, group) + index.to_bytes(4, sys.byteorder)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
else:
    request = socket.inet_aton(group) + socket.inet_aton(mine)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
s.settimeout(60)
print("ready", flush=True)
for _ in range(2):
    text, peer = s.recvfrom(100)
    print(text.decode(), peer[0], flush=True)
"""
_SENDER = """
import socket, sys
source, group, far = sys.argv[1:]
v6 = ":" in group
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, 0))
if v6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("uplink"))
else:
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("192.0.2.1"))
s.sendto(b"group", (group, 5000))
s.sendto(b"far", (far, 5000))
"""


def seen(host: Host, out: Place, version: int) -> dict[str, str]:
    """The source address seen by the group and by the machine beyond the host."""
    source, _, group, far, _ = CASES[version]
    receiver = out.start(sys.executable, "-c", _RECEIVER, group, far)
    try:
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "ready\n"
        host.run(sys.executable, "-c", _SENDER, source, group, far)
        return dict(receiver.stdout.readline().split() for _ in range(2))
    finally:
        receiver.kill()
        receiver.wait()


@pytest.mark.parametrize("version", list(CASES))
@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_multicast_is_not_masqueraded_and_unicast_is(host: Host, backend: str, version: int) -> None:
    base_chains(host)
    out = outside(host)
    source, length, _, _, translated = CASES[version]
    alone = f"{source}/{32 if version == 4 else 128}"
    host.run("ip", "addr", "add", alone, "dev", "lo")
    out.run("ip", "route", "add", alone, "dev", "eth0")
    assert seen(host, out, version) == {"group": source, "far": source}
    with Session(Attachment("n", "c1", "eth0"), backend) as session:
        masquerade_add.add(session, [(parse_ip(source), length)], {}, [])
    assert seen(host, out, version) == {"group": source, "far": translated}
