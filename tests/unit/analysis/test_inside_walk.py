"""The walk inside a container: a check and the exposure ask the same one about rules, frames and routes there."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.exposure.judge import Judge
from bridgework.analysis.exposure.questions import Target, origins_of, questions
from bridgework.model.checks import Severity, Verdict
from bridgework.model.observations import (
    FirewallChain,
    FirewallRules,
    HostObservation,
    ListeningSocket,
    Neighbour,
    Observation,
    XfrmPolicy,
)
from bridgework.model.snapshot import PublishedPort
from tests.support.routed import interface, local_route, policy_rule, routing, setting, table_route
from tests.support.worlds import ask, codes, container, network, predict, seen, world

LAB = network("lab", subnet6="fd00:1::/64")
FAR = network("far", "10.2.0.0/24")
WEB = container("web", (LAB, "10.1.0.2", {"ipv6_address": "fd00:1::2"}), (FAR, "10.2.0.2"))
CLIENT = container("client", (LAB, "10.1.0.3", {"ipv6_address": "fd00:1::3"}))
HERE = world(LAB, FAR, WEB, CLIENT)
ROUTES = {
    "web": (
        table_route("10.1.0.0/24", "eth0"),
        table_route("10.2.0.0/24", "eth1"),
        table_route("fd00:1::/64", "eth0"),
        table_route("0.0.0.0/0", "eth0", gateway="10.1.0.1"),
        local_route("10.1.0.2", "eth0"),
    ),
    "client": (
        table_route("10.1.0.0/24", "eth0"),
        table_route("fd00:1::/64", "eth0"),
        table_route("0.0.0.0/0", "eth0", gateway="10.1.0.1"),
        local_route("10.1.0.3", "eth0"),
    ),
}
LINKS = {
    "web": (
        interface("eth0", "10.1.0.2/24", "fd00:1::2/64", index=4, peer_index=14),
        interface("eth1", "10.2.0.2/24", index=5, peer_index=15),
    ),
    "client": (interface("eth0", "10.1.0.3/24", "fd00:1::3/64", index=4, peer_index=24),),
}
TUNNEL = interface("tun0", index=9, kind="tun")
SETTINGS = tuple(setting(name) for name in ("all", "default", "eth0", "eth1", "tun0"))
HOST_LINKS = (
    interface("ens3", "192.0.2.1/24", index=2, kind="device"),
    interface(LAB.bridge_name, "10.1.0.1/24", "fd00:1::1/64", index=3, kind="bridge"),
    interface(FAR.bridge_name, "10.2.0.1/24", index=6, kind="bridge"),
    interface("veth14", index=14, peer_index=4, master_index=3),
)


def chain(name, *rules, table="filter", policy="ACCEPT"):
    """A chain of iptables."""
    return FirewallChain(table, name, policy, tuple((0, 0, rule) for rule in rules))


def ruled(*chains):
    return {"firewall": FirewallRules(chains, chains, "")}


def routed(name, *routes, rules=(), settings=SETTINGS):
    return {"routing": routing((*routes, *ROUTES[name]), rules, settings)}


def inside(name, **facts):
    """A container's namespace that is as the engine made it, but for ``facts``."""
    given = {
        "interfaces": (*LINKS[name], *facts.pop("links", ())),
        "routing": routing(ROUTES[name], settings=SETTINGS),
        "firewall": FirewallRules((), (), ""),
        "frame_rules": "",
        "sockets": (ListeningSocket("tcp", "ipv6", "::", 8080),),
    }
    return Observation(2 if name == "web" else 3, **(given | facts))


def looked(web=None, client=None):
    rules = FirewallRules((chain("FORWARD"), chain("INPUT"), chain("OUTPUT")), (), "")
    insides = [(WEB, inside("web", **(web or {}))), (CLIENT, inside("client", **(client or {})))]
    return seen(insides, host=HostObservation(Observation(1, interfaces=HOST_LINKS)), firewall=rules)


