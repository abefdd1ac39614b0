"""What a project's token can do to another project, on a real engine: see everything, and change nothing of it."""

import json

import pytest

from tests.support.api import check, container, run
from tools.engine import ask

MISMATCH = "project-mismatch"


@pytest.fixture
def alpha(api):
    return api.as_("alpha")


@pytest.fixture
def alpha_admin(api):
    return api.as_("alpha-admin")


@pytest.fixture
def beta(api):
    return api.as_("beta")


def refused(client, method, path, body=None):
    """The call is refused as another project's, rehearsed or not."""
    separator = "&" if "?" in path else "?"
    for target in (path, f"{path}{separator}dry_run=true"):
        problem = client.call(method, target, body, status=403)
        assert problem["code"] == MISMATCH, problem


def network(client, name, **fields):
    return client.post("/v1/networks", {"name": name, **fields}, status=201)


def test_what_a_project_makes_carries_its_label_and_everybody_sees_it(alpha, beta):
    made = network(alpha, "alpha-net")
    assert made["labels"] == {"io.bridgework.project": "alpha"}
    one = run(alpha, "alpha-web", network_mode="alpha-net")
    assert one["labels"]["io.bridgework.project"] == "alpha"
    assert beta.get("/v1/networks/alpha-net")["id"] == made["id"]
    assert beta.get("/v1/containers/alpha-web")["id"] == one["id"]
    assert [item["name"] for item in beta.get("/v1/networks?project=alpha")["items"]] == ["alpha-net"]


@pytest.mark.parametrize("label", ["io.bridgework.project", "io.bridgework.idempotency-key", "IO.Bridgework.x"])
def test_nobody_sets_the_services_own_labels(api, alpha, label):
    for client in (api, alpha):
        body = {"name": "forged", "labels": {label: "beta"}}
        assert client.post("/v1/networks", body, status=422)["errors"][0]["pointer"].startswith("/labels")
        problem = client.post("/v1/containers", container("forged", labels={label: "beta"}), status=422)
        assert problem["errors"][0]["pointer"].startswith("/labels")


def test_a_project_changes_no_other_directly(alpha, alpha_admin, beta):
    network(beta, "beta-net")
    run(beta, "beta-web", network_mode="beta-net")
    run(beta, "beta-still", network_mode="beta-net", start=False)
    network(alpha, "alpha-net")
    run(alpha, "alpha-web", network_mode="alpha-net")
    for client in (alpha, alpha_admin):
        refused(client, "DELETE", "/v1/networks/beta-net")
        refused(client, "PUT", "/v1/networks/beta-net/endpoints/alpha-web", {})
        refused(client, "PUT", "/v1/networks/alpha-net/endpoints/beta-web", {})
        refused(client, "PUT", "/v1/networks/beta-net/endpoints/beta-web", {})
        refused(client, "DELETE", "/v1/networks/beta-net/endpoints/beta-web")
        refused(client, "PUT", "/v1/networks/bridge/endpoints/alpha-web", {})
        refused(client, "POST", "/v1/containers", container("taker", network_mode="beta-net"))
        refused(client, "POST", "/v1/containers", container("taker", networks=[{"network": "beta-net"}]))
        for verb in ("start", "stop", "restart"):
            refused(client, "POST", f"/v1/containers/beta-web/{verb}")
        refused(client, "POST", "/v1/containers/beta-web/rename", {"name": "mine"})
        refused(client, "DELETE", "/v1/containers/beta-still")
    refused(alpha_admin, "DELETE", "/v1/containers/beta-web?force=true")
    refused(alpha_admin, "POST", "/v1/containers", container("taker", network_mode="container:beta-web"))
    network(beta, "beta-config", config_only=True)
    refused(alpha, "POST", "/v1/networks", {"name": "taker", "config_from": "beta-config"})


