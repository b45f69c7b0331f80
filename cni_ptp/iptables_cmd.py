"""Masquerading by iptables: one iptables-restore a family, for hosts without nf_tables, or by choice.

Chains, rules and comments are those of the Go plugin (pkg/ip/ipmasq_iptables_linux.go), so that either cleans up after
the other.  Source: iptables-restore(8), iptables-extensions(8).
"""

from __future__ import annotations

from .base.errors import IPTABLES_FAILED, CniError, words_of
from .base.ip import bits, cidr_text, network_of, parse_cidr, text_of, version_of
from .cni.attachment import Attachment
from .firewall import iptables_nft
from .firewall.iptables_legacy import has_nat
from .firewall.nft_socket import NO_NF_TABLES, open_socket
from .system import spawn

# Not the caller's PATH: what runs with our privileges is found where the system keeps it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base.ip import Prefix
    from .cni.masquerade_options import Variant
    from .firewall.nft_view import Firewall

_DIRECTORIES = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin")
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
_NAMES = {4: "iptables", 6: "ip6tables"}
_MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}
_JUMP = "-A POSTROUTING "
_COMMENT_BEGINS = '--comment "name: '
_WAIT_S = 30  # for the xtables lock
_MOST_COMMENT = 255  # XT_MAX_COMMENT_LEN - 1, include/uapi/linux/netfilter/xt_comment.h


def find(name: str) -> str | None:
    """Return the absolute path of a program of iptables; None if the host has none."""
    import os

    for directory in _DIRECTORIES:
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK):
            return path
    return None


def is_legacy(path: str) -> bool:
    """Return whether the program works on the tables of the old kernel interface rather than on nf_tables."""
    import os

    return "legacy" in os.path.basename(os.path.realpath(path))


def add(attachment: Attachment, addresses: list[Prefix], variants: dict[int, Variant]) -> None:
    """Masquerade each (packed address, prefix length), by one process a family.

    variants: how, by IP version, where it is not as "ipMasq" alone would.
    CniError 101 if iptables is not there or fails; then what an earlier family got is taken back.
    """
    done: list[bytes] = []
    try:
        for version in _NAMES:
            some = [(a, n) for a, n in addresses if version_of(a) == version]
            if some:
                _add(attachment, version, some, variants.get(version))
                done += [a for a, _ in some]
    except CniError:
        if done:
            remove(attachment, done)
        raise


def _add(attachment: Attachment, version: int, addresses: list[Prefix], variant: Variant | None) -> None:
    """Add the rules.  The chain may exist already, for another interface of the container.

    The old interface can be read by its own program only: there a new chain is tried first.
    """
    path = _restore(version)
    about = f"masquerade {', '.join([text_of(a) for a, _ in addresses])}"
    look = _legacy_lines if is_legacy(path) else _nft_lines
    there = [] if look is _legacy_lines else look(attachment, version)
    try:
        _run(path, _addition(attachment, version, addresses, there, variant), about)
    except CniError:
        now_there = look(attachment, version)
        if now_there == there:
            raise
        _run(path, _addition(attachment, version, addresses, now_there, variant), about)


def _restore(version: int) -> str:
    name = f"{_NAMES[version]}-restore"
    path = find(name)
    if path is None:
        raise CniError(IPTABLES_FAILED, f"find {name}", f"it is in none of {', '.join(_DIRECTORIES)}")
    return path


def _comment(attachment: Attachment) -> str:
    comment = attachment.go_comment()
    if len(comment) > _MOST_COMMENT:
        return ""
    quoted = comment.replace('"', '\\"')
    return f' -m comment --comment "{quoted}"'


