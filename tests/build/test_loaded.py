"""Exactly these modules are loaded by a call of the built file: each costs time at every ADD and DEL.

A module that shows up here anew needs a reason; docs/decisions/imports.md has the figures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cni_ptp import CHAINED_ROLES
from tests.build.checkouts import launch_code
from tests.chained.calls import ASKED, as_role, attached, chained
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
    "encodings.ascii": "STATUS reads /proc/self/status",
}


def modules(names: str, package: str = "") -> set[str]:
    """Names without "cni_ptp."."""
    return {package + name for name in names.split()}


# Environment and configuration read, the answer written: of every call.
EDGE = (
    modules("__main__ main skel base cni system")
    | modules("args conf versions result attachment", "cni.")
    | modules("errors jsonio ip", "base.")
    | modules("signals", "system.")
)
# What ADD, CHECK and DEL do at least: the attachment locked, its namespace and its links, which IPAM.
CALL = (
    EDGE
    | modules("commands veth nlmsg netlink ipam")
    | modules("netns state_files", "system.")
    | modules("lock checkpoint", "commands.")
    | modules("errnos", "base.")
)
CALL |= modules("exchange sock rt_link", "netlink.") | modules("source data_dir", "ipam.")
HOST_LOCAL = modules("host_local directories lease_dir lease_index leases", "ipam.")
# What is to be, and how it is asked for.
CONFIGURED = modules("ranges settings", "ipam.")
PLANNED = (
    CONFIGURED
    | modules("plan", "veth.")
    | modules("sysctl", "system.")
    | modules("validate", "ipam.")
    | modules("rt_addr rt_route", "netlink.")
)
ADD = (
    CALL
    | HOST_LOCAL
    | PLANNED
    | modules("add", "commands.")
    | modules("result_write", "cni.")
    | modules("undo", "base.")
    | modules("holders pair", "veth.")
    | modules("allocation", "ipam.")
)
# DEL reads leases and prevResult, and looks for what any backend left of the attachment, whether or not it was wanted.
LOOKED_FOR = (
    modules("firewall")
    | modules("session masquerade_del iptables_legacy nft_table", "firewall.")
    | modules("nft", "netlink.")
)
DEL = (
    CALL
    | HOST_LOCAL
    | LOOKED_FOR
    | modules("delete", "commands.")
    | modules("deletion find mark", "veth.")
    | modules("lease", "ipam.")
    | modules("result_read", "cni.")
)
# CHECK compares the plan with what is there.
LOOKED_AT = (
    modules("rt_addr_dump", "netlink.")
    | modules("lease host_local_check", "ipam.")
    | modules("result_read", "cni.")
    | modules("find mark unnamed", "veth.")
)
LOOKED_AT |= modules("rt_link_dump rt_nsid rt_route_read", "netlink.")
LOOKED_AT |= modules("container_end host_end", "veth.") | modules("bounded rt_route_dump", "netlink.")
CHECK = CALL | HOST_LOCAL | PLANNED | LOOKED_AT | modules("check differences", "commands.")
# STATUS tries a lease and a link; it knows ADD's capabilities and sysctls.
STATUS = (
    CALL
    | HOST_LOCAL
    | PLANNED
    | modules("status", "commands.")
    | modules("host_settings", "veth.")
    | modules("host_local_check", "ipam.")
)
# Of a host whose table is there: nothing that makes it, and nothing that takes away.
MASQUERADE = (
    modules("firewall")
    | modules(
        "session masquerade_add foreign iptables_legacy nft_table owner_mark nft_transaction nft_add", "firewall."
    )
    | modules("nft", "netlink.")
)
UNMASQUERADE = modules("nft_transaction nft_del owner_mark", "firewall.") | modules("nft_element", "netlink.")
# The whole table compared with what it should be, and searched for what nobody owns.
TABLE = modules("firewall") | modules(
    "nft_table owner_mark nft_compare nft_del nft_ruleset nft_search nft_socket nft_transaction nft_check", "firewall."
)
TABLE |= modules("nft nft_array nft_define nft_dump nft_element nft_expr nft_rule", "netlink.")
MASQUERADE_CHECKED = TABLE | modules("masquerade_check session iptables_legacy", "firewall.")
# GC goes through leases, links and rules, of masquerading and against spoofing, those of iptables included.
GC = (
    CALL
    | HOST_LOCAL
    | MASQUERADE_CHECKED
    | modules("gc", "commands.")
    | modules("antispoof antispoof_ruleset iptables_nft", "firewall.")
    | modules("rt_link_dump", "netlink.")
)
GC |= modules("host_local_check index_rebuild reboot", "ipam.")

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

    def __init__(self, host: Host, directory: Path, built: Path | None = None) -> None:
        self.host = host
        self.out = directory / "loaded"
        self.file = directory / "ptp"
        built = built or host.plugin_file
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


def loads(watched: Watched, command: str, conf: dict[str, Any], wanted: set[str]) -> Any:
    """The call's result; it loaded exactly these, and nothing dear."""
    result = watched.call(command, conf)
    ours, others = watched.loaded()
    assert (sorted(ours ^ wanted), others - set(ALLOWED)) == ([], set()), command
    return result


