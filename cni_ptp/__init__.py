"""The CNI plugin ptp: a container joined to its host by a routed veth pair."""

__version__ = "1.0.0"
