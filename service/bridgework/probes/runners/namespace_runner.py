"""The runner that stands in the namespace itself: a thread enters it, does the job, and ends.

It starts no process and no container for a check. What it cannot enter it reports as ``namespace-out-of-reach``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from bridgework.matrix.run import run_matrix
from bridgework.matrix.source_opener import Environment
from bridgework.model.checks import Measurement, ProbeRequest, Reason
from bridgework.model.observations import HostObservation, Observation, ResolverConfiguration
from bridgework.model.probe_port import Aspect, Place, RunnerStatus, SweepPlan, SweepRow
from bridgework.probes.kernel import capabilities, netlink
from bridgework.probes.kernel import firewall as firewall_rules
from bridgework.probes.kernel.namespace_files import OutOfReach, open_namespace, resolver_configuration
from bridgework.probes.kernel.setns import HeldUpError, run_in_thread, run_inside
from bridgework.probes.kinds.attempts import failed
from bridgework.probes.runners import checking, observe
from bridgework.telemetry import deadline

NO_HANDLE = "the engine's process ids (share the host's pid namespace) or its netns folder"
GRACE_S = 0.5
"""How much longer than its own end a job is waited for."""
FILES_S = 1.0
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Visit:
    """An opened place: what to read from outside, and the way in."""

    place: Place
    descriptor: int
    pids_visible: bool

    def resolver(self) -> ResolverConfiguration | None:
        return resolver_configuration(self.place, pids_visible=self.pids_visible)

    def run(self, job: Callable[[], _Result], ends: float) -> _Result:
        """Do the job inside; it should end before ``ends``, and is not waited for much longer."""
        try:
            return run_inside(self.descriptor, job, ends + GRACE_S)
        except PermissionError as error:
            raise OutOfReach(f"entering {self.place.name}'s namespace: {error.strerror}") from None
        except HeldUpError:
            raise OutOfReach(f"the look into {self.place.name} did not end in time", Reason.DEADLINE) from None


def _resolver_in_time(place: Place, *, pids_visible: bool) -> ResolverConfiguration | None:
    """Read the files in a thread: one container's file system must not hold up a matrix of others."""
    try:
        return run_in_thread(
            lambda: resolver_configuration(place, pids_visible=pids_visible), time.monotonic() + FILES_S
        )
    except HeldUpError:
        return None


def _end_of_look() -> float:
    return time.monotonic() + deadline.left(observe.LOOK_S)


class NamespaceRunner:
    """A ``ProbeRunner`` for an engine on this machine.

    ``engine_pid`` tells the engine's process id as we see it, or ``None``: from it follows whether the process ids
    that the engine speaks of are ours too. ``namespace_folder`` is where the engine's own handles would be.
    ``neighbour_limit`` bounds a matrix, in neighbour entries of all namespaces together; by default half of the
    kernel's own limit.
    """

    def __init__(
        self,
        engine_pid: Callable[[], int | None],
        namespace_folder: str = "/var/run/docker/netns",
        neighbour_limit: int | None = None,
    ) -> None:
        self._engine_pid = engine_pid
        self._namespace_folder = namespace_folder
        self._neighbour_limit = neighbour_limit

    def status(self) -> RunnerStatus:
        """Whether checks can run here.

        CAP_NET_ADMIN is wished for, not needed: without it a large matrix cannot clean up after itself.
        """
        needed = [name for name, given in self._needs().items() if not given]
        wished = [] if capabilities.may_administer_networks() else ["CAP_NET_ADMIN"]
        if needed:
            reason = "the network namespaces of containers cannot be entered from here"
            return RunnerStatus("unavailable", reason, (*needed, *wished))
        return RunnerStatus("namespace", "the network namespaces of containers can be entered from here", (*wished,))

    def _needs(self) -> Mapping[str, bool]:
        return {
            "CAP_SYS_ADMIN": capabilities.may_enter_namespaces(),
            "CAP_NET_RAW": capabilities.may_open_raw_sockets(),
            NO_HANDLE: self._pids_visible() or Path(self._namespace_folder).is_dir(),
        }

    def check(self, place: Place, request: ProbeRequest) -> Measurement:
        """One probe from the place; never raises for what the network or the namespace does."""
        needs_resolver = request.name is not None or request.reverse_lookup
        ends = time.monotonic() + deadline.left(checking.longest_s(request))
        try:
            with self._visit(place) as visit:
                return visit.run(
                    lambda: checking.check(request, visit.resolver() if needs_resolver else None, ends), ends
                )
        except OutOfReach as limit:
            return failed(limit.reason, limit.detail)

    def observe(self, place: Place, aspects: Sequence[Aspect]) -> Observation | None:
        """Look inside; ``None`` when the place cannot be entered."""
        ends = _end_of_look()
        try:
            with self._visit(place) as visit:
                return visit.run(lambda: self._observe(visit, aspects, ends), ends)
        except OutOfReach:
            return None

    def observe_host(self, *, firewall: bool = False) -> HostObservation | None:
        """Look at the namespace that the engine itself runs in; ``None`` when its process is out of sight."""
        host = Place(container_id=None, name="host", pid=self._engine_pid() or 0)
        ends = _end_of_look()
        whole = ends + (firewall_rules.TIMEOUT_S if firewall else 0)
        try:
            with self._visit(host) as visit:
                return visit.run(lambda: observe.observe_host(firewall=firewall, ends=ends), whole)
        except OutOfReach:
            return None

    def namespace_inode(self, place: Place) -> int | None:
        """The inode of the place's namespace, which identifies it on this machine; ``None`` when out of sight."""
        try:
            with open_namespace(place, pids_visible=self._pids_visible()) as descriptor:
                return os.fstat(descriptor).st_ino
        except OutOfReach:
            return None

    def sweep(self, plan: SweepPlan) -> Iterator[SweepRow | None]:
        """A row as soon as it is whole; closing the iterator stops the work."""
        visible = self._pids_visible()
        engine_pid = self._engine_pid()
        environment = Environment(
            open_place=partial(open_namespace, pids_visible=visible),
            resolver=partial(_resolver_in_time, pids_visible=visible),
            host=Place(container_id=None, name="host", pid=engine_pid) if engine_pid and visible else None,
            neighbour_limit=self._neighbour_limit,
        )
        return run_matrix(plan, environment)

    @staticmethod
    def _observe(visit: _Visit, aspects: Sequence[Aspect], ends: float) -> Observation:
        resolver = visit.resolver() if "resolver" in aspects else None
        messages = observe.HOST_MESSAGES if visit.place.container_id is None else netlink.MAX_MESSAGES
        return observe.observe(aspects, resolver, ends, messages)

    def _pids_visible(self) -> bool:
        return capabilities.shares_pid_namespace(self._engine_pid())

    @contextmanager
    def _visit(self, place: Place) -> Iterator[_Visit]:
        visible = self._pids_visible()
        with open_namespace(place, pids_visible=visible) as descriptor:
            yield _Visit(place, descriptor, pids_visible=visible)