def _addition(
    attachment: Attachment,
    version: int,
    addresses: list[Prefix],
    there: list[str],
    variant: Variant | None,
) -> list[str]:
    """Return the rules to add to the existing ones, in which the chain is declared if it exists."""
    chain, comment = attachment.go_chain(), _comment(attachment)
    spared = [(network_of(a, n), n) for a, n in addresses] + (variant.networks if variant is not None else [])
    subnets = list(dict.fromkeys([cidr_text(*network) for network in spared]))
    target = variant.iptables_target() if variant is not None else "MASQUERADE"
    # In front: behind the MASQUERADE of a chain that is there they would never be reached.
    lines = [f"-I {chain} -d {subnet}{comment} -j ACCEPT" for subnet in subnets]
    if not any(line.startswith(f":{chain} ") for line in there):
        lines.insert(0, f"-N {chain}")  # refused if it came to be meanwhile; ":CHAIN" would empty it
    if not any(line.startswith(f"-A {chain} ") for line in there):
        lines.append(f"-A {chain} ! -d {_MULTICAST[version]}{comment} -j {target}")
    jumps = [line.split() for line in there if line.startswith(_JUMP)]
    for source in [cidr_text(a, bits(a)) for a, _ in addresses]:
        if not any(source in words for words in jumps):
            lines.append(f"{_JUMP}-s {source}{comment} -j {chain}")
    return lines


def _nft_lines(attachment: Attachment, version: int) -> list[str]:
    """Return what iptables-nft has of the container's chain, as iptables-save would begin the lines."""
    chain = attachment.go_chain()
    try:
        with open_socket() as sock:
            rules = iptables_nft.chain_rules(sock, version, attachment)
            if rules is None:
                return []
            sources = [jump.source for jump in iptables_nft.jumps(sock, version, attachment)]
    except OSError:
        return []  # iptables itself will say what is wrong
    jumps = [f"{_JUMP}-s {cidr_text(a, bits(a))} -j {chain}" for a in sources if a is not None]
    return [f":{chain} - [0:0]", *[f"-A {chain} " for _ in rules], *jumps]


def _run(path: str, lines: list[str], about: str) -> None:
    name = path.rpartition("/")[2]
    stdin = "\n".join(["*nat", *lines, "COMMIT", ""]).encode()
    try:
        done = spawn.run(path, [name, "--noflush", f"--wait={_WAIT_S}"], _ENVIRONMENT, stdin, 2.0 * _WAIT_S)
    except (OSError, spawn.LimitExceeded) as e:
        raise CniError(IPTABLES_FAILED, f"{about} by {name}", words_of(e)) from None
    if done.status != 0:
        words = done.err.decode("utf-8", "replace").strip().replace("\n", " ")
        raise CniError(IPTABLES_FAILED, f"{about} by {name}", words[:1000] or f"exit status {done.status}")


def remove(attachment: Attachment, known_addresses: list[bytes]) -> None:
    """Remove everything of the attachment from iptables, of either flavour, whoever made it; having none is success.

    What iptables-nft made is removed through netlink.  The old interface can only be read by its own program.
    """
    try:
        with open_socket() as sock:
            iptables_nft.remove(sock, attachment, known_addresses)
    except OSError as e:
        if e.errno not in NO_NF_TABLES:
            raise
    remove_legacy(attachment, known_addresses)


def remove_legacy(attachment: Attachment, known_addresses: list[bytes], likely: bool = True) -> None:
    """Remove everything of the attachment from the tables of the old interface, if this namespace has any.

    likely: the attachment is expected to have rules there, so that their removal is tried without looking first.
    """
    for version in _NAMES:
        if has_nat(version):
            _remove_legacy(attachment, version, [a for a in known_addresses if version_of(a) == version], likely)


def _legacy_lines(attachment: Attachment, version: int) -> list[str]:
    """Return the lines of iptables-legacy-save that name the container's chain."""
    return _naming(attachment, legacy_save(version))


def _naming(attachment: Attachment, lines: list[str]) -> list[str]:
    chain = attachment.go_chain()
    return [line for line in lines if chain in line.split() or line.startswith(f":{chain} ")]


def legacy_save(version: int) -> list[str]:
    """Return the nat table of the old interface, as iptables-legacy-save prints it.

    [] if the host has no such program.
    """
    path = find(f"{_NAMES[version]}-legacy-save") or find(f"{_NAMES[version]}-save")
    if path is None or not is_legacy(path):
        return []
    name = path.rpartition("/")[2]
    try:
        done = spawn.run(path, [name, "-t", "nat"], _ENVIRONMENT, b"", 2.0 * _WAIT_S)
    except (OSError, spawn.LimitExceeded) as e:
        raise CniError(IPTABLES_FAILED, f"list rules by {name}", words_of(e)) from None
    if done.status != 0:
        raise CniError(IPTABLES_FAILED, f"list rules by {name}", done.err.decode("utf-8", "replace")[:1000])
    return done.out.decode("utf-8", "replace").splitlines()


