"""Whether the rules of a namespace changed is told by the kernel: on a namespace that the test makes."""

import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from bridgework.firewall.nft_json import tables_of
from bridgework.probes.kernel import firewall
from bridgework.probes.kernel.rules_watch import RulesWatch
from bridgework.probes.kernel.setns import run_inside
from bridgework.runners.namespace_runner import NamespaceRunner

CHANGES = (
    "iptables -A FORWARD -j DROP",
    "ip6tables -A FORWARD -j DROP",
    "nft add table inet mine",
    "nft add set inet mine some { type ipv4_addr; }",
    "nft add element inet mine some { 10.0.0.1 }",
    "sysctl -qw net.ipv4.ip_forward=1",
    "iptables-legacy -A INPUT -p tcp -m limit --limit 3/s -j ACCEPT",
    "iptables-legacy -P INPUT DROP",
    "ip6tables-legacy -A INPUT -j ACCEPT",
)


@pytest.fixture
def process():
    """A process in a network namespace of its own."""
    made = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    own = Path("/proc/self/ns/net").stat().st_ino
    while Path(f"/proc/{made.pid}/ns/net").stat().st_ino == own:
        time.sleep(0.01)
    yield made
    made.kill()
    made.wait()


def inside(process, line):
    subprocess.run(["nsenter", f"--net=/proc/{process.pid}/ns/net", *shlex.split(line)], check=True)


@pytest.fixture
def watch(process):
    """Handles that a thread opened in there."""
    with Path(f"/proc/{process.pid}/ns/net").open() as namespace:
        made = run_inside(namespace.fileno(), lambda: RulesWatch(str(process.pid)))
    yield made
    made.close()


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_gives_another_state(process, watch, change):
    for line in CHANGES[: CHANGES.index(change)]:
        inside(process, line)
    before = watch.state()
    assert watch.state() == before
    inside(process, change)
    assert before != watch.state() is not None


def test_packets_are_no_change(process, watch):
    inside(process, "ip link set lo up")
    inside(process, "iptables-legacy -A OUTPUT -o lo -j ACCEPT")
    before = watch.state()
    ping = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"
    inside(process, f'python3 -c "{ping}"')
    assert watch.state() == before


def test_a_closed_watch_tells_nothing(watch):
    watch.close()
    assert watch.state() is None


def test_the_runner_knows_whether_its_last_reading_still_holds(process):
    runner = NamespaceRunner(lambda: process.pid)
    assert runner.firewall_state() is None
    read = runner.read_firewall()
    assert read.state == runner.firewall_state() is not None
    inside(process, "iptables -A FORWARD -j DROP")
    assert runner.firewall_state() != read.state
    again = runner.read_firewall()
    assert again.state == runner.firewall_state()
    (forward,) = [chain for chain in again.chains if chain.name == "FORWARD"]
    assert forward.rules == ((0, 0, "-A FORWARD -j DROP"),)


def test_the_state_is_told_also_while_another_thread_reads_the_rules(process, monkeypatch):
    runner, tell, reads = NamespaceRunner(lambda: process.pid), RulesWatch.state, []
    before = runner.read_firewall().state

    def interrupted(watch):
        if not reads:
            reads.append(True)
            inside(process, "iptables -A FORWARD -j DROP")
            runner.read_firewall()
        return tell(watch)

    monkeypatch.setattr(RulesWatch, "state", interrupted)
    assert runner.firewall_state() not in {None, before}


def test_a_reading_during_changes_is_repeated_and_has_no_state_where_they_never_end(process, monkeypatch):
    runner, read = NamespaceRunner(lambda: process.pid), firewall.chains
    left = [1]

    def disturbed(version):
        if left[0]:
            left[0] -= 1
            inside(process, "iptables -A FORWARD -j DROP")
        return read(version)

    monkeypatch.setattr(firewall, "chains", disturbed)
    calm = runner.read_firewall()
    assert calm.state == runner.firewall_state() is not None
    left[0] = 100
    assert runner.read_firewall().state is None


def test_native_tables_are_read_and_those_of_iptables_are_not(process):
    for line in (
        "iptables -A FORWARD -j DROP",
        "nft add table inet filter",
        "nft add chain inet filter input",
        "nft add table ip6 nat",
        "nft 'add chain ip6 nat mine { type nat hook prerouting priority -100; }'",
        "nft add table arp filter",
        "nft add chain arp filter INPUT",
    ):
        inside(process, line)
    read = NamespaceRunner(lambda: process.pid).read_firewall()
    tables = {(table.family, table.name): set(table.chains) for table in tables_of(read.native_rules)}
    assert tables == {("inet", "filter"): {"input"}, ("ip6", "nat"): {"mine"}}
    assert {chain.table for chain in read.chains} == {"filter"}


