"""What the swarm's tests stand on: two nodes, an instance on each, an overlay network with containers on both."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.swarm_instances import PORT, Instance, instance_on
from tests.support.swarm_lab import SwarmNode, Wire, swarm_of_two, until


@dataclass(frozen=True)
class World:
    """The swarm: A is the manager and has two containers on ``mesh``, B one; ``solo`` is on B's own bridge."""

    wire: Wire
    a: SwarmNode
    b: SwarmNode
    on_a: Instance
    on_b: Instance
    mesh: str

    def address(self, node, name):
        """A container's address on the overlay network."""
        node_of = node.client.containers.get(name)
        return node_of.attrs["NetworkSettings"]["Networks"]["mesh"]["IPAddress"]

    def whole(self):
        """Whether the two nodes see each other, and the tunnel carries both ways."""
        pairs = [("a1", "b1"), ("b1", "a1")]
        return not self.on_a.get("/v1/nodes")["partial"] and all(
            self.on_a.check(one, other)["verdict"] == "reachable" for one, other in pairs
        )


@pytest.fixture(scope="module")
def world():
    directory = Path(tempfile.mkdtemp(prefix="bridgework-swarm-"))
    try:
        with swarm_of_two(directory, f"swarm-{os.getpid()}") as (wire, a, b):
            peers = f"{a.address}:{PORT},{b.address}:{PORT}"
            mesh = a.client.networks.create("mesh", driver="overlay", attachable=True)
            for node, name in ((a, "a1"), (a, "a2"), (b, "b1")):
                node.start(name, "mesh")
            b.start("solo", "bridge")
            with (
                instance_on(a, peers, directory / "on-a") as on_a,
                instance_on(b, peers, directory / "on-b") as on_b,
            ):
                made = World(wire, a, b, on_a, on_b, mesh.id)
                until(made.whole, "a swarm that is whole")
                yield made
    finally:
        shutil.rmtree(directory, ignore_errors=True)
