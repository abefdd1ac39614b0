"""The matches of a rule of iptables-save(8), by their options: iptables-extensions(8)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from bridgework.firewall.ruleset import UNKNOWN, Match, Range, number


@dataclass(slots=True)
class Words:
    """The words of a rule, taken one after another."""

    words: Sequence[str]
    at: int = 0

    def __bool__(self) -> bool:
        return self.at < len(self.words)

    def take(self) -> str:
        """Return the next word, ``""`` at the end."""
        word = self.words[self.at] if self else ""
        self.at += 1
        return word

    def skip_values(self) -> None:
        """Skip values up to the next option."""
        while self and not self.words[self.at].startswith("-") and self.words[self.at] != "!":
            self.at += 1


def read_match(option: str, words: Words, *, negated: bool) -> Match:
    """Read an option and its values. What is not understood becomes an unknown match."""
    # A value that cannot be read makes the match unknown, as an unknown option does.
    reader = _OPTIONS.get(option)
    begin = words.at
    try:
        if reader is not None:
            made = reader(words)
            return Match(made.key, made.ranges, made.words, negated, made.mask, made.version)
    except ValueError:
        words.at = begin
    # How many values an unknown option has is not known, but the next option begins with a dash.
    words.skip_values()
    return Match(UNKNOWN, text=option)


def _address(key: str) -> Callable[[Words], Match]:
    def read(words: Words) -> Match:
        found = words.take().split(",")
        ranges, version = [], None
        for subnet in found:
            version, bounds = _subnet(subnet)
            ranges.append(bounds)
        return Match(key, tuple(ranges), version=version)

    return read


_PLAIN = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$|/)|(?=$|/))){4}(?:/(?:[12]?\d|3[0-2]))?")


def _subnet(text: str) -> tuple[int, Range]:
    """Return IP version, first and last address of a subnet."""
    # Plain IPv4 is computed here: ip_network takes five times as long.
    address, _, length = text.partition("/")
    if _PLAIN.fullmatch(text):
        low = int.from_bytes(bytes(map(int, address.split("."))))
        hosts = (1 << (32 - int(length or 32))) - 1
        return 4, (low & ~hosts, low | hosts)
    net = ip_network(text, strict=False)
    return net.version, (int(net.network_address), int(net.broadcast_address))


def _address_range(key: str) -> Callable[[Words], Match]:
    def read(words: Words) -> Match:
        # "10.0.0.1-10.0.0.9" of the module iprange.
        low, _, high = words.take().partition("-")
        return Match(key, ((number(low), number(high or low)),), version=6 if ":" in low else 4)

    return read


def _interface(key: str) -> Callable[[Words], Match]:
    """Read a name; one that ends in ``+`` stands for all names that begin so."""

    def read(words: Words) -> Match:
        name = words.take()
        return Match(key, words=(name[:-1] + "*" if name.endswith("+") else name,))

    return read


def _numbers(key: str, *, separator: str = ":") -> Callable[[Words], Match]:
    def read(words: Words) -> Match:
        return Match(key, tuple(_range(part, separator) for part in words.take().split(",")))

    return read


def _range(text: str, separator: str = ":", top: int = 65535) -> Range:
    low, found, high = text.partition(separator)
    # Both ends may be left out: ":1023" and "1024:".
    first = int(low or "0", 0)
    return first, int(high, 0) if high else (top if found else first)


def _words(key: str) -> Callable[[Words], Match]:
    def read(words: Words) -> Match:
        return Match(key, words=tuple(word.lower() for word in words.take().split(",")))

    return read


def _protocol(words: Words) -> Match:
    # By name or by number; iptables-save prints "icmpv6" or "ipv6-icmp", by its version.
    name = words.take().lower()
    if name in {"all", "0"}:
        return Match("always")
    if name.isdecimal():
        return Match("protocol", ((int(name), int(name)),))
    return Match("protocol", words=("ipv6-icmp" if name in {"icmpv6", "icmp6"} else name,))


def _mark(key: str) -> Callable[[Words], Match]:
    def read(words: Words) -> Match:
        # "0x1/0x1": the mask is laid over the packet's mark before the comparison.
        value, _, mask = words.take().partition("/")
        return Match(key, ((int(value, 0), int(value, 0)),), mask=int(mask, 0) if mask else None)

    return read


def _icmp(words: Words) -> Match:
    # "8", "8/0" or "any": iptables-save prints numbers, not names. 255 is any type, too (iptables' own constant).
    kind = words.take().partition("/")[0]
    return Match("always") if kind in {"any", "255"} else Match("icmp-type", ((int(kind), int(kind)),))


def _tcp_flags(words: Words) -> Match:
    mask, compared = words.take(), words.take()
    # iptables-save prints --syn in this long form.
    first = (set(mask.split(",")), set(compared.split(","))) == ({"FIN", "SYN", "RST", "ACK"}, {"SYN"})
    return Match("tcp-flags", words=("syn",) if first else (f"{mask}/{compared}",))


def _always(values: int) -> Callable[[Words], Match]:
    # An option that is no condition for the packets of a check, such as a comment.
    def read(words: Words) -> Match:
        for _ in range(values):
            words.take()
        return Match("always")

    return read


def _set(words: Words) -> Match:
    return Match("set", words=(words.take(), words.take()))


def _policy(words: Words) -> Match:
    # "--pol none": the packet does not belong to IPsec, which is true for every packet of this service.
    return Match("always" if words.take() == "none" else "never")


_REVERSE_PATH = frozenset({"--loose", "--validmark", "--accept-local", "--invert"})


def read_reverse_path(words: Words) -> Match:
    """Read the options behind ``-m rpfilter``: they take no values, and it matches without any of them."""
    options = set()
    while words and words.words[words.at] in _REVERSE_PATH:
        options.add(words.take())
    # A route to the source by any interface (--loose) and the host's own addresses (--accept-local) are not modelled.
    exact = options <= {"--validmark", "--invert"}
    return Match("reverse-path" if exact else UNKNOWN, negated="--invert" in options, text="-m rpfilter")


# The modules whose options are all here. Of another module its name alone becomes an unknown match.
MODULES = frozenset(
    {"addrtype", "comment", "connmark", "conntrack", "icmp", "icmp6", "iprange", "mark", "multiport"}
    | {"physdev", "policy", "sctp", "set", "state", "tcp", "udp", "udplite"}
)
# An option that is not in this table becomes an unknown match.
_OPTIONS: Mapping[str, Callable[[Words], Match]] = {
    "-s": _address("source"),
    "-d": _address("destination"),
    "--src-range": _address_range("source"),
    "--dst-range": _address_range("destination"),
    "-i": _interface("incoming"),
    "-o": _interface("outgoing"),
    "-p": _protocol,
    "--sport": _numbers("source-port"),
    "--dport": _numbers("destination-port"),
    "--sports": _numbers("source-port"),
    "--dports": _numbers("destination-port"),
    "--ports": _numbers("port"),
    "--ctstate": _words("state"),
    "--state": _words("state"),
    "--ctdir": _words("direction"),
    "--ctstatus": _words("status"),
    "--ctorigdst": _address("original-destination"),
    "--ctorigdstport": _numbers("original-destination-port"),
    "--dst-type": _words("destination-type"),
    "--src-type": _words("source-type"),
    "--icmp-type": _icmp,
    "--icmpv6-type": _icmp,
    "--tcp-flags": _tcp_flags,
    "--syn": lambda _: Match("tcp-flags", words=("syn",)),
    "--physdev-in": _interface("bridge-port-in"),
    "--physdev-out": _interface("bridge-port-out"),
    "--physdev-is-bridged": lambda _: Match("is-bridged"),
    "--mark": _mark("mark"),
    "--connmark": _mark("connection-mark"),
    "-f": lambda _: Match("never"),  # no probe is sent in fragments that iptables would see
    "--match-set": _set,
    "--pol": _policy,
    "--dir": _always(1),
    "--comment": _always(1),
}
