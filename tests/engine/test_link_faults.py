"""Faults of links on a real engine: each is provoked, found with its culprit, and gone after the remedy as given."""

import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import check, codes, run
from tests.support.engine_versions import DOCKER_28
from tests.support.proves import proves, remedied
from tests.support.raw_engine import Raw
from tests.support.remedies import follow

pytestmark = pytest.mark.slow

NETWORKD = Path("/usr/lib/systemd/systemd-networkd")
HTTPD = ["httpd", "-f", "-p", "8080"]


@pytest.fixture
def raw(engine):
    return Raw(engine)


@pytest.fixture
def pair(api):
    """Two containers on one network; the kernel's name of its bridge."""
    bridge = api.post("/v1/networks", {"name": "lab"}, status=201)["bridge_name"]
    run(api, "web", network_mode="lab", command=HTTPD)
    run(api, "client", network_mode="lab")
    return bridge


def inside(raw, name, *command):
    pid = raw.get(f"/containers/{name}/json")["State"]["Pid"]
    return subprocess.run(["nsenter", f"--target={pid}", "--net", *command], check=True, capture_output=True, text=True)


def endpoint(raw, name, network="lab"):
    return raw.get(f"/containers/{name}/json")["NetworkSettings"]["Networks"][network]


def found(api, code):
    return [one for one in api.get("/v1/diagnostics")["items"] if one["code"] == code]


def only(api, code):
    (one,) = found(api, code)
    return one


def explained(answer, code):
    """The check is unreachable or undecided for this reason, and the prediction is not at odds with it."""
    assert code in codes(answer["findings"]), answer
    assert "prediction-inconsistent" not in codes(answer["findings"])
    return next(one for one in answer["findings"] if one["code"] == code)


@proves("bridge-address-missing")
@remedied("bridge-address-missing")
def test_a_bridge_that_lost_its_address_is_found_and_gets_it_back(api, raw, pair):
    gateway = endpoint(raw, "web")["Gateway"]
    raw.in_namespace("ip", "address", "flush", "dev", pair, "scope", "global")
    fault = only(api, "bridge-address-missing")
    assert (fault["severity"], fault["component"]["name"]) == ("blocking", "lab")
    assert (fault["evidence"]["bridge"], fault["evidence"]["address"]) == (pair, gateway)
    explained(check(api, "client", {"host": True}, protocol="icmp", timeout_ms=500), "bridge-address-missing")
    explained(check(api, "host", "web", protocol="icmp", timeout_ms=500), "bridge-address-missing")
    follow(api, raw, fault, between=("host", "web"))
    assert found(api, "bridge-address-missing") == []
    for source, destination in (("client", {"host": True}), ("host", "web")):
        assert check(api, source, destination, protocol="icmp")["verdict"] == "reachable"


@contextmanager
def networkd(engine, directory, file):
    """systemd-networkd in the engine's network namespace, with a /run of its own, and this .network file."""
    script = f"""
        mount -t tmpfs none /run && mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases &&
        chown -R systemd-network: /run/systemd/netif && mount -t sysfs -o ro none /sys &&
        cp {file} /run/systemd/network/{file.name} && exec {NETWORKD}
    """
    with (directory / "networkd.log").open("wb") as log:
        command = ["nsenter", f"--net={engine.namespace}", "unshare", "--mount", "sh", "-c", script]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@proves("bridge-address-missing")
