"""The layers of address, route and wire: one test a rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.analysis.address_choice import Reach
from bridgework.analysis.attachment import EngineState, ordered_endpoints
from bridgework.analysis.routing import default_exit
from bridgework.model.checks import Severity, Verdict
from bridgework.model.observations import (
    NOTHING_SEEN,
    FirewallChain,
    FirewallRules,
    HostObservation,
    Interface,
    InterfaceAddress,
    ListeningSocket,
    Observation,
    Observations,
    Route,
)
from bridgework.model.snapshot import Pool
from tests.support.worlds import (
    BRIDGE,
    BUILTIN,
    ask,
    calls_of,
    codes,
    container,
    finding_of,
    listening,
    network,
    predict,
    rules_of_engine,
    seen,
    target,
    way,
    with_routes,
    world,
)

OPTION = "com.docker.network.bridge."
FRONT, BACK = network("frontend", "10.1.0.0/24"), network("backend", "10.2.0.0/24")
VAULT = network("vault", "10.3.0.0/24", internal=True)
LAN = network("lan", "10.5.0.0/24", driver="macvlan", options={"parent": "eth0"})
DUAL = network("dual", "10.4.0.0/24", subnet6="fd00:4::/64")
OTHER6 = network("other6", "10.6.0.0/24", subnet6="fd00:6::/64")
NOTHING = Observation(1)


def on(place, name, last, **facts):
    base = place.pools[0].subnet.rsplit(".", 1)[0]
    more = {}
    if place.ipv6_enabled:
        more["ipv6_address"] = place.pools[1].subnet.split("/")[0] + str(last)
    return container(name, (place, f"{base}.{last}", more), **facts)


def host(routes=(), interfaces=None, forwarding=True, sockets=None):
    observation = Observation(1, interfaces=interfaces, routes=routes, sockets=sockets)
    return HostObservation(observation, forwarding, forwarding)


def route(destination, gateway=None):
    return Route(destination, "ipv4", gateway, "eth0", None, "global", "static")


def test_one_container_joins_the_network_that_the_other_is_alone_on():
    one, two = on(FRONT, "a", 2), on(BACK, "b", 2)
    prediction = predict(world(FRONT, BACK, one, two), ask(one, two))
    found = finding_of(prediction, "no-shared-network")
    assert found.message == "a (frontend) and b (backend) have no network in common."
    assert found.remedy.summary == "Connect a to backend, which only b is on."
    assert [call.path for call in calls_of(found.remedy)] == ["/v1/networks/backend/endpoints/a"]
    assert way(prediction) == [("interface", "passed"), ("bridge", "passed"), ("routing", "stopped")]


def test_the_destination_joins_where_others_are_on_its_network():
    one, two, third = on(FRONT, "a", 2), on(BACK, "b", 2), on(BACK, "c", 3)
    found = finding_of(predict(world(FRONT, BACK, one, two, third), ask(one, two)), "no-shared-network")
    assert found.remedy.summary == "Connect b to frontend, which only a is on."


def test_the_order_of_the_endpoints_does_not_choose_the_network_to_join():
    third, one = network("attic", subnet="10.3.0.0/24"), on(FRONT, "a", 2)
    places = [(BACK, "10.2.0.2"), (third, "10.3.0.2")]
    for order in (places, places[::-1]):
        two = container("b", *order)
        found = finding_of(predict(world(FRONT, BACK, third, one, two), ask(one, two)), "no-shared-network")
        assert found.remedy.summary == "Connect a to attic, which only b is on."


@pytest.mark.parametrize(
    "options", [{"com.docker.network.bridge.enable_icc": "false"}, {}], ids=["no-icc", "third-containers"]
)
def test_containers_get_a_network_of_their_own_where_joining_would_not_help_or_widens_access(options):
    front, back = replace(FRONT, options=options), replace(BACK, options=options)
    others = () if options else (on(front, "c", 3), on(back, "d", 3))
    one, two = on(front, "a", 2), on(back, "b", 2)
    found = finding_of(predict(world(front, back, one, two, *others), ask(one, two)), "no-shared-network")
    assert calls_of(found.remedy)[0].body == {"name": "a-b"}


def test_a_remedys_network_takes_a_name_that_is_free():
    one, two, others = on(FRONT, "a", 2), on(BACK, "b", 2), (on(FRONT, "c", 3), on(BACK, "d", 3))
    taken = [network("a-b", None), network("a-b-2", None)]
    found = finding_of(predict(world(FRONT, BACK, *taken, one, two, *others), ask(one, two)), "no-shared-network")
    assert calls_of(found.remedy)[0].body == {"name": "a-b-3"}


def test_an_address_on_another_bridge_is_isolated():
    one, two = on(FRONT, "a", 2), on(BACK, "b", 2)
    prediction = predict(world(FRONT, BACK, one, two), ask(one, "address:10.2.0.2"))
    assert (prediction.verdict, codes(prediction)) == (Verdict.UNREACHABLE, ["bridges-isolated"])


def test_an_internal_network_leads_nowhere_but_to_its_own_and_to_the_host():
    one, two, three = on(VAULT, "a", 2), on(VAULT, "b", 3), on(FRONT, "c", 2)
    snapshot = world(VAULT, FRONT, one, two, three)
    assert predict(snapshot, ask(one, two)).verdict is Verdict.REACHABLE
    assert predict(snapshot, ask(one, "host")).verdict is Verdict.REACHABLE
    assert predict(snapshot, ask("host", one)).verdict is Verdict.REACHABLE
    outside = finding_of(predict(snapshot, ask(one, "address:192.0.2.1")), "internal-no-egress")
    assert [call.path for call in calls_of(outside.remedy)] == ["/v1/networks", "/v1/networks/a/endpoints/a"]
    assert codes(predict(snapshot, ask(one, "address:10.1.0.1"))) == ["internal-no-egress"]
    assert codes(predict(snapshot, ask(one, three))) == ["no-shared-network"]


def test_the_way_out_of_a_sharer_is_its_owners():
    owner = on(VAULT, "owner", 2)
    sharer = container("sharer", shares_with=owner.id)
    found = finding_of(predict(world(VAULT, owner, sharer), ask(sharer, "address:192.0.2.1")), "internal-no-egress")
    assert calls_of(found.remedy)[-1].path.endswith("/endpoints/owner")


def test_the_hosts_address_on_any_bridge_answers_a_container_with_a_way_out():
    one = on(FRONT, "a", 2)
    snapshot = world(*BUILTIN, FRONT, BACK, VAULT, one)
    for address in ("10.1.0.1", "10.2.0.1", "10.3.0.1", "172.17.0.1"):
        assert predict(snapshot, ask(one, f"address:{address}")).verdict is Verdict.REACHABLE
    assert target(snapshot, ask(one, "host")) == "10.1.0.1"


def test_the_host_reaches_every_bridge_and_itself():
    one = on(FRONT, "a", 2)
    snapshot = world(FRONT, one)
    assert [hop.kind for hop in predict(snapshot, ask("host", one)).path] == ["bridge", "interface"]
    assert predict(snapshot, ask("host", "address:10.1.0.1")).verdict is Verdict.REACHABLE
    assert target(snapshot, ask("host", "host", ip_version=6)) == "::1"
    seen_address = Interface(
        2, "eth0", "device", None, 1500, "up", (), (InterfaceAddress("192.0.2.9", 24, "ipv4", "global"),)
    )
    observations = seen(host=host(interfaces=(seen_address,)))
    assert predict(snapshot, ask("host", "address:192.0.2.9"), observations).verdict is Verdict.REACHABLE


def test_a_gateway_that_no_pool_names_is_the_first_address():
    bare = replace(FRONT, pools=(Pool("10.1.0.0/24"),))
    assert predict(world(bare), ask("host", "address:10.1.0.1")).verdict is Verdict.REACHABLE
    single = replace(FRONT, pools=(Pool("10.1.0.0/32"),))
    assert predict(world(single), ask("host", "address:10.1.0.1")).verdict is Verdict.INCONCLUSIVE


def test_an_address_nobody_holds_names_who_may_be_meant():
    one, two = on(FRONT, "a", 2), container("b", (FRONT, None, {"configured_ipv4": "10.1.0.9"}), state="exited")
    snapshot = world(FRONT, one, two)
    found = finding_of(predict(snapshot, ask(one, "address:10.1.0.9")), "stale-address")
    assert "containers there that do not run: b" in found.message
    assert calls_of(found.remedy)[0].path == "/v1/containers/b/start"
    nobody = finding_of(predict(world(FRONT, one), ask(one, "address:10.1.0.9")), "stale-address")
    assert calls_of(nobody.remedy) == ()
    third = container("c", FRONT, state="exited")
    vague = predict(world(FRONT, one, container("b", FRONT, state="exited"), third), ask(one, "address:10.1.0.9"))
    assert finding_of(vague, "stale-address").evidence["not_running"] == ["b", "c"]


def test_an_address_that_another_took_says_who_has_it_and_where_the_other_is():
    one = on(BRIDGE, "a", 2)
    taker = on(BRIDGE, "taker", 3, created_at="2026-01-02T00:00:00Z", started_at="2026-01-02T00:00:00Z")
    loser = on(BRIDGE, "loser", 4, created_at="2026-01-01T00:00:00Z", started_at="2026-01-03T00:00:00Z")
    prediction = predict(world(*BUILTIN, one, taker, loser), ask(one, "address:172.17.0.3"))
    found = finding_of(prediction, "address-changed")
    assert (prediction.verdict, found.severity, found.component.name) == (Verdict.REACHABLE, Severity.INFO, "loser")
    assert found.evidence == {"address": "172.17.0.3", "holder": "taker", "now": ["172.17.0.4"]}


def test_an_address_that_another_asks_for_is_warned_of():
    one, taker = on(FRONT, "a", 2), on(FRONT, "taker", 3)
    wants = container("wants", (FRONT, None, {"configured_ipv4": "10.1.0.3"}), state="exited")
    found = finding_of(predict(world(FRONT, one, taker, wants), ask(one, "address:10.1.0.3")), "address-changed")
    assert (found.severity, found.message) == (
        Severity.WARNING,
        "wants is configured with 10.1.0.3, which taker holds; wants has no address.",
    )


def test_a_family_that_one_of_the_two_has_not_is_a_mismatch():
    one, two = on(FRONT, "a", 2), on(DUAL, "b", 3)
    snapshot = world(FRONT, DUAL, one, two)
    assert codes(predict(snapshot, ask(one, two, ip_version=6))) == ["address-family-mismatch"]
    assert codes(predict(snapshot, ask(two, one, ip_version=6))) == ["address-family-mismatch"]
    assert codes(predict(snapshot, ask(one, "host", ip_version=6))) == ["address-family-mismatch"]
    assert codes(predict(snapshot, ask(one, "address:10.1.0.1", ip_version=6))) == ["address-family-mismatch"]


def test_words_that_are_no_address_are_not_judged():
    one = on(FRONT, "a", 2)
    assert predict(world(FRONT, one), ask(one, "address:nonsense")).verdict is Verdict.INCONCLUSIVE


def test_a_destination_whose_address_the_engine_does_not_show_is_not_judged():
    one, two = on(FRONT, "a", 2), container("b", (FRONT, None))
    assert predict(world(FRONT, one, two), ask(one, two)).verdict is Verdict.INCONCLUSIVE


def test_outside_of_the_engine_only_the_hosts_routes_are_known():
    one = on(FRONT, "a", 2)
    snapshot, question = world(FRONT, one), ask(one, "address:192.0.2.1")
    assert predict(snapshot, question).verdict is Verdict.INCONCLUSIVE
    assert codes(predict(snapshot, question, seen(host=host(routes=(route("10.0.0.0/8"), route("odd")))))) == [
        "host-no-route"
    ]
    open_way = predict(snapshot, question, seen(host=host(routes=(route("0.0.0.0/0"),))))
    assert codes(open_way) == ["analysis-limited"]
    assert predict(snapshot, ask("host", "address:192.0.2.1")).verdict is Verdict.INCONCLUSIVE


def test_a_host_that_does_not_forward_lets_nothing_out():
    one = on(DUAL, "a", 2)
    observations = seen(host=host(routes=(route("0.0.0.0/0"), route("::/0")), forwarding=False))
    found = finding_of(predict(world(DUAL, one), ask(one, "address:192.0.2.1"), observations), "ip-forward-off")
    assert found.remedy.commands == ("sysctl -w net.ipv4.ip_forward=1",)
    six = finding_of(predict(world(DUAL, one), ask(one, "address:2001:db8::1"), observations), "ip-forward-off")
    assert six.remedy.commands == ("sysctl -w net.ipv6.conf.all.forwarding=1",)


def test_a_bridge_without_masquerade_is_warned_of_for_what_lies_outside():
    raw = network("raw", "10.7.0.0/24", options={OPTION + "enable_ip_masquerade": "false"})
    one = on(raw, "a", 2)
    assert "masquerade-off" in codes(predict(world(raw, one), ask(one, "address:192.0.2.1")))


def test_inter_container_off_stops_containers_but_not_the_host():
    locked = network("locked", "10.8.0.0/24", options={OPTION + "enable_icc": "false"}, subnet6="fd00:8::/64")
    one, two = on(locked, "a", 2), on(locked, "b", 3)
    snapshot = world(locked, one, two)
    assert codes(predict(snapshot, ask(one, two, ip_version=4))) == ["inter-container-off"]
    assert predict(snapshot, ask("host", two)).verdict is Verdict.REACHABLE
    assert predict(snapshot, ask(one, "host")).verdict is Verdict.REACHABLE
    six = ask(one, two, ip_version=6)
    assert predict(snapshot, six).verdict is Verdict.INCONCLUSIVE
    assert predict(snapshot, six, seen(ipv6_firewall=False)).verdict is Verdict.REACHABLE
    assert codes(predict(snapshot, six, seen(ipv6_firewall=True))) == ["inter-container-off"]


@pytest.mark.parametrize(
    ("protocol", "port", "links", "ports", "opened"),
    [
        ("tcp", 8080, ("/b:/a/db",), ["8080/tcp"], True),
        ("tcp", 8080, ("b:db",), ["8080/tcp"], True),
        ("tcp", 9090, ("b:db",), ["8080/tcp"], False),
        ("udp", 8080, ("b:db",), ["8080/tcp"], False),
        ("icmp", None, ("b:db",), ["8080/tcp"], False),
        ("tcp", 8080, ("c:db",), ["8080/tcp"], False),
        ("tcp", 8080, (), ["8080/tcp"], False),
    ],
)
def test_a_link_opens_the_exposed_ports_of_a_default_bridge_that_keeps_apart(protocol, port, links, ports, opened):
    apart = replace(BRIDGE, options={**BRIDGE.options, OPTION + "enable_icc": "false"})
    one = container("a", (apart, "172.17.0.2"), links=links)
    two = container("b", (apart, "172.17.0.3"), exposed_ports=tuple(ports))
    prediction = predict(world(apart, one, two), ask(one, two, protocol, port), seen(ipv4_firewall=True))
    assert (codes(prediction) == ["inter-container-off"]) is not opened


def test_an_address_that_the_engine_shows_oddly_is_still_the_one_to_try():
    plain = container("a", (FRONT, "10.1.0.2", {"ipv4_prefix_len": None}))
    two, same = on(FRONT, "b", 3), container("c", (FRONT, "10.1.0.2"))
    odd = container("d", (FRONT, "10.1.0.x"))
    snapshot = world(FRONT, plain, two, same, odd)
    state = EngineState(snapshot, NOTHING_SEEN)
    reach = Reach(state, (4,))
    ends = {one.name: state.attachment_of(one.id) for one in (plain, two, same, odd)}
    assert reach.address_of(ends["a"], ends["b"]) == "10.1.0.3"
    assert reach.address_of(ends["c"], ends["a"]) == "10.1.0.2"
    assert reach.address_of(ends["b"], ends["d"]) is None
    assert reach.address_of(ends["d"], ends["b"]) == "10.1.0.3"


def test_of_two_common_networks_the_one_that_lets_them_talk_is_taken():
    locked = network("a-locked", "10.8.0.0/24", options={OPTION + "enable_icc": "false"})
    one = container("a", (locked, "10.8.0.2"), (FRONT, "10.1.0.2"))
    two = container("b", (locked, "10.8.0.3"), (FRONT, "10.1.0.3"))
    assert target(world(locked, FRONT, one, two), ask(one, two)) == "10.1.0.3"


@pytest.mark.parametrize(
    ("guard", "expected"),
    [
        (None, (Verdict.INCONCLUSIVE, ["analysis-limited"])),
        (True, (Verdict.UNREACHABLE, ["no-shared-network"])),
        (False, (Verdict.REACHABLE, ["networks-not-isolated"])),
    ],
)
def test_ipv6_passes_between_bridges_unless_the_engine_guards_it(guard, expected):
    one, two = on(DUAL, "a", 2), on(OTHER6, "b", 3)
    prediction = predict(world(DUAL, OTHER6, one, two), ask(one, two, ip_version=6), seen(ipv6_firewall=guard))
    assert (prediction.verdict, codes(prediction)) == expected


def test_ipv6_to_an_internal_network_arrives_and_its_answer_is_lost():
    vault6 = network("vault6", "10.9.0.0/24", subnet6="fd00:9::/64", internal=True)
    one, two = on(DUAL, "a", 2), on(vault6, "b", 3)
    snapshot, open_ = world(DUAL, vault6, one, two), seen(ipv6_firewall=False)
    assert codes(predict(snapshot, ask(one, two, ip_version=6), open_)) == ["reply-path-lost"]
    assert codes(predict(snapshot, ask(one, "address:fd00:9::99"), open_)) == ["bridges-isolated"]


@pytest.mark.parametrize(
    ("release", "masquerade", "expected"),
    [
        # Docker 28 accepts answers before it keeps an internal network apart, and Docker 26 after that.
        ((28, 5), "true", []),
        ((26, 1), "true", ["no-shared-network"]),
        ((28, 5), "false", ["masquerade-off"]),
    ],
)
def test_an_internal_network_answers_who_comes_with_the_hosts_address_on_it(release, masquerade, expected):
    options = {"com.docker.network.bridge.enable_ip_masquerade": masquerade}
    front, back = network("front", options=options), network("back", "10.2.0.0/24", internal=True)
    one, two = container("one", (front, "10.1.0.2")), container("two", (back, "10.2.0.2"))
    snapshot = world(*BUILTIN, front, back, one, two)
    facts = {"engine_version": release, "ipv4_firewall": True, "ipv6_firewall": False}
    read = rules_of_engine(snapshot, **facts)
    accept = (0, 0, f"-A DOCKER-USER -i {front.bridge_name} -j ACCEPT")
    chains = tuple(
        replace(chain, rules=(accept, *chain.rules)) if chain.name == "DOCKER-USER" else chain for chain in read.chains
    )
    rules = replace(read, chains=chains, switches=(("net.ipv4.ip_forward", "1"),))
    found = predict(snapshot, ask(one, two, "tcp", 80), seen([(two, listening("0.0.0.0:80"))], firewall=rules, **facts))
    blocking = [one.code for one in found.findings if one.severity is Severity.BLOCKING]
    assert blocking == expected


def test_a_macvlan_carries_its_own_and_not_the_host():
    one, two = on(LAN, "a", 2), on(LAN, "b", 3)
    bridged = on(FRONT, "c", 2)
    snapshot = world(*BUILTIN, LAN, FRONT, one, two, bridged)
    assert predict(snapshot, ask(one, two)).verdict is Verdict.REACHABLE
    assert [hop.name for hop in predict(snapshot, ask(one, two)).path] == ["eth0", "eth0", "eth0"]
    assert codes(predict(snapshot, ask("host", one))) == ["macvlan-host-filtered"]
    assert codes(predict(snapshot, ask(one, "host"))) == ["macvlan-host-filtered"]
    assert codes(predict(snapshot, ask(one, "address:10.1.0.1"))) == ["macvlan-host-filtered"]
    assert predict(snapshot, ask(one, bridged)).verdict is Verdict.UNREACHABLE
    assert predict(snapshot, ask(one, "address:10.5.0.77")).verdict is Verdict.INCONCLUSIVE
    assert predict(snapshot, ask(one, "address:192.0.2.1")).verdict is Verdict.INCONCLUSIVE


def test_a_macvlan_in_private_mode_keeps_its_own_apart():
    private = network("private", "10.5.0.0/24", driver="macvlan", options={"macvlan_mode": "private"})
    one, two = on(private, "a", 2), on(private, "b", 3)
    assert codes(predict(world(private, one, two), ask(one, two))) == ["vlan-mode-private"]


def test_a_vlan_without_a_parent_leads_nowhere_and_one_with_it_may_be_the_wrong_way_out():
    loose = network("loose", "10.5.0.0/24", driver="macvlan")
    one = on(loose, "a", 2)
    assert codes(predict(world(loose, one), ask(one, "address:192.0.2.1"))) == ["vlan-without-parent"]
    a_lan = network("a-lan", "10.5.0.0/24", driver="macvlan", options={"parent": "eth0"})
    two = container("b", (a_lan, "10.5.0.3"), (FRONT, "10.1.0.3"))
    found = finding_of(predict(world(a_lan, FRONT, two), ask(two, "address:192.0.2.1")), "wrong-default-gateway")
    assert (found.severity, found.evidence["could_leave_by"]) == (Severity.WARNING, ["frontend"])


def test_the_default_route_goes_by_priority_then_families_then_name_and_never_by_an_internal_network():
    prior = container(
        "a",
        (FRONT, "10.1.0.2"),
        (BACK, "10.2.0.2"),
        (VAULT, "10.3.0.2"),
        (DUAL, "10.4.0.2", {"ipv6_address": "fd00:4::2"}),
    )
    order = [e.network_name for e in ordered_endpoints(world(FRONT, BACK, VAULT, DUAL, prior), prior)]
    assert order == ["dual", "backend", "frontend", "vault"]
    first = container("b", (FRONT, "10.1.0.2", {"gateway_priority": 9}), (BACK, "10.2.0.2"))
    assert (
        EngineState(world(FRONT, BACK, first), NOTHING_SEEN).attachment_of(first.id).endpoints[0].network_name
        == "frontend"
    )


@pytest.mark.parametrize(
    ("release", "exits"),
    [((28, 0), ("dual", "dual")), ((29, 3), ("dual", "dual")), ((29, 4), ("frontend", "dual"))],
)
def test_before_29_4_a_network_of_both_families_comes_before_a_higher_priority(release, exits):
    one = container(
        "a",
        (FRONT, "10.1.0.2", {"gateway_priority": 1}),
        (DUAL, "10.4.0.2", {"ipv6_address": "fd00:4::2"}),
    )
    state = EngineState(world(FRONT, DUAL, one), Observations(engine_version=release))
    assert tuple(default_exit(state, state.attachment_of(one.id), version).name for version in (4, 6)) == exits


def test_docker_28_has_an_exit_for_each_family_where_no_network_has_both():
    only6 = network("only6", None, subnet6="fd00:7::/64", ipv4_enabled=False)
    one = container("a", (only6, None, {"ipv6_address": "fd00:7::2"}), (BACK, "10.2.0.2"), (FRONT, "10.1.0.2"))
    state = EngineState(world(FRONT, BACK, only6, one), Observations(engine_version=(28, 5)))
    exits = [default_exit(state, state.attachment_of(one.id), version).name for version in (4, 6)]
    assert exits == ["backend", "only6"]


def test_a_routing_table_that_was_seen_is_believed():
    one = container("a", (FRONT, "10.1.0.2"), (BACK, "10.2.0.2"))
    snapshot, question = world(FRONT, BACK, one), ask(one, "host")
    assert target(snapshot, question) == "10.2.0.1"
    moved = seen([(one, with_routes(NOTHING, route("0.0.0.0/0", "10.1.0.1")))])
    assert target(snapshot, question, moved) == "10.1.0.1"
    gone = predict(snapshot, ask(one, "address:192.0.2.1"), seen([(one, with_routes(NOTHING))]))
    assert finding_of(gone, "wrong-default-gateway").severity is Severity.BLOCKING


def test_an_overlay_leaves_by_the_gateway_bridge_and_hides_its_peers():
    gateway = network("docker_gwbridge", "172.18.0.0/24")
    mesh = network("mesh", "10.10.0.0/24", driver="overlay", scope="swarm")
    one = container("a", (mesh, "10.10.0.2", {"gateway": None}))
    snapshot = world(gateway, mesh, one)
    assert target(snapshot, ask(one, "host")) == "172.18.0.1"
    assert predict(snapshot, ask(one, "address:10.10.0.7")).verdict is Verdict.INCONCLUSIVE
    assert predict(snapshot, ask(one, "address:10.10.0.7")).path[-1].kind == "overlay"
    assert codes(predict(snapshot, ask("host", one))) == ["no-shared-network"]
    alone = world(mesh, one)
    assert predict(alone, ask(one, "host")).verdict is Verdict.INCONCLUSIVE


def test_an_isolated_bridge_has_no_host_and_a_routed_one_its_own_rules():
    isolated = network("isolated", "10.11.0.0/24", options={OPTION + "gateway_mode_ipv4": "isolated"})
    routed = network("routed", "10.12.0.0/24", options={OPTION + "gateway_mode_ipv4": "routed"})
    one, two, three = on(isolated, "a", 2), on(routed, "b", 2), on(FRONT, "c", 2)
    snapshot = world(isolated, routed, FRONT, one, two, three)
    assert codes(predict(snapshot, ask(one, "host"))) == ["gateway-mode-isolated"]
    assert codes(predict(snapshot, ask("host", one))) == ["gateway-mode-isolated"]
    opened = predict(snapshot, ask(three, two), seen(engine_version=(28, 0)))
    assert (opened.verdict, codes(opened)) == (Verdict.REACHABLE, ["gateway-mode-routed", "networks-not-isolated"])
    assert predict(snapshot, ask("host", two)).verdict is Verdict.REACHABLE


def link(index, name, kind, peer=None, master=None, state="up", addresses=(), mtu=1500):
    held = tuple(InterfaceAddress(a, 24, "ipv4", "global") for a in addresses)
    return Interface(index, name, kind, None, mtu, state, (), held, peer_index=peer, master_index=master)


def links(*, state="up", master=4, mtu=1500):
    """Observed links of ``a`` (10.1.0.2) on frontend, and the host's."""
    one = on(FRONT, "a", 2)
    inside = Observation(
        1, interfaces=(link(1, "lo", "loopback"), link(7, "eth0", "veth", 8, None, state, ["10.1.0.2"], mtu))
    )
    outside = (
        link(8, "veth27a5c19", "veth", 7, master),
        link(4, FRONT.bridge_name, "bridge", addresses=["10.1.0.1"]),
        link(5, "br-odd", "bridge"),
    )
    return one, seen([(one, inside)], host=host(interfaces=outside))


