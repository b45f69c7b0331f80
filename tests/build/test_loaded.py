"""Exactly these modules are loaded by a call of the built file: each costs time at every ADD and DEL.

A module that shows up here anew needs a reason; docs/decisions/imports.md has the figures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.build.test_built_file import launch_code
from tests.namespaces import Host

# What of the standard library a call may load beyond what `-I -S -c pass` does, and why; but for two, all is C.
ALLOWED = {
    "gc": "switched off",
    "errno": "names of the kernel's refusals, once there is one that is not expected",
    "fcntl": "locks",
    "_signal": "SIGTERM is noted",
    "_json": "stdin read, texts quoted",
    "_socket": "netlink, inet_pton",
    "_struct": "netlink",
    "_sha512": "names derived from an attachment, up to Python 3.11",
    "_sha2": "the same, from Python 3.12 on",
    "_ctypes": "setns, up to Python 3.11",
    "time": "bounded waiting",
    "select": "bounded waiting",
}
# The ways of a call, so that the sets below can be read; names without "cni_ptp.".
EDGE = set("__main__ main skel args conf errnos errors jsonio signals steps versions result ip attachment".split())
IPAM = {"ipam", *["ipam." + n for n in "choose host_local directories index leases ranges settings".split()]}
NETLINK = {"nlmsg", "netlink", "netlink.exchange", "netlink.sock", "netlink.rt_link"}
ROUTED = {"plan", "netns", "sysctl", "netlink.rt_addr", "netlink.rt_route"}
ADD = EDGE | IPAM | NETLINK | ROUTED | {"commands", "commands.add", "ipam.validate", "lock", "steps", "undo"}
# Of a host whose table is there: nothing that makes it, and nothing that takes away.
MASQUERADE = {"masquerade", "iptables_legacy", "netlink.nft", "nft_names", "nft_transaction", "nft_masquerade"}
UNMASQUERADE = {"masquerade_removal", "nft_removal", "nft_owner", "netlink.nft_element"}
LOOKED = {"ipam.host_local_upkeep", "ipam.lease", "netlink.rt_addr_dump", "netlink.rt_route_get", "result_read"}
CHECK = EDGE | IPAM | NETLINK | ROUTED | LOOKED | {"commands", "commands.check", "ipam.validate", "lock", "steps"}

# Puts itself before the launch line, and at the end writes what came since; _exit is the last thing that a call does.
# DEL's child, which may outlive it, writes nothing.
_WATCHING = """#!{python} -IS
import posix, sys
code, out, real, before, pid = {code!r}, {out!r}, posix._exit, set(sys.modules), posix.getpid()
def leave(status):
    loaded = sorted(set(sys.modules) - before)
    if posix.getpid() == pid:
        with open(out, "w") as f: f.write("\\n".join(loaded))
    real(status)
posix._exit = leave
sys.argv[:] = ["-c", {built!r}, *sys.argv[1:]]
exec(code, {{"__name__": "__main__"}})
"""

CONF: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "name": "mynet",
    "type": "ptp",
    "ipam": {"type": "host-local", "subnet": "10.1.2.0/24", "routes": [{"dst": "0.0.0.0/0"}]},
}


class Watched:
    """The built file, and what its last call loaded."""

    def __init__(self, host: Host, directory: Path) -> None:
        self.host = host
        self.out = directory / "loaded"
        self.file = directory / "ptp"
        built = host.plugin_file
        python = built.read_bytes()[2:].split(b" ", 1)[0].decode()
        self.file.write_text(
            _WATCHING.format(python=python, code=launch_code(built), out=str(self.out), built=str(built))
        )
        self.file.chmod(0o755)

    def call(self, command: str, conf: dict[str, Any]) -> Any:
        """The call's result; it succeeded."""
        return self.host.plugin(command, conf, exe=self.file).ok()

    def loaded(self) -> tuple[set[str], set[str]]:
        """(modules of ours, without the package's name; others) that the last call loaded."""
        names = set(self.out.read_text().split("\n"))
        ours = {name for name in names if name.startswith("cni_ptp")}
        return {name[len("cni_ptp") + 1 :] for name in ours} - {""}, names - ours


@pytest.fixture
def watched(host: Host, tmp_path: Path) -> Watched:
    """The built file on a fresh host with one container."""
    host.container()
    return Watched(host, tmp_path)


def test_add_and_check_load_what_they_need(watched: Watched) -> None:
    # The first ADD on a host makes its directories; what that loads is not what the next thousand load.
    watched.call("ADD", CONF)
    watched.call("DEL", CONF)

    result = watched.call("ADD", CONF)
    ours, others = watched.loaded()
    assert (sorted(ours ^ ADD), others - set(ALLOWED)) == ([], set())
    watched.call("CHECK", {**CONF, "prevResult": result})
    ours, others = watched.loaded()
    assert (sorted(ours ^ CHECK), others - set(ALLOWED)) == ([], set())


def test_del_loads_no_console_and_nothing_dear(watched: Watched) -> None:
    watched.call("ADD", CONF)
    watched.call("DEL", CONF)

    ours, others = watched.loaded()

    assert others - set(ALLOWED) == set()
    assert "commands.delete" in ours
    assert not ours & {"commands.add", "commands.check", "plan", "iptables_cmd"}


def test_masquerading_by_netlink_loads_nothing_dear(watched: Watched) -> None:
    conf = {**CONF, "ipMasq": True, "ipMasqBackend": "nftables"}
    for _ in range(2):
        result = watched.call("ADD", conf)
        added, others = watched.loaded()
        watched.call("DEL", {**conf, "prevResult": result})
        deleted, _ = watched.loaded()

    assert (sorted(added ^ (ADD | MASQUERADE)), others - set(ALLOWED)) == ([], set())
    assert UNMASQUERADE < deleted
    assert not deleted & {"nft_masquerade", "nft_search", "nft_mend", "masquerade_upkeep", "iptables_cmd"}


def test_version_and_the_about_text_load_the_edge_alone(watched: Watched) -> None:
    watched.host.plugin("VERSION", b"", exe=watched.file)
    ours, others = watched.loaded()
    assert ours <= EDGE
    assert others - set(ALLOWED) == set()

    watched.host.run(str(watched.file))
    assert watched.loaded()[0] == ours
