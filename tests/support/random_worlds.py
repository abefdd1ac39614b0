"""Hypothesis strategies: engines that could be, and snapshots that could not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from bridgework.model.checks import (
    AddressDestination,
    ContainerDestination,
    HostDestination,
    NameDestination,
    ProbeRequest,
    Protocol,
    Question,
)
from bridgework.model.observations import (
    FirewallChain,
    FirewallRules,
    HostObservation,
    Interface,
    InterfaceAddress,
    ListeningSocket,
    Observation,
    Observations,
    ResolverConfiguration,
    Route,
)
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Snapshot
from tests.support.worlds import BRIDGE, HOST_NETWORK, NONE, container, identity, network, published

_ICC_OFF = {"com.docker.network.bridge.enable_icc": "false"}
_STATES = ("running", "running", "running", "paused", "exited")
PORT = 8080


_GATEWAY_MODES = [
    {f"com.docker.network.bridge.gateway_mode_ipv{version}": mode for version in versions}
    for mode in ("isolated", "routed")
    for versions in ((4, 6), (4,), (6,))
] + [{"com.docker.network.bridge.inhibit_ipv4": "true"}]


@st.composite
def networks(draw, *, drivers=("bridge", "bridge", "macvlan"), modes=False):
    """One to four user networks whose subnets do not overlap, and the built-in ones.

    With ``modes`` also those of gateway modes, and of IPv6 alone.
    """
    made = [BRIDGE, NONE, HOST_NETWORK]
    for number in range(draw(st.integers(1, 4))):
        driver = draw(st.sampled_from(drivers))
        options = draw(st.sampled_from([{}, {}, _ICC_OFF, {"macvlan_mode": "private"}, *(_GATEWAY_MODES * modes)]))
        subnet6 = draw(st.sampled_from([None, f"fd00:{number + 1}::/64"]))
        six_alone = modes and subnet6 is not None and draw(st.booleans())
        internal = driver == "bridge" and draw(st.booleans())
        made.append(
            network(
                f"net{number}",
                None if six_alone else f"10.{number}.0.0/24",
                driver=driver,
                options=options,
                subnet6=subnet6,
                internal=internal,
            )
        )
    return made


@st.composite
def engines(draw, *, drivers=("bridge", "bridge", "macvlan"), states=_STATES, modes=False):
    """A consistent snapshot: every address is in its network's subnet and held once."""
    made = draw(networks(drivers=drivers, modes=modes))
    user = [n for n in made if n.driver not in {"null", "host"}]
    containers = []
    for number in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["on", "on", "on", "on", "none", "host", "shares"]))
        name, state = f"c{number}", draw(st.sampled_from(states))
        if kind == "host":
            containers.append(container(name, (HOST_NETWORK, None), network_mode="host", state=state))
        elif kind == "none" or (kind == "shares" and not containers):
            containers.append(container(name, (NONE, None), network_mode="none", state=state))
        elif kind == "shares":
            owner = draw(st.sampled_from(containers))
            containers.append(container(name, network_mode=f"container:{owner.id}", shares_with=owner.id, state=state))
        else:
            containers.append(draw(_on(name, number, state, user)))
    return Snapshot(tuple(sorted(made, key=lambda n: n.name)), tuple(containers))


@st.composite
def _on(draw, name, number, state, user):
    chosen = draw(st.lists(st.sampled_from(user), min_size=1, max_size=3, unique_by=lambda n: n.id))
    places = []
    for place in chosen:
        four = [pool.subnet.rsplit(".", 1)[0] for pool in place.pools if "." in pool.subnet]
        more = {"aliases": draw(st.sampled_from([(), (), ("db",), ("c0",)]))}
        if place.ipv6_enabled and state != "exited":
            more["ipv6_address"] = f"{place.pools[-1].subnet.split('/')[0]}{number + 10:x}"
        places.append((place, f"{four[0]}.{number + 10}" if four else None, more))
    ports = [published(9000 + number, PORT)] if draw(st.booleans()) else []
    return container(name, *places, state=state, ports=ports)