def _remove_legacy(attachment: Attachment, version: int, known_addresses: list[bytes], likely: bool) -> None:
    chain, comment = attachment.go_chain(), _comment(attachment)
    path = find(f"{_NAMES[version]}-legacy-restore") or _restore(version)
    about = f"remove chain {chain}"
    known = list(dict.fromkeys([cidr_text(address, bits(address)) for address in known_addresses]))
    if likely and known:
        # All or nothing: it fails if anything is not as ADD made it, or another interface uses the chain.
        jumps = [f"-D POSTROUTING -s {source}{comment} -j {chain}" for source in known]
        try:
            return _run(path, [*jumps, f"-F {chain}", f"-X {chain}"], about)
        except CniError:
            pass
    there = _legacy_lines(attachment, version)
    jumps = [line for line in there if line.startswith(_JUMP)]
    # Two containers may share a chain, whose name is a hash of network and container without a separator.
    own = [line for line in jumps if comment in line or _COMMENT_BEGINS not in line]
    gone = [line for line in own if _source(line) in known or not _is_routed(_source(line))]
    lines = ["-D" + line[2:] for line in gone]
    if there and len(gone) == len(jumps):
        lines += [f"-F {chain}", f"-X {chain}"]
    if lines:
        _run(path, lines, about)


def _source(line: str) -> str:
    """Return the source that a line of iptables-save matches, such as 10.1.2.3/32; "" if none."""
    words = line.split()
    return words[words.index("-s") + 1] if "-s" in words else ""


def _is_routed(source: str) -> bool:
    """Return whether the host has a route to that address alone.

    Then the jump serves another interface of the container.
    """
    return bool(source) and iptables_nft.is_routed(parse_cidr(source)[0])


def gc(network: str, valid: list[Attachment], is_complete: bool) -> None:
    """Delete the chains of the old interface whose rules name the network and no valid attachment.

    is_complete: as in iptables_nft.
    """
    keep = {attachment.containerid for attachment in valid}
    for version in _NAMES:
        owners: dict[str, list[bytes]] = {}
        for line in legacy_save(version) if has_nat(version) else []:
            containerid = iptables_nft.container_in(line.replace('\\"', '"').encode(), network)
            if containerid and line.startswith(_JUMP) and _source(line):
                owners.setdefault(containerid, []).append(parse_cidr(_source(line))[0])
        for containerid, sources in owners.items():
            if containerid not in keep:
                known_addresses = sources if is_complete else []
                _remove_legacy(Attachment(network, containerid, ""), version, known_addresses, likely=False)


def differences(
    firewall: Firewall, attachment: Attachment, addresses: list[Prefix], variants: dict[int, Variant]
) -> list[str]:
    """Return what is missing of the masquerading of each address, in words."""
    saved = {v: _saved(firewall, v) for v in _NAMES if has_nat(v)}
    legacy = {v: lines for v in saved for lines in [_naming(attachment, saved[v])] if lines}
    words = []
    for version, lines in legacy.items():
        sources = {_source(line) for line in lines if line.startswith(_JUMP)}
        chain = [line for line in lines if line.startswith(f"-A {attachment.go_chain()} ")]
        if version in variants:
            from .firewall.iptables_variant import lacks_of_lines

            lacks = lacks_of_lines(chain, variants[version])
            words += [f"iptables chain {attachment.go_chain()} {lack}" for lack in lacks]
        elif not any("MASQUERADE" in line for line in chain):
            words.append(f"iptables chain {attachment.go_chain()} does not masquerade")
        for address, _ in addresses:
            if version_of(address) == version and cidr_text(address, bits(address)) not in sources:
                words.append(f"iptables does not lead {text_of(address)} to {attachment.go_chain()}")
    rest = [(a, n) for a, n in addresses if version_of(a) not in legacy]
    return words + (iptables_nft.differences(attachment, rest, variants) if rest else [])


def _saved(firewall: Firewall, version: int) -> list[str]:
    return firewall.once(("iptables", version), lambda: legacy_save(version))


def why_unavailable() -> str:
    """Return why iptables could not masquerade, "" if it could: an empty transaction on the nat table is tried."""
    try:
        _run(_restore(4), [], "try the nat table")
    except CniError as e:
        return str(e)
    return ""
