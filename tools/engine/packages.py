"""Debian's packages of an engine, installed without starting a second one on the machine's own network."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tools.engine.programs import SEARCH_PATH, EngineError, run, say

PACKAGE_OF = {"dockerd": "docker.io", "ip": "iproute2", "iptables": "iptables"}
POLICY = Path("/usr/sbin/policy-rc.d")


def find_busybox() -> Path | None:
    """Find a busybox that runs in an empty image: one that names no dynamic loader."""
    found = shutil.which("busybox", path=SEARCH_PATH)
    if found is None:
        return None
    with Path(found).open("rb") as file:
        return None if b"/ld-" in file.read(4096) else Path(found)


def missing_packages() -> list[str]:
    """Name the Debian packages whose programs this machine lacks."""
    missing = [package for program, package in PACKAGE_OF.items() if not shutil.which(program, path=SEARCH_PATH)]
    return missing if find_busybox() else [*missing, "busybox-static"]


@contextlib.contextmanager
def no_services_started() -> Iterator[None]:
    """Keep Debian from starting a second engine, on the machine's own network, when docker.io is installed."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def install_packages() -> None:
    """Install what is missing, from Debian's or Ubuntu's own packages."""
    missing = missing_packages()
    if not missing:
        return
    if not shutil.which("apt-get", path=SEARCH_PATH):
        raise EngineError(f"Install what Debian calls {', '.join(missing)}: this machine has no apt-get to do it with.")
    say(f"Installing Debian packages: {', '.join(missing)}")
    apt = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=120")
    run(*apt, "update")
    with no_services_started():
        run(*apt, "install", "--yes", "--no-install-recommends", *missing)
    if "docker.io" in missing:
        keep_from_boot()


def keep_from_boot() -> None:
    """Keep the packages from starting an engine on the machine's own network at the next boot."""
    if Path("/run/systemd/system").exists():
        run("systemctl", "disable", "docker.service", "docker.socket", "containerd.service", check=False)
    else:  # SysV's links in /etc/rc2.d and its neighbours
        run("update-rc.d", "docker", "disable", check=False)
