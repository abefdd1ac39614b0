"""The stream of changes on real engines: order, resumption, filters, gaps, heartbeats, and its end."""

import http.client
import json
import os
import shutil
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import Client, run, sweep_up
from tests.support.engine import lives
from tests.support.service import Service
from tools.engine import PrivateEngine, ask

ROOT = Path(__file__).resolve().parents[2]
LOG_LIMIT = 256
UP_S = 60
SOON_S = 7.0
"""A second between two pings, two for the answer to one, and the wait of a loaded machine."""


class Stream:
    """A reader of Server-Sent Events; ``id`` is what a browser would resume with."""

    def __init__(self, response):
        self.response = response
        self.pieces = response.iter_encoded()
        self.waiting = ""
        self.id = None

    def blocks(self):
        for piece in self.pieces:
            self.waiting += piece.decode()
            while "\n\n" in self.waiting:
                block, _, self.waiting = self.waiting.partition("\n\n")
                yield block

    def events(self, seconds=15):
        """Events as they come; fails when none has come for too long. A heartbeat comes every few seconds."""
        end = time.monotonic() + seconds
        for block in self.blocks():
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            self.id = fields.get("id", self.id)
            if "event" in fields:
                yield fields["event"], json.loads(fields["data"])
            assert time.monotonic() < end, "nothing came in time"

    def take(self, number):
        found = self.events()
        return [next(found) for _ in range(number)]

    def until(self, name):
        """Everything up to the first event of that name."""
        found = []
        for event in self.events(40):
            found.append(event)
            if event[0] == name:
                return found
        raise AssertionError(found)

    def heartbeat(self):
        """Wait for one, before which nothing may come; its id."""
        for block in self.blocks():
            assert "event:" not in block, block
            if block.startswith(": heartbeat"):
                return block.partition("id: ")[2]
        raise AssertionError("the stream ended")

    def close(self):
        self.response.close()


def follow(api, query="", last_id=None):
    headers = {"Last-Event-ID": last_id} if last_id else {}
    response = api.send("GET", f"/v1/events{query}", headers=headers, buffered=False)
    assert response.status_code == 200, response.get_data(as_text=True)
    assert response.mimetype == "text/event-stream"
    return closing(Stream(response))


def names(events):
    return [name for name, _ in events]


def make_changes(api):
    """Three changes of the first word, in this order."""
    network = api.post("/v1/networks", {"name": "blue"}, status=201)
    container = run(api, "web")
    api.put("/v1/networks/blue/endpoints/web", {})
    return network, container


@pytest.fixture(scope="module")
def own_engine():
    """An engine that a test may restart."""
    directory = Path(tempfile.mkdtemp(prefix="bridgework-tests-"))
    made = PrivateEngine(directory / "engine", f"bridgework-tests-{os.getpid()}-events")
    try:
        made.start()
        yield made
    finally:
        made.clean()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def own(own_engine, tokens_file):
    client = Client(create_app(Settings(tokens_file=tokens_file), EngineAddress(own_engine.docker_host)))
    yield client
    sweep_up(client)


def fill_the_log(engine, container_id):
    """More entries than the log holds, by the cheapest change there is."""
    for number in range(LOG_LIMIT + 4):
        path = f"/containers/{container_id}/rename?name=name-{number}"
        assert ask(engine.socket, "POST", path, b"")[0] == http.client.NO_CONTENT


def test_changes_come_in_order_and_say_what_they_are_about(api):
    with follow(api) as stream:
        network, container = make_changes(api)
        events = stream.take(5)
    assert names(events) == [
        "network.create", "container.create", "network.connect", "container.start", "network.connect",
    ]  # fmt: skip
    (_, created), _, (_, default), (_, started), (_, connected) = events
    assert created["network"] == {"id": network["id"], "name": "blue"}
    assert created["container"] is None
    assert started["container"] == {"id": container["id"], "name": "web"}
    assert started["name"] == "web"
    assert default["network"]["name"] == "bridge"
    assert connected["network"]["name"] == "blue"
    assert connected["container"] == {"id": container["id"], "name": "web"}
    assert [event["time"] for _, event in events] == sorted(event["time"] for _, event in events)


def test_an_ended_container_says_how_and_a_removed_one_who_it_was(api):
    container = run(api, "brief", command=["sh", "-c", "exit 3"])
    with follow(api, "?container=brief") as stream:
        api.post("/v1/containers/brief/start")
        # Deleted before its program ends, the container is killed, and its exit code is 137.
        found = dict(stream.until("container.die"))
        api.delete("/v1/containers/brief?force=true")
        found |= dict(stream.until("container.destroy"))
    assert found["container.die"]["exit_code"] == 3
    assert found["container.destroy"]["container"] == {"id": container["id"], "name": "brief"}
    assert found["network.disconnect"]["container"] == {"id": container["id"], "name": "brief"}