def test_a_path_names_the_veth_and_the_bridge_that_were_seen():
    one, observations = links()
    two = on(FRONT, "b", 3)
    path = predict(world(FRONT, one, two), ask(one, two), observations).path
    assert [(hop.kind, hop.name, hop.of) for hop in path] == [
        ("interface", "eth0", "a"),
        ("veth", "veth27a5c19", "the host"),
        ("bridge", FRONT.bridge_name, "frontend"),
        ("interface", "eth0", "b"),
    ]


def test_a_link_that_is_down_is_reconnected_with_the_settings_it_has():
    one, observations = links(state="down")
    two = on(FRONT, "b", 3)
    found = finding_of(predict(world(FRONT, one, two), ask(one, two), observations), "link-down")
    assert [call.method for call in calls_of(found.remedy)] == ["DELETE", "PUT"]
    assert codes(predict(world(FRONT, one, two), ask(two, one), observations)) == ["link-down"]


@pytest.mark.parametrize("master", [None, 5])
def test_a_veth_that_is_no_port_of_its_bridge_is_detached(master):
    one, observations = links(master=master)
    two = on(FRONT, "b", 3)
    found = finding_of(predict(world(FRONT, one, two), ask(one, two), observations), "veth-detached")
    assert found.evidence["veth"] == "veth27a5c19"


