"""Containers over HTTP on a real engine: modes and fields, idempotent verbs, conflicts by name, nothing half done."""

import pytest

from tests.support.api import codes, container, run
from tests.support.raw_engine import Raw

HTTPD = ["httpd", "-f", "-p", "8080"]


@pytest.fixture
def raw(engine):
    return Raw(engine)


@pytest.fixture
def lan(api):
    return api.post("/v1/networks", {"name": "lan", "ipam": {"pools": [{"subnet": "10.77.0.0/24"}]}}, status=201)


def create(api, name, status=201, **fields):
    return api.post("/v1/containers", container(name, **fields), status=status)


def pointers(problem):
    return [fault.get("pointer", fault.get("name")) for fault in problem["errors"]]


def test_every_field_reaches_the_engine(api, raw, lan):
    made = run(
        api, "whole", network_mode="lan", environment={"A": "1"}, labels={"team": "edge"}, hostname="inner",
        networks=[{"network": "lan", "aliases": ["web"], "ipv4_address": "10.77.0.7"}, {"network": "bridge"}],
        published_ports=[
            {"container_port": 8080, "host_port": 18080, "host_ip": "127.0.0.1"},
            {"container_port": 53, "protocol": "udp"},
            {"container_port": 9000, "host_port": 19000, "count": 3},
        ],
        dns=["10.77.0.53"], dns_search=["example.test"], dns_options=["ndots:2"],
        extra_hosts={"db": "10.77.0.99", "host": "host-gateway"}, sysctls={"net.ipv4.ip_forward": "1"},
        restart_policy="on-failure",
    )  # fmt: skip
    assert (made["network_mode"], made["state"], made["hostname"]) == ("lan", "running", "inner")
    assert [endpoint["network"]["name"] for endpoint in made["endpoints"]] == ["bridge", "lan"]
    assert made["endpoints"][1]["network"]["id"] == lan["id"]
    assert (made["endpoints"][1]["ipv4_address"], made["endpoints"][1]["aliases"]) == ("10.77.0.7", ["web"])
    asked = [(port["container_port"], port["protocol"], port["host_port"]) for port in made["configured_ports"]]
    assert asked == [(53, "udp", None), (8080, "tcp", 18080)] + [(9000 + n, "tcp", 19000 + n) for n in range(3)]
    given = {port["container_port"]: port["host_port"] for port in made["published_ports"]}
    assert given[53] >= 1024
    assert (made["labels"], made["restart_policy"], made["shares_network_with"]) == (
        {"team": "edge"},
        "on-failure",
        None,
    )
    seen = raw.get("/containers/whole/json")
    host = seen["HostConfig"]
    assert (host["Dns"], host["DnsSearch"], host["DnsOptions"]) == (["10.77.0.53"], ["example.test"], ["ndots:2"])
    assert (sorted(host["ExtraHosts"]), host["Sysctls"]) == (
        ["db:10.77.0.99", "host:host-gateway"],
        {"net.ipv4.ip_forward": "1"},
    )
    assert "A=1" in seen["Config"]["Env"]
    assert "environment" not in made


@pytest.mark.parametrize(("mode", "networks"), [("bridge", ["bridge"]), ("host", ["host"]), ("none", ["none"])])
def test_modes(api, mode, networks):
    made = run(api, "guest", network_mode=mode)
    assert made["network_mode"] == mode
    assert [endpoint["network"]["name"] for endpoint in made["endpoints"]] == networks


def test_a_mode_is_a_network_by_name_or_id_or_the_first_of_the_networks(api, lan):
    for index, fields in enumerate(
        [{"network_mode": "lan"}, {"network_mode": lan["id"][:12]}, {"networks": [{"network": lan["id"]}]}]
    ):
        made = run(api, f"guest{index}", **fields)
        assert (made["network_mode"], made["endpoints"][0]["network"]["id"]) == ("lan", lan["id"])
    both = run(api, "both", network_mode="bridge", networks=[{"network": "lan"}])
    assert (both["network_mode"], [e["network"]["name"] for e in both["endpoints"]]) == ("bridge", ["bridge", "lan"])


@pytest.mark.usefixtures("lan")
def test_a_container_that_never_started_can_leave_its_second_network(api):
    create(api, "guest", network_mode="bridge", networks=[{"network": "lan"}], start=False)
    api.delete("/v1/networks/lan/endpoints/guest")
    started = api.post("/v1/containers/guest/start")
    assert [endpoint["network"]["name"] for endpoint in started["endpoints"]] == ["bridge"]


