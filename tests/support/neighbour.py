"""A neighbour of an engine's host on its LAN: a namespace one link away, from which ports are tried for real."""

import contextlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

LINK, HOST_ADDRESS, ADDRESS = "up0", "192.0.2.1", "192.0.2.2"
HOST_ADDRESS6, ADDRESS6 = "2001:db8:99::1", "2001:db8:99::2"
_CONNECT = """
import socket, sys
kind = socket.SOCK_STREAM if sys.argv[3] == "tcp" else socket.SOCK_DGRAM
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, kind) as sock:
    sock.settimeout(float(sys.argv[4]))
    try:
        sock.connect((sys.argv[1], int(sys.argv[2])))
        # A socket that only holds the port, as the engine's does without docker-proxy, takes a connection too.
        sock.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
        sys.exit(not sock.recv(100))
    except OSError:
        sys.exit(1)
"""


def connect_command(address, port, protocol="tcp", wait_s=0.5):
    """The command that ends with 0 if a program answers at the address and port."""
    return ["python3", "-c", _CONNECT, address, str(port), protocol, str(wait_s)]


@dataclass
class Neighbour:
    """The namespace beside the engine's own."""

    name: str

    def inside(self, *command, check=True):
        path = Path("/run/netns", self.name)
        return subprocess.run(["nsenter", f"--net={path}", "--", *command], capture_output=True, text=True, check=check)

    def reaches(self, address, port, protocol="tcp", wait_s=0.5):
        """Whether a program answers there."""
        return self.inside(*connect_command(address, port, protocol, wait_s), check=False).returncode == 0

    def route(self, destination, via=HOST_ADDRESS):
        self.inside("ip", "route", "replace", destination, "via", via)

    def route_loopback(self):
        """Send what is for 127.0.0.1 to the host, as an attacker on the LAN can."""
        self.inside("ip", "addr", "flush", "dev", "lo")
        self.inside("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
        self.route("127.0.0.1/32")


@contextlib.contextmanager
def neighbour_of(engine):
    """Make the namespace and the link; both end with the test."""
    name = f"{engine.name}-n"
    run = lambda text: subprocess.run(text.split(), check=True, capture_output=True)  # noqa: E731
    try:
        for command in (
            f"ip netns add {name}",
            f"ip -n {engine.name} link add {LINK} type veth peer name eth0 netns {name}",
            f"ip -n {engine.name} addr add {HOST_ADDRESS}/24 dev {LINK}",
            f"ip -n {engine.name} addr add {HOST_ADDRESS6}/64 dev {LINK} nodad",
            f"ip -n {engine.name} link set {LINK} up",
            f"ip -n {name} addr add {ADDRESS}/24 dev eth0",
            f"ip -n {name} addr add {ADDRESS6}/64 dev eth0 nodad",
            f"ip -n {name} link set eth0 up",
        ):
            run(command)
        yield Neighbour(name)
    finally:
        # The kernel removes the links of a deleted namespace some time later, and the next test makes one of this name.
        for command in (f"ip -n {engine.name} link delete {LINK}", f"ip netns delete {name}"):
            subprocess.run(command.split(), check=False, capture_output=True)
