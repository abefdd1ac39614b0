"""The index of symptoms: what a user sees, and the causes that it may have.

docs/symptoms.md lists it. A cause may be in several symptoms. The first codes of a
symptom are the ones to look for first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Symptom:
    """What a user sees. ``first_step`` says how to find the cause; ``codes`` are the possible causes."""

    name: str
    title: str
    first_step: str
    codes: tuple[str, ...]


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_CHECK = "Check from the container that fails to the destination"
_DIAGNOSIS = "Read the diagnosis of the engine"

_ROWS = (
    Symptom(
        "name-does-not-resolve",
        "A name does not resolve",
        f"{_CHECK}, with `name` as the destination.",
        _codes("""
            default-bridge-no-dns name-not-on-shared-network destination-not-running shares-network
            embedded-dns-bypassed embedded-dns-rules-missing dns-upstream-failed dns-loopback-upstream
            dns-no-upstream dns-upstream-outdated legacy-link
        """),
    ),
    Symptom(
        "wrong-container-answers",
        "A name or an address leads to another container than intended",
        f"{_DIAGNOSIS}.",
        _codes("""
            name-ambiguous alias-already-held address-changed stale-address duplicate-address
            stale-neighbour subnet-overlaps-network legacy-link mac-address-ignored stale-port-rule
        """),
    ),
    Symptom(
        "published-port-refused",
        "A published port refuses the connection, or does not answer",
        "Check from `host` to `host`, with the published port.",
        _codes("""
            no-listener listens-on-loopback-only port-not-published port-bound-to-loopback
            published-ports-ignored internal-no-publish host-port-taken gateway-mode-routed
            firewall-rules-missing firewall-backends-mixed user-firewall-drop docker-rule-drops
            container-paused source-not-running container-start-failed container-restarting port-rule-missing
            network-rule-missing stale-flow
            orphan-proxy host-port-differs-by-family conntrack-table-full policy-route-diverts asymmetric-routing
            reverse-path-filtered interface-forwarding-off blackhole-route connection-refused
            docker-proxy-missing
        """),
    ),
    Symptom(
        "bad-gateway",
        "A reverse proxy answers 502 Bad Gateway or 504 Gateway Timeout",
        "Check from the proxy to the container, with the port of its program.",
        _codes("""
            proxy-network-unshared no-listener listens-on-loopback-only no-shared-network destination-not-running
            name-ambiguous
        """),
    ),
    Symptom(
        "containers-do-not-reach-each-other",
        "One container does not reach another one",
        f"{_CHECK}.",
        _codes("""
            no-shared-network bridges-isolated destination-not-running source-not-running container-start-failed
            container-restarting no-listener
            listens-on-loopback-only inter-container-off stale-address network-mode-none
            shared-network-stale shared-network-owner-down host-mode-no-own-address veth-detached link-down
            address-family-mismatch vlan-mode-private overlay-peer-unreachable node-unreachable
            reply-path-lost bridge-traffic-filtered network-rule-missing firewall-backends-mixed
            user-firewall-drop docker-rule-drops container-paused neighbour-table-full stale-neighbour
            duplicate-address policy-route-diverts asymmetric-routing reverse-path-filtered
            interface-forwarding-off blackhole-route connection-refused
        """),
    ),
    Symptom(
        "outside-unreachable",
        "A container does not reach the internet or the LAN",
        f"{_CHECK}, with an `address` outside.",
        _codes("""
            internal-no-egress ip-forward-off firewall-rules-missing firewall-not-managed user-firewall-drop
            wrong-default-gateway masquerade-off host-no-route vlan-without-parent network-mode-none
            subnet-overlaps-host-route subnet-hides-public-addresses dns-upstream-failed
            dns-loopback-upstream bridge-address-missing router-advertisements-refused network-rule-missing
            reverse-path-filtered interface-forwarding-off blackhole-route ndp-proxy-missing
        """),
    ),
    Symptom(
        "works-from-host-not-from-container",
        "It works from the host and not from a container",
        f"{_CHECK}, and the same check from `host`.",
        _codes("""
            bridges-isolated no-shared-network internal-no-egress ip-forward-off dns-loopback-upstream
            default-bridge-no-dns user-firewall-drop port-bound-to-loopback masquerade-off
            wrong-default-gateway subnet-overlaps-host-route
        """),
    ),
    Symptom(
        "works-from-container-not-from-host",
        "It works from a container, or from other machines, and not from the host",
        "Check from `host` to the container.",
        _codes("""
            macvlan-host-filtered gateway-mode-isolated listens-on-loopback-only user-firewall-drop
            subnet-overlaps-host-route bridge-address-missing stale-neighbour policy-route-diverts
        """),
    ),
    Symptom(
        "open-that-should-be-closed",
        "Something can be reached that should not be",
        f"{_DIAGNOSIS}.",
        _codes("""
            exposed-past-host-firewall icc-not-enforced published-on-every-address unpublished-port-exposed
            loopback-port-exposed networks-not-isolated isolation-rule-missing stale-port-rule duplicate-rules
        """),
    ),
    Symptom(
        "slow-then-hangs",
        "A connection opens, and then it is slow or hangs",
        f"{_CHECK}, with `icmp`, `dont_fragment` and a `payload_bytes` of 1472.",
        _codes("""
            mtu-mismatch pmtu-blackhole mtu-exceeds-egress container-paused neighbour-table-full
            search-list-detours dns-upstream-failed dns-upstream-outdated name-ambiguous
        """),
    ),
    Symptom(
        "works-sometimes",
        "It works sometimes",
        f"{_DIAGNOSIS}.",
        _codes("""
            name-ambiguous alias-already-held neighbour-table-full address-tentative
            prediction-inconsistent subnet-overlaps-network duplicate-address stale-neighbour
            mtu-exceeds-egress stale-flow conntrack-table-full host-port-differs-by-family
        """),
    ),
    Symptom(
        "worked-until-reboot",
        "It worked until a reboot, a restart or a reload",
        f"{_DIAGNOSIS}.",
        _codes("""
            firewall-rules-missing shared-network-stale shared-network-owner-down address-changed
            stale-address static-address-taken ip-forward-off network-gone network-forgotten
            host-port-taken legacy-link veth-detached firewall-backends-mixed user-firewall-drop
            orphan-bridge bridge-address-missing router-advertisements-refused dns-upstream-outdated
            embedded-dns-rules-missing port-rule-missing network-rule-missing isolation-rule-missing
            stale-port-rule policy-route-diverts asymmetric-routing
        """),
    ),
    Symptom(
        "container-does-not-start",
        "A container does not start, or starts without its network",
        "Read the `findings` of the container.",
        _codes("""
            host-port-taken static-address-taken network-gone network-forgotten pool-exhausted
            pool-nearly-full shared-network-owner-down bridge-port-limit overlay-not-attachable
            orphan-proxy
        """),
    ),
    Symptom(
        "network-cannot-be-created-or-removed",
        "A network cannot be created or removed",
        f"{_DIAGNOSIS}.",
        _codes("""
            address-space-exhausted subnet-overlaps-network subnet-overlaps-host-route stale-endpoint
            network-unused orphan-bridge
        """),
    ),
    Symptom(
        "log-shows-gateway-as-client",
        "The log of a program shows the gateway instead of the client's address",
        "Check from the client to the published port, with `trace`.",
        _codes("client-address-replaced"),
    ),
    Symptom(
        "ping-differs-from-tcp",
        "Pings fail and connections work, or the reverse",
        f"{_CHECK}, once with `icmp` and once with `tcp`.",
        _codes("icmp-blocked-tcp-ok vxlan-checksum-offload container-paused no-listener mtu-mismatch pmtu-blackhole"),
    ),
    Symptom(
        "ipv6-does-not-work",
        "IPv6 does not work",
        f"{_CHECK}, with `ip_version` 6.",
        _codes("""
            address-family-mismatch address-tentative ip-forward-off firewall-rules-missing reply-path-lost
            router-advertisements-refused bridge-address-missing ndp-proxy-missing
        """),
    ),
    Symptom(
        "answer-is-uncertain",
        "A check is inconclusive, or its answer surprises",
        "Repeat the check, and read `limited` of the diagnosis.",
        _codes("analysis-limited prediction-inconsistent node-unreachable address-tentative"),
    ),
)

SYMPTOMS: Mapping[str, Symptom] = MappingProxyType({row.name: row for row in _ROWS})
