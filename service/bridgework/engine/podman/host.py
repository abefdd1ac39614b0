"""Podman's host: the network namespace in which its service works."""

from __future__ import annotations

from collections import Counter
from pathlib import Path


def host_thread(pid: int, proc: Path = Path("/proc")) -> int | None:
    """Return a thread of the process that is in the host's network namespace; ``None`` where that is not certain.

    Podman's main thread can stay in the namespace of a container, even of one that was removed (5.4.2). A thread of a
    Go program that cannot go back to its namespace ends, except for the main thread. So the namespace of most other
    threads is the host's.
    """
    namespaces = {thread: namespace for thread in _threads(pid, proc) if (namespace := _namespace(pid, thread, proc))}
    others = {thread: namespace for thread, namespace in namespaces.items() if thread != pid} or namespaces
    ((most, count),) = Counter(others.values()).most_common(1) or [("", 0)]
    if 2 * count <= len(others):
        return None
    # The main thread where it fits: its number stays the same.
    return (
        pid if namespaces.get(pid) == most else min(thread for thread, namespace in others.items() if namespace == most)
    )


def _threads(pid: int, proc: Path) -> list[int]:
    try:
        return [int(entry.name) for entry in (proc / str(pid) / "task").iterdir()]
    except OSError:
        return []


def _namespace(pid: int, thread: int, proc: Path) -> str | None:
    try:
        return str((proc / str(pid) / "task" / str(thread) / "ns" / "net").readlink())
    except OSError:
        return None
