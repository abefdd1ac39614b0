"""An engine on which random hosts are made, measured, and asked what an upgrade would do."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.exposure.judge import Judge
from bridgework.analysis.exposure.questions import direct_targets, origins_of, published_targets, questions
from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.http.resources.plans.requests import PlanRequestSchema
from bridgework.model.checks import Protocol
from bridgework.plans.reachability import PING, Pair, Reachability, Service
from bridgework.policy.access import Caller, Role
from bridgework.settings import Settings
from bridgework.use_cases.plans.make import make_plan
from bridgework.use_cases.services import Actor
from tests.support.api import WIDE, Client
from tests.support.neighbour import HOST_ADDRESS6, LINK, neighbour_of
from tests.support.raw_engine import Raw
from tests.upgrades.hosts import PORT
from tools.engine import PrivateEngine, wait_until

TRUTH = Path(__file__).parents[1] / "engines" / "wire_truth.py"
ADMIN = Caller("admin", Role.ADMIN)
TCP = Service(Protocol.TCP, PORT)
AT_ONCE = 4
CLEAN = (
    *(f"{program} -t {table} {flag}" for program in ("iptables", "ip6tables") for table in ("filter", "nat", "raw")
      for flag in ("-F", "-X")),
    "iptables -P FORWARD ACCEPT",
    "ip6tables -P FORWARD ACCEPT",
    "nft flush ruleset",
)  # fmt: skip
"""So each host begins as after a boot."""
FORWARDING = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.default.forwarding")


@dataclass
class Counts:
    """Predictions held against what was measured; ``wrong`` and ``undecided`` say which they are."""

    right: int = 0
    wrong: list = field(default_factory=list)
    undecided: list = field(default_factory=list)

    def add(self, name, predicted, measured):
        if measured == "inconclusive" or measured is None:
            return
        if predicted == measured:
            self.right += 1
        elif predicted == "inconclusive":
            self.undecided.append(f"{name}: {measured}")
        else:
            self.wrong.append(f"{name}: predicted {predicted}, measured {measured}")

    def add_all(self, name, others):
        self.right += others.right
        self.wrong += [f"{name}: {one}" for one in others.wrong]
        self.undecided += [f"{name}: {one}" for one in others.undecided]

    def __str__(self):
        return f"{self.right} right, {len(self.wrong)} wrong, {len(self.undecided)} undecided"


class Lab:
    """A variant's engine with a neighbour on its LAN, and the service before it."""

    def __init__(self, variant, programs, tokens_file):
        self.variant = variant
        self._open = ExitStack()
        folder = Path(tempfile.mkdtemp(prefix="bridgework-upgrades-"))
        self._open.callback(shutil.rmtree, folder, ignore_errors=True)
        name = f"bridgework-up-{folder.name[-8:].lower().replace('_', '0')}"
        settings = {"firewall-backend": "nftables", "ip-forward": False} if variant.nftables else {}
        engine = PrivateEngine(folder / "engine", name, settings=settings, programs=programs)
        self.engine = self._open.enter_context(engine)
        self.neighbour = self._open.enter_context(neighbour_of(engine))
        self.raw = Raw(engine)
        wide = Settings(tokens_file=tokens_file, **WIDE)
        self.api = Client(create_app(wide, EngineAddress(engine.docker_host)))
        self.services = self.api.app.config["SERVICES"]

    def close(self):
        self._open.close()

    @property
    def snapshot(self):
        return self.services.engine.snapshot()

    def make(self, host):
        """Make the host as after a boot: the rules of others first, then the engine, then its containers."""
        self.raw.sweep()
        self.engine.kill()
        for command in CLEAN:
            self.run(command)
        is_on = "1" if host.settings["forwarding"] or self.variant.nftables else "0"
        self.run(f"sysctl -qw {FORWARDING[0]}={is_on} {FORWARDING[1]}=1 {FORWARDING[2]}=1")
        if any("DOCKER-USER" in rule for rule in host.rules_on(self.variant)):
            self.run("iptables -N DOCKER-USER")
        self.write_rules(host)
        self.engine.settings = host.daemon(self.variant)
        self.engine.start()
        wait_until(lambda: self.raw.send("GET", "/networks")[0] == 200, 30)
        for network in host.networks:
            self.api.post("/v1/networks", network, status=201)
        for one in host.containers:
            self.api.post("/v1/containers", one, status=201)
        self.settle()

    def write_rules(self, host):
        for command in host.rules_on(self.variant):
            self.run(command)

    def can_become_others(self, host):
        """Whether the same host can be made on the other engines with the state that this one has.

        With nftables there are no rules in DOCKER-USER that another engine could have, and forwarding is on, so another
        engine would not set the policy of FORWARD.
        """
        if not self.variant.nftables:
            return True
        return host.settings["forwarding"] and not any("DOCKER-USER" in rule for rule in host.rules)

    def run(self, command):
        self.raw.in_namespace(*shlex.split(command))

    def settle(self):
        """Wait until the programs listen and no kernel looks for duplicates of addresses."""
        self.raw.settle()
        pids = [one["State"]["Pid"] for one in self.raw.containers().values() if "httpd" in str(one["Config"]["Cmd"])]
        assert wait_until(lambda: all(map(listens, pids)), 30)

    # -- predicted --

    def plan(self, *changes):
        wanted = PlanRequestSchema().load({"changes": list(changes)})
        return make_plan(Actor(self.services, ADMIN), wanted, self.snapshot)

    def host_links(self):
        """The links of the host, which an upgrade leaves as they are."""
        return self.services.runner.observe_host()

    # -- measured --

    def pids(self):
        """The process of each container, by name."""
        return {one["Name"].removeprefix("/"): one["State"]["Pid"] for one in self.raw.containers().values()}

    def truths(self, asked):
        """What another program finds, for (source, protocol, address, port)."""
        pids = self.pids()
        by_source = {}
        for question in asked:
            by_source.setdefault(question[0], []).append(question)

        def from_one(source):
            place = f"/proc/{pids[source]}/ns/net" if source else self.engine.namespace
            questions = json.dumps([question[1:] for question in by_source[source]])
            done = subprocess.run(
                ["nsenter", f"--net={place}", "--", sys.executable, str(TRUTH)],
                input=questions, capture_output=True, text=True, check=True,
            )  # fmt: skip
            return zip(by_source[source], json.loads(done.stdout), strict=True)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = [pair for some in pool.map(from_one, by_source) for pair in some]
        return {question: "reachable" if answered else "unreachable" for question, answered in found}

    def matrix(self, service):
        """The verdicts of the service's own matrix, by the names of both ends."""
        more = {"port": service.port} if service.port else {}
        asked = {"all": True, "protocol": service.protocol.value, "timeout_ms": 400, **more}
        matrix = self.api.post("/v1/connectivity/matrix", asked)
        names = [one["name"] for one in matrix["containers"]]
        rows = zip(names, matrix["verdicts"], strict=True)
        return {(source, to): word for source, row in rows for to, word in zip(names, row, strict=True)}


