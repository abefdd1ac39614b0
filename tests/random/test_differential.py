"""After random changes through the service, what it says equals what the engine's own API says, field by field."""

from ipaddress import ip_network

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import WIDE, Client, container
from tests.support.raw_engine import Raw

NETWORKS = ("n0", "n1", "n2")
CONTAINERS = ("c0", "c1", "c2")
NEVER = "0001-01-01T00:00:00Z"
networks = st.sampled_from(NETWORKS)
containers = st.sampled_from(CONTAINERS)
aliases = st.lists(st.sampled_from(("web", "db")), max_size=1)


def expected_network(raw, attached):
    """The engine's network as the service must show it."""
    ipam, options = raw["IPAM"], raw["Options"] or {}
    bridge = raw["Driver"] == "bridge" and not raw["ConfigOnly"]
    return {
        "id": raw["Id"],
        "name": raw["Name"],
        "driver": raw["Driver"],
        "scope": raw["Scope"],
        "created_at": raw["Created"],
        "builtin": raw["Name"] in {"bridge", "host", "none"},
        "bridge_name": options.get("com.docker.network.bridge.name", f"br-{raw['Id'][:12]}") if bridge else None,
        "internal": raw["Internal"],
        "attachable": raw["Attachable"],
        "ingress": raw["Ingress"],
        "ipv4_enabled": True,
        "ipv6_enabled": raw["EnableIPv6"],
        "config_only": raw["ConfigOnly"],
        "config_from": raw["ConfigFrom"]["Network"] or None,
        "ipam": {
            "driver": ipam["Driver"],
            "options": ipam["Options"] or {},
            "pools": [
                {
                    "subnet": pool["Subnet"],
                    "gateway": pool.get("Gateway") or chosen_gateway(raw, pool),
                    "ip_range": pool.get("IPRange") or None,
                    "auxiliary_addresses": pool.get("AuxiliaryAddresses") or {},
                }
                for pool in ipam["Config"] or ()
            ],
        },
        "options": options,
        "labels": raw["Labels"] or {},
        "endpoint_count": attached,
    }


def chosen_gateway(raw, pool):
    """Before 29 the engine tells the gateway that it chose only after a restart; the pools here have no ranges."""
    return None if raw["ConfigOnly"] else str(ip_network(pool["Subnet"])[1])


def expected_endpoint(container_raw, name, settings_raw, ids):
    """One of a container's ``NetworkSettings.Networks``."""
    asked = settings_raw["IPAMConfig"] or {}
    active = container_raw["State"]["Running"] and bool(settings_raw["EndpointID"])
    return {
        "network": {"id": settings_raw["NetworkID"] or ids.get(name, name), "name": name},
        "container": {"id": container_raw["Id"], "name": container_raw["Name"][1:]},
        "state": "active" if active else "configured",
        "endpoint_id": settings_raw["EndpointID"] or None,
        "ipv4_address": settings_raw["IPAddress"] or None,
        "ipv4_prefix_len": settings_raw["IPPrefixLen"] or None,
        "ipv6_address": settings_raw["GlobalIPv6Address"] or None,
        "ipv6_prefix_len": settings_raw["GlobalIPv6PrefixLen"] or None,
        "mac_address": settings_raw["MacAddress"] or None,
        "gateway": settings_raw["Gateway"] or None,
        "ipv6_gateway": settings_raw["IPv6Gateway"] or None,
        "aliases": settings_raw["Aliases"] or [],
        "dns_names": settings_raw["DNSNames"] or [],
        "driver_options": settings_raw["DriverOpts"] or {},
        "gateway_priority": 0,
        "link_local_addresses": asked.get("LinkLocalIPs") or [],
        "configured_ipv4_address": asked.get("IPv4Address") or None,
        "configured_ipv6_address": asked.get("IPv6Address") or None,
    }


def expected_ports(ports):
    found = [
        {
            "container_port": int(key.partition("/")[0]),
            "protocol": key.partition("/")[2],
            "host_ip": binding["HostIp"],
            "host_port": int(binding["HostPort"]) if binding["HostPort"] else None,
        }
        for key, bindings in (ports or {}).items()
        for binding in bindings or ()
    ]
    return sorted(found, key=lambda p: (p["container_port"], p["protocol"], p["host_ip"], p["host_port"] or 0))


def expected_container(raw, ids):
    """The engine's container as the service must show it, but for what the service adds of its own."""
    state, config, host = raw["State"], raw["Config"], raw["HostConfig"]
    attached = raw["NetworkSettings"]["Networks"].items()
    mode = host["NetworkMode"]
    return {
        "id": raw["Id"],
        "name": raw["Name"][1:],
        "image": config["Image"],
        "image_id": raw["Image"],
        "command": [*(config["Entrypoint"] or ()), *(config["Cmd"] or ())],
        "state": state["Status"],
        "exit_code": None if state["Status"] == "created" else state["ExitCode"],
        "created_at": raw["Created"],
        "started_at": None if state["StartedAt"] == NEVER else state["StartedAt"],
        "finished_at": None if state["FinishedAt"] == NEVER else state["FinishedAt"],
        "hostname": config["Hostname"],
        "network_mode": "bridge" if mode == "default" else mode,
        "endpoints": [expected_endpoint(raw, name, found, ids) for name, found in sorted(attached)],
        "published_ports": expected_ports(raw["NetworkSettings"]["Ports"]),
        "configured_ports": expected_ports(host["PortBindings"]),
        "labels": config["Labels"] or {},
        "restart_policy": host["RestartPolicy"]["Name"],
    }


OWN = {"kind", "findings", "shares_network_with"}
"""What the engine does not say."""


def without_own(shown):
    return {name: value for name, value in shown.items() if name not in OWN}


