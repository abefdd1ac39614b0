"""What the engine wrote on its host to forward packets, looked at once for each run of the engine.

The settings behind it (``iptables``, ``ip6tables``, ``userland-proxy``, ``firewall-backend``) hold until the engine
is restarted. A look takes some 20 ms, as long as several checks; a flush between two looks shows as a surprise, and
every surprise looks again.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.model.engine_port import Engine, EngineFacts
from bridgework.model.observations import DockerRules, Observations
from bridgework.model.probe_port import ProbeRunner
from bridgework.model.snapshot import Snapshot

_NOTHING_SEEN = DockerRules()


@dataclass(frozen=True, slots=True)
class _Look:
    """One look, and what it holds for: one run of the engine, while ports are published or none is."""

    run: tuple[EngineFacts, int]
    published: bool
    rules: DockerRules


class RulesMemory:
    """The last look. Threads that find none at the same time each take one, so no lock is held while they look."""

    def __init__(self) -> None:
        self._last: _Look | None = None

    def of(self, engine: Engine, runner: ProbeRunner, snapshot: Snapshot) -> DockerRules:
        """What the engine keeps on its host; all ``None`` where the host is out of sight."""
        run, published = _run(engine, snapshot), publishes(snapshot)
        last = self._last
        # No proxy can be seen before a port is published, so that look is worth repeating once.
        if last is None or last.run != run or (published and not last.published):
            host = runner.observe_host(firewall=True)
            rules = host.rules if host is not None else None
            last = self._last = _Look(run, published, rules or _NOTHING_SEEN)
        return last.rules

    def keep(self, engine: Engine, snapshot: Snapshot, rules: DockerRules) -> None:
        """Remember what a later look found."""
        self._last = _Look(_run(engine, snapshot), publishes(snapshot), rules)


def _run(engine: Engine, snapshot: Snapshot) -> tuple[EngineFacts, int]:
    return engine.facts(), engine.host_place(snapshot).pid


def publishes(snapshot: Snapshot) -> bool:
    """Whether a port of the host is published by a running container."""
    return bool(snapshot.publishers_by_port)


def observations_of_engine(facts: EngineFacts, rules: DockerRules, snapshot: Snapshot) -> Observations:
    """What the rules of reachability need to know of the engine."""
    return Observations(
        ipv4_firewall=rules.ipv4,
        ipv6_firewall=rules.ipv6,
        userland_proxy=_userland_proxy(facts, rules, snapshot),
        engine_version=facts.release,
        nftables=(facts.firewall_backend or "").startswith("nftables"),
    )


def _userland_proxy(facts: EngineFacts, rules: DockerRules, snapshot: Snapshot) -> bool | None:
    """Whether docker-proxy serves published ports: by the NAT rules, by the engine's word, else by its processes.

    The engine's NAT rules leave the host's loopback to the proxy where there is one (every version from 26 to 29).
    """
    if rules.skips_loopback is not None:
        return rules.skips_loopback
    if facts.userland_proxy is not None:
        return facts.userland_proxy
    if rules.proxies:
        return True
    return False if rules.proxies == 0 and publishes(snapshot) else None
