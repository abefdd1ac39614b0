"""The notes of a plan that upgrades the engine, with the pairs that some of them open or close."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridgework.analysis.host_rules import FORWARDING, forwards
from bridgework.explanations.upgrades import FORWARDING_NOT_SET, USER_RULES_UNUSED
from bridgework.model.checks import Component
from bridgework.model.observations import FirewallRules
from bridgework.plans.difference import ChangedPair, KnownWorlds, World, difference
from bridgework.plans.effort import Effort
from bridgework.plans.notes import MAX_NOTED_PAIRS, Note, Upgrade, note, notes_of
from bridgework.plans.reachability import Reachability
from bridgework.plans.upgrade import Target
from bridgework.telemetry import deadline
from bridgework.use_cases.plans.observe import Observed
from bridgework.use_cases.services import Services


def upgrade_notes(services: Services, observed: Observed, target: Target, known: KnownWorlds) -> tuple[Note, ...]:
    """Return the notes: those with pairs first, then what else differs on this host, then the known faults.

    ``known`` has what was predicted of both worlds.
    """
    upgraded = observed.upgrade
    upgrade = Upgrade(
        before=observed.before.snapshot,
        after=observed.after.snapshot,
        facts=services.engine.facts(),
        target=target,
        ipv6_rules=observed.before.observations.ipv6_firewall,
        drops_by_docker=upgraded is not None and upgraded.opens_forward,
    )
    return (*_user_rules(observed, target, known), *_forwarding(observed, upgrade, known), *notes_of(upgrade))


def _user_rules(observed: Observed, target: Target, known: KnownWorlds) -> Iterator[Note]:
    """Note the rules of DOCKER-USER that never run, with the pairs that they open or close."""
    upgraded = observed.upgrade
    if upgraded is None or upgraded.with_user_chain is None:
        return
    rules = tuple(Component("host", "", text) for _, text in upgraded.unused)
    with_them = _with_rules(observed.after, upgraded.with_user_chain)
    yield note(USER_RULES_UNUSED, target, rules, _pairs(with_them, observed.after, observed, known))


def _forwarding(observed: Observed, upgrade: Upgrade, known: KnownWorlds) -> Iterator[Note]:
    """Note that Docker does not switch forwarding on, with the pairs that close without it."""
    rules = observed.after.observations.firewall
    versions = [version for version in FORWARDING if forwards(observed.after.observations, version)]
    if not upgrade.comes_to_nftables or rules is None or not versions:
        return
    off = {FORWARDING[version]: "0" for version in versions}
    without = _with_rules(observed.after, replace(rules, switches=tuple({**dict(rules.switches), **off}.items())))
    snapshot, seen = observed.after.snapshot, without.observations
    # No rule reads these settings, so the containers are sorted into the same classes.
    alike = known.get((id(snapshot), id(observed.after.observations)))
    if alike is not None:
        known[id(snapshot), id(seen)] = Reachability(snapshot, seen, alike.ids, Effort(deadline.require_left), alike)
    host = (Component("host", "", "host"),)
    yield note(FORWARDING_NOT_SET, upgrade.target, host, _pairs(observed.after, without, observed, known))


def _with_rules(world: World, rules: FirewallRules) -> World:
    return replace(world, observations=replace(world.observations, firewall=rules))


def _pairs(before: World, after: World, observed: Observed, known: KnownWorlds) -> tuple[ChangedPair, ...]:
    return difference(before, after, Effort(deadline.require_left), observed.affected, known, MAX_NOTED_PAIRS).pairs
