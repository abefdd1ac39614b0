"""No read is stale: a change that the engine acknowledged before a read is in it, whichever worker answers."""

import contextlib
import http.client
import itertools
import json
import os
import random
import shutil
import tempfile
import threading
import time
from pathlib import Path

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.engine.snapshot_source import SnapshotSource
from bridgework.settings import Settings
from tests.support.api import Client
from tests.support.raw_engine import Raw
from tests.support.service import Service
from tools.engine import PrivateEngine

LOG_HOLDS = 256
HUNDRED_THOUSAND = 100_000


@pytest.fixture
def raw(engine):
    made = Raw(engine)
    yield made
    made.sweep()


@pytest.fixture
def readers(engine, tokens_file):
    """Two services that know nothing of each other, as two workers would."""
    address, settings = EngineAddress(engine.docker_host), Settings(tokens_file=tokens_file, rate_per_minute=10_000_000)
    return [Client(create_app(settings, address)) for _ in range(2)]


class Writer(threading.Thread):
    """Changes things of its own by the engine's API, and reads each change back through a service at random."""

    def __init__(self, number, raw, read, until):
        super().__init__()
        self.number, self.raw, self.read, self.until = number, raw, read, until
        self.random = random.Random(number)
        self.reads = 0
        self.stale = []
        self.done = False
        self.acknowledged = 0
        self.guest = raw.make(f"guest{number}-0", start=False, mode="bridge")
        self.home = raw.make_network(f"home{number}", f"10.{number + 60}.0.0/24")

    def run(self):
        for count in itertools.count(1):
            if self.until(self):
                self.done = True
                return
            self.random.choice((self.rename, self.connect, self.network, self.configuration, self.container))(count)

    def expect(self, path, seen):
        status, body = self.read(self.random, path)
        self.reads += 1
        if not seen(status, body):
            self.stale.append((path, status, body))

    def rename(self, count):
        name = f"guest{self.number}-{count}"
        self.raw.do("POST", f"/containers/{self.guest}/rename?name={name}")
        self.acknowledged = count
        self.expect(f"/v1/containers/{self.guest}", lambda _, body: body["name"] == name)

    def connect(self, count):
        alias, path = f"alias{count}", f"/v1/networks/{self.home}/endpoints/{self.guest}"
        self.raw.connect(self.home, self.guest, Aliases=[alias])
        self.expect(path, lambda status, body: status == 200 and body["aliases"] == [alias])
        if self.random.random() < 0.5:  # other aliases between two reads
            self.raw.disconnect(self.home, self.guest)
            self.raw.connect(self.home, self.guest, Aliases=[alias + "b"])
            self.expect(path, lambda status, body: status == 200 and body["aliases"] == [alias + "b"])
        self.raw.disconnect(self.home, self.guest)
        self.expect(path, lambda status, _: status == 404)

    def network(self, _):
        if self.random.random() < 0.9:  # a bridge takes the engine a while
            return
        made = self.raw.make_network(f"net{self.number}", Internal=True)
        self.expect(f"/v1/networks/{made}", lambda status, _: status == 200)
        self.raw.do("DELETE", f"/networks/{made}")
        self.expect(f"/v1/networks/{made}", lambda status, _: status == 404)

    def configuration(self, _):
        made = self.raw.make_network(f"config{self.number}", ConfigOnly=True)
        self.expect(f"/v1/networks/config{self.number}", lambda status, body: status == 200 and body["id"] == made)
        self.raw.do("DELETE", f"/networks/{made}")
        self.expect(f"/v1/networks/config{self.number}", lambda status, _: status == 404)

    def container(self, _):
        made = self.raw.make(f"box{self.number}", start=False, mode=f"home{self.number}")
        self.expect(f"/v1/networks/{self.home}", lambda _, body: body["endpoint_count"] == 1)
        self.raw.do("DELETE", f"/containers/{made}")
        self.expect(f"/v1/networks/{self.home}", lambda _, body: body["endpoint_count"] == 0)


