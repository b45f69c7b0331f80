"""Real TCP connections between namespaces."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from tests.namespaces import Place

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
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
sys.stdout.write(c.recv(100).decode())
"""


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


def connect(place: Place, address: str, port: int) -> float:
    """Seconds that a connection took from the namespace, beyond the start of the client's Python."""
    start = time.monotonic()
    place.run(sys.executable, "-I", "-c", "import socket")
    idle = time.monotonic() - start
    start = time.monotonic()
    assert seen_source(place, address, port)
    return time.monotonic() - start - idle
