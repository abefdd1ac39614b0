"""Rules about the engine's own firewall rules: which are lost in part, out of date, or there twice."""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.analysis.attachment import IPV4, EngineState
from bridgework.analysis.docker_rules import MissingRule, duplicate_rules, missing_rules, stale_rules
from bridgework.analysis.rules.host_firewall import icc_hole, missing_finding, subject_of
from bridgework.diagnosis.host_rules import firewall_is_flushed
from bridgework.diagnosis.view import View
from bridgework.explanations import HOST, finding
from bridgework.model.checks import Component, Finding
from bridgework.model.errors import Remedy


def rules_are_missing(view: View) -> Iterator[Finding]:
    """Find rules of the engine's that are lost while others of them are there."""
    # A flush of whole chains is one finding of its own, with a remedy of its own.
    if any(True for _ in firewall_is_flushed(view)):
        return
    found: dict[tuple[str, Component], list[MissingRule]] = {}
    for one in missing_rules(EngineState(view.snapshot, view.engine.observations)):
        found.setdefault((one.code, subject_of(one)), []).append(one)
    for (code, component), rules in found.items():
        yield missing_finding(code, component, rules, proxied=view.engine.observations.userland_proxy is True)


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


def networks_are_not_kept_apart(view: View) -> Iterator[Finding]:
    """Find networks with enable_icc=false whose containers reach each other, as br_netfilter is off."""
    observations = view.engine.observations
    for network in view.snapshot.networks:
        if network.bridge_name and not network.inter_container_enabled and observations.ipv4_firewall:
            found = icc_hole(observations, network, IPV4) if view.active(network) else None
            if found is not None:
                yield found
