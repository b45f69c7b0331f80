"""ptp gc: what no valid attachment owns is gone, network by network, by the plugin's own GC."""

from __future__ import annotations

import argparse
import errno
import os
import time

from ..base import jsonio
from ..base.errors import INVALID_ENVIRONMENT_VARIABLES, CniError, NetlinkError, to_cni
from ..base.ip import text_of
from ..cni.args import Args
from ..cni.attachment import Attachment
from ..cni.conf import read
from ..commands.gc import gc
from ..commands.lock import AttachmentLock
from ..firewall import antispoof, masquerade_check, masquerade_del, nft_check
from ..firewall.session import Session
from ..ipam.data_dir import DATA_DIR
from ..ipam.leases import Leases, owner_of
from ..netlink.rt_link import del_link
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..veth.mark import named
from .inventory import Found, Inventory, inventory, places
from .terminal import Progress, Terminal

ABOUT = """\
Removes what no valid attachment owns: host interfaces, routes with them,
masquerading and leases, of the networks of this plugin only. Which attachments
are valid is for you to say: --valid for each, or --none-valid.
Without either, an attachment is valid while its host interface exists, or its
lease is younger than a minute; what is removed then are the leases and the
masquerading of containers whose network namespace is gone.
Words that name no network or attachment of this host are refused: nothing is
removed then, since a slip would cost running containers their network.
Exit status: 0 if all that should go is gone, 1 if some is left, 3 if nothing
was removed: not all can be seen, or a name means nothing.
"""
EXAMPLES = """\
examples:
  ptp gc --dry-run                        what would go?
  ptp gc                                  what containers left that are gone
  ptp gc --network mynet --valid mynet/4711/eth0
                                          all of mynet but this one
"""
_YOUNG_S = 60.0  # longer than an ADD may take: it has its lease before it has its interface


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    help_valid = "an attachment to keep, all others go; once for each"
    parser.add_argument("--valid", metavar="NET/CONTAINER/IFNAME", action="append", default=[], help=help_valid)
    parser.add_argument("--none-valid", action="store_true", help="remove every attachment, of running containers, too")
    parser.add_argument("--network", metavar="NET", help="of this network only")
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    places(parser)


def run(options: argparse.Namespace) -> int:
    """Remove what is stale, or only name it with --dry-run; return the exit status."""
    terminal = Terminal()
    if options.data_dir != DATA_DIR and not os.path.isdir(options.data_dir):
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"read --data-dir {options.data_dir}", "it is no directory")
    seen = inventory(options.conf_dir, options.data_dir)
    if options.network is not None:
        _refuse_unknown_network(options.network, seen)
    valid = _valid(options, seen)
    stale = [f for f in seen.attachments() if f.attachment not in valid and _wanted(options, f)]
    for found in stale:
        verb = "would remove" if options.dry_run else "removing"
        terminal.say(f"{verb} {_described(found)}")
    if not stale:
        terminal.say("nothing is stale")
    if options.dry_run:
        return 0
    if options.none_valid:
        return 1 if _remove_all(stale, seen, terminal, options.network) else 0
    networks = {f.attachment.network for f in seen.attachments()} | set(seen.networks)
    failed = _remove_each(stale, seen, terminal)
    for network in sorted(filter(lambda n: options.network in (None, n), networks)):
        failed += _collect_of_iptables(network, [a for a in valid if a.network == network], terminal)
    return 1 if failed else 0


def _wanted(options: argparse.Namespace, found: Found) -> bool:
    return options.network in (None, found.attachment.network) and (found.is_named() or options.none_valid)


def _remove_each(stale: list[Found], seen: Inventory, terminal: Terminal) -> int:
    """Remove these and nothing else: others may have come since they were seen; return how many could not be."""
    progress = Progress("attachments removed", len(stale))
    failed = 0
    for found in stale:
        try:
            _remove(found, seen.data_dirs, terminal)
        except (CniError, OSError) as e:
            failed += 1
            terminal.say(terminal.paint("red", f"{found.attachment}: {to_cni(e)}"))
        progress.step()
    progress.finish()
    # No network has this name: nothing but empty tables is stale.
    nft_check.gc("", [])
    antispoof.gc("", [])
    return failed


def _remove(found: Found, data_dirs: list[str], terminal: Terminal) -> None:
    """Remove the link, then what protects it, then the lease; nothing if the attachment came back meanwhile."""
    attachment = found.attachment
    with AttachmentLock(attachment), Socket(NETLINK_ROUTE) as host:
        if found.link is None and named(host, attachment) is not None:
            terminal.say(f"{attachment}: it came back meanwhile, and stays")
            return
        if found.link is not None:
            _delete_link(host, found)
        with Session(attachment, "") as session:
            masquerade_del.remove(session, found.addresses())
        for data_dir in data_dirs:
            with Leases(data_dir, attachment.network) as leases:
                if leases.open(create=False):
                    leases.release(owner_of(attachment.containerid, attachment.ifname))


