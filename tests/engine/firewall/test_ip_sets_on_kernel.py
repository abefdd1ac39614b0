"""Rules that compare sets of ipset, beside the kernel: sets made by ipset itself, random rules, real connections."""

import os
import random
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from bridgework.firewall import simulate
from bridgework.firewall.ip_sets import IpSets
from bridgework.firewall.iptables_save import ruleset_of
from bridgework.firewall.ruleset import Ruleset
from bridgework.probes.kernel import firewall, ip_sets
from bridgework.probes.kernel.rules_watch import RulesWatch
from tests.engine.firewall.test_simulate_on_kernel import HOST, MEMBERS, PORTS, World, predicted, questions, sh
from tests.support.host_programs import host_programs
from tools.engine import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("iptables"), reason="needs root and iptables")
ADDRESSES = [address for address, _ in MEMBERS.values()] + list(HOST.values())
NETS = ["10.50.0.0/24", "10.51.0.0/24", "10.50.0.2/31", "10.52.0.0/16", "0.0.0.0/1"]
KINDS = (
    "hash:ip", "hash:net", "hash:ip,port", "hash:net,port", "hash:net,iface", "hash:net,net", "hash:ip,port,ip",
    "hash:ip,port,net", "hash:net,port,net",
)  # fmt: skip
ROUNDS = int(os.environ.get("BRIDGEWORK_TEST_RULESETS", "20"))


@pytest.fixture(scope="module")
def world():
    name = f"bwset{os.getpid()}"
    with World(name) as made, host_programs(SimpleNamespace(namespace=f"/run/netns/{name}host")) as host:
        made.host = host
        made.kinds = [kind for kind in KINDS if is_known(host, kind)]
        assert len(made.kinds) > 4
        yield made


def is_known(host, kind):
    """Whether this kernel has the type."""
    known = host.run(
        "sh", "-c", f"ipset create known {kind} 2>/dev/null && ipset destroy known && echo yes", check=False
    )
    return known == "yes\n"


def destroy(world):
    """Remove the rules, and then the sets: the kernel lets go of a set some time after its last rule went."""
    world.flush()
    assert wait_until(
        lambda: "yes" in world.host.run("sh", "-c", "ipset flush && ipset destroy && echo yes", check=False), 10
    )


class Dice(random.Random):
    """Random sets of each type that is understood, and rules about them."""

    def address(self):
        return self.choice(ADDRESSES)

    def net(self):
        return self.choice([*NETS, self.address()]).replace("0.0.0.0/1", "0.0.0.0/2")

    def port(self):
        return f"{self.choice(('tcp', 'tcp', 'udp'))}:{self.choice(PORTS)}"

    def entry(self, kind):
        ends = {
            "ip": self.address, "net": self.net, "port": self.port, "iface": lambda: self.choice(["br0", "br1", "up0"]),
        }  # fmt: skip
        made = ",".join(ends[part]() for part in kind.split(":")[1].split(","))
        return f"{made} nomatch" if kind == "hash:net" and self.random() < 0.3 else made

    def sets(self, kinds):
        """The lines of ``ipset restore``, and the number of dimensions of each set."""
        made = {f"s{number}": kind for number, kind in enumerate(self.sample(kinds, 4))}
        lines = [f"create {name} {kind}{self.choice(['', ' timeout 600', ' counters'])}" for name, kind in made.items()]
        lines += {f"add {name} {self.entry(kind)}": 0 for name, kind in made.items() for _ in range(self.randint(1, 4))}
        lines += ["create ports bitmap:port range 0-9000", f"add ports {self.choice(PORTS)}"]
        lines += ["create few bitmap:ip range 10.50.0.0/16", "add few 10.50.0.2", "add few 10.50.0.1"]
        lines += ["create wide hash:ip netmask 24", f"add wide {self.address()}"]
        lines += ["create every list:set", *(f"add every {name}" for name in ("few", "wide", "s0"))]
        dimensions = {name: kind.count(",") + 1 for name, kind in made.items()}
        return "\n".join(lines) + "\n", {**dimensions, "ports": 1, "few": 1, "wide": 1, "every": 2}

    def rules(self, dimensions):
        lines = ["*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"]
        for _ in range(self.randint(2, 5)):
            name = self.choice(list(dimensions))
            number = max(1, min(6, dimensions[name] + self.choice((0, 0, 0, 1, -1))))
            ends = ",".join(self.choice(("src", "dst")) for _ in range(number))
            no = self.choice(("", "", "! "))
            target = self.choice(("DROP", "DROP", "ACCEPT", "REJECT"))
            state = self.choice(("", "-m conntrack --ctstate NEW "))
            lines.append(
                f"-A {self.choice(('INPUT', 'FORWARD'))} {state}-m set {no}--match-set {name} {ends} -j {target}"
            )
        return "\n".join([*lines, "COMMIT", ""])


