"""The story of scripts/clients, by the generated Python client. Every step that went well is a line."""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator

import urllib3
from bridgework_api import ApiClient, Configuration
from bridgework_api.api.connectivity_api import ConnectivityApi
from bridgework_api.api.containers_api import ContainersApi
from bridgework_api.api.diagnostics_api import DiagnosticsApi
from bridgework_api.api.networks_api import NetworksApi
from bridgework_api.api.service_api import ServiceApi
from bridgework_api.exceptions import ApiException
from bridgework_api.models.check_destination import CheckDestination
from bridgework_api.models.check_request import CheckRequest
from bridgework_api.models.check_result import CheckResult
from bridgework_api.models.check_source import CheckSource
from bridgework_api.models.container_create import ContainerCreate
from bridgework_api.models.endpoint_connect import EndpointConnect
from bridgework_api.models.event import Event
from bridgework_api.models.ipam_request import IpamRequest
from bridgework_api.models.matrix_line import MatrixLine
from bridgework_api.models.matrix_request import MatrixRequest
from bridgework_api.models.network import Network
from bridgework_api.models.network_create import NetworkCreate
from bridgework_api.models.pool_request import PoolRequest
from bridgework_api.models.problem import Problem
from bridgework_api.models.verdict import Verdict
from urllib3.exceptions import HTTPError

URL, TOKEN = os.environ["STORY_URL"], os.environ["STORY_TOKEN"]
NAME = "story-python"
client = ApiClient(Configuration(host=URL, access_token=TOKEN, retries=0))
networks, containers = NetworksApi(client), ContainersApi(client)
connectivity, diagnostics = ConnectivityApi(client), DiagnosticsApi(client)


def must(holds: bool, step: str) -> None:
    """Print the step, or end."""
    if not holds:
        raise SystemExit(f"not so: {step}")
    sys.stdout.write(f"{step}\n")


def problem(error: ApiException) -> Problem:
    """The problem document of a failure, typed."""
    assert isinstance(error.data, Problem)
    return error.data


def call_directly() -> None:
    direct = ApiClient(Configuration(host=os.environ["STORY_DIRECT"], access_token=TOKEN))
    must(ServiceApi(direct).get_caller().name == "admin", "a call without a proxy between is answered")


