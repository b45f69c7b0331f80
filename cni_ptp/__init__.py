"""The CNI plugin ptp: a container joined to its host by a routed veth pair."""

__version__ = "1.0.0"

# The names by which the file is another plugin: an IPAM, or one of a chain, a module of chained/ each.
IPAM_ROLES = ("host-local", "static")
CHAINED_ROLES = ("portmap", "bandwidth", "tuning", "loopback")
