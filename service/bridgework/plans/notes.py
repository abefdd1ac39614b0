"""Notes about an upgrade: what of this host the target refuses, ignores or does otherwise, and its known faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bridgework.explanations import upgrades
from bridgework.explanations.upgrades import FAULTS, Change, Fault, Version
from bridgework.firewall.docker.releases import ReleaseFacts, facts_of, in_words
from bridgework.model.checks import Component
from bridgework.model.engine_port import EngineFacts
from bridgework.model.snapshot import Container, Network, Snapshot
from bridgework.plans.difference import ChangedPair
from bridgework.plans.upgrade import Target

_MOST_NAMES = 10
MAX_NOTED_PAIRS = 100
"""The pairs of a note that are told, the first ones."""
_LATEST_PATCH = 999
_HOST = Component("host", "", "host")


@dataclass(frozen=True, slots=True)
class Note:
    """One note. ``components`` are what it is about, ``pairs`` those that it says open or close."""

    code: str
    message: str
    remedy: str | None = None
    references: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    pairs: tuple[ChangedPair, ...] = ()


@dataclass(frozen=True, slots=True)
class Upgrade:
    """An upgrade of this host, as the rows of the table ask about it.

    ``ipv6_rules`` says whether the engine writes rules for IPv6 now. ``drops_by_docker`` says whether the policy of
    FORWARD is DROP and no other program has set it.
    """

    before: Snapshot
    after: Snapshot
    facts: EngineFacts
    target: Target
    ipv6_rules: bool | None = None
    drops_by_docker: bool = False

    def gains(self, fact: str) -> bool:
        """Whether the fact of that name (``ReleaseFacts``) holds for the target, and not for the engine of now."""
        return bool(getattr(self.then, fact)) and not getattr(self.now, fact)

    def loses(self, fact: str) -> bool:
        """Whether the fact of that name holds for the engine of now, and not for the target."""
        return bool(getattr(self.now, fact)) and not getattr(self.then, fact)

    @property
    def now(self) -> ReleaseFacts:
        """The facts of the engine that runs."""
        return facts_of(self.target.before)

    @property
    def then(self) -> ReleaseFacts:
        """The facts of the target."""
        return facts_of(self.target.release)

    @property
    def comes_to_nftables(self) -> bool:
        """Whether the engine writes with nftables only after the upgrade."""
        return self.target.nftables and not (self.facts.firewall_backend or "").startswith("nftables")

    @property
    def has_ipv6(self) -> bool:
        """Whether a network has IPv6."""
        return any(network.ipv6_enabled for network in self.after.networks)


Subjects = Iterable[Component]


def notes_of(upgrade: Upgrade) -> Iterator[Note]:
    """Yield the notes about the host, and then the known faults of the target."""
    for change, about in _ROWS:
        components = tuple(about(upgrade))
        if components:
            yield note(change, upgrade.target, components)
    yield from (_fault(fault) for fault in FAULTS if _has(upgrade.target, fault))


def note(
    change: Change, target: Target, components: tuple[Component, ...] = (), pairs: tuple[ChangedPair, ...] = ()
) -> Note:
    """Return the note about a change of behaviour, with the names of what it is about."""
    names = listed([one.name for one in components])
    message = change.message.format(release=in_words(target.release), names=names, number=len(components))
    return Note(change.code, message, change.remedy, change.references, components, pairs)


def listed(names: list[str]) -> str:
    """Return the names in one text, the first ones."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _fault(fault: Fault) -> Note:
    since = f"Docker has this fault since {_text(fault.since)}"
    if fault.fixed is None:
        return Note(fault.code, f"{since}, and it is not fixed: {fault.message}", None, fault.references, (_HOST,))
    fixed = _text(fault.fixed)
    message = f"{since}, and {fixed} is the first version without it: {fault.message}"
    return Note(fault.code, message, f"Upgrade to {fixed} or later.", fault.references, (_HOST,))


def _text(version: Version) -> str:
    return ".".join(map(str, version))


def _has(target: Target, fault: Fault) -> bool:
    """Whether the target has the fault; of a release without its patch level, any version counts that has."""
    first = (*target.release, target.patch if target.patch is not None else 0)
    last = (*target.release, target.patch if target.patch is not None else _LATEST_PATCH)
    return not target.is_newer and fault.since <= last and (fault.fixed is None or first < fault.fixed)


