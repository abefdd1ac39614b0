"""Connect and disconnect over HTTP on a real engine: idempotent, verified, with every conflict named."""

import pytest

from tests.support.api import codes, container, run
from tests.support.engine_versions import DOCKER_28, DOCKER_29, DOCKER_29_3
from tests.support.raw_engine import Raw


@pytest.fixture
def raw(engine):
    return Raw(engine)


@pytest.fixture
def lan(api):
    body = {
        "name": "lan",
        "ipv6_enabled": True,
        "ipam": {"pools": [{"subnet": "10.77.0.0/24"}, {"subnet": "fd00:77::/64"}]},
    }
    return api.post("/v1/networks", body, status=201)


def path(who, network="lan"):
    return f"/v1/networks/{network}/endpoints/{who}"


@pytest.mark.usefixtures("lan")
def test_connect_says_everything_about_the_endpoint(api, raw):
    run(api, "guest")
    body = {
        "aliases": ["web", "www"],
        "ipv4_address": "10.77.0.7",
        "ipv6_address": "fd00:77::7",
        "driver_options": {"x": "y"},
        "link_local_addresses": ["169.254.7.7"],
    }
    made = api.put(path("guest"), body)
    assert made["findings"] == []
    assert (made["state"], made["ipv4_address"], made["ipv4_prefix_len"]) == ("active", "10.77.0.7", 24)
    assert (made["ipv6_address"], made["ipv6_prefix_len"]) == ("fd00:77::7", 64)
    assert (made["configured_ipv4_address"], made["configured_ipv6_address"]) == ("10.77.0.7", "fd00:77::7")
    assert (made["gateway"], made["aliases"]) == ("10.77.0.1", ["web", "www"])
    assert {"guest", "web", "www"} <= set(made["dns_names"])
    assert made["driver_options"] == {"x": "y"}
    seen = raw.get("/containers/guest/json")["NetworkSettings"]["Networks"]["lan"]
    assert (seen["EndpointID"], seen["MacAddress"]) == (made["endpoint_id"], made["mac_address"])
    assert seen["IPAMConfig"]["LinkLocalIPs"] == ["169.254.7.7"]
    again = api.put(path("guest"), body, status=200)
    assert again == made
    assert api.put(path("guest"), {}, status=200) == made


@pytest.mark.parametrize(
    "other",
    [
        {"aliases": ["db"]},
        {"ipv4_address": "10.77.0.8"},
        {"ipv6_address": "fd00:77::8"},
        {"driver_options": {"x": "z"}},
        {"link_local_addresses": ["169.254.7.8"]},
    ],
)
@pytest.mark.usefixtures("lan")
def test_other_settings_than_those_in_force(api, other):
    run(api, "guest")
    api.put(path("guest"), {"aliases": ["web"], "ipv4_address": "10.77.0.7"})
    problem = api.put(path("guest"), other, status=409)
    assert problem["code"] == "endpoint-differs"
    assert list(problem["facts"]["present"]) == list(other)
    api.send_remedy(problem["remedy"])
    now = api.get(path("guest"))
    for field, value in other.items():
        assert now[field] == value


@pytest.mark.usefixtures("lan")
def test_a_mac_address_that_the_engine_ignores_is_reported_each_time(api, api_version):
    run(api, "guest")
    wanted = "02:42:0a:4d:00:99"
    for status in (201, 200):
        made = api.put(path("guest"), {"mac_address": wanted}, status=status)
        if api_version >= DOCKER_29_3:  # since then a connect gives the address
            assert (made["mac_address"], made["findings"]) == (wanted, [])
            continue
        assert codes(made["findings"]) == ["mac-address-ignored"]
        assert made["findings"][0]["evidence"] == {"asked": wanted, "given": made["mac_address"]}
    free = "02:42:0a:4d:00:98"
    created = run(api, "made", networks=[{"network": "lan", "mac_address": free}])
    assert created["endpoints"][0]["mac_address"] == free


