"""Traced checks on a real engine: what the kernel names, where a packet is lost, and that nothing stays."""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.probes.kernel.setns import run_inside
from bridgework.settings import Settings
from tests.support.api import codes, run
from tests.support.proves import proves
from tests.support.raw_engine import Raw

LISTENING = ["httpd", "-f", "-p", "8080"]
PUBLISHED = 18480
PATH = "/v1/connectivity/checks"
QUICK = {"timeout_ms": 400}


@pytest.fixture(scope="module")
def raw(engine):
    return Raw(engine)


@pytest.fixture(scope="module")
def world(module_api, raw):
    """Two networks of IPv4 and IPv6; ``web`` and ``peer`` on one, ``client`` on the other."""
    for number, name in enumerate(("front", "back")):
        pools = [{"subnet": f"10.84.{number}.0/24"}, {"subnet": f"fd00:84:{number + 1}::/64"}]
        module_api.post("/v1/networks", {"name": name, "ipv6_enabled": True, "ipam": {"pools": pools}}, status=201)
    port = {"container_port": 8080, "host_port": PUBLISHED}
    run(module_api, "web", network_mode="back", command=LISTENING, published_ports=[port])
    run(module_api, "peer", network_mode="back", command=LISTENING)
    run(module_api, "client", network_mode="front")
    raw.settle()
    return module_api


@pytest.fixture
def rule(raw):
    """Add a rule to the engine's host, and delete it after the test."""
    undo = []

    def add(*command, back):
        raw.in_namespace(*command)
        undo.append(back)

    yield add
    for command in reversed(undo):
        raw.in_namespace(*command)


def drop(rule, table, chain, *matches, program="iptables"):
    rule(program, "-t", table, "-I", chain, *matches, "-j", "DROP",
         back=(program, "-t", table, "-D", chain, *matches, "-j", "DROP"))  # fmt: skip


def traced(api, source, destination, protocol="icmp", port=None, **more):
    ends = [one if isinstance(one, dict) else {"container": one} for one in (source, destination)]
    aimed = {} if port is None else {"port": port}
    body = {
        "source": ends[0],
        "destination": ends[1],
        "protocol": protocol,
        "trace": True,
        "timeout_ms": 2000,
        **aimed,
        **more,
    }
    answer = api.post(PATH, body)
    assert answer["trace"] is not None, answer
    return answer


def address(api, name, version=4):
    (found,) = [one for one in api.get("/v1/containers?limit=1000")["items"] if one["name"] == name]
    return found["endpoints"][0][f"ipv{version}_address"]


def steps(answer, kind=None, direction="request"):
    return [step for step in answer["trace"]["steps"]
            if step["seen"] and step["direction"] == direction and kind in {None, step["kind"]}]  # fmt: skip


def interfaces(answer, direction="request"):
    return [(step["place"], step["leaving"]) for step in steps(answer, "interface", direction)]


def dropping(answer):
    """The rule that the kernel named; it must be the predicted one."""
    found = answer["trace"]["lost"]["by"]
    assert found["seen"], answer["trace"]
    return found


def leftovers(raw):
    """Tables of traces in the engine's host."""
    return [line for line in raw.in_namespace("nft", "list", "tables").splitlines() if "bridgework-trace" in line]


ONE_BRIDGE = [("source", True), ("host", False), ("host", True), ("destination", False)]


@pytest.mark.parametrize(("protocol", "port"), [("icmp", None), ("tcp", 8080), ("udp", 9), ("http", 8080)])
@pytest.mark.parametrize("version", [4, 6])
def test_a_packet_is_seen_at_every_interface_and_so_is_its_answer(world, raw, protocol, port, version):
    answer = traced(world, "web", "peer", protocol, port, ip_version=str(version))
    assert interfaces(answer) == ONE_BRIDGE
    assert interfaces(answer, "reply") == [
        ("destination", True), ("host", False), ("host", True), ("source", False)
    ]  # fmt: skip
    times = [step["time_us"] for step in steps(answer, "interface") if step["time_us"] is not None]
    assert times == sorted(times)
    assert answer["trace"]["missing"] == []
    assert answer["trace"]["lost"] is None
    assert answer["trace"]["client"]["address"] == address(world, "web", version)
    assert answer["trace"]["server"]["address"] == address(world, "peer", version)
    assert "client-address-replaced" not in codes(answer["findings"])
    assert leftovers(raw) == []


