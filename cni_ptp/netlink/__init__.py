"""Netlink families: pure message builders and readers, and one socket."""
