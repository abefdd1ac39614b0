"""What a rule with ``-m set --match-set NAME src,dst`` compares: iptables-extensions(8), ipset(8).

The kernel compares each dimension of a set with the packet's source or destination, as the directions say. A type of
set that is not in this module is unknown, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_network

from bridgework.firewall.ruleset import UNKNOWN, Match, Range
from bridgework.model.observations import IpSet

# The dimensions of a set by its type; a list has those of its members.
_DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "hash:ip": ("address",),
    "hash:net": ("address",),
    "bitmap:ip": ("address",),
    "bitmap:port": ("port",),
    "hash:ip,port": ("address", "port"),
    "hash:net,port": ("address", "port"),
    "hash:net,iface": ("address", "interface"),
    "hash:net,net": ("address", "address"),
    "hash:ip,port,ip": ("address", "port", "address"),
    "hash:ip,port,net": ("address", "port", "address"),
    "hash:net,port,net": ("address", "port", "address"),
}
_LIST, _EXCEPTION = "list:set", " nomatch"
# The kernel looks for the subnet of an address from the narrowest on, and ends at the first one that the set has, with
# whatever interface (mtype_test_cidrs in ip_set_hash_gen.h).
_NARROWEST_DECIDES = frozenset({"hash:net", "hash:net,iface"})
_KEYS = {
    ("address", "src"): "source",
    ("address", "dst"): "destination",
    ("port", "src"): "source-port",
    ("port", "dst"): "destination-port",
    ("interface", "src"): "incoming",
    ("interface", "dst"): "outgoing",
}
_ICMP = {"icmp": "icmp", "icmpv6": "ipv6-icmp"}
# One way to be in a set: all of these matches hold.
Way = tuple[Match, ...]


class IpSets:
    """The sets of a host, by name. The matches that are made of them are kept, as many rules can name one set."""

    def __init__(self, sets: Iterable[IpSet] | None) -> None:
        """Take the sets that were read; ``None`` where they could not be read."""
        self._sets = None if sets is None else {one.name: one for one in sets}
        self._made: dict[Match, Match] = {}

    def resolved(self, match: Match) -> Match:
        """Return the match of a set with the ways to be in it; another match as it is."""
        if match.key != "set" or self._sets is None:
            return match
        if match not in self._made:
            name, directions = match.words
            self._made[match] = replace(match, ways=tuple(self._ways(name, directions.split(","))))
        return self._made[match]

    def _ways(self, name: str, directions: list[str], *, inside: bool = False) -> Iterable[Way]:
        found = (self._sets or {}).get(name)
        # A rule names a set that is not there only where the set was read later than the rule.
        if found is None or (inside and found.kind == _LIST):
            return [(Match(UNKNOWN, text=name),)]
        if found.kind == _LIST:
            return [way for member in found.entries for way in self._ways(member, directions, inside=True)]
        dimensions = _DIMENSIONS.get(found.kind)
        # Exceptions ("nomatch") are compared in sets whose narrowest entry decides, and not for each port of a set.
        excepted = any(entry.endswith(_EXCEPTION) for entry in found.entries)
        if dimensions is None or (excepted and found.kind not in _NARROWEST_DECIDES):
            return [(Match(UNKNOWN, text=name),)]
        # The kernel finds nothing in a set that has more dimensions than the rule has directions (ip_set_test).
        if len(directions) < len(dimensions):
            return []
        return _entries(found, dimensions, directions)


def _entries(found: IpSet, dimensions: tuple[str, ...], directions: list[str]) -> list[Way]:
    """Return the ways of a set's entries. Entries that differ in the first dimension alone are one way."""
    ranges: dict[Way, list[Range]] = {}
    first = _KEYS[dimensions[0], directions[0]]
    split = [entry.removesuffix(_EXCEPTION).split(",") for entry in found.entries]
    begins = [_range(dimensions[0], parts[0]) for parts in split]
    own = _without_narrower(begins) if found.kind in _NARROWEST_DECIDES else {}
    for entry, (_, *others), begin in zip(found.entries, split, begins, strict=True):
        if not entry.endswith(_EXCEPTION):
            rest = _rest(entry, zip(dimensions[1:], others, directions[1:], strict=False))
            ranges.setdefault(rest, []).extend(own.get(begin, (begin,)))
    version = found.version if dimensions[0] == "address" else None
    return [(Match(first, tuple(sorted(bounds)), version=version), *rest) for rest, bounds in ranges.items()]


def _without_narrower(nets: Iterable[Range]) -> Mapping[Range, list[Range]]:
    """Return the parts of each subnet that no narrower one of them has."""
    found: dict[Range, list[Range]] = {}
    wider: list[Range] = []
    # Two subnets are apart, or one holds the other. In this order the wider one comes first.
    for net in sorted(set(nets), key=lambda bounds: (bounds[0], -bounds[1])):
        while wider and wider[-1][1] < net[0]:
            wider.pop()
        if wider:
            low, high = found[wider[-1]].pop()
            parts = (low, net[0] - 1), (net[1] + 1, high)
            found[wider[-1]] += [(first, last) for first, last in parts if first <= last]
        found[net] = [net]
        wider.append(net)
    return found


def _rest(entry: str, parts: Iterable[tuple[str, str, str]]) -> Way:
    """Return what an entry compares behind its first dimension."""
    try:
        return tuple(match for what, text, direction in parts for match in _matches(what, text, direction))
    except (KeyError, ValueError):
        return (Match(UNKNOWN, text=entry),)


def _range(what: str, text: str) -> Range:
    if what == "port":
        return int(text), int(text)
    net = ip_network(text)
    return int(net.network_address), int(net.broadcast_address)


def _matches(what: str, text: str, direction: str) -> Way:
    """Return what one part of an entry compares. Raises ``ValueError`` or ``KeyError`` for what is not understood."""
    key = _KEYS[what, direction]
    if what == "interface":
        if text.startswith("physdev:"):
            raise ValueError(text)
        return (Match(key, words=(text,)),)
    if what == "address":
        return (Match(key, (_range(what, text),), version=ip_network(text).version),)
    protocol, _, number = text.partition(":")
    if protocol in _ICMP:
        kind = int(number.partition("/")[0])
        return Match("protocol", words=(_ICMP[protocol],)), Match("icmp-type", ((kind, kind),))
    if protocol.isdecimal():  # a protocol without ports, which has port 0 in the set
        return (Match("protocol", ((int(protocol), int(protocol)),)),)
    return Match("protocol", words=(protocol,)), Match(key, (_range("port", number),))
