"""The instances of this service on other nodes: their reports, checks, rows of a matrix and topologies.

The last report of an instance is remembered, only to name what is missing when the instance stops answering. Such a
report carries the reason, and every answer made from it says that its facts are not current.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from bridgework.model.checks import AnsweringNode, CheckResult
from bridgework.model.errors import (
    AmbiguousReference,
    BridgeworkError,
    InvalidInput,
    NotFound,
    Refused,
    TooBusy,
    plainly,
)
from bridgework.model.peers import Node, RemoteEnd, RemoteRow
from bridgework.model.snapshot import Container, Network
from bridgework.peers.decode import read_check, read_container, read_matrix_end, read_network, read_node
from bridgework.peers.http_client import PeerClient, PeerProblem, PeerSilent
from bridgework.telemetry import trace_context

AT_ONCE = 16
_ERRORS: Mapping[int, type[BridgeworkError]] = {
    400: AmbiguousReference, 403: Refused, 404: NotFound, 422: InvalidInput, 429: TooBusy,
}  # fmt: skip
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Report:
    """What one instance said. Where it did not answer, ``reason`` says why, and the rest is its last report."""

    instance: str
    node: Node | None = None
    members: tuple[Node, ...] = ()
    networks: tuple[Network, ...] = ()
    containers: tuple[Container, ...] = ()
    reason: str | None = None


class Instances:
    """The other instances; safe to use from any thread.

    ``names`` are ``host:port``. This instance itself may be among them; ``own_engine_id`` identifies it.
    """

    def __init__(self, names: Sequence[str], token_file: Path | None, own_engine_id: Callable[[], str]) -> None:
        self._client = PeerClient(tuple(names), token_file)
        self._own_engine_id = own_engine_id
        self._last: dict[str, Report] = {}

    def look(self) -> tuple[Report, ...]:
        """Ask every other instance at once for its node, networks and containers. Never raises."""
        return tuple(report for report, _ in self._each(self._report, lambda _: None))

    def topologies(self, query: Mapping[str, str]) -> Sequence[tuple[Report, Mapping[str, Any] | None]]:
        """Ask every other instance for its topology document; ``None`` where the report says why. Never raises."""
        path = "/v1/topology" + (f"?{urlencode(query)}" if query else "")

        def picture(report: Report) -> Mapping[str, Any] | None:
            try:
                document: Mapping[str, Any] = self._client.ask(report.instance, "GET", path)
            except PeerProblem as problem:
                if problem.status == HTTPStatus.NOT_FOUND:  # the query names a network that this node does not have
                    return {"nodes": (), "edges": ()}
                raise
            return document

        return self._each(self._identity, picture)

    def check(self, instance: str, body: Mapping[str, Any], seconds: float) -> CheckResult:
        """Let an instance make a check. Raises ``PeerSilent``, or the problem that it answered with."""
        node = self._identity(instance).node
        try:
            raw = self._client.ask(instance, "POST", "/v1/connectivity/checks", body, seconds)
        except PeerProblem as problem:
            raise _as_error(problem) from problem
        if node is None:
            raise PeerSilent(f"{instance} does not say which node it is.")
        return read_check(raw, AnsweringNode(node.id, node.hostname, instance))

    def matrix(self, instance: str, body: Mapping[str, Any], seconds: float) -> Generator[RemoteRow | RemoteEnd]:
        """Let an instance measure the rows of its own containers. Raises ``PeerSilent``."""
        try:
            lines = self._client.stream(instance, "/v1/connectivity/matrix", body, seconds)
        except PeerProblem as problem:
            raise PeerSilent(f"Its instance refuses: {problem}") from problem
        with closing(lines):
            names: Sequence[Mapping[str, Any]] = ()
            for line in lines:
                if line["type"] == "start":
                    names = line["containers"]
                elif line["type"] == "row":
                    source = names[line["index"]]["id"]
                    rtt_ms = tuple(time or None for time in line["rtt_ms"])
                    groups = line.get("undecided", ())
                    reasons = {at: str(group["reason"]) for group in groups for at in group["destinations"]}
                    yield RemoteRow(source, tuple(line["verdicts"]), rtt_ms, reasons)
                else:
                    yield read_matrix_end(line)

    def _each(
        self, look: Callable[[str], Report], then: Callable[[Report], _Found]
    ) -> list[tuple[Report, _Found | None]]:
        """Ask all instances at once: a report from each, and what ``then`` returns for it. Never raises."""
        instances, lost = self._client.instances()
        own = self._own_engine_id()
        for moved in self._last.keys() - set(instances):
            self._last.pop(moved, None)

        carried = trace_context.carried()

        def report_and_result(instance: str) -> tuple[Report, _Found | None]:
            trace_context.take(carried)
            try:
                report = self._last[instance] = look(instance)
                mine = report.node is not None and report.node.engine_id == own
                return report, None if mine else then(report)
            except (PeerSilent, PeerProblem) as error:
                return self._remembered(instance, str(error)), None
            except (KeyError, TypeError, ValueError) as error:
                return self._remembered(instance, f"The answer of its instance cannot be read: {plainly(error)}."), None

        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            results = list(pool.map(report_and_result, instances))
        missing = [(Report(name, reason=reason), None) for name, reason in lost]
        return [pair for pair in results if pair[0].node is None or pair[0].node.engine_id != own] + missing

    def _identity(self, instance: str) -> Report:
        nodes = [read_node(item) for item in self._client.pages(instance, "/v1/nodes")]
        here = next((node for node in nodes if node.here), None)
        if here is None:
            raise PeerSilent("Its instance does not say which node it is on.")
        own = replace(here, here=False, reachable=True, reason=None, instance=instance)
        last = self._last.get(instance, Report(instance))
        return replace(last, node=own, members=tuple(node for node in nodes if not node.here), reason=None)

    def _report(self, instance: str) -> Report:
        report = self._identity(instance)
        if report.node is not None and report.node.engine_id == self._own_engine_id():
            return report
        networks = tuple(read_network(item) for item in self._client.pages(instance, "/v1/networks"))
        containers = tuple(read_container(item) for item in self._client.pages(instance, "/v1/containers"))
        return replace(report, networks=networks, containers=containers)

    def _remembered(self, instance: str, reason: str) -> Report:
        last = self._last.get(instance, Report(instance))
        node = replace(last.node, reachable=False, reason=reason) if last.node else None
        return replace(last, node=node, reason=reason)


def _as_error(problem: PeerProblem) -> BridgeworkError:
    """Return a peer's problem as this service's own; raise ``PeerSilent`` where it is not the caller's fault."""
    kind = _ERRORS.get(problem.status)
    document = problem.document
    if kind is None:
        raise PeerSilent(f"Its instance answers {problem.status}: {problem}") from problem
    return kind(
        code=str(document.get("code") or "bad-request"),
        detail=str(problem),
        facts=document.get("facts") or {},
    )