def test_sharing_a_network(api):
    owner = run(api, "owner", network_mode="none")
    sharer = run(api, "sharer", network_mode="container:owner")
    assert sharer["network_mode"] == f"container:{owner['id']}"
    assert sharer["shares_network_with"] == {"id": owner["id"], "name": "owner"}
    third = run(api, "third", network_mode=f"container:{sharer['id'][:12]}")
    assert third["shares_network_with"]["name"] == "sharer"
    assert create(api, "fourth", status=404, network_mode="container:nobody")["code"] == "container-not-found"
    assert (
        create(api.as_("operator"), "fifth", status=403, network_mode="container:owner")["code"] == "role-insufficient"
    )
    assert create(api.as_("operator"), "sixth", status=403, network_mode="host")["code"] == "role-insufficient"


@pytest.mark.usefixtures("lan")
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"network_mode": "container:owner", "hostname": "x"}, "/hostname"),
        ({"network_mode": "container:owner", "dns": ["1.1.1.1"]}, "/dns"),
        ({"network_mode": "container:owner", "dns_search": ["x"]}, "/dns_search"),
        ({"network_mode": "container:owner", "extra_hosts": {"a": "1.1.1.1"}}, "/extra_hosts"),
        ({"network_mode": "container:owner", "sysctls": {"net.ipv4.ip_forward": "1"}}, "/sysctls"),
        ({"network_mode": "container:owner", "published_ports": [{"container_port": 80}]}, "/published_ports"),
        ({"network_mode": "container:owner", "networks": [{"network": "lan"}]}, "/networks/0"),
        ({"network_mode": "host", "sysctls": {"net.ipv4.ip_forward": "1"}}, "/sysctls"),
        ({"network_mode": "host", "networks": [{"network": "lan"}]}, "/networks/0"),
        ({"network_mode": "none", "networks": [{"network": "lan"}]}, "/networks/0"),
        ({"networks": [{"network": "lan"}, {"network": "host"}]}, "/networks/1/network"),
        ({"networks": [{"network": "lan"}, {"network": "lan"}]}, "/networks/1/network"),
        ({"networks": [{"network": "lan", "ipv4_address": "10.78.0.1"}]}, "/networks/0/ipv4_address"),
        ({"networks": [{"network": "lan"}, {"network": "bridge", "aliases": ["a"]}]}, "/networks/1/aliases"),
        ({"published_ports": [{"container_port": 65535, "count": 2}]}, "/published_ports/0/container_port"),
        ({"published_ports": [{"container_port": 1, "host_port": 5000, "count": 2},
                              {"container_port": 9, "host_port": 5001}]}, "/published_ports"),
        ({"published_ports": [{"container_port": 0}]}, "/published_ports/0/container_port"),
        ({"published_ports": [{"container_port": 80, "host_ip": "nonsense"}]}, "/published_ports/0/host_ip"),
        ({"sysctls": {"kernel.shmmax": "1"}}, "/sysctls/kernel.shmmax"),
        ({"extra_hosts": {"a": "nonsense"}}, "/extra_hosts/a"),
        ({"environment": {"A=B": "1"}}, "/environment/A=B"),
        ({"labels": {"io.bridgework.x": "1"}}, "/labels/io.bridgework.x"),
        ({"restart_policy": "sometimes"}, "/restart_policy"),
        ({"dns": ["nonsense"]}, "/dns/0"),
        ({"image": "../../x"}, "/image"),
        ({"name": "x"}, "/name"),
        ({"privileged": True}, "/privileged"),
        ({"mounts": []}, "/mounts"),
    ],
)  # fmt: skip
def test_what_no_container_can_be(api, fields, pointer):
    create(api, "owner", network_mode="none", start=False)
    assert pointers(create(api, **{"name": "guest", **fields}, status=422)) == [pointer]
    api.call("GET", "/v1/containers/guest", status=404)


def test_a_name_is_made_up_when_none_is_given(api):
    made = create(api, None, network_mode="none", start=False)
    assert made["name"].startswith("bridgework-")
    assert made["state"] == "created"
    assert made["started_at"] is None


@pytest.mark.parametrize("image", ["busybox:latest", "docker.io/library/busybox", "id", "digits"])
def test_an_image_by_any_of_its_names(api, raw, image):
    known = raw.get("/images/json")[0]["Id"]
    reference = {"id": known, "digits": known.removeprefix("sha256:")[:12]}.get(image, image)
    made = create(api, "guest", image=reference, network_mode="none")
    assert made["image_id"] == known
    other = container("other", image=reference, pull="missing")
    assert api.post("/v1/containers?dry_run=true", other, status=201)["image"] == reference


