"""Servers and clients in network namespaces, over TCP, UDP and SCTP, and configurations with port mappings."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from tests.configurations import conf
from tests.namespaces import entered

HOST_PORT, CONTAINER_PORT = 8080, 80
KINDS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, 132),
}
_PATIENCE_S, _RESEND_S = 30.0, 1.0


def mapping(protocol: str = "tcp", host_port: int = HOST_PORT, **more: Any) -> dict[str, Any]:
    """A port mapping as runtimes give it."""
    return {"hostPort": host_port, "containerPort": CONTAINER_PORT, "protocol": protocol, **more}


def mapped(*mappings: dict[str, Any], families: tuple[str, ...] = ("v4", "v6"), **more: Any) -> dict[str, Any]:
    """A configuration of ptp with these mappings."""
    wanted = list(mappings) or [mapping()]
    return {**conf("1.0.0", list(families), ipMasq=True, **more), "runtimeConfig": {"portMappings": wanted}}


@contextlib.contextmanager
def answering(path: str, name: str, protocol: str = "tcp", port: int = CONTAINER_PORT, at: str = "") -> Iterator[None]:
    """A server in the namespace answers each client with its name and the client's address.  at: its own address."""
    kind, number = KINDS[protocol]
    family = socket.AF_INET if at and ":" not in at else socket.AF_INET6
    with entered(path):
        server = socket.socket(family, kind, number)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((at or "::", port))
        if kind == socket.SOCK_STREAM:
            server.listen()
    with server:
        threading.Thread(target=_serve, args=(server, name, kind), daemon=True).start()
        yield


def _serve(server: socket.socket, name: str, kind: int) -> None:
    while True:
        try:
            if kind == socket.SOCK_DGRAM:
                _, peer = server.recvfrom(100)
                server.sendto(f"{name} {_plain(peer[0])}".encode(), peer)
            else:
                connection, peer = server.accept()
                with connection:
                    connection.sendall(f"{name} {_plain(peer[0])}".encode())
        except OSError:
            return


def _plain(address: str) -> str:
    return address[len("::ffff:") :] if address.startswith("::ffff:") else address


def ask(path: str, destination: str, protocol: str = "tcp", port: int = HOST_PORT, source_port: int = 0) -> str:
    """The answer that a client in the namespace gets: the server's name and the client's address as it sees it."""
    kind, number = KINDS[protocol]
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    with entered(path), socket.socket(family, kind, number) as client:
        client.settimeout(_PATIENCE_S if kind == socket.SOCK_STREAM else _RESEND_S)
        client.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", source_port))
        client.connect((destination, port))
        for _ in range(int(_PATIENCE_S / _RESEND_S)):
            client.send(b"?")
            try:
                return client.recv(100).decode()
            except socket.timeout:  # of UDP: an address that a test gave the host takes the kernel a moment
                pass
        raise TimeoutError(f"no answer of {destination} port {port}")


def is_refused(path: str, destination: str, protocol: str = "tcp", port: int = HOST_PORT) -> bool:
    """Whether the host answers that nobody serves the port; a packet that is dropped is not answered."""
    try:
        ask(path, destination, protocol, port)
    except ConnectionRefusedError:
        return True
    return False
