"""Kept expectations before a real engine: each fault is told with its cause and with the event that made it so."""

import contextlib
import itertools
import os
import signal
import socket
import tempfile

import docker
import pytest

from tests.support.engine import folder_in_memory, in_namespace
from tests.support.service import Service, until

NETWORK = "kept"
EXPECTED = (
    ("web reaches db", {"source": {"container": "web"}, "destination": {"container": "db"}}, "reachable"),
    ("web finds db", {"source": {"container": "web"}, "destination": {"name": "db"}, "protocol": "tcp", "port": 8080},
     "reachable"),
    ("guest is apart", {"source": {"container": "guest"}, "destination": {"container": "db"}}, "unreachable"),
)  # fmt: skip


class Kept:
    """A service of two workers with one set of expectations, and another client of its engine."""

    def __init__(self, service, engine, client):
        self.service, self.engine, self.client = service, engine, client
        self.seen = set()

    def network(self, name):
        return self.client.networks.get(name)

    def container(self, name):
        return self.client.containers.get(name)

    def host(self, *words):
        in_namespace(self.engine, *words)

    def ask(self, method, path, body=None):
        answer = self.service.ask(method, path, body)
        assert answer.status < 300, answer.body
        return answer.json

    def set(self):
        return self.ask("GET", "/v1/expectations/shop")

    def changes(self):
        """The changes since the last call, the oldest first."""
        items = self.ask("GET", "/v1/expectations/shop/changes")["items"][::-1]
        new = [one for one in items if one["id"] not in self.seen]
        self.seen |= {one["id"] for one in new}
        return new

    def until_changed(self, **statuses):
        """Wait until the expectations have these statuses; the last change of each, by its name."""
        wanted = {name.replace("_", " "): status for name, status in statuses.items()}

        def has_changed():
            now = {one["name"]: one["status"] for one in self.set()["expectations"]}
            return wanted.items() <= now.items()

        until(has_changed, 20, f"{wanted}: {self.set()}")
        return {one["expectation"]: one for one in self.changes()}