def _collect_of_iptables(network: str, valid: list[Attachment], terminal: Terminal) -> int:
    """Remove the rules that iptables and the Go plugin made for containers that are gone; return what failed.

    They name no interface, and so cannot be told attachment by attachment; no call of ours is at work meanwhile, and
    what the host routes to a container stays.
    """
    with AttachmentLock(None):
        failures = masquerade_check.gc_of_iptables(network, valid, is_complete=False)
    for words in failures:
        terminal.say(terminal.paint("red", f"network {network}: {words}"))
    return len(failures)


def _delete_link(host: Socket, found: Found) -> None:
    assert found.link is not None
    refused = host.ask(del_link(found.link.ifindex, found.link.name))[0].error
    if refused is not None and refused.errno != errno.ENODEV:
        raise refused


def _remove_all(stale: list[Found], seen: Inventory, terminal: Terminal, only: str | None) -> int:
    """Remove every attachment of the networks by the plugin's own GC, also what no attachment is known by.

    only: the one network, None for all.  Return how many failures there were.
    """
    having = [found for found in stale if found.link is not None]
    progress = Progress("interfaces removed", len(having))
    remaining = set()
    with Socket(NETLINK_ROUTE) as host:
        for found in having:
            try:
                _delete_link(host, found)
            except NetlinkError as e:
                remaining.add(found.attachment)  # what protects and reserves a link is kept while it exists
                terminal.say(terminal.paint("red", f"{found.attachment}: {e}"))
            progress.step()
    progress.finish()
    # Also networks where nothing seems stale: an empty table of ours, a lease index out of date.
    networks = {only} if only else {f.attachment.network for f in seen.attachments()} | set(seen.networks)
    failed = len(remaining)
    for network in sorted(networks):
        failed += _collect(network, remaining, seen, terminal)
    return failed


def _valid(options: argparse.Namespace, seen: Inventory) -> set[Attachment]:
    if options.none_valid and options.valid:
        raise CniError(
            INVALID_ENVIRONMENT_VARIABLES, "collect what is stale", "--valid and --none-valid exclude each other"
        )
    if options.none_valid:
        return set()
    if options.valid:
        valid = {_parsed(text) for text in options.valid}
        _refuse_unknown(valid, options.network, seen)
        return valid
    youngest = time.time() - _YOUNG_S
    return {
        f.attachment
        for f in seen.attachments()
        if f.link is not None or f.contested or any(lease.made > youngest for lease in f.leases)
    }


def _parsed(text: str) -> Attachment:
    parts = text.split("/")
    if len(parts) != 3 or not all(parts):
        words = f"understand --valid {text}"
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, words, "it must be NET/CONTAINER/IFNAME")
    return Attachment(*parts)


def _refuse_unknown_network(name: str, seen: Inventory) -> None:
    """Raise CniError 4 unless a configuration of ours or an attachment names the network."""
    known = sorted({found.attachment.network for found in seen.attachments()} | set(seen.networks))
    if name not in known:
        words = f"this host has the networks {', '.join(known)}" if known else "this host has no network of this plugin"
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"find network {name}", words)


def _refuse_unknown(valid: set[Attachment], network: str | None, seen: Inventory) -> None:
    """Raise CniError 4 for the first that this host does not have, or that is of another network than the chosen one.

    A slip in one of them would make a running container one that goes.
    """
    for attachment in sorted(valid, key=Attachment.identity):
        about = f"keep {attachment}"
        if network not in (None, attachment.network):
            details = f"--network {network} leaves other networks alone"
            raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, details)
        if not any(_is(found, attachment) for found in seen.attachments()):
            raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, "this host has no such attachment, see ptp list")


def _is(found: Found, attachment: Attachment) -> bool:
    """Return whether an attachment of this host is the named one.

    Of a long identity its interface may give only a hash.
    """
    by_alias = found.link is not None and found.link.alias == attachment.alias()
    return by_alias or found.attachment == attachment


def _described(found: Found) -> str:
    has = [found.link.name] if found.link is not None else []
    if found.leases:
        has.append("lease of " + ", ".join([text_of(lease.address) for lease in found.leases]))
    if found.masqueraded:
        has.append("masquerading of " + ", ".join([text_of(a) for a in found.masqueraded]))
    return f"{found.attachment}: {'; '.join(has)}"


def _collect(network: str, valid: set[Attachment], seen: Inventory, terminal: Terminal) -> int:
    """Do the network's GC, wherever its leases are; return how many failures were reported."""
    keep = [{"containerID": a.containerid, "ifname": a.ifname} for a in valid if a.network == network]
    configured = seen.networks.get(network)
    failed = 0
    for data_dir in {DATA_DIR if configured is None else configured.data_dir(), *seen.data_dirs}:
        document = {
            "cniVersion": "1.1.0",
            "name": network,
            "type": "ptp",
            "ipam": {"type": "host-local", "dataDir": data_dir},
            "cni.dev/valid-attachments": keep,
        }
        try:
            gc(Args("GC", "", "", "", "", "", False), read(jsonio.dumps(document)))
        except CniError as e:
            failed += 1
            terminal.say(terminal.paint("red", f"network {network}: {e}"))
    return failed
