"""The rules in force on the engine's host, read once for each of their states.

A reading takes about 20 ms, as long as several checks. The kernel says in some tens of microseconds whether the rules
changed since then (``ProbeRunner.firewall_state``). Where it cannot be asked, the rules are read again after each
change of the engine's networks, endpoints and ports, and after a surprise.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.model.engine_port import Engine, EngineFacts
from bridgework.model.observations import DockerRules, FirewallRules, Observations
from bridgework.model.probe_port import ProbeRunner
from bridgework.model.snapshot import Snapshot

_NOTHING_SEEN = DockerRules()


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read, and of which run of the engine. ``snapshot`` is the newest one for which it is known to hold."""

    run: tuple[EngineFacts, int]
    snapshot: Snapshot
    rules: FirewallRules | None


class RulesMemory:
    """The last reading. Threads that find none at the same time each make one, so that none waits for a lock."""

    def __init__(self) -> None:
        self._last: _Reading | None = None

    def of(
        self, engine: Engine, runner: ProbeRunner, snapshot: Snapshot, *, fresh: bool = False
    ) -> FirewallRules | None:
        """Return the rules in force: the same object while nothing changes; ``None`` where the host is not visible.

        With ``fresh`` they are read again, unless the kernel says that they are the same.
        """
        run, last, state = (engine.facts(), engine.host_place(snapshot).pid), self._last, runner.firewall_state()
        if last is not None and last.run == run and _holds(last, snapshot, state, fresh=fresh):
            return last.rules
        self._last = last = _Reading(run, snapshot, runner.read_firewall())
        return last.rules


def _holds(last: _Reading, snapshot: Snapshot, state: str | None, *, fresh: bool) -> bool:
    # A docker-proxy runs only while a port is published, so the first published port needs a new look for it.
    if publishes(snapshot) and not publishes(last.snapshot):
        return False
    known = last.rules.state if last.rules is not None else None
    # Where the kernel told the state of the last reading, one that it does not tell this time proves nothing.
    if state is not None or known is not None:
        return known == state
    return not fresh and (last.snapshot is snapshot or _written_for(last.snapshot) == _written_for(snapshot))


def _written_for(snapshot: Snapshot) -> object:
    """Return what the engine writes its rules for."""
    running = {container.id: container for container in snapshot.containers if container.running}
    return snapshot.networks, {key: (one.pid, one.endpoints, one.published_ports) for key, one in running.items()}


def publishes(snapshot: Snapshot) -> bool:
    """Whether a port of the host is published by a running container."""
    return bool(snapshot.publishers_by_port)


def observations_of_engine(facts: EngineFacts, firewall: FirewallRules | None, snapshot: Snapshot) -> Observations:
    """Return what the rules of reachability read of the engine itself."""
    if not facts.writes_dockers_rules:
        # Podman has netavark's rules in place of Docker's, and no proxy.
        return Observations(
            firewall=firewall, ipv4_firewall=True, ipv6_firewall=True, userland_proxy=False, podman=True
        )
    rules = firewall.docker if firewall is not None else _NOTHING_SEEN
    return Observations(
        firewall=firewall,
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