@st.composite
def evidences(draw, snapshot):
    """Sockets of some namespaces, and what the engine wrote on its host."""
    observations = {}
    for one in snapshot.containers:
        bound = draw(
            st.sampled_from(
                [None, None, (), ("0.0.0.0",), ("::",), ("127.0.0.1",), ("10.0.0.10",), ("::ffff:10.0.0.10",)]
            )
        )
        if bound is not None:
            only = draw(st.booleans())
            sockets = tuple(ListeningSocket("tcp", "ipv4", address, PORT, ipv6_only=only) for address in bound)
            observations[one.id] = Observation(1, sockets=sockets)
    inodes = {c.id: draw(st.sampled_from([1, 1, 1, 2])) for c in snapshot.containers if c.shares_with}
    inodes |= {c.id: 1 for c in snapshot.containers if not c.shares_with}
    return Observations(
        inodes,
        observations,
        ipv4_firewall=draw(st.sampled_from([None, True, False])),
        ipv6_firewall=draw(st.sampled_from([None, True, False])),
        userland_proxy=draw(st.sampled_from([None, True, False])),
        engine_version=draw(st.sampled_from([(0, 0), (26, 1), (28, 5), (29, 7)])),
    )


@st.composite
def shuffled(draw, snapshot):
    """The same engine, told in another order."""
    containers = [replace(c, endpoints=tuple(draw(st.permutations(c.endpoints)))) for c in snapshot.containers]
    return Snapshot(tuple(draw(st.permutations(snapshot.networks))), tuple(draw(st.permutations(containers))))


