"""The small estate in which faults are made: two networks of both IP versions, and a machine beside the host."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

from tests.causes.fault import undoing
from tests.support.api import check, run
from tests.support.neighbour import ADDRESS, ADDRESS6, HOST_ADDRESS6, LINK
from tests.support.raw_engine import Raw

HTTPD = ["httpd", "-f", "-p", "8080"]
PORT, PUBLISHED, OUTSIDE_PORT = 8080, 18080, 80
LAB, BACK = "lab", "back"
POOLS = {LAB: ("10.231.0.0/24", "fd00:231::/64"), BACK: ("10.232.0.0/24", "fd00:232::/64")}
CONTAINERS = {"web": LAB, "client": LAB, "third": LAB, "far": BACK}
TIMEOUT_MS = 400


@dataclass(frozen=True)
class Way:
    """A question: from where, to what, and the address that another program tries ("$WEB" and so on)."""

    source: str
    destination: object
    address: str
    port: int | None = PORT


WAYS = {
    "pair": Way("client", "web", "$WEB"),
    "ping": Way("client", "web", "$WEB", None),
    "host": Way("host", "web", "$WEB"),
    "host-ping": Way("host", "web", "$WEB", None),
    "self": Way("web", {"address": "$LOOPBACK"}, "$LOOPBACK"),
    "to-host": Way("client", {"host": True}, "$GATEWAY", None),
    "published": Way("far", {"host": True}, "$BACK_GATEWAY", PUBLISHED),
    "outside": Way("client", {"address": "$OUTSIDE"}, "$OUTSIDE", OUTSIDE_PORT),
}


class World:
    """The estate, its addresses and links by name, and the programs that faults start."""

    def __init__(self, api, engine, beside):
        self.api, self.raw, self.beside = api, Raw(engine), beside
        for name, pools in POOLS.items():
            body = {"name": name, "ipv6_enabled": True, "ipam": {"pools": [{"subnet": pool} for pool in pools]}}
            api.post("/v1/networks", body, status=201)
        port = {"container_port": PORT, "host_port": PUBLISHED}
        for name, network in CONTAINERS.items():
            run(api, name, network_mode=network, command=HTTPD, published_ports=[port] if name == "web" else [])
        self.look()
        networks = {one["name"]: one for one in api.get("/v1/networks")["items"]}
        self.bridges = {name: networks[name]["bridge_name"] for name in POOLS}
        self._started = []
        for pools in POOLS.values():
            self.run(f"beside ip -6 route add {pools[1]} via {HOST_ADDRESS6}")
        self.start(f"beside busybox httpd -f -p {OUTSIDE_PORT} -h /")
        self.raw.settle()

    def look(self):
        """Read what a restart or a new connection changes."""
        told = {name: self.raw.get(f"/containers/{name}/json") for name in CONTAINERS}
        self.pids = {name: one["State"]["Pid"] for name, one in told.items()}
        self.ends = {name: one["NetworkSettings"]["Networks"][CONTAINERS[name]] for name, one in told.items()}
        self.ports = {name: self._host_end(name) for name in CONTAINERS}
        for name in CONTAINERS:
            self.run(f"{name} sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0")

    def renew(self):
        """Look again after a remedy: a restart gives another namespace, and a new connection another name than eth0."""
        for name in CONTAINERS:
            pid = self.raw.get(f"/containers/{name}/json")["State"]["Pid"]
            shown = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "link", "show", "eth0"]
            if subprocess.run(shown, check=False, capture_output=True).returncode:
                self.raw.do("POST", f"/containers/{name}/restart?t=0")
        self.look()

    def ends_of(self, row):
        """Source, destination and port of the way, as ``tests/support/remedies.py`` names them."""
        way = WAYS[row.way]
        named = isinstance(way.destination, str)
        destination = way.destination if named else "host" if "host" in way.destination else self.fill(row, way.address)
        return way.source, destination, row.port if way.port == PORT else way.port

    def _host_end(self, name):
        link = json.loads(self._inside(name, "ip", "-j", "link", "show", "eth0").stdout)[0]
        links = json.loads(self.raw.in_namespace("ip", "-j", "link"))
        return next(one["ifname"] for one in links if one["ifindex"] == link["link_index"])

    def words(self, version):
        """What the words in commands stand for."""
        words = {"LOOPBACK": "127.0.0.1" if version == 4 else "::1", "LINK": LINK}
        words["OUTSIDE"] = ADDRESS if version == 4 else ADDRESS6
        for name, end in self.ends.items():
            key = name.upper()
            words[key] = end["IPAddress"] if version == 4 else end["GlobalIPv6Address"]
            words[f"{key}_PORT"], words[f"{key}_MAC"] = self.ports[name], end["MacAddress"]
        for prefix, name in (("", "web"), ("BACK_", "far")):
            words[f"{prefix}GATEWAY"] = self.ends[name]["Gateway" if version == 4 else "IPv6Gateway"]
        words["UNHELD"] = "10.231.0.99" if version == 4 else "fd00:231::99"
        words["FOREIGN"] = "10.99.0.9" if version == 4 else "fd00:99::9"
        words["SUBNET"], words["LEN"] = POOLS[LAB][version != 4], "24" if version == 4 else "64"
        return words | {
            "BRIDGE": self.bridges[LAB],
            "BACK_BRIDGE": self.bridges[BACK],
            "FOLDER": str(Path(__file__).parent),
        }

    def fill(self, row, text):
        return Template(text).substitute(self.words(row.version) | row.words)

    def _namespace(self, place):
        if place == "host":
            return str(self.raw.namespace)
        return str(self.beside.path) if place == "beside" else f"/proc/{self.pids[place]}/ns/net"

    def _inside(self, place, *command, check=True):
        told = subprocess.run(
            ["nsenter", f"--net={self._namespace(place)}", "--", *command], capture_output=True, text=True, check=False
        )
        assert told.returncode == 0 or not check, (place, command, told.stderr)
        return told

    def run(self, command, *, check=True):
        """Run a command at its place."""
        place, *words = command.split()
        return self._inside(place, *words, check=check).stdout

    def start(self, command):
        """Start a program at its place that lasts until ``stop``; one of Python says when it is ready."""
        place, *words = command.split()
        python = words[0] == "python3"
        words = [sys.executable, *words[1:]] if python else words
        started = subprocess.Popen(
            ["nsenter", f"--net={self._namespace(place)}", "--", *words],
            stdout=subprocess.PIPE if python else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(started)
        if python:
            assert started.stdout.readline() == b"ready\n", command
        return started

    def stop(self, keep=1):
        """End what faults started; the first one serves the machine beside the host."""
        for process in self._started[keep:]:
            process.kill()
            process.wait()
        del self._started[keep:]

    def tries(self, row, wait_s=0.5):
        """Begin to try the way by another program; ``wait`` tells whether it passes (0)."""
        way = WAYS[row.way]
        address = self.fill(row, way.address)
        if way.port is None:
            command = ["busybox", "ping", "-c1", "-W1", address]
        else:
            port = row.port if way.port == PORT else way.port
            host = f"[{address}]" if ":" in address else address
            command = ["curl", "-s", "-o/dev/null", f"-m{wait_s}", f"http://{host}:{port}/"]
        return subprocess.Popen(
            ["nsenter", f"--net={self._namespace(way.source)}", "--", *command], stdout=subprocess.DEVNULL
        )

    def passes(self, row, wait_s=0.5):
        return self.tries(row, wait_s).wait() == 0

    def ask(self, row, **more):
        """The service's answer to the same question."""
        way = WAYS[row.way]
        destination = way.destination
        if isinstance(destination, dict) and "address" in destination:
            destination = {"address": self.fill(row, destination["address"])}
        sent = {"ip_version": str(row.version), "timeout_ms": TIMEOUT_MS, "protocol": "icmp", **more}
        if way.port is not None:
            sent |= {"protocol": row.protocol, "port": row.port if way.port == PORT else way.port}
        return check(self.api, way.source, destination, **sent)

    def make(self, row):
        """Make the fault; its undoing, which fills in what a sysctl was before."""
        made = [self.fill(row, command) for command in row.made]
        undo = [self.fill(row, command) for command in row.undone] or list(undoing(made))
        for command in made:
            place, _, text = command.partition(" ")
            if text.startswith("sysctl"):
                key = text.split()[-1].partition("=")[0]
                undo.append(f"{place} sysctl -qw {key}={self.run(f'{place} sysctl -n {key}').strip()}")
            if text.startswith("start "):
                self.start(f"{place} {text.removeprefix('start ')}")
            else:
                self.run(command)
        return undo

    def undo(self, commands):
        for command in commands:
            self.run(command, check=False)
        self.stop()
        self.repair()

    def repair(self):
        """Give links, addresses and routes back as the engine made them."""
        for name in CONTAINERS:
            end = self.ends[name]
            batch = [
                "link set lo up",
                f"link set eth0 address {end['MacAddress']} mtu 1500 arp on",
                "link set eth0 up",
                f"addr replace {end['IPAddress']}/24 dev eth0",
                f"addr replace {end['GlobalIPv6Address']}/64 dev eth0 nodad",
                f"route replace {POOLS[CONTAINERS[name]][0]} dev eth0 src {end['IPAddress']}",
                f"route replace default via {end['Gateway']}",
                f"route replace default via {end['IPv6Gateway']}",
                "neigh flush all",
            ]
            self._batch(name, batch)
        host = []
        for name, network in CONTAINERS.items():
            host.append(f"link set {self.ports[name]} master {self.bridges[network]} up")
        for name, network in ((LAB, "web"), (BACK, "far")):
            host += [
                f"link set {self.bridges[name]} arp on up",
                f"addr replace {self.ends[network]['Gateway']}/24 dev {self.bridges[name]}",
                f"addr replace {self.ends[network]['IPv6Gateway']}/64 dev {self.bridges[name]} nodad",
            ]
        self._batch("host", [*host, "neigh flush all"])
        ports = "state 3 isolated off locked off flood on learning on bcast_flood on mcast_flood on neigh_suppress off"
        for name in CONTAINERS:
            self.run(f"host bridge link set dev {self.ports[name]} {ports}", check=False)

    def _batch(self, place, batch):
        subprocess.run(
            ["nsenter", f"--net={self._namespace(place)}", "--", "ip", "-force", "-batch", "-"],
            input="\n".join(batch),
            text=True,
            capture_output=True,
            check=False,
        )

    def is_whole_again(self, row):
        """Whether the way works again, within a few seconds."""
        ends = time.monotonic() + 5
        while not self.passes(replace(row, port=PORT)):
            if time.monotonic() > ends:
                return False
            time.sleep(0.1)
        return True
