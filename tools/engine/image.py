"""The busybox image of a private engine, made of the program of this machine: no registry is asked."""

import io
import tarfile
from pathlib import Path
from typing import Any

from tools.engine.programs import run

IMAGE = "busybox:latest"


def busybox_archive(busybox: Path) -> bytes:
    """Make the image's file system: busybox, a link for each of its tools, a page to serve."""
    tools = run(str(busybox), "--list").stdout.split()
    files = {
        "bin/busybox": busybox.read_bytes(),
        "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n",
        "etc/group": b"root:x:0:\n",
        "www/index.html": b"Served from a Bridgework busybox container.\n",
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in ("bin", "dev", "etc", "proc", "sys", "tmp", "www"):
            archive.addfile(_entry(folder, tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755))
        for path, content in files.items():
            mode = 0o755 if path.startswith("bin/") else 0o644
            archive.addfile(_entry(path, tarfile.REGTYPE, mode, size=len(content)), io.BytesIO(content))
        for tool in sorted(set(tools) - {"busybox"}):
            archive.addfile(_entry(f"bin/{tool}", tarfile.SYMTYPE, 0o777, linkname="busybox"))
    return buffer.getvalue()


def _entry(path: str, kind: bytes, mode: int, **fields: Any) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = kind, mode
    for key, value in fields.items():
        setattr(entry, key, value)
    return entry
