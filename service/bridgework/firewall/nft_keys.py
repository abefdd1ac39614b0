"""What a rule of nft compares, in the keys and values of the model: libnftables-json(5), EXPRESSIONS."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from bridgework.firewall.ruleset import UNKNOWN, Match, Range, number

Json = Any


def key_matches(left: Json, values: list[Json], rule: Json, *, negated: bool = False) -> tuple[Match, ...]:
    """Return the matches of one key; of several keys together (``ip daddr . tcp dport``) only with one combination."""
    if "concat" in left:
        if len(values) != 1 or negated:
            return (Match(UNKNOWN, text="concat"),)
        parts = values[0]["concat"]
        return tuple(
            m for key, value in zip(left["concat"], parts, strict=True) for m in key_matches(key, [value], rule)
        )
    mask = None
    # A mask is read for marks and TCP flags alone.
    if "&" in left:
        left, mask = left["&"]
    key, implied = _key(left, rule)
    if key == "tcp-flags":
        first = (mask, values) in _FIRST_SEGMENTS
        return (*implied, Match(key, words=("syn" if first else "other",), negated=negated))
    if key == "reverse-path":
        # "exists", "missing", or the number 0 for missing; the name of an interface is not compared.
        exists = {"True": True, "False": False, "0": False}.get(str(values[0]))
        known = len(values) == 1 and exists is not None
        return (*implied, Match(key if known else UNKNOWN, negated=negated is exists, text="fib oif"))
    ranges, words = _values(key, values)
    version = _version(values) if key in _ADDRESSES else None
    text = next(iter(left)) if key == UNKNOWN else ""
    return (*implied, Match(key, ranges, words, negated, mask if key.endswith("mark") else None, version, text))


def _version(values: list[Json]) -> int:
    """Return the IP version of addresses, prefixes or ranges; IPv4 where there is none."""
    # All values of one match are of one version: nft checks the type of a set.
    for value in map(plain, values):
        first = value if isinstance(value, str) else value["prefix"]["addr"] if "prefix" in value else value["range"][0]
        return 6 if ":" in first else 4
    return 4


# nft prints the flags of "tcp flags & (fin|syn|rst|ack) == syn" in one of these orders.
_FIRST_SEGMENTS = (({"|": ["fin", "syn", "rst", "ack"]}, ["syn"]), ({"|": ["syn", "rst", "ack", "fin"]}, ["syn"]))
_ADDRESSES = frozenset({"source", "destination", "original-destination"})
# nft's names of keys (nft(8), META EXPRESSIONS and CONNTRACK EXPRESSIONS) to those of the model.
_META = {
    "iifname": "incoming",
    "iif": "incoming",
    "oifname": "outgoing",
    "oif": "outgoing",
    "l4proto": "protocol",
    "mark": "mark",
    "nfproto": "version",
    "protocol": "version",
}
_CT = {
    "state": "state",
    "status": "status",
    "mark": "connection-mark",
    "direction": "direction",
    "ip daddr": "original-destination",
    "ip6 daddr": "original-destination",
    "proto-dst": "original-destination-port",
}
_PORTS = {"sport": "source-port", "dport": "destination-port"}
_NETWORK = {"saddr": "source", "daddr": "destination", "protocol": "protocol", "nexthdr": "protocol"}


def _key(left: Json, rule: Json) -> tuple[str, tuple[Match, ...]]:
    """Return the model's key of what is compared, and the matches that it implies: ``tcp dport`` is about TCP alone."""
    ((kind, body),) = left.items()
    if kind == "payload" and "protocol" in body:
        return _payload(body["protocol"], body["field"], rule)
    if kind == "fib" and body.get("result") == "type":
        return ("destination-type" if "daddr" in body["flags"] else "source-type"), ()
    # "fib saddr . iif oif missing": the route to the source does not leave by the interface of the packet.
    if kind == "fib" and body.get("result") == "oif" and {"saddr", "iif"} <= {*body["flags"]}:
        return "reverse-path", ()
    # The answer's side of a connection ("ct reply …") is not modelled.
    if kind == "ct" and body.get("dir", "original") != "original":
        return UNKNOWN, ()
    return {"meta": _META, "ct": _CT}.get(kind, {}).get(body.get("key"), UNKNOWN), ()


