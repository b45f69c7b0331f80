"""Another plugin as the IPAM (pkg/invoke of containernetworking/cni), the child, and what any IPAM must give."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cni_ptp.base.errors import CniError
from cni_ptp.base.ip import parse_ip
from cni_ptp.cni import args as cni_args
from cni_ptp.cni import conf as cni_conf
from cni_ptp.cni.result import Address, Result
from cni_ptp.ipam.delegate import Delegate
from cni_ptp.ipam.source import ipam_for
from cni_ptp.ipam.standalone import nobody
from cni_ptp.ipam.validate import validate
from cni_ptp.system import spawn
from tests.another_user import ANOTHER_USER, give_away
from tests.ipam.calls import descriptors, environment, host_local, leases

if TYPE_CHECKING:
    from cni_ptp.ipam.protocol import Ipam

RESULT = '{"cniVersion":"1.0.0","ips":[{"address":"10.1.2.3/24","gateway":"10.1.2.1","interface":0}]}'


def plugin(directory: Path, script: str, name: str = "other", mode: int = 0o755) -> Path:
    """A shell script as a plugin; `$0.log` gets the command of each call."""
    path = directory / name
    path.write_text(f'#!/bin/sh\necho "$CNI_COMMAND" >>"$0.log"\n{script}\n')
    path.chmod(mode)
    return path


def chosen(tmp_path: Path, kind: str = "other", command: str = "ADD", path: str = "", **more: Any) -> Ipam:
    """The IPAM of a configuration that names `kind`."""
    conf: dict[str, Any] = {"cniVersion": "1.1.0", "name": "n", "type": "ptp", "ipam": {"type": kind}, **more}
    variables = {**environment(command), "CNI_PATH": path or str(tmp_path)}
    return ipam_for(cni_conf.read(json.dumps(conf).encode()), cni_args.parse(variables))


def failure(step: Any) -> CniError:
    """The CniError that calling `step` raises."""
    with pytest.raises(CniError) as caught:
        step()
    return caught.value


def calls(path: Path) -> list[str]:
    """The commands that a plugin was called with."""
    return Path(f"{path}.log").read_text().split()


def test_the_plugin_gets_our_environment_and_the_very_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plugin(tmp_path, f"cat >$0.stdin; env >$0.env; ls /proc/self/fd >$0.fds; echo '{RESULT}'")
    monkeypatch.setenv("CNI_CONTAINERID", "c1")
    monkeypatch.setenv("OTHER", "kept")
    monkeypatch.setenv("CNI_COMMAND", "GC")
    raw = b'{ "cniVersion":"1.0.0","name" : "n","type":"ptp", "ipam":{"type":"other"},"x":"\xc3\xa9" }\n'
    ipam = ipam_for(cni_conf.read(raw), cni_args.parse({**environment("ADD"), "CNI_PATH": f":/no/such:{tmp_path}"}))
    ips = ipam.add(nobody).ips
    assert [str(ip) for ip in ips] == ["10.1.2.3/24"]
    assert ips[0].interface is None
    assert Path(f"{path}.stdin").read_bytes() == raw
    env = Path(f"{path}.env").read_text().splitlines()
    assert {"CNI_COMMAND=ADD", "CNI_CONTAINERID=c1", "OTHER=kept"} <= set(env)
    assert set(Path(f"{path}.fds").read_text().split()) == {"0", "1", "2", "3"}  # the last is of ls itself


@pytest.mark.parametrize("command", ["CHECK", "DEL", "STATUS", "GC"])
def test_every_verb_is_passed_on(tmp_path: Path, command: str) -> None:
    path = plugin(tmp_path, "true")
    ipam = chosen(tmp_path, command=command)
    verbs: dict[str, Callable[[], None]] = {
        "CHECK": lambda: ipam.check(Result([], [], [])),
        "DEL": ipam.delete,
        "STATUS": ipam.status,
        "GC": lambda: ipam.gc([]),
    }
    verbs[command]()
    assert calls(path) == [command]
    assert ipam.held() == []


def test_status_is_passed_on_only_where_the_version_has_it(tmp_path: Path) -> None:
    path = plugin(tmp_path, "true")
    chosen(tmp_path, command="ADD", cniVersion="1.0.0").status()
    assert not Path(f"{path}.log").exists()


@pytest.mark.parametrize("kind", ["../other", "/bin/sh", "a/b", ".", "..", "ptp", "o\0ther"])
def test_a_name_that_must_not_be_run_is_refused(tmp_path: Path, kind: str) -> None:
    e = failure(lambda: chosen(tmp_path, kind))
    assert (e.code, e.msg) == (7, f"invalid plugin name: {kind}")


def test_a_missing_plugin_type_path_or_file_is_named(tmp_path: Path) -> None:
    assert failure(lambda: chosen(tmp_path, "")).msg == "no plugin name provided"
    e = failure(lambda: chosen(tmp_path, "none", path="/a:/b"))
    assert (e.code, e.msg) == (7, 'failed to find plugin "none" in path [/a /b]')
    conf = cni_conf.read(b'{"name":"n","ipam":{"type":"other"}}')
    e = failure(
        lambda: ipam_for(conf, cni_args.parse({k: v for k, v in environment("ADD").items() if k != "CNI_PATH"}))
    )
    assert e.code == 4
    assert "CNI_PATH" in e.msg


def test_a_file_that_others_may_write_or_nobody_may_run_is_refused(tmp_path: Path) -> None:
    for mode in (0o775, 0o757):
        plugin(tmp_path, "true", mode=mode)
        assert "can be written by others" in failure(lambda: chosen(tmp_path)).details
    plugin(tmp_path, "true", mode=0o644)
    assert "not executable" in failure(lambda: chosen(tmp_path)).details
    os.unlink(tmp_path / "other")
    os.mkdir(tmp_path / "other")
    assert "failed to find" in failure(lambda: chosen(tmp_path)).msg


@pytest.mark.parametrize("mode", [0o775, 0o777, 0o1777])
@pytest.mark.parametrize("above", [False, True], ids=["its own", "the one above"])
def test_a_plugin_in_a_directory_that_others_can_write_is_refused(tmp_path: Path, mode: int, above: bool) -> None:
    directory = tmp_path / "cni" / "bin"
    directory.mkdir(parents=True)
    plugin(directory, "true")
    (directory.parent if above else directory).chmod(mode)
    if above and mode == 0o1777:  # nobody else can replace a directory of ours in it
        chosen(directory, path=str(directory))
        return
    e = failure(lambda: chosen(directory, path=str(directory)))
    assert (e.code, e.msg) == (7, "refuse to run IPAM plugin other")
    assert e.details.startswith(f"{directory.parent if above else directory} can be written by others")


@ANOTHER_USER
@pytest.mark.parametrize("what", ["file", "directory", "above", "link"])
def test_a_plugin_of_another_user_is_refused(tmp_path: Path, what: str) -> None:
    directory = tmp_path / "cni" / "bin"
    directory.mkdir(parents=True)
    path = plugin(directory, "true", name="real")
    (directory / "other").symlink_to("real")
    theirs = {"file": path, "directory": directory, "above": directory.parent, "link": directory / "other"}[what]
    give_away(theirs)
    e = failure(lambda: chosen(directory, path=str(directory)))
    assert (e.code, e.details) == (7, f"{theirs} belongs to user 12345, not to root")
    assert not Path(f"{path}.log").exists()


@pytest.mark.parametrize("entry", ["", ".", "bin", "./bin", "../{}/bin"])
def test_an_entry_of_cni_path_that_is_not_absolute_is_passed_over_and_told(
    tmp_path: Path, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    for directory in (tmp_path, tmp_path / "bin"):
        plugin(directory, "true")
    monkeypatch.chdir(tmp_path)
    entry = entry.format(tmp_path.name)
    e = failure(lambda: chosen(tmp_path, path=f"{entry}:/no/such"))
    assert (e.code, e.msg) == (7, 'failed to find plugin "other" in path [/no/such]')
    assert e.details == f"not looked for in {entry!r}: no absolute path"


def test_a_plugin_that_changed_hands_between_two_verbs_is_not_executed(tmp_path: Path) -> None:
    path = plugin(tmp_path, "exit 1")
    ipam = chosen(tmp_path)
    path.chmod(0o757)
    e = failure(lambda: ipam.add(nobody))
    assert e.code == 102 and "can be written by others" in e.details
    assert not Path(f"{path}.log").exists()


def test_its_error_is_passed_on_whole_and_del_follows(tmp_path: Path) -> None:
    path = plugin(tmp_path, """echo '{"cniVersion":"0.1.0","code":11,"msg":"no luck","details":"why"}'; exit 1""")
    e = failure(lambda: chosen(tmp_path).add(nobody))
    assert (e.code, e.msg, e.document) == (11, "no luck", {"code": 11, "msg": "no luck"})
    assert e.details.startswith("why; could not release")
    assert calls(path) == ["ADD", "DEL"]


@pytest.mark.parametrize(
    ("script", "msg"),
    [
        ("echo oh no >&2; exit 3", 'netplugin failed: "oh no"'),
        ("exit 1", "netplugin failed with no error message"),
        ("kill -9 $$", "netplugin failed with no error message"),
        ("echo gibberish; exit 1", 'netplugin failed but error parsing its diagnostic message "gibberish": '),
        ("echo gibberish", "read the result of IPAM plugin other"),
        ("true", "read the result of IPAM plugin other"),
    ],
)
def test_a_plugin_that_fails_in_its_own_way_is_code_102(tmp_path: Path, script: str, msg: str) -> None:
    path = plugin(tmp_path, script)
    e = failure(lambda: chosen(tmp_path).add(nobody))
    assert e.code == 102
    assert e.msg.startswith(msg)
    assert calls(path) == ["ADD", "DEL"]


def test_what_it_says_on_stderr_is_forwarded_only_on_success(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plugin(tmp_path, "echo words >&2")
    chosen(tmp_path).delete()
    assert capfd.readouterr().err == "words\n"
    plugin(tmp_path, "echo words >&2; exit 1")
    failure(chosen(tmp_path).delete)
    assert capfd.readouterr().err == ""


def test_the_embedded_one_is_left_out_on_request(
    tmp_path: Path, go_plugins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = {**host_local(tmp_path, "10.1.2.0/24"), "embeddedIPAM": False}
    variables = {**environment("ADD"), "CNI_PATH": go_plugins}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ipam = ipam_for(cni_conf.read(json.dumps(conf).encode()), cni_args.parse(variables))
    assert isinstance(ipam, Delegate)
    assert [str(ip) for ip in ipam.add(nobody).ips] == ["10.1.2.2/24"]
    assert set(leases(tmp_path)) == {"10.1.2.2"}


# --- the child ---


def run(script: str, stdin: bytes = b"", time_s: float = 20.0) -> spawn.Finished:
    return spawn.run("/bin/sh", ["sh", "-c", script], dict(os.environ), stdin, time_s)


def test_a_child_hears_and_says_more_than_a_pipe_holds() -> None:
    words = os.urandom(700_000)
    before = descriptors()
    done = run("cat; exit 7", words)
    assert (done.status, done.out, done.err) == (7, words, b"")
    assert descriptors() == before


@pytest.mark.parametrize("script", ["yes", "yes >&2", "sleep 100", "exec >&- 2>&-; sleep 100"])
def test_a_child_that_says_too_much_or_takes_too_long_is_killed(script: str) -> None:
    with pytest.raises(spawn.LimitExceeded, match="was killed"):
        run(script, time_s=0.5 if "sleep" in script else 20.0)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_grandchild_with_our_pipes_does_not_keep_us() -> None:
    done = run("sleep 1000 & echo $!")  # were it waited for, the call would be over its time
    os.kill(int(done.out), signal.SIGKILL)
    assert done.status == 0


def test_a_child_gets_the_signals_that_python_ignores() -> None:
    ignored = run("grep SigIgn /proc/self/status").out.split()[1]
    assert int(ignored, 16) & (1 << 12 | 1 << 24) == 0  # SIGPIPE, SIGXFSZ


def test_a_program_that_is_still_being_written_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "busy"
    path.write_bytes(Path("/bin/true").read_bytes())
    path.chmod(0o755)
    writer: list[Any] = [open(path, "ab")]
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            writer.pop().close()

    monkeypatch.setattr(spawn, "sleep", pause)
    assert spawn.run(str(path), ["busy"], {}, b"").status == 0
    assert pauses[:2] == [1.0, 1.0]


# --- what any IPAM must give ---


def given(*pairs: tuple[str, str | None]) -> Result:
    ips = [Address(parse_ip(a), 24, None if gateway is None else parse_ip(gateway)) for a, gateway in pairs]
    return Result([], ips, [])


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (given(), "IPAM plugin returned missing IP config"),
        (given(("10.1.2.3", None)), "has no gateway"),
        (given(("127.0.0.1", "127.0.0.2")), "no address that a container can have"),
        (given(("224.0.0.1", "10.0.0.1")), "no address that a container can have"),
        (given(("ff02::1", "fd00::1")), "no address that a container can have"),
        (given(("::", "fd00::1")), "no address that a container can have"),
        (given(("10.1.2.3", "fd00::1")), "gateway of another family"),
        (given(("10.1.2.3", "10.1.2.3")), "an address of the container itself"),
        (given(("10.1.2.3", "224.0.0.1")), "which no host can have"),
        (given(("10.1.2.3", "10.1.2.1"), ("10.1.2.3", "10.1.2.1")), "is there twice"),
    ],
)
def test_a_result_that_can_not_be_used_is_refused(result: Result, words: str) -> None:
    e = failure(lambda: validate(result, "static"))
    assert e.code == 7
    assert words in e.msg


def test_a_missing_gateway_says_what_to_configure() -> None:
    assert "ipam.addresses a gateway" in failure(lambda: validate(given(("10.1.2.3", None)), "static")).details
    validate(given(("10.1.2.3", "10.1.2.1"), ("fd00::3", "fe80::1")), "static")