def test_a_name_is_traced_to_the_address_that_it_resolved_to(world):
    answer = traced(world, "web", {"name": "peer"}, "tcp", 8080)
    assert answer["measured"]["resolver"] == "127.0.0.11"
    assert interfaces(answer) == ONE_BRIDGE


@proves("client-address-replaced")
def test_a_published_port_shows_the_translation_and_the_client_that_the_server_sees(world):
    answer = traced(world, "client", {"host": True}, "tcp", PUBLISHED)
    trace = answer["trace"]
    assert answer["verdict"] == "reachable"
    assert trace["server"] == {"address": address(world, "web"), "port": 8080}
    seen_as = trace["client"]["address"]
    (proxied,) = {step["proxied"] for step in steps(answer, "interface") if step["place"] == "destination"}
    if proxied:  # docker-proxy connects from the host's address on the bridge
        assert seen_as == "10.84.1.1"
        assert trace["connection"] is not None
    else:  # the rules translate the destination and keep the source
        assert trace["connection"]["reply_source"] == trace["server"]
        assert any(step["verdict"] == "dnat" for step in steps(answer, "rule"))
    replaced = [one for one in answer["findings"] if one["code"] == "client-address-replaced"]
    assert bool(replaced) == (seen_as != address(world, "client"))
    assert all(one["severity"] == "info" and seen_as in one["message"] for one in replaced)


def test_a_rule_in_docker_user_is_named(world, rule):
    source = address(world, "web")
    drop(rule, "filter", "DOCKER-USER", "-s", source, "-p", "icmp")
    answer = traced(world, "web", "peer", ip_version="4", **QUICK)
    assert (answer["verdict"], answer["predicted"]["verdict"]) == ("unreachable", "unreachable")
    found = dropping(answer)
    assert (found["table"], found["chain"], found["verdict"]) == ("ip filter", "DOCKER-USER", "drop")
    assert found["rule"] == f"-A DOCKER-USER -s {source}/32 -p icmp -j DROP"
    assert (found["predicted"], found["source"]["address"]) == (True, source)
    assert interfaces(answer) == ONE_BRIDGE[:2]


@pytest.mark.parametrize("version", [4, 6])
def test_a_rule_in_mangle_is_named(world, rule, version):
    program = {4: "iptables", 6: "ip6tables"}[version]
    drop(rule, "mangle", "PREROUTING", "-p", "tcp", "--dport", "8080", program=program)
    found = dropping(traced(world, "web", "peer", "tcp", 8080, ip_version=str(version), **QUICK))
    assert found["table"] == f"{'ip' if version == 4 else 'ip6'} mangle"
    assert found["rule"] == "-A PREROUTING -p tcp -m tcp --dport 8080 -j DROP"
    assert found["predicted"]


def test_a_rule_of_a_native_table_is_named_with_its_handle(world, rule):
    commands = (
        "add table inet mine; add chain inet mine in { type filter hook prerouting priority 10; }; "
        "add rule inet mine in udp dport 9 counter drop"
    )
    rule("nft", commands, back=("nft", "delete table inet mine"))
    found = dropping(traced(world, "web", "peer", "udp", 9, **QUICK))
    assert (found["table"], found["chain"], found["rule"]) == ("inet mine", "in", "udp dport 9 drop")
    assert found["handle"] > 0
    assert found["predicted"]


