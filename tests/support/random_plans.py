"""Random plans on a real engine: a world of networks and containers, and changes that fit it.

The world walks: each plan begins where the one before it ended. Everything is chosen by a seed, so a failure can be
repeated.
"""

from __future__ import annotations

import random
from dataclasses import replace

from bridgework.http.resources.plans.requests import PlannedCallSchema
from bridgework.model.snapshot import Container, Network, Snapshot
from bridgework.policy.access import Caller, Role
from bridgework.use_cases.plans.make import WantedPlan, make_plan
from bridgework.use_cases.services import Actor
from tests.support.api import container
from tests.support.service import until

PORT = 8080
COMMAND = ["sh", "-c", f"httpd -p {PORT}; exec sleep 36000"]
ICC_OFF = {"com.docker.network.bridge.enable_icc": "false"}
NO_MASQUERADE = {"com.docker.network.bridge.enable_ip_masquerade": "false"}
KINDS_OF_NETWORK = (
    {},
    {},
    {},
    {"internal": True},
    {"options": ICC_OFF},
    {"options": NO_MASQUERADE},
    {"ipv6_enabled": True},
)
MOST_NETWORKS, MOST_CONTAINERS = 6, 8
ADMIN = Caller("admin", Role.ADMIN)


class World:
    """The engine behind a client, and the dice."""

    def __init__(self, api, seed):
        self.api, self.dice = api, random.Random(seed)
        self.services = api.app.config["SERVICES"]
        self._made = 0

    @property
    def snapshot(self):
        return self.services.engine.snapshot()

    def begin(self):
        """Three networks, and six containers on them."""
        for _ in range(3):
            self.send(self.new_network())
        for _ in range(6):
            self.send(self.new_container(self.snapshot))

    def send(self, call):
        sent = self.api.send(call["method"], call["path"], call["body"])
        return sent.status_code, sent.get_json(silent=True)

    def plan(self, calls):
        changes = tuple(PlannedCallSchema().load(call) for call in calls)
        return make_plan(Actor(self.services, ADMIN), WantedPlan(changes), self.snapshot)

    def calls(self, most=4):
        """Up to ``most`` changes. Each fits the snapshot as it is now, before the others."""
        return [self.call(self.snapshot) for _ in range(self.dice.randint(1, most))]

    def call(self, snapshot):
        kinds = (
            ["connect"] * 4 + ["disconnect"] * 3 + ["start", "stop", "restart", "create", "delete", "network", "drop"]
        )
        while True:
            found = getattr(self, f"_{self.dice.choice(kinds)}")(snapshot)
            if found is not None:
                return found

    def new_network(self):
        self._made += 1
        name, fields = f"n{self._made}", dict(self.dice.choice(KINDS_OF_NETWORK))
        pools = (
            [{"subnet": f"10.{100 + self._made % 100}.{self._made // 100}.0/24"}] if self.dice.random() < 0.8 else []
        )
        if fields.get("ipv6_enabled"):
            pools.append({"subnet": f"fd00:77:{self._made:x}::/64"})
        fields["ipam"] = {"pools": pools}
        return call("POST", "/networks", {"name": name, **fields})

    def new_container(self, snapshot):
        self._made += 1
        networks = [network.name for network in own(snapshot)]
        fields: dict = {"network_mode": self.dice.choice([*networks, "bridge", "none"])}
        if len(networks) > 1 and self.dice.random() < 0.3:
            fields = {"networks": [{"network": name} for name in self.dice.sample(networks, 2)]}
        elif self.dice.random() < 0.1 and snapshot.containers:
            fields = {"network_mode": f"container:{self.dice.choice(snapshot.containers).name}"}
        if self.dice.random() < 0.5 and not fields.get("network_mode", "").startswith("container:"):
            host_port = self.dice.choice([None, 20_000 + self._made])
            fields["published_ports"] = [{"container_port": PORT, "host_port": host_port}]
        fields["start"] = self.dice.random() < 0.8
        return call("POST", "/containers", container(f"c{self._made}", command=COMMAND, **fields))

    def _create(self, snapshot):
        return self.new_container(snapshot) if len(snapshot.containers) < MOST_CONTAINERS else None

    def _network(self, snapshot):
        return self.new_network() if len(own(snapshot)) < MOST_NETWORKS else None

    def _delete(self, snapshot):
        if len(snapshot.containers) < 5:
            return None
        return call("DELETE", f"/containers/{self.dice.choice(snapshot.containers).name}?force=true")

    def _drop(self, snapshot):
        if len(own(snapshot)) < 3:
            return None
        force = self.dice.choice(["", "?force=true"])
        return call("DELETE", f"/networks/{self.dice.choice(own(snapshot)).name}{force}")

    def _connect(self, snapshot):
        network, one = self.dice.choice(own(snapshot)), self.dice.choice(snapshot.containers)
        return call("PUT", f"/networks/{network.name}/endpoints/{one.name}", {})

    def _disconnect(self, snapshot):
        one = self.dice.choice(snapshot.containers)
        names = [endpoint.network_name for endpoint in one.endpoints if endpoint.network_name != "host"]
        return call("DELETE", f"/networks/{self.dice.choice(names)}/endpoints/{one.name}") if names else None

    def _start(self, snapshot):
        return self._verb("start", [one for one in snapshot.containers if not one.running])

    def _stop(self, snapshot):
        return self._verb("stop?grace_s=0", [one for one in snapshot.containers if one.running])

    def _restart(self, snapshot):
        return self._verb("restart?grace_s=0", [one for one in snapshot.containers if one.running])

    def _verb(self, verb, containers):
        return call("POST", f"/containers/{self.dice.choice(containers).name}/{verb}") if containers else None

    def settle(self):
        """Wait until the programs listen: on a busy machine one that was just started may take seconds."""
        snapshot = self.snapshot
        alone = [one for one in snapshot.containers if one.running and not one.shares_with]
        places = [self.services.engine.place_of(snapshot, one) for one in alone]
        until(lambda: all(self._listens(place) for place in places), 30, "the programs")

    def _listens(self, place):
        seen = self.services.runner.observe(place, ("sockets",))
        return seen is not None and any(socket.port == PORT for socket in seen.sockets or ())

    def measured(self):
        """Who reaches whom now, on the wire: by (source, destination, protocol), with the matrix of each protocol."""
        found = {}
        for protocol, more in (("icmp", {}), ("tcp", {"port": PORT})):
            matrix = self.api.post(
                "/v1/connectivity/matrix", {"all": True, "protocol": protocol, "timeout_ms": 300, **more}
            )
            names = [one["name"] for one in matrix["containers"]]
            for source, row in zip(names, matrix["verdicts"], strict=True):
                found |= {(source, to, protocol): verdict for to, verdict in zip(names, row, strict=True)}
        return found


