"""Graphviz and Mermaid texts."""

from __future__ import annotations

import html
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgework.model.observations import HostObservation, Observation, Route
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Snapshot
from bridgework.topology.build import build
from bridgework.topology.graphviz import to_graphviz
from bridgework.topology.grouping import lay_out
from bridgework.topology.mermaid import to_mermaid
from tests.support.hostile_texts import HOSTILE, acted_on

HOSTS_ETH0 = HostObservation(
    Observation(1, routes=(Route("0.0.0.0/0", "ipv4", "10.0.0.1", "eth0", None, "global", "boot"),))
)


def endpoint(container, network, address=None, **fields):
    return Endpoint(f"{network}-id", network, f"{container}-id", container, ipv4_address=address, **fields)


def container(name, *endpoints, **fields):
    return Container(f"{name}-id", name, endpoints=endpoints, **fields)


def network(name, **fields):
    return Network(f"{name}-id", name, pools=(Pool("172.18.0.0/16"),), **fields)


def many(count):
    containers = [container(f"web{i}", endpoint(f"web{i}", "front", f"172.18.0.{i}")) for i in range(count)]
    return Snapshot((network("front"),), tuple(containers))


def group(picture, name):
    return next(g for g in picture.groups if g.title and g.title.name == name)


def test_a_container_stands_in_its_only_network_with_its_address():
    (member,) = group(lay_out(build(many(1))), "front").members
    assert (member.name, member.lines) == ("web0", ("172.18.0.0",))


def test_members_are_in_the_order_people_count():
    names = [m.name for m in group(lay_out(build(many(12))), "front").members]
    assert names[:3] + names[-1:] == ["web0", "web1", "web2", "web11"]


def test_a_container_on_two_networks_stands_outside_and_is_tied_to_both():
    both = container("both", endpoint("both", "front", "172.18.0.3"), endpoint("both", "back", "172.19.0.3"))
    picture = lay_out(build(Snapshot((network("back"), network("front")), (both,))))
    (outside,) = [g for g in picture.groups if g.title is None]
    assert outside.members[0].lines == ("172.19.0.3 on back", "172.18.0.3 on front")
    assert {(t.source, t.target) for t in picture.ties if t.style == "plain"} == {
        ("both-id", "back-id"),
        ("both-id", "front-id"),
    }


def test_a_stopped_containers_tie_is_dashed_and_its_state_is_told():
    down = [endpoint("down", name, state="configured") for name in ("back", "front")]
    snapshot = Snapshot((network("back"), network("front")), (container("down", *down, state="exited"),))
    picture = lay_out(build(snapshot))
    assert {t.style for t in picture.ties if t.source == "down-id"} == {"dashed"}
    assert "exited" in to_graphviz(build(snapshot))
    assert ":::stopped" in to_mermaid(build(snapshot))


def test_host_mode_stands_with_the_host_and_empty_builtins_are_left_out():
    agent = container("agent", endpoint("agent", "host"), network_mode="host")
    builtins = (Network("host-id", "host", "host"), Network("none-id", "none", "null"))
    picture = lay_out(build(Snapshot(builtins, (agent,))))
    assert [(g.id, [m.name for m in g.members]) for g in picture.groups] == [("host", ["agent"])]
    assert picture.ties == ()


def test_a_host_mode_container_on_another_network_is_tied_to_the_host():
    odd = container("odd", endpoint("odd", "host"), endpoint("odd", "front"), network_mode="host")
    picture = lay_out(build(Snapshot((network("front"), Network("host-id", "host", "host")), (odd,))))
    assert {t.target for t in picture.ties if t.source == "odd-id"} == {"host", "front-id"}


def test_none_mode_stands_in_none():
    snapshot = Snapshot((Network("none-id", "none", "null"),), (container("alone", endpoint("alone", "none")),))
    assert [m.name for m in group(lay_out(build(snapshot)), "none").members] == ["alone"]


def test_a_sharer_stands_with_its_owner_and_a_broken_share_is_red():
    owner = container("owner", endpoint("owner", "front", "172.18.0.2"), state="exited")
    sharer, ring = container("sharer", shares_with="owner-id"), container("ring", shares_with="ring-id")
    topology = build(Snapshot((network("front"),), (owner, ring, sharer)))
    assert [m.name for m in group(lay_out(topology), "front").members] == ["owner", "sharer"]
    assert "shares network (owner-down)" in to_graphviz(topology)
    assert "#c62828" in to_graphviz(topology)
    assert re.search(r"linkStyle \d+(,\d+)* stroke:#c62828", to_mermaid(topology))


def test_a_whole_share_is_not_red():
    owner = container("owner", endpoint("owner", "front"))
    topology = build(Snapshot((network("front"),), (owner, container("sharer", shares_with="owner-id"))))
    assert {t.label for t in lay_out(topology).ties if t.source == "sharer-id"} == {"shares network"}
    assert "linkStyle" not in to_mermaid(topology)


