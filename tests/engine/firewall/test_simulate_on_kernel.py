"""The simulation beside the kernel: random rules, real connections, in namespaces that the test makes.

A host with two bridges and an uplink forwards between ``a``, ``b`` and ``out``. For each random ruleset the test opens
some connections, and the simulation must say of each whether it succeeds. The rules are those of iptables, and the same
translated into native rules of nftables by iptables' own program.
"""

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bridgework.firewall import simulate
from bridgework.firewall.iptables_save import ruleset_of
from bridgework.firewall.nft_json import tables_of
from bridgework.firewall.ruleset import Packet, Ruleset
from bridgework.probes.kernel import firewall

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root, nft and iptables")
ROUNDS = int(os.environ.get("BRIDGEWORK_TEST_RULESETS", "20"))
PORTS = (80, 81, 8080)
HOST = {"br0": "10.50.0.1", "br1": "10.51.0.1", "up0": "10.52.0.1"}
MEMBERS = {
    "a": ("10.50.0.2", "br0"),
    "a2": ("10.50.0.3", "br0"),
    "b": ("10.51.0.2", "br1"),
    "out": ("10.52.0.2", "up0"),
}
WAIT_S, LONG_S = 0.25, 10
"""How long a connection may take. The short wait is for those that are predicted to be dropped."""
NO_RULES = "".join(
    f"*{table}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains) + "COMMIT\n"
    for table, chains in {
        "raw": ("PREROUTING", "OUTPUT"),
        "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
        "filter": ("INPUT", "FORWARD", "OUTPUT"),
    }.items()
)
# Beside the filter table of iptables-legacy: a packet must pass both.
SECOND_FILTER = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -i br1 -p tcp -m tcp --dport 81 -j DROP
-A INPUT -i up0 -p tcp -m tcp --dport 8080 -j REJECT
COMMIT
"""


def sh(*command, feed=None):
    done = subprocess.run(command, input=feed, text=True, capture_output=True, check=False)
    assert done.returncode == 0, (command, done.stderr, feed)
    return done.stdout


class World:
    def __init__(self, prefix):
        self.prefix = prefix
        self.servers = []

    def name(self, short):
        return f"{self.prefix}{short}"

    def __enter__(self):
        for short in ("host", *MEMBERS):
            sh("ip", "netns", "add", self.name(short))
            sh("ip", "-n", self.name(short), "link", "set", "lo", "up")
        host = self.name("host")
        sh("ip", "netns", "exec", host, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0",
           "net.ipv4.conf.default.rp_filter=0", "net.ipv4.icmp_ratelimit=0")  # fmt: skip
        if Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
            # With br_netfilter a packet that is translated to an address on its own bridge does not leave the bridge,
            # and comes back by the port that it came from only in hairpin mode.
            sh("ip", "netns", "exec", host, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
        for bridge in ("br0", "br1"):
            sh("ip", "-n", host, "link", "add", bridge, "type", "bridge")
        for short, (address, on) in MEMBERS.items():
            inner, outer = "eth0", ("up0" if on == "up0" else f"v{short}")
            sh("ip", "-n", host, "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", self.name(short))
            sh("ip", "-n", host, "link", "set", outer, "up")
            if on != "up0":
                sh("ip", "-n", host, "link", "set", outer, "master", on)
            sh("ip", "-n", self.name(short), "addr", "add", f"{address}/24", "dev", inner)
            sh("ip", "-n", self.name(short), "link", "set", inner, "up")
        for interface, address in HOST.items():
            sh("ip", "-n", host, "addr", "add", f"{address}/24", "dev", interface)
            sh("ip", "-n", host, "link", "set", interface, "up")
        for short, (_, on) in MEMBERS.items():
            sh("ip", "-n", self.name(short), "route", "add", "default", "via", HOST[on])
        for short in ("host", *MEMBERS):
            self.servers.append(self.serve(short))
        return self

    def serve(self, short):
        program = (
            "import socket, select, sys\n"
            f"socks = [socket.create_server(('0.0.0.0', p), reuse_port=False) for p in {PORTS!r}]\n"
            "print('ready', flush=True)\n"
            "while True:\n"
            "    for s in select.select([*socks, sys.stdin], [], [])[0]:\n"
            "        if s is sys.stdin: sys.exit()\n"
            "        s.accept()[0].close()\n"
        )
        command = ["ip", "netns", "exec", self.name(short), sys.executable, "-c", program]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdout.readline() == "ready\n"
        return server

    def __exit__(self, *_):
        for server in self.servers:
            server.stdin.close()
            server.wait(5)
        for short in ("host", *MEMBERS):
            sh("ip", "netns", "del", self.name(short))

    def inside(self, short, work):
        """Do the work in a thread that enters the namespace and ends."""
        found = []

        def enter():
            with Path(f"/run/netns/{self.name(short)}").open() as file:
                os.setns(file.fileno(), os.CLONE_NEWNET)
            found.append(work())

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join(20)
        return found[0]

    def connects(self, source, address, port, wait_s):
        def attempt():
            with socket.socket() as sock:
                sock.settimeout(wait_s)
                try:
                    sock.connect((address, port))
                except OSError:
                    return False
                return True

        return self.inside(source, attempt)

    def flush(self):
        host = self.name("host")
        sh("ip", "netns", "exec", host, "nft", "flush", "ruleset")
        sh("ip", "netns", "exec", host, "iptables-legacy-restore", feed=NO_RULES)

    def restore(self, text):
        sh("ip", "netns", "exec", self.name("host"), "iptables-restore", feed=text)

    def restore_both(self, text):
        """Give the tables before ``*nat`` to iptables-legacy, and the rest with a second filter to iptables-nft."""
        legacy, nf_tables = text.split("*nat")
        sh("ip", "netns", "exec", self.name("host"), "iptables-legacy-restore", feed=legacy)
        self.restore(SECOND_FILTER + "*nat" + nf_tables)

    def restore_native(self, text):
        made = sh("ip", "netns", "exec", self.name("host"), "iptables-restore-translate", "-f", "/dev/stdin", feed=text)
        lines = [line for line in made.splitlines() if not line.startswith("#") or "-A" in line]
        assert not any(line.startswith("#") for line in lines), lines
        native = re.sub(r"(table|chain|rule) ip (\w+)", r"\1 ip native_\2", "\n".join(lines))
        sh("ip", "netns", "exec", self.name("host"), "nft", "-f", "/dev/stdin", feed=native)

    def ruleset(self):
        return self.inside("host", self._read)

    def _read(self):
        chains = firewall.parse(sh("iptables-save", "-c"))
        others = [chain for program, chain in firewall.other_chains() if program == "iptables-legacy"]
        native = tables_of(sh("nft", "-j", "list", "ruleset"))
        return Ruleset((*ruleset_of(chains, 4), *ruleset_of(others, 4, "iptables-legacy"), *native))


class Router:
    """The routes of the world's host."""

    def route(self, packet):
        address = packet.destination
        if self.is_local(address):
            return simulate.Route(None, address)
        for interface, own in HOST.items():
            if address.rpartition(".")[0] == own.rpartition(".")[0]:
                return simulate.Route(interface, own)
        return None

    def is_local(self, address):
        return address in HOST.values() or address.startswith("127.")

    def filters_bridged(self, _version):
        return False