def test_a_stream_resumes_after_the_last_event_it_gave(api):
    with follow(api) as stream:
        make_changes(api)
        before = stream.take(3)
        last_id = stream.id
    run(api, "later")
    with follow(api, last_id=last_id) as stream:
        after = stream.take(5)
    assert names(before) == ["network.create", "container.create", "network.connect"]
    assert names(after) == [
        "container.start", "network.connect", "container.create", "network.connect", "container.start",
    ]  # fmt: skip
    assert after[-1][1]["name"] == "later"


def test_a_heartbeat_resumes_too(api):
    run(api, "web")
    with follow(api) as stream:
        last_id = stream.heartbeat()
    api.post("/v1/networks", {"name": "blue"}, status=201)
    with follow(api, last_id=last_id) as stream:
        assert names(stream.take(1)) == ["network.create"]


FILTERS = {
    "?type=network": ["network.create", "network.connect", "network.connect", "network.create"],
    "?type=container": ["container.create", "container.start"],
    "?action=connect": ["network.connect", "network.connect"],
    "?network=blue": ["network.create", "network.connect"],
    "?container=web": ["container.create", "network.connect", "container.start", "network.connect"],
    "?container=web&type=network&network=blue": ["network.connect"],
    "?project=alpha": ["network.create"],
    "?container=nobody": [],
}


def test_filters_narrow_and_may_name_what_is_not_there_yet(api):
    with ExitStack() as stack:
        streams = {query: stack.enter_context(follow(api, query)) for query in FILTERS}
        make_changes(api)
        api.as_("alpha").post("/v1/networks", {"name": "theirs"}, status=201)
        for query, expected in FILTERS.items():
            assert names(streams[query].take(len(expected))) == expected, query
        with ThreadPoolExecutor(len(streams)) as pool:
            list(pool.map(Stream.heartbeat, streams.values()))  # nothing else came before it


def test_a_filter_takes_an_id_and_follows_a_renamed_container(api):
    container = run(api, "web")
    for reference in ("web", container["id"], container["id"][:12]):
        with follow(api, f"?container={reference}&action=rename") as stream:
            api.post("/v1/containers/web/rename", {"name": "web2"})
            ((_, event),) = stream.take(1)
            assert event["container"] == {"id": container["id"], "name": "web2"}
            api.post("/v1/containers/web2/rename", {"name": "web"})


def test_commands_run_inside_are_not_shown(api, engine):
    container = run(api, "web")
    with follow(api) as stream:
        body = json.dumps({"Cmd": ["true"]}).encode()
        status, made = ask(engine.socket, "POST", f"/containers/{container['id']}/exec", body, "application/json")
        assert status == http.client.CREATED
        start = f"/exec/{json.loads(made)['Id']}/start"
        assert ask(engine.socket, "POST", start, b'{"Detach": true}', "application/json")[0] == http.client.OK
        api.post("/v1/networks", {"name": "blue"}, status=201)
        assert names(stream.take(1)) == ["network.create"]


def test_heartbeats_come_every_few_seconds(api):
    with follow(api) as stream:
        began = time.monotonic()
        stream.heartbeat()
        stream.heartbeat()
        assert 4 < time.monotonic() - began < 12


def test_a_restarted_engine_is_a_gap_and_the_stream_goes_on(own, own_engine):
    own.post("/v1/networks", {"name": "before"}, status=201)
    with follow(own) as stream:
        own_engine.restart()
        own.post("/v1/networks", {"name": "after"}, status=201)
        events = stream.until("network.create")
    gaps = [event for name, event in events if name == "gap"]
    assert gaps == [{"type": "gap", "reason": "engine-restarted"}]
    assert events[-1][1]["name"] == "after"


@pytest.mark.slow
def test_a_killed_engine_is_told_heartbeats_go_on_and_its_return_is_told(own, own_engine):
    with follow(own) as stream:
        own_engine.kill()
        began = time.monotonic()
        try:
            ((name, told),) = stream.take(1)
            assert time.monotonic() - began < SOON_S
            assert (name, told["state"], told["code"]) == ("engine", "unreachable", "engine-unreachable")
            assert told["detail"].startswith("No Docker engine answers at unix://")
            stream.heartbeat()
            stream.heartbeat()
        finally:
            own_engine.restart()
        back, gap = stream.take(2)
        assert back == ("engine", {"type": "engine", "state": "reachable", "code": None, "detail": None})
        assert gap[1]["reason"] == "engine-restarted"


@pytest.mark.slow
def test_an_engine_that_stalls_is_told_and_what_happened_meanwhile_comes_after_its_return(own, own_engine):
    run(own, "web", command=["sleep", "5"])
    with follow(own) as stream:
        os.kill(own_engine.pid(), signal.SIGSTOP)
        began = time.monotonic()
        try:
            ((name, told),) = stream.take(1)
            assert time.monotonic() - began < SOON_S
            assert (name, told["state"], told["code"]) == ("engine", "unreachable", "engine-too-slow")
            stream.heartbeat()
            time.sleep(max(0, 6 - (time.monotonic() - began)))
        finally:
            os.kill(own_engine.pid(), signal.SIGCONT)
        events = stream.until("container.die")
    assert events[0][1]["state"] == "reachable"
    assert "gap" not in names(events)


