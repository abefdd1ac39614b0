"""What is reachable from where: each row of the exposure is tried for real from its place.

A namespace plays a neighbour on the LAN, with routes to the containers' subnets by the host.
"""

import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from tests.engines.conftest import engine_with
from tests.support.api import run
from tests.support.engine import ENGINE_PROGRAMS
from tests.support.neighbour import HOST_ADDRESS, HOST_ADDRESS6, LINK, answers_from, neighbour_of
from tests.support.raw_engine import Raw

HTTPD = ["httpd", "-f", "-p", "8080"]
BRIDGE = "com.docker.network.bridge."

UFW = """
*filter
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
-A INPUT -j ufw-before-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""
"""The rules of ``ufw enable`` with one port allowed, as ufw 0.36 writes them, in short."""


def release():
    program = str(ENGINE_PROGRAMS / "dockerd") if ENGINE_PROGRAMS else "dockerd"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.split("version ")[1].split(".")[0])


RELEASE = release()
SETTINGS = {"iptables": {}, "no-proxy": {"userland-proxy": False}}
if RELEASE >= 29 and shutil.which("nft"):
    SETTINGS["nftables"] = {"firewall-backend": "nftables", "ip-forward": False}


@pytest.fixture(
    scope="module",
    params=[pytest.param(one, marks=[pytest.mark.slow] if one != "iptables" else []) for one in SETTINGS],
)
def world(request, tokens_file):
    """An engine, a client of its service, and a neighbour on its LAN."""
    with engine_with(SETTINGS[request.param], tokens_file) as (api, made), neighbour_of(made) as neighbour:
        neighbour.route_loopback()
        yield SimpleNamespace(
            api=api,
            engine=made,
            raw=Raw(made),
            neighbour=neighbour,
            native=request.param == "nftables",
            proxied=request.param != "no-proxy",
        )


@pytest.fixture
def here(world):
    """The world with two networks: web publishes its port in three ways, db does not; a guest is on each network."""
    network(world, "front", 1)
    network(world, "back", 2)
    ports = [
        {"container_port": 8080, "host_port": 18080},
        {"container_port": 8080, "host_port": 18081, "host_ip": "127.0.0.1"},
        {"container_port": 8080, "host_port": 18082, "host_ip": HOST_ADDRESS},
        {"container_port": 8080, "host_port": 18083, "host_ip": "::1"},
    ]
    run(world.api, "web", network_mode="front", command=HTTPD, published_ports=ports)
    run(world.api, "db", network_mode="back", command=HTTPD)
    yield world
    world.raw.sweep()


def network(here, name, number, **options):
    """A network with both families, a guest on it, and the neighbour's routes to it."""
    pools = [f"10.96.{number}.0/24", f"fd00:96:{number}::/64"]
    body = {"name": name, "ipv6_enabled": True, "ipam": {"pools": [{"subnet": pool} for pool in pools]}}
    here.api.post("/v1/networks", {**body, "options": {f"{BRIDGE}{k}": v for k, v in options.items()}}, status=201)
    run(here.api, f"guest-{name}", network_mode=name)
    for pool, via in zip(pools, (HOST_ADDRESS, HOST_ADDRESS6), strict=True):
        here.neighbour.route(pool, via)


def rows(here, query=""):
    answer = here.api.get(f"/v1/exposure?limit=1000{query}")
    assert answer["next_cursor"] is None
    return answer["items"]


def key(row):
    return row["container"]["name"], row["origin"]["kind"], row["origin"]["name"], row["address"], row["port"]


def is_open(here, row):
    """Whether a connection from the place of the row succeeds."""
    kind, name = row["origin"]["kind"], row["origin"]["name"]
    if kind == "lan":
        place = here.neighbour.path
    else:
        place = here.engine.namespace if kind == "host" else f"/proc/{here.pids[f'guest-{name}']}/ns/net"
    # Silence proves the more the longer it lasts, and a busy machine answers late.
    wait_s = 10 if row["verdict"] == "reachable" else 0.5
    return answers_from(place, row["address"], row["port"], row["protocol"], wait_s)


def pids(here):
    """The process of each running container by its name."""
    found = here.raw.containers().values()
    return {one["Name"][1:]: one["State"]["Pid"] for one in found if one["State"]["Running"]}


def compared(here):
    """Every row that can be tried, after the comparison of what is predicted with what is measured."""
    # A container's own loopback is its own: its packets do not come to the host.
    tried = [row for row in rows(here) if row["listening"] and not (
        row["origin"]["kind"] == "network" and row["address"] in {"127.0.0.1", "::1"})]  # fmt: skip
    here.raw.settle()
    here.pids = pids(here)
    with ThreadPoolExecutor(16) as threads:
        measured = list(threads.map(lambda row: is_open(here, row), tried))
    wrong = [
        (key(row), row["verdict"], row["reason"], found)
        for row, found in zip(tried, measured, strict=True)
        if row["verdict"] != ("reachable" if found else "unreachable")
    ]
    assert wrong == []
    assert len({key(row) for row in tried}) == len(tried) > 20
    return {key(row): row for row in tried}


