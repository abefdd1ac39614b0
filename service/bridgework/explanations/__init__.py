"""The catalogue of causes, and the function that makes every finding.

A cause is one row: a constant in the module of its subject, such as ``ports.NO_LISTENER``, with everything that is the
same on any engine: its code, its severity, its sentences and its symptoms. A rule makes a finding from the row. The
enumerations of the OpenAPI document, ``GET /v1/explanations`` and the pages of docs/ about codes and symptoms are made
from the rows. A code is stable and in kebab-case. Nothing here reads from an engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType, ModuleType
from typing import Any

from bridgework.explanations import (
    addresses,
    answers,
    containers,
    firewall,
    links,
    names,
    networks,
    overlay,
    ports,
    routes,
)
from bridgework.explanations.explanation import Explanation
from bridgework.explanations.symptoms import SYMPTOMS, Symptom
from bridgework.model.checks import Component, Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Container, Network
from bridgework.printable import printable

__all__ = [
    "CATALOGUE",
    "HOST",
    "SUBJECTS",
    "SYMPTOMS",
    "Explanation",
    "Symptom",
    "causes_of",
    "finding",
    "of_container",
    "of_network",
    "rows_of",
]

SUBJECTS = (containers, names, networks, addresses, ports, links, routes, firewall, overlay, answers)
"""The modules that hold rows. The docstring of each says what its causes have in common."""


def rows_of(subject: ModuleType) -> tuple[Explanation, ...]:
    """Return the rows of a subject, in their order there."""
    return tuple(row for row in vars(subject).values() if isinstance(row, Explanation))


_ROWS = sorted((row for subject in SUBJECTS for row in rows_of(subject)), key=lambda row: row.code)

CATALOGUE: Mapping[str, Explanation] = MappingProxyType({row.code: row for row in _ROWS})

HOST = Component("host", "host", "host")


def of_container(container: Container) -> Component:
    """Return the container as the component of a finding."""
    return Component("container", container.id, container.name)


def of_network(network: Network) -> Component:
    """Return the network as the component of a finding."""
    return Component("network", network.id, network.name)


def causes_of(symptom: str) -> tuple[Explanation, ...]:
    """Return the causes that have the symptom, the most severe first."""
    causes = (row for row in CATALOGUE.values() if symptom in row.symptoms)
    return tuple(sorted(causes, key=lambda row: list(Severity).index(row.severity)))


def finding(
    cause: Explanation,
    component: Component,
    message: str,
    *,
    remedy: Remedy | None = None,
    evidence: Mapping[str, Any] | None = None,
    severity: Severity | None = None,
) -> Finding:
    """Make a finding of a cause. Its severity is the row's unless ``severity`` is given.

    Names, rules and other text of containers and hosts in its sentences are escaped here.
    """
    if remedy is not None:
        remedy = replace(remedy, summary=printable(remedy.summary))
    return Finding(cause.code, severity or cause.severity, component, printable(message), remedy, evidence or {})
