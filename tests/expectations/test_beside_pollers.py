"""The same faults, watched by the service and by Prometheus with blackbox_exporter at their documented intervals.

Only figures: how long after a fault each one knew, and whether the service named what did it. All of them look from the
host at TCP port 8080 of the same containers. A fault lasts for longer than the longest interval, and ends before the
next one of the same container. ``EXPECTATIONS_POLLED_FAULTS`` scales it.
"""

import json
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from urllib.parse import quote

import pytest
import yaml

from tests.expectations.world import PORT, Fault, say
from tests.support.deployment import install, process
from tests.support.engine import folder_in_memory
from tests.support.raw_engine import Raw
from tests.support.service import Service, until

FAULTS = int(os.environ.get("EXPECTATIONS_POLLED_FAULTS", "12"))
APART_S, HOLD_S, REST_S = 2.5, 71.25, 25.0
TARGETS = min(FAULTS, int((HOLD_S + REST_S) / APART_S) + 1)
NETWORK, SET = "polled", "/v1/expectations/polled"
INTERVALS = {"prometheus-15s": "15s", "prometheus-1m": "1m"}
"""That of Prometheus' first example, and the default."""
EXPORTER, PROMETHEUS = "127.0.0.1:9115", "127.0.0.1:9090"


class Polled:
    """Containers with an HTTP server each, at addresses that they keep, and the faults that part them from the host."""

    def __init__(self, engine):
        self.engine, self.raw = engine, Raw(engine)
        self.addresses = {f"p{number}": f"10.79.0.{10 + number}" for number in range(TARGETS)}

    def begin(self):
        self.raw.make_network(NETWORK, "10.79.0.0/24")
        for name, address in self.addresses.items():
            place = {NETWORK: {"IPAMConfig": {"IPv4Address": address}}}
            command = ["httpd", "-f", "-p", str(PORT)]
            self.raw.make(name, mode=NETWORK, networks=place, Cmd=command)

    def end(self):
        for name in self.addresses:
            self.raw.remove(name)
        self.raw.send("DELETE", f"/networks/{NETWORK}")

    def expectations(self):
        return [
            {"name": name, "source": {"host": True}, "destination": {"container": name}, "protocol": "tcp",
             "port": PORT, "expect": "reachable"}
            for name in self.addresses
        ]  # fmt: skip

    def faults(self):
        """Yield so many faults, each as the container that it is about, the fault, and what undoes it."""
        kinds = [self.leave, self.kill, self.link_down, self.drop, self.route, self.policy_rule]
        for number, name in zip(range(FAULTS), list(self.addresses) * FAULTS, strict=False):
            yield name, *kinds[number % len(kinds)](name, self.addresses[name])

    def engine_does(self, action, name):
        return lambda: self.raw.do("POST", f"/containers/{name}/{action}")

    def host_does(self, *command):
        return lambda: self.raw.in_namespace(*command)

    def leave(self, name, address):
        def join():
            self.raw.connect(NETWORK, name, IPAMConfig={"IPv4Address": address})

        return Fault(
            "leave", lambda: self.raw.disconnect(NETWORK, name), ("engine", f"disconnect {NETWORK} {name}")
        ), join

    def kill(self, name, _):
        return Fault("kill", self.engine_does("kill", name), ("engine", name)), self.engine_does("start", name)

    def link_down(self, name, _):
        def turn(state):
            # A container that is started again has another link.
            pid = self.raw.get(f"/containers/{name}/json")["State"]["Pid"]
            [inside] = asked(f"/proc/{pid}/ns/net", "ip", "-j", "link", "show", "eth0")
            links = asked(self.engine.namespace, "ip", "-j", "link")
            link = next(one["ifname"] for one in links if one["ifindex"] == inside["link_index"])
            self.raw.in_namespace("ip", "link", "set", link, state)

        return Fault("link down", lambda: turn("down"), ("link", "is down")), lambda: turn("up")

    def drop(self, _, address):
        rule = ("OUTPUT", "-d", address, "-j", "DROP")
        fault = Fault("drop", self.host_does("iptables", "-I", *rule), ("rules", "added 1 firewall rule"))
        return fault, self.host_does("iptables", "-D", *rule)

    def route(self, _, address):
        route = ("blackhole", f"{address}/32")
        fault = Fault("route", self.host_does("ip", "route", "add", *route), ("route", address))
        return fault, self.host_does("ip", "route", "del", *route)

    def policy_rule(self, _, address):
        rule = ("to", address, "blackhole", "priority", "99")
        fault = Fault("policy rule", self.host_does("ip", "rule", "add", *rule), ("policy-rule", "99"))
        return fault, self.host_does("ip", "rule", "del", *rule)


