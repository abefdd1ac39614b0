"""The lookup in what was read of a namespace. The kernel's own answers are in the test with a kernel.

The cases are those of ``tests/engine/probes/test_route_lookup.py``: two bridges, a tunnel, rules and routes.
"""

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.route_lookup import Decision, RouteLookup, answers_in, planned_routing
from bridgework.model.observations import NOTHING_SEEN, Observation, RouteAnswer, RouteQuestion, Routing
from tests.support.routed import default_rules, local_route, policy_rule, routing, setting, table_route
from tests.support.worlds import BUILTIN, container, network, seen, world

ROUTES = (
    table_route("10.1.0.0/24", "br0"),
    table_route("10.2.0.0/24", "br1"),
    table_route("fd00:1::/64", "br0"),
    local_route("10.1.0.1", "br0"),
    local_route("10.2.0.1", "br1"),
    table_route("0.0.0.0/0", "tun0", table=52),
)
SETTINGS = tuple(setting(name) for name in ("all", "default", "br0", "br1", "tun0"))
FORWARDED = RouteQuestion(4, "10.1.0.2", "10.2.0.2", "br1", "br0", 0, "tcp", 40000, 80)
FROM_HOST = RouteQuestion(4, "10.1.0.2", expected="br0")
TO_HOST = RouteQuestion(4, "10.2.0.1", "10.1.0.2", "br0")
OUTWARD = RouteQuestion(4, "198.51.100.7", "10.1.0.2", "br0")
BLACKHOLE, PROHIBIT, UNREACHABLE = (
    "drops such packets (blackhole)",
    "refuses such packets (prohibit)",
    "calls the destination unreachable",
)
TUNNEL = {"interface": "tun0", "table": 52, "route": "0.0.0.0/0", "rule": "from all lookup 52", "priority": 100}


def answer(question, routes=(), rules=(), **changed):
    """The answer with more routes and rules, and with changed settings (``br0=setting(…)``)."""
    settings = [changed.get(own.interface, own) for own in SETTINGS]
    return RouteLookup(routing((*ROUTES, *routes), rules, settings)).answer(question)


def filters(mode):
    return {"br1": setting("br1", rp_filter=mode)}


@pytest.mark.parametrize(
    "question",
    [
        FORWARDED,
        FROM_HOST,
        TO_HOST,
        OUTWARD,  # no route is left
        RouteQuestion(6, "fd00:1::2", expected="br0"),
        RouteQuestion(4, "198.51.100.7", expected="br0"),
    ],
)
def test_a_packet_that_leaves_as_expected_has_no_answer(question):
    assert answer(question) is None


@pytest.mark.parametrize(
    "question", [RouteQuestion(4, "10.9.0.2", expected="br9"), RouteQuestion(4, "10.1.0.2", None, "x")]
)
def test_an_interface_that_is_not_there_has_no_answer(question):
    assert answer(question, rules=[policy_rule()]) is None


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (table_route("10.1.0.2/32", kind="blackhole"), RouteAnswer(None, None, 254, "10.1.0.2/32", error=BLACKHOLE)),
        (table_route("10.1.0.0/28", kind="prohibit"), RouteAnswer(None, None, 254, "10.1.0.0/28", error=PROHIBIT)),
        (
            table_route("10.1.0.2/31", kind="unreachable"),
            RouteAnswer(None, None, 254, "10.1.0.2/31", error=UNREACHABLE),
        ),
    ],
)
def test_a_route_that_drops_packets_is_a_dead_end(route, expected):
    stopped = answer(FORWARDED, [route])
    assert (stopped.route, stopped.error, stopped.dead_end) == (expected.route, expected.error, route.kind)
    assert answer(RouteQuestion(4, "10.1.0.77", expected="br0"), [route]) is None


@pytest.mark.parametrize(
    ("routes", "question", "expected"),
    [
        # The longest prefix decides, then the smallest metric.
        ([table_route("10.1.0.0/25", "tun0")], FORWARDED, RouteAnswer("tun0", route="10.1.0.0/25")),
        ([table_route("10.0.0.0/8", "tun0")], FORWARDED, None),
        ([table_route("10.1.0.0/24", "tun0", metric=5)], FORWARDED, None),
        ([table_route("10.1.0.0/25")], FORWARDED, None),  # its interface is down
        (
            [table_route("10.1.0.2/32", "br1", gateway="10.2.0.9")],
            FROM_HOST,
            RouteAnswer("br1", "10.2.0.9", route="10.1.0.2/32"),
        ),
        ([table_route("fd00:1::/80", "tun0")], RouteQuestion(6, "fd00:1::2", expected="br0"), "tun0"),
        ([local_route("10.1.0.2", "br0")], FORWARDED, None),  # the namespace itself takes it
    ],
)
def test_the_route_that_decides_is_named(routes, question, expected):
    found = answer(question, routes)
    assert (found.interface if isinstance(expected, str) else found) == expected


