"""Keep what lies in the packet filter: masquerading and the guard against spoofing."""
