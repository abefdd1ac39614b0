"""Over ``kill -9`` and restarts, no change is lost, and a receiver that knows ids hears none twice.

``EXPECTATIONS_KILLS`` scales it.
"""

import http.server
import json
import os
import random
import signal
import tempfile
import threading
import time
from pathlib import Path

import pytest

from tests.expectations.world import say
from tests.support.engine import folder_in_memory
from tests.support.raw_engine import Raw
from tests.support.service import Service, until

KILLS = int(os.environ.get("EXPECTATIONS_KILLS", "6"))
EXPECTED = {
    "name": "first reaches second",
    "source": {"container": "first"},
    "destination": {"container": "second"},
    "expect": "reachable",
}


@pytest.fixture
def receiver():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((self.headers["webhook-id"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def kill(service):
    """Kill the workers and what would start them again, at once."""
    workers = service.workers()
    for pid in (service.process.pid, *workers):
        os.kill(pid, signal.SIGKILL)
    service.process.wait()
    until(lambda: not any(Path(f"/proc/{worker}/fd").exists() for worker in workers), 20, "the workers' end")


def test_no_change_is_lost_and_none_is_told_twice(engine, tokens_file, tmp_path, receiver):
    raw, dice = Raw(engine), random.Random(3)
    raw.make_network("killed", "10.78.0.0/24")
    for name in ("first", "second"):
        raw.make(name, mode="killed")
    webhooks = tmp_path / "webhooks.json"
    hook = {"name": "hook", "url": f"http://127.0.0.1:{receiver.server_port}/", "secret": "whsec_" + "A" * 32}
    webhooks.write_text(json.dumps({"webhooks": [hook]}))
    joined, asked = True, 0
    with tempfile.TemporaryDirectory(prefix="bridgework-tests-", dir=folder_in_memory()) as state:
        settings = {"state_dir": state, "webhooks_file": webhooks, "workers": 2}
        try:
            for _ in range(KILLS):
                with Service(engine.docker_host, tmp_path, tokens_file, settings) as service:
                    body = {"expectations": [EXPECTED], "notify": ["hook"]}
                    assert service.ask("PUT", "/v1/expectations/killed", body).status < 300
                    for _ in range(3):
                        (raw.disconnect if joined else raw.connect)("killed", "second")
                        joined, asked = not joined, asked + 1
                        time.sleep(dice.uniform(0, 0.6))
                    kill(service)
            with Service(engine.docker_host, tmp_path, tokens_file, settings) as service:
                wanted = "met" if joined else "violated"

                def shown():
                    return service.ask("GET", "/v1/expectations/killed").json["expectations"][0]["status"]

                until(lambda: shown() == wanted, 30, wanted)
                changes = service.ask("GET", "/v1/expectations/killed/changes?limit=1000").json["items"][::-1]
                ids = [one["id"] for one in changes]
                until(lambda: {one for one, _ in receiver.got} >= set(ids), 60, "every change at the receiver")
        finally:
            for name in ("first", "second"):
                raw.remove(name)
            raw.send("DELETE", "/networks/killed")
    # Each change goes on where the one before ended, so none is missing between two, and none is there twice.
    assert [one["before"] for one in changes[1:]] == [one["after"] for one in changes[:-1]]
    assert changes[-1]["after"] == wanted
    assert len(set(ids)) == len(ids)
    told = {one: body["data"] for one, body in receiver.got}
    assert set(told) == set(ids)
    assert [told[one["id"]]["after"] for one in changes] == [one["after"] for one in changes]
    say(f"{KILLS} kills, {asked} faults, {len(ids)} changes, {len(receiver.got)} messages, none lost")
