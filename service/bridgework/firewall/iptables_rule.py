"""One rule as ``iptables-save`` prints it, and whether a packet fits it (iptables(8), iptables-extensions(8))."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

_MODULES = frozenset({"addrtype", "comment", "conntrack", "icmp", "icmp6", "limit", "multiport", "state", "tcp", "udp"})
_NEW, _ECHO_REQUEST = "NEW", {"icmp": "8", "ipv6-icmp": "128"}


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a question; ``None`` for what is not known of it. ``for_host``: it goes no further."""

    source: str | None
    destination: str
    incoming: str | None
    outgoing: str | None
    protocol: str
    port: int | None
    for_host: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that is understood. ``matches_by_option``: option → whether it is negated, and its value.

    ``target`` is a verdict, another target or a chain, ``""`` for none; ``goes`` where it does not come back (``-g``).
    """

    matches_by_option: Mapping[str, tuple[bool, str]]
    target: str
    goes: bool = False

    def value(self, option: str) -> str | None:
        """What the option asks for; ``None`` where it is negated or not there."""
        negated, value = self.matches_by_option.get(option, (False, None))
        return None if negated else value

    def matches(self, packet: Packet) -> bool:
        """Whether every match fits. What is not known of the packet fits nothing."""
        for option, (negated, value) in self.matches_by_option.items():
            fits = _MATCHES[option](packet, value)
            if fits is None or fits is negated:
                return False
        return True


def read_rule(text: str) -> Rule | None:
    """The rule, with or without its ``-A CHAIN``; ``None`` for one with a match that is not understood."""
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    words = words[2:] if words[:1] == ["-A"] else words
    found: dict[str, tuple[bool, str]] = {}
    negated = False
    while words:
        word = words.pop(0)
        if word in {"-j", "-g"} and words:
            # What follows a target are its own options (--reject-with, --log-prefix).
            return Rule(found, words[0], goes=word == "-g")
        if word == "!":
            negated = True
        elif word == "-m" and words and words[0] in _MODULES:
            words.pop(0)
        elif word in _MATCHES and words:
            found[word], negated = (negated, words.pop(0)), False
        else:
            return None
    return Rule(found, "")


def _within(address: str | None, subnet: str) -> bool | None:
    if address is None:
        return None
    try:
        return ip_address(address) in ip_network(subnet, strict=False)
    except ValueError:
        return None


def _interface(name: str | None, pattern: str) -> bool | None:
    """A name with ``+`` at its end stands for every name that begins so."""
    if name is None:
        return None
    return name.startswith(pattern[:-1]) if pattern.endswith("+") else name == pattern


def _protocol(packet: Packet, value: str) -> bool:
    return value in {"all", "0", packet.protocol} or (value, packet.protocol) == ("icmpv6", "ipv6-icmp")


def _ports(packet: Packet, value: str) -> bool | None:
    """``22``, ``8000:8099``, and of multiport ``22,80,8000:8099``."""
    if packet.port is None:
        return False
    for part in value.split(","):
        low, _, high = part.partition(":")
        if not (low.isdecimal() and (high or low).isdecimal()):
            return None
        if int(low) <= packet.port <= int(high or low):
            return True
    return False


def _state(_: Packet, value: str) -> bool:
    """The first packet of a connection is new to the kernel."""
    return _NEW in value.split(",")


def _icmp_type(packet: Packet, value: str) -> bool:
    """A ping is an echo request."""
    return value in {"any", _ECHO_REQUEST.get(packet.protocol)}


def _address_type(packet: Packet, value: str) -> bool:
    """``LOCAL`` is what is for the host; the questions here go to one receiver each."""
    return ("LOCAL" if packet.for_host else "UNICAST") in value.split(",")


def _always(_: Packet, value: str) -> bool:
    """A comment matches nothing, and the first packet is within any limit."""
    del value
    return True


_MATCHES: Mapping[str, Callable[[Packet, str], bool | None]] = {
    "-s": lambda packet, value: _within(packet.source, value),
    "-d": lambda packet, value: _within(packet.destination, value),
    "-i": lambda packet, value: _interface(packet.incoming, value),
    "-o": lambda packet, value: _interface(packet.outgoing, value),
    "-p": _protocol,
    "--dport": _ports,
    "--dports": _ports,
    "--ctstate": _state,
    "--state": _state,
    "--icmp-type": _icmp_type,
    "--icmpv6-type": _icmp_type,
    "--dst-type": _address_type,
    "--comment": _always,
    "--limit": _always,
    "--limit-burst": _always,
}
