"""Where addresses come from: host-local and static embedded, anything else by its binary."""
