"""A host's firewall as values: tables, chains, rules and matches, for iptables and for native nftables alike.

``iptables_save`` and ``nft_json`` read dumps into these values, and ``simulate`` walks a packet through them. A match
or a target that a reader does not understand becomes the kind *unknown*, so no rule is skipped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address

from bridgework.firewall.rule_index import RuleIndex
from bridgework.model.observations.routes import PROTOCOL_NUMBERS


class Hook(Enum):
    """Netfilter's hooks: the points of a packet's way through the kernel at which rules are applied."""

    PREROUTING = "prerouting"
    INPUT = "input"
    FORWARD = "forward"
    OUTPUT = "output"
    POSTROUTING = "postrouting"


# The values of conntrack that rules compare, in the words of nftables; iptables has the same in capitals.
NEW, ESTABLISHED = "new", "established"
ORIGINAL, REPLY = "original", "reply"
DNAT, SNAT = "dnat", "snat"
LOCAL, UNICAST = "local", "unicast"


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet at one point of its way through the kernel; ``None`` where a value is not known.

    Addresses are text, ``protocol`` is the kernel's name (``tcp``, ``udp``, ``icmp``, ``ipv6-icmp``). ``incoming`` is
    ``None`` for what the host itself sends, ``outgoing`` until the route is known. ``bridge_ports`` are the ports of
    the bridge by which a packet comes and goes (``physdev``). ``state``, ``direction`` and ``translated`` are what
    conntrack says; ``original`` is the destination (address, port) before translation. ``reverse_path`` says whether
    the route to the source leaves by the interface that the packet came in by.
    """

    version: int
    protocol: str
    source: str | None
    destination: str
    source_port: int | None = None
    destination_port: int | None = None
    incoming: str | None = None
    outgoing: str | None = None
    bridge_ports: tuple[str | None, str | None] = (None, None)
    # A packet starts without marks. A mark that a program set on its socket is not seen.
    mark: int = 0
    connection_mark: int = 0
    state: str = NEW
    direction: str = ORIGINAL
    translated: frozenset[str] = frozenset()
    original: tuple[str, int | None] | None = None
    destination_type: str = UNICAST
    source_type: str = UNICAST
    reverse_path: bool | None = None

    def with_destination(self, address: str | None, port: int | None) -> Packet:
        """Return the packet after DNAT; ``None`` keeps the address or the port."""
        return replace(
            self,
            destination=address or self.destination,
            destination_port=port if port is not None else self.destination_port,
            # Conntrack keeps the destination from before the first translation.
            original=self.original or (self.destination, self.destination_port),
            translated=self.translated | {DNAT},
        )


Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Match:
    """One condition of a rule: the packet's value of ``key`` is in one of the ranges or among the words.

    ``ranges`` are inclusive, for numbers and for addresses as integers. ``words`` end in ``*`` where they match by
    prefix. ``mask`` is laid over a mark first. ``version`` binds a match of addresses to IPv4 or IPv6. ``ways`` are the
    ways to be in a set of ipset: all matches of one of them hold. They are ``None`` where the set was not read.
    """

    key: str
    ranges: tuple[Range, ...] = ()
    words: tuple[str, ...] = ()
    negated: bool = False
    mask: int | None = None
    version: int | None = None
    text: str = ""
    ways: tuple[tuple[Match, ...], ...] | None = None

    def holds(self, packet: Packet) -> bool | None:
        """Return whether the packet fits; ``None`` where that is not known."""
        # Not known stays not known when it is negated.
        found = _FIELDS[self.key](self, packet)
        return None if found is None else found is not self.negated


UNKNOWN = "unknown"
SETTING = "setting"
"""The key of a match that holds where a setting of an engine has a value, named by ``text``, which is not known.

Rules that depend on one setting are there together, or none of them is.
"""

