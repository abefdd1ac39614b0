"""Faults of the host's firewall, provoked for real, read as a person would, and fixed by the remedy exactly as given.

Each test runs on an engine with iptables rules, and on Docker 29 also on one with nftables rules. A neighbour on the
LAN tries for real what the service says about it.
"""

import contextlib
import re
import shlex
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from tests.engines.conftest import engine_with
from tests.support.api import check, codes, run
from tests.support.engine import ENGINE_PROGRAMS, release
from tests.support.host_programs import host_programs
from tests.support.neighbour import HOST_ADDRESS, LINK, SILENCE_S, neighbour_of
from tests.support.proves import proves, remedied
from tests.support.raw_engine import Raw
from tests.support.remedies import follow
from tools.engine import wait_until

NFTABLES = {"firewall-backend": "nftables", "ip-forward": False}
HTTPD = ["httpd", "-f", "-p", "8080"]
PORT = {"container_port": 8080, "host_port": 18080}
BRIDGE = "com.docker.network.bridge."


RELEASE = release()[0]
BACKENDS = ["iptables", "nftables"] if RELEASE >= 29 and shutil.which("nft") else ["iptables"]


@pytest.fixture(scope="module", params=BACKENDS)
def world(request, tokens_file):
    """An engine, a client of its service, and a neighbour on its LAN."""
    settings = NFTABLES if request.param == "nftables" else {}
    with engine_with(settings, tokens_file) as (api, made), neighbour_of(made) as neighbour:
        yield SimpleNamespace(
            api=api, engine=made, raw=Raw(made), neighbour=neighbour, native=request.param == "nftables"
        )


@pytest.fixture
def here(world):
    """The world; what a test made on its engine is gone afterwards."""
    yield world
    world.raw.sweep()


def diagnosis(here):
    return here.api.get("/v1/diagnostics?limit=1000")["items"]


def told(here, code, severity, *words):
    """The one finding of the diagnosis with that code."""
    every = diagnosis(here)
    (found,) = [finding for finding in every if finding["code"] == code]
    assert found["severity"] == severity, found
    for word in words:
        assert word in found["message"], (word, found["message"])
    return found


def execute(here, finding, **proof):
    """Run the commands of a remedy as the host's administrator would, and prove what they do."""
    follow(here.api, here.raw, finding, **proof)


@contextlib.contextmanager
def rules(here, *commands):
    """Rules that a test adds; the same commands with -D instead of -A, -I or -P take them away."""
    for command in commands:
        here.raw.in_namespace(*shlex.split(command))
    try:
        yield
    finally:
        for command in commands:
            words = shlex.split(command)
            if "-P" in words:
                here.raw.in_namespace(*words[:-1], "ACCEPT")
            else:
                here.raw.in_namespace(*["-D" if word in {"-A", "-I"} else word for word in words])


# -- exposure -----------------------------------------------------------------------------------------------------

INPUT_CLOSED = (
    "iptables -A INPUT -i lo -j ACCEPT",
    "iptables -A INPUT -p tcp --dport 22 -j ACCEPT",
    "iptables -P INPUT DROP",
)


@proves("exposed-past-host-firewall", "published-on-every-address")
@remedied("exposed-past-host-firewall")
def test_a_published_port_is_open_though_the_hosts_firewall_closes_it(here):
    here.api.post("/v1/networks", {"name": "front"}, status=201)
    run(here.api, "web", network_mode="front", command=HTTPD, published_ports=[PORT])
    assert here.neighbour.reaches(HOST_ADDRESS, 18080)
    assert "exposed-past-host-firewall" not in codes(diagnosis(here))
    told(here, "published-on-every-address", "info", "web", "tcp 18080", LINK)
    with rules(here, *INPUT_CLOSED):
        assert here.neighbour.reaches(HOST_ADDRESS, 18080)
        found = told(here, "exposed-past-host-firewall", "warning", "web", "INPUT", "tcp 18080", LINK)
        assert found["evidence"]["host_firewall"] == "the policy of INPUT is DROP"
        assert any("18080" in rule for rule in found["evidence"]["rules"])
        execute(here, found)
        assert not here.neighbour.reaches(HOST_ADDRESS, 18080, wait_s=SILENCE_S)
        assert "exposed-past-host-firewall" not in codes(diagnosis(here))
    if here.native:
        here.raw.in_namespace("nft", "delete", "table", "inet", "published")
    else:
        here.raw.in_namespace("iptables", "-F", "DOCKER-USER")