@pytest.fixture(scope="module")
def world():
    with World(f"bwfw{os.getpid()}") as made:
        yield made


class Dice(random.Random):
    """Random rules of the kinds that Docker, ufw and people write."""

    def address(self):
        ends = [address for address, _ in MEMBERS.values()]
        return self.choice([*ends, *HOST.values(), "10.50.0.0/24", "10.51.0.0/24", "10.52.0.0/24", "10.0.0.0/8"])

    def maybe_not(self):
        return "! " if self.random() < 0.2 else ""

    def match(self, chain, *, nat):
        kinds = [
            lambda: f"{self.maybe_not()}-s {self.address()}",
            lambda: f"{self.maybe_not()}-d {self.address()}",
            lambda: f"-p tcp -m tcp {self.maybe_not()}--dport {self.choice([80, 81, '80:81', 8080])}",
            lambda: f"-p tcp -m multiport --dports {self.choice(['80,8080', '81', '80:90,443'])}",
            lambda: f"-m addrtype {self.maybe_not()}--dst-type {self.choice(['LOCAL', 'UNICAST'])}",
            lambda: f"-m mark {self.maybe_not()}--mark {self.choice(['0x1', '0x2/0x2', '0x0'])}",
            lambda: f"-p {self.choice(['tcp', 'udp'])}",
            lambda: "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN" if nat else '-m comment --comment "a word"',
        ]
        if not nat:
            states = ["NEW", "RELATED,ESTABLISHED", "INVALID", "ESTABLISHED", "DNAT", "NEW,ESTABLISHED"]
            kinds.append(lambda: f"-m conntrack {self.maybe_not()}--ctstate {self.choice(states)}")
            kinds.append(lambda: f"-m conntrack --ctdir {self.choice(['ORIGINAL', 'REPLY'])}")
        if chain == "PREROUTING" and not nat:
            kinds.append(
                lambda: f"-m rpfilter{self.choice(['', ' --validmark', ' --invert', ' --validmark --invert'])}"
            )
        if chain in {"PREROUTING", "INPUT", "FORWARD"}:
            kinds.append(lambda: f"{self.maybe_not()}-i {self.choice(['br0', 'br1', 'up0', 'br+'])}")
        if chain in {"FORWARD", "OUTPUT", "POSTROUTING"}:
            kinds.append(lambda: f"{self.maybe_not()}-o {self.choice(['br0', 'br1', 'up0', 'br+'])}")
        found = {self.randrange(len(kinds)) for _ in range(self.choice([0, 1, 1, 2, 2, 3]))}
        texts = [kinds[kind]() for kind in sorted(found)]
        # One rule takes `-p` once.
        seen, kept = False, []
        for text in texts:
            if text.startswith("-p"):
                if seen:
                    continue
                seen = True
            kept.append(text)
        return " ".join(kept)

    def rules(self):
        lines = []
        tables = {
            "raw": ["PREROUTING", "OUTPUT"],
            "mangle": ["PREROUTING", "FORWARD", "POSTROUTING"],
            "filter": ["INPUT", "FORWARD", "OUTPUT"],
            "nat": ["PREROUTING", "OUTPUT", "POSTROUTING"],
        }
        for table, chains in tables.items():
            user = ["U1", "U2"] if table in {"filter", "nat"} else []
            lines.append(f"*{table}")
            lines += [
                f":{chain} {'DROP' if table == 'filter' and self.random() < 0.15 else 'ACCEPT'} [0:0]"
                for chain in chains
            ]
            lines += [f":{chain} - [0:0]" for chain in user]
            for chain in [*chains, *user]:
                for _ in range(self.randrange(0, 4 if table in {"filter", "nat"} else 2)):
                    lines.append(self.rule(table, chain, user))
            lines.append("COMMIT")
        return "\n".join(lines) + "\n"

    def rule(self, table, chain, user):
        match = self.match(chain, nat=table == "nat")
        targets = ["ACCEPT", "RETURN"]
        if table == "nat":
            targets += self.translations(chain)
            if any(target.startswith(("DNAT", "REDIRECT")) for target in targets) and "-p tcp" not in match:
                match = re.sub(r"-p udp|-p tcp", "", f"-p tcp {match}".replace("-p udp", ""), count=0)
                match = "-p tcp " + match.strip()
        else:
            targets += ["DROP", "DROP"]
        if table in {"mangle", "raw"}:
            targets = ["DROP", "ACCEPT", "MARK --set-xmark 0x1/0xffffffff", "MARK --set-xmark 0x2/0x2"]
        if table == "filter":
            targets.append("REJECT --reject-with icmp-port-unreachable")
        if user and chain not in {"U1", "U2"}:
            targets += ["U1", "U2"]
        if chain == "U1":
            targets.append("U2")
        jump = "-g" if (target := self.choice(targets)) in {"U1", "U2"} and self.random() < 0.2 else "-j"
        return re.sub(r" +", " ", f"-A {chain} {match} {jump} {target}")

    def translations(self, chain):
        if chain in {"PREROUTING", "OUTPUT", "U1"}:
            return (
                [
                    f"DNAT --to-destination {self.choice([a for a, _ in MEMBERS.values()])}:{self.choice(PORTS)}",
                    f"DNAT --to-destination {self.choice([a for a, _ in MEMBERS.values()])}",
                ]
                if chain != "U1"
                else []
            )
        if chain == "POSTROUTING":
            return ["MASQUERADE", f"SNAT --to-source {self.choice(list(HOST.values()))}"]
        return []


