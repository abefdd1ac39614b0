"""Random plans on a real engine: a world of networks and containers, and changes that fit it.

The world walks: each plan begins where the one before it ended. Everything is chosen by a seed, so a failure can be
repeated.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import Any

from bridgework.http.resources.plans.requests import PlannedCallSchema
from bridgework.model.checks import Protocol
from bridgework.model.snapshot import Container, Network, Snapshot
from bridgework.plans.reachability import PING, Pair, Service
from bridgework.policy.access import Caller, Role
from bridgework.use_cases.diagnosis import diagnosis
from bridgework.use_cases.plans.make import WantedPlan, make_plan
from bridgework.use_cases.plans.measure import measure_pair
from bridgework.use_cases.preflight.network import api_version
from bridgework.use_cases.services import Actor
from tests.support.api import container
from tests.support.foreign_rules import RandomRules
from tests.support.service import until

PORT = 8080
COMMAND = ["sh", "-c", f"httpd -p {PORT}; exec sleep 36000"]
BRIDGE = "com.docker.network.bridge."
ICC_OFF = {BRIDGE + "enable_icc": "false"}
NO_MASQUERADE = {BRIDGE + "enable_ip_masquerade": "false"}
ON_LOOPBACK = {BRIDGE + "host_binding_ipv4": "127.0.0.1"}
KINDS_OF_NETWORK: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"internal": True},
    {"options": ICC_OFF},
    {"options": NO_MASQUERADE},
    {"options": ON_LOOPBACK},
    {"ipv6_enabled": True},
    {"ipv6_enabled": True, "internal": True},
    {"ipv6_enabled": True, "options": ICC_OFF},
    {"config_only": True},
)
"""Of every engine."""
GATEWAY_MODES: tuple[dict[str, Any], ...] = (
    *({"options": {BRIDGE + "gateway_mode_ipv4": mode}} for mode in ("routed", "nat-unprotected", "isolated")),
    {"ipv6_enabled": True, "options": {BRIDGE + "gateway_mode_ipv6": "routed"}},
    {"ipv6_enabled": True, "options": {BRIDGE + f"gateway_mode_ipv{version}": "routed" for version in (4, 6)}},
    {"ipv6_enabled": True, "ipv4_enabled": False},
)
GATEWAY_MODES_API = (1, 48)
MOST_NETWORKS, MOST_CONTAINERS = 6, 8
FIRST_PORT = 20_000
TRIES = 12
THREADS = 8
ADMIN = Caller("admin", Role.ADMIN)
KINDS = (
    ["connect"] * 4
    + ["disconnect"] * 3
    + ["create"] * 2
    + ["start", "stop", "restart", "delete", "network", "drop", "prune", "publish"]
)


class World:
    """The engine behind a client, and the dice."""

    def __init__(self, api, seed, raw):
        self.api, self.dice = api, random.Random(seed)
        self.foreign = RandomRules(raw, self.dice, PORT, FIRST_PORT)
        self.services = api.app.config["SERVICES"]
        api_of_engine = api_version(self.services)
        self.has_modes = api_of_engine >= GATEWAY_MODES_API
        self._made = 0

    @property
    def snapshot(self):
        return self.services.engine.snapshot()

    def begin(self):
        """Three networks, and six containers on them."""
        for _ in range(3):
            self.send(self.new_network(self.snapshot))
        for _ in range(6):
            self.send(self.new_container(self.snapshot))

    def send(self, call):
        sent = self.api.send(call["method"], call["path"], call["body"])
        return sent.status_code, sent.get_json(silent=True)

    def plan(self, calls):
        changes = tuple(PlannedCallSchema().load(call) for call in calls)
        return make_plan(Actor(self.services, ADMIN), WantedPlan(changes), self.snapshot)

    def calls(self, most=4):
        """Up to ``most`` changes, each of which fits the world as those before it would leave it."""
        chosen, snapshot = [], self.snapshot
        for _ in range(self.dice.randint(1, most)):
            for _ in range(TRIES):
                plan = self.plan([*chosen, *(more := self.call(snapshot))])
                if not plan.conflicts:
                    chosen, snapshot = [*chosen, *more], plan.after.snapshot
                    break
        return chosen

    def call(self, snapshot):
        """One change, or the two that publish a port."""
        while True:
            found = getattr(self, f"_{self.dice.choice(KINDS)}")(snapshot)
            if found is not None:
                return found if isinstance(found, list) else [found]

    def new_network(self, snapshot):
        self._made += 1
        name = f"n{self._made}"
        source = next((network.name for network in snapshot.networks if network.config_only), None)
        if source and self.dice.random() < 0.3:
            return call("POST", "/networks", {"name": name, "config_from": source, "internal": self._chance(0.3)})
        fields = dict(self.dice.choice(KINDS_OF_NETWORK + GATEWAY_MODES * self.has_modes))
        if fields.get("options", {}).get(BRIDGE + "gateway_mode_ipv4") == "isolated":
            fields["internal"] = True
        pools = []
        if fields.get("ipv4_enabled", True) and self._chance(0.8):
            pools.append({"subnet": f"10.{100 + self._made % 100}.{self._made // 100}.0/24"})
        if fields.get("ipv6_enabled"):
            pools.append({"subnet": f"fd00:77:{self._made:x}::/64"})
        fields["ipam"] = {"pools": pools}
        return call("POST", "/networks", {"name": name, **fields})

    def _chance(self, share):
        return self.dice.random() < share

    def new_container(self, snapshot, name=None):
        self._made += 1
        networks = [network.name for network in own(snapshot)]
        fields: dict = {"network_mode": self.dice.choice([*networks, *networks, "bridge", "none"])}
        if len(networks) > 1 and self._chance(0.3):
            fields = {"networks": [{"network": one, **self._settings()} for one in self.dice.sample(networks, 2)]}
        elif (owners := [one for one in snapshot.containers if not one.host_mode]) and self._chance(0.15):
            # A container that shares the host's network stays there when its owner is deleted. No snapshot shows that.
            fields = {"network_mode": f"container:{self.dice.choice(owners).name}"}
        # A second one could not listen at the same port of the host.
        elif self._chance(0.05) and not any(one.host_mode for one in snapshot.containers):
            fields = {"network_mode": "host"}
        if name or (self._chance(0.5) and not fields.get("network_mode", "").startswith("container:")):
            fields["published_ports"] = [self._port()]
        fields["start"] = bool(name) or self._chance(0.85)
        return call("POST", "/containers", container(name or f"c{self._made}", command=COMMAND, **fields))

    def _port(self):
        host_port = self.dice.choice([None, FIRST_PORT + self._made, FIRST_PORT + self._made])
        host_ip = self.dice.choice(["", "", "127.0.0.1", "0.0.0.0"])
        return {"container_port": PORT, "host_port": host_port, **({"host_ip": host_ip} if host_ip else {})}

    def _settings(self):
        """The settings of an endpoint."""
        found: dict = {}
        if self._chance(0.3):
            found["aliases"] = [self.dice.choice(["db", "web", "c1"])]
        if self.has_modes and self._chance(0.2):
            found["gateway_priority"] = self.dice.choice([-1, 1, 5])
        return found

    def _create(self, snapshot):
        return self.new_container(snapshot) if len(snapshot.containers) < MOST_CONTAINERS else None

    def _publish(self, snapshot):
        """A port of a container that exists is published by making the container again."""
        if not snapshot.containers:
            return None
        name = self.dice.choice(snapshot.containers).name
        made = self.new_container(snapshot, name)
        mode = made["body"].get("network_mode", "")
        if mode.startswith("container:"):
            return None
        return [call("DELETE", f"/containers/{name}?force=true"), made]

    def _network(self, snapshot):
        return self.new_network(snapshot) if len(own(snapshot)) < MOST_NETWORKS else None

    def _prune(self, _):
        return call("POST", f"/network-prunes{self.dice.choice(['', '?include_configured=true'])}")

    def _delete(self, snapshot):
        if len(snapshot.containers) < 5:
            return None
        return call("DELETE", f"/containers/{self._name(self.dice.choice(snapshot.containers))}?force=true")

    def _drop(self, snapshot):
        networks = [network for network in snapshot.networks if not network.builtin]
        if len(networks) < 3:
            return None
        force = self.dice.choice(["", "?force=true"])
        return call("DELETE", f"/networks/{self._name(self.dice.choice(networks))}{force}")

    def _connect(self, snapshot):
        if not own(snapshot):
            return None
        network, one = self.dice.choice(own(snapshot)), self.dice.choice(snapshot.containers)
        fields = self._settings()
        subnets = [pool.subnet for pool in network.pools if pool.subnet.startswith("10.")]
        if subnets and self._chance(0.2):
            fields["ipv4_address"] = f"{subnets[0].rpartition('.')[0]}.{self.dice.randint(2, 9)}"
        return call("PUT", f"/networks/{self._name(network)}/endpoints/{self._name(one)}", fields)

    def _disconnect(self, snapshot):
        one = self.dice.choice(snapshot.containers)
        names = [endpoint.network_name for endpoint in one.endpoints if endpoint.network_name != "host"]
        return call("DELETE", f"/networks/{self.dice.choice(names)}/endpoints/{self._name(one)}") if names else None

    def _start(self, snapshot):
        return self._verb("start", [one for one in snapshot.containers if not one.running])

    def _stop(self, snapshot):
        return self._verb("stop?grace_s=0", [one for one in snapshot.containers if one.running])

    def _restart(self, snapshot):
        return self._verb("restart?grace_s=0", [one for one in snapshot.containers if one.running])

    def _verb(self, verb, containers):
        return call("POST", f"/containers/{self._name(self.dice.choice(containers))}/{verb}") if containers else None

    def _name(self, thing):
        """How a call names a thing: by its name, or by its id if it exists before the plan."""
        known = self.snapshot.containers_by_id.keys() | self.snapshot.networks_by_id.keys()
        return thing.id if thing.id in known and self._chance(0.3) else thing.name

    def settle(self):
        """Wait until the programs listen and the addresses are in use: on a busy machine that may take seconds."""
        snapshot = self.snapshot
        alone = [one for one in snapshot.containers if one.running and not one.shares_with]
        until(lambda: all(self._is_ready(snapshot, one) for one in alone), 30, "the programs")

    def _is_ready(self, snapshot, one):
        seen = self.services.runner.observe(self.services.engine.place_of(snapshot, one), ("sockets", "interfaces"))
        if seen is None or not any(socket.port == PORT for socket in seen.sockets or ()):
            return False
        # Before duplicate address detection has ended, an IPv6 address answers nothing. On the host, a bridge without
        # ports never begins it.
        return one.host_mode or not any(
            address.is_unsettled for link in seen.interfaces or () for address in link.addresses
        )

    def findings(self):
        """The findings of the diagnosis, by code and name."""
        found = diagnosis(self.services, self.snapshot).findings
        return {(one.code, one.component.name) for one in found}

    def measured(self):
        """Which sources reach which destinations now, on the wire: by (source, destination, service)."""
        found = {}
        for service in (PING, Service(Protocol.TCP, PORT)):
            more = {} if service is PING else {"port": PORT}
            matrix = self.api.post(
                "/v1/connectivity/matrix", {"all": True, "protocol": service.protocol, "timeout_ms": 2000, **more}
            )
            names = [one["name"] for one in matrix["containers"]]
            for source, row in zip(names, matrix["verdicts"], strict=True):
                found |= {(source, to, service): verdict for to, verdict in zip(names, row, strict=True)}
        return found | self._measured_at_the_host(found)

    def _measured_at_the_host(self, found):
        """The host as source, as destination at the ports that containers publish there, and what a matrix refuses."""
        snapshot = self.snapshot
        names = {"": "", **{one.id: one.name for one in snapshot.containers}}
        services = [Service(Protocol.TCP, port) for port in host_ports(snapshot)]
        pairs = [Pair("", to, service) for to in names if to for service in (PING, Service(Protocol.TCP, PORT))]
        pairs += [Pair(source, "", service) for source in names for service in services]
        # A port of a container in host mode is a port of the host, which is probed only where it is published.
        ids = {name: container_id for container_id, name in names.items()}
        pairs += [
            Pair(ids[one], ids[to], service) for (one, to, service), is_ in found.items() if is_ == "inconclusive"
        ]
        with ThreadPoolExecutor(THREADS) as pool:
            jobs = [
                pool.submit(copy_context().run, measure_pair, self.services, snapshot, pair, was_open=True)
                for pair in pairs
            ]
            return {
                (names[pair.source], names[pair.destination], pair.service): job.result().verdict.value
                for pair, job in zip(pairs, jobs, strict=True)
            }


def host_ports(snapshot):
    """The ports of the host that containers asked for; those that the engine chooses begin at 32,768."""
    return sorted({port.host_port for one in snapshot.containers for port in one.configured_ports if port.host_port})


def call(method, path, body=None):
    return {"method": method, "path": f"/v1{path}", "body": body}


def own(snapshot):
    """The networks that a container can be connected to."""
    return [network for network in snapshot.networks if not network.builtin and not network.config_only]


def subnets_of_the_engine(calls):
    """The networks that the calls make, and for which the engine chooses the IPv4 subnet."""
    made = {one["body"]["name"]: one["body"] for one in calls if one["path"] == "/v1/networks"}
    return {name for name, body in made.items() if not _names_a_subnet(body, made)}


def _names_a_subnet(body, made):
    # The subnet of a configuration that exists already is not among the calls; it may have none.
    given = made.get(body.get("config_from"), body).get("ipam", {"pools": []})
    return any("." in pool["subnet"] for pool in given["pools"])


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