@pytest.mark.skipif(not shutil.which("iptables-legacy"), reason="needs the program iptables-legacy")
@pytest.mark.parametrize(("program", "version"), [("iptables-legacy", 4), ("ip6tables-legacy", 6)])
def test_rules_of_iptables_legacy_are_said_to_be_missing(world, rule, program, version):
    said = "The kernel did not name the iptables-legacy rules of the host: it cannot."
    drop(rule, "filter", "FORWARD", "-p", "sctp", program=program)
    assert traced(world, "web", "peer", "tcp", 8080, ip_version=str(version))["trace"]["missing"] == [said]
    assert traced(world, "web", "peer", "tcp", 8080, ip_version=str(10 - version))["trace"]["missing"] == []


def test_an_empty_table_of_iptables_legacy_is_not_said_to_be_missing(world, raw):
    for program in ("iptables-legacy", "ip6tables-legacy"):
        if shutil.which(program):
            raw.in_namespace(program, "-S")
    assert traced(world, "web", "peer", "tcp", 8080)["trace"]["missing"] == []


def test_a_rule_of_the_bridge_family_is_named(world, rule):
    commands = (
        "add table bridge mine; add chain bridge mine f { type filter hook forward priority 0; }; "
        "add rule bridge mine f ip protocol icmp drop"
    )
    rule("nft", commands, back=("nft", "delete table bridge mine"))
    found = dropping(traced(world, "web", "peer", **QUICK))
    assert (found["table"], found["chain"], found["hook"]) == ("bridge mine", "f", "forward")


def test_a_dropped_answer_is_lost_on_its_way_back(world, rule):
    drop(rule, "filter", "FORWARD", "-p", "icmp", "--icmp-type", "echo-reply")
    answer = traced(world, "web", "peer", **QUICK)
    lost = answer["trace"]["lost"]
    assert (lost["direction"], lost["by"]["chain"]) == ("reply", "FORWARD")
    assert interfaces(answer) == ONE_BRIDGE
    assert interfaces(answer, "reply") == [("destination", True), ("host", False)]


def test_a_rejected_packet_names_its_rule_and_the_refusal_is_the_answer(world, rule):
    rule("iptables", "-I", "INPUT", "-p", "icmp", "-j", "REJECT",
         back=("iptables", "-D", "INPUT", "-p", "icmp", "-j", "REJECT"))  # fmt: skip
    answer = traced(world, "web", {"host": True})
    found = dropping(answer)
    assert (found["chain"], found["verdict"]) == ("INPUT", "reject")
    notes = {step["note"] for step in steps(answer, "interface", "reply")}
    assert notes == {"ICMP type 3 code 3"}


def test_a_blackhole_route_is_named_where_no_rule_is_to_blame(world, raw, rule):
    target = "10.84.1.200"  # no container's: Docker 28 drops what goes to one from another bridge, before routing
    rule("ip", "route", "add", "blackhole", f"{target}/32", back=("ip", "route", "del", "blackhole", f"{target}/32"))
    lost = traced(world, "client", {"address": target}, **QUICK)["trace"]["lost"]
    assert lost["by"]["kind"] == "route"
    assert "a blackhole route" in lost["message"]
    assert leftovers(raw) == []


def test_a_bridge_that_does_not_forward_is_named_and_not_taken_for_a_missing_route(world, raw, rule):
    bridge = world.get("/v1/networks/front")["bridge_name"]
    setting = f"net.ipv4.conf.{bridge}.forwarding"
    rule("sysctl", "-w", f"{setting}=0", back=("sysctl", "-w", f"{setting}=1"))
    lost = traced(world, "client", "web")["trace"]["lost"]
    assert (lost["direction"], lost["by"]["kind"]) == ("request", "route")
    assert f"{bridge} does not forward ({setting} is 0)" in lost["message"]
    assert leftovers(raw) == []


