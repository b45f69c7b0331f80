"""What every plugin has in common that the file can be called as, by name."""

from __future__ import annotations

import json
from importlib import import_module

import pytest

from cni_ptp import CHAINED_ROLES
from cni_ptp.chained.role import _plugin
from tests.chained.calls import ASKED, as_role, attached, call, chained, everything
from tests.configurations import VERSIONS
from tests.namespaces import Host


@pytest.mark.parametrize("role", CHAINED_ROLES)
def test_every_name_has_a_module_with_every_verb(role: str) -> None:
    plugin = _plugin(role)
    assert plugin is import_module(f"cni_ptp.chained.{role}")
    assert all(callable(getattr(plugin, verb)) for verb in ("add", "delete", "check", "gc", "status"))


@pytest.mark.parametrize("role", CHAINED_ROLES)
def test_version_and_the_about_text_name_the_plugin(host: Host, role: str) -> None:
    assert json.loads(host.plugin("VERSION", b"", exe=as_role(host, role)).stdout)["supportedVersions"] == [*VERSIONS]
    assert host.run(str(as_role(host, role))).stderr.startswith(f"CNI {role} plugin cni-ptp ")


@pytest.mark.parametrize("role", CHAINED_ROLES)
@pytest.mark.parametrize("version", VERSIONS)
def test_prevresult_comes_back_in_the_configurations_version(host: Host, role: str, version: str) -> None:
    host.container()
    previous = attached(host, version)
    assert call(host, role, "ADD", chained(role, previous, version)).ok() == previous


@pytest.mark.parametrize("role", CHAINED_ROLES)
def test_a_result_that_nobody_takes_is_undone(host: Host, role: str) -> None:
    host.container()
    conf = chained(role, attached(host, families=("v4",)), **ASKED[role])
    before = everything(host)
    with open("/dev/full", "wb") as full:
        assert call(host, role, "ADD", conf, stdout=full).status == 1
    assert everything(host) == before


@pytest.mark.parametrize("role", CHAINED_ROLES)
def test_del_of_what_never_was_succeeds_without_a_namespace(host: Host, role: str) -> None:
    for netns in ("", "/run/netns/gone"):
        call(host, role, "DEL", chained(role, **ASKED[role]), netns=netns).ok()


@pytest.mark.parametrize("role", CHAINED_ROLES)
def test_status_and_gc_of_an_unused_host_succeed_and_change_nothing(host: Host, role: str) -> None:
    host.container()
    before = everything(host)
    conf = chained(role, version="1.1.0")
    call(host, role, "STATUS", conf).ok()
    call(host, role, "GC", {**conf, "cni.dev/valid-attachments": []}).ok()
    call(host, role, "GC", conf).ok()
    assert everything(host) == before
