"""What the engine makes inside a container is told from what a program changed there, for every kind of network."""

import subprocess

import pytest

from bridgework.analysis.as_made import is_as_made
from bridgework.analysis.attachment import EngineState
from bridgework.model.observations import HostObservation, Observations
from bridgework.use_cases.connectivity.namespaces import QUICK
from tests.support.api import run
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.wide

IPV6 = {"ipv6_enabled": True, "ipam": {"pools": [{"subnet": "10.91.0.0/24"}, {"subnet": "fd91::/64"}]}}
NETWORKS = {
    "plain": {},
    "dual": IPV6,
    "inner": {"internal": True},
    "quiet": {"options": {"com.docker.network.bridge.inhibit_ipv4": "true"}},
}
CHANGES = (
    "ip link set lo down",
    "ip link set eth0 down",
    "ip address delete 10.91.0.2/24 dev eth0",
    "ip address delete fd91::2/64 dev eth0",
    "ip link set eth0 address 02:00:00:00:00:77",
    "ip link set eth0 arp off",
    "ip route delete default",
    "ip route add blackhole 192.0.2.0/24",
    "ip route add 192.0.2.0/24 via 10.91.0.1",
    "ip route add default via 10.91.0.1 table 9",
    "ip -6 route add prohibit fd91::9",
    "ip rule add to 192.0.2.0/24 blackhole",
    "ip -6 rule add lookup 9 priority 9",
    "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1",
    "iptables -A INPUT -p tcp --dport 9 -j DROP",
    "iptables -t nat -A OUTPUT -p tcp --dport 9 -j REDIRECT --to-ports 10",
    "ip6tables -A OUTPUT -p tcp --dport 9 -j DROP",
    "nft add table inet own; add chain inet own in { type filter hook input priority 0 ; policy drop ; }",
)


@pytest.fixture
def look(app):
    """Says of each container whether it is as the engine made it."""

    def looked():
        services = app.config["SERVICES"]
        snapshot = services.engine.snapshot()
        runner = services.runner
        host = runner.observe(services.engine.host_place(snapshot), ("interfaces", "routing"))
        seen = Observations(host=HostObservation(host), engine_version=services.engine.facts().release)
        state = EngineState(snapshot, seen)
        return {
            one.name: is_as_made(
                state, state.attachment_of(one.id), runner.observe(services.engine.place_of(snapshot, one), QUICK)
            )
            for one in snapshot.containers
        }

    return looked


def test_what_the_engine_makes_is_told_from_what_a_program_changed(api, engine, look):
    for name, fields in NETWORKS.items():
        api.post("/v1/networks", {"name": name, **fields}, status=201)
        run(api, f"on-{name}", network_mode=name)
    run(api, "on-two", networks=[{"network": "plain"}, {"network": "dual"}])
    run(api, "on-three", networks=[{"network": "inner"}, {"network": "dual"}])
    run(api, "on-none", network_mode="none")
    run(api, "on-default", network_mode="bridge")
    Raw(engine).settle()
    assert {name for name, made in look().items() if not made} == set()


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_seen(api, engine, look, change):
    api.post("/v1/networks", {"name": "dual", **IPV6}, status=201)
    run(api, "web", network_mode="dual")
    run(api, "peer", network_mode="dual")
    raw = Raw(engine)
    raw.settle()
    pid = raw.get("/containers/web/json")["State"]["Pid"]
    subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "--", *change.split()], check=True)
    assert look() == {"web": False, "peer": True}