def test_a_large_network_is_folded_and_says_how_much():
    topology = build(many(57))
    assert "… and 37 more" in to_graphviz(topology)
    assert "#8230; and 37 more" in to_mermaid(topology)
    assert "more" not in to_graphviz(topology, fold=None)
    assert group(lay_out(topology, None), "front").hidden == 0


def test_one_too_many_is_shown_rather_than_folded():
    assert group(lay_out(build(many(21)), 20), "front").hidden == 0


def test_everything_can_be_folded():
    assert "5 containers" in to_graphviz(build(many(5)), fold=0)
    assert "5 containers" in to_mermaid(build(many(5)), fold=-1)


def test_broken_ties_are_shown_before_all_others_and_hidden_ends_are_stood_in_for():
    snapshot = many(30)
    sharers = [container(f"z{i}", shares_with="web29-id") for i in range(3)]
    broken = container("zz", shares_with="web28-id", started_at="2024-01-01T00:00:00Z")
    restarted = container("web28", endpoint("web28", "front"), started_at="2024-01-01T00:00:01Z")
    containers = [restarted if c.name == "web28" else c for c in snapshot.containers]
    topology = build(Snapshot(snapshot.networks, (*containers, *sharers, broken)))
    picture = lay_out(topology, 3)
    assert {"web28", "zz"} < {m.name for m in group(picture, "front").members}
    assert len({(t.source, t.target) for t in picture.ties}) == len(picture.ties)
    assert "more:front-id" in {end for t in picture.ties for end in (t.source, t.target)}


def test_many_published_ports_are_counted():
    ports = tuple(PublishedPort(p, host_port=p) for p in range(1, 6))
    lines = group(
        lay_out(build(Snapshot((network("n"),), (container("c", endpoint("c", "n"), published_ports=ports),)))), "n"
    )
    assert lines.members[0].lines[-1] == "and 3 more"


def test_internal_gone_and_parent_are_marked():
    lost = container("lost", endpoint("lost", "old"))
    networks = (network("back", internal=True), network("lan", driver="macvlan", options={"parent": "eth1"}))
    topology = build(Snapshot(networks, (lost,)), host=HOSTS_ETH0)
    assert "bridge, internal" in to_graphviz(topology)
    assert ":::internal" in to_mermaid(topology)
    assert ":::gone" in to_mermaid(topology)
    assert 'eth1</B><BR/><FONT POINT-SIZE="9">link of the host' in to_graphviz(topology)


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


@given(NAMES)
def test_a_name_comes_out_of_graphviz_as_it_went_in(name):
    text = to_graphviz(build(Snapshot((network("n", labels={}),), (container(name, endpoint(name, "n")),))))
    labels = [html.unescape(found) for found in re.findall(r"<B>(.*?)</B>", text)]
    assert name in labels


@given(NAMES)
def test_a_name_comes_out_of_mermaid_as_it_went_in(name):
    text = to_mermaid(build(Snapshot((), (container(name),))))
    labels = [re.sub(r"#(\d+);", lambda m: chr(int(m.group(1))), found) for found in re.findall(r'\["(.*?)"\]', text)]
    assert name in [label.partition("<br/>")[0] for label in labels]


def test_ids_that_begin_alike_are_told_apart():
    alike = [Container(f"{'a' * 40}{i}", f"c{i}") for i in range(2)]
    assert len(set(re.findall(r"(n[a-z0-9_]+)\[", to_mermaid(build(Snapshot((), tuple(alike))))))) == 3


def test_no_character_that_a_terminal_or_a_page_acts_on_is_in_a_picture():
    topology = build(Snapshot((network(HOSTILE),), (container(HOSTILE, endpoint(HOSTILE, HOSTILE)),)))
    for text in (to_graphviz(topology), to_mermaid(topology)):
        assert acted_on(text) == []
        assert "u202egpj" in text
        # Mermaid shows #8238; as U+202E.
        assert acted_on(re.sub(r"#(\d+);", lambda m: chr(int(m.group(1))), text)) == []


BAD_NAMES = [
    "\x00\x1b\n",
    '"]; evil [label="',
    "</B>",
    "<B>",
    "a\\",
    "\\N\\G",
    "&amp;",
    "🦊é",
    "end",
    "",
    "--",
    "{|}",
    "\ud800",
]


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_dot_accepts_any_name_as_a_name_or_an_id():
    containers = [Container(f"id{name}", name, endpoints=(endpoint(name, "n"),)) for name in BAD_NAMES]
    text = to_graphviz(
        build(Snapshot((network("n"), *(network(name) for name in BAD_NAMES)), tuple(containers)), host=HOSTS_ETH0)
    )
    done = subprocess.run(["dot", "-Tplain"], input=text.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_mermaid_gets_no_empty_label():
    assert '[""]' not in to_mermaid(build(Snapshot((), (container(""),))))


def test_an_empty_engine_is_a_picture_of_the_host():
    assert "<B>host</B>" in to_graphviz(build(Snapshot()))
    assert "host" in to_mermaid(build(Snapshot()))
