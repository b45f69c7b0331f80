"""The configuration of host-local, validated.  Pure.

Source: plugins/ipam/host-local/backend/allocator/config.go of containernetworking/plugins, whose texts the errors keep.
"""

from __future__ import annotations

from ..base.errors import DECODING_FAILURE, INVALID_ENVIRONMENT_VARIABLES, INVALID_NETWORK_CONFIG, CniError
from ..base.ip import parse_cidr, parse_ip
from ..cni.args import known_cni_args
from ..cni.conf import unusable
from ..cni.result import parse_route
from ..cni.versions import at_least
from .data_dir import check_path, data_dir, ipam_of
from .ranges import RangeSet, canonical_set, parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.jsonio import JsonObject
    from ..cni.args import Args
    from ..cni.conf import NetConf
    from ..cni.result import Route
    from .ranges import Wanted

_MOST_RANGES = 1000  # they are compared pair by pair


class Settings:
    """What host-local is to do.

    sets: each gives one address.  requested: packed addresses, in order.  resolv_conf: a path or "".
    """

    __slots__ = ("data_dir", "sets", "requested", "routes", "resolv_conf")

    def __init__(
        self, data_dir: str, sets: list[RangeSet], requested: list[bytes], routes: list[Route], resolv_conf: str
    ) -> None:
        self.data_dir = data_dir
        self.sets = sets
        self.requested = requested
        self.routes = routes
        self.resolv_conf = resolv_conf


def read(conf: NetConf, args: Args) -> Settings:
    """Return all of the configuration.  CniError 4, 6 or 7 before anything is done."""
    ipam = ipam_of(conf)
    path = data_dir(conf)
    resolv_conf = ipam.text("resolvConf")
    check_path("ipam.resolvConf", resolv_conf)
    routes = routes_of(ipam)
    configured = _configured(conf, ipam)  # as Go: unreadable values are reported first
    requested = _requested(conf, args)
    return Settings(path, _sets(conf.cni_version, configured), requested, routes, resolv_conf)


def routes_of(ipam: JsonObject) -> list[Route]:
    """Return ipam.routes.  CniError 6 for a wrong type, 7 for a text that is no subnet or no address."""
    from .validate import validate_route  # DEL and GC read no routes

    routes = []
    for fields in ipam.objects("routes"):
        try:
            routes.append(parse_route(fields))
            validate_route(routes[-1])
        except CniError as e:
            if e.code == DECODING_FAILURE and e.msg == "could not parse result":  # its words for a bad text
                raise unusable(f"invalid route in {fields.path}", e.details) from None
            raise
    return routes


def _configured(conf: NetConf, ipam: JsonObject) -> list[list[Wanted]]:
    """Return the sets as configured, in their order: the runtime's, the single range, the list."""
    sets = _configured_sets(conf.runtime_config(), "ipRanges")
    inline = _wanted(ipam)
    if inline[0] is not None:
        sets.append([inline])
    return sets + _configured_sets(ipam, "ranges")


def _sets(version: str, configured: list[list[Wanted]]) -> list[RangeSet]:
    if not configured:
        raise unusable("no IP ranges specified")
    if sum([len(ranges) for ranges in configured]) > _MOST_RANGES:
        raise unusable("too many IP ranges specified", f"{_MOST_RANGES} are allowed")
    sets = []
    for i, ranges in enumerate(configured):
        try:
            sets.append(canonical_set(ranges))
        except CniError as e:
            raise CniError(e.code, f"invalid range set {i}: {e.msg}", e.details) from None
    one_per_family(version, [s.size for s in sets])
    for i, first in enumerate(sets):
        for j in range(i + 1, len(sets)):
            if first.overlaps(sets[j]):
                raise unusable(f"range set {i} overlaps with {j}")
    return sets


def _configured_sets(fields: JsonObject, key: str) -> list[list[Wanted]]:
    from ..base.jsonio import JsonObject, wrong_type

    sets = []
    for i, item in enumerate(fields.items(key) or []):
        path = f"{fields.name(key)}[{i}]"
        if item is not None and not isinstance(item, list):
            raise wrong_type(path, "a list", item)
        sets.append([_wanted(JsonObject({} if r is None else r, f"{path}[{j}]")) for j, r in enumerate(item or [])])
    return sets


def _wanted(fields: JsonObject) -> Wanted:
    """Return one range as configured.  CniError 7 for a text that is no address or no subnet, in Go's words."""
    subnet = fields.text("subnet") if fields.has("subnet") else None
    if subnet is not None:
        parsed(parse_cidr, subnet)
    return (
        subnet,
        _range_address(fields, "rangeStart"),
        _range_address(fields, "rangeEnd"),
        _range_address(fields, "gateway"),
    )


def _range_address(fields: JsonObject, key: str) -> bytes | None:
    text = fields.text(key)
    return parsed(parse_ip, text) if text else None


def one_per_family(version: str, sizes: list[int]) -> None:
    """Raise CniError 7 if results of the version cannot express addresses of these sizes (bytes)."""
    if max(sizes.count(4), sizes.count(16)) > 1 and not at_least(version, "0.3.0"):
        raise unusable(f"CNI version {version} does not support more than 1 address per family")


def _requested(conf: NetConf, args: Args) -> list[bytes]:
    addresses = []
    text = known_cni_args(args.args, ("IP",)).get("IP", "")
    if text:
        try:
            addresses.append(_address(text))
        except CniError as e:
            raise CniError(
                INVALID_ENVIRONMENT_VARIABLES, f'ARGS: error parsing value of pair "IP={text}": {e.msg}'
            ) from None
    texts = (conf.cni_conf_args().texts("ips") or []) + (conf.runtime_config().texts("ips") or [])
    addresses += [_address(text) for text in texts]
    return list(dict.fromkeys(addresses))


def _address(text: str) -> bytes:
    """Return the address of "IP" or "IP/LENGTH"; the length is of no use here."""
    if not text:
        raise CniError(INVALID_NETWORK_CONFIG, "cannot understand ip: IP <nil> not v4 nor v6")
    try:
        return parse_cidr(text)[0] if "/" in text else parse_ip(text)
    except ValueError:
        raise unusable(f"invalid IP address {text}") from None