COUNTED = frozenset(
    {"connbytes", "connlimit", "ct count", "hashlimit", "limit", "numgen", "quota", "recent", "statistic"}
)
"""Conditions that hold for some packets and not for others of the same kind: by rate, number, sum or chance.

They are unknown matches, because the kernel's counts are not read, and the packet of a check changes them. Their names
are the modules of iptables and the words of nft.
"""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a rule does once it matches.

    ``kind`` is one of ``accept``, ``drop``, ``reject``, ``return``, ``jump``, ``goto`` (with ``chain``), ``dnat``,
    ``snat``, ``masquerade``, ``redirect`` (with ``address`` and ``port``), ``mark`` and ``connmark`` (``value``,
    ``mask``), ``save-mark``, ``restore-mark``, ``notrack``, ``continue`` (logs, counters) or ``unknown``.
    """

    kind: str
    chain: str = ""
    address: str | None = None
    port: int | None = None
    value: int = 0
    mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as its program prints it, and as it was understood. ``handle`` is nftables' own number of it."""

    text: str
    matches: tuple[Match, ...]
    effects: tuple[Effect, ...]
    packets: int = 0
    handle: int | None = None

    def applies(self, packet: Packet) -> bool | None:
        """Return whether all matches hold; ``None`` where that is not known."""
        # A match that does not hold decides the rule, also beside one that is not known. So most rules with an unknown
        # module decide themselves, by their interface or protocol.
        return _all_hold(self.matches, packet)

    @property
    def setting(self) -> str | None:
        """The setting that decides whether the rule is there, which is not known; ``None`` without one."""
        return next((match.text for match in self.matches if match.key == SETTING), None)

    @property
    def counted_by(self) -> str | None:
        """The condition of ``COUNTED`` that the rule has; ``None`` without one."""
        names = (match.text.removeprefix("-m ") for match in self.matches if match.key == UNKNOWN)
        return next((name for name in names if name in COUNTED), None)


