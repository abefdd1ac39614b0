"""Findings about what Docker Compose made: its project and service, and the lines of the compose file for a remedy.

Compose writes labels on the containers and networks that it makes. ``docker compose up`` makes a container again from
the compose file when that file or an image changed, and a network that is missing. A remedy that connects or
disconnects such a container, or deletes such a network, lasts only until then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from bridgework.model.actions import Connect, CreateNetwork, DeleteNetwork, Disconnect
from bridgework.model.checks import ComposePart, Finding
from bridgework.model.create_specs import NetworkSpec
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Snapshot
from bridgework.printable import printable

_T = TypeVar("_T")
PROJECT, SERVICE, NETWORK = (f"com.docker.compose.{name}" for name in ("project", "service", "network"))
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_LIKE_A_CONSTANT = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
# What a finding without actions asks to change in the service.
_SETTINGS: Mapping[str, Mapping[str, Any]] = {"search-list-detours": {"dns_opt": ["ndots:1"]}}


def with_compose(snapshot: Snapshot, finding: Finding) -> Finding:
    """Add the project and service of the finding's container or network, and what its remedy means for Compose."""
    if finding.compose is not None:
        return finding
    found = snapshot.containers_by_id.get(finding.component.id) or snapshot.networks_by_id.get(finding.component.id)
    remedy = finding.remedy
    if remedy is None or not remedy.actions:
        labels: Mapping[str, str] = found.labels if found is not None else {}
        if PROJECT not in labels:
            return finding
        settings = _SETTINGS.get(finding.code)
        service = labels.get(SERVICE)
        lines = _yaml({"services": {service: settings}}) if settings and service else ""
        part = ComposePart(labels[PROJECT], service, labels.get(NETWORK), undone=False, lines=lines)
        return replace(finding, compose=part)
    changes = _Changes(snapshot, remedy)
    labels = found.labels if found is not None and PROJECT in found.labels else changes.labels
    if PROJECT not in labels:
        return finding
    service, network = labels.get(SERVICE), labels.get(NETWORK)
    if not changes.undone:
        return replace(finding, compose=ComposePart(labels[PROJECT], service, network))
    part = ComposePart(labels[PROJECT], service, network, undone=True, lines=changes.lines())
    made = "containers" if changes.services else "networks"
    undone = f"`docker compose up` of {printable(labels[PROJECT])} undoes this when it makes its {made} again"
    advice = f"{remedy.summary} {undone}, so change the compose file as well."
    return replace(finding, compose=part, remedy=replace(remedy, summary=advice))


class _Changes:
    """What a remedy changes of things that Compose made, as parts of a compose file."""

    def __init__(self, snapshot: Snapshot, remedy: Remedy) -> None:
        self._snapshot = snapshot
        self.labels: Mapping[str, str] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self._networks: dict[str, Any] = {}
        self._left: list[str] = []
        self.undone = False
        created = {a.spec.name: a.spec for a in remedy.actions if isinstance(a, CreateNetwork)}
        for action in remedy.actions:
            if isinstance(action, Connect | Disconnect):
                self._move(action, created)
            elif isinstance(action, DeleteNetwork):
                self._delete(action)

    def _move(self, action: Connect | Disconnect, created: Mapping[str, NetworkSpec]) -> None:
        container = _first(self._snapshot.containers_by_id, self._snapshot.containers_by_name, action.container)
        if container is None or PROJECT not in container.labels or SERVICE not in container.labels:
            return
        self.labels, self.undone = container.labels, True
        service = container.labels[SERVICE]
        if isinstance(action, Disconnect):
            self.services.setdefault(service, {})
            self._left.append(f"Remove the network {action.network} from the service {service}.")
            return
        key = self._key(action.network, container.labels[PROJECT], created)
        aliases = [alias for alias in action.spec.aliases if alias not in {service, container.name}]
        settings = {
            **({"aliases": aliases} if aliases else {}),
            **({"ipv4_address": action.spec.ipv4_address} if action.spec.ipv4_address else {}),
            **({"ipv6_address": action.spec.ipv6_address} if action.spec.ipv6_address else {}),
        }
        self.services.setdefault(service, {}).setdefault("networks", {})[key] = settings

    def _key(self, name: str, project: str, created: Mapping[str, NetworkSpec]) -> str:
        """Return the key of the network in the compose file, and declare it there unless the project has it."""
        if name in created:
            self._networks[name] = _declared(created[name])
            return name
        network = _first(self._snapshot.networks_by_id, self._snapshot.networks_by_name, name)
        if network is not None and network.labels.get(PROJECT) == project and NETWORK in network.labels:
            return str(network.labels[NETWORK])
        self._networks[name] = {"external": True}
        return name

    def _delete(self, action: DeleteNetwork) -> None:
        network = _first(self._snapshot.networks_by_id, self._snapshot.networks_by_name, action.network)
        if network is not None and PROJECT in network.labels:
            self.labels, self.undone = network.labels, True
            self._left.append(f"Remove the network {network.labels.get(NETWORK, network.name)}.")

    def lines(self) -> str:
        parts: dict[str, Any] = {}
        services = {name: settings for name, settings in self.services.items() if settings}
        if services:
            parts["services"] = services
        if self._networks:
            parts["networks"] = self._networks
        return "".join(f"# {printable(line)}\n" for line in dict.fromkeys(self._left)) + _yaml(parts)


def _first(by_id: Mapping[str, _T], by_name: Mapping[str, Sequence[_T]], reference: str) -> _T | None:
    return by_id.get(reference) or next(iter(by_name.get(reference, ())), None)


def _declared(spec: NetworkSpec) -> dict[str, Any]:
    pools = [{"subnet": pool.subnet} for pool in spec.pools]
    return {
        "name": spec.name,
        **({"driver_opts": dict(spec.options)} if spec.options else {}),
        **({"internal": True} if spec.internal else {}),
        **({"enable_ipv6": True} if spec.ipv6_enabled else {}),
        **({"ipam": {"config": pools}} if pools else {}),
    }


def _yaml(value: Mapping[str, Any], indent: str = "") -> str:
    """Write mappings, lists and scalars as YAML in block style. Any text that is not plain is quoted as in JSON."""
    lines: list[str] = []
    for key, content in value.items():
        name = f"{indent}{_scalar(key)}:"
        if isinstance(content, Mapping) and content:
            lines.append(f"{name}\n{_yaml(content, indent + '  ')}")
        elif isinstance(content, list):
            items = "".join(_item(one, indent + "  ") for one in content)
            lines.append(f"{name}\n{items}")
        elif isinstance(content, Mapping):
            lines.append(f"{name} {{}}\n")
        else:
            lines.append(f"{name} {_scalar(content)}\n")
    return "".join(lines)


def _item(value: Any, indent: str) -> str:
    if isinstance(value, Mapping):
        inner = _yaml(value, indent + "  ")
        return f"{indent}- {inner.removeprefix(indent + '  ')}"
    return f"{indent}- {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _LIKE_A_CONSTANT
    # YAML knows the escapes of JSON, and those that ``printable`` writes.
    return str(value) if plain else printable(json.dumps(value, ensure_ascii=False))