def test_a_project_shares_no_network_by_a_detour(api, alpha_admin, engine):
    run(api, "owner")
    engine_made = {"Image": "busybox", "Cmd": ["sleep", "600"], "Labels": {"io.bridgework.project": "alpha"},
                   "HostConfig": {"NetworkMode": "container:owner"}}  # fmt: skip
    answer = ask(
        engine.socket, "POST", "/containers/create?name=detour", json.dumps(engine_made).encode(), "application/json"
    )
    ask(engine.socket, "POST", f"/containers/{json.loads(answer[1])['Id']}/start")
    refused(alpha_admin, "POST", "/v1/containers", container("taker", network_mode="container:detour"))


def test_a_project_takes_no_name_of_another_in_a_shared_network(api, alpha, beta):
    network(alpha, "alpha-net", ipam={"pools": [{"subnet": "10.91.0.0/24"}]})
    guest = run(beta, "beta-db", hostname="store")
    api.put("/v1/networks/alpha-net/endpoints/beta-db", {"aliases": ["db"], "ipv4_address": "10.91.0.9"})
    run(alpha, "alpha-web", network_mode="none")
    for taken in ("db", "DB", "beta-db", "store", guest["id"][:12]):
        aliases = [{"network": "alpha-net", "aliases": [taken]}]
        refused(alpha, "POST", "/v1/containers", container("taker", networks=aliases))
    refused(alpha, "POST", "/v1/containers", container("db", network_mode="alpha-net"))
    refused(alpha, "POST", "/v1/containers", container("taker", network_mode="alpha-net", hostname="db"))
    run(alpha, "alpha-free", network_mode="alpha-net")
    refused(alpha, "POST", "/v1/containers/alpha-free/rename", {"name": "db"})
    network(alpha, "alpha-second")
    api.put("/v1/networks/alpha-second/endpoints/beta-db", {"aliases": ["cache"]})
    refused(alpha, "PUT", "/v1/networks/alpha-second/endpoints/alpha-free", {"aliases": ["cache"]})
    alpha.put("/v1/networks/alpha-second/endpoints/alpha-free", {"aliases": ["mine"]})


@pytest.fixture
def guest(api, alpha, beta):
    """A container of beta's in a network of alpha's, which finds its database in a network of beta's own."""
    network(alpha, "alpha-net")
    network(beta, "beta-net")
    run(beta, "beta-db", networks=[{"network": "beta-net", "aliases": ["db", "store.beta"]}], hostname="archive")
    run(beta, "beta-app", network_mode="beta-net")
    api.put("/v1/networks/alpha-net/endpoints/beta-app", {})
    run(alpha, "alpha-web")
    return "beta-app"


TAKEN = ["db", "DB", "beta-db", "archive", "store.beta", "db.beta-net", "beta-app"]


@pytest.mark.parametrize("stopped", [False, True])
def test_a_project_takes_no_name_that_a_guest_resolves_elsewhere(alpha, beta, guest, stopped, subtests):
    """Docker asks every network of the guest for a name, and the first that knows it answers."""
    if stopped:
        for one in (guest, "beta-db"):
            beta.post(f"/v1/containers/{one}/stop?grace_s=0")
    own = "/v1/networks/alpha-net/endpoints/alpha-web"
    for name in TAKEN:
        with subtests.test(name=name):
            aliases = [{"network": "alpha-net", "aliases": [name]}]
            refused(alpha, "PUT", own, {"aliases": [name]})
            refused(alpha, "POST", "/v1/containers", container("taker", networks=aliases))
            refused(alpha, "POST", "/v1/containers", container("taker", network_mode="alpha-net", hostname=name))
    alpha.put(own, {"aliases": ["cache"]})
    for name in sorted({*TAKEN} - {"DB", "beta-db", "beta-app"}):
        with subtests.test(renamed_to=name):
            refused(alpha, "POST", "/v1/containers/alpha-web/rename", {"name": name})


def test_a_guest_resolves_its_own_names_after_what_was_allowed(alpha, beta, api, guest):
    db = {place["network"]["name"]: place["ipv4_address"] for place in beta.get("/v1/containers/beta-db")["endpoints"]}
    alpha.put("/v1/networks/alpha-net/endpoints/alpha-web", {"aliases": ["cache"]})
    for _ in range(6):
        measured = check(api, guest, {"name": "db"}, protocol="icmp")["measured"]
        assert measured["resolved_addresses"] == [db["beta-net"]]


