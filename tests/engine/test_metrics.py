"""``GET /metrics``: what is counted, who may see it, and that several workers add up. Quick: runs with `make test`."""

import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridgework.model.errors import EngineUnreachable
from bridgework.telemetry import metrics
from tests.support.api import check, run


def samples(api, **headers):
    text = api.get("/metrics", headers=headers)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def grown(before, after, name, **labels):
    key = (name, tuple(sorted(labels.items())))
    return after.get(key, 0) - before.get(key, 0)


def test_a_token_is_needed(app):
    assert app.test_client().get("/metrics").status_code == 401


def test_it_serves_what_prometheus_asks_for(api):
    asked = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    response = api.send("GET", "/metrics", headers={"Accept": asked})
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_requests_are_counted_by_operation_and_status(api):
    before = samples(api)
    # As a server does, and Flask's test client only when asked: an answer is counted when it is closed.
    api.get("/v1/networks", buffered=True)
    api.call("GET", "/v1/networks/nothing", status=404, buffered=True)
    api.call("GET", "/nowhere-at-all", status=404, buffered=True)
    after = samples(api)
    assert grown(before, after, "bridgework_http_requests_total", operation="listNetworks", status="200") == 1
    assert grown(before, after, "bridgework_http_requests_total", operation="getNetwork", status="404") == 1
    assert grown(before, after, "bridgework_http_requests_total", operation="unmatched", status="404") == 1
    assert grown(before, after, "bridgework_http_request_duration_seconds_count", operation="listNetworks") == 1
    assert after["bridgework_http_requests_in_progress", ()] == before["bridgework_http_requests_in_progress", ()] + 1


def test_checks_pairs_and_engine_calls_are_counted(api):
    before = samples(api)
    run(api, "left")
    run(api, "right")
    check(api, "left", "right")
    api.post("/v1/connectivity/matrix", {"all": True})
    after = samples(api)
    assert grown(before, after, "bridgework_checks_total", protocol="icmp", verdict="reachable", reason="") == 1
    assert grown(before, after, "bridgework_matrix_pairs_total", protocol="icmp", verdict="reachable") == 2
    assert grown(before, after, "bridgework_engine_call_duration_seconds_count", call="create_container") == 2
    assert grown(before, after, "bridgework_event_log_queries_total") >= 4
    assert grown(before, after, "bridgework_snapshot_reads_total") >= 4
    assert after["bridgework_engine_up", ()] == 1
    assert after["bridgework_probe_runner_info", (("kind", "namespace"),)] == 1


def value(name, labels=None):
    return metrics.REGISTRY.get_sample_value(name, labels) or 0


class Broken:
    """An engine that is away."""

    def ping(self):
        raise EngineUnreachable(code="engine-unreachable", detail="It is away.")

    def counters(self):
        return {"reads": 5}

    def snapshot(self, _asked_ns=None):
        return "a snapshot"


def test_a_failed_call_is_counted_by_its_code_and_raised():
    labels = {"call": "ping", "code": "engine-unreachable"}
    before = value("bridgework_engine_call_failures_total", labels)
    with pytest.raises(EngineUnreachable):
        metrics.metered_engine(Broken()).ping()
    assert value("bridgework_engine_call_failures_total", labels) == before + 1


def test_what_the_engines_room_tallies_is_counted_once_whichever_thread_tells():
    engine = metrics.metered_engine(Broken())
    before = value("bridgework_snapshot_reads_total")
    threads = [threading.Thread(target=engine.snapshot) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value("bridgework_snapshot_reads_total") == before + 5