@pytest.mark.skipif(not NETWORKD.exists(), reason="systemd-networkd is not installed")
@pytest.mark.usefixtures("pair")
@remedied("bridge-address-missing")
def test_systemd_networkd_that_took_the_address_of_a_bridge_is_named(api, raw, engine, tmp_path):
    file = tmp_path / "10-all.network"
    file.write_text("[Match]\nName=br-*\n[Network]\nDHCP=no\nLinkLocalAddressing=no\n")
    with networkd(engine, tmp_path, file) as process:
        ends = time.monotonic() + 20
        while not (faults := found(api, "bridge-address-missing")):
            assert time.monotonic() < ends, (tmp_path / "networkd.log").read_text()
            time.sleep(0.1)
        (fault,) = faults
        manager = fault["evidence"]["manager"]
        assert manager == {
            "program": "systemd-networkd",
            "pid": process.pid,
            "file": f"/run/systemd/network/{file.name}",
        }
        assert f"systemd-networkd (process {process.pid})" in fault["message"]
        assert "Unmanaged=yes" in fault["remedy"]["summary"]
        follow(api, raw, fault, between=("host", "web"))
        assert found(api, "bridge-address-missing") == []
        assert check(api, "client", {"host": True}, protocol="icmp")["verdict"] == "reachable"


@proves("stale-neighbour")
@remedied("stale-neighbour")
def test_a_permanent_neighbour_entry_of_the_host_that_is_wrong_is_found_and_deleted(api, raw, pair):
    web = endpoint(raw, "web")
    raw.in_namespace("ip", "neighbour", "replace", web["IPAddress"], "lladdr", "02:00:00:00:00:99", "dev", pair)
    fault = only(api, "stale-neighbour")
    assert (fault["severity"], fault["component"]["kind"]) == ("blocking", "host")
    assert fault["evidence"]["mac_address"] == "02:00:00:00:00:99"
    assert fault["evidence"]["mac_address_of_endpoint"] == web["MacAddress"]
    answer = check(api, "host", "web", protocol="tcp", port=8080, timeout_ms=500)
    assert answer["verdict"] == "unreachable"
    explained(answer, "stale-neighbour")
    follow(api, raw, fault, between=("host", "web"), port=8080)
    assert found(api, "stale-neighbour") == []
    assert check(api, "host", "web", protocol="tcp", port=8080)["verdict"] == "reachable"


@proves("stale-neighbour")
@pytest.mark.usefixtures("pair")
@remedied("stale-neighbour")
def test_a_permanent_neighbour_entry_of_a_container_that_is_wrong_is_gone_after_its_restart(api, raw):
    web = endpoint(raw, "web")["IPAddress"]
    inside(raw, "client", "ip", "neighbour", "replace", web, "lladdr", "02:00:00:00:00:99", "dev", "eth0")
    answer = check(api, "client", "web", protocol="icmp", timeout_ms=500)
    assert answer["verdict"] == "unreachable"
    fault = explained(answer, "stale-neighbour")
    assert only(api, "stale-neighbour")["component"]["name"] == fault["component"]["name"] == "client"
    follow(api, raw, fault, between=("client", "web"))
    assert found(api, "stale-neighbour") == []
    assert check(api, "client", "web", protocol="icmp")["verdict"] == "reachable"


@proves("duplicate-address")
@pytest.mark.usefixtures("pair")
@remedied("duplicate-address")
def test_a_container_that_took_the_address_of_another_one_is_named_and_gives_it_back(api, raw):
    run(api, "intruder", network_mode="lab")
    web = endpoint(raw, "web")["IPAddress"]
    inside(raw, "intruder", "ip", "address", "add", f"{web}/16", "dev", "eth0")
    fault = only(api, "duplicate-address")
    assert fault["component"]["name"] == "web"
    assert fault["evidence"]["other"] == "intruder"
    follow(api, raw, fault, between=("client", "web"), port=8080)
    assert found(api, "duplicate-address") == []


@pytest.mark.usefixtures("pair")
def test_a_check_that_reached_the_wrong_container_names_it(api, raw):
    run(api, "intruder", network_mode="lab")
    web, intruder = endpoint(raw, "web"), endpoint(raw, "intruder")
    inside(raw, "intruder", "ip", "address", "add", f"{web['IPAddress']}/16", "dev", "eth0")
    # The client has asked, and the intruder was quicker. From Docker 28 on, web tells its own MAC address again in the
    # first seconds after its start (gratuitous ARP).
    ends = time.monotonic() + 10
    while True:
        inside(raw, "client", "ip", "neighbour", "replace", web["IPAddress"], "lladdr", intruder["MacAddress"],
               "nud", "reachable", "dev", "eth0")  # fmt: skip
        answer = check(api, "client", "web", protocol="tcp", port=8080)
        if answer["verdict"] != "reachable":
            break
        assert time.monotonic() < ends
    fault = explained(answer, "duplicate-address")
    assert (fault["component"]["name"], fault["evidence"]["station"]) == ("web", "intruder")


