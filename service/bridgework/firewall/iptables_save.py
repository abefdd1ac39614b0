"""Rules from the output of iptables-save(8). The options are those of iptables-extensions(8)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_network
from typing import overload

from bridgework.firewall.ip_sets import IpSets
from bridgework.firewall.iptables_targets import effects_of
from bridgework.firewall.ruleset import UNKNOWN, Chain, Effect, Hook, Match, Range, Rule, Table, number
from bridgework.model.observations import FirewallChain

# Priorities and kinds of the built-in chains (linux/netfilter_ipv4.h). OUTPUT of the table mangle routes again.
_HOOKS = {
    "PREROUTING": Hook.PREROUTING,
    "INPUT": Hook.INPUT,
    "FORWARD": Hook.FORWARD,
    "OUTPUT": Hook.OUTPUT,
    "POSTROUTING": Hook.POSTROUTING,
}
_PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
_NAT_PRIORITIES = {"PREROUTING": -100, "INPUT": 100, "OUTPUT": -100, "POSTROUTING": 100}
_FAMILY = {4: "ip", 6: "ip6"}
_NO_SETS = IpSets(None)


def ruleset_of(
    chains: Iterable[FirewallChain], version: int, program: str | None = None, sets: IpSets = _NO_SETS
) -> tuple[Table, ...]:
    """Return the tables of one IP version, from the chains that ``iptables-save`` or ``ip6tables-save`` printed.

    ``program`` is the program that changes them, where it is not the plain ``iptables`` or ``ip6tables``. ``sets`` are
    the sets of ipset that the rules name.
    """
    # The dumps of iptables-legacy and of iptables-nft have the same form, and both can be in force at once.
    tables: dict[str, dict[str, Chain]] = {}
    for chain in chains:
        tables.setdefault(chain.table, {})[chain.name] = _chain(chain, sets)
    return tuple(Table(_FAMILY[version], name, found, program) for name, found in tables.items())


def _chain(chain: FirewallChain, sets: IpSets) -> Chain:
    hook = _HOOKS.get(chain.name)  # iptables refuses a user's chain with a built-in chain's name
    nat = chain.table == "nat"
    priority = _NAT_PRIORITIES.get(chain.name, 0) if nat else _PRIORITIES.get(chain.table, 0)
    # Only a base chain has a policy; a user's chain without a verdict returns to its caller.
    rules = LazyRules(chain.rules, sets)
    return Chain(chain.name, rules, hook, priority, "nat" if nat else "filter", accepts=chain.policy != "DROP")


class LazyRules(Sequence[Rule]):
    """The rules of a chain, parsed when a packet comes to the chain."""

    # A host with kube-proxy has thousands of rules in chains to which a packet never comes.

    def __init__(self, printed: Sequence[tuple[int, int, str]], sets: IpSets = _NO_SETS) -> None:
        """Take packets, bytes and text of each rule, and the sets that they name."""
        self._printed, self._sets = printed, sets

    def __len__(self) -> int:
        return len(self._printed)

    @overload
    def __getitem__(self, at: int) -> Rule: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Rule]: ...
    def __getitem__(self, at: int | slice) -> Rule | Sequence[Rule]:
        if isinstance(at, slice):
            return LazyRules(self._printed[at], self._sets)
        packets, _, text = self._printed[at]
        rule = read_rule(text, packets)
        # A set's entries change while the text of the rule, by which it is kept, does not.
        if "--match-set" in text:
            return replace(rule, matches=tuple(map(self._sets.resolved, rule.matches)))
        return rule


def read_rule(text: str, packets: int = 0) -> Rule:
    """Read one rule; ``text`` may begin with its ``-A CHAIN``. What is not understood is an unknown match or effect."""
    matches, effects = _read(text)
    return Rule(text, matches, effects, packets)


@dataclass(slots=True)
class _Words:
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


# shlex takes four times as long, and a busy host has thousands of rules with comments.
_WORDS = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


@lru_cache(maxsize=16384)
def _read(text: str) -> tuple[tuple[Match, ...], tuple[Effect, ...]]:
    # A text with an open quote was cut off; nothing of it is reliable.
    if text.replace('\\"', "").count('"') % 2:
        return (Match(UNKNOWN, text=text),), (Effect(UNKNOWN),)
    words = _Words([quoted or plain for quoted, plain in _WORDS.findall(text)])
    matches: list[Match] = []
    # A rule without a target only counts packets.
    effects: tuple[Effect, ...] = (Effect("continue"),)
    negated, module = False, ""
    while words:
        word = words.take()
        # "!" negates the option behind it: "! -i docker0".
        if word == "!":
            negated = True
            continue
        if word in {"-j", "-g"}:
            effects = effects_of(word, words.take(), _target_options(words))
        elif word == "-A":
            words.take()  # the chain, which is known already
        elif word == "-m":
            module = words.take()
            # Some modules match without an option of theirs: rpfilter, socket, eui64.
            if module == "rpfilter":
                matches.append(_reverse_path(words))
            elif module not in _MODULES:
                matches.append(Match(UNKNOWN, text=f"-m {module}"))
        else:
            # Of the modules mark and connmark both have an option of this name; all other names say their module.
            option = "--connmark" if (module, word) == ("connmark", "--mark") else word
            matches.append(_match(option, words, negated=negated))
        negated = False
    return tuple(matches), effects


def _match(option: str, words: _Words, *, negated: bool) -> Match:
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


def _address(key: str) -> Callable[[_Words], Match]:
    def read(words: _Words) -> Match:
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


def _address_range(key: str) -> Callable[[_Words], Match]:
    def read(words: _Words) -> Match:
        # "10.0.0.1-10.0.0.9" of the module iprange.
        low, _, high = words.take().partition("-")
        return Match(key, ((number(low), number(high or low)),), version=6 if ":" in low else 4)

    return read


def _interface(key: str) -> Callable[[_Words], Match]:
    """Read a name; one that ends in ``+`` stands for all names that begin so."""

    def read(words: _Words) -> Match:
        name = words.take()
        return Match(key, words=(name[:-1] + "*" if name.endswith("+") else name,))

    return read


def _numbers(key: str, *, separator: str = ":") -> Callable[[_Words], Match]:
    def read(words: _Words) -> Match:
        return Match(key, tuple(_range(part, separator) for part in words.take().split(",")))

    return read


def _range(text: str, separator: str = ":", top: int = 65535) -> Range:
    low, found, high = text.partition(separator)
    # Both ends may be left out: ":1023" and "1024:".
    first = int(low or "0", 0)
    return first, int(high, 0) if high else (top if found else first)


def _words(key: str) -> Callable[[_Words], Match]:
    def read(words: _Words) -> Match:
        return Match(key, words=tuple(word.lower() for word in words.take().split(",")))

    return read


def _protocol(words: _Words) -> Match:
    # By name or by number; iptables-save prints "icmpv6" or "ipv6-icmp", by its version.
    name = words.take().lower()
    if name in {"all", "0"}:
        return Match("always")
    if name.isdecimal():
        return Match("protocol", ((int(name), int(name)),))
    return Match("protocol", words=("ipv6-icmp" if name in {"icmpv6", "icmp6"} else name,))


def _mark(key: str) -> Callable[[_Words], Match]:
    def read(words: _Words) -> Match:
        # "0x1/0x1": the mask is laid over the packet's mark before the comparison.
        value, _, mask = words.take().partition("/")
        return Match(key, ((int(value, 0), int(value, 0)),), mask=int(mask, 0) if mask else None)

    return read


def _icmp(words: _Words) -> Match:
    # "8", "8/0" or "any": iptables-save prints numbers, not names. 255 is any type, too (iptables' own constant).
    kind = words.take().partition("/")[0]
    return Match("always") if kind in {"any", "255"} else Match("icmp-type", ((int(kind), int(kind)),))


def _tcp_flags(words: _Words) -> Match:
    mask, compared = words.take(), words.take()
    # iptables-save prints --syn in this long form.
    first = (set(mask.split(",")), set(compared.split(","))) == ({"FIN", "SYN", "RST", "ACK"}, {"SYN"})
    return Match("tcp-flags", words=("syn",) if first else (f"{mask}/{compared}",))


def _always(values: int) -> Callable[[_Words], Match]:
    # A condition that the first packet of a check meets: it is within any limit, and a comment is no condition.
    def read(words: _Words) -> Match:
        for _ in range(values):
            words.take()
        return Match("always")

    return read


def _set(words: _Words) -> Match:
    return Match("set", words=(words.take(), words.take()))


def _policy(words: _Words) -> Match:
    # "--pol none": the packet does not belong to IPsec, which is true for every packet of this service.
    return Match("always" if words.take() == "none" else "never")


_REVERSE_PATH = frozenset({"--loose", "--validmark", "--accept-local", "--invert"})


def _reverse_path(words: _Words) -> Match:
    options = set()
    while words and words.words[words.at] in _REVERSE_PATH:
        options.add(words.take())
    # A route to the source by any interface (--loose) and the host's own addresses (--accept-local) are not modelled.
    exact = options <= {"--validmark", "--invert"}
    return Match("reverse-path" if exact else UNKNOWN, negated="--invert" in options, text="-m rpfilter")


# The modules whose options are all here. Of another module its name alone becomes an unknown match.
_MODULES = frozenset(
    {"addrtype", "comment", "connmark", "conntrack", "icmp", "icmp6", "iprange", "limit", "mark", "multiport"}
    | {"physdev", "policy", "sctp", "set", "state", "tcp", "udp", "udplite"}
)
# An option that is not in this table becomes an unknown match.
_OPTIONS: Mapping[str, Callable[[_Words], Match]] = {
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
    "--limit": _always(1),
    "--limit-burst": _always(1),
}


def _target_options(words: _Words) -> dict[str, str]:
    """Return the options of a target, which are all words behind it."""
    found: dict[str, str] = {}
    while words:
        name = words.take()
        value = words.take() if words and not words.words[words.at].startswith("--") else ""
        found[name] = value
    return found
