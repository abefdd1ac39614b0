"""Servers that never come to an end: each kind of probe ends within its time-out + 2 s, whatever they say.

A bound on time is asked for three times and must hold once: what has no bound breaks it each time, a busy machine
does not.
"""

import time

import pytest

from bridgework.model.checks import ProbeRequest, Protocol, Reason, Verdict
from bridgework.model.probe_port import SweepPlan, SweepSource, SweepTarget
from bridgework.probes.resolver.steps import MAX_ADDRESSES
from bridgework.runners.helper_runner import HelperRunner
from tests.engine.probes.conftest import NsenterLauncher

pytestmark = pytest.mark.slow

TIMEOUT_MS = 300
EXCESS_S = 2.0
PORTS = {"http": 8080, "dns": 53}
HTTP = ("continue", "slow-continue", "headers", "line", "processing", "spaces")
DNS = ("heavy", "many", "unknown", "wrong", "trickle")


def quickest(job, bound_s):
    """What the job said and how long it took, the first time that it kept to the bound, or the third."""
    for _ in range(3):
        started = time.monotonic()
        said = job()
        took = time.monotonic() - started
        if took <= bound_s:
            break
    return said, took


@pytest.fixture
def hostile(make_world):
    """A world of its own with one such server at ``b``: they keep their processor busy for seconds."""

    def make(kind):
        made = make_world(1, 2)
        made.serve(made.b, kind, PORTS.get(kind.partition("-")[0], 0), script="hostile_servers")
        return made

    return make


@pytest.mark.parametrize("says", HTTP)
def test_an_http_server_without_an_end_gets_its_time_and_no_more(hostile, namespace_runner, says):
    world = hostile(f"http-{says}")
    request = ProbeRequest(Protocol.HTTP, address=world.b.address, port=8080, timeout_ms=TIMEOUT_MS)
    measured, took = quickest(lambda: namespace_runner.check(world.a.place(), request), TIMEOUT_MS / 1000 + EXCESS_S)
    assert took <= TIMEOUT_MS / 1000 + EXCESS_S
    assert measured.verdict is Verdict.UNREACHABLE or says == "processing"
    assert measured.reason in {Reason.TIMED_OUT, Reason.UNEXPECTED_ANSWER, None}


def test_an_http_server_without_an_end_does_not_hold_a_helper(hostile, tmp_path):
    world = hostile("http-continue")
    runner = HelperRunner(NsenterLauncher(tmp_path), "a test")
    silent = ProbeRequest(Protocol.TCP, address="10.77.0.99", port=1, timeout_ms=TIMEOUT_MS)
    _, benign = quickest(lambda: runner.check(world.a.place(), silent), 0)
    request = ProbeRequest(Protocol.HTTP, address=world.b.address, port=8080, timeout_ms=TIMEOUT_MS)
    measured, took = quickest(lambda: runner.check(world.a.place(), request), benign + EXCESS_S)
    assert took <= benign + EXCESS_S
    assert measured.reason is Reason.UNEXPECTED_ANSWER


@pytest.mark.parametrize("says", DNS)
def test_a_dns_server_without_an_end_gets_its_time_and_no_more(hostile, namespace_runner, says):
    world = hostile(f"dns-{says}")
    request = ProbeRequest(Protocol.DNS, address=world.b.address, timeout_ms=TIMEOUT_MS, dns_question="db")
    _, took = quickest(lambda: namespace_runner.check(world.a.place(), request), TIMEOUT_MS / 1000 + EXCESS_S)
    assert took <= TIMEOUT_MS / 1000 + EXCESS_S


@pytest.mark.parametrize("says", DNS)
def test_a_name_is_resolved_in_time_whatever_the_resolver_says(hostile, namespace_runner, says):
    world = hostile(f"dns-{says}")
    search = " ".join(f"s{number}.example" for number in range(30_000))
    place = world.place(world.a, resolv_conf=f"nameserver {world.b.address}\noptions attempts:5\nsearch {search}\n")
    request = ProbeRequest(Protocol.TCP, name="db", port=9, timeout_ms=TIMEOUT_MS, reverse_lookup=True)
    bound = 3 * TIMEOUT_MS / 1000 + EXCESS_S
    measured, took = quickest(lambda: namespace_runner.check(place, request), bound)
    assert took <= bound
    assert len(measured.resolved_addresses) <= MAX_ADDRESSES


def test_a_flood_of_forged_pings_ends_with_the_time_out(hostile, namespace_runner):
    world = hostile("icmp-flood")
    world.b.inside("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1")
    request = ProbeRequest(Protocol.ICMP, address=world.b.address, timeout_ms=TIMEOUT_MS)
    measured, took = quickest(lambda: namespace_runner.check(world.a.place(), request), TIMEOUT_MS / 1000 + EXCESS_S)
    assert took <= TIMEOUT_MS / 1000 + EXCESS_S
    assert measured.reason is Reason.TIMED_OUT


@pytest.mark.parametrize(
    ("protocol", "kind"), [("http", "http-continue"), ("dns", "dns-heavy"), ("icmp", "icmp-flood")]
)
def test_a_matrix_ends_in_time_before_such_a_server(hostile, namespace_runner, protocol, kind):
    world = hostile(kind)
    port = PORTS.get(protocol)
    targets = (SweepTarget(0, address=world.b.address),)
    plan = SweepPlan(Protocol(protocol), (SweepSource(0, world.a.place(), targets),), port=port, timeout_ms=TIMEOUT_MS)
    rows, took = quickest(lambda: list(namespace_runner.sweep(plan)), TIMEOUT_MS / 1000 + EXCESS_S)
    assert took <= TIMEOUT_MS / 1000 + EXCESS_S
    assert [len(row.outcomes) for row in rows] == [1]


@pytest.mark.parametrize("says", DNS)
def test_the_names_of_a_matrix_end_with_its_deadline(hostile, namespace_runner, says):
    world = hostile(f"dns-{says}")
    place = world.place(world.a, resolv_conf=f"nameserver {world.b.address}\n")
    targets = tuple(SweepTarget(number, name=f"db{number}.example") for number in range(100))
    plan = SweepPlan(
        Protocol.ICMP, (SweepSource(0, place, targets),), timeout_ms=TIMEOUT_MS, deadline_ms=2 * TIMEOUT_MS
    )
    rows, took = quickest(lambda: list(namespace_runner.sweep(plan)), 2 * TIMEOUT_MS / 1000 + EXCESS_S)
    assert took <= 2 * TIMEOUT_MS / 1000 + EXCESS_S
    assert [len(row.outcomes) for row in rows] == [100]
