"""Masquerading by iptables: one iptables-restore a family, for hosts where nf_tables is not to be had or not wanted.

Chains, rules and comments are those of the Go plugin (pkg/ip/ipmasq_iptables_linux.go), so that either cleans up after
the other.  Source: iptables-restore(8), iptables-extensions(8).
"""

from __future__ import annotations

import errno

from . import iptables_nft, spawn
from .attachment import Attachment
from .errors import IPTABLES_FAILED, CniError
from .ip import bits, cidr_text, network_of, text_of
from .nft_masquerade import open_socket

# Not the caller's PATH: what runs with our privileges is found where the system keeps it.
_DIRECTORIES = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin")
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
_NAMES = {4: "iptables", 6: "ip6tables"}
_MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}
_TABLES = {4: "/proc/net/ip_tables_names", 6: "/proc/net/ip6_tables_names"}
_NO_NF_TABLES = (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL)
_WAIT_S = 30  # for the xtables lock
_MOST_COMMENT = 255  # XT_MAX_COMMENT_LEN - 1, include/uapi/linux/netfilter/xt_comment.h


def find(name: str) -> str | None:
    """The absolute path of a program of iptables; None if the host has none."""
    import os

    for directory in _DIRECTORIES:
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK):
            return path
    return None


def is_legacy(path: str) -> bool:
    """Whether the program works on the tables of the old kernel interface rather than on nf_tables."""
    import os

    return "legacy" in os.path.basename(os.path.realpath(path))


def add(attachment: Attachment, addresses: list[tuple[bytes, int]]) -> None:
    """Each (packed address, prefix length) is masqueraded, by one process a family.

    CniError 101 if iptables is not there or fails; then what an earlier family got is taken back.
    """
    families = {v: [(a, n) for a, n in addresses if 8 * len(a) == (32 if v == 4 else 128)] for v in _NAMES}
    done: list[int] = []
    try:
        for version, some in families.items():
            if some:
                path = _restore(version)
                lines = _addition(attachment, version, some, is_legacy(path))
                _run(path, lines, f"masquerade {', '.join([text_of(a) for a, _ in some])}")
                done.append(version)
    except CniError:
        if done:
            remove(attachment, [a for a, _ in addresses])
        raise


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


def _addition(attachment: Attachment, version: int, addresses: list[tuple[bytes, int]], legacy: bool) -> list[str]:
    """The rules to add.  The chain may be there for another interface of the container: then it is added to."""
    chain, comment = attachment.go_chain(), _comment(attachment)
    subnets = list(dict.fromkeys([cidr_text(network_of(a, n), n) for a, n in addresses]))
    lines = []
    if legacy or not _chain_is_there(attachment, version):
        lines.append(f":{chain} - [0:0]")
        lines += [f"-A {chain} -d {subnet}{comment} -j ACCEPT" for subnet in subnets]
        lines.append(f"-A {chain} ! -d {_MULTICAST[version]}{comment} -j MASQUERADE")
    else:
        # In front: behind the MASQUERADE that is there it would never be reached.
        lines += [f"-I {chain} -d {subnet}{comment} -j ACCEPT" for subnet in subnets]
    lines += [f"-A POSTROUTING -s {cidr_text(a, bits(a))}{comment} -j {chain}" for a, _ in addresses]
    return lines


def _chain_is_there(attachment: Attachment, version: int) -> bool:
    try:
        with open_socket() as sock:
            return bool(iptables_nft.chain_rules(sock, version, attachment))
    except OSError:
        return False


def _run(path: str, lines: list[str], about: str) -> None:
    name = path.rpartition("/")[2]
    stdin = "\n".join(["*nat", *lines, "COMMIT", ""]).encode()
    try:
        done = spawn.run(path, [name, "--noflush", f"--wait={_WAIT_S}"], _ENVIRONMENT, stdin, 2.0 * _WAIT_S)
    except (OSError, spawn.Overrun) as e:
        raise CniError(IPTABLES_FAILED, f"{about} by {name}", str(e)) from None
    if done.status != 0:
        words = done.err.decode("utf-8", "replace").strip().replace("\n", " ")
        raise CniError(IPTABLES_FAILED, f"{about} by {name}", words[:1000] or f"exit status {done.status}")