@pytest.mark.usefixtures("lan")
def test_a_stopped_container_is_connected_too(api, raw):
    api.post("/v1/containers", container("guest", start=False), status=201)
    body = {"aliases": ["web"], "ipv4_address": "10.77.0.7"}
    made = api.put(path("guest"), body)
    assert (made["state"], made["ipv4_address"], made["configured_ipv4_address"]) == ("configured", None, "10.77.0.7")
    assert api.put(path("guest"), body, status=200)["state"] == "configured"
    listed = api.get("/v1/networks/lan/endpoints")["items"]
    assert [(endpoint["container"]["name"], endpoint["state"]) for endpoint in listed] == [("guest", "configured")]
    assert api.put(path("guest"), {"aliases": ["db"]}, status=409)["code"] == "endpoint-differs"
    api.post("/v1/containers/guest/start")
    assert api.get(path("guest"))["ipv4_address"] == "10.77.0.7"
    api.post("/v1/containers/guest/stop?grace_s=0")
    assert api.get(path("guest"))["state"] == "configured"
    api.delete(path("guest"))
    assert "lan" not in raw.get("/containers/guest/json")["NetworkSettings"]["Networks"]
    assert api.call("GET", path("guest"), status=404)["code"] == "endpoint-not-found"


@pytest.mark.usefixtures("lan")
def test_a_paused_container_is_connected_too(api, raw):
    run(api, "guest")
    raw.do("POST", "/containers/guest/pause")
    assert api.put(path("guest"), {})["state"] == "active"
    api.delete(path("guest"))
    assert api.post("/v1/containers/guest/start")["state"] == "running"


@pytest.mark.usefixtures("lan")
def test_an_address_taken_names_its_holder(api, raw):
    run(api, "guest")
    holder = run(api, "holder", networks=[{"network": "lan", "ipv4_address": "10.77.0.7"}])
    for address, kind, name in (("10.77.0.7", "container", "holder"), ("10.77.0.1", "gateway", "gateway")):
        problem = api.put(path("guest"), {"ipv4_address": address}, status=409)
        assert problem["code"] == "static-address-taken"
        assert (problem["facts"]["holder"]["kind"], problem["facts"]["holder"]["name"]) == (kind, name)
        assert name in problem["detail"]
    assert problem["facts"]["holder"]["id"] is None
    assert holder["id"] in api.get("/v1/networks/lan/addresses")["pools"][0]["holders"][1]["container_id"]
    assert "lan" not in raw.get("/containers/guest/json")["NetworkSettings"]["Networks"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ipv4_address": "10.78.0.1"}, "/ipv4_address"),
        ({"ipv4_address": "10.77.0.0"}, "/ipv4_address"),
        ({"ipv4_address": "10.77.0.255"}, "/ipv4_address"),
        ({"ipv6_address": "fd00:78::1"}, "/ipv6_address"),
        ({"ipv6_address": "fd00:77::"}, "/ipv6_address"),
        ({"ipv4_address": "fd00::1"}, "/ipv4_address"),
        ({"mac_address": "nonsense"}, "/mac_address"),
        ({"link_local_addresses": ["169.254.1.1", "10.1.2.3"]}, "/link_local_addresses/1"),
        ({"link_local_addresses": ["8.8.8.8"]}, "/link_local_addresses/0"),
        ({"link_local_addresses": ["fd00::5"]}, "/link_local_addresses/0"),
        ({"link_local_addresses": ["127.0.0.1"]}, "/link_local_addresses/0"),
        ({"link_local_addresses": ["0.0.0.0"]}, "/link_local_addresses/0"),
        ({"aliases": ["two words"]}, "/aliases/0"),
        ({"nonsense": 1}, "/nonsense"),
    ],
)
@pytest.mark.usefixtures("lan")
def test_what_no_endpoint_can_be(api, body, pointer):
    run(api, "guest", start=False)
    problem = api.put(path("guest"), body, status=422)
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


@pytest.mark.usefixtures("lan")
def test_a_gateway_priority_needs_docker_28(api, api_version):
    run(api, "guest")
    body = container("other", networks=[{"network": "bridge"}, {"network": "lan", "gateway_priority": 1}])
    if api_version >= DOCKER_28:
        assert api.put(path("guest"), {"gateway_priority": 1})["gateway_priority"] == 1
        api.post("/v1/containers", body, status=201)
        for who in ("guest", "other"):
            routes = api.get(f"/v1/containers/{who}/routes")["items"]
            assert "10.77.0.1" in [route["gateway"] for route in routes if route["destination"] == "0.0.0.0/0"]
        return
    for problem, pointer in (
        (api.put(path("guest"), {"gateway_priority": 1}, status=422), "/gateway_priority"),
        (api.post("/v1/containers", body, status=422), "/networks/1/gateway_priority"),
    ):
        assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
        assert "Docker 28" in problem["detail"]