def check(observed, version=4, source=CLIENT, protocol="tcp"):
    facts = {} if protocol == "icmp" else {"port": 8080}
    address = "10.1.0.2" if version == 4 else "fd00:1::2"
    return predict(HERE, ask(source, f"address:{address}", protocol, **facts), observed)


def exposed(observed, *, looked_inside=True):
    """The exposure of port 8080 of the web container, from the host."""
    state = EngineState(HERE, observed)
    target = Target(WEB, WEB.endpoints[0], LAB, 8080, "tcp")
    places = [place for place in origins_of(HERE, observed.host) if (place.name, place.version) == ("host", 4)]
    (question,) = questions([target], places)
    return Judge(state, looked_inside=looked_inside).exposure(question)


def told(prediction):
    """The code, the severity and the sentence of each finding."""
    return [(one.code, one.severity, one.message) for one in prediction.findings]


def test_containers_as_the_engine_makes_them_reach_each_other():
    for version in (4, 6):
        prediction = check(looked(), version)
        assert (prediction.verdict, codes(prediction)) == (Verdict.REACHABLE, [])
    row = exposed(looked())
    assert (row.verdict, row.stop.reason, row.listening) == (Verdict.REACHABLE, None, True)


DROPS = "-p tcp -m tcp --dport 8080 -j DROP"


@pytest.mark.parametrize(
    ("where", "chains", "sentence", "reason"),
    [
        ("web", (chain("INPUT", f"-A INPUT {DROPS}"),), f"INPUT of web drops the packet: -A INPUT {DROPS}.", True),
        (
            "web",
            (chain("INPUT", "-A INPUT -p tcp -j REJECT --reject-with tcp-reset"),),
            "INPUT of web rejects the packet: -A INPUT -p tcp -j REJECT --reject-with tcp-reset.",
            True,
        ),
        (
            "web",
            (chain("INPUT", policy="DROP"),),
            "INPUT of web drops the packet: its policy is DROP, and none of its rules accepts it.",
            True,
        ),
        (
            "web",
            (chain("OUTPUT", "-A OUTPUT -p tcp -m tcp --sport 8080 -j DROP"),),
            "OUTPUT of web drops the answer: -A OUTPUT -p tcp -m tcp --sport 8080 -j DROP.",
            True,
        ),
        (
            "web",
            (chain("OUTPUT", "-A OUTPUT -p tcp -j DROP", table="raw"),),
            "raw OUTPUT of web drops the answer: -A OUTPUT -p tcp -j DROP.",
            True,
        ),
        (
            "client",
            (chain("OUTPUT", f"-A OUTPUT {DROPS}"),),
            f"OUTPUT of client drops the packet: -A OUTPUT {DROPS}.",
            False,
        ),
        (
            "client",
            (chain("PREROUTING", "-A PREROUTING -p tcp -j DROP", table="raw"),),
            "raw PREROUTING of client drops the answer: -A PREROUTING -p tcp -j DROP.",
            False,
        ),
    ],
)
def test_a_rule_that_stops_the_packet_or_its_answer_is_named(where, chains, sentence, reason):
    observed = looked(**{where: ruled(*chains)})
    prediction = check(observed)
    assert prediction.verdict is Verdict.UNREACHABLE
    assert told(prediction) == [("container-rule-drops", Severity.BLOCKING, sentence)]
    row = exposed(observed)
    assert row.stop.reason == ("container-firewall" if reason else None)


def test_a_rule_stops_what_comes_from_an_unknown_source_where_it_compares_no_source():
    # A packet between two networks may be masqueraded, so its source is not known where it arrives.
    one = container("one", (FAR, "10.2.0.9"))
    here = world(LAB, FAR, WEB, one)
    for rule, named in (("-p tcp -j DROP", True), ("-s 10.2.0.9/32 -j DROP", False)):
        observed = looked(web=ruled(chain("INPUT", f"-A INPUT {rule}")))
        question = ask(one, "address:10.1.0.2", "tcp", port=8080)
        assert ("container-rule-drops" in codes(predict(here, question, observed))) is named


