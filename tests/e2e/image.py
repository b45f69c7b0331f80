"""A container image made here, of Debian's busybox and nothing else."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile

NAME = "localhost/busybox:e2e"
APPLETS = ("sh", "sleep", "mkdir", "nc", "httpd", "ip", "cat")


def image() -> bytes:
    """The image as `docker save` writes it: containerd and podman both read that.

    Source: the Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format".
    """
    layer = _layer()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sleep", "1000"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]
    files = {
        "manifest.json": json.dumps(manifest).encode(),
        "config.json": json.dumps(config).encode(),
        "layer.tar": layer,
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            _add(archive, name, content, 0o644)
    return out.getvalue()


def _layer() -> bytes:
    busybox = shutil.which("busybox")
    assert busybox is not None, "busybox-static is not installed"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        with open(busybox, "rb") as f:
            _add(archive, "bin/busybox", f.read(), 0o755)
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return out.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    archive.addfile(info, io.BytesIO(content))


def serving(text: str) -> list[str]:
    """A container's command: a web server on port 80, of IPv4 and IPv6, whose only page is `text`."""
    return ["/bin/sh", "-c", f"mkdir -p /www; echo {text} >/www/index.html; exec httpd -f -p 80 -h /www"]