def test_an_image_that_is_not_there(api):
    problem = create(api, "guest", status=404, image="nothing:1")
    assert (problem["code"], problem["facts"]["image"]) == ("image-not-found", "nothing:1")
    assert "pull" in problem["remedy"]["summary"]
    pulled = container("guest", image="nothing:1", pull="missing")
    assert api.post("/v1/containers?dry_run=true", pulled, status=201)["image"] == "nothing:1"
    assert create(api, "guest", status=502, image="nothing:1", pull="missing")["code"] == "registry-unreachable"


def test_a_port_taken_names_who_has_it(api, raw):
    ports = [{"container_port": 80, "host_port": 18081}]
    holder = run(api, "holder", published_ports=ports)
    before = set(raw.containers())
    problem = create(api, "guest", status=409, published_ports=ports)
    assert (problem["code"], problem["facts"]["holder"]) == ("port-taken", {"id": holder["id"], "name": "holder"})
    for other in ({"host_ip": "127.0.0.1"}, {"host_ip": "::1"}):
        assert create(api, "guest", status=409, published_ports=[{**ports[0], **other}])["code"] == "port-taken"
    create(api, "udp", published_ports=[{**ports[0], "protocol": "udp"}])
    waiting = create(api, "waiting", published_ports=ports, start=False)
    problem = api.post("/v1/containers/waiting/start", status=409)
    assert (problem["code"], problem["facts"]["holder"]["name"]) == ("port-taken", "holder")
    api.post("/v1/containers/holder/stop?grace_s=0")
    assert api.post("/v1/containers/waiting/start")["state"] == "running"
    assert set(raw.containers()) - before == {waiting["id"], api.get("/v1/containers/udp")["id"]}


def test_a_port_that_a_program_on_the_host_has(api):
    run(api, "server", network_mode="host", command=["httpd", "-f", "-p", "18090"])
    for _ in range(50):
        problem = create(api, "guest", status=None, published_ports=[{"container_port": 80, "host_port": 18090}])
        if problem.get("code"):
            break
        api.delete("/v1/containers/guest?force=true")
    assert (problem["code"], problem["facts"]["holder"]["name"]) == ("port-taken", "server")
    assert "host mode" in problem["detail"]
    api.call("GET", "/v1/containers/guest", status=404)


def test_an_address_of_the_host_that_it_has_not(api):
    ports = [{"container_port": 80, "host_port": 18082, "host_ip": "192.0.2.7"}]
    problem = create(api, "guest", status=409, published_ports=ports)
    assert problem["code"] == "host-address-unknown"
    assert "192.0.2.7" in problem["detail"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"command": ["no-such-program"]}, "command-not-runnable"),
        ({"sysctls": {"net.no.such": "1"}}, "sysctl-refused"),
    ],
)
def test_a_start_that_fails_leaves_nothing_behind(api, raw, fields, code):
    before = set(raw.containers())
    assert create(api, "guest", status=409, **fields)["code"] == code
    assert set(raw.containers()) == before
    create(api, "guest", start=False, **fields)
    assert api.post("/v1/containers/guest/start", status=409)["code"] == code


def test_a_fixed_address_taken_names_its_holder(api, lan):
    wish = [{"network": "lan", "ipv4_address": "10.77.0.7"}]
    first = run(api, "first", networks=wish)
    problem = create(api, "second", status=409, networks=wish)
    assert (problem["code"], problem["facts"]["holder"]["id"]) == ("static-address-taken", first["id"])
    api.post("/v1/containers/first/stop?grace_s=0")
    run(api, "second", networks=wish)
    problem = api.post("/v1/containers/first/start", status=409)
    assert (problem["code"], problem["facts"]["holder"]["name"]) == ("static-address-taken", "second")
    stopped = api.get("/v1/containers/first")
    assert codes(stopped["findings"]) == ["static-address-taken"]
    assert stopped["endpoints"][0]["network"]["id"] == lan["id"]