def read(world):
    """The rules and sets as the service reads them."""

    def look():
        chains = firewall.parse(sh("iptables-save", "-c"))
        watch = RulesWatch()
        try:
            return ruleset_of(chains, 4, sets=IpSets(watch.follow_sets(ip_sets.named_by(chains))))
        finally:
            watch.close()

    return Ruleset(world.inside("host", look))


@pytest.mark.slow
def test_random_sets_do_what_the_simulation_says(world):
    compared = decided = 0
    for seed in range(ROUNDS):
        dice = Dice(seed)
        destroy(world)
        text, dimensions = dice.sets(world.kinds)
        world.host.run("ipset", "restore", "-exist", input=text)
        rules = dice.rules(dimensions)
        world.restore(rules)
        ruleset = read(world)
        for source, address, port in questions(dice):
            verdict, _ = predicted(ruleset, source, address, port)
            compared += 1
            if verdict != simulate.UNKNOWN:
                decided += 1
                seen = world.connects(source, address, port)
                assert seen is (verdict == simulate.ACCEPTED), (seed, source, address, port, verdict, text, rules)
    assert decided == compared > ROUNDS
    destroy(world)


@pytest.fixture
def watch(world):
    made = world.inside("host", RulesWatch)
    yield made
    made.close()
    destroy(world)


CHANGES = (
    "add some 10.0.0.2",
    "del some 10.0.0.1",
    "add all more",
    "add more 10.0.0.9",
    "swap some other",
    "flush some",
)


@pytest.mark.parametrize("options", ["", " timeout 600", " counters"])
def test_every_change_of_a_set_gives_another_state(world, watch, options):
    made = [f"create {name} hash:ip{options}" for name in ("some", "other", "more")]
    made += ["add some 10.0.0.1", "add other 10.0.0.7", "create all list:set", "add all some"]
    world.host.run("ipset", "restore", input="\n".join(made) + "\n")
    followed = frozenset({"all", "some", "absent"})
    watch.follow_sets(followed)
    for change in CHANGES:
        before = watch.state()
        assert watch.state() == before is not None
        world.host.run("ipset", *change.split())
        assert watch.state() != before, change
        # As a new reading does: a list may have new members.
        watch.follow_sets(followed)


def test_an_entry_that_runs_out_gives_another_state(world, watch):
    world.host.run("ipset", "restore", input="create some hash:ip timeout 2\nadd some 10.0.0.1\n")
    watch.follow_sets(frozenset({"some"}))
    first = watch.state()
    for _ in range(100):
        if watch.state() != first:
            break
        subprocess.run(["sleep", "0.1"], check=True)
    assert watch.state() != first
    assert world.inside("host", lambda: watch.follow_sets(frozenset({"some"})))[0].entries == ()


def test_the_entries_are_those_that_ipset_prints(world, watch):
    """The service does not run the program ipset, and reads the same."""
    lines = [
        "create a hash:ip,port,net", "add a 10.0.0.1,tcp:80,10.2.0.0/16", "add a 10.0.0.1,icmp:echo-request,10.2.0.1",
        "create b hash:net", "add b 10.0.0.0/8", "add b 10.1.2.3 nomatch",
        "create c hash:net,iface", "add c 10.0.0.0/8,physdev:eth0", "create d hash:ip family inet6", "add d fd00::1",
        "create e hash:ip bitmask 255.0.255.0", "add e 10.9.8.7",
        "create f bitmap:ip,mac range 10.0.0.0/24", "add f 10.0.0.1",
    ]  # fmt: skip
    world.host.run("ipset", "restore", input="\n".join(lines) + "\n")
    found = {one.name: one for one in watch.follow_sets(frozenset("abcdefg"))}
    assert sorted(found["a"].entries) == ["10.0.0.1,icmp:8/0,10.2.0.1", "10.0.0.1,tcp:80,10.2.0.0/16"]
    assert sorted(found["b"].entries) == ["10.0.0.0/8", "10.1.2.3 nomatch"]
    assert (found["c"].entries, found["d"].entries, found["d"].version) == (
        ("10.0.0.0/8,physdev:eth0",),
        ("fd00::1",),
        6,
    )
    assert (found["e"].kind, found["f"].kind) == ("hash:ip with a bitmask", "bitmap:ip,mac")
    assert "g" not in found


@pytest.mark.slow
def test_a_dump_of_ten_thousand_entries_is_whole(world, watch):
    lines = [f"add big 10.{n >> 8}.{n & 255}.1" for n in range(10_000)]
    world.host.run("ipset", "restore", input="\n".join(["create big hash:ip", *lines, ""]))
    (big,) = watch.follow_sets(frozenset({"big"}))
    assert len(set(big.entries)) == 10_000