@pytest.fixture
def uplink(raw):
    """A link of the host to the outside with a default route; the namespace of the other end."""
    name = f"{raw.namespace.name}-out"
    subprocess.run(["ip", "netns", "add", name], check=True)
    raw.in_namespace("ip", "link", "add", "wan0", "mtu", "1400", "type", "veth",
                     "peer", "name", "lan0", "netns", f"/run/netns/{name}")  # fmt: skip
    raw.in_namespace("ip", "address", "add", "192.0.2.1/24", "dev", "wan0")
    raw.in_namespace("ip", "link", "set", "wan0", "up")
    subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.lan0.accept_dad=0"], check=True)
    subprocess.run(["ip", "-n", name, "address", "add", "192.0.2.2/24", "dev", "lan0"], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lan0", "mtu", "1400", "up"], check=True)
    raw.in_namespace("ip", "route", "add", "default", "via", "192.0.2.2")
    yield name
    raw.in_namespace("ip", "link", "delete", "wan0")
    subprocess.run(["ip", "netns", "delete", name], check=True)


@proves("mtu-exceeds-egress")
@pytest.mark.usefixtures("uplink")
@remedied("mtu-exceeds-egress")
def test_a_network_with_a_larger_mtu_than_the_way_out_is_found_and_moved(api, raw, pair):
    fault = only(api, "mtu-exceeds-egress")
    assert (fault["severity"], fault["component"]["name"]) == ("warning", "lab")
    evidence = fault["evidence"]
    assert (evidence["bridge"], evidence["bridge_mtu_bytes"]) == (pair, 1500)
    assert (evidence["interface"], evidence["interface_mtu_bytes"]) == ("wan0", 1400)
    follow(api, raw, fault, between=("client", "web"), port=8080, name="web")
    assert found(api, "mtu-exceeds-egress") == []
    assert '"mtu":1400' in inside(raw, "web", "ip", "-json", "link", "show").stdout
    assert check(api, "client", {"name": "web"}, protocol="tcp", port=8080)["verdict"] == "reachable"


def advertise(namespace, interface):
    """Send one router advertisement with a prefix (RFC 4861, 4.2 and 4.6.2) to all nodes of the link."""
    script = f"""
import socket, struct
sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("{interface}"))
prefix = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 3600, 1800, 0, socket.inet_pton(socket.AF_INET6, "2001:db8:5::"))
sock.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix, ("ff02::1", 0))
"""
    subprocess.run(["ip", "netns", "exec", namespace, "python3", "-c", script], check=True)


def ipv6_routes(raw):
    return raw.in_namespace("ip", "-6", "route", "show", "default", "dev", "wan0")


@proves("router-advertisements-refused")
@remedied("router-advertisements-refused")
def test_a_host_that_forwards_and_so_refuses_advertisements_is_found_and_accepts_them_again(api, raw, uplink):
    before = raw.in_namespace("cat", "/proc/sys/net/ipv6/conf/all/forwarding").strip()
    raw.in_namespace("sysctl", "-qw", "net.ipv6.conf.all.forwarding=0", "net.ipv6.conf.wan0.accept_ra=1",
                     "net.ipv6.conf.wan0.accept_dad=0")  # fmt: skip
    try:
        learn(raw, uplink)
        assert found(api, "router-advertisements-refused") == []
        raw.in_namespace("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")  # as the engine does for an IPv6 network
        fault = only(api, "router-advertisements-refused")
        assert fault["evidence"] == {"interface": "wan0", "sysctl": "net.ipv6.conf.wan0.accept_ra", "value": 1}
        assert ipv6_routes(raw) == ""
        follow(api, raw, fault)
        learn(raw, uplink)
        assert found(api, "router-advertisements-refused") == []
    finally:
        raw.in_namespace("sysctl", "-qw", f"net.ipv6.conf.all.forwarding={before}")


def learn(raw, namespace):
    """Advertise until the host has a default route by it."""
    ends = time.monotonic() + 10
    while not ipv6_routes(raw):
        assert time.monotonic() < ends
        advertise(namespace, "lan0")
        time.sleep(0.1)


def test_a_remedy_that_connects_a_service_again_leaves_its_compose_file_as_it_is(api, raw):
    labels = {"com.docker.compose.project": "shop"}
    network = {"name": "shop_back", "labels": {**labels, "com.docker.compose.network": "back"}}
    api.post("/v1/networks", network, status=201)
    run(api, "shop-web-1", network_mode="shop_back", labels={**labels, "com.docker.compose.service": "web"})
    (inside_veth,) = [i for i in api.get("/v1/containers/shop-web-1/interfaces")["items"] if i["peer"]]
    raw.in_namespace("ip", "link", "set", inside_veth["peer"]["name"], "nomaster")
    fault = only(api, "veth-detached")
    compose = fault["compose"]
    assert compose == {"project": "shop", "service": "web", "network": None, "undone": False, "files": []}
    answer = check(api, "host", "shop-web-1", protocol="icmp", timeout_ms=500)
    assert explained(answer, "veth-detached")["compose"] == compose
    follow(api, raw, fault, between=("host", "shop-web-1"))
    assert found(api, "veth-detached") == []


OPTION = "com.docker.network.bridge.gateway_mode_ipv4"


@proves("link-down")
@remedied("link-down")
def test_the_parent_of_a_macvlan_network_that_is_down_is_the_only_cause_told(api, raw):
    raw.in_namespace("ip", "link", "add", "lower", "type", "veth", "peer", "name", "lower-far")
    try:
        for end in ("lower", "lower-far"):
            raw.in_namespace("ip", "link", "set", end, "up")
        pools = {"pools": [{"subnet": "10.96.0.0/24"}]}
        made = {"name": "lan", "driver": "macvlan", "options": {"parent": "lower"}, "ipam": pools}
        api.post("/v1/networks", made, status=201)
        for name in ("one", "two"):
            run(api, name, network_mode="lan")
        raw.in_namespace("ip", "link", "set", "lower", "down")
        told = explained(check(api, "one", "two", timeout_ms=300), "link-down")
        assert (told["component"]["kind"], told["component"]["name"]) == ("host", "host")
        assert "lower, the host's link below lan, is down or has no carrier" in told["message"]
        follow(api, raw, told, between=("one", "two"))
        assert check(api, "one", "two")["verdict"] == check(api, "two", "one")["verdict"] == "reachable"
    finally:
        raw.sweep()
        raw.in_namespace("ip", "link", "delete", "lower")


@proves("gateway-mode-isolated")
@remedied("gateway-mode-isolated")
def test_a_host_without_an_address_on_the_bridge_is_told(api, raw, api_version):
    if api_version < DOCKER_28:
        pytest.skip("the mode came with Docker 28")
    api.post("/v1/networks", {"name": "apart", "internal": True, "options": {OPTION: "isolated"}}, status=201)
    run(api, "web", network_mode="apart")
    fault = explained(check(api, "host", "web", protocol="icmp", timeout_ms=500), "gateway-mode-isolated")
    assert fault["severity"] == "blocking"
    assert found(api, "bridge-address-missing") == []
    follow(api, raw, fault, between=("host", "web"))
    assert check(api, "host", "web", protocol="icmp")["verdict"] == "reachable"


@proves("gateway-mode-routed")
def test_a_port_of_a_routed_network_is_at_the_containers_own_address(api, raw, api_version):
    if api_version < DOCKER_28:
        pytest.skip("the mode came with Docker 27")
    api.post("/v1/networks", {"name": "open", "options": {OPTION: "routed"}}, status=201)
    ports = [{"container_port": 8080, "host_port": 18080}]
    run(api, "web", network_mode="open", command=HTTPD, published_ports=ports)
    api.post("/v1/networks", {"name": "lab"}, status=201)
    run(api, "client", network_mode="lab")
    answer = check(api, "client", {"address": endpoint(raw, "web", "open")["IPAddress"]}, protocol="tcp", port=8080)
    assert (answer["predicted"]["verdict"], answer["verdict"]) == ("reachable", "reachable")
    assert explained(answer, "gateway-mode-routed")["severity"] == "info"


SERVER = """
import socket
listener = socket.create_server(("", 8080))
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\nX-Long: " + b"x" * 8000 + b"\\r\\n\\r\\n")
    connection.close()
"""


@pytest.fixture
def far_server(raw, uplink):
    """A server behind a router whose link to the host is small, and who keeps the ICMP errors to itself."""
    far = f"{uplink}-far"
    subprocess.run(["ip", "netns", "add", far], check=True)
    raw.in_namespace("ip", "link", "set", "wan0", "mtu", "1500")

    def router(*command):
        subprocess.run(["ip", "netns", "exec", uplink, *command], check=True)

    router("ip", "link", "set", "lan0", "mtu", "1300")
    router("ip", "link", "add", "far0", "type", "veth", "peer", "name", "eth0", "netns", far)
    router("ip", "address", "add", "198.51.100.1/24", "dev", "far0")
    router("ip", "link", "set", "far0", "up")
    router("sysctl", "-qw", "net.ipv4.ip_forward=1")
    router("iptables", "-A", "OUTPUT", "-p", "icmp", "--icmp-type", "fragmentation-needed", "-j", "DROP")
    subprocess.run(["ip", "-n", far, "address", "add", "198.51.100.2/24", "dev", "eth0"], check=True)
    subprocess.run(["ip", "-n", far, "link", "set", "eth0", "up"], check=True)
    subprocess.run(["ip", "-n", far, "route", "add", "default", "via", "198.51.100.1"], check=True)
    with subprocess.Popen(["ip", "netns", "exec", far, "python3", "-c", SERVER]) as server:
        yield "198.51.100.2"
        server.kill()
    subprocess.run(["ip", "netns", "delete", far], check=True)


@pytest.fixture
def outward(api, engine, tokens_file):
    """A client of a service that may probe the outside; ``api`` sweeps up."""
    settings = Settings(tokens_file=tokens_file, stop_grace_s=1, probe_allowed_cidrs=["198.51.100.0/24"])
    return replace(api, app=create_app(settings, EngineAddress(engine.docker_host)))


@proves("pmtu-blackhole")
@pytest.mark.usefixtures("pair")
@remedied("pmtu-blackhole")
def test_a_way_that_loses_large_packets_in_silence_is_measured_and_the_network_fits_after_the_remedy(
    outward, raw, far_server
):
    there = {"address": far_server}
    assert check(outward, "client", there, protocol="icmp")["measured"]["verdict"] == "reachable"
    large = {"protocol": "icmp", "payload_bytes": 1472, "dont_fragment": True, "timeout_ms": 2000}
    fault = explained(check(outward, "client", there, **large), "pmtu-blackhole")
    assert fault["severity"] == "blocking"
    assert fault["evidence"]["path_mtu_bytes"] == 1296
    get = {"protocol": "http", "port": 8080}
    answer = check(outward, "client", there, **get)
    assert (answer["verdict"], answer["measured"]["reason"]) == ("unreachable", "timed-out")
    fault = explained(answer, "pmtu-blackhole")
    follow(outward, raw, fault, between=("client", far_server), port=8080)
    answer = check(outward, "client", there, **get)
    assert (answer["measured"]["verdict"], answer["measured"]["status"]) == ("reachable", 200)
    assert "pmtu-blackhole" not in codes(answer["findings"])
