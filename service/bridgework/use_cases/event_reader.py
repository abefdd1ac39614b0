"""Read the engine's log as changes with names and projects, and select those that one client asks for.

An entry of the log names a thing by its id. Its name and project come from the snapshot of this reading, or from the
one before for a thing that is gone by now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridgework.model import references
from bridgework.model.engine_port import EngineEvent
from bridgework.model.errors import NotFound
from bridgework.model.event_log import SILENT_ACTIONS, Change, Gap, Known, LogPosition, change_of
from bridgework.model.snapshot import Container, Network, Reference, Snapshot
from bridgework.policy.access import PROJECT_LABEL
from bridgework.use_cases.services import Services

KINDS = ("network", "container")
SHORT_ID = 12


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to send; ``None`` selects all. A network or container need not exist yet."""

    type: str | None = None
    action: str | None = None
    network: str | None = None
    container: str | None = None
    project: str | None = None


class EventReader:
    """One client's position in the log. Creating it raises ``AmbiguousReference`` and the ``Engine*`` errors."""

    def __init__(self, services: Services, wanted: EventFilter, last_id_ns: int | None) -> None:
        self._engine = services.engine
        self._position = LogPosition(self._engine.events_since(0), last_id_ns)
        snapshot = self._engine.snapshot()
        self._before = _of_snapshot(snapshot)
        self._wanted = wanted
        self._is_network = _matcher(snapshot, references.network, wanted.network)
        self._is_container = _matcher(snapshot, references.container, wanted.container)

    @property
    def event_id(self) -> str | None:
        """The id to continue after."""
        return self._position.id

    def interrupted(self) -> None:
        """Note that the engine did not answer, so events may be missing."""
        self._position.interrupted()

    def read(self) -> list[Change | Gap]:
        """Return what is new in the log. Raises the ``Engine*`` errors; the position is then as before."""
        log = self._engine.events_since(self._position.since_ns)
        now = _of_snapshot(self._engine.snapshot())
        reading = self._position.take(log)
        shown = [event for event in reading.news if event.kind in KINDS and not event.action.startswith(SILENT_ACTIONS)]
        known = {**self._before, **now, **_of_events(shown)}
        self._before = now
        items: list[Change | Gap] = [Gap(reading.gap)] if reading.gap else []
        items += [change_of(event, known) for event in shown if self._wants(event, known)]
        return items

    def _wants(self, event: EngineEvent, known: Mapping[str, Known]) -> bool:
        change, wanted = change_of(event, known), self._wanted
        concerned = [reference.id for reference in (change.network, change.container) if reference]
        return (
            wanted.type in {None, change.type}
            and wanted.action in {None, change.action}
            and self._is_network(change.network)
            and self._is_container(change.container)
            and (wanted.project is None or wanted.project in {known[key].project for key in concerned if key in known})
        )


def _matcher(
    snapshot: Snapshot, find: Callable[[Snapshot, str], Network | Container], wanted: str | None
) -> Callable[[Reference | None], bool]:
    """Return a test for the thing that ``wanted`` names, now or once it is created."""
    if wanted is None:
        return lambda _: True
    try:
        known_id = find(snapshot, wanted).id
    except NotFound:
        known_id = None

    def fits(thing: Reference | None) -> bool:
        if thing is None:
            return False
        by_prefix = len(wanted) >= SHORT_ID and thing.id.startswith(wanted)
        return thing.id == known_id or thing.name == wanted or by_prefix

    return fits


def _of_snapshot(snapshot: Snapshot) -> dict[str, Known]:
    things: Iterable[Network | Container] = (*snapshot.networks, *snapshot.containers)
    return {thing.id: Known(thing.name, thing.labels.get(PROJECT_LABEL)) for thing in things}


def _of_events(events: Sequence[EngineEvent]) -> dict[str, Known]:
    """Return what the events of containers say themselves: name and labels."""
    return {
        event.object_id: Known(event.name, event.attributes.get(PROJECT_LABEL))
        for event in events
        if event.kind == "container"
    }