@pytest.mark.parametrize(
    ("rule", "question", "expected"),
    [
        (policy_rule(table=52), FORWARDED, TUNNEL),
        (policy_rule(table=52, incoming="br0"), FORWARDED, None),
        (policy_rule(table=77), FORWARDED, None),  # that table has no route
        (policy_rule(table=254, suppressed=24), FORWARDED, None),  # the default rule comes later
        (policy_rule(40000, 52), FORWARDED, None),
        (policy_rule(), FORWARDED, {"rule": "from all blackhole", "priority": 100, "error": BLACKHOLE}),
        (
            policy_rule(action="prohibit"),
            FROM_HOST,
            {"rule": "from all prohibit", "priority": 100, "error": PROHIBIT},
        ),
    ],
)
def test_the_first_rule_whose_table_has_a_route_decides(rule, question, expected):
    assert answer(question, rules=[rule]) == (None if expected is None else RouteAnswer(**expected))


def test_a_suppressed_route_leaves_the_packet_to_the_next_rule():
    rules = [policy_rule(99, 254, suppressed=24), policy_rule(100, 52)]
    assert answer(FORWARDED, rules=rules) == RouteAnswer(**TUNNEL)
    assert answer(FORWARDED, rules=[policy_rule(99, 254, suppressed=23), policy_rule(100, 52)]) is None


def test_a_throw_route_leaves_the_packet_to_the_next_rule():
    thrown = table_route("10.1.0.0/26", kind="throw", table=52)
    assert answer(FORWARDED, [thrown], [policy_rule(table=52)]) is None
    behind = RouteQuestion(4, "10.1.0.77", expected="br0")
    assert answer(behind, [thrown], [policy_rule(table=52)]) == RouteAnswer(**TUNNEL)


def test_a_dead_end_in_another_table_is_named_by_its_rule():
    stopped = answer(FORWARDED, [table_route("10.1.0.0/24", kind="prohibit", table=52)], [policy_rule(table=52)])
    assert stopped == RouteAnswer(table=52, rule="from all lookup 52", priority=100, error=PROHIBIT)


@pytest.mark.parametrize(
    ("question", "changed", "held"),
    [
        (FORWARDED, {"br1": setting("br1", forwarding=False)}, "br1"),
        (FORWARDED, {"br0": setting("br0", forwarding=False)}, None),
        (TO_HOST, {"br0": setting("br0", forwarding=False)}, None),
        (OUTWARD, {"br0": setting("br0", forwarding=False)}, "br0"),
        # That of all interfaces is another finding.
        (FORWARDED, {"br1": setting("br1", forwarding=False), "all": setting("all", forwarding=False)}, None),
    ],
)
def test_an_interface_that_does_not_forward_is_named(question, changed, held):
    assert answer(question, **changed) == (RouteAnswer(not_forwarded_from=held) if held else None)


@pytest.mark.parametrize(
    ("changed", "routes", "expected"),
    [
        (filters(1), [], None),
        (filters(0), [table_route("10.2.0.2/32", "tun0")], None),
        (filters(2), [table_route("10.2.0.2/32", "tun0")], None),  # loose: any route will do
        (
            filters(1),
            [table_route("10.2.0.2/32", "tun0")],
            RouteAnswer("tun0", route="10.2.0.2/32", reverse_path_filter=("net.ipv4.conf.br1.rp_filter", 1)),
        ),
        (
            {"all": setting("all", rp_filter=1)},
            [table_route("10.2.0.2/32", "tun0")],
            RouteAnswer("tun0", route="10.2.0.2/32", reverse_path_filter=("net.ipv4.conf.all.rp_filter", 1)),
        ),
        # The larger value counts.
        ({"all": setting("all", rp_filter=2), **filters(1)}, [table_route("10.2.0.2/32", "tun0")], None),
        (filters(1), [local_route("10.2.0.2", "br1")], None),
        (
            filters(2),
            [table_route("10.2.0.2/32", kind="blackhole")],
            RouteAnswer(
                route="10.2.0.2/32",
                error=BLACKHOLE,
                dead_end="blackhole",
                reverse_path_filter=("net.ipv4.conf.br1.rp_filter", 2),
            ),
        ),
    ],
)
def test_the_filter_of_the_reverse_path_is_named(changed, routes, expected):
    assert answer(FORWARDED, routes, **changed) == expected


