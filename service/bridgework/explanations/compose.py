"""Findings about what Docker Compose made: its project and service, and the lines of the compose file for a remedy.

Compose writes labels on the containers and networks that it makes. ``docker compose up`` makes a container again from
the compose file when that file or an image changed, and a network that is missing. A remedy that connects or
disconnects such a container, or deletes such a network, lasts only until then.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from bridgework.explanations.names import SEARCH_LIST_DETOURS
from bridgework.model.actions import Connect, CreateNetwork, DeleteNetwork, Disconnect
from bridgework.model.checks import ComposeFile, ComposePart, Finding
from bridgework.model.create_specs import EndpointSpec
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import BUILTIN_NETWORKS, Container, Endpoint, Snapshot
from bridgework.printable import printable

_T = TypeVar("_T")
PROJECT, SERVICE, NETWORK = (f"com.docker.compose.{name}" for name in ("project", "service", "network"))
CONFIG_FILES, WORKING_DIR = (f"com.docker.compose.project.{name}" for name in ("config_files", "working_dir"))
_NO_KEY = re.compile(r"[^A-Za-z0-9._-]")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_LIKE_A_CONSTANT = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
# What a finding without actions asks to change in the service.
_SETTINGS: Mapping[str, Mapping[str, Any]] = {SEARCH_LIST_DETOURS.code: {"dns_opt": ["ndots:1"]}}


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
        file = _File(labels[PROJECT])
        if settings and service:
            file.services[service] = dict(settings)
        return replace(finding, compose=_part(snapshot, labels, [file], undone=False))
    changes = _Changes(snapshot, remedy)
    files = list(changes.files.values())
    labels = found.labels if found is not None and PROJECT in found.labels else changes.labels
    if PROJECT not in labels:
        return finding
    part = _part(snapshot, labels, files, undone=bool(files))
    if not files:
        return replace(finding, compose=part)
    made = "containers" if any(file.services for file in files) else "networks"
    projects = " or of ".join(printable(file.project) for file in files)
    advice = (
        f"{remedy.summary} `docker compose up` of {projects} undoes this when it makes its {made} again, "
        f"so change {'the compose file' if len(files) == 1 else 'these compose files'} as well."
    )
    return replace(finding, compose=part, remedy=replace(remedy, summary=advice))


@dataclass
class _File:
    """The compose file of a project: what belongs into it, and what a person has to remove from it."""

    project: str
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)

    def lines(self) -> str:
        services = {name: settings for name, settings in self.services.items() if settings}
        parts = {
            **({"services": services} if services else {}),
            **({"networks": self.networks} if self.networks else {}),
        }
        return "".join(f"# {printable(line)}\n" for line in dict.fromkeys(self.comments)) + _yaml(parts)


def _part(snapshot: Snapshot, labels: Mapping[str, str], files: Sequence[_File], *, undone: bool) -> ComposePart:
    changed = ((file.project, file.lines()) for file in files)
    written = tuple(ComposeFile(project, _path(snapshot, project), lines) for project, lines in changed if lines)
    return ComposePart(labels[PROJECT], labels.get(SERVICE), labels.get(NETWORK), undone=undone, files=written)


def _path(snapshot: Snapshot, project: str) -> str | None:
    """Return the path of the project's compose file as Compose wrote it on a container, or ``None``.

    Of several files, a later one overrides what an earlier one says (docs.docker.com, "Merge Compose files").
    """
    for container in snapshot.containers:
        if container.labels.get(PROJECT) == project and CONFIG_FILES in container.labels:
            last = container.labels[CONFIG_FILES].split(",")[-1]
            # Compose reads "-" from its standard input.
            return None if last in {"", "-"} else posixpath.join(container.labels.get(WORKING_DIR, ""), last)
    return None


class _Changes:
    """What a remedy changes of things that Compose made, as parts of the compose file of each project."""

    def __init__(self, snapshot: Snapshot, remedy: Remedy) -> None:
        self._snapshot = snapshot
        self.labels: Mapping[str, str] = {}
        self.files: dict[str, _File] = {}
        self._created = {action.spec.name for action in remedy.actions if isinstance(action, CreateNetwork)}
        moves: dict[str, list[Connect | Disconnect]] = {}
        for action in remedy.actions:
            if isinstance(action, Connect | Disconnect):
                container = _first(snapshot.containers_by_id, snapshot.containers_by_name, action.container)
                if container is not None and PROJECT in container.labels and SERVICE in container.labels:
                    moves.setdefault(container.id, []).append(action)
            elif isinstance(action, DeleteNetwork):
                self._delete(action)
        for identity, actions in moves.items():
            self._move(snapshot.containers_by_id[identity], actions)

    def _move(self, container: Container, actions: Sequence[Connect | Disconnect]) -> None:
        service = container.labels[SERVICE]
        before = {endpoint.network_name: endpoint for endpoint in container.endpoints}
        removed = {self._name(action.network) for action in actions if isinstance(action, Disconnect)}
        joined = {self._name(action.network): action.spec for action in actions if isinstance(action, Connect)}
        # An endpoint that is removed and made again with the same settings changes nothing in the file.
        joined = {
            name: spec
            for name, spec in joined.items()
            if name not in removed or name not in before or _written(spec) != _written(_spec_of(before[name]))
        }
        removed -= {self._name(action.network) for action in actions if isinstance(action, Connect)}
        if not joined and not removed:
            return
        file = self._file(container.labels)
        settings = file.services.setdefault(service, {})
        if before.keys() & BUILTIN_NETWORKS:
            file.comments.append(f"Remove network_mode from the service {service}: it excludes networks.")
        for name in sorted(removed - BUILTIN_NETWORKS):
            file.comments.append(f"Remove the network {self._key(file, name)} from the service {service}.")
        if not joined:
            return
        # A service that lists networks is in no other, not even in `default`. So the list has all of them.
        networks = settings.setdefault("networks", {})
        for name in before:
            if name in self._snapshot.networks_by_name and name not in {*removed, *BUILTIN_NETWORKS, *joined}:
                networks[self._key(file, name)] = {}
        for name, spec in joined.items():
            key = self._key(file, name)
            if name in before and set(_fixed(_spec_of(before[name]))) - set(_fixed(spec)):
                file.comments.append(f"Remove the fixed address in the network {key} from the service {service}.")
            known = {service, container.name, container.id[:12]}
            aliases = [alias for alias in spec.aliases if alias not in known]
            networks[key] = {**({"aliases": aliases} if aliases else {}), **_written(spec)}
            if spec.gateway_priority:
                file.comments.append("gw_priority needs Docker Compose 2.33.1 or later.")

    def _key(self, file: _File, name: str) -> str:
        """Return the key of the network in the compose file, and declare it there unless the project has it."""
        network = _first(self._snapshot.networks_by_id, self._snapshot.networks_by_name, name)
        if network is not None and network.labels.get(PROJECT) == file.project and NETWORK in network.labels:
            return network.labels[NETWORK]
        known = next((key for key, declared in file.networks.items() if declared["name"] == name), None)
        if known is not None:
            return known
        of_project = (one.labels for one in self._snapshot.networks if one.labels.get(PROJECT) == file.project)
        taken = {"default", *file.networks, *(labels[NETWORK] for labels in of_project if NETWORK in labels)}
        # Compose calls a network PROJECT_KEY unless the file names it. One that is gone has no label with its key, and
        # the file still declares that key: beside another key of the same name, Compose refuses the file.
        key = _NO_KEY.sub("-", name.removeprefix(f"{file.project}_") or name)
        while key in taken:
            key += "-external"
        # Compose refuses a network of that name that it did not make, unless the file says `external`.
        file.networks[key] = {"name": name, "external": True}
        if name in self._created:
            file.comments.append(f"The remedy makes the network {name}. Compose needs it and does not make it.")
        return key

    def _delete(self, action: DeleteNetwork) -> None:
        network = _first(self._snapshot.networks_by_id, self._snapshot.networks_by_name, action.network)
        if network is not None and PROJECT in network.labels:
            key = network.labels.get(NETWORK, network.name)
            self._file(network.labels).comments.append(f"Remove the network {key}.")

    def _file(self, labels: Mapping[str, str]) -> _File:
        self.labels = self.labels or labels
        return self.files.setdefault(labels[PROJECT], _File(labels[PROJECT]))

    def _name(self, reference: str) -> str:
        network = self._snapshot.networks_by_id.get(reference)
        return reference if network is None else network.name


def _fixed(spec: EndpointSpec) -> dict[str, str]:
    """Return the fixed addresses of an endpoint in the words of a compose file."""
    found = {"ipv4_address": spec.ipv4_address, "ipv6_address": spec.ipv6_address}
    return {name: address for name, address in found.items() if address}


def _written(spec: EndpointSpec) -> dict[str, str | int]:
    """Return the settings of an endpoint, but for its aliases, in the words of a compose file."""
    return {**_fixed(spec), **({"gw_priority": spec.gateway_priority} if spec.gateway_priority else {})}


def _spec_of(endpoint: Endpoint) -> EndpointSpec:
    """Return the settings that the endpoint was made with and that a compose file can have."""
    return EndpointSpec(
        ipv4_address=endpoint.configured_ipv4,
        ipv6_address=endpoint.configured_ipv6,
        gateway_priority=endpoint.gateway_priority or None,
    )


def _first(by_id: Mapping[str, _T], by_name: Mapping[str, Sequence[_T]], reference: str) -> _T | None:
    return by_id.get(reference) or next(iter(by_name.get(reference, ())), None)


def _yaml(value: Mapping[str, Any], indent: str = "") -> str:
    """Write mappings, lists of scalars, and scalars as YAML in block style. Text that is not plain is quoted."""
    lines: list[str] = []
    for key, content in value.items():
        name = f"{indent}{_scalar(key)}:"
        if isinstance(content, Mapping) and content:
            lines.append(f"{name}\n{_yaml(content, indent + '  ')}")
        elif isinstance(content, list):
            items = "".join(f"{indent}  - {_scalar(one)}\n" for one in content)
            lines.append(f"{name}\n{items}")
        elif isinstance(content, Mapping):
            lines.append(f"{name} {{}}\n")
        else:
            lines.append(f"{name} {_scalar(content)}\n")
    return "".join(lines)


def _scalar(value: Any) -> str:
    plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _LIKE_A_CONSTANT
    # YAML knows the escapes of JSON, and those that ``printable`` writes.
    return str(value) if plain else printable(json.dumps(value, ensure_ascii=False))
