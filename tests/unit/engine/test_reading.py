"""From the engine's JSON to core's values and back, without an engine."""

import pytest

from bridgework.analysis.routing import gateway_mode
from bridgework.engine.bodies import container_body, endpoint_body, network_body
from bridgework.engine.facts import negotiate, read_facts
from bridgework.engine.images import is_known, normal
from bridgework.engine.reading import read_container, read_network, read_ports, read_time, time_ns_of
from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.errors import EngineMisbehaved
from bridgework.model.snapshot import Network, Pool, PublishedPort, Snapshot

LAN = "1" * 64
NEW = (1, 51)
GUEST = "2" * 64
KNOWN = Snapshot(networks=(Network(LAN, "lan"),))


def container_raw(networks=None, *, state="running", mode="default", **fields):
    return {
        "Id": GUEST,
        "Name": "/guest",
        "State": {"Status": state},
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": networks or {}},
        **fields,
    }


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z"),
        ("2026-01-02T03:04:05.123456789+02:00", "2026-01-02T01:04:05.123456789Z"),
        ("2026-01-01T00:30:00+05:30", "2025-12-31T19:00:00Z"),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_utc_and_never_is_none(raw, told):
    assert read_time(raw) == told


def test_a_time_in_nanoseconds():
    assert time_ns_of("1970-01-01T00:00:01.5Z") == 1_500_000_000
    assert time_ns_of("1970-01-01T01:00:00.000000001+01:00") == 1
    assert time_ns_of("1970-01-01T00:00:00Z") == 0


def test_a_network_with_all_that_may_be_absent():
    found = read_network({"Id": LAN, "Name": "lan", "IPAM": None, "Options": None, "Labels": None}, NEW)
    assert (found.pools, found.options, found.labels, found.config_from) == ((), {}, {}, None)
    assert (found.ipv4_enabled, found.scope, found.ipam_driver) == (True, "local", "default")


def test_a_gateway_may_come_with_a_prefix():
    ipam = {"Config": [{"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1/24", "AuxAddress": {"a": "10.0.0.9"}}]}
    assert read_network({"Id": LAN, "Name": "lan", "IPAM": ipam}, NEW).pools == (
        Pool("10.0.0.0/24", "10.0.0.1", None, {"a": "10.0.0.9"}),
    )


def test_an_engine_ignores_the_options_that_came_after_it():
    mode = "com.docker.network.bridge.gateway_mode_ipv4"
    raw = {"Id": LAN, "Name": "lan", "Options": {mode: "routed", "com.docker.network.bridge.enable_icc": "false"}}
    old, new = (read_network(raw, api) for api in ((1, 45), NEW))
    assert (old.ignored_options, gateway_mode(old, 4)) == ({mode}, "nat")
    assert (new.ignored_options, gateway_mode(new, 4)) == (frozenset(), "routed")
    assert old.options == new.options == raw["Options"]


def test_a_newer_engine_without_ipv4():
    assert not read_network({"Id": LAN, "Name": "lan", "EnableIPv4": False, "EnableIPv6": True}, NEW).ipv4_enabled


@pytest.mark.parametrize(
    ("state", "endpoint_id", "told"),
    [
        ("running", "e", "active"),
        ("paused", "e", "active"),
        ("running", "", "configured"),
        ("exited", "", "configured"),
    ],
)
def test_an_endpoint_is_active_while_it_is_there(state, endpoint_id, told):
    raw = container_raw({"lan": {"NetworkID": LAN, "EndpointID": endpoint_id}}, state=state)
    (endpoint,) = read_container(raw, KNOWN).endpoints
    assert (endpoint.state, endpoint.network_id, endpoint.network_name) == (told, LAN, "lan")


