"""Sends one probe and records it in every namespace on its way.

Closing is the slow part: the kernel waits for all processors before it frees a table or a packet socket (14 ms,
measured on Linux 6.18). So all sockets are closed at once, each by a thread of its own.
"""

from __future__ import annotations

import errno
import os
import random
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Thread

from bridgework.model.checks import Measurement, ProbeRequest
from bridgework.model.probe_port import TracePlan
from bridgework.model.trace import Connection, Flow, PacketSeen, Place, RouteSeen, RuleSeen, TraceRecord
from bridgework.probes.kernel.setns import run_inside
from bridgework.probes.kinds.sockaddr import destination_of, route_socket
from bridgework.probes.trace.heads import FAMILY
from bridgework.probes.trace.recorder import Recorder

# Above the ports that the kernel chooses itself (ip_local_port_range: 32768 to 60999).
_FLOW_IDS = range(61_000, 65_536)
_TRIES = 8
OVERHEAD_S = 2.0
"""For opening and closing, also on a busy machine."""
_PROXY_S = 0.1
_PORT_AND_BRIDGE = 2


@dataclass(frozen=True, slots=True)
class Space:
    """An open namespace on the way, and what to call it."""

    place: Place
    name: str
    descriptor: int


@dataclass(frozen=True, slots=True)
class Work:
    """What to send, and what to do around it.

    ``probe`` sends a request from the calling thread's namespace. ``meanwhile`` is called while the sockets are closed.
    """

    request: ProbeRequest
    plan: TracePlan
    probe: Callable[[ProbeRequest], Measurement]
    meanwhile: Callable[[Measurement], None]
    ends: float

    def send(self, source: int, flow: Flow | None) -> Measurement:
        """Send the probe from the namespace."""
        request = self.request if flow is None else replace(self.request, flow_id=flow.identifier)
        return run_inside(source, lambda: self.probe(request), self.ends)


def trace(spaces: Sequence[Space], work: Work, missing: Sequence[str]) -> tuple[Measurement, TraceRecord | None]:
    """Send the probe from the first space and record it in all of them.

    The record is ``None`` where the source has no route to the address. Raises like ``run_inside``.
    """
    source = spaces[0].descriptor
    try:
        flow = run_inside(source, lambda: _flow_of(work.request, work.plan), work.ends)
    except OSError:
        measurement = work.send(source, None)
        work.meanwhile(measurement)
        return measurement, None
    recorders = [Recorder(space.place, flow, _called(space)) for space in spaces]
    with _closing(recorders) as begin_closing:
        # All packet sockets first: the kernel takes a millisecond to switch its timestamps on.
        for begin in (Recorder.watch, Recorder.mark):
            for space, recorder in zip(spaces, recorders, strict=True):
                run_inside(space.descriptor, partial(begin, recorder), work.ends)
        started_ns = time.time_ns()
        measurement = work.send(source, flow)
        if work.plan.by_proxy:
            _await_proxy(recorders)
        record = _record(flow, started_ns, recorders, missing)
        begin_closing()
        work.meanwhile(measurement)
    return measurement, record


def _await_proxy(recorders: Sequence[Recorder]) -> None:
    """Wait until the proxy's own connection comes to the destination: the client has its answer before that."""
    for recorder in recorders:
        if recorder.place == "destination" and recorder.sightings is not None:
            select.select([recorder.sightings], [], [], _PROXY_S)


def _called(space: Space) -> str:
    """Return the words for a namespace in a sentence."""
    return "the host" if space.place == "host" else f"container {space.name}"


def _record(flow: Flow, started_ns: int, recorders: Sequence[Recorder], missing: Sequence[str]) -> TraceRecord:
    packets = tuple(packet for recorder in recorders for packet in recorder.packets())
    rules = tuple(rule for recorder in recorders for rule in recorder.rules())
    host = next((recorder for recorder in recorders if recorder.place == "host"), None)
    connection = host.connection() if host is not None else None
    sentences = (*missing, *(sentence for recorder in recorders for sentence in recorder.missing))
    sends = recorders[0] is host
    route = None if host is None else _route(host, flow, packets, rules, connection, sends=sends)
    return TraceRecord(flow, started_ns, packets, rules, route, connection, sentences)


def _route(
    host: Recorder,
    flow: Flow,
    packets: Sequence[PacketSeen],
    rules: Sequence[RuleSeen],
    connection: Connection | None,
    *,
    sends: bool,
) -> RouteSeen | None:
    """Ask for the route on the host, of the packet as the rules translated it; ``None`` where the host routes nothing.

    ``sends``: the host sends the packet itself. Another one that comes to its IP layer is seen twice: at the port of
    its bridge, and at the bridge.
    """
    # Two containers can choose the same number for two flows at once.
    sender = flow.source, flow.identifier
    own = [packet for packet in packets if packet.place == "host" and packet.head.ends[0] == sender]
    came_in = list(dict.fromkeys(packet.interface for packet in own if not packet.leaving))
    if not sends and len(came_in) < _PORT_AND_BRIDGE:
        return None
    translated = connection.reply_source[0] if connection is not None else None
    heads = [rule.head for rule in rules if rule.place == "host" and rule.head.ends[0] == sender]
    latest = heads[-1].destination if heads else None
    return host.route(translated or latest or flow.address, None if sends else came_in[-1])


def _flow_of(request: ProbeRequest, plan: TracePlan) -> Flow:
    """Choose the source as the kernel would, and a number that no other program uses. Raises ``OSError``."""
    destination = destination_of(request.address or "", request.port or 0)
    with route_socket(request.address or "") as routed:
        source = str(routed.getsockname()[0]).partition("%")[0]
    address = str(destination.sockaddr[0]).partition("%")[0]
    protocol = request.protocol.transport or "icmp"
    identifier = _free_number(destination.version, protocol)
    port = request.port if protocol != "icmp" else None
    return Flow(
        destination.version, protocol, source, address, port, identifier, plan.answerers, plan.by_proxy,
        plan.payload_bytes,
    )  # fmt: skip


def _free_number(version: int, protocol: str) -> int:
    kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}.get(protocol)
    chosen = random.SystemRandom().sample(_FLOW_IDS, _TRIES)
    for number in chosen if kind is not None else ():
        with socket.socket(FAMILY[version], kind or 0) as sock:
            try:
                sock.bind(("", number))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            return number
    return chosen[0]


@contextmanager
def _closing(recorders: Sequence[Recorder]) -> Iterator[Callable[[], None]]:
    """Close all sockets at the end. The function that this yields begins it earlier; nothing waits for it then."""
    threads: list[Thread] = []

    def begin() -> None:
        for sock in (sock for recorder in recorders for sock in recorder.sockets()):
            threads.append(Thread(target=sock.close, name="close", daemon=True))
            threads[-1].start()

    try:
        yield begin
    finally:
        if not threads:
            begin()
        for thread in threads:
            thread.join()


def distinct(spaces: Sequence[Space]) -> list[Space]:
    """Return the spaces without those that are the same namespace as one before them.

    A namespace is the host's before it is the source's: a container in host mode has the host's rules.
    """
    inodes = [os.fstat(space.descriptor).st_ino for space in spaces]
    names: Mapping[int, Space] = {
        inode: space for inode, space in zip(inodes, spaces, strict=True) if space.place == "host"
    }
    space_by_inode: dict[int, Space] = {}
    for inode, space in zip(inodes, spaces, strict=True):
        space_by_inode.setdefault(
            inode, replace(space, place=names[inode].place, name=names[inode].name) if inode in names else space
        )
    return list(space_by_inode.values())