def list_by_pages() -> None:
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = networks.list_networks(limit=1, cursor=cursor)
        names += [network.name for network in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    must(names == ["bridge", "host", "none"], "listed three networks by pages of one")


def create_with_key() -> Network:
    body = NetworkCreate(name=NAME, labels={"team": "edge"})
    try:
        networks.create_network(body, idempotency_key=NAME)
        raise SystemExit("the answer was not dropped")
    except HTTPError:
        pass
    answer = networks.create_network_with_http_info(body, idempotency_key=NAME)
    replayed = (answer.headers or {}).get("Idempotent-Replayed")
    made = answer.data
    must(replayed == "true" and made.labels["team"] == "edge", "created once, by a retry after a dropped answer")
    return made


def fail_in_two_ways() -> None:
    try:
        networks.create_network(NetworkCreate(name=NAME))
    except ApiException as error:
        told = problem(error)
        must(error.status == 409 and told.code == "network-name-taken", "a conflict is a typed problem")
    bad = NetworkCreate(name=f"{NAME}-2", ipam=IpamRequest(pools=[PoolRequest(subnet="10.77.0.1/24")]))
    try:
        networks.create_network(bad)
    except ApiException as error:
        faults = problem(error).errors or []
        pointed = faults[0].var_in == "body" and faults[0].pointer == "/ipam/pools/0/subnet"
        must(error.status == 422 and pointed, "a fault is pointed at")


def dry_run() -> None:
    would = networks.create_network_with_http_info(NetworkCreate(name=f"{NAME}-2"), dry_run=True)
    told = (would.headers or {}).get("Bridgework-Dry-Run")
    right = told == "true" and would.data.id is None and would.data.name == f"{NAME}-2"
    must(right, "a dry run answers the network without an id")


def run_containers() -> None:
    for name, mode in ((f"{NAME}-a", NAME), (f"{NAME}-b", "none")):
        body = ContainerCreate(name=name, image="busybox", command=["sleep", "600"], network_mode=mode)
        made = containers.create_container(body)
        must(made.id is not None and made.state == "running", "a container runs")


def connect() -> None:
    networks.disconnect_container("none", f"{NAME}-b")
    endpoint = networks.connect_container(NAME, f"{NAME}-b", endpoint_connect=EndpointConnect(aliases=["web"]))
    must(endpoint.network.name == NAME and "web" in endpoint.aliases, "a container is connected")


def check(destination: CheckDestination) -> CheckResult:
    source = CheckSource(container=f"{NAME}-a")
    return connectivity.check_connectivity(CheckRequest(source=source, destination=destination, timeout_ms=500))


def check_two_ways() -> None:
    good = check(CheckDestination(name=f"{NAME}-b"))
    must(good.verdict is Verdict.REACHABLE and good.measured.rtt_ms is not None, "a name is reached")
    bad = check(CheckDestination(name="absent"))
    causes = {explanation.code for explanation in diagnostics.list_explanations().items}
    must(bad.verdict is Verdict.UNREACHABLE and bad.findings[0].code in causes, "an unknown name is explained")


def measure() -> None:
    matrix = connectivity.measure_matrix(MatrixRequest(network=NAME))
    must(matrix.verdicts[0] == ["self", "reachable"], "a matrix has its rows")
    lines = [MatrixLine.from_json(line) for line in stream("POST", "/v1/connectivity/matrix")]
    rows = [line for line in lines if line is not None and line.type == "row"]
    last = lines[-1]
    assert last is not None
    assert last.summary is not None
    must(len(rows) == 2 and last.type == "end" and last.summary.reachable == 2, "a matrix streams its rows")


def stream(method: str, path: str) -> Iterator[str]:
    """Lines as they come, by urllib3: generated methods read a whole answer."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/x-ndjson, text/event-stream"}
    body = None
    if method == "POST":
        headers["Content-Type"] = "application/json"
        body = json.dumps(MatrixRequest(network=NAME).to_dict()).encode()
    rest = ""
    with urllib3.request(method, URL + path, body=body, headers=headers, preload_content=False) as answer:
        for chunk in answer.stream(1024):
            *lines, rest = (rest + chunk.decode()).split("\n")
            yield from lines


def follow() -> None:
    def change() -> None:
        time.sleep(0.5)
        networks.disconnect_container(NAME, f"{NAME}-b")

    threading.Thread(target=change).start()
    for line in stream("GET", f"/v1/events?network={NAME}"):
        if line.startswith("data: "):
            event = Event.from_json(line.removeprefix("data: "))
            assert event is not None
            assert event.network is not None
            must(event.action == "disconnect" and event.network.name == NAME, "an event is typed")
            return


def read_again(made: Network) -> None:
    assert made.id is not None
    etag = (networks.get_network_with_http_info(made.id).headers or {})["ETag"]
    try:
        networks.get_network(made.id, if_none_match=etag)
    except ApiException as error:
        must(error.status == 304, "nothing new is a 304")


def tidy_up() -> None:
    networks.delete_network(NAME, force=True, dry_run=True)
    must(len(networks.list_networks(name=[NAME]).items) == 1, "a dry run deletes nothing")
    for name in (f"{NAME}-a", f"{NAME}-b"):
        containers.delete_container(name, force=True)
    networks.delete_network(NAME)
    must(len(networks.list_networks(name=[NAME]).items) == 0, "all is removed")


call_directly()
list_by_pages()
network = create_with_key()
fail_in_two_ways()
dry_run()
run_containers()
connect()
check_two_ways()
measure()
follow()
read_again(network)
tidy_up()