@pytest.mark.parametrize(
    ("key", "settings", "network_id", "name"),
    [
        ("lan", None, LAN, "lan"),  # a stopped container names its network only
        (LAN, {}, LAN, "lan"),  # created by id, and never started
        ("gone", {"NetworkID": "3" * 64}, "3" * 64, "gone"),
        ("unknown", {}, "unknown", "unknown"),
    ],
)
def test_what_an_endpoint_calls_its_network(key, settings, network_id, name):
    (endpoint,) = read_container(container_raw({key: settings}, state="exited"), KNOWN).endpoints
    assert (endpoint.network_id, endpoint.network_name) == (network_id, name)


def test_modes():
    assert read_container(container_raw(), Snapshot()).network_mode == "bridge"
    sharer = read_container(container_raw(mode=f"container:{LAN}"), Snapshot())
    assert (sharer.network_mode, sharer.shares_with) == (f"container:{LAN}", LAN)


def test_extra_hosts_of_either_spelling():
    raw = container_raw(mode="lan")
    raw["HostConfig"]["ExtraHosts"] = ["db:fd00::1", "web=10.0.0.1"]
    assert read_container(raw, Snapshot()).extra_hosts == {"db": "fd00::1", "web": "10.0.0.1"}


def test_ports():
    raw = {"80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "::1", "HostPort": ""}], "53/udp": None}
    assert read_ports(raw) == (PublishedPort(80, "tcp", "", 8080), PublishedPort(80, "tcp", "::1", None))


def test_a_network_body_says_what_was_asked_and_nothing_else():
    body = network_body(NetworkSpec("lan", pools=(Pool("10.0.0.0/24"),)))
    assert body["IPAM"]["Config"] == [{"Subnet": "10.0.0.0/24"}]
    assert not {"Scope", "EnableIPv4", "ConfigFrom"} & body.keys()
    whole = NetworkSpec(
        "lan", scope="local", ipv4_enabled=True, config_from="settings",
        pools=(Pool("10.0.0.0/24", "10.0.0.1", "10.0.0.128/25", {"a": "10.0.0.9"}),),
    )  # fmt: skip
    body = network_body(whole)
    assert (body["Scope"], body["EnableIPv4"], body["ConfigFrom"]) == ("local", True, {"Network": "settings"})
    assert body["IPAM"]["Config"] == [
        {
            "Subnet": "10.0.0.0/24",
            "Gateway": "10.0.0.1",
            "IPRange": "10.0.0.128/25",
            "AuxiliaryAddresses": {"a": "10.0.0.9"},
        }
    ]


def test_an_endpoint_body():
    assert endpoint_body(EndpointSpec()) == {"Aliases": [], "DriverOpts": {}}
    whole = EndpointSpec(
        ("a",), "10.0.0.7", "fd00::7", ("169.254.1.1",), "02:42:00:00:00:07", {"x": "y"}, gateway_priority=0
    )
    assert endpoint_body(whole) == {
        "Aliases": ["a"],
        "DriverOpts": {"x": "y"},
        "IPAMConfig": {"IPv4Address": "10.0.0.7", "IPv6Address": "fd00::7", "LinkLocalIPs": ["169.254.1.1"]},
        "MacAddress": "02:42:00:00:00:07",
        "GwPriority": 0,
    }


def test_a_container_body_exposes_what_it_publishes():
    ports = (PublishedPort(80, "tcp", "", 8080), PublishedPort(80, "tcp", "127.0.0.1", 8081), PublishedPort(53, "udp"))
    body = container_body(ContainerSpec("guest", "busybox", published_ports=ports, network_mode="lan"))
    assert body["ExposedPorts"] == {"53/udp": {}, "80/tcp": {}}
    assert body["HostConfig"]["PortBindings"] == {
        "53/udp": [{"HostIp": "", "HostPort": ""}],
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "8081"}],
    }
    assert "Cmd" not in body
    assert "Hostname" not in body


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("busybox", "busybox:latest"),
        ("busybox:1", "busybox:1"),
        ("library/busybox", "busybox:latest"),
        ("docker.io/library/busybox:1", "busybox:1"),
        ("index.docker.io/team/x", "team/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("localhost:5000/x:1", "localhost:5000/x:1"),
        ("busybox@sha256:" + "a" * 64, "busybox@sha256:" + "a" * 64),
        ("busybox:1@sha256:" + "a" * 64, "busybox@sha256:" + "a" * 64),
    ],
)
def test_references_of_images(reference, told):
    assert normal(reference) == told


