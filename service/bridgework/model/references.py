"""References of callers (a full id, a name, an unambiguous id prefix) to networks and containers.

The precedence is Docker's own: full id, then name, then id prefix. After this module only full ids are used, so a
reference such as ``../containers/x`` never becomes part of a URL of the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Protocol, TypeVar

from bridgework.model.actions import Read
from bridgework.model.errors import AmbiguousReference, NotFound, Remedy, quoted
from bridgework.model.snapshot import Container, Network, Snapshot


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Named)
_LISTS = {"network": Read("networks"), "container": Read("containers")}


def network(snapshot: Snapshot, reference: str) -> Network:
    """Return the network meant. Raises ``NotFound`` (``network-not-found``) or ``AmbiguousReference``."""
    return _resolve("network", snapshot.networks_by_id, snapshot.networks_by_name, reference)


def container(snapshot: Snapshot, reference: str) -> Container:
    """Return the container meant. Raises ``NotFound`` (``container-not-found``) or ``AmbiguousReference``."""
    name = reference.removeprefix("/")
    return _resolve("container", snapshot.containers_by_id, snapshot.containers_by_name, name)


def _resolve(noun: str, by_id: Mapping[str, _Thing], by_name: Mapping[str, Sequence[_Thing]], reference: str) -> _Thing:
    if reference in by_id:
        return by_id[reference]
    matches = by_name.get(reference) or [
        thing for key, thing in by_id.items() if reference and key.startswith(reference)
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise _ambiguous(noun, reference, matches)
    raise NotFound(
        code=f"{noun}-not-found",
        detail=f"No {noun} has the name, id or id prefix {quoted(reference)}.{_similar(by_name, reference)}",
        remedy=Remedy(f"List the {noun}s that exist.", actions=(_LISTS[noun],)),
        facts={noun: reference},
    )


def _similar(names: Iterable[str], reference: str) -> str:
    """Return a sentence with the names that look like the reference; empty where none does."""
    similar = get_close_matches(reference, names, n=3, cutoff=0.7)
    return f" Did you mean {' or '.join(similar)}?" if similar else ""


def _ambiguous(noun: str, reference: str, matches: Sequence[_Thing]) -> AmbiguousReference:
    candidates = [{"id": match.id, "name": match.name} for match in sorted(matches, key=lambda m: (m.name, m.id))]
    listed = ", ".join(f"{c['name']} ({c['id'][:12]})" for c in candidates)
    return AmbiguousReference(
        code="ambiguous-reference",
        detail=f"{quoted(reference)} matches {len(matches)} {noun}s: {listed}.",
        remedy=Remedy("Use a full id, or more of its digits."),
        facts={"candidates": candidates},
    )
