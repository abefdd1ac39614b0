"""Rules about the engine's host: bridges and veths, forwarding, the firewall, and what could not be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bridgework.analysis.docker_rules import flushed_rules
from bridgework.analysis.docker_rules.not_managed import not_managed
from bridgework.analysis.rules.host_firewall import native_rules_are_missing, quoted, rewrite_rules
from bridgework.diagnosis.view import View, enumerate_names, interface_is_down
from bridgework.explanations import HOST, finding, of_container, of_network
from bridgework.explanations.answers import ANALYSIS_LIMITED
from bridgework.explanations.firewall import FIREWALL_RULES_MISSING, USER_FIREWALL_DROP
from bridgework.explanations.links import LINK_DOWN, NEIGHBOUR_TABLE_FULL, ORPHAN_BRIDGE, VETH_DETACHED
from bridgework.explanations.remedies import reconnect
from bridgework.explanations.routes import IP_FORWARD_OFF
from bridgework.model.checks import Component, Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import FirewallChain
from bridgework.model.snapshot import Container, Endpoint, Network
from bridgework.topology.host_links import HostLinks, interface_of

_DOCKER_VETH = re.compile(r"veth[0-9a-f]{7}")
_DOCKER_CHAINS = (("filter", "DOCKER"), ("filter", "DOCKER-USER"), ("nat", "DOCKER"))
_HOOKS = (("filter", "FORWARD"), ("nat", "PREROUTING"))
_DROPS = re.compile(r"-j (DROP|REJECT)\b")
_QUOTED = 20
_NEIGHBOURS_NEARLY = 0.8
_NEIGHBOUR_LIMIT = "net.ipv4.neigh.default.gc_thresh3"


def bridges_are_orphans(view: View) -> Iterator[Finding]:
    """Find bridges as Docker names them that belong to no network."""
    # An engine that is killed while it creates a network leaves its bridge, and the subnet stays in use.
    links = view.links
    for name, interface in sorted(links.by_name.items()) if links else ():
        if links and links.is_orphan(interface):
            yield finding(
                ORPHAN_BRIDGE,
                Component("bridge", name, name),
                f"{name} belongs to no network.",
                remedy=Remedy(f"Remove the link {name} on the host.", commands=(f"ip link delete {name}",)),
                evidence={"addresses": sorted(f"{a.address}/{a.prefix_len}" for a in interface.addresses)},
            )


def links_are_broken(view: View) -> Iterator[Finding]:
    """Find endpoints whose veth is not a port of their network's bridge, or whose interface is down."""
    if view.links is None:
        return
    for container in view.snapshot.containers:
        for endpoint in container.endpoints:
            network = view.snapshot.networks_by_id.get(endpoint.network_id)
            if endpoint.state == "active" and network is not None and network.bridge_name:
                yield from _broken_link(view, view.links, container, endpoint, network)


def _broken_link(
    view: View, links: HostLinks, container: Container, endpoint: Endpoint, network: Network
) -> Iterator[Finding]:
    inside = interface_of(endpoint, view.observation(container))
    outside = links.peer_of(inside) if inside else None
    if inside is None:
        return
    remedy = reconnect(view.snapshot, network, container, endpoint)
    evidence = {"interface": inside.name, "veth": outside.name if outside else None, "bridge": network.bridge_name}
    master = links.master(outside)
    if outside and (master is None or master.name != network.bridge_name):
        ends = f"{outside.name}, the host's end of {inside.name} of {container.name},"
        message = f"{ends} is not a port of {network.bridge_name}."
        yield finding(VETH_DETACHED, of_container(container), message, remedy=remedy, evidence=evidence)
    elif interface_is_down(inside) or interface_is_down(outside):
        message = f"{inside.name} of {container.name} on {network.name} is down."
        yield finding(LINK_DOWN, of_container(container), message, remedy=remedy, evidence=evidence)


