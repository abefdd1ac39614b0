"""The rules in force on the engine's host, as their programs print them, and what they say about the engine."""

from __future__ import annotations

from dataclasses import dataclass

IPV4 = 4


@dataclass(frozen=True, slots=True)
class FirewallChain:
    """A chain of iptables as counted now; rules are ``(packets, bytes, text)``."""

    table: str
    name: str
    policy: str | None
    rules: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class IpSet:
    """A set of ipset: its type as ``kind``, such as ``hash:ip,port``, and its entries as ``ipset save`` prints them.

    ``version`` is the IP version of its addresses; ``None`` where it has none.
    """

    name: str
    kind: str
    version: int | None
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FirewallSetting:
    """Whether the engine's settings let it write its IPv4 rules (``iptables``); ``source`` is the file that says so."""

    writes: bool
    source: str


@dataclass(frozen=True, slots=True)
class DockerRules:
    """What the engine keeps on its host to forward packets; ``None`` where it was not visible.

    ``ipv4`` and ``ipv6`` say whether its firewall rules for the family exist and are called. ``nftables`` says whether
    they are native nftables rules (table ``docker-bridges``). ``skips_loopback`` says whether its NAT rules leave the
    host's loopback to docker-proxy. ``proxies`` is the number of docker-proxy processes. ``setting`` is what the
    engine's settings say.
    """

    ipv4: bool | None = None
    ipv6: bool | None = None
    nftables: bool = False
    skips_loopback: bool | None = None
    proxies: int | None = None
    setting: FirewallSetting | None = None

    @property
    def is_off(self) -> bool:
        """Whether the engine is configured to write no IPv4 rules."""
        return self.setting is not None and not self.setting.writes


# Compared and hashed by identity: while nothing changes, every question gets the same object. So what is derived from
# it (parsed rules, walks of packets) is kept by the object itself.
@dataclass(frozen=True, slots=True, eq=False)
class FirewallRules:
    """The rules in force on the engine's host, and the switches that decide which packets meet them.

    ``chains`` are those of iptables, ``ipv6_chains`` those of ip6tables. ``native_rules`` are the tables that were
    written to nftables directly, as ``nft --json list table`` prints them: ``""`` where there are none. ``switches``
    are sysctls of forwarding and of br_netfilter; one that does not exist is left out. ``docker`` says which of the
    engine's own rules are in force. ``other_chains`` are those of the other variant of iptables (legacy beside
    nf_tables, or the reverse), each with the program that changes it, such as ``ip6tables-legacy``: ``None`` where it
    has rules that could not be read. ``sets`` are the sets of ipset that rules compare: ``None`` where they could not
    be read. ``state`` differs after every change; ``None`` where the kernel does not tell it. ``uncertain`` are the IP
    version, table and text of each rule of ``chains`` and ``ipv6_chains`` of which it is not known whether it is there;
    only the rules after a plan have some.
    """

    chains: tuple[FirewallChain, ...] | None = None
    ipv6_chains: tuple[FirewallChain, ...] | None = None
    native_rules: str | None = None
    switches: tuple[tuple[str, str], ...] = ()
    docker: DockerRules = DockerRules()
    state: str | None = None
    other_chains: tuple[tuple[str, FirewallChain], ...] | None = ()
    sets: tuple[IpSet, ...] | None = ()
    uncertain: frozenset[tuple[int, str, str]] = frozenset()

    def chains_of(self, version: int) -> tuple[FirewallChain, ...] | None:
        """Return the chains of iptables or of ip6tables."""
        return self.chains if version == IPV4 else self.ipv6_chains

    @property
    def unread(self) -> tuple[str, ...]:
        """The programs whose rules could not be read, such as ``ip6tables``."""
        parts = {
            "iptables": self.chains,
            "ip6tables": self.ipv6_chains,
            "nftables": self.native_rules,
            "the other variant of iptables (legacy or nft)": self.other_chains,
            "ipset": self.sets,
        }
        return tuple(name for name, part in parts.items() if part is None)

    def switch(self, name: str) -> bool | None:
        """Return whether a switch is on; ``None`` where it does not exist or was not seen."""
        value = dict(self.switches).get(name)
        return None if value is None else value != "0"
