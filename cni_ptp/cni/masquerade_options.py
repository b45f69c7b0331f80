"""How a network is masqueraded where "ipMasq" alone does not tell: the keys for it, validated.  Pure.

Loaded only if one of the keys is given.  Source: docs/masquerade.md.
"""

from __future__ import annotations

from ..base.errors import INVALID_NETWORK_CONFIG, CniError
from ..base.ip import (
    cidr_text,
    contains,
    is_usable_by_a_container,
    network_of,
    parse_cidr,
    parse_ip,
    text_of,
    version_of,
)
from ..base.jsonio import wrong_type
from .attachment import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.ip import Prefix
    from ..base.jsonio import JsonObject


FAMILIES = {"ipv4": 4, "ipv6": 6}
NAME_DIGITS = 12
MASQUERADE, SNAT, RANDOM_FULLY = "masquerade", "snat to ", " fully-random"


class Variant:
    """How the addresses of one IP version are masqueraded.

    name: the same for the same settings, whichever network has them.  source: the packed address that is seen outside,
    None for that of the link which the packet leaves by.  random_fully: of the ports.  spares: whether there are
    destinations that are not masqueraded.  networks: these, none inside another, ascending; [] if only the nf_tables
    set has them.
    """

    __slots__ = ("version", "name", "source", "random_fully", "spares", "networks")

    def __init__(
        self,
        version: int,
        source: bytes | None,
        random_fully: bool,
        networks: list[Prefix],
        name: str = "",
        spares: bool = False,
    ) -> None:
        self.version = version
        self.source = source
        self.random_fully = random_fully
        self.networks = networks
        self.spares = spares or bool(networks)
        settings = [str(version), self.statement(), *[cidr_text(*n) for n in networks]]
        self.name = name or digest(" ".join(settings))[:NAME_DIGITS]

    def statement(self) -> str:
        """Return what is done with a packet, as nft writes it."""
        words = SNAT + text_of(self.source) if self.source is not None else MASQUERADE
        return words + RANDOM_FULLY if self.random_fully else words

    def iptables_target(self) -> str:
        """Return the same as iptables writes it."""
        words = f"SNAT --to-source {text_of(self.source)}" if self.source is not None else "MASQUERADE"
        return f"{words} --random-fully" if self.random_fully else words


class Options:
    """The keys.  versions: the IP versions that are masqueraded.  variants: by IP version, for those that need one."""

    __slots__ = ("versions", "variants")

    def __init__(self, versions: tuple[int, ...], variants: dict[int, Variant]) -> None:
        self.versions = versions
        self.variants = variants

    def masqueraded(self, addresses: list[Prefix]) -> list[Prefix]:
        """Return those of the addresses that are to be masqueraded."""
        return [(address, length) for address, length in addresses if version_of(address) in self.versions]


def parse(fields: JsonObject) -> Options:
    """Return the options of a configuration.  CniError 6 for a wrong type, 7 for a value that cannot be used."""
    networks = _networks(fields)
    sources = _sources(fields)
    random_fully = fields.flag("ipMasqRandomFully")
    versions = _versions(fields)
    variants = {}
    for version in versions:
        spared = [n for n in networks if version_of(n[0]) == version]
        if spared or version in sources or random_fully:
            variants[version] = Variant(version, sources.get(version), random_fully, spared)
    return Options(versions, variants)


def _unusable(key: str, details: str) -> CniError:
    return CniError(INVALID_NETWORK_CONFIG, f"{key} cannot be used", details)


def _networks(fields: JsonObject) -> list[Prefix]:
    """Return the networks of "nonMasqueradeCIDRs", without those inside others, ascending."""
    key = "nonMasqueradeCIDRs"
    found: list[Prefix] = []
    for text in fields.texts("nonMasqueradeCIDRs") or []:
        try:
            address, length = parse_cidr(text)
        except ValueError as e:
            raise _unusable(key, str(e)) from None
        if network_of(address, length) != address:
            meant = cidr_text(network_of(address, length), length)
            raise _unusable(key, f"{text} is an address within a network; the network is {meant}")
        found.append((address, length))
    kept: list[Prefix] = []
    for network, length in sorted(found, key=lambda n: (len(n[0]), n)):
        if not kept or not contains(*kept[-1], network):  # a larger one of the same beginning comes first
            kept.append((network, length))
    return kept


def _sources(fields: JsonObject) -> dict[int, bytes]:
    """Return the addresses of "ipMasqSource", which is one or a list of them, by IP version."""
    key = "ipMasqSource"
    value = fields.members.get(key.lower())
    if value is not None and not isinstance(value, (str, list)):
        raise wrong_type(fields.name(key), "a string or a list of strings", value)
    found: dict[int, bytes] = {}
    for text in [value] if isinstance(value, str) else fields.texts("ipMasqSource") or []:
        try:
            address = parse_ip(text)
        except ValueError as e:
            raise _unusable(key, str(e)) from None
        if not is_usable_by_a_container(address) or (address[0], address[1] & 0xC0) == (0xFE, 0x80):
            raise _unusable(key, f"{text} is no address that others can answer to")
        if version_of(address) in found:
            raise _unusable(key, f"it has two addresses of IPv{version_of(address)}")
        found[version_of(address)] = address
    return found


def _versions(fields: JsonObject) -> tuple[int, ...]:
    """Return the IP versions of "ipMasqFamilies"."""
    key = "ipMasqFamilies"
    names = fields.texts("ipMasqFamilies")
    if names is None:
        return (4, 6)
    for name in names:
        if name not in FAMILIES:
            raise _unusable(key, f'unknown family "{name}", one of {", ".join(FAMILIES)}')
    if not names:
        raise _unusable(key, 'it is empty; "ipMasq": false masquerades nothing')
    return tuple([version for name, version in FAMILIES.items() if name in names])
