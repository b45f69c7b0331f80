"""What is no file of the plugin's state is refused where one should be: nothing waits for it or writes to it."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.another_user import ANOTHER_USER, FOREIGN, give_away
from tests.ipam.calls import Config, addresses, environment, host_local, leases, ours, process, refused

NEVER_S = 60  # what waits for a FIFO waits for ever
KINDS = ["FIFO", "device", "socket", "directory", "symbolic link", "dangling link", "hard link", "foreign"]
STATE = ["lock", "last_reserved_ip.0", "a page of the index"]


@pytest.fixture
def conf(tmp_path: Path) -> Config:
    """A network that has leased 10.1.2.2 to "other"."""
    made = host_local(tmp_path / "d", "10.1.2.0/29")
    ours("host-local", "ADD", made, "other")
    return made


@pytest.fixture
def mounts() -> Iterator[list[Path]]:
    """The test puts the places in it that it mounts something on."""
    places: list[Path] = []
    yield places
    for place in places:
        assert ctypes.CDLL(None).umount2(str(place).encode(), 0) == 0


def called(command: str, conf: Config, container: str = "c1") -> Any:
    """The answer of a call as a process of its own, which must come: a document, or None for no output."""
    done = subprocess.run(
        process("host-local"),
        input=json.dumps(conf).encode(),
        env=environment(command, container),
        capture_output=True,
        check=False,
        timeout=NEVER_S,
    )
    assert done.stderr == b""
    return json.loads(done.stdout) if done.stdout else None


def replace(path: Path, kind: str, victim: Path, mounts: list[Path]) -> None:
    """Put something else in the file's place."""
    victim.write_bytes(b"precious\r\neth0")
    path.unlink()
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "device":
        path.touch()
        assert ctypes.CDLL(None).mount(b"/dev/zero", str(path).encode(), b"", 4096, None) == 0  # MS_BIND
        mounts.append(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            before = os.getcwd()
            os.chdir(path.parent)  # the name of a socket is short
            try:
                one.bind(path.name)
            finally:
                os.chdir(before)
    elif kind == "directory":
        path.mkdir()
    elif kind == "symbolic link":
        path.symlink_to(victim)
    elif kind == "dangling link":
        path.symlink_to(victim.with_name("nothing"))
    elif kind == "hard link":
        os.link(victim, path)
    else:
        path.write_bytes(victim.read_bytes())
        give_away(path)


def place(name: str, data_dir: Path) -> Path:
    """The path of a file of the state."""
    if name == "a page of the index":
        return next((data_dir / ".cni-ptp").glob("net1@*/4:*"))
    return data_dir / "net1" / name


def state_of(path: Path) -> Any:
    """What must not change: kind, owner, mode, names, content."""
    status = path.lstat()
    content = path.read_bytes() if path.is_file() else b""
    return status.st_mode, status.st_uid, status.st_nlink, status.st_ino, content


@ANOTHER_USER(kind="foreign")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", STATE)
def test_an_add_refuses_what_is_no_state_file_and_leaves_it_alone(
    name: str, kind: str, conf: Config, tmp_path: Path, mounts: list[Path]
) -> None:
    path, victim = place(name, tmp_path / "d"), tmp_path / "victim"
    replace(path, kind, victim, mounts)
    before = state_of(path), state_of(victim)
    answer = called("ADD", conf)
    assert answer["code"] == 104, answer
    assert str(path) in answer["msg"] + answer["details"], answer
    assert (state_of(path), state_of(victim)) == before
    assert not (tmp_path / "nothing").exists()
    assert set(leases(tmp_path / "d")) <= {"10.1.2.2", path.name}


@ANOTHER_USER(kind="foreign")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["lock", "a page of the index"])
def test_a_del_refuses_it_too(name: str, kind: str, conf: Config, tmp_path: Path, mounts: list[Path]) -> None:
    path, victim = place(name, tmp_path / "d"), tmp_path / "victim"
    replace(path, kind, victim, mounts)
    before = state_of(path), state_of(victim)
    answer = called("DEL", conf, "other")
    assert answer["code"] == 104, answer
    assert (state_of(path), state_of(victim)) == before