def test_an_overrun_log_is_a_gap_for_a_slow_reader_and_for_one_that_resumes(own, own_engine):
    container = run(own, "web")
    with follow(own) as stream:
        own.post("/v1/networks", {"name": "seen"}, status=201)
        assert names(stream.take(1)) == ["network.create"]
        last_id = stream.id
        fill_the_log(own_engine, container["id"])
        slow = stream.take(LOG_LIMIT + 1)
    with follow(own, last_id=last_id) as stream:
        resumed = stream.take(LOG_LIMIT + 1)
    for events in (slow, resumed):
        assert events[0] == ("gap", {"type": "gap", "reason": "log-overrun"})
        assert set(names(events[1:])) == {"container.rename"}
        assert events[-1][1]["name"] == f"name-{LOG_LIMIT + 3}"


def test_what_is_not_understood_is_refused_before_the_stream_begins(api):
    for last_id in ("abc", "-1", "1" * 20, "\u0661"):
        problem = api.call("GET", "/v1/events", headers={"Last-Event-ID": last_id}, status=422)
        assert problem["errors"][0]["name"] == "Last-Event-ID"
    assert api.call("GET", "/v1/events?type=image", status=422)["errors"][0]["name"] == "type"


def test_without_an_engine_there_is_no_stream(tokens_file, tmp_path):
    api = Client(create_app(Settings(tokens_file=tokens_file), EngineAddress(f"unix://{tmp_path}/none.sock")))
    assert api.call("GET", "/v1/events", status=503)["code"] == "engine-unreachable"


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_streams_are_bounded_and_a_closed_one_gives_everything_back(engine, tokens_file):
    api = Client(create_app(Settings(tokens_file=tokens_file, max_streams=1), EngineAddress(engine.docker_host)))
    with follow(api) as stream:
        next(stream.blocks())
        assert api.call("GET", "/v1/events", status=429)["code"] == "too-many-streams"
    descriptors = open_files()
    with follow(api) as stream:
        stream.heartbeat()
        assert open_files() > descriptors
    assert open_files() == descriptors
    api.send("HEAD", "/v1/events").close()
    with follow(api):
        pass


# -- a real server ----------------------------------------------------------------------------------------------


def opened(port):
    """A stream over HTTP, once the server answers.

    The master listens long before its worker is there: on a loaded machine the first answer took more than 20 s.
    """
    end = time.monotonic() + UP_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=UP_S)
        try:
            connection.request("GET", "/v1/events", headers={"Authorization": "Bearer token-of-viewer"})
            response = connection.getresponse()
        except ConnectionRefusedError:
            assert time.monotonic() < end, "the server did not come up"
            time.sleep(0.1)
            continue
        assert response.status == http.client.OK
        assert response.readline() == b"retry: 1000\n"
        return response


def await_end(stream, seconds):
    """Read on; a stream that goes on fails, and so does one that breaks off without its last chunk."""
    end = time.monotonic() + seconds
    while stream.readline():
        assert time.monotonic() < end, "the stream goes on"


def test_a_server_told_to_stop_ends_its_streams_cleanly_and_soon(engine, tokens_file, tmp_path):
    with Service(engine.docker_host, tmp_path, tokens_file) as service:
        server, port = service.process, service.port
        streams = [opened(port) for _ in range(3)]
        began = time.monotonic()
        server.terminate()
        for stream in streams:
            await_end(stream, 10)
        assert time.monotonic() - began < 10
        assert server.wait(timeout=10) == 0
        assert time.monotonic() - began < 15  # gunicorn kills what is left after 25 s


def test_streams_do_not_outlive_a_killed_master(engine, tokens_file, tmp_path):
    with Service(engine.docker_host, tmp_path, tokens_file) as service:
        server, port = service.process, service.port
        stream = opened(port)
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        server.send_signal(signal.SIGKILL)
        await_end(stream, 10)
        end = time.monotonic() + 10
        while any(map(lives, children)):
            assert time.monotonic() < end, "a worker is left"
            time.sleep(0.1)


@pytest.mark.long
def test_twenty_restarts_are_twenty_gaps_and_no_change_after_one_is_missed(own, own_engine):
    with closing(Stream(own.send("GET", "/v1/events"))) as stream:
        for number in range(20):
            own_engine.restart()
            assert stream.until("gap")[-1][1]["reason"] == "engine-restarted"
            own.post("/v1/networks", {"name": f"after-{number}"}, status=201)
            assert stream.until("network.create")[-1][1]["name"] == f"after-{number}"
            own.delete(f"/v1/networks/after-{number}")
            assert stream.until("network.destroy")[-1][1]["name"] == f"after-{number}"