def _payload(protocol: str, name: str, rule: Json) -> tuple[str, tuple[Match, ...]]:
    if protocol in {"ip", "ip6"}:
        version = _VERSIONS[{"ip": "ipv4", "ip6": "ipv6"}[protocol]]
        # In a table of one family the version is that of the table; tables of frames see both.
        return _NETWORK.get(name, UNKNOWN), (
            (Match("version", ((version, version),)),) if rule["family"] in _OF_BOTH else ()
        )
    if protocol in _OF_FRAMES:
        return ("version" if name == "type" else UNKNOWN), ()
    # "th" is the transport header of any protocol that has ports.
    if protocol == "th":
        return _PORTS.get(name, UNKNOWN), ()
    # Naming a field of TCP says that the packet is TCP.
    implied = (Match("protocol", words=("ipv6-icmp" if protocol == "icmpv6" else protocol,)),)
    special = {"type": "icmp-type"} if protocol.startswith("icmp") else {"flags": "tcp-flags"}
    return {**_PORTS, **special}.get(name, UNKNOWN), implied


# The types of ICMP and of ICMPv6, which nft prints by name (RFC 792, RFC 4443, RFC 4861, RFC 2710, RFC 3810).
_ICMP_TYPES = {
    "echo-request": (8, 128),
    "echo-reply": (0, 129),
    "destination-unreachable": (3, 1),
    "time-exceeded": (11, 3),
    "parameter-problem": (12, 4),
    "source-quench": (4,),
    "redirect": (5,),
    "router-advertisement": (9,),
    "router-solicitation": (10,),
    "timestamp-request": (13,),
    "timestamp-reply": (14,),
    "info-request": (15,),
    "info-reply": (16,),
    "address-mask-request": (17,),
    "address-mask-reply": (18,),
    "packet-too-big": (2,),
    "mld-listener-query": (130,),
    "mld-listener-report": (131,),
    "mld-listener-done": (132,),
    "mld-listener-reduction": (132,),
    "nd-router-solicit": (133,),
    "nd-router-advert": (134,),
    "nd-neighbor-solicit": (135,),
    "nd-neighbor-advert": (136,),
    "nd-redirect": (137,),
    "router-renumbering": (138,),
    "ind-neighbor-solicit": (141,),
    "ind-neighbor-advert": (142,),
    "mld2-listener-report": (143,),
}
_VERSIONS = {"ipv4": 4, "ipv6": 6, "ip": 4, "ip6": 6}
_OF_BOTH = frozenset({"inet", "bridge", "netdev"})
_OF_FRAMES = frozenset({"arp", "ether", "vlan"})


def _values(key: str, values: list[Json]) -> tuple[tuple[Range, ...], tuple[str, ...]]:
    """Return ranges for numbers and addresses, and words for names."""
    ranges: list[Range] = []
    words: list[str] = []
    for value in map(plain, values):
        if isinstance(value, dict):
            ranges.append(_range(value))
        elif isinstance(value, int):
            ranges.append((value, value))
        elif key == "icmp-type":
            ranges += [(kind, kind) for kind in _ICMP_TYPES[value]]
        elif key == "version":
            ranges.append((_VERSIONS[value], _VERSIONS[value]))
        elif key in _ADDRESSES:
            ranges.append((number(value), number(value)))
        else:
            words.append({"icmpv6": "ipv6-icmp"}.get(value, value))
    return tuple(ranges), tuple(words)


def plain(value: Json) -> Json:
    """Return an element of a set without its own comment, time-out or counter."""
    return plain(value["elem"]["val"]) if isinstance(value, dict) and "elem" in value else value


def _range(value: Mapping[str, Json]) -> Range:
    if "prefix" in value:
        net = ip_network(f"{value['prefix']['addr']}/{value['prefix']['len']}", strict=False)
        return int(net.network_address), int(net.broadcast_address)
    low, high = value["range"]
    return (low, high) if isinstance(low, int) else (number(low), number(high))