def test_a_source_without_a_route_meets_the_filter_of_the_reverse_path():
    question = RouteQuestion(4, "10.1.0.2", "198.51.100.7", "br1", "br0")
    rejected = answer(question, br1=setting("br1", rp_filter=2))
    assert rejected.error == "has no route to the source"
    assert rejected.reverse_path_filter == ("net.ipv4.conf.br1.rp_filter", 2)
    assert answer(RouteQuestion(4, "10.1.0.2", None, "br1", "br0"), br1=setting("br1", rp_filter=1)) is None


def test_the_way_back_has_the_ports_exchanged():
    rule = policy_rule(table=52, source_ports=(80, 80))
    rejected = answer(FORWARDED, rules=[rule], **filters(1))
    assert (rejected.interface, rejected.rule) == ("tun0", "from all sport 80 lookup 52")


def test_a_decision_says_where_the_packet_goes():
    rule = policy_rule(table=52)
    by_bridge = Decision(rule, table_route("10.1.0.0/24", "br0", "br1"))
    assert [by_bridge.leaves_by(name) for name in ("br0", "br1", "br2", None)] == [True, True, False, False]
    assert (by_bridge.is_local, by_bridge.dead_end) == (False, None)
    held = Decision(rule, local_route("10.1.0.1", "br0"))
    assert (held.is_local, held.leaves_by("br0")) == (True, False)
    assert Decision(rule, table_route("10.1.0.255/32", "br0", kind="broadcast")).is_local
    dropped = Decision(policy_rule(action="unreachable"), None)
    assert (dropped.dead_end, dropped.is_local, dropped.leaves_by("br0")) == ("unreachable", False, False)


def of_host(read, **facts):
    return EngineState(world(), seen(host=Observation(1, routing=read), **facts))


def test_a_recorded_answer_of_the_kernel_comes_before_the_lookup():
    recorded = {FORWARDED: RouteAnswer("tun0")}
    read = routing((*ROUTES, table_route("10.1.0.2/32", kind="blackhole")), (), SETTINGS)
    assert answers_in(of_host(read, routes=recorded), [FORWARDED]) == recorded
    looked_up = answers_in(of_host(read), [FORWARDED, TO_HOST])
    assert {question: found.error for question, found in looked_up.items()} == {FORWARDED: BLACKHOLE}
    assert answers_in(of_host(None), [FORWARDED]) == {}
    assert answers_in(EngineState(world(), NOTHING_SEEN), [FORWARDED]) == {}


def test_a_plan_takes_routes_of_removed_bridges_away_and_adds_those_of_new_ones():
    old, kept = network("old", "10.1.0.0/24"), network("kept", "10.2.0.0/24")
    new = network("new", "10.3.0.0/24", subnet6="fd00:3::/64")
    inhibited = network("i", "10.4.0.0/24", options={"com.docker.network.bridge.inhibit_ipv4": "true"})
    odd = network("odd", "no subnet")
    routes = [table_route(f"10.{at}.0.0/24", one.bridge_name) for at, one in ((1, old), (2, kept))]
    settings = [setting(name) for name in ("all", old.bridge_name, kept.bridge_name)]
    read = routing(routes, settings=[*settings, setting("default", rp_filter=2)])
    planned = planned_routing(world(*BUILTIN, old, kept), world(*BUILTIN, kept, new, inhibited, odd), read)
    assert planned.rules == read.rules
    assert planned.routes == (
        routes[1],
        table_route("10.3.0.0/24", new.bridge_name),
        table_route("fd00:3::/64", new.bridge_name),
    )
    values = {own.interface: own.rp_filter for own in planned.settings}
    names = [one.bridge_name for one in (kept, inhibited, new, odd)]
    assert values == {"all": 0, "default": 2, names[0]: 0, **dict.fromkeys(names[1:], 2)}


def test_a_plan_without_a_setting_for_new_interfaces_adds_none():
    new = network("new", "10.3.0.0/24")
    read = Routing(default_rules(), (), (setting("all"),))
    assert planned_routing(world(), world(new, container("a")), read).settings == (setting("all"),)
