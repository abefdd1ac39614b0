"""Prune: remove the networks nobody uses, spare what a stopped container still names, and say why each was kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bridgework.model.errors import BridgeworkError, Conflict, NotFound
from bridgework.model.snapshot import Network, Snapshot
from bridgework.policy.access import PROJECT_LABEL, Caller
from bridgework.use_cases.networks import carries
from bridgework.use_cases.services import Services


@dataclass(frozen=True, slots=True)
class Kept:
    """A network that prune spared, and why."""

    network: Network
    reason: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """What prune removed and kept; in a dry run, what it would remove and keep."""

    removed: tuple[Network, ...]
    kept: tuple[Kept, ...]


def prune_networks(
    services: Services,
    caller: Caller,
    *,
    labels: tuple[str, ...],
    until: datetime | None,
    include_configured: bool,
    dry_run: bool,
) -> Pruned:
    """Remove what nobody uses; spare what a stopped container still names, unless ``include_configured``."""
    snapshot = services.engine.snapshot()
    removed: list[Network] = []
    kept: list[Kept] = []
    for network in snapshot.networks:
        reason = _reason_to_keep(
            services, snapshot, caller, network, labels, until, include_configured=include_configured
        )
        if reason is not None:
            kept.append(Kept(network, reason))
            continue
        if not dry_run:
            try:
                services.engine.remove_network(network.id)
            except NotFound:
                continue  # somebody else removed it
            except Conflict as conflict:
                kept.append(Kept(network, conflict.detail))
                continue
            except BridgeworkError as error:
                raise _broken_off(error, removed) from error
        removed.append(network)
    return Pruned(tuple(removed), tuple(kept))


def _broken_off(error: BridgeworkError, removed: list[Network]) -> BridgeworkError:
    """The engine's failure midway, with what was removed before it."""
    names = ", ".join(network.name for network in removed) or "nothing"
    facts = {**error.facts, "removed": [{"id": network.id, "name": network.name} for network in removed]}
    return replace(error, detail=f"{error.detail} Until then it removed {names}.", facts=facts)


def _reason_to_keep(
    services: Services,
    snapshot: Snapshot,
    caller: Caller,
    network: Network,
    labels: tuple[str, ...],
    until: datetime | None,
    *,
    include_configured: bool,
) -> str | None:
    endpoints = snapshot.endpoints_of(network)
    active = sorted(endpoint.container_name for endpoint in endpoints if endpoint.state == "active")
    configured = sorted(endpoint.container_name for endpoint in endpoints if endpoint.state != "active")
    reasons = (
        (network.builtin, "it is the engine's own"),
        (not carries(network.labels, labels), "its labels do not fit the filter"),
        (until is not None and _created(network) >= until, "it is younger than the filter's until"),
        (caller.project is not None and network.labels.get(PROJECT_LABEL) != caller.project,
         "it belongs to another project"),
        (bool(active), f"in use by {', '.join(active)}"),
        (bool(configured) and not include_configured, f"named by the stopped {', '.join(configured)}"),
        (any(other.config_from == network.name for other in snapshot.networks),
         "other networks take their configuration from it"),
    )  # fmt: skip
    reason = next((text for holds, text in reasons if holds), None)
    if reason is None and services.engine.network_endpoint_ids(network.id):
        return "it has endpoints without a container; delete it with force"
    return reason


def _created(network: Network) -> datetime:
    return datetime.fromisoformat(network.created_at[:19]).replace(tzinfo=UTC)