def veths_have_no_owner(view: View) -> Iterator[Finding]:
    """Find Docker's veths that are no port of a bridge and belong to no container that was seen."""
    if view.links is None:
        return
    seen = (view.observation(container) for container in view.snapshot.containers)
    inside = (interface for look in seen if look for interface in look.interfaces or ())
    known = {peer.name for interface in inside if (peer := view.links.peer_of(interface))}
    for name, interface in sorted(view.links.by_name.items()):
        if _DOCKER_VETH.fullmatch(name) and interface.master_index is None and name not in known:
            yield finding(
                VETH_DETACHED,
                Component("interface", name, name),
                f"{name} is not a port of any bridge.",
                severity=Severity.WARNING,
                remedy=Remedy("Connect its container again. If it has none, delete the link on the host."),
                evidence={"peer_index": interface.peer_index, "state": interface.state},
            )


def bridges_are_down(view: View) -> Iterator[Finding]:
    """Find bridges with endpoints that are down."""
    # A bridge without ports has no carrier, which is no fault.
    for name, network in view.bridge_names.items() if view.links else ():
        endpoints = len(view.active(network))
        bridge = view.links.by_name.get(name) if view.links else None
        if endpoints and interface_is_down(bridge):
            yield finding(
                LINK_DOWN,
                of_network(network),
                f"{name}, the bridge of {network.name}, is down.",
                remedy=Remedy(f"Set the link {name} up on the host.", commands=(f"ip link set {name} up",)),
                evidence={"bridge": name, "affected": endpoints},
            )


def forwarding_is_off(view: View) -> Iterator[Finding]:
    """Find forwarding switched off, without which nothing leaves a bridge."""
    host = view.engine.observations.host
    bridges = [network for network in view.snapshot.networks if network.bridge_name and not network.internal]
    families = (
        ("net.ipv4.ip_forward", host.ipv4_forwarding if host else None, bridges),
        (
            "net.ipv6.conf.all.forwarding",
            host.ipv6_forwarding if host else None,
            [n for n in bridges if n.ipv6_enabled],
        ),
    )
    for sysctl, value, networks in families:
        if value is False and networks:
            yield finding(
                IP_FORWARD_OFF,
                HOST,
                f"{sysctl} is 0 on the host.",
                remedy=Remedy("Switch forwarding on.", commands=(f"sysctl -w {sysctl}=1",)),
                evidence={"sysctl": sysctl, "affected": sum(len(view.active(network)) for network in networks)},
            )


def firewall_is_flushed(view: View) -> Iterator[Finding]:
    """Find Docker's chains that are gone, or that no hook jumps to."""
    # A flush of the hooks leaves Docker's chains and removes the jumps to them. Where all chains are missing, the
    # engine may be configured to write none (iptables=false): its API does not show that, and its file is not always
    # visible.
    chains, rules = _chains(view), view.engine.observations.firewall
    if chains is None or not any(network.bridge_name for network in view.snapshot.networks):
        return
    setting = rules.docker.setting if rules is not None else None
    if setting is not None and not setting.writes:
        return
    running = sum(1 for container in view.snapshot.containers if container.running)
    if view.engine.observations.nftables:
        if rules is not None and rules.docker.ipv4 is False:
            found = native_rules_are_missing(flushed=setting is not None)
            yield replace(found, evidence={**found.evidence, **_lost(view), "affected": running})
        return
    missing = [f"{table} {name}" for table, name in _DOCKER_CHAINS if (table, name) not in chains]
    idle = [
        f"{table} {name}"
        for table, name in _HOOKS
        if (table, name) in chains and not any("DOCKER" in text for _, _, text in chains[table, name].rules)
    ]
    flushed = setting is not None or any(name == "DOCKER" for _, name in chains)
    if not missing and not idle:
        return
    words = f"no chain {missing[0].partition(' ')[2]}" if missing else f"no jump to Docker's chains in {idle[0]}"
    why = "" if flushed else ": the engine is configured to write no rules (iptables=false), or they were flushed"
    yield finding(
        FIREWALL_RULES_MISSING,
        HOST,
        f"The host's firewall has {words}{why}.",
        severity=None if flushed else Severity.WARNING,
        remedy=rewrite_rules(flushed=flushed),
        evidence={"missing_chains": missing, "chains_not_called": idle, **_lost(view), "affected": running},
    )


