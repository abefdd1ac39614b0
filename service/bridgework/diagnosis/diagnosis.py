"""The diagnosis of the whole engine: a table of rules, and the order of their findings.

A rule is a pure function from a view of the engine to findings. It reads indexes and never compares all with all. What
could not be seen is itself a finding. Severities are those of the catalogue, lower where a state is only possibly a
fault. ``evidence["affected"]`` counts the endpoints or containers that a finding affects; without it that is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bridgework.diagnosis import (
    address_rules,
    container_rules,
    exposure_rules,
    firewall_rules,
    host_rules,
    leftover_rules,
    link_rules,
    name_rules,
    network_rules,
    pool_rules,
    proxy_rules,
    route_rules,
)
from bridgework.diagnosis.view import View
from bridgework.explanations.compose import with_compose
from bridgework.model.checks import Finding, Severity
from bridgework.model.observations import EngineObservations
from bridgework.model.snapshot import Snapshot

Rule = Callable[[View], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    host_rules.forwarding_is_off,
    host_rules.firewall_is_flushed,
    host_rules.firewall_is_not_managed,
    host_rules.user_rules_drop,
    firewall_rules.rules_are_missing,
    firewall_rules.networks_are_not_kept_apart,
    firewall_rules.backends_are_mixed,
    firewall_rules.rules_are_stale,
    firewall_rules.rules_are_doubled,
    exposure_rules.published_ports_are_exposed,
    exposure_rules.unpublished_ports_are_exposed,
    leftover_rules.conntrack_table_is_full,
    leftover_rules.flows_are_stale,
    leftover_rules.proxies_are_orphans,
    container_rules.host_ports_differ_by_family,
    host_rules.neighbour_table_is_full,
    host_rules.links_are_broken,
    host_rules.veths_have_no_owner,
    host_rules.bridges_are_down,
    host_rules.bridges_are_orphans,
    host_rules.not_everything_was_seen,
    link_rules.bridges_lost_their_address,
    link_rules.neighbour_entries_are_wrong,
    link_rules.addresses_are_taken_twice,
    link_rules.neighbours_get_no_answer,
    link_rules.networks_exceed_the_way_out,
    link_rules.router_advertisements_are_refused,
    address_rules.subnets_of_networks_overlap,
    address_rules.subnets_overlap_host_routes,
    route_rules.packets_are_routed_elsewhere,
    address_rules.subnets_hide_public_addresses,
    address_rules.fixed_addresses_are_not_had,
    address_rules.hosts_entries_lead_nowhere,
    pool_rules.pools_run_out,
    pool_rules.default_pools_run_out,
    network_rules.endpoints_without_container,
    network_rules.networks_are_missing,
    network_rules.networks_are_unused,
    network_rules.bridges_are_full,
    network_rules.kinds_of_network_have_limits,
    container_rules.shared_networks_are_broken,
    container_rules.containers_are_paused,
    container_rules.containers_do_not_stay_up,
    container_rules.published_ports_are_not_in_force,
    container_rules.published_ports_lead_nowhere,
    container_rules.published_on_loopback,
    container_rules.listeners_on_loopback,
    proxy_rules.proxies_do_not_share_a_network,
    name_rules.names_are_ambiguous,
    name_rules.default_bridge_has_no_dns,
    name_rules.links_are_legacy,
    name_rules.embedded_servers_cannot_answer,
    name_rules.resolvers_cannot_resolve_containers,
)
OF_PODMAN = frozenset(
    {
        host_rules.forwarding_is_off,
        host_rules.neighbour_table_is_full,
        host_rules.links_are_broken,
        host_rules.not_everything_was_seen,
        address_rules.subnets_of_networks_overlap,
        address_rules.subnets_overlap_host_routes,
        address_rules.subnets_hide_public_addresses,
        pool_rules.pools_run_out,
        network_rules.networks_are_missing,
        container_rules.shared_networks_are_broken,
        container_rules.containers_are_paused,
        container_rules.published_ports_lead_nowhere,
        container_rules.published_on_loopback,
        container_rules.listeners_on_loopback,
        name_rules.names_are_ambiguous,
        name_rules.default_bridge_has_no_dns,
    }
)
"""The rules for Podman: those that depend on nothing that Docker alone does."""
_RANKS = {Severity.BLOCKING: 0, Severity.WARNING: 1, Severity.INFO: 2}


def diagnose(snapshot: Snapshot, engine_evidence: EngineObservations) -> tuple[Finding, ...]:
    """Return every finding, sorted by severity, then by how much it affects, then by code and name."""
    view = View.of(snapshot, engine_evidence)
    podman = engine_evidence.observations.podman
    found = (finding for rule in RULES if not podman or rule in OF_PODMAN for finding in rule(view))
    return worst_first(with_compose(view.snapshot, finding) for finding in found)


def worst_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by severity, then by how much they affect, then by code and name."""
    return tuple(sorted(found, key=_order))


def _order(finding: Finding) -> tuple[int, int, str, str, str, str]:
    component = finding.component
    affected = int(finding.evidence.get("affected", 1))
    return _RANKS[finding.severity], -affected, finding.code, component.name, component.id, finding.message
