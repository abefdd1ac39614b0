"""The firewall of the calling thread's namespace, as iptables-save(8) prints it, and whether it is the engine's.

The firewall is only read. A program inherits the namespace of the thread that starts it. The names of all chains are
read from the kernel too (netlink): they show the engine's rules where the image has no iptables, and its native
nftables rules, which iptables-save does not print.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bridgework.model.observations import DockerRules, FirewallChain, FirewallRules
from bridgework.model.trace import TABLE_PREFIX
from bridgework.probes.kernel import ip_sets, listeners, netlink
from bridgework.probes.kernel.rules_watch import NETLINK_NETFILTER, RulesWatch, has_legacy_rules, table_digest

TIMEOUT_S = 5
# A reading takes some milliseconds. An engine that starts many containers changes its rules all the time.
_READINGS = 3
IPV4, IPV6 = 4, 6
_PROGRAMS = {IPV4: "/usr/sbin/iptables-save", IPV6: "/usr/sbin/ip6tables-save"}
_NFT_GETCHAIN, _NFT_GETRULE, _RULE_CHAIN = (10 << 8) | 4, (10 << 8) | 7, 2
_NFGENMSG = struct.Struct("=BBH")
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK = 1, 3, 4
_FAMILIES = {IPV4: int(socket.AF_INET), IPV6: int(socket.AF_INET6)}
_NATIVE_TABLE = "docker-bridges"
# The kernel has no netfilter, or no nf_tables (nfnetlink_rcv_msg()).
_NO_NF_TABLES = frozenset({errno.EPROTONOSUPPORT, errno.EINVAL})
_NFT = "/usr/sbin/nft"
_IPTABLES_TABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})
_LEGACY_TABLES = {IPV4: "ip_tables_names", IPV6: "ip6_tables_names"}
_LOOPBACK = {IPV4: "! -d 127.0.0.0/8", IPV6: "! -d ::1/128"}
# With a pipe, subprocess waits for the pipe's end. Without one and with a time-out, it sleeps up to 50 ms at a time.
_program = partial(subprocess.run, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=True)
# Families of nf_tables that see IP packets, by their numbers (NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6).
_NFPROTO_INET = 1
_NFT_FAMILIES = {_NFPROTO_INET: "inet", 2: "ip", 10: "ip6"}
# Those that see frames (NFPROTO_ARP, NFPROTO_NETDEV, NFPROTO_BRIDGE).
_FRAME_FAMILIES = {3: "arp", 5: "netdev", 7: "bridge"}
_NFT_NAME = re.compile(r"[\w./-]+")
_IPTABLES_CHAINS = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
_CHAIN = re.compile(r":(?P<name>\S+) (?P<policy>\S+)")
_RULE = re.compile(r"\[(?P<packets>\d+):(?P<bytes>\d+)\] (?P<text>-A (?P<chain>\S+).*)")


# The rules by which a container reaches Docker's name server: the number in each chain, with iptables and with nftables
# (libnetwork/resolver_unix.go of moby, versions 26 to 29).
_RESOLVER_TABLES = frozenset({("ip", "nat"), ("ip", "docker-dns")})
_RESOLVER_RULES = {
    "OUTPUT": 1,
    "POSTROUTING": 1,
    "DOCKER_OUTPUT": 2,
    "DOCKER_POSTROUTING": 2,
    "dns-dnat": 2,
    "dns-snat": 2,
}

KnownTables = dict[bytes, str]
"""Native tables as nft prints them, by the digest of their rules in the kernel."""


class KernelChain(NamedTuple):
    """A chain of nf_tables. ``family`` is the number of the table's family; a base chain has a hook."""

    family: int
    table: str
    name: str
    is_base: bool = False


