"""Configurations as the verbs read them, and how they are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni_ptp.base.errors import CniError
from cni_ptp.cni import conf
from cni_ptp.cni.args import Args


def read(**members: Any) -> conf.NetConf:
    """A configuration with a name and these members."""
    return conf.read(json.dumps({"name": "net", **members}).encode())


def asked(cni_args: str = "") -> Args:
    """An ADD with these CNI_ARGS."""
    return Args("ADD", "c1", "/run/netns/c1", "eth0", cni_args, "", False)


def refused(call: Any, *arguments: Any) -> tuple[int, str, str]:
    """Code, msg and details of the error that a call must raise."""
    with pytest.raises(CniError) as caught:
        call(*arguments)
    return caught.value.code, caught.value.msg, caught.value.details