@pytest.mark.usefixtures("guest")
def test_a_name_of_a_server_outside_is_not_taken_where_a_guest_is(alpha):
    refused(alpha, "PUT", "/v1/networks/alpha-net/endpoints/alpha-web", {"aliases": ["api.example.com"]})
    network(alpha, "alpha-alone")
    alpha.put("/v1/networks/alpha-alone/endpoints/alpha-web", {"aliases": ["api.example.com", "db"]})


def test_names_that_no_guest_resolves_are_free(api, alpha, beta):
    """Beta's names are alpha's to use where no container of beta's looks, and where those that look are alpha's own."""
    network(alpha, "alpha-net")
    network(alpha, "alpha-second")
    network(beta, "beta-net")
    run(beta, "beta-db", networks=[{"network": "beta-net", "aliases": ["db"]}])
    run(alpha, "alpha-db", networks=[{"network": "alpha-second", "aliases": ["db"]}])
    run(alpha, "alpha-web", networks=[{"network": "alpha-net", "aliases": ["db"]}])
    run(beta, "beta-guest", network_mode="bridge")
    api.put("/v1/networks/alpha-net/endpoints/beta-guest", {})
    api.put("/v1/networks/alpha-second/endpoints/beta-guest", {})
    alpha.put("/v1/networks/alpha-second/endpoints/alpha-web", {"aliases": ["db"]})


def test_a_project_takes_no_address_or_port_of_anothers_stopped_container(api, alpha, beta):
    network(alpha, "alpha-net", ipam={"pools": [{"subnet": "10.92.0.0/24"}]})
    run(beta, "beta-db", network_mode="bridge", published_ports=[{"container_port": 80, "host_port": 18080}])
    api.put("/v1/networks/alpha-net/endpoints/beta-db", {"ipv4_address": "10.92.0.9"})
    beta.post("/v1/containers/beta-db/stop?grace_s=0")
    place = [{"network": "alpha-net", "ipv4_address": "10.92.0.9"}]
    refused(alpha, "POST", "/v1/containers", container("taker", networks=place))
    ports = [{"container_port": 80, "host_port": 18080, "host_ip": "127.0.0.1"}]
    refused(alpha, "POST", "/v1/containers", container("taker", published_ports=ports))
    alpha.post("/v1/containers", container("taker", published_ports=[{**ports[0], "host_port": 18081}]), status=201)


def test_a_project_evicts_nobody_by_force(api, alpha_admin, alpha, beta):
    network(alpha, "alpha-net")
    run(beta, "beta-web")
    api.put("/v1/networks/alpha-net/endpoints/beta-web", {})
    refused(alpha_admin, "DELETE", "/v1/networks/alpha-net?force=true")
    refused(alpha_admin, "DELETE", "/v1/networks/alpha-net/endpoints/beta-web?force=true")
    assert {place["network"]["name"] for place in api.get("/v1/containers/beta-web")["endpoints"]} >= {"alpha-net"}


def test_a_projects_admin_prunes_only_its_own(api, alpha_admin, alpha, beta):
    network(alpha, "alpha-unused")
    network(beta, "beta-unused")
    network(api, "nobodys")
    done = alpha_admin.post("/v1/network-prunes")
    assert [one["name"] for one in done["removed"]] == ["alpha-unused"]
    assert {one["network"]["name"] for one in done["kept"]} >= {"beta-unused", "nobodys"}


def test_a_replayed_key_gives_nobody_anothers_thing(api, alpha, beta):
    keyed = {"headers": {"Idempotency-Key": "the-same"}}
    mine = alpha.post("/v1/networks", {"name": "first"}, status=201, **keyed)
    assert alpha.post("/v1/networks", {"name": "first"}, status=201, **keyed)["id"] == mine["id"]
    for other in (beta, api):
        assert other.post("/v1/networks", {"name": "first"}, status=409, **keyed)["code"] == "network-name-taken"
    started = alpha.post("/v1/containers", container("one"), status=201, **keyed)
    beta.post("/v1/containers", container("one"), status=409, **keyed)
    assert alpha.post("/v1/containers", container("one"), status=201, **keyed)["id"] == started["id"]
