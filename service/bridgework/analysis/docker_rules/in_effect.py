"""The rules in effect on the engine's host: those that were read, else those that the engine writes.

Kept while nothing changes, with the walks of packets through them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

from bridgework.analysis.attachment import IPV6, EngineState
from bridgework.analysis.docker_rules.written import engine_of, written_rules
from bridgework.analysis.host_rules import HostRoutes, ruleset_of_host
from bridgework.analysis.host_walk import Walked
from bridgework.firewall.docker import Because, WrittenRules, nearest
from bridgework.firewall.docker.chains import DIRECT_ROUTING, IP6TABLES
from bridgework.firewall.ruleset import Ruleset
from bridgework.firewall.simulate import Step
from bridgework.model.observations import Observations

_MAX_KEPT, _STATES = 16_384, 2


@dataclass(slots=True)
class RulesInEffect:
    """The rules of one state of the engine, and what was derived from them. ``in_effect`` makes and keeps it."""

    state: EngineState
    walks: dict[Hashable, Walked] = field(default_factory=dict)
    routes: dict[frozenset[str], HostRoutes] = field(default_factory=dict)
    _rulesets: dict[int, Ruleset | None] = field(default_factory=dict)
    _written: dict[int, WrittenRules | None] = field(default_factory=dict)

    def ruleset(self, version: int) -> Ruleset | None:
        """Return the rules of one IP version; ``None`` where they are neither seen nor known."""
        if version not in self._rulesets:
            self._rulesets[version] = self._read(version) or self._expected(version)
        return self._rulesets[version]

    def were_read(self, version: int) -> bool:
        """Return whether the rules are those that were read on the host."""
        return self._read(version) is not None

    def _read(self, version: int) -> Ruleset | None:
        rules = self.state.observations.firewall
        return ruleset_of_host(rules, version) if rules is not None else None

    def _expected(self, version: int) -> Ruleset | None:
        written = self.written(version)
        return written.ruleset if written is not None else None

    def written(self, version: int) -> WrittenRules | None:
        """Return the rules that the engine writes, with what causes each of them; ``None`` where nothing is known."""
        if version not in self._written:
            rules = written_rules(self.state, version, nearest(engine_of(self.state, version)))
            # Docker 27 changed the default of ip6tables, and an option changes it.
            unknown = version == IPV6 and self.state.observations.ipv6_firewall is None
            self._written[version] = replace(rules, all_by=IP6TABLES) if rules is not None and unknown else rules
        return self._written[version]

    def because(self, step: Step) -> Because | None:
        """Return why the engine wrote the rule of a step; ``None`` for a rule of another program, and for a policy."""
        written = self.written(step.before.version)
        if written is None or step.rule is None:
            return None
        return written.because(step.place.table.name, step.place.chain.name, step.rule.text)

    def hides(self, version: int, address: str) -> bool:
        """Return whether the engine may drop packets to the address that do not come from its bridge."""
        written = self.written(version)
        rules = (rule for rules in written.rules.values() for rule in rules) if written is not None else ()
        hiding = (rule.text for rule in rules if rule.because.option == DIRECT_ROUTING)
        return any(address in text.replace("/", " ").split() for text in hiding)

    def once(self, key: Hashable, walk: Callable[[], Walked]) -> Walked:
        """Return the way with this key. It is walked once."""
        found = self.walks.get(key)
        if found is None:
            found = walk()
            if len(self.walks) < _MAX_KEPT:
                self.walks[key] = found
        return found

    def routes_with(self, own: frozenset[str]) -> HostRoutes:
        """Return the host's routes. The addresses in ``own`` count as the host's."""
        if own not in self.routes:
            self.routes[own] = HostRoutes(self.state.snapshot, self.state.observations, own)
        return self.routes[own]

    def holds_for(self, state: EngineState) -> bool:
        """Return whether the rules of another state are these."""
        # The same objects: comparing two snapshots of a large engine takes longer than a walk.
        own, other = _objects(self.state), _objects(state)
        same = all(one is another for one, another in zip(own, other, strict=True))
        return same and _settings(self.state.observations) == _settings(state.observations)


def _objects(state: EngineState) -> tuple[object, ...]:
    host = state.observations.host
    return state.snapshot, state.observations.firewall, host.observation if host is not None else None


def _settings(seen: Observations) -> tuple[object, ...]:
    facts = (seen.engine_version, seen.nftables, seen.podman, seen.userland_proxy)
    return (*facts, seen.ipv4_firewall, seen.ipv6_firewall)


# The newest first: a plan asks about the engine before its changes and after them. One attribute and no lock: two
# threads may walk the same packet, and both get the same result.
_KEPT: list[tuple[RulesInEffect, ...]] = [()]


def in_effect(state: EngineState) -> RulesInEffect:
    """Return the rules in effect in this state: the same object while nothing changes."""
    kept = _KEPT[0]
    found = next((one for one in kept if one.holds_for(state)), None)
    if found is None:
        found = RulesInEffect(state)
        _KEPT[0] = (found, *kept[: _STATES - 1])
    return found