@ANOTHER_USER(kind="foreign")
@pytest.mark.parametrize("kind", KINDS)
def test_a_del_has_nothing_to_do_with_the_last_address(
    kind: str, conf: Config, tmp_path: Path, mounts: list[Path]
) -> None:
    path, victim = tmp_path / "d" / "net1" / "last_reserved_ip.0", tmp_path / "victim"
    replace(path, kind, victim, mounts)
    before = state_of(path), state_of(victim)
    assert called("DEL", conf, "other") is None
    assert (state_of(path), state_of(victim)) == before
    assert not (tmp_path / "d" / "net1" / "10.1.2.2").exists()


@ANOTHER_USER(kind="foreign")
@pytest.mark.parametrize("kind", KINDS)
def test_an_address_wished_for_is_not_kept_if_the_last_one_cannot_be_noted(
    kind: str, conf: Config, tmp_path: Path, mounts: list[Path]
) -> None:
    replace(tmp_path / "d" / "net1" / "last_reserved_ip.0", kind, tmp_path / "victim", mounts)
    conf["runtimeConfig"] = {"ips": ["10.1.2.5"]}
    assert called("ADD", conf)["code"] == 104
    assert not (tmp_path / "d" / "net1" / "10.1.2.5").exists()
    assert (tmp_path / "victim").read_bytes() == b"precious\r\neth0"


@pytest.mark.parametrize("kind", KINDS[:6])
def test_what_is_no_file_takes_its_address_and_belongs_to_nobody(
    kind: str, conf: Config, tmp_path: Path, mounts: list[Path]
) -> None:
    path, victim = tmp_path / "d" / "net1" / "10.1.2.3", tmp_path / "victim"
    path.touch()
    replace(path, kind, victim, mounts)
    before = state_of(path), state_of(victim)
    assert addresses(called("ADD", conf)) == ["10.1.2.4/29"]
    assert called("DEL", conf) is None
    assert called("DEL", conf, "precious") is None
    assert (state_of(path), state_of(victim)) == before


@ANOTHER_USER(kind="foreign")
@pytest.mark.parametrize("kind", KINDS[6:])
@pytest.mark.parametrize("command", ["ADD", "DEL", "GC"])
def test_a_lease_whose_words_do_not_count_is_named(
    command: str, kind: str, conf: Config, tmp_path: Path, mounts: list[Path]
) -> None:
    """A hard link may be anybody's file, and another owner may write into the lease what he likes."""
    path, victim = tmp_path / "d" / "net1" / "10.1.2.3", tmp_path / "victim"
    path.touch()
    replace(path, kind, victim, mounts)
    conf.update({"cniVersion": "1.1.0", "cni.dev/valid-attachments": []})
    answer = called(command, conf, "precious")
    assert (answer["code"], str(path) in answer["msg"]) == (104, True), answer
    assert victim.read_bytes() == b"precious\r\neth0"


DIRECTORIES = ["", "net1", ".cni-ptp", "the index"]


def directory(name: str, data_dir: Path) -> Path:
    """The path of a directory of the state."""
    return next((data_dir / ".cni-ptp").iterdir()) if name == "the index" else data_dir / name


@pytest.mark.parametrize("command", ["ADD", "DEL"])
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o757])
@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_directory_that_others_can_write_is_refused(
    name: str, mode: int, command: str, conf: Config, tmp_path: Path
) -> None:
    path = directory(name, tmp_path / "d")
    path.chmod(mode)
    e = refused("host-local", command, conf, "other" if command == "DEL" else "c1")
    assert (e.code, str(path) in e.msg) == (104, True), e
    assert f"{mode:04o}" in e.details
    assert set(leases(tmp_path / "d")) == {"10.1.2.2"}


@ANOTHER_USER
@pytest.mark.parametrize("command", ["ADD", "DEL"])
@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_directory_of_another_user_is_refused(name: str, command: str, conf: Config, tmp_path: Path) -> None:
    path = directory(name, tmp_path / "d")
    give_away(path)
    e = refused("host-local", command, conf, "other" if command == "DEL" else "c1")
    assert (e.code, str(path) in e.msg, str(FOREIGN) in e.details) == (104, True, True), e