@pytest.mark.usefixtures("lan")
def test_the_default_route_beside_a_priority_is_foreseen(api, api_version):
    """Docker 28 prefers the network of both families to a higher priority, and later versions do not."""
    if api_version < DOCKER_28:
        return  # it has no priority
    api.post("/v1/networks", {"name": "four"}, status=201)
    places = [{"network": "lan"}, {"network": "four", "gateway_priority": 1}]
    api.post("/v1/containers", container("guest", networks=places), status=201)
    routes = api.get("/v1/containers/guest/routes")["items"]
    leaves = next(route["gateway"] for route in routes if route["destination"] == "0.0.0.0/0")
    host = {"source": {"container": "guest"}, "destination": {"host": True}, "protocol": "icmp", "ip_version": "4"}
    path = api.post("/v1/connectivity/checks", host, status=200)["predicted"]["path"]
    assert [hop["name"] for hop in path if hop["kind"] == "routing"] == [leaves]


@pytest.mark.usefixtures("lan")
def test_link_local_addresses_of_either_family(api):
    api.post("/v1/networks", {"name": "four"}, status=201)
    run(api, "guest")
    asked = ["169.254.9.9", "fe80::9"]
    problem = api.put(path("guest", "four"), {"link_local_addresses": asked}, status=422)
    assert [fault["pointer"] for fault in problem["errors"]] == ["/link_local_addresses/1"]
    networks = [{"network": "four", "link_local_addresses": ["10.1.2.3"]}]
    problem = api.post("/v1/containers", container("other", networks=networks), status=422)
    assert [fault["pointer"] for fault in problem["errors"]] == ["/networks/0/link_local_addresses/0"]
    assert api.put(path("guest"), {"link_local_addresses": asked})["link_local_addresses"] == asked


@pytest.mark.usefixtures("lan")
def test_a_mac_address_that_another_has_in_the_network_is_refused(api):
    """Given twice, the bridge sends what is meant for the one to the other."""
    taken = "02:42:0A:4D:00:09"
    holder = run(api, "holder", networks=[{"network": "lan", "mac_address": taken}])
    run(api, "guest")
    wanted = {"mac_address": taken.lower()}
    for query in ("", "?dry_run=true"):
        body = container("other", networks=[{"network": "lan", **wanted}])
        for problem in (
            api.put(path("guest") + query, wanted, status=409),
            api.post(f"/v1/containers{query}", body, status=409),
            api.post(f"/v1/containers{query}", {**body, "start": False}, status=409),
        ):
            assert problem["code"] == "mac-address-taken"
            assert problem["facts"]["holder"] == {"name": "holder", "kind": "container", "id": holder["id"]}
            assert "holder" in problem["detail"]
    api.post("/v1/networks", {"name": "else"}, status=201)
    run(api, "other", networks=[{"network": "else", **wanted}])


def test_the_default_bridge_takes_no_aliases_and_no_addresses(api):
    run(api, "guest", network_mode="none")
    api.delete(path("guest", "none"))
    problem = api.put(path("guest", "bridge"), {"aliases": ["a"], "ipv4_address": "172.17.0.9"}, status=422)
    assert [fault["pointer"] for fault in problem["errors"]] == ["/aliases", "/ipv4_address"]
    assert api.put(path("guest", "bridge"), {})["network"]["name"] == "bridge"


def test_a_subnet_that_the_engine_chose_takes_no_fixed_address_before_29(api, api_version):
    api.post("/v1/networks", {"name": "auto"}, status=201)
    run(api, "guest")
    run(api, "other", network_mode="auto")
    pool = api.get("/v1/networks/auto/addresses")["pools"][0]
    wanted = {"ipv4_address": pool["next_free"]}
    if api_version >= DOCKER_29:
        assert api.put(path("guest", "auto"), wanted)["ipv4_address"] == pool["next_free"]
        return
    problem = api.put(path("guest", "auto"), wanted, status=422)
    assert problem["code"] == "fixed-address-not-supported"
    assert "auto" not in [endpoint["network"]["name"] for endpoint in api.get("/v1/containers/guest")["endpoints"]]


