"""A service with kept expectations before a real engine, faults at random, and the truth from the wire itself.

The truth comes from connections and pings that another program makes in the namespaces of the containers. So the
service is compared with nothing of its own.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from tests.support.engine import in_namespace
from tests.support.raw_engine import Raw
from tests.support.service import until

PORT = 8080
HOST = "the host"
QUIET_S = float(os.environ.get("EXPECTATIONS_QUIET_S", "1.6"))
"""So long nothing must have changed before the truth is asked: longer than any measurement."""
PROBE = """
import json, socket, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
def reached(target):
    kind, addresses = target
    for address in addresses:
        if kind == "icmp":
            command = ["busybox", "ping", "-c1", "-W1", address]
            if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                return True
            continue
        try:
            socket.create_connection((address, 8080), 1).close()
            return True
        except OSError:
            pass
    return False
targets = json.load(sys.stdin)
with ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(reached, targets))))
"""


@dataclass(frozen=True)
class Expectation:
    source: str
    destination: str
    kind: str
    expect: str

    @property
    def name(self):
        return f"{self.source} {self.kind} {self.destination}"

    @property
    def body(self):
        probe = {"protocol": "tcp", "port": PORT} if self.kind == "tcp" else {}
        source = {"host": True} if self.source == HOST else {"container": self.source}
        ends = {"source": source, "destination": {"container": self.destination}}
        return {"name": self.name, **ends, **probe, "timeout_ms": 700, "expect": self.expect}


@dataclass
class Fault:
    """A change of the world. ``event`` is what the event of a change must be, as its kind and a part of its message.

    With ``interrupts``, an expectation may break and be whole again at once.
    """

    name: str
    do: object
    event: tuple[str, str]
    interrupts: bool = False


@dataclass
class Tally:
    """What came of all faults."""

    steps: int = 0
    delays: list[float] = field(default_factory=list)
    right: int = 0
    open: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)

    def __str__(self):
        delays = sorted(self.delays) or [0.0]
        at = {share: delays[min(len(delays) - 1, int(len(delays) * share))] for share in (0.5, 0.99)}
        return (
            f"{self.steps} faults, {len(self.delays)} changes told: p50 {at[0.5]:.2f} s, p99 {at[0.99]:.2f} s, at most "
            f"{delays[-1]:.2f} s after the change; cause and event right {self.right}, event left open "
            f"{len(self.open)}, wrong {len(self.wrong)}; missed {len(self.missed)}, false alarms {len(self.false)}"
        )


class World:
    """Containers on networks, the service, and sets of expectations about them."""

    def __init__(self, service, engine, seed, containers, networks, pairs, sets):
        self.service, self.engine, self.raw = service, engine, Raw(engine)
        self.dice = random.Random(seed)
        self.networks = [f"world{number}" for number in range(networks)]
        self.home = {f"c{number}": self.networks[number % networks] for number in range(containers)}
        self.pairs = pairs
        self.sets = [f"/v1/expectations/world{number}" for number in range(sets)]
        self.expectations = []
        self.rules = []
        self.seen = set()

    def ask(self, method, path, body=None):
        answer = self.service.ask(method, path, body)
        assert answer.status < 300, (method, path, answer.body)
        return answer.json

    def begin(self):
        for network in self.networks:
            self.ask("POST", "/v1/networks", {"name": network})
        for name, network in self.home.items():
            command = ["httpd", "-f", "-p", str(PORT)]
            self.ask("POST", "/v1/containers",
                     {"name": name, "image": "busybox", "network_mode": network, "command": command})  # fmt: skip
        sources = (*self.home, HOST)
        every = [(a, b, kind) for a, b in itertools.product(sources, self.home) if a != b for kind in ("icmp", "tcp")]
        for a, b, kind in self.dice.sample(every, min(self.pairs, len(every))):
            expect = "reachable" if a == HOST or self.home[a] == self.home[b] else "unreachable"
            self.expectations.append(Expectation(a, b, kind, expect))
        self.keep()
        until(lambda: "unknown" not in self.statuses().values(), 120, "the first measurement")
        self.news()

    def keep(self):
        for at, path in enumerate(self.sets):
            part = self.expectations[at :: len(self.sets)]
            self.ask("PUT", path, {"expectations": [one.body for one in part], "every_s": 3600})

    def keep_nothing(self):
        for path in self.sets:
            self.ask("DELETE", path)

    def end(self):
        for _, undo in self.rules:
            undo()
        for name in self.home:
            self.service.ask("DELETE", f"/v1/containers/{name}?force=true")
        for network in self.networks:
            self.service.ask("DELETE", f"/v1/networks/{network}?force=true")

    # -- what is told, and what is true --------------------------------------------------------------------------

    def news(self):
        """The changes since the last call, the oldest of each set first."""
        found = [one for path in self.sets for one in self._news_of(path)]
        self.seen |= {one["id"] for one in found}
        return found

    def _news_of(self, path):
        found, cursor = [], ""
        while cursor is not None:
            page = self.ask("GET", f"{path}/changes?limit=200{cursor and f'&cursor={cursor}'}")
            new = [one for one in page["items"] if one["id"] not in self.seen]
            found += new
            cursor = page["next_cursor"] if len(new) == len(page["items"]) else None
        return found[::-1]

    def settled_news(self):
        """All news until nothing is told any more."""
        found = []
        while True:
            time.sleep(QUIET_S)
            new = self.news()
            if not new:
                return found
            found += new

    def statuses(self):
        return {one["name"]: one["status"] for path in self.sets for one in self.ask("GET", path)["expectations"]}

    def truth(self):
        """Whether each expectation is met on the wire now, by its name."""
        inspected = {name: self.raw.get(f"/containers/{name}/json") for name in self.home}
        with ThreadPoolExecutor(8) as pool:
            sources = (*self.home, HOST)
            answers = dict(pool.map(lambda name: (name, self._reached(name, inspected)), sources))
        return {
            one.name: "met"
            if answers[one.source][one.destination, one.kind] == (one.expect == "reachable")
            else "violated"
            for one in self.expectations
        }

    def _reached(self, name, inspected):
        asked = list(dict.fromkeys((one.destination, one.kind) for one in self.expectations if one.source == name))
        place = f"--net={self.engine.namespace}"
        if name != HOST:
            state = inspected[name]["State"]
            if not state["Running"] or state["Paused"]:
                return dict.fromkeys(asked, False)
            place = f"--net=/proc/{state['Pid']}/ns/net"
        targets = [(kind, addresses_of(inspected[destination])) for destination, kind in asked]
        done = subprocess.run(
            ["nsenter", place, sys.executable, "-c", PROBE],
            input=json.dumps(targets), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return dict(zip(asked, json.loads(done.stdout), strict=True))

    # -- faults ---------------------------------------------------------------------------------------------------

    def faults(self, number):
        """Yield so many faults at random; each is followed by what undoes it."""
        kinds = [self.leave, self.kill, self.restart, self.pause, self.join, self.drop, self.drop_all, self.flush,
                 self.bridge_down, self.blackhole, self.policy_rule, self.forwarding]  # fmt: skip
        for turn in range(number // 2):
            yield from kinds[turn % len(kinds)]()

    def some(self):
        return self.dice.choice(list(self.home))

    def leave(self):
        name = self.some()
        network = self.home[name]
        yield Fault("leave", lambda: self.raw.disconnect(network, name), ("engine", f"disconnect {network} {name}"))
        yield Fault("join again", lambda: self.raw.connect(network, name), ("engine", f"connect {network} {name}"))

    def join(self):
        name = self.some()
        network = self.dice.choice([one for one in self.networks if one != self.home[name]])
        yield Fault("join", lambda: self.raw.connect(network, name), ("engine", f"connect {network} {name}"))
        yield Fault(
            "leave again", lambda: self.raw.disconnect(network, name), ("engine", f"disconnect {network} {name}")
        )

    def kill(self):
        name = self.some()
        yield Fault("kill", lambda: self.raw.do("POST", f"/containers/{name}/kill"), ("engine", f"{name}"))
        yield Fault("start", lambda: self.raw.do("POST", f"/containers/{name}/start"), ("engine", f"{name}"))

    def restart(self):
        name = self.some()
        act = Fault("restart", lambda: self.raw.do("POST", f"/containers/{name}/restart?t=0"), ("engine", name), True)
        yield act
        yield act

    def pause(self):
        name = self.some()
        yield Fault("pause", lambda: self.raw.do("POST", f"/containers/{name}/pause"), ("engine", f"pause {name}"))
        yield Fault(
            "unpause", lambda: self.raw.do("POST", f"/containers/{name}/unpause"), ("engine", f"unpause {name}")
        )

    def host(self, *words):
        return lambda: in_namespace(self.engine, *words)

    def drop(self):
        rule = ("FORWARD", "-d", addresses_of(self.raw.get(f"/containers/{self.some()}/json"))[0], "-j", "DROP")
        yield Fault("drop", self.host("iptables", "-I", *rule), ("rules", "added 1 firewall rule"))
        yield Fault("drop out", self.host("iptables", "-D", *rule), ("rules", "removed 1 firewall rule"))

    def drop_all(self):
        rule = ("FORWARD", "-p", "tcp", "--dport", str(PORT), "-j", "REJECT")
        yield Fault("reject", self.host("iptables", "-I", *rule), ("rules", "added 1 firewall rule"))
        yield Fault("reject out", self.host("iptables", "-D", *rule), ("rules", "removed 1 firewall rule"))

    def flush(self):
        saved = in_namespace(self.engine, "iptables-save").stdout
        restore = ["nsenter", f"--net={self.engine.namespace}", "iptables-restore"]
        yield Fault("flush", self.host("iptables", "-F"), ("rules", "firewall rules (filter)"))
        yield Fault("restore", lambda: subprocess.run(restore, input=saved, text=True, check=True), ("rules", "rules"))

    def bridge_down(self):
        network = self.dice.choice(self.networks)
        bridge = f"br-{self.raw.get(f'/networks/{network}')['Id'][:12]}"
        yield Fault("bridge down", self.host("ip", "link", "set", bridge, "down"), ("link", f"{bridge} is down"))
        yield Fault("bridge up", self.host("ip", "link", "set", bridge, "up"), ("link", bridge))

    def blackhole(self):
        address = addresses_of(self.raw.get(f"/containers/{self.some()}/json"))[0]
        route = ("blackhole", f"{address}/32")
        yield Fault("route", self.host("ip", "route", "add", *route), ("route", address))
        yield Fault("route out", self.host("ip", "route", "del", *route), ("route", address))

    def policy_rule(self):
        address = addresses_of(self.raw.get(f"/containers/{self.some()}/json"))[0]
        rule = ("to", address, "blackhole", "priority", "99")
        yield Fault("policy rule", self.host("ip", "rule", "add", *rule), ("policy-rule", "99"))
        yield Fault("policy rule out", self.host("ip", "rule", "del", *rule), ("policy-rule", "99"))

    def forwarding(self):
        yield Fault("forwarding off", self.host("sysctl", "-qw", "net.ipv4.ip_forward=0"), ("setting", "forwarding"))
        yield Fault("forwarding on", self.host("sysctl", "-qw", "net.ipv4.ip_forward=1"), ("setting", "forwarding"))

    def step(self, fault, tally):
        """Do one fault, and compare what is told with what is true."""
        before = self.statuses()
        fault.do()
        done = time.time()
        news = self.settled_news()
        now, truth = self.statuses(), self.truth()
        tally.steps += 1
        for name, status in truth.items():
            if now[name] != status:
                tally.missed.append(f"{fault.name}: {name} is {status}, told {now[name]}")
        for one in news:
            name = one["expectation"]
            if not fault.interrupts and (one["before"] != before[name] or one["after"] != truth[name]):
                tally.false.append(f"{fault.name}: {name} {one['before']} to {one['after']}")
                continue
            tally.delays.append(max(0.0, datetime.fromisoformat(one["at"]).timestamp() - done))
            self._judge(fault, one, tally)

    @staticmethod
    def _judge(fault, one, tally):
        event = one["cause"]["event"]
        told = f"{fault.name}: {one['expectation']}: {one['cause']['code']}: {event and event['message']}"
        if event is None:
            tally.open.append(told)
        elif event["kind"] == fault.event[0] and fault.event[1] in event["message"]:
            tally.right += 1
        else:
            tally.wrong.append(told)


def addresses_of(inspected):
    places = inspected["NetworkSettings"]["Networks"].values()
    return [place["IPAddress"] for place in places if place["IPAddress"]]


def say(text):
    """Tell a figure."""
    sys.stdout.write(f"\n{text}")
