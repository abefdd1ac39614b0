"""GET /v1/diagnostics: the whole engine examined, what hurts most first, and each thing mended as it says."""

import json
import subprocess
import time

import pytest

from tests.support.api import codes, run
from tests.support.engine import in_namespace
from tests.support.raw_engine import Raw

HTTPD = ["httpd", "-f", "-p", "8080"]
OLDEST_ENGINE = 26
RANK = {"blocking": 0, "warning": 1, "info": 2}


@pytest.fixture(scope="module", autouse=True)
def _no_bridge_of_a_refused_network_is_left(engine, module_api):
    """The engine leaves the bridge of some networks that it refused to create, which other tests make it do."""
    owned = {network["bridge_name"] for network in module_api.get("/v1/networks?limit=1000")["items"]}
    for link in json.loads(in_namespace(engine, "ip", "-json", "link", "show", "type", "bridge").stdout):
        if link["ifname"] not in owned:
            in_namespace(engine, "ip", "link", "delete", link["ifname"])


@pytest.fixture
def raw(engine):
    made = Raw(engine)
    yield made
    made.sweep()


def diagnosis(api):
    return api.get("/v1/diagnostics")["items"]


def of(found, *severities):
    return [finding for finding in found if finding["severity"] in severities]


def test_an_engine_on_which_nothing_is_has_nothing_that_hurts(api):
    answer = api.get("/v1/diagnostics")
    assert of(answer["items"], "blocking", "warning") == []
    assert answer["limited"] == []


def test_a_sound_setup_has_nothing_that_hurts(api):
    api.post("/v1/networks", {"name": "front"}, status=201)
    ports = [{"container_port": 8080, "host_port": 8081}]
    run(api, "web", network_mode="front", command=HTTPD, published_ports=ports)
    run(api, "db", network_mode="front")
    run(api, "agent", network_mode="host")
    run(api, "beside", network_mode="container:db")
    run(api, "apart", network_mode="none")
    assert of(diagnosis(api), "blocking", "warning") == []


def test_the_catalogue_and_the_nodes_come_in_pages_too(api):
    whole = api.get("/v1/explanations?limit=1000")
    assert whole["next_cursor"] is None
    first = api.get("/v1/explanations?limit=2")
    rest = api.get(f"/v1/explanations?limit=1000&cursor={first['next_cursor']}")
    assert first["items"] + rest["items"] == whole["items"]
    assert api.get("/v1/nodes?limit=1")["next_cursor"] is None
    for path in ("/v1/explanations", "/v1/nodes", "/v1/diagnostics"):
        assert api.call("GET", f"{path}?cursor=none", status=422)["errors"][0]["name"] == "cursor"


def test_a_symptom_leads_to_its_causes(api):
    whole = api.get("/v1/explanations?limit=1000")["items"]
    found = api.get("/v1/explanations?symptom=name-does-not-resolve")["items"]
    assert found == [one for one in whole if "name-does-not-resolve" in one["symptoms"]]
    assert {"default-bridge-no-dns", "name-not-on-shared-network"} <= {one["code"] for one in found} < set(codes(whole))
    both = api.get("/v1/explanations?symptom=name-does-not-resolve&symptom=slow-then-hangs")["items"]
    assert {"default-bridge-no-dns", "mtu-mismatch"} <= set(codes(both))
    fault = api.call("GET", "/v1/explanations?symptom=gremlins", status=422)["errors"][0]
    assert (fault["in"], fault["name"]) == ("query", "symptom")
    assert "name-does-not-resolve" in fault["message"]


