"""Records one flow in one namespace: packets at its interfaces, the rules that nf_tables names, its conntrack entry.

Everything is opened before the probe is sent and read after it. The kernel keeps what happens meanwhile in the buffers
of the sockets, so no thread waits. Sockets stay in the namespace in which they were opened.
"""

from __future__ import annotations

import errno
import os
import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from bridgework.model.trace import TABLE_PREFIX, Connection, Flow, Head, PacketSeen, Place, RouteSeen, RuleSeen
from bridgework.printable import printable
from bridgework.probes.kernel import netlink
from bridgework.probes.kernel.rules_watch import has_legacy_rules
from bridgework.probes.trace import nft_messages as nft
from bridgework.probes.trace.conntrack import connection_of
from bridgework.probes.trace.heads import head_of
from bridgework.probes.trace.route import route_of
from bridgework.probes.trace.sightings import dropped_by, open_sightings, received

NETLINK_NETFILTER, _SOL_NETLINK, _ADD_MEMBERSHIP, _NFTRACE_GROUP = 12, 270, 1, 9
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 1 << 20
MAX_RULES = 2048
"""Messages kept of one trace; a packet makes about twenty on a host with Docker."""
_RECEIVE_S = 1.0
# A closed socket's port id is free before the kernel deletes its tables, and then it deletes all tables of that port id
# (nft_rcv_nl_event; measured on Linux 6.18). So each owner has a port id that no other socket gets: above all process
# ids (2^22), and below those that the kernel chooses otherwise (from 2^31 on).
_PORTS = range(1 << 30, 1 << 31)
_NO_SUCH_FAMILY = frozenset({errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT})
"""What a kernel says that lacks a family of nf_tables."""


