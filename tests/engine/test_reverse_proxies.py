"""A reverse proxy that shares no network with its service, on a real engine; the proxy is a busybox by its name."""

import pytest

from tests.support.api import check, run
from tests.support.proves import proves, remedied
from tests.support.raw_engine import Raw
from tests.support.remedies import follow

pytestmark = pytest.mark.wide


@pytest.fixture
def proxy(api, engine):
    raw = Raw(engine)
    raw.do("POST", "/images/busybox/tag?repo=traefik&tag=v3")
    for name in ("front", "back"):
        api.post("/v1/networks", {"name": name}, status=201)
    raw.make("proxy", mode="front", Image="traefik:v3")
    yield raw
    raw.remove("proxy")
    raw.do("DELETE", "/images/traefik:v3")


def found(api):
    return [one for one in api.get("/v1/diagnostics")["items"] if one["code"] == "proxy-network-unshared"]


@proves("proxy-network-unshared")
@pytest.mark.parametrize(
    "labels", [{"traefik.enable": "true"}, {"traefik.docker.network": "back", "traefik.enable": ""}]
)
@remedied("proxy-network-unshared")
def test_a_proxy_that_cannot_reach_its_service_joins_the_network_of_the_service(api, proxy, labels):
    run(api, "web", network_mode="back", command=["httpd", "-f", "-p", "8080"], labels=labels)
    web = {"container": "web"}
    assert check(api, "proxy", web, protocol="tcp", port=8080, timeout_ms=300)["verdict"] == "unreachable"
    (fault,) = found(api)
    assert (fault["severity"], fault["component"]["name"], fault["evidence"]["proxy"]) == ("blocking", "web", "proxy")
    follow(api, proxy, fault, between=("proxy", "web"), port=8080)
    assert found(api) == []
    assert check(api, "proxy", web, protocol="tcp", port=8080)["verdict"] == "reachable"