def test_a_large_packet_that_may_not_be_split_does_not_pass_a_small_link():
    small = network("small", "10.13.0.0/24", options={"com.docker.network.driver.mtu": "1400"})
    odd = network("odd", "10.14.0.0/24", options={"com.docker.network.driver.mtu": "9" * 5000})
    one, two, three, four = on(small, "a", 2), on(small, "b", 3), on(odd, "c", 2), on(odd, "d", 3)
    snapshot = world(small, odd, one, two, three, four)
    found = finding_of(predict(snapshot, ask(one, two, payload_bytes=1373, dont_fragment=True)), "mtu-mismatch")
    assert found.evidence == {"mtu_bytes": 1400, "packet_bytes": 1401, "largest_payload_bytes": 1372}
    for facts in ({"payload_bytes": 1372, "dont_fragment": True}, {"payload_bytes": 1373}, {"dont_fragment": True}):
        assert predict(snapshot, ask(one, two, **facts)).verdict is Verdict.REACHABLE
    assert predict(snapshot, ask(three, four, payload_bytes=1472, dont_fragment=True)).verdict is Verdict.REACHABLE
    linked, observations = links(mtu=900)
    large = ask(linked, "host", payload_bytes=1000, dont_fragment=True)
    assert codes(predict(world(FRONT, linked), large, observations)) == ["mtu-mismatch"]


