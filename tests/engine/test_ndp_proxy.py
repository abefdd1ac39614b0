"""IPv6 addresses of containers that the host's neighbours take for addresses of their own link."""

import subprocess
import time
from dataclasses import replace

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import check, codes, run
from tests.support.engine_versions import DOCKER_27
from tests.support.neighbour import ADDRESS6, LINK, neighbour_of
from tests.support.proves import proves, remedied
from tests.support.raw_engine import Raw
from tests.support.remedies import follow

pytestmark = pytest.mark.slow

# A part of the /64 of the LAN between the host and its neighbour.
SUBNET = "2001:db8:99:0:1::/80"
HTTPD = ["httpd", "-f", "-p", "8080"]
SHOWN = {"com.docker.network.bridge.gateway_mode_ipv6": "routed"}
UNMASQUERADED = {"com.docker.network.bridge.enable_ip_masquerade": "false"}


@pytest.fixture
def raw(engine):
    return Raw(engine)


@pytest.fixture
def neighbour(engine):
    with neighbour_of(engine) as made:
        yield made


def lan_network(api, raw, name="lab", *, options=SHOWN | UNMASQUERADED, subnet=SUBNET):
    """A network inside the LAN's prefix with a published port; the container's address."""
    raw.make_network(name, "10.231.0.0/24", subnet, EnableIPv6=True, Options=options)
    run(api, "web", network_mode=name, command=HTTPD, published_ports=[{"container_port": 8080}])
    address = raw.get("/containers/web/json")["NetworkSettings"]["Networks"][name]["GlobalIPv6Address"]
    # The bridge's address is tentative for a second or two.
    ends = time.monotonic() + 10
    while check(api, "host", "web", protocol="tcp", port=8080, ip_version="6")["verdict"] != "reachable":
        assert time.monotonic() < ends
    return address


def found(api):
    return [one for one in api.get("/v1/diagnostics")["items"] if one["code"] == "ndp-proxy-missing"]


def reaches(neighbour, address):
    """Whether the neighbour reaches the container within some tries: the host delays an answer for another."""
    return any(neighbour.reaches(address, 8080, wait_s=2) for _ in range(5))


@pytest.fixture
def outward(api, engine, tokens_file):
    """A client of a service that may probe the neighbour; ``api`` sweeps up."""
    settings = Settings(tokens_file=tokens_file, stop_grace_s=1, probe_allowed_cidrs=[f"{ADDRESS6}/128"])
    return replace(api, app=create_app(settings, EngineAddress(engine.docker_host)))


@proves("ndp-proxy-missing")
@remedied("ndp-proxy-missing")
def test_a_host_that_does_not_answer_for_its_containers_does_so_after_the_remedy(outward, raw, neighbour):
    address = lan_network(outward, raw)
    assert not neighbour.reaches(address, 8080, wait_s=2)
    (fault,) = found(outward)
    assert (fault["severity"], fault["component"]["name"]) == ("warning", "lab")
    where = {"interface": LINK, "prefix": "2001:db8:99::/64", "proxy_ndp": False}
    assert fault["evidence"] == {**where, "addresses": [address], "affected": 1}
    there = {"address": ADDRESS6}
    answer = check(outward, "web", there, protocol="icmp", timeout_ms=500)
    assert answer["measured"]["verdict"] == "unreachable"
    assert "ndp-proxy-missing" in codes(answer["findings"])
    follow(outward, raw, fault, between=("web", ADDRESS6))
    assert found(outward) == []
    assert reaches(neighbour, address)
    answer = check(outward, "web", there, protocol="icmp")
    assert answer["measured"]["verdict"] == "reachable"
    assert "ndp-proxy-missing" not in codes(answer["findings"])


def test_each_half_of_the_remedy_is_missed_alone(api, raw, neighbour):
    address = lan_network(api, raw)
    entry = f"ip -6 neigh add proxy {address} dev {LINK}"
    switch = f"sysctl -w net.ipv6.conf.{LINK}.proxy_ndp=1"
    raw.in_namespace(*switch.split())
    (fault,) = found(api)
    assert fault["remedy"]["commands"] == [entry]
    raw.in_namespace(*entry.split())
    assert found(api) == []
    raw.in_namespace(*switch.replace("=1", "=0").split())
    (fault,) = found(api)
    assert fault["remedy"]["commands"] == [switch]
    assert not neighbour.reaches(address, 8080, wait_s=2)


@pytest.mark.usefixtures("neighbour")
def test_a_program_that_answers_by_ndp_is_believed(api, raw, engine, tmp_path):
    lan_network(api, raw)
    assert len(found(api)) == 1
    program = tmp_path / "ndppd"
    program.symlink_to("/usr/bin/sleep")
    with subprocess.Popen(["nsenter", f"--net={engine.namespace}", program, "600"]) as process:
        try:
            ends = time.monotonic() + 10
            while found(api):
                assert time.monotonic() < ends
        finally:
            process.kill()
    assert len(found(api)) == 1


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize(("options", "subnet"), [
    (SHOWN | UNMASQUERADED, "2001:db8:98::/80"),  # routed to the host
    ({}, SUBNET),
])  # fmt: skip
def test_a_network_that_no_neighbour_asks_for_is_sound(api, raw, options, subnet, api_version):
    if not options and api_version < DOCKER_27:
        pytest.skip("Docker 26 does not masquerade IPv6")
    lan_network(api, raw, options=options, subnet=subnet)
    assert found(api) == []