words = st.sampled_from(
    [
        "",
        "a",
        "b",
        "c0",
        "host",
        "10.0.0.1",
        "10.0.0.0/24",
        "::1",
        "fe80::1%eth0",
        "127.0.0.1",
        "300.1.1.1",
        "x.y",
        "-",
        "é",
        identity("network bridge"),
        "2026-01-01T00:00:00Z",
        "2026-01-02T00:00:00.123456789Z",
        "true",
        "false",
        "9" * 5000,
    ]
)
maybe = st.none() | words
few = st.lists(words, max_size=3).map(tuple)
maps = st.dictionaries(
    words | st.sampled_from(["com.docker.network.driver.mtu", "macvlan_mode", "com.docker.network.bridge.enable_icc"]),
    words,
    max_size=3,
)
drivers = st.sampled_from(["bridge", "host", "null", "overlay", "macvlan", "ipvlan", "", "third-party"])
pools = st.builds(Pool, words, maybe, maybe, maps)
odd_networks = st.builds(
    Network,
    words,
    words,
    drivers,
    words,
    words,
    st.booleans(),
    pools=st.lists(pools, max_size=2).map(tuple),
    options=maps,
)
odd_endpoints = st.builds(
    Endpoint,
    words,
    words,
    words,
    words,
    st.sampled_from(["active", "configured"]),
    maybe,
    maybe,
    st.none() | st.integers(-1, 200),
    maybe,
    st.none() | st.integers(-1, 200),
    maybe,
    maybe,
    maybe,
    few,
    few,
    maps,
    st.integers(-5, 5),
    few,
    maybe,
    maybe,
)
odd_ports = st.builds(PublishedPort, st.integers(), words, words, st.none() | st.integers())
odd_containers = st.builds(
    Container,
    words,
    words,
    state=st.sampled_from(["running", "paused", "exited", "created", "", "dead"]),
    created_at=words,
    started_at=maybe,
    hostname=words,
    network_mode=words | st.sampled_from(["host", "none"]),
    shares_with=maybe,
    endpoints=st.lists(odd_endpoints, max_size=3).map(tuple),
    published_ports=st.lists(odd_ports, max_size=2).map(tuple),
    configured_ports=st.lists(odd_ports, max_size=2).map(tuple),
    dns=few,
    extra_hosts=maps,
    links=few,
)
odd_snapshots = st.builds(
    Snapshot, st.lists(odd_networks, max_size=4).map(tuple), st.lists(odd_containers, max_size=4).map(tuple)
)
odd_interfaces = st.builds(
    Interface,
    st.integers(0, 5),
    words,
    st.sampled_from(["veth", "bridge", "loopback"]),
    maybe,
    st.integers(0, 9000),
    st.sampled_from(["up", "down"]),
    few,
    st.lists(st.builds(InterfaceAddress, words, st.integers(0, 128), words, words), max_size=2).map(tuple),
    peer_index=st.none() | st.integers(0, 5),
    master_index=st.none() | st.integers(0, 5),
)
odd_sockets = st.builds(ListeningSocket, st.sampled_from(["tcp", "udp"]), words, words, st.integers(0, 3))
odd_observations = st.builds(
    Observation,
    st.integers(),
    st.none() | st.lists(odd_interfaces, max_size=2).map(tuple),
    st.none() | st.lists(st.builds(Route, words, words, maybe, maybe, maybe, words, words), max_size=2).map(tuple),
    st.none(),
    st.none() | st.lists(odd_sockets, max_size=3).map(tuple),
    st.none() | st.builds(ResolverConfiguration, few, few, few, st.lists(st.tuples(words, few), max_size=2).map(tuple)),
)
odd_rules = st.tuples(
    st.integers(), st.integers(), st.sampled_from(["-j DROP", "-s x -j DROP", "-A DOCKER-USER '", "-m x -j DROP"])
)
odd_chains = st.builds(
    FirewallChain, words, st.sampled_from(["DOCKER", "DOCKER-USER"]), maybe, st.lists(odd_rules, max_size=2).map(tuple)
)
odd_hosts = st.builds(HostObservation, odd_observations, st.none() | st.booleans(), st.none() | st.booleans())
odd_firewalls = st.builds(FirewallRules, st.none() | st.lists(odd_chains, max_size=2).map(tuple))
odd_evidence = st.builds(
    Observations,
    st.dictionaries(words, st.integers(0, 1), max_size=3),
    st.dictionaries(words, odd_observations, max_size=3),
    st.none() | odd_hosts,
    st.none() | odd_firewalls,
    few,
    st.none() | st.booleans(),
    unsettled=st.dictionaries(words, st.builds(InterfaceAddress, words, st.just(64), words, words, few), max_size=2),
)
destinations = st.one_of(
    st.builds(ContainerDestination, words),
    st.builds(NameDestination, words),
    st.builds(AddressDestination, words),
    st.just(HostDestination()),
)
odd_questions = st.builds(
    Question,
    maybe,
    destinations,
    st.builds(
        ProbeRequest,
        st.sampled_from(list(Protocol)),
        port=st.none() | st.integers(-1, 3),
        ip_version=st.none() | st.sampled_from([4, 6, 5]),
        payload_bytes=st.integers(-1, 9000),
        dont_fragment=st.booleans(),
    ),
)


def questions_of(snapshot):
    """A question about an engine: any source, any destination there is, with and without a port."""
    ids = [None, *(c.id for c in snapshot.containers)]
    aims = [HostDestination(), NameDestination("db"), AddressDestination("10.0.0.10"), AddressDestination("192.0.2.1")]
    aims += [ContainerDestination(c.id) for c in snapshot.containers]
    aims += [NameDestination(c.name) for c in snapshot.containers]
    kinds = [(Protocol.ICMP, None), (Protocol.TCP, PORT), (Protocol.HTTP, 9001)]
    return st.builds(
        lambda source, destination, kind: Question(source, destination, ProbeRequest(kind[0], port=kind[1])),
        st.sampled_from(ids),
        st.sampled_from(aims),
        st.sampled_from(kinds),
    )
