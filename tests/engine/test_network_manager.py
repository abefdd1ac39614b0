"""NetworkManager itself beside an engine, on a D-Bus of its own: it takes the address of a bridge, and is named."""

import shlex
from types import SimpleNamespace

import pytest

from tests.engines.conftest import engine_with
from tests.support.api import check, codes, run
from tests.support.host_programs import host_programs
from tests.support.proves import proves
from tools.engine import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tokens_file):
    """An engine with two containers on one network, and NetworkManager, which has seen its bridges."""
    with engine_with({}, tokens_file) as (api, made), host_programs(made) as host:
        bridge = api.post("/v1/networks", {"name": "lab"}, status=201)["bridge_name"]
        run(api, "web", network_mode="lab", command=["httpd", "-f", "-p", "8080"])
        run(api, "client", network_mode="lab")
        host.start_bus()
        host.start_network_manager()
        seen = SimpleNamespace(api=api, host=host, bridge=bridge)
        assert wait_until(lambda: "connected" in state(seen), 20)
        yield seen


def state(world):
    return world.host.run("nmcli", "--get-values", "GENERAL.STATE", "device", "show", world.bridge, check=False)


def diagnosis(world):
    return world.api.get("/v1/diagnostics?limit=1000")["items"]


def test_a_healthy_engine_with_network_manager_gives_no_finding(world):
    assert "externally" in state(world)
    assert diagnosis(world) == []
    for target in ({"host": True}, {"container": "web"}):
        assert check(world.api, "client", target, protocol="icmp")["findings"] == []


@proves("bridge-address-missing")
def test_network_manager_that_took_the_address_of_a_bridge_is_named(world):
    world.host.run("nmcli", "device", "disconnect", world.bridge)
    (found,) = [one for one in diagnosis(world) if one["code"] == "bridge-address-missing"]
    assert (found["severity"], found["component"]["name"]) == ("blocking", "lab")
    assert found["evidence"]["manager"]["program"] == "NetworkManager"
    assert "unmanaged-devices of NetworkManager.conf" in found["remedy"]["summary"]
    answer = check(world.api, "client", {"host": True}, protocol="icmp", timeout_ms=500)
    assert "bridge-address-missing" in codes(answer["findings"])
    assert "prediction-inconsistent" not in codes(answer["findings"])
    for command in found["remedy"]["commands"]:
        world.host.run(*shlex.split(command))
    assert diagnosis(world) == []
    assert check(world.api, "client", {"host": True}, protocol="icmp")["verdict"] == "reachable"
