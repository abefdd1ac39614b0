"""A bare Debian root in which systemd is the first process, with an engine that it started.

The root has all namespaces of its own except the user's. As under systemd-nspawn, the machine's settings cannot be
changed from it: /sys and /proc/sys are read-only apart from the network's, /dev is its own, and the capabilities to set
the clock, load modules and the like are gone.

Its cgroup is in the unified hierarchy alone: systemd refuses the old one since version 256. Where the machine has the
controllers of memory and processes in the old one, nothing in the root enforces a unit's MemoryMax and TasksMax.
"""

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.bare_root import ROOT, BareRoot, bare_root
from tests.support.deployment import at_socket, sh, wait_for
from tools.engine import ask
from tools.engine.image import busybox_archive
from tools.engine.packages import find_busybox

_INIT = """
set -e
umount --recursive --lazy /sys
umount --recursive --lazy /dev
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
mkdir /sys/fs/cgroup/{cgroup}
echo 0 >/sys/fs/cgroup/{cgroup}/cgroup.procs
umount /sys/fs/cgroup
exec unshare --cgroup --uts --ipc sh /run/init-inside
"""
_INIT_INSIDE = """
set -e
mount -t cgroup2 none /sys/fs/cgroup
mount -o remount,bind,ro /sys
mount --bind /proc/sys /proc/sys
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,ro /proc/sys
mount -t tmpfs -o mode=755 none /dev
mkdir /dev/pts /dev/shm
mount -t devpts -o newinstance,ptmxmode=666 none /dev/pts
mount -t tmpfs -o mode=1777 none /dev/shm
ln -s pts/ptmx /dev/ptmx
ln -s /proc/self/fd /dev/fd
for device in 'null c 1 3' 'zero c 1 5' 'full c 1 7' 'random c 1 8' 'urandom c 1 9' 'tty c 5 0'; do
  mknod -m 666 /dev/$device
done
mkdir -p /var/lib/docker
mount -t tmpfs none /var/lib/docker
mount --make-rshared /
exec </dev/null >/dev/null 2>&1
exec setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-sys_boot,-syslog \\
  env -i container=docker PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin /lib/systemd/systemd
"""


@dataclass
class Booted:
    """The root, and what listens in it, seen from here."""

    root: BareRoot

    def path(self, place):
        """Where an absolute path of the root is for this process."""
        return Path(f"/proc/{self.root.init}/root{place}")

    @property
    def socket(self):
        """The engine's."""
        return self.path("/run/docker.sock")

    @property
    def service(self):
        """The service, at the socket of the unit."""
        return at_socket(self.path("/run/bridgework/http.sock"))

    def state(self, unit):
        """What `systemctl is-active` prints."""
        return self.root.run("sh", "-c", f"systemctl is-active {unit} || true").strip()

    def journal(self, unit):
        """What a unit wrote, for the message of a failure."""
        return self.root.run("journalctl", "--no-pager", f"--unit={unit}")


@contextlib.contextmanager
def booted():
    """Boot a fresh root for the time of a block, and install the engine in it."""
    cgroup = f"bridgework-systemd-{os.getpid()}"
    with _removed_cgroup(cgroup), bare_root() as root:
        made = Booted(root)
        root.run("apt-get", "-q", "update")
        root.run("apt-get", "-q", "-y", "install", "--no-install-recommends", "systemd", "dbus")
        made.path("/run/init-inside").write_text(_INIT_INSIDE)
        made.path("/run/init.new").write_text(_INIT.format(cgroup=cgroup))
        made.path("/run/init.new").rename(made.path("/run/init"))
        wait_for(lambda: _whole(root), 60, "systemd")
        root.run("apt-get", "-q", "-y", "install", "--no-install-recommends", "docker.io", "^python3[.][0-9]*-venv$")
        wait_for(lambda: made.state("docker") == "active", 60, "the engine")
        image = "/images/create?fromSrc=-&repo=busybox&tag=latest"
        busybox = find_busybox()
        assert busybox is not None
        status, said = ask(made.socket, "POST", image, busybox_archive(busybox))
        assert status == 200, said
        yield made


def _whole(root):
    """Whether systemd is the first process and has started what belongs to the boot."""
    if "systemd" not in Path(f"/proc/{root.init}/comm").read_text():
        return False
    return root.run("sh", "-c", "systemctl is-system-running || true").strip() in ("running", "degraded")


@contextlib.contextmanager
def _removed_cgroup(name):
    """Remove a cgroup and those in it after the block, when their processes have ended."""
    remove = 'mount -t cgroup2 none /mnt && [ ! -d "/mnt/$1" ] || find "/mnt/$1" -depth -type d -exec rmdir {} +'
    try:
        yield
    finally:
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", remove, "sh", name]
        wait_for(lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0, what="its removal")


def wheel(folder):
    """Build the wheel of this checkout."""
    pip = (str(ROOT / ".venv" / "bin" / "python"), "-m", "pip", "wheel", "--quiet", "--no-deps")
    sh(*pip, "--wheel-dir", str(folder), str(ROOT))
    (made,) = folder.glob("*.whl")
    return made
