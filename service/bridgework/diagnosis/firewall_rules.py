"""Rules about the engine's own firewall rules: which are lost in part, out of date, or there twice."""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.docker_rules import (
    ISOLATION,
    NETWORK,
    PORT,
    MissingRule,
    duplicate_rules,
    missing_rules,
    stale_rules,
)
from bridgework.diagnosis.host_rules import firewall_is_flushed
from bridgework.diagnosis.view import View, enumerate_names
from bridgework.explanations import HOST, finding, of_container, of_network
from bridgework.model.checks import Component, Finding, Severity
from bridgework.model.errors import Remedy

_WITHOUT = {
    NETWORK: "packets of its containers may be dropped, or leave without translation",
    ISOLATION: "packets pass that Docker should drop",
}


def rules_are_missing(view: View) -> Iterator[Finding]:
    """Find rules of the engine's that are lost while others of them are there."""
    # A flush of whole chains is one finding of its own, with a remedy of its own.
    if any(True for _ in firewall_is_flushed(view)):
        return
    found: dict[tuple[str, Component], list[MissingRule]] = {}
    for one in missing_rules(EngineState(view.snapshot, view.engine.observations)):
        found.setdefault((one.code, _subject(one)), []).append(one)
    for (code, component), rules in found.items():
        yield missing_finding(code, component, rules, proxied=view.engine.observations.userland_proxy is True)


def missing_finding(code: str, component: Component, rules: list[MissingRule], *, proxied: bool = False) -> Finding:
    """Make the finding for lost rules of one container, one network or the host."""
    severity = None
    if code == PORT:
        message = f"The host's firewall lacks {_lost(rules)} {_ports(rules)} of {component.name}."
        # docker-proxy still answers at the host where only the translation is lost.
        severity = Severity.WARNING if proxied and all(one.translates for one in rules) else None
    else:
        whose = f" for {component.name}" if component != HOST else ""
        more = f" and {len(rules) - 1} more" if len(rules) > 1 else ""
        message = f"The host's firewall lacks Docker's rule {rules[0].rule}{more}{whose}: {_WITHOUT[code]}."
    remedy = Remedy(
        "Write the lost rules again with these commands, or restart the engine, which writes all of its rules again.",
        commands=tuple(dict.fromkeys(command for one in rules for command in one.commands)),
    )
    evidence = {"rules": [one.rule for one in rules], "ip_versions": sorted({one.version for one in rules})}
    return finding(code, component, message, severity=severity, remedy=remedy, evidence=evidence)


def _subject(one: MissingRule) -> Component:
    if one.code == PORT and one.container is not None:
        return of_container(one.container)
    return of_network(one.network) if one.network is not None else HOST


def _lost(rules: list[MissingRule]) -> str:
    translates = any(one.translates for one in rules)
    accepts = any(not one.translates for one in rules)
    if translates and accepts:
        return "Docker's rules that translate and accept"
    return "Docker's rule that translates" if translates else "Docker's rule that accepts packets for"


def _ports(rules: list[MissingRule]) -> str:
    ports = sorted(
        {
            f"{one.port.protocol} port {one.port.host_port or one.port.container_port}"
            for one in rules
            if one.port is not None
        }
    )
    return enumerate_names(ports)


def rules_are_stale(view: View) -> Iterator[Finding]:
    """Find rules that send a port of the host to an address that its container no longer has."""
    for one in stale_rules(EngineState(view.snapshot, view.engine.observations)):
        now = f"{one.holder} holds now" if one.holder else "no container holds"
        yield finding(
            "stale-port-rule",
            HOST,
            f"A rule sends {one.protocol} port {one.host_port} of the host to {one.address}, which {now}, and no "
            f"container publishes the port there.",
            remedy=Remedy("Delete the rule.", commands=(one.command,)),
            evidence={"rule": one.rule, "address": one.address, "holder": one.holder, "port": one.host_port},
        )


def rules_are_doubled(view: View) -> Iterator[Finding]:
    """Find rules of the engine's that are there more than once."""
    found = list(duplicate_rules(EngineState(view.snapshot, view.engine.observations)))
    if found:
        more = f" and {len(found) - 1} other rules" if len(found) > 1 else ""
        yield finding(
            "duplicate-rules",
            HOST,
            f"Docker's rule {found[0].rule}{more} is in the host's firewall more than once.",
            remedy=Remedy(
                "Delete the extra copies. The engine deletes one copy when the port or network goes, and the others "
                "stay in force.",
                commands=tuple(command for one in found for command in one.commands),
            ),
            evidence={"rules": [{"rule": one.rule, "copies": one.copies} for one in found]},
        )
