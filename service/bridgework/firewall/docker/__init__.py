"""The whole ruleset that a Docker engine writes, each rule with the option that causes it.

One module for each shape. Written in the order in which the engine writes: bridges as they were made, ports as they
were published. An engine that starts again makes its bridges in another order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bridgework.firewall.docker import docker_26, docker_28, docker_29, docker_29_nftables
from bridgework.firewall.docker.chains import Chains, write_links
from bridgework.firewall.docker.releases import NFTABLES_SINCE, Release, facts_of
from bridgework.firewall.docker.rules import WrittenRules
from bridgework.firewall.docker.values import IPV4, IPV6, Because, Bridge, Engine, Link, Port, WrittenRule

__all__ = [
    "Because",
    "Bridge",
    "Engine",
    "Link",
    "Port",
    "WrittenRule",
    "WrittenRules",
    "knows_rules_of",
    "nearest",
    "written",
]

# Docker 27 and 28.0 have shapes of their own, and until 28.2 each port had a drop of its own in the table raw. Docker
# 25 writes as 26 does: v25.0.0, v25.0.6 and v26.1.5 of moby differ in these files by calls of firewalld alone.
_WRITERS = (((29, 0), None, docker_29), ((28, 2), (29, 0), docker_28), ((25, 0), (27, 0), docker_26))


def knows_rules_of(release: Release) -> bool:
    """Return whether the rules of the release are known exactly."""
    return any(since <= release and (before is None or release < before) for since, before, _ in _WRITERS)


def nearest(engine: Engine) -> Engine:
    """Return the engine whose rules are the most like those of this one: itself, where they are known."""
    release = engine.release
    if knows_rules_of(release):
        return engine
    # Docker 27 has the rules of 26, and gateway modes. 28.0 has the rules of 28.2 but for those of the table raw: there
    # 28.0 and 28.1 drop only what is addressed to a published port, and no answer.
    return replace(engine, release=(28, 2) if release >= (28, 0) else (26, 0), allow_direct_routing=True)


def written(
    engine: Engine, version: int, bridges: Iterable[Bridge], ports: Iterable[Port], links: Iterable[Link] = ()
) -> WrittenRules | None:
    """Return the rules of the IP version; ``None`` for a release that is not known (see ``nearest``).

    Each port belongs to one of the bridges, which has a subnet of the version, a way out, and is not internal. The
    links are those of bridges without inter-container communication.
    """
    if engine.nftables:
        known = engine.release >= NFTABLES_SINCE
        return docker_29_nftables.write(engine, version, bridges, ports, links) if known else None
    for since, before, module in _WRITERS:
        if engine.release >= since and (before is None or engine.release < before):
            chains = Chains(engine, version)
            drops = engine.forward_drops
            if engine.iptables if version == IPV4 else engine.ip6tables:
                module.write(chains, bridges, ports)
                write_links(chains, links)
                if version == IPV6 and facts_of(engine.release).drops_forwarded_ipv6:
                    drops = True
            rules = {key: tuple(rules) for key, rules in chains.rules.items()}
            return WrittenRules(version, rules, drops, tuple(chains.writes))
    return None
