"""What each module of this package gives: the probe of a check, and what a matrix does at a connected socket."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from bridgework.model.checks import Protocol, Reason
from bridgework.probes.kinds.attempts import Probe
from bridgework.probes.kinds.sockaddr import Destination


@dataclass(frozen=True, slots=True)
class Connection:
    """The plainest form of a protocol: a matrix has no path, no expected status and no question of the caller's.

    ``request`` is sent once connected; without one, a connection is the whole answer. ``judge`` returns ``None`` when
    an answer is a success. ``silence`` is the reason when no answer comes.
    """

    kind: socket.SocketKind
    request: Callable[[Destination], bytes] | None = None
    judge: Callable[[bytes], Reason | None] = lambda _: None
    silence: Reason = Reason.TIMED_OUT


@dataclass(frozen=True, slots=True)
class Kind:
    """One protocol. Without a ``connection``, a matrix sends echo requests."""

    probe: Probe
    connection: Connection | None


def kind_of(protocol: Protocol) -> Kind:
    """Import the protocol's module: a helper container imports one only, and no DNS library for a ping."""
    match protocol:
        case Protocol.ICMP:
            from bridgework.probes.kinds import icmp

            return Kind(icmp.probe, None)
        case Protocol.TCP:
            from bridgework.probes.kinds import tcp

            return Kind(tcp.probe, tcp.CONNECTION)
        case Protocol.UDP:
            from bridgework.probes.kinds import udp

            return Kind(udp.probe, udp.CONNECTION)
        case Protocol.HTTP:
            from bridgework.probes.kinds import http

            return Kind(http.probe, http.CONNECTION)
        case Protocol.DNS:
            from bridgework.probes.kinds import dns

            return Kind(dns.probe, dns.CONNECTION)
    assert_never(protocol)
