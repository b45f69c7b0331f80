"""The network configuration, validated; the raw bytes are kept for delegated plugins.  Pure.

`read` judges what every CNI plugin must judge, `ptp` the keys of this one; both before any effect.
Source: CNI SPEC.md "Network configuration format"; docs/configuration.md for our own keys.
"""

from __future__ import annotations

from ..base.errors import DECODING_FAILURE, INVALID_NETWORK_CONFIG, CniError
from ..base.jsonio import JsonObject, loads
from .args import Args, cni_args, is_name
from .attachment import Attachment
from .result import Dns, Result, parse_dns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .bandwidth import Bandwidth
    from .masquerade_options import Options
    from .port_mappings import PortMappings

_MASQUERADE_OPTIONS = ("nonMasqueradeCIDRs", "ipMasqSource", "ipMasqRandomFully", "ipMasqFamilies")
_LIMITS = ("ingressRate", "ingressBurst", "egressRate", "egressBurst")
BACKENDS = ("nftables", "iptables")
_MOST_ATTACHMENTS = 100_000  # a list of 1 MiB, the most we read, has fewer
_MOST_NAME = 200  # a network's name becomes a directory's; NAME_MAX is 255
AUTO = -1  # as an MTU: that of the link by which packets leave the host
_LEAST_MTU, _MOST_MTU = 68, 65535  # RFC 791; drivers/net/veth.c veth_setup max_mtu ETH_MAX_MTU


def unusable(msg: str, details: str = "") -> CniError:
    """Return the error for a configured value that cannot be used."""
    return CniError(INVALID_NETWORK_CONFIG, msg, details)


class NetConf:
    """What every plugin knows of its configuration.  ipam: its object, or None.  fields: the whole object."""

    __slots__ = ("raw", "fields", "cni_version", "name", "type", "ipam")

    def __init__(
        self, raw: bytes, fields: JsonObject, cni_version: str, name: str, type: str, ipam: JsonObject | None
    ) -> None:
        self.raw = raw
        self.fields = fields
        self.cni_version = cni_version
        self.name = name
        self.type = type
        self.ipam = ipam

    def prev_result(self) -> Result | None:
        """Return the result of the plugins before, or of the ADD being checked.  CniError 6 if it cannot be read."""
        document = self.fields.object("prevResult")
        if document is None:
            return None
        from . import result_read

        return result_read.parse(document, self.cni_version)

    def runtime_config(self) -> JsonObject:
        """Return the capability arguments that the runtime filled in."""
        return self.fields.object("runtimeConfig") or JsonObject({}, "runtimeConfig")

    def cni_conf_args(self) -> JsonObject:
        """Return the object `args.cni`."""
        outer = self.fields.object("args")
        return (outer.object("cni") if outer else None) or JsonObject({}, "args.cni")

    def valid_attachments(self) -> list[Attachment] | None:
        """Return what GC must keep; None if the runtime gave no list: then nothing may be collected.

        libcni writes the list twice, once under a mis-spelt key; either is taken.
        """
        for key in ("cni.dev/valid-attachments", "cni.dev/attachments"):
            if self.fields.has(key):
                listed = self.fields.objects(key, _MOST_ATTACHMENTS)
                return [Attachment(self.name, f.text("containerID"), f.text("ifname")) for f in listed]
        return None


def read(raw: bytes) -> NetConf:
    """Return the configuration of a network.

    CniError 6 if it is no JSON object, 7 if its name is missing or invalid.
    """
    try:
        value: Any = loads(raw)
    except ValueError as e:
        raise CniError(DECODING_FAILURE, f"error unmarshall network config: {e}") from None
    # As in Go, a top-level null is an empty configuration.
    fields = JsonObject({} if value is None else value, "")
    name = fields.text("name")
    if not name:
        raise CniError(INVALID_NETWORK_CONFIG, "missing network name")
    if not is_name(name):
        raise CniError(INVALID_NETWORK_CONFIG, "invalid characters found in network name", name)
    if len(name) > _MOST_NAME:
        raise CniError(
            INVALID_NETWORK_CONFIG, "network name is too long", f"{len(name)} characters, {_MOST_NAME} are allowed"
        )
    version = fields.text("cniVersion") or "0.1.0"
    return NetConf(raw, fields, version, name, fields.text("type"), fields.object("ipam"))


