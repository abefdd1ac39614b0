"""What the routing of the host and of containers tells apart, and the classes of a matrix that follow it."""

from dataclasses import replace

import pytest

from bridgework.analysis.all_pairs.all_pairs import VERDICTS, predict_matrix
from bridgework.analysis.all_pairs.routing_names import named_inside, named_interfaces, named_subnets
from bridgework.analysis.case import Case
from bridgework.model.observations import Observation
from tests.support.routed import local_route, policy_rule, routing, setting, table_route
from tests.support.worlds import container, network, seen, world

NETS = [network(f"n{i}", f"10.{i}.0.0/24") for i in range(3)]
ONES = [container(f"c{i}-{j}", (net, f"10.{i}.0.{j + 2}")) for i, net in enumerate(NETS) for j in range(3)]
HERE = world(*NETS, *ONES)
BRIDGES = [net.bridge_name for net in NETS]
EXPECTED = tuple(table_route(f"10.{i}.0.0/24", name) for i, name in enumerate(BRIDGES))
ALL_ALIKE = tuple(setting(name) for name in ("all", "default", *BRIDGES))


def subnets(routes=EXPECTED, rules=()):
    return [cidr for cidr, _ in named_subnets(HERE, routing(routes, rules, ALL_ALIKE))]


def test_routes_to_each_network_by_its_bridge_tell_nothing_apart():
    assert subnets() == []
    assert subnets((*EXPECTED, local_route("10.0.0.1", BRIDGES[0]))) == []


def test_a_network_without_its_route_is_named():
    assert subnets(EXPECTED[1:]) == ["10.0.0.0/24"]


@pytest.mark.parametrize(
    "other",
    [
        table_route("10.0.0.0/25", "tun0"),
        table_route("10.0.0.0/24", BRIDGES[0], table=52),
        table_route("10.0.0.0/24", BRIDGES[1]),
        # The expected route counts once: a second one may have another metric.
        EXPECTED[0],
    ],
)
def test_a_route_beside_the_expected_ones_is_named(other):
    assert subnets((*EXPECTED, other)) == [other.destination]


def test_a_network_without_a_bridge_needs_no_route():
    lan = network("lan", "10.9.0.0/24", driver="macvlan", options={"parent": "up0"})
    assert list(named_subnets(world(lan), routing((), (), ()))) == []


def test_the_subnets_of_a_policy_rule_are_named_for_each_end():
    rule = policy_rule(100, 52, source="10.0.0.0/24", destination="10.1.0.0/24")
    assert subnets(rules=[rule]) == ["10.0.0.0/24", "10.1.0.0/24"]
    assert subnets(rules=[policy_rule(100, 52)]) == []


def test_what_is_inside_a_container_is_named_for_it_alone():
    inside = routing((table_route("10.2.0.0/24", "eth0"), local_route("10.0.0.2", "eth0")), [
        policy_rule(100, 52, destination="10.1.0.0/24")
    ], ())  # fmt: skip
    named = list(named_inside("c", inside))
    assert [cidr for cidr, _ in named] == ["10.1.0.0/24", "10.2.0.0/24"]
    assert {token[0] for _, token in named} == {"c"}


def test_the_interfaces_of_policy_rules_and_of_rare_settings_are_named():
    rare = replace(setting(BRIDGES[1]), rp_filter=1, forwarding=False)
    settings = (*ALL_ALIKE[:3], rare, ALL_ALIKE[4])
    rules = [policy_rule(100, 52, incoming=BRIDGES[0]), policy_rule(101, 52)]
    assert [name for name, _ in named_interfaces(routing((), rules, settings))] == [BRIDGES[0], BRIDGES[1]]
    assert list(named_interfaces(routing((), (), ()))) == []


TUNNEL = table_route("0.0.0.0/0", "tun0", table=52)


@pytest.mark.parametrize(
    ("routes", "rules"),
    [
        (EXPECTED, ()),
        (EXPECTED[1:], ()),
        ((*EXPECTED, TUNNEL), [policy_rule(100, 52, destination="10.1.0.3/32")]),
        ((*EXPECTED, TUNNEL), [policy_rule(100, 52, source="10.1.0.0/24", destination="10.2.0.0/24")]),
        ((*EXPECTED, TUNNEL), [policy_rule(100, 52, incoming=BRIDGES[2])]),
        ((*EXPECTED, table_route("10.0.0.3/32", "tun0")), ()),
        ((*EXPECTED, table_route("10.0.0.0/25", BRIDGES[1])), ()),
    ],
)
@pytest.mark.parametrize("inside", [None, table_route("10.1.0.0/24", "eth0"), table_route("10.2.0.3/32", "eth0")])
def test_a_matrix_with_routes_and_policy_rules_says_what_each_pair_says_alone(routes, rules, inside):
    host = Observation(1, routing=routing(routes, rules, ALL_ALIKE))
    own = [] if inside is None else [(ONES[0], Observation(2, routing=routing((inside,))))]
    # Nothing in front of the routes: the networks are open to each other.
    facts = seen(own, host=host, ipv4_firewall=False, ipv6_firewall=False)
    matrix = predict_matrix(HERE, [one.id for one in ONES], observations=facts)
    for at, row in enumerate(matrix.rows()):
        alone = [Case.of(HERE, matrix.question(at, to), facts).predict().verdict for to in range(len(ONES))]
        assert [VERDICTS[code] for code in row] == alone