def chain(name, *rules, policy=None, table="filter"):
    return FirewallChain(table, name, policy, tuple((3, 180, rule) for rule in rules))


def firewall(*chains):
    return FirewallRules(chains)


def test_a_flushed_firewall_stops_what_leaves_and_what_a_dropping_policy_catches():
    one, two = on(FRONT, "a", 2), on(FRONT, "b", 3)
    snapshot = world(FRONT, one, two)
    flushed = {
        policy: seen(
            firewall=firewall(chain("FORWARD", policy=policy), chain("DOCKER")),
            host=host(routes=(route("0.0.0.0/0"),)),
            ipv4_firewall=False,
        )
        for policy in ("DROP", "ACCEPT")
    }
    assert predict(snapshot, ask(one, two), flushed["DROP"]).verdict is Verdict.UNREACHABLE
    warned = predict(snapshot, ask(one, two), flushed["ACCEPT"])
    assert (warned.verdict, codes(warned)) == (Verdict.REACHABLE, ["firewall-rules-missing"])
    assert predict(snapshot, ask(one, "address:192.0.2.1"), flushed["ACCEPT"]).verdict is Verdict.UNREACHABLE
    one_more = on(BACK, "c", 2)
    across = predict(world(FRONT, BACK, one, one_more), ask(one, one_more), flushed["ACCEPT"])
    assert (across.verdict, codes(across)) == (Verdict.REACHABLE, ["firewall-rules-missing", "networks-not-isolated"])
    never = seen(firewall=firewall(chain("FORWARD", policy="ACCEPT")), ipv4_firewall=False)
    assert "iptables=false" in finding_of(predict(snapshot, ask(one, two), never), "firewall-rules-missing").message
    forward = chain(
        "FORWARD", "-A FORWARD -j DOCKER-USER", f"-A FORWARD -i {FRONT.bridge_name} -j ACCEPT", policy="DROP"
    )
    whole = seen(firewall=firewall(forward, chain("DOCKER-USER")))
    assert codes(predict(snapshot, ask(one, two), whole)) == []


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["-A DOCKER-USER -s 10.1.0.2/32 -j DROP"], ["user-firewall-drop"]),
        (
            ["-A DOCKER-USER -p icmp -m icmp -d 10.1.0.0/24 -j REJECT --reject-with icmp-port-unreachable"],
            ["user-firewall-drop"],
        ),
        (["-A DOCKER-USER -s 10.9.0.0/24 -j DROP"], []),
        (["-A DOCKER-USER -s odd -j DROP"], ["analysis-limited"]),
        (["-A DOCKER-USER -j RETURN", "-A DOCKER-USER -j DROP"], []),
        (["-A DOCKER-USER -j LOG", "-j DROP"], ["user-firewall-drop"]),
        (["-A DOCKER-USER -p tcp -m tcp --dport 80 -j DROP"], []),
        (["-A DOCKER-USER -m conntrack --ctstate NEW -j DROP"], ["user-firewall-drop"]),
        (["-A DOCKER-USER -m conntrack --ctstate INVALID -j DROP"], []),
        (["-A DOCKER-USER -m time --weekdays Mon -j DROP"], ["analysis-limited"]),
        (["-A DOCKER-USER -m time --weekdays Mon -j ACCEPT"], []),
        (['-A DOCKER-USER " -j RETURN'], ["analysis-limited"]),
        (["-A DOCKER-USER ! -s 10.1.0.0/24 -j DROP"], []),
        (["-A DOCKER-USER ! -s 10.9.0.0/24 -i br-+ -j DROP"], ["user-firewall-drop"]),
        (["-A DOCKER-USER -j DOCKER-USER"], ["analysis-limited"]),
    ],
)
def test_a_rule_of_a_persons_that_matches_is_quoted(rules, expected):
    one, two = on(FRONT, "a", 2), on(FRONT, "b", 3)
    forward = chain("FORWARD", "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD")
    observations = seen(firewall=firewall(forward, chain("DOCKER-FORWARD"), chain("DOCKER-USER", *rules)))
    prediction = predict(world(FRONT, one, two), ask(one, two), observations)
    assert codes(prediction) == expected
    assert (prediction.verdict is Verdict.UNREACHABLE) == (expected == ["user-firewall-drop"])
    if expected == ["user-firewall-drop"]:
        assert finding_of(prediction, expected[0]).remedy.commands[0].startswith("iptables -D DOCKER-USER ")


