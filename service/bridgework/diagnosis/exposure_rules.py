"""Rules about ports that are reachable from outside of the host, though something says that they should not be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from bridgework.analysis.attachment import IPV4
from bridgework.analysis.exposure.judge import Exposure, exposures
from bridgework.analysis.exposure.questions import (
    Target,
    is_loopback,
    lan_origins,
    published_targets,
    unpublished_targets,
)
from bridgework.analysis.host_rules import NATIVE_TABLE, owner_of, program_of
from bridgework.analysis.routing import gateway_mode
from bridgework.diagnosis.view import View, enumerate_names
from bridgework.explanations import finding, of_container
from bridgework.explanations.ports import (
    EXPOSED_PAST_HOST_FIREWALL,
    LOOPBACK_PORT_EXPOSED,
    PUBLISHED_ON_EVERY_ADDRESS,
    UNPUBLISHED_PORT_EXPOSED,
)
from bridgework.firewall.simulate import Step
from bridgework.model.checks import Finding, Severity, Verdict
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Container

# Each target is led through all rules of the host: 5,000 rules take about 2 ms.
MOST_TARGETS = 2000
_UNPROTECTED = "nat-unprotected"


def published_ports_are_exposed(view: View, of: Iterable[Container] | None = None) -> Iterator[Finding]:
    """Find published ports that a neighbour on a link of the host reaches; with ``of``, those of these containers."""
    for container, found in _reachable(view, published_targets(view.snapshot, of)):
        loopback = [one for one in found if is_loopback(one.address)]
        past = [one for one in found if one.is_past_host_firewall and one not in loopback]
        wide = [one for one in found if one not in loopback and one not in past and _is_wildcard(one)]
        if past:
            yield _past_the_firewall(view, container, past)
        if loopback:
            yield _loopback(view, container, loopback)
        if wide:
            yield _everywhere(container, wide)


def unpublished_ports_are_exposed(view: View, of: Iterable[Container] | None = None) -> Iterator[Finding]:
    """Find ports that are not published, and that a neighbour reaches at the container's own address.

    With ``of``, only those of these containers.
    """
    for container, found in _reachable(view, unpublished_targets(view.state, of)):
        meant = all(gateway_mode(one.target.network, one.origin.version) == _UNPROTECTED for one in found)
        first = found[0]
        ports = enumerate_names(sorted({f"{one.target.protocol} {one.port}" for one in found}))
        why = f": {first.target.network.name} has gateway mode {_UNPROTECTED}" if meant else ""
        message = (
            f"{ports} of {container.name} is not published, and a machine with a route by the host reaches it at "
            f"{first.address} from {_origins(found)}{why}."
        )
        addresses = {(one.address, one.origin.version, one.target.network.bridge_name or "") for one in found}
        remedy = (
            Remedy("Use the gateway mode nat, which protects ports that are not published.")
            if meant
            else Remedy(
                "Drop what comes to the container's address from elsewhere, as Docker 28 and later do.",
                commands=tuple(_direct_access(view, *one) for one in sorted(addresses)),
            )
        )
        severity = Severity.INFO if meant else None
        evidence = _evidence(view, found)
        yield finding(
            UNPUBLISHED_PORT_EXPOSED,
            of_container(container),
            message,
            severity=severity,
            remedy=remedy,
            evidence=evidence,
        )


def _reachable(view: View, targets: Iterable[Target]) -> Iterator[tuple[Container, list[Exposure]]]:
    """Yield each container with what is reachable of it from the links of the host."""
    host = view.engine.observations.host
    if host is None:
        return
    origins = tuple(lan_origins(view.snapshot, host))
    found: dict[str, list[Exposure]] = {}
    for one in exposures(view.state, islice(targets, MOST_TARGETS), origins) if origins else ():
        if one.verdict is Verdict.REACHABLE:
            found.setdefault(one.target.container.id, []).append(one)
    for container_id, reachable in found.items():
        yield view.snapshot.containers_by_id[container_id], reachable


def _is_wildcard(one: Exposure) -> bool:
    return one.target.published is not None and one.target.published.host_ip in {"", "0.0.0.0", "::"}


def _origins(found: Iterable[Exposure]) -> str:
    return enumerate_names(sorted({one.origin.name for one in found}))


def _ports(found: Iterable[Exposure]) -> str:
    return enumerate_names(sorted({f"{one.target.protocol} {one.port}" for one in found}))


def _evidence(view: View, found: list[Exposure]) -> dict[str, object]:
    first = found[0]
    evidence: dict[str, object] = {
        "ports": sorted({f"{one.port}/{one.target.protocol}" for one in found}),
        "interfaces": sorted({one.origin.name for one in found}),
        "rules": [step.rule.text for step in first.rules if step.rule is not None],
    }
    refused = first.refused_by
    if refused is not None:
        evidence["host_firewall"] = _quoted(refused)
        owner = owner_of(view.snapshot, refused) or program_of(refused)
        evidence |= {"owner": owner} if owner else {}
    return evidence


def _quoted(step: Step) -> str:
    return step.rule.text if step.rule is not None else f"the policy of {step.place.chain.name} is DROP"


def _past_the_firewall(view: View, container: Container, found: list[Exposure]) -> Finding:
    refused = next(one.refused_by for one in found if one.refused_by is not None)
    owner = owner_of(view.snapshot, refused) or program_of(refused)
    whose = f"{owner} closes" if owner else "The host's firewall closes"
    message = (
        f"{whose} {_ports(found)} in {refused.place.chain.name} ({_quoted(refused)}), and {_origins(found)} reaches "
        f"{container.name} there all the same: Docker's rules send the packet past that chain."
    )
    remedy = Remedy(
        "If the port should be closed, drop it with these commands, before Docker's rules accept it, or publish it on "
        "127.0.0.1 only. If it should be open, leave it.",
        commands=_closed(view, found),
    )
    return finding(
        EXPOSED_PAST_HOST_FIREWALL,
        of_container(container),
        message,
        remedy=remedy,
        evidence=_evidence(view, found),
    )


def _closed(view: View, found: list[Exposure]) -> tuple[str, ...]:
    """Return the commands that drop the packets to these ports after their translation."""
    ways = sorted({(one.origin.version, one.origin.name, one.target.protocol, one.port) for one in found})
    if not view.engine.observations.nftables:
        programs = {4: "iptables", 6: "ip6tables"}
        return tuple(
            f"{programs[version]} -I DOCKER-USER -i {link} -p {protocol} -m conntrack --ctorigdstport {port} "
            f"--ctdir ORIGINAL -j DROP"
            for version, link, protocol, port in ways
        )
    # With its nftables backend Docker has no DOCKER-USER: a chain of one's own at an earlier priority does the same.
    chain = "'add chain inet published filter { type filter hook forward priority -10; policy accept; }'"
    drops = dict.fromkeys(
        f"nft add rule inet published filter iifname {link} meta l4proto {protocol} ct direction original "
        f"ct original proto-dst {port} drop"
        for _, link, protocol, port in ways
    )
    return ("nft add table inet published", f"nft {chain}", *drops)


def _loopback(view: View, container: Container, found: list[Exposure]) -> Finding:
    message = (
        f"{_ports(found)} of {container.name} is published on {found[0].address} only, and a neighbour on "
        f"{_origins(found)} reaches it: no rule drops what comes from there for that address."
    )
    rules = sorted({(one.address, one.target.protocol, one.port) for one in found})
    commands = tuple(_loopback_drop(view, *rule) for rule in rules)
    remedy = Remedy(
        "Drop what comes for the address by another interface, as Docker 28 and later do.", commands=commands
    )
    return finding(
        LOOPBACK_PORT_EXPOSED, of_container(container), message, remedy=remedy, evidence=_evidence(view, found)
    )


def _loopback_drop(view: View, address: str, protocol: str, port: int) -> str:
    if view.engine.observations.nftables:
        chain = f"ip {NATIVE_TABLE} raw-PREROUTING"
        return f"nft add rule {chain} iifname != lo ip daddr {address} {protocol} dport {port} drop"
    matches = f"-d {address}/32 ! -i lo -p {protocol} -m {protocol} --dport {port}"
    return f"iptables -t raw -A PREROUTING {matches} -j DROP"


def _direct_access(view: View, address: str, version: int, bridge: str) -> str:
    if view.engine.observations.nftables:
        family = "ip" if version == IPV4 else "ip6"
        chain = f"{family} {NATIVE_TABLE} raw-PREROUTING"
        return f"nft add rule {chain} {family} daddr {address} iifname != {bridge} drop"
    program, bits = ("iptables", 32) if version == IPV4 else ("ip6tables", 128)
    return f"{program} -t raw -A PREROUTING -d {address}/{bits} ! -i {bridge} -j DROP"


def _everywhere(container: Container, found: list[Exposure]) -> Finding:
    message = (
        f"{_ports(found)} of {container.name} is published on every address of the host, and neighbours on "
        f"{_origins(found)} reach it."
    )
    remedy = Remedy(
        "If only the host needs the port, create the container again with the port published on 127.0.0.1; otherwise "
        "leave it."
    )
    evidence = {
        "ports": sorted({f"{one.port}/{one.target.protocol}" for one in found}),
        "interfaces": sorted({one.origin.name for one in found}),
        "rules": [step.rule.text for step in found[0].rules if step.rule is not None],
        "by_docker_proxy": found[0].by_proxy,
    }
    return finding(PUBLISHED_ON_EVERY_ADDRESS, of_container(container), message, remedy=remedy, evidence=evidence)
