"""The seed's story (a tutorial on Docker networks), told over HTTP on a real engine."""

from tests.support.api import check, codes, run

HTTPD = ["httpd", "-f", "-p", "8080"]


def test_s1_a_fresh_engine_has_bridge_host_and_none(api):
    networks = {network["name"]: network for network in api.get("/v1/networks")["items"]}
    assert set(networks) == {"bridge", "host", "none"}
    assert all(network["builtin"] for network in networks.values())
    assert networks["bridge"]["bridge_name"] == "docker0"
    assert networks["host"]["bridge_name"] is None


def test_s2_create_connect_inspect_disconnect_remove(api):
    run(api, "tomcat81")
    made = api.post("/v1/networks", {"name": "simon_network"}, status=201)
    endpoint = api.put("/v1/networks/simon_network/endpoints/tomcat81", {"aliases": ["web"]})
    assert endpoint["state"] == "active"
    assert "web" in endpoint["dns_names"]
    assert api.get(f"/v1/networks/{made['id'][:12]}")["endpoint_count"] == 1
    problem = api.delete("/v1/networks/simon_network", status=409)
    assert problem["code"] == "network-in-use"
    assert "tomcat81" in problem["detail"]
    api.delete("/v1/networks/simon_network/endpoints/tomcat81")
    api.delete("/v1/networks/simon_network")
    assert api.call("GET", "/v1/networks/simon_network", status=404)["code"] == "network-not-found"


def test_s5_a_container_in_none_mode_has_only_a_loopback(api):
    run(api, "alone", network_mode="none")
    run(api, "other")
    answer = check(api, "alone", "other")
    assert answer["verdict"] == "unreachable"
    assert answer["predicted"]["verdict"] == "unreachable"
    assert "network-mode-none" in codes(answer["findings"])
    assert check(api, "alone", {"address": "127.0.0.1"})["verdict"] == "reachable"


def test_s6_a_name_already_taken_names_its_holder(api):
    first = run(api, "tomcat81")
    problem = api.post("/v1/containers", {"name": "tomcat81", "image": "busybox"}, status=409)
    assert problem["code"] == "container-name-taken"
    assert problem["facts"]["container"]["id"] == first["id"]


def test_s7_container_mode_shares_one_network(api):
    owner = run(api, "owner")
    sharer = run(api, "sharer", network_mode="container:owner")
    assert sharer["shares_network_with"] == {"id": owner["id"], "name": "owner"}
    assert check(api, "sharer", "owner")["verdict"] == "reachable"


def test_s8_the_sharer_of_a_stopped_owner_stays_cut_off_until_it_is_restarted(api):
    run(api, "owner")
    run(api, "sharer", network_mode="container:owner")
    run(api, "friend")
    assert check(api, "sharer", "friend")["verdict"] == "reachable"
    api.post("/v1/containers/owner/stop?grace_s=0")
    api.post("/v1/containers/owner/start")
    answer = check(api, "sharer", "friend")
    assert answer["verdict"] == "unreachable"
    assert answer["predicted"]["verdict"] == "unreachable"
    stale = next(finding for finding in answer["findings"] if finding["code"] == "shared-network-stale")
    api.send_remedy(stale["remedy"])
    assert check(api, "sharer", "friend")["verdict"] == "reachable"


def test_s9_on_the_default_bridge_the_address_answers_and_the_name_does_not(api):
    run(api, "tomcat81", command=HTTPD, published_ports=[{"container_port": 8080, "host_port": 8081}])
    second = run(api, "tomcat82", command=HTTPD, published_ports=[{"container_port": 8080, "host_port": 8082}])
    address = second["endpoints"][0]["ipv4_address"]

    by_container = check(api, "tomcat81", "tomcat82")
    assert by_container["verdict"] == "reachable"
    assert by_container["measured"]["address"] == address
    hops = [hop["kind"] for hop in by_container["predicted"]["path"]]
    assert hops == ["interface", "veth", "bridge", "veth", "interface"]
    assert by_container["predicted"]["path"][2]["name"] == "docker0"
    assert check(api, "tomcat81", {"address": address})["verdict"] == "reachable"

    by_name = check(api, "tomcat81", {"name": "tomcat82"})
    assert by_name["verdict"] == "unreachable"
    assert by_name["predicted"]["verdict"] == "unreachable"
    # The engine of the tests has no way out, so the upstream server that the default bridge asks cannot answer at all.
    assert by_name["measured"]["reason"] in {"name-unknown", "resolver-failed"}
    why = next(finding for finding in by_name["findings"] if finding["code"] == "default-bridge-no-dns")
    assert why["severity"] == "blocking"

    api.send_remedy(why["remedy"])
    mended = check(api, "tomcat81", {"name": "tomcat82"})
    assert mended["verdict"] == "reachable"
    assert mended["predicted"]["verdict"] == "reachable"


def test_a_published_port_is_followed_from_the_host_to_its_listener(api):
    run(api, "tomcat81", command=HTTPD, published_ports=[{"container_port": 8080, "host_port": 8081}])
    answer = check(api, "host", {"host": True}, protocol="tcp", port=8081)
    assert answer["verdict"] == answer["predicted"]["verdict"] == "reachable"
    assert "analysis-limited" not in codes(answer["findings"])
    hops = [hop["kind"] for hop in answer["predicted"]["path"]]
    assert "published-port" in hops
    assert hops[-3:] == ["veth", "interface", "port"]


def test_s11_on_a_network_of_their_own_names_work_both_ways(api):
    api.post("/v1/networks", {"name": "simon_network"}, status=201)
    run(api, "tomcat81", network_mode="simon_network")
    second = run(api, "tomcat82", network_mode="simon_network")
    answer = check(api, "tomcat81", {"name": "tomcat82"})
    assert answer["verdict"] == "reachable"
    assert answer["measured"]["address"] == second["endpoints"][0]["ipv4_address"]
    assert answer["measured"]["reverse_name"] == "tomcat82.simon_network"
    assert check(api, "tomcat82", {"name": "tomcat81"})["verdict"] == "reachable"
