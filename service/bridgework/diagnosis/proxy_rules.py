"""Rules about reverse proxies that read labels: whether they share a network with each service.

Traefik and caddy-docker-proxy connect to a container's address on a network. Where they are not on that network, they
answer 502 or 504.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridgework.diagnosis.view import View, enumerate_names
from bridgework.explanations import finding, of_container
from bridgework.explanations.compose import NETWORK
from bridgework.explanations.networks import PROXY_NETWORK_UNSHARED
from bridgework.explanations.remedies import container_reference, network_reference
from bridgework.model.actions import Connect
from bridgework.model.checks import Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Container, Network


@dataclass(frozen=True, slots=True)
class _Kind:
    """A reverse proxy: the name of its image, labels of the services it serves, and labels that choose the network."""

    image: str
    serves: re.Pattern[str]
    refuses: tuple[str, str] | None = None
    chooses: tuple[str, ...] = ()


_KINDS = (
    _Kind(
        "traefik",
        re.compile(r"traefik\.(enable|(http|tcp|udp)\.(routers|services)\..+)"),
        refuses=("traefik.enable", "false"),
        chooses=("traefik.docker.network", "traefik.swarm.network"),
    ),
    _Kind("caddy-docker-proxy", re.compile(r"caddy(_\d+)?(\..+)?")),
)


def proxies_do_not_share_a_network(view: View) -> Iterator[Finding]:
    """Find services of a reverse proxy that the proxy cannot reach, or reaches by chance only."""
    for kind in _KINDS:
        proxies = [c for c in view.snapshot.containers if c.running and _image_of(c) == kind.image]
        # A proxy in host mode has the host's routes to every bridge. Several proxies may each serve a part.
        if len(proxies) != 1 or proxies[0].host_mode:
            continue
        proxy = proxies[0]
        for container in view.snapshot.containers:
            if container.running and container.id != proxy.id and _is_served(kind, container.labels):
                yield from _unshared(view, kind, proxy, container)


def _image_of(container: Container) -> str:
    """Return the last word of the image's name, without its registry, tag and digest."""
    return container.image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _is_served(kind: _Kind, labels: Mapping[str, str]) -> bool:
    if kind.refuses is not None and labels.get(kind.refuses[0], "").lower() == kind.refuses[1]:
        return False
    return any(kind.serves.fullmatch(key) for key in labels)


def _unshared(view: View, kind: _Kind, proxy: Container, container: Container) -> Iterator[Finding]:
    own = {network.name: network for network in view.networks_of(container) if network.driver not in {"host", "null"}}
    theirs = {network.name for network in view.networks_of(proxy)}
    chosen = next(((key, container.labels[key]) for key in kind.chooses if key in container.labels), None)
    common = sorted(own.keys() & theirs)
    if not own:
        return  # host mode, or the network of another container
    if chosen is not None and chosen[1] not in own:
        yield _not_on_the_chosen(view, proxy, container, chosen, own)
    elif chosen is not None and chosen[1] not in theirs:
        message = f"{proxy.name} is not on {chosen[1]}, the network that {chosen[0]} of {container.name} names."
        yield _told(proxy, container, message, _join(view, proxy, own[chosen[1]]), chosen)
    elif chosen is None and not common:
        message = f"{proxy.name} serves {container.name} and shares no network with it."
        yield _told(proxy, container, message, _join(view, proxy, own[min(own)]), None)
    elif chosen is None and kind.chooses and len(common) < len(own):
        others = enumerate_names(sorted(own.keys() - theirs))
        message = f"{container.name} is also on {others}, where {proxy.name} is not: the proxy may choose that network."
        remedy = Remedy(f"Create {container.name} again with the label {kind.chooses[0]}={common[0]}.")
        yield _told(proxy, container, message, remedy, None, severity=Severity.WARNING)


def _not_on_the_chosen(
    view: View, proxy: Container, container: Container, chosen: tuple[str, str], own: Mapping[str, Network]
) -> Finding:
    # Compose puts the project before the key of a network, and the label needs the whole name.
    meant = [name for name, network in own.items() if network.labels.get(NETWORK) == chosen[1]]
    there = next((network for network in view.snapshot.networks if network.name == chosen[1]), None)
    message = f"{chosen[0]} of {container.name} names the network {chosen[1]}, and {container.name} is not on it."
    if meant:
        remedy = Remedy(
            f"Create {container.name} again with the label {chosen[0]}={meant[0]}, the network's whole name."
        )
    elif there is not None:
        remedy = _join(view, container, there)
    else:
        remedy = Remedy(f"Create {container.name} again with {chosen[0]} naming one of {enumerate_names(sorted(own))}.")
    return _told(proxy, container, message, remedy, chosen)


def _join(view: View, container: Container, network: Network) -> Remedy:
    action = Connect(network_reference(view.snapshot, network), container_reference(container))
    return Remedy(f"Connect {container.name} to {network.name}.", (action,))


def _told(
    proxy: Container,
    container: Container,
    message: str,
    remedy: Remedy,
    chosen: tuple[str, str] | None,
    severity: Severity | None = None,
) -> Finding:
    evidence = {"proxy": proxy.name, "label": chosen[0] if chosen else None, "network": chosen[1] if chosen else None}
    return finding(
        PROXY_NETWORK_UNSHARED, of_container(container), message, remedy=remedy, evidence=evidence, severity=severity
    )
