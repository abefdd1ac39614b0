"""ufw itself beside an engine: what it closes and what it does not, named, and fixed by the remedy exactly as given."""

import shlex
import shutil
from types import SimpleNamespace

import pytest

from tests.engines.conftest import engine_with
from tests.support.api import check, codes, run
from tests.support.engine import release
from tests.support.host_programs import host_programs
from tests.support.neighbour import HOST_ADDRESS, LINK, neighbour_of
from tests.support.proves import proves
from tests.support.raw_engine import Raw

NFTABLES = {"firewall-backend": "nftables", "ip-forward": False}
HTTPD = ["httpd", "-f", "-p", "8080"]
BACKENDS = ["iptables", "nftables"] if release() >= (29, 0) and shutil.which("nft") else ["iptables"]
AT_HOST = {"protocol": "tcp", "port": 9090, "timeout_ms": 400}


@pytest.fixture(scope="module", params=BACKENDS)
def world(request, tokens_file):
    """An engine with a published port, a program of the host on port 9090, and ufw, which is not enabled yet."""
    native = request.param == "nftables"
    with (
        engine_with(NFTABLES if native else {}, tokens_file, probe_allowed_cidrs=("10.98.0.0/16",)) as (api, made),
        neighbour_of(made) as neighbour,
        host_programs(made) as host,
    ):
        for number, name in enumerate(("front", "back")):
            ipam = {"pools": [{"subnet": f"10.98.{number}.0/24"}]}
            api.post("/v1/networks", {"name": name, "ipam": ipam}, status=201)
        port = {"container_port": 8080, "host_port": 18080}
        run(api, "web", network_mode="front", command=HTTPD, published_ports=[port])
        run(api, "client", network_mode="back")
        Raw(made).make("local", mode="host", Cmd=["httpd", "-f", "-p", "9090"])
        yield SimpleNamespace(api=api, engine=made, neighbour=neighbour, host=host, native=native)


@pytest.fixture
def ufw(world):
    """The world with ufw enabled and nothing allowed; the rules of a test are gone afterwards."""
    world.host.run("ufw", "--force", "enable")
    yield world
    world.host.run("ufw", "--force", "reset")


def diagnosis(world):
    return world.api.get("/v1/diagnostics?limit=1000")["items"]


def follow(world, finding):
    """Run the commands of a remedy exactly as given."""
    assert finding["remedy"]["commands"], finding
    for command in finding["remedy"]["commands"]:
        world.host.run(*shlex.split(command))


def test_explore(world):
    before = diagnosis(world)
    import json

    world.host.run("ufw", "--force", "enable")
    print(codes(before))
    for f in diagnosis(world):
        print(json.dumps(f, indent=1))
    a = check(world.api, "client", {"container": "local"}, **AT_HOST)
    print(json.dumps(a, indent=1))
    a = check(world.api, "client", {"host": True}, protocol="tcp", port=18080, timeout_ms=400)
    print(json.dumps(a, indent=1))
    world.host.run("ufw", "reload")
    print(codes(diagnosis(world)))
    world.host.run("ufw", "--force", "reset")
    print(codes(diagnosis(world)))
