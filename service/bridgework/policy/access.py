"""Roles, projects and the policy in force.

A ``viewer`` reads and checks. An ``operator`` also changes networks and containers. An ``admin`` also uses host mode,
shares another container's network, forces and prunes. A caller of a project changes only what has that project's label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from ipaddress import ip_network

from bridgework.model.errors import InputFault, Refused, Remedy

PROJECT_LABEL = "io.bridgework.project"
IDEMPOTENCY_KEY_LABEL = "io.bridgework.idempotency-key"
IDEMPOTENCY_BODY_LABEL = "io.bridgework.idempotency-body"
RESERVED_LABEL_PREFIX = "io.bridgework."


class Role(IntEnum):
    """Roles in rising order: each may do everything that the one before may do."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """The role's name in a tokens file."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request; ``name`` is that of the token."""

    name: str
    role: Role
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator of this service allows.

    ``None`` allows everything of that kind. ``allowed_images`` are shell-style patterns (``registry.example/team/*``),
    ``host_ports`` is a range, both ends included, and ``probe_allowed_subnets`` are destinations of probes outside of
    Docker's own networks.
    """

    allowed_images: tuple[str, ...] | None = None
    allowed_drivers: tuple[str, ...] | None = ("bridge", "macvlan", "ipvlan", "overlay")
    allowed_subnets: tuple[str, ...] | None = None
    host_ports: tuple[int, int] = (1024, 65535)
    published_addresses: tuple[str, ...] | None = None
    host_mode: bool = True
    trace: bool = True
    public_subnets: bool = False
    probe_allowed_subnets: tuple[str, ...] = ()


def require_role(caller: Caller, role: Role, action: str) -> None:
    """Raise ``Refused`` (``role-insufficient``) unless the caller's role suffices."""
    if caller.role < role:
        raise Refused(
            code="role-insufficient",
            detail=f"{action} needs the role {role.word}, but {caller.name} has the role {caller.role.word}.",
            remedy=Remedy(f"Use a token with the role {role.word}."),
        )


def require_ownership(caller: Caller, noun: str, name: str, labels: Mapping[str, str]) -> None:
    """Raise ``Refused`` (``project-mismatch``) when a caller of a project would change another project's."""
    if caller.project is not None and labels.get(PROJECT_LABEL) != caller.project:
        raise Refused(
            code="project-mismatch",
            detail=f"{caller.name} may change only what belongs to the project {caller.project}; "
            f"the {noun} {name} does not.",
            remedy=Remedy(f"Use a token of the {noun}'s own project, or a token that is bound to no project."),
        )


def stamped(caller: Caller, labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of a thing that this caller creates, with the label of its project."""
    return {**labels, **({PROJECT_LABEL: caller.project} if caller.project else {})}


def is_reserved(label: str) -> bool:
    """Return whether only this service sets the label, in whatever case it is written."""
    return label.lower().startswith(RESERVED_LABEL_PREFIX)


def reserved_label_faults(labels: Mapping[str, str]) -> list[InputFault]:
    """Return a fault for each label that only this service sets."""
    # With such a label a caller could own a thing of another project, or replay another caller's request.
    return [
        InputFault(f"/labels/{name.replace('~', '~0').replace('/', '~1')}", "This prefix is the service's own.")
        for name in labels
        if is_reserved(name)
    ]


def image_allowed(policy: Policy, image: str) -> bool:
    """Return whether the image may be run."""
    return policy.allowed_images is None or any(fnmatchcase(image, pattern) for pattern in policy.allowed_images)


def subnet_allowed(policy: Policy, subnet: str) -> bool:
    """Return whether networks may have this subnet."""
    if policy.allowed_subnets is None:
        return True
    network = ip_network(subnet)
    return any(
        network.network_address in allowed and network.broadcast_address in allowed
        for allowed in map(ip_network, policy.allowed_subnets)
    )
