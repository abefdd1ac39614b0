"""Find the namespace and the resolver files of a place, and make sure that they are its own.

A process id may have been taken over by another process since the engine named it. So everything of a process is
opened by way of one descriptor of its folder in /proc, and its control groups tell whose it is: such a descriptor
stands for one process, and what is opened through it after that process ended is an error, whoever has the number then
(proc(5), measured in ``tests/engine/probes/test_places.py``). Files of a container are opened within its root
(openat2(2), ``RESOLVE_IN_ROOT``): its own links cannot lead out of it. Nothing here enters a namespace.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from bridgework.model.checks import Reason
from bridgework.model.observations import ResolverConfiguration
from bridgework.model.probe_port import Place
from bridgework.probes.kernel.safe_read import Text, open_folder, read_in_root, read_small
from bridgework.probes.resolver import files as resolver_files

MAX_FILE_BYTES = 1 << 18
"""Of a resolver file. Docker writes some hundred bytes; the container may write as much as it likes."""
_MAX_GROUPS_BYTES = 1 << 16
_CLONE_NEWNET, _NS_GET_NSTYPE = 0x40000000, 0xB703


class OutOfReach(Exception):
    """The place cannot be stood in; ``reason`` and ``detail`` go into the measurement."""

    def __init__(self, detail: str, reason: Reason = Reason.NAMESPACE_OUT_OF_REACH) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason


@contextmanager
def open_namespace(place: Place, *, pids_visible: bool) -> Iterator[int]:
    """A descriptor of the place's network namespace, closed on leaving. Raises ``OutOfReach``.

    The process's own link is preferred: it alone is true when a shared namespace was left behind. The engine's handle
    serves where process ids are out of sight.
    """
    descriptor = _open(place, pids_visible=pids_visible)
    try:
        if not is_network_namespace(descriptor):
            raise OutOfReach(f"{place.namespace_path} is no namespace here: the engine's folder is not shared with us")
        yield descriptor
    finally:
        os.close(descriptor)


def is_network_namespace(descriptor: int) -> bool:
    """Whether the open file is a network namespace, and not the empty file under a mount that is out of sight."""
    try:
        return fcntl.ioctl(descriptor, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False


def _open(place: Place, *, pids_visible: bool) -> int:
    if pids_visible and place.pid > 0:
        try:
            return _open_of_process(place)
        except PermissionError:
            if place.namespace_path is None:
                raise OutOfReach("reading another process's namespace needs CAP_SYS_PTRACE") from None
    if place.namespace_path is None:
        raise OutOfReach("neither its process nor its namespace file is in sight")
    try:
        return os.open(place.namespace_path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise OutOfReach(f"{place.namespace_path}: {error.strerror}") from None


def _open_of_process(place: Place) -> int:
    with process_folder(place.pid) as folder:
        descriptor = None if folder is None else _open_link(folder)
        if folder is None or descriptor is None:
            raise OutOfReach(f"{place.name} has stopped meanwhile", Reason.SOURCE_NOT_RUNNING)
        if not belongs(place, folder):
            os.close(descriptor)
            raise OutOfReach(f"process {place.pid} is no longer {place.name}'s", Reason.SOURCE_NOT_RUNNING)
        return descriptor


def _open_link(folder: int) -> int | None:
    try:
        return os.open("ns/net", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except (FileNotFoundError, ProcessLookupError):
        return None


@contextmanager
def process_folder(pid: int) -> Iterator[int | None]:
    """A descriptor of ``/proc/<pid>`` that stands for this one process; ``None`` when there is none."""
    try:
        folder = open_folder(f"/proc/{pid}")
    except OSError:
        yield None
        return
    try:
        yield folder
    finally:
        os.close(folder)


def belongs(place: Place, folder: int) -> bool:
    """Whether the process behind the folder is the container's; where control groups are hidden, it is believed."""
    if place.container_id is None:
        return True
    try:
        groups = read_small(os.open("cgroup", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder), _MAX_GROUPS_BYTES).decode(
            "utf-8", errors="replace"
        )
    except PermissionError:
        return True
    except OSError:
        return False
    return not says_otherwise(groups, place.container_id)


def says_otherwise(groups: str, container_id: str) -> bool:
    """Whether a ``cgroup`` file (cgroups(7)) shows another owner; one that shows only the root says nothing."""
    paths = {line.rpartition(":")[2] for line in groups.splitlines()}
    return container_id not in groups and not paths <= {"/", ""}


def resolver_configuration(place: Place, *, pids_visible: bool) -> ResolverConfiguration | None:
    """What the source reads before it asks anybody; ``None`` when its resolv.conf cannot be read.

    A missing hosts file is an empty one, as it is to the source.
    """
    resolv_conf = _file_of(place, "etc/resolv.conf", place.resolver_path, pids_visible=pids_visible)
    if resolv_conf is None:
        return None
    hosts = _file_of(place, "etc/hosts", place.hosts_path, pids_visible=pids_visible) or Text("", cut=False)
    return resolver_files.parse(resolv_conf.text, hosts.text, cut=resolv_conf.cut or hosts.cut)


def _file_of(place: Place, inner: str, outer: str | None, *, pids_visible: bool) -> Text | None:
    if pids_visible and place.pid > 0:
        text = _file_of_process(place, inner)
        if text is not None:
            return text
    if place.container_id is None and outer is None:
        outer = f"/{inner}"
    return _file_of_host(outer) if outer else None


def _file_of_process(place: Place, inner: str) -> Text | None:
    with process_folder(place.pid) as folder:
        if folder is None or not belongs(place, folder):
            return None
        try:
            root = open_folder("root", folder)
        except OSError:
            return None
        try:
            return read_in_root(root, inner, MAX_FILE_BYTES)
        finally:
            os.close(root)


def _file_of_host(path: str) -> Text | None:
    root = open_folder("/")
    try:
        return read_in_root(root, path, MAX_FILE_BYTES)
    finally:
        os.close(root)
