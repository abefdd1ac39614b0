"""Programs that configure a host, as Debian has them: ufw, firewalld, ipset, NetworkManager. Nothing is installed.

apt downloads the packages, and those that they need, into a folder of the checkout (5 MB, 7 s). They are unpacked
there, and none of their scripts runs. A mount namespace shows the unpacked files over ``/usr`` and ``/etc``
(overlayfs), and keeps what the programs write in memory. The programs run there, in the network namespace of a private
engine.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.engines.debian import NotHere, NotNow, run, unpack

PACKAGES = ("ufw", "firewalld", "ipset", "network-manager")
FOLDER = Path(__file__).resolve().parents[2] / "build" / "host-programs" / "-".join(PACKAGES)
_MOUNTS = """
set -e
root=$1
mount -t tmpfs none /run
for part in usr etc; do
  mkdir -p /run/over/$part /run/work/$part
  mount -t overlay -o lowerdir=$root/$part:/$part,upperdir=/run/over/$part,workdir=/run/work/$part overlay /$part
done
mount -t sysfs -o ro none /sys
# What the package's script does after the installation.
cp /usr/share/ufw/iptables/*.rules /usr/share/ufw/*.init /usr/share/ufw/ufw.conf /etc/ufw/
echo ready
exec sleep infinity
"""
_BUS = """
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/> <allow own="*"/> <allow send_destination="*"/>
    <allow send_type="method_call"/> <allow receive_type="method_call"/>
    <allow send_type="method_return"/> <allow receive_type="method_return"/>
    <allow send_type="error"/> <allow receive_type="error"/>
    <allow send_type="signal"/> <allow receive_type="signal"/>
  </policy>
</busconfig>
"""
"""A system bus without a policy of its own: only the tests' programs are on it."""
_READY_S = 30


def unpacked():
    """Return the folder with the unpacked packages; download them where they are missing."""
    if not shutil.which("apt-get"):
        raise NotHere(f"This machine has no apt-get, with which {', '.join(PACKAGES)} are downloaded.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers of pytest may come here at once
        if not (FOLDER / "root").is_dir():
            unpack(_download(FOLDER / "packages"), FOLDER / "new")
            (FOLDER / "new").rename(FOLDER / "root")
    return FOLDER / "root"


def _download(folder):
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    options = ("-q", "-y", "-o", f"Dir::Cache::archives={folder}", "-o", "APT::Sandbox::User=root")
    install = ["apt-get", *options, "install", "--download-only", "--no-install-recommends", *PACKAGES]
    try:
        run(install, NotNow)
    except NotNow:  # the machine has no package lists yet, or old ones
        run(["apt-get", "-q", "update"], NotNow)
        run(install, NotNow)
    return sorted(folder.glob("*.deb"))


class HostPrograms:
    """The programs in the network namespace of one engine. ``process`` holds the mount namespace."""

    def __init__(self, process):
        self._process = process
        self._daemons = []

    def run(self, *command, check=True, **options):
        """Run a program as the host's administrator would, and return what it prints."""
        done = subprocess.run(self._inside(*command), capture_output=True, text=True, check=False, **options)
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def _inside(self, *command):
        return ["nsenter", f"--target={self._process.pid}", "--mount", "--net", "--", *command]

    def start(self, *command):
        """Start a daemon, which ends with the test."""
        daemon = subprocess.Popen(self._inside(*command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._daemons.append(daemon)
        return daemon

    def stop(self, daemon):
        """End a daemon as a service manager does."""
        daemon.terminate()
        daemon.wait(_READY_S)
        self._daemons.remove(daemon)

    def start_bus(self):
        """Start a D-Bus system bus, and return its address for programs outside of the mount namespace."""
        self.run("sh", "-c", "mkdir -p /run/dbus && cat > /run/bus.conf", input=_BUS)
        self.start("dbus-daemon", "--config-file=/run/bus.conf", "--nofork", "--nopidfile")
        socket = Path(f"/proc/{self._process.pid}/root/run/dbus/system_bus_socket")
        _wait(socket.is_socket)
        return f"unix:path={socket}"

    def start_firewalld(self):
        """Start firewalld on the bus, and return its process once it answers."""
        daemon = self.start("firewalld", "--nofork", "--nopid")
        _wait(lambda: "running" in self.run("firewall-cmd", "--state", check=False))
        return daemon

    def start_network_manager(self):
        """Start NetworkManager on the bus, and return its process once it answers."""
        # /sys is read-only here, so it does not wait for udev, as in a container.
        daemon = self.start("NetworkManager", "--no-daemon")
        _wait(lambda: "running" in self.run("nmcli", "--terse", "--fields", "RUNNING", "general", check=False))
        return daemon

    def close(self):
        """End all of it."""
        for process in (*reversed(self._daemons), self._process):
            process.kill()
            process.wait()


def _wait(condition):
    ends = time.monotonic() + _READY_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.1)


def _in_one_line(error):
    return " ".join(str(error).split())


@contextlib.contextmanager
def host_programs(engine):
    """Run the programs beside an engine. Skip where they cannot be had; in CI that fails."""
    try:
        root = unpacked()
    except NotHere as error:
        pytest.skip(_in_one_line(error))
    except NotNow as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(_in_one_line(error))
    command = ["nsenter", f"--net={engine.namespace}", "--", "unshare", "--mount", "sh", "-c", _MOUNTS, "sh", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    made = HostPrograms(process)
    try:
        assert process.stdout.readline() == "ready\n"
        yield made
    finally:
        made.close()