def test_each_verb_loads_what_it_does(watched: Watched) -> None:
    # The first ADD on a host makes its directories; what that loads is not what the next thousand load.
    watched.call("ADD", CONF)
    watched.call("DEL", CONF)

    result = loads(watched, "ADD", CONF, ADD)
    loads(watched, "CHECK", {**CONF, "prevResult": result}, CHECK)
    loads(watched, "DEL", {**CONF, "prevResult": result}, DEL)
    loads(watched, "STATUS", CONF, STATUS)
    loads(watched, "GC", {**CONF, "cni.dev/valid-attachments": []}, GC)


def test_an_mtu_of_auto_loads_what_looks_for_the_way_out(watched: Watched) -> None:
    conf = {**CONF, "mtu": "auto"}
    watched.call("ADD", conf)
    watched.call("DEL", conf)

    result = loads(watched, "ADD", conf, ADD | modules("uplink", "veth.") | modules("rt_route_dump", "netlink."))
    loads(watched, "CHECK", {**conf, "prevResult": result}, CHECK)
    loads(watched, "DEL", {**conf, "prevResult": result}, DEL)


def test_masquerading_by_netlink_loads_what_it_does(watched: Watched) -> None:
    conf = {**CONF, "ipMasq": True, "ipMasqBackend": "nftables"}
    watched.call("ADD", conf)
    watched.call("DEL", conf)

    result = loads(watched, "ADD", conf, ADD | MASQUERADE)
    loads(
        watched, "CHECK", {**conf, "prevResult": result}, CHECK | MASQUERADE_CHECKED | modules("nft_view", "firewall.")
    )
    loads(watched, "DEL", {**conf, "prevResult": result}, DEL | UNMASQUERADE)


# What a port of the host takes: its element, and what else must be true for it.
MAPPED = modules("firewall") | modules(
    "portmap portmap_add portmap_del portmap_elements portmap_ruleset stale_flows "
    "nft_socket nft_table nft_transaction owner_mark",
    "firewall.",
)
MAPPED |= modules("nft nft_array nft_define nft_element nft_expr nft_map nft_rule", "netlink.")
MAPPED |= modules("port_mappings", "cni.") | modules("conntrack", "netlink.")
# What lies in one group with some of these.
MAPPED |= modules("session iptables_legacy nft_del", "firewall.") | modules("nft_dump", "netlink.")


def test_limits_load_what_they_do(watched: Watched) -> None:
    limits = {"ingressRate": 8000, "ingressBurst": 8000, "egressRate": 8000, "egressBurst": 8000}
    conf = {**CONF, "runtimeConfig": {"bandwidth": limits}}
    watched.call("ADD", conf)
    watched.call("DEL", conf)

    limited = (
        modules("shaping") | modules("bandwidth buckets redirection", "shaping.") | modules("tc rt_ifb", "netlink.")
    )
    result = loads(watched, "ADD", conf, ADD | limited | modules("bandwidth", "cni."))
    loads(watched, "DEL", {**conf, "prevResult": result}, DEL | limited)


_OF_ADD = modules("portmap portmap_add portmap_ruleset nft_socket stale_flows", "firewall.")
_OF_ADD |= modules("conntrack nft_expr nft_rule", "netlink.")


def test_port_mappings_load_what_they_do(watched: Watched) -> None:
    mappings = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    conf = {**CONF, "runtimeConfig": {"portMappings": mappings}}
    watched.call("ADD", conf)
    watched.call("DEL", conf)

    result = loads(watched, "ADD", conf, ADD | MAPPED)
    loads(watched, "DEL", {**conf, "prevResult": result}, DEL | MAPPED - _OF_ADD)


def test_masquerading_with_options_loads_two_modules_more(watched: Watched) -> None:
    conf = {**CONF, "ipMasq": True, "ipMasqBackend": "nftables", "nonMasqueradeCIDRs": ["10.0.0.0/8"]}
    watched.call("ADD", conf)
    watched.call("DEL", conf)

    result = loads(
        watched,
        "ADD",
        conf,
        ADD | MASQUERADE | modules("masquerade_options", "cni.") | modules("nft_variant", "firewall."),
    )
    loads(watched, "DEL", {**conf, "prevResult": result}, DEL | UNMASQUERADE)


OTHERS = ("firewall", "iptables_cmd", "console", "commands.gc")


@pytest.mark.parametrize("role", [role for role in CHAINED_ROLES if role != "portmap"])
def test_a_plugin_of_a_chain_loads_nothing_of_other_plugins(host: Host, tmp_path: Path, role: str) -> None:
    host.container()
    watched = Watched(host, tmp_path, as_role(host, role))
    conf = chained(role, attached(host), **ASKED[role])
    for command in ("ADD", "CHECK", "DEL"):
        watched.call(command, conf)
        ours, others = watched.loaded()
        strange = {
            name for name in ours if name.startswith((*OTHERS, *(f"chained.{r}" for r in CHAINED_ROLES if r != role)))
        }
        assert (strange, others - set(ALLOWED)) == (set(), set()), command


def test_version_and_the_about_text_load_the_edge_alone(watched: Watched) -> None:
    watched.host.plugin("VERSION", b"", exe=watched.file)
    assert watched.loaded()[0] == EDGE
    assert watched.loaded()[1] - set(ALLOWED) == set()

    watched.host.run(str(watched.file))
    assert watched.loaded()[0] == EDGE