def exposure_of(after, host):
    """What the exposure says of each row from the neighbour, by address and port."""
    state = EngineState(after.snapshot, replace(after.observations, host=host))
    origins = [one for one in origins_of(after.snapshot, host) if one.name == LINK]
    targets = [*published_targets(after.snapshot), *direct_targets(state)]
    judge = Judge(state)
    rows = (judge.exposure(one) for one in questions(targets, origins))
    return {(row.address, row.port): row.verdict.value for row in rows if row.target.port == PORT}


def compare_exposure(after, host, lab):
    """Hold the exposure after an upgrade against what a neighbour reaches on the engine of the lab."""
    counts, predicted = Counts(), exposure_of(after, host)
    for subnet in ("10.0.0.0/8", "172.16.0.0/12"):
        lab.neighbour.route(subnet)
    lab.neighbour.route("fd00::/8", HOST_ADDRESS6)
    for (address, port), verdict in predicted.items():
        if not address.startswith("127.") and address != "::1":
            found = lab.neighbour.reaches(address, port, wait_s=5.0 if verdict == "reachable" else 0.7)
            counts.add(f"lan to {address} {port}", verdict, "reachable" if found else "unreachable")
    return counts


def listens(pid):
    port = f":{PORT:04X} "
    tables = (Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6"))
    return any(port in line and " 0A " in line for table in tables for line in table.splitlines())


def addresses_of(world):
    """What the world says of each address: by source, destination, service and address; ``""`` is the host."""
    names = {"": "", **{one.id: one.name for one in world.snapshot.containers}}
    state = Reachability(world.snapshot, world.observations, sorted(world.snapshot.containers_by_id))
    shared = {one.id: one.shares_with or one.id for one in world.snapshot.containers}
    ports = {port.host_port for one in world.snapshot.containers for port in one.published_ports if port.host_port}
    pairs = [Pair(a, b, service) for a in names for b in names if b for service in (PING, TCP)]
    pairs += [Pair(a, "", Service(Protocol.TCP, port)) for a in names for port in sorted(ports)]
    found, whole = {}, {}
    for pair in pairs:
        if pair.source and shared.get(pair.source) == shared.get(pair.destination, "host"):
            continue
        predicted = state.own_prediction(pair)
        ends = names[pair.source], names[pair.destination]
        whole[*ends, pair.service] = predicted.verdict.value
        for one in predicted.addresses:
            found[*ends, pair.service, one.address] = one.predicted.value
    return found, whole


def compare(after, lab):
    """Hold the world after an upgrade against the engine on which the same host was made."""
    counts, by_address, of_pairs = Counts(), *addresses_of(after)
    # Since 28, the socket with which the engine reserves a port takes one connection in all, and answers nothing.
    held = lab.variant.release >= (28, 0) and after.observations.userland_proxy is False
    asked = {
        key: (key[0], "http" if held and not key[1] else key[2].protocol.value, key[3], key[2].port or 0)
        for key in by_address
        if "%" not in key[3]
    }
    truths = lab.truths(set(asked.values()))
    for key, question in asked.items():
        counts.add(" ".join(map(str, key)), by_address[key], truths[question])
    for service in (PING, TCP):
        for (source, to), measured in lab.matrix(service).items():
            if (predicted := of_pairs.get((source, to, service))) is not None:
                counts.add(f"matrix {source} {to} {service}", predicted, measured)
    return counts
