"""A request schema loads a body into a value and dumps that value as the shortest body that says the same."""

import pytest
from marshmallow import missing

from bridgework.http.resources.checks.requests import CheckRequestSchema
from bridgework.http.resources.containers.requests import ContainerCreateSchema
from bridgework.http.resources.endpoints.requests import EndpointConnectSchema
from bridgework.http.resources.matrix.requests import MatrixRequestSchema
from bridgework.http.resources.networks.requests import NetworkCreateSchema
from bridgework.model.create_specs import EndpointSpec, NetworkSpec
from bridgework.model.snapshot import Pool

NETWORK = {
    "name": "lan", "driver": "macvlan", "scope": "local", "internal": True, "attachable": True, "ingress": True,
    "ipv4_enabled": False, "ipv6_enabled": True, "config_only": True, "config_from": "base",
    "ipam": {"driver": "other", "options": {"a": "b"}, "pools": [
        {"subnet": "10.1.0.0/24", "gateway": "10.1.0.1", "ip_range": "10.1.0.128/25",
         "auxiliary_addresses": {"r": "10.1.0.2"}},
        {"subnet": "fd00::/64"},
    ]},
    "options": {"parent": "eth0"}, "labels": {"team": "edge"},
}  # fmt: skip
ENDPOINT = {
    "aliases": ["web"], "ipv4_address": "10.1.0.9", "ipv6_address": "fd00::9", "link_local_addresses": ["169.254.0.9"],
    "mac_address": "02:42:ac:11:00:02", "driver_options": {"a": "b"}, "gateway_priority": 0,
}  # fmt: skip
CONTAINER = {
    "name": "web", "image": "busybox", "command": ["sleep", "1"], "environment": {"A": "b"}, "labels": {"team": "edge"},
    "network_mode": "lan", "networks": [{"network": "lan", **ENDPOINT}, {"network": "lan"}],
    "published_ports": [{"container_port": 80, "protocol": "udp", "host_ip": "::1", "host_port": 81}],
    "hostname": "w", "dns": ["10.1.0.3"], "dns_search": ["example.com"], "dns_options": ["ndots:1"],
    "extra_hosts": {"h": "host-gateway"}, "sysctls": {"net.a": "1"}, "restart_policy": "always", "start": False,
    "pull": "always",
}  # fmt: skip
CHECK = {
    "source": {"container": "web"}, "destination": {"name": "db"}, "protocol": "http", "port": 80, "ip_version": "6",
    "count": 2, "interval_ms": 1, "timeout_ms": 2, "payload_bytes": 3, "dont_fragment": True, "path": "/health",
    "expected_status": 200, "question": "example.com", "trace": True, "trace_payload_bytes": 64,
}  # fmt: skip
MATRIX = {
    "containers": ["web", "db"], "protocol": "tcp", "port": 80, "by": "name", "timeout_ms": 2,
    "max_packets_per_second": 3,
}  # fmt: skip
HOST = {"host": True}
EXCLUSIVE = {"network", "all"}
"""What a matrix names instead of containers."""
SCHEMAS = (
    (CheckRequestSchema(), CHECK, {"source": HOST, "destination": HOST}),
    (MatrixRequestSchema(), MATRIX, {"containers": ["web"]}),
    (NetworkCreateSchema(), NETWORK, {"name": "lan"}),
    (EndpointConnectSchema(), ENDPOINT, {}),
    (ContainerCreateSchema(), CONTAINER, {"image": "busybox"}),
)


@pytest.mark.parametrize(("schema", "whole", "least"), SCHEMAS)
def test_what_a_body_says_is_dumped_and_no_more(schema, whole, least):
    assert whole.keys() == schema.fields.keys() - EXCLUSIVE
    assert schema.dump(schema.load(whole)) == whole
    assert schema.dump(schema.load(least)) == least


@pytest.mark.parametrize(("schema", "_whole", "least"), SCHEMAS)
def test_a_body_with_every_default_is_dumped_without_them(schema, _whole, least):
    defaults = {name: field.load_default for name, field in schema.fields.items() if field.load_default is not missing}
    body = {name: value() if callable(value) else value for name, value in defaults.items()} | least
    assert schema.dump(schema.load(body)) == least


def test_values_are_immutable_and_addresses_are_text():
    assert NetworkCreateSchema().load({"name": "a", "ipam": {"pools": [{"subnet": "10.1.0.0/24"}]}}) == NetworkSpec(
        "a", pools=(Pool("10.1.0.0/24"),)
    )
    found = EndpointConnectSchema().load({"aliases": ["x"], "ipv6_address": "fd00:0:0::9"})
    assert found == EndpointSpec(aliases=("x",), ipv6_address="fd00::9")


def test_a_range_of_ports_is_as_many_ports():
    given = [{"container_port": 80, "host_port": 8080, "count": 2}, {"container_port": 90}]
    ports = ContainerCreateSchema().load({"image": "busybox", "published_ports": given}).published_ports
    assert [(port.container_port, port.host_port) for port in ports] == [(80, 8080), (81, 8081), (90, None)]


@pytest.mark.parametrize("whole", [{"all": True}, {"network": "lan"}])
def test_a_matrix_names_one_thing(whole):
    schema = MatrixRequestSchema()
    assert schema.dump(schema.load(whole)) == whole


@pytest.mark.parametrize("kind", ["container", "name", "address"])
def test_a_check_names_one_destination(kind):
    schema = CheckRequestSchema()
    body = {"source": {"host": True}, "destination": {kind: "10.1.0.2"}}
    assert schema.dump(schema.load(body)) == body
