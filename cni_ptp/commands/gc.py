"""GC: what no valid attachment of this network owns is gone.

Source: CNI SPEC.md "GC".  No list of valid attachments means that the runtime says nothing: nothing is collected.
"""

from __future__ import annotations

import errno

from .. import antispoof, steps
from ..args import Args
from ..attachment import ALIAS_PREFIX
from ..conf import Conf
from ..errors import CniError, NetlinkError, to_cni
from ..ipam.choose import choose
from ..masquerade_upkeep import gc as gc_masquerade
from ..netlink.rt_link import Link, del_link
from ..netlink.rt_link_dump import dump_veths
from ..netlink.sock import NETLINK_ROUTE, Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..attachment import Attachment


def gc(args: Args, conf: Conf) -> None:
    """Stale veths, masquerading and leases of this network are gone; each failure is reported, after all were tried."""
    valid = conf.valid_attachments()
    if valid is None:
        return
    ipam = choose(conf, args)
    words = _try(lambda: _delete_links(conf.name, {a.alias() for a in valid}))
    steps.note("links")
    words += _try(lambda: gc_masquerade(conf.name, valid))
    steps.note("masquerade")
    words += _try(lambda: _gc_guard(conf.name, valid))
    steps.note("guard")
    failure: CniError | None = None
    try:
        ipam.gc(valid)
    except Exception as e:  # noqa: BLE001  reported below, with what else failed
        failure = to_cni(e)
    steps.note("ipam")
    if failure is None and words:
        failure = CniError(100, f"collect what is stale of network {conf.name}", words.pop(0))
    if failure is not None:
        for more in words:
            failure.add(more)
        raise failure


def _gc_guard(network: str, valid: list[Attachment]) -> list[str]:
    antispoof.gc(network, valid)
    return []


def _try(step: Callable[[], list[str]]) -> list[str]:
    try:
        return step()
    except Exception as e:  # noqa: BLE001  one failed step must not keep the others from running
        return [str(to_cni(e))]


def _delete_links(network: str, valid: set[str]) -> list[str]:
    """The host ends of this network's other attachments are gone; returns what failed.  valid: aliases to keep."""
    words = []
    with Socket(NETLINK_ROUTE) as sock:
        for reply in sock.dump(dump_veths()).read():
            link = Link(reply)
            if link.kind != "veth" or not link.alias.startswith(f"{ALIAS_PREFIX} {network} ") or link.alias in valid:
                continue
            refused = sock.ask(del_link(link.ifindex, link.name))[0].error
            if isinstance(refused, NetlinkError) and refused.errno != errno.ENODEV:
                words.append(str(refused))
    return words