def test_starting_stopping_and_restarting_are_idempotent(api, raw):
    create(api, "guest", start=False)
    assert api.post("/v1/containers/guest/stop")["state"] == "created"
    first = api.post("/v1/containers/guest/start")
    assert api.post("/v1/containers/guest/start") == first
    assert api.post("/v1/containers/guest/stop?grace_s=0")["state"] == "exited"
    assert api.post("/v1/containers/guest/stop?grace_s=0")["state"] == "exited"
    again = api.post("/v1/containers/guest/restart?grace_s=0")
    assert again["started_at"] > first["started_at"]
    etag = api.send("GET", "/v1/containers/guest").headers["ETag"]
    restart = "/v1/containers/guest/restart?grace_s=0"
    assert api.post(restart, headers={"If-Match": etag})["started_at"] > again["started_at"]
    assert api.post(restart, headers={"If-Match": etag}, status=412)["code"] == "precondition-failed"
    raw.do("POST", "/containers/guest/pause")
    assert api.get("/v1/containers/guest")["state"] == "paused"
    assert api.post("/v1/containers/guest/start")["state"] == "running"
    raw.do("POST", "/containers/guest/pause")
    assert api.post("/v1/containers/guest/stop?grace_s=0")["state"] == "exited"


def test_renaming(api, raw):
    holder = run(api, "holder", network_mode="none")
    guest = run(api, "guest", network_mode="none")
    problem = api.post("/v1/containers/guest/rename", {"name": "holder"}, status=409)
    assert (problem["code"], problem["facts"]["container"]["id"]) == ("container-name-taken", holder["id"])
    assert api.post("/v1/containers/guest/rename", {"name": "x y"}, status=422)["errors"][0]["pointer"] == "/name"
    assert api.post("/v1/containers/guest/rename", {"name": "guest"})["name"] == "guest"
    assert api.post("/v1/containers/guest/rename", {"name": "renamed"})["id"] == guest["id"]
    raw.do("POST", f"/containers/{guest['id']}/pause")
    assert api.post("/v1/containers/renamed/rename", {"name": "frozen"})["state"] == "paused"
    assert raw.get("/containers/frozen/json")["Id"] == guest["id"]


def test_deleting(api):
    run(api, "guest", network_mode="none")
    problem = api.delete("/v1/containers/guest", status=409)
    assert problem["code"] == "container-running"
    assert api.as_("operator").delete("/v1/containers/guest?force=true", status=403)["code"] == "role-insufficient"
    problem["remedy"]["calls"][0]["path"] += "?grace_s=0"
    api.send_remedy(problem["remedy"])
    assert api.delete("/v1/containers/guest", status=404)["code"] == "container-not-found"
    run(api, "guest", network_mode="none")
    api.delete("/v1/containers/guest?force=true")


def test_the_owner_of_a_shared_network_is_named_when_it_is_down_or_gone(api):
    owner = run(api, "owner", network_mode="none")
    run(api, "sharer", network_mode="container:owner")
    api.post("/v1/containers/owner/stop?grace_s=0")
    problem = api.post("/v1/containers/sharer/restart?grace_s=0", status=409)
    assert problem["code"] == "shared-network-owner-down"
    assert problem["facts"]["owner"] == {"id": owner["id"], "name": "owner", "state": "exited"}
    assert api.get("/v1/containers/sharer")["state"] == "running", "nothing was stopped"
    api.post("/v1/containers/sharer/stop?grace_s=0")
    assert api.post("/v1/containers/sharer/start", status=409)["code"] == "shared-network-owner-down"
    assert create(api, "third", status=409, network_mode="container:owner")["code"] == "shared-network-owner-down"
    api.send_remedy(problem["remedy"])
    assert api.post("/v1/containers/sharer/start")["state"] == "running"
    api.delete("/v1/containers/owner?force=true")
    api.post("/v1/containers/sharer/stop?grace_s=0")
    problem = api.post("/v1/containers/sharer/start", status=409)
    assert (problem["code"], problem["facts"]["owner"]["id"]) == ("shared-network-owner-gone", owner["id"])


def test_a_restart_that_fails_says_that_the_container_is_down(api, raw):
    guest = run(api, "guest")
    raw.make_network("cfg", ConfigOnly=True)
    raw.send("POST", "/networks/cfg/connect", {"Container": guest["id"]})  # refused, and left behind
    problem = api.post("/v1/containers/guest/restart?grace_s=0", status=409)
    assert problem["facts"]["state"] == "exited"
    assert "guest is exited now" in problem["detail"]