@pytest.mark.parametrize("command", ["ADD", "DEL"])
@pytest.mark.parametrize("kind", ["symbolic link", "file"])
@pytest.mark.parametrize("name", DIRECTORIES[1:])
def test_a_directory_of_ours_is_one_and_no_link(
    name: str, kind: str, command: str, conf: Config, tmp_path: Path
) -> None:
    path = directory(name, tmp_path / "d")
    path.rename(tmp_path / "elsewhere")
    if kind == "file":
        path.touch()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    if (name, kind) == (".cni-ptp", "file"):  # without an index calls work, only slower
        ours("host-local", command, conf, "other" if command == "DEL" else "c1")
        assert path.read_bytes() == b""
        return
    e = refused("host-local", command, conf, "other" if command == "DEL" else "c1")
    assert (e.code, str(path) in e.msg) == (104, True), e


def test_a_data_directory_may_be_reached_by_a_link(conf: Config, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "d")
    conf["ipam"]["dataDir"] = str(tmp_path / "link")
    assert addresses(ours("host-local", "ADD", conf)) == ["10.1.2.3/29"]
    (tmp_path / "d").chmod(0o777)
    assert refused("host-local", "ADD", conf, "c2").code == 104


def test_a_data_directory_that_is_a_link_to_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    assert refused("host-local", "ADD", host_local(tmp_path / "link", "10.1.2.0/29")).code == 104
    assert not (tmp_path / "nothing").exists()


def test_a_directory_that_the_plugin_makes_is_one_that_it_takes(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ours("host-local", "ADD", host_local(tmp_path / "a" / "b", "10.1.2.0/29"))
        ours("host-local", "ADD", host_local(tmp_path / "a" / "b", "10.1.2.0/29"), "c2")
    finally:
        os.umask(before)


def test_an_add_that_cannot_write_the_second_page_keeps_nothing(tmp_path: Path) -> None:
    """Half of the index is written by then; the next call must not believe it."""
    conf = host_local(tmp_path / "d", "10.1.2.0/29", "fd00::/125")
    conf["runtimeConfig"] = {"ips": ["10.1.2.5", "fd00::5"]}
    ours("host-local", "ADD", {**conf, "runtimeConfig": {}}, "other")
    page = next((tmp_path / "d" / ".cni-ptp").glob("net1@*/6:*"))
    page.unlink()
    page.mkdir()
    assert refused("host-local", "ADD", conf).code == 104
    assert set(leases(tmp_path / "d")) == {"10.1.2.2", "fd00::2"}
    page.rmdir()
    assert addresses(ours("host-local", "ADD", conf)) == ["10.1.2.5/29", "fd00::5/125"]


def test_in_a_user_namespace_a_directory_of_roots_outside_is_taken_and_one_of_a_user_inside_is_not(
    tmp_path: Path,
) -> None:
    """Where no user inside has the overflow uid, it stands for users that nobody inside can act as."""
    code = (
        "import os, sys; sys.path.insert(0, {root!r}); from cni_ptp.system import state_files as state\n"
        "from cni_ptp.base.errors import CniError\n"
        "try: state.check_directory({path!r}); print('taken')\n"
        "except CniError as e: print(e.code)"
    )
    root = str(Path(__file__).parents[2])
    run = ["unshare", "-U", "-r", "python3", "-I", "-S", "-c", code.format(root=root, path="/usr")]
    assert subprocess.run(run, capture_output=True, check=True, text=True).stdout.strip() == "taken"
    # /usr is root's; here nobody is a user like any other, unless we are in a namespace ourselves.
    (tmp_path / "nobodys").mkdir()
    owned = tmp_path / "nobodys"
    try:
        os.chown(owned, 65534, 65534)
    except OSError:
        return
    run = ["python3", "-I", "-S", "-c", code.format(root=root, path=str(owned))]
    assert subprocess.run(run, capture_output=True, check=True, text=True).stdout.strip() == "104"
