"""What matrices, queries and plans observe of the namespaces of many containers, and of the host's.

A look into a container takes some hundred microseconds. Most containers are as the engine made them. Then nothing of
the look is kept, so that alike containers stay together. Of the others, everything is observed that a check observes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bridgework.analysis.as_made import changed_networks, is_as_made
from bridgework.analysis.attachment import Condition, EngineState
from bridgework.explanations.limitations import limitation
from bridgework.model.observations import HostObservation, Observation, Observations
from bridgework.model.probe_port import Aspect
from bridgework.model.snapshot import Container, Snapshot
from bridgework.telemetry import deadline
from bridgework.use_cases.connectivity.observe import DEEPER, Observer
from bridgework.use_cases.services import Services

QUICK: tuple[Aspect, ...] = ("interfaces", "routing", "own_rules")
MAX_CHANGED = 40
"""Changed containers whose insides are predicted from: each is a class of its own, so pairs of them are not shared."""


class Namespaces:
    """Looks into the host and into containers. ``observer`` has what was seen of containers, and the limitations."""

    def __init__(self, services: Services, snapshot: Snapshot, base: Observations, *aspects: Aspect) -> None:
        """Look at the host: at these aspects, its routing, and its links where they are compared with those inside.

        ``base`` is what was observed of the engine itself.
        """
        self.observer = Observer(services, snapshot)
        # With helper containers, each look starts a container. How Podman makes a namespace is not known.
        self._looks_inside = services.runner.status().kind == "namespace" and not base.podman
        below: tuple[Aspect, ...] = ("interfaces", "frame_rules", "xfrm") if self._looks_inside else ()
        host = self.observer.look_at_host_for(*dict.fromkeys((*aspects, "routing", *below)))
        self._state = EngineState(snapshot, replace(base, host=host))
        self._changed: list[str] = []
        self._left_out = 0

    @property
    def host(self) -> HostObservation | None:
        """All that was seen of the host."""
        return self._state.observations.host

    def look(self, containers: Iterable[Container], *aspects: Aspect) -> None:
        """Look into the containers: at these aspects, and at whether they are as the engine made them."""
        looked_at = (*aspects, *QUICK) if self._looks_inside else aspects
        for container in containers if looked_at else ():
            # Without time left nothing is seen, which would look like a namespace that cannot be entered.
            deadline.require_left()
            self.observer.look(container, looked_at)
            seen = self.observer.inside.get(container.id)
            if seen is not None and self._looks_inside:
                self._keep(container, seen, aspects)

    def _keep(self, container: Container, seen: Observation, aspects: tuple[Aspect, ...]) -> None:
        attachment = self._state.attachment_of(container.id)
        if attachment.condition is Condition.NETWORKED and not is_as_made(self._state, attachment, seen):
            if len(self._changed) < MAX_CHANGED:
                self._changed.append(container.id)
                self.observer.look(container, tuple(dict.fromkeys((*aspects, *QUICK, *DEEPER))))
                return
            self._left_out += 1
        self.observer.inside[container.id] = replace(seen, interfaces=None, routing=None, own_rules=None)

    def observations(self) -> Observations:
        """Return what was observed of the engine, the host and the containers."""
        seen = self._state.observations
        limited = (*seen.limited, *self.observer.limited)
        if self._left_out:
            limited += (limitation("too-many-changed", f"the insides of {self._left_out} more changed containers"),)
        # The host's own links matter where one of them, or a link inside, is not as the engine made it.
        if seen.host is not None and not self._changed and not self._state.once(changed_networks):
            seen = replace(seen, host=replace(seen.host, observation=replace(seen.host.observation, interfaces=None)))
        return replace(seen, inside=self.observer.inside, limited=limited)
