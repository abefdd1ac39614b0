"""How the reasoning grows: made engines of 1,000, 3,000 and 10,000 endpoints, ten to a network.

Prints seconds and the peak of extra memory (MiB, as tracemalloc counts) for the topology and the diagnosis.
Run: ``python -m bench.core_scale``.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from ipaddress import IPv4Address

from bridgework.diagnosis.diagnosis import diagnose
from bridgework.model.observations import (
    EngineObservations,
    HostObservation,
    Interface,
    InterfaceAddress,
    ListeningSocket,
    Observation,
    Observations,
    Route,
)
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Snapshot
from bridgework.topology.build import build
from bridgework.topology.graphviz import to_graphviz
from bridgework.topology.mermaid import to_mermaid

EACH = 10
_BASE = int(IPv4Address("10.0.0.0"))
_ROOM = 250


def engine(endpoints: int, each: int = EACH) -> tuple[Snapshot, EngineObservations]:
    """A made engine, looked into everywhere; every tenth container has something wrong."""
    networks, containers, observations, links = [], [], {}, []
    prefix_len = 24 if each < _ROOM else 16
    for n in range(endpoints // each):
        base = _BASE + n * 2 ** (32 - prefix_len)
        network_id = f"{n:012x}".ljust(64, "a")
        gateway = str(IPv4Address(base + 1))
        networks.append(Network(network_id, f"net{n:04}", pools=(Pool(f"{IPv4Address(base)}/{prefix_len}", gateway),)))
        links.append(Interface(n + 1, f"br-{network_id[:12]}", "bridge", None, 1500, "up", (), ()))
        for i in range(each):
            number = n * each + i
            container_id, address = f"{number:012x}".ljust(64, "c"), str(IPv4Address(base + 2 + i))
            endpoint = Endpoint(
                *(network_id, f"net{n:04}", container_id, f"c{number:05}"),
                ipv4_address=address,
                gateway=gateway,
                aliases=("web",) if i < 2 else (f"alias{i}",),
            )
            ports = (PublishedPort(80, host_port=20000 + number),) if i == 0 else ()
            containers.append(Container(container_id, f"c{number:05}", endpoints=(endpoint,), published_ports=ports))
            veth = 1_000_000 + number
            inside = InterfaceAddress(address, prefix_len, "ipv4", "global")
            eth0 = Interface(2, "eth0", "veth", None, 1500, "up", (), (inside,), peer_index=veth)
            listening = (ListeningSocket("tcp", "ipv4", "0.0.0.0", 8080 if i == 0 else 80),)
            observations[container_id] = Observation(number, interfaces=(eth0,), sockets=listening)
            links.append(
                Interface(veth, f"veth{number:07x}", "veth", None, 1500, "up", (), (), peer_index=2, master_index=n + 1)
            )
    routes = tuple(Route(f"10.{i}.0.0/20", "ipv4", None, f"tun{i}", None, "link", "kernel") for i in range(50))
    host = HostObservation(Observation(0, interfaces=tuple(links), routes=routes), ipv4_forwarding=True)
    return Snapshot(tuple(networks), tuple(containers)), EngineObservations(
        Observations(inside=observations, host=host)
    )


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of one run, and the peak memory of another (tracing slows the first)."""
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return seconds, peak


def main() -> None:
    """Measure and print a table."""
    print(f"{'endpoints':>9}  {'what':<14} {'seconds':>8} {'MiB':>7}")
    for endpoints in (1_000, 3_000, 10_000):
        snapshot, observations = engine(endpoints)
        seen = observations.observations
        graph = build(snapshot, host=seen.host, observations=seen.inside)
        works: dict[str, Callable[[], object]] = {
            "topology": lambda s=snapshot, e=seen: build(s, host=e.host, observations=e.inside),
            "diagnose": lambda s=snapshot, e=observations: diagnose(s, e),
            "Graphviz text": lambda g=graph: to_graphviz(g),
            "Mermaid text": lambda g=graph: to_mermaid(g),
        }
        for name, work in works.items():
            seconds, peak = measure(work)
            print(f"{endpoints:>9}  {name:<14} {seconds:>8.3f} {peak:>7.1f}")


if __name__ == "__main__":
    main()