def test_findings_at_creation(api, raw):
    ports = [{"container_port": 80, "host_port": 18083}]
    ignored = run(api, "in-host", network_mode="host", published_ports=ports)
    assert "published-ports-ignored" in codes(ignored["findings"])
    assert "default-bridge-no-dns" in codes(run(api, "plain")["findings"])
    api.post("/v1/networks", {"name": "lan"}, status=201)
    run(api, "first", networks=[{"network": "lan", "aliases": ["db"]}])
    second = run(api, "second", networks=[{"network": "lan", "aliases": ["db"]}])
    taken = next(finding for finding in second["findings"] if "first" in finding["message"])
    assert taken["evidence"]["name"] == "db"
    raw.make("linked", mode="bridge", host={"Links": ["plain:db"]})
    assert "legacy-link" in codes(api.get("/v1/containers/linked")["findings"])


def test_rehearsals_change_nothing(api, raw):
    run(api, "guest", network_mode="none")
    before = raw.containers()
    for verb in ("start", "stop", "restart"):
        api.post(f"/v1/containers/guest/{verb}?dry_run=true")
    assert api.post("/v1/containers/guest/rename?dry_run=true", {"name": "other"})["name"] == "other"
    assert api.post("/v1/containers?dry_run=true", container("new"), status=201)["network_mode"] == "bridge"
    assert api.delete("/v1/containers/guest?dry_run=true", status=409)["code"] == "container-running"
    api.delete("/v1/containers/guest?force=true&dry_run=true", status=204)
    assert create(api, "guest", status=409)["code"] == "container-name-taken"
    assert raw.containers() == before


def test_filters_and_pages(api, lan):
    run(
        api,
        "web",
        network_mode="lan",
        labels={"team": "edge"},
        published_ports=[{"container_port": 80, "host_port": 18084}],
    )
    create(api, "worker", network_mode="none", labels={"team": "core"}, start=False)
    create(api.as_("alpha"), "theirs", network_mode="none", start=False)

    def names(query):
        return [found["name"] for found in api.get(f"/v1/containers?{query}")["items"]]

    assert names("") == ["theirs", "web", "worker"]
    assert names("state=running") == ["web"]
    assert names("state=created&name=work") == ["worker"]
    assert names("network=lan") == names(f"network={lan['id']}") == ["web"]
    assert names("label=team%3Dcore") == ["worker"]
    assert names("image=busybox") == ["theirs", "web", "worker"]
    for image in ("busybox:latest", "docker.io/library/busybox", api.get("/v1/containers/web")["image_id"][7:19]):
        assert names(f"image={image}") == ["theirs", "web", "worker"]
    assert names("image=busybox:1") == names("image=other/busybox") == names("image=box") == []
    assert names("publishes=18084") == ["web"]
    assert names("project=alpha") == ["theirs"]
    assert api.call("GET", "/v1/containers?network=nothing", status=404)["code"] == "network-not-found"
    first = api.get("/v1/containers?limit=2")
    assert [c["name"] for c in first["items"]] == ["theirs", "web"]
    rest = api.get(f"/v1/containers?limit=2&cursor={first['next_cursor']}")
    assert ([c["name"] for c in rest["items"]], rest["next_cursor"]) == (["worker"], None)


def test_conditions(api):
    path = api.send("POST", "/v1/containers", container("guest", network_mode="none", start=False)).headers["Location"]
    tag = api.send("GET", path).headers["ETag"]
    assert api.send("GET", path, headers={"If-None-Match": tag}).status_code == 304
    api.post(f"{path}/start")
    assert api.delete(path, status=412, headers={"If-Match": tag})["code"] == "precondition-failed"


def test_what_goes_between_our_look_and_the_engines_answer(api, raw, app, monkeypatch):
    """Somebody removes it while we act: a 404, not a 502."""
    engine = app.config["SERVICES"].engine
    guest = run(api, "guest", network_mode="none")
    network = api.post("/v1/networks", {"name": "lan"}, status=201)
    seen = engine.snapshot()
    raw.remove(guest["id"])
    raw.do("DELETE", f"/networks/{network['id']}")
    monkeypatch.setattr(engine, "snapshot", lambda: seen)
    for verb in ("stop?grace_s=0", "restart?grace_s=0"):
        assert api.post(f"/v1/containers/guest/{verb}", status=404)["code"] == "container-not-found"
    assert api.delete("/v1/containers/guest?force=true", status=404)["code"] == "container-not-found"
    assert api.delete("/v1/networks/lan", status=404)["code"] == "network-not-found"
    problem = api.post("/v1/containers/guest/rename", {"name": "other"}, status=404)
    assert problem["code"] == "container-not-found"
