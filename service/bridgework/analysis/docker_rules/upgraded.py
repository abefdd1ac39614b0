"""The rules in force on the host after another release of the engine, or one with other settings, has started.

They are those that were read, without what the engine wrote, and with what the target writes for the same networks and
containers. The rules of other programs stay where they are, but for those in DOCKER-USER where the target uses
nftables: there, no chain of that name exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from bridgework.analysis.attachment import IPV4, IPV6, EngineState
from bridgework.analysis.docker_rules.written import engine_of, written_rules
from bridgework.analysis.host_rules import NATIVE_TABLE, OWNERS
from bridgework.firewall.docker import Engine, WrittenRules, nearest
from bridgework.firewall.docker.native_table import FAMILY, NativeRules
from bridgework.firewall.docker.planned import USER_CHAIN, Key, Printed, upgraded_rules
from bridgework.firewall.iptables_save import is_built_in
from bridgework.firewall.nft_json import tables_of
from bridgework.model.observations import DockerRules, FirewallChain, FirewallRules

AsTarget = Callable[[Engine], Engine]
"""Returns the engine's settings as the target has them."""
_FORWARD = ("filter", "FORWARD")
_SETS_POLICY = {"ufw", "firewalld"}
"""The other programs that set the policy of FORWARD. Tailscale, fail2ban and Kubernetes only add rules."""
_DOCKERS = {(family, NATIVE_TABLE) for family in FAMILY.values()}


@dataclass(frozen=True, slots=True)
class UpgradedFirewall:
    """The rules after the upgrade; ``None`` where they cannot be known.

    ``unused`` are the rules of DOCKER-USER, with their IP versions, where the target has no such chain. With
    ``with_user_chain``, they would be in force; ``None`` where there are none. ``opens_forward``: Docker had set the
    policy of FORWARD to DROP, and does not with nftables.
    """

    rules: FirewallRules | None
    with_user_chain: FirewallRules | None = None
    unused: tuple[tuple[int, str], ...] = ()
    opens_forward: bool = False


def upgraded_firewall(before: EngineState, after: EngineState, as_target: AsTarget) -> UpgradedFirewall:
    """Return the rules after an upgrade.

    ``before`` has the rules that were read. The observations of ``after`` have the release and the settings of the
    target.
    """
    read = before.observations.firewall
    if read is None:
        return UpgradedFirewall(None)
    written = [_written(before, after, version, as_target) for version in (IPV4, IPV6)]
    if any(now is None for _, now in written):
        return UpgradedFirewall(None)
    chains = [_chains(read.chains_of(v), *both) for v, both in zip((IPV4, IPV6), written, strict=True)]
    lines = [line for line in (read.native_rules or "").splitlines() if not _is_dockers(line)]
    lines += [now.line for _, now in written if isinstance(now, NativeRules) and now.bases]
    rules = replace(
        read,
        chains=chains[0],
        ipv6_chains=chains[1],
        native_rules=read.native_rules if read.native_rules is None and not lines else "\n".join(lines),
        docker=_docker(read.docker, after),
        state=None,
        uncertain=_uncertain(written),
    )
    unused = tuple(_unused(read)) if after.observations.nftables else ()
    opens = _drops(read.chains) and not _drops(rules.chains)
    return UpgradedFirewall(rules, _with_user_chain(rules, read) if unused else None, unused, opens)


def _drops(chains: tuple[FirewallChain, ...] | None) -> bool:
    return any((one.table, one.name) == _FORWARD and one.policy == "DROP" for one in chains or ())


def _written(
    before: EngineState, after: EngineState, version: int, as_target: AsTarget
) -> tuple[WrittenRules | None, WrittenRules | None]:
    known = engine_of(before, version)
    return (
        written_rules(before, version, nearest(known)),
        written_rules(after, version, nearest(as_target(known))),
    )


