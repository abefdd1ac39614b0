"""The image, built for real and run with the rights that docs/deployment.md names: the seed's story in both ways."""

import json

import pytest
from conftest import Client, check, run
from deploy.support import (
    IMAGE,
    container_of,
    docker,
    namespace_way,
    rights_of_the_namespace_way,
    sidecar_way,
    sweep_up_but,
)

pytest.register_assert_rewrite("behaviour.test_story")
from behaviour import test_story  # noqa: E402

pytestmark = pytest.mark.slow
STORY = {name: step for name, step in vars(test_story).items() if name.startswith("test_")}


@pytest.fixture(scope="module", params=["sidecar", "namespace"])
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


@pytest.mark.parametrize("step", STORY)
def test_the_story(teller, step):
    STORY[step](teller)


def test_it_belongs_to_nobody_and_holds_no_installer(engine, image):
    found = json.loads(docker(engine, "image", "inspect", image))[0]
    assert found["Config"]["User"] == "65532:65532"
    assert found["Config"]["Healthcheck"]["Test"] == ["CMD", "python3", "-m", "service.healthcheck"]
    assert found["Config"]["Labels"]["org.opencontainers.image.version"]
    assert "pip" not in docker(engine, "run", "--rm", "--entrypoint", "ls", image, "/opt/bridgework/bin")


def test_what_it_adds_to_its_base_is_small(engine, image):
    lines = docker(engine, "history", "--format", "{{.Size}}", "--human=false", image).split()
    assert sum(map(int, lines[:-1])) < 60_000_000


@pytest.mark.usefixtures("service")
def test_its_health_check_tells_life_from_death(engine):
    asked = ("exec", "bridgework", "python3", "-m", "service.healthcheck")
    docker(engine, *asked)
    elsewhere = docker(engine, "exec", "--env", "BRIDGEWORK_BIND=127.0.0.1:1", *asked[1:], check=False)
    assert elsewhere.returncode == 1


@pytest.mark.usefixtures("service")
def test_nothing_of_its_root_can_be_written(engine):
    for place in ("/opt/bridgework/app/service", "/etc", "/var"):
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
        assert docker(engine, *listed) == before
        sweep_up_but(client, {"bridgework", "helped"})
