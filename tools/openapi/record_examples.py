"""Record the document's examples: tell a story to a service before a real engine, and keep what was said.

Ids, times and measurements are made the same for every recording, so that one differs from the last only where the API
does. Run by ``make examples``; tests hold each example against its schema.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bridgework.app import RESOURCES
from tools.live_service import TOKEN, Live, live_service

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "tools" / "openapi" / "examples.json"
ID = re.compile(r"\b[0-9a-f]{64}\b")
REQUEST_ID = re.compile(r"\b[0-9a-f]{32}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
HTTPD = ["httpd", "-f", "-p", "8080"]
MEASURED = {"rtt_ms": 0.08, "duration_ms": 4.2, "phases_ms": 0.3}
HERE = {
    "kernel_version": "6.12.57+deb13-amd64", "operating_system": "Debian GNU/Linux 13 (trixie)", "pid": 2611,
    "neighbours_in_use": 12, "rx_bytes": 926, "rx_packets": 11, "tx_bytes": 922, "tx_packets": 11,
}  # fmt: skip
"""What another machine or another moment would say otherwise."""
PLAIN_READS = ("/v1/containers/{container}/", "/v1/host/", "/v1/nodes")
EPHEMERAL = range(32_768, 61_000)
LONGEST_LIST = 12
LONGEST_WAIT_S = 20.0
HOST = socket.gethostname()
TEXTS = {"text/vnd.mermaid", "text/vnd.graphviz", "image/svg+xml", "text/plain", "application/xml"}
LINES, CAPTURE = "application/x-ndjson", "application/x-pcapng"


def _with_short_ids(text: str, real: str, made: str) -> str:
    """Replace what is left of an id's first 12 or 13 digits, as host names and container names have them."""
    return re.sub(rf"{real[:12]}\w?", lambda part: made[: len(part[0])], text)


