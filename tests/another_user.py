"""Tests that need a file of another user.  The user namespace of an ordinary user has one user only: root runs them.

`@ANOTHER_USER` marks a test, `@ANOTHER_USER(kind="foreign")` those with that parameter.  The hook is for conftest.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOREIGN = 12345
ANOTHER_USER = pytest.mark.another_user


def give_away(path: Path) -> None:
    """Another user owns the file, directory or symbolic link."""
    os.chown(path, FOREIGN, FOREIGN, follow_symlinks=False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, where there is one user only, what needs two."""
    if int(Path("/proc/self/uid_map").read_text().split()[2]) > FOREIGN:
        return
    left_out = [item for item in items if needs_another_user(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def needs_another_user(item: pytest.Item) -> bool:
    """Return whether the test is marked, or marked for its parameters."""
    params = getattr(item, "callspec").params if hasattr(item, "callspec") else {}  # noqa: B009
    marks = list(item.iter_markers("another_user"))
    return any(not mark.kwargs or any(params.get(k) == v for k, v in mark.kwargs.items()) for mark in marks)
