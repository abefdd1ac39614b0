"""The engine's firewall rules and proxies on its host, observed once for each run of the engine.

The settings behind them (``iptables``, ``ip6tables``, ``userland-proxy``, ``firewall-backend``) change only when the
engine restarts. An observation takes about 20 ms, as long as several checks. Rules that another program removes in the
meantime make a check's prediction and measurement differ, and then the check observes them again.
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
    """One observation. It is valid for one run of the engine, and while ports are published or none is."""

    run: tuple[EngineFacts, int]
    published: bool
    rules: DockerRules


class RulesMemory:
    """The last observation. Threads that find none at the same time each make one, so that none waits for a lock."""

    def __init__(self) -> None:
        self._last: _Look | None = None

    def of(self, engine: Engine, runner: ProbeRunner, snapshot: Snapshot) -> DockerRules:
        """Return what the engine keeps on its host; every field is ``None`` where the host is not visible."""
        run, published = _run(engine, snapshot), publishes(snapshot)
        last = self._last
        # A docker-proxy runs only while a port is published, so the first published port needs a new observation.
        if last is None or last.run != run or (published and not last.published):
            host = runner.observe_host(firewall=True)
            rules = host.rules if host is not None else None
            last = self._last = _Look(run, published, rules or _NOTHING_SEEN)
        return last.rules

    def keep(self, engine: Engine, snapshot: Snapshot, rules: DockerRules) -> None:
        """Keep what a full observation found."""
        self._last = _Look(_run(engine, snapshot), publishes(snapshot), rules)


def _run(engine: Engine, snapshot: Snapshot) -> tuple[EngineFacts, int]:
    return engine.facts(), engine.host_place(snapshot).pid


def publishes(snapshot: Snapshot) -> bool:
    """Whether a port of the host is published by a running container."""
    return bool(snapshot.publishers_by_port)


def observations_of_engine(facts: EngineFacts, rules: DockerRules, snapshot: Snapshot) -> Observations:
    """Return what the rules of reachability read of the engine itself."""
    return Observations(
        ipv4_firewall=rules.ipv4,
        ipv6_firewall=rules.ipv6,
        userland_proxy=_userland_proxy(facts, rules, snapshot),
        engine_version=facts.release,
        nftables=(facts.firewall_backend or "").startswith("nftables"),
    )


def _userland_proxy(facts: EngineFacts, rules: DockerRules, snapshot: Snapshot) -> bool | None:
    """Whether docker-proxy serves published ports; ``None`` where no observation shows it."""
    # The NAT rules show it best: they skip the host's loopback where a proxy serves it (Docker 26 to 29).
    if rules.skips_loopback is not None:
        return rules.skips_loopback
    # Docker 29.5 and later say it in their info.
    if facts.userland_proxy is not None:
        return facts.userland_proxy
    if rules.proxies:
        return True
    return False if rules.proxies == 0 and publishes(snapshot) else None
