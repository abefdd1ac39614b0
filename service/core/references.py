"""From what a caller wrote (a name, a full id, an unambiguous id prefix) to the one thing meant.

Docker's own precedence: full id, then name, then id prefix. Nothing past this module uses a caller's words in a
URL of the engine: a reference such as ``../containers/x`` is simply unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from service.core.errors import AmbiguousReference, Call, NotFound, Remedy
from service.core.snapshot import Container, Network, Snapshot


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Named)
MIN_PREFIX_LENGTH = 1


def network(snapshot: Snapshot, reference: str) -> Network:
    """The network meant. Raises ``NotFound`` (``network-not-found``) or ``AmbiguousReference``."""
    return _resolve("network", snapshot.networks, reference)


def container(snapshot: Snapshot, reference: str) -> Container:
    """The container meant. Raises ``NotFound`` (``container-not-found``) or ``AmbiguousReference``."""
    return _resolve("container", snapshot.containers, reference)


def _resolve(noun: str, things: Iterable[_Thing], reference: str) -> _Thing:
    things = tuple(things)
    wanted = reference.removeprefix("/") if noun == "container" else reference
    steps = (
        [thing for thing in things if thing.id == wanted],
        [thing for thing in things if thing.name == wanted],
        [thing for thing in things if len(wanted) >= MIN_PREFIX_LENGTH and thing.id.startswith(wanted)],
    )
    for matches in steps:
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise _ambiguous(noun, wanted, matches)
    raise NotFound(
        code=f"{noun}-not-found",
        detail=f"No {noun} has the name, id or id prefix {reference!r}.",
        remedy=Remedy(f"List the {noun}s that exist.", calls=(Call("GET", f"/v1/{noun}s"),)),
        facts={noun: reference},
    )


def _ambiguous(noun: str, reference: str, matches: list[_Thing]) -> AmbiguousReference:
    candidates = [{"id": match.id, "name": match.name} for match in sorted(matches, key=lambda m: (m.name, m.id))]
    listed = ", ".join(f"{c['name']} ({c['id'][:12]})" for c in candidates)
    return AmbiguousReference(
        code="ambiguous-reference",
        detail=f"{reference!r} fits {len(matches)} {noun}s: {listed}.",
        remedy=Remedy("Use a full id or more of its digits."),
        facts={"candidates": candidates},
    )
