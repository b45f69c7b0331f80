"""End-to-end tests: `make e2e`.  They need containerd and podman, so the default test run leaves them out."""

from __future__ import annotations

import os

import pytest
from busybox_image import image as make_image

from tests.e2e.machine import PTP, Machine, missing_programs
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401  hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.register_assert_rewrite("tests.e2e.reach")
collect_ignore_glob = [] if os.environ.get("CNI_PTP_E2E") else ["test_*.py"]


@pytest.fixture(scope="session")
def image() -> bytes:
    """A container image that holds busybox."""
    return make_image()


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine with an outside that answers on both families."""
    missing = missing_programs("containerd", "ctr", "podman", "runc", "busybox", "curl", "nft", "tc", "nsenter")
    assert not missing, f"not installed: {missing}; `make e2e` installs them"
    assert PTP.exists(), f"{PTP} is not there: `make` builds it"
    machine = Machine()
    try:
        machine.listen_outside()
        yield machine
    finally:
        machine.close()
