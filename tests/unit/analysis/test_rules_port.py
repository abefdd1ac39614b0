"""The layer of ports: published ports, the proxy, listeners."""

from __future__ import annotations

import pytest

from bridgework.model.checks import Severity, Verdict
from bridgework.model.observations import Interface, InterfaceAddress, ListeningSocket, Observation
from tests.support.worlds import (
    BRIDGE,
    BUILTIN,
    HOST_NETWORK,
    ask,
    calls_of,
    codes,
    container,
    finding_of,
    listening,
    network,
    predict,
    published,
    seen,
    world,
)

FRONT, BACK = network("frontend", "10.1.0.0/24"), network("backend", "10.2.0.0/24")
VAULT = network("vault", "10.3.0.0/24", internal=True)
DUAL = network("dual", "10.4.0.0/24", subnet6="fd00:4::/64")
ONE = container("a", (FRONT, "10.1.0.2"))
WEB = container("web", (BACK, "10.2.0.2"), ports=[published(8081)])
SNAPSHOT = world(*BUILTIN, FRONT, BACK, VAULT, ONE, WEB)
OPEN = listening("0.0.0.0:8080")
SHUT = Observation(1, sockets=())


def test_a_published_port_is_reached_from_any_bridge_by_the_proxy():
    prediction = predict(SNAPSHOT, ask(ONE, "host", "tcp", 8081), seen([(WEB, OPEN)]))
    assert prediction.verdict is Verdict.REACHABLE
    assert [(hop.kind, hop.name) for hop in prediction.path] == [
        ("interface", "eth0"),
        ("bridge", FRONT.bridge_name),
        ("routing", "10.1.0.1"),
        ("published-port", "0.0.0.0:8081"),
        ("proxy", "docker-proxy"),
        ("bridge", BACK.bridge_name),
        ("interface", "eth0"),
        ("port", "tcp 8080"),
    ]


def test_the_proxy_takes_a_connection_even_where_nothing_listens_and_no_request():
    tcp = predict(SNAPSHOT, ask(ONE, "host", "tcp", 8081), seen([(WEB, SHUT)]))
    assert (tcp.verdict, finding_of(tcp, "no-listener").severity) == (Verdict.REACHABLE, Severity.WARNING)
    unseen = predict(SNAPSHOT, ask(ONE, "host", "tcp", 8081), seen())
    assert (unseen.verdict, finding_of(unseen, "analysis-limited").severity) == (Verdict.REACHABLE, Severity.INFO)
    assert predict(SNAPSHOT, ask(ONE, "host", "http", 8081), seen([(WEB, SHUT)])).verdict is Verdict.UNREACHABLE
    assert predict(SNAPSHOT, ask("host", "host", "tcp", 8081), seen([(WEB, SHUT)])).verdict is Verdict.REACHABLE


@pytest.mark.parametrize(
    ("address", "ipv6_only", "answers"),
    [
        ("::", False, [4, 6]),
        ("::", True, [6]),
        ("0.0.0.0", False, [4]),
        ("::ffff:10.4.0.2", False, [4]),
        ("::ffff:10.4.0.9", False, []),
        ("::ffff:127.0.0.1", False, []),
        ("fd00:4::2", True, [6]),
    ],
)
def test_a_socket_answers_the_family_that_it_is_bound_to(address, ipv6_only, answers):
    one = container("one", (DUAL, "10.4.0.3", {"ipv6_address": "fd00:4::3"}))
    web = container("web", (DUAL, "10.4.0.2", {"ipv6_address": "fd00:4::2"}))
    bound = Observation(1, sockets=(ListeningSocket("tcp", "ipv6", address, 8080, ipv6_only=ipv6_only),))
    predicted = {
        v: predict(world(DUAL, one, web), ask(one, web, "tcp", 8080, ip_version=v), seen([(web, bound)]))
        for v in (4, 6)
    }
    assert [v for v in predicted if predicted[v].verdict is Verdict.REACHABLE] == answers
    code = "listens-on-loopback-only" if "127" in address else "no-listener"
    assert all(codes(predicted[v]) == [code] for v in predicted if v not in answers)


