"""A service whose process really lacks capabilities, as root or as a user of the group ``docker``.

It says which ones and why they matter, and no answer is a 500.
"""

import contextlib
import http.client
import os
import tempfile
from pathlib import Path

import pytest

from tests.support.api import run
from tests.support.raw_engine import Raw
from tests.support.service import Service

pytestmark = pytest.mark.wide

RIGHTS = ("net_admin", "net_raw", "sys_ptrace", "sys_admin")
NO_ONE = 65534
"""The user and the group without rights."""
PORT = {"protocol": "tcp", "port": 8080}
WAIT = {"timeout_ms": 2000}
ENDS = {"source": {"container": "db"}, "destination": {"container": "web"}}
# In a mount namespace of the service's own, the engine's handle on the host's namespace ($0) becomes an empty file.
HIDE_HANDLE = 'umount "$0" && exec "$@"'


@pytest.fixture(scope="module")
def pair(module_api):
    """``db`` and ``web`` on one network; ``web`` is on another one too."""
    for name in ("front", "side"):
        module_api.post("/v1/networks", {"name": name}, status=201)
    run(module_api, "web", command=["httpd", "-f", "-p", "8080"], networks=[{"network": "front"}, {"network": "side"}])
    run(module_api, "db", network_mode="front")


@pytest.fixture(scope="module")
def handle(module_api, engine):
    """The engine's handle on the host's namespace: its first container in that namespace makes it, and it stays."""
    run(module_api, "hosted", network_mode="host")
    path = Path(Raw(engine).get("/containers/hosted/json")["NetworkSettings"]["SandboxKey"])
    assert path.exists(), path
    return path


@contextlib.contextmanager
def service_without(engine, tokens_file, folder, *rights, hidden=None):
    """Run the service as root without these capabilities, which it cannot get back, and without the hidden handle."""
    lost = ",".join(f"-{right}" for right in rights)
    hiding = ("unshare", "--mount", "sh", "-c", HIDE_HANDLE, str(hidden)) if hidden else ()
    inside = (*hiding, "setpriv", f"--bounding-set={lost}", f"--inh-caps={lost}")
    with Service(engine.docker_host, folder, tokens_file, inside=inside) as service:
        yield service


def answers(service):
    """What each view of the pair says, by its name."""
    change = {"method": "DELETE", "path": "/v1/networks/side/endpoints/web"}
    asked = {
        "check": ("POST", "/v1/connectivity/checks", {**ENDS, **PORT, **WAIT}),
        "check by icmp": ("POST", "/v1/connectivity/checks", {**ENDS, **WAIT, "protocol": "icmp"}),
        "check by name": ("POST", "/v1/connectivity/checks", {**ENDS, **PORT, **WAIT, "destination": {"name": "web"}}),
        "check from the host": ("POST", "/v1/connectivity/checks", {**ENDS, **PORT, **WAIT, "source": {"host": True}}),
        "matrix": ("POST", "/v1/connectivity/matrix", {"containers": ["db", "web"], **WAIT}),
        "query": ("POST", "/v1/connectivity/queries", {"find": "sources", "of": {"container": "web"}, **PORT}),
        "plan": ("POST", "/v1/plans", {"changes": [change]}),
        "exposure": ("GET", "/v1/exposure", None),
        "diagnosis": ("GET", "/v1/diagnostics", None),
        "topology": ("GET", "/v1/topology?links=true", None),
    }
    said = {}
    for name, (method, path, body) in asked.items():
        answer = service.ask(method, path, body)
        assert answer.status == http.client.OK, (name, answer)
        said[name] = answer.json
    for part in ("dns", "sockets"):
        assert service.ask("GET", f"/v1/containers/web/{part}").status in (http.client.OK, http.client.CONFLICT)
    return said


def naming(said, right):
    """The views whose ``limited`` names the capability as what is missing."""
    return {
        name for name, answer in said.items() if any(f"CAP_{right.upper()}" in one["why"] for one in answer["limited"])
    }


