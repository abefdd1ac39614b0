"""The image, built for real and run with the rights that docs/deployment.md names: the seed's story in both ways."""

import json

import pytest

from tests.engine import test_story
from tests.support.api import Client, check, run
from tests.support.deployment import (
    IMAGE,
    container_of,
    docker,
    namespace_way,
    rights_of_the_namespace_way,
    sidecar_way,
    sweep_up_but,
    wait_for,
)

STORY = {name: step for name, step in vars(test_story).items() if name.startswith("test_")}
# A helper is not started only to name a path's veths: these steps are told below without them.
NAMING_VETHS = (
    test_story.test_s9_on_the_default_bridge_the_address_answers_and_the_name_does_not,
    test_story.test_a_published_port_is_followed_from_the_host_to_its_listener,
)


@pytest.fixture(scope="module")
def service(request, engine, tokens_file):
    """The container, in each way of probing."""
    request.getfixturevalue("image")
    options = sidecar_way(engine) if request.param == "sidecar" else namespace_way()
    with container_of(engine, tokens_file, *options) as remote:
        assert Client(remote).get("/readyz")["probe_runner"]["kind"] == request.param
        yield remote


@pytest.fixture
def teller(service):
    client = Client(service)
    yield client
    sweep_up_but(client, {"bridgework"})


def steps():
    for way in ("sidecar", "namespace"):
        for name, step in STORY.items():
            if way == "namespace" or step not in NAMING_VETHS:
                yield pytest.param(way, step, id=f"{way}-{name}")


@pytest.mark.parametrize(("service", "step"), list(steps()), indirect=["service"], scope="module")
def test_the_story(teller, step):
    step(teller)


@pytest.mark.parametrize("service", ["sidecar"], indirect=True, scope="module")
def test_by_a_helper_the_default_bridge_is_explained_too(teller):
    run(teller, "tomcat81", command=test_story.HTTPD)
    run(teller, "tomcat82", command=test_story.HTTPD)
    by_container = check(teller, "tomcat81", "tomcat82")
    assert by_container["verdict"] == by_container["predicted"]["verdict"] == "reachable"
    assert [hop["kind"] for hop in by_container["predicted"]["path"]] == ["interface", "bridge", "interface"]
    by_name = check(teller, "tomcat81", {"name": "tomcat82"})
    assert by_name["verdict"] == by_name["predicted"]["verdict"] == "unreachable"
    teller.send_remedy(next(f for f in by_name["findings"] if f["code"] == "default-bridge-no-dns")["remedy"])
    assert check(teller, "tomcat81", {"name": "tomcat82"})["verdict"] == "reachable"


@pytest.mark.parametrize("service", ["sidecar"], indirect=True, scope="module")
def test_by_a_helper_a_published_port_is_followed_too(teller):
    ports = [{"container_port": 8080, "host_port": 8081}]
    run(teller, "tomcat81", command=test_story.HTTPD, published_ports=ports)
    answer = check(teller, "host", {"host": True}, protocol="tcp", port=8081)
    assert answer["verdict"] == "reachable"
    # A helper may not read the host's rules, so it is not known whether docker-proxy or a rule of NAT answers.
    assert answer["predicted"]["verdict"] == "inconclusive"
    assert "analysis-limited" in [finding["code"] for finding in answer["findings"]]
    hops = [hop["kind"] for hop in answer["predicted"]["path"]]
    assert "published-port" in hops
    # What is undecided is looked at closely, so the veth is known too.
    assert hops[-4:] == ["bridge", "veth", "interface", "port"]


def test_it_belongs_to_nobody_and_holds_no_installer(engine, image):
    found = json.loads(docker(engine, "image", "inspect", image))[0]
    assert found["Config"]["User"] == "65532:65532"
    assert found["Config"]["Healthcheck"]["Test"] == ["CMD", "python3", "-m", "bridgework.healthcheck"]
    assert found["Config"]["Labels"]["org.opencontainers.image.version"]
    assert "pip" not in docker(engine, "run", "--rm", "--entrypoint", "ls", image, "/opt/bridgework/bin")


def test_what_it_adds_to_its_base_is_small(engine, image):
    lines = docker(engine, "history", "--format", "{{.Size}}", "--human=false", image).split()
    assert sum(map(int, lines[:-1])) < 60_000_000


@pytest.mark.parametrize("service", ["sidecar"], indirect=True, scope="module")
@pytest.mark.usefixtures("service")
def test_its_health_check_tells_life_from_death(engine):
    asked = ("exec", "bridgework", "python3", "-m", "bridgework.healthcheck")
    docker(engine, *asked)
    elsewhere = docker(engine, "exec", "--env", "BRIDGEWORK_BIND=127.0.0.1:1", *asked[1:], check=False)
    assert elsewhere.returncode == 1


@pytest.mark.parametrize("service", ["sidecar", "namespace"], indirect=True, scope="module")
@pytest.mark.usefixtures("service")
def test_nothing_of_its_root_can_be_written(engine):
    for place in ("/opt/bridgework/app/bridgework", "/etc", "/var"):
        done = docker(engine, "exec", "bridgework", "python3", "-c", f"open('{place}/x', 'w')", check=False)
        assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("right", rights_of_the_namespace_way())
def test_each_right_of_the_namespace_way_is_needed(engine, tokens_file, right):
    options = (*namespace_way(without=right), "--env", "BRIDGEWORK_PROBE_RUNNER=namespace")
    with container_of(engine, tokens_file, *options, name="lacking") as remote:
        runner = Client(remote).get("/readyz")["probe_runner"]
    if right == "NET_ADMIN":  # without it a large matrix leaves its neighbour entries to the kernel
        assert (runner["kind"], runner["missing"]) == ("namespace", ["CAP_NET_ADMIN"])
    else:
        assert runner["kind"] == "unavailable"


@pytest.mark.usefixtures("image")
def test_without_any_right_but_the_socket_a_check_uses_a_helper_and_leaves_none(engine, tokens_file):
    listed = ("ps", "--all", "--quiet", "--filter", f"ancestor={IMAGE}")
    with container_of(engine, tokens_file, *sidecar_way(engine), name="helped") as remote:
        before = docker(engine, *listed)
        client = Client(remote)
        run(client, "left")
        run(client, "right")
        assert check(client, "left", "right")["verdict"] == "reachable"
        # The engine removes a helper as it ends, and lists it until it has done so.
        wait_for(lambda: docker(engine, *listed) == before, seconds=5, what="no helper")
        sweep_up_but(client, {"bridgework", "helped"})
