"""Engines of their own, with daemon settings that change what the engine writes on its host."""

import itertools
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import WIDE, Client
from tests.support.engine import ENGINE_PROGRAMS, in_namespace, release
from tools.engine import PrivateEngine

NUMBERS = itertools.count(1)
"""A module's engine may run beside a test's own."""


@contextmanager
def engine_with(settings, tokens_file, **service):
    """An engine with these fields in its daemon.json, and an admin's client of a service with those settings."""
    folder = Path(tempfile.mkdtemp(prefix="bridgework-engines-"))
    name = f"bridgework-engines-{os.getpid()}-{next(NUMBERS)}"
    try:
        with PrivateEngine(folder / "engine", name, settings=settings, programs=ENGINE_PROGRAMS) as made:
            # With native nftables rules the engine leaves forwarding to the administrator.
            in_namespace(made, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
            wide = Settings(tokens_file=tokens_file, stop_grace_s=1, **WIDE, **service)
            yield Client(create_app(wide, EngineAddress(made.docker_host))), made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", name="release")
def release_fixture():
    """Major and minor version of the engine that is tested."""
    return release()
