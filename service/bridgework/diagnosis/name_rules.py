"""Rules about names: ambiguous names, networks without DNS, legacy links and resolvers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bridgework.analysis.rules.listener import is_loopback
from bridgework.analysis.rules.name import no_upstreams, rules_missing
from bridgework.diagnosis.container_findings import legacy_links
from bridgework.diagnosis.view import View, enumerate_names
from bridgework.explanations import finding, of_container, of_network
from bridgework.explanations.names import (
    DEFAULT_BRIDGE_NO_DNS,
    DNS_LOOPBACK_UPSTREAM,
    DNS_UPSTREAM_OUTDATED,
    EMBEDDED_DNS_BYPASSED,
    NAME_AMBIGUOUS,
    SEARCH_LIST_DETOURS,
)
from bridgework.explanations.remedies import container_reference, share_network
from bridgework.model.actions import RestartContainer
from bridgework.model.checks import Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import ResolverConfiguration
from bridgework.model.snapshot import Container, Endpoint, Network

_EMBEDDED_DNS = "127.0.0.11"
_REPLICA_LABELS = ("com.docker.compose.project", "com.docker.compose.service")
_FEW = 8
_ENGINE_DEFAULTS = frozenset({"8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"})
"""What the engine uses where the host's file has no usable server (libnetwork/internal/resolvconf)."""


def names_are_ambiguous(view: View) -> Iterator[Finding]:
    """Find names that several endpoints of a network have."""
    for network in view.snapshot.networks:
        if network.is_default_bridge:
            continue
        holders: dict[str, list[Endpoint]] = {}
        for endpoint in view.active(network):
            for name in {endpoint.container_name, *endpoint.aliases, *endpoint.dns_names}:
                holders.setdefault(name, []).append(endpoint)
        for name, endpoints in sorted(holders.items()):
            if len(endpoints) > 1:
                yield _ambiguous(view, network, name, endpoints)


def _ambiguous(view: View, network: Network, name: str, endpoints: list[Endpoint]) -> Finding:
    names = [endpoint.container_name for endpoint in endpoints]
    replicas = _are_replicas(view, endpoints)
    meant = " They are replicas of one service." if replicas else ""
    return finding(
        NAME_AMBIGUOUS,
        of_network(network),
        f"{name} is held by {enumerate_names(names)} on {network.name}: each lookup leads to one of them.{meant}",
        severity=Severity.INFO if replicas else None,
        remedy=Remedy(
            "Use the containers' own names, or connect the container that you mean with an alias of its own."
        ),
        evidence={"name": name, "holders": names, "affected": len(names)},
    )


def _are_replicas(view: View, endpoints: list[Endpoint]) -> bool:
    containers = [view.snapshot.containers_by_id.get(endpoint.container_id) for endpoint in endpoints]
    services = {tuple(c.labels.get(key) for key in _REPLICA_LABELS) if c else (None,) for c in containers}
    return len(services) == 1 and None not in services.pop()


def default_bridge_has_no_dns(view: View) -> Iterator[Finding]:
    """Find containers that are on the default bridge alone and so cannot find one another by name."""
    for network in view.snapshot.networks:
        if not network.is_default_bridge:
            continue
        alone = [c for c in view.snapshot.containers if c.running and view.networks_of(c) == [network]]
        if len(alone) > 1:
            few = share_network(view.snapshot, alone) if len(alone) <= _FEW else None
            yield finding(
                DEFAULT_BRIDGE_NO_DNS,
                of_network(network),
                f"{enumerate_names(c.name for c in alone)} are on the default bridge only: names do not resolve there.",
                severity=Severity.INFO,
                remedy=few or Remedy("Put containers that need each other on a network of their own."),
                evidence={"containers": [c.name for c in alone], "affected": len(alone)},
            )


def links_are_legacy(view: View) -> Iterator[Finding]:
    """Find legacy links (``--link``), which the engine resolves when a container starts, and never again."""
    for container in view.snapshot.containers:
        yield from legacy_links(view.snapshot, container)