def differences(shown, wanted):
    """Which, of what: the service's word beside the engine's."""
    for key in shown.keys() | wanted.keys():
        one, other = shown.get(key, {}), wanted.get(key, {})
        for name in one.keys() | other.keys():
            if one.get(name) != other.get(name):
                yield other.get("name"), name, one.get(name), other.get(name)


def agree(client, raw):
    """Everything the service says, against everything the engine says."""
    engine_networks, engine_containers = raw.networks(), raw.containers()
    ids = {network["Name"]: network["Id"] for network in engine_networks.values()}
    wanted = {key: expected_container(found, ids) for key, found in engine_containers.items()}
    shown = {found["id"]: without_own(found) for found in client.get("/v1/containers?limit=1000")["items"]}
    assert list(differences(shown, wanted)) == []
    endpoints = [endpoint for found in wanted.values() for endpoint in found["endpoints"]]
    for key, network in engine_networks.items():
        there = [endpoint for endpoint in endpoints if endpoint["network"]["id"] == key]
        assert without_own(client.get(f"/v1/networks/{key}")) == expected_network(network, len(there))
        listed = [without_own(found) for found in client.get(f"/v1/networks/{key}/endpoints")["items"]]
        assert listed == sorted(there, key=lambda endpoint: endpoint["container"]["name"])


class Changes(RuleBasedStateMachine):
    """Any change may be refused, but by a reason: never with a 5xx."""

    raw = writer = reader = None

    def change(self, method, path, body=None):
        response = self.writer.send(method, path, body)
        assert response.status_code < 500, response.get_data(as_text=True)

    @initialize()
    def something_to_change(self):
        self.create_network("n0", six=True, internal=False)
        self.create_network("n1", six=False, internal=True)
        self.create_container("c0", ["n0"], ["web"], start=True)
        self.create_container("c1", ["n0", "n1"], [], start=False)

    @rule(name=networks, six=st.booleans(), internal=st.booleans())
    def create_network(self, name, six, internal):
        index = NETWORKS.index(name)
        pools = [{"subnet": f"10.{index + 40}.0.0/24"}, *([{"subnet": f"fd00:{index + 40}::/64"}] if six else [])]
        body = {"name": name, "internal": internal, "ipv6_enabled": six, "ipam": {"pools": pools}}
        self.change("POST", "/v1/networks", body)

    @rule(name=networks, force=st.booleans())
    def delete_network(self, name, force):
        self.change("DELETE", f"/v1/networks/{name}?force={str(force).lower()}")

    @rule(name=containers, inside=st.lists(networks, max_size=2, unique=True), names=aliases, start=st.booleans())
    def create_container(self, name, inside, names, start):
        wished = [{"network": network, "aliases": names} for network in inside]
        port = [{"container_port": 80, "host_port": 18100 + CONTAINERS.index(name)}]
        self.change("POST", "/v1/containers", container(name, networks=wished, start=start, published_ports=port))

    @rule(name=containers, network=networks, names=aliases, last=st.sampled_from((None, 7, 8)))
    def connect(self, name, network, names, last):
        address = f"10.{NETWORKS.index(network) + 40}.0.{last}" if last else None
        self.change("PUT", f"/v1/networks/{network}/endpoints/{name}", {"aliases": names, "ipv4_address": address})

    @rule(name=containers, network=st.sampled_from((*NETWORKS, "bridge")))
    def disconnect(self, name, network):
        self.change("DELETE", f"/v1/networks/{network}/endpoints/{name}")

    @rule(name=containers, verb=st.sampled_from(("start", "start", "stop?grace_s=0", "restart?grace_s=0")))
    def turn(self, name, verb):
        self.change("POST", f"/v1/containers/{name}/{verb}")

    @rule(name=containers, other=containers)
    def rename(self, name, other):
        self.change("POST", f"/v1/containers/{name}/rename", {"name": other})

    @rule(name=containers, force=st.booleans())
    def delete_container(self, name, force):
        self.change("DELETE", f"/v1/containers/{name}?force={str(force).lower()}")

    @rule(name=containers, network=networks)
    def connect_behind_our_back(self, name, network):
        self.raw.send("POST", f"/networks/{network}/connect", {"Container": name})

    @rule(name=containers, network=networks, names=aliases)
    def reconnect_behind_our_back(self, name, network, names):
        self.raw.send("POST", f"/networks/{network}/disconnect", {"Container": name})
        connect = {"Container": name, "EndpointConfig": {"Aliases": names}}
        self.raw.send("POST", f"/networks/{network}/connect", connect)

    @rule(name=containers)
    def start_behind_our_back(self, name):
        self.raw.send("POST", f"/containers/{name}/start")

    @rule(network=networks)
    def remove_behind_our_back(self, network):
        self.raw.send("DELETE", f"/networks/{network}")

    @invariant()
    def both_services_say_what_the_engine_says(self):
        agree(self.writer, self.raw)
        agree(self.reader, self.raw)

    def teardown(self):
        self.raw.sweep()


@pytest.fixture
def machine(engine, tokens_file):
    """The rules, on this engine, with a service that changes and one that only reads."""
    wide = Settings(tokens_file=tokens_file, stop_grace_s=0, **WIDE)
    raw = Raw(engine)
    raw.sweep()
    clients = [Client(create_app(wide, EngineAddress(engine.docker_host))) for _ in range(2)]
    return type("Machine", (Changes,), {"raw": raw, "writer": clients[0], "reader": clients[1]})


def run(machine, examples, steps):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_service_says_what_the_engine_says(machine):
    run(machine, examples=15, steps=15)


@pytest.mark.long
def test_the_service_says_what_the_engine_says_for_long(machine):
    run(machine, examples=60, steps=30)
