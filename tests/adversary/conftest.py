"""Fixtures of the adversary's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adversary.world import World
from tests.namespaces import Host


@pytest.fixture
def world(host: Host, go_plugins: str) -> Iterator[World]:
    """A host with an uplink to an outside, on which the Go plugins are installed as well."""
    made = World(host)
    made.outside()
    yield made
    made.end()
