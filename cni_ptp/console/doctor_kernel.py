"""The doctor on the kernel: what it can do, and what this process may have it do."""

from __future__ import annotations

import os

from .. import iptables_cmd
from ..base.errors import CniError, NetlinkError
from ..commands import status
from ..firewall import nft_check
from ..firewall.nft_socket import open_socket
from ..firewall.nft_table import NAME
from ..netlink import nft, nft_define
from ..nlmsg import NLM_F_DUMP, Request
from ..system import spawn
from . import doctor_exclusions, sandbox
from .diagnosis import Line, ok, problem, warning
from .inventory import Inventory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_TRIED = (5, 4)  # the oldest series our tests boot is 5.10; what is used is in all since 5.4
_NF_INET_FORWARD, _NF_DROP = 2, 0
_LEGACY = ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")
_PATIENCE_S = 10.0


def lines(inventory: Inventory) -> Iterator[Line]:
    """Return all lines about the kernel."""
    yield _kernel()
    yield _capabilities()
    yield _user_namespaces()
    yield from _probes(inventory)
    yield _iptables()
    yield from _rulesets(inventory)
    yield from doctor_exclusions.lines(inventory)


def _kernel() -> Line:
    release = os.uname().release
    numbers = [int(part) if part.isdigit() else 0 for part in release.split("-")[0].split(".")[:2]]
    if tuple(numbers) < _TRIED:
        return warning("kernel", release, "older than any this plugin was tested with; 5.10 or later is")
    return ok("kernel", f"Linux {release}, {os.uname().machine}")


def _capabilities() -> Line:
    missing = status.missing_capabilities()
    if missing:
        return problem("capabilities", "; ".join(missing), "run this, and the container runtime, as root")
    return ok("capabilities", "CAP_NET_ADMIN and CAP_SYS_ADMIN")


def _user_namespaces() -> Line:
    most = _content("/proc/sys/user/max_user_namespaces")
    if most in ("", "0") or _content("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return ok("user namespaces", "off; only ptp demo without root would need them")
    return ok("user namespaces", "on")


def _probes(inventory: Inventory) -> Iterator[Line]:
    """Ask the kernel by using it, in a network namespace that is thrown away."""
    try:
        refusals = sandbox.in_new_netns(lambda: ("; ".join(status.link_refusal()), nft_check.why_unavailable()))
    except (OSError, CniError, ImportError):
        remedy = "run ptp doctor as root, with a Python that has ctypes or is 3.12 or later"
        yield warning("veth, nf_tables", "not tried: that needs a namespace of its own", remedy)
        return
    veth, nf_tables = refusals
    yield problem("veth", veth, "load or build the module veth") if veth else ok("veth", "pairs can be made")
    if not nf_tables:
        yield ok("nf_tables", "masquerades, without any other program")
    elif iptables_cmd.find("iptables-restore"):
        yield warning("nf_tables", nf_tables, "masquerading goes through iptables-restore; a newer kernel does better")
    else:
        masquerading = [n.name for n in inventory.networks.values() if n.conf.get("ipmasq") is True]
        remedy = "load nf_tables and nft_masq, or install iptables"
        yield (problem if masquerading else warning)("nf_tables", nf_tables, remedy)


def _iptables() -> Line:
    path = iptables_cmd.find("iptables")
    in_use = [name for path in _LEGACY for name in _content(path).split()]
    if path is None:
        return ok("iptables", "not installed, and not needed where nf_tables is")
    try:
        done = spawn.run(path, ["iptables", "-V"], spawn.ENVIRONMENT, b"", _PATIENCE_S)
    except (OSError, spawn.LimitExceeded) as e:
        return warning("iptables", f"{path} does not run: {e}", "repair or remove it")
    version = done.out.decode("utf-8", "replace").strip() or path
    if in_use and not iptables_cmd.is_legacy(path) and "legacy" not in version:
        found = f"{version}, but legacy tables are in use, too: {', '.join(sorted(set(in_use)))}"
        remedy = "rules in both take effect one after the other: move them to one (iptables-legacy-save shows them)"
        return warning("iptables", found, remedy)
    return ok("iptables", version)


def _rulesets(inventory: Inventory) -> Iterator[Line]:
    """Report what others have in nf_tables that concerns our containers."""
    try:
        with open_socket() as sock:
            tables = [_row(reply) for reply in sock.dump(_all(nft.NFT_MSG_GETTABLE, nft.TABLE)).read()]
            chains = sock.dump(_all(nft.NFT_MSG_GETCHAIN, nft_define.WHOLE_CHAIN)).read()
    except (OSError, NetlinkError):
        return
    names = {name for _, name in tables}
    if "cni_plugins_masquerade" in names:
        found = "the Go plugins' table inet cni_plugins_masquerade" + (" beside ours" if NAME in names else "")
        remedy = "harmless; it goes when the containers it was made for are detached"
        yield warning("other tables", found, remedy)
    if "firewalld" in names:
        remedy = (
            "put the containers' subnets into its zone trusted: firewall-cmd --permanent --zone=trusted --add-source="
        )
        yield warning("other tables", "firewalld is at work, and drops what it does not know", remedy + "SUBNET")
    for (family, attrs), place in ((reply, _chain(reply)) for reply in chains):
        hook = attrs.get(nft.NFTA_CHAIN_HOOK, {}).get(nft.NFTA_HOOK_HOOKNUM)
        is_ip = family[0] in (nft.NFPROTO_INET, nft.NFPROTO_IPV4, nft.NFPROTO_IPV6)
        if is_ip and hook == _NF_INET_FORWARD and attrs.get(nft_define.NFTA_CHAIN_POLICY) == _NF_DROP:
            found = f"chain {place} drops forwarded packets by policy"
            remedy = "accept the containers' subnets there, or chain the plugin firewall behind ptp"
            yield warning("forward chain", found, remedy)


def _row(reply: Any) -> tuple[int, str]:
    header, attrs = reply
    return header[0], attrs.get(nft.NFTA_TABLE_NAME, "")


def _chain(reply: Any) -> str:
    header, attrs = reply
    family = {number: name for name, number in nft.FAMILIES.items()}.get(header[0], header[0])
    return f"{family} {attrs.get(nft.NFTA_CHAIN_TABLE, '')} {attrs.get(nft.NFTA_CHAIN_NAME, '')}"


def _all(type: int, table: Any) -> Request:
    return Request(type, NLM_F_DUMP, nft.NFGENMSG.pack(nft.NFPROTO_UNSPEC, 0, 0), "list the ruleset", table)


def _content(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as f:
            return f.read(4096).strip()
    except OSError:
        return ""
