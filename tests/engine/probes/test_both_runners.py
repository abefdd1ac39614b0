"""One contract, two ways to stand in a namespace: every test here runs against both."""

import time

import pytest

from bridgework.model.checks import ProbeRequest, Protocol, Reason, Verdict
from bridgework.model.probe_port import Place, SweepPlan, SweepSource, SweepTarget

TABLE = [
    ["b.lab.", "A", "10.77.0.3"],
    ["b.lab.", "AAAA", "fd77:0::3"],
    ["b.", "A", "10.77.0.9"],
    ["alias.lab.", "CNAME", "b.lab."],
    ["far.", "A", "10.77.1.2"],
    ["mixed.", "AAAA", "fd77:0::3"],
    ["mixed.", "A", "192.0.2.1"],
    ["big.", "A", "10.77.0.3"],
    ["spoof.", "A", "10.77.0.3"],
    ["3.0.77.10.in-addr.arpa.", "PTR", "b.simon_network."],
    ["4.0.77.10.in-addr.arpa.", "PTR", "late.simon_network."],
    ["4.0.77.10.in-addr.arpa.", "LATE", ""],
]
RESOLV_CONF = "nameserver 10.77.0.3\nsearch nowhere lab\n"


@pytest.fixture(scope="module", autouse=True)
def _servers(world):
    world.serve(world.b, "dns", 53, table=TABLE)
    world.serve(world.b, "http", 80)
    world.serve(world.b, "http", 80, world.b.address6)
    for member in world.lab.members:
        world.serve(member, "tcp", 5000)
    world.serve(world.b, "echo", 5001)
    world.serve(world.b, "silent", 5002)
    world.b.inside("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "6000", "-j", "DROP")
    reject = ["-j", "REJECT", "--reject-with"]
    for protocol in ("tcp", "udp"):
        rule = ["-A", "INPUT", "-p", protocol, "--dport", "6001", *reject, "icmp-admin-prohibited"]
        world.b.inside("iptables", *rule)
    world.b.inside(
        "iptables", "-A", "INPUT", "-p", "icmp", "-m", "length", "--length", "777", *reject, "icmp-host-prohibited"
    )
    world.a.ip("route", "add", "blackhole", "198.51.100.0/25")
    world.a.ip("route", "add", "prohibit", "198.51.100.128/25")
    world.a.ip("route", "add", "unreachable", "203.0.113.0/24")


@pytest.fixture
def ask(world, runner):
    def ask(protocol, address=None, resolv_conf=RESOLV_CONF, hosts="", source=None, **fields):
        place = world.place(source or world.a, resolv_conf, hosts)
        request = ProbeRequest(Protocol(protocol), address=address, timeout_ms=fields.pop("timeout_ms", 2000), **fields)
        return runner.check(place, request)

    return ask


def told(measurement):
    return measurement.verdict, measurement.reason


REACHABLE = (Verdict.REACHABLE, None)


def no(reason):
    return Verdict.UNREACHABLE, reason


@pytest.mark.parametrize("address", ["10.77.0.3", "fd77::3", "127.0.0.1", "::1", "10.77.0.2"])
def test_a_ping_is_answered(ask, address):
    measurement = ask("icmp", address, count=3)
    assert told(measurement) == REACHABLE
    assert (measurement.attempts, measurement.successes) == (3, 3)
    times = measurement.rtt_ms
    assert 0 < times.min <= times.p50 <= times.p95 <= times.p99 <= times.max < 2000


def test_count_and_interval_are_kept(ask):
    started = time.monotonic()
    assert ask("icmp", "10.77.0.3", count=4, interval_ms=100).successes == 4
    assert time.monotonic() - started >= 0.3


def test_one_attempt_is_one_packet(ask, world):
    world.b.inside("iptables", "-I", "INPUT", "-p", "icmp", "--icmp-type", "echo-request")
    try:
        ask("icmp", "10.77.0.3", count=3, payload_bytes=100)
        counted = world.b.inside("iptables", "-nvxL", "INPUT").splitlines()[2].split()[0]
        assert counted == "3"
    finally:
        world.b.inside("iptables", "-D", "INPUT", "1")


@pytest.mark.parametrize(
    ("protocol", "address", "port", "reason"),
    [
        ("icmp", "10.77.1.2", None, Reason.TIMED_OUT),
        ("icmp", "fd00::1", None, Reason.NO_ROUTE),
        ("icmp", "198.51.100.1", None, Reason.NO_ROUTE),
        ("icmp", "198.51.100.200", None, Reason.ADMINISTRATIVELY_PROHIBITED),
        ("icmp", "203.0.113.1", None, Reason.HOST_UNREACHABLE),
        ("icmp", "not-an-address", None, Reason.NO_ADDRESS),
        ("udp", "not-an-address", 53, Reason.NO_ADDRESS),
        ("dns", "not-an-address", None, Reason.NO_ADDRESS),
        ("tcp", "10.77.0.3", 4999, Reason.REFUSED),
        ("tcp", "fd77::3", 4999, Reason.REFUSED),
        ("tcp", "10.77.0.3", 6000, Reason.TIMED_OUT),
        ("tcp", "10.77.0.3", 6001, Reason.ADMINISTRATIVELY_PROHIBITED),
        ("tcp", "10.77.1.2", 5000, Reason.TIMED_OUT),
        ("tcp", "fd00::1", 80, Reason.NO_ROUTE),
        ("tcp", "198.51.100.200", 80, Reason.ADMINISTRATIVELY_PROHIBITED),
        ("udp", "10.77.0.3", 4999, Reason.REFUSED),
        ("udp", "10.77.0.3", 6001, Reason.ADMINISTRATIVELY_PROHIBITED),
        ("http", "10.77.0.3", 4999, Reason.REFUSED),
        ("dns", "10.77.0.3", 4999, Reason.REFUSED),
        ("dns", "10.77.0.3", 5002, Reason.TIMED_OUT),
    ],
)
def test_a_failure_names_its_reason(ask, protocol, address, port, reason):
    assert told(ask(protocol, address, port=port)) == no(reason)


def test_an_icmp_error_about_our_ping_is_heard(ask):
    measurement = ask("icmp", "10.77.0.3", payload_bytes=777 - 28)
    assert told(measurement) == no(Reason.ADMINISTRATIVELY_PROHIBITED)
    assert "10.77.0.3" in measurement.detail


def test_nobody_at_the_address_is_host_unreachable(ask):
    assert told(ask("icmp", "10.77.0.99", timeout_ms=4000)) == no(Reason.HOST_UNREACHABLE)


def test_a_connection_is_timed(ask):
    measurement = ask("tcp", "10.77.0.3", port=5000, count=2)
    assert told(measurement) == REACHABLE
    assert measurement.phases_ms.connect > 0
    assert measurement.phases_ms.first_byte is None


def test_udp_says_what_can_be_known(ask):
    assert told(ask("udp", "10.77.0.3", port=5001)) == REACHABLE
    assert told(ask("udp", "10.77.0.3", port=5002)) == (Verdict.INCONCLUSIVE, Reason.NO_ANSWER)


def test_http_reports_the_status(ask):
    measurement = ask("http", "10.77.0.3", http_path="/404")
    assert told(measurement) == REACHABLE
    assert measurement.status == 404
    assert measurement.phases_ms.connect > 0
    assert measurement.phases_ms.first_byte > 0


def test_http_over_ipv6(ask):
    assert ask("http", "fd77::3", http_path="/204").status == 204


def test_http_with_another_status_than_expected(ask):
    measurement = ask("http", "10.77.0.3", http_path="/302", expected_status=200)
    assert told(measurement) == no(Reason.UNEXPECTED_ANSWER)
    assert measurement.status == 302


def test_http_names_the_host_asked_for(ask):
    assert ask("http", "10.77.0.3", http_path="/host").status == 418
    assert ask("http", "10.77.0.3", http_path="/host", http_host="wanted.example").status == 200


def test_a_server_that_hangs_up_is_a_reset(ask):
    assert told(ask("http", "10.77.0.3", http_path="/close")) == no(Reason.CONNECTION_RESET)


@pytest.mark.quiet
def test_a_trickling_server_cannot_hold_a_probe(ask):
    started = time.monotonic()
    assert told(ask("http", "10.77.0.3", http_path="/trickle")) == no(Reason.TIMED_OUT)
    assert time.monotonic() - started < 3


def test_dns_counts_every_answer_to_the_question(ask):
    known = ask("dns", "10.77.0.3", dns_question="b.lab")
    assert (told(known), known.status) == (REACHABLE, 0)
    unknown = ask("dns", "10.77.0.3", dns_question="nobody.lab")
    assert (told(unknown), unknown.status) == (REACHABLE, 3)
    assert "NXDOMAIN" in unknown.detail
    broken = ask("dns", "10.77.0.3", dns_question="broken.lab")
    assert (told(broken), broken.status) == (no(Reason.UNEXPECTED_ANSWER), 2)


def test_a_name_is_resolved_as_the_source_would(ask):
    measurement = ask("icmp", name="b", ip_version=4)
    assert told(measurement) == REACHABLE
    assert measurement.address == "10.77.0.3", "the search list comes before the bare name"
    assert measurement.resolver == "10.77.0.3"
    assert measurement.phases_ms.resolve > 0


def test_ndots_decides_which_comes_first(ask):
    measurement = ask("icmp", name="b", ip_version=4, resolv_conf=RESOLV_CONF + "options ndots:0\n")
    assert measurement.address == "10.77.0.9"


def test_both_versions_are_returned_ipv6_first(ask):
    measurement = ask("icmp", name="alias")
    assert measurement.resolved_addresses == ("fd77::3", "10.77.0.3")
    assert measurement.address == "fd77::3"


def test_the_hosts_file_comes_first(ask):
    measurement = ask("icmp", name="B.Lab", hosts="10.77.0.4 other b.lab # a comment\n", ip_version=4)
    assert measurement.address == "10.77.0.4"
    assert measurement.resolver is None


def test_a_truncated_answer_is_fetched_over_tcp(ask):
    assert ask("icmp", name="big.", ip_version=4).address == "10.77.0.3"


def test_an_answer_to_another_question_is_passed_over(ask, world, runner):
    assert ask("icmp", name="spoof.", ip_version=4).address == "10.77.0.3"
    source = SweepSource(0, world.place(world.a, RESOLV_CONF), (SweepTarget(0, name="spoof."),))
    (row,) = runner.sweep(SweepPlan(Protocol.ICMP, (source,), timeout_ms=2000))
    assert row.outcomes[0].address == "10.77.0.3"


@pytest.mark.parametrize(
    ("name", "version", "reason"),
    [
        ("nobody", 4, Reason.NAME_UNKNOWN),
        ("far.", 6, Reason.NO_ADDRESS),
        ("slow.", 4, Reason.RESOLVER_FAILED),
        ("broken.", 4, Reason.RESOLVER_FAILED),
    ],
)
def test_why_a_name_leads_nowhere(ask, name, version, reason):
    measurement = ask("icmp", name=name, ip_version=version)
    assert told(measurement) == no(reason)
    assert measurement.attempts == 0


def test_a_name_must_not_lead_out_of_what_is_allowed(ask):
    allowed = ("10.77.0.0/24", "fd77::/64")
    assert told(ask("icmp", name="b", allowed_subnets=allowed)) == REACHABLE
    for name in ("mixed.", "far.", "127.1", "::ffff:127.0.0.1"):
        measurement = ask("icmp", name=name, allowed_subnets=allowed)
        assert told(measurement) == (Verdict.INCONCLUSIVE, Reason.NOT_ALLOWED), name
        assert measurement.attempts == 0


def test_the_reverse_name_comes_from_the_same_resolver(ask):
    assert ask("icmp", "10.77.0.3", reverse_lookup=True).reverse_name == "b.simon_network"
    unnamed = ask("icmp", "10.77.0.2", reverse_lookup=True)
    assert (unnamed.reverse_name, unnamed.detail) == (None, None)


def test_a_reverse_name_that_comes_too_late_is_no_missing_name(ask):
    late = ask("icmp", "10.77.0.4", reverse_lookup=True)
    assert told(late) == REACHABLE
    assert (late.reverse_name, late.detail) == (
        None,
        "no nameserver answered the reverse lookup of 10.77.0.4 in time",
    )


def test_observation_shows_the_inside(world, runner):
    place = world.place(world.b, "nameserver 127.0.0.11\n# ExtServers: [host(8.8.8.8) 9.9.9.9]\n", "10.0.0.9 db\n")
    seen = runner.observe(place, ("interfaces", "routes", "neighbours", "sockets", "resolver"))
    eth0 = next(link for link in seen.interfaces if link.name == "eth0")
    assert (eth0.kind, eth0.mtu_bytes, eth0.state) == ("veth", 1500, "up")
    assert {address.address for address in eth0.addresses} >= {"10.77.0.3", "fd77::3"}
    assert eth0.peer_index is not None
    assert ("0.0.0.0/0", "10.77.0.1", "eth0") in {(r.destination, r.gateway, r.interface) for r in seen.routes}
    assert ("tcp", "10.77.0.3", 5000) in {(s.protocol, s.address, s.port) for s in seen.sockets}
    assert ("udp", "10.77.0.3", 5001) in {(s.protocol, s.address, s.port) for s in seen.sockets}
    assert seen.resolver.uses_embedded_dns
    assert seen.resolver.upstreams == ("8.8.8.8", "9.9.9.9")
    assert ("10.0.0.9", ("db",)) in seen.resolver.hosts


def test_only_what_was_asked_for_is_looked_at(world, runner):
    seen = runner.observe(world.place(world.a), ("routes",))
    assert seen.routes
    assert (seen.interfaces, seen.neighbours, seen.sockets, seen.resolver) == (None, None, None, None)


@pytest.mark.parametrize("protocol", ["icmp", "tcp"])
def test_a_matrix_tells_own_from_other_networks(world, runner, protocol):
    plan = matrix(world, protocol)
    rows = {row.index: row for row in runner.sweep(plan)}
    assert set(rows) == set(range(6))
    for row in rows.values():
        assert len(row.outcomes) == 5
        for outcome in row.outcomes:
            same = world.lab.members[row.index].network == world.lab.members[outcome.index].network
            assert (outcome.verdict, outcome.reason) == (REACHABLE if same else no(Reason.TIMED_OUT))
            assert (outcome.rtt_ms is not None) == same


def matrix(world, protocol, **fields):
    members = world.lab.members
    sources = tuple(
        SweepSource(
            at,
            world.place(member),
            tuple(SweepTarget(to, m.address) for to, m in enumerate(members) if m is not member),
        )
        for at, member in enumerate(members)
    )
    return SweepPlan(Protocol(protocol), sources, port=5000, timeout_ms=2000, **fields)


def test_a_matrix_by_name_resolves_in_each_source(world, runner):
    names = ("b.lab.", "alias", "nobody", "slow.", "far.", "127.0.0.1")
    targets = tuple(SweepTarget(number, name=name) for number, name in enumerate(names))
    allowed = ("10.77.0.0/24", "10.77.1.0/24", "fd77::/32")
    source = SweepSource(7, world.place(world.a, RESOLV_CONF), (*targets, SweepTarget(99)))
    (row,) = runner.sweep(SweepPlan(Protocol.ICMP, (source,), timeout_ms=2000, allowed_subnets=allowed))
    assert [(outcome.index, outcome.verdict.value, outcome.reason) for outcome in row.outcomes] == [
        (0, "reachable", None),
        (1, "reachable", None),
        (2, "unreachable", Reason.NAME_UNKNOWN),
        (3, "unreachable", Reason.RESOLVER_FAILED),
        (4, "unreachable", Reason.TIMED_OUT),
        (5, "inconclusive", Reason.NOT_ALLOWED),
        (99, "inconclusive", Reason.NOT_ALLOWED),
    ]
    assert row.outcomes[0].address == "fd77::3"


def test_closing_a_matrix_stops_it(world, runner):
    rows = runner.sweep(matrix(world, "icmp"))
    next(rows)
    started = time.monotonic()
    rows.close()
    assert time.monotonic() - started < 20, "a helper that is just starting cannot be told to stop"


def test_the_deadline_of_a_matrix_is_inconclusive(world, runner):
    rows = list(runner.sweep(matrix(world, "icmp", deadline_ms=1)))
    assert len(rows) == 6
    assert {o.reason for row in rows for o in row.outcomes if o.verdict is Verdict.INCONCLUSIVE} == {Reason.DEADLINE}
    assert all(o.verdict is not Verdict.UNREACHABLE for row in rows for o in row.outcomes)


def test_a_place_out_of_reach_is_inconclusive(runner):
    place = Place(container_id=None, name="gone", namespace_path="/run/netns/there-is-none")
    measurement = runner.check(place, ProbeRequest(Protocol.ICMP, address="127.0.0.1"))
    assert told(measurement) == (Verdict.INCONCLUSIVE, Reason.NAMESPACE_OUT_OF_REACH)
    assert measurement.detail
    assert runner.observe(place, ("routes",)) is None
    assert runner.namespace_inode(place) is None
    source = SweepSource(3, place, (SweepTarget(0, "127.0.0.1"),))
    (row,) = runner.sweep(SweepPlan(Protocol.ICMP, (source,)))
    assert row.outcomes[0].reason is Reason.NAMESPACE_OUT_OF_REACH