@pytest.mark.slow
@proves("loopback-port-exposed")
@remedied("loopback-port-exposed")
def test_a_port_on_loopback_is_open_to_a_neighbour_until_a_rule_drops_it(here):
    here.api.post("/v1/networks", {"name": "front"}, status=201)
    ports = [{**PORT, "host_ip": "127.0.0.1"}]
    run(here.api, "web", network_mode="front", command=HTTPD, published_ports=ports)
    here.neighbour.route_loopback()
    if RELEASE >= 28:
        assert not here.neighbour.reaches("127.0.0.1", 18080, wait_s=SILENCE_S)
        assert "loopback-port-exposed" not in codes(diagnosis(here))
        lose_rule(here, "raw", "127.0.0.1")
    assert here.neighbour.reaches("127.0.0.1", 18080)
    found = told(here, "loopback-port-exposed", "warning", "web", "127.0.0.1", "tcp 18080", LINK)
    execute(here, found)
    assert not here.neighbour.reaches("127.0.0.1", 18080, wait_s=SILENCE_S)
    assert "loopback-port-exposed" not in codes(diagnosis(here))


@proves("unpublished-port-exposed")
@remedied("unpublished-port-exposed")
def test_an_unpublished_port_is_open_to_a_neighbour_with_a_route(here):
    here.api.post("/v1/networks", {"name": "front"}, status=201)
    address = run(here.api, "db", network_mode="front", command=HTTPD)["endpoints"][0]["ipv4_address"]
    here.neighbour.route(f"{address}/32")
    assert not here.neighbour.reaches(address, 8080, wait_s=SILENCE_S)
    assert "unpublished-port-exposed" not in codes(diagnosis(here))
    opened = [] if here.native else ["iptables -P FORWARD ACCEPT"]
    if RELEASE >= 28:
        lose_rule(here, "raw", address)
        bridge = here.api.get("/v1/networks/front")["bridge_name"]
        lose_rule(here, "filter", bridge, "drop")
    with rules(here, *opened):
        assert here.neighbour.reaches(address, 8080)
        found = told(here, "unpublished-port-exposed", "warning", "db", "tcp 8080", address, LINK)
        execute(here, found)
        assert not here.neighbour.reaches(address, 8080, wait_s=SILENCE_S)
        assert "unpublished-port-exposed" not in codes(diagnosis(here))
    if opened:
        here.raw.in_namespace("iptables", "-P", "FORWARD", "DROP")


@pytest.mark.slow
def test_an_unprotected_network_says_so(here):
    if RELEASE < 28:
        pytest.skip("nat-unprotected came with Docker 27.1")
    options = {f"{BRIDGE}gateway_mode_ipv4": "nat-unprotected"}
    here.api.post("/v1/networks", {"name": "open", "options": options}, status=201)
    address = run(here.api, "db", network_mode="open", command=HTTPD)["endpoints"][0]["ipv4_address"]
    here.neighbour.route(f"{address}/32")
    assert here.neighbour.reaches(address, 8080)
    told(here, "unpublished-port-exposed", "info", "db", "open has gateway mode nat-unprotected")


def lose_rule(here, table, *words):
    """Delete the rules of Docker's in a table whose text has all these words, as a foreign reload would."""
    if here.native:
        lose_native(here, table, words)
        return
    lines = here.raw.in_namespace("iptables", "-t", table, "-S").splitlines()
    wanted = [line for line in lines if line.startswith("-A") and all(w.lower() in line.lower() for w in words)]
    assert wanted, (words, lines)
    for line in wanted:
        here.raw.in_namespace("iptables", "-t", table, "-D", *shlex.split(line)[1:])