def call(method, path, body=None):
    return {"method": method, "path": f"/v1{path}", "body": body}


def own(snapshot):
    return [network for network in snapshot.networks if not network.builtin]


def subnets_of_the_engine(calls):
    """The networks that the calls make, and for which the engine chooses the IPv4 subnet."""
    made = [one["body"] for one in calls if one["path"] == "/v1/networks"]
    return {one["name"] for one in made if not any("." in pool["subnet"] for pool in one["ipam"]["pools"])}


def shape(snapshot: Snapshot, unforeseen=frozenset()):
    """What a plan foresees of an engine: everything without ids, times, processes and MAC addresses.

    In the networks ``unforeseen`` that is all but the IPv4 addresses.
    """
    names = {one.id: one.name for one in snapshot.containers}
    return (
        {one.name: _network_shape(one) for one in snapshot.networks if one.name not in unforeseen},
        {one.name: _container_shape(one, names, unforeseen) for one in snapshot.containers},
    )


def _network_shape(network: Network):
    labels = {key: value for key, value in network.labels.items() if not key.startswith("io.bridgework.")}
    pools = sorted(network.pools, key=lambda pool: pool.subnet)
    plain = replace(network, id="", created_at="", labels={}, pools=(), ignored_options=frozenset())
    return plain, labels, pools


def _container_shape(one: Container, names, unforeseen):
    ports = {(p.container_port, p.protocol, p.host_ip) for p in one.published_ports}
    endpoints = sorted(
        (e.network_name, e.state, *_ipv4(e, unforeseen), e.ipv6_address, e.ipv6_prefix_len, e.ipv6_gateway, e.aliases,
         e.gateway_priority, e.configured_ipv4, e.configured_ipv6, *_names(one, e))
        for e in one.endpoints
    )  # fmt: skip
    shares = names.get(one.shares_with, "gone") if one.shares_with else None
    return one.state, shares, ports, endpoints, {p.container_port for p in one.configured_ports}


def _ipv4(endpoint, unforeseen):
    found = endpoint.ipv4_address, endpoint.ipv4_prefix_len, endpoint.gateway
    return tuple(map(bool, found)) if endpoint.network_name in unforeseen else tuple(map(str, found))


def _names(one, endpoint):
    """The names of an active endpoint but for the short id: before its first start, a container has none yet."""
    return tuple(name for name in endpoint.dns_names if name != one.id[:12]) if endpoint.state == "active" else ()