def questions(dice):
    ends = [*MEMBERS, "host"]
    addresses = [address for address, _ in MEMBERS.values()] + list(HOST.values())
    for _ in range(6):
        source = dice.choice(ends)
        address = dice.choice(addresses)
        if source != "host" and address == MEMBERS[source][0]:
            continue
        if source != "host" and address in MEMBERS_ON.get(MEMBERS[source][1], ()):
            continue  # within one bridge nothing is asked of the rules here
        yield source, address, dice.choice(PORTS)


MEMBERS_ON = {"br0": {"10.50.0.2", "10.50.0.3"}}


def predicted(ruleset, source, address, port):
    router = Router()
    if source == "host":
        packet = Packet(4, "tcp", None, address, destination_port=port)
        first = simulate.output(ruleset, router, packet)
        own = router.route(packet)
        packet = Packet(4, "tcp", own.source, address, destination_port=port)
    else:
        own, bridge = MEMBERS[source]
        packet = Packet(4, "tcp", own, address, destination_port=port, incoming=bridge)
        first = simulate.forward(ruleset, router, packet)
    if first.verdict != simulate.ACCEPTED:
        return first.verdict, first
    back = simulate.reply(ruleset, router, first, packet)
    if back.verdict != simulate.ACCEPTED:
        return back.verdict, back
    # The client's acknowledgement: where a rule rejects it, the client hears of an error. Dropped, it is not missed.
    third = simulate.later(ruleset, router, first, packet)
    return (third if third.verdict == simulate.REJECTED else back).verdict, third


