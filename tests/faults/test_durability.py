"""What was acknowledged stays: every answered change is compared with the engine after reloads, ends and kills."""

import contextlib
import json
import os
import random
import signal
import threading
from collections import Counter

import pytest

from tests.faults.conftest import sweep_up
from tests.faults.load import told_by
from tests.support.service import until
from tools.engine import ask

MADE, GONE = 201, 204
CHANGERS = 4
EACH_ROUND = 8
"""Disturbances between two comparisons, so that the engine holds few things at a time."""


class Changer(threading.Thread):
    """Makes networks and containers in them and deletes every second pair, one request after another.

    ``stands`` is what the answers promise of each thing: there, not there, or ``None`` where no answer said so.
    ``lost`` are things that an answer had promised and that a later request did not find.
    """

    def __init__(self, live, number):
        super().__init__(daemon=True)
        self._live, self._number, self._stop = live, number, threading.Event()
        self.stands, self.lost, self.acknowledged = {}, [], 0

    def run(self):
        count = 0
        while not self._stop.is_set():
            count += 1
            name = f"lasting-{self._number}-{count}"
            subnet = f"10.{100 + self._number}.{count // 16 % 256}.{count % 16 * 16}/28"
            pools = {"pools": [{"subnet": subnet}]}
            self._change(MADE, "network", name, "POST", "/v1/networks", {"name": name, "ipam": pools})
            body = {"name": name, "image": "busybox", "command": ["sleep", "60"], "start": False, "network_mode": name}
            self._change(MADE, "container", name, "POST", "/v1/containers", body)
            if count % 2:
                for kind in ("container", "network"):
                    self._change(GONE, kind, name, "DELETE", f"/v1/{kind}s/{name}")

    def _change(self, wanted, kind, name, method, path, body=None):
        promised = self.stands.get((kind, name))
        self.stands[kind, name] = None
        told = told_by(self._live, method, path, body)
        if told.status == wanted:
            self.stands[kind, name] = wanted == MADE
            self.acknowledged += 1
        elif told.status == 404 and promised:
            self.lost.append((kind, name))
        elif told.status == 0:
            self._stop.wait(0.05)  # nobody listens for a moment

    def stop(self):
        self._stop.set()
        self.join(90)
        assert not self.is_alive()


def things_of(engine):
    networks = json.loads(ask(engine.socket, "GET", "/networks")[1])
    containers = json.loads(ask(engine.socket, "GET", "/containers/json?all=1")[1])
    names = [("network", one["Name"]) for one in networks]
    return Counter(names + [("container", one["Names"][0].removeprefix("/")) for one in containers])


def reload(live):
    """HUP: the master begins other workers and ends those that it has."""
    live.process.send_signal(signal.SIGHUP)


def end_worker(live):
    signal_one(live, signal.SIGTERM)


def kill_worker(live):
    signal_one(live, signal.SIGKILL)


def signal_one(live, number):
    with contextlib.suppress(ProcessLookupError, IndexError):
        os.kill(random.choice(live.workers()), number)


def restart(live):
    """TERM, as a service manager ends it, and another start at the same port."""
    assert live.end() == 0
    live.__enter__()


def disturbed(serve, engine, times, ends):
    """Disturb the service under load; how many changes were acknowledged, all of them compared with the engine."""
    live = serve(WORKERS=2)
    chance = random.Random(20_261_125)
    left = [*[reload, end_worker, kill_worker] * times, *[restart] * ends]
    chance.shuffle(left)
    acknowledged = 0
    while left:
        changers = [Changer(live, number) for number in range(CHANGERS)]
        for changer in changers:
            changer.start()
        for disturb in left[:EACH_ROUND]:
            threading.Event().wait(chance.uniform(0.05, 0.3))
            disturb(live)
            until(live.lives, 30, "the service")
        del left[:EACH_ROUND]
        for changer in changers:
            changer.stop()
        acknowledged += sum(compared(engine, changer) for changer in changers)
        sweep_up(engine)
    assert "accident" not in live.said()
    return acknowledged


def compared(engine, changer):
    """Nothing that was acknowledged is otherwise on the engine; the number of acknowledged changes."""
    there = things_of(engine)
    wrong = {
        thing: (promised, there[thing])
        for thing, promised in changer.stands.items()
        if promised is not None and there[thing] != int(promised)
    }
    assert (wrong, changer.lost) == ({}, [])
    assert {count for (_, name), count in there.items() if name.startswith("lasting-")} <= {1}
    return changer.acknowledged


@pytest.mark.parametrize(("thing", "promised"), [("nowhere", True), ("bridge", False)])
def test_a_lost_change_would_be_seen(own_engine, thing, promised):
    changer = Changer(None, 0)
    changer.stands["network", thing] = promised
    with pytest.raises(AssertionError):
        compared(own_engine, changer)


def test_no_acknowledged_change_is_lost(serve, own_engine):
    assert disturbed(serve, own_engine, times=2, ends=1) > 20


@pytest.mark.long
def test_no_acknowledged_change_is_lost_over_a_hundred_of_each(serve, own_engine):
    assert disturbed(serve, own_engine, times=100, ends=25) > 500
