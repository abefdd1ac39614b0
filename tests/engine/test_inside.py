"""Looking into containers and at the host, on a real engine; each view against what the kernel itself says."""

import ipaddress
import json
import re
import subprocess

import pytest

from tests.support.api import check, run
from tests.support.engine import neighbour_limit
from tools import engine as private_engine

HTTPD = ["httpd", "-f", "-p", "8080"]
VIEWS = ("interfaces", "routes", "neighbours", "dns", "sockets")


def inside(api, name, view="interfaces"):
    return api.get(f"/v1/containers/{name}/{view}")["items"]


def by_name(items):
    return {item["name"]: item for item in items}


def host_links(api):
    return by_name(api.get("/v1/host/interfaces")["items"])


def on_the_host(engine, *command):
    """What the machine's own tools say in the engine's namespace."""
    done = subprocess.run(
        ["nsenter", f"--net={engine.namespace}", *command], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_s1_docker0_is_on_the_host(api, engine):
    docker0 = host_links(api)["docker0"]
    assert docker0["kind"] == "bridge"
    assert docker0["network"]["name"] == "bridge"
    assert docker0["orphan"] is False
    assert docker0["ports"] == []
    told = {link["ifindex"]: link["ifname"] for link in json.loads(on_the_host(engine, "ip", "-j", "link"))}
    assert {link["index"]: link["name"] for link in host_links(api).values()} == told
    routes = api.get("/v1/host/interfaces")["routes"]
    assert "docker0" in {route["interface"] for route in routes if route["destination"] == "172.17.0.0/16"}


def test_s3_two_containers_on_the_default_bridge_each_with_a_veth_that_is_a_port_of_docker0(api, engine):
    for name, port in (("tomcat81", 8081), ("tomcat82", 8082)):
        run(api, name, command=HTTPD, published_ports=[{"container_port": 8080, "host_port": port}])
    told = {link["ifname"]: link for link in json.loads(on_the_host(engine, "ip", "-j", "-d", "link"))}
    host = host_links(api)
    peers = {}
    for name in ("tomcat81", "tomcat82"):
        eth0 = by_name(inside(api, name))["eth0"]
        endpoint = api.get(f"/v1/containers/{name}")["endpoints"][0]
        assert eth0["mac_address"] == endpoint["mac_address"]
        held = {"address": endpoint["ipv4_address"], "prefix_len": 16, "family": "ipv4", "scope": "global"}
        assert {**held, "flags": []} in eth0["addresses"]
        assert eth0["mtu_bytes"] == 1500
        assert eth0["state"] == "up"
        assert eth0["network"]["name"] == "bridge"
        peer = told[eth0["peer"]["name"]]
        assert peer["ifindex"] == eth0["peer"]["index"]
        assert peer["link_index"] == eth0["index"], "the two ends name each other"
        assert peer["master"] == "docker0"
        assert eth0["bridge"] == {
            "index": told["docker0"]["ifindex"], "name": "docker0", "network": eth0["network"],
        }  # fmt: skip
        veth = host[eth0["peer"]["name"]]
        assert veth["container"]["name"] == name
        assert veth["network"]["name"] == "bridge"
        assert veth["bridge"]["name"] == "docker0"
        peers[name] = peer["ifname"]
    assert len(set(peers.values())) == 2
    assert {port["name"] for port in host["docker0"]["ports"]} == set(peers.values())


def test_a_container_in_two_networks_has_a_pair_in_each(api):
    blue = api.post("/v1/networks", {"name": "blue"}, status=201)
    run(api, "web", networks=[{"network": "bridge"}])
    api.put("/v1/networks/blue/endpoints/web", {})
    found = {view["network"]["name"]: view for view in inside(api, "web") if view["network"]}
    assert {name: view["bridge"]["name"] for name, view in found.items()} == {
        "bridge": "docker0",
        "blue": f"br-{blue['id'][:12]}",
    }
    host = host_links(api)
    for name, view in found.items():
        assert host[view["peer"]["name"]]["network"]["name"] == name


def test_s4_host_mode_shows_the_hosts_own_interfaces(api, engine):
    run(api, "bare", network_mode="host")
    told = {link["ifname"] for link in json.loads(on_the_host(engine, "ip", "-j", "link"))}
    found = by_name(inside(api, "bare"))
    assert set(found) == told
    assert "docker0" in found
    assert all(view["peer"] is None for view in found.values())


def test_s5_none_mode_has_only_a_loopback(api):
    run(api, "alone", network_mode="none")
    (lo,) = inside(api, "alone")
    assert lo["name"] == "lo"
    assert lo["peer"] is None
    assert lo["bridge"] is None
    assert inside(api, "alone", "routes") == []


def test_s7_and_s8_a_shared_network_and_how_it_is_lost(api):
    run(api, "owner")
    run(api, "sharer", network_mode="container:owner")
    names = ("index", "name", "mac_address", "addresses", "peer", "bridge", "network")
    seen = [
        {name: by_name(inside(api, container))["eth0"][name] for name in names} for container in ("owner", "sharer")
    ]
    assert seen[0] == seen[1]
    api.post("/v1/containers/owner/restart?grace_s=0")
    assert "eth0" in by_name(inside(api, "owner"))
    assert set(by_name(inside(api, "sharer"))) == {"lo"}


def test_routes_name_the_default_gateway(api):
    made = run(api, "web")
    routes = inside(api, "web", "routes")
    default = next(route for route in routes if route["destination"] == "0.0.0.0/0")
    assert default["gateway"] == made["endpoints"][0]["gateway"]
    assert default["interface"] == "eth0"
    link = next(route for route in routes if route["destination"] == "172.17.0.0/16")
    assert link["gateway"] is None
    assert link["preferred_source"] == made["endpoints"][0]["ipv4_address"]


def test_neighbours_are_those_spoken_to(api):
    run(api, "quiet")
    assert inside(api, "quiet", "neighbours") == []
    friend = run(api, "friend")
    address = friend["endpoints"][0]["ipv4_address"]
    assert check(api, "quiet", "friend")["verdict"] == "reachable"
    entry = next(entry for entry in inside(api, "quiet", "neighbours") if entry["address"] == address)
    assert entry["mac_address"] == friend["endpoints"][0]["mac_address"]
    assert entry["interface"] == "eth0"


def test_dns_lists_every_name_with_its_network(api):
    for name in ("blue", "green"):
        api.post("/v1/networks", {"name": name}, status=201)
    run(
        api,
        "reader",
        network_mode="blue",
        dns=["10.9.8.7"],
        dns_search=["example.org"],
        extra_hosts={"old": "10.1.1.1"},
    )
    db = run(api, "db", networks=[{"network": "blue", "aliases": ["storage"]}])
    run(api, "hidden", network_mode="green")
    found = api.get("/v1/containers/reader/dns")
    assert found["resolver"]["uses_embedded_dns"] is True
    assert found["resolver"]["nameservers"] == ["127.0.0.11"]
    assert found["resolver"]["upstreams"] == ["10.9.8.7"]
    assert found["resolver"]["search"] == ["example.org"]
    assert {"address": "10.1.1.1", "names": ["old"]} in found["hosts"]
    names = by_name(found["names"])
    for name in ("db", "storage", "db.blue", "storage.blue", db["id"][:12]):
        assert names[name]["addresses"] == [db["endpoints"][0]["ipv4_address"]]
        assert names[name]["network"]["name"] == "blue"
        assert names[name]["containers"] == [{"id": db["id"], "name": "db"}]
    assert names["old"]["addresses"] == ["10.1.1.1"]
    assert names["old"]["network"] is None
    assert "hidden" not in names
    for name in ("storage", "storage.blue", "db"):
        answer = check(api, "reader", {"name": name})
        assert answer["measured"]["address"] == names[name]["addresses"][0], "the wire says the same"


def test_the_default_bridge_has_no_names_of_others(api):
    run(api, "web")
    run(api, "other")
    found = api.get("/v1/containers/web/dns")
    assert found["resolver"]["uses_embedded_dns"] is False
    assert "other" not in by_name(found["names"])
    assert by_name(found["names"])["localhost"]["network"] is None


def test_sockets_of_a_web_server(api):
    run(api, "web", command=HTTPD)
    (sock,) = [sock for sock in inside(api, "web", "sockets") if sock["port"] == 8080]
    assert (sock["protocol"], sock["family"], sock["address"]) == ("tcp", "ipv6", "::")
    assert sock["process"] == "httpd"
    assert sock["pid"] > 0
    run(api, "shy", command=["httpd", "-f", "-p", "127.0.0.1:9090"])
    (sock,) = inside(api, "shy", "sockets")
    assert (sock["address"], sock["port"]) == ("127.0.0.1", 9090)


def test_ports_say_whether_anything_listens(api):
    published = [{"container_port": port, "host_port": port + 10000} for port in (8080, 8443)]
    run(api, "web", command=HTTPD, published_ports=published)
    run(api, "sharer", network_mode="container:web")
    found = {port["container_port"]: port for port in inside(api, "web", "ports")}
    assert {number: port["listening"] for number, port in found.items()} == {8080: True, 8443: False}
    assert {binding["host_port"] for binding in found[8080]["published"]} == {18080}
    assert found[8080]["listeners"][0]["process"] == "httpd"
    assert found[8443]["listeners"] == []
    assert found[8080]["exposed"] is True
    assert inside(api, "sharer", "ports") == inside(api, "web", "ports")
    api.post("/v1/containers/web/stop?grace_s=0")
    (stopped, _) = inside(api, "web", "ports")
    assert stopped["published"] == []
    assert stopped["configured"][0]["host_port"] == 18080
    assert stopped["listening"] is None


@pytest.mark.parametrize("view", VIEWS)
def test_a_stopped_container_has_nothing_to_look_into(api, view):
    api.post("/v1/containers", {"name": "web", "image": "busybox", "command": HTTPD, "start": False}, status=201)
    problem = api.call("GET", f"/v1/containers/web/{view}", status=409)
    assert problem["code"] == "container-not-running"
    api.send_remedy(problem["remedy"])
    assert api.get(f"/v1/containers/web/{view}")


def test_an_unknown_container_is_not_found(api):
    for view in (*VIEWS, "ports"):
        assert api.call("GET", f"/v1/containers/nobody/{view}", status=404)["code"] == "container-not-found"


def orphans(links):
    return {name for name, link in links.items() if link["orphan"]}


def test_an_orphan_bridge_is_marked(api, engine):
    before = orphans(host_links(api))  # a refused create may have left the engine one of its own
    on_the_host(engine, "ip", "link", "add", "br-deadbeef0000", "type", "bridge")
    on_the_host(engine, "ip", "link", "add", "br-lan", "type", "bridge")
    try:
        links = host_links(api)
        assert orphans(links) - before == {"br-deadbeef0000"}
        assert links["br-deadbeef0000"]["network"] is None
    finally:
        for name in ("br-deadbeef0000", "br-lan"):
            on_the_host(engine, "ip", "link", "delete", name)
    blue = api.post("/v1/networks", {"name": "blue"}, status=201)
    link = host_links(api)[f"br-{blue['id'][:12]}"]
    assert link["orphan"] is False
    assert link["network"] == {"id": blue["id"], "name": "blue"}


def test_pages_and_etags(api):
    run(api, "web")
    first = api.get("/v1/containers/web/interfaces?limit=1")
    second = api.get(f"/v1/containers/web/interfaces?limit=1&cursor={first['next_cursor']}")
    assert [item["name"] for item in first["items"] + second["items"]] == ["lo", "eth0"]
    assert second["next_cursor"] is None
    etag = api.send("GET", "/v1/containers/web/ports").headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]+"', etag)
    # Not the routes: a container's IPv6 ones still come and go in its first seconds.
    assert api.send("GET", "/v1/containers/web/ports", headers={"If-None-Match": etag}).status_code == 304


