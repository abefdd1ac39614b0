"""Engines whose process is not in the namespace of their networks: without root, and Docker Desktop."""

import json
import os
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from bridgework.engine.client import EngineAddress
from bridgework.engine.docker_engine import DockerEngine
from bridgework.engine.snapshot_source import SnapshotSource
from bridgework.model.errors import NotSupported
from bridgework.runners.auto_runner import AutoRunner
from bridgework.runners.namespace_runner import NamespaceRunner

# The fields of GET /info by which an engine says so: moby, daemon/info_unix.go, and Docker Desktop 4.
PLAIN = {"OperatingSystem": "Debian GNU/Linux 13 (trixie)", "SecurityOptions": ["name=seccomp,profile=builtin"]}
ROOTLESS = {**PLAIN, "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]}
DESKTOP = {**PLAIN, "OperatingSystem": "Docker Desktop"}


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0].removeprefix("/v1.51")
        found = self.server.answers.get(path, [])
        body = json.dumps(found).encode() if found is not None else b"no"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def engine_that_says(tmp_path):
    servers = []

    def start(info):
        server = Server(str(tmp_path / "engine.sock"), Answering)
        servers.append(server)
        server.answers = {"/version": {"ApiVersion": "1.51"}, "/info": info}
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return DockerEngine(EngineAddress(f"unix://{tmp_path}/engine.sock")), server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("info", "seen"), [(PLAIN, True), (ROOTLESS, False), (DESKTOP, False)])
def test_the_process_at_the_socket_is_not_taken_for_the_engines(engine_that_says, info, seen):
    engine, _ = engine_that_says({"ID": "x", **info})
    engine.facts()
    assert engine.pid() == (os.getpid() if seen else None)


@pytest.mark.parametrize("info", [ROOTLESS, DESKTOP])
def test_without_a_helper_image_the_readiness_says_what_is_missing(engine_that_says, info):
    engine, _ = engine_that_says({"ID": "x", **info})
    engine.facts()
    status = AutoRunner(NamespaceRunner(engine.pid, namespace_folder="/nowhere"), None).status()
    assert status.kind == "unavailable"
    assert any("process ids" in text for text in status.missing)


def test_podman_without_root_is_refused_with_a_sentence(engine_that_says):
    engine, server = engine_that_says({"ID": "x", "Rootless": True})
    server.answers["/version"] = {"ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}]}
    for call in (engine.ping, engine.facts, engine.snapshot):
        with pytest.raises(NotSupported, match="without root"):
            call()


def test_an_answer_that_is_not_understood_is_asked_for_again(engine_that_says):
    engine, server = engine_that_says({"ID": "x", **DESKTOP})
    engine.facts()
    server.answers["/info"] = None
    assert engine.pid() == os.getpid()
    server.answers["/info"] = ["strange"]
    assert engine.pid() == os.getpid()


def test_an_engine_that_was_started_again_is_asked_for_its_settings_again(engine_that_says, monkeypatch):
    engine, server = engine_that_says({"ID": "x", "Name": "before"})
    assert engine.facts().name == "before"
    monkeypatch.setattr(SnapshotSource, "generation", 1)
    server.answers["/info"] = {"ID": "x", "Name": "after"}
    assert engine.facts().name == "before", "the first connection tells nothing new"
    monkeypatch.setattr(SnapshotSource, "generation", 2)
    assert engine.facts().name == "after"
