"""The engine's answers (its status codes mislead) as a table: operation, situation, what it says, what we make of it.

Each row of ``bridgework.engine.errors.TABLE`` that this engine can produce is provoked on it, past the service's own
checks; what it cannot produce is taken from the source of the engine that does (named at each).
"""

import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import pytest

from bridgework.engine.client import EngineAddress
from bridgework.engine.docker_engine import DockerEngine
from bridgework.engine.errors import TABLE
from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.errors import (
    BridgeworkError,
    Conflict,
    EngineMisbehaved,
    InvalidInput,
    NotFound,
)
from bridgework.model.snapshot import Pool, PublishedPort
from tests.support.engine_versions import DOCKER_26, DOCKER_27, DOCKER_28, DOCKER_29, at
from tests.support.raw_engine import Raw
from tests.support.recorded_answers import RECORDED

SUBNET = "10.77.0.0/24"
NOBODY = "0" * 64


@dataclass
class World:
    """Things to run into, and ways to make more of them."""

    raw: Raw
    engine: DockerEngine
    ids: dict = field(default_factory=dict)
    made: list = field(default_factory=list)

    def container(self, name, **fields):
        if name not in self.ids:
            self.ids[name] = self.raw.make(name, **fields)
        return self.ids[name]

    def network(self, name, *pools, **fields):
        if name not in self.ids:
            self.ids[name] = self.raw.make_network(name, *pools, **fields)
        return self.ids[name]

    def create(self, name="fresh", *, mode="none", networks=None, start=True, **fields):
        """A container by our command, started by our command."""
        spec = ContainerSpec(
            name=name,
            image=fields.pop("image", "busybox"),
            command=fields.pop("command", ("sleep", "600")),
            network_mode=mode,
            networks=networks or {},
            **fields,
        )
        made = self.engine.create_container(spec)
        self.made.append(made)
        if start:
            self.engine.start_container(made)

    def net(self, name="fresh", **fields):
        """A network by our command; none of these comes to be."""
        pools = tuple(Pool(**pool) for pool in fields.pop("pools", ()))
        self.made.append(self.engine.create_network(NetworkSpec(name=name, pools=pools, **fields)))

    def connect(self, network, container, **fields):
        self.engine.connect(network, container, EndpointSpec(**fields))

    def sweep(self):
        """Remove what the commands made."""
        for left in self.made:
            self.raw.remove(left)
            self.raw.send("DELETE", f"/networks/{left}")
        self.made.clear()

    def host(self):
        return self.container("in-host", mode="host")

    def lan(self):
        return self.network("lan", SUBNET)

    def holder(self):
        if "holder" not in self.ids:
            self.container("holder", mode="bridge")
            self.raw.connect(self.lan(), self.ids["holder"])
        return self.ids["holder"]

    def newcomer(self):
        return self.container("newcomer", mode="bridge")

    def stopped(self):
        return self.container("stopped", start=False, mode="bridge")

    def config(self):
        return self.network("config", "10.90.0.0/24", ConfigOnly=True)

    def published(self):
        port = {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8081"}]}}
        return self.container("publisher", mode="bridge", host=port, ExposedPorts={"80/tcp": {}})


@dataclass(frozen=True)
class Row:
    """``said`` is the engine's message, with ``*`` for what differs each time; a tuple lists several that may come.

    ``status`` and ``said`` may be tables by API version. Engines before ``since`` and from ``until`` on do not refuse.
    """

    operation: str
    situation: str
    act: object
    status: int | tuple | dict
    said: str | tuple | dict
    error: type
    code: str
    names: str = ""
    since: tuple = DOCKER_26
    until: tuple = (9,)


def routed(world, network):
    """Connect a container in which a program set a default route, while the engine had none to set."""
    made = world.container("routed", mode=world.network("sealed", "10.84.0.0/24", Internal=True))
    pid = world.raw.get(f"/containers/{made}/json")["State"]["Pid"]
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "route", "add", "default", "via", "10.84.0.9"]
    subprocess.run(command, check=True)
    world.connect(network, made)


def publish(port, host_ip="", protocol="tcp"):
    return {"mode": "bridge", "published_ports": (PublishedPort(80, protocol, host_ip, port),)}


def own_exit(world):
    """A container that runs and one that shares its network, of which the first stops."""
    owner = world.container("owner")
    sharer = world.container("sharer", mode=f"container:{owner}")
    world.raw.do("POST", f"/containers/{sharer}/stop?t=0")
    world.raw.do("POST", f"/containers/{owner}/stop?t=0")
    world.engine.start_container(sharer)


