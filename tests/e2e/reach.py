"""What a container on the network can do, whatever runtime runs it."""

from __future__ import annotations

import json

from tests.e2e.machine import ECHO_PORT, OUTSIDE4, OUTSIDE6, UPLINK4, UPLINK6, Machine, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Runs(Protocol):
        """A container of any runtime."""

        name: str

        def exec(self, *argv: str) -> str: ...


def serving(text: str) -> list[str]:
    """A container's command: a web server on port 80, of IPv4 and IPv6, whose only page is `text`."""
    return ["/bin/sh", "-c", f"mkdir -p /www; echo {text} >/www/index.html; exec httpd -f -p 80 -h /www"]


def addresses(machine: Machine, container: Runs) -> list[str]:
    """The container's addresses on eth0, IPv4 first, without link-local ones."""
    lines = [line.split() for line in container.exec("/bin/ip", "addr", "show", "dev", "eth0").splitlines()]
    found = [w[1].partition("/")[0] for w in lines if w and w[0] in ("inet", "inet6")]
    return sorted((a for a in found if not a.startswith("fe80")), key=lambda a: ":" in a)


def expect_outside_sees_the_host(machine: Machine, container: Runs) -> None:
    """The container reaches a host that has no route to it, by both families, with the machine's addresses."""
    assert container.exec("/bin/nc", "-w", "10", OUTSIDE4, str(ECHO_PORT)).strip() == UPLINK4
    assert container.exec("/bin/nc", "-w", "10", OUTSIDE6, str(ECHO_PORT)).strip() == UPLINK6


def expect_reaches(machine: Machine, client: Runs, server: Runs) -> None:
    """One container gets another's page, by both families; the machine itself does too."""
    for address in addresses(machine, server):
        _expect_page(machine, client, server.name, address)


def _expect_page(machine: Machine, client: Runs, page: str, address: str) -> None:
    url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    wait_for(f"{url} is served", lambda: page in machine.run("curl", "-sg", url, ok=False))
    # Not wget: it looks the port's name up, and Debian's static busybox ends in SIGSEGV there.
    get = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 10 {address} 80"
    assert client.exec("/bin/sh", "-c", get).splitlines()[-1:] == [page]


def qdisc_kinds(machine: Machine) -> set[str]:
    """The kinds of queueing discipline on the machine's links."""
    return {qdisc["kind"] for qdisc in json.loads(machine.run("tc", "-j", "qdisc", "show"))}
