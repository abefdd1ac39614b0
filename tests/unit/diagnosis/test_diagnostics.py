"""The whole engine examined: each rule on the smallest engine that shows it, and the properties of all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgework.diagnosis.diagnosis import diagnose
from bridgework.diagnosis.view import length_like
from bridgework.model.checks import Severity
from bridgework.model.observations import (
    DockerRules,
    EngineObservations,
    FirewallChain,
    FirewallRules,
    HostObservation,
    Interface,
    InterfaceAddress,
    ListeningSocket,
    NeighbourTable,
    Observation,
    Observations,
    ResolverConfiguration,
    Route,
)
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Snapshot
from bridgework.topology.build import build
from tests.support.worlds import calls_of

BRIDGE = Network("bridge-id", "bridge", pools=(Pool("172.17.0.0/16", "172.17.0.1"),))
WEB80 = (PublishedPort(80, host_port=8080),)


def network(name, subnet="172.18.0.0/16", **fields):
    pools = (Pool(subnet, fields.pop("gateway", None)),) if subnet else ()
    return Network(f"{name}-id", name, pools=pools, **fields)


def endpoint(container, network_name, address=None, **fields):
    return Endpoint(f"{network_name}-id", network_name, f"{container}-id", container, ipv4_address=address, **fields)


def container(name, *endpoints, **fields):
    return Container(f"{name}-id", name, endpoints=endpoints, **fields)


def snapshot(*things):
    networks = tuple(thing for thing in things if isinstance(thing, Network))
    return Snapshot(networks, tuple(thing for thing in things if isinstance(thing, Container)))


def found(*things, code=None, inside=None, host=None, chains=None, **engine):
    rules = FirewallRules(chains) if chains is not None else None
    observations = EngineObservations(Observations(inside=inside or {}, host=host, firewall=rules), **engine)
    return [finding for finding in diagnose(snapshot(*things), observations) if finding.code == code]


def only(*things, **fields):
    (finding,) = found(*things, **fields)
    return finding


def host(*interfaces, routes=(), **fields):
    return HostObservation(Observation(1, interfaces=tuple(interfaces), routes=tuple(routes)), **fields)


def link(index, name, kind="veth", **fields):
    return Interface(
        index, name, kind, None, 1500, fields.pop("state", "up"), (), fields.pop("addresses", ()), **fields
    )


def route(destination, interface="tun0"):
    return Route(destination, "ipv4", None, interface, None, "link", "static")


def listening(*sockets):
    return Observation(2, sockets=tuple(ListeningSocket(protocol, "ipv4", a, port) for protocol, a, port in sockets))


def calls(finding):
    return [(call.method, call.path) for call in calls_of(finding.remedy)]


# Addresses


def test_a_subnet_inside_another_networks_is_told_with_a_free_one():
    finding = only(network("lan", "10.8.0.0/24"), network("back", "10.8.0.0/16"), code="subnet-overlaps-network")
    assert finding.message == "lan 10.8.0.0/24 overlaps back 10.8.0.0/16."
    assert "172.16.0.0/24" in finding.remedy.summary
    assert calls(finding) == [("GET", "/v1/subnets/available?prefix_len=24&count=5")]


def test_two_pools_of_one_network_are_its_own_affair():
    twice = Network("n-id", "n", "macvlan", pools=(Pool("10.8.0.0/16"), Pool("10.8.0.0/24")))
    assert found(twice, code="subnet-overlaps-network") == []


def test_a_thousand_equal_subnets_make_a_finding_each_and_no_more():
    same = [network(f"n{i}", "10.8.0.0/24") for i in range(1000)]
    assert len(found(*same, code="subnet-overlaps-network")) == 999


def test_a_route_of_the_host_that_overlaps_is_told_from_a_networks_own():
    lab, lan = network("lab", "10.8.0.0/16"), network("lan", "10.8.9.0/24", driver="macvlan")
    routes = [route("10.8.0.0/16", lab.bridge_name), route("10.8.7.0/24"), route("0.0.0.0/0", "eth0")]
    finding = only(lab, lan, code="subnet-overlaps-host-route", host=host(routes=routes))
    assert finding.message == "lab 10.8.0.0/16 overlaps the route 10.8.7.0/24 by tun0."


def test_a_public_subnet_hides_its_real_holders():
    finding = only(network("odd", "8.8.8.0/24"), network("good"), code="subnet-hides-public-addresses")
    assert finding.component.name == "odd"


def test_no_subnet_is_free_when_one_network_has_them_all():
    greedy = network("greedy", "0.0.0.0/0")
    assert "such as" not in only(greedy, code="subnet-hides-public-addresses").remedy.summary


@pytest.mark.parametrize(("subnet", "length"), [("2001:4860::/32", 48), ("ff00::/64", 64), ("8.0.0.0/7", 8)])
def test_a_subnet_is_replaced_by_one_of_its_own_family(subnet, length):
    finding = only(network("odd", subnet), code="subnet-hides-public-addresses")
    assert calls(finding) == [("GET", f"/v1/subnets/available?prefix_len={length}&count=5")]


def full(count, subnet="10.9.0.0/28"):
    web = [container(f"c{i}", endpoint(f"c{i}", "lab", f"10.9.0.{i + 2}")) for i in range(count)]
    return network("lab", subnet, gateway="10.9.0.1"), *web


def test_a_full_pool_blocks_and_the_remedy_is_a_wider_network():
    finding = only(*full(13), code="pool-exhausted")
    assert (finding.severity, finding.evidence["free"]) == (Severity.BLOCKING, 0)
    assert calls_of(finding.remedy)[0].body == {
        "name": "lab-wide",
        "ipam": {"pools": [{"subnet": "172.16.0.0/26"}]},
    }


def test_a_pool_with_one_address_left_is_nearly_full_and_one_with_two_is_not():
    assert only(*full(12), code="pool-nearly-full").evidence["free"] == 1
    assert found(*full(11), code="pool-nearly-full") == []


def test_a_wider_network_is_not_promised_where_there_is_none():
    assert calls_of(only(*full(13), network("greedy", "0.0.0.0/0"), code="pool-exhausted").remedy) == ()


def test_the_last_default_subnets_are_a_warning_and_none_left_blocks():
    pools = (("10.0.0.0/22", 24),)
    taken = [network(f"n{i}", f"10.0.{i}.0/24") for i in range(4)]
    warning = only(*taken[:3], code="address-space-exhausted", default_pools=pools)
    assert (warning.severity, warning.message) == (Severity.WARNING, "1 of the 4 subnets of the default pools is left.")
    blocking = only(*taken, code="address-space-exhausted", default_pools=pools)
    assert blocking.severity is Severity.BLOCKING
    assert calls(blocking) == [("DELETE", "/v1/networks/n0")]


def test_where_every_network_is_used_a_free_subnet_is_named_if_there_is_one():
    used = network("n", "10.0.0.0/24"), container("c", endpoint("c", "n", "10.0.0.2"))
    finding = only(*used, code="address-space-exhausted", default_pools=(("10.0.0.0/24", 24),))
    assert calls_of(finding.remedy)[0].body["ipam"] == {"pools": [{"subnet": "172.16.0.0/24"}]}
    everything = network("n", "0.0.0.0/0"), used[1]
    nothing = only(*everything, code="address-space-exhausted", default_pools=(("10.0.0.0/24", 24),))
    assert calls_of(nothing.remedy) == ()


def test_nonsense_pools_of_the_engine_say_nothing():
    assert (
        found(
            code="address-space-exhausted",
            default_pools=(("junk", 24), ("10.0.0.0/24", 8), ("10.0.0.0/24", 0), ("10.0.0.0/24", 33)),
        )
        == []
    )


def test_dockers_own_pools_count_where_the_engine_names_none():
    taken = [network("a", "172.16.0.0/12"), network("b", "192.168.0.0/17"), network("c", "192.168.128.0/18")]
    assert found(*taken, code="address-space-exhausted") == []
    (finding,) = found(*taken, network("d", "192.168.192.0/20"), code="address-space-exhausted")
    assert finding.evidence["total"] == 31


def test_a_stopped_containers_address_that_another_holds_is_told_with_the_holder():
    asked = endpoint("db", "lab", state="configured", configured_ipv4="172.18.0.3", aliases=("sql",))
    things = (
        network("lab"),
        container("db", asked, state="exited"),
        container("web", endpoint("web", "lab", "172.18.0.3")),
    )
    finding = only(*things, code="static-address-taken")
    assert finding.message == "db is configured with 172.18.0.3 on lab, which web holds: it cannot start."
    assert [call.method for call in calls_of(finding.remedy)] == ["DELETE", "PUT"]
    assert calls_of(finding.remedy)[1].body == {"aliases": ["sql"]}


def test_the_same_address_on_another_network_is_nobodys_trouble():
    asked = endpoint("db", "lab", state="configured", configured_ipv4="172.18.0.3")
    things = network("lab"), container("db", asked), container("web", endpoint("web", "other", "172.18.0.3"))
    assert found(*things, code="static-address-taken") == []


def test_a_taken_address_on_a_network_that_is_gone_has_no_calls():
    asked = endpoint("db", "lab", state="configured", configured_ipv4="172.18.0.3")
    things = container("db", asked, state="exited"), container("web", endpoint("web", "lab", "172.18.0.3"))
    assert calls_of(only(*things, code="static-address-taken").remedy) == ()


def test_an_address_other_than_the_one_asked_for_is_told():
    moved = container("db", endpoint("db", "lab", "172.18.0.4", configured_ipv4="172.18.0.3"))
    assert only(network("lab"), moved, code="address-changed").evidence["holders"] == []
    holder = container("web", endpoint("web", "lab", "172.18.0.3"))
    assert "which web holds" in only(network("lab"), moved, holder, code="address-changed").message


def test_an_address_written_down_that_nobody_holds_is_stale():
    known = {"db": "172.18.0.9", "gw": "172.18.0.1", "web": "172.18.0.2", "out": "192.0.2.1", "odd": "host-gateway"}
    web = container("web", endpoint("web", "lab", "172.18.0.2", gateway="172.18.0.1"), extra_hosts=known)
    finding = only(network("lab"), web, code="stale-address")
    assert finding.message == "web maps db to 172.18.0.9 (extra_hosts), which no container holds."


def test_a_stale_line_of_the_hosts_file_is_found_inside():
    resolver = ResolverConfiguration(hosts=(("172.18.0.9", ("db", "sql")), ("172.18.0.2", ("web",))))
    things = network("lab"), container("web", endpoint("web", "lab", "172.18.0.2"))
    seen = {"web-id": Observation(1, resolver=resolver)}
    assert {f.evidence["name"] for f in found(*things, code="stale-address", inside=seen)} == {"db", "sql"}


# Networks


def test_an_endpoint_without_a_container_is_told_and_the_engines_own_are_not():
    ghost, listed = "f" * 64, {"web-id": "web", "lb-mesh": "mesh-endpoint", "ingress-sbox": "ingress-endpoint"}
    things = network("lab"), container("web", endpoint("web", "lab"))
    names = {"lab-id": {**listed, ghost: "ghost", "ep-1": ""}}
    stale = found(*things, code="stale-endpoint", network_endpoint_ids=names)
    assert [calls(f) for f in stale] == [
        [("DELETE", "/v1/networks/lab/endpoints/ep-1?force=true")],
        [("DELETE", "/v1/networks/lab/endpoints/ghost?force=true")],
    ]


def test_an_endpoint_with_an_odd_name_goes_by_its_key():
    finding = only(network("lab"), code="stale-endpoint", network_endpoint_ids={"lab-id": {"f" * 64: "a/b"}})
    assert calls(finding) == [("DELETE", f"/v1/networks/lab/endpoints/{'f' * 64}?force=true")]


def test_a_network_that_is_gone_is_made_anew_or_taken_as_it_is_now():
    lost = container("lost", endpoint("lost", "old", state="configured"), state="exited")
    finding = only(lost, code="network-gone")
    assert finding.severity is Severity.BLOCKING
    assert calls(finding) == [("POST", "/v1/networks"), ("PUT", "/v1/networks/old/endpoints/lost")]
    assert "old (old-id), which" in finding.message
    odd = replace(lost.endpoints[0], network_id="a/b", network_name="a/b")
    assert calls_of(only(replace(lost, endpoints=(odd,)), code="network-gone").remedy) == ()
    renewed = Network("another-id", "old")
    assert calls(only(lost, renewed, code="network-gone")) == [("PUT", "/v1/networks/old/endpoints/lost")]


def test_an_unused_network_is_mentioned_but_not_a_builtin_a_template_or_a_swarms():
    things = [
        *(
            network("idle"),
            BRIDGE,
            network("plan", config_only=True),
            network("use", config_from="plan", driver="macvlan"),
        ),
        *(network("mesh", scope="swarm", driver="overlay"), network("held"), container("c", endpoint("c", "use"))),
    ]
    finding = only(*things, code="network-unused", network_endpoint_ids={"held-id": {"ep-1": "x"}})
    assert (finding.component.name, finding.severity) == ("idle", Severity.INFO)


def test_a_bridge_warns_before_it_is_full_and_blocks_when_it_is():
    def crowd(count):
        return [container(f"c{i}", endpoint(f"c{i}", "lab")) for i in range(count)]

    assert found(network("lab"), *crowd(899), code="bridge-port-limit") == []
    assert only(network("lab"), *crowd(900), code="bridge-port-limit").severity is Severity.WARNING
    assert only(network("lab"), *crowd(1023), code="bridge-port-limit").severity is Severity.BLOCKING


def test_overlays_for_services_and_macvlans_without_a_parent_are_mentioned():
    mesh = network("mesh", driver="overlay", scope="swarm")
    assert only(mesh, replace(mesh, attachable=True), code="overlay-not-attachable").severity is Severity.INFO
    lans = [
        *(network("a", driver="macvlan", options={"parent": "dm-1"}), network("b", driver="ipvlan")),
        *(network("c", driver="macvlan", options={"parent": "eth0"}), network("d", driver="ipvlan", internal=True)),
    ]
    assert [f.component.name for f in found(*lans, code="vlan-without-parent")] == ["a", "b"]


# Containers


def test_a_stale_share_is_mended_by_restarting_the_sharer():
    inside = {"owner-id": Observation(1), "sharer-id": Observation(2)}
    things = container("owner"), container("sharer", shares_with="owner-id")
    finding = only(*things, code="shared-network-stale", inside=inside)
    assert calls(finding) == [("POST", "/v1/containers/sharer/restart")]


def test_an_owner_that_is_down_or_gone_is_told():
    down = only(
        container("owner", state="exited"), container("s", shares_with="owner-id"), code="shared-network-owner-down"
    )
    assert down.message == "s shares the network of owner, which is exited."
    gone = only(container("s", shares_with="0123456789abcdef"), code="shared-network-owner-down")
    assert "0123456789ab, which is gone" in gone.message


def test_a_pair_that_is_down_together_or_whole_is_no_finding():
    owner, sharer = container("owner", state="exited"), container("s", shares_with="owner-id", state="exited")
    assert found(owner, sharer, code="shared-network-owner-down") == []
    inside = {"owner-id": Observation(1), "s-id": Observation(1)}
    whole = container("owner"), container("s", shares_with="owner-id")
    assert found(*whole, code="shared-network-stale", inside=inside) == []
    # The inode of a namespace that a plan makes is not known.
    planned = {"owner-id": Observation(1), "s-id": Observation(0)}
    assert found(*whole, code="shared-network-stale", inside=planned) == []


def test_a_container_whose_start_failed_is_told_until_it_runs():
    failed = container("c", state="created", error="port is already allocated", exit_code=None)
    told = only(failed, code="container-start-failed")
    assert "port is already allocated" in told.message
    assert [call.path for call in calls_of(told.remedy)] == ["/v1/containers/c/start"]
    for sound in (replace(failed, state="running"), replace(failed, error="")):
        assert found(sound, code="container-start-failed") == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"exit_code": 3}, "exit code 3"), ({"error": "no such file"}, "no such file"), ({"oom_killed": True}, "memory")],
)
def test_a_container_that_restarts_for_ever_is_told_with_the_reason(fields, why):
    shaky = container("c", state="restarting", restart_count=4, restart_policy="always", **fields)
    told = only(shaky, code="container-restarting")
    assert why in told.message
    assert "4 times" in told.message


def test_a_paused_container_is_told():
    (call,) = calls_of(only(container("c", state="paused"), code="container-paused").remedy)
    assert call.path == "/v1/containers/c/start"


@pytest.mark.parametrize("mode", [{"network_mode": "host"}, {"network_mode": "none"}, {"shares_with": "x"}])
def test_ports_published_without_a_network_of_ones_own_are_ignored(mode):
    finding = only(container("c", configured_ports=WEB80, **mode), code="published-ports-ignored")
    assert "80/tcp" in finding.message
    assert found(container("c", **mode), code="published-ports-ignored") == []


def test_ports_published_from_internal_networks_only_are_not():
    things = network("vault", internal=True), container("c", endpoint("c", "vault"), configured_ports=WEB80)
    assert calls_of(only(*things, code="internal-no-publish").remedy)
    opened = network("front"), replace(things[1], endpoints=(*things[1].endpoints, endpoint("c", "front")))
    assert found(things[0], *opened, code="internal-no-publish") == []


def test_a_port_published_at_loopback_is_mentioned():
    local = (
        PublishedPort(80, "tcp", "127.0.0.1", 8080),
        PublishedPort(81, "tcp", "::1"),
        PublishedPort(82, "tcp", "", 1),
    )
    finding = only(container("c", published_ports=local), code="port-bound-to-loopback")
    assert (finding.severity, finding.evidence["ports"]) == (Severity.INFO, ["80/tcp", "81/tcp"])


def test_a_published_port_without_a_listener_names_what_does_listen():
    web = container("web", published_ports=WEB80)
    seen = {"web-id": listening(("tcp", "0.0.0.0", 8080), ("udp", "127.0.0.11", 53), ("udp", "0.0.0.0", 80))}
    finding = only(web, code="no-listener", inside=seen)
    assert "publishes tcp port 80, but no program listens on it; it listens on tcp 0.0.0.0:8080" in finding.message
    assert "no program listens on it." in only(web, code="no-listener", inside={"web-id": listening()}).message
    assert found(web, code="no-listener") == []
    assert found(replace(web, state="exited"), code="no-listener", inside=seen) == []


def test_a_published_port_that_listens_is_fine_and_on_loopback_only_is_not():
    web = container("web", published_ports=WEB80)
    for address, count in (("0.0.0.0", 0), ("172.18.0.2", 0), ("127.0.0.1", 1)):
        seen = {"web-id": listening(("tcp", address, 80))}
        assert len(found(web, code="listens-on-loopback-only", inside=seen)) == count


def test_a_listener_on_loopback_that_nobody_published_is_mentioned():
    seen = {
        "c-id": listening(("tcp", "127.0.0.1", 9), ("tcp", "0.0.0.0", 9), ("tcp", "::1", 7), ("tcp", "127.0.0.11", 5))
    }
    finding = only(container("c"), code="listens-on-loopback-only", inside=seen)
    assert (finding.severity, finding.evidence["ports"]) == (Severity.INFO, ["tcp 7"])
    assert found(container("c", network_mode="host"), code="listens-on-loopback-only", inside=seen) == []


# Names


def test_a_name_that_two_hold_is_ambiguous():
    pair = [container(f"pg{i}", endpoint(f"pg{i}", "back", aliases=("db",), dns_names=("db",))) for i in (1, 2)]
    finding = only(network("back"), *pair, code="name-ambiguous")
    assert (finding.severity, finding.evidence["holders"]) == (Severity.WARNING, ["pg1", "pg2"])
    assert found(replace(BRIDGE, id="back-id"), *pair, code="name-ambiguous") == []


def test_replicas_of_one_service_share_a_name_on_purpose():
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    pair = [container(f"w{i}", endpoint(f"w{i}", "back", aliases=("web",)), labels=labels) for i in (1, 2)]
    assert only(network("back"), *pair, code="name-ambiguous").severity is Severity.INFO


def test_two_on_the_default_bridge_alone_cannot_name_each_other():
    one, two, both = (container(name, endpoint(name, "bridge")) for name in ("one", "two", "both"))
    both = replace(both, endpoints=(*both.endpoints, endpoint("both", "lab")))
    finding = only(BRIDGE, network("lab"), one, two, both, code="default-bridge-no-dns")
    assert (finding.severity, finding.evidence["containers"]) == (Severity.INFO, ["one", "two"])
    assert calls(finding)[0] == ("POST", "/v1/networks")
    assert found(BRIDGE, one, code="default-bridge-no-dns") == []


def test_a_crowd_on_the_default_bridge_is_not_moved_as_one():
    crowd = [container(f"c{i}", endpoint(f"c{i}", "bridge")) for i in range(9)]
    finding = only(BRIDGE, *crowd, code="default-bridge-no-dns")
    assert (calls_of(finding.remedy), "and 4 more" in finding.message) == ((), True)


def test_a_link_is_replaced_by_a_network_with_its_alias():
    web = container("web", endpoint("web", "bridge", links=("db:store",)), links=("/db:/web/store", "/old:/web/old"))
    findings = found(BRIDGE, web, container("db", endpoint("db", "bridge")), code="legacy-link")
    assert [finding.message for finding in findings] == [
        "web is linked to db as store; links are deprecated.",
        "web is linked to old as old; links are deprecated.",
    ]
    assert {"aliases": ["store"]} in [call.body for call in calls_of(findings[0].remedy)]
    assert "db as db" in only(container("web", links=("db",)), code="legacy-link").message


def test_a_dns_server_on_loopback_is_the_container_itself():
    assert only(container("c", dns=("127.0.0.53",)), code="dns-loopback-upstream").evidence["servers"] == ["127.0.0.53"]
    assert found(container("c", dns=("127.0.0.53",), network_mode="host"), code="dns-loopback-upstream") == []


def test_a_resolver_that_bypasses_dockers_is_told_on_user_networks_only():
    seen = {"c-id": Observation(1, resolver=ResolverConfiguration(nameservers=("192.0.2.53",)))}
    on_lab = network("lab"), container("c", endpoint("c", "lab"))
    assert only(*on_lab, code="embedded-dns-bypassed", inside=seen).evidence["servers"] == ["192.0.2.53"]
    assert found(BRIDGE, container("c", endpoint("c", "bridge")), code="embedded-dns-bypassed", inside=seen) == []
    embedded = {"c-id": Observation(1, resolver=ResolverConfiguration(nameservers=("127.0.0.11",)))}
    assert found(*on_lab, code="embedded-dns-bypassed", inside=embedded) == []


# The host

LAB = network("lab")
WEB = container("web", endpoint("web", "lab", "172.18.0.2"))
LAB_BRIDGE = link(3, LAB.bridge_name, "bridge")


def eth0(**fields):
    addresses = (InterfaceAddress("172.18.0.2", 16, "ipv4", "global"),)
    return {"web-id": Observation(2, interfaces=(link(2, "eth0", addresses=addresses, peer_index=7, **fields),))}


def test_a_bridge_that_no_network_owns_is_an_orphan():
    orphan = link(9, "br-0123456789ab", "bridge", addresses=(InterfaceAddress("172.30.0.1", 16, "ipv4", "global"),))
    finding = only(LAB, code="orphan-bridge", host=host(orphan, LAB_BRIDGE, link(4, "br0", "bridge")))
    assert finding.remedy.commands == ("ip link delete br-0123456789ab",)


def test_a_veth_that_is_no_port_of_its_bridge_is_reconnected():
    other = link(4, "br-else", "bridge")
    for master in (None, 4):
        veth = link(7, "veth0abcdef", peer_index=2, master_index=master)
        finding = only(LAB, WEB, code="veth-detached", inside=eth0(), host=host(veth, LAB_BRIDGE, other))
        assert [call.method for call in calls_of(finding.remedy)] == ["DELETE", "PUT"]


@pytest.mark.parametrize("down", ["inside", "outside"])
def test_an_interface_that_is_down_is_told(down):
    veth = link(7, "veth0abcdef", peer_index=2, master_index=3, state="down" if down == "outside" else "up")
    inside = eth0(state="down" if down == "inside" else "up")
    assert only(LAB, WEB, code="link-down", inside=inside, host=host(veth, LAB_BRIDGE)).component.name == "web"


def test_a_whole_link_is_no_finding_and_neither_is_one_that_was_not_seen():
    veth = link(7, "veth0abcdef", peer_index=2, master_index=3)
    for inside in (eth0(), {}):
        for code in ("veth-detached", "link-down"):
            assert found(LAB, WEB, code=code, inside=inside, host=host(veth, LAB_BRIDGE)) == []


def test_a_veth_without_bridge_or_known_container_is_a_warning():
    strange, known = link(7, "veth0abcdef", peer_index=2), link(8, "veth1abcdef", master_index=3)
    finding = only(LAB, code="veth-detached", host=host(strange, known, LAB_BRIDGE))
    assert (finding.severity, finding.component.name) == (Severity.WARNING, "veth0abcdef")


def test_a_bridge_with_endpoints_should_be_up_and_one_without_need_not():
    down = link(3, LAB.bridge_name, "bridge", state="down")
    assert only(LAB, WEB, code="link-down", host=host(down)).remedy.commands == (f"ip link set {LAB.bridge_name} up",)
    assert found(LAB, code="link-down", host=host(down)) == []


def test_forwarding_that_is_off_blocks_for_the_families_in_use():
    off = host(ipv4_forwarding=False, ipv6_forwarding=False)
    assert only(LAB, code="ip-forward-off", host=off).remedy.commands == ("sysctl -w net.ipv4.ip_forward=1",)
    assert len(found(replace(LAB, ipv6_enabled=True), code="ip-forward-off", host=off)) == 2
    assert found(replace(LAB, internal=True), code="ip-forward-off", host=off) == []


def chain(table, name, *rules):
    return FirewallChain(table, name, None, tuple((0, 0, rule) for rule in rules))


DOCKER_CHAINS = (
    *(chain("filter", "DOCKER"), chain("nat", "DOCKER"), chain("filter", "DOCKER-USER", "-A DOCKER-USER -j RETURN")),
    *(chain("filter", "FORWARD", "-A FORWARD -j DOCKER-USER"), chain("nat", "PREROUTING", "-A PREROUTING -j DOCKER")),
)


def test_a_native_table_that_is_gone_is_told_and_one_that_is_there_is_not():
    def seen(*, there):
        rules = FirewallRules((chain("filter", "FORWARD"),), docker=DockerRules(ipv4=there))
        observations = EngineObservations(Observations(firewall=rules, nftables=True))
        return [f for f in diagnose(snapshot(LAB), observations) if f.code == "firewall-rules-missing"]

    (finding,) = seen(there=False)
    assert finding.evidence == {"table": "docker-bridges", "affected": 0}
    assert seen(there=True) == []


def test_a_line_of_the_hosts_file_that_the_engine_left_goes_with_a_restart():
    own = container("web", hostname="webhost", state="running")
    lines = (("172.17.9.9", ("webhost",)), ("172.17.9.8", ("other",)))
    resolver = ResolverConfiguration(hosts=lines)
    stale = found(BRIDGE, own, code="stale-address", inside={own.id: Observation(1, resolver=resolver)})
    assert {f.evidence["name"]: [call.path for call in calls_of(f.remedy)] for f in stale} == {
        "webhost": ["/v1/containers/web/restart"],
        "other": [],
    }


def test_docker_chains_that_are_gone_or_not_called_are_told():
    assert found(LAB, code="firewall-rules-missing", chains=DOCKER_CHAINS) == []
    assert "no chain DOCKER" in only(LAB, code="firewall-rules-missing", chains=()).message
    flushed = (*DOCKER_CHAINS[:3], chain("filter", "FORWARD"))
    finding = only(LAB, code="firewall-rules-missing", chains=flushed)
    assert finding.evidence["chains_not_called"] == ["filter FORWARD"]
    assert found(code="firewall-rules-missing", chains=()) == []


def test_rules_of_ones_own_that_drop_are_quoted():
    own = chain("filter", "DOCKER-USER", "-A DOCKER-USER -s 172.19.0.0/16 -j DROP", "-A DOCKER-USER -j RETURN")
    finding = only(code="user-firewall-drop", chains=(own,))
    assert finding.evidence["rules"] == [{"packets": 0, "rule": "-A DOCKER-USER -s 172.19.0.0/16 -j DROP"}]


def test_a_neighbour_table_warns_at_four_fifths_and_blocks_when_full():
    for used, severity in ((819, None), (820, Severity.WARNING), (1024, Severity.BLOCKING)):
        full_table = HostObservation(Observation(1, neighbour_table=NeighbourTable(limit=1024, in_use=used)))
        severities = [f.severity for f in found(code="neighbour-table-full", host=full_table)]
        assert severities == ([severity] if severity else [])


def test_what_could_not_be_seen_is_said_and_nothing_is_said_when_all_was():
    finding = only(WEB, code="analysis-limited")
    assert finding.evidence["not_visible"] == [
        *("the host's interfaces", "the host's routes", "the host's firewall", "the inside of web"),
    ]
    blind = only(WEB, code="analysis-limited", inside={"web-id": Observation(1)}, host=host(), chains=())
    assert blind.evidence["not_visible"] == ["the listening sockets of web"]
    assert found(WEB, code="analysis-limited", inside={"web-id": listening()}, host=host(), chains=()) == []


# All together


def test_what_hurts_most_comes_first():
    exhausted = full(13)
    lost = container("lost", endpoint("lost", "old"))
    findings = diagnose(snapshot(*exhausted, lost, network("idle", "10.5.0.0/24")), EngineObservations())
    assert [f.code for f in findings][:2] == ["pool-exhausted", "network-gone"]
    order = [Severity.BLOCKING, Severity.WARNING, Severity.INFO]
    ranks = [order.index(f.severity) for f in findings]
    assert ranks == sorted(ranks)


def test_a_healthy_engine_that_was_seen_whole_has_no_findings():
    veth = link(7, "veth0abcdef", peer_index=2, master_index=3)
    inside = {"web-id": replace(eth0()["web-id"], sockets=())}
    bridge = replace(LAB_BRIDGE, addresses=(InterfaceAddress("172.18.0.1", 16, "ipv4", "global"),))
    seen = host(veth, bridge, ipv4_forwarding=True)
    observations = EngineObservations(Observations(inside=inside, host=seen, firewall=FirewallRules(DOCKER_CHAINS)))
    assert diagnose(snapshot(LAB, WEB), observations) == ()


def test_ten_thousand_endpoints_in_a_thousand_networks_are_diagnosed_and_drawn():
    networks = [network(f"n{n}", f"10.{n // 250}.{n % 250}.0/24") for n in range(1000)]
    crowd = [
        container(f"c{n}-{i}", endpoint(f"c{n}-{i}", f"n{n}", f"10.{n // 250}.{n % 250}.{i + 2}", aliases=("web",)))
        for n in range(1000)
        for i in range(10)
    ]
    engine = snapshot(*networks, *crowd)
    codes = [f.code for f in diagnose(engine, EngineObservations())]
    assert codes.count("name-ambiguous") == 1000
    graph = build(engine)
    assert (len(graph.nodes), len(graph.edges)) == (11_001, 11_000)


def test_a_length_is_asked_for_even_when_the_subnet_is_nonsense():
    assert length_like("junk") == 24


NAMES = st.sampled_from(["a", "b", "c", "bridge", "host", ""])
ADDRESSES = st.sampled_from([None, "10.0.0.2", "10.0.0.3", "fd00::2", "junk"])
SUBNETS = st.sampled_from(["10.0.0.0/30", "10.0.0.0/29", "10.0.0.0/8", "fd00::/126", "junk", "", "0.0.0.0/0"])
PORTS = st.builds(PublishedPort, st.integers(1, 3), st.sampled_from(["tcp", "udp"]), st.sampled_from(["", "::1", "x"]))
ENDPOINTS = st.builds(
    Endpoint,
    NAMES,
    NAMES,
    NAMES,
    NAMES,
    state=st.sampled_from(["active", "configured"]),
    ipv4_address=ADDRESSES,
    ipv6_address=ADDRESSES,
    configured_ipv4=ADDRESSES,
    gateway=ADDRESSES,
    aliases=st.lists(NAMES, max_size=2).map(tuple),
    links=st.lists(st.text(":/ab", max_size=5), max_size=1).map(tuple),
)
NETWORKS = st.builds(
    Network,
    NAMES,
    NAMES,
    st.sampled_from(["bridge", "macvlan", "overlay", "host", "null", ""]),
    internal=st.booleans(),
    config_only=st.booleans(),
    config_from=st.none() | NAMES,
    pools=st.lists(st.builds(Pool, SUBNETS, ADDRESSES, st.none() | SUBNETS), max_size=2).map(tuple),
)
CONTAINERS = st.builds(
    Container,
    NAMES,
    NAMES,
    state=st.sampled_from(["running", "exited", "paused", "created"]),
    network_mode=NAMES,
    shares_with=st.none() | NAMES,
    endpoints=st.lists(ENDPOINTS, max_size=3).map(tuple),
    published_ports=st.lists(PORTS, max_size=2).map(tuple),
    configured_ports=st.lists(PORTS, max_size=2).map(tuple),
    extra_hosts=st.dictionaries(NAMES, st.text("10.:", max_size=8), max_size=2),
    dns=st.lists(st.sampled_from(["127.0.0.1", "x"]), max_size=1).map(tuple),
)


@given(
    networks=st.lists(NETWORKS, max_size=5, unique_by=lambda n: n.id),
    containers=st.lists(CONTAINERS, max_size=5, unique_by=lambda c: c.id),
    pools=st.lists(st.tuples(SUBNETS, st.integers(-1, 140)), max_size=2).map(tuple),
    random=st.randoms(use_true_random=False),
)
def test_any_engine_gets_a_diagnosis_and_the_order_of_its_lists_does_not_matter(networks, containers, pools, random):
    observations = EngineObservations(default_pools=pools)
    first = diagnose(Snapshot(tuple(networks), tuple(containers)), observations)
    random.shuffle(networks)
    random.shuffle(containers)
    assert diagnose(Snapshot(tuple(networks), tuple(containers)), observations) == first