class Recorder:
    """Sends, and keeps the first of each kind under its operation, status and media type."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.kept: dict[str, Any] = {}
        self._ids: dict[str, str] = {}

    def __call__(
        self,
        name: str,
        operation: str,
        path: str,
        body: Any = None,
        *,
        accept: str = "*/*",
        status: int = 200,
        **headers: str,
    ) -> None:
        """Send one request of the story; ``name`` is what its example is called."""
        method = METHODS[operation]
        answered, told, raw = self.live.call(method, path, body, Accept=accept, **headers)
        if answered != status:
            sys.exit(f"{method} {path} answered {answered}, not {status}: {raw.decode()}")
        media_type = told.get("Content-Type", "").partition(";")[0]
        if body is not None and status < HTTPStatus.BAD_REQUEST:
            self._keep(self._of(operation)["request"].setdefault("application/json", {}), name, body)
        if media_type == LINES:
            for number, line in enumerate(raw.splitlines()):
                self.keep_answer(operation, status, media_type, f"{name}, line {number + 1}", json.loads(line))
        elif media_type.endswith("json"):
            self.keep_answer(operation, status, media_type, name, json.loads(raw))
        elif media_type == CAPTURE:
            self.keep_answer(operation, status, media_type, name, "The bytes of the file.")
        elif media_type in TEXTS:
            self.keep_answer(operation, status, media_type, name, raw.decode())

    def excerpt(self, name: str, operation: str, path: str, beginning: str) -> None:
        """Keep what a long text says from ``beginning`` on."""
        _, headers, raw = self.live.call(METHODS[operation], path)
        media_type = headers["Content-Type"].partition(";")[0]
        text = re.sub(r"(_timestamp_seconds\{.*\}) \S+", r"\1 1.7698608e+09", raw.decode())
        self.keep_answer(operation, HTTPStatus.OK, media_type, name, text[text.index(beginning) :])

    def follow(self, operation: str, path: str, change: Callable[[], Any]) -> None:
        """Keep the first event of a stream, which ``change`` makes happen, as it stands in the stream."""
        connection = http.client.HTTPConnection(self.live.url.removeprefix("http://"), timeout=30)
        with contextlib.closing(connection):
            connection.request(METHODS[operation], path, headers={"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            change()
            text = event = ""
            while not event:
                text = self._event_of(answer)
                event = "".join(re.findall(r"(?m)^event: (.*)$", text))
            media_type = str(answer.headers["Content-Type"])
        self.keep_answer(operation, HTTPStatus.OK, media_type, f"The event {event}", text)

    def _event_of(self, answer: http.client.HTTPResponse) -> str:
        """Read up to the next empty line, and make the JSON of its data steady."""
        lines = []
        while (line := answer.readline().decode()).strip():
            field, _, value = line.strip().partition(": ")
            if field == "data":
                line = f"data: {json.dumps(self.steady(json.loads(value)))}\n"
            elif field == "id":
                line = "id: 1769860800000000000\n"
            lines.append(line)
        return "".join([*lines, "\n"])

    def keep_answer(self, operation: str, status: int, media_type: str, name: str, value: Any) -> None:
        """Put it under its operation, status and media type."""
        responses = self._of(operation)["responses"]
        self._keep(responses.setdefault(str(int(status)), {}).setdefault(media_type, {}), name, value)

    def _of(self, operation: str) -> dict[str, Any]:
        found: dict[str, Any] = self.kept.setdefault(operation, {"request": {}, "responses": {}})
        return found

    def _keep(self, examples: dict[str, Any], name: str, value: Any) -> None:
        key = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        examples[key] = {"summary": name, "value": self.steady(value)}

    def steady(self, value: Any, key: str = "") -> Any:
        """What stays the same from one recording to the next."""
        if isinstance(value, dict):
            return {
                name: HERE[name] if inner and name in HERE else self.steady(inner, name if key not in MEASURED else key)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self.steady(inner, key) for inner in value[:LONGEST_LIST]]
        if key == "next_cursor" and value:
            return self._steady_cursor(value)
        if key == "port" and value in EPHEMERAL:
            return 40_000
        if isinstance(value, float):
            return MEASURED.get(key, 1.0)
        return self._steady_text(value) if isinstance(value, str) else value

    def _steady_cursor(self, cursor: str) -> str:
        place = self.steady(json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))))
        return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")

    def _steady_text(self, text: str) -> str:
        text = "docker-host" if text == HOST else text
        text = text.replace(self.live.engine.docker_host, "unix:///var/run/docker.sock")
        for found in ID.findall(text):
            if found not in self._ids:
                made = "".join(f"{(len(self._ids) + 1) * 7919 * (step + 3) % 65536:04x}" for step in range(16))
                self._ids[found] = made
        for real, made in self._ids.items():
            text = _with_short_ids(text.replace(real, made), real, made)
        text = REQUEST_ID.sub("3f0b7c3ac1f24f7f9d1f6c6d3a0b9e52", text)
        text = re.sub(r'time="[\d.]+"', 'time="0.004"', text)
        text = re.sub(r'python="[\d.]+"', 'python="3.13.5"', text)
        text = re.sub(r"(?m)^(\w+(?:{.*})?) \d+\.\d*[1-9](?:e-\d+)?$", r"\1 0.0042", text)
        text = TIME.sub("2026-01-31T12:00:00Z", text)
        text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "7c1e6a52-5f0d-4b86-9a39-0f4be8f3d5c1", text)
        text = re.sub(r"\bfe80::[0-9a-f:]+", "fe80::42:acff:fe13:2", text)
        text = re.sub(r"\+\d+ us", "+12 us", text)
        text = re.sub(r"identifier \d+", "identifier 61234", text)
        text = re.sub(r"\bveth[0-9a-f]{7}\b", "veth27a5c19", text)
        return re.sub(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "02:42:ac:13:00:02", text)


METHODS = {operation.id: operation.method for resource in RESOURCES for operation in resource.operations}


def main() -> None:
    """Record, and write."""
    with live_service("examples") as live:
        recorder = Recorder(live)
        tell(recorder)
        refuse(recorder)
        live.engine.kill()
        recorder("The engine is away", "getReadiness", "/readyz", status=503)
        recorder("The engine is away", "listNetworks", "/v1/networks", status=503)
    TARGET.write_text(json.dumps(recorder.kept, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    print(f"{sum(map(count, recorder.kept.values()))} examples of {len(recorder.kept)} operations")


def count(node: Any) -> int:
    """How many examples are in it."""
    if not isinstance(node, dict):
        return 0
    return 1 if "value" in node and "summary" in node else sum(map(count, node.values()))


def tell(record: Recorder) -> None:
    """The story: two containers that cannot find each other by name, and what mends it."""
    made = HTTPStatus.CREATED
    record("The service", "getIndex", "/")
    record("Alive", "getLiveness", "/livez")
    record("Ready", "getReadiness", "/readyz")
    record("A new network", "createNetwork", "/v1/networks", NETWORK, status=made)
    record("The name is taken", "createNetwork", "/v1/networks", NETWORK, status=409)
    record("The subnet is taken", "createNetwork", "/v1/networks",
           {"name": "other", "ipam": {"pools": [{"subnet": "10.77.0.0/25"}]}}, status=409)  # fmt: skip
    record("Two faults at once", "createNetwork", "/v1/networks", {"nam": "x", "internal": "yes"}, status=422)
    for number in (81, 82):
        body = {"name": f"tomcat{number}", "image": "busybox", "command": HTTPD, "labels": {"team": "edge"}}
        ports = [{"container_port": 8080, "host_ip": "127.0.0.1", "host_port": 8000 + number}]
        record(f"tomcat{number}", "createContainer", "/v1/containers", {**body, "published_ports": ports}, status=made)
    record("The port is taken", "createContainer", "/v1/containers",
           {"name": "late", "image": "busybox", "published_ports": ports}, status=409)  # fmt: skip
    record("No such image", "createContainer", "/v1/containers", {"name": "late", "image": "absent"}, status=404)
    by_name = {"source": {"container": "tomcat81"}, "destination": {"name": "tomcat82"}, "timeout_ms": 300}
    record("No names on the default bridge", "checkConnectivity", "/v1/connectivity/checks", by_name)
    record("Connected", "connectContainer", "/v1/networks/simon_network/endpoints/tomcat81", {"aliases": ["web"]},
           status=made)  # fmt: skip
    record("Connected already", "connectContainer", "/v1/networks/simon_network/endpoints/tomcat81",
           {"aliases": ["web"]})  # fmt: skip
    record("Connected", "connectContainer", "/v1/networks/simon_network/endpoints/tomcat82", {}, status=made)
    record("Connected otherwise", "connectContainer", "/v1/networks/simon_network/endpoints/tomcat82",
           {"aliases": ["other"]}, status=409)  # fmt: skip
    record("Names on a network of their own", "checkConnectivity", "/v1/connectivity/checks", by_name)
    record("A published port, from the host", "checkConnectivity", "/v1/connectivity/checks",
           {"source": {"host": True}, "destination": {"address": "127.0.0.1"}, "protocol": "tcp",
            "port": 8081})  # fmt: skip
    traced = {"source": {"container": "tomcat81"}, "destination": {"container": "tomcat82"}, "trace": True}
    record("A traced ping, as text", "checkConnectivity", "/v1/connectivity/checks", traced, accept="text/plain")
    record("A traced ping, as a capture", "checkConnectivity", "/v1/connectivity/checks", traced, accept=CAPTURE)
    record("A port is missing", "checkConnectivity", "/v1/connectivity/checks",
           {**by_name, "protocol": "tcp"}, status=422)  # fmt: skip
    record("All in one network", "measureMatrix", "/v1/connectivity/matrix", {"network": "simon_network"})
    record("Row by row", "measureMatrix", "/v1/connectivity/matrix", {"network": "simon_network"}, accept=LINES)
    record("All by name", "measureMatrix", "/v1/connectivity/matrix", {"all": True, "by": "name", "timeout_ms": 300})
    assertion = {"source": {"container": "tomcat81"}, "destination": {"container": "tomcat82"}}
    record("Both reachable", "checkAssertions", "/v1/connectivity/assertions",
           [{"name": "edge meets edge", "expect": "reachable", **assertion}])  # fmt: skip
    record("For a pipeline", "checkAssertions", "/v1/connectivity/assertions",
           [{"name": "edge meets edge", "expect": "reachable", **assertion},
            {"name": "and leaks not", "expect": "unreachable", **assertion}],
           accept="application/xml")  # fmt: skip
    searched = {"find": "sources", "of": {"container": "tomcat82"}, "protocol": "tcp", "port": 8080}
    record("Every source that reaches a port", "searchConnectivity", "/v1/connectivity/queries", searched)
    record("The host must not reach it", "searchConnectivity", "/v1/connectivity/queries",
           {**searched, "must_not": [{"host": True}]}, accept=LINES)  # fmt: skip
    leave = {"method": "DELETE", "path": "/v1/networks/simon_network/endpoints/tomcat82"}
    record("One container leaves a network", "planChanges", "/v1/plans", {"changes": [leave]})
    applied = {"changes": [{"method": "POST", "path": "/v1/networks", "body": {"name": "planned_network"}}]}
    tag = {"If-Match": str(record.live.call("POST", "/v1/plans", applied)[1]["ETag"])}
    record("Applied", "planChanges", "/v1/plans", {**applied, "apply": True}, accept=LINES, status=200, **tag)
    record.live.call("DELETE", "/v1/networks/planned_network")
    expected = {"expectations": [{"name": "edge meets edge", "expect": "reachable", **assertion}]}
    record("A set of expectations", "putExpectations", "/v1/expectations/edge", expected, status=made)
    record("The same again", "putExpectations", "/v1/expectations/edge", expected)
    await_count(record, "/v1/expectations/edge", "met", 1)
    record("One Prometheus probe", "probeForPrometheus",
           "/v1/connectivity/probe?source=tomcat81&destination=name:tomcat82")  # fmt: skip
    read(record)
    change(record)


def await_count(record: Recorder, path: str, status: str, number: int) -> None:
    """Wait until so many expectations of a set have the status."""
    end = time.monotonic() + LONGEST_WAIT_S
    while json.loads(record.live.call("GET", path)[2])[status] != number:
        if time.monotonic() > end:
            sys.exit(f"{path} does not become {status}: {record.live.call('GET', path)[2].decode()}")
        time.sleep(0.1)


NETWORK = {
    "name": "simon_network",
    "ipam": {"pools": [{"subnet": "10.77.0.0/24", "gateway": "10.77.0.1"}]},
    "labels": {"team": "edge"},
}


def read(record: Recorder) -> None:
    """Every read."""
    record("Who asks", "getCaller", "/v1/caller")
    record("The engine", "getEngine", "/v1/engine")
    record("Custom networks", "listNetworks", "/v1/networks?type=custom")
    record("A network", "getNetwork", "/v1/networks/simon_network")
    record("No such network", "getNetwork", "/v1/networks/absent", status=404)
    record("Its endpoints", "listEndpoints", "/v1/networks/simon_network/endpoints")
    record("One endpoint", "getEndpoint", "/v1/networks/simon_network/endpoints/tomcat81")
    record("Its addresses", "listAddresses", "/v1/networks/simon_network/addresses")
    record("Free subnets", "listAvailableSubnets", "/v1/subnets/available?prefix_len=24&count=3")
    record("Containers of a team", "listContainers", "/v1/containers?label=team%3Dedge&limit=1")
    record("A container", "getContainer", "/v1/containers/tomcat81")
    record("Causes", "listExplanations", "/v1/explanations")
    record("Sets of expectations", "listExpectations", "/v1/expectations")
    record("A set of expectations", "getExpectations", "/v1/expectations/edge")
    record("Types of problems", "listProblems", "/v1/problems")
    record("A type of problem", "getProblem", "/problems/port-taken")
    record("The engine's diagnosis", "diagnoseEngine", "/v1/diagnostics")
    record("Where a published port is reachable", "listExposure", "/v1/exposure?container=tomcat81&published=true")
    record("As a graph", "getTopology", "/v1/topology?network=simon_network")
    record("For Graphviz", "getTopology", "/v1/topology?network=simon_network", accept="text/vnd.graphviz")
    record("Drawn", "getTopology", "/v1/topology?network=simon_network", accept="image/svg+xml")
    record.excerpt("The end of it", "getMetrics", "/metrics", "# HELP bridgework_engine_up")
    record("For Mermaid", "getTopology", "/v1/topology?network=simon_network", accept="text/vnd.mermaid")
    for operation in (one for resource in RESOURCES for one in resource.operations):
        if operation.method == "GET" and operation.path.startswith(PLAIN_READS):
            record(operation.summary, operation.id, operation.path.format(container="tomcat81"))


def change(record: Recorder) -> None:
    """Every further change, and at last the removal of all."""
    follow, stop = "/v1/events?container=tomcat82", "/v1/containers/tomcat82/stop"
    record.follow("followEvents", f"{follow}&type=container", lambda: record("Stopped", "stopContainer", stop))
    record("Started", "startContainer", "/v1/containers/tomcat82/start")
    record("Restarted", "restartContainer", "/v1/containers/tomcat82/restart")
    record("Step by step", "restartContainer", "/v1/containers/tomcat82/restart", accept=LINES)
    record("Renamed", "renameContainer", "/v1/containers/tomcat82/rename", {"name": "tomcat83"})
    record("In use", "deleteNetwork", "/v1/networks/simon_network", status=409)
    leave = "/v1/networks/simon_network/endpoints/tomcat83"
    record("Changed since", "disconnectContainer", leave, status=412, If_Match='"0"')
    record.follow(
        "followEvents",
        "/v1/events?type=network&action=disconnect",
        lambda: record("Disconnected", "disconnectContainer", leave, status=204),
    )
    await_count(record, "/v1/expectations/edge", "unknown", 1)
    record("Changes of a set", "listExpectationChanges", "/v1/expectations/edge/changes?limit=1")
    record("Deleted", "deleteExpectations", "/v1/expectations/edge", status=204)
    record("Still running", "deleteContainer", "/v1/containers/tomcat83", status=409)
    record("Removed", "deleteContainer", "/v1/containers/tomcat83?force=true", status=204)
    record("Removed", "deleteContainer", "/v1/containers/tomcat81?force=true", status=204)
    record("Pruned", "pruneNetworks", "/v1/network-prunes")


def refuse(record: Recorder) -> None:
    """What every operation may answer instead."""
    record("A body to a GET", "getEngine", "/v1/engine", {"a": 1}, status=400)
    record("A wrong token", "getEngine", "/v1/engine", status=401, Authorization="Bearer wrong")
    record("Not a form of it", "getEngine", "/v1/engine", status=406, accept="image/png")
    record("Too large", "createNetwork", "/v1/networks", {"name": "x" * 2_000_000}, status=413)
    record("Too long", "listNetworks", f"/v1/networks?name={'x' * 9000}", status=414)
    record("Not JSON", "createNetwork", "/v1/networks", {"name": "x"}, status=415, Content_Type="text/plain")
    record("Not as expected", "getEngine", "/v1/engine", status=417, Expect="miracles")
    record("Out of bounds", "listNetworks", "/v1/networks?limit=0", status=422)
    record("Too large a header", "getEngine", "/v1/engine", status=431, X_Long="x" * 9000)


if __name__ == "__main__":
    main()