class PtpSettings:
    """The keys of this plugin.

    ip_masq_options: None if none of them is given.  mtu: bytes, 0 for the kernel's default, or AUTO.
    mac: 6 bytes or None.  port_mappings, bandwidth: None if nobody asks for any.
    """

    __slots__ = (
        "ip_masq",
        "ip_masq_backend",
        "ip_masq_options",
        "mtu",
        "dns",
        "mac",
        "anti_spoof",
        "port_mappings",
        "bandwidth",
    )

    def __init__(
        self,
        ip_masq: bool,
        ip_masq_backend: str,
        ip_masq_options: Options | None,
        mtu: int,
        dns: Dns,
        mac: bytes | None,
        anti_spoof: bool,
        port_mappings: PortMappings | None,
        bandwidth: Bandwidth | None,
    ) -> None:
        self.ip_masq = ip_masq
        self.ip_masq_backend = ip_masq_backend
        self.ip_masq_options = ip_masq_options
        self.mtu = mtu
        self.dns = dns
        self.mac = mac
        self.anti_spoof = anti_spoof
        self.port_mappings = port_mappings
        self.bandwidth = bandwidth


def ptp_settings(conf: NetConf, args: Args) -> PtpSettings:
    """Return the plugin's own settings.  CniError 6 for a wrong type, 7 for a value that cannot be used."""
    fields = conf.fields
    backend = fields.text("ipMasqBackend")
    if backend not in BACKENDS and fields.has("ipMasqBackend"):
        raise CniError(INVALID_NETWORK_CONFIG, f'unknown ipmasq backend "{backend}"', f"one of {', '.join(BACKENDS)}")
    options = None
    if any(fields.has(key) for key in _MASQUERADE_OPTIONS):
        from .masquerade_options import parse

        options = parse(fields)
    if fields.members.get("mtu") == "auto":
        mtu = AUTO
    else:
        mtu = max(fields.number("mtu") or 0, 0)  # as in Go, a negative mtu is no mtu
    if mtu > 0 and not _LEAST_MTU <= mtu <= _MOST_MTU:
        raise CniError(INVALID_NETWORK_CONFIG, f"mtu {mtu} cannot be used", f"from {_LEAST_MTU} to {_MOST_MTU}")
    dns = parse_dns(fields.object("dns"))
    fields.flag("embeddedIPAM", True)  # read by ipam_for; of a wrong type it is refused here already
    mac, guard, masquerades = _mac(conf, args), fields.flag("antiSpoof"), fields.flag("ipMasq")
    return PtpSettings(masquerades, backend, options, mtu, dns, mac, guard, port_mappings(conf), bandwidth(conf))


def port_mappings(conf: NetConf) -> PortMappings | None:
    """Return the mappings of ports that the runtime asks for; None if there are none.  CniError 6 or 7."""
    if not conf.fields.has("runtimeConfig") or not conf.runtime_config().has("portMappings"):
        return None
    from .port_mappings import parse

    return parse(conf.runtime_config(), conf.fields)


def bandwidth(conf: NetConf) -> Bandwidth | None:
    """Return the limits that the configuration or the runtime asks for; None if there are none.  CniError 6 or 7."""
    by_runtime = conf.fields.has("runtimeConfig") and conf.runtime_config().has("bandwidth")
    if not by_runtime and not any(map(conf.fields.has, _LIMITS)):
        return None
    from .bandwidth import parse

    return parse(conf.runtime_config(), conf.fields)


def _mac(conf: NetConf, args: Args) -> bytes | None:
    """Return the MAC requested for the container's end: runtimeConfig.mac, else args.cni.mac, else MAC= of CNI_ARGS."""
    text = conf.runtime_config().text("mac") or conf.cni_conf_args().text("mac")
    if not text and "MAC=" in args.args:
        text = dict(cni_args(args.args)).get("MAC", "")
    if not text:
        return None
    from .mac import parse

    return parse(text)


def mac_text(mac: bytes) -> str:
    """Return a MAC as the kernel and CNI results write it: lower case, colons."""
    return mac.hex(":")