def test_a_packet_that_never_left_its_source_has_no_route_on_the_host(world):
    """No station has the address, so the source sends no packet, and the host routes none."""
    answer = traced(world, "web", {"address": "10.84.1.200"}, **QUICK)
    assert steps(answer) == []
    assert answer["trace"]["lost"]["message"].startswith("The packet was seen nowhere. Possible are")
    assert answer["trace"]["missing"] == []


def test_a_port_without_forwarding_loses_the_packet_with_no_rule_to_blame(world, rule):
    ways = steps(traced(world, "web", "peer"), "interface")
    port = next(step["interface"] for step in ways if step["place"] == "host" and step["leaving"])
    # A port that learns and forwards nothing: what is flooded or known there is dropped by the bridge itself.
    rule("bridge", "link", "set", "dev", port, "state", "1", back=("bridge", "link", "set", "dev", port, "state", "3"))
    answer = traced(world, "web", "peer", **QUICK)
    lost = answer["trace"]["lost"]
    assert answer["verdict"] == "unreachable"
    assert lost["by"] is None
    assert lost["silent"]["interface"] == port
    assert port in lost["message"]


def test_two_traces_at_once_do_not_mix(world, raw):
    found = {}

    def one(number):
        pair = ("web", "peer") if number % 2 else ("peer", "web")
        found[number] = traced(world, *pair, "tcp", 8080)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 6
    for answer in found.values():
        own = answer["trace"]["identifier"]
        assert interfaces(answer) == ONE_BRIDGE
        ports = {end["port"] for step in answer["trace"]["steps"] if step["seen"]
                 for end in (step["source"], step["destination"]) if end}  # fmt: skip
        assert ports == {own, 8080}
    assert leftovers(raw) == []


def test_two_flows_with_one_number_do_not_mix(world, monkeypatch):
    """Each container chooses a port that is free in its own namespace."""
    monkeypatch.setattr("bridgework.probes.trace.session._free_number", lambda *_: 64_000)
    together = threading.Barrier(2)

    def one(source, destination):
        together.wait(10)
        return traced(world, source, destination, "tcp", 8080)

    with ThreadPoolExecutor(2) as threads:
        pairs = ("web", "peer"), ("peer", "web")
        answers = [made.result() for made in [threads.submit(one, *pair) for pair in pairs]]
    for answer in answers:
        assert interfaces(answer) == ONE_BRIDGE
        assert steps(answer, "route") == [], "the host routes neither"


@pytest.mark.usefixtures("world")
def test_a_trace_is_text_for_a_ticket(app):
    sent = ask(app, "operator", "text/plain", traced_body())
    assert sent.status_code == 200
    text = sent.get_data(as_text=True)
    assert "The packet's way (p = predicted, s = seen)" in text
    assert "lost: no" in text
    plain = ask(app, "viewer", "text/plain", {**traced_body(), "trace": False})
    assert plain.get_data(as_text=True).startswith("verdict:   reachable\n")


def ask(app, who, accept, body):
    headers = {"Authorization": f"Bearer token-of-{who}", "Accept": accept}
    return app.test_client().post(PATH, json=body, headers=headers)


def traced_body():
    return {"source": {"container": "web"}, "destination": {"container": "peer"}, "trace": True, "timeout_ms": 2000}


@pytest.mark.usefixtures("world")
def test_a_capture_has_a_comment_for_each_packet(app, tmp_path):
    sent = ask(app, "operator", "application/x-pcapng", traced_body())
    assert sent.content_type == "application/x-pcapng"
    data = sent.get_data()
    assert data[:4] == struct.pack("<I", 0x0A0D0D0A)
    # One echo request and one reply, at four interfaces each.
    comments = [line for line in data.split(b"\0") if b"echo re" in line]
    assert len(comments) == 8
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed; the blocks are read in test_check_texts.py")
    capture = tmp_path / "trace.pcapng"
    capture.write_bytes(data)
    done = subprocess.run(
        ["tshark", "-r", str(capture), "-T", "json"], capture_output=True, check=True, text=True, timeout=60
    )
    assert len(json.loads(done.stdout)) == 8