class Reader(threading.Thread):
    """Reads over a connection of its own what the writers rename, and must see each name that was acknowledged."""

    def __init__(self, number, port, writers):
        super().__init__()
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.writers, self.random = writers, random.Random(number)
        self.reads = 0
        self.stale = []
        self.over = self.done = False

    def run(self):
        while not self.over:
            writer = self.random.choice(self.writers)
            acknowledged = writer.acknowledged
            self.connection.request(
                "GET", f"/v1/containers/{writer.guest}", headers={"Authorization": "Bearer token-of-admin"}
            )
            answer = self.connection.getresponse()
            name = json.loads(answer.read())["name"]
            self.reads += 1
            if int(name.rpartition("-")[2]) < acknowledged:
                self.stale.append((name, acknowledged))
        self.connection.close()
        self.done = True


def hunt(raw, read, until, writers=3):
    return hunted([Writer(number, raw, read, until) for number in range(writers)])


def hunted(writers, readers=()):
    """How many reads there were, and the stale ones among them."""
    for thread in (*writers, *readers):
        thread.start()
    for writer in writers:
        writer.join()
    for reader in readers:
        reader.over = True
        reader.join()
    assert all(thread.done for thread in (*writers, *readers)), "a writer or a reader broke off"
    stale = [one for thread in (*writers, *readers) for one in thread.stale]
    return sum(thread.reads for thread in (*writers, *readers)), stale


def reading_from(*sources):
    def read(chooser, path):
        source = chooser.choice(sources)
        if isinstance(source, Client):
            response = source.send("GET", path)
            return response.status_code, response.get_json()
        answer = source.ask("GET", path)
        return answer.status, answer.json

    return read


@pytest.mark.slow
def test_a_thousand_reads_none_stale(raw, readers):
    reads, stale = hunt(raw, reading_from(*readers), until=lambda writer: writer.reads >= 400)
    assert stale == []
    assert reads >= 1200


@pytest.mark.slow
def test_two_worker_processes_and_a_service_beside_them(engine, raw, readers, tokens_file, tmp_path):
    with Service(engine.docker_host, tmp_path, tokens_file, {"workers": 2}) as remote:
        _, stale = hunt(raw, reading_from(remote, remote, *readers), until=lambda writer: writer.reads >= 150)
    assert stale == []


@pytest.mark.long
def test_a_hundred_thousand_reads_none_stale(engine, raw, readers, tokens_file, tmp_path):
    """Four writers, who read back what they changed, and four who only read; two workers and two services beside."""
    end = time.monotonic() + 1200
    with Service(engine.docker_host, tmp_path, tokens_file, {"workers": 2}) as remote:
        crowd = []

        def enough(_):
            return sum(reader.reads for reader in crowd) >= HUNDRED_THOUSAND or time.monotonic() > end

        writers = [Writer(number, raw, reading_from(remote, *readers), enough) for number in range(4)]
        crowd += [Reader(number, remote.port, writers) for number in range(4)]
        reads, stale = hunted(writers, crowd)
    assert stale == []
    assert reads >= HUNDRED_THOUSAND
    assert min(writer.acknowledged for writer in writers) > 100


AS_ADMIN = {"Authorization": "Bearer token-of-admin"}


def log_queries(connection):
    """How often the engine's log was asked so far."""
    connection.request("GET", "/metrics", headers=AS_ADMIN)
    text = connection.getresponse().read().decode()
    return float(text.partition("\nbridgework_event_log_queries_total ")[2].split()[0])


def test_requests_that_are_there_together_share_a_proof(engine, tokens_file, tmp_path):
    settings = {"workers": 1}
    with Service(engine.docker_host, tmp_path, tokens_file, settings) as remote, contextlib.ExitStack() as stack:
        made = [http.client.HTTPConnection("127.0.0.1", remote.port, timeout=10) for _ in range(8)]
        connections = [stack.enter_context(contextlib.closing(connection)) for connection in made]
        before = log_queries(connections[0])
        for _ in range(20):
            for connection in connections:
                connection.request("GET", "/v1/networks/bridge", headers=AS_ADMIN)
            answers = [connection.getresponse() for connection in connections]
            assert [json.loads(answer.read())["name"] for answer in answers] == ["bridge"] * 8
        assert log_queries(connections[0]) - before < 8 * 20 / 2