def _all_hold(matches: Iterable[Match], packet: Packet) -> bool | None:
    unknown = False
    for match in matches:
        found = match.holds(packet)
        if found is False:
            return False
        unknown = unknown or found is None
    return None if unknown else True


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain. A base chain has a ``hook``, a ``priority`` and a ``kind`` (``filter``, ``nat``, ``route``)."""

    name: str
    rules: Sequence[Rule]
    hook: Hook | None = None
    priority: int = 0
    kind: str = "filter"
    accepts: bool = True
    _index: list[RuleIndex] = field(default_factory=list, init=False, compare=False, repr=False)

    def candidates(self, packet: Packet) -> Sequence[Rule]:
        """Return the rules that may match the packet, in their order."""
        if len(self.rules) < _INDEXED_FROM:
            return self.rules
        # Made when a packet comes to the chain. Two threads may both make it, and one of the two is kept.
        if not self._index:
            self._index.append(RuleIndex(self.rules, number))
        return self._index[0].candidates(packet)


_INDEXED_FROM = 32
_FAMILIES = {4: "ip", 6: "ip6"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table: ``family`` is ``ip``, ``ip6``, ``inet`` or ``bridge``; jumps stay inside it.

    ``program`` changes a table of iptables that the plain ``iptables`` or ``ip6tables`` does not.
    """

    family: str
    name: str
    chains: Mapping[str, Chain]
    program: str | None = None

    def serves(self, version: int) -> bool:
        """Return whether packets of this IP version come here."""
        # Tables of the family "bridge" see frames, before IP; this service does not read them.
        return self.family in {"inet", _FAMILIES[version]}


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All tables that are in force in one namespace."""

    tables: tuple[Table, ...] = field(default=())

    def base_chains(self, hook: Hook, version: int) -> list[tuple[Table, Chain]]:
        """Return the chains that the kernel calls at a hook, in the order of their priorities."""
        found = [
            (table, chain)
            for table in self.tables
            if table.serves(version)
            for chain in table.chains.values()
            if chain.hook is hook
        ]
        # Equal priorities keep the order of the dump: the kernel calls those in the order of their registration.
        return sorted(found, key=lambda pair: pair[1].priority)


# Most rules name an address, and a packet's own is compared with each: parsing it takes a third of a walk's time.
@lru_cache(maxsize=4096)
def number(address: str) -> int:
    """Return the address as an integer. Raises ``ValueError`` for what is no address."""
    return int(ip_address(address))


def _among(match: Match, value: int | None) -> bool | None:
    return None if value is None else any(low <= value <= high for low, high in match.ranges)


def _word(match: Match, value: str | None) -> bool | None:
    if value is None:
        return None
    return any(value.startswith(word[:-1]) if word.endswith("*") else value == word for word in match.words)


def _address(match: Match, value: str | None, version: int) -> bool | None:
    # A table of the family inet has rules for both versions, and "ip saddr" is about IPv4 alone.
    if match.version not in {None, version}:
        return False
    # An empty address is one of the host's own (see walk._type_of), which is in no subnet of containers.
    return None if value is None else bool(value) and _among(match, number(value))


def _interface(match: Match, value: str | None) -> bool:
    # A packet that the host sends has no incoming interface, and one for the host no outgoing one.
    return value is not None and _word(match, value) is True


# The default of net.ipv4.ip_local_port_range, from which the kernel takes a client's port.
EPHEMERAL = (32768, 60999)


def _source_port(match: Match, packet: Packet) -> bool | None:
    # A rule about ports names a protocol with ports, too, so that match excludes every other packet.
    if packet.protocol not in {"tcp", "udp", "sctp"}:
        return False
    if packet.source_port is not None:
        return _among(match, packet.source_port)
    return _clients_port(match)


def _clients_port(match: Match) -> bool | None:
    """Compare the port of the client, which the kernel has not chosen yet."""
    # A range that has all of these ports holds, one that has none does not.
    low, high = EPHEMERAL
    if any(first <= low and high <= last for first, last in match.ranges):
        return True
    return None if any(first <= high and low <= last for first, last in match.ranges) else False


def _destination_port(match: Match, packet: Packet) -> bool | None:
    if packet.protocol not in {"tcp", "udp", "sctp"}:
        return False
    # An answer goes to the client's port. Before conntrack, in the table raw, no direction is known.
    if packet.destination_port is None and packet.direction != ORIGINAL:
        return _clients_port(match)
    return _among(match, packet.destination_port)


def _ports(match: Match, packet: Packet) -> bool | None:
    found = {_source_port(match, packet), _destination_port(match, packet)}
    return True if True in found else None if None in found else False


def _mark(match: Match, value: int) -> bool | None:
    return _among(match, value if match.mask is None else value & match.mask)


def _icmp_type(match: Match, packet: Packet) -> bool | None:
    # A probe is an echo request (type 8, in ICMPv6 128), its answer an echo reply (0 and 129): RFC 792, RFC 4443.
    types = {"icmp": (8, 0), "ipv6-icmp": (128, 129)}.get(packet.protocol)
    return False if types is None else _among(match, types[packet.direction == REPLY])


def _syn(match: Match, packet: Packet) -> bool | None:
    # Of all combinations of flags only that of a connection's first segment is decided (--syn).
    if packet.protocol != "tcp":
        return False
    return packet.state == NEW if match.words == ("syn",) else None


def _status(match: Match, packet: Packet) -> bool | None:
    return any(word in packet.translated for word in match.words)


def _original(match: Match, packet: Packet) -> bool | None:
    # Before a translation the original destination is the destination itself.
    address = packet.original[0] if packet.original else packet.destination
    return _address(match, address, packet.version)


def _original_port(match: Match, packet: Packet) -> bool | None:
    return _among(match, packet.original[1] if packet.original else packet.destination_port)


def _in_set(match: Match, packet: Packet) -> bool | None:
    if match.ways is None:
        return None
    found = {_all_hold(way, packet) for way in match.ways}
    return True if True in found else None if None in found else False


def _protocol(match: Match, packet: Packet) -> bool | None:
    # iptables-save prints a number for a protocol that /etc/protocols does not name.
    numbers = PROTOCOL_NUMBERS.get(packet.protocol)
    return packet.protocol in match.words or (numbers is not None and _among(match, numbers) is True)


# A match's key to the comparison of its value with the packet's. Both readers use these keys.
_FIELDS: Mapping[str, Callable[[Match, Packet], bool | None]] = {
    "source": lambda m, p: _address(m, p.source, p.version),
    "destination": lambda m, p: _address(m, p.destination, p.version),
    "original-destination": _original,
    "original-destination-port": _original_port,
    "protocol": _protocol,
    "source-port": _source_port,
    "destination-port": _destination_port,
    "port": _ports,
    "incoming": lambda m, p: _interface(m, p.incoming),
    "outgoing": lambda m, p: _interface(m, p.outgoing),
    "bridge-port-in": lambda m, p: _interface(m, p.bridge_ports[0]),
    "bridge-port-out": lambda m, p: _interface(m, p.bridge_ports[1]),
    "is-bridged": lambda _, p: p.bridge_ports != (None, None),
    "mark": lambda m, p: _mark(m, p.mark),
    "connection-mark": lambda m, p: _mark(m, p.connection_mark),
    "state": lambda m, p: _word(m, p.state) or _status(m, p),  # iptables has DNAT and SNAT among the states
    "direction": lambda m, p: _word(m, p.direction),
    "status": _status,
    "destination-type": lambda m, p: _word(m, p.destination_type),
    "source-type": lambda m, p: _word(m, p.source_type),
    "icmp-type": _icmp_type,
    "tcp-flags": _syn,
    "version": lambda m, p: _among(m, p.version),
    "set": _in_set,
    "reverse-path": lambda _, p: p.incoming in {None, "lo"} or p.reverse_path,  # the kernel spares what comes by lo
    "always": lambda _m, _p: True,
    "never": lambda _m, _p: False,
    UNKNOWN: lambda _m, _p: None,
    SETTING: lambda _m, _p: None,
}