def lose_native(here, table, words):
    lines = here.raw.in_namespace("nft", "-a", "list", "table", "ip", "docker-bridges").splitlines()
    chain, found = "", 0
    for line in lines:
        if line.strip().startswith("chain "):
            chain = line.split()[1]
        text = f"{chain} {line}".lower()
        if "# handle" in line and chain.startswith(table) and all(word.lower() in text for word in words):
            if line.strip().startswith("chain "):
                continue
            handle = line.rsplit("# handle ", 1)[1]
            here.raw.in_namespace("nft", "delete", "rule", "ip", "docker-bridges", chain, "handle", handle)
            found += 1
    assert found, (words, lines)


# -- rules that are lost in part, out of date, or there twice ------------------------------------------------------

OF_RULES = {
    "port-rule-missing", "network-rule-missing", "isolation-rule-missing", "stale-port-rule", "duplicate-rules",
    "firewall-rules-missing",
}  # fmt: skip


def of_rules(here):
    return [finding for finding in diagnosis(here) if finding["code"] in OF_RULES]


def dump(here):
    """The engine's rules as a set, without counters and numbers."""
    if here.native:
        text = here.raw.in_namespace("nft", "-s", "list", "table", "ip", "docker-bridges")
        return {re.sub(r' comment ".*"|counter |"', "", line).strip() for line in text.splitlines()}
    text = here.raw.in_namespace("iptables-save")
    return {line for line in text.splitlines() if line.startswith("-A")}


@pytest.fixture
def published(here):
    """A network with a published port and a network of its own beside it."""
    here.api.post("/v1/networks", {"name": "front"}, status=201)
    here.api.post("/v1/networks", {"name": "back"}, status=201)
    here.api.post("/v1/networks", {"name": "vault", "internal": True}, status=201)
    locked = {"name": "locked", "options": {f"{BRIDGE}enable_icc": "false"}}
    here.api.post("/v1/networks", locked, status=201)
    here.address = run(here.api, "web", network_mode="front", command=HTTPD, published_ports=[PORT])
    here.address = here.address["endpoints"][0]["ipv4_address"]
    here.bridge = here.api.get("/v1/networks/front")["bridge_name"]
    here.locked = here.api.get("/v1/networks/locked")["bridge_name"]
    here.vault = here.api.get("/v1/networks/vault")["bridge_name"]
    for name, network in (("db", "back"), ("one", "locked"), ("two", "locked"), ("safe", "vault")):
        run(here.api, name, network_mode=network, command=HTTPD)
    assert of_rules(here) == []
    return here


def healed(here, code, severity, *words, **proof):
    """The finding is there, and gone once its remedy was run."""
    execute(here, told(here, code, severity, *words), **proof)
    assert of_rules(here) == []


@pytest.mark.wide
@proves("port-rule-missing")
@remedied("port-rule-missing")
def test_a_port_without_its_translation_or_without_its_acceptance(published):
    before = dump(published)
    for table, words in (("nat", ("18080", "dnat")), ("filter", (published.address, "8080", "accept"))):
        lose_rule(published, table, *words)
        severity = "warning" if table == "nat" else "blocking"
        if table == "filter":
            assert not published.neighbour.reaches(HOST_ADDRESS, 18080, wait_s=SILENCE_S)
        healed(published, "port-rule-missing", severity, "web", "tcp port 18080", between=("host", "web"), port=8080)
        assert published.neighbour.reaches(HOST_ADDRESS, 18080)
        assert dump(published) == before


@pytest.mark.slow
@proves("network-rule-missing")
@remedied("network-rule-missing")
def test_a_network_without_translation_of_what_leaves_it(published):
    before = dump(published)
    lose_rule(published, "nat", "masquerade", f"! -o {published.bridge}" if not published.native else published.bridge)
    answer = check(published.api, "web", {"host": True}, protocol="icmp")
    assert answer["verdict"] == "reachable"
    healed(
        published,
        "network-rule-missing",
        "blocking",
        "front",
        "masquerade" if published.native else "MASQUERADE",
        between=("web", "host"),
    )
    assert dump(published) == before