def test_a_rule_of_the_other_variant_of_iptables_drops_too():
    one, two = on(FRONT, "a", 2), on(FRONT, "b", 3)
    plain = firewall(chain("FORWARD", "-A FORWARD -j DOCKER-FORWARD"), chain("DOCKER-FORWARD"))
    dropping = ("iptables-legacy", chain("FORWARD", "-A FORWARD -p tcp -j DROP", "-A FORWARD -p icmp -j DROP"))
    beside = seen(firewall=replace(plain, other_chains=(dropping,)))
    found = finding_of(predict(world(FRONT, one, two), ask(one, two), beside), "user-firewall-drop")
    assert found.remedy.commands == ("iptables-legacy -D FORWARD -p icmp -j DROP",)
    # Those of IPv6 do not see a packet of IPv4. Where the other variant has rules that were not read, nothing is said.
    for others in ((("ip6tables-legacy", dropping[1]),), None):
        observations = seen(firewall=replace(plain, other_chains=others))
        assert codes(predict(world(FRONT, one, two), ask(one, two), observations)) == []


def test_an_engine_with_native_rules_that_has_none_is_told_so():
    one = on(FRONT, "a", 2)
    chains = (chain("INPUT", policy="ACCEPT"), chain("FORWARD", policy="ACCEPT"))
    routes = host(routes=(route("0.0.0.0/0"),))
    observations = seen(firewall=firewall(*chains), host=routes, nftables=True, ipv4_firewall=False)
    prediction = predict(world(FRONT, one), ask(one, "address:198.51.100.7"), observations)
    found = finding_of(prediction, "firewall-rules-missing")
    assert found.evidence == {"table": "docker-bridges"}


