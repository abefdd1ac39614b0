"""Rules about what outlives its container or its rules: connection tracking, and docker-proxy processes."""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.analysis.attachment import IPV4, IPV6
from bridgework.analysis.routing import OVERLAY_GATEWAY
from bridgework.diagnosis.view import View
from bridgework.explanations import HOST, finding, of_container
from bridgework.explanations.firewall import CONNTRACK_TABLE_FULL, STALE_FLOW
from bridgework.explanations.ports import ORPHAN_PROXY
from bridgework.ipam.intervals import parse
from bridgework.model.checks import Finding, Severity
from bridgework.model.errors import Remedy

_CONNTRACK_NEARLY, _CONNTRACK_LIMIT = 0.9, "net.netfilter.nf_conntrack_max"


def conntrack_table_is_full(view: View) -> Iterator[Finding]:
    """Find a table of connections that is nearly full, beyond which the kernel drops new ones."""
    host = view.engine.observations.host
    table = host.conntrack if host else None
    if table is not None and 0 < table.limit * _CONNTRACK_NEARLY <= table.in_use:
        dropped = f", and {table.dropped} packets were dropped so far" if table.dropped else ""
        yield finding(
            CONNTRACK_TABLE_FULL,
            HOST,
            f"{table.in_use} of {table.limit} entries of connection tracking are in use{dropped}.",
            severity=Severity.BLOCKING if table.in_use >= table.limit else None,
            remedy=Remedy("Raise the limit.", commands=(f"sysctl -w {_CONNTRACK_LIMIT}={table.limit * 2}",)),
            evidence={
                "limit": table.limit,
                "in_use": table.in_use,
                "dropped": table.dropped,
                "sysctl": _CONNTRACK_LIMIT,
            },
        )


def proxies_are_orphans(view: View) -> Iterator[Finding]:
    """Find docker-proxy processes that hold a port of the host for an address that no container has."""
    host = view.engine.observations.host
    for proxy in (host.proxies or ()) if host else ():
        holders = view.snapshot.holders_by_address.get(proxy.container_ip, ())
        # Endpoints on the bridge of overlay networks are not listed, so nothing is said about their addresses.
        if holders or not proxy.container_ip or _is_of_overlay(view, proxy.container_ip):
            continue
        yield finding(
            ORPHAN_PROXY,
            HOST,
            f"docker-proxy (process {proxy.pid}) holds {proxy.protocol} port {proxy.host_port} of {proxy.host_ip} for "
            f"{proxy.container_ip}, which no container has.",
            remedy=Remedy("End the process. The port is free then.", commands=(f"kill {proxy.pid}",)),
            evidence={
                "pid": proxy.pid,
                "host_port": proxy.host_port,
                "container_ip": proxy.container_ip,
                "container_port": proxy.container_port,
            },
        )


def _is_of_overlay(view: View, address: str) -> bool:
    own = parse(address)
    return own is None or any(
        network.name == OVERLAY_GATEWAY and interval.overlaps(own) for interval, (network, _) in view.pools
    )


def flows_are_stale(view: View) -> Iterator[Finding]:
    """Find UDP entries of connection tracking that send a published port elsewhere than the rules do now."""
    host = view.engine.observations.host
    rules = view.engine.observations
    own = {a.address for i in (host.observation.interfaces or ()) for a in i.addresses} if host else set()
    for flow in (host.flows or ()) if host else ():
        publishers = view.snapshot.publishers_by_port.get((flow.destination_port, flow.protocol), ())
        version = IPV6 if ":" in flow.destination else IPV4
        if not publishers or not rules.guards(version) or flow.destination not in own:
            continue
        # docker-proxy answers what comes from containers and from the host's loopback: those entries have no
        # translation.
        if view.in_docker_space(flow.source) or flow.source in own:
            continue
        name = publishers[0][0].name
        holders = {address for container, _ in publishers for e in container.endpoints for address in e.addresses}
        # Without an address of the family docker-proxy alone answers, which takes no translation.
        if flow.answer_source in holders or not any((":" in address) == (version == IPV6) for address in holders):
            continue
        untranslated = flow.answer_source == flow.destination
        leads = "is not translated" if untranslated else f"leads to {flow.answer_source}, which {name} does not have"
        client = f"{flow.source} port {flow.source_port}"
        command = (
            f"conntrack -D -p udp --orig-src {flow.source} --orig-dst {flow.destination} --sport {flow.source_port} "
            f"--dport {flow.destination_port}"
        )
        yield finding(
            STALE_FLOW,
            of_container(publishers[0][0]),
            f"Connection tracking keeps udp port {flow.destination_port} of {name} for {client} as it was before: the "
            f"entry {leads}.",
            remedy=Remedy(
                "Delete the entry. The next datagram of that client makes a new one, by the rules of today.",
                commands=(command,),
            ),
            evidence={
                "source": flow.source,
                "source_port": flow.source_port,
                "destination": flow.destination,
                "port": flow.destination_port,
                "answers_from": flow.answer_source,
            },
        )