@pytest.mark.slow
@proves("isolation-rule-missing")
@remedied("isolation-rule-missing")
def test_networks_that_are_no_longer_isolated(published):
    before = dump(published)
    back = published.api.get("/v1/networks/back")["bridge_name"]
    address = published.api.get("/v1/containers/db")["endpoints"][0]["ipv4_address"]
    if published.native:
        lose_rule(published, "filter-forward-in__" + back, "drop")
        lose_rule(published, "raw", address, "drop")
    elif RELEASE >= 28:
        lose_rule(published, "raw", address)
        lose_rule(published, "filter", f"! -i {back}", "drop")
        if RELEASE < 29:
            lose_rule(published, "filter", "DOCKER-ISOLATION-STAGE-2", back)
    else:
        lose_rule(published, "filter", "DOCKER-ISOLATION-STAGE-2", f"-o {back}", "-j DROP")
    healed(
        published,
        "isolation-rule-missing",
        "warning",
        "back",
        "packets pass that Docker should drop",
        apart=(("web", "db"), ("db", "web")),
    )
    assert dump(published) == before


@pytest.mark.slow
def test_a_network_without_traffic_between_containers_that_has_it_and_an_internal_one_with_a_way_out(published):
    before = dump(published)
    if published.native:
        lose_rule(published, f"filter-forward-in__{published.locked}", "icc", "drop")
        lose_rule(published, f"filter-forward-out__{published.vault}", "drop")
    else:
        lose_rule(published, "filter", f"-i {published.locked} -o {published.locked}", "drop")
        lose_rule(published, "filter", f"-i {published.vault}", "drop")
    found = [one for one in of_rules(published) if one["code"] == "isolation-rule-missing"]
    assert {one["component"]["name"] for one in found} == {"locked", "vault"}
    for one in found:
        execute(published, one, apart=(("one", "two"),) if one["component"]["name"] == "locked" else ())
    assert of_rules(published) == []
    assert dump(published) == before


@pytest.mark.slow
@pytest.mark.skipif(RELEASE < 28, reason="the chains came with Docker 28")
def test_a_jump_that_is_lost(published):
    if published.native:
        pytest.skip("with nftables, the engine jumps to no chains of its own")
    before = dump(published)
    lose_rule(published, "filter", "FORWARD", "-j DOCKER-USER")
    lose_rule(published, "filter", "DOCKER-FORWARD", "-j DOCKER-BRIDGE")
    healed(
        published,
        "network-rule-missing",
        "blocking",
        "DOCKER-",
        between=("web", "host"),
        apart=(("web", "db"), ("db", "web")),
    )
    assert dump(published) == before


@proves("stale-port-rule")
@remedied("stale-port-rule")
def test_a_rule_that_sends_a_port_to_an_address_of_another(published):
    address = published.api.get("/v1/containers/db")["endpoints"][0]["ipv4_address"]
    if published.native:
        chain = "ip docker-bridges nat-prerouting-and-output"
        published.raw.in_namespace(*f"nft add rule {chain} tcp dport 19090 counter dnat to {address}:8080".split())
    else:
        rule = f"-t nat -A DOCKER -p tcp -m tcp --dport 19090 -j DNAT --to-destination {address}:8080"
        published.raw.in_namespace("iptables", *rule.split())
    healed(
        published,
        "stale-port-rule",
        "warning",
        "tcp port 19090",
        address,
        "db holds now",
        between=("host", "db"),
        port=8080,
    )


