"""`--base local` builds on a machine that has an engine already, and leaves the machine's network as it was.

The network namespace of the tests' engine stands for the machine: docker0, a running container and the engine's rules
are in it, and the build runs in it.
"""

import re

import pytest

from tests.support.deployment import ROOT, docker, wait_for
from tests.support.engine import in_namespace

ASKED = {
    "links": ("ip", "-oneline", "link"),
    "addresses": ("ip", "-oneline", "address"),
    "routes": ("ip", "route", "show", "table", "all"),
    "IPv6 routes": ("ip", "-6", "route", "show", "table", "all"),
    "rules": ("iptables-save",),
    "IPv6 rules": ("ip6tables-save",),
    "nftables": ("nft", "--stateless", "list", "ruleset"),
    "sysctls": ("sysctl", "-a", "--pattern", r"^net\."),
}
# What differs from one moment to the next by itself: times, counters and the number of connections.
PASSING = re.compile(r"^(# .*|.*nf_conntrack_count.*)\n|\[\d+:\d+\]", re.MULTILINE)


def network_of(engine):
    return {what: PASSING.sub("", in_namespace(engine, *command).stdout) for what, command in ASKED.items()}


@pytest.fixture
def neighbour(engine):
    """A container on the machine's default bridge, once its link is up; yields how to run a program in it."""
    docker(engine, "run", "--detach", "--name", "neighbour", "busybox", "sleep", "600")
    unsettled = re.compile(" tentative| linkdown|NO-CARRIER")
    wait_for(lambda: not unsettled.search("".join(network_of(engine).values())), what="the container's link")
    yield lambda *command: docker(engine, "exec", "neighbour", *command)
    docker(engine, "rm", "--force", "neighbour")


# The image was built before, with the machine's real network: here each layer is kept, and nothing is downloaded.
@pytest.mark.usefixtures("image")
def test_the_network_of_the_machine_stays_as_it_was(engine, neighbour):
    before = network_of(engine)
    in_namespace(engine, str(ROOT / "scripts" / "build-image"), "--base", "local", "--tag", "bridgework:beside")
    assert network_of(engine) == before
    assert "docker0" in before["links"]
    neighbour("ping", "-c", "1", "-W", "5", "172.17.0.1")
    docker(engine, "run", "--rm", "busybox", "ping", "-c", "1", "-W", "5", "172.17.0.1")
