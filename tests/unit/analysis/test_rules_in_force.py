"""The rules in force decide, and an option of the engine only says why the engine wrote a rule."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bridgework.analysis.case import Case
from bridgework.analysis.rules.in_force import proxy_questions, route_questions
from bridgework.model.checks import Protocol, Verdict
from bridgework.model.observations import (
    DockerRules,
    FirewallChain,
    FirewallRules,
    HostObservation,
    Interface,
    InterfaceAddress,
    Observation,
    ProxyProcess,
    RouteAnswer,
    RouteQuestion,
)
from tests.support.worlds import (
    ask,
    codes,
    container,
    finding_of,
    listening,
    network,
    predict,
    published,
    rules_of_engine,
    seen,
    world,
)

OPTION = "com.docker.network.bridge."
FRONT, BACK = network("front", "10.1.0.0/24"), network("back", "10.2.0.0/24")
CLOSED = replace(FRONT, options={f"{OPTION}enable_icc": "false"})
ONE, TWO = container("one", (FRONT, "10.1.0.2")), container("two", (FRONT, "10.1.0.3"))
WEB = container("web", (BACK, "10.2.0.2"), ports=[published(8080)])
SNAPSHOT = world(FRONT, BACK, ONE, TWO, WEB)
NF = (("net.bridge.bridge-nf-call-iptables", "1"),)
BRIDGE, OTHER = FRONT.bridge_name, BACK.bridge_name
OPEN = [(WEB, listening("0.0.0.0:8080", "0.0.0.0:80"))]


def chain(name, *rules, table="filter", policy=None):
    return FirewallChain(table, name, policy, tuple((0, 0, f"-A {name} {rule}") for rule in rules))


def firewall(*chains, switches=NF):
    return FirewallRules(chains, None, "", switches, DockerRules(ipv4=True))


FORWARD = chain("FORWARD", "-j DOCKER-USER", "-j DOCKER-ISOLATION-STAGE-1", policy="ACCEPT")
PLAIN = chain("FORWARD", policy="ACCEPT")
ISOLATION = (
    chain("DOCKER-ISOLATION-STAGE-1", f"-i {BRIDGE} ! -o {BRIDGE} -j DOCKER-ISOLATION-STAGE-2"),
    chain("DOCKER-ISOLATION-STAGE-2", f"-o {OTHER} -j DROP"),
)


def asked(question, rules, snapshot=SNAPSHOT, **facts):
    return predict(snapshot, question, seen(OPEN, firewall=rules, ipv4_firewall=True, **facts))


def test_a_finding_about_an_option_quotes_the_rule_that_the_engine_wrote_for_it():
    prediction = asked(ask(ONE, WEB), firewall(FORWARD, *ISOLATION, chain("DOCKER-USER")))
    assert codes(prediction) == ["no-shared-network"]
    evidence = finding_of(prediction, "no-shared-network").evidence
    assert evidence["owner"] == "Docker"
    assert evidence["chain"] == "DOCKER-ISOLATION-STAGE-2"
    assert evidence["rule"] == f"-A DOCKER-ISOLATION-STAGE-2 -o {OTHER} -j DROP"


def test_what_a_rule_of_others_opens_is_reachable_whatever_the_options_say():
    opened = chain("DOCKER-USER", f"-i {BRIDGE} -o {OTHER} -j ACCEPT")
    assert asked(ask(ONE, WEB), firewall(FORWARD, *ISOLATION, opened)).verdict is Verdict.REACHABLE
    assert asked(ask(ONE, WEB), firewall(PLAIN)).verdict is Verdict.REACHABLE
    open_again = asked(ask(ONE, TWO), firewall(PLAIN), world(CLOSED, ONE, TWO))
    assert (open_again.verdict, codes(open_again)) == (Verdict.REACHABLE, [])


def test_a_rule_of_others_is_the_culprit_also_where_an_option_would_stop_the_packet():
    dropping = chain("DOCKER-USER", "-p icmp -j DROP")
    assert codes(asked(ask(ONE, WEB), firewall(FORWARD, *ISOLATION, dropping))) == ["user-firewall-drop"]


def test_a_rule_that_is_not_understood_makes_it_inconclusive_also_where_an_option_would_decide():
    strange = chain("DOCKER-USER", "-m time --weekdays Mon -j ACCEPT")
    prediction = asked(ask(ONE, WEB), firewall(FORWARD, *ISOLATION, strange))
    assert (prediction.verdict, codes(prediction)) == (Verdict.INCONCLUSIVE, ["analysis-limited"])
    unknown = chain("DOCKER-ISOLATION-STAGE-2", "-m time --weekdays Mon -j DROP")
    own = asked(ask(ONE, WEB), firewall(FORWARD, ISOLATION[0], unknown, chain("DOCKER-USER")))
    assert (own.verdict, codes(own)) == (Verdict.INCONCLUSIVE, ["analysis-limited"])


def test_the_answer_within_a_bridge_passes_the_rules_too():
    silent = chain("FORWARD", "-s 10.1.0.3/32 -j DROP", policy="ACCEPT")
    assert codes(asked(ask(ONE, TWO), firewall(silent))) == ["user-firewall-drop"]
    off = firewall(silent, switches=(("net.bridge.bridge-nf-call-iptables", "0"),))
    assert asked(ask(ONE, TWO), off).verdict is Verdict.REACHABLE
    closed = asked(ask(ONE, TWO), off, world(CLOSED, ONE, TWO))
    assert closed.verdict is Verdict.REACHABLE, "no rule is asked"


@pytest.mark.parametrize(
    ("table", "name", "rule", "purpose"),
    [
        ("filter", "DOCKER", "-o {0} -j DROP", "opens only published ports"),
        ("filter", "DOCKER-INTERNAL", "-o {0} -j DROP", "closes internal networks"),
        ("raw", "PREROUTING", "-d 10.1.0.3/32 ! -i {1} -j DROP", "Docker 28 and later"),
        ("filter", "FORWARD", "-i {0} -o {0} -j DROP", ""),
        ("filter", "DOCKER", "-s 10.1.0.2/32 -j DROP", "opens only published ports"),
    ],
)
def test_a_rule_of_dockers_that_no_option_explains_is_told_with_its_purpose(table, name, rule, purpose):
    forward = chain("FORWARD", *([f"-j {name}"] if name.startswith("DOCKER") else []), policy="ACCEPT")
    dropping = chain(name, rule.format(BRIDGE, OTHER), table=table, policy=None if "DOCKER" in name else "ACCEPT")
    chains = (dropping,) if name == "FORWARD" else (forward, dropping)
    found = finding_of(asked(ask(ONE, TWO), firewall(*chains)), "docker-rule-drops")
    assert purpose in found.message
    assert found.evidence["owner"] == "Docker"
    # Only a rule that Docker did not write for protection is deleted.
    foreign = rule.startswith("-s")
    assert bool(found.remedy.commands) is foreign
    assert bool(found.remedy.actions) is not foreign


@pytest.mark.parametrize(
    ("target", "sockets", "expected"),
    [
        ("REDIRECT --to-ports 9999", ("0.0.0.0:22",), ["no-listener"]),
        ("REDIRECT --to-ports 22", ("0.0.0.0:22",), []),
        ("DNAT --to-destination 10.1.0.3:9999", (), ["no-listener"]),
        ("DNAT --to-destination 10.1.0.3:80", (), []),
    ],
)
def test_a_published_port_that_a_rule_of_others_takes_is_judged_by_where_it_leads(target, sockets, expected):
    taken = chain("PREROUTING", f"-p tcp -m tcp --dport 8080 -j {target}", table="nat")
    inside = [*OPEN, (TWO, listening("0.0.0.0:80"))]
    facts = {"firewall": firewall(PLAIN, taken), "ipv4_firewall": True, "host": listening(*sockets)}
    predicted = predict(SNAPSHOT, AT_HOST, seen(inside, **facts))
    assert codes(predicted) == expected
    assert all(f"-j {target}" in found.evidence["rule"] for found in predicted.findings)


DNAT = chain("PREROUTING", "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.2.0.2:80", table="nat")
AT_HOST = ask(ONE, "address:10.1.0.1", Protocol.TCP, 8080)
PROXY = ProxyProcess(7, "tcp", "0.0.0.0", 8080, "10.2.0.2", 80)


def test_a_rule_against_connection_tracking_is_the_cause_and_not_the_option_of_the_rule_that_drops():
    forward = chain("FORWARD", "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-j DOCKER", policy="DROP")
    opened = f"-d 10.2.0.2/32 ! -i {OTHER} -o {OTHER} -p tcp -m tcp --dport 80 -j ACCEPT"
    docker = chain("DOCKER", opened, *(f"! -i {bridge} -o {bridge} -j DROP" for bridge in (OTHER, BRIDGE)))
    untracked = chain("PREROUTING", "-s 10.2.0.2/32 -j NOTRACK", table="raw", policy="ACCEPT")
    facts = {"userland_proxy": False, "engine_version": (29, 7)}
    assert asked(AT_HOST, firewall(forward, docker, DNAT), **facts).verdict is Verdict.REACHABLE
    stopped = asked(AT_HOST, firewall(forward, docker, DNAT, untracked), **facts)
    assert codes(stopped) == ["docker-rule-drops"]
    assert "NOTRACK" in finding_of(stopped, "docker-rule-drops").evidence["untracked_by"]


def test_a_published_port_is_answered_by_whatever_the_rules_in_force_lead_to():
    through = asked(AT_HOST, firewall(PLAIN, DNAT), userland_proxy=False)
    assert through.verdict is Verdict.REACHABLE
    # The rule is gone: only docker-proxy could answer.
    gone = firewall(PLAIN)
    assert codes(asked(AT_HOST, gone, userland_proxy=False, engine_version=(28, 5))) == ["port-not-published"]
    assert asked(AT_HOST, gone, userland_proxy=True).verdict is Verdict.REACHABLE
    # The host's sockets and processes show that docker-proxy ended, though the engine is configured to run it.
    state = seen(OPEN, host=listening("0.0.0.0:22"), firewall=gone, ipv4_firewall=True, userland_proxy=True)
    assert predict(SNAPSHOT, AT_HOST, state).verdict is Verdict.REACHABLE
    for held, told in (((), ["docker-proxy-missing"]), ((PROXY,), [])):
        host = replace(state.host, proxies=held)
        assert codes(predict(SNAPSHOT, AT_HOST, replace(state, host=host))) == told
    closed = {"host": listening("0.0.0.0:22"), "userland_proxy": True}
    assert asked(AT_HOST, firewall(PLAIN, DNAT), **closed).verdict is Verdict.REACHABLE
    stopped = asked(AT_HOST, firewall(FORWARD, *ISOLATION, DNAT, chain("DOCKER-USER")), userland_proxy=False)
    assert codes(stopped) == ["bridges-isolated"]
    assert finding_of(stopped, "bridges-isolated").evidence["owner"] == "Docker"


@pytest.mark.parametrize(("value", "expected"), [("1", []), ("0", ["ip-forward-off"])])
def test_without_forwarding_nothing_passes_from_one_bridge_to_another(value, expected):
    rules = firewall(PLAIN, DNAT, switches=(*NF, ("net.ipv4.ip_forward", value)))
    assert codes(asked(ask(ONE, WEB), rules)) == (expected or ["networks-not-isolated"])
    assert codes(asked(AT_HOST, rules, userland_proxy=False)) == expected
    assert codes(asked(ask(ONE, TWO), rules)) == []
    assert codes(asked(ask("host", WEB), rules)) == []
    # A port that is translated to a container on the same bridge is forwarded as well (measured).
    assert codes(asked(ask(WEB, "address:10.2.0.1", Protocol.TCP, 8080), rules, userland_proxy=False)) == expected


@pytest.mark.parametrize(("filtered", "expected"), [("1", []), ("0", ["ip-forward-off"])])
def test_br_netfilter_switches_ipv6_that_is_translated_back_into_its_bridge(filtered, expected):
    six = network("six", "10.6.0.0/24", subnet6="fd00:6::/64")
    server = container(
        "server", (six, "10.6.0.2", {"ipv6_address": "fd00:6::2"}), ports=[published(8080, host_ip="::")]
    )
    back = chain("PREROUTING", "-p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00:6::2]:8080", table="nat")
    away = chain("POSTROUTING", "-s fd00:6::2/128 -d fd00:6::2/128 -j MASQUERADE", table="nat")
    off = ("net.ipv6.conf.all.forwarding", "0")
    rules = FirewallRules((), (back, away, PLAIN), "", (off, ("net.bridge.bridge-nf-call-ip6tables", filtered)))
    question = ask(server, "address:fd00:6::1", Protocol.TCP, 8080)
    facts = {"ipv6_firewall": True, "userland_proxy": False, "firewall": rules}
    prediction = predict(world(six, server), question, seen([(server, listening("[::]:8080"))], **facts))
    assert codes(prediction) == expected


@pytest.mark.parametrize(("mode", "version", "port", "expected"), [
    ("routed", (28, 5), 8080, ["gateway-mode-routed"]),
    ("routed", (28, 5), 80, []),  # which a rule of others opens
    ("routed", (26, 1), 8080, []),
    ("nat", (28, 5), 8080, []),
])  # fmt: skip
def test_what_a_routed_network_lets_in_is_told_where_the_rules_were_read(mode, version, port, expected):
    back = replace(BACK, options={f"{OPTION}gateway_mode_ipv4": mode})
    snapshot = world(FRONT, back, ONE, WEB)
    # Without the drop of the network's chain, a rule of others may open what Docker's rules do not.
    rules = rules_of_engine(snapshot, engine_version=version).chains
    opened = tuple(replace(c, rules=tuple(r for r in c.rules if not r[2].endswith("-j DROP"))) for c in rules)
    passed = asked(ask(ONE, WEB, "tcp", port), firewall(*opened), snapshot, engine_version=version)
    assert (passed.verdict, codes(passed)) == (Verdict.REACHABLE, [*expected, "networks-not-isolated"])


def test_an_address_of_the_host_is_told_by_its_interfaces():
    link = Interface(2, "eth0", "device", None, 1500, "up", (), (InterfaceAddress("192.0.2.9", 24, "ipv4", "global"),))
    host = HostObservation(Observation(1, interfaces=(link,)))
    dropping = chain("INPUT", "-d 192.0.2.9/32 -j DROP", policy="ACCEPT")
    assert codes(asked(ask(ONE, "address:192.0.2.9"), firewall(dropping), host=host)) == ["user-firewall-drop"]


def host_at(*addresses):
    link = Interface(
        2, OTHER, "bridge", None, 1500, "up", (), tuple(InterfaceAddress(a, 24, "ipv4", "global") for a in addresses)
    )
    return HostObservation(Observation(1, interfaces=(link,)))


AT_OTHER = host_at("10.2.0.1")
OUTPUT, INPUT = chain("OUTPUT", policy="ACCEPT"), chain("INPUT", policy="ACCEPT")


def test_the_answer_to_the_host_passes_the_rules_too():
    silent = firewall(PLAIN, chain("INPUT", "-s 10.2.0.2/32 -j DROP", policy="ACCEPT"))
    assert codes(asked(ask("host", WEB), silent, host=AT_OTHER)) == ["user-firewall-drop"]
    assert codes(asked(ask("host", WEB), firewall(PLAIN, INPUT), host=AT_OTHER)) == []
    # Where the host's interfaces were not seen, the bridge is expected to have the address of the gateway.
    assert codes(asked(ask("host", WEB), silent)) == ["user-firewall-drop"]
    assert codes(asked(ask("host", WEB), silent, host=host_at())) == ["bridge-address-missing"]


def test_a_rule_that_drops_known_connections_lets_them_begin_and_loses_the_request():
    known = chain("FORWARD", "-s 10.1.0.2/32 -m conntrack --ctstate ESTABLISHED -j DROP", policy="ACCEPT")
    assert codes(asked(ask(ONE, WEB, Protocol.TCP, 8080), firewall(known))) == ["networks-not-isolated"]
    assert codes(asked(ask(ONE, WEB, Protocol.HTTP, 8080), firewall(known))) == ["user-firewall-drop"]
    assert codes(asked(ask(ONE, WEB, Protocol.HTTP, 8080), firewall(PLAIN))) == ["networks-not-isolated"]


def test_a_policy_that_drops_answers_is_opened_by_their_connection():
    found = finding_of(
        asked(ask("host", WEB), firewall(PLAIN, chain("INPUT", policy="DROP")), host=AT_OTHER), "user-firewall-drop"
    )
    assert found.message.startswith(f"INPUT drops the answer from {OTHER}")
    assert found.remedy.commands == (
        f"iptables -I INPUT -i {OTHER} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    )


def test_a_policy_that_drops_a_translated_packet_is_opened_for_its_port_in_the_container():
    closed = firewall(chain("FORWARD", policy="DROP"), DNAT)
    found = finding_of(asked(AT_HOST, closed, userland_proxy=False), "user-firewall-drop")
    assert "FORWARD drops tcp port 80 from" in found.message
    assert found.remedy.commands == (f"iptables -I FORWARD -i {BRIDGE} -p tcp --dport 80 -j ACCEPT",)


OUT = chain("OUTPUT", "-d 10.2.0.2/32 -p tcp -m tcp --dport 8080 -j REJECT", policy="ACCEPT")
BACK_IN = chain("INPUT", "-s 10.2.0.2/32 -m conntrack --ctstate ESTABLISHED -j DROP", policy="ACCEPT")


@pytest.mark.parametrize(("stopping", "table"), [(OUT, "OUTPUT"), (BACK_IN, "INPUT")])
def test_a_rule_that_cuts_docker_proxy_off_from_the_container_is_named(stopping, table):
    rules = firewall(PLAIN, stopping)
    question = replace(AT_HOST, probe=replace(AT_HOST.probe, protocol=Protocol.HTTP))
    prediction = asked(question, rules, userland_proxy=True, host=AT_OTHER)
    found = finding_of(prediction, "user-firewall-drop")
    assert (prediction.verdict, codes(prediction)) == (Verdict.UNREACHABLE, ["user-firewall-drop"])
    assert (found.evidence["chain"], found.evidence["rule"]) == (table, stopping.rules[0][2])
    assert "docker-proxy does not reach 10.2.0.2" in found.message
    assert [hop.kind for hop in prediction.path][-1] == "proxy"
    # docker-proxy accepts a TCP connection before it makes its own.
    accepted = asked(AT_HOST, rules, userland_proxy=True, host=AT_OTHER)
    assert (accepted.verdict, codes(accepted)) == (Verdict.REACHABLE, ["user-firewall-drop"])
    assert codes(asked(question, firewall(PLAIN, OUTPUT, INPUT), userland_proxy=True, host=AT_OTHER)) == []


def test_a_rule_about_docker_proxys_connection_that_is_not_understood_makes_it_inconclusive():
    strange = firewall(PLAIN, chain("OUTPUT", "-d 10.2.0.2/32 -m time --weekdays Mon -j DROP", policy="ACCEPT"))
    question = replace(AT_HOST, probe=replace(AT_HOST.probe, protocol=Protocol.HTTP))
    assert asked(question, strange, userland_proxy=True).verdict is Verdict.INCONCLUSIVE
    assert asked(AT_HOST, strange, userland_proxy=True).verdict is Verdict.REACHABLE


TUNNEL = RouteAnswer("tun0", rule="from all lookup 52", priority=100, table=52)
FILTERED = RouteAnswer("tun0", route="10.1.0.0/25", reverse_path_filter=("net.ipv4.conf.all.rp_filter", 1))


def questions(question, rules, **facts):
    observed = seen(OPEN, firewall=rules, ipv4_firewall=True, **facts)
    return list(route_questions(Case.of(SNAPSHOT, question, observed).situations[0]))


def test_the_kernel_is_asked_about_the_packet_and_then_about_its_answer():
    there, back = questions(ask(ONE, WEB, Protocol.TCP, 8080), firewall(PLAIN))
    assert there == (
        RouteQuestion(4, "10.2.0.2", "10.1.0.2", BRIDGE, OTHER, 0, "tcp", there[0].source_port, 8080),
        False,
    )
    assert (back[0].destination, back[0].incoming, back[0].expected, back[1]) == ("10.1.0.2", OTHER, BRIDGE, True)
    assert questions(ask(ONE, WEB), firewall(chain("PREROUTING", "-p icmp -j DROP", table="raw"))) == []


@pytest.mark.parametrize(
    ("answer", "reply", "code"),
    [
        (TUNNEL, False, "policy-route-diverts"),
        (TUNNEL, True, "asymmetric-routing"),
        (FILTERED, False, "reverse-path-filtered"),
    ],
)
def test_a_packet_or_an_answer_that_the_kernel_routes_elsewhere_is_lost(answer, reply, code):
    asked_about = questions(ask(ONE, WEB), firewall(PLAIN))
    routes = {one: answer for one, is_reply in asked_about if is_reply is reply}
    prediction = asked(ask(ONE, WEB), firewall(PLAIN), routes=routes)
    assert (prediction.verdict, codes(prediction)) == (Verdict.UNREACHABLE, [code])


def test_what_comes_after_a_packet_that_is_routed_elsewhere_is_not_told():
    routes = {one: TUNNEL for one, _ in questions(ask(ONE, WEB), firewall(PLAIN))}
    assert codes(asked(ask(ONE, WEB), firewall(PLAIN), routes=routes)) == ["policy-route-diverts"]


def test_an_answer_of_the_kernel_that_harms_nothing_says_nothing():
    routes = {one: RouteAnswer("tun0", route="0.0.0.0/0") for one, _ in questions(ask(ONE, WEB), firewall(PLAIN))}
    assert codes(asked(ask(ONE, WEB), firewall(PLAIN), routes=routes)) == ["networks-not-isolated"]


def test_the_kernel_is_asked_about_docker_proxys_own_connection_too():
    def situation(question, **facts):
        observed = seen(OPEN, firewall=firewall(PLAIN), ipv4_firewall=True, userland_proxy=True, **facts)
        return Case.of(SNAPSHOT, question, observed).situations[0]

    (own, is_reply), (answer, is_answer_reply) = proxy_questions(situation(AT_HOST))
    assert own == RouteQuestion(4, "10.2.0.2", source="10.2.0.1", expected=OTHER, protocol="tcp", destination_port=8080)
    assert (is_reply, answer.destination, is_answer_reply) == (False, "10.2.0.1", True)
    assert list(proxy_questions(situation(ask(ONE, WEB)))) == []
    http = replace(AT_HOST, probe=replace(AT_HOST.probe, protocol=Protocol.HTTP))
    for question, verdict in ((AT_HOST, Verdict.REACHABLE), (http, Verdict.UNREACHABLE)):
        prediction = asked(question, firewall(PLAIN), userland_proxy=True, routes={own: TUNNEL})
        assert (prediction.verdict, codes(prediction)) == (verdict, ["policy-route-diverts"])
        message = finding_of(prediction, "policy-route-diverts").message
        assert message.startswith("docker-proxy takes port 8080 and cannot reach the container.")
    harmless = asked(
        AT_HOST, firewall(PLAIN), userland_proxy=True, routes={own: RouteAnswer("tun0", route="0.0.0.0/0")}
    )
    assert codes(harmless) == []


def test_a_filter_that_drops_the_answers_to_docker_proxy_is_told():
    facts = {"ipv4_firewall": True, "userland_proxy": True, "host": AT_OTHER}
    rules = firewall(PLAIN, OUTPUT, INPUT)
    known = seen(OPEN, firewall=rules, **facts)
    asks = Case.of(SNAPSHOT, AT_HOST, known).route_questions
    back = RouteQuestion(4, "10.2.0.1", "10.2.0.2", OTHER, None, protocol="tcp", source_port=8080)
    assert back in asks
    routes = {back: replace(TUNNEL, reverse_path_filter=("net.ipv4.conf.all.rp_filter", 1))}
    prediction = asked(AT_HOST, rules, userland_proxy=True, host=AT_OTHER, routes=routes)
    message = finding_of(prediction, "reverse-path-filtered").message
    assert message.startswith("docker-proxy takes port 8080 and cannot reach the container. The host drops packets")


def native(*rules, policy="accept", hook="forward"):
    """A table of nftables beside rules of iptables that accept everything."""
    of = {"family": "inet", "table": "mine"}
    base = {**of, "name": "f", "hook": hook, "type": "filter", "prio": 0, "policy": policy}
    made = [{"rule": {**of, "chain": "f", "handle": 9, "expr": [*rule]}} for rule in rules]
    text = json.dumps({"nftables": [{"table": {"family": "inet", "name": "mine"}}, {"chain": base}, *made]})
    return replace(firewall(PLAIN), native_rules=text)


def test_a_rule_of_a_native_table_is_deleted_by_its_handle():
    ping = {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "icmp"}}
    found = finding_of(asked(ask(ONE, WEB), native([ping, {"drop": None}])), "user-firewall-drop")
    assert found.remedy.commands == ("nft delete rule inet mine f handle 9",)
    assert found.evidence["handle"] == 9


def test_an_answer_that_a_native_policy_drops_is_accepted_by_its_connection():
    closed = native(policy="drop", hook="input")
    found = finding_of(asked(ask("host", WEB), closed, host=AT_OTHER), "user-firewall-drop")
    accepts = f'iifname "{OTHER}" ct state established,related accept'
    assert found.remedy.commands == (f"nft insert rule inet mine f {accepts}",)


def test_a_dump_in_an_unknown_form_decides_nothing():
    broken = replace(firewall(PLAIN), native_rules=json.dumps({"nftables": [{"chain": {"family": "inet"}}]}))
    assert codes(asked(ask(ONE, WEB), broken)) == ["no-shared-network"], "what the options say"
    http = replace(AT_HOST, probe=replace(AT_HOST.probe, protocol=Protocol.HTTP))
    assert codes(asked(http, broken, userland_proxy=True)) == []


ROUTED_HOST = HostObservation(
    Observation(1, interfaces=(Interface(2, "eth0", "device", None, 1500, "up", (), ()),), routes=())
)
OPEN_FORWARD = chain("FORWARD", policy="ACCEPT")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("-p icmp -j SNAT --to-source 192.0.2.77", ["user-rule-diverts"]),
        ("-p tcp -j SNAT --to-source 192.0.2.77", []),
        # A translation to the address that the packet has already changes nothing.
        ("-p icmp -j SNAT --to-source 10.1.0.2", []),
    ],
)
def test_a_rule_of_others_that_gives_a_foreign_source_address_loses_the_answer(rule, expected):
    rules = firewall(OPEN_FORWARD, chain("POSTROUTING", rule, table="nat", policy="ACCEPT"))
    prediction = asked(ask(ONE, WEB), rules, host=ROUTED_HOST)
    diverting = [found for found in prediction.findings if found.code == "user-rule-diverts"]
    assert [found.code for found in diverting] == expected
    for found in diverting:
        assert found.message.startswith("nat POSTROUTING gives the packet the source address 192.0.2.77,")
        assert found.remedy.commands == (f"iptables -t nat -D POSTROUTING {rule}",)


@pytest.mark.parametrize(("question", "expected"), [(ask(ONE, WEB), ["connection-not-tracked"]), (ask(ONE, TWO), [])])
def test_a_rule_of_others_against_connection_tracking_matters_where_the_host_forwards(question, expected):
    rules = firewall(OPEN_FORWARD, chain("PREROUTING", "-p icmp -j NOTRACK", table="raw", policy="ACCEPT"))
    named = [code for code in codes(asked(question, rules, host=ROUTED_HOST)) if code == "connection-not-tracked"]
    assert named[:1] == expected


def test_without_the_hosts_routes_a_changed_source_address_is_not_told():
    rules = firewall(OPEN_FORWARD, chain("POSTROUTING", "-j SNAT --to-source 192.0.2.77", table="nat", policy="ACCEPT"))
    assert "user-rule-diverts" not in codes(asked(ask(ONE, WEB), rules))


def test_a_rule_about_some_of_the_packets_says_that_it_counts():
    limited = chain("FORWARD", "-p icmp -m limit --limit 5/min -j DROP", policy="ACCEPT")
    prediction = asked(ask(ONE, WEB), firewall(limited))
    assert prediction.verdict is Verdict.INCONCLUSIVE
    assert "is about some of the packets (" in finding_of(prediction, "analysis-limited").message


def test_a_policy_that_drops_within_a_bridge_is_opened_between_its_ports():
    found = finding_of(asked(ask(ONE, TWO), firewall(chain("FORWARD", policy="DROP"))), "bridge-traffic-filtered")
    assert found.remedy.commands == (f"iptables -I FORWARD -i {BRIDGE} -o {BRIDGE} -j ACCEPT",)


def test_a_policy_of_ufw_is_told_as_ufws():
    rules = firewall(
        chain("FORWARD", "-j ufw-before-forward", policy="DROP"), chain("ufw-before-forward", "-p udp -j ACCEPT")
    )
    found = finding_of(asked(ask(ONE, WEB, "tcp", 8080), rules), "user-firewall-drop")
    assert found.evidence["owner"] == "ufw"
    assert "ufw wrote the chains that FORWARD calls." in found.message


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("-j REJECT --reject-with icmp-host-prohibited", "firewalld rejects a ping from {}: no rule of its zones and"),
        ("-p icmp -j DROP", "FWD_docker (firewalld) drops: -A FWD_docker -p icmp -j DROP (0 packets so far)."),
    ],
)
def test_a_rule_of_firewalld_that_rejects_everything_says_what_no_rule_accepts(rule, words):
    rules = firewall(chain("FORWARD", "-j FWD_docker", policy="ACCEPT"), chain("FWD_docker", rule))
    found = finding_of(asked(ask(ONE, WEB), rules), "user-firewall-drop")
    assert found.message.startswith(words.format(BRIDGE))
