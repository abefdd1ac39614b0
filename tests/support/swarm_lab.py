"""Two real engines, each in a network namespace of its own, tied by veths to a bridge in a third: a swarm of two."""

import contextlib
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import docker

from tools.engine import PrivateEngine, run

SWARM_PORT = 2377
CONTROL_S = 60


@dataclass
class Wire:
    """The third namespace, with a bridge: it lives as long as one process, which ends with whoever made it."""

    process: subprocess.Popen

    @classmethod
    def make(cls):
        """The bridge, up."""
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"]
        wire = cls(subprocess.Popen(command))
        own = Path("/proc/self/ns/net").readlink()
        until(lambda: Path(f"/proc/{wire.process.pid}/ns/net").readlink() != own, "a namespace for the wire")
        wire.ip("link", "add", "wire", "type", "bridge")
        wire.ip("link", "set", "wire", "up")
        return wire

    def ip(self, *words):
        """``ip`` inside."""
        return run("nsenter", f"--net=/proc/{self.process.pid}/ns/net", "ip", *words)

    def tie(self, engine, port, address):
        """Tie an engine's namespace to the bridge."""
        inside = ("link", "add", "uplink", "type", "veth", "peer", "name", port, "netns", str(self.process.pid))
        run("ip", "-n", engine.name, *inside)
        run("ip", "-n", engine.name, "address", "add", f"{address}/24", "dev", "uplink")
        run("ip", "-n", engine.name, "link", "set", "uplink", "up")
        run("ip", "-n", engine.name, "route", "add", "default", "dev", "uplink")
        self.ip("link", "set", port, "master", "wire", "up")

    def cut(self, port):
        """Take a node's link down."""
        self.ip("link", "set", port, "down")

    def mend(self, port):
        """Bring it up again."""
        self.ip("link", "set", port, "up")

    def remove(self):
        """The namespace goes with its process."""
        self.process.kill()
        self.process.wait()


@dataclass
class SwarmNode:
    """One engine of the swarm."""

    engine: PrivateEngine
    address: str
    port: str
    client: docker.DockerClient = field(init=False)

    def __post_init__(self):
        self.client = docker.DockerClient(base_url=self.engine.docker_host, timeout=CONTROL_S)

    def start(self, name, network, *command):
        """A running busybox container on a network."""
        return self.client.containers.run(
            "busybox", list(command) or ["sleep", "600"], name=name, network=network, detach=True, stop_signal="KILL"
        )

    def in_namespace(self, handle, *command):
        """Run a program of the machine's inside a container's namespace, by the engine's handle on it."""
        return run("nsenter", f"--net={handle}", "--", *command)


def until(condition, what, seconds=CONTROL_S):
    """Wait for something true, no longer than given; say what never came."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(docker.errors.APIError, OSError):
            found = condition()
            if found:
                return found
        assert time.monotonic() < end, f"never came within {seconds} s: {what}"
        time.sleep(0.2)


@contextlib.contextmanager
def swarm_of_two(directory, purpose):
    """Two nodes: the first is the manager. Everything is gone afterwards."""
    with contextlib.ExitStack() as stack:
        wire = Wire.make()
        stack.callback(wire.remove)
        nodes = []
        for number, letter in ((1, "a"), (2, "b")):
            engine = stack.enter_context(PrivateEngine(directory / letter, f"bridgework-{purpose}-{letter}"))
            wire.tie(engine, f"port-{letter}", f"10.99.0.{number}")
            nodes.append(SwarmNode(engine, f"10.99.0.{number}", f"port-{letter}"))
            stack.callback(nodes[-1].client.close)
        first, second = nodes
        first.client.swarm.init(advertise_addr=first.address, listen_addr=f"{first.address}:{SWARM_PORT}")
        token = first.client.swarm.attrs["JoinTokens"]["Worker"]
        second.client.swarm.join(
            [f"{first.address}:{SWARM_PORT}"],
            token,
            listen_addr=f"{second.address}:{SWARM_PORT}",
            advertise_addr=second.address,
        )
        until(lambda: _ready(first) == len(nodes), "both nodes ready")
        yield wire, first, second


def _ready(manager):
    return sum(node.attrs["Status"]["State"] == "ready" for node in manager.client.nodes.list())