@pytest.mark.usefixtures("lan")
def test_what_a_refused_connect_leaves_behind_is_said_and_mended(api, raw):
    """The engine keeps the settings of a connect that it refused, and writes no event; that must not go unseen."""
    run(api, "guest")
    refused = {"Container": "guest", "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.77.0.1"}}}
    assert raw.send("POST", "/networks/lan/connect", refused)[0] == 403
    raw.do("POST", "/containers/guest/update", {})  # what the service itself does, so that every worker sees it
    assert api.get(path("guest"))["state"] == "configured"
    problem = api.delete(path("guest"), status=409)
    assert problem["code"] == "endpoint-half-made"
    assert api.put(path("guest"), {"aliases": ["a"]})["state"] == "active"
    api.delete(path("guest"))
    assert raw.send("POST", "/networks/lan/connect", refused)[0] == 403
    raw.do("POST", "/containers/guest/update", {})
    problem = api.delete(path("guest"), status=409)
    problem["remedy"]["calls"][0]["path"] += "?grace_s=0"
    api.send_remedy(problem["remedy"])
    assert api.get("/v1/containers/guest")["state"] == "running"
    assert "lan" not in raw.get("/containers/guest/json")["NetworkSettings"]["Networks"]


@pytest.mark.usefixtures("lan")
def test_a_connect_that_loses_a_race_says_what_it_left_behind(api, monkeypatch):
    """As when somebody takes the address between our look and the engine's."""
    run(api, "guest")
    run(api, "holder", networks=[{"network": "lan", "ipv4_address": "10.77.0.7"}])
    monkeypatch.setattr("bridgework.use_cases.endpoints.require_possible", lambda *_: None)
    problem = api.put(path("guest"), {"ipv4_address": "10.77.0.7"}, status=409)
    assert (problem["code"], problem["facts"]["holder"]["name"]) == ("static-address-taken", "holder")
    assert problem["facts"]["left_behind"] == {"endpoint_of": "guest"}
    assert api.get(path("guest"))["state"] == "configured"


def test_a_full_network_is_refused_before_the_engine_hears_of_it(api, raw):
    api.post("/v1/networks", {"name": "tiny", "ipam": {"pools": [{"subnet": "10.83.0.0/30"}]}}, status=201)
    run(api, "first", network_mode="tiny")
    run(api, "second")
    problem = api.put(path("second", "tiny"), {}, status=409)
    assert (problem["code"], problem["facts"]["subnet"]) == ("pool-exhausted", "10.83.0.0/30")
    assert "tiny" not in raw.get("/containers/second/json")["NetworkSettings"]["Networks"]
    problem = api.post("/v1/containers", container("third", network_mode="tiny"), status=409)
    assert problem["code"] == "pool-exhausted"
    api.call("GET", "/v1/containers/third", status=404)


@pytest.mark.usefixtures("lan")
def test_modes_that_have_no_endpoints(api):
    run(api, "in-host", network_mode="host")
    owner = run(api, "owner")
    run(api, "sharer", network_mode="container:owner")
    assert api.put(path("in-host"), {}, status=409)["code"] == "network-mode-conflict"
    problem = api.put(path("sharer"), {"aliases": ["a"]}, status=409)
    assert problem["code"] == "network-shared"
    api.send_remedy(problem["remedy"])
    assert api.get(path("owner"))["aliases"] == ["a"]
    for mode in ("host", "none"):
        assert api.put(path("owner", mode), {}, status=409)["code"] == "network-mode-conflict"
    assert api.delete(path("in-host", "host"), status=409)["code"] == "network-mode-conflict"
    assert owner["endpoints"][0]["network"]["name"] == "bridge"


@pytest.mark.usefixtures("lan")
def test_out_of_none_by_the_calls_that_are_given(api):
    run(api, "alone", network_mode="none")
    problem = api.put(path("alone"), {"aliases": ["a"]}, status=409)
    assert problem["code"] == "network-mode-conflict"
    api.send_remedy(problem["remedy"])
    assert api.get(path("alone"))["aliases"] == ["a"]


