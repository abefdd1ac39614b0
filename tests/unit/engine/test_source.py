"""The snapshot source before an engine of our own making: clocks, overruns, answers that make no sense."""

import contextlib
import itertools
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from bridgework.engine import event_log
from bridgework.engine.client import EngineAddress
from bridgework.engine.snapshot_source import SnapshotSource
from bridgework.model.errors import EngineMisbehaved, EngineTooSlow, EngineUnreachable

LAN = "1" * 64


class FakeEngine(BaseHTTPRequestHandler):
    """As little of an engine as a source asks for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, query = urlsplit(self.path).path.removeprefix("/v1.44"), parse_qs(urlsplit(self.path).query)
        engine = self.server.engine
        engine.asked.append(path)
        time.sleep(engine.delay_s)
        body = engine.answer(path, query)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a source does not wait for a late answer
            self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


class Engine:
    def __init__(self):
        self.ahead = timedelta()
        self.events = []
        self.networks = {LAN: {"Id": LAN, "Name": "lan"}}
        self.asked = []
        self.delay_s = 0
        self.broken = {}
        self.told = 0

    def now_ns(self):
        return time.time_ns() + self.ahead // timedelta(microseconds=1) * 1000

    def rename(self, name):
        self.networks[LAN]["Name"] = name
        self.say(LAN)

    def say(self, network_id, kind="network", late_ns=0):
        actor = {"ID": network_id, "Attributes": {}}
        self.events.append({"Type": kind, "Action": "x", "Actor": actor, "timeNano": self.now_ns() - late_ns})

    def answer(self, path, query):
        if path in self.broken:
            return self.broken[path]
        if path == "/events":
            return b"".join(json.dumps(event).encode() + b"\n" for event in self.within(query))
        if path.startswith("/networks/"):
            found = self.networks.get(path.rpartition("/")[2])
            return json.dumps(found).encode() if found else None
        moment = (datetime.now(UTC) + self.ahead).isoformat()
        answers = {"/info": {"SystemTime": moment}, "/networks": list(self.networks.values()), "/containers/json": []}
        return json.dumps(answers[path]).encode()

    def within(self, query):
        """Read backwards to the first line that is older, as the engine does (moby, daemon/events)."""
        since, until = (int(query[name][0].replace(".", "")) for name in ("since", "until"))
        young = itertools.takewhile(lambda event: event["timeNano"] >= since, reversed(self.events[-256:]))
        found = [event for event in young if event["timeNano"] <= until]
        self.told = len(found)
        return found[::-1]


@pytest.fixture
def engine():
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeEngine)
    server.daemon_threads = True
    server.engine = Engine()
    server.engine.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server.engine
    server.shutdown()
    server.server_close()


@pytest.fixture
def source(engine):
    return SnapshotSource(EngineAddress(f"tcp://127.0.0.1:{engine.port}"), timeout_s=2)


def name_seen(source):
    return source.snapshot().networks[0].name


@pytest.mark.parametrize("seconds", [0, 300, -300])
def test_a_remote_engine_whose_clock_differs(engine, source, seconds):
    engine.ahead = timedelta(seconds=seconds)
    assert name_seen(source) == "lan"
    for name in ("one", "two", "three"):
        engine.rename(name)
        assert name_seen(source) == name


def test_nothing_new_costs_one_question(engine, source):
    source.snapshot()
    first = source.snapshot()
    engine.asked.clear()
    assert source.snapshot() is first
    assert engine.asked == ["/events"]


def test_readers_share_the_proof_that_begins_after_they_asked(engine):
    # Three slow answers, one after another, leave a busy machine too little of the other tests' two seconds.
    source = SnapshotSource(EngineAddress(f"tcp://127.0.0.1:{engine.port}"), timeout_s=20)
    source.snapshot()
    engine.delay_s = 0.3
    engine.asked.clear()
    first = threading.Thread(target=source.snapshot)
    first.start()
    time.sleep(0.1)  # the first one's question is under way, and will be answered as of before the change
    engine.networks[LAN]["Name"] = "other"
    engine.say(LAN)
    seen = []
    later = [threading.Thread(target=lambda: seen.append(name_seen(source))) for _ in range(8)]
    for thread in later:
        thread.start()
    for thread in (first, *later):
        thread.join()
    assert seen == ["other"] * 8
    assert engine.asked.count("/events") == 2


def test_a_proof_that_began_after_a_request_arrived_is_its_proof_too(engine, source):
    asked_ns = time.monotonic_ns()
    first = source.snapshot()
    engine.asked.clear()
    engine.rename("other")
    assert source.snapshot(asked_ns) is first
    assert engine.asked == []
    assert source.snapshot(time.monotonic_ns()).networks[0].name == "other"


def test_a_proof_that_began_before_a_request_arrived_is_not(engine, source):
    source.snapshot()
    engine.rename("other")
    asked_ns = time.monotonic_ns()
    assert source.snapshot(asked_ns).networks[0].name == "other"


@pytest.fixture
def settled(engine, source, monkeypatch):
    """A source whose log has been quiet for longer than lines may be late."""
    monkeypatch.setattr(event_log, "OVERLAP_NS", 20_000_000)
    for name in ("one", "two", "three"):
        engine.rename(name)
    source.snapshot()
    for _ in range(2):
        time.sleep(0.03)
        source.snapshot()
    return source


@pytest.mark.usefixtures("settled")
def test_a_quiet_log_tells_only_its_newest_line(engine, source):
    assert engine.told == 1
    first = source.snapshot()
    engine.asked.clear()
    assert source.snapshot() is first
    assert engine.asked == ["/events"]


@pytest.mark.usefixtures("settled")
def test_a_line_written_later_than_any_may_be_is_seen_and_costs_one_reading_anew(engine, source):
    engine.networks[LAN]["Name"] = "late"
    engine.say(LAN, late_ns=3_600_000_000_000)
    assert name_seen(source) == "late"
    assert source.rebuilds == 2
    engine.asked.clear()
    assert name_seen(source) == "late"
    assert engine.asked == ["/events"]


def test_a_line_written_a_little_late_is_seen_at_once(engine, source):
    engine.say(LAN)
    source.snapshot()
    engine.networks[LAN]["Name"] = "late"
    engine.say(LAN, late_ns=500_000_000)
    assert name_seen(source) == "late"
    assert source.rebuilds == 1


def test_events_of_no_interest_change_nothing(engine, source):
    first = source.snapshot()
    engine.say("x", kind="image")
    assert source.snapshot() is first


def test_more_events_than_the_log_holds(engine, source):
    source.snapshot()
    engine.rename("other")
    for _ in range(300):
        engine.say("x", kind="image")
    assert name_seen(source) == "other"


def test_a_log_that_begins_anew(engine, source):
    engine.say(LAN)
    source.snapshot()
    engine.events.clear()
    engine.networks[LAN]["Name"] = "other"
    assert name_seen(source) == "other"


def test_a_clock_set_back(engine, source, monkeypatch):
    engine.say(LAN)
    source.snapshot()
    right = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: right() - 60_000_000_000)
    engine.networks[LAN]["Name"] = "other"
    assert name_seen(source) == "other"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/networks", b"{}"),
        ("/networks", b"no json"),
        ("/containers/json", b"{}"),
        ("/containers/json", b'[{"x": 1}]'),
        ("/events", b"[]\n"),
    ],
)
def test_answers_that_make_no_sense_and_then_good_ones(engine, source, path, body):
    engine.broken[path] = body
    with pytest.raises(EngineMisbehaved) as caught:
        source.snapshot()
    assert caught.value.code == "engine-answered-strangely"
    engine.broken.clear()
    assert name_seen(source) == "lan"


def test_an_engine_that_says_nothing(engine, source):
    source.snapshot()
    engine.delay_s = 2.5
    with pytest.raises(EngineTooSlow):
        source.snapshot()
    engine.delay_s = 0
    engine.networks[LAN]["Name"] = "other"
    assert name_seen(source) == "other"


def test_no_engine():
    with pytest.raises(EngineUnreachable):
        SnapshotSource(EngineAddress("tcp://127.0.0.1:9"), timeout_s=1).snapshot()
