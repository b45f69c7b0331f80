"""The CNI plugin ptp: a container joined to its host by a routed veth pair."""
