"""Traced checks while another project talks: nothing of its connections is in a trace, and no payload at all.

It talks direct, by docker-proxy and by DNAT, from its client, its shop, a container on another network and the host.
"""

import itertools
import socket
import struct
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from bridgework.probes.kernel.setns import run_inside
from tests.support.api import check, run
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.wide

PATH = "/v1/connectivity/checks"
FORMS = ("application/json", "text/plain", "application/x-pcapng")
SECRET = b"session=4f2c9a-of-the-other-project"
TCP, UDP = 18490, 18491
INSIDE = {TCP: 8080, UDP: 5001}
ROOT = Path(__file__).parents[3]
ENHANCED_PACKET = 6
FIRST_PORT, PORTS_EACH = 20000, 2500
"""Other ports than those of the probe and of docker-proxy (from 32768), so that no port is the same by chance."""


@pytest.fixture(scope="module")
def raw(engine):
    return Raw(engine)


@pytest.fixture(scope="module")
def addresses(module_api, raw):
    """Beta's shop publishes a port of each protocol, and beta's client is on its network; alpha's spy is elsewhere."""
    alpha, beta = module_api.as_("alpha"), module_api.as_("beta")
    ports = [{"container_port": INSIDE[TCP], "host_port": TCP},
             {"container_port": INSIDE[UDP], "host_port": UDP, "protocol": "udp"}]  # fmt: skip
    for caller, network, number in ((alpha, "of-alpha", 1), (beta, "of-beta", 2), (beta, "also-of-beta", 3)):
        pools = [{"subnet": f"10.87.{number}.0/24"}]
        caller.post("/v1/networks", {"name": network, "ipam": {"pools": pools}}, status=201)
    run(beta, "shop", network_mode="of-beta", command=["httpd", "-f", "-p", "8080"], published_ports=ports)
    run(beta, "client", network_mode="of-beta")
    run(beta, "stranger", network_mode="also-of-beta")
    run(alpha, "spy", network_mode="of-alpha", command=["httpd", "-f", "-p", "8080"])
    found = {one["name"]: one["endpoints"][0]["ipv4_address"] for one in module_api.get("/v1/containers")["items"]}
    with echo_server(namespace(raw, "shop"), INSIDE[UDP]):
        yield found


def namespace(raw, name):
    return f"/proc/{raw.get(f'/containers/{name}/json')['State']['Pid']}/ns/net"


