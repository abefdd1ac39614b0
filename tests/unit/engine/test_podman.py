"""Podman's answers in Docker's form, what it lacks, and where its host is; recorded from Podman 5.4.2."""

import pytest

from bridgework.engine.errors import TABLE, translate
from bridgework.engine.facts import is_podman, negotiate, read_facts
from bridgework.engine.podman.errors import PODMAN_TABLE
from bridgework.engine.podman.host import host_thread
from bridgework.engine.podman.limits import require_supported
from bridgework.engine.podman.reading import read_networks, read_podman_container
from bridgework.model.assembly import assembled
from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.errors import NotSupported
from bridgework.model.snapshot import Pool

VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.24", "Version": "5.4.2",
           "Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}]}  # fmt: skip
LAN, DEFAULT, BOX = "1" * 64, "2" * 64, "c" * 64
COMPATIBLE = [
    {"Id": LAN, "Name": "lan", "Driver": "bridge", "Options": {}, "IPAM": {"Config": [{"Subnet": "10.77.0.0/24"}]}},
    {"Id": DEFAULT, "Name": "bridge", "Driver": "bridge", "Options": {}},
    {"Id": "3" * 64, "Name": "just-made", "Driver": "bridge", "Options": {}},
]
NATIVE = [
    {"id": LAN, "name": "lan", "driver": "bridge", "network_interface": "podman1", "dns_enabled": True,
     "options": {"isolate": "true", "mtu": "1400"}},
    {"id": DEFAULT, "name": "podman", "driver": "bridge", "network_interface": "podman0", "dns_enabled": False},
]  # fmt: skip


def networks(native=NATIVE):
    return read_networks(COMPATIBLE, native, (1, 41))


def endpoint(network, **fields):
    return {"NetworkID": network, "EndpointID": "", "DNSNames": None, "Aliases": ["web", BOX[:12]], **fields}


def container(mode, endpoints, status="running"):
    raw = {
        "Id": BOX, "Name": "/box", "State": {"Status": status}, "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": endpoints},
    }  # fmt: skip
    return read_podman_container(raw, assembled(networks(), ()), frozenset({LAN}))


@pytest.mark.parametrize(
    ("version", "expected"),
    [(VERSION, True), ({"Components": [{"Name": "Engine"}]}, False), ({"Components": [None]}, False), ({}, False),
     (None, False), ([], False)],
)  # fmt: skip
def test_podman_is_known_by_its_component(version, expected):
    assert is_podman(version) is expected


def test_podmans_own_api_version_is_spoken():
    assert negotiate(VERSION) == ("1.41", (1, 41))
    with pytest.raises(Exception, match=r"1\.40") as caught:
        negotiate({**VERSION, "ApiVersion": "1.40"})
    assert caught.value.code == "engine-version-unsupported"


def test_its_id_stays_though_podman_makes_up_another_each_time():
    infos = [{"ID": made_up, "Name": "host", "DockerRootDir": "/var/lib/containers"} for made_up in ("one", "two")]
    first, second = (read_facts(info, VERSION) for info in infos)
    assert (first.id, first.product, first.userland_proxy) == (second.id, "podman", False)
    assert first.id not in {"one", "two"}


def test_networks_get_their_bridge_and_options_from_podmans_own_list():
    found = {network.name: network for network in networks()}
    assert found.keys() == {"lan", "bridge"}
    assert found["lan"].bridge_name == "podman1"
    assert found["lan"].options["com.docker.network.driver.mtu"] == "1400"
    assert found["bridge"].is_default_bridge


def test_a_macvlan_has_its_parent():
    native = [{"id": LAN, "driver": "macvlan", "network_interface": "eth0", "options": {"mode": "private"}}]
    (found,) = networks(native)
    assert (found.options["parent"], found.options["macvlan_mode"]) == ("eth0", "private")


def test_a_running_container_on_a_user_network():
    found = container("bridge", {"lan": endpoint(LAN, IPAddress="10.77.0.2", IPPrefixLen=24)})
    (one,) = found.endpoints
    assert (found.network_mode, one.state, one.endpoint_id, one.network_name) == ("lan", "active", None, "lan")
    assert (one.aliases, one.dns_names) == (("web",), ("box", "web", BOX[:12]))