def test_rules_that_were_not_read_or_not_understood_stop_nothing():
    for rules in (None, FirewallRules((), (), "", other_chains=None)):
        observed = looked(web={"firewall": rules})
        assert codes(check(observed)) == []
        row = exposed(observed)
        assert (row.verdict, row.stop.reason) == (Verdict.INCONCLUSIVE, "container-unseen")
        # A view that did not look inside takes the container for what the engine makes.
        assert exposed(observed, looked_inside=False).verdict is Verdict.REACHABLE
    # Without rules of its own, those for Docker's name server do not matter and need not be read.
    assert exposed(looked(web={"firewall": None, "own_rules": False})).verdict is Verdict.REACHABLE


@pytest.mark.parametrize(
    ("where", "rule", "how"),
    [
        ("web", "-A PREROUTING -p tcp -j REDIRECT --to-ports 9", "PREROUTING of web sends tcp port 8080 to port 9"),
        (
            "client",
            "-A OUTPUT -p tcp -j DNAT --to-destination 10.1.0.9:80",
            "OUTPUT of client sends tcp port 8080 to 10.1.0.9 port 80",
        ),
        (
            "client",
            "-A POSTROUTING -p tcp -j SNAT --to-source 10.1.0.77",
            "POSTROUTING of client gives the packet the source address 10.1.0.77",
        ),
    ],
)
def test_a_rule_that_changes_the_packet_is_named(where, rule, how):
    name = rule.split()[1]
    prediction = check(looked(**{where: ruled(chain(name, rule, table="nat"))}))
    assert told(prediction) == [("container-rule-diverts", Severity.WARNING, f"nat {how}: {rule}.")]


def test_a_ping_is_sent_to_another_address_without_a_port():
    rule = "-A OUTPUT -p icmp -j DNAT --to-destination 10.1.0.9"
    prediction = check(looked(client=ruled(chain("OUTPUT", rule, table="nat"))), protocol="icmp")
    assert [one.message for one in prediction.findings] == [
        f"nat OUTPUT of client sends icmp to 10.1.0.9: {rule}.",
    ]


def test_an_address_that_the_container_has_not_takes_no_packet():
    other = {"interfaces": (interface("eth0", "10.1.0.200/24", index=4), LINKS["web"][1])}
    observed = looked(web=other | ruled(chain("INPUT", policy="DROP")))
    assert "container-rule-drops" not in codes(check(observed))
    assert exposed(observed).stop.reason in {"link-fault", "container-address"}


@pytest.mark.parametrize(
    ("where", "facts", "code", "severity", "sentence"),
    [
        (
            "client",
            routed("client", table_route("10.1.0.2/32", kind="blackhole")),
            "container-route-drops",
            Severity.BLOCKING,
            "client drops packets for 10.1.0.2: its route 10.1.0.2/32 drops such packets (blackhole).",
        ),
        (
            "web",
            routed("web", rules=(policy_rule(90, destination="10.1.0.3/32", action="prohibit"),)),
            "container-route-drops",
            Severity.BLOCKING,
            (
                'web drops the answers for 10.1.0.3: the policy rule "90: from all to 10.1.0.3/32 prohibit" refuses '
                "such packets (prohibit)."
            ),
        ),
        (
            "client",
            routed("client", table_route("10.1.0.2/32", "tun0")) | {"links": (TUNNEL,)},
            "container-route-diverts",
            Severity.BLOCKING,
            "client sends the packet for 10.1.0.2 by tun0 instead of eth0: its route 10.1.0.2/32 decides.",
        ),
        (
            "web",
            routed("web", table_route("10.1.0.3/32", "eth1", gateway="10.2.0.1")),
            "container-route-diverts",
            Severity.WARNING,
            (
                "web sends the answer for 10.1.0.3 by eth1 and the gateway 10.2.0.1 instead of eth0: its route "
                "10.1.0.3/32 decides."
            ),
        ),
        (
            "client",
            routed("client", table_route("10.1.0.2/32", "eth0", gateway="10.1.0.1")),
            "container-route-diverts",
            Severity.WARNING,
            (
                "client sends the packet for 10.1.0.2 by eth0 and the gateway 10.1.0.1 instead of directly: its route "
                "10.1.0.2/32 decides."
            ),
        ),
        (
            "web",
            routed("web", table_route("0.0.0.0/0", "eth1", table=9), rules=(policy_rule(90, 9, protocol=6),)),
            "container-route-diverts",
            Severity.WARNING,
            (
                'web sends the answer for 10.1.0.3 by eth1 instead of eth0: the policy rule "90: from all ipproto 6 '
                'lookup 9" decides.'
            ),
        ),
    ],
)
def test_a_route_that_drops_or_diverts_is_named(where, facts, code, severity, sentence):
    prediction = check(looked(**{where: facts}))
    assert told(prediction) == [(code, severity, sentence)]


