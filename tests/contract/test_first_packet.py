"""What is sent right after ADD arrives, also on a host that is busy with other links.

The kernel finishes an IPv6 address in the background, under a lock that every change of a link takes.  Before ADD
waited for that, one in twenty connections here took a second, as the first packet was lost.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from tests.configurations import conf
from tests.contract.traffic import lost_packets
from tests.namespaces import Host, entered

_LOADS, _ATTACHMENTS = 8, 50
_LINKS = """
while true; do
    ip link add l$0 type veth peer name m$0; ip link set l$0 up; ip link set m$0 up; ip link del l$0
done
"""


@contextlib.contextmanager
def busy_with_links(host: Host) -> Iterator[None]:
    """Links come and go on the host all the time."""
    loads = [host.start("sh", "-c", _LINKS, str(i), stderr=-3) for i in range(_LOADS)]
    try:
        yield
    finally:
        for load in loads:
            load.kill()
            load.wait()


def test_the_first_connection_over_ipv6_either_way_loses_no_packet_on_a_busy_host(host: Host) -> None:
    container = host.container()
    container.run("ip", "link", "set", "lo", "up")
    with contextlib.ExitStack() as stack:
        outside = stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, backlog=_ATTACHMENTS))
        with entered(container.path):
            inside = stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, backlog=_ATTACHMENTS))
        stack.enter_context(busy_with_links(host))
        lost = {}
        for i in range(_ATTACHMENTS):
            result = host.plugin("ADD", conf("1.0.0", ["v4", "v6"]), container=f"c{i}").ok()
            six = result["ips"][1]
            if i % 2:
                lost[i] = lost_packets(host, six["address"].partition("/")[0], inside.getsockname()[1])
            else:
                lost[i] = lost_packets(container, six["gateway"], outside.getsockname()[1])
            host.plugin("DEL", conf("1.0.0", ["v4", "v6"]), container=f"c{i}").ok()
    assert [i for i in lost if lost[i]] == []
