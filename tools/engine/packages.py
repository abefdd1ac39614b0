"""Debian's packages, installed without starting their services: a second engine would be on the machine's own network.

An installation is finished or taken back. Ctrl-C ends a download. What dpkg has begun goes on to its end, because a
package that is half installed makes each later `apt-get` fail. When the process is killed all the same, or the machine
loses power, the file ``RECORD`` stays, and the next installation finishes what it names.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tools.engine.interrupts import held_back
from tools.engine.programs import SEARCH_PATH, EngineError, run, say

PACKAGE_OF = {"dockerd": "docker.io", "ip": "iproute2", "iptables": "iptables"}
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = """\
#!/bin/sh
# Bridgework (tools/engine/packages.py) installs Debian packages: no service is started. The file is removed afterwards.
exit 101
"""
RECORD = Path("/var/lib/bridgework-installing")
"""Names the packages that are being installed, and is removed when they are."""
APT = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=120")
INSTALL = (*APT, "install", "--yes", "--no-install-recommends")


def find_busybox() -> Path | None:
    """Find a busybox that runs in an empty image: one that names no dynamic loader."""
    found = shutil.which("busybox", path=SEARCH_PATH)
    if found is None:
        return None
    with Path(found).open("rb") as file:
        return None if b"/ld-" in file.read(4096) else Path(found)


def missing_packages() -> list[str]:
    """Name the Debian packages whose programs an engine needs and this machine lacks."""
    missing = [package for program, package in PACKAGE_OF.items() if not shutil.which(program, path=SEARCH_PATH)]
    return missing if find_busybox() else [*missing, "busybox-static"]


def install_packages() -> None:
    """Install what an engine needs, from Debian's or Ubuntu's own packages, and finish what was cut short."""
    if RECORD.exists():
        _finish()
    missing = missing_packages()
    if missing:
        install_debian(*missing)


def install_debian(*packages: str) -> None:
    """Install Debian packages by name.

    Raises:
        EngineError: There is no ``apt-get``, or it failed; the message has its words.
    """
    if not shutil.which("apt-get", path=SEARCH_PATH):
        raise EngineError(f"Install what Debian calls {', '.join(packages)}: this machine has no apt-get.")
    if RECORD.exists():
        _finish()
    say(f"Installing Debian packages: {', '.join(packages)}")
    run(*APT, "update")
    run(*INSTALL, "--download-only", *packages)
    with _installing(packages):
        run(*INSTALL, *packages)


def _finish() -> None:
    """Finish an installation whose process was killed, and so could not clean up."""
    with _alone():
        packages = RECORD.read_text().split() if RECORD.exists() else []
    if not packages:
        return
    say(f"Finishing an installation of Debian packages that was cut short: {', '.join(packages)}")
    with _installing(packages):
        # This fails where dpkg was killed while it unpacked a package; apt-get then unpacks that package again.
        run("dpkg", "--configure", "-a", check=False)
        run(*INSTALL, "--fix-broken")


@contextlib.contextmanager
def _installing(packages: tuple[str, ...] | list[str]) -> Iterator[None]:
    """Keep services from being started, now and at the next boot, whatever asks this process to stop meanwhile."""

    def tell() -> None:
        say("Interrupted: finishing the installation of Debian packages first, so that dpkg is left in order")

    with _alone(), held_back(tell):
        RECORD.write_text("\n".join(packages))
        try:
            with no_services_started():
                yield
        finally:  # apt-get may have failed at another package
            if "docker.io" in packages:
                keep_from_boot()
            RECORD.unlink()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Wait for another installation by this module: the first to end would remove the other's policy."""
    handle = os.open(RECORD.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def no_services_started() -> Iterator[None]:
    """Keep Debian's packages from starting services. A policy that the administrator has written decides instead."""
    ours = not POLICY.exists() or POLICY.read_bytes() == POLICY_TEXT.encode()
    if ours:
        POLICY.write_text(POLICY_TEXT)
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def keep_from_boot() -> None:
    """Keep the packages from starting an engine on the machine's own network at the next boot."""
    if Path("/run/systemd/system").exists():
        run("systemctl", "disable", "docker.service", "docker.socket", "containerd.service", check=False)
    else:  # SysV's links in /etc/rc2.d and its neighbours
        run("update-rc.d", "docker", "disable", check=False)
