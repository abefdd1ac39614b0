"""The engine crashes, stalls, or has nothing left to give; the service stays up and tells the truth."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.load import Client, Maker, told_by
from tests.support.service import assert_problem, until


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid):
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def ready(live):
    return live.ask("GET", "/readyz").status == 200


def kill_under_load(own_engine, serve, times):
    """Returns the slowest: until not ready, and until the first success after the engine is back."""
    live = serve(WORKERS=2)
    workers = live.workers()
    alive, reader, maker = (
        Client(live, "GET", "/livez", 0.02),
        Client(live, "GET", "/v1/networks", 0.02),
        Maker(live, "kept"),
    )
    slowest = {"not ready": 0.0, "back": 0.0}
    for client in (alive, reader, maker):
        client.start()
    for _ in range(times):
        time.sleep(0.5)
        began = time.monotonic()
        own_engine.kill()
        until(lambda: not ready(live), 5, "not ready")
        slowest["not ready"] = max(slowest["not ready"], time.monotonic() - began)
        own_engine.restart()
        began = time.monotonic()
        until(lambda: live.ask("GET", "/v1/networks").status == 200, 5, "a first success")
        slowest["back"] = max(slowest["back"], time.monotonic() - began)
    until(lambda: ready(live), 5, "ready")
    maker.stop()
    assert {one.status for one in alive.stop()} == {200}
    assert {(one.status, one.code) for one in reader.stop()} <= {(200, ""), (503, "engine-unreachable")}
    assert {one.status for one in maker.made.values()} <= {201, 503}
    assert live.workers() == workers
    lost = maker.settle()
    assert len(lost) <= times, lost
    assert all("verlap" in said or "conflict" in said for said in lost.values()), lost
    maker.delete()
    return slowest


def assert_quick(slowest):
    assert slowest["not ready"] < 1, slowest
    assert slowest["back"] < 1, slowest


def test_an_engine_killed_under_load(own_engine, serve):
    assert_quick(kill_under_load(own_engine, serve, 3))


@pytest.mark.long
def test_an_engine_killed_twenty_times_under_load(own_engine, serve):
    assert_quick(kill_under_load(own_engine, serve, 20))


REQUESTS = [
    ("GET", "/v1/networks", None), ("GET", "/v1/containers?state=running", None),
    ("GET", "/v1/networks/bridge", None), ("POST", "/v1/networks", {"name": "while-it-sleeps"}),
    ("GET", "/v1/diagnostics", None), ("GET", "/v1/topology", None), ("DELETE", "/v1/networks/none-such", None),
    ("POST", "/v1/containers", {"name": "asleep", "image": "busybox"}),
]  # fmt: skip


def sleep_once(own_engine, live, seconds, clients):
    """Every request sent while the engine sleeps ends with a 504; answers how long each took, and each livez."""
    pid, told = own_engine.pid(), []
    alive = Client(live, "GET", "/livez", 0.05)
    os.kill(pid, signal.SIGSTOP)
    alive.start()
    end = time.monotonic() + seconds

    def keep_asking(number):
        while time.monotonic() < end:
            told.append(told_by(live, *REQUESTS[number % len(REQUESTS)], timeout=120))

    try:
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(keep_asking, range(clients)))
    finally:
        os.kill(pid, signal.SIGCONT)
    lives = alive.stop()
    assert {one.status for one in lives} == {200}
    # A request whose time is over before it asks the engine says that, and not that the engine was slow.
    assert {(one.status, one.code) for one in told} <= {(504, "engine-too-slow"), (504, "time-limit-reached")}
    assert any(one.code == "engine-too-slow" for one in told)
    until(lambda: ready(live), 10, "ready")
    return [one.seconds for one in told], [one.seconds for one in lives]


def sleep_under_load(own_engine, live, seconds, clients):
    """Twice: what it has made for itself in the first time, threads and connections, is all that it ever has."""
    worker = live.workers()[0]
    sleep_once(own_engine, live, 1, clients)
    before = threads(worker), descriptors(worker)
    told, lives = sleep_once(own_engine, live, seconds, clients)
    until(lambda: threads(worker) <= before[0], 10, f"threads back at {before[0]}")
    until(lambda: descriptors(worker) <= before[1], 10, f"descriptors back at {before[1]}")
    return max(told), max(lives)


def test_an_engine_that_sleeps(own_engine, serve):
    live = serve(ENGINE_TIMEOUT_S=1, REQUEST_TIMEOUT_S=2, THREADS=16)
    slowest, slowest_live = sleep_under_load(own_engine, live, 2, 24)
    assert slowest < 6  # 24 clients on 16 threads: some wait for one first
    assert slowest_live < 1


@pytest.mark.long
def test_an_engine_that_sleeps_for_a_minute(own_engine, serve):
    slowest, slowest_live = sleep_under_load(own_engine, serve(THREADS=16), 60, 16)
    assert slowest < 61
    assert slowest_live < 1


def test_pools_exhausted(serve):
    live = serve()
    made = []
    for number in range(60):
        answer = live.ask("POST", "/v1/networks", {"name": f"pool-{number}"})
        if answer.status != 201:
            break
        made.append(number)
    assert_problem(answer)
    assert (answer.status, answer.json["code"]) == (409, "address-space-exhausted")
    assert [call["path"] for call in answer.json["remedy"]["calls"]]
    names = {item["name"] for item in live.ask("GET", "/v1/networks?type=custom&limit=1000").json["items"]}
    assert names == {f"pool-{number}" for number in made}
