"""Worlds for the probes' tests, and the two runners that must answer alike."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridgework.model.probe_port import Place
from bridgework.runners.helper_runner import HelperRunner
from bridgework.runners.namespace_runner import NamespaceRunner
from tests.support.lab import Lab, Member

ROOT = Path(__file__).parents[3]


class NsenterLauncher:
    """Runs the helper as a container would: the source's network and resolver files, no right but raw sockets."""

    script = (
        'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/hosts && shift 2 && '
        'exec setpriv --bounding-set=-all,+net_raw --inh-caps=-all "$@"'
    )

    def __init__(self, directory):
        self.started = []
        self.empty = directory / "empty"
        self.empty.write_text("")

    def launch(self, place: Place, argument_json: str, timeout_s: float) -> Iterator[str]:
        files = (place.resolver_path or str(self.empty), place.hosts_path or str(self.empty))
        into = ["nsenter", f"--net={place.namespace_path}", "unshare", "--mount"] if place.namespace_path else ["env"]
        enter = [*into, "sh", "-c", self.script, "sh", *files] if place.namespace_path else ["env"]
        command = [*enter, sys.executable, "-m", "bridgework.runners.helper", argument_json]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.started.append(process)
        try:
            yield from process.stdout
        finally:
            process.kill()
            process.stdin.close()
            process.stdout.close()
            process.wait(timeout_s)


@dataclass
class World:
    """A lab with servers in it; ``a`` asks, ``b`` answers on the same network, ``far`` is on another."""

    lab: Lab
    stack: ExitStack
    directory: Path

    @property
    def a(self) -> Member:
        return self.lab.members[0]

    @property
    def b(self) -> Member:
        return self.lab.members[1]

    @property
    def far(self) -> Member:
        return next(member for member in self.lab.members if member.network == 1)

    def serve(self, member, kind, port, address=None, table=(), script="servers"):
        command = ["nsenter", f"--net={member.path}", sys.executable, "-m", f"tests.support.{script}", kind]
        command += [address or member.address, str(port), json.dumps(table)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        assert process.stdout.readline() == "ready\n"
        process.stdout.close()
        return process

    def place(self, member, resolv_conf="", hosts=""):
        paths = {}
        for name, text in (("resolver_path", resolv_conf), ("hosts_path", hosts)):
            path = self.directory / f"{name}-{abs(hash(text))}"
            path.write_text(text)
            paths[name] = str(path)
        return member.place(**paths)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    lab = Lab()
    try:
        with ExitStack() as stack:
            yield World(lab.build(networks=2, members=3), stack, tmp_path_factory.mktemp("resolver"))
    finally:
        lab.remove()


@pytest.fixture
def make_world(tmp_path):
    """Worlds of the test's own, gone afterwards."""
    with ExitStack() as stack:

        def make(networks, members, *, isolated=True):
            lab = Lab()
            stack.callback(lab.remove)
            return World(lab.build(networks, members, isolated=isolated), stack, tmp_path)

        yield make


@pytest.fixture
def namespace_runner():
    return NamespaceRunner(os.getpid)


@pytest.fixture(params=["namespace", pytest.param("sidecar", marks=pytest.mark.slow)])
def runner(request, namespace_runner, tmp_path):
    if request.param == "namespace":
        return namespace_runner
    return HelperRunner(NsenterLauncher(tmp_path), "a test stands in for the engine")
