"""The engine of the tests: its programs, its network namespace, and what a test may leave behind."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ENGINE_PROGRAMS = Path(os.environ["BRIDGEWORK_TEST_ENGINE"]) if os.environ.get("BRIDGEWORK_TEST_ENGINE") else None
"""A folder with the programs of the engine to test; without it, the machine's own engine (see tests/engines)."""


def release():
    """Major and minor version of the engine that is tested."""
    program = str(ENGINE_PROGRAMS / "dockerd") if ENGINE_PROGRAMS else "dockerd"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.search(r"version (\d+)\.(\d+)", told).groups()
    return int(major), int(minor)


def folder_in_memory():
    """A folder whose files are in memory; ``None`` where it is too small for engines or runs no programs."""
    folder = Path("/dev/shm")  # noqa: S108 (only the place; the folder made in it is named at random)
    usable = folder.is_dir() and not os.statvfs(folder).f_flag & os.ST_NOEXEC
    return folder if usable and shutil.disk_usage(folder).free > 2 * 2**30 else None


def in_namespace(engine, *command):
    """Run a program in the engine's network namespace."""
    return subprocess.run(
        ["nsenter", f"--net={engine.namespace}", *command], check=True, capture_output=True, text=True
    )


def neighbour_limit():
    """The kernel's limit of ARP entries; its file, gc_thresh3, is there in the first network namespace alone."""
    told = subprocess.run(["ip", "ntable", "show", "name", "arp_cache"], check=True, capture_output=True, text=True)
    return int(re.search(r"thresh3 (\d+)", told.stdout)[1])


def lives(process):
    """Whether a process runs, or only waits for init to take note of its end."""
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def left_behind():
    """Name what this process's tests left on the machine: all that they make there has the process id in its name."""
    namespaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in namespaces.splitlines()] + [line.split()[1] for line in links.splitlines()]
    names += [path.name for path in Path(tempfile.gettempdir()).glob("bw-*")]
    return [name for name in names if str(os.getpid()) in re.findall(r"[0-9]+", name)]
