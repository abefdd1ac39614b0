"""A Podman of the tests' own: its service in a network namespace of its own, and all of its data in one folder."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tools.engine.client import answers, ask
from tools.engine.image import busybox_archive
from tools.engine.packages import find_busybox

PROGRAMS = ("podman", "conmon", "nft")
NETAVARK = [folder / name for folder in map(Path, ("/usr/lib/podman", "/usr/libexec/podman")) for name in ("netavark",)]
SETTINGS = """\
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{run}/libpod"
volume_path = "{data}/volumes"
[network]
network_backend = "netavark"
firewall_driver = "nftables"
network_config_dir = "{data}/networks"
"""
STORAGE = """\
[storage]
driver = "vfs"
graphroot = "{data}/storage"
runroot = "{run}/storage"
"""
LEASES = Path("/run/containers/networks")


def missing():
    """Name what this machine lacks to run Podman; nothing when it has everything."""
    found = [name for name in PROGRAMS if shutil.which(name) is None]
    found += [] if any(path.exists() for path in NETAVARK) else ["netavark"]
    return ", ".join(found)


class PodmanEngine:
    """A context manager. ``docker_host`` is where its service answers, ``namespace`` is the host of its containers."""

    def __init__(self):
        self.name = f"bridgework-podman-{os.getpid()}"
        self.run = Path("/run") / self.name
        self.socket = self.run / "podman.sock"
        self.docker_host = f"unix://{self.socket}"
        self.namespace = Path("/run/netns") / self.name

    def __enter__(self):
        self.data = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.run.mkdir()
        self.made_leases = not LEASES.parent.exists()
        for file, text in (("containers.conf", SETTINGS), ("storage.conf", STORAGE)):
            (self.data / file).write_text(text.format(run=self.run, data=self.data))
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
        # Without this, aardvark-dns cannot bind the address of a new IPv6 bridge, which is tentative for two seconds.
        self.inside("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(self.data / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.data / "storage.conf"),
            "TMPDIR": str(self.data),
        }
        self.serve()
        changes = "changes=CMD%20%5B%22sh%22%5D&changes=ENV%20PATH%3D/bin"
        url = f"/images/create?fromSrc=-&repo=busybox&tag=latest&{changes}"
        busybox = find_busybox()
        assert busybox is not None
        status, body = ask(self.socket, "POST", url, busybox_archive(busybox))
        assert status == 200, body
        return self

    def serve(self):
        """Start Podman's service, and wait until it answers."""
        with (self.data / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["nsenter", f"--net={self.namespace}", "podman", "system", "service", "-t", "0", self.docker_host],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=self.environment,
            )  # fmt: skip
        for _ in range(300):
            if answers(self.socket):
                break
            time.sleep(0.1)
        else:
            raise AssertionError((self.data / "log").read_text())

    def kill_containers(self):
        """End the program of each running container."""
        for container in self.listed("/containers/json"):
            self.call("POST", f"/containers/{container['Id']}/kill")

    def __exit__(self, *_):
        self.kill_containers()
        for container in self.listed("/containers/json?all=1"):
            self.call("DELETE", f"/containers/{container['Id']}?force=1")
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        self.process.wait()
        subprocess.run(["ip", "netns", "delete", self.name], check=True)
        for mount in self.mounts():
            subprocess.run(["umount", "--lazy", mount], check=False)
        for folder in (self.run, self.data):
            shutil.rmtree(folder)
        # Netavark keeps its leases there, wherever the rest of Podman's data is.
        if self.made_leases:
            shutil.rmtree(LEASES.parent, ignore_errors=True)

    def inside(self, *command):
        """Run a program in the network namespace of the engine."""
        return subprocess.run(
            ["nsenter", f"--net={self.namespace}", *command], check=True, capture_output=True, text=True
        ).stdout

    def call(self, method, path, body=None):
        """Call Podman's Docker-compatible API past the service; return the status and the answer."""
        status, answer = ask(
            self.socket, method, f"/v1.41{path}", json.dumps(body).encode() if body is not None else None,
            "application/json",
        )  # fmt: skip
        return status, json.loads(answer) if answer.strip().startswith((b"{", b"[")) else answer

    def listed(self, path):
        """Call and return a list; an empty one where nothing answers."""
        try:
            return self.call("GET", path)[1]
        except OSError:
            return []

    def processes(self):
        """Find the processes of this Podman by their arguments: the service, aardvark-dns and conmon."""
        mine = str(self.run).encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                arguments = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            except OSError:
                continue
            if mine in arguments and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        return found

    def mounts(self):
        """Find what Podman mounted below its folders and in the folder of namespaces, children first."""
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        points = [line.split()[4] for line in lines]
        return sorted((point for point in points if point.startswith((f"{self.run}/", f"{self.data}/"))), reverse=True)
