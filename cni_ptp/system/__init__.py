"""Call the operating system apart from netlink: namespaces, sysctls, processes, signals, files."""
