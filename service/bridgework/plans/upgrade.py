"""Another release of the engine, or the same with other settings: which one is meant, and how it differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bridgework.firewall.docker import Engine
from bridgework.firewall.docker.releases import (
    DIRECT_ROUTING_SINCE,
    NFTABLES_SINCE,
    RELEASES,
    Release,
    ReleaseFacts,
    api_of,
    facts_of,
    in_words,
    newest_known,
    read_version,
    why_not_a_target,
)
from bridgework.model.actions import UpgradeEngine
from bridgework.model.driver_options import ignored
from bridgework.model.engine_port import EngineFacts
from bridgework.model.errors import InputFault, invalid
from bridgework.model.observations import Observations
from bridgework.model.snapshot import Network

NFTABLES, IPTABLES = "nftables", "iptables"
BACKENDS = (IPTABLES, NFTABLES)
NOT_A_VERSION = f"Must be a version of Docker with its major and minor number, such as {in_words(RELEASES[-1])}."


@dataclass(frozen=True, slots=True)
class Target:
    """The engine after an upgrade.

    ``release`` is the one whose rules and facts the plan takes; ``is_newer`` says that the version asked for is newer.
    ``patch`` is the patch level, if it was named. Of the settings, ``None`` means that the setting stays as it is.
    ``before`` is the release of the engine that runs now.
    """

    version: str
    release: Release
    before: Release
    patch: int | None
    is_newer: bool
    nftables: bool
    userland_proxy: bool | None
    iptables: bool | None
    ip6tables: bool | None
    icc: bool | None
    allow_direct_routing: bool | None

    def ignored(self, network: Network) -> frozenset[str]:
        """Return the options of a new network that the target would ignore."""
        return ignored(network.options, api_of(self.release))

    def of_engine(self, engine: Engine) -> Engine:
        """Return the settings of the engine, as the rules that were read show them, with those of the target."""
        direct, raw, now = engine.allow_direct_routing, engine.raw_rules, facts_of(self.before)
        # An engine that has no such setting was started without it.
        if not now.has_direct_routing:
            direct = False
        if not now.has_raw_rules or engine.nftables:
            raw = True
        return replace(
            engine,
            release=self.release,
            userland_proxy=engine.userland_proxy if self.userland_proxy is None else self.userland_proxy,
            iptables=engine.iptables if self.iptables is None else self.iptables,
            ip6tables=engine.ip6tables if self.ip6tables is None else self.ip6tables,
            allow_direct_routing=direct if self.allow_direct_routing is None else self.allow_direct_routing,
            raw_rules=raw,
            nftables=self.nftables,
        )

    def of_observations(self, seen: Observations) -> Observations:
        """Return what would be observed of the engine, without the rules in force on its host."""
        return replace(
            seen,
            engine_version=self.release,
            nftables=self.nftables,
            userland_proxy=_or(self.userland_proxy, seen.userland_proxy),
            ipv4_firewall=_or(self.iptables, seen.ipv4_firewall),
            ipv6_firewall=_or(self.ip6tables, seen.ipv6_firewall),
        )


def _or(wanted: bool | None, known: bool | None) -> bool | None:
    return known if wanted is None else wanted


def target_of(wanted: UpgradeEngine, facts: EngineFacts, pointer: str) -> Target:
    """Return the engine that is meant.

    ``pointer`` leads to the change in the body of the request. Raises ``InvalidInput`` that names each fault.
    """
    version = wanted.version or facts.version
    read = read_version(version)
    native = (facts.firewall_backend or "").startswith(NFTABLES)
    nftables = native if wanted.firewall_backend is None else wanted.firewall_backend == NFTABLES
    faults = list(_faults(wanted, read, nftables=nftables))
    if read is None or faults:
        raise invalid("The body", [InputFault(f"{pointer}/{name}", text) for name, text in faults])
    named, patch = read
    known = newest_known(named)
    return Target(
        version=version.removeprefix("v"),
        release=known,
        before=facts.release,
        patch=patch,
        is_newer=named is not known,
        nftables=nftables,
        userland_proxy=wanted.userland_proxy,
        iptables=wanted.iptables,
        ip6tables=_ip6tables(wanted, facts_of(facts.release), facts_of(known)),
        icc=wanted.icc,
        allow_direct_routing=wanted.allow_direct_routing,
    )


def _ip6tables(wanted: UpgradeEngine, now: ReleaseFacts, then: ReleaseFacts) -> bool | None:
    """Return the setting, whose default changed with Docker 27; ``None`` where it stays as it is."""
    if wanted.ip6tables is not None or now.ip6tables_is_experimental is then.ip6tables_is_experimental:
        return wanted.ip6tables
    return not then.ip6tables_is_experimental


def _faults(
    wanted: UpgradeEngine, read: tuple[Release, int | None] | None, *, nftables: bool
) -> Iterator[tuple[str, str]]:
    if read is None:
        yield "version", NOT_A_VERSION
        return
    named = read[0]
    why = why_not_a_target(named) if wanted.version is not None else None
    if why is not None:
        yield "version", why
        return
    facts, since = facts_of(named), in_words(NFTABLES_SINCE)
    if nftables and not facts.has_nftables:
        text = f"Docker {in_words(named)} has no nftables: it came with {since}. Name iptables, or {since} or later."
        yield "firewall_backend", text
    if wanted.allow_direct_routing is not None and not facts.has_direct_routing:
        came = in_words(DIRECT_ROUTING_SINCE)
        yield (
            "allow_direct_routing",
            f"Docker {in_words(named)} has no such setting: it came with {came}. Leave it out.",
        )
