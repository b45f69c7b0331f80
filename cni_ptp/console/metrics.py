"""ptp metrics: this host's attachments, addresses and last calls for a monitoring system.

The text is OpenMetrics, of gauges alone, so that readers of Prometheus' older text format take it as well.
Source: https://github.com/prometheus/OpenMetrics specification/OpenMetrics.md.
"""

from __future__ import annotations

import argparse
import json
import os
from datetime import datetime, timezone

from .. import __version__
from ..base.errors import CniError
from ..base.printable import printable
from ..system.state_files import opened
from . import atomic_file, lease_files
from .comparison import Comparison, compare_all
from .inventory import inventory, places
from .pools import pools_of
from .terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .inventory import Inventory, Network

ABOUT = """\
Prints what a monitoring system wants to know, as OpenMetrics text: attachments
by network and state, addresses used and free by range, when the last call of
each verb was, how long it took and its code (from the configured logFile). For
the textfile collector of node_exporter: --output, called by a timer. As root.
Exit status: 0 if the numbers were printed, 3 if they cannot be seen.
"""
EXAMPLES = """\
examples:
  ptp metrics
  ptp metrics --output /var/lib/prometheus/node-exporter/cni_ptp.prom
"""
_STATES = ("healthy", "unhealthy", "unseen")
_MOST_LOG = 1 << 20  # bytes of the end of a log


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    help_output = "write there, whole or not at all, instead of printing"
    parser.add_argument("--output", metavar="FILE", help=help_output)
    places(parser)


def run(options: argparse.Namespace) -> int:
    """Print or write the numbers; return the exit status."""
    seen = inventory(options.conf_dir, options.data_dir)
    with Comparison(seen) as comparison:
        compare_all(comparison)
    text = "".join([*_families(seen), "# EOF\n"])
    if options.output:
        path = os.path.abspath(options.output)
        with atomic_file.Aside(path, text.encode("utf-8"), 0o644) as aside:
            aside.move_to(path)
    else:
        Terminal().text(text)
    return 0


def _families(seen: Inventory) -> Iterator[str]:
    yield _family("info", "The version of the plugin ptp.", [({"version": __version__}, 1)])
    help_attachments = "Attachments of this host: as ADD left them, different, or not to be compared."
    yield _family("attachments", help_attachments, list(_attachments(seen)))
    wrong = [({"network": name}, sum(bool(f.wrong) for f in _of(seen, name))) for name in _names(seen)]
    yield _family("repairs_needed", "Attachments that differ from what ADD made: see ptp check.", wrong)
    pools = [(network, pool) for network in seen.networks.values() for pool in pools_of(network, _leases(network))]
    used = [({"network": network.name, "range": pool.text}, pool.taken) for network, pool in pools]
    free = [({"network": network.name, "range": pool.text}, pool.free()) for network, pool in pools]
    yield _family("addresses_used", "Leased addresses of a range.", used)
    yield _family("addresses_free", "Addresses of a range that nobody has.", free)
    calls = list(_last_calls(seen))
    yield _family("last_call_seconds", "How long the last call of a verb took.", [(c.labels, c.seconds) for c in calls])
    yield _family("last_call_timestamp_seconds", "When that was (Unix time).", [(c.labels, c.time) for c in calls])
    yield _family("last_call_code", "Its CNI error code, 0 for success.", [(c.labels, c.code) for c in calls])


def _names(seen: Inventory) -> list[str]:
    return sorted({f.attachment.network for f in seen.attachments()} | set(seen.networks))


def _of(seen: Inventory, network: str) -> list[Any]:
    return [found for found in seen.attachments() if found.attachment.network == network]


def _attachments(seen: Inventory) -> Iterator[tuple[dict[str, str], float]]:
    for name in _names(seen):
        states = ["unhealthy" if f.wrong else "unseen" if f.unseen else "healthy" for f in _of(seen, name)]
        for state in _STATES:
            yield {"network": name, "state": state}, states.count(state)


def _leases(network: Network) -> list[lease_files.LeaseFile]:
    try:
        return lease_files.of_network(network.data_dir(), network.name) if network.has_leases() else []
    except OSError:
        return []


class _Call:
    """The last call of one verb on one network.  seconds: how long it took.  time: when it ended, since 1970."""

    __slots__ = ("labels", "seconds", "time", "code")

    def __init__(self, record: dict[str, Any]) -> None:
        self.labels = {"network": str(record["network"]), "command": str(record["command"])}
        self.seconds = float(record["ms"]) / 1000
        when = datetime.strptime(str(record["time"]), "%Y-%m-%dT%H:%M:%S.%fZ")
        self.time = when.replace(tzinfo=timezone.utc).timestamp()
        self.code = int(record["code"])


def _last_calls(seen: Inventory) -> Iterator[_Call]:
    """Return the last call of each verb on each network, as the ends of the logs tell."""
    found: dict[tuple[str, str], _Call] = {}
    for path in sorted({str(n.conf["logfile"]) for n in seen.networks.values() if n.conf.get("logfile")}):
        for line in _end_of(path).splitlines():
            try:
                call = _Call(json.loads(line))
            except (ValueError, KeyError, TypeError, OverflowError):
                continue  # the first may be half a line; anybody may write into a log
            found[call.labels["network"], call.labels["command"]] = call
    for key in sorted(found):
        if key[0] in seen.networks and key[1] in ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"):
            yield found[key]


def _end_of(path: str) -> bytes:
    try:
        fd = opened(path, os.O_RDONLY)
    except (OSError, CniError):
        return b""
    with open(fd, "rb") as file:
        file.seek(max(0, os.fstat(fd).st_size - _MOST_LOG))
        return file.read(_MOST_LOG)


def _family(name: str, about: str, samples: Sequence[tuple[dict[str, str], float]]) -> str:
    """Return a metric family: its type, its help and a line for each sample, "" without samples."""
    if not samples:
        return ""
    lines = [f"# TYPE cni_ptp_{name} gauge", f"# HELP cni_ptp_{name} {about}"]
    for labels, value in samples:
        listed = ",".join([f'{key}="{_escaped(text)}"' for key, text in labels.items()])
        lines.append(f"cni_ptp_{name}{{{listed}}} {value:.15g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')