def read_rules(watch: RulesWatch, inode: int, ends: float, known: KnownTables | None = None) -> FirewallRules:
    """Read the rules in force in the namespace ``inode``, in which the calling thread is.

    They are read again where they change meanwhile, and have no ``state`` where they never hold still. ``known`` are
    the native tables of the reading before in this namespace: it becomes those of this reading.
    """
    known = {} if known is None else known
    for _ in range(_READINGS):
        before = watch.state()
        tables = native_tables(known, ends)
        rules = _read_once(watch, inode, ends)
        # The first reading that meets a set of ipset makes the state tell its changes, so it is repeated.
        if watch.state() == before:
            rules = replace(rules, state=before)
            break
    # Between digest and text the table may have changed, unless the state says that it did not.
    known.clear()
    known.update(tables or {} if rules.state is not None else {})
    return replace(rules, native_rules=None if tables is None else "".join(tables.values()))


def _read_once(watch: RulesWatch, inode: int, ends: float) -> FirewallRules:
    ipv4, ipv6, others = chains(IPV4), chains(IPV6), other_chains()
    rules = docker_rules(_with(ipv4, others, "iptables-"), _with(ipv6, others, "ip6tables-"))
    if rules.skips_loopback is None:
        # Looks at all processes. The NAT rules say the same where there are any.
        proxies = listeners.docker_proxies(inode, ends)
        rules = replace(rules, proxies=None if proxies is None else len(proxies))
    every = (*(ipv4 or ()), *(ipv6 or ()), *(chain for _, chain in others or ()))
    sets = watch.follow_sets(ip_sets.named_by(every))
    return FirewallRules(ipv4, ipv6, None, watch.switches(), rules, other_chains=others, sets=sets)


def chains(version: int = IPV4) -> tuple[FirewallChain, ...] | None:
    """Return the chains of iptables or ip6tables; ``None`` when the program is missing or refused."""
    try:
        return parse(output_of([_PROGRAMS[version], "-c"]))
    except (OSError, subprocess.SubprocessError):
        return None


def other_chains() -> tuple[tuple[str, FirewallChain], ...] | None:
    """Return the chains of the variant of iptables that the plain program is not, where that variant has tables.

    ``None`` where it has, and its program is missing or refused.
    """
    chains: list[tuple[str, FirewallChain]] = []
    for version, program in _PROGRAMS.items():
        plain = Path(program)
        # Debian's alternatives: the plain name leads to the program of one variant.
        is_legacy = "legacy" in plain.resolve().name
        if not (_nf_tables_in_use(version) if is_legacy else _legacy_in_use(version)):
            continue
        name = plain.name.replace("tables-", "tables-nft-" if is_legacy else "tables-legacy-")
        try:
            chains += [(name.removesuffix("-save"), c) for c in parse(output_of([str(plain.with_name(name)), "-c"]))]
        except (OSError, subprocess.SubprocessError):
            return None
    return tuple(chains)


def _with(
    chains: tuple[FirewallChain, ...] | None, others: tuple[tuple[str, FirewallChain], ...] | None, program: str
) -> tuple[FirewallChain, ...] | None:
    """Return the chains of both variants: the engine can use either. ``None`` where one of them was not read."""
    if chains is None or others is None:
        return None
    return (*chains, *(chain for name, chain in others if name.startswith(program)))


def _nf_tables_in_use(version: int) -> bool:
    """Return whether nf_tables has tables as iptables-nft keeps them."""
    family = _FAMILIES[version]
    return any(chain.family == family and chain.table in _IPTABLES_TABLES for chain in kernel_chains() or ())


def docker_rules(ipv4: tuple[FirewallChain, ...] | None, ipv6: tuple[FirewallChain, ...] | None) -> DockerRules:
    """Return which of the engine's rules are in force."""
    in_kernel = kernel_chains()
    return DockerRules(
        ipv4=_stands(IPV4, ipv4, in_kernel),
        ipv6=_stands(IPV6, ipv6, in_kernel),
        nftables=any(chain.table == _NATIVE_TABLE for chain in in_kernel or ()),
        skips_loopback=_skips_loopback(IPV4, ipv4),
    )