@pytest.fixture(scope="module")
def kept(engine, tokens_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    # In memory: other tests may keep the disk busy for seconds.
    state = tempfile.TemporaryDirectory(prefix="bridgework-tests-", dir=folder_in_memory())
    settings = {"state_dir": state.name, "workers": 2}
    with (
        state,
        Service(engine.docker_host, folder, tokens_file, settings) as service,
        contextlib.closing(docker.DockerClient(base_url=engine.docker_host)) as client,
    ):
        kept = Kept(service, engine, client)
        try:
            for network in (NETWORK, "other"):
                kept.ask("POST", "/v1/networks", {"name": network})
            for name, network in (("web", NETWORK), ("db", NETWORK), ("guest", "other")):
                command = ["httpd", "-f", "-p", "8080"]
                kept.ask("POST", "/v1/containers",
                         {"name": name, "image": "busybox", "network_mode": network, "command": command})  # fmt: skip
            items = [{"name": name, **probe, "expect": expect} for name, probe, expect in EXPECTED]
            kept.ask("PUT", "/v1/expectations/shop", {"expectations": items})
            yield kept
        finally:
            for name in ("web", "db", "guest"):
                with contextlib.suppress(AssertionError):
                    kept.ask("DELETE", f"/v1/containers/{name}?force=true")
            for network in (NETWORK, "other"):
                with contextlib.suppress(AssertionError):
                    kept.ask("DELETE", f"/v1/networks/{network}")


@pytest.fixture(autouse=True)
def _all_is_met(kept):
    kept.until_changed(**{name.replace(" ", "_"): "met" for name, _, _ in EXPECTED})
    kept.changes()


def told(change, code, kind, *words):
    assert change["cause"]["code"] == code, change
    assert change["cause"]["event"]["kind"] == kind, change
    for word in words:
        assert word in change["cause"]["event"]["message"], change


def test_a_container_that_leaves_its_network(kept):
    kept.network(NETWORK).disconnect("db")
    broken = kept.until_changed(web_reaches_db="violated", web_finds_db="violated")
    told(broken["web reaches db"], "network-mode-none", "engine", "disconnect", NETWORK, "db")
    assert broken["web reaches db"]["findings"][0]["remedy"] is not None
    kept.network(NETWORK).connect("db")
    whole = kept.until_changed(web_reaches_db="met", web_finds_db="met")
    told(whole["web reaches db"], "network-mode-none", "engine", "connect", NETWORK, "db")


def test_a_container_that_stops(kept):
    kept.container("db").kill()
    broken = kept.until_changed(web_reaches_db="violated", web_finds_db="violated", guest_is_apart="met")
    told(broken["web reaches db"], "destination-not-running", "engine", "container die db")
    kept.container("db").start()
    whole = kept.until_changed(web_reaches_db="met", web_finds_db="met")
    told(whole["web reaches db"], "destination-not-running", "engine", "start db")


def test_a_wall_that_gets_a_gap(kept):
    kept.network(NETWORK).connect("guest")
    leak = kept.until_changed(guest_is_apart="violated")
    told(leak["guest is apart"], "no-shared-network", "engine", "connect", "guest")
    kept.network(NETWORK).disconnect("guest")
    kept.until_changed(guest_is_apart="met")


def test_a_rule_of_another_program(kept):
    rule = ("FORWARD", "-p", "tcp", "--dport", "8080", "-j", "DROP")
    kept.host("iptables", "-I", *rule)
    broken = kept.until_changed(web_finds_db="violated", web_reaches_db="met")
    told(broken["web finds db"], "user-firewall-drop", "rules", "iptables", "added 1 firewall rule")
    kept.host("iptables", "-D", *rule)
    whole = kept.until_changed(web_finds_db="met")
    told(whole["web finds db"], "user-firewall-drop", "rules", "removed 1 firewall rule")


def test_a_switch_that_no_message_tells(kept):
    """br_netfilter's switches send no message: the state is read each second."""
    kept.host("iptables", "-I", "DOCKER-USER", "-p", "icmp", "-j", "DROP")
    try:
        kept.until_changed(web_reaches_db="violated")
        kept.host("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
        whole = kept.until_changed(web_reaches_db="met")
        told(whole["web reaches db"], "user-firewall-drop", "setting", "bridge-nf-call-iptables is now 0")
    finally:
        kept.host("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
        kept.host("iptables", "-D", "DOCKER-USER", "-p", "icmp", "-j", "DROP")


def test_a_container_that_is_gone_is_unknown(kept):
    kept.container("db").rename("database")
    gone = kept.until_changed(web_reaches_db="unknown")
    told(gone["web reaches db"], "container-not-found", "engine", "rename")
    kept.container("database").rename("db")


def test_the_stream_tells_a_change(kept):
    request = (
        f"GET /v1/events?type=expectation HTTP/1.1\r\nHost: 127.0.0.1:{kept.service.port}\r\n"
        "Authorization: Bearer token-of-admin\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", kept.service.port), timeout=30) as sock:
        sock.sendall(request.encode())
        stream = sock.makefile("rb")
        for line in stream:
            if line.startswith(b": heartbeat"):
                break
        kept.container("db").kill()
        events = (line.strip().decode() for line in stream if line.startswith(b"event: "))
        assert set(itertools.islice(events, 2)) == {"event: expectation.violated"}
    kept.container("db").start()


def test_another_worker_goes_on_where_one_was_killed(kept):
    for worker in kept.service.workers():
        os.kill(worker, signal.SIGKILL)
    until(lambda: len(kept.service.workers()) == 2, 20, "two workers")
    until(kept.service.lives, 20, "the service")
    assert kept.set()["met"] == 3
    kept.container("db").kill()
    broken = kept.until_changed(web_reaches_db="violated", web_finds_db="violated")
    assert broken["web reaches db"]["cause"]["code"] == "destination-not-running"
    kept.container("db").start()
