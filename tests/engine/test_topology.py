"""GET /v1/topology: the engine as a graph, the same every time, narrowed by filters, and drawn."""

import json
import random
import shutil
import subprocess
from xml.etree import ElementTree as ET

import pytest

from bridgework.runners.namespace_runner import NamespaceRunner
from tests.support.api import run
from tests.support.raw_engine import Raw

GRAPHVIZ, MERMAID, SVG = "text/vnd.graphviz", "text/vnd.mermaid", "image/svg+xml"
PROJECT = "io.bridgework.project"


@pytest.fixture
def raw(engine):
    return Raw(engine)


@pytest.fixture(scope="module")
def shop(module_api):
    """Two networks with a container on both, a sharer, one on the host, one stopped, one apart."""
    module_api.post("/v1/networks", {"name": "front", "labels": {"tier": "edge"}}, status=201)
    module_api.post("/v1/networks", {"name": "back", "internal": True}, status=201)
    ports = [{"container_port": 8080, "host_port": 8081}]
    run(
        module_api,
        "web",
        networks=[{"network": "front"}, {"network": "back"}],
        labels={"team": "shop"},
        published_ports=ports,
    )
    run(module_api, "db", network_mode="back", labels={"team": "data"})
    run(module_api, "sidecar", network_mode="container:web")
    run(module_api, "agent", network_mode="host")
    run(module_api, "apart", network_mode="none")
    run(module_api, "stopped", network_mode="front", start=False)


def names(graph, kind):
    return {node["name"] for node in graph["nodes"] if node["kind"] == kind}


def edges(graph):
    """As (kind, source's name, target's name)."""
    by_id = {node["id"]: node["name"] for node in graph["nodes"]}
    return {(edge["kind"], by_id[edge["source"]], by_id[edge["target"]]) for edge in graph["edges"]}


@pytest.mark.usefixtures("shop")
def test_every_thing_and_every_tie_is_in_the_graph(api):
    graph = api.get("/v1/topology")
    assert names(graph, "network") == {"front", "back", "bridge", "host", "none"}
    assert names(graph, "container") == {"web", "db", "sidecar", "agent", "apart", "stopped"}
    found = edges(graph)
    assert {("endpoint", "web", "front"), ("endpoint", "web", "back"), ("endpoint", "db", "back")} <= found
    assert ("endpoint", "stopped", "front") in found
    assert ("shares-network", "sidecar", "web") in found
    assert any(kind == "host-link" and "agent" in ends for kind, *ends in found)
    ids = [node["id"] for node in graph["nodes"]]
    assert len(ids) == len(set(ids))
    assert {end for edge in graph["edges"] for end in (edge["source"], edge["target"])} <= set(ids)


@pytest.mark.usefixtures("shop")
def test_the_graph_says_what_it_lacks(api, monkeypatch):
    (told,) = api.get("/v1/topology")["limited"]
    assert (told["code"], told["remedy"]) == ("links-not-asked", "Ask with links=true.")
    assert "routes" in told["what"]
    assert api.get("/v1/topology?links=true")["limited"] == []
    monkeypatch.setattr(NamespaceRunner, "observe_host", lambda _: None)
    (told,) = api.get("/v1/topology?links=true")["limited"]
    assert (told["code"], told["what"]) == ("host-out-of-reach", "the host's links and routes")


@pytest.mark.usefixtures("shop")
def test_two_exports_are_equal_byte_by_byte_whatever_happened_between(api):
    formats = [None, GRAPHVIZ, MERMAID, SVG]

    def exported():
        return [export(api, form) for form in formats]

    before = exported()
    assert exported() == before
    run(api, "passing", network_mode="front")
    assert exported() != before
    api.delete("/v1/containers/passing?force=true")
    assert exported() == before
    nodes = json.loads(before[0])["nodes"]
    assert nodes == sorted(nodes, key=lambda node: (node["kind"], node["name"], node["id"]))


def export(api, form, query=""):
    headers = {"Accept": form} if form else None
    response = api.send("GET", f"/v1/topology{query}", headers=headers)
    assert response.status_code == 200, response.get_data(as_text=True)
    assert response.mimetype == (form or "application/json")
    return response.get_data()


@pytest.mark.usefixtures("shop")
def test_the_same_engine_made_in_another_order_looks_the_same_but_for_ids(api):
    def shape():
        graph = api.get("/v1/topology")
        return [(node["kind"], node["name"]) for node in graph["nodes"]], edges(graph)

    before = shape()
    chance = random.Random(5)
    for name in chance.sample(["db", "apart", "agent"], 3):
        api.delete(f"/v1/containers/{name}?force=true")
    modes = {"db": "back", "apart": "none", "agent": "host"}
    labels = {"db": {"team": "data"}}
    for name in chance.sample(sorted(modes), 3):
        run(api, name, network_mode=modes[name], labels=labels.get(name, {}))
    assert shape() == before


@pytest.mark.usefixtures("shop")
def test_filters_keep_what_they_name_and_what_gives_it_meaning(api):
    graph = api.get("/v1/topology?network=back")
    assert names(graph, "network") >= {"back"}
    assert names(graph, "container") == {"web", "db", "sidecar"}
    assert names(api.get("/v1/topology?label=team%3Dshop"), "container") == {"web", "sidecar"}
    assert names(api.get("/v1/topology?label=team"), "container") == {"web", "sidecar", "db"}
    assert names(api.get("/v1/topology?label=tier%3Dedge"), "network") >= {"front"}
    assert names(api.get("/v1/topology?label=tier%3Dedge"), "container") >= {"web", "stopped"}
    assert names(api.get("/v1/topology?label=no-such"), "container") == set()
    assert api.call("GET", "/v1/topology?network=nothing", status=404)["code"] == "network-not-found"
    assert api.call("GET", "/v1/topology?colour=red", status=422)["code"] == "input-invalid"