@pytest.fixture
def troubled(api, raw):
    """An engine with many things wrong at once; each by one act."""
    for name in ("front", "back", "unused"):
        api.post("/v1/networks", {"name": name}, status=201)
    api.post("/v1/networks", {"name": "vault", "internal": True}, status=201)
    api.post("/v1/networks", {"name": "lab", "ipam": {"pools": [{"subnet": "10.99.0.0/24"}]}}, status=201)
    port = {"container_port": 8080, "host_port": 8081}
    run(api, "idle", network_mode="front", published_ports=[{**port, "host_port": 8082}])
    run(api, "shy", network_mode="front", command=["httpd", "-f", "-p", "127.0.0.1:8080"],
        published_ports=[{**port, "host_ip": "127.0.0.1", "host_port": 8083}])  # fmt: skip
    run(api, "worker", network_mode="vault", published_ports=[{**port, "host_port": 8084}])
    for name in ("pg1", "pg2"):
        run(api, name, networks=[{"network": "back", "aliases": ["db"]}])
    for name in ("plain", "plain-too"):
        run(api, name)
    run(api, "frozen")
    raw.do("POST", "/containers/frozen/pause")
    run(api, "owner", network_mode="front")
    raw.make("sharer", mode="container:owner", StopSignal="SIGKILL")
    api.post("/v1/containers/owner/restart?grace_s=0")
    run(api, "late", networks=[{"network": "lab", "ipv4_address": "10.99.0.9"}])
    api.post("/v1/containers/late/stop?grace_s=0")
    run(api, "early", networks=[{"network": "lab", "ipv4_address": "10.99.0.9"}])
    run(api, "loose", network_mode="front")
    (inside,) = [i for i in api.get("/v1/containers/loose/interfaces")["items"] if i["peer"]]
    raw.in_namespace("ip", "link", "set", inside["peer"]["name"], "nomaster")


WRONG = {
    "shared-network-stale": ("blocking", "sharer"),
    "static-address-taken": ("blocking", "late"),
    "veth-detached": ("blocking", "loose"),
    "container-paused": ("warning", "frozen"),
    "internal-no-publish": ("warning", "worker"),
    "name-ambiguous": ("warning", "back"),
    "default-bridge-no-dns": ("info", "bridge"),
    "network-unused": ("info", "unused"),
}
"""Code → severity and what it is about, for those that a call mends."""


@pytest.mark.usefixtures("troubled")
def test_everything_wrong_is_found_the_worst_first_and_mended_as_it_says(api):
    found = diagnosis(api)
    assert {"no-listener", "listens-on-loopback-only", "port-bound-to-loopback", *WRONG} == set(codes(found))
    for finding in found:
        if finding["code"] in WRONG:
            assert (finding["severity"], finding["component"]["name"]) == WRONG[finding["code"]]
        assert finding["remedy"]["summary"]
        assert finding["evidence"]
        assert finding["component"]["name"] in finding["message"]
    assert found == sorted(found, key=lambda f: (RANK[f["severity"]], -f["evidence"].get("affected", 1), f["code"]))
    assert found == diagnosis(api)
    page, walked = api.get("/v1/diagnostics?limit=3"), []
    while page["next_cursor"]:
        walked += page["items"]
        page = api.get(f"/v1/diagnostics?limit=3&cursor={page['next_cursor']}")
    assert walked + page["items"] == found

    assert api.as_("viewer").get("/v1/diagnostics")["items"] == found
    (stale,) = [finding for finding in found if finding["code"] == "shared-network-stale"]
    step = stale["remedy"]["calls"][0]
    assert api.as_("viewer").call(step["method"], step["path"], step["body"], status=403)["code"] == "role-insufficient"

    for finding in found:
        if finding["remedy"]["calls"]:
            api.send_remedy(finding["remedy"])
    left = codes(diagnosis(api))
    mended = set(WRONG) - {"name-ambiguous"}  # which of the two is meant, a person has to say
    assert mended.isdisjoint(left), left
    assert api.post("/v1/containers/late/start")["state"] == "running"


