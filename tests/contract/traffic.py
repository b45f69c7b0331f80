"""Real TCP connections between namespaces."""

from __future__ import annotations

import contextlib
import glob
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.namespaces import Container, Place, entered

_SERVER = """
import socket, sys
s = socket.create_server((sys.argv[1], 0), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print(s.getsockname()[1], flush=True)
while True:
    c, peer = s.accept()
    c.sendall(peer[0].encode())
    c.close()
"""
_CLIENT = """
import socket, sys
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
sys.stdout.write(c.recv(100).decode())
"""
_TOTAL_RETRANS = 100  # offset of tcpi_total_retrans in struct tcp_info, linux/tcp.h


@contextlib.contextmanager
def listening(place: Place, address: str) -> Iterator[int]:
    """A TCP server in the namespace that tells each client the address it came from; its port."""
    server = place.start(sys.executable, "-c", _SERVER, address)
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()


def seen_source(place: Place, address: str, port: int) -> str:
    """The source address that the server saw; the connection must succeed."""
    return place.run(sys.executable, "-c", _CLIENT, address, str(port)).stdout


def lost_packets(place: Place, address: str, port: int) -> int:
    """How many packets of a connection from the namespace were lost, solicitations among them; it succeeds."""
    with entered(place.path) if isinstance(place, Container) else contextlib.nullcontext():
        _send_solicitations_seldom()
        stuck = _waited_for_a_neighbour()
        with socket.create_connection((address, port), timeout=60) as client:
            info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TOTAL_RETRANS + 4)
        return int(struct.unpack_from("I", info, _TOTAL_RETRANS)[0]) + _waited_for_a_neighbour() - stuck


def _waited_for_a_neighbour() -> int:
    """How often TCP did not send a packet again as it had not left yet: somebody had not answered to a solicitation."""
    names, values = Path("/proc/thread-self/net/netstat").read_text().splitlines()[:2]
    return int(dict(zip(names.split(), values.split()))["TCPSpuriousRtxHostQueues"])


def _send_solicitations_seldom() -> None:
    """A lost solicitation is sent again after 3 s, when TCP has long missed the answer to its first packet."""
    for path in glob.glob("/proc/sys/net/ipv[46]/neigh/*/retrans_time_ms"):
        # The link may have gone since.
        with contextlib.suppress(FileNotFoundError), open(path, "w", encoding="ascii") as f:
            f.write("3000")
