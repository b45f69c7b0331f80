"""python3-minimal of Debian 11 and 12 has neither ctypes nor json; that of Debian 13 is enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from cni_ptp.base.errors import INVALID_NETNS, PLUGIN_NOT_AVAILABLE, CniError
from cni_ptp.system import netns
from tests.conftest import ROOT


def test_a_python_with_neither_setns_nor_ctypes_is_told_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(netns.os, "setns", raising=False)  # type: ignore[attr-defined]
    for module in ("_ctypes", "ctypes"):
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(CniError) as refused:
        netns._setns()(-1, 0)

    assert refused.value.code == INVALID_NETNS
    assert "3.12" in (refused.value.details or "")


def test_a_python_without_json_is_told_so_in_one_document() -> None:
    missing = "sys.modules.update(_json=None, json=None)"  # in some Pythons _json is built in
    program = (
        f"import sys; {missing}; sys.path[:0] = sys.argv[1:]; from cni_ptp.main import main; sys.exit(main(['ptp']))"
    )
    argv = [sys.executable, "-S", "-c", program, str(ROOT)]
    environ = {"PATH": os.defpath, "CNI_COMMAND": "STATUS"}
    done = subprocess.run(argv, input=b"{}", capture_output=True, env=environ, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    answer = json.loads(done.stdout)
    assert answer["code"] == PLUGIN_NOT_AVAILABLE and "json" in answer["msg"]