@pytest.mark.slow
@proves("duplicate-rules")
@remedied("duplicate-rules")
def test_a_rule_that_is_there_twice(published):
    before = dump(published)
    if published.native:
        chain = f"ip docker-bridges filter-forward-in__{published.bridge}"
        rule = f"nft insert rule {chain} ip daddr {published.address} tcp dport 8080 counter accept"
        published.raw.in_namespace(*rule.split())
    else:
        for rule in published.raw.in_namespace("iptables", "-S", "DOCKER").splitlines():
            if published.address in rule:
                published.raw.in_namespace("iptables", *shlex.split(rule))
    healed(
        published,
        "duplicate-rules",
        "info",
        "more than once",
        between=("host", "web"),
        port=8080,
        apart=(("web", "db"), ("db", "web")),
    )
    assert dump(published) == before


@pytest.mark.slow
def test_a_restart_of_the_engine_leaves_no_finding(published):
    published.engine.restart()
    for name in ("web", "db", "one", "two", "safe"):
        published.api.post(f"/v1/containers/{name}/start")
    assert of_rules(published) == []


# -- what outlives its rules or its container ----------------------------------------------------------------------

SEND = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("0.0.0.0", 40000))
    sock.sendto(b"ask", (sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.wide
@proves("stale-flow")
@pytest.mark.skipif(not shutil.which("conntrack"), reason="needs the program conntrack")
@remedied("stale-flow")
def test_a_udp_client_that_kept_its_entry_from_before(here):
    here.api.post("/v1/networks", {"name": "front"}, status=201)
    port = {"container_port": 9000, "host_port": 10053, "protocol": "udp"}
    address = run(here.api, "dns", network_mode="front", published_ports=[port])["endpoints"][0]["ipv4_address"]
    lose_rule(here, "nat", "10053", "dnat")
    here.neighbour.inside("python3", "-c", SEND, HOST_ADDRESS, "10053")
    execute(here, told(here, "port-rule-missing", "warning", "dns", "udp port 10053"))
    here.neighbour.inside("python3", "-c", SEND, HOST_ADDRESS, "10053")
    found = told(here, "stale-flow", "warning", "dns", "udp port 10053", "192.0.2.2 port 40000", "is not translated")
    execute(here, found)
    here.neighbour.inside("python3", "-c", SEND, HOST_ADDRESS, "10053")
    assert "stale-flow" not in codes(diagnosis(here))
    entries = here.raw.in_namespace("conntrack", "-L", "-p", "udp", "--sport", "40000")
    assert f"src={address}" in entries


@proves("orphan-proxy")
@remedied("orphan-proxy")
def test_a_proxy_whose_container_is_gone(here):
    here.api.post("/v1/networks", {"name": "front", "ipam": {"pools": [{"subnet": "10.97.1.0/24"}]}}, status=201)
    run(here.api, "web", network_mode="front", command=HTTPD, published_ports=[PORT])
    assert "orphan-proxy" not in codes(diagnosis(here))
    program = shutil.which("docker-proxy", path=f"{ENGINE_PROGRAMS or ''}:/usr/sbin:/usr/bin:/usr/libexec/docker")
    arguments = "-proto tcp -host-ip 0.0.0.0 -host-port 19091 -container-ip 10.97.1.99 -container-port 80"
    # It reports to the engine on descriptor 3, and closes it.
    start = ["sh", "-c", 'exec "$@" 3>/dev/null', "sh", program, *arguments.split()]
    command = ["nsenter", f"--net={here.engine.namespace}", "--", *start]
    left = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: "orphan-proxy" in codes(diagnosis(here)), 10)
        found = told(here, "orphan-proxy", "warning", "tcp port 19091", "10.97.1.99")
        assert found["evidence"]["pid"] == left.pid
        execute(here, found)
        left.wait(10)
        assert "orphan-proxy" not in codes(diagnosis(here))
    finally:
        left.kill()


@proves("host-port-differs-by-family")
def test_a_port_that_differs_by_family(here):
    if RELEASE < 27:
        # The engine counts ephemeral ports for each family: one of IPv4 alone moves the two apart.
        run(here.api, "first", published_ports=[{"container_port": 8080, "host_ip": "0.0.0.0"}])
        run(here.api, "web", published_ports=[{"container_port": 8080}])
    else:
        bindings = [{"HostIp": "0.0.0.0", "HostPort": "18001"}, {"HostIp": "::", "HostPort": "18002"}]
        host = {"PortBindings": {"8080/tcp": bindings}}
        here.raw.make("web", mode="bridge", ExposedPorts={"8080/tcp": {}}, host=host)
    found = told(here, "host-port-differs-by-family", "warning", "web", "tcp port 8080")
    assert found["evidence"]["ipv4"] != found["evidence"]["ipv6"]
    here.api.delete("/v1/containers/web?force=true")
    run(here.api, "web", published_ports=[PORT])
    assert "host-port-differs-by-family" not in codes(diagnosis(here))


# -- what checks say -----------------------------------------------------------------------------------------------


def fails(here, source, destination, code, **fields):
    """The finding of a check that fails as it was predicted to."""
    answer = check(here.api, source, destination, timeout_ms=400, **fields)
    assert (answer["predicted"]["verdict"], answer["verdict"]) == ("unreachable", "unreachable"), answer
    (found,) = [finding for finding in answer["findings"] if finding["code"] == code]
    return found


def works(here, source, destination, **fields):
    answer = check(here.api, source, destination, **fields)
    assert (answer["predicted"]["verdict"], answer["verdict"]) == ("reachable", "reachable"), answer
    return answer["findings"]


@pytest.mark.slow
@proves("icc-not-enforced")
@remedied("icc-not-enforced")
def test_a_network_that_does_not_keep_its_containers_apart(published):
    switch = "net.bridge.bridge-nf-call-iptables"
    fails(published, "one", "two", "inter-container-off", protocol="icmp")
    published.raw.in_namespace("sysctl", "-qw", f"{switch}=0")
    try:
        assert "icc-not-enforced" in codes(works(published, "one", "two", protocol="icmp"))
        found = told(published, "icc-not-enforced", "warning", "locked", f"{switch} is 0")
        execute(published, found, apart=(("one", "two"), ("two", "one")))
        fails(published, "one", "two", "inter-container-off", protocol="icmp")
        assert "icc-not-enforced" not in codes(diagnosis(published))
    finally:
        published.raw.in_namespace("sysctl", "-qw", f"{switch}=1")


@pytest.mark.slow
def test_a_network_without_its_rule_against_traffic_between_containers(published):
    if published.native:
        lose_rule(published, f"filter-forward-in__{published.locked}", "icc", "drop")
    else:
        lose_rule(published, "filter", f"-i {published.locked} -o {published.locked}", "drop")
        if RELEASE < 28:  # the policy of FORWARD drops them all the same
            published.raw.in_namespace("iptables", "-P", "FORWARD", "ACCEPT")
    if RELEASE < 28:
        (found,) = [one for one in works(published, "one", "two", protocol="icmp") if one["code"] == "icc-not-enforced"]
        execute(published, found, apart=(("one", "two"), ("two", "one")))
    else:
        found = told(published, "isolation-rule-missing", "warning", "locked")
        execute(published, found, apart=(("one", "two"), ("two", "one")))
    fails(published, "one", "two", "inter-container-off", protocol="icmp")
    if not published.native and RELEASE < 28:
        published.raw.in_namespace("iptables", "-P", "FORWARD", "DROP")


@proves("network-rule-missing")
@remedied("network-rule-missing")
def test_a_check_names_the_lost_rule_of_the_network(published):
    run(published.api, "web-too", network_mode="front", command=HTTPD)
    if published.native:
        lose_rule(published, f"filter-forward-in__{published.bridge}", "icc")
    elif RELEASE >= 28:
        lose_rule(published, "filter", f"DOCKER-FORWARD -i {published.bridge} -j ACCEPT")
    else:
        lose_rule(published, "filter", f"FORWARD -i {published.bridge} -o {published.bridge} -j ACCEPT")
    found = fails(published, "web", "web-too", "network-rule-missing", protocol="icmp")
    execute(published, found, between=("web", "web-too"))
    works(published, "web", "web-too", protocol="icmp")


@pytest.mark.slow
@pytest.mark.skipif(
    RELEASE >= 27, reason="from Docker 27 on the engine accepts what stays within a bridge, by ip6tables"
)
@proves("bridge-traffic-filtered")
@remedied("bridge-traffic-filtered")
def test_a_policy_that_drops_what_stays_within_a_bridge(here):
    pools = [{"subnet": "10.97.2.0/24"}, {"subnet": "fd00:97:2::/64"}]
    here.api.post("/v1/networks", {"name": "six", "ipv6_enabled": True, "ipam": {"pools": pools}}, status=201)
    for name in ("one", "two"):
        run(here.api, name, network_mode="six", command=HTTPD)
    address = {"address": here.api.get("/v1/containers/two")["endpoints"][0]["ipv6_address"]}
    here.raw.settle()
    with rules(here, "ip6tables -P FORWARD DROP"):
        found = fails(here, "one", address, "bridge-traffic-filtered", protocol="icmp")
        assert "net.bridge.bridge-nf-call-ip6tables=1" in found["message"]
        execute(here, found, between=("one", "two"), version=6)
        works(here, "one", address, protocol="icmp")
    here.raw.in_namespace("ip6tables", "-F", "FORWARD")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("iptables-legacy"), reason="needs the program iptables-legacy")