def test_changes_made_through_one_service_are_seen_by_the_other(readers):
    one, other = readers
    for index in range(20):
        made = one.post("/v1/networks", {"name": f"net{index}", "config_only": True}, status=201)
        assert other.get(f"/v1/networks/{made['id']}") == made
        other.delete(f"/v1/networks/{made['id']}")
        one.call("GET", f"/v1/networks/{made['id']}", status=404)


def flood(raw, container, count=LOG_HOLDS + 50):
    """Events of no interest, more than the engine's log holds."""
    for _ in range(count):
        raw.do("POST", f"/containers/{container}/exec", {"Cmd": ["true"]})


@pytest.mark.parametrize("when", ["before", "after", "both"])
def test_a_log_that_overran_hides_nothing(raw, readers, when):
    client = readers[0]
    busy = raw.make("busy")
    guest = raw.make("guest", start=False)
    client.get("/v1/containers")
    if when != "after":
        flood(raw, busy)
    raw.do("POST", f"/containers/{guest}/rename?name=renamed")
    network = raw.make_network("fresh", ConfigOnly=True)
    if when != "before":
        flood(raw, busy)
    assert client.get(f"/v1/containers/{guest}")["name"] == "renamed"
    assert client.get("/v1/networks/fresh")["id"] == network


def test_a_new_network_of_an_old_name_is_the_one_that_a_stopped_container_means(raw, readers):
    """The container names it only by name, and no event names the container."""
    first = raw.make_network("lan")
    raw.make("guest", start=False, mode="lan")
    for client in readers:
        assert client.get("/v1/containers/guest")["endpoints"][0]["network"]["id"] == first
    raw.do("DELETE", f"/networks/{first}")
    second = raw.make_network("lan")
    for client in readers:
        assert client.get("/v1/containers/guest")["endpoints"][0]["network"]["id"] == second
        assert client.get("/v1/networks/lan")["endpoint_count"] == 1


@pytest.mark.parametrize("network", ["lan", "ghost"])
def test_other_aliases_of_a_stopped_container_are_seen(raw, readers, network):
    """From Docker 28 on neither step writes an event, and on 26 none does where no such network exists."""
    raw.make_network("lan", "10.77.0.0/24")
    raw.make("guest", start=False, mode="bridge")
    for count in range(30):
        raw.connect(network, "guest", Aliases=[f"alias{count}"])
        for client in readers:
            found = client.get("/v1/containers/guest")["endpoints"]
            assert [f["aliases"] for f in found if f["network"]["name"] == network] == [[f"alias{count}"]]
        raw.disconnect(network, "guest", force=True)


def errors_seen(source, container_id):
    container = source.snapshot().containers_by_id[container_id]
    return container.error, container.exit_code


def test_a_start_that_fails_without_an_event_or_an_exit_code_is_seen(engine, raw):
    """The container list says "Created" before and after, and has no error."""
    raw.make("owner", start=False)
    sharer = raw.make("sharer", start=False, mode="container:owner")
    source = SnapshotSource(EngineAddress(engine.docker_host))
    assert errors_seen(source, sharer) == ("", None)
    raw.send("POST", f"/containers/{sharer}/start")
    first, _ = errors_seen(source, sharer)
    assert "cannot join network" in first
    raw.do("POST", "/containers/owner/start")
    raw.do("POST", f"/containers/{sharer}/start")
    assert errors_seen(source, sharer) == ("", 0)


def test_another_name_of_a_link_is_seen(engine, raw):
    """No event names the container that is linked to the renamed one."""
    raw.make("db", mode="bridge")
    web = raw.make("web", mode="bridge", host={"Links": ["db:database"]})
    source = SnapshotSource(EngineAddress(engine.docker_host))
    assert source.snapshot().containers_by_id[web].links == ("/db:/web/database",)
    raw.do("POST", "/containers/db/rename?name=other")
    assert source.snapshot().containers_by_id[web].links == ("/other:/web/database",)


def test_a_start_that_fails_without_an_event_is_seen_by_its_exit_code(raw, readers):
    raw.make_network("lan", "10.77.0.0/24")
    guest = raw.make("guest", mode="lan", Cmd=["true"])
    raw.do("POST", f"/containers/{guest}/wait")
    raw.do("DELETE", "/networks/lan")
    for client in readers:
        assert client.get("/v1/containers/guest")["exit_code"] == 0
    assert raw.send("POST", f"/containers/{guest}/start")[0] == 404
    for client in readers:
        assert client.get("/v1/containers/guest")["exit_code"] == 128


