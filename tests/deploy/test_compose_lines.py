"""The lines for compose files, merged by Compose itself and applied on a real engine: after ``up`` the pair works."""

import pytest
import yaml

from tests.support.api import check, codes
from tests.support.deployment import install, sh

SERVICE = {"image": "busybox:latest", "command": ["httpd", "-f", "-p", "8080"], "stop_grace_period": "0s"}
WEB = {"protocol": "tcp", "port": 8080}


class Project:
    """A compose file, and Compose called with it; ``lines`` are merged as Compose merges a second file."""

    def __init__(self, engine, folder, services):
        folder.mkdir()
        self.engine = engine
        self.file = folder / "compose.yaml"
        self.more = folder / "lines.yaml"
        self.write(services)
        self.up()

    def write(self, services):
        keys = {key: {} for service in services.values() for key in service.get("networks", ())}
        self.file.write_text(yaml.safe_dump({"services": services, "networks": keys}))

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

    def one(name, services):
        made.append(Project(engine, tmp_path / name, services))
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
    blog = project("blog", {"db": SERVICE})
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


def test_an_option_of_the_resolver_is_set_by_compose(api, project):
    shop = project("shop", {"web": {**SERVICE, "dns_search": ["corp.example"], "dns_opt": ["ndots:5"]}})
    _, files = told(api.get("/v1/diagnostics")["items"], "search-list-detours")
    shop.write({"web": {**SERVICE, "dns_search": ["corp.example"]}})
    assert shop.apply(files["shop"])["services"]["web"]["dns_opt"] == ["ndots:1"]
    assert "search-list-detours" not in codes(api.get("/v1/diagnostics")["items"])
