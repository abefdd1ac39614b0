"""What only pings can get wrong: other people's answers, and packets that are too big."""

from pathlib import Path

import pytest

from bridgework.model.checks import ProbeRequest, Protocol, Reason, Verdict
from bridgework.model.probe_port import SweepPlan, SweepSource, SweepTarget
from bridgework.probes.kernel.setns import run_inside
from bridgework.probes.kinds import echo, raw_icmp

pytestmark = pytest.mark.wide

TIMEOUT_MS = 2000
"""An answer must come in this time, however busy the machine is: with 300 ms one was missing once."""


def ping(runner, place, address, **fields):
    return runner.check(place, ProbeRequest(Protocol.ICMP, address=address, timeout_ms=TIMEOUT_MS, **fields))


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ("payload", Verdict.UNREACHABLE),
        ("sequence", Verdict.UNREACHABLE),
        ("identifier", Verdict.UNREACHABLE),
        ("sender", Verdict.UNREACHABLE),
        ("nothing", Verdict.REACHABLE),
    ],
)
def test_an_answer_to_somebody_else_never_counts(make_world, namespace_runner, change, verdict):
    world = make_world(1, 2)
    world.b.ip("addr", "add", "10.77.0.250/24", "dev", "eth0")
    world.b.inside("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1")
    world.serve(world.b, "forge", 0, table=change)
    assert ping(namespace_runner, world.a.place(), world.b.address).verdict is verdict
    source = SweepSource(0, world.a.place(), (SweepTarget(0, world.b.address),))
    (row,) = namespace_runner.sweep(SweepPlan(Protocol.ICMP, (source,), timeout_ms=TIMEOUT_MS))
    assert row.outcomes[0].verdict is verdict


@pytest.mark.parametrize(("version", "address"), [(4, "127.0.0.1"), (6, "::1")])
def test_other_peoples_answers_do_not_even_fill_the_buffer(make_world, version, address):
    world = make_world(1, 1)

    def listen():
        with raw_icmp.open_echo_socket(version, 7) as ours, raw_icmp.open_echo_socket(version, 8) as other:
            ours.sendto(echo.request(version, 7, 1, b"token"), (address, 0))
            heard = echo.parse(version, ours.recv(2048))
            with pytest.raises(BlockingIOError):
                other.recv(2048)
            return heard

    with Path(world.a.path).open() as namespace:
        assert run_inside(namespace.fileno(), listen) == echo.EchoMessage(7, 1, b"token")


@pytest.fixture
def narrow(make_world):
    """Two networks with a router between them, the second of them with an MTU of 1,300 bytes."""
    world = make_world(2, 1, isolated=False)
    world.lab.router.inside("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    world.lab.router.ip("link", "set", "br1", "mtu", "1300")
    for member in world.lab.members:
        member.ip("-6", "route", "add", "default", "via", f"fd77:{member.network}::1")
    return world


@pytest.mark.parametrize(
    ("version", "headers"),
    [(4, 28), (6, 48)],
)
def test_the_path_mtu_is_named(narrow, namespace_runner, version, headers):
    address = narrow.far.address if version == 4 else narrow.far.address6
    place = narrow.a.place()
    fits = ping(namespace_runner, place, address, payload_bytes=1300 - headers, dont_fragment=True)
    assert fits.verdict is Verdict.REACHABLE
    too_long = ping(namespace_runner, place, address, payload_bytes=1301 - headers, dont_fragment=True)
    assert (too_long.verdict, too_long.reason) == (Verdict.UNREACHABLE, Reason.MESSAGE_TOO_LONG)
    assert too_long.path_mtu_bytes == 1300


def test_what_does_not_fit_the_own_link_is_told_at_once(narrow, namespace_runner):
    gateway = "10.77.0.1"
    fits = ping(namespace_runner, narrow.a.place(), gateway, payload_bytes=1472, dont_fragment=True)
    assert fits.verdict is Verdict.REACHABLE
    too_long = ping(namespace_runner, narrow.a.place(), gateway, payload_bytes=1473, dont_fragment=True)
    assert (too_long.reason, too_long.path_mtu_bytes) == (Reason.MESSAGE_TOO_LONG, 1500)


def test_without_the_flag_it_is_fragmented(narrow, namespace_runner):
    assert ping(namespace_runner, narrow.a.place(), narrow.far.address, payload_bytes=4000).verdict is Verdict.REACHABLE


def test_over_ipv6_only_the_sender_fragments_once_it_knows(narrow, namespace_runner):
    measurement = ping(namespace_runner, narrow.a.place(), narrow.far.address6, payload_bytes=4000, count=2)
    assert (measurement.successes, measurement.path_mtu_bytes) == (1, 1300)
    assert "message-too-long" in measurement.detail


def test_losses_are_counted_and_said(make_world, namespace_runner):
    world = make_world(1, 2)
    every_other = ["-m", "statistic", "--mode", "nth", "--every", "2", "--packet", "0", "-j", "DROP"]
    world.b.inside("iptables", "-A", "INPUT", "-p", "icmp", *every_other)
    measurement = ping(namespace_runner, world.a.place(), world.b.address, count=4)
    assert (measurement.verdict, measurement.attempts, measurement.successes) == (Verdict.REACHABLE, 4, 2)
    assert measurement.reason is None
    assert "2 of 4" in measurement.detail