@pytest.mark.parametrize(("interface", "named"), [("eth0", False), ("tun0", True)])
def test_a_rule_about_an_interface_that_the_packet_does_not_leave_by_is_not_named(interface, named):
    # A VPN client sends everything by its tunnel, and its kill switch drops what would leave beside it.
    facts = routed("client", table_route("10.1.0.2/32", "tun0")) | {"links": (TUNNEL,)}
    rule = f"-A OUTPUT -o {interface} -p tcp -j DROP"
    found = codes(check(looked(client=facts | ruled(chain("OUTPUT", rule)))))
    assert "container-route-diverts" in found
    assert ("container-rule-drops" in found) is named


def test_a_mark_that_a_rule_sets_chooses_the_route():
    facts = routed("client", table_route("0.0.0.0/0", "tun0", table=9), rules=(policy_rule(90, 9, mark=7, mask=7),))
    mark = chain("OUTPUT", "-A OUTPUT -p tcp -j MARK --set-xmark 0x7/0xffffffff", table="mangle")
    drop = chain("POSTROUTING", "-A POSTROUTING -o tun0 -j DROP", table="mangle")
    prediction = check(looked(client=facts | {"links": (TUNNEL,)} | ruled(mark, drop)))
    assert [one.message.split(" drops")[0] for one in prediction.findings] == ["mangle POSTROUTING of client"]


def test_a_policy_rule_about_the_source_port_of_the_answer_applies():
    rules = (policy_rule(90, action="blackhole", protocol=6, source_ports=(8080, 8080)),)
    observed = looked(web=routed("web", rules=rules))
    assert codes(check(observed)) == ["container-route-drops"]
    assert exposed(observed).stop.reason == "container-route"


def test_routes_to_the_container_itself_or_of_a_link_that_is_down_are_not_named():
    own = routed("client", local_route("10.1.0.2", "eth0"))
    down = {"interfaces": (replace(LINKS["client"][0], flags=()),)}
    diverted = routed("client", table_route("10.1.0.2/32", "tun0")) | down
    for facts in (own, diverted, {"routing": None}, {"routing": routing(())}):
        found = codes(check(looked(client=facts)))
        assert not {"container-route-diverts", "container-route-drops"} & set(found)


def netdev(hook, device="eth0"):
    """A table of the family netdev with a chain that drops what passes the device."""
    own = {"family": "netdev", "table": "fault", "name": "own"}
    rule = {"family": "netdev", "table": "fault", "chain": "own", "handle": 2, "expr": [{"drop": None}]}
    base = {"type": "filter", "hook": hook, "prio": 0, "policy": "accept", "dev": device}
    return json.dumps({"nftables": [{"chain": own | base}, {"rule": rule}]})