def test_dead_links_and_bridges_that_are_down_are_named(api, raw):
    made = api.post("/v1/networks", {"name": "front"}, status=201)
    run(api, "web", network_mode="front")
    run(api, "db", network_mode="front")
    raw.in_namespace("ip", "link", "set", made["bridge_name"], "down")
    (found,) = [finding for finding in diagnosis(api) if finding["code"] == "link-down"]
    assert (found["severity"], found["component"]["name"]) == ("blocking", "front")
    assert found["evidence"]["affected"] == 2
    for command in found["remedy"]["commands"]:
        raw.in_namespace(*command.split())
    ends = time.monotonic() + 10
    while of(diagnosis(api), "blocking", "warning"):  # the kernel tells a link's state anew within a second
        assert time.monotonic() < ends
        time.sleep(0.1)


def test_a_program_that_listens_for_itself_alone_is_an_aside(api):
    run(api, "shy", command=["httpd", "-f", "-p", "127.0.0.1:8080"])
    (found,) = diagnosis(api)
    assert (found["code"], found["severity"]) == ("listens-on-loopback-only", "info")
    assert "tcp 8080" in found["message"]


def test_a_containers_own_name_on_a_network_that_it_left_is_gone_after_the_restart_that_the_remedy_is(api):
    api.post("/v1/networks", {"name": "lab"}, status=201)
    run(api, "moved")
    api.put("/v1/networks/lab/endpoints/moved", {})
    api.delete("/v1/networks/bridge/endpoints/moved")
    if int(api.get("/v1/engine")["version"].split(".")[0]) > OLDEST_ENGINE:  # it removes the line by itself
        assert diagnosis(api) == []
        return
    (found,) = diagnosis(api)
    assert (found["code"], found["severity"]) == ("stale-address", "warning")
    assert [call["path"] for call in found["remedy"]["calls"]] == ["/v1/containers/moved/restart"]
    api.send_remedy(found["remedy"])
    assert diagnosis(api) == []


def test_what_an_image_wrote_into_its_hosts_file_is_read(api, raw):
    run(api, "old")
    pid = raw.get("/containers/old/json")["State"]["Pid"]
    write = ["nsenter", f"--target={pid}", "--mount", "--root", "/bin/sh", "-c"]
    subprocess.run([*write, "echo 172.17.0.99 gone >> /etc/hosts"], check=True)
    (found,) = diagnosis(api)
    assert (found["code"], found["severity"]) == ("stale-address", "warning")
    assert "gone to 172.17.0.99" in found["message"]


def test_a_network_that_a_failed_start_took_away_is_told_and_given_back(api, raw):
    """Docker 29 removes it from the container, which would then start without a network and without its port."""
    port = {"ExposedPorts": {"80/tcp": {}}, "host": {"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}}
    raw.make_network("lan", "10.77.0.0/24")
    raw.make("holder", mode="lan", **port)
    raw.make("guest", start=False, mode="lan", **port)
    assert raw.send("POST", "/containers/guest/start")[0] == 500
    shown = api.get("/v1/containers/guest")
    if not shown["endpoints"]:
        found = next(one for one in shown["findings"] if one["code"] == "network-forgotten")
        assert "port is already allocated" in found["evidence"]["error"]
        assert "network-forgotten" in codes(diagnosis(api))
        api.send_remedy(found["remedy"])
        shown = api.get("/v1/containers/guest")
    assert [endpoint["network"]["name"] for endpoint in shown["endpoints"]] == ["lan"]
    assert "host-port-taken" in codes(shown["findings"])
    assert "network-forgotten" not in codes(shown["findings"])


def test_a_stopped_container_that_left_its_only_network_is_told(api, raw):
    raw.make_network("lan", "10.77.0.0/24")
    raw.make("guest", start=False, mode="lan")
    raw.disconnect("lan", "guest")
    found = next(one for one in api.get("/v1/containers/guest")["findings"] if one["code"] == "network-forgotten")
    api.send_remedy(found["remedy"])
    assert "network-forgotten" not in codes(api.get("/v1/containers/guest")["findings"])