# -- native tables that are kept from one reading to the next ------------------------------------------------------

GUARD = (
    "nft add table inet guard",
    "nft 'add chain inet guard forward { type filter hook forward priority 0; policy accept; }'",
    "nft 'add chain inet guard out { type filter hook output priority 0; }'",
    "nft add chain inet guard other",
    "nft 'add set inet guard some { type ipv4_addr; }'",
    "nft add element inet guard some { 10.0.0.1 }",
    "nft 'add map inet guard ways { type inet_service : verdict; }'",
    "nft add rule inet guard forward tcp dport { 80, 443 } accept",
    "nft add rule inet guard forward ip saddr @some drop",
    "nft add rule inet guard out ip daddr 127.0.0.1 counter accept",
    "nft 'add set inet guard counted { type ipv4_addr; counter; elements = { 127.0.0.1 } }'",
    "nft add rule inet guard out ip daddr @counted accept",
)


def handle_of(process, chain):
    """The handle of the chain's first rule."""
    command = ["nsenter", f"--net=/proc/{process.pid}/ns/net", "nft", "-a", "list", "chain", "inet", "guard", chain]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return next(line.rpartition(" ")[2] for line in text.splitlines()[3:] if "handle" in line)


@pytest.mark.parametrize(
    "changes",
    [
        ["nft add rule inet guard forward tcp dport 22 drop"],
        ["nft insert rule inet guard forward tcp dport 22 drop"],
        ["nft delete rule inet guard forward handle {forward}"],
        # A rule that replaces another has its handle.
        ["nft replace rule inet guard out handle {out} ip daddr 127.0.0.1 counter drop"],
        ["nft replace rule inet guard forward handle {forward} tcp dport { 80, 444 } accept"],
        ["nft 'chain inet guard forward { policy drop; }'"],
        ["nft rename chain inet guard other another"],
        ["nft add chain inet guard more"],
        ["nft delete chain inet guard other"],
        ["nft add element inet guard some { 10.0.0.2 }"],
        ["nft delete element inet guard some { 10.0.0.1 }", "nft add element inet guard some { 10.0.0.9 }"],
        ["nft add element inet guard ways { 22 : drop }"],
        ["nft delete table inet guard", *GUARD[:-2], "nft add rule inet guard out drop"],
        ["nft delete table inet guard"],
        ["nft add table ip6 guard", "nft add chain ip6 guard forward"],
    ],
    ids=lambda changes: changes[-1],
)
def test_a_reading_after_a_change_is_the_first_reading_of_another_runner(process, changes):
    for line in GUARD:
        inside(process, line)
    runner = NamespaceRunner(lambda: process.pid)
    before = runner.read_firewall().native_rules
    handles = {chain: handle_of(process, chain) for chain in ("forward", "out")}
    for line in changes:
        inside(process, re.sub(r"{(forward|out)}", lambda named: handles[named[1]], line))
    found = runner.read_firewall().native_rules
    assert found == NamespaceRunner(lambda: process.pid).read_firewall().native_rules != before


def test_only_the_table_that_changed_is_read_again(process, monkeypatch):
    for line in (*GUARD, "ip link set lo up", "nft add table inet elsewhere", "nft add chain inet elsewhere c"):
        inside(process, line)
    runner, run, read = NamespaceRunner(lambda: process.pid), firewall.output_of, []

    def counted(command):
        read.extend(command[-1:] if "table" in command else ())
        return run(command)

    monkeypatch.setattr(firewall, "output_of", counted)
    before = runner.read_firewall().native_rules
    assert read == ["elsewhere", "guard"]
    read.clear()
    # The packet is counted by a rule of the table, and the other change gives another state.
    ping = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"
    inside(process, f'python3 -c "{ping}"')
    inside(process, "nft add rule inet elsewhere c drop")
    found = runner.read_firewall().native_rules
    assert read == ["elsewhere"]
    assert found.splitlines()[0] != before.splitlines()[0]
    assert found.splitlines()[1] == before.splitlines()[1]


def test_a_table_that_changed_while_it_was_read_is_not_kept(process, monkeypatch):
    for line in GUARD:
        inside(process, line)
    runner, run = NamespaceRunner(lambda: process.pid), firewall.output_of

    def disturbed(command):
        # Before each reading of the table an element goes, and afterwards it is back: each digest is the same.
        if "table" not in command:
            return run(command)
        inside(process, "nft delete element inet guard some { 10.0.0.1 }")
        found = run(command)
        inside(process, "nft add element inet guard some { 10.0.0.1 }")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(firewall, "output_of", disturbed)
        unsettled = runner.read_firewall()
    assert unsettled.state is None
    assert "10.0.0.1" not in unsettled.native_rules
    assert "10.0.0.1" in runner.read_firewall().native_rules