def remove(attachment: Attachment, hints: list[bytes]) -> None:
    """Nothing of the attachment is left in iptables, of either flavour, whoever made it; nothing there is success.

    What iptables-nft made is removed through netlink.  The old interface can only be read by its own program.
    """
    try:
        with open_socket() as sock:
            iptables_nft.remove(sock, attachment, hints)
    except OSError as e:
        if e.errno not in _NO_NF_TABLES:
            raise
    remove_legacy(attachment, hints)


def remove_legacy(attachment: Attachment, hints: list[bytes]) -> None:
    """Nothing of the attachment is left in the tables of the old interface, if this namespace has any."""
    for version in _NAMES:
        if legacy_is_used(version):
            _remove_legacy(attachment, version, hints)


def legacy_is_used(version: int) -> bool:
    """Whether this network namespace has a nat table of the old interface."""
    try:
        with open(_TABLES[version], encoding="ascii", errors="replace") as names:
            return "nat\n" in names.read()
    except OSError:
        return False


def _legacy_rules(attachment: Attachment, version: int) -> list[str]:
    """The lines of iptables-legacy-save that name the container's chain."""
    path = find(f"{_NAMES[version]}-legacy-save") or find(f"{_NAMES[version]}-save")
    if path is None or not is_legacy(path):
        return []
    name = path.rpartition("/")[2]
    try:
        done = spawn.run(path, [name, "-t", "nat"], _ENVIRONMENT, b"", 2.0 * _WAIT_S)
    except (OSError, spawn.Overrun) as e:
        raise CniError(IPTABLES_FAILED, f"list rules by {name}", str(e)) from None
    if done.status != 0:
        raise CniError(IPTABLES_FAILED, f"list rules by {name}", done.err.decode("utf-8", "replace")[:1000])
    chain = attachment.go_chain()
    return [line for line in done.out.decode("utf-8", "replace").splitlines() if chain in line.split()]


def _remove_legacy(attachment: Attachment, version: int, hints: list[bytes]) -> None:
    chain = attachment.go_chain()
    there = [line for line in _legacy_rules(attachment, version) if line.startswith("-A POSTROUTING ")]
    known = {cidr_text(address, bits(address)) for address in hints}
    # With addresses known, a jump for another one serves another interface of the container.
    gone = [line for line in there if not known or known.intersection(line.split())]
    lines = ["-D" + line[2:] for line in gone]
    if len(gone) == len(there) and (there or _declared(attachment, version)):
        lines += [f"-F {chain}", f"-X {chain}"]
    if lines:
        path = find(f"{_NAMES[version]}-legacy-restore") or _restore(version)
        _run(path, lines, f"remove chain {chain}")


def _declared(attachment: Attachment, version: int) -> bool:
    """Whether the chain is there though no jump leads to it."""
    return any(line.startswith(f"-A {attachment.go_chain()} ") for line in _legacy_rules(attachment, version))


def findings(attachment: Attachment, addresses: list[tuple[bytes, int]]) -> list[str]:
    """What is missing of the masquerading of each address, in words."""
    legacy = [v for v in _NAMES if legacy_is_used(v) and _legacy_rules(attachment, v)]
    words = []
    for version in legacy:
        rules = [line for line in _legacy_rules(attachment, version) if line.startswith("-A POSTROUTING ")]
        for address, _ in addresses:
            if bits(address) == (32 if version == 4 else 128):
                source = cidr_text(address, bits(address))
                if not any(source in rule.split() for rule in rules):
                    words.append(f"iptables does not lead {text_of(address)} to {attachment.go_chain()}")
    rest = [(a, n) for a, n in addresses if (4 if len(a) == 4 else 6) not in legacy]
    return words + (iptables_nft.findings(attachment, rest) if rest else [])


def unusable() -> str:
    """Why iptables could not masquerade, "" if it could: an empty transaction on the nat table is tried."""
    try:
        _run(_restore(4), [], "try the nat table")
    except CniError as e:
        return str(e)
    return ""