def _lost(view: View) -> Mapping[str, object]:
    """Return how many rules are lost, and the first of them with the options that cause them."""
    lost = flushed_rules(view.state)
    return {"lost": len(lost), **quoted(lost[:_QUOTED])} if lost else {}


def firewall_is_not_managed(view: View) -> Iterator[Finding]:
    """Find networks whose packets do not leave, as the engine writes no rules and no others are there."""
    found = not_managed(view.state)
    if found is not None:
        running = sum(1 for container in view.snapshot.containers if container.running)
        yield replace(found, evidence={**found.evidence, "affected": running})


def user_rules_drop(view: View) -> Iterator[Finding]:
    """Find rules of the user that drop packets, with their counters."""
    chain = (_chains(view) or {}).get(("filter", "DOCKER-USER"))
    dropping = [(packets, text) for packets, _, text in chain.rules if _DROPS.search(text)] if chain else []
    if dropping:
        yield finding(
            USER_FIREWALL_DROP,
            HOST,
            f"DOCKER-USER drops: {enumerate_names(text for _, text in dropping)}.",
            severity=Severity.INFO,
            remedy=Remedy("Leave the rules if they are intended. Otherwise remove or narrow them on the host."),
            evidence={"rules": [{"packets": packets, "rule": text} for packets, text in dropping]},
        )


def _chains(view: View) -> dict[tuple[str, str], FirewallChain] | None:
    rules = view.engine.observations.firewall
    if rules is None or rules.chains is None:
        return None
    return {(chain.table, chain.name): chain for chain in rules.chains}


def neighbour_table_is_full(view: View) -> Iterator[Finding]:
    """Find a neighbour table that is nearly full; all namespaces share one limit."""
    host = view.engine.observations.host
    table = host.observation.neighbour_table if host else None
    if table is not None and table.in_use >= table.limit * _NEIGHBOURS_NEARLY:
        yield finding(
            NEIGHBOUR_TABLE_FULL,
            HOST,
            f"{table.in_use} of {table.limit} neighbour entries are in use.",
            severity=Severity.BLOCKING if table.in_use >= table.limit else None,
            remedy=Remedy("Raise the limit.", commands=(f"sysctl -w {_NEIGHBOUR_LIMIT}={table.limit * 8}",)),
            evidence={"limit": table.limit, "in_use": table.in_use},
        )


def not_everything_was_seen(view: View) -> Iterator[Finding]:
    """Find what the rules could not inspect, so that an empty diagnosis does not look healthy."""
    observations = view.engine.observations
    unseen = [c.name for c in view.snapshot.containers if c.running and c.id not in observations.inside]
    no_sockets = [
        c.name for c in view.snapshot.containers if (seen := view.observation(c)) is not None and seen.sockets is None
    ]
    gaps = [
        *(one.what for one in observations.limited),
        *(["the host's interfaces"] if view.links is None else []),
        *(["the host's routes"] if observations.host is None or observations.host.observation.routes is None else []),
        *(["the host's firewall"] if _chains(view) is None else []),
        *([f"the inside of {enumerate_names(unseen)}"] if unseen else []),
        *([f"the listening sockets of {enumerate_names(no_sockets)}"] if no_sockets else []),
    ]
    if gaps:
        yield finding(
            ANALYSIS_LIMITED,
            HOST,
            f"The service did not inspect, or could not see: {'; '.join(gaps)}.",
            remedy=Remedy("Give the service access: the host's pid namespace and CAP_SYS_ADMIN, or the helper image."),
            evidence={"not_visible": gaps, "containers": len(unseen), "affected": 0},
        )