@proves("firewall-backends-mixed")
@remedied("firewall-backends-mixed")
def test_rules_of_both_variants_of_iptables(published):
    run(published.api, "web-too", network_mode="front", command=HTTPD)
    works(published, "web", "web-too", protocol="icmp")
    assert "firewall-backends-mixed" not in codes(diagnosis(published))
    published.raw.in_namespace("iptables-legacy", "-A", "FORWARD", "-p", "tcp", "-j", "ACCEPT")
    published.raw.in_namespace("iptables-legacy", "-A", "FORWARD", "-s", published.address, "-j", "DROP")
    dropped = fails(published, "web", "web-too", "user-firewall-drop", protocol="icmp")
    assert dropped["remedy"]["commands"][0].startswith("iptables-legacy -D FORWARD")
    found = told(published, "firewall-backends-mixed", "warning", "iptables-legacy has rules in filter FORWARD")
    execute(published, found)
    assert "firewall-backends-mixed" not in codes(diagnosis(published))
    # The rules do what they did, and the plain program shows them.
    works(published, "web", "web-too", protocol="tcp", port=8080)
    dropped = fails(published, "web", "web-too", "user-firewall-drop", protocol="icmp")
    execute(published, dropped, between=("web", "web-too"))
    works(published, "web", "web-too", protocol="icmp")
    published.raw.in_namespace("iptables", "-D", "FORWARD", "-j", "iptables-from-FORWARD")
    for option in ("-F", "-X"):
        published.raw.in_namespace("iptables", option, "iptables-from-FORWARD")


