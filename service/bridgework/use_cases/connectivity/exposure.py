"""What is reachable from outside of its own network: each port of each container, from each place. Nothing is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.exposure.judge import Judge
from bridgework.analysis.exposure.questions import (
    OriginKind,
    Question,
    direct_targets,
    origins_of,
    published_targets,
    questions,
)
from bridgework.explanations.limitations import limitation
from bridgework.model import references
from bridgework.model.checks import Limitation
from bridgework.model.errors import NotSupported, Remedy
from bridgework.model.snapshot import Container, Snapshot
from bridgework.use_cases.connectivity.observe import Observer, base_observations
from bridgework.use_cases.containers import ContainerFilter, list_containers
from bridgework.use_cases.services import Services


@dataclass(frozen=True, slots=True)
class ExposureFilter:
    """What to list: a row must match one value of each field that has any.

    ``container`` and ``network`` are names or ids. ``published`` chooses the rows of published ports, or the others.
    """

    project: Collection[str] = ()
    container: Collection[str] = ()
    network: Collection[str] = ()
    origin: Collection[OriginKind] = ()
    published: bool | None = None


@dataclass(frozen=True, slots=True)
class Exposed:
    """The questions in a stable order, who answers them, and what could not be seen or is not a question here."""

    snapshot: Snapshot
    questions: tuple[Question, ...]
    judge: Judge
    limited: tuple[Limitation, ...]


def ask_exposure(services: Services, snapshot: Snapshot, wanted: ExposureFilter) -> Exposed:
    """Observe the host and the chosen containers, and return what can be asked.

    Raises ``NotFound``, ``AmbiguousReference``, and ``NotSupported`` on Podman.
    """
    if not services.engine.facts().writes_dockers_rules:
        raise NotSupported(
            code="engine-lacks-function",
            detail="The exposure is predicted from Docker's rules and settings, and this engine is Podman.",
            remedy=Remedy("Read the ports of each container, and check from the host whether they answer."),
        )
    chosen = _chosen(snapshot, wanted)
    observer = Observer(services, snapshot)
    # The ports of a container that shares a network are those of the owner.
    owners = [container for container in chosen if container.running and not container.shares_with]
    for container in owners:
        observer.look(container, ("sockets", "interfaces", "routing", "own_rules", "frame_rules"))
        _read_own_rules(observer, container)
    host = observer.look_at_host()
    observations = base_observations(services, snapshot)
    limited = [*observations.limited, *observer.limited]
    observations = replace(observations, inside=observer.inside, host=host)
    limited += [_without_host(snapshot, container) for container in owners if _is_elsewhere(snapshot, container)]
    state = EngineState(snapshot, observations)
    targets = [
        *(published_targets(snapshot, chosen) if wanted.published is not False else ()),
        *(direct_targets(state, chosen) if wanted.published is not True else ()),
    ]
    origins = (one for one in origins_of(snapshot, host) if not wanted.origin or one.kind in wanted.origin)
    found = tuple(sorted(questions(targets, origins), key=question_key))
    return Exposed(snapshot, found, Judge(state, services.runner.routes, looked_inside=True), tuple(limited))


def _read_own_rules(observer: Observer, container: Container) -> None:
    """Read the firewall of a container that has one of its own: the programs that print it take 10 ms."""
    seen = observer.inside.get(container.id)
    if seen is not None and seen.own_rules is not False:
        observer.look(container, ("firewall",))
        rules = observer.inside.get(container.id, seen).firewall
        observer.inside[container.id] = replace(seen, firewall=rules)


def question_key(question: Question) -> tuple[str, str]:
    """Return a key that is unique, and that sorts by container and port, first what is published."""
    target, origin = question.target, question.origin
    container, port = target.container, target.published
    how = "1" if port is None else f"0 {port.host_ip} {port.host_port}"
    return (
        f"{container.name} {container.id} {target.port:05d} {target.protocol} {how} {target.network.name}",
        f"{list(OriginKind).index(origin.kind)} {origin.name} {origin.version} {question.address}",
    )


def _chosen(snapshot: Snapshot, wanted: ExposureFilter) -> list[Container]:
    ids = {references.container(snapshot, reference).id for reference in wanted.container}
    found = list_containers(snapshot, ContainerFilter(network=wanted.network, project=wanted.project))
    return [container for container in found if not ids or container.id in ids]


def _is_elsewhere(snapshot: Snapshot, container: Container) -> bool:
    """Whether packets reach the container without Docker's bridges."""
    return container.host_mode or any(True for _ in _lan_networks(snapshot, container))


def _lan_networks(snapshot: Snapshot, container: Container) -> Iterable[str]:
    networks = (snapshot.networks_by_id.get(endpoint.network_id) for endpoint in container.endpoints)
    return (one.name for one in networks if one is not None and one.driver in {"macvlan", "ipvlan"})


def _without_host(snapshot: Snapshot, container: Container) -> Limitation:
    if container.host_mode:
        return limitation("port-of-host", f"the ports of {container.name}")
    names = ", ".join(_lan_networks(snapshot, container))
    return limitation("outside-of-host", f"the ports of {container.name} in {names}")
