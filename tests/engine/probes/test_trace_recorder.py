"""The recorder of one namespace says what it could not record, and keeps the rest."""

import os
import socket
from pathlib import Path

import pytest

from bridgework.model.trace import Flow
from bridgework.probes.kernel import netlink
from bridgework.probes.kernel.setns import run_inside
from bridgework.probes.trace import nft_messages as nft
from bridgework.probes.trace.recorder import NETLINK_NETFILTER, Recorder

NUMBER, PORT = 61000, 9
FLOW = Flow(4, "udp", "127.0.0.1", "127.0.0.1", PORT, NUMBER)
PACKETS = 300
"""Too many for the smallest buffer of a socket, which the kernel makes 2,304 bytes large (socket(7))."""


@pytest.fixture
def recorder(world):
    """A recorder in a member's namespace, in which the flow goes over the loopback interface."""
    made = Recorder("host", FLOW, "the host")
    inside(world.a, made.watch)
    yield made
    for sock in made.sockets():
        sock.close()


def inside(member, act):
    with Path(member.path).open() as namespace:
        return run_inside(namespace.fileno(), act)


def send(count=1):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((FLOW.source, NUMBER))
        for _ in range(count):
            sock.sendto(b"x", (FLOW.address, PORT))


def test_packets_beyond_the_buffer_are_said_to_be_missing(recorder, world):
    recorder.sightings.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    inside(world.a, lambda: send(PACKETS))
    assert 0 < len(recorder.packets()) < PACKETS
    (said,) = recorder.missing
    assert said.endswith(" packets in the host were not kept, because a buffer was full.")
    assert int(said.split()[0]) > PACKETS


def test_messages_about_rules_beyond_the_buffer_are_said_to_be_missing(recorder, world):
    inside(world.a, recorder.mark)
    world.a.inside("nft", "add table ip guard")
    world.a.inside("nft", "add chain ip guard out { type filter hook output priority 0; }")
    recorder.trace.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    inside(world.a, lambda: send(PACKETS))
    recorder.rules()
    world.a.inside("nft", "delete table ip guard")
    assert "The kernel told more about the rules of the host than was read." in recorder.missing


def test_a_chain_that_is_gone_has_no_hook_and_others_keep_theirs(recorder, world):
    inside(world.a, recorder.mark)
    for table in ("gone", "stays"):
        world.a.inside("nft", f"add table ip {table}")
        world.a.inside("nft", f"add chain ip {table} out {{ type filter hook output priority 0; }}")
    inside(world.a, send)
    world.a.inside("nft", "delete table ip gone")
    found = {(rule.table, rule.hook) for rule in recorder.rules()}
    world.a.inside("nft", "delete table ip stays")
    assert found == {("gone", ""), ("stays", "output")}
    assert recorder.missing == []


def test_no_trace_has_the_port_id_of_an_earlier_one(recorder, world):
    """When a socket is closed, the kernel deletes the tables of its port id somewhat later."""
    inside(world.a, recorder.mark)
    (port, _) = recorder.owner.getsockname()
    recorder.owner.close()
    inside(world.a, recorder.mark)
    assert recorder.owner.getsockname()[0] not in {port, os.getpid()}


def test_a_table_that_is_deleted_meanwhile_is_said_to_be_missing(recorder, world):
    inside(world.a, recorder.mark)
    recorder.rules()
    assert recorder.missing == []
    recorder.owner.close()
    recorder.owner = inside(world.a, lambda: netlink.open_socket(NETLINK_NETFILTER))
    recorder.rules()
    (said,) = recorder.missing
    assert said == "The kernel did not name all rules of the host: their trace was deleted meanwhile."


@pytest.mark.parametrize(
    ("refused", "missing"),
    [
        # A table needs a name (EINVAL).
        (nft.NEWTABLE, ["The kernel did not name the bridge rules of the host: Invalid argument."]),
        # A chain needs a table (ENOENT), and a kernel without the family bridge says the same.
        (nft.NEWCHAIN, []),
    ],
)
def test_a_refused_table_of_the_family_bridge_is_said_to_be_missing(recorder, world, monkeypatch, refused, missing):
    real = nft.table_of

    def table_of(flow, name, *, anywhere, bridge=False):
        if not bridge:
            return real(flow, name, anywhere=anywhere)
        body = nft.chain_named(7, "nowhere", "out") if refused == nft.NEWCHAIN else nft.NFGENMSG.pack(7, 0, 0)
        return [netlink.message(refused, netlink.NLM_F_REQUEST | nft.NLM_F_ACK | nft.NLM_F_CREATE, body)]

    monkeypatch.setattr(nft, "table_of", table_of)
    inside(world.a, recorder.mark)
    assert recorder.missing == missing
