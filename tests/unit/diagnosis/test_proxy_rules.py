"""Reverse proxies that read labels, and the networks that they share with their services."""

from __future__ import annotations

import pytest

from bridgework.diagnosis.diagnosis import diagnose
from bridgework.model.checks import Severity
from bridgework.model.observations import EngineObservations
from bridgework.model.snapshot import Snapshot
from tests.support.worlds import calls_of, container, network

FRONT, BACK = network("front"), network("back", "10.2.0.0/24")
KEYED = network("shop_back", "10.3.0.0/24", labels={"com.docker.compose.network": "back-key"})
PROXY = container("proxy", (FRONT, "10.1.0.2"), image="docker.io/library/traefik:v3.1@sha256:0")
ON = {"traefik.enable": "true"}
CHOOSES = "traefik.docker.network"


def served(*networks, **labels):
    places = [(one, f"10.9.{n}.3") for n, one in enumerate(networks)]
    return container("web", *places, labels={**ON, **{key.replace("_", "."): v for key, v in labels.items()}})


def found(*containers):
    snapshot = Snapshot((FRONT, BACK, KEYED), containers)
    return [one for one in diagnose(snapshot, EngineObservations()) if one.code == "proxy-network-unshared"]


def paths(fault):
    return [call.path for call in calls_of(fault.remedy)]


def test_a_proxy_on_no_network_of_its_service_joins_one():
    (fault,) = found(PROXY, served(BACK))
    assert (fault.severity, fault.component.name, fault.evidence["proxy"]) == (Severity.BLOCKING, "web", "proxy")
    assert paths(fault) == ["/v1/networks/back/endpoints/proxy"]


def test_a_proxy_that_is_not_on_the_chosen_network_joins_it():
    (fault,) = found(PROXY, served(FRONT, BACK, traefik_docker_network="back"))
    assert fault.message == f"proxy is not on back, the network that {CHOOSES} of web names."
    assert paths(fault) == ["/v1/networks/back/endpoints/proxy"]


def test_a_service_that_is_not_on_the_network_that_it_chose():
    (joins,) = found(PROXY, served(FRONT, traefik_docker_network="back"))
    assert paths(joins) == ["/v1/networks/back/endpoints/web"]
    (meant,) = found(PROXY, served(FRONT, KEYED, traefik_docker_network="back-key"))
    assert f"{CHOOSES}=shop_back" in meant.remedy.summary
    (lost,) = found(PROXY, served(FRONT, traefik_docker_network="nowhere"))
    assert "naming one of front" in lost.remedy.summary


def test_a_proxy_that_may_choose_a_network_that_it_is_not_on_is_a_warning():
    (fault,) = found(PROXY, served(FRONT, BACK))
    assert fault.severity is Severity.WARNING
    assert f"{CHOOSES}=front" in fault.remedy.summary


@pytest.mark.parametrize("sound", [
    served(FRONT), served(FRONT, BACK, traefik_docker_network="front"), served(BACK, traefik_enable="false"),
    container("web", (BACK, "10.2.0.3")), container("web", (BACK, "10.2.0.3"), labels=ON, state="exited"),
    container("web", labels=ON, network_mode="host"),
])  # fmt: skip
def test_a_service_that_is_reached_or_not_served_is_sound(sound):
    assert found(PROXY, sound) == []


def test_without_one_proxy_that_has_networks_nothing_is_told():
    web = served(BACK)
    assert found(web) == []
    assert found(container("proxy", image="traefik", network_mode="host"), web) == []
    assert found(PROXY, container("second", (FRONT, "10.1.0.9"), image="traefik"), web) == []
    assert found(container("proxy", (FRONT, "10.1.0.2"), image="mirror/not-traefik"), web) == []


def test_caddy_needs_a_network_in_common_only():
    caddy = container("caddy", (FRONT, "10.1.0.2"), image="lucaslorentz/caddy-docker-proxy:2.9")
    labels = {"caddy": "example.org", "caddy.reverse_proxy": "{{upstreams 80}}"}
    assert len(found(caddy, container("web", (BACK, "10.2.0.3"), labels=labels))) == 1
    assert found(caddy, container("web", (BACK, "10.2.0.3"), (FRONT, "10.1.0.3"), labels=labels)) == []
