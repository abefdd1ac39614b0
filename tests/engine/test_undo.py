"""The undo that a plan promises, run: for each kind of change, engine and wire are afterwards as they were before it.

The calls are sent exactly as the plan answers them. The engine is asked by its own API, and the wire by busybox's wget
in the containers, by name and at published ports.
"""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.api import container, run
from tests.support.raw_engine import Raw
from tools.engine import wait_until

pytestmark = pytest.mark.slow

PAGES = ["sh", "-c", "mkdir -p /p; echo hello > /p/index.html; exec httpd -f -p 80 -h /p"]
PORT = {"container_port": 80, "host_port": 8141}


def call(method, path, body=None):
    return {"method": method, "path": f"/v1{path}", "body": body}


def settings_of(endpoint):
    ipam = {key: value for key, value in (endpoint["IPAMConfig"] or {}).items() if value}
    aliases = {alias for alias in endpoint["Aliases"] or () if len(alias) != len("0123456789ab")}
    return sorted(aliases), ipam, endpoint["DriverOpts"] or {}


def engine_state(raw):
    """What the engine says of networks and containers, without ids, times, and addresses that it chose."""
    networks = {
        one["Name"]: (one["Driver"], one["Internal"], one["EnableIPv6"], one["IPAM"], one["Options"], one["Labels"])
        for one in raw.networks().values()
    }
    containers = {
        one["Name"]: (
            one["State"]["Running"],
            one["State"]["Paused"],
            {name: settings_of(endpoint) for name, endpoint in one["NetworkSettings"]["Networks"].items()},
            one["NetworkSettings"]["Ports"],
        )
        for one in raw.containers().values()
    }
    return networks, containers


def fetch(pid, url):
    inside = ["nsenter", f"--target={pid}", "--net", "--mount", "busybox", "wget", "-q", "-T", "2", "-O", "-", url]
    return subprocess.run(inside, capture_output=True, text=True, check=False).stdout.strip()