def test_a_socket_that_takes_only_ipv6_is_listed_as_such():
    web = container("web", (FRONT, "10.1.0.9"))
    bound = Observation(1, sockets=(ListeningSocket("tcp", "ipv6", "::", 8080, ipv6_only=True),))
    predicted = predict(world(FRONT, ONE, web), ask(ONE, web, "tcp", 8080), seen([(web, bound)]))
    assert finding_of(predicted, "no-listener").evidence["listening"] == ["tcp [::]:8080 (IPv6 only)"]


def test_from_the_host_a_bridges_address_is_translated_and_a_closed_port_refuses():
    prediction = predict(SNAPSHOT, ask("host", "address:10.2.0.1", "tcp", 8081), seen([(WEB, SHUT)]))
    assert codes(prediction) == ["no-listener"]
    assert "proxy" not in [hop.kind for hop in prediction.path]


def test_from_an_internal_network_a_published_port_is_translated_and_dropped():
    inner = container("inner", (VAULT, "10.3.0.2"))
    snapshot = world(VAULT, BACK, inner, WEB)
    assert codes(predict(snapshot, ask(inner, "host", "tcp", 8081))) == ["internal-no-egress"]


def test_ipv6_published_ports_are_the_proxys_unless_the_engine_guards_ipv6():
    vault6 = network("vault6", "10.9.0.0/24", subnet6="fd00:9::/64", internal=True)
    inner = container("inner", (vault6, "10.9.0.2", {"ipv6_address": "fd00:9::2"}))
    web = container("web", (DUAL, "10.4.0.2", {"ipv6_address": "fd00:4::2"}), ports=[published(8081, host_ip="::")])
    snapshot = world(vault6, DUAL, inner, web)
    question = ask(inner, "host", "tcp", 8081, ip_version=6)
    assert predict(snapshot, question, seen(ipv6_firewall=False)).verdict is Verdict.REACHABLE
    assert codes(predict(snapshot, question, seen(ipv6_firewall=True))) == ["internal-no-egress"]
    host6 = ask("host", "address:fd00:4::1", "tcp", 8081)
    assert codes(predict(snapshot, host6, seen([(web, SHUT)], ipv6_firewall=True))) == ["no-listener"]


def test_a_port_that_nobody_publishes_is_only_certain_where_the_hosts_sockets_were_seen():
    question = ask(ONE, "host", "tcp", 9999)
    unseen = predict(SNAPSHOT, question)
    assert (unseen.verdict, codes(unseen)) == (Verdict.INCONCLUSIVE, ["analysis-limited", "port-not-published"])
    assert finding_of(unseen, "port-not-published").evidence["published"] == ["0.0.0.0:8081 (web)"]
    known = predict(SNAPSHOT, question, seen(host=SHUT))
    assert (known.verdict, codes(known)) == (Verdict.UNREACHABLE, ["port-not-published"])
    assert predict(SNAPSHOT, question, seen(host=listening("0.0.0.0:9999"))).verdict is Verdict.REACHABLE
    assert "published ports are" not in predict(world(FRONT, ONE), question).findings[-1].message


def test_a_port_published_on_loopback_is_for_the_host_alone():
    web = container(
        "web", (BACK, "10.2.0.2"), ports=[published(8081, host_ip="127.0.0.1"), published(8082, host_ip="odd")]
    )
    snapshot = world(FRONT, BACK, ONE, web)
    found = finding_of(predict(snapshot, ask(ONE, "host", "tcp", 8081)), "port-bound-to-loopback")
    assert [call.path for call in calls_of(found.remedy)][1:] == [
        "/v1/networks/a-web/endpoints/a",
        "/v1/networks/a-web/endpoints/web",
    ]
    assert predict(snapshot, ask("host", "host", "tcp", 8081), seen([(web, OPEN)])).verdict is Verdict.REACHABLE
    assert "port-not-published" in codes(predict(snapshot, ask(ONE, "host", "tcp", 8082)))