def _chains(
    read: tuple[FirewallChain, ...] | None, was: WrittenRules | None, now: WrittenRules | None
) -> tuple[FirewallChain, ...] | None:
    if read is None:
        return None
    before, after = (None if isinstance(rules, NativeRules) else rules for rules in (was, now))
    planned = upgraded_rules({(one.table, one.name): one.rules for one in read}, before, after)
    return tuple(_in_dump(read, planned, after))


def _in_dump(
    read: tuple[FirewallChain, ...], planned: Mapping[Key, tuple[Printed, ...]], after: WrittenRules | None
) -> Iterator[FirewallChain]:
    policies = {(chain.table, chain.name): chain.policy for chain in read}
    in_order = {key: planned[key] for key in (*policies, *planned) if key in planned}
    for (table, name), rules in in_order.items():
        policy = policies.get((table, name), "ACCEPT" if is_built_in(name) else None)
        if (table, name) == _FORWARD:
            policy = _forward_policy(policy, rules, after)
        yield FirewallChain(table, name, policy, rules)


def _forward_policy(policy: str | None, rules: tuple[Printed, ...], after: WrittenRules | None) -> str | None:
    """Return the policy of the chain FORWARD after the upgrade; ``after`` is ``None`` for an engine with nftables."""
    if after is not None:
        return "DROP" if after.forward_drops else policy
    # Docker sets the policy to DROP when it switches forwarding on, and does so with iptables alone.
    return policy if _has_owner(rules) else "ACCEPT"


def _has_owner(rules: tuple[Printed, ...]) -> bool:
    """Whether the chain calls chains of a program that sets its policy."""
    called = (text.rpartition(" -j ")[2] for *_, text in rules)
    return any(chain.startswith(prefix) for chain in called for prefix, owner in OWNERS if owner in _SETS_POLICY)


def _is_dockers(line: str) -> bool:
    return any((table.family, table.name) in _DOCKERS for table in tables_of(line))


def _docker(was: DockerRules, after: EngineState) -> DockerRules:
    """Return what a look at the rules after the upgrade would tell of the engine."""
    observed = after.observations
    by_iptables = not observed.nftables and observed.ipv4_firewall is not False
    return replace(
        was,
        ipv4=observed.ipv4_firewall,
        ipv6=observed.ipv6_firewall,
        nftables=observed.nftables,
        skips_loopback=observed.userland_proxy if by_iptables else None,
    )


def _uncertain(written: list[tuple[WrittenRules | None, WrittenRules | None]]) -> frozenset[tuple[int, str, str]]:
    return frozenset(
        (now.version, table, rule.text)
        for _, now in written
        if now is not None
        for (table, _), listed in now.rules.items()
        for rule in listed
        if rule.unknown
    )


def _unused(read: FirewallRules) -> Iterator[tuple[int, str]]:
    for version in (IPV4, IPV6):
        for chain in read.chains_of(version) or ():
            if (chain.table, chain.name) == ("filter", USER_CHAIN):
                # Docker 26 puts this rule at the end of the chain.
                end = f"-A {USER_CHAIN} -j RETURN"
                yield from ((version, text) for *_, text in chain.rules if text != end)


def _with_user_chain(rules: FirewallRules, read: FirewallRules) -> FirewallRules:
    """Return the rules with those of DOCKER-USER, which FORWARD calls first."""
    return replace(
        rules,
        chains=_calling(rules.chains, read.chains),
        ipv6_chains=_calling(rules.ipv6_chains, read.ipv6_chains),
    )


def _calling(
    chains: tuple[FirewallChain, ...] | None, read: tuple[FirewallChain, ...] | None
) -> tuple[FirewallChain, ...] | None:
    user = next((one for one in read or () if (one.table, one.name) == ("filter", USER_CHAIN)), None)
    if chains is None or user is None:
        return chains
    jump = 0, 0, f"-A FORWARD -j {USER_CHAIN}"
    called = (replace(one, rules=(jump, *one.rules)) if (one.table, one.name) == _FORWARD else one for one in chains)
    return (*called, user)
