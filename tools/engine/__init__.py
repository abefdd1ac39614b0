"""A Docker engine of our own in a network namespace of its own; ``python -m tools.engine`` is its command line."""

from tools.engine.client import UnixConnection, answers, ask
from tools.engine.interrupts import held_back, raise_once
from tools.engine.packages import install_debian, install_packages, keep_from_boot, no_services_started
from tools.engine.private_engine import CGROUPS, CONTAINERD_SETTINGS, PrivateEngine
from tools.engine.programs import SEARCH_PATH, EngineError, attend, become_root, run, say, wait_until

__all__ = [
    "CGROUPS",
    "CONTAINERD_SETTINGS",
    "SEARCH_PATH",
    "EngineError",
    "PrivateEngine",
    "UnixConnection",
    "answers",
    "ask",
    "attend",
    "become_root",
    "held_back",
    "install_debian",
    "install_packages",
    "keep_from_boot",
    "no_services_started",
    "raise_once",
    "run",
    "say",
    "wait_until",
]