def looper(world):
    """A container between two starts: the engine waits twice as long each time, from the fourth on for long enough."""
    made = world.container("loops", mode="bridge", host={"RestartPolicy": {"Name": "always"}}, Cmd=["false"])
    for _ in range(400):
        seen = world.raw.get(f"/containers/{made}/json")
        if seen["State"]["Status"] == "restarting" and seen["RestartCount"] >= 4:
            break
        time.sleep(0.02)
    return made


def owner_restarting(world):
    world.create(mode=f"container:{looper(world)}")


def range_taken(world):
    ports = {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8101-8102"}]}}
    for number in range(2):
        world.container(f"in-range-{number}", mode="bridge", host=ports, ExposedPorts={"80/tcp": {}})
    world.engine.start_container(
        world.container("out-of-range", start=False, mode="bridge", host=ports, ExposedPorts={"80/tcp": {}})
    )


def builtin(world, name):
    return next(network.id for network in world.engine.snapshot().networks if network.name == name)


def owner_gone(world):
    owner = world.container("short-lived")
    sharer = world.container("orphan", mode=f"container:{owner}", start=False)
    world.raw.remove(owner)
    world.engine.start_container(sharer)


def network_gone(world):
    network = world.raw.make_network("short-lived-net")
    sleeper = world.container("sleeper", mode="short-lived-net")
    world.raw.do("POST", f"/containers/{sleeper}/stop?t=0")
    world.raw.do("DELETE", f"/networks/{network}")
    world.engine.start_container(sleeper)


def paused(world, act):
    frozen = world.container("frozen")
    world.raw.send("POST", f"/containers/{frozen}/pause")
    act(frozen)


def half_made(world):
    """A connect that the engine refused stays behind on the running container."""
    victim = world.container("victim", mode="bridge")
    world.raw.send(
        "POST",
        f"/networks/{world.lan()}/connect",
        {"Container": victim, "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.77.0.1"}}},
    )
    world.engine.rename_container(victim, "renamed")


def in_host(world):
    """A program on the host has the port."""
    world.container("httpd", mode="host", Cmd=["httpd", "-f", "-p", "8090"])
    time.sleep(0.3)
    world.create(**publish(8090))


def macvlan(world, **options):
    world.net(driver="macvlan", options=options)


def second_on_parent(world):
    world.raw.in_namespace("sh", "-c", "ip link show tv0 || ip link add tv0 type veth peer name tv1")
    world.network("on-parent", "10.88.0.0/24", Driver="macvlan", Options={"parent": "tv0"})
    world.net(driver="macvlan", options={"parent": "tv0"}, pools=[{"subnet": "10.88.1.0/24"}])


def pool(subnet, **fields):
    return {"pools": [{"subnet": subnet, **fields}]}


B = "com.docker.network.bridge."
E = "com.docker.network.endpoint."
NET = "failed to set up container networking: "
PORT = "driver failed programming external connectivity on endpoint fresh (*): "
RUNC = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
)
INIT = RUNC + "unable to start container process: error during container init: "


def networking(said):
    """What a start says of networking, as 28 introduces it."""
    return {DOCKER_26: said, DOCKER_28: NET + said}