def test_a_rule_of_dockers_own_is_named_only_where_nothing_else_explains_it():
    one, two = on(FRONT, "a", 2), on(FRONT, "b", 3)
    bridge = FRONT.bridge_name
    own = chain("DOCKER-FORWARD", f"-A DOCKER-FORWARD -i {bridge} -j ACCEPT")
    late = chain("FORWARD", "-A FORWARD -j DOCKER-FORWARD", "-A FORWARD -j DROP")
    assert codes(predict(world(FRONT, one, two), ask(one, two), seen(firewall=firewall(late, own)))) == []
    closed = chain("DOCKER-FORWARD", f"-A DOCKER-FORWARD -i {bridge} -o {bridge} -j DROP")
    unexplained = predict(world(FRONT, one, two), ask(one, two), seen(firewall=firewall(late, closed)))
    assert codes(unexplained) == ["docker-rule-drops"]
    between = chain("FORWARD", "-A FORWARD -j DOCKER-USER", f"-A FORWARD -i {bridge} -o {bridge} -j DROP")
    observations = seen(firewall=firewall(between, chain("DOCKER-USER")))
    assert codes(predict(world(FRONT, one, two), ask(one, two), observations)) == ["docker-rule-drops"]
    forbidden = replace(FRONT, options={**FRONT.options, "com.docker.network.bridge.enable_icc": "false"})
    assert codes(predict(world(forbidden, one, two), ask(one, two), observations)) == ["inter-container-off"]


