"""Interfaces as last seen, remembered while the snapshot stands: no link of the engine's comes or goes without it.

They name the hops of a path. A link that someone takes down past the engine shows only in a fresh look, which every
surprise brings about.
"""

from __future__ import annotations

import threading

from service.core.observations import Observation
from service.core.ports import Place, ProbeRunner
from service.core.snapshot import Snapshot


class LinkMemory:
    """Interfaces by place, for one snapshot at a time; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._seen: dict[str | None, Observation | None] = {}

    def of(self, runner: ProbeRunner, snapshot: Snapshot, place: Place) -> Observation | None:
        """The interfaces at a place; ``None`` when it is out of sight."""
        with self._lock:
            if snapshot is not self._snapshot:
                self._snapshot, self._seen = snapshot, {}
            if place.container_id not in self._seen:
                self._seen[place.container_id] = runner.observe(place, ("interfaces",))
            return self._seen[place.container_id]