CHECKS = {"check", "check by icmp", "check by name", "check from the host"}
ALL = {*CHECKS, "matrix", "query", "plan", "exposure", "diagnosis", "topology"}


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize(
    ("right", "kind", "affected", "undecided"),
    [
        # Nothing is left to measure with: all but ICMP is measured as before.
        pytest.param("net_raw", "unavailable", {"check by icmp", "matrix"}, {"check by icmp"}, id="net_raw"),
        # The rules are not readable. A packet of the probe is.
        pytest.param("net_admin", "namespace", ALL - {"topology"}, set(), id="net_admin"),
        # The host is a process of root that only this capability lets the service look at, without the engine's handle.
        pytest.param("sys_ptrace", "unavailable", ALL, {"check from the host"}, id="sys_ptrace"),
        pytest.param("sys_admin", "unavailable", ALL, CHECKS, id="sys_admin"),
    ],
)
def test_one_right_is_missing(engine, tokens_file, tmp_path, handle, right, kind, affected, undecided):
    with service_without(engine, tokens_file, tmp_path, right, hidden=handle) as service:
        runner = service.ask("GET", "/readyz", caller=None).json["probe_runner"]
        said = answers(service)
    assert (runner["kind"], runner["missing"]) == (kind, [f"CAP_{right.upper()}"])
    assert naming(said, right) == affected
    assert {name for name in CHECKS if said[name]["verdict"] == "inconclusive"} == undecided
    assert "Traceback" not in service.said()


@pytest.mark.usefixtures("pair", "handle")
def test_the_engines_handle_on_the_host_stands_in_for_the_right_to_look_at_its_process(engine, tokens_file, tmp_path):
    with service_without(engine, tokens_file, tmp_path, "sys_ptrace") as service:
        said = answers(service)
    assert {name: said[name]["verdict"] for name in CHECKS} == dict.fromkeys(CHECKS, "reachable")
    assert said["check from the host"]["measured"]["verdict"] == "reachable"
    # Its firewall is still out of reach.
    assert naming(said, "sys_ptrace") == ALL
    assert "Traceback" not in service.said()


@pytest.mark.usefixtures("pair")
def test_all_rights_are_missing(engine, tokens_file, tmp_path):
    with service_without(engine, tokens_file, tmp_path, *RIGHTS) as service:
        runner = service.ask("GET", "/readyz", caller=None).json["probe_runner"]
        said = answers(service)
    assert runner["kind"] == "unavailable"
    assert set(runner["missing"]) == {f"CAP_{right.upper()}" for right in RIGHTS}
    assert naming(said, "sys_admin") == ALL
    assert said["matrix"]["summary"]["inconclusive"] == said["matrix"]["summary"]["pairs"]
    assert "Traceback" not in service.said()


@pytest.fixture
def open_folder(tokens_file):
    """A folder that any user may enter, with the tokens; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "tokens.json").write_text(tokens_file.read_text())
        yield folder


@pytest.fixture
def group(engine):
    """The id of a group that may use the engine's socket, as the group ``docker`` does."""
    before = engine.socket.stat()
    os.chown(engine.socket, -1, NO_ONE)
    engine.socket.chmod(0o660)
    yield NO_ONE
    os.chown(engine.socket, -1, before.st_gid)
    engine.socket.chmod(before.st_mode & 0o777)


@pytest.mark.usefixtures("pair", "handle")
def test_a_user_of_the_group_docker_gets_answers(engine, open_folder, group):
    inside = ("setpriv", f"--reuid={NO_ONE}", f"--regid={NO_ONE}", f"--groups={group}", "--bounding-set=-all")
    with Service(engine.docker_host, open_folder, open_folder / "tokens.json", inside=inside) as service:
        ready = service.ask("GET", "/readyz", caller=None)
        said = answers(service)
        made = service.ask("POST", "/v1/networks", {"name": "of-the-group"})
        gone = service.ask("DELETE", "/v1/networks/of-the-group")
    assert ready.status == http.client.OK
    runner = ready.json["probe_runner"]
    assert runner["reason"] == "the network namespaces of containers cannot be entered from here"
    assert set(runner["missing"]) == {f"CAP_{right.upper()}" for right in RIGHTS}
    assert {name for name in CHECKS if said[name]["verdict"] == "inconclusive"} == CHECKS
    assert all(said[name]["limited"] for name in ALL)
    assert (made.status, gone.status) == (http.client.CREATED, http.client.NO_CONTENT)
    assert "Traceback" not in service.said()
