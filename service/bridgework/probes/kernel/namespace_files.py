"""Opens the namespace and the resolver files of a place, and checks that they are its own.

Another process may have got the process id since the engine named it. So everything is opened through one descriptor of
the process's folder in /proc, and the control groups there tell whose process it is. Such a descriptor belongs to one
process: after its end, opening anything through it is an error, also when the number is used again (proc(5), measured
in ``test_places.py``). Files of a container are opened within its root, so that its links cannot lead out of it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bridgework.model.checks import Reason
from bridgework.model.observations import ResolverConfiguration
from bridgework.model.probe_port import Place
from bridgework.probes.kernel.safe_read import Text, is_no_regular_file, open_folder, opened, read_in_root, read_small
from bridgework.probes.resolver import files as resolver_files

HOST_RESOLVER_FILES = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
# Of a resolver file. Docker writes some hundred bytes; the container can write any number.
MAX_FILE_BYTES = 1 << 18
_MAX_GROUPS_BYTES = 1 << 16
_CLONE_NEWNET, _NS_GET_NSTYPE = 0x40000000, 0xB703


class OutOfReach(Exception):
    """The place's namespace cannot be entered; ``reason`` and ``detail`` go into the measurement."""

    def __init__(self, detail: str, reason: Reason = Reason.NAMESPACE_OUT_OF_REACH) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason


@contextmanager
def open_namespace(place: Place, *, pids_visible: bool) -> Iterator[int]:
    """Open a descriptor of the place's network namespace, closed on leaving. Raises ``OutOfReach``."""
    descriptor = _open(place, pids_visible=pids_visible)
    try:
        if not is_network_namespace(descriptor):
            raise OutOfReach(f"{place.namespace_path} is no namespace here: the engine's folder is not shared with us")
        yield descriptor
    finally:
        os.close(descriptor)


def is_network_namespace(descriptor: int) -> bool:
    """Return whether the file is a network namespace, and not the empty file that the engine mounts it on."""
    try:
        return fcntl.ioctl(descriptor, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False


def _open(place: Place, *, pids_visible: bool) -> int:
    # The process's own link first: the engine's path can lead to a shared namespace that the container has left.
    if pids_visible and place.pid > 0:
        try:
            return _open_of_process(place)
        except PermissionError:
            if place.namespace_path is None:
                raise OutOfReach("reading another process's namespace needs CAP_SYS_PTRACE") from None
    if place.namespace_path is None:
        raise OutOfReach("neither its process nor its namespace file is visible from here")
    try:
        return os.open(place.namespace_path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise OutOfReach(f"{place.namespace_path}: {error.strerror}") from None


def _open_of_process(place: Place) -> int:
    stopped = OutOfReach(f"{place.name} has stopped in the meantime", Reason.SOURCE_NOT_RUNNING)
    with process_folder(place.pid) as folder:
        if folder is None:
            raise stopped
        try:
            descriptor = os.open("ns/net", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        except (FileNotFoundError, ProcessLookupError):
            raise stopped from None
        if not belongs(place, folder):
            os.close(descriptor)
            raise OutOfReach(f"process {place.pid} is no longer {place.name}'s", Reason.SOURCE_NOT_RUNNING)
        return descriptor


@contextmanager
def process_folder(pid: int) -> Iterator[int | None]:
    """Open a descriptor of ``/proc/<pid>`` that belongs to this one process; ``None`` when there is none."""
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
    """Return whether the process is the container's; ``True`` where its control groups are hidden."""
    if place.container_id is None:
        return True
    try:
        groups = read_small(os.open("cgroup", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder), _MAX_GROUPS_BYTES)
    except PermissionError:
        return True
    except OSError:
        return False
    return not says_otherwise(groups.decode(errors="replace"), place.container_id)


def says_otherwise(groups: str, container_id: str) -> bool:
    """Return whether a ``cgroup`` file (cgroups(7)) shows another owner; one that shows only the root does not."""
    paths = {line.rpartition(":")[2] for line in groups.splitlines()}
    return container_id not in groups and not paths <= {"/", ""}


def resolver_configuration(place: Place, *, pids_visible: bool) -> ResolverConfiguration | None:
    """Return the source's resolver files; ``None`` when its resolv.conf cannot be read. A hosts file may be missing."""
    resolv_conf = _file_of(place, "etc/resolv.conf", place.resolver_path, pids_visible=pids_visible)
    if resolv_conf is None:
        return None
    hosts = _file_of(place, "etc/hosts", place.hosts_path, pids_visible=pids_visible) or Text("", cut=False)
    configuration = resolver_files.parse(resolv_conf.text, hosts.text, cut=resolv_conf.cut or hosts.cut)
    replaced = pids_visible and place.pid > 0 and _is_replaced(place, "etc/resolv.conf")
    return replace(configuration, is_engine_copy=True) if replaced else configuration


def _is_replaced(place: Place, inner: str) -> bool:
    """Whether the container has something else than a file there, so that only the engine's copy could be read."""
    with process_folder(place.pid) as folder:
        if folder is None or not belongs(place, folder):
            return False
        try:
            with opened("root", os.O_PATH | os.O_DIRECTORY, folder) as root:
                return is_no_regular_file(root, inner)
        except OSError:
            return False


def host_name_servers(pid: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the files that the engine reads name servers from, each with its servers, as its process sees them."""
    # The engine reads the file of systemd-resolved where /etc/resolv.conf names only its stub, 127.0.0.53.
    host = Place(container_id=None, name="host", pid=pid)
    texts = ((path, _file_of_process(host, path.lstrip("/"))) for path in HOST_RESOLVER_FILES)
    return tuple((path, resolver_files.parse(text.text, "").nameservers) for path, text in texts if text is not None)


def _file_of(place: Place, inner: str, outer: str | None, *, pids_visible: bool) -> Text | None:
    text = _file_of_process(place, inner) if pids_visible and place.pid > 0 else None
    if place.container_id is None and outer is None:
        outer = f"/{inner}"
    if text is not None or outer is None:
        return text
    return _read_below("/", None, outer)


def _file_of_process(place: Place, inner: str) -> Text | None:
    with process_folder(place.pid) as folder:
        if folder is None or not belongs(place, folder):
            return None
        try:
            return _read_below("root", folder, inner)
        except OSError:
            return None


def _read_below(path: str, folder: int | None, inner: str) -> Text | None:
    with opened(path, os.O_PATH | os.O_DIRECTORY, folder) as root:
        return read_in_root(root, inner, MAX_FILE_BYTES)
