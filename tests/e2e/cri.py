"""The Container Runtime Interface, spoken as kubelet does: gRPC over HTTP/2 over a Unix socket, carried by curl.

Source: kubernetes/cri-api, pkg/apis/runtime/v1/api.proto (field numbers); grpc/doc/PROTOCOL-HTTP2.md (the five bytes
before each message); protobuf's encoding guide.  Only what these tests say and hear.
"""

from __future__ import annotations

import base64

from busybox_image import NAME as IMAGE

from tests.e2e.containerd import SOCKET
from tests.e2e.machine import Machine
from tests.e2e.reach import serving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Value = Union[int, str, bytes, "Message"]
    # Field number and value; a field that is repeated stands there several times.
    Message = list[tuple[int, Value]]

HTTP = ("curl", "-sS", "--http2-prior-knowledge", "--unix-socket", SOCKET, "--max-time", "60", "--data-binary", "@-")
GRPC = ("-H", "content-type: application/grpc", "-H", "te: trailers", "-D", "/dev/stderr", "-o", "-")


def varint(number: int) -> bytes:
    """A protobuf base-128 number."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def encode(message: Message) -> bytes:
    """A protobuf message."""
    out = b""
    for number, value in message:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else encode(value)
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def decode(data: bytes) -> dict[int, list[int | bytes]]:
    """A protobuf message's values by field number, in their order; messages inside it are bytes still."""
    out: dict[int, list[int | bytes]] = {}
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        assert key & 7 in (0, 2), f"wire type {key & 7} is in no message of these tests"
        size = number()
        if key & 7 == 0:
            out.setdefault(key >> 3, []).append(size)
        else:
            out.setdefault(key >> 3, []).append(data[at : at + size])
            at += size
    return out


def text(data: bytes, *path: int) -> str:
    """The text at a path of field numbers; of a repeated field the first.  "" if it is not there."""
    for number in path:
        value = decode(data).get(number, [b""])[0]
        assert isinstance(value, bytes)
        data = value
    return data.decode()


class Cri:
    """containerd's CRI service."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def call(self, method: str, message: Message) -> bytes:
        """The answer's bytes; AssertionError with the service's words if it refuses."""
        data = encode(message)
        framed = b"\0" + len(data).to_bytes(4, "big") + data
        url = f"http://localhost/runtime.v1.RuntimeService/{method}"
        script = 'answer=$("$@" 2>/run/grpc-headers | base64 -w0); cat /run/grpc-headers; echo "answer: $answer"'
        out = self.machine.run("sh", "-c", script, "sh", *HTTP, *GRPC, url, stdin=framed)
        lines = dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)
        assert lines.get("grpc-status") == "0", f"{method}: {out}"
        return base64.b64decode(lines["answer"])[5:]

    def pod(self, name: str, host_port: int = 0) -> Pod:
        """A pod of one container that serves the pod's name by HTTP, on a port of the host if one is given."""
        return Pod(self, name, host_port)

    def network_ready(self) -> bool:
        """Whether the runtime would tell kubelet that there is a network."""
        conditions = decode(decode_bytes(self.call("Status", []), 1)).get(1, [])
        true = [text(c, 1) for c in conditions if isinstance(c, bytes) and decode(c).get(2) == [1]]
        return "NetworkReady" in true


def decode_bytes(data: bytes, number: int) -> bytes:
    """The message inside a message."""
    value = decode(data)[number][0]
    assert isinstance(value, bytes)
    return value


class Pod:
    """A running pod."""

    def __init__(self, cri: Cri, name: str, host_port: int) -> None:
        self.name = name
        self._cri = cri
        # PodSandboxConfig: metadata 1 (name, uid, namespace), port_mappings 5 (container_port 2, host_port 3), linux 8.
        config: Message = [(1, [(1, name), (2, f"uid-{name}"), (3, "e2e")]), (8, [])]
        if host_port:
            config.append((5, [(2, 80), (3, host_port)]))
        self.id = text(cri.call("RunPodSandbox", [(1, config)]), 1)
        # ContainerConfig: metadata 1, image 2, command 3.
        command: Message = [(3, word) for word in serving(name)]
        container: Message = [(1, [(1, name)]), (2, [(1, IMAGE)]), *command, (15, [])]
        self._container = text(cri.call("CreateContainer", [(1, self.id), (2, container), (3, config)]), 1)
        cri.call("StartContainer", [(1, self._container)])

    def exec(self, *argv: str) -> str:
        """What the program prints in the container."""
        command: Message = [(2, word) for word in argv]
        answer = self._cri.call("ExecSync", [(1, self._container), *command, (3, 30)])
        assert decode(answer).get(3, [0]) == [0], answer
        return text(answer, 1)

    def reported_addresses(self) -> list[str]:
        """The addresses that the runtime tells kubelet: PodSandboxStatus.network."""
        network = decode_bytes(decode_bytes(self._cri.call("PodSandboxStatus", [(1, self.id)]), 1), 5)
        more = [text(ip, 1) for ip in decode(network).get(2, []) if isinstance(ip, bytes)]
        return [text(network, 1), *more]

    def stop(self) -> None:
        """The pod's containers and network are gone."""
        self._cri.call("StopPodSandbox", [(1, self.id)])

    def remove(self) -> None:
        """The runtime has forgotten the pod."""
        self._cri.call("RemovePodSandbox", [(1, self.id)])

    def end(self) -> None:
        """As kubelet does it: stopped, and removed."""
        self.stop()
        self.remove()