def native_tables(known: KnownTables, ends: float) -> KnownTables | None:
    """Return the tables that were written to nftables directly, each a line of nft's JSON, by their digests.

    Only a table that is not among the ``known`` is read: nft takes 160 ms of processor time for 5,000 rules, and their
    digest 40 ms. ``None`` when there are some and the program nft is missing or not allowed to look.
    """
    chains = kernel_chains()
    if chains is None:
        return None
    tables = sorted({(_NFT_FAMILIES[chain.family], chain.family, chain.table) for chain in chains if _is_native(chain)})
    texts: KnownTables = {}
    try:
        with netlink.open_socket(NETLINK_NETFILTER) as sock:
            for name, family, table in tables:
                digest = table_digest(sock, family, table, ends)
                # Each table by its own: with 5,000 rules of iptables-nft, "list ruleset" takes 270 ms of CPU time.
                texts[digest] = known.get(digest) or output_of([_NFT, "--json", "list", "table", name, table])
    except (OSError, subprocess.SubprocessError):
        return None
    return texts


def inner_rules(ends: float) -> FirewallRules | None:
    """Read the rules of a container's namespace; ``None`` where a program is missing or refused."""
    # Most containers have only Docker's rules for name servers, and some have no table at all.
    tables = native_tables({}, ends)
    if kernel_chains() == frozenset() and not any(map(_legacy_in_use, _LEGACY_TABLES)):
        return FirewallRules((), (), "")
    return FirewallRules(
        chains(IPV4), chains(IPV6), None if tables is None else "".join(tables.values()), other_chains=other_chains()
    )


def frame_rules() -> str | None:
    """Return the tables of the families netdev, bridge and arp as nft prints them, a line for each family.

    Empty where there are none; ``None`` where they cannot be read.
    """
    found = kernel_chains()
    if found is None:
        return None
    families = [name for number, name in _FRAME_FAMILIES.items() if any(chain.family == number for chain in found)]
    try:
        return "\n".join(output_of([_NFT, "--json", "list", "ruleset", name]).strip() for name in families)
    except (OSError, subprocess.SubprocessError):
        return None


def _is_native(chain: KernelChain) -> bool:
    """Return whether a chain shows that its table is not iptables-nft's, and sees IP packets."""
    if chain.family not in _NFT_FAMILIES or not _NFT_NAME.fullmatch(chain.table):
        return False
    # iptables-nft has these tables for IPv4 and IPv6, with hooks in chains of these names only.
    by_iptables = chain.family != _NFPROTO_INET and chain.table in _IPTABLES_TABLES
    return not by_iptables or (chain.is_base and chain.name not in _IPTABLES_CHAINS)


def kernel_chains() -> frozenset[KernelChain] | None:
    """Return every chain of nf_tables, also iptables-nft's; ``None`` where refused, none where there is no nf_tables.

    The tables of running traces are left out: they mark packets and decide nothing.
    """
    try:
        with netlink.open_socket(NETLINK_NETFILTER) as sock:
            bodies = netlink.dump(sock, _NFT_GETCHAIN, _NFGENMSG.pack(socket.AF_UNSPEC, 0, 0))
    except OSError as error:
        return frozenset() if error.errno in _NO_NF_TABLES else None
    chains = (_kernel_chain(body) for body in bodies)
    return frozenset(chain for chain in chains if not chain.table.startswith(TABLE_PREFIX))