@pytest.mark.usefixtures("world")
def test_a_capture_needs_a_trace(app):
    refused = ask(app, "operator", "application/x-pcapng", {**traced_body(), "trace": False})
    assert (refused.status_code, refused.get_json()["code"]) == (400, "trace-required")


@pytest.mark.usefixtures("world")
def test_a_trace_needs_the_role_operator_and_the_policy(app, engine, tokens_file):
    refused = ask(app, "viewer", "application/json", traced_body())
    assert (refused.status_code, refused.get_json()["code"]) == (403, "role-insufficient")
    settings = Settings(tokens_file=tokens_file, allow_trace=False)
    strict = create_app(settings, EngineAddress(engine.docker_host))
    refused = ask(strict, "admin", "application/json", traced_body())
    assert (refused.status_code, refused.get_json()["code"]) == (403, "trace-not-allowed")
    assert ask(strict, "admin", "application/json", {**traced_body(), "trace": False}).status_code == 200


@pytest.mark.usefixtures("world")
def test_a_trace_is_not_possible_from_a_helper(engine, tokens_file):
    settings = Settings(tokens_file=tokens_file, probe_runner="sidecar", probe_image="busybox")
    sidecar = create_app(settings, EngineAddress(engine.docker_host))
    refused = ask(sidecar, "admin", "application/json", traced_body())
    assert (refused.status_code, refused.get_json()["code"]) == (501, "trace-not-possible")


def test_what_cannot_be_sent_has_no_trace(world):
    run(world, "stopped", network_mode="back", start=False)
    body = {"source": {"container": "stopped"}, "destination": {"container": "peer"}, "trace": True}
    assert world.post(PATH, body)["trace"] is None


def test_the_host_is_a_source_too(world):
    answer = traced(world, {"host": True}, "peer", "tcp", 8080)
    assert interfaces(answer)[-1] == ("destination", False)
    assert answer["trace"]["lost"] is None


def socket_inside(raw, name):
    """A UDP socket at port 9 of the container."""

    def bind():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("0.0.0.0", 9))
        return made

    descriptor = os.open(f"/proc/{raw.get(f'/containers/{name}/json')['State']['Pid']}/ns/net", os.O_RDONLY)
    try:
        return run_inside(descriptor, bind)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def echoing(sock):
    """Answer the first datagram with itself, in a thread."""

    def echo():
        sock.settimeout(5)
        with contextlib.suppress(OSError):
            data, sender = sock.recvfrom(1024)
            sock.sendto(data or b"answer", sender)

    thread = threading.Thread(target=echo)
    thread.start()
    yield
    thread.join()


def test_an_answer_of_docker_proxy_from_another_address_is_not_said_to_be_missing(world, raw):
    """docker-proxy answers datagrams from the host's address next to the source, whatever address was asked."""
    port = {"container_port": 9, "host_port": PUBLISHED + 1, "protocol": "udp"}
    run(world, "echo", network_mode="back", published_ports=[port])
    with contextlib.ExitStack() as stack:
        stack.callback(world.delete, "/v1/containers/echo?force=true")
        echo = stack.enter_context(socket_inside(raw, "echo"))
        stack.enter_context(echoing(echo))
        answer = traced(world, "client", {"address": "10.84.1.1"}, "udp", PUBLISHED + 1)
    if answer["verdict"] == "reachable":
        pytest.skip("a rule translates the port, so docker-proxy does not answer it")
    lost = answer["trace"]["lost"]
    assert (lost["direction"], lost["silent"]) == ("reply", None)
    assert "came to the source from 10.84.0.1, and not from 10.84.1.1" in lost["message"]
    assert ("source", False) in interfaces(answer, "reply")
