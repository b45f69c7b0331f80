"""GC: what no valid attachment of this network owns is gone.

Source: CNI SPEC.md "GC".  No list of valid attachments means that the runtime says nothing: nothing is collected.
"""

from __future__ import annotations

import errno

from ..base.errors import KERNEL_REFUSED, CniError, to_cni
from ..cni.args import Args
from ..cni.attachment import ALIAS_PREFIX, parse_alias
from ..cni.conf import NetConf
from ..firewall import antispoof
from ..firewall.masquerade_check import gc as gc_masquerade
from ..ipam.source import ipam_for
from ..netlink.rt_link import Link, del_link
from ..netlink.rt_link_dump import dump_links
from ..netlink.sock import NETLINK_ROUTE, Socket
from .checkpoint import log_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cni.attachment import Attachment
    from ..ipam.protocol import Ipam


def gc(args: Args, conf: NetConf) -> None:
    """Remove the stale veths, masquerading and leases of this network; report each failure, after all were tried.

    An attachment whose link cannot be deleted keeps what protects and reserves it.
    """
    valid = conf.valid_attachments()
    if valid is None:
        return
    ipam = ipam_for(conf, args)
    words: list[str] = []
    with Socket(NETLINK_ROUTE) as host:
        kept = _delete_marked(host, conf.name, {a.alias() for a in valid}, words)
        reserved = _leased_and_routed(host, ipam, [*valid, *kept], words)
        words += _try(lambda: gc_ifbs(host, conf.name, {a.alias() for a in [*valid, *kept]}))
    log_step("links")
    keep = [*valid, *kept]
    words += _try(lambda: gc_masquerade(conf.name, keep))
    log_step("masquerade")
    words += _try(lambda: _gc_guard(conf.name, keep))
    log_step("guard")
    failure: CniError | None = None
    try:
        ipam.gc([*keep, *reserved])
    except Exception as e:  # noqa: BLE001  reported below, with what else failed
        failure = to_cni(e)
    log_step("ipam")
    if failure is None and words:
        failure = _failure(conf.name, words.pop(0))
    if failure is not None:
        for more in words:
            failure.add(more)
        raise failure


def gc_ifbs(host: Socket, network: str, keep: set[str]) -> list[str]:
    """Delete the ifb links of the network's other attachments, after what leads to them; return what failed."""
    listed = [Link(reply) for reply in host.dump(dump_links("ifb")).read()]
    stale = [i for i in listed if i.kind == "ifb" and i.alias.startswith(f"{ALIAS_PREFIX} {network} ")]
    stale = [ifb for ifb in stale if ifb.alias not in keep]
    if stale:
        from ..shaping.redirection import leading_to, stop

        for link in leading_to(host, stale):
            stop(host, link)
    return [refused for refused in [_delete(host, ifb) for ifb in stale] if refused]


def _failure(network: str, details: str) -> CniError:
    return CniError(KERNEL_REFUSED, f"collect what is stale of network {network}", details)


def _gc_guard(network: str, valid: list[Attachment]) -> list[str]:
    antispoof.gc(network, valid)
    return []


def _try(step: Callable[[], list[str]]) -> list[str]:
    try:
        return step()
    except Exception as e:  # noqa: BLE001  one failed step must not keep the others from running
        return [str(to_cni(e))]


def _delete_marked(host: Socket, network: str, valid: set[str], words: list[str]) -> list[Attachment]:
    """Delete the host ends whose alias names another attachment of the network; return those that could not be.

    valid: aliases to keep.  words: takes what failed.  CniError 100 if an owner that must be kept has no full name.
    """
    kept = []
    for reply in host.dump(dump_links("veth")).read():
        link = Link(reply)
        if link.kind != "veth" or not link.alias.startswith(f"{ALIAS_PREFIX} {network} ") or link.alias in valid:
            continue
        refused = _delete(host, link)
        if refused:
            owner = parse_alias(link.alias)
            if owner is None:  # its lease and masquerading cannot be told from the stale ones
                raise _failure(network, refused)
            words.append(refused)
            kept.append(owner)
    return kept


def _leased_and_routed(host: Socket, ipam: Ipam, valid: list[Attachment], words: list[str]) -> list[Attachment]:
    """Return the owners of stale leases whose address the host routes to a link without an alias.

    A container that is gone took its link with it: this one is somebody's, whose the lease alone does not tell.  So the
    link is not deleted, and the address stays reserved.
    """
    try:
        stale = ipam.stale(valid)
    except Exception as e:  # noqa: BLE001  leases that cannot be read keep nothing from being collected
        words.append(str(to_cni(e)))
        return []
    if not stale:
        return []
    from ..veth.unnamed import routed_over

    links = {owner: [routed_over(host, address) for address in addresses] for owner, addresses in stale.items()}
    return [owner for owner, found in links.items() if any(link is not None and not link.alias for link in found)]


def _delete(host: Socket, link: Link) -> str:
    """Delete the link; return why the kernel refused, "" if it did not."""
    refused = host.ask(del_link(link.ifindex, link.name))[0].error
    return str(refused) if refused is not None and refused.errno != errno.ENODEV else ""
