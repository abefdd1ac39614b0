"""The whole engine examined: a table of rules, and the order in which their findings hurt.

Theory: a rule is a pure function from the view of an engine to findings. It reads indexes, never compares all with
all, and reports on what it saw; what nobody could see is itself a finding. Severities are those of the catalogue,
made milder where a state is only possibly a fault (``default-bridge-no-dns`` hurts when somebody asks for a name).
``evidence["affected"]`` counts the endpoints or containers that a finding touches, 1 where it does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bridgework.core.checks import Finding, Severity
from bridgework.core.diagnostics import addresses, containers, host, names, networks, pools
from bridgework.core.diagnostics.view import View
from bridgework.core.evidence import EngineEvidence
from bridgework.core.snapshot import Snapshot

Rule = Callable[[View], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    host.forwarding_is_off,  # ip-forward-off
    host.firewall_is_flushed,  # firewall-rules-missing
    host.user_rules_drop,  # user-firewall-drop
    host.neighbour_table_is_full,  # neighbour-table-full
    host.links_are_broken,  # veth-detached, link-down
    host.veths_are_strangers,  # veth-detached
    host.bridges_are_down,  # link-down
    host.bridges_are_orphans,  # orphan-bridge
    host.not_everything_was_seen,  # analysis-limited
    addresses.subnets_of_networks_overlap,  # subnet-overlaps-network
    addresses.subnets_overlap_host_routes,  # subnet-overlaps-host-route
    addresses.subnets_hide_public_addresses,  # subnet-hides-public-addresses
    addresses.fixed_addresses_are_not_had,  # static-address-taken, address-changed
    addresses.hosts_entries_lead_nowhere,  # stale-address
    pools.pools_run_out,  # pool-exhausted, pool-nearly-full
    pools.default_pools_run_out,  # address-space-exhausted
    networks.endpoints_without_container,  # stale-endpoint
    networks.networks_are_gone,  # network-gone
    networks.networks_are_forgotten,  # network-forgotten
    networks.networks_are_unused,  # network-unused
    networks.bridges_are_full,  # bridge-port-limit
    networks.kinds_of_network_have_limits,  # overlay-not-attachable, vlan-without-parent
    containers.shared_networks_are_broken,  # shared-network-stale, shared-network-owner-down
    containers.containers_are_paused,  # container-paused
    containers.published_ports_are_not_in_force,  # published-ports-ignored, internal-no-publish
    containers.published_ports_are_taken,  # host-port-taken
    containers.published_ports_lead_nowhere,  # no-listener, listens-on-loopback-only
    containers.published_on_loopback,  # port-bound-to-loopback
    containers.listeners_on_loopback,  # listens-on-loopback-only
    names.names_are_ambiguous,  # name-ambiguous
    names.default_bridge_has_no_dns,  # default-bridge-no-dns
    names.links_are_legacy,  # legacy-link
    names.resolvers_are_misled,  # dns-loopback-upstream, embedded-dns-bypassed
)
_HURTS = {Severity.BLOCKING: 0, Severity.WARNING: 1, Severity.INFO: 2}


def diagnose(snapshot: Snapshot, engine_evidence: EngineEvidence) -> tuple[Finding, ...]:
    """Every finding, what hurts most first: by severity, then by how much it touches, then by code and name."""
    view = View.of(snapshot, engine_evidence)
    found = (finding for rule in RULES for finding in rule(view))
    return worst_first(found)


def worst_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """What hurts most first: the same order every time."""
    return tuple(sorted(found, key=_order))


def _order(finding: Finding) -> tuple[int, int, str, str, str, str]:
    component = finding.component
    affected = int(finding.evidence.get("affected", 1))
    return _HURTS[finding.severity], -affected, finding.code, component.name, component.id, finding.message
