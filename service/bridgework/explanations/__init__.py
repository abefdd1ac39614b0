"""The catalogue of explanations, and the function that makes every finding.

A code is stable and in kebab-case. Every finding of the service has a row here: ``GET /v1/explanations`` and
docs/explanations.md list these rows. To add an explanation, add a row to the module of its subject (``containers``,
``names``, ``paths``, ``firewall``, ``routes``, ``engine``), its code to the symptoms that it causes
(``symptoms``), and a rule that produces it. Nothing here reads from an engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from bridgework.explanations import containers, engine, firewall, names, paths, routes
from bridgework.explanations.explanation import Explanation
from bridgework.explanations.symptoms import SYMPTOMS, Symptom
from bridgework.model.checks import Component, Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Container, Network
from bridgework.printable import printable

__all__ = ["CATALOGUE", "HOST", "SYMPTOMS", "Explanation", "Symptom", "finding", "of_container", "of_network"]

_ROWS = (*containers.ROWS, *names.ROWS, *paths.ROWS, *engine.ROWS, *firewall.ROWS, *routes.ROWS)

CATALOGUE: Mapping[str, Explanation] = MappingProxyType({row.code: row for row in sorted(_ROWS, key=lambda r: r.code)})

HOST = Component("host", "host", "host")


def of_container(container: Container) -> Component:
    """Return the container as the component of a finding."""
    return Component("container", container.id, container.name)


def of_network(network: Network) -> Component:
    """Return the network as the component of a finding."""
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
    """Make a finding with a code of the catalogue. Its severity is the row's unless ``severity`` is given.

    Names, rules and other text of containers and hosts in its sentences are escaped here.

    Raises ``KeyError`` for a code that the catalogue does not have.
    """
    row = CATALOGUE[code]
    if remedy is not None:
        remedy = replace(remedy, summary=printable(remedy.summary))
    return Finding(code, severity or row.severity, component, printable(message), remedy, evidence or {})
