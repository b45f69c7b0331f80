"""Limits on what a container sends and receives: queueing disciplines of the kernel."""
