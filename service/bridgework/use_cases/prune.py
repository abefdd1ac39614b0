"""Prune: remove the networks that nothing uses, and say why each other network was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bridgework.model.errors import BridgeworkError, Conflict, NotFound
from bridgework.model.snapshot import Network, Snapshot
from bridgework.policy.access import PROJECT_LABEL
from bridgework.use_cases.networks import carries
from bridgework.use_cases.services import Actor


@dataclass(frozen=True, slots=True)
class Kept:
    """A network that the prune kept, and why."""

    network: Network
    reason: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """What the prune removed and kept; in a dry run, what it would remove and keep."""

    removed: tuple[Network, ...]
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class PruneFilter:
    """What to prune: networks with every ``label``, created before ``until``.

    ``include_configured`` also removes the networks that only stopped containers are in.
    """

    label: Sequence[str] = ()
    until: datetime | None = None
    include_configured: bool = False


def prune_networks(actor: Actor, criteria: PruneFilter) -> Pruned:
    """Remove the networks that nothing uses, and say why each other network was kept.

    Raises the ``Engine*`` errors; such an error says what was removed before it.
    """
    engine = actor.services.engine
    snapshot = engine.snapshot()
    removed: list[Network] = []
    kept: list[Kept] = []
    for network in snapshot.networks:
        reason = _reason_to_keep(actor, snapshot, network, criteria)
        if reason is not None:
            kept.append(Kept(network, reason))
            continue
        if not actor.dry_run:
            try:
                engine.remove_network(network.id)
            except NotFound:
                continue  # another client removed it
            except Conflict as conflict:
                kept.append(Kept(network, conflict.detail))
                continue
            except BridgeworkError as error:
                raise _broken_off(error, removed) from error
        removed.append(network)
    return Pruned(tuple(removed), tuple(kept))


def _broken_off(error: BridgeworkError, removed: list[Network]) -> BridgeworkError:
    """Add to the engine's failure what was removed before it."""
    names = ", ".join(network.name for network in removed) or "nothing"
    facts = {**error.facts, "removed": [{"id": network.id, "name": network.name} for network in removed]}
    return replace(error, detail=f"{error.detail} Before the failure, the prune removed {names}.", facts=facts)


def _reason_to_keep(actor: Actor, snapshot: Snapshot, network: Network, criteria: PruneFilter) -> str | None:
    project = actor.caller.project
    endpoints = snapshot.endpoints_of(network)
    active = sorted(endpoint.container_name for endpoint in endpoints if endpoint.state == "active")
    configured = sorted(endpoint.container_name for endpoint in endpoints if endpoint.state != "active")
    reasons = (
        (network.builtin, "it is built into the engine"),
        (not carries(network.labels, criteria.label), "its labels do not match the filter"),
        (criteria.until is not None and _created(network) >= criteria.until, "it was created after the filter's until"),
        (project is not None and network.labels.get(PROJECT_LABEL) != project, "it belongs to another project"),
        (bool(active), f"it is in use by {', '.join(active)}"),
        (
            bool(configured) and not criteria.include_configured,
            f"it is configured for the stopped {', '.join(configured)}",
        ),
        (
            any(other.config_from == network.name for other in snapshot.networks),
            "other networks use it as their configuration",
        ),
    )
    reason = next((text for holds, text in reasons if holds), None)
    if reason is None and actor.services.engine.network_endpoint_ids(network.id):
        return "it has endpoints without a container; delete it with force"
    return reason


def _created(network: Network) -> datetime:
    return datetime.fromisoformat(network.created_at[:19]).replace(tzinfo=UTC)
