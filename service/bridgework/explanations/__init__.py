"""The catalogue of explanations, and the only way to make a finding.

A code is stable and kebab-case; every finding of the service has a row here, so ``GET /v1/explanations`` and the
page of the docs are this mapping, printed. A new explanation is one row in the room it belongs to
(``containers``, ``names``, ``paths``, ``engine``) and one rule that produces it. Nothing here looks at an engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bridgework.explanations import containers, engine, names, paths
from bridgework.explanations.explanation import Explanation
from bridgework.model.checks import Component, Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Container, Network

__all__ = ["CATALOGUE", "HOST", "Explanation", "finding", "of_container", "of_network"]

_ROWS = (*containers.ROWS, *names.ROWS, *paths.ROWS, *engine.ROWS)

CATALOGUE: Mapping[str, Explanation] = MappingProxyType({row.code: row for row in sorted(_ROWS, key=lambda r: r.code)})

HOST = Component("host", "host", "host")


def of_container(container: Container) -> Component:
    """The container as the thing a finding is about."""
    return Component("container", container.id, container.name)


def of_network(network: Network) -> Component:
    """The network as the thing a finding is about."""
    return Component("network", network.id, network.name)


def finding(
    code: str,
    component: Component,
    message: str,
    *,
    remedy: Remedy | None = None,
    evidence: Mapping[str, Any] | None = None,
    severity: Severity | None = None,
) -> Finding:
    """A finding of the catalogue; its severity is the row's unless the question makes it worse or milder.

    Raises ``KeyError`` for a code that the catalogue does not have.
    """
    row = CATALOGUE[code]
    return Finding(code, severity or row.severity, component, message, remedy, evidence or {})