@contextmanager
def echo_server(path, port):
    command = ["nsenter", f"--net={path}", sys.executable, "-m", "tests.support.servers", "echo", "0.0.0.0", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout.readline() == b"ready\n"
        yield
        process.kill()


@contextmanager
def talking(path, ends, first_port):
    """Send the secret to each (address, port, protocol) in turn, from the namespace and from ports of our own."""
    over, began = threading.Event(), threading.Event()

    def say(own_port, address, port, kind):
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.settimeout(0.3)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", own_port))
            sock.connect((address, port))
            sock.send(b"GET / HTTP/1.0\r\nCookie: " + SECRET + b"\r\n\r\n")
            sock.recv(1000)

    def talk():
        own_ports = itertools.cycle(range(first_port, first_port + PORTS_EACH))
        for own_port, end in zip(own_ports, itertools.cycle(ends), strict=False):
            if over.is_set():
                return
            with suppress(OSError):
                say(own_port, *end)
            began.set()

    with Path(path).open("rb") as opened:
        thread = threading.Thread(target=run_inside, args=(opened.fileno(), talk))
        thread.start()
        try:
            assert began.wait(30)
            yield
        finally:
            over.set()
            thread.join()


def numbers_in(capture):
    """The ports of each captured packet of TCP or UDP over IPv4."""
    found, at = set(), 0
    while at < len(capture):
        kind, length = struct.unpack_from("<II", capture, at)
        if kind == ENHANCED_PACKET:
            kept, whole = struct.unpack_from("<II", capture, at + 20)
            packet = capture[at + 28 : at + 28 + kept]
            assert kept <= whole
            if packet[9] in {socket.IPPROTO_TCP, socket.IPPROTO_UDP}:
                found |= set(struct.unpack_from("!HH", packet, (packet[0] & 15) * 4))
        at += length
    return found


def numbers_of(trace):
    steps = [step for step in trace["steps"] if step["seen"]]
    return {step[end]["port"] for step in steps for end in ("source", "destination") if step[end]}


def ways(addresses):
    """What alpha's spy can ask while beta's client talks: the port as published, as its own, and of the shop itself."""
    shop = addresses["shop"]
    for protocol, port in (("tcp", TCP), ("http", TCP), ("udp", UDP)):
        yield {"address": "127.0.0.1"}, protocol, port
        yield {"host": True}, protocol, port
        yield {"address": shop}, protocol, INSIDE[port]
        yield {"container": "shop"}, protocol, INSIDE[port]


def talks(addresses):
    """What each speaker connects to: the shop, its ports at the host (by DNAT or by its proxy), and the spy."""
    shop, spy = addresses["shop"], addresses["spy"]
    published = [(end, port, kind) for end in ("10.87.2.1", "10.87.3.1")
                 for port, kind in ((TCP, socket.SOCK_STREAM), (UDP, socket.SOCK_DGRAM))]  # fmt: skip
    direct = [(shop, INSIDE[TCP], socket.SOCK_STREAM), (shop, INSIDE[UDP], socket.SOCK_DGRAM)]
    to_spy = [(spy, 8080, socket.SOCK_STREAM), (spy, INSIDE[UDP], socket.SOCK_DGRAM)]
    by_proxy = [("127.0.0.1", TCP, socket.SOCK_STREAM), ("127.0.0.1", UDP, socket.SOCK_DGRAM)]
    return {"client": direct + published, "shop": published + to_spy, "stranger": published + direct + to_spy,
            "host": published + by_proxy + direct + to_spy}  # fmt: skip


@pytest.mark.parametrize("who", ["alpha", "operator"])
def test_no_trace_shows_the_connections_of_another_project(app, engine, raw, addresses, who):
    with ExitStack() as speaking:
        spoken = talks(addresses)
        for number, (speaker, ends) in enumerate(spoken.items()):
            place = engine.namespace if speaker == "host" else namespace(raw, speaker)
            speaking.enter_context(talking(place, ends, FIRST_PORT + number * PORTS_EACH))
        used = set(range(FIRST_PORT, FIRST_PORT + len(spoken) * PORTS_EACH))
        for destination, protocol, port in ways(addresses):
            body = {"source": {"container": "spy"}, "destination": destination, "protocol": protocol, "port": port,
                    "trace": True, "timeout_ms": 500, "trace_payload_bytes": 1024}  # fmt: skip
            for accept in FORMS:
                headers = {"Authorization": f"Bearer token-of-{who}", "Accept": accept}
                sent = app.test_client().post(PATH, json=body, headers=headers)
                if (sent.status_code, accept) == (400, FORMS[2]):
                    continue  # nothing could be seen
                assert sent.status_code == 200, sent.get_data(as_text=True)
                data = sent.get_data()
                assert SECRET not in data, (destination, protocol, accept)
                strangers = [addresses[name] for name in ("client", "stranger")]
                assert not [one for one in strangers if one.encode() in data]
                seen = set()
                if accept == FORMS[0]:
                    seen = numbers_of(sent.get_json()["trace"])
                elif accept == FORMS[2]:
                    seen = numbers_in(data)
                    assert not [one for one in strangers if socket.inet_aton(one) in data]
                assert not seen & used, (destination, protocol, accept)


def asked(api, destination, **more):
    body = {"source": {"container": "spy"}, "destination": destination, "protocol": "http", "port": 8080}
    return api.call("POST", PATH, {**body, "trace": True, "timeout_ms": 2000, **more})


@pytest.mark.usefixtures("addresses")
def test_a_project_sees_the_namespaces_of_its_own_containers_only(api, addresses):
    alpha, beta = api.as_("alpha"), api.as_("beta")
    trace = asked(alpha, {"address": addresses["shop"]})["trace"]
    assert {step["place"] for step in trace["steps"] if step["seen"]} == {"source"}
    assert trace["missing"] == [
        "The host was not recorded: the token is bound to the project alpha.",
        "shop was not recorded: it is not of the project alpha.",
    ]
    own = asked(alpha, {"address": "127.0.0.1"})["trace"]
    assert {step["place"] for step in own["steps"] if step["seen"]} == {"source"}
    refused = asked(beta, {"address": addresses["shop"]})
    assert (refused["status"], refused["code"]) == (403, "trace-not-allowed")
    assert "alpha" not in refused["detail"]
    assert "spy" in refused["detail"]
    refused = beta.call("POST", PATH, {
        "source": {"host": True}, "destination": {"container": "shop"}, "trace": True, "timeout_ms": 2000,
    })  # fmt: skip
    assert (refused["status"], refused["code"]) == (403, "trace-not-allowed")


@pytest.fixture(scope="module")
def among_others(raw):
    """Containers of alpha whose networks are not alpha's alone: on beta's network, in the host's and in beta's."""
    of_alpha = {"Labels": {"io.bridgework.project": "alpha"}}
    raw.make("near", mode="of-beta", **of_alpha)
    raw.make("in-host", mode="host", **of_alpha)
    raw.make("guest", mode="container:shop", **of_alpha)


@pytest.mark.parametrize("source", ["in-host", "guest"])
@pytest.mark.usefixtures("addresses", "among_others")
def test_a_namespace_that_is_shared_with_others_is_not_the_projects_own(api, source):
    refused = asked(api.as_("alpha"), {"container": "shop"}, source={"container": source})
    assert (refused["status"], refused["code"]) == (403, "trace-not-allowed")
    assert f"the network namespace of {source} is not of it" in refused["detail"]


@pytest.mark.usefixtures("addresses", "among_others")
def test_a_destination_in_a_shared_namespace_is_not_recorded(api):
    trace = asked(api.as_("alpha"), {"container": "guest"}, source={"container": "near"})["trace"]
    assert {step["place"] for step in trace["steps"] if step["seen"]} == {"source"}
    assert "guest was not recorded: it is not of the project alpha." in trace["missing"]


@pytest.fixture
def surprising(raw):
    """Drop pings in the namespace of the shop by a match that the service does not understand."""
    enter = ["nsenter", f"--net={namespace(raw, 'shop')}", "iptables"]
    drop = ["INPUT", "-p", "icmp", "-m", "length", "--length", "20:1500", "-j", "DROP"]
    subprocess.run([*enter, "-A", *drop], check=True)
    yield
    subprocess.run([*enter, "-D", *drop], check=True)


@pytest.mark.usefixtures("addresses", "among_others", "surprising")
def test_a_surprise_traces_the_projects_own_namespaces_only(api):
    def surprise(source):
        answer = check(api.as_("alpha"), source, "shop", timeout_ms=2000)
        assert (answer["predicted"]["verdict"], answer["verdict"]) == ("reachable", "unreachable")
        (found,) = [one for one in answer["findings"] if one["code"] == "prediction-inconsistent"]
        return answer["trace"], found["message"]

    trace, message = surprise("near")
    assert {step["place"] for step in trace["steps"] if step["seen"]} == {"source"}
    assert trace["missing"] == [
        "The host was not recorded: the token is bound to the project alpha.",
        "shop was not recorded: it is not of the project alpha.",
    ]
    assert "INPUT of shop" not in message
    trace, message = surprise("in-host")
    assert trace is None
    assert "It was not traced: The token of alpha is bound to the project alpha" in message


@pytest.mark.usefixtures("addresses")
def test_payload_is_kept_only_when_it_is_asked_for(app):
    def captured(**more):
        body = {"source": {"container": "spy"}, "destination": {"address": "127.0.0.1"}, "protocol": "http",
                "port": 8080, "path": "/of-the-request", "trace": True, "timeout_ms": 2000, **more}  # fmt: skip
        headers = {"Authorization": "Bearer token-of-alpha", "Accept": FORMS[2]}
        sent = app.test_client().post(PATH, json=body, headers=headers)
        assert sent.status_code == 200
        return sent.get_data()

    assert b"/of-the-request" not in captured()
    assert b"/of-the-request" in captured(trace_payload_bytes=200)
    assert b"/of-the-request" not in captured(trace_payload_bytes=4)


@pytest.mark.parametrize("more", [{"trace_payload_bytes": 1025}, {"trace_payload_bytes": 1, "trace": False}])
@pytest.mark.usefixtures("addresses")
def test_a_wrong_number_of_payload_bytes_is_refused(api, more):
    refused = asked(api.as_("operator"), {"container": "shop"}, **more)
    assert refused["status"] == 422
    assert [fault["pointer"] for fault in refused["errors"]] == ["/trace_payload_bytes"]
    assert ("1024" in refused["detail"]) == ("trace" not in more)