def _on_host(holds: Callable[[Upgrade], bool]) -> Callable[[Upgrade], Subjects]:
    return lambda upgrade: (_HOST,) if holds(upgrade) else ()


def _containers(since: Callable[[Upgrade], bool], holds: Callable[[Container], bool]) -> Callable[[Upgrade], Subjects]:
    return lambda upgrade: (
        Component("container", one.id, one.name)
        for one in upgrade.after.containers
        if one.running and one.node is None and since(upgrade) and holds(one)
    )


def _ignored_by_target(upgrade: Upgrade) -> Iterator[Component]:
    for network in upgrade.after.networks:
        known = upgrade.before.networks_by_id.get(network.id, network).ignored_options
        for name in sorted(network.ignored_options - known):
            yield Component("network", network.id, f"{name} of {network.name}")


def _ignored_when_made(upgrade: Upgrade) -> Iterator[Component]:
    for network in upgrade.before.networks:
        for name in sorted(network.ignored_options - upgrade.target.ignored(network)):
            yield Component("network", network.id, f"{network.name} ({name})")


def _on_links(upgrade: Upgrade) -> Iterator[Component]:
    for network in upgrade.after.networks if upgrade.loses("gives_gateway_to_vlans") else ():
        if network.driver in {"macvlan", "ipvlan"} and not network.internal and not network.config_only:
            yield Component("network", network.id, network.name)


def _has_bridge(upgrade: Upgrade) -> bool:
    return any(_is_open(upgrade.after, one) for one in upgrade.after.networks)


def _is_open(snapshot: Snapshot, network: Network) -> bool:
    inhabited = any(endpoint.state == "active" for endpoint in snapshot.endpoints_of(network))
    return bool(network.bridge_name) and not network.internal and inhabited


def _address_from_ipv4(container: Container) -> bool:
    # Docker until 27 makes a MAC address of 02:42 and the IPv4 address.
    return any((endpoint.mac_address or "").startswith("02:42:") for endpoint in container.endpoints)


def _opens_ipv6(upgrade: Upgrade) -> bool:
    return upgrade.gains("ip6tables_is_experimental") and not upgrade.target.ip6tables and upgrade.has_ipv6


def _closes_ipv6(upgrade: Upgrade) -> bool:
    return upgrade.ipv6_rules is False and bool(upgrade.target.ip6tables) and upgrade.has_ipv6


def _closes_direct_access(upgrade: Upgrade) -> bool:
    return upgrade.gains("has_raw_rules") and not upgrade.target.allow_direct_routing and _has_bridge(upgrade)


def _is_refused_in_swarm(upgrade: Upgrade) -> bool:
    in_swarm = upgrade.facts.swarm_state == "active"
    return upgrade.target.nftables and in_swarm and not upgrade.then.has_nftables_in_swarm


def _has_links(container: Container) -> bool:
    return bool(container.links)


def _is_not_started_again(container: Container) -> bool:
    return container.restart_policy in {"no", "on-failure"}


_ROWS: tuple[tuple[Change, Callable[[Upgrade], Subjects]], ...] = (
    (upgrades.OPTION_IGNORED, _ignored_by_target),
    (upgrades.OPTION_NEEDS_NEW_NETWORK, _ignored_when_made),
    (upgrades.IP6TABLES_ON, _on_host(_closes_ipv6)),
    (upgrades.IP6TABLES_OFF, _on_host(_opens_ipv6)),
    (upgrades.DIRECT_ACCESS_CLOSED, _on_host(_closes_direct_access)),
    (upgrades.LINK_VARIABLES_GONE, _containers(lambda one: one.loses("sets_link_variables"), _has_links)),
    (upgrades.MAC_ADDRESSES_CHANGE, _containers(lambda one: one.gains("random_mac_addresses"), _address_from_ipv4)),
    (upgrades.NO_DEFAULT_GATEWAY, _on_links),
    (upgrades.CLIENTS_REFUSED, _on_host(lambda one: one.loses("takes_old_clients"))),
    (upgrades.SWARM_REFUSED, _on_host(_is_refused_in_swarm)),
    (upgrades.NOT_STARTED_AGAIN, _containers(lambda _: True, _is_not_started_again)),
    (upgrades.FORWARD_POLICY_STAYS, _on_host(lambda one: one.comes_to_nftables and one.drops_by_docker)),
)
"""When an entry of ``explanations/upgrades.py`` counts, and what it is about. A new one is a new line here."""