def test_a_container_on_the_default_network_has_no_names_there():
    found = container("bridge", {"podman": endpoint(DEFAULT, GlobalIPv6Address="fd00::2")})
    (one,) = found.endpoints
    assert (found.network_mode, one.network_name, one.state, one.dns_names) == ("bridge", "bridge", "active", ())


def test_a_container_that_does_not_run_or_did_not_join():
    assert container("bridge", {"lan": endpoint(LAN)}, "exited").endpoints[0].state == "configured"
    assert container("bridge", {"lan": endpoint(LAN)}).endpoints[0].state == "configured"


@pytest.mark.parametrize(
    ("said", "state"),
    [("stopped", "exited"), ("stopping", "running"), ("initialized", "created"), ("paused", "paused")],
)
def test_states_that_docker_has_not(said, state):
    assert container("bridge", {"lan": endpoint(LAN)}, said).state == state


@pytest.mark.parametrize("mode", ["host", "none", "container:" + "d" * 64])
def test_modes_whose_networks_are_not_the_containers_own(mode):
    network = LAN if mode.startswith("container:") else mode
    found = container(mode, {"lan": endpoint(network, IPAddress="10.77.0.2")})
    assert (found.network_mode, found.endpoints) == (mode, ())


@pytest.mark.parametrize(
    "spec",
    [
        NetworkSpec("n", config_only=True),
        NetworkSpec("n", config_from="x"),
        NetworkSpec("n", driver="overlay"),
        NetworkSpec("n", scope="swarm"),
        NetworkSpec("n", ingress=True),
        NetworkSpec("n", attachable=True),
        NetworkSpec("n", ipv4_enabled=False),
        NetworkSpec("n", ipam_driver="other"),
        NetworkSpec("n", ipam_options={"a": "b"}),
        NetworkSpec("n", pools=(Pool("10.0.0.0/24", auxiliary_addresses={"a": "10.0.0.9"}),)),
        NetworkSpec("n", options={"com.docker.network.bridge.enable_icc": "false"}),
        EndpointSpec(gateway_priority=0),
        EndpointSpec(link_local_addresses=("169.254.1.1",)),
        EndpointSpec(driver_options={"a": "b"}),
        ContainerSpec("c", "image", networks={LAN: EndpointSpec(gateway_priority=1)}),
    ],
)
def test_what_podman_lacks(spec):
    with pytest.raises(NotSupported, match="Podman has no") as caught:
        require_supported(spec)
    assert caught.value.code == "engine-lacks-function"


@pytest.mark.parametrize(
    "spec",
    [
        NetworkSpec("n", options={"com.docker.network.bridge.name": "br"}, pools=(Pool("10.0.0.0/24"),)),
        EndpointSpec(aliases=("a",), ipv4_address="10.0.0.2", mac_address="02:00:00:00:00:01"),
        ContainerSpec("c", "image", networks={LAN: EndpointSpec()}),
    ],
)
def test_what_podman_has(spec):
    require_supported(spec)


def threads(proc, pid, namespaces):
    for thread, namespace in namespaces.items():
        folder = proc / str(pid) / "task" / str(thread) / "ns"
        folder.mkdir(parents=True)
        if namespace:
            (folder / "net").symlink_to(f"net:[{namespace}]")


@pytest.mark.parametrize(
    ("namespaces", "thread"),
    [
        ({10: 1, 11: 1, 12: 1}, 10),
        ({10: 9, 11: 1, 12: 1}, 11),  # the main thread stayed in a container's namespace
        ({10: 9, 11: 8, 12: 1, 13: 1}, 12),  # another one is in a container's for a moment
        ({10: 1, 11: 8, 12: 7}, None),
        ({10: 1, 11: None}, 10),
        ({10: 1}, 10),
        ({10: None}, None),
        ({}, None),
    ],
)
def test_the_host_is_where_most_threads_are(tmp_path, namespaces, thread):
    threads(tmp_path, 10, namespaces)
    assert host_thread(10, tmp_path) == thread


def test_refusals_in_podmans_words():
    table = (*PODMAN_TABLE, *TABLE)
    told = translate("create_network", "network name lan already used: network already exists", 409, table=table)
    assert (told.code, "named lan" in told.detail) == ("network-name-taken", True)
    message = "container a has dependent containers which must be removed before it: b: container already exists"
    assert (
        translate("remove_container", message, 500, table=table).detail
        == "Containers share the network of this one: b."
    )
    assert translate("connect", "strange", 500, table=table).code == "engine-answered-strangely"