def test_a_port_published_on_one_address_answers_there():
    web = container("web", (BACK, "10.2.0.2"), ports=[published(8081, host_ip="10.1.0.1")])
    prediction = predict(world(FRONT, BACK, ONE, web), ask(ONE, "host", "tcp", 8081), seen([(web, OPEN)]))
    assert prediction.verdict is Verdict.REACHABLE


def test_a_routed_network_opens_ports_at_its_own_addresses():
    routed = network("routed", "10.12.0.0/24", options={"com.docker.network.bridge.gateway_mode_ipv4": "routed"})
    web = container("web", (routed, "10.12.0.2"), ports=[published(8081)])
    assert "gateway-mode-routed" in codes(predict(world(routed, FRONT, ONE, web), ask(ONE, "host", "tcp", 8081)))


def test_a_program_in_host_mode_is_asked_for_its_own_port():
    agent = container("agent", (HOST_NETWORK, None), network_mode="host")
    snapshot = world(*BUILTIN, FRONT, ONE, agent)
    question = ask(ONE, agent, "tcp", 9100)
    assert predict(snapshot, question).verdict is Verdict.INCONCLUSIVE
    assert predict(snapshot, question, seen([(agent, listening("0.0.0.0:9100"))])).verdict is Verdict.REACHABLE
    assert "no-listener" in codes(predict(snapshot, question, seen([(agent, SHUT)])))
    inner = predict(snapshot, question, seen([(agent, listening("127.0.0.1:9100"))]))
    assert "listens-on-loopback-only" in codes(inner)
    by_gateway = predict(snapshot, ask(ONE, "host", "tcp", 9100), seen([(agent, listening("0.0.0.0:9100"))]))
    assert by_gateway.verdict is Verdict.REACHABLE


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (["0.0.0.0:8080"], []),
        (["[::]:8080"], []),
        (["10.2.0.3:8080"], []),
        ([], ["no-listener"]),
        (["0.0.0.0:80", "127.0.0.11:34619"], ["no-listener"]),
        (["10.2.0.99:8080"], ["no-listener"]),
        (["127.0.0.1:8080", "[::1]:8080"], ["listens-on-loopback-only"]),
    ],
)
def test_a_listener_has_to_be_bound_to_what_is_asked(bound, expected):
    two = container("b", (BACK, "10.2.0.3"))
    prediction = predict(world(BACK, WEB, two), ask(WEB, two, "tcp", 8080), seen([(two, listening(*bound))]))
    assert codes(prediction) == expected
    assert (prediction.path[-1].kind == "listener") == (not expected)


def test_what_listens_is_listed_without_dockers_own_server():
    two = container("b", (BACK, "10.2.0.3"))
    where = listening("0.0.0.0:80", "[::]:22", "127.0.0.11:34619")
    found = finding_of(predict(world(BACK, WEB, two), ask(WEB, two, "tcp", 1), seen([(two, where)])), "no-listener")
    assert found.evidence["listening"] == ["tcp [::]:22", "tcp 0.0.0.0:80"]


def test_an_ipv6_packet_is_not_for_an_ipv4_socket():
    one = container("a", (DUAL, "10.4.0.2", {"ipv6_address": "fd00:4::2"}))
    two = container("b", (DUAL, "10.4.0.3", {"ipv6_address": "fd00:4::3"}))
    question = ask(one, two, "tcp", 8080, ip_version=6)
    assert codes(predict(world(DUAL, one, two), question, seen([(two, OPEN)]))) == ["no-listener"]


def test_a_container_reaches_its_own_loopback_listener():
    observations = seen([(ONE, listening("127.0.0.1:8080"))])
    assert predict(SNAPSHOT, ask(ONE, "address:127.0.0.1", "tcp", 8080), observations).verdict is Verdict.REACHABLE
    assert codes(predict(SNAPSHOT, ask(ONE, "address:10.1.0.2", "tcp", 8080), observations)) == ["no-listener"]


def test_unseen_sockets_leave_a_port_inconclusive_and_a_ping_decided():
    two = container("b", (BACK, "10.2.0.3"))
    snapshot = world(BACK, WEB, two)
    assert predict(snapshot, ask(WEB, two, "tcp", 8080)).verdict is Verdict.INCONCLUSIVE
    assert predict(snapshot, ask(WEB, two)).verdict is Verdict.REACHABLE


