"""Several workers: their numbers add up, also those of a worker that was killed, and nothing is left in memory."""

import os
import signal
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.api import Client
from tests.support.deployment import at_socket, process, wait_for
from tools.service import COMMAND


def folder_of(worker):
    """Where this worker counts; other services on this machine have theirs."""
    return next(file.parent for file in Path("/dev", "shm").glob(f"bridgework-metrics-*/counter_{worker}.db"))


def total(client, name, **labels):
    return sum(
        sample.value
        for family in text_string_to_metric_families(client.get("/metrics"))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_they_add_up_and_survive_a_worker(engine, tokens_file, tmp_path):
    settings = {
        "BRIDGEWORK_BIND": f"unix:{tmp_path}/http.sock",
        "BRIDGEWORK_TOKENS_FILE": str(tokens_file),
        "BRIDGEWORK_WORKERS": "3",
        "BRIDGEWORK_THREADS": "4",
        "DOCKER_HOST": engine.docker_host,
    }
    with process(*COMMAND, log=tmp_path / "log", env=settings) as master:
        service = at_socket(tmp_path / "http.sock")
        wait_for(lambda: service.status("/readyz") == 200, what="the service")
        client = Client(service)
        for _ in range(60):
            client.get("/v1/networks")
        counted = {"operation": "listNetworks", "status": "200"}
        wait_for(lambda: total(client, "bridgework_http_requests_total", **counted) == 60, what="sixty requests")
        assert total(client, "bridgework_http_threads") == 12
        folder = folder_of(children(master.pid)[0])
        os.kill(children(master.pid)[0], signal.SIGKILL)
        time.sleep(0.5)
        wait_for(lambda: len(children(master.pid)) == 3, what="another worker")
        wait_for(lambda: total(client, "bridgework_http_threads") == 12, what="its threads")
        assert total(client, "bridgework_http_requests_total", **counted) == 60
    assert not folder.exists()
