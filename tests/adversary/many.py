"""A container that gives its interface thousands of addresses, routes and names."""

from __future__ import annotations

from tests.namespaces import Container

# The kernel takes 64 KiB of alternative names: 496 of the longest.
ALTNAMES = [f"a{i:04}".ljust(127, "x") for i in range(496)]


def batch(container: Container, *lines: str) -> None:
    """The container's owner gives these commands to ip."""
    container.run("ip", "-batch", "-", input="\n".join(lines) + "\n")


def name_often(container: Container, link: str = "eth0") -> None:
    """The link has as many alternative names as the kernel takes."""
    batch(container, *[f"link property add dev {link} altname {name}" for name in ALTNAMES])


def add_routes(container: Container, count: int) -> None:
    """The container's table has so many more routes, which the kernel lists before most of ours."""
    ways = [f"route add 1.{i >> 8 & 255}.{i & 255}.{i >> 16} via 10.1.2.1 dev eth0" for i in range(count)]
    batch(container, *ways)


def add_addresses(container: Container, count: int) -> None:
    """The container's interface has so many more addresses."""
    batch(container, *[f"addr add 1.{i >> 8 & 255}.{i & 255}.1/32 dev eth0" for i in range(count)])