def test_a_question_without_a_port_is_not_judged():
    two = container("b", (BACK, "10.2.0.3"))
    snapshot = world(BACK, FRONT, WEB, ONE, two)
    assert predict(snapshot, ask(WEB, two, "tcp")).verdict is Verdict.INCONCLUSIVE
    assert predict(snapshot, ask(ONE, "host", "tcp")).verdict is Verdict.INCONCLUSIVE


def test_http_and_dns_have_ports_of_their_own_and_dns_is_udp():
    two = container("b", (BACK, "10.2.0.3"))
    snapshot = world(BACK, WEB, two)
    assert predict(snapshot, ask(WEB, two, "http"), seen([(two, listening("0.0.0.0:80"))])).verdict is Verdict.REACHABLE
    served = seen([(two, listening("0.0.0.0:53", protocol="udp"))])
    assert predict(snapshot, ask(WEB, two, "dns"), served).verdict is Verdict.REACHABLE


def test_the_embedded_server_answers_on_user_networks():
    assert predict(SNAPSHOT, ask(ONE, "address:127.0.0.11", "dns")).verdict is Verdict.REACHABLE
    alone = container("b")
    assert predict(world(alone), ask(alone, "address:127.0.0.11", "dns")).verdict is Verdict.INCONCLUSIVE


def test_a_published_port_of_a_stopped_container_is_not_in_force():
    web = container("web", BACK, ports=[published(8081)], state="exited")
    assert "port-not-published" in codes(predict(world(FRONT, BACK, ONE, web), ask(ONE, "host", "tcp", 8081)))


def test_hairpin_a_container_reaches_its_own_published_port():
    web = container("web", (BRIDGE, "172.17.0.2"), ports=[published(8081)])
    snapshot = world(*BUILTIN, web)
    assert predict(snapshot, ask(web, "host", "tcp", 8081), seen([(web, OPEN)])).verdict is Verdict.REACHABLE


def test_without_a_port_nothing_is_said_of_the_hosts_programs():
    prediction = predict(SNAPSHOT, ask(ONE, "host", "tcp"), seen())
    assert (prediction.verdict, codes(prediction)) == (Verdict.INCONCLUSIVE, ["analysis-limited"])


@pytest.mark.parametrize(("bound_to", "expected"), [("eth1", ["socket-bound-to-interface"]), ("eth0", []), (None, [])])
def test_a_socket_that_is_bound_to_an_interface_takes_only_what_comes_in_there(bound_to, expected):
    socket = ListeningSocket("tcp", "ipv4", "0.0.0.0", 8080, interface=bound_to)
    own = InterfaceAddress("10.1.0.2", 24, "ipv4", "global")
    link = Interface(2, "eth0", "veth", None, 1500, "up", ("up",), (own,))
    facts = seen([(ONE, Observation(1, interfaces=(link,), sockets=(socket,)))])
    other = container("b", (FRONT, "10.1.0.3"))
    prediction = predict(world(FRONT, ONE, other), ask(other, ONE, "tcp", 8080), facts)
    assert codes(prediction) == expected
    for found in prediction.findings:
        assert "for packets from eth1 only, and the packet comes by eth0" in found.message


@pytest.mark.parametrize(("waiting", "expected"), [(129, ["listen-queue-full"]), (128, [])])
def test_a_program_that_does_not_accept_lets_no_more_connections_wait(waiting, expected):
    socket = ListeningSocket("tcp", "ipv4", "0.0.0.0", 8080, waiting=waiting, backlog=128)
    other = container("b", (FRONT, "10.1.0.3"))
    facts = seen([(ONE, Observation(1, sockets=(socket,)))])
    prediction = predict(world(FRONT, ONE, other), ask(other, ONE, "tcp", 8080), facts)
    assert codes(prediction) == expected
    for found in prediction.findings:
        assert found.evidence == {"port": 8080, "waiting": 129, "backlog": 128}
