"""How a matrix comes into the namespaces: each is entered once, what is needed there is opened, and stays open.

Used by the matrix's own thread, which ends with it: it stands in whichever namespace was entered last.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from bridgework.matrix import transports
from bridgework.matrix.connect_protocols import CONNECT_PROTOCOLS, default_port
from bridgework.matrix.connect_transport import ConnectTransport, DescriptorBudget
from bridgework.matrix.name_resolution import SourceResolver
from bridgework.matrix.namespaces import Namespace, read_namespace
from bridgework.matrix.probe_loop import ActiveSource
from bridgework.matrix.rows import Destination, RowProgress, destination_of
from bridgework.model.checks import Protocol, Reason
from bridgework.model.observations import ResolverConfiguration
from bridgework.model.probe_port import Place, SweepPlan, SweepSource
from bridgework.probes.kernel.namespace_files import OutOfReach
from bridgework.probes.kernel.setns import enter
from bridgework.probes.kinds.reasons import IPV4, IPV6, of_errno
from bridgework.probes.kinds.sockaddr import family_of, numeric
from bridgework.probes.resolver.exchange import DNS_PORT
from bridgework.probes.resolver.files import DEFAULT_NAMESERVER


@dataclass(frozen=True, slots=True)
class Environment:
    """What a matrix needs to know of the world: how to open a place and enter it, its resolver files, the host.

    ``neighbour_limit`` replaces the share of the kernel's limit, in entries of all namespaces together.
    """

    open_place: Callable[[Place], AbstractContextManager[int]]
    resolver: Callable[[Place], ResolverConfiguration | None]
    enter: Callable[[int], None] = enter
    host: Place | None = None
    neighbour_limit: int | None = None


class SourceOpener:
    """Opens lanes and knows the spaces they are in, before ``ends``; ``files`` closes what it opened."""

    def __init__(
        self, plan: SweepPlan, environment: Environment, files: ExitStack, room: DescriptorBudget, ends: float
    ) -> None:
        self.spaces: dict[int, Namespace] = {}
        self._plan, self._grounds, self._files, self._room, self._ends = plan, environment, files, room, ends
        self._destinations: dict[str, Destination | None] = {}
        self._token = transports.new_token()
        self._port = port_of(plan)

    def open_host(self) -> None:
        """Look at the host too, where it is in reach: it makes entries for those who come to it as their gateway."""
        if self._grounds.host is None:
            return
        try:
            with self._grounds.open_place(self._grounds.host) as descriptor:
                self._enter(descriptor)
        except (OutOfReach, OSError):
            return

    def open_lane(self, number: int, source: SweepSource) -> ActiveSource | RowProgress:
        """A lane ready to be measured, or the whole row of a source that cannot be stood in."""
        row = RowProgress(source)
        self._aim(row)
        try:
            with self._grounds.open_place(source.place) as descriptor:
                space = self._enter(descriptor)
                return ActiveSource(row, space, self._line(number, row), self._way_back(descriptor))
        except OutOfReach as limit:
            row.give_up(limit.reason)
        except TimeoutError:
            row.give_up(Reason.DEADLINE)
        except PermissionError:
            row.give_up(Reason.NAMESPACE_OUT_OF_REACH)
        except OSError as error:
            row.give_up(of_errno(error.errno))
        return row

    def _enter(self, descriptor: int) -> Namespace:
        self._grounds.enter(descriptor)
        inode = os.fstat(descriptor).st_ino
        if inode not in self.spaces:
            self.spaces[inode] = read_namespace(inode, self._ends)
            self._files.callback(self.spaces[inode].close)
        return self.spaces[inode]

    def _aim(self, row: RowProgress) -> None:
        for position, target in enumerate(row.source.targets):
            if target.address is None:
                if target.name is None:
                    row.finish(position, Reason.NOT_ALLOWED)
                continue
            destination = self.destination(target.address)
            if destination is None:
                row.finish(position, Reason.NO_ADDRESS)
            else:
                row.destinations[position] = destination
                row.ready.append(position)

    def destination(self, address: str) -> Destination | None:
        """The address as the sockets want it; ``None`` when it is unusable."""
        if address not in self._destinations:
            try:
                self._destinations[address] = destination_of(address, self._port)
            except OSError:
                self._destinations[address] = None
        return self._destinations[address]

    def _line(self, number: int, row: RowProgress) -> transports.Transport:
        if self._plan.protocol is not Protocol.ICMP:
            return ConnectTransport(CONNECT_PROTOCOLS[self._plan.protocol], self._room)
        versions = {destination.version for destination in row.destinations if destination}
        named = any(target.name for target in row.source.targets)
        line = transports.EchoTransport(number, self._token, (IPV4, IPV6) if named else sorted(versions))
        self._files.callback(line.close)
        return line

    def open_desk(self, lane: ActiveSource) -> SourceResolver | None:
        """What the lane's names are resolved with, opened in the namespace that was entered last, the lane's own."""
        configuration = self._grounds.resolver(lane.row.source.place)
        if configuration is None:
            return None
        sockets = {}
        for server in configuration.nameservers or (DEFAULT_NAMESERVER,):
            try:
                version, sockaddr = numeric(server, DNS_PORT)
                sock = socket.socket(family_of(version), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                self._files.callback(sock.close)
                sock.connect(sockaddr)
            except OSError:
                continue
            sockets[server] = sock
        return SourceResolver(lane, configuration, sockets)

    def _way_back(self, descriptor: int) -> Callable[[], None]:
        if self._plan.protocol is Protocol.ICMP:
            return lambda: None
        kept = os.dup(descriptor)
        self._files.callback(os.close, kept)
        return lambda: self._grounds.enter(kept)


def port_of(plan: SweepPlan) -> int:
    """The port to aim at; none for a ping, since a raw IPv6 socket takes a port for a protocol (raw(7))."""
    return 0 if plan.protocol is Protocol.ICMP else plan.port or default_port(plan.protocol)