def test_a_configuration_is_no_network(api):
    api.post("/v1/networks", {"name": "settings", "config_only": True}, status=201)
    run(api, "guest")
    assert api.put(path("guest", "settings"), {}, status=409)["code"] == "network-config-only"


@pytest.mark.usefixtures("lan")
def test_disconnect_twice_and_of_what_is_not_there(api):
    run(api, "guest", networks=[{"network": "lan"}])
    api.delete(path("guest"))
    api.delete(path("guest"))
    api.delete(path("guest") + "?force=true")
    assert api.delete(path("nobody"), status=404)["code"] == "container-not-found"
    assert api.delete(path("guest", "nothing"), status=404)["code"] == "network-not-found"
    assert api.delete(path("nobody") + "?force=true", status=404)["code"] == "container-not-found"


def test_a_network_that_is_gone_is_forgotten_by_the_calls_of_the_finding(api, raw):
    network = raw.make_network("old")
    run(api, "guest", network_mode="old")
    api.post("/v1/containers/guest/stop?grace_s=0")
    raw.do("DELETE", f"/networks/{network}")
    problem = api.post("/v1/containers/guest/start", status=409)
    assert (problem["code"], problem["facts"]["networks"]) == ("network-gone", [{"id": network, "name": "old"}])
    raw.make_network("old")  # a new one of the same name is not the one that was meant
    assert api.post("/v1/containers/guest/start", status=409)["code"] == "network-gone"
    api.delete(f"/v1/networks/{network}/endpoints/guest?dry_run=true")
    api.send_remedy(problem["remedy"])
    assert api.get("/v1/containers/guest")["state"] == "running"


@pytest.mark.usefixtures("lan")
def test_rehearsals_change_nothing(api, raw):
    run(api, "guest")
    before = raw.containers()
    put = api.put(path("guest") + "?dry_run=true", {"aliases": ["a"]})
    assert (put["network"]["name"], put["aliases"], put["endpoint_id"]) == ("lan", ["a"], None)
    api.delete(path("guest") + "?dry_run=true")
    assert raw.containers() == before
    api.put(path("guest"), {})
    assert api.put(path("guest") + "?dry_run=true", {}, status=200)["endpoint_id"]
    api.delete(path("guest") + "?dry_run=true")
    assert api.get(path("guest"))["state"] == "active"


@pytest.mark.usefixtures("lan")
def test_a_container_with_a_default_route_of_its_own_is_connected_after_a_restart(api, raw):
    api.post("/v1/networks", {"name": "sealed", "internal": True}, status=201)
    run(api, "guest", network_mode="sealed")
    pid = raw.get("/containers/guest/json")["State"]["Pid"]
    raw.in_namespace("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "route", "add", "default", "dev", "eth0")
    refused = api.call("PUT", path("guest"), {}, status=409)
    assert refused["code"] == "default-route-taken"
    assert "restart the container" in refused["remedy"]["summary"]
    api.post("/v1/containers/guest/restart?grace_s=0")
    # Docker 26 and 28 keep what the failed connect asked for, and join the network at the restart.
    assert api.send("PUT", path("guest"), {}).status_code in {200, 201}
    assert api.get(path("guest"))["state"] == "active"


@pytest.mark.usefixtures("lan")
def test_a_condition_on_the_endpoint(api):
    run(api, "guest", networks=[{"network": "lan"}])
    tag = api.send("GET", path("guest")).headers["ETag"]
    assert api.delete(path("guest"), status=412, headers={"If-Match": '"old"'})["code"] == "precondition-failed"
    api.delete(path("guest"), headers={"If-Match": tag})


@pytest.mark.usefixtures("lan")
def test_pages_of_endpoints(api):
    for name in ("c1", "c2", "c3"):
        api.post("/v1/containers", container(name, start=False, networks=[{"network": "lan"}]), status=201)
    first = api.get("/v1/networks/lan/endpoints?limit=2")
    rest = api.get(f"/v1/networks/lan/endpoints?limit=2&cursor={first['next_cursor']}")
    names = [endpoint["container"]["name"] for endpoint in (*first["items"], *rest["items"])]
    assert (names, rest["next_cursor"]) == (["c1", "c2", "c3"], None)
