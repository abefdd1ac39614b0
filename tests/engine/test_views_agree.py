"""Check, matrix, query and plan say the same of one pair, and what the wire says, under faults made by hand.

The wire is asked by curl in the source's network namespace.
"""

import re
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.support.api import check, run
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.wide

HTTPD = ["httpd", "-f", "-p", "8080"]
PORT, WAIT_MS = 8080, 700


@dataclass(frozen=True)
class Pair:
    """Two ends by name. ``agent`` is in host mode, so it stands for the host."""

    source: str
    destination: str = "web"


NEAR, DOWN, ACROSS = Pair("peer"), Pair("agent"), Pair("client")
"""Within one network; from the host into a network; from one network to another, which a user's rules open."""
OPEN = (
    "iptables -I DOCKER-USER -i {back} -o {front} -j ACCEPT",
    "iptables -I DOCKER-USER -i {front} -o {back} -j ACCEPT",
    "iptables -t raw -I PREROUTING -i {back} -j ACCEPT",
)


@dataclass(frozen=True)
class Lab:
    """The containers of the test, and what is known of them: ``facts`` fill the commands of a fault."""

    api: object
    raw: Raw
    pids: dict
    facts: dict

    def inside(self, where, command):
        """Run a command in the namespace of the host (``""``) or of a container."""
        words = ["sh", "-c", command.format(**self.facts)]
        if not where:
            return self.raw.in_namespace(*words)
        place = f"--net=/proc/{self.pids[where]}/ns/net"
        done = subprocess.run(["nsenter", place, "--", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    @contextmanager
    def broken(self, fault):
        """Make the fault, and undo it at the end."""
        with ExitStack() as stack:
            for where, make, undo in fault:
                self.inside(where, make)
                stack.callback(self.inside, where, undo)
            yield


@pytest.fixture(scope="module")
def lab(module_api, engine):
    api, raw = module_api, Raw(engine)
    bridges = {n: api.post("/v1/networks", {"name": n}, status=201)["bridge_name"] for n in ("front", "back")}
    run(api, "web", network_mode="front", command=HTTPD)
    run(api, "peer", network_mode="front")
    run(api, "client", network_mode="back")
    run(api, "agent", network_mode="host")
    pids = {name: raw.get(f"/containers/{name}/json")["State"]["Pid"] for name in ("web", "peer", "client")}
    own = {
        name: next(iter(raw.get(f"/containers/{name}/json")["NetworkSettings"]["Networks"].values())) for name in pids
    }
    addresses = {name: endpoint["IPAddress"] for name, endpoint in own.items()}
    gateways = {f"{name}_gateway": endpoint["Gateway"] for name, endpoint in own.items()}
    masks = {f"{name}_mask": str(endpoint["IPPrefixLen"]) for name, endpoint in own.items()}
    made = Lab(api, raw, pids, {**bridges, **addresses, **gateways, **masks})
    for name in pids:
        index = re.search(r"eth0@if(\d+)", made.inside(name, "ip -o link show eth0"))[1]
        (veth,) = re.findall(rf"^{index}: (veth\w+)", raw.in_namespace("ip", "-o", "link"), re.MULTILINE)
        made.facts[f"{name}_veth"] = veth
    with made.broken([("", command, command.replace("-I", "-D")) for command in OPEN]):
        yield made


def on_host(make, undo):
    return (("", make, undo),)


def inside(where, make, undo):
    return ((where, make, undo),)


def divert(name):
    """The answers to a container leave by an interface that leads nowhere, and the filter is strict."""
    return (
        ("", "ip link add dead0 type bridge; ip link set dead0 up", "ip link delete dead0"),
        ("", "ip route add default dev dead0 table 78", "true"),
        ("", f"ip rule add to {{{name}}} lookup 78 priority 90", "ip rule delete priority 90"),
        ("", "sysctl -qw net.ipv4.conf.{back}.rp_filter=1", "sysctl -qw net.ipv4.conf.{back}.rp_filter=0"),
    )


FAULTS = {
    "none, near": (NEAR, ()),
    "none, down": (DOWN, ()),
    "none, across": (ACROSS, ()),
    "a policy rule of the host drops": (
        DOWN,
        on_host("ip rule add to {web} blackhole priority 90", "ip rule delete priority 90"),
    ),
    "a table of the host prohibits": (
        DOWN,
        (
            *on_host("ip route add prohibit default table 77", "ip route delete prohibit default table 77"),
            *on_host("ip rule add to {web} lookup 77 priority 90", "ip rule delete priority 90"),
        ),
    ),
    "a route of the host prohibits": (
        DOWN,
        on_host("ip route add prohibit {web}", "ip route delete prohibit {web}"),
    ),
    "a longer route of the host leads elsewhere": (
        DOWN,
        on_host("ip route add {web} dev {back}", "ip route delete {web} dev {back}"),
    ),
    "a policy rule drops what comes from a bridge": (
        ACROSS,
        on_host("ip rule add iif {back} to {web} blackhole priority 90", "ip rule delete priority 90"),
    ),
    "an interface does not forward": (
        ACROSS,
        on_host("sysctl -qw net.ipv4.conf.{back}.forwarding=0", "sysctl -qw net.ipv4.conf.{back}.forwarding=1"),
    ),
    "the answer's interface does not forward": (
        ACROSS,
        on_host("sysctl -qw net.ipv4.conf.{front}.forwarding=0", "sysctl -qw net.ipv4.conf.{front}.forwarding=1"),
    ),
    "the filter of the reverse path rejects the source": (ACROSS, divert("client")),
    "the host's end of the veth is down": (NEAR, on_host("ip link set {web_veth} down", "ip link set {web_veth} up")),
    "the veth is no port of the bridge": (
        NEAR,
        on_host("ip link set {web_veth} nomaster", "ip link set {web_veth} master {front}"),
    ),
    "the link inside the destination is down": (NEAR, inside("web", "ip link set eth0 down", "ip link set eth0 up")),
    "the link inside the source is down": (NEAR, inside("peer", "ip link set eth0 down", "ip link set eth0 up")),
    "the bridge is down": (DOWN, on_host("ip link set {front} down", "ip link set {front} up")),
    "the ports are isolated": (
        NEAR,
        on_host(
            "bridge link set dev {web_veth} isolated on; bridge link set dev {peer_veth} isolated on",
            "bridge link set dev {web_veth} isolated off; bridge link set dev {peer_veth} isolated off",
        ),
    ),
    "a rule of the family netdev drops": (
        NEAR,
        on_host(
            "nft 'add table netdev own; add chain netdev own in"
            " {{ type filter hook ingress device {peer_veth} priority 0 ; }};"
            " add rule netdev own in tcp dport 8080 drop'",
            "nft delete table netdev own",
        ),
    ),
    "a rule of the family bridge drops": (
        NEAR,
        on_host(
            "nft 'add table bridge own; add chain bridge own on {{ type filter hook forward priority 0 ; }};"
            " add rule bridge own on tcp dport 8080 drop'",
            "nft delete table bridge own",
        ),
    ),
    "a route inside the source drops": (
        NEAR,
        inside("peer", "ip route add blackhole {web}", "ip route delete blackhole {web}"),
    ),
    "a route inside the destination drops the answer": (
        NEAR,
        inside("web", "ip route add blackhole {peer}", "ip route delete blackhole {peer}"),
    ),
    "a policy rule inside the source drops": (
        NEAR,
        inside("peer", "ip rule add to {web} prohibit priority 90", "ip rule delete priority 90"),
    ),
    "a policy rule inside the destination drops the answer": (
        NEAR,
        inside("web", "ip rule add to {peer} blackhole priority 90", "ip rule delete priority 90"),
    ),
    "a rule inside the destination drops": (
        NEAR,
        inside("web", "iptables -A INPUT -p tcp --dport 8080 -j DROP", "iptables -F INPUT"),
    ),
    "a rule inside the source drops": (
        NEAR,
        inside("peer", "iptables -A OUTPUT -p tcp --dport 8080 -j DROP", "iptables -F OUTPUT"),
    ),
    "the destination lost its address": (
        NEAR,
        inside(
            "web",
            "ip address delete {web}/{web_mask} dev eth0",
            "ip address add {web}/{web_mask} dev eth0; ip route add default via {web_gateway} || true",
        ),
    ),
    "the source has no default route": (
        ACROSS,
        inside("client", "ip route delete default", "ip route add default via {client_gateway}"),
    ),
}


def on_the_wire(lab, pair):
    address = lab.facts[pair.destination]
    command = f"curl -s -o /dev/null -w '%{{{{http_code}}}}' --noproxy '*' -m 1 http://{address}:{PORT}/ || true"
    answer = lab.inside("" if pair.source == "agent" else pair.source, command)
    return "unreachable" if answer.strip() == "000" else "reachable"


def by_check(lab, pair):
    source = "host" if pair.source == "agent" else pair.source
    answer = check(lab.api, source, pair.destination, protocol="tcp", port=PORT, timeout_ms=WAIT_MS)
    return answer["predicted"]["verdict"], answer["verdict"]


def by_matrix(lab, pair):
    body = {"containers": [pair.source, pair.destination], "protocol": "tcp", "port": PORT}
    answer = lab.api.post("/v1/connectivity/matrix", {**body, "timeout_ms": WAIT_MS})
    measured = answer["verdicts"][0][1]
    surprises = [one for one in answer["surprises"] if one["source"]["name"] == pair.source]
    return next((one["predicted"] for one in surprises), measured), measured


def by_query(lab, pair):
    of = {"host": True} if pair.source == "agent" else {"container": pair.source}
    body = {"find": "destinations", "of": of, "protocol": "tcp", "port": PORT}
    answer = lab.api.post("/v1/connectivity/queries", body)
    verdicts = [g["verdict"] for g in answer["groups"] for end in g["ends"] if end["name"] == pair.destination]
    return next(iter(verdicts), "unreachable")


def by_plan(lab, pair):
    """What the plan to delete the web server says of the pair before it."""
    change = {"method": "DELETE", "path": "/v1/containers/web?force=true"}
    pairs = lab.api.post("/v1/plans", {"changes": [change]})["difference"]["pairs"]
    source = "host" if pair.source == "agent" else pair.source
    for one in pairs:
        ends = [one[end]["name"] or one[end]["kind"] for end in ("source", "destination")]
        if ends == [source, pair.destination] and (one["protocol"], one["port"]) == ("tcp", PORT):
            return one["before"]
    return "unreachable"


@pytest.mark.parametrize("name", FAULTS)
def test_every_view_says_what_the_wire_says(lab, name):
    pair, fault = FAULTS[name]
    with lab.broken(fault):
        wire = on_the_wire(lab, pair)
        assert wire == ("unreachable" if fault else "reachable")
        views = {
            "check": by_check(lab, pair),
            "matrix": by_matrix(lab, pair),
            "query": by_query(lab, pair),
            "plan": by_plan(lab, pair),
        }
    assert views == {"check": (wire, wire), "matrix": (wire, wire), "query": wire, "plan": wire}
