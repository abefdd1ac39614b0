"""deploy/stack.yml as it is shipped, deployed to a swarm of two real engines, the image built from the Dockerfile.

Two engines on one machine cannot both be at ``/var/run/docker``, so an overlay file says where each one's files are.
"""

import http.client
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.support.deployment import DEPLOY, ROOT, install, sh
from tests.support.swarm_instances import Instance, tokens_document
from tests.support.swarm_lab import swarm_of_two, until

IMAGE = "bridgework:swarm-test"
STACK = "bw"


@pytest.fixture(scope="module")
def folder():
    made = Path(tempfile.mkdtemp(prefix="bridgework-stack-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def archive(folder):
    """The image in a file, for engines that reach no registry."""
    install("docker", "debootstrap")
    made = folder / "image.tar"
    sh(str(ROOT / "scripts" / "build-image"), "--base", "local", "--tag", IMAGE, "--output", str(made))
    return made


@pytest.fixture(scope="module")
def swarm(folder, archive):
    with swarm_of_two(folder, f"stack-{os.getpid()}") as (_, a, b):
        for node in (a, b):
            sh("docker", "--host", node.engine.docker_host, "load", "--quiet", "--input", str(archive))
            share(node.engine.runtime / "exec" / "netns")
        a.client.networks.create("mesh", driver="overlay", attachable=True)
        a.start("a1", "mesh")
        b.start("b1", "mesh")
        try:
            yield a, b
        finally:
            for node in (a, b):
                unshare(node.engine.runtime / "exec" / "netns")


@pytest.fixture(scope="module")
def deployed(folder, swarm):
    """The stack, an instance ready on each node."""
    manager = swarm[0]
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "tokens.json").write_text(tokens_document())
    (secrets / "peer-token").write_text("token-of-peer")
    here = folder / "here.json"
    here.write_text(json.dumps({"version": "3.9", "services": {"bridgework": where_things_are(folder, swarm)}}))
    files = ("--compose-file", str(without_encryption(folder)), "--compose-file", str(here))
    command = ("stack", "deploy", "--detach", "--resolve-image", "never", *files, STACK)
    sh("docker", "--host", manager.engine.docker_host, *command,
       env={"BRIDGEWORK_IMAGE": IMAGE, "SECRETS": str(secrets)})  # fmt: skip
    log = folder / "log"
    log.touch()
    instances = [Instance(node, log) for node in swarm]
    try:
        for instance in instances:
            until(lambda one=instance: one.send("GET", "/readyz")[0] == http.client.OK, "a ready instance", 90)
        until(lambda: len(reachable(instances[0])) == len(swarm), "peers", 60)
        yield instances
    finally:
        sh("docker", "--host", manager.engine.docker_host, "stack", "rm", STACK)


def without_encryption(folder):
    """The stack as it is shipped, but for IPsec, which this kernel may lack: then what is encrypted is dropped."""
    shipped = yaml.safe_load((DEPLOY / "stack.yml").read_text())
    assert shipped["networks"]["peers"].pop("driver_opts") == {"encrypted": "true"}
    plain = folder / "stack.yml"
    plain.write_text(yaml.safe_dump(shipped))
    return plain


def where_things_are(folder, swarm):
    """What stands in for ``/var/run/docker`` and the proxy: each node's socket by the node's id."""
    sockets, nothing = folder / "sockets", folder / "nothing"
    nothing.mkdir()
    volumes = [
        {"type": "bind", "source": f"{sockets}/{{{{.Node.ID}}}}/docker.sock", "target": "/var/run/docker.sock"},
        {"type": "bind", "source": str(nothing), "target": "/var/run/docker/netns"},
        {"type": "bind", "source": str(nothing), "target": "/var/lib/docker/containers"},
    ]
    for node in swarm:
        place = sockets / node.client.info()["Swarm"]["NodeID"]
        place.mkdir(parents=True)
        os.link(node.engine.socket, place / "docker.sock")
        netns = str(node.engine.runtime / "exec" / "netns")
        resolvers = str(node.engine.directory / "data" / "containers")
        volumes += [
            {"type": "bind", "source": netns, "target": netns, "read_only": True, "bind": {"propagation": "rslave"}},
            {"type": "bind", "source": resolvers, "target": resolvers, "read_only": True},
        ]
    ports = [{"target": 8080, "published": 8080, "mode": "host"}]  # the tests ask without a proxy
    return {"volumes": volumes, "ports": ports}


def share(path):
    """Make a folder a shared mount, as systemd has them."""
    subprocess.run(["mount", "--bind", path, path], check=True)
    subprocess.run(["mount", "--make-rshared", path], check=True)


def unshare(path):
    """Take down what is mounted there, namespaces below included: each was mounted twice."""
    while subprocess.run(["umount", "--recursive", "--lazy", path], check=False, capture_output=True).returncode == 0:
        continue


def reachable(instance):
    return [node for node in instance.get("/v1/nodes")["items"] if node["reachable"]]


def test_the_process_has_no_new_privileges(deployed, swarm):
    """``NoNewPrivs`` of proc(5), and the capabilities that probing needs all the same."""
    assert deployed
    for node in swarm:
        (instance,) = node.client.containers.list(
            filters={"label": f"com.docker.swarm.service.name={STACK}_bridgework"}
        )
        status = Path(f"/proc/{instance.attrs['State']['Pid']}/status").read_text()
        assert "NoNewPrivs:\t1" in status


def test_every_instance_finds_its_peers_by_the_swarms_own_dns(deployed):
    for instance in deployed:
        assert len(reachable(instance)) == 2
        assert instance.get("/v1/engine")["probe_runner"]["kind"] == "namespace"


@pytest.mark.parametrize("source", ["a1", "b1"])
@pytest.mark.parametrize("by", ["container", "name"])
def test_checks_go_across_and_are_forwarded(deployed, source, by):
    other = {"a1": "b1", "b1": "a1"}[source]
    found = deployed[0].check(source, {by: other})
    assert (found["verdict"], found["findings"]) == ("reachable", [])
    assert (found["answered_by"] is None) == (source == "a1")


def test_a_matrix_over_both(deployed):
    found = deployed[1].post("/v1/connectivity/matrix", {"network": "mesh"})
    assert found["summary"]["reachable"] == found["summary"]["pairs"] == 2
    assert found["partial"] == []
