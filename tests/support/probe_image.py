"""An image for helper containers without building the Dockerfile's: this machine's own Python and this checkout.

It holds what a helper imports and nothing else, so that it is made in about two seconds, in any test.
"""

import io
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from urllib.parse import urlencode

import dns

from tools.engine import ask

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "bridgework-probe:test"
LEFT_OUT = {"test", "idlelib", "ensurepip", "tkinter", "turtledemo", "lib2to3", "site-packages", "dist-packages"}


def make_probe_image(engine):
    """Import the image into the engine; its name."""
    python = Path(sys.executable).resolve()
    changes = [f"ENV PATH={python.parent}", "ENV PYTHONPATH=/opt/probe"]
    query = urlencode({"fromSrc": "-", "repo": IMAGE.partition(":")[0], "tag": "test", "changes": changes}, doseq=True)
    status, said = ask(engine.socket, "POST", f"/images/create?{query}", archive(python))
    assert status == 200, said
    assert b'"error"' not in said, said
    return IMAGE


def archive(python):
    standard = Path(sysconfig.get_path("stdlib"))
    extensions = list((standard / "lib-dynload").glob("*.so"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(python, python)
        link = tarfile.TarInfo(str(python.parent / "python3").lstrip("/"))
        link.type, link.linkname = tarfile.SYMTYPE, python.name
        tar.addfile(link)
        tar.add(standard, standard, filter=wanted)
        for library in libraries(python, *extensions):
            tar.add(library.resolve(), library)
        tar.add(Path(dns.__file__).parent, "/opt/probe/dns")
        tar.add(ROOT / "service" / "bridgework", "/opt/probe/bridgework", filter=wanted)
    return buffer.getvalue()


def wanted(member):
    parts = set(Path(member.name).parts)
    return None if parts & LEFT_OUT or any(part.startswith("config-") for part in parts) else member


def libraries(*programs):
    """The shared libraries that these need, and their loader."""
    told = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=True).stdout
    words = {word for line in told.splitlines() if not line.endswith(":") for word in line.split()}
    return sorted(Path(word) for word in words if word.startswith("/"))
