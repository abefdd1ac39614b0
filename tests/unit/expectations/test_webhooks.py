"""Webhooks: signed as the specification says, sent only to the addresses of the file, and tried again."""

import base64
import http.server
import json
import threading

import pytest

from bridgework.expectations.webhooks import BadWebhooksFile, Webhooks, read_webhooks, signature
from bridgework.model.expectations import ExpectationPorts
from bridgework.use_cases.expectations import notify
from tests.unit.expectations.conftest import MET, VIOLATED, judged, kept_set

SECRET = b"a secret of twenty-four b"


def test_the_signature_is_that_of_the_specification():
    """The example of standardwebhooks.com, in its reference implementations' tests."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.fixture
def receiver():
    """A server that keeps what it gets, and answers with the statuses in ``answers`` and then with 204."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((dict(self.headers), body))
            self.send_response(server.answers.pop(0) if server.answers else 204)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def webhooks(receiver, tmp_path):
    file = tmp_path / "webhooks.json"
    secret = "whsec_" + base64.b64encode(SECRET).decode()
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    file.write_text(json.dumps({"webhooks": [{"name": "oncall", "url": url, "secret": secret}]}))
    return Webhooks(file)


def test_a_message_is_signed(webhooks, receiver):
    assert webhooks.send("oncall", "change_1", b"{}") is None
    [(headers, body)] = receiver.got
    moment = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(SECRET, headers["webhook-id"], moment, body)


@pytest.mark.parametrize("status", [301, 400, 500])
def test_what_is_not_a_success_is_a_failure(webhooks, receiver, status):
    receiver.answers = [status]
    assert str(status) in webhooks.send("oncall", "change_1", b"{}")
    assert len(receiver.got) == 1  # no redirect is followed


def test_a_name_that_is_not_in_the_file_gets_nothing(webhooks, receiver):
    assert webhooks.send("other", "change_1", b"{}")
    assert receiver.got == []


@pytest.mark.parametrize("wrong", [
    {"url": "ftp://a"}, {"secret": "short"}, {"secret": "whsec_AAAA"}, {"name": ""}, {"more": 1}, {"name": 3},
], ids=str)  # fmt: skip
def test_a_bad_file_is_refused(tmp_path, wrong):
    file = tmp_path / "webhooks.json"
    good = {"name": "a", "url": "https://a", "secret": "whsec_" + "A" * 32}
    file.write_text(json.dumps({"webhooks": [good]}))
    assert set(read_webhooks(file)) == {"a"}
    file.write_text(json.dumps({"webhooks": [{**good, **wrong}]}))
    with pytest.raises(BadWebhooksFile):
        read_webhooks(file)


@pytest.fixture
def ports(make_store, webhooks, tmp_path):
    store, kept = make_store(tmp_path), kept_set(notify=("oncall",))
    store.put(kept)
    return ExpectationPorts(store, webhooks, list, lambda change: {"id": change.id})


def deliver_until(ports, done):
    """Deliver in this thread until the condition holds; a receiver answers within milliseconds."""
    left = iter(range(200))
    told = threading.Event()
    told.set()
    notify.deliver(ports, told, lambda: done() or next(left, None) is None)
    assert done()


def test_changes_are_sent_in_their_order_until_they_are_taken(ports, receiver, monkeypatch):
    monkeypatch.setattr(notify, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(notify, "_TICK_S", 0.01)
    [kept] = ports.store.sets()
    changes = [change for status in (VIOLATED, MET) for change in ports.store.record([judged(kept, status)])]
    receiver.answers = [500, 503]
    deliver_until(ports, lambda: not ports.store.deliveries(float("inf")))
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert list(dict.fromkeys(ids)) == [change.id for change in changes]
    assert ids.count(changes[0].id) == 3
    told = json.loads(receiver.got[-1][1])
    assert told == {"type": "expectation.met", "timestamp": changes[1].at, "data": {"id": changes[1].id}}


def test_after_a_day_it_is_given_up(ports, receiver, monkeypatch):
    monkeypatch.setattr(notify, "GIVE_UP_S", -1.0)
    [kept] = ports.store.sets()
    ports.store.record([judged(kept, VIOLATED)])
    receiver.answers = [500]
    deliver_until(ports, lambda: not ports.store.deliveries(float("inf")))
    assert len(receiver.got) == 1


def test_the_pauses_grow_to_an_hour(ports):
    [kept] = ports.store.sets()
    ports.store.record([judged(kept, VIOLATED)])
    pauses = []
    for _ in range(14):
        [due] = ports.store.deliveries(float("inf"))
        again_at = notify.again_at_of(due, "it failed")
        pauses.append(round(again_at - notify.time.time()))
        ports.store.delivered(due, again_at)
    assert pauses[:4] == [5, 10, 20, 40]
    assert pauses[-1] == 3600
