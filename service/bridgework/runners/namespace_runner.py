"""The runner that enters the namespace itself: a thread enters it, does the job, and ends.

It starts no process and no container. A namespace that it cannot enter is ``namespace-out-of-reach``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from bridgework.matrix.run import run_matrix
from bridgework.matrix.source_opener import Environment
from bridgework.model.checks import Measurement, ProbeRequest, Reason
from bridgework.model.expectations import HostWatch
from bridgework.model.observations import (
    FirewallRules,
    HostObservation,
    Observation,
    ResolverConfiguration,
    RouteAnswer,
    RouteQuestion,
)
from bridgework.model.probe_port import Aspect, Place, RunnerStatus, SweepPlan, SweepRow, TracePlan
from bridgework.model.trace import Place as TracePlace
from bridgework.model.trace import TraceRecord
from bridgework.probes.kernel import capabilities, netlink
from bridgework.probes.kernel.firewall import TIMEOUT_S, KnownTables, read_rules
from bridgework.probes.kernel.host_watch import NamespaceWatch
from bridgework.probes.kernel.namespace_files import (
    OutOfReach,
    host_name_servers,
    open_namespace,
    resolver_configuration,
)
from bridgework.probes.kernel.rules_watch import RulesWatch
from bridgework.probes.kernel.setns import HeldUpError, run_in_thread, run_inside
from bridgework.probes.kinds.attempts import failed
from bridgework.probes.routes.host_routes import HostRoutes
from bridgework.probes.routes.sysctl_files import file_that_sets
from bridgework.probes.trace import session
from bridgework.runners import checking, observe
from bridgework.runners.engine_settings import firewall_setting
from bridgework.telemetry import deadline

NO_HANDLE = "the engine's process ids (share the host's pid namespace) or its netns folder"
# A job should end by itself; after this time more, its thread is left behind.
GRACE_S = 0.5
FILES_S = 1.0
_Result = TypeVar("_Result")


def _resolver_in_time(place: Place, *, pids_visible: bool) -> ResolverConfiguration | None:
    # In a thread: one container's file system must not delay a matrix of many containers.
    try:
        return run_in_thread(
            lambda: resolver_configuration(place, pids_visible=pids_visible), time.monotonic() + FILES_S
        )
    except HeldUpError:
        return None


def _inode_of(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return None


def _with_file(root: Path, answer: RouteAnswer) -> RouteAnswer:
    if answer.reverse_path_filter is None:
        return answer
    return replace(answer, file=file_that_sets(root, *answer.reverse_path_filter))


def _observe_until() -> float:
    return time.monotonic() + deadline.left(observe.MAX_OBSERVE_S)


@dataclass(frozen=True, slots=True)
class _Watched:
    """The host's namespace as of the last reading of its rules, with handles on it.

    ``watch`` tells whether the rules changed, ``routes`` how the kernel routes a packet. ``tables`` are the native
    tables as they were read.
    """

    pid: int
    inode: int
    watch: RulesWatch
    routes: HostRoutes
    tables: KnownTables


class NamespaceRunner:
    """A ``ProbeRunner`` for an engine on this machine.

    ``engine_pid`` returns the engine's process id as we see it, or ``None``; it tells whether the process ids that the
    engine reports are ours too. The engine's handles on namespaces are in ``namespace_folder``. ``neighbour_limit``
    bounds a matrix, in neighbour entries of all namespaces together (default: half of the kernel's limit).
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
        self._watched: _Watched | None = None

    def status(self) -> RunnerStatus:
        """Return whether checks can run here."""
        # Without CAP_NET_ADMIN everything works, but a matrix cannot delete its neighbour entries.
        missing = [name for name, given in self._needs().items() if not given]
        optional = [] if capabilities.may_administer_networks() else ["CAP_NET_ADMIN"]
        if missing:
            reason = "the network namespaces of containers cannot be entered from here"
            if missing == ["CAP_NET_RAW"]:
                reason = "the network namespaces of containers can be entered from here, and ICMP cannot be sent there"
            return RunnerStatus("unavailable", reason, (*missing, *optional))
        return RunnerStatus("namespace", "the network namespaces of containers can be entered from here", (*optional,))

    def _needs(self) -> Mapping[str, bool]:
        no_handle = NO_HANDLE if capabilities.may_read_process(self._engine_pid()) else "CAP_SYS_PTRACE"
        return {
            "CAP_SYS_ADMIN": capabilities.may_enter_namespaces(),
            "CAP_NET_RAW": capabilities.may_open_raw_sockets(),
            # Not Path.is_dir: it raises PermissionError below /run/docker, which only root may enter.
            no_handle: self._pids_visible() or os.path.isdir(self._namespace_folder),  # noqa: PTH112
        }

    def check(self, place: Place, request: ProbeRequest) -> Measurement:
        """Probe once from the place. Raises nothing: every failure is a measurement."""
        ends = time.monotonic() + deadline.left(checking.longest_s(request))

        def check() -> Measurement:
            needed = request.name is not None or request.reverse_lookup
            return checking.check(request, self._resolver(place) if needed else None, ends)

        try:
            return self._run(place, check, ends)
        except OutOfReach as limit:
            return failed(limit.reason, limit.detail)

    def trace(
        self, place: Place, request: ProbeRequest, plan: TracePlan, meanwhile: Callable[[Measurement], None]
    ) -> tuple[Measurement, TraceRecord | None]:
        """Probe once from the place, and record the probe in every namespace on its way that can be entered."""
        ends = time.monotonic() + deadline.left(checking.longest_s(request) + session.OVERHEAD_S)
        probe = partial(checking.check, configuration=None)
        try:
            with ExitStack() as stack:
                source = stack.enter_context(open_namespace(place, pids_visible=self._pids_visible()))
                spaces, missing = self._spaces(stack, plan)
                spaces.insert(0, session.Space("source", place.name, source))
                work = session.Work(request, plan, probe, meanwhile, ends)
                return session.trace(session.distinct(spaces), work, missing)
        except OutOfReach as limit:
            return failed(limit.reason, limit.detail), None
        except PermissionError as error:
            return failed(Reason.NAMESPACE_OUT_OF_REACH, f"entering {place.name}'s namespace: {error.strerror}"), None
        except HeldUpError:
            return failed(Reason.DEADLINE, f"the trace from {place.name} did not end in time"), None

    def _spaces(self, stack: ExitStack, plan: TracePlan) -> tuple[list[session.Space], list[str]]:
        """Open the namespaces of host and destination. What cannot be opened is missing from the trace."""
        spaces: list[session.Space] = []
        missing = list(plan.left_out)
        places: tuple[tuple[TracePlace, Place | None], ...] = (("host", plan.host), ("destination", plan.destination))
        for kind, place in places:
            if place is None:
                continue
            try:
                descriptor = stack.enter_context(open_namespace(place, pids_visible=self._pids_visible()))
            except OutOfReach as limit:
                missing.append(f"Nothing was seen in the namespace of {place.name}: {limit.detail}.")
            else:
                spaces.append(session.Space(kind, place.name, descriptor))
        return spaces, missing

    def observe(self, place: Place, aspects: Sequence[Aspect]) -> Observation | None:
        """Observe the place; ``None`` when it cannot be entered."""
        ends = _observe_until()
        messages = observe.HOST_MESSAGES if place.container_id is None else netlink.MAX_MESSAGES

        def look() -> Observation:
            resolver = self._resolver(place) if "resolver" in aspects else None
            return observe.observe(aspects, resolver, ends, messages)

        try:
            return self._run(place, look, ends)
        except OutOfReach:
            return None

    def observe_host(self) -> HostObservation | None:
        """Observe the namespace that the engine itself runs in; ``None`` when its process is not visible."""
        host = Place(container_id=None, name="host", pid=self._engine_pid() or 0)
        ends = _observe_until()
        try:
            observation = self._run(host, lambda: observe.observe_host(ends), ends)
        except OutOfReach:
            return None
        return replace(observation, name_servers=host_name_servers(host.pid)) if self._pids_visible() else observation

    def firewall_state(self) -> str | None:
        """Ask the kernel by handles that were opened in the host's namespace; ``None`` before the first reading."""
        while True:
            host = self._host()
            if host is None:
                return None
            state = host.watch.state()
            # Another thread that read the rules meanwhile has closed these handles. Its own ones tell the state.
            if state is not None or host is self._watched:
                return state

    def _host(self) -> _Watched | None:
        host, pid = self._watched, self._engine_pid()
        # An engine that was restarted may be in another namespace, and its old process id may be another program's.
        return None if host is None or host.pid != pid or host.inode != _inode_of(pid) else host

    def routes(self, questions: Sequence[RouteQuestion]) -> Mapping[RouteQuestion, RouteAnswer]:
        """Ask the kernel by a handle that was opened in the host's namespace; nothing before the first reading."""
        host = self._host() if questions else None
        if host is None:
            return {}
        answers = host.routes.answers(questions)
        # As in ``firewall_state``: another thread may have closed the handle.
        if answers is None and host is not self._watched:
            return self.routes(questions)
        root = Path(f"/proc/{host.pid}/root")
        return {question: _with_file(root, answer) for question, answer in (answers or {}).items()}

    def read_firewall(self) -> FirewallRules | None:
        """Read the rules in force in the engine's own namespace; ``None`` when its process is not visible."""
        host = Place(container_id=None, name="host", pid=self._engine_pid() or 0)
        ends = _observe_until()

        def read() -> tuple[FirewallRules, _Watched]:
            # The switches of br_netfilter appear when its module is loaded, so each reading opens the handles again.
            watch = RulesWatch(str(host.pid))
            inode = Path("/proc/thread-self/ns/net").stat().st_ino
            known = self._watched
            # While its watch is open, no other namespace gets the inode's number.
            tables = dict(known.tables) if known is not None and known.inode == inode else {}
            return read_rules(watch, inode, ends, tables), _Watched(host.pid, inode, watch, HostRoutes(), tables)

        try:
            # iptables-save has a time-out of its own.
            rules, watched = self._run(host, read, ends + TIMEOUT_S)
        except OutOfReach:
            return None
        before, self._watched = self._watched, watched
        if before is not None:
            before.watch.close()
            before.routes.close()
        setting = firewall_setting(host.pid) if self._pids_visible() else None
        return replace(rules, docker=replace(rules.docker, setting=setting))

    def watch_host(self) -> HostWatch | None:
        """Open the watch in the engine's own namespace; ``None`` without its process or without CAP_NET_ADMIN."""
        host = Place(container_id=None, name="host", pid=self._engine_pid() or 0)
        try:
            return self._run(host, NamespaceWatch, _observe_until())
        except (OutOfReach, OSError):
            return None

    def namespace_inode(self, place: Place) -> int | None:
        """Return the inode of the place's namespace, which identifies it on this machine; ``None`` if not visible."""
        try:
            with open_namespace(place, pids_visible=self._pids_visible()) as descriptor:
                return os.fstat(descriptor).st_ino
        except OutOfReach:
            return None

    def sweep(self, plan: SweepPlan) -> Iterator[SweepRow | None]:
        """Yield each row as soon as it is complete; closing the iterator stops the probes."""
        visible = self._pids_visible()
        engine_pid = self._engine_pid()
        environment = Environment(
            open_place=partial(open_namespace, pids_visible=visible),
            resolver=partial(_resolver_in_time, pids_visible=visible),
            host=Place(container_id=None, name="host", pid=engine_pid) if engine_pid and visible else None,
            neighbour_limit=self._neighbour_limit,
        )
        return run_matrix(plan, environment)

    def _run(self, place: Place, job: Callable[[], _Result], ends: float) -> _Result:
        """Do the job inside the place's namespace before ``ends``. Raises ``OutOfReach``."""
        with open_namespace(place, pids_visible=self._pids_visible()) as descriptor:
            try:
                return run_inside(descriptor, job, ends + GRACE_S)
            except PermissionError as error:
                raise OutOfReach(f"entering {place.name}'s namespace: {error.strerror}") from None
            except HeldUpError:
                raise OutOfReach(f"observing {place.name} did not end in time", Reason.DEADLINE) from None

    def _resolver(self, place: Place) -> ResolverConfiguration | None:
        return resolver_configuration(place, pids_visible=self._pids_visible())

    def _pids_visible(self) -> bool:
        return capabilities.shares_pid_namespace(self._engine_pid())
