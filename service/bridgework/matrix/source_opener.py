"""Opens what a matrix needs in each source's namespace: sockets, the kernel's state, and a resolver."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from bridgework.matrix.connect_transport import ConnectTransport, DescriptorBudget
from bridgework.matrix.echo_transport import EchoTransport, new_token
from bridgework.matrix.name_resolution import SourceResolver
from bridgework.matrix.namespaces import Namespace, read_namespace
from bridgework.matrix.probe_loop import ActiveSource, Transport
from bridgework.matrix.rows import RowProgress
from bridgework.model.checks import Reason
from bridgework.model.observations import ResolverConfiguration
from bridgework.model.probe_port import Place, SweepPlan
from bridgework.probes.kernel.namespace_files import OutOfReach
from bridgework.probes.kernel.setns import enter
from bridgework.probes.kinds.kind import kind_of
from bridgework.probes.kinds.reasons import IPV4, IPV6
from bridgework.probes.kinds.sockaddr import Destination, destination_of
from bridgework.probes.resolver.exchange import DNS_PORT
from bridgework.probes.resolver.files import DEFAULT_NAMESERVER


@dataclass(frozen=True, slots=True)
class Environment:
    """How a runner reaches namespaces: ``open_place`` gives a descriptor for ``enter``, ``resolver`` the files.

    ``host`` is the engine's host where it can be entered. ``neighbour_limit`` replaces the share of the kernel's limit,
    in entries of all namespaces together. ``neighbour_share`` is the part of that share, where several matrices run.
    """

    open_place: Callable[[Place], AbstractContextManager[int]]
    resolver: Callable[[Place], ResolverConfiguration | None]
    enter: Callable[[int], None] = enter
    host: Place | None = None
    neighbour_limit: int | None = None
    neighbour_share: float = 1.0


class SourceOpener:
    """Opens sources one after another, before ``ends``. ``files`` closes everything at the end of the matrix."""

    def __init__(
        self, plan: SweepPlan, environment: Environment, files: ExitStack, budget: DescriptorBudget, ends: float
    ) -> None:
        self.namespaces: dict[int, Namespace] = {}
        self._plan, self._environment, self._files = plan, environment, files
        self._budget, self._ends = budget, ends
        self._destinations: dict[str, Destination | None] = {}
        # One token for all rows: the rows' numbers tell their pings apart.
        self._token = new_token()
        self._connection = kind_of(plan.protocol).connection

    def read_host(self) -> None:
        """Read the host's namespace where it is in reach: as a gateway, its kernel makes entries for the sources."""
        if self._environment.host is None:
            return
        try:
            with self._environment.open_place(self._environment.host) as descriptor:
                self._enter(descriptor)
        except (OutOfReach, OSError):
            return

    def open(self, number: int, row: RowProgress) -> tuple[ActiveSource, SourceResolver | None]:
        """Open the sockets of a source, and its resolver if it has names to resolve.

        Raises:
            OutOfReach: the namespace cannot be opened.
            OSError: it cannot be entered, or a socket cannot be opened; ``TimeoutError`` at ``ends``.
        """
        place = row.source.place
        named = self._set_destinations(row)
        with self._environment.open_place(place) as descriptor:
            namespace = self._enter(descriptor)
            source = ActiveSource(row, namespace, self._transport(number, row, named), self._way_back(descriptor))
        configuration = self._environment.resolver(place) if named else None
        if configuration is None:
            for position in named:
                row.finish(position, Reason.NAMESPACE_OUT_OF_REACH)
            return source, None
        return source, SourceResolver(source, configuration, self._resolver_sockets(configuration), named)

    def _enter(self, descriptor: int) -> Namespace:
        # The thread stays there until it enters the next namespace. A socket belongs to the namespace in which it was
        # opened (network_namespaces(7)) and can be used from anywhere afterwards.
        self._environment.enter(descriptor)
        # Containers can share a namespace (network mode container:X). Its inode identifies it, not the descriptor.
        inode = os.fstat(descriptor).st_ino
        if inode not in self.namespaces:
            self.namespaces[inode] = read_namespace(inode, self._ends)
            self._files.callback(self.namespaces[inode].close)
        return self.namespaces[inode]

    def _set_destinations(self, row: RowProgress) -> deque[int]:
        """Make the positions with an address ready and return those whose name must be resolved."""
        named: deque[int] = deque()
        for position, target in enumerate(row.source.targets):
            destination = self.destination(target.address) if target.address is not None else None
            if destination is not None:
                row.make_ready(position, destination)
            elif target.address is not None:
                row.finish(position, Reason.NO_ADDRESS)
            elif target.name is not None:
                named.append(position)
            else:
                row.finish(position, Reason.NOT_ALLOWED)
        return named

    def destination(self, address: str) -> Destination | None:
        """Parse the address; ``None`` when it cannot be used."""
        # Cached: a matrix of 400 containers has 400 addresses, each in 399 rows.
        if address not in self._destinations:
            try:
                self._destinations[address] = destination_of(address, self._port)
            except OSError:
                self._destinations[address] = None
        return self._destinations[address]

    @property
    def _port(self) -> int:
        # A raw IPv6 socket takes a port for a protocol number and refuses it with EINVAL (raw(7)).
        return 0 if self._connection is None else self._plan.port or self._plan.protocol.traits.default_port or 0

    def _transport(self, number: int, row: RowProgress, named: deque[int]) -> Transport:
        if self._connection is not None:
            return ConnectTransport(self._connection, self._budget)
        # A name can lead to either version, so both sockets are opened.
        versions = {IPV4, IPV6} if named else {destination.version for destination in row.destinations.values()}
        transport = EchoTransport(number, self._token, sorted(versions))
        self._files.callback(transport.close)
        return transport

    def _way_back(self, descriptor: int) -> Callable[[], None]:
        """Return what enters the namespace again, for a transport that opens more sockets there."""
        if self._connection is None:
            return lambda: None
        # The caller closes its descriptor. Ours keeps the namespace alive, also when its container stops meanwhile.
        own = os.dup(descriptor)
        self._files.callback(os.close, own)
        return lambda: self._environment.enter(own)

    def _resolver_sockets(self, configuration: ResolverConfiguration) -> dict[str, socket.socket]:
        """Connect a socket to each nameserver that can be reached, in the namespace that was entered last."""
        sockets: dict[str, socket.socket] = {}
        for server in configuration.nameservers or (DEFAULT_NAMESERVER,):
            try:
                destination = destination_of(server, DNS_PORT)
                sock = destination.socket(socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                self._files.callback(sock.close)
                sock.connect(destination.sockaddr)
            except OSError:
                # Without a route to it, or in a bad spelling: the resolver's steps go on to the next server.
                continue
            sockets[server] = sock
        return sockets