PROVOKED = [
    Row("create_network", "the name is taken", lambda w: (w.lan(), w.net("lan")), 409,
        "network with name lan already exists", Conflict, "network-name-taken", "lan"),
    Row("create_network", "a builtin's name", lambda w: w.net("bridge"), 403,
        "operation is not permitted on predefined bridge network ", InvalidInput, "network-name-reserved", "bridge"),
    Row("create_network", "another network's bridge", lambda w: w.net(options={B + "name": "docker0"}), 403,
        "cannot create network * (docker0): conflicts with network * (docker0): networks have same bridge name",
        Conflict, "bridge-name-taken", "docker0"),
    Row("create_network", "an interface's name", lambda w: w.net(options={B + "name": "lo"}), 500,
        "existing interface lo is not a bridge", Conflict, "bridge-name-taken", "lo"),
    Row("create_network", "IPv6 without a pool", lambda w: w.net(ipv6_enabled=True), 404,
        "could not find an available, non-overlapping IPv6 address pool among the defaults to assign to the network",
        Conflict, "address-space-exhausted", "IPv6", until=DOCKER_27),
    Row("create_network", "overlap", lambda w: (w.lan(), w.net(**pool("10.77.0.0/25"))), 403,
        {DOCKER_26: "Pool overlaps with other one on this address space",
         DOCKER_28: "invalid pool request: Pool overlaps with other one on this address space"},
        Conflict, "subnet-overlaps"),
    Row("create_network", "a second host network", lambda w: w.net(driver="host"), 403,
        'only one instance of "host" network is allowed', InvalidInput, "driver-single-instance", "host"),
    Row("create_network", "overlay without a swarm", lambda w: w.net(driver="overlay"), 403,
        "This node is not a swarm manager. *", Conflict, "not-a-swarm-manager"),
    Row("create_network", "swarm scope without a swarm", lambda w: w.net(scope="swarm"), 403,
        "cannot create a swarm scoped network when swarm is not active", Conflict, "not-a-swarm-manager"),
    Row("create_network", "a bridge as the routing mesh", lambda w: w.net(ingress=True), 403,
        "Ingress network can only be global scope network", InvalidInput, "ingress-scope-invalid"),
    Row("create_network", "an unknown configuration", lambda w: w.net(config_from="nothing"), 404,
        'configuration network "nothing" does not exist', NotFound, "network-not-found", "nothing"),
    Row("create_network", "a configuration with attachable", lambda w: w.net(config_only=True, attachable=True), 403,
        "configuration network can only contain network specific fields. *", InvalidInput, "configuration-conflict"),
    Row("create_network", "labels beside a configuration",
        lambda w: (w.config(), w.net(config_from="config", labels={"a": "b"})), 403,
        "user?specified configurations are not supported if the network depends on a configuration network",
        InvalidInput, "configuration-conflict"),
    Row("create_network", "options beside a configuration",
        lambda w: (w.config(), w.net(config_from="config", options={"com.docker.network.driver.mtu": "1400"})), 403,
        "network driver options are not supported if the network depends on a configuration network",
        InvalidInput, "configuration-conflict"),
    Row("create_network", "host bits set", lambda w: w.net(**pool("10.78.0.1/24")), 400,
        "invalid network config:\ninvalid subnet 10.78.0.1/24: it should be 10.78.0.0/24", InvalidInput,
        "address-configuration-invalid", "10.78.0.0/24"),
    Row("create_network", "the gateway is reserved", lambda w: w.net(
        **pool("10.78.0.0/24", gateway="10.78.0.1", auxiliary_addresses={"x": "10.78.0.1"})), 500,
        "failed to allocate secondary ip address (x:10.78.0.1): Address already in use", InvalidInput,
        "address-configuration-invalid", "10.78.0.1"),
    Row("create_network", "no address management", lambda w: w.net(ipam_driver="null"), 400,
        "ipv4 pool is empty", InvalidInput, "address-configuration-invalid"),
    Row("create_network", "no address management, with IPv6", lambda w: w.net(ipam_driver="null", ipv6_enabled=True),
        400, {DOCKER_26: "null ipam driver does not handle IPv6 address pool requests",
              DOCKER_28: "ipv4 pool is empty"}, InvalidInput, "address-configuration-invalid"),
    Row("create_network", "two pools of a bridge", lambda w: w.net(
        pools=[{"subnet": "10.81.0.0/24"}, {"subnet": "10.82.0.0/24"}]), 403,
        "bridge driver doesn't support multiple subnets", InvalidInput, "address-configuration-invalid"),
    Row("create_network", "macvlan without a parent", macvlan, 500, "operation not supported", Conflict,
        "parent-unusable"),
    Row("create_network", "an unknown parent", lambda w: macvlan(w, parent="no0.5"), 500,
        "-o parent interface was not found on the host: no0", Conflict, "parent-unusable", "no0"),
    Row("create_network", "a parent without a VLAN", lambda w: macvlan(w, parent="no0"), 500,
        "invalid subinterface vlan name no0, example formatting is eth0.10", Conflict, "parent-unusable", "no0"),
    Row("create_network", "the loopback as parent", lambda w: macvlan(w, parent="lo"), 500,
        "loopback interface is not a valid macvlan parent link", Conflict, "parent-unusable"),
    Row("create_network", "a VLAN too high", lambda w: macvlan(w, parent="docker0.5000"), 500,
        "vlan id must be between 1-4094, received: 5000", Conflict, "parent-unusable", "5000"),
    Row("create_network", "a parent in use", second_on_parent, 500,
        "network * is already using parent interface tv0", Conflict, "parent-unusable", "tv0", until=DOCKER_27),
    Row("create_network", "an unknown mode", lambda w: macvlan(w, macvlan_mode="no"), 500,
        "requested macvlan mode 'no' is not valid, 'bridge' mode is the macvlan driver default", InvalidInput,
        "option-invalid"),
    Row("create_network", "a word for a number", lambda w: w.net(options={"com.docker.network.driver.mtu": "x"}), 400,
        'failed to parse com.docker.network.driver.mtu value: x (strconv.Atoi: parsing "x": invalid syntax)',
        InvalidInput, "option-invalid"),
    Row("create_network", "a negative MTU", lambda w: w.net(options={"com.docker.network.driver.mtu": "-1"}), 400,
        "invalid MTU number: -1", InvalidInput, "option-invalid"),
    Row("create_network", "an MTU no link has", lambda w: w.net(options={"com.docker.network.driver.mtu": "20"}), 500,
        "invalid argument", InvalidInput, "option-invalid"),
    Row("create_network", "a bridge's name too long", lambda w: w.net(options={B + "name": "sixteen-letters-"}), 500,
        "numerical result out of range", InvalidInput, "option-invalid"),
    Row("create_network", "IPv6 in too small an MTU", lambda w: w.net(
        ipv6_enabled=True, options={"com.docker.network.driver.mtu": "1000"}, **pool("fd00:72::/64")), 500,
        "Cannot read IPv6 setup for bridge *", InvalidInput, "option-invalid"),
    Row("create_network", "neither IPv4 nor IPv6", lambda w: w.net(ipv4_enabled=False), 400,
        "IPv4 or IPv6 must be enabled", InvalidInput, "address-configuration-invalid", since=DOCKER_28),
    Row("create_network", "isolated and not internal",
        lambda w: w.net(options={B + "gateway_mode_ipv4": "isolated"}), 500,
        "gateway mode 'isolated' can only be used for an internal network", InvalidInput, "option-invalid", "internal",
        since=DOCKER_28),
    Row("remove_network", "a configuration in use",
        lambda w: (w.config(), w.network("from-config", ConfigFrom={"Network": "config"}),
                   w.engine.remove_network(w.config())), 403,
        'error while removing network: configuration network "config" is in use', Conflict, "network-in-use", "config"),
    Row("remove_network", "containers in it", lambda w: (w.holder(), w.engine.remove_network(w.lan())), 403,
        {DOCKER_26: "error while removing network: network lan id * has active endpoints",
         DOCKER_28: 'error while removing network: network lan has active endpoints (name:"holder" id:"*")'},
        Conflict, "network-in-use"),
    Row("remove_network", "a builtin", lambda w: w.engine.remove_network(
        builtin(w, "bridge")), 403,
        "bridge is a pre-defined network and cannot be removed", Conflict, "network-builtin"),
    Row("remove_network", "gone", lambda w: w.engine.remove_network(NOBODY), 404, f"network {NOBODY} not found",
        NotFound, "network-not-found"),
    Row("connect", "connected already, and running", lambda w: w.connect(w.lan(), w.holder()), 403,
        "endpoint with name holder already exists in network lan", Conflict, "endpoint-exists"),
    Row("connect", "the address is held",
        lambda w: (w.holder(), w.connect(w.lan(), w.newcomer(), ipv4_address="10.77.0.2")), 403,
        "Address already in use", Conflict, "static-address-taken"),
    Row("connect", "the address is elsewhere",
        lambda w: w.connect(w.lan(), w.newcomer(), ipv4_address="10.99.0.2"), 400,
        {DOCKER_26: "invalid endpoint settings:\nno configured subnet or ip-range contain the IP address 10.99.0.2",
         DOCKER_29: "invalid endpoint settings:\nno configured subnet contains IP address 10.99.0.2"},
        InvalidInput, "address-not-in-subnet", "10.99.0.2"),
    Row("connect", "the last IPv6 address", lambda w: w.connect(
        w.network("six", "fd00:71::/64", EnableIPv6=True), w.newcomer(), ipv6_address="fd00:71::ffff:ffff:ffff:ffff"),
        500, "bit does not belong to the sequence", InvalidInput, "address-not-in-subnet", until=DOCKER_28),
    Row("connect", "a fixed address where the engine chose the subnet",
        lambda w: w.connect(w.network("auto"), w.newcomer(), ipv4_address="10.77.0.9"), 400,
        "invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user "
        "configured subnets", InvalidInput, "fixed-address-not-supported", until=DOCKER_29),
    Row("connect", "a fixed address on the default bridge", lambda w: w.connect(
        builtin(w, "bridge"), w.stopped(), ipv4_address="172.17.0.99"), 400,
        {DOCKER_26: "invalid endpoint settings:\n* user specified IP address is supported on user defined networks*",
         DOCKER_29: "invalid endpoint settings:\nuser-specified IP address is supported on user-defined networks only"},
        InvalidInput, "fixed-address-not-supported"),
    Row("connect", "a MAC address that is none",
        lambda w: w.connect(w.lan(), w.newcomer(), mac_address="zz"), 400,
        {DOCKER_26: "invalid MAC address zz", DOCKER_29: "invalid JSON: address zz: invalid MAC address"}, InvalidInput,
        "mac-address-invalid"),
    Row("connect", "an alias on the default bridge", lambda w: w.connect(
        builtin(w, "bridge"), w.stopped(), aliases=("web",)), 400,
        {DOCKER_26: "invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined "
                    "networks",
         DOCKER_29: "invalid endpoint settings:\nnetwork-scoped aliases are only supported for user-defined networks"},
        InvalidInput, "alias-not-supported"),
    Row("connect", "a name that another interface has", lambda w: w.connect(
        w.lan(), w.newcomer(), driver_options={E + "ifname": "lo"}), 500,
        'failed to add interface * to sandbox: error renaming interface "*" to "lo": file exists', InvalidInput,
        "option-invalid", "lo", since=DOCKER_28),
    Row("connect", "a sysctl of no interface", lambda w: w.connect(
        w.lan(), w.newcomer(), driver_options={E + "sysctls": "kernel.x=1"}), 400,
        "invalid endpoint settings:\nunrecognised network interface sysctl 'kernel.x=1'; *", InvalidInput,
        "option-invalid", "kernel.x", since=DOCKER_28),
    Row("connect", "a sysctl that no interface has", lambda w: w.connect(
        w.lan(), w.newcomer(), driver_options={E + "sysctls": "net.ipv4.conf.IFNAME.nothing=1"}), 500,
        "failed to add interface * to sandbox: /proc/sys/net/ipv4/conf/eth?/nothing is not a sysctl file", Conflict,
        "sysctl-refused", "/nothing", since=DOCKER_28),
    Row("connect", "a value that no such sysctl has", lambda w: w.connect(
        w.lan(), w.newcomer(), driver_options={E + "sysctls": "net.ipv4.conf.IFNAME.forwarding=x"}), 500,
        "failed to add interface * to sandbox: unable to write to '/proc/sys/net/ipv4/conf/eth?/forwarding': *",
        Conflict, "sysctl-refused", "/forwarding:", since=DOCKER_28),
    Row("connect", "no address left",
        lambda w: (w.container("first", mode=w.network("tiny", "10.83.0.4/30")),
                   w.connect(w.network("tiny"), w.newcomer())), 500,
        "no available IPv4 addresses on this network's address pools: tiny (*)", Conflict, "pool-exhausted"),
    Row("connect", "a program set a default route", lambda w: routed(w, w.lan()), 500,
        "*failed to set gateway*: file exists", Conflict, "default-route-taken"),
    Row("connect", "in host mode", lambda w: w.connect(w.lan(), w.host()), 400,
        "container sharing network namespace with another container or host cannot be connected to any other network",
        Conflict, "network-shared"),
    Row("connect", "in none mode", lambda w: w.connect(w.lan(), w.container("alone")), 400,
        "container cannot be connected to multiple networks with one of the networks in private (none) mode",
        Conflict, "network-mode-conflict"),
    Row("connect", "to the host", lambda w: w.connect(builtin(w, "host"), w.newcomer()), 400,
        {DOCKER_26: "container cannot be disconnected from host network or connected to host network",
         DOCKER_28: "cannot connect container to host network - container must be created in host network mode"},
        Conflict, "network-mode-conflict"),
    Row("connect", "between two starts", lambda w: w.connect(w.lan(), looper(w)), 404,
        "network sandbox for container * not found", Conflict, "container-restarting", since=DOCKER_28),
    Row("disconnect", "from the host", lambda w: w.engine.disconnect(builtin(w, "host"), w.host()), 400,
        {DOCKER_26: "container cannot be disconnected from host network or connected to host network",
         DOCKER_28: "cannot disconnect container from host network - container was created in host network mode"},
        Conflict, "network-mode-conflict"),
    Row("connect", "to a configuration", lambda w: w.connect(w.config(), w.newcomer()), 403,
        "cannot create endpoint on configuration-only network", Conflict, "network-config-only"),
    Row("connect", "a driver that the kernel lacks", lambda w: w.connect(
        w.network("ipvlan", Driver="ipvlan", Options={"parent": "docker0"}), w.newcomer()), 500,
        "failed to create the ipvlan port: operation not supported", Conflict, "parent-unusable"),
    Row("connect", "the container is gone", lambda w: w.connect(w.lan(), NOBODY), 404,
        f"No such container: {NOBODY}", NotFound, "container-not-found"),
    Row("connect", "the network is gone", lambda w: w.connect(NOBODY, w.newcomer()), 404,
        f"network {NOBODY} not found", NotFound, "network-not-found"),
    Row("disconnect", "not connected, running", lambda w: w.engine.disconnect(w.network("auto"), w.holder()), 500,
        "container * is not connected to network auto", NotFound, "endpoint-not-found"),
    Row("disconnect", "not connected, stopped", lambda w: w.engine.disconnect(w.network("auto"), w.stopped()), 500,
        "container * is not connected to the network auto", NotFound, "endpoint-not-found"),
    Row("disconnect", "no such endpoint, by force",
        lambda w: w.engine.disconnect(w.network("auto"), NOBODY, force=True), 404, f"endpoint {NOBODY} not found",
        NotFound, "endpoint-not-found"),
    Row("start_container", "the port is published", lambda w: (w.published(), w.create(**publish(8081))), 500,
        {DOCKER_26: PORT + "Bind for 0.0.0.0:8081 failed: port is already allocated",
         DOCKER_28: NET + PORT + "Bind for *:8081 failed: port is already allocated"}, Conflict, "port-taken", "8081"),
    Row("start_container", "every port of a range is published", range_taken, 500,
        networking(PORT.replace("fresh", "*") + "all ports are allocated"), Conflict, "port-taken"),
    Row("start_container", "a program has the port", in_host, 500,
        {DOCKER_26: PORT + "Error starting userland proxy: listen tcp4 0.0.0.0:8090: bind: address already in use",
         DOCKER_28: NET + PORT + "failed to bind host port for 0.0.0.0:8090:*:80/tcp: address already in use",
         DOCKER_29: NET + PORT + "failed to bind host port 0.0.0.0:8090/tcp: address already in use"},
        Conflict, "port-taken", "8090"),
    Row("start_container", "an address the host has not", lambda w: w.create(**publish(8082, "9.9.9.9")), 500,
        {DOCKER_26: PORT + "Error starting userland proxy: listen tcp4 9.9.9.9:8082: bind: cannot assign *",
         DOCKER_28: NET + PORT + "failed to bind host port for 9.9.9.9:8082:*:80/tcp: cannot assign requested address",
         DOCKER_29: NET + PORT + "failed to bind host port 9.9.9.9:8082/tcp: cannot assign requested address"},
        Conflict, "host-address-unknown", "address 9.9.9.9 to"),
    Row("start_container", "an IPv6 address the host has not",
        lambda w: w.create(**publish(8082, "2001:db8:8:9::5")), 500,
        {DOCKER_26: PORT + "Error starting userland proxy: listen tcp6 [2001:db8:8:9::5]:8082: bind: cannot assign *",
         DOCKER_28: NET + PORT + "failed to bind host port for [2001:db8:8:9::5]:8082:*: cannot assign *",
         DOCKER_29: NET + PORT + "failed to bind host port [2001:db8:8:9::5]:8082/tcp: cannot assign *"},
        Conflict, "host-address-unknown", "address [2001:db8:8:9::5] to"),
    Row("start_container", "a link-local address, of which there is one on each interface",
        lambda w: w.create(**publish(8082, "fe80::5")), 500,
        {DOCKER_26: PORT + "Error starting userland proxy: listen tcp6 [fe80::5]:8082: bind: invalid argument",
         DOCKER_28: NET + PORT + "failed to bind host port for [fe80::5]:8082:*: invalid argument",
         DOCKER_29: NET + PORT + "failed to bind host port [fe80::5]:8082/tcp: invalid argument"},
        Conflict, "host-address-unknown", "address [fe80::5] to"),
    Row("start_container", "a multicast address as its MAC address", lambda w: w.create(
        mode=w.lan(), networks={w.lan(): EndpointSpec(mac_address="01:00:5e:00:00:01")}), 500,
        '*failed to add interface * to sandbox: error setting interface "*" MAC to "01:00:5e:00:00:01": *',
        InvalidInput, "mac-address-invalid", "01:00:5e:00:00:01"),
    Row("start_container", "the owner is down", own_exit, 409,
        {DOCKER_26: "cannot join network of a non running container: *",
         DOCKER_28: "cannot join network namespace of a non running container: container owner is exited"},
        Conflict, "shared-network-owner-down"),
    Row("start_container", "the owner is restarting", owner_restarting, (409, 500),
        {DOCKER_26: "?ontainer * is restarting, wait until the container is running",
         DOCKER_28: "cannot join network namespace of container: Container * is restarting, wait until *"},
        Conflict, "shared-network-owner-down"),
    Row("start_container", "the owner is gone", owner_gone, {DOCKER_26: 404, DOCKER_28: 500},
        {DOCKER_26: "No such container: *",
         DOCKER_28: "joining network namespace of container: No such container: *"},
        Conflict, "shared-network-owner-gone"),
    Row("start_container", "the owner of its PID namespace is down", lambda w: w.engine.start_container(
        w.container("pid-guest", start=False, host={"PidMode": f"container:{w.stopped()}"})), 500,
        "failed to join PID namespace: container * is not running", Conflict, "shared-namespace-owner-down", "PID"),
    Row("start_container", "a link to a container that is down", lambda w: w.engine.start_container(
        w.container("linked", start=False, mode="bridge", host={"Links": [f"{w.stopped()}:db"]})), 500,
        "Cannot link to a non running container: /stopped AS /linked/db", Conflict, "link-target-down", "stopped"),
    Row("start_container", "its network is gone", network_gone, 404, networking("network * not found"), Conflict,
        "network-gone"),
    Row("start_container", "it is gone itself", lambda w: w.engine.start_container(NOBODY), 404,
        f"No such container: {NOBODY}", NotFound, "container-not-found"),
    Row("start_container", "no such sysctl", lambda w: w.create(sysctls={"net.nothing.at_all": "1"}), 400,
        (INIT + "open /proc/sys/net/nothing/at_all: no such file or directory*",
         INIT + "open sysctl net.nothing.at_all file: unsafe procfs detected: * no such file or directory"),
        Conflict, "sysctl-refused", "net?nothing?at_all"),
    Row("start_container", "a sysctl's value", lambda w: w.create(sysctls={"net.ipv4.ip_forward": "x"}), 500,
        (INIT + "write /proc/sys/net/ipv4/ip_forward: invalid argument*",
         INIT + 'failed to write sysctl net.ipv4.ip_forward = "x": * invalid argument'),
        Conflict, "sysctl-refused", "net?ipv4?ip_forward"),
    Row("start_container", "a sysctl that no container has of its own",
        lambda w: w.create(sysctls={"vm.swappiness": "1"}), 500,
        RUNC + 'sysctl "vm.swappiness" is not in a separate kernel namespace*', Conflict, "sysctl-refused",
        "vm.swappiness"),
    Row("start_container", "a sysctl of the host",
        lambda w: w.create(mode="host", sysctls={"net.ipv4.ip_forward": "1"}), 500,
        '*sysctl "net.ipv4.ip_forward" not allowed in host network namespace*', Conflict, "sysctl-refused",
        "net.ipv4.ip_forward"),
    Row("start_container", "no such command", lambda w: w.create(command=("no-such",)), 400,
        '*exec: "no-such": executable file not found in $PATH*', Conflict, "command-not-runnable",
        "executable file not found in $PATH."),
    Row("start_container", "not executable", lambda w: w.create(command=("/etc/passwd",)), 400,
        '*exec: "/etc/passwd": permission denied*', Conflict, "command-not-runnable", "permission denied"),
    Row("start_container", "paused", lambda w: paused(w, w.engine.start_container), 409,
        "cannot start a paused container, try unpause instead", Conflict, "container-paused"),
    Row("restart_container", "the owner is gone",
        lambda w: w.engine.restart_container(w.container("orphan"), 0), 500,
        "Cannot restart container *: No such container: *", Conflict, "shared-network-owner-gone"),
    Row("restart_container", "it is gone itself", lambda w: w.engine.restart_container(NOBODY, 0), 404,
        f"No such container: {NOBODY}", NotFound, "container-not-found"),
    Row("stop_container", "gone", lambda w: w.engine.stop_container(NOBODY, 0), 404, f"No such container: {NOBODY}",
        NotFound, "container-not-found"),
    Row("unpause_container", "it runs", lambda w: w.engine.unpause_container(w.holder()), 500,
        "Container * is not paused", Conflict, "container-not-paused"),
    Row("create_container", "the name is taken", lambda w: (w.holder(), w.create("holder")), 409,
        'Conflict. The container name "/holder" is already in use by container "*". You have to remove (or rename) '
        "that container to be able to reuse that name.", Conflict, "container-name-taken", "holder"),
    Row("create_container", "a bad name", lambda w: w.create("b!d"), 400,
        "Invalid container name (b!d), only * are allowed", InvalidInput, "container-name-invalid"),
    Row("create_container", "no such image", lambda w: w.create(image="nothing:1"), 404, "No such image: nothing:1",
        NotFound, "image-not-found"),
    Row("create_container", "an address elsewhere",
        lambda w: w.create(mode="lan", networks={"lan": EndpointSpec(ipv4_address="10.99.0.2")}), 400,
        {DOCKER_26: "invalid config for network lan: invalid endpoint settings:\n"
                    "no configured subnet or ip-range contain the IP address 10.99.0.2",
         DOCKER_29: "invalid config for network lan: invalid endpoint settings:\n"
                    "no configured subnet contains IP address 10.99.0.2"},
        InvalidInput, "address-not-in-subnet"),
    Row("create_container", "a host name beside another's network",
        lambda w: w.create(mode=f"container:{w.holder()}", hostname="x"), 400,
        "conflicting options: hostname and the network mode", InvalidInput, "combination-invalid"),
    Row("create_container", "a restart policy", lambda w: w.create(restart_policy="x"), 400,
        "invalid restart policy: *", InvalidInput, "combination-invalid"),
    Row("rename_container", "the name is taken",
        lambda w: w.engine.rename_container(w.newcomer(), (w.holder(), "holder")[1]), 409,
        'Error when allocating new name: Conflict. The container name "/holder" is already in use by container "*". *',
        Conflict, "container-name-taken", "holder"),
    Row("rename_container", "its own name", lambda w: w.engine.rename_container(w.holder(), "holder"), 400,
        "Renaming a container with the same name as its current name", Conflict, "container-name-taken"),
    Row("rename_container", "between two starts",
        lambda w: w.engine.rename_container(looper(w), "renamed"), 404, "sandbox * not found",
        Conflict, "container-restarting", until=DOCKER_28),
    Row("rename_container", "a failed connect stayed behind", half_made, 500,
        "no endpoint attached to network lan found", Conflict, "endpoint-half-made", "lan"),
    Row("remove_container", "it runs", lambda w: w.engine.remove_container(w.holder()), 409,
        'cannot remove container "*": container is running: stop the container before removing or force remove',
        Conflict, "container-running"),
    Row("remove_container", "gone", lambda w: w.engine.remove_container(NOBODY), 404, f"No such container: {NOBODY}",
        NotFound, "container-not-found"),
    Row("pull_image", "no registry", lambda w: w.engine.pull_image("nothing:1"), 500,
        "*: dial tcp: *", EngineMisbehaved, "registry-unreachable"),
    Row("pull_image", "no reference", lambda w: w.engine.pull_image("UPPER"), 400,
        "invalid reference format: repository name (library/UPPER) must be lowercase", InvalidInput,
        "image-reference-invalid"),
    Row("pull_image", "no tag", lambda w: w.engine.pull_image("busybox:b!d"), 400, "invalid *", InvalidInput,
        "image-reference-invalid"),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(engine):
    raw = Raw(engine)
    made = World(raw, DockerEngine(EngineAddress(engine.docker_host), timeout_s=30))
    yield made
    raw.sweep()
    raw.in_namespace("sh", "-c", "ip link del tv0 2>/dev/null || true")


@pytest.fixture(scope="module")
def unknown_driver(world):
    """The engine looks for an unknown driver for 15 s; meanwhile the other rows are provoked."""
    caught = []

    def create():
        try:
            world.engine.create_network(NetworkSpec(name="undriven", driver="nothing"))
        except BridgeworkError as error:
            caught.append(error)

    thread = threading.Thread(target=create)
    thread.start()
    return thread, caught


@pytest.mark.parametrize("row", PROVOKED, ids=lambda row: f"{row.operation}-{row.situation}".replace(" ", "-"))
@pytest.mark.usefixtures("unknown_driver")
def test_the_engine_refuses_and_we_say_why(world, row, api_version):
    if not row.since <= api_version < row.until:
        pytest.skip("this engine does not refuse it")
    try:
        with pytest.raises(row.error) as caught:
            row.act(world)
    finally:
        world.sweep()
    error = caught.value
    assert any(fits(error.facts["engine_message"], said) for said in several(at(api_version, row.said))), error.facts
    assert error.code == row.code
    assert error.facts["engine_status"] in several(at(api_version, row.status))
    assert fits(error.detail, f"*{row.names}*")
    assert "\n" not in error.detail


def several(value):
    return value if isinstance(value, tuple) else (value,)


def fits(text, pattern):
    """Only ``*`` and ``?`` are wild."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def test_an_unknown_driver_takes_the_engine_a_quarter_of_a_minute(unknown_driver):
    thread, caught = unknown_driver
    thread.join(timeout=40)
    assert [(error.code, error.facts["engine_status"]) for error in caught] == [("driver-unknown", 404)]
    assert caught[0].facts["engine_message"] == 'plugin "nothing" not found'


def test_every_row_of_the_table_is_shown_here():
    """A row that nobody can produce has no place in the table."""
    provoked = {(row.operation, said) for row in PROVOKED for said in wordings(row.said)}
    shown = {which(operation, said.replace("*", "x").replace("?", "C")) for operation, said in provoked}
    shown |= {which(answer.operation, answer.said) for answer in RECORDED}
    assert [row.message for row in TABLE if row not in shown] == []


def wordings(said):
    return [one for some in (said.values() if isinstance(said, dict) else (said,)) for one in several(some)]


def which(operation, message):
    fitting = (row for row in TABLE if {operation, "*"} & row.operations and re.search(row.message, message))
    return next(fitting, None)
