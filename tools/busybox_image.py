"""A container image made of this host's busybox and nothing else, without a registry (Debian: busybox-static).

busybox_image.py | ctr image import -       (or: podman load)
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import tarfile

NAME = "localhost/busybox:latest"
APPLETS = ("sh", "sleep", "mkdir", "nc", "httpd", "ip", "cat", "ping", "wget")


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
    if busybox is None:
        raise SystemExit("busybox_image.py: there is no busybox here; Debian has it in busybox-static")
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


if __name__ == "__main__":
    sys.stdout.buffer.write(image())
