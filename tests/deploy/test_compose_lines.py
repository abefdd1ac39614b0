"""The lines for compose files, merged by Compose itself and applied on a real engine: after ``up`` the pair works."""

import pytest
import yaml

from tests.support.api import check, codes
from tests.support.deployment import install, sh
from tests.support.raw_engine import Raw

SERVICE = {"image": "busybox:latest", "command": ["httpd", "-f", "-p", "8080"], "stop_grace_period": "0s"}
WEB = {"protocol": "tcp", "port": 8080}


class Project:
    """A compose file, and Compose called with it; ``lines`` are merged as Compose merges a second file."""

    def __init__(self, engine, folder, services, networks=None):
        folder.mkdir()
        self.engine = engine
        self.file = folder / "compose.yaml"
        self.more = folder / "lines.yaml"
        self.write(services, networks)
        self.up()

    def write(self, services, networks=None):
        keys = {key: {} for service in services.values() for key in service.get("networks", ())}
        self.file.write_text(yaml.safe_dump({"services": services, "networks": {**keys, **(networks or {})}}))

    def compose(self, *words):
        files = [self.file, self.more] if self.more.exists() else [self.file]
        chosen = [word for file in files for word in ("--file", str(file))]
        return sh("docker-compose", *chosen, *words, env={"DOCKER_HOST": self.engine.docker_host})

    def up(self):
        self.compose("up", "--detach", "--pull", "never", "--force-recreate", "--timeout", "0")

    def apply(self, file):
        """Make every container again from both files, and return how Compose read them."""
        self.more.write_text(file["lines"])
        merged = yaml.safe_load(self.compose("config"))
        self.up()
        return merged


@pytest.fixture
def project(engine, tmp_path):
    install("docker-compose")
    made = []

    def one(name, services, networks=None):
        made.append(Project(engine, tmp_path / name, services, networks))
        return made[-1]

    yield one
    for each in made:
        each.compose("down", "--timeout", "0", "--remove-orphans")


def told(findings, code):
    """The finding with that code, and what it says of each project's file."""
    assert code in codes(findings)
    finding = next(one for one in findings if one["code"] == code)
    return finding, {file["project"]: file for file in finding["compose"]["files"]}


def reaches(api, source, destination):
    return check(api, source, destination, **WEB)["verdict"] == "reachable"


def test_two_projects_whose_services_have_one_name_get_the_lines_of_their_own(api, project):
    shop = project("shop", {"db": SERVICE, "web": SERVICE})
    blog = project("blog", {"db": SERVICE, "web": SERVICE})  # no one is alone on a network, so the remedy makes one
    finding, files = told(check(api, "shop-db-1", "blog-db-1", **WEB)["findings"], "no-shared-network")
    assert {name: file["path"] for name, file in files.items()} == {"shop": str(shop.file), "blog": str(blog.file)}
    api.send_remedy(finding["remedy"])
    assert reaches(api, "shop-db-1", "blog-db-1")
    for each in (shop, blog):
        each.up()
    assert not reaches(api, "shop-db-1", "blog-db-1")
    for each, name in ((shop, "shop"), (blog, "blog")):
        merged = each.apply(files[name])
        (outside,) = [key for key in merged["networks"] if key != "default"]
        assert merged["networks"][outside] == {"name": outside, "external": True}
        assert set(merged["services"]["db"]["networks"]) == {"default", outside}
    assert reaches(api, "shop-db-1", "blog-db-1")
    assert reaches(api, "blog-db-1", "shop-db-1")
    assert reaches(api, "shop-web-1", "shop-db-1")
    assert not reaches(api, "shop-web-1", "blog-db-1")


def test_two_services_of_a_project_get_a_network_beside_their_own(api, project):
    shop = project("shop", {
        "web": {**SERVICE, "networks": ["front"]}, "db": {**SERVICE, "networks": ["back"]},
        "cache": {**SERVICE, "networks": ["back"]},
    })  # fmt: skip
    finding, files = told(check(api, "shop-web-1", {"name": "db"}, **WEB)["findings"], "name-not-on-shared-network")
    api.send_remedy(finding["remedy"])
    services = shop.apply(files["shop"])["services"]
    assert "front" in services["web"]["networks"]
    assert "back" in services["db"]["networks"]
    assert check(api, "shop-web-1", {"name": "db"}, **WEB)["verdict"] == "reachable"
    assert reaches(api, "shop-cache-1", "shop-db-1")
    assert not reaches(api, "shop-web-1", "shop-cache-1")


def test_a_service_of_the_default_bridge_gets_networks_instead_of_its_mode(api, project):
    mode = {**SERVICE, "network_mode": "bridge"}
    shop = project("shop", {"web": mode, "db": mode})
    answer = check(api, "shop-web-1", {"name": "shop-db-1"}, **WEB)
    finding, files = told(answer["findings"], "default-bridge-no-dns")
    for name in ("web", "db"):
        assert f"# Remove network_mode from the service {name}:" in files["shop"]["lines"]
    api.send_remedy(finding["remedy"])
    shop.write({"web": SERVICE, "db": SERVICE})
    shop.apply(files["shop"])
    assert check(api, "shop-web-1", {"name": "shop-db-1"}, **WEB)["verdict"] == "reachable"


