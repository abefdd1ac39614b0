"""The finding of a path MTU black hole: what it names, the remedy, and what it takes the place of."""

from __future__ import annotations

from bridgework.analysis.case import Case
from bridgework.model.checks import Measurement, Reason, Verdict
from tests.support.worlds import ask, calls_of, container, network, seen, world

LAB = network("lab", "10.1.0.0/24")
WEB, CLIENT = container("web", (LAB, "10.1.0.2")), container("client", (LAB, "10.1.0.3"))
SILENT = Measurement(Verdict.UNREACHABLE, "10.1.0.2", 1, 0, Reason.TIMED_OUT)


def weighed(source, path_mtu_bytes, **facts):
    case = Case.of(world(LAB, WEB, CLIENT), ask(source, WEB, **facts), seen())
    return case.weigh(SILENT, path_mtu_bytes=path_mtu_bytes).findings


def test_a_black_hole_explains_the_surprise_and_moves_the_containers():
    (found,) = weighed(CLIENT, 1296)
    assert found.code == "pmtu-blackhole"
    assert (
        found.message == "Packets of more than 1296 bytes from client to 10.1.0.2 are lost, and no ICMP error says so."
    )
    assert calls_of(found.remedy)[0].body["options"]["com.docker.network.driver.mtu"] == "1296"


def test_without_one_the_surprise_stays():
    assert [found.code for found in weighed(CLIENT, None)] == ["prediction-inconsistent"]


def test_a_link_that_was_seen_to_be_too_small_explains_it_better():
    codes = {found.code for found in weighed(CLIENT, 1296, payload_bytes=1473, dont_fragment=True)}
    assert "mtu-mismatch" in codes
    assert "pmtu-blackhole" not in codes


def test_from_the_host_no_network_helps():
    (found,) = weighed("host", 1296)
    assert calls_of(found.remedy) == ()
    assert "1296 bytes" in found.remedy.summary