def asked(place, *command):
    done = subprocess.run(["nsenter", f"--net={place}", "--", *command], capture_output=True, check=True)
    return json.loads(done.stdout)


def configuration(addresses):
    """As blackbox_exporter's documents have it, once for each interval."""
    relabel = [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": EXPORTER},
    ]
    targets = [{"targets": [f"{address}:{PORT}" for address in addresses]}]
    jobs = [
        {"job_name": name, "scrape_interval": interval, "metrics_path": "/probe",
         "params": {"module": ["tcp_connect"]}, "static_configs": targets, "relabel_configs": relabel}
        for name, interval in INTERVALS.items()
    ]  # fmt: skip
    return yaml.safe_dump({"scrape_configs": jobs})


@pytest.fixture
def polled(engine):
    polled = Polled(engine)
    try:
        polled.begin()
        yield polled
    finally:
        polled.end()


@pytest.fixture
def pollers(engine, polled, tmp_path):
    """Prometheus and blackbox_exporter, where the host's programs are."""
    install("prometheus", "prometheus-blackbox-exporter")
    modules, jobs = tmp_path / "modules.yml", tmp_path / "prometheus.yml"
    modules.write_text(yaml.safe_dump({"modules": {"tcp_connect": {"prober": "tcp"}}}))
    jobs.write_text(configuration(polled.addresses.values()))
    inside = ("nsenter", f"--net={engine.namespace}", "--")
    exporter = ("prometheus-blackbox-exporter", f"--config.file={modules}", f"--web.listen-address={EXPORTER}")
    prometheus = (
        "prometheus", f"--config.file={jobs}", f"--web.listen-address={PROMETHEUS}",
        f"--storage.tsdb.path={tmp_path}/tsdb",
    )  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(process(*inside, *exporter, log=tmp_path / "exporter.log"))
        stack.enter_context(process(*inside, *prometheus, log=tmp_path / "prometheus.log"))
        until(lambda: len(samples(polled.raw, "probe_success == 1")) == len(INTERVALS) * TARGETS, 120, "all probes")
        yield


def samples(raw, query):
    url = f"http://{PROMETHEUS}/api/v1/query?query={quote(query)}"
    try:
        return asked(raw.namespace, "busybox", "wget", "-q", "-O-", url)["data"]["result"]
    except subprocess.CalledProcessError:
        return []  # it does not listen yet


def known_at(raw, name, address, one):
    """Return when Prometheus had the first sample of a failed probe, in seconds of the epoch, or ``None``."""
    span = f"{{job='{name}',instance='{address}:{PORT}'}}[30m]"
    results = {}
    for metric in ("probe_success", "scrape_duration_seconds"):
        [series] = samples(raw, metric + span)
        results[metric] = dict(series["values"])
    failed = sorted(
        at for at, value in results["probe_success"].items() if value == "0" and one["from"] < at < one["until"]
    )
    # The time of a sample is when its scrape began.
    return failed[0] + float(results["scrape_duration_seconds"][failed[0]]) if failed else None


