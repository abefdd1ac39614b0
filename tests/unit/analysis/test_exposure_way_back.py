"""The exposure of a container that has no route back to the place that asks."""

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.exposure.judge import Judge
from bridgework.analysis.exposure.questions import direct_targets, lan_origins, questions
from bridgework.model.checks import Verdict
from bridgework.model.observations import FirewallRules, HostObservation, Interface, InterfaceAddress, Observation
from tests.support.worlds import container, listening, network, seen, world

LAN = InterfaceAddress("2001:db8::1", 64, "ipv6", "global")
HOST = HostObservation(Observation(1, interfaces=(Interface(2, "eth0", "device", None, 1500, "up", (), (LAN,)),)))


@pytest.mark.parametrize(("internal", "verdict", "reason"), [
    (True, Verdict.UNREACHABLE, "no-route"),
    (False, Verdict.REACHABLE, None),
])  # fmt: skip
def test_a_container_on_an_internal_network_has_no_way_back(internal, verdict, reason):
    # Docker 26 writes no rules for IPv6 by default, so nothing stops the packet there.
    options = {"com.docker.network.bridge.name": "br-own"}
    place = network("own", subnet6="fd00:1::/64", internal=internal, options=options)
    one = container("one", (place, "10.1.0.9", {"ipv6_address": "fd00:1::9"}))
    rules = FirewallRules((), (), "", switches=(("net.ipv6.conf.all.forwarding", "1"),))
    state = EngineState(world(place, one), seen([(one, listening("[::]:8080"))], host=HOST, firewall=rules))
    origins = [origin for origin in lan_origins(state.snapshot, HOST) if origin.version == 6]
    (asked,) = questions(direct_targets(state), origins)
    found = Judge(state).exposure(asked)
    assert (found.verdict, found.stop.reason) == (verdict, reason)
