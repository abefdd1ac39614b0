"""Long requests of one caller leave threads and places to the others."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

FLOOR_S = 0.2
"""Below this a busy machine says more about itself than about the service."""
MANY, LONG_S, TIMES = 150, 30, 10


@pytest.fixture
def live(serve):
    live = serve(WORKERS=1)
    for number in range(4):
        subnet = {"subnet": f"10.92.{number}.0/24"}
        assert live.ask("POST", "/v1/networks", {"name": f"n{number}", "ipam": {"pools": [subnet]}}).status == 201
        for place in range(2):
            body = {"name": f"c{number}-{place}", "image": "busybox", "command": ["sleep", "600"]}
            assert live.ask("POST", "/v1/containers", {**body, "network_mode": f"n{number}"}).status == 201
    return live


def slow_check(timeout_ms=8000):
    """Nothing has the address, so the check takes as long as it may."""
    probe = {"protocol": "tcp", "port": 80, "timeout_ms": timeout_ms}
    return {"source": {"container": "c0-0"}, "destination": {"address": "10.92.0.200"}, **probe}


def heavy_plan():
    """Forty containers with many ports, on all networks."""
    ports = [{"container_port": 1000 + port, "protocol": "tcp"} for port in range(50)]
    networks = [{"network": f"n{number}"} for number in range(4)]
    body = {"image": "busybox", "network_mode": "n0", "networks": networks, "published_ports": ports}
    return {
        "changes": [
            {"method": "POST", "path": "/v1/containers", "body": {**body, "name": f"planned-{number}"}}
            for number in range(40)
        ]
    }


SLOW_PROBE = "/v1/connectivity/probe?source=c0-0&destination=address:10.92.0.200&protocol=tcp&port=80&timeout_ms=8000"
LOADS = [
    *[("POST", "/v1/connectivity/checks", slow_check())] * 40,
    *[("POST", "/v1/plans", heavy_plan())] * 8,
    *[("POST", "/v1/connectivity/matrix", {"all": True, "protocol": "tcp", "port": 80, "timeout_ms": 8000})] * 20,
    *[("GET", SLOW_PROBE, None)] * 40,
    *[("GET", "/v1/exposure?limit=1000", None)] * 10,
]


def median_s(live):
    took = []
    while len(took) < MANY and sum(took) < LONG_S:
        began = time.monotonic()
        assert live.ask("GET", "/v1/networks", caller="operator", timeout=120).status == 200
        took.append(time.monotonic() - began)
    return sorted(took)[len(took) // 2]


def test_long_requests_of_one_caller_do_not_hold_up_another(live):
    quiet_s = median_s(live)
    answers, over = [], threading.Event()

    def keep_asking(method, path, body):
        while not over.is_set():
            answer = live.ask(method, path, body, caller="viewer", timeout=120)
            answers.append((path, answer))
            if answer.status == 429:
                over.wait(float(answer.headers["retry-after"]))

    asking = [threading.Thread(target=keep_asking, args=load) for load in LOADS]
    for one in asking:
        one.start()
    time.sleep(2)
    loaded_s = median_s(live)
    # Another caller's check and probe find a place too.
    assert scrape(live, 0).status == 200
    assert live.ask("POST", "/v1/connectivity/checks", slow_check(timeout_ms=500), caller="operator").status == 200
    over.set()
    for one in asking:
        one.join(150)
        assert not one.is_alive()
    assert loaded_s < TIMES * max(quiet_s, FLOOR_S)
    assert {answer.status for _, answer in answers} <= {200, 422, 429, 504}
    for path, noun, share in (
        ("/v1/connectivity/checks", "checks", "4 checks, its share of the 8"),
        ("/v1/plans", "plans", "1 plans, its share of the 2"),
        ("/v1/connectivity/matrix", "matrices", "1 matrices, its share of the 2"),
        (SLOW_PROBE, "probes", "8 probes, its share of the 16"),
        ("/v1/exposure?limit=1000", "diagnoses", "1 diagnoses, its share of the 2"),
    ):
        refused = [answer.json for sent, answer in answers if sent == path and answer.status == 429]
        assert {problem["code"] for problem in refused} == {f"too-many-{noun}"}
        assert all(share in problem["detail"] for problem in refused)
    assert "Traceback" not in live.said()


INTERVAL_S, TARGETS, BURST = 15, 50, 10
SCRAPE = {"X-Prometheus-Scrape-Timeout-Seconds": "10"}


def scrape(live, target):
    """Ask as Prometheus does for a target that does not answer."""
    query = f"source=c0-0&destination=address:10.92.0.{100 + target}&protocol=tcp&port=80"
    return live.ask("GET", f"/v1/connectivity/probe?{query}", caller="operator", headers=SCRAPE)


def test_a_prometheus_with_fifty_targets_that_are_all_down(live):
    """Ten scrapes come at the same time, every 3 s. Eight of them run, for a second each, and the others wait."""
    with ThreadPoolExecutor(TARGETS) as scrapes:
        answers = []
        for first in range(0, TARGETS, BURST):
            answers += [scrapes.submit(scrape, live, target) for target in range(first, first + BURST)]
            time.sleep(INTERVAL_S * BURST / TARGETS)
        answers = [answer.result() for answer in answers]
    assert [answer.status for answer in answers] == [200] * TARGETS
    assert all(b"probe_success 0.0" in answer.body and b"probe_conclusive 1.0" in answer.body for answer in answers)
