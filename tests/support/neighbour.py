"""A neighbour of an engine's host on its LAN: a namespace one link away, from which ports are tried for real."""

import contextlib
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bridgework.probes.kernel.setns import run_inside

SILENCE_S = 1.5
"""How long to wait where no answer is expected: silence proves the more the longer it lasts."""
LINK, HOST_ADDRESS, ADDRESS = "up0", "192.0.2.1", "192.0.2.2"
HOST_ADDRESS6, ADDRESS6 = "2001:db8:99::1", "2001:db8:99::2"


def answers_from(namespace, address, port, protocol, wait_s):
    """Whether a program answers at the address and port, asked from the namespace of that path."""
    return answer_from(namespace, address, port, protocol, wait_s) != b""


def answer_from(namespace, address, port, protocol, wait_s):
    """What a program answers at the address and port, asked from the namespace of that path; empty for nothing."""

    def connect():
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as sock:
            sock.settimeout(wait_s)
            try:
                sock.connect((address, port))
                # A socket that only holds the port, as the engine's does without docker-proxy, takes a connection too.
                sock.send(b"GET / HTTP/1.0\r\n\r\n")
                answer = received = sock.recv(1000)
                # The server of a web page closes the connection at the end, and may send the page in two parts.
                while received and protocol == "tcp":
                    received = sock.recv(1000)
                    answer += received
            except OSError:
                return b""
            return answer

    with Path(namespace).open("rb") as opened:
        return run_inside(opened.fileno(), connect)


@dataclass
class Neighbour:
    """The namespace beside the engine's own."""

    name: str

    @property
    def path(self):
        return Path("/run/netns", self.name)

    def inside(self, *command, check=True):
        return subprocess.run(
            ["nsenter", f"--net={self.path}", "--", *command], capture_output=True, text=True, check=check
        )

    def reaches(self, address, port, protocol="tcp", wait_s=10.0):
        """Whether a program answers there. A busy machine answers late."""
        return answers_from(self.path, address, port, protocol, wait_s)

    def route(self, destination, via=HOST_ADDRESS):
        self.inside("ip", "route", "replace", destination, "via", via)

    def route_loopback(self):
        """Send what is for 127.0.0.1 and ::1 to the host, as an attacker on the LAN can."""
        self.inside("ip", "addr", "flush", "dev", "lo")
        self.inside("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
        self.route("127.0.0.1/32")
        self.route("::1/128", HOST_ADDRESS6)


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