def owners(row):
    return {rule["owner"] for rule in row["rules"]}


def execute(here, *commands):
    for command in commands:
        here.raw.in_namespace(*shlex.split(command))


def test_ports_of_a_plain_engine(here):
    run(here.api, "guest-bridge", network_mode="bridge")
    found = compared(here)
    everywhere = found["web", "lan", LINK, HOST_ADDRESS, 18080]
    assert (everywhere["verdict"], everywhere["by_proxy"], everywhere["host_firewall"]) == ("reachable", False, None)
    assert owners(everywhere) == {"Docker"}
    assert next(rule["effect"] for rule in everywhere["rules"]) == "dnat"
    assert found["web", "host", "host", "127.0.0.1", 18081]["verdict"] == "reachable"
    assert found["web", "host", "host", "::1", 18083]["verdict"] == ("reachable" if here.proxied else "unreachable")
    # The kernel drops a packet for ::1 from outside before any rule.
    loopback6 = found["web", "lan", LINK, "::1", 18083]
    assert (loopback6["verdict"], loopback6["reason"]) == ("unreachable", "loopback-address")
    loopback = found["web", "lan", LINK, "127.0.0.1", 18081]
    assert loopback["verdict"] == ("unreachable" if RELEASE >= 28 else "reachable")
    # Docker 26 accepts a published port at the container's own address too.
    direct = found["web", "lan", LINK, "10.96.1.3", 8080]
    assert (direct["verdict"], direct["published"]) == ("unreachable" if RELEASE >= 28 else "reachable", None)
    closed = found["db", "lan", LINK, "10.96.2.3", 8080]
    assert closed["verdict"] == "unreachable"
    assert closed["stopped_by"]["owner"] == ("Docker" if RELEASE >= 28 else None)
    # The rule that stops it on Docker 26 is the policy of FORWARD.
    assert (closed["stopped_by"]["rule"] is None) == (RELEASE < 28)
    assert all(owners(row) <= {"Docker"} for row in found.values())


def test_a_port_that_ufw_closes_is_open_past_it(here):
    restore = ["nsenter", f"--net={here.raw.namespace}", "--", "iptables-restore", "--noflush"]
    subprocess.run(restore, input=UFW, text=True, check=True)
    execute(here, "iptables -P INPUT DROP")
    try:
        found = compared(here)
        past = found["web", "lan", LINK, HOST_ADDRESS, 18080]
        assert (past["verdict"], past["past_host_firewall"]) == ("reachable", True)
        assert past["host_firewall"] == {
            "table": "ip filter", "chain": "INPUT", "rule": None, "effect": "drop", "owner": "ufw",
        }  # fmt: skip
        assert owners(past) == {"Docker"}
        # docker-proxy is a program of the host, so there ufw decides.
        proxied = found["web", "network", "front", "10.96.1.1", 18080]
        if here.proxied:
            assert (proxied["verdict"], proxied["stopped_by"]["owner"]) == ("unreachable", "ufw")
    finally:
        execute(here, "iptables -P INPUT ACCEPT", "iptables -D INPUT -j ufw-before-input")
        for option in ("-F", "-X"):
            for chain in ("ufw-before-input", "ufw-user-input"):
                here.raw.in_namespace("iptables", option, chain)


def test_an_unpublished_port_by_direct_routing(here):
    """With FORWARD open, as many administrators leave it: Docker 28 and later drop what is not for a bridge's own."""
    if here.native:
        pytest.skip("Docker writes no policy of FORWARD with nftables")
    execute(here, "iptables -P FORWARD ACCEPT")
    try:
        found = compared(here)
        direct = found["db", "lan", LINK, "10.96.2.3", 8080]
        assert direct["verdict"] == ("unreachable" if RELEASE >= 28 else "reachable")
        assert rows(here, "&container=db&published=true") == []
        reached = rows(here, "&container=db&origin=lan&verdict=reachable")
        # Docker 26 writes no rules of ip6tables unless it is told to.
        assert [row["address"] for row in reached] == ([] if RELEASE >= 28 else ["10.96.2.3", "fd00:96:2::3"])
    finally:
        execute(here, "iptables -P FORWARD DROP")


FAULTS_OF_ROUTING = {
    "blackhole rule": ("ip rule add to {subnet} blackhole priority 100", "policy-route-diverts"),
    "prohibit table": ("ip rule add to {subnet} lookup 77 priority 100", "policy-route-diverts"),
    "prohibit route": ("ip route add prohibit {address}", "blackhole-route"),
    "forwarding of one interface": ("sysctl -qw net.ipv4.conf.{link}.forwarding=0", "interface-forwarding-off"),
    "reverse path filter": ("ip rule add to {lan} lookup 78 priority 100", "reverse-path-filtered"),
}