def test_within_a_bridge_no_rule_is_asked_where_br_netfilter_is_off():
    one, two = on(FRONT, "a", 2), on(FRONT, "b", 3)
    chains = chain("FORWARD", "-A FORWARD -j DOCKER-USER"), chain("DOCKER-USER", "-A DOCKER-USER -j DROP")
    for value, expected in (("0", []), ("1", ["user-firewall-drop"])):
        switches = (("net.bridge.bridge-nf-call-iptables", value),)
        observations = seen(firewall=FirewallRules(chains, switches=switches))
        assert codes(predict(world(FRONT, one, two), ask(one, two), observations)) == expected


UFW = (
    chain("INPUT", "-A INPUT -j ufw-before-input", "-A INPUT -j ufw-reject-input", policy="DROP"),
    chain(
        "ufw-before-input",
        "-A ufw-before-input -i lo -j ACCEPT",
        "-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A ufw-before-input -m conntrack --ctstate INVALID -j DROP",
        "-A ufw-before-input -p icmp -m icmp --icmp-type 3 -j ACCEPT",
        "-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT",
        "-A ufw-before-input -j ufw-not-local",
        "-A ufw-before-input -j ufw-user-input",
    ),
    chain(
        "ufw-not-local",
        "-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN",
        '-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "',
        "-A ufw-not-local -j DROP",
    ),
    chain(
        "ufw-user-input",
        "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT",
        "-A ufw-user-input -p tcp -m multiport --dports 80,9000:9099 -j ACCEPT",
        "-A ufw-user-input -s 10.9.0.0/24 -j DROP",
    ),
    chain("ufw-reject-input"),
)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (("tcp", 22), []),
        (("tcp", 9050), []),
        (("tcp", 443), ["user-firewall-drop"]),
        (("udp", 9050), ["user-firewall-drop"]),
        (("icmp", None), []),
    ],
)
def test_what_ufw_drops_of_a_containers_packets_for_the_host_is_told(how, expected):
    one, (protocol, port) = on(FRONT, "a", 2), how
    sockets = tuple(ListeningSocket(protocol, "ipv4", "0.0.0.0", port) for port in ([port] if port else []))
    observations = seen(firewall=firewall(*UFW), host=host(sockets=sockets))
    prediction = predict(world(FRONT, one), ask(one, "host", protocol, port), observations)
    assert codes(prediction) == expected
    if expected:
        found = finding_of(prediction, "user-firewall-drop")
        assert f"INPUT drops {protocol} port {port}" in found.message
        assert found.remedy.commands == (
            f"ufw prepend allow in on {FRONT.bridge_name} to any port {port} proto {protocol}",
        )


