"""A service whose engine is in no swarm works without the code about other nodes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.api import check, run

pytestmark = pytest.mark.wide

SERVICE = Path(__file__).resolve().parent.parent.parent / "service"
PROGRAM = """
import json, sys
from pathlib import Path

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings

docker_host, tokens_file, requests = json.loads(sys.argv[1])
app = create_app(Settings(tokens_file=Path(tokens_file)), EngineAddress(docker_host))
client = app.test_client()
for method, path, body in requests:
    answer = client.open(path, method=method, json=body, headers={"Authorization": "Bearer token-of-viewer"})
    assert answer.status_code == 200, (path, answer.get_data(as_text=True))
print(json.dumps(sorted(name for name in sys.modules if name.startswith("bridgework."))))
"""


def modules_after(engine, tokens_file, *requests):
    """The service's modules that a new process has imported once it has answered these requests."""
    given = json.dumps([engine.docker_host, str(tokens_file), requests])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, given], capture_output=True, text=True, timeout=60,
        env={"PYTHONPATH": str(SERVICE)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def peers(modules):
    return [name for name in modules if name.startswith("bridgework.peers")]


def test_a_single_engine_imports_no_code_about_other_nodes(api, engine, tokens_file):
    for name in ("web", "db"):
        run(api, name)
    assert check(api, "web", "db")["verdict"] == "reachable"
    pair = {"source": {"container": "web"}, "destination": {"container": "db"}}
    modules = modules_after(
        engine,
        tokens_file,
        ("POST", "/v1/connectivity/checks", pair),
        ("POST", "/v1/connectivity/checks", {**pair, "protocol": "tcp", "port": 1}),
        ("POST", "/v1/connectivity/matrix", {"all": True}),
        ("POST", "/v1/connectivity/assertions", [{"name": "a", "expect": "reachable", **pair}]),
        ("GET", "/v1/diagnostics", None),
        ("GET", "/v1/topology", None),
        ("GET", "/v1/engine", None),
    )
    assert "bridgework.use_cases.connectivity.check" in modules
    assert peers(modules) == []


def test_the_list_of_nodes_is_made_by_the_code_about_other_nodes(engine, tokens_file):
    assert peers(modules_after(engine, tokens_file, ("GET", "/v1/nodes", None)))