def test_a_service_that_was_connected_again_is_left_as_it_is(api, project):
    shop = project("shop", {"web": SERVICE, "db": SERVICE})
    before = api.get("/v1/containers/shop-web-1")["id"]
    api.delete("/v1/networks/shop_default/endpoints/shop-web-1")
    aliases = {"aliases": ["shop-web-1", "web"]}
    api.put("/v1/networks/shop_default/endpoints/shop-web-1", aliases, status=201)
    shop.compose("up", "--detach", "--pull", "never")
    assert api.get("/v1/containers/shop-web-1")["id"] == before
    assert check(api, "shop-db-1", {"name": "web"}, **WEB)["verdict"] == "reachable"


def test_a_service_on_an_internal_network_gets_a_way_out_beside_it(api, project):
    web = {**SERVICE, "networks": ["vault"], "ports": ["18083:8080"]}
    shop = project("shop", {"web": web, "db": {**SERVICE, "networks": ["vault"]}}, {"vault": {"internal": True}})
    published = {"protocol": "tcp", "port": 18083}
    assert check(api, "shop-db-1", "shop-web-1", **WEB)["verdict"] == "reachable"
    finding, files = told(api.get("/v1/containers/shop-web-1")["findings"], "internal-no-publish")
    api.send_remedy(finding["remedy"])
    services = shop.apply(files["shop"])["services"]
    assert set(services["web"]["networks"]) == {"vault", "shop-web-1"}
    assert "internal-no-publish" not in codes(api.get("/v1/containers/shop-web-1")["findings"])
    assert check(api, "host", {"host": True}, **published)["verdict"] == "reachable"
    assert reaches(api, "shop-db-1", "shop-web-1")
    assert reaches(api, "shop-web-1", "shop-db-1")
    # The other service stays inside.
    assert [one["network"]["name"] for one in api.get("/v1/containers/shop-db-1")["endpoints"]] == ["shop_vault"]


def test_a_network_of_a_project_that_was_deleted_is_declared_as_it_was_made_again(api, project):
    shop = project("shop", {"web": {**SERVICE, "networks": ["back"]}, "db": {**SERVICE, "networks": ["back"]}})
    shop.compose("stop", "--timeout", "0")
    Raw(shop.engine).do("DELETE", "/networks/shop_back")
    finding, files = told(api.get("/v1/containers/shop-web-1")["findings"], "network-gone")
    api.send_remedy(finding["remedy"])
    merged = shop.apply(files["shop"])
    assert merged["networks"] == {"back": {"name": "shop_back", "external": True}}
    assert set(merged["services"]["web"]["networks"]) == {"back"}
    assert reaches(api, "shop-web-1", "shop-db-1")
    assert reaches(api, "shop-db-1", "shop-web-1")


@pytest.fixture
def narrow_uplink(engine):
    """A default route of the host by a link with a smaller MTU than Docker's."""
    raw = Raw(engine)
    raw.in_namespace("ip", "link", "add", "wan0", "mtu", "1400", "type", "veth", "peer", "name", "wan0-far")
    raw.in_namespace("ip", "address", "add", "192.0.2.1/24", "dev", "wan0")
    for end in ("wan0", "wan0-far"):
        raw.in_namespace("ip", "link", "set", end, "up")
    raw.in_namespace("ip", "route", "add", "default", "via", "192.0.2.2")
    yield raw
    raw.in_namespace("ip", "link", "delete", "wan0")


@pytest.mark.usefixtures("narrow_uplink")
def test_services_move_to_a_network_with_the_mtu_of_the_way_out(api, project):
    services = {"web": {**SERVICE, "networks": ["back"]}, "db": {**SERVICE, "networks": ["back"]}}
    shop = project("shop", services)
    of_shop = [one for one in api.get("/v1/diagnostics?limit=1000")["items"] if one["component"]["name"] == "shop_back"]
    finding, files = told(of_shop, "mtu-exceeds-egress")
    api.send_remedy(finding["remedy"])
    for name in services:
        assert f"# Remove the network back from the service {name}." in files["shop"]["lines"]
    shop.write({"web": SERVICE, "db": SERVICE})
    merged = shop.apply(files["shop"])
    (moved,) = merged["services"]["web"]["networks"]
    assert merged["networks"][moved] == {"name": "shop_back-mtu-1400", "external": True}
    for source, destination in (("web", "db"), ("db", "web")):
        assert reaches(api, f"shop-{source}-1", f"shop-{destination}-1")
        assert check(api, f"shop-{source}-1", {"name": destination}, **WEB)["verdict"] == "reachable"
    interfaces = api.get("/v1/containers/shop-web-1/interfaces")["items"]
    assert {one["mtu_bytes"] for one in interfaces if one["name"] != "lo"} == {1400}


def test_an_option_of_the_resolver_is_set_by_compose(api, project):
    shop = project("shop", {"web": {**SERVICE, "dns_search": ["corp.example"], "dns_opt": ["ndots:5"]}})
    _, files = told(api.get("/v1/diagnostics")["items"], "search-list-detours")
    shop.write({"web": {**SERVICE, "dns_search": ["corp.example"]}})
    assert shop.apply(files["shop"])["services"]["web"]["dns_opt"] == ["ndots:1"]
    assert "search-list-detours" not in codes(api.get("/v1/diagnostics")["items"])