@pytest.mark.slow
@proves("user-firewall-drop")
@remedied("user-firewall-drop")
def test_a_container_that_is_in_a_set_of_ipset(published):
    if published.native:
        pytest.skip("the engine has no chain DOCKER-USER")
    run(published.api, "web-too", network_mode="front", command=HTTPD)
    with host_programs(published.engine) as host:
        host.run("ipset", "create", "blocked", "hash:ip,port")
        rule = "DOCKER-USER -m set --match-set blocked src,dst -j DROP"
        published.raw.in_namespace("iptables", "-I", *rule.split())
        try:
            works(published, "web", "web-too", protocol="tcp", port=8080)
            host.run("ipset", "add", "blocked", f"{published.address},tcp:8080")
            works(published, "web-too", "web", protocol="tcp", port=8080)
            found = fails(published, "web", "web-too", "user-firewall-drop", protocol="tcp", port=8080)
            assert "--match-set blocked src,dst" in found["message"]
            # The rules are the same, and the set has another entry.
            host.run("ipset", "del", "blocked", f"{published.address},tcp:8080")
            works(published, "web", "web-too", protocol="tcp", port=8080)
            host.run("ipset", "add", "blocked", f"{published.address},tcp:8080")
            found = fails(published, "web", "web-too", "user-firewall-drop", protocol="tcp", port=8080)
            execute(published, found, between=("web", "web-too"), port=8080)
            works(published, "web", "web-too", protocol="tcp", port=8080)
        finally:
            published.raw.in_namespace("iptables", "-F", "DOCKER-USER")