@dataclass(slots=True)
class Recorder:
    """The open sockets of one namespace. ``missing`` are sentences about what cannot be recorded here."""

    place: Place
    flow: Flow
    name: str
    sightings: socket.socket | None = None
    owner: socket.socket | None = None
    trace: socket.socket | None = None
    routes: socket.socket | None = None
    is_marked: bool = False
    names: dict[int, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    table: str = field(default_factory=lambda: f"{TABLE_PREFIX}{os.urandom(6).hex()}")

    def watch(self) -> None:
        """Begin to see packets, in the calling thread's namespace."""
        try:
            self.sightings = open_sightings(self.flow, with_proxy=self.place != "source")
        except OSError as error:
            self.missing.append(f"Packets at the interfaces of {self.name} were not seen: {_words(error)}.")

    def mark(self) -> None:
        """Begin to hear of rules, in the calling thread's namespace."""
        try:
            self._mark_flow()
        except OSError as error:
            self.missing.append(f"The kernel did not name the firewall rules of {self.name}: {_words(error)}.")
        # nf_tables sends the messages of a trace, and iptables-legacy keeps its rules outside of nf_tables.
        if has_legacy_rules(self.flow.version):
            self.missing.append(f"The kernel did not name the iptables-legacy rules of {self.name}: it cannot.")
        self.names = dict(socket.if_nameindex())
        self.routes = netlink.open_socket()

    def _mark_flow(self) -> None:
        self.owner = netlink.open_socket(NETLINK_NETFILTER, random.SystemRandom().choice(_PORTS))
        self.trace = netlink.open_socket(NETLINK_NETFILTER)
        self.owner.settimeout(_RECEIVE_S)
        with suppress(OSError):
            self.trace.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self.trace.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _NFTRACE_GROUP)
        self.trace.setblocking(False)
        self._make(self.owner, nft.table_of(self.flow, self.table, anywhere=self.place == "destination"))
        self.is_marked = True
        if self.place == "host":
            self._mark_frames(self.owner)

    def _mark_frames(self, owner: socket.socket) -> None:
        try:
            self._make(owner, nft.table_of(self.flow, self.table, anywhere=False, bridge=True))
        except OSError as error:
            # Without bridges the kernel may lack this family, and then it has no rules of it either.
            if error.errno not in _NO_SUCH_FAMILY:
                self.missing.append(f"The kernel did not name the bridge rules of {self.name}: {_words(error)}.")

    @staticmethod
    def _make(owner: socket.socket, messages: list[bytes]) -> None:
        """Send one batch and wait until the kernel has acknowledged all of it. Raises ``OSError``."""
        owner.send(nft.begin(nft.BATCH_BEGIN) + b"".join(messages) + nft.begin(nft.BATCH_END))
        acknowledged, refusal = 0, None
        while acknowledged < len(messages):
            for kind, _, payload in netlink.split(owner.recv(netlink.RECEIVE_BYTES)):
                if kind == netlink.NLMSG_ERROR:
                    acknowledged += 1
                    try:
                        netlink.raise_error(payload)
                    except OSError as error:
                        refusal = refusal or error
        if refusal is not None:
            raise refusal

    def sockets(self) -> list[socket.socket]:
        """Return the open sockets. The kernel deletes the table when ``owner`` is closed."""
        return [sock for sock in (self.sightings, self.owner, self.trace, self.routes) if sock is not None]

    def packets(self) -> list[PacketSeen]:
        """Return the packets that were seen."""
        if self.sightings is None:
            return []
        packets, more = received(self.sightings, self.place)
        if more:
            self.missing.append(f"Only the first {len(packets)} packets in {self.name} were kept.")
        if dropped := dropped_by(self.sightings):
            self.missing.append(f"{dropped} packets in {self.name} were not kept, because a buffer was full.")
        return packets

    def connection(self) -> Connection | None:
        """Return the flow's conntrack entry in this namespace."""
        try:
            return connection_of(self.owner, self.flow) if self.owner is not None else None
        except OSError:
            return None

    def route(self, destination: str, incoming: str | None) -> RouteSeen | None:
        """Return the route that the kernel chooses here for the flow; ``incoming`` is where it came in."""
        index = next((number for number, name in self.names.items() if name == incoming), None)
        if self.routes is None or (incoming is not None and index is None):
            return None
        try:
            return route_of(
                self.routes, self.place, self.flow.version, destination, self.flow.source, index, self.names
            )
        except OSError:
            return None

    def rules(self) -> list[RuleSeen]:
        """Return what the kernel told about the flow's packets, in its order."""
        if self.trace is None or self.owner is None:
            return []
        messages = self._messages()
        try:
            if self.is_marked:
                self._ask_for_table(self.owner)
            return list(self._told(messages, _Rules(self.owner)))
        except OSError as error:
            self.missing.append(f"The rules of {self.name} could not be read: {_words(error)}.")
            return []

    def _ask_for_table(self, owner: socket.socket) -> None:
        try:
            netlink.ask(owner, nft.GETTABLE, nft.table_named(self.flow.version, self.table))
        except FileNotFoundError:
            self.missing.append(f"The kernel did not name all rules of {self.name}: their trace was deleted meanwhile.")

    def _told(self, messages: Iterable[nft.TraceMessage], rules: _Rules) -> Iterator[RuleSeen]:
        """Yield the messages about the flow. Messages of several packets can be mixed, so each has its packet's id."""
        at: dict[int, tuple[str, Head, str | None, str | None]] = {}
        for message in messages:
            # Each base chain begins with the packet's headers. Jumps lead to other chains at the same hook.
            head = head_of(message.network + message.transport)
            if head is not None:
                incoming, outgoing = (self._name(index) for index in (message.incoming, message.outgoing))
                at[message.id] = (rules.hook_of(message), head, incoming, outgoing)
            kind = nft.KINDS.get(message.kind)
            if message.id not in at or kind is None or message.table.startswith(TABLE_PREFIX):
                continue
            # The kernel also tells the end of a chain as a rule without a handle that continues.
            if kind == "rule" and message.handle is None:
                continue
            hook, head, incoming, outgoing = at[message.id]
            position, count = rules.position_of(message)
            yield RuleSeen(
                self.place, nft.FAMILIES.get(message.family, str(message.family)), message.table, message.chain, hook,
                kind, message.verdict, head, message.handle, position, count, incoming, outgoing,
            )  # fmt: skip

    def _name(self, index: int | None) -> str | None:
        return printable(self.names.get(index, str(index))) if index else None

    def _messages(self) -> list[nft.TraceMessage]:
        messages: list[nft.TraceMessage] = []
        if self.trace is None:
            return messages
        while len(messages) < MAX_RULES:
            try:
                data = self.trace.recv(netlink.RECEIVE_BYTES)
            except BlockingIOError:
                return messages
            except OSError:  # ENOBUFS: the buffer was full, and the kernel dropped messages
                self.missing.append(f"The kernel told more about the rules of {self.name} than was read.")
                continue
            messages += [nft.read_trace(body) for kind, _, body in netlink.split(data) if kind == nft.TRACE]
        self.missing.append(f"Only the first {MAX_RULES} messages about the rules of {self.name} were kept.")
        return messages


def _words(error: OSError) -> str:
    """Return what the kernel said; a time-out has no words of the kernel."""
    return error.strerror or "it did not answer in time"


@dataclass(slots=True)
class _Rules:
    """Chains and rules of the namespace, read as they are needed."""

    sock: socket.socket
    hooks: dict[tuple[int, str, str], str] = field(default_factory=dict)
    handles: dict[tuple[int, str, str], list[int]] = field(default_factory=dict)

    def hook_of(self, message: nft.TraceMessage) -> str:
        """Return the hook of a base chain; empty where the chain is gone by now."""
        key = message.family, message.table, message.chain
        if key not in self.hooks:
            # One chain by its name: a dump of all chains can miss one while other traces make and delete their tables.
            with suppress(FileNotFoundError):
                self.hooks[key] = nft.hook_of(netlink.ask(self.sock, nft.GETCHAIN, nft.chain_named(*key)))
        return self.hooks.get(key, "")

    def position_of(self, message: nft.TraceMessage) -> tuple[int | None, int | None]:
        """Return the place of the rule in its chain, and how many rules the chain has.

        iptables-save prints no handles, but it prints the rules in the same order.
        """
        if message.handle is None:
            return None, None
        key = message.family, message.table, message.chain
        if key not in self.handles:
            body = nft.rules_of_chain(*key)
            self.handles[key] = nft.handles(netlink.dump(self.sock, nft.GETRULE, body))
        known = self.handles[key]
        return (known.index(message.handle) if message.handle in known else None), len(known)