def test_a_project_is_pictured_by_itself(api):
    for caller in ("alpha", "beta"):
        own = api.as_(caller)
        own.post("/v1/networks", {"name": f"{caller}-net"}, status=201)
        run(own, f"{caller}-web", network_mode=f"{caller}-net")
    graph = api.get("/v1/topology?project=alpha")
    assert names(graph, "container") == {"alpha-web"}
    assert names(graph, "network") == {"alpha-net"}


@pytest.mark.usefixtures("shop")
def test_links_name_the_veths_of_every_endpoint(api):
    graph = api.get("/v1/topology?links=true")
    by_id = {node["id"]: node["name"] for node in graph["nodes"]}
    (tie,) = [e for e in graph["edges"] if e["kind"] == "endpoint" and by_id[e["source"]] == "db"]
    (inside,) = [i for i in api.get("/v1/containers/db/interfaces")["items"] if i["peer"]]
    assert inside["peer"]["name"] in json.dumps(tie["attributes"])
    assert inside["peer"]["name"] not in json.dumps(api.get("/v1/topology"))


@pytest.mark.usefixtures("shop")
def test_links_are_looked_at_whenever_they_are_asked_for(api, raw):
    """No event tells of what somebody does to them past the engine."""
    (inside,) = [i for i in api.get("/v1/containers/db/interfaces")["items"] if i["peer"]]
    veth = inside["peer"]["name"]
    assert veth in json.dumps(api.get("/v1/topology?links=true"))
    for change in (("down",), ("name", "renamed0"), ("up",)):
        subprocess.run(["ip", "-n", raw.namespace.name, "link", "set", veth, *change], check=True)
        veth = "renamed0" if change[0] == "name" else veth
    assert "renamed0" in json.dumps(api.get("/v1/topology?links=true"))


@pytest.mark.usefixtures("shop")
def test_pictures_hold_every_name_and_svg_is_xml(api):
    wanted = {"web", "db", "sidecar", "agent", "apart", "stopped", "front", "back"}
    graphviz, mermaid = export(api, GRAPHVIZ).decode(), export(api, MERMAID).decode()
    assert graphviz.startswith(("graph", "digraph"))
    assert graphviz.count("{") == graphviz.count("}")
    assert mermaid.splitlines()[0].startswith(("flowchart", "graph", "%%", "---"))
    drawn = ET.fromstring(export(api, SVG))
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    text = " ".join(drawn.itertext())
    for name in wanted:
        assert name in graphviz
        assert name in mermaid
        assert name in text


def test_names_that_are_markup_stay_names(api, raw):
    raw.make_network("net", "10.94.0.0/24", Labels={"<b>": '"];&--'})
    raw.make("marked", mode="net", Labels={'"><script>': "]]>"})
    drawn = ET.fromstring(export(api, SVG))
    assert not list(drawn.iter("{http://www.w3.org/2000/svg}script"))
    export(api, MERMAID)


def test_many_containers_are_folded_where_asked(api):
    api.post("/v1/networks", {"name": "crowd"}, status=201)
    for number in range(4):
        run(api, f"one-of-many-{number}", network_mode="crowd")
    whole = export(api, MERMAID, "?fold=100").decode()
    folded = export(api, MERMAID, "?fold=2").decode()
    assert all(f"one-of-many-{number}" in whole for number in range(4))
    assert folded.count("one-of-many") < 4
    assert "4" in folded


def test_a_network_that_is_gone_stays_visible_as_gone(api, raw):
    made = raw.make_network("old")
    run(api, "guest", network_mode="old")
    api.post("/v1/containers/guest/stop?grace_s=0")
    raw.do("DELETE", f"/networks/{made}")
    (ghost,) = [node for node in api.get("/v1/topology")["nodes"] if node["name"] == "old"]
    assert ghost["attributes"]["gone"] is True


@pytest.mark.parametrize("accept", ["text/html", "application/pdf", "image/png", "text/vnd.graphviz;q=0"])
def test_any_other_form_is_not_acceptable(api, accept):
    problem = api.call("GET", "/v1/topology", status=406, headers={"Accept": accept})
    assert problem["code"] == "not-acceptable"


def test_without_graphviz_svg_is_refused_with_what_to_do(api, monkeypatch):
    assert shutil.which("dot")
    monkeypatch.setenv("PATH", "/nowhere")
    problem = api.call("GET", "/v1/topology", status=406, headers={"Accept": SVG})
    assert problem["code"] == "not-acceptable"
    assert "graphviz" in problem["remedy"]["summary"]


def test_an_unchanged_engine_is_not_sent_again(api):
    first = api.send("GET", "/v1/topology")
    again = api.send("GET", "/v1/topology", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


def test_a_picture_that_cannot_be_drawn_is_a_problem(api, monkeypatch):
    def too_slow(*_, **__):
        raise subprocess.TimeoutExpired("dot", 20)

    monkeypatch.setattr(subprocess, "run", too_slow)
    response = api.send("GET", "/v1/topology", headers={"Accept": "image/svg+xml"})
    assert response.status_code == 503
    assert response.get_json()["code"] == "drawing-failed"