def test_a_place_out_of_reach_is_a_conflict_that_says_what_is_missing(app, api, monkeypatch):
    run(api, "web")
    runner = app.config["SERVICES"].runner
    monkeypatch.setattr(type(runner), "observe", lambda *_: None)
    for path in ("/v1/containers/web/interfaces", "/v1/host/interfaces"):
        problem = api.call("GET", path, status=409)
        assert problem["code"] == "namespace-out-of-reach"
        assert "missing" in problem["facts"]
    assert {port["listening"] for port in inside(api, "web", "ports")} <= {None}


def test_the_engine_says_what_it_is_how_checks_run_and_what_bounds_a_matrix(api, engine):
    found = api.get("/v1/engine")
    status, body = private_engine.ask(engine.socket, "GET", "/version")
    assert status == 200
    assert (found["version"], found["api_version"]) == tuple(
        json.loads(body)[name] for name in ("Version", "ApiVersion")
    )
    assert {"bridge", "host", "null", "macvlan"} <= set(found["network_drivers"])
    assert {"base": "172.17.0.0/16", "prefix_len": 16} in found["default_address_pools"]
    made = api.post("/v1/networks", {"name": "from-a-pool"}, status=201)["ipam"]["pools"][0]["subnet"]
    pools = [ipaddress.ip_network(pool["base"]) for pool in found["default_address_pools"]]
    assert any(ipaddress.ip_network(made).subnet_of(pool) for pool in pools)
    runner = found["probe_runner"]
    assert (runner["kind"], runner["missing"]) == ("namespace", [])
    assert runner["reason"] == "the network namespaces of containers can be entered from here"
    assert found["neighbour_limit"] == neighbour_limit()
    assert 0 <= found["neighbours_in_use"] <= found["neighbour_limit"]


def test_an_engine_out_of_sight_has_no_limits_that_are_known(app, api, monkeypatch):
    runner = app.config["SERVICES"].runner
    monkeypatch.setattr(type(runner), "observe", lambda *_: None)
    found = api.get("/v1/engine")
    assert (found["neighbour_limit"], found["neighbours_in_use"]) == (None, None)
