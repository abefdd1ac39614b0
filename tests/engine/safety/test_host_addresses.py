"""The host's addresses on Docker's bridges, as the kernel has them, are closed but for what is published there."""

import json
import re

import pytest

from tests.support.engine import in_namespace
from tests.support.raw_engine import Raw

POOLS = {
    "plain": ({"Subnet": "10.75.1.0/24"}, {}),
    "range": ({"Subnet": "10.75.2.0/24", "IPRange": "10.75.2.128/25"}, {}),
    "gateway-of-its-own": ({"Subnet": "10.75.3.0/24", "Gateway": "10.75.3.77"}, {}),
    "another-gateway-inside": (
        {"Subnet": "10.75.4.0/24", "AuxiliaryAddresses": {"DefaultGatewayIPv4": "10.75.4.9"}}, {},
    ),
    "two-addresses": ({"Subnet": "10.75.5.0/31"}, {}),
    "internal": ({"Subnet": "10.75.6.0/24"}, {"Internal": True}),
    "internal-range": ({"Subnet": "10.75.7.0/24", "IPRange": "10.75.7.64/26"}, {"Internal": True}),
    "six": ({"Subnet": "fd00:75:1::/64"}, {"EnableIPv6": True}),
    "six-internal": ({"Subnet": "fd00:75:2::/64"}, {"EnableIPv6": True, "Internal": True}),
    "six-range": ({"Subnet": "fd00:75:3::/64", "IPRange": "fd00:75:3:0:8000::/65"}, {"EnableIPv6": True}),
    "isolated": (
        {"Subnet": "10.75.8.0/24"},
        {"Internal": True, "Options": {"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}},
    ),
    "no-address-on-the-bridge": (
        {"Subnet": "10.75.9.0/24"}, {"Options": {"com.docker.network.bridge.inhibit_ipv4": "true"}},
    ),
}  # fmt: skip
REFUSED_BY_26 = re.compile("invalid bit range")
"""Engine 26 gives no addresses from an IPv6 range as long as half a /64."""


def addresses_of(engine, network_id):
    shown = in_namespace(engine, "ip", "-j", "addr", "show", "dev", f"br-{network_id[:12]}").stdout
    return [address["local"] for link in json.loads(shown) for address in link["addr_info"]]


def answer(api, source, address, port):
    body = {"source": source, "destination": {"address": address}, "protocol": "tcp", "port": port, "timeout_ms": 100}
    return api.as_("viewer").send("POST", "/v1/connectivity/checks", body)


def closed(api, engine, network_id, source):
    """Whether every address of the bridge is refused to a viewer; the number of them."""
    addresses = addresses_of(engine, network_id)
    for address in addresses:
        refused = answer(api, source, address, 22)
        assert refused.status_code == 403, (address, refused.get_data(as_text=True))
        assert refused.get_json()["code"] == "destination-not-allowed"
    return len(addresses)


@pytest.mark.parametrize("kind", POOLS)
def test_a_viewer_may_not_probe_the_hosts_side_of_a_network(api, engine, kind):
    pool, fields = POOLS[kind]
    raw = Raw(engine)
    status, made = raw.send("POST", "/networks/create", {"Name": kind, "IPAM": {"Config": [pool]}, **fields})
    if status >= 300 and REFUSED_BY_26.search(made["message"]):
        return
    assert status == 201, made
    before = closed(api, engine, made["Id"], {"host": True})
    raw.make("guest", mode=kind)
    assert closed(api, engine, made["Id"], {"host": True}) >= before
    closed(api, engine, made["Id"], {"container": "guest"})
    guest = raw.get("/containers/guest/json")["NetworkSettings"]["Networks"][kind]
    addresses = [address for address in (guest["IPAddress"], guest["GlobalIPv6Address"]) if address]
    assert addresses
    for address in addresses:
        assert answer(api, {"container": "guest"}, address, 22).status_code == 200


def test_a_port_published_for_another_protocol_or_address_opens_nothing(api, engine):
    """Nothing is sent to the host's other ports, and the prediction says where the port is published instead."""
    raw = Raw(engine)
    ports = {"53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5353"}]}
    raw.make("names", mode="bridge", host={"PortBindings": ports}, ExposedPorts={"53/udp": {}})
    assert answer(api, {"host": True}, "127.0.0.1", 5353).status_code == 403
    assert answer(api, {"container": "names"}, "172.17.0.1", 5353).status_code == 403
    body = {"source": {"host": True}, "destination": {"host": True}, "protocol": "tcp", "port": 5353}
    told = api.as_("viewer").post("/v1/connectivity/checks", body)
    assert (told["measured"]["attempts"], told["measured"]["reason"]) == (0, "no-address")
    assert "127.0.0.1:5353/udp" in told["measured"]["detail"]
    asked = api.as_("viewer").post("/v1/connectivity/checks", {**body, "protocol": "udp", "timeout_ms": 100})
    assert asked["measured"]["attempts"] == 1
