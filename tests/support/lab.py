"""A small world of network namespaces, made by a test and removed by name: networks on bridges, members on networks.

One namespace, the router, holds every bridge and stands for the engine's host; what it forwards between bridges is
dropped, as Docker isolates its networks. Nothing of it touches the machine's own network.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridgework.model.probe_port import Place

_numbers = itertools.count()


QUIET = (
    "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.router_solicitations=0",
    "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0",
)  # fmt: skip
"""Addresses can be used at once; links make no neighbour entries of their own for seconds after coming up; and every
test gets its ICMP error, however many the one before it got (the kernel gives a peer six, and then one a second)."""


def run(*command: str, feed: str | None = None) -> str:
    done = subprocess.run(command, input=feed, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def present(prefix: str) -> list[str]:
    return [path.name for path in Path("/run/netns").glob(f"{prefix}*")] if Path("/run/netns").is_dir() else []


@dataclass
class Member:
    namespace: str
    address: str
    address6: str
    network: int

    @property
    def path(self) -> str:
        return f"/run/netns/{self.namespace}"

    def place(self, **fields: Any) -> Place:
        return Place(container_id=None, name=self.namespace, namespace_path=self.path, **fields)

    def ip(self, *arguments: str) -> str:
        return run("ip", "-n", self.namespace, *arguments)

    def inside(self, *command: str) -> str:
        return run("nsenter", f"--net={self.path}", *command)

    def neighbours(self) -> set[str]:
        lines = run("ip", "-n", self.namespace, "neigh", "show", "nud", "all").splitlines()
        return {line.split()[0] for line in lines if "NOARP" not in line}


@dataclass
class Lab:
    prefix: str = field(default_factory=lambda: f"bwt{os.getpid()}x{next(_numbers)}")
    members: list[Member] = field(default_factory=list)

    @property
    def router(self) -> Member:
        return Member(f"{self.prefix}r", "", "", -1)

    def build(self, networks: int, members: int, *, isolated: bool = True) -> Lab:
        run("ip", "netns", "add", self.router.namespace)
        self.router.inside("iptables", "-P", "FORWARD", "DROP" if isolated else "ACCEPT")
        for network in range(networks):
            bridge = f"br{network}"
            self.router.inside("iptables", "-A", "FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT")
            self.router.inside("ip6tables", "-A", "FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT")
        self.router.inside("sysctl", "-qw", "net.ipv4.ip_forward=1", *QUIET)
        batch = ["link set lo up"]
        for network in range(networks):
            batch += [
                f"link add br{network} type bridge",
                f"link set br{network} up",
                f"addr add 10.77.{network}.1/24 dev br{network}",
                f"addr add fd77:{network:x}::1/64 dev br{network} nodad",
            ]
            for number in range(members):
                batch += self._member(network, number)
        run("ip", "-n", self.router.namespace, "-batch", "-", feed="\n".join(batch))
        for member in self.members:
            run("ip", "-n", member.namespace, "-batch", "-", feed="\n".join(self._inner(member)))
        return self

    def _member(self, network: int, number: int) -> list[str]:
        host = number + 2
        member = Member(
            f"{self.prefix}n{network}m{number}", f"10.77.{network}.{host}", f"fd77:{network:x}::{host:x}", network
        )
        run("ip", "netns", "add", member.namespace)
        member.inside("sysctl", "-qw", *QUIET)
        self.members.append(member)
        outer = f"v{network}m{number}"
        return [
            f"link add {outer} type veth peer name eth0 netns {member.namespace}",
            f"link set {outer} addrgenmode none master br{network} up",
        ]

    @staticmethod
    def _inner(member: Member) -> list[str]:
        return [
            "link set lo up",
            "link set eth0 up",
            f"addr add {member.address}/24 dev eth0",
            f"addr add {member.address6}/64 dev eth0 nodad",
            f"route add default via 10.77.{member.network}.1",
        ]

    def remove(self) -> None:
        for name in present(self.prefix):
            run("ip", "netns", "del", name)
        assert present(self.prefix) == []