def test_one_that_never_ran_has_no_exit_code(raw, readers):
    raw.make("guest", start=False)
    assert readers[0].get("/v1/containers/guest")["exit_code"] is None


def test_a_second_connect_of_a_stopped_container_changes_nothing(raw, readers):
    """The engine answers 200 and keeps the first settings: so there is nothing that a read could miss."""
    raw.make_network("lan", "10.77.0.0/24")
    raw.make("guest", start=False, mode="bridge")
    raw.connect("lan", "guest", Aliases=["first"])
    assert readers[0].get("/v1/networks/lan/endpoints/guest")["aliases"] == ["first"]
    raw.connect("lan", "guest", Aliases=["second"], IPAMConfig={"IPv4Address": "10.77.0.9"})
    kept = raw.get("/containers/guest/json")["NetworkSettings"]["Networks"]["lan"]
    assert (kept["Aliases"], kept["IPAMConfig"]) == (["first"], None)
    assert readers[0].get("/v1/networks/lan/endpoints/guest")["aliases"] == ["first"]


def test_a_connect_just_after_an_inspection_is_not_missed(engine, raw):
    """It writes no event, and comes too late for the proof that is under way."""
    raw.make_network("lan", "10.77.0.0/24")
    guest = raw.make("guest", start=False, mode="bridge")
    raw.connect("lan", "guest")
    source = Interrupted(EngineAddress(engine.docker_host), "/v1.45")
    assert names_of_networks(source, guest) == ["bridge", "lan"]
    raw.disconnect("lan", "guest")
    source.interruption = lambda: raw.connect("lan", "guest")
    names_of_networks(source, guest)
    assert names_of_networks(source, guest) == ["bridge", "lan"]


class Interrupted(SnapshotSource):
    """Something else happens just after it inspected the containers."""

    interruption = None

    def _inspected(self, container_ids):
        answers = super()._inspected(container_ids)
        if self.interruption is not None:
            act, self.interruption = self.interruption, None
            act()
        return answers


def names_of_networks(source, container_id):
    return [endpoint.network_name for endpoint in source.snapshot().containers_by_id[container_id].endpoints]


def test_what_a_refused_connect_left_behind_is_seen_by_every_worker(raw, readers, monkeypatch):
    one, other = readers
    raw.make_network("lan", "10.77.0.0/24")
    raw.make("guest", mode="bridge")
    for client in readers:
        client.get("/v1/containers")
    monkeypatch.setattr("bridgework.use_cases.endpoints.require_possible", lambda *_: None)
    one.put("/v1/networks/lan/endpoints/guest", {"ipv4_address": "10.77.0.1"}, status=409)
    for client in (one, other):
        assert client.get("/v1/networks/lan/endpoints/guest")["state"] == "configured"


def test_an_engine_that_restarts(tokens_file):
    """Its log is empty then, and begins anew; while it is down the answer is a 503, never what was known before."""
    folder = Path(tempfile.mkdtemp(prefix="bridgework-tests-"))
    try:
        with PrivateEngine(folder / "engine", f"bridgework-tests-{os.getpid()}-restart") as engine:
            raw = Raw(engine)
            client = Client(create_app(Settings(tokens_file=tokens_file), EngineAddress(engine.docker_host)))
            guest = raw.make("guest", mode="bridge", StopTimeout=0)
            lan = raw.make_network("lan")
            assert client.get(f"/v1/containers/{guest}")["state"] == "running"
            engine.stop()
            response = client.send("GET", "/v1/networks")
            assert (response.status_code, response.get_json()["code"]) == (503, "engine-unreachable")
            assert response.headers["Retry-After"]
            engine.start()
            raw.do("DELETE", f"/networks/{lan}")
            client.call("GET", f"/v1/networks/{lan}", status=404)
            assert client.get(f"/v1/containers/{guest}")["state"] == "exited"
            client.get("/v1/networks")
            engine.restart()
            raw.do("DELETE", f"/containers/{guest}")
            client.call("GET", f"/v1/containers/{guest}", status=404)
            raw.sweep()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