def run(polled):
    """Do all faults, each undone after a while. Return each with the times when it was done and undone."""
    began = time.monotonic()
    steps = []
    for number, (name, fault, undo) in enumerate(polled.faults()):
        done = {"name": name, "fault": fault}
        steps.append((number * APART_S, fault.do, done, "began"))
        steps.append((number * APART_S + HOLD_S, undo, done, "ended"))
    for at, act, done, moment in sorted(steps, key=lambda step: step[0]):
        time.sleep(max(0.0, began + at - time.monotonic()))
        done["from" if moment == "began" else "until"] = time.time()
        act()
        done[moment] = time.time()
    return [done for *_, done, moment in steps if moment == "began"]


def changes(service):
    items, cursor = [], ""
    while cursor is not None:
        page = service.ask("GET", f"{SET}/changes?limit=200{cursor and f'&cursor={cursor}'}").json
        items, cursor = items + page["items"], page["next_cursor"]
    return [(datetime.fromisoformat(one["at"]).timestamp(), one) for one in reversed(items)]


@pytest.mark.usefixtures("pollers")
def test_the_same_faults_beside_pollers(engine, polled, tokens_file, tmp_path):
    with (
        tempfile.TemporaryDirectory(prefix="bridgework-tests-", dir=folder_in_memory()) as state,
        Service(engine.docker_host, tmp_path, tokens_file, {"state_dir": state}) as service,
    ):
        body = {"expectations": polled.expectations(), "every_s": 3600}
        assert service.ask("PUT", SET, body).status == 201
        until(lambda: service.ask("GET", SET).json["met"] == TARGETS, 60, "the first measurement")
        time.sleep(2)
        faults = run(polled)
        until(lambda: service.ask("GET", SET).json["met"] == TARGETS, 60, "all expectations met again")
        told = changes(service)
    told_of = [first_told(told, one) for one in faults]
    delays = {"bridgework": [at - one["began"] for one, (at, _) in zip(faults, told_of, strict=True)]}
    for job in INTERVALS:
        known = [(one, known_at(polled.raw, job, polled.addresses[one["name"]], one)) for one in faults]
        delays[job] = [at - one["began"] for one, at in known if at is not None]
    for watcher, seconds in delays.items():
        say(f"{watcher}: {len(seconds)} of {len(faults)} faults known, {spread(seconds)} after the fault")
    late = [whole_again(told, one) for one in faults]
    say(f"bridgework: met again {spread(late)} after its end")
    named = [is_named(one, change) for one, (_, change) in zip(faults, told_of, strict=True)]
    say(f"bridgework named the event of {named.count(True)} of {len(faults)}")
    for one, (_, change), right in zip(faults, told_of, named, strict=True):
        if not right:
            say(f"  {one['fault'].name} of {one['name']}: {change['cause']}")
    assert all(named)


def first_told(told, one):
    """Return when the service told a fault, and the change."""
    mine = [(at, change) for at, change in told if change["expectation"] == one["name"]]
    meanwhile = [pair for pair in mine if one["from"] < pair[0] < one["until"] and pair[1]["after"] == "violated"]
    assert meanwhile, f"{one['fault'].name} of {one['name']} at {one['from']} was not told: {mine}"
    return meanwhile[0]


def whole_again(told, one):
    """Return how long after the end of a fault the service told that the expectation is met, in seconds."""
    after = [at for at, change in told if change["expectation"] == one["name"] and change["after"] == "met"]
    late = next(at for at in after if at > one["until"]) - one["ended"]
    if late > 2:
        say(f"  {one['fault'].name} of {one['name']} was whole again after {late:.1f} s")
    return late


def is_named(one, change):
    event = change["cause"]["event"]
    kind, words = one["fault"].event
    return event is not None and event["kind"] == kind and words in event["message"]


def spread(seconds):
    ordered = sorted(max(0.0, one) for one in seconds)
    at = {share: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99)}
    return f"p50 {at[0.5]:.2f} s, p99 {at[0.99]:.2f} s, at most {ordered[-1]:.2f} s"