# -- a healthy host with other people's rules ----------------------------------------------------------------------


@pytest.mark.slow
def test_five_thousand_foreign_rules_change_no_finding(published):
    before = sorted(codes(diagnosis(published)))
    lines = [f"-A strangers -s 203.0.113.{n % 250}/32 -p tcp -m tcp --dport {n + 1} -j DROP" for n in range(5000)]
    text = "\n".join(
        ["*filter", ":strangers - [0:0]", *lines, "-I FORWARD -j strangers", "-I INPUT -j strangers", "COMMIT"]
    )
    subprocess.run(
        ["nsenter", f"--net={published.raw.namespace}", "--", "iptables-restore", "--noflush"],
        input=f"{text}\n", text=True, check=True,
    )  # fmt: skip
    try:
        assert sorted(codes(diagnosis(published))) == before
        works(published, "host", "web", protocol="tcp", port=8080)
    finally:
        for chain in ("FORWARD", "INPUT"):
            published.raw.in_namespace("iptables", "-D", chain, "-j", "strangers")
        published.raw.in_namespace("iptables", "-F", "strangers")
        published.raw.in_namespace("iptables", "-X", "strangers")


@pytest.mark.skipif(RELEASE < 29, reason="until Docker 28 docker-proxy answers other bridges, and needs no translation")
@proves("docker-rule-drops")
@remedied("docker-rule-drops")
def test_a_rule_against_connection_tracking_is_removed_and_dockers_protection_stays(published):
    address = published.api.get("/v1/networks/front/endpoints/web")["ipv4_address"]
    run(published.api, "far")
    asked = {"protocol": "tcp", "port": 18080}
    works(published, "far", {"host": True}, **asked)
    before = dump(published)
    published.raw.in_namespace("iptables", "-t", "raw", "-I", "PREROUTING", "-s", address, "-j", "NOTRACK")
    found = fails(published, "far", {"host": True}, "docker-rule-drops", **asked)
    assert "NOTRACK" in found["evidence"]["untracked_by"]
    execute(published, found, between=("far", "host"), port=18080, apart=(("far", "web"), ("web", "far")))
    works(published, "far", {"host": True}, **asked)
    assert dump(published) == before


@pytest.mark.wide
@pytest.mark.skipif(RELEASE >= 27, reason="from Docker 27 on the engine writes IPv6 rules, which accept answers")
@proves("user-firewall-drop")
@remedied("user-firewall-drop")
def test_a_policy_that_drops_ipv6_is_opened_for_the_packets_and_their_answers(here):
    for number, name in enumerate(("one", "two")):
        pools = [{"subnet": f"fd00:e7:{number}::/64"}]
        here.api.post("/v1/networks", {"name": name, "ipv6_enabled": True, "ipam": {"pools": pools}}, status=201)
        run(here.api, f"in-{name}", network_mode=name, command=HTTPD)
    asked = {"protocol": "tcp", "port": 8080, "ip_version": "6"}
    here.raw.settle()
    with rules(here, "ip6tables -P FORWARD DROP"):
        found = fails(here, "in-one", "in-two", "user-firewall-drop", **asked)
        execute(
            here, found, between=("in-one", "in-two"), port=8080, version=6, both=False, apart=(("in-two", "in-one"),)
        )
        works(here, "in-one", "in-two", **asked)
        # No other way was opened.
        assert check(here.api, "in-two", "in-one", timeout_ms=400, **asked)["verdict"] == "unreachable"
    here.raw.in_namespace("ip6tables", "-F", "FORWARD")