def resolvers_cannot_resolve_containers(view: View) -> Iterator[Finding]:
    """Find containers whose name servers cannot resolve the names of containers."""
    # A loopback address inside a container is the container itself; a foreign server does not know containers.
    for container in view.snapshot.containers:
        if not container.running or container.host_mode or container.shares_with:
            continue
        seen = view.observation(container)
        resolver = seen.resolver if seen else None
        nameservers = resolver.nameservers if resolver else ()
        servers = (*container.dns, *nameservers)
        loopback = sorted({server for server in servers if is_loopback(server) and server != _EMBEDDED_DNS})
        if loopback:
            yield finding(
                DNS_LOOPBACK_UPSTREAM,
                of_container(container),
                f"{container.name} has the DNS server {', '.join(loopback)}: inside it, that is the container itself.",
                remedy=Remedy(f"Create {container.name} again with a DNS server that has no loopback address."),
                evidence={"servers": loopback},
            )
        elif nameservers and _EMBEDDED_DNS not in nameservers and _on_user_network(view, container):
            yield finding(
                EMBEDDED_DNS_BYPASSED,
                of_container(container),
                f"{container.name} uses the DNS server {enumerate_names(nameservers)} instead of {_EMBEDDED_DNS}.",
                remedy=Remedy(f"Remove what overwrites /etc/resolv.conf in {container.name}, and restart it."),
                evidence={"servers": list(nameservers)},
            )


def embedded_servers_cannot_answer(view: View) -> Iterator[Finding]:
    """Find embedded DNS servers that cannot be asked, have no server to ask, or ask servers that the host left."""
    host = view.engine.observations.host
    files = dict(host.name_servers) if host is not None else {}
    for container in view.snapshot.containers:
        seen = view.observation(container)
        if seen is None or container.host_mode or container.shares_with:
            continue
        yield from rules_missing(container, seen)
        networks = view.networks_of(container)
        if any(not network.internal for network in networks):
            yield from no_upstreams(container, seen)
            yield from _outdated(container, seen.resolver, files)
        yield from _detours(container, seen.resolver)


def _outdated(
    container: Container, resolver: ResolverConfiguration | None, files: Mapping[str, tuple[str, ...]]
) -> Iterator[Finding]:
    if resolver is None or resolver.configured or not resolver.host_file or container.dns:
        return
    today = files.get(resolver.host_file)
    recorded = resolver.upstreams if resolver.uses_embedded_dns else resolver.nameservers
    # The engine's own servers stand in for a file without usable ones.
    gone = [server for server in recorded if server not in {*(today or ()), *_ENGINE_DEFAULTS}]
    if today and gone:
        message = (
            f"{container.name} asks the DNS server {enumerate_names(gone)}, which {resolver.host_file} of the host no "
            f"longer names: it names {enumerate_names(today)}."
        )
        yield finding(
            DNS_UPSTREAM_OUTDATED,
            of_container(container),
            message,
            remedy=Remedy(
                f"Restart {container.name}: the engine reads the host's file when it starts.",
                (RestartContainer(container_reference(container)),),
            ),
            evidence={"recorded": list(recorded), "host_file": resolver.host_file, "servers_of_today": list(today)},
        )


def _detours(container: Container, resolver: ResolverConfiguration | None) -> Iterator[Finding]:
    if resolver is None or not resolver.search:
        return
    given = dict(option.partition(":")[::2] for option in resolver.options)
    ndots = given.get("ndots", "1")
    # With ndots:1, the default, a name with a dot is asked as it is first (resolv.conf(5)).
    if ndots.isascii() and ndots.isdigit() and int(ndots[:4]) > 1:
        extra = len(resolver.search)
        message = (
            f"{container.name} asks for a name with fewer than {int(ndots[:4])} dots in "
            f"{enumerate_names(resolver.search)} first: ndots is {int(ndots[:4])}."
        )
        yield finding(
            SEARCH_LIST_DETOURS,
            of_container(container),
            message,
            remedy=Remedy(
                f"Create {container.name} again with the DNS option ndots:1, or end public names with a dot."
            ),
            evidence={"search": list(resolver.search), "ndots": int(ndots[:4]), "extra_questions": extra},
        )


def _on_user_network(view: View, container: Container) -> bool:
    return any(not network.builtin for network in view.networks_of(container))
