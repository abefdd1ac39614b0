"""Interfaces as last observed, kept until the engine changes something that makes them. They name the hops of a path.

A link that another program takes down does not change the engine's state. Then prediction and measurement differ, and
the check observes the links again.
"""

from __future__ import annotations

from bridgework.analysis.endpoint_links import unsettled
from bridgework.model.observations import Observation
from bridgework.model.probe_port import Place, ProbeRunner
from bridgework.model.snapshot import Snapshot


class LinkMemory:
    """Interfaces by place, for any thread. Two threads may observe one place at the same time."""

    def __init__(self) -> None:
        # One attribute, and no lock: a look takes up to 0.2 s by a helper container, and other checks must not wait.
        self._memory: tuple[Snapshot | None, dict[str | None, Observation]] = (None, {})

    def forget(self) -> None:
        """Look again at every place: the kernel told that links or addresses changed."""
        self._memory = (None, {})

    def of(self, runner: ProbeRunner, snapshot: Snapshot, place: Place) -> Observation | None:
        """Return the interfaces at a place; ``None`` where it is not visible."""
        of, seen = self._memory
        if of is not snapshot:
            seen = _still_true(of, snapshot, seen) if of is not None else {}
            self._memory = (snapshot, seen)
        found = seen.get(place.container_id)
        if found is None:
            found = runner.observe(place, ("interfaces",))
            # Duplicate address detection ends without a change of the engine's state.
            if found is not None and not unsettled(found):
                seen[place.container_id] = found
        return found


def _still_true(
    before: Snapshot, after: Snapshot, seen: dict[str | None, Observation]
) -> dict[str | None, Observation]:
    """Keep the places whose interfaces have the same causes in both snapshots: changes elsewhere cost nothing."""
    made = {key: _makers(after, key) for key in seen}
    return {key: found for key, found in seen.items() if made[key] is not None and made[key] == _makers(before, key)}


def _makers(snapshot: Snapshot, container_id: str | None) -> object | None:
    """Return what makes the interfaces at a place: its process, and its owner's process and endpoints."""
    container = snapshot.containers_by_id.get(container_id or "")
    if container is None:
        return _makers_of_the_host(snapshot) if container_id is None else None
    owner = snapshot.network_owner_of(container)
    if owner is None or owner.host_mode:
        return None
    return container.pid, owner.pid, owner.endpoints


def _makers_of_the_host(snapshot: Snapshot) -> object:
    # Each network is a bridge, and each active endpoint is a link on the host.
    running = (container for container in snapshot.containers if container.running)
    return snapshot.networks, {container.id: (container.pid, container.endpoints) for container in running}
