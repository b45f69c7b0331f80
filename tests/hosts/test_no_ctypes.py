"""Debian 11's python3-minimal is CPython 3.9 without ctypes."""

from __future__ import annotations

import sys

import pytest

from cni_ptp import netns
from cni_ptp.errors import INVALID_NETNS, CniError


def test_a_python_with_neither_setns_nor_ctypes_is_told_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(netns.os, "setns", raising=False)  # type: ignore[attr-defined]
    for module in ("_ctypes", "ctypes"):
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(CniError) as refused:
        netns._setns()

    assert refused.value.code == INVALID_NETNS
    assert "3.12" in (refused.value.details or "")