def wire(raw):
    """Which container gets the page of which: each running one asks each by name, and the host asks its own port."""
    seen = raw.containers().values()
    running = {
        one["Name"]: one["State"]["Pid"] for one in seen if one["State"]["Running"] and not one["State"]["Paused"]
    }
    pairs = [(source, one["Name"].lstrip("/")) for source in running for one in seen]
    with ThreadPoolExecutor(8) as pool:
        pages = pool.map(lambda pair: fetch(running[pair[0]], f"http://{pair[1]}/"), pairs)
        found = {pair for pair, page in zip(pairs, pages, strict=True) if page == "hello"}
    ports = {
        binding["HostPort"]
        for one in seen
        for port in one["NetworkSettings"]["Ports"].values()
        for binding in port or ()
    }
    asked = ["nsenter", f"--net={raw.namespace}", "busybox", "wget", "-q", "-T", "2", "-O", "-"]
    for port in ports:
        said = subprocess.run([*asked, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=False).stdout
        found |= {("host", port)} if said.strip() == "hello" else set()
    return found


@pytest.fixture
def raw(engine):
    return Raw(engine)


@pytest.fixture
def estate(api):
    """Two networks in use and one that is not; containers that run, are stopped, and share a network."""
    left = {
        "name": "left",
        "labels": {"team": "edge"},
        "ipam": {"pools": [{"subnet": "10.88.0.0/24", "gateway": "10.88.0.9"}]},
    }
    api.post("/v1/networks", left, status=201)
    for name in ("right", "spare"):
        api.post("/v1/networks", {"name": name}, status=201)
    place = {"network": "left", "aliases": ["db"], "ipv4_address": "10.88.0.77"}
    run(api, "in-left", networks=[place], command=PAGES, published_ports=[PORT])
    run(api, "peer", network_mode="left", command=PAGES)
    run(api, "in-right", network_mode="right", command=PAGES)
    api.post("/v1/containers", container("idle", network_mode="left", command=PAGES, start=False), status=201)
    run(api, "owner", network_mode="left", command=["sleep", "600"])
    run(api, "sharer", network_mode="container:owner", command=PAGES)
    return api


NEW = container("new", network_mode="third", command=PAGES)
UNDONE = {
    "create-network": [call("POST", "/networks", {"name": "third"})],
    "delete-network": [call("DELETE", "/networks/spare")],
    "delete-network-in-use": [call("DELETE", "/networks/left?force=true")],
    "prune": [call("POST", "/network-prunes")],
    "connect": [call("PUT", "/networks/right/endpoints/in-left", {"aliases": ["x"]})],
    "connect-stopped": [call("PUT", "/networks/right/endpoints/idle", {})],
    "disconnect": [call("DELETE", "/networks/left/endpoints/in-left")],
    "disconnect-stopped": [call("DELETE", "/networks/left/endpoints/idle")],
    "create-container": [call("POST", "/containers", container("new", network_mode="left", command=PAGES))],
    "create-container-not-started": [call("POST", "/containers", container("new", network_mode="left", start=False))],
    "create-and-connect": [
        call("POST", "/networks", {"name": "third"}),
        call("POST", "/containers", NEW),
        call("PUT", "/networks/right/endpoints/new", {}),
        call("POST", "/containers/new/restart?grace_s=0"),
        call("POST", "/containers/new/stop?grace_s=0"),
        call("DELETE", "/networks/third/endpoints/new"),
        call("PUT", "/networks/third/endpoints/new", {}),
        call("POST", "/containers/new/start"),
    ],
    "create-without-name": [call("POST", "/containers", {**container("x", network_mode="left"), "name": None})],
    "start": [call("POST", "/containers/idle/start")],
    "stop": [call("POST", "/containers/in-left/stop?grace_s=0")],
    "restart": [call("POST", "/containers/in-left/restart?grace_s=0")],
    "restart-stopped": [call("POST", "/containers/idle/restart?grace_s=0")],
    "stop-owner": [call("POST", "/containers/owner/stop?grace_s=0")],
    "restart-owner": [call("POST", "/containers/owner/restart?grace_s=0")],
    "disconnect-owner": [call("DELETE", "/networks/left/endpoints/owner")],
    "move": [
        call("PUT", "/networks/right/endpoints/in-left", {}),
        call("DELETE", "/networks/left/endpoints/in-left"),
        call("POST", "/containers/peer/stop?grace_s=0"),
        call("DELETE", "/networks/left?force=true"),
    ],
}


@pytest.mark.parametrize("name", UNDONE)
def test_what_a_plan_promises_to_undo_is_undone(estate, raw, name):
    before = engine_state(raw), wire(raw)
    assert {("/peer", "in-left"), ("/sharer", "peer"), ("/in-left", "owner"), ("host", "8141")} <= before[1]
    planned = estate.send("POST", "/v1/plans", {"changes": UNDONE[name]})
    plan = planned.get_json()
    assert (plan["possible"], plan["undoable"]) == (True, True), plan["steps"]
    body = {"changes": UNDONE[name], "apply": True, "undo": "never"}
    etag = {"If-Match": planned.headers["ETag"]}
    applied = estate.call("POST", "/v1/plans", body, status=200, headers=etag)["applied"]
    assert {one["outcome"] for one in applied["steps"]} == {"done"}, applied
    for step in reversed(plan["steps"]):
        estate.send_remedy({"calls": step["undo"]})
    assert engine_state(raw) == before[0]
    assert wait_until(lambda: wire(raw) == before[1], 10), (before[1], wire(raw))


def plan_of(api, *calls):
    return api.post("/v1/plans", {"changes": list(calls)})


def test_what_nothing_undoes_says_why(estate, raw):
    for name in ("held", "half"):
        run(estate, name, network_mode="container:owner" if name == "half" else "right")
        raw.do("POST", f"/containers/{name}/pause")
    raw.make("leaves", host={"AutoRemove": True})
    raw.make("waits", start=False, host={"AutoRemove": True})
    raw.make("any", mode="right", ExposedPorts={"80/tcp": {}}, host={"PortBindings": {"80/tcp": [{"HostPort": ""}]}})
    raw.make_network("theirs", Labels={"io.bridgework.project": "alpha"})
    expected = {
        ("DELETE", "/containers/idle"): "idle is deleted with its file system.",
        ("POST", "/containers/leaves/stop?grace_s=0"): "leaves is deleted with its file system.",
        (
            "POST",
            "/containers/waits/start",
        ): "The engine deletes waits when it stops, because it was created with --rm.",
        ("POST", "/containers/held/start"): "held is paused, and this service pauses no container.",
        ("POST", "/containers/held/restart"): "held is paused, and this service pauses no container.",
        ("POST", "/containers/owner/stop"): "half shares the network of owner and is paused: no start joins it again.",
        ("POST", "/containers/any/restart"): "The engine chose port ",
        ("DELETE", "/networks/theirs"): "theirs belongs to the project alpha, and only a token of that project",
    }
    for (method, path), reason in expected.items():
        (step,) = plan_of(estate, call(method, path))["steps"]
        assert (step["outcome"], step["undoable"], step["undo"]) == ("changes", False, []), step
        assert step["not_undoable_because"].startswith(reason), step
    body = {"changes": [call("POST", "/containers/any/restart")]}
    etag = {"If-Match": estate.send("POST", "/v1/plans", body).headers["ETag"]}
    refused = estate.call("POST", "/v1/plans", {**body, "apply": True}, status=409, headers=etag)
    assert (refused["code"], "The engine chose port " in refused["detail"]) == ("plan-not-undoable", True)


def test_an_undo_that_its_caller_may_not_send_is_not_promised(estate, raw):
    """The owner belongs to the project; the container that shares its network does not."""
    raw.make_network("ours", Labels={"io.bridgework.project": "alpha"})
    own = raw.make("mine", mode="ours", Labels={"io.bridgework.project": "alpha"})
    raw.make("guest", mode=f"container:{own}")
    (step,) = plan_of(estate.as_("alpha"), call("POST", "/containers/mine/stop?grace_s=0"))["steps"]
    assert (step["outcome"], step["undoable"]) == ("changes", False)
    assert "guest" in step["not_undoable_because"]
