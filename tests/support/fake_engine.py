"""An engine in memory: what the walk through routes, roles and projects stands on. It records every change."""

import itertools
from dataclasses import replace

from bridgework.model.engine_port import EngineFacts
from bridgework.model.probe_port import Place, RunnerStatus
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, Snapshot
from bridgework.policy.access import PROJECT_LABEL

FACTS = EngineFacts("e", "fake", "26.1.5", "1.45", "1.24", "linux", "6", ("bridge",), (("172.17.0.0/16", 16),))
PROJECTS = ("alpha", "beta")


def hex_id(number):
    return f"{number:064x}"


def world():
    """For each project a network, a running and a stopped container in it, and a free container; names say whose."""
    networks = [Network(hex_id(n), name) for n, name in ((1, "bridge"), (2, "host"), (3, "none"))]
    networks[0] = replace(networks[0], pools=(Pool("172.17.0.0/16", "172.17.0.1"),))
    containers = []
    for base, project in ((0x10, "alpha"), (0x20, "beta")):
        labels = {PROJECT_LABEL: project}
        network = Network(
            hex_id(base), f"{project}-net", labels=labels, pools=(Pool(f"10.{base}.0.0/24", f"10.{base}.0.1"),)
        )
        unused = Network(
            hex_id(base + 1), f"{project}-unused", labels=labels, pools=(Pool(f"10.{base + 1}.0.0/24", None),)
        )
        networks += [network, unused]
        for step, (kind, state) in enumerate((("run", "running"), ("still", "exited"), ("free", "exited"))):
            name, number = f"{project}-{kind}", base + 2 + step
            place = Endpoint(
                network.id, network.name, hex_id(number), name, "active" if state == "running" else "configured"
            )
            containers.append(
                Container(
                    hex_id(number), name, image="busybox", state=state, labels=labels,
                    endpoints=() if kind == "free" else (place,),
                    network_mode="bridge" if kind == "free" else network.id,
                )
            )  # fmt: skip
    return networks, containers


class FakeEngine:
    """Implements ``bridgework.model.engine_port.Engine``; ``changes`` lists every command that reached it."""

    def __init__(self):
        self.reset()

    def reset(self):
        """As new."""
        networks, containers = world()
        self.networks = {network.id: network for network in networks}
        self.containers = {container.id: container for container in containers}
        self.changes = []
        self._numbers = itertools.count(0x1000)

    def snapshot(self, _asked_ns=None):
        return Snapshot(
            networks=tuple(sorted(self.networks.values(), key=lambda n: (n.name, n.id))),
            containers=tuple(sorted(self.containers.values(), key=lambda c: (c.name, c.id))),
        )

    def ping(self):
        pass

    def require_supported(self, spec):
        pass

    def facts(self):
        return FACTS

    def network_endpoint_ids(self, *_):
        return {}

    def has_image(self, *_):
        return True

    def pull_image(self, image):
        self.changes.append(("pull", image))

    def create_network(self, spec):
        network_id = hex_id(next(self._numbers))
        self.networks[network_id] = Network(network_id, spec.name, labels=dict(spec.labels), pools=spec.pools)
        self.changes.append(("create-network", spec.name))
        return network_id

    def remove_network(self, network_id):
        self.changes.append(("remove-network", self.networks.pop(network_id).name))

    def connect(self, network_id, container_id, spec):
        network, container = self.networks[network_id], self.containers[container_id]
        place = Endpoint(network_id, network.name, container_id, container.name, aliases=spec.aliases)
        self.containers[container_id] = replace(container, endpoints=(*container.endpoints, place))
        self.changes.append(("connect", network.name, container.name))

    def disconnect(self, network_id, container_ref, **_):
        container = self.containers[container_ref]
        left = tuple(place for place in container.endpoints if place.network_id != network_id)
        self.containers[container_ref] = replace(container, endpoints=left)
        self.changes.append(("disconnect", self.networks[network_id].name, container.name))

    def create_container(self, spec):
        container_id = hex_id(next(self._numbers))
        made = Container(container_id, spec.name, image=spec.image, state="created", labels=dict(spec.labels))
        self.containers[container_id] = replace(made, network_mode=spec.network_mode)
        self.changes.append(("create-container", spec.name))
        return container_id

    def _set(self, container_id, verb, **fields):
        self.containers[container_id] = replace(self.containers[container_id], **fields)
        self.changes.append((verb, self.containers[container_id].name))

    def start_container(self, container_id):
        self._set(container_id, "start", state="running")

    def stop_container(self, container_id, *_):
        self._set(container_id, "stop", state="exited")

    def restart_container(self, container_id, *_):
        self._set(container_id, "restart", state="running")

    def unpause_container(self, container_id):
        self._set(container_id, "unpause", state="running")

    def rename_container(self, container_id, name):
        self._set(container_id, "rename", name=name)

    def remove_container(self, container_id, **_):
        self.changes.append(("remove-container", self.containers.pop(container_id).name))

    def place_of(self, _, container):
        return Place(container.id, container.name)

    def host_place(self, *_):
        return Place(None, "host")

    def subscribe(self):
        yield False

    def events_since(self, *_):
        return []


class BlindRunner:
    """A probe runner that can enter nothing."""

    def status(self):
        return RunnerStatus("unavailable", "a test needs none")

    def check(self, *_):
        raise AssertionError("nothing is to be probed")

    def trace(self, *_):
        raise AssertionError("nothing is to be traced")

    def observe(self, *_):
        return None

    def observe_host(self):
        return None

    def firewall_state(self):
        return None

    def read_firewall(self):
        return None

    def routes(self, _):
        return {}

    def watch_host(self):
        return None

    def namespace_inode(self, *_):
        return None

    def sweep(self, *_):
        return iter(())