@pytest.mark.parametrize(
    ("reference", "known"),
    [
        ("busybox", True),
        ("docker.io/library/busybox:latest", True),
        ("busybox:1", False),
        ("busybox@sha256:" + "d" * 64, True),
        ("busybox@sha256:" + "e" * 64, False),
        ("sha256:" + "c" * 64, True),
        ("c" * 12, True),
        ("d" * 12, False),
        ("other", False),
    ],
)
def test_which_images_are_known(reference, known):
    images = [
        {"Id": "sha256:" + "c" * 64, "RepoTags": ["busybox:latest"], "RepoDigests": ["busybox@sha256:" + "d" * 64]},
        {"Id": "sha256:" + "f" * 64, "RepoTags": None, "RepoDigests": None},
    ]
    assert is_known(images, reference) is known


@pytest.mark.parametrize(
    ("version", "chosen"),
    [
        ({"ApiVersion": "1.45", "MinAPIVersion": "1.24"}, ("1.45", (1, 45))),
        ({"ApiVersion": "1.55", "MinAPIVersion": "1.40"}, ("1.55", (1, 55))),  # Docker 29.7.2
        ({"ApiVersion": "1.99", "MinAPIVersion": "1.44"}, ("1.55", (1, 99))),
        ({"ApiVersion": "1.44"}, ("1.44", (1, 44))),
    ],
)
def test_the_version_to_speak(version, chosen):
    assert negotiate(version) == chosen


@pytest.mark.parametrize("version", [{"ApiVersion": "1.43"}, {"ApiVersion": "x"}, {}, [], None, "text"])
def test_what_is_no_engine_or_too_old(version):
    with pytest.raises(Exception, match="engine") as caught:
        negotiate(version)
    assert caught.value.code in {"engine-version-unsupported", "engine-answered-strangely"}


@pytest.mark.parametrize(
    ("version", "needed"),
    [
        ({"ApiVersion": "1.43", "MinAPIVersion": "1.12"}, "needs 1.44 (Docker 25) or newer"),  # Docker 24
        ({"ApiVersion": "1.70", "MinAPIVersion": "1.60"}, "speaks API 1.60 to 1.70; Bridgework knows up to 1.55"),
    ],
)
def test_an_engine_without_a_common_version_is_told_which_one_is_needed(version, needed):
    with pytest.raises(EngineMisbehaved) as caught:
        negotiate(version)
    assert caught.value.code == "engine-version-unsupported"
    assert needed in caught.value.detail


def test_an_engine_that_says_little():
    facts = read_facts({}, {"ApiVersion": "1.45"})
    assert (facts.network_drivers, facts.default_address_pools, facts.swarm_state) == ((), (), "inactive")


@pytest.mark.parametrize(
    ("version", "info", "proxy"),
    [
        ("28.5.2", [], None),
        ("29.4.1", [], None),
        ("29.5.0", [["EnableUserlandProxy", "true"], ["UserlandProxyPath", "/usr/bin/docker-proxy"]], True),
        ("29.5.0", [["EnableUserlandProxy", "true"]], False),
        ("29.7.2", [["ReloadedAt", "2026-01-02T03:04:05Z"]], False),
        ("29.7.2", None, False),
        ("dev", None, None),
    ],
)
def test_from_29_5_on_the_engine_says_whether_a_proxy_runs(version, info, proxy):
    facts = read_facts({"FirewallBackend": {"Driver": "iptables", "Info": info}}, {"Version": version})
    assert facts.userland_proxy is proxy