def test_the_hosts_own_traffic_passes_no_forwarding_rule():
    one = on(FRONT, "a", 2)
    observations = seen(firewall=firewall(chain("DOCKER-USER", "-A DOCKER-USER -j DROP"), chain("FORWARD")))
    assert predict(world(FRONT, one), ask("host", one), observations).verdict is Verdict.REACHABLE
    assert predict(world(FRONT, one), ask(one, "host"), observations).verdict is Verdict.REACHABLE


def test_a_route_and_an_address_that_cannot_be_read_are_passed_over():
    one = on(FRONT, "a", 2)
    made = seen(firewall=firewall(chain("FORWARD", policy="ACCEPT")), host=host(routes=(route(""), route("0.0.0.0/0"))))
    assert predict(world(FRONT, one), ask(one, "address:192.0.2.1"), made).verdict is not Verdict.UNREACHABLE
    odd = replace(one, endpoints=(replace(one.endpoints[0], ipv4_address="odd"),))
    assert predict(world(FRONT, odd), ask(odd, "address:192.0.2.1"), made).verdict is not None


@pytest.mark.parametrize(
    ("internal", "destination", "calls"), [(True, "outside", 3), (False, "outside", 1), (True, "web", 4)]
)
def test_a_default_route_that_a_program_set_may_lead_anywhere(internal, destination, calls):
    home = replace(FRONT, internal=internal)
    one, web = on(home, "one", 2), on(BACK, "web", 2)
    led = with_routes(NOTHING, route("0.0.0.0/0", gateway="10.1.0.9"))
    question = ask(one, web if destination == "web" else "address:192.0.2.1")
    predicted = predict(world(home, BACK, one, web), question, seen([(one, led)]))
    assert (predicted.verdict, codes(predicted)) == (
        Verdict.INCONCLUSIVE,
        ["analysis-limited", "wrong-default-gateway"],
    )
    found = finding_of(predicted, "wrong-default-gateway")
    assert found.evidence["gateway"] == "10.1.0.9"
    # The engine refuses to connect a container that has a default route: the restart comes first.
    assert len(found.remedy.actions) == calls
    assert calls_of(found.remedy)[0].path.endswith("/containers/one/restart")


@pytest.mark.parametrize(("parent", "command"), [("eth0.5", ("ip link set eth0.5 up",)), (None, ())])
def test_a_macvlan_whose_parent_is_down_blames_the_host_once(parent, command):
    lan = replace(LAN, options={"parent": parent} if parent else {})
    one, two = on(lan, "one", 2), on(lan, "two", 3)

    def down(end):
        address = InterfaceAddress(end.endpoints[0].ipv4_address, 24, "ipv4", "global")
        link = Interface(5, "eth0", "macvlan", None, 1500, "down", ("up", "broadcast"), (address,))
        return Observation(1, interfaces=(link,))

    predicted = predict(world(lan, one, two), ask(one, two), seen([(one, down(one)), (two, down(two))]))
    (found,) = [one for one in predicted.findings if one.code == "link-down"]
    assert (found.component.kind, found.remedy.commands) == ("host", command)


def test_one_more_address_of_a_neighbour_is_not_said_to_be_on_no_network_in_common():
    one, two = on(FRONT, "one", 2), container("two", (FRONT, "10.1.0.3"), (BACK, "10.2.0.3"))
    predicted = predict(world(FRONT, BACK, one, two), ask(one, "address:10.2.0.3"))
    assert "no-shared-network" not in codes(predicted)