@pytest.mark.parametrize(("where", "hook"), [("web", "ingress"), ("web", "egress"), ("client", "ingress")])
def test_a_rule_for_frames_inside_is_named(where, hook):
    observed = looked(**{where: {"frame_rules": netdev(hook)}})
    (found,) = check(observed).findings
    assert (found.code, found.component.name) == ("link-rule-drops", where)
    assert exposed(observed).stop.reason == ("link-rule" if where == "web" else None)
    assert codes(check(looked(**{where: {"frame_rules": netdev(hook, "eth7")}}))) == []


def test_a_rule_of_arp_is_named_only_where_a_question_has_no_answer():
    base = {"family": "arp", "table": "fault", "name": "own", "type": "filter", "hook": "input", "prio": 0}
    rules = json.dumps({"nftables": [{"chain": base | {"policy": "drop"}}]})
    asked = (Neighbour("10.1.0.2", None, "eth0", "failed"),)
    for version, neighbours, expected in ((4, asked, ["link-rule-drops"]), (4, (), []), (6, asked, [])):
        observed = looked(web={"frame_rules": rules}, client={"neighbours": neighbours})
        assert codes(check(observed, version)) == expected


@pytest.mark.parametrize(
    ("facts", "reason", "rest"),
    [
        (routed("web", table_route("10.1.0.1/32", kind="unreachable")), "container-route", Verdict.UNREACHABLE),
        # The answer comes to a gateway of which nothing is known.
        (
            routed("web", table_route("10.1.0.1/32", "eth0", gateway="10.1.0.99")),
            "container-gateway",
            Verdict.INCONCLUSIVE,
        ),
        # The client has an address of the container.
        (routed("web", local_route("10.1.0.1", "eth0")), "container-route", Verdict.UNREACHABLE),
        # By the other network, whose bridge is the host's as well.
        (routed("web", table_route("10.1.0.1/32", "eth1", gateway="10.2.0.1")), None, Verdict.REACHABLE),
        # The filter of the reverse path drops what comes in by an interface that does not lead back.
        (
            routed(
                "web",
                table_route("10.1.0.1/32", "eth1", gateway="10.2.0.1"),
                settings=(*SETTINGS[:2], setting("eth0", rp_filter=1), *SETTINGS[3:]),
            ),
            "container-route",
            Verdict.UNREACHABLE,
        ),
        ({"routing": routing((), settings=SETTINGS)}, "container-route", Verdict.UNREACHABLE),
    ],
)
def test_the_exposure_follows_the_answer_out_of_the_container(facts, reason, rest):
    row = exposed(looked(web=facts))
    assert (row.stop.reason, row.verdict) == (reason, rest)


@pytest.mark.parametrize("destination", ["10.2.0.77", "10.1.0.77"])
def test_a_container_that_sends_the_packet_on_leaves_the_question_open(destination):
    rule = f"-A PREROUTING -p tcp -j DNAT --to-destination {destination}:80"
    row = exposed(looked(web=ruled(chain("PREROUTING", rule, table="nat"))))
    assert (row.stop.reason, row.verdict) == ("container-forwards", Verdict.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("source", "where", "policy", "is_named"),
    [
        (CLIENT, "client", XfrmPolicy("out", "10.1.0.3/32", "10.1.0.0/24"), True),
        (CLIENT, "client", XfrmPolicy("in", "10.1.0.2/32", "0.0.0.0/0"), True),
        (CLIENT, "web", XfrmPolicy("in", "10.1.0.0/24", "10.1.0.2/32"), True),
        (CLIENT, "web", XfrmPolicy("in", "192.0.2.0/24", "10.1.0.2/32"), False),
        (CLIENT, "web", XfrmPolicy("fwd", "10.1.0.0/24", "10.1.0.2/32"), False),
        # What stays within a bridge meets no policy of the host.
        (CLIENT, "host", XfrmPolicy("fwd", "10.1.0.0/24", "10.1.0.2/32"), False),
        ("host", "host", XfrmPolicy("out", "10.1.0.1/32", "10.1.0.2/32"), True),
        ("host", "host", XfrmPolicy("in", "10.1.0.2/32", "10.1.0.1/32"), True),
    ],
)
def test_a_policy_that_blocks_is_named_with_its_namespace(source, where, policy, is_named):
    observed = looked(**({} if where == "host" else {where: {"xfrm": (policy,)}}))
    if where == "host":
        observed = replace(observed, host=HostObservation(replace(observed.host.observation, xfrm=(policy,))))
    found = check(observed, source=source).findings
    assert [one.code for one in found] == (["xfrm-policy-blocks"] if is_named else [])
    if is_named:
        assert ("the host" if where == "host" else where) in found[0].message