@pytest.mark.parametrize("fault", FAULTS_OF_ROUTING)
def test_what_the_kernel_routes_elsewhere_or_drops_is_not_called_open(here, fault):
    web = here.raw.get("/containers/web/json")["NetworkSettings"]["Networks"]["front"]["IPAddress"]
    values = {"subnet": "10.96.1.0/24", "address": web, "link": LINK, "lan": "192.0.2.0/24"}
    command, code = FAULTS_OF_ROUTING[fault]
    before = (f"net.ipv4.conf.{LINK}.rp_filter=0", "net.ipv4.conf.all.rp_filter=0")
    made = [
        "ip route add prohibit default table 77",
        "ip route add blackhole default table 78",
        f"sysctl -qw net.ipv4.conf.{LINK}.rp_filter=1",
    ]
    execute(here, *made, command.format(**values))
    try:
        found = compared(here)
        row = found["web", "lan", LINK, HOST_ADDRESS, 18080]
        assert (row["verdict"], row["reason"], row["stopped_by"]) == ("unreachable", "routed-elsewhere", None)
        assert row["finding"]["code"] == code
        assert found["db", "host", "host", "10.96.2.3", 8080]["finding"] is None
    finally:
        for text in ("ip rule delete priority 100", f"ip route delete prohibit {web}"):
            here.raw.in_namespace("sh", "-c", f"{text} 2>/dev/null || true")
        execute(here, "ip route flush table 77", "ip route flush table 78", *(f"sysctl -qw {one}" for one in before),
                f"sysctl -qw net.ipv4.conf.{LINK}.forwarding=1")  # fmt: skip


def test_a_rule_that_takes_the_port_first_is_told_and_the_container_is_not_called_open(here):
    address = here.api.get("/v1/networks/back/endpoints/db")["ipv4_address"]
    rule = f"PREROUTING -i {LINK} -p tcp --dport 18080 -j DNAT --to-destination {address}:8080"
    execute(here, f"iptables -t nat -I {rule}", f"iptables -I FORWARD -d {address} -j ACCEPT")
    try:
        (row,) = [row for row in rows(here, "&container=web&origin=lan") if key(row)[3:] == (HOST_ADDRESS, 18080)]
        assert (row["verdict"], row["reason"]) == ("unreachable", "translated-elsewhere")
        assert f"--to-destination {address}:8080" in row["stopped_by"]["rule"]
        # A program answers there, and it is not the container of the row.
        assert answers_from(here.neighbour.path, HOST_ADDRESS, 18080, "tcp", 10)
    finally:
        execute(here, f"iptables -t nat -D {rule}", f"iptables -D FORWARD -d {address} -j ACCEPT")


@pytest.mark.skipif(RELEASE < 28, reason="Docker 26 ignores gateway modes")
@pytest.mark.parametrize("mode", ["nat-unprotected", "routed"])
def test_a_network_in_a_gateway_mode_of_its_own(here, mode):
    network(here, "open", 3, gateway_mode_ipv4=mode, gateway_mode_ipv6=mode)
    port = {"container_port": 8080, "host_port": 18090}
    run(here.api, "api", network_mode="open", command=HTTPD, published_ports=[port])
    run(here.api, "cache", network_mode="open", command=HTTPD)
    found = compared(here)
    assert found["api", "lan", LINK, "10.96.3.3", 8080]["verdict"] == "reachable"
    unpublished = found["cache", "lan", LINK, "10.96.3.4", 8080]
    assert unpublished["verdict"] == ("reachable" if mode == "nat-unprotected" else "unreachable")
    at_host = ("api", "lan", LINK, HOST_ADDRESS, 18090)
    assert (at_host in found) == (mode == "nat-unprotected")


def test_filters_and_pages(here):
    every = rows(here)
    for query, name in (("&container=db", "db"), ("&network=back", "db"), ("&network=front", "web")):
        found = rows(here, query)
        assert found == [row for row in every if row["container"]["name"] == name] != []
    for origin in ("lan", "host", "network"):
        assert rows(here, f"&origin={origin}") == [row for row in every if row["origin"]["kind"] == origin] != []
    open_ones = [row for row in every if row["verdict"] == "reachable"]
    assert rows(here, "&verdict=reachable") == open_ones != []
    assert rows(here, "&project=other") == []
    paged, cursor = [], ""
    while cursor is not None:
        answer = here.api.get(f"/v1/exposure?limit=2&verdict=reachable{cursor and '&cursor='}{cursor}")
        assert len(answer["items"]) <= 2
        paged, cursor = paged + answer["items"], answer["next_cursor"]
    assert paged == open_ones
    assert here.api.call("GET", "/v1/exposure?container=none", status=404)["code"] == "container-not-found"


def test_what_is_not_led_through_the_host_is_said(here):
    run(here.api, "direct", network_mode="host", command=HTTPD)
    (told,) = here.api.get("/v1/exposure")["limited"]
    assert (told["code"], told["what"]) == ("port-of-host", "the ports of direct")