def has_own_rules() -> bool | None:
    """Return whether a container's namespace has rules beside those of Docker for its name server.

    Three dumps, and no program: it is asked in each container. ``None`` where the kernel refuses.
    """
    chains = kernel_chains()
    if chains is None:
        return None
    if any((_NFT_FAMILIES.get(chain.family), chain.table) not in _RESOLVER_TABLES for chain in chains):
        return True
    # Docker on a machine with iptables-legacy writes to its table nat.
    if has_legacy_rules(IPV6) or _legacy_tables(IPV4) - {"nat"}:
        return True
    with netlink.open_socket(NETLINK_NETFILTER) as sock:
        rules = netlink.dump(sock, _NFT_GETRULE, _NFGENMSG.pack(socket.AF_UNSPEC, 0, 0))
    counted = Counter(netlink.attributes(body, _NFGENMSG.size).get(_RULE_CHAIN, b"").rstrip(b"\0") for body in rules)
    return any(number > _RESOLVER_RULES.get(chain.decode(errors="replace"), 0) for chain, number in counted.items())


def _kernel_chain(body: bytes) -> KernelChain:
    attributes = netlink.attributes(body, _NFGENMSG.size)
    table, name = (
        attributes.get(kind, b"").rstrip(b"\0").decode(errors="replace") for kind in (_CHAIN_TABLE, _CHAIN_NAME)
    )
    return KernelChain(_NFGENMSG.unpack_from(body)[0], table, name, _CHAIN_HOOK in attributes)


def output_of(command: Sequence[str]) -> str:
    """Return what the program prints. Raises ``OSError`` or ``SubprocessError``."""
    # Into a file in memory: through a pipe of 64 KiB, a dump of 5,000 rules takes nine changes between the processes.
    with os.fdopen(os.memfd_create("dump"), "r+", encoding="utf-8", errors="replace") as output:
        _program(command, stdout=output)
        output.seek(0)
        return output.read()


def _stands(
    version: int, chains: tuple[FirewallChain, ...] | None, in_kernel: frozenset[KernelChain] | None
) -> bool | None:
    """Return whether the engine's rules are in force: its native table, or a FORWARD that calls one of its chains."""
    family = _FAMILIES[version]
    if any(chain[:2] == (family, _NATIVE_TABLE) for chain in in_kernel or ()):
        return True
    if chains is not None:
        return any("-j DOCKER" in text for text in _texts(chains, "filter", "FORWARD"))
    if any(chain[:3] == (family, "filter", "DOCKER") for chain in in_kernel or ()):
        return True
    # The legacy iptables keeps its chains outside nf_tables: where it is used, missing chains prove nothing.
    return None if in_kernel is None or _legacy_in_use(version) else False


def _legacy_in_use(version: int) -> bool:
    return bool(_legacy_tables(version))


def _legacy_tables(version: int) -> set[str]:
    try:
        return set(Path("/proc/thread-self/net", _LEGACY_TABLES[version]).read_text(encoding="ascii").split())
    except OSError:
        return set()


def _skips_loopback(version: int, chains: tuple[FirewallChain, ...] | None) -> bool | None:
    """Return whether the call of the engine's NAT chain excludes the loopback; ``None`` without such a call."""
    calls = [text for text in _texts(chains or (), "nat", "OUTPUT") if text.endswith("-j DOCKER")]
    return any(_LOOPBACK[version] in text for text in calls) if calls else None


def _texts(chains: Iterable[FirewallChain], table: str, name: str) -> list[str]:
    return [text for chain in chains if (chain.table, chain.name) == (table, name) for *_, text in chain.rules]


def parse(text: str) -> tuple[FirewallChain, ...]:
    """Parse ``iptables-save -c``; the policy of a user-defined chain is ``None``."""
    policies: dict[tuple[str, str], str | None] = {}
    rules: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif chain := _CHAIN.match(line):
            policies[table, chain["name"]] = None if chain["policy"] == "-" else chain["policy"]
        elif rule := _RULE.match(line):
            counted = int(rule["packets"]), int(rule["bytes"]), rule["text"]
            rules.setdefault((table, rule["chain"]), []).append(counted)
    return tuple(FirewallChain(*key, policy, tuple(rules.get(key, ()))) for key, policy in policies.items())