def compare(world, seed, text, *, by):
    dice = Dice(seed * 7 + 1)
    {"iptables": world.restore, "nftables": world.restore_native, "both": world.restore_both}[by](text)
    ruleset = world.ruleset()
    compared = 0
    for source, address, port in questions(dice):
        verdict, outcome = predicted(ruleset, source, address, port)
        if verdict == simulate.UNKNOWN:
            continue
        seen = world.connects(source, address, port, LONG_S if verdict == simulate.ACCEPTED else WAIT_S)
        compared += 1
        told = [
            (s.place.hook.value, s.place.table.name, s.place.chain.name, s.rule and s.rule.text, s.effect)
            for s in outcome.steps
        ]
        assert seen is (verdict == simulate.ACCEPTED), (seed, source, address, port, verdict, told, text)
    return compared


@pytest.mark.slow
@pytest.mark.parametrize("by", ["iptables", "nftables", "both"])
def test_random_rules_do_what_the_simulation_says(world, by):
    """``both``: raw, mangle and filter by iptables-legacy, nat and another filter by iptables-nft."""
    started, compared = time.monotonic(), 0
    for seed in range(ROUNDS):
        text = Dice(seed).rules()
        world.flush()
        compared += compare(world, seed, text, by=by)
        assert time.monotonic() - started < 600
    assert compared > ROUNDS