def test_a_policy_of_the_host_blocks_what_it_forwards():
    one = container("one", (FAR, "10.2.0.9"))
    here = world(LAB, FAR, WEB, one)
    question = ask(one, "address:10.1.0.2", "tcp", port=8080)
    for direction, named in (("fwd", True), ("out", True), ("in", False)):
        policy = XfrmPolicy(direction, "10.2.0.9/32", "10.1.0.2/32")
        host = Observation(1, interfaces=HOST_LINKS, xfrm=(policy,))
        observed = replace(looked(), host=HostObservation(host))
        observed = replace(observed, inside={**observed.inside, one.id: Observation(4)})
        assert ("xfrm-policy-blocks" in codes(predict(here, question, observed))) is named


def test_a_link_that_is_down_inside_takes_no_packet():
    down = {"interfaces": (replace(LINKS["web"][0], state="down", flags=()), LINKS["web"][1])}
    row = exposed(looked(web=down))
    assert (row.stop.reason, row.stop.finding.code) == ("link-fault", "link-down")


def test_where_the_source_of_the_host_is_not_known_the_way_back_is_not_followed():
    # The bridge of such a network has no IPv4 address, so the host asks from another one of its addresses.
    quiet = network("quiet", options={"com.docker.network.bridge.inhibit_ipv4": "true"})
    one = container("one", (quiet, "10.1.0.2"))
    here, observed = world(quiet, one), looked()
    links = (replace(HOST_LINKS[1], name=quiet.bridge_name, addresses=()), HOST_LINKS[3])
    observed = replace(observed, host=HostObservation(Observation(1, interfaces=links)))
    observed = replace(observed, inside={one.id: inside("web", routing=routing((), settings=SETTINGS))})
    state = EngineState(here, observed)
    target = Target(one, one.endpoints[0], quiet, 8080, "tcp")
    (place,) = [own for own in origins_of(here, observed.host) if (own.name, own.version) == ("host", 4)]
    (question,) = questions([target], [place])
    assert Judge(state, looked_inside=True).exposure(question).stop.reason is None


def test_a_published_port_that_is_asked_for_from_its_own_network_stays_on_the_bridge():
    published = PublishedPort(8080, "tcp", "0.0.0.0", 18080)
    dnat = chain("PREROUTING", "-A PREROUTING -p tcp --dport 18080 -j DNAT --to-destination 10.1.0.2:8080", table="nat")
    own = {"family": "bridge", "table": "fault", "name": "own"}
    base = {"type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}
    for rules, reason in (("", None), (json.dumps({"nftables": [{"chain": own | base}]}), "link-rule")):
        observed = looked()
        switches = (("net.bridge.bridge-nf-call-iptables", "1"), ("net.ipv4.ip_forward", "1"))
        firewall = replace(observed.firewall, chains=(*observed.firewall.chains, dnat), switches=switches)
        host = HostObservation(replace(observed.host.observation, frame_rules=rules))
        state = EngineState(HERE, replace(observed, firewall=firewall, host=host))
        target = Target(WEB, WEB.endpoints[0], LAB, 8080, "tcp", published)
        (place,) = [one for one in origins_of(HERE, host) if (one.name, one.version) == ("lab", 4)]
        (question,) = questions([target], [place])
        assert Judge(state, looked_inside=True).exposure(question).stop.reason == reason
