"""What undoes a change, for each kind of change, and what cannot be undone."""

from dataclasses import replace

import pytest

from bridgework.model import actions
from bridgework.model.actions import Connect, CreateNetwork, DeleteContainer, DeleteNetwork, Disconnect
from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.snapshot import Pool, PublishedPort
from bridgework.plans import changes
from bridgework.plans.inverse import CannotUndoError, as_request, inverse, lost, of_failed
from bridgework.policy.access import PROJECT_LABEL
from tests.support.worlds import container, identity, network, world

LAN = network("lan")
BACK = network("back", "10.2.0.0/24")
WEB = container("web", (LAN, "10.1.0.2"))
IDLE = container("idle", LAN, state="exited")
BEFORE = world(LAN, BACK, WEB, IDLE)


def undo(after, before=BEFORE):
    return inverse(before, after)


def lost_by(after, before=BEFORE):
    """Why nothing undoes the change."""
    with pytest.raises(CannotUndoError) as raised:
        inverse(before, after)
    return str(raised.value)


def with_web(**fields):
    return world(LAN, BACK, replace(WEB, **fields), IDLE)


def test_nothing_is_undone_where_nothing_changed():
    assert undo(BEFORE) == ()


def test_a_connection_is_undone_by_a_disconnection():
    after = changes.with_endpoint(BEFORE, BACK.id, WEB.id, EndpointSpec())
    assert undo(after) == (Disconnect("back", WEB.id),)


def test_a_disconnection_is_undone_with_the_settings_that_the_endpoint_had():
    spec = EndpointSpec(aliases=("www",), ipv4_address="10.2.0.9", gateway_priority=3)
    before = changes.with_endpoint(BEFORE, BACK.id, WEB.id, spec)
    assert undo(BEFORE, before) == (Connect("back", WEB.id, spec),)


def test_networks_whose_names_repeat_are_named_by_id():
    twin = network("back", "10.3.0.0/24", scope="swarm")
    twin = replace(twin, id=identity("network twin"))
    before = world(LAN, BACK, twin, WEB, IDLE)
    after = changes.with_endpoint(before, twin.id, WEB.id, EndpointSpec())
    assert undo(after, before) == (Disconnect(twin.id, WEB.id),)


def test_an_endpoint_with_links_cannot_come_back():
    (endpoint,) = WEB.endpoints
    before = with_web(endpoints=(replace(endpoint, links=("db:db",)),))
    assert "links" in lost_by(with_web(endpoints=()), before)


def test_the_settings_for_a_network_that_was_gone_before_do_not_come_back():
    without = world(BACK, WEB, IDLE)
    before = replace(without, networks=(BACK,))
    assert undo(changes.without_endpoint(before, LAN.id, WEB.id), before) == ()


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (lambda: changes.started(BEFORE, IDLE.id, 0), (actions.StopContainer(IDLE.id),)),
        (lambda: changes.stopped(BEFORE, WEB.id), (actions.StartContainer(WEB.id),)),
    ],
    ids=["start", "stop"],
)
def test_a_container_runs_again_or_stops_again(what, expected):
    assert undo(what()) == expected


def test_a_paused_container_cannot_be_paused_again():
    paused = with_web(state="paused")
    for after in (
        changes.stopped(paused, WEB.id),
        changes.started(paused, WEB.id, 0),
        changes.started(changes.stopped(paused, WEB.id), WEB.id, 0),
    ):
        assert "web is paused" in lost_by(after, paused)


def test_a_restart_is_done_and_a_deletion_cannot_be_undone():
    assert undo(with_web(started_at="2026-01-02T00:00:00Z")) == ()
    assert "idle is deleted" in lost_by(changes.without_container(BEFORE, IDLE.id))


def test_a_container_that_restarts_for_ever_does_so_again():
    loops = with_web(state="restarting")
    assert undo(changes.stopped(loops, WEB.id), loops) == (actions.StartContainer(WEB.id),)
    assert undo(changes.started(loops, WEB.id, 0), loops) == ()


def test_a_container_of_run_rm_is_gone_when_it_stops():
    waits = replace(IDLE, auto_remove=True)
    before = world(LAN, BACK, WEB, waits)
    assert "--rm" in lost_by(changes.started(before, IDLE.id, 0), before)
    new = replace(WEB, auto_remove=True)
    assert undo(world(LAN, BACK, new, IDLE), world(LAN, BACK, IDLE)) == (actions.StopContainer("web", grace_s=0),)


@pytest.mark.parametrize("again", [True, False], ids=["restart", "stop"])
def test_the_sharers_of_a_network_join_it_again(again):
    first = container("first", shares_with=WEB.id)
    second = container("second", shares_with=first.id)
    idle = container("asleep", shares_with=WEB.id, state="exited")
    before = world(LAN, BACK, WEB, first, second, idle)
    after = changes.stopped(before, WEB.id)
    start = () if again else (actions.StartContainer(WEB.id),)
    expected = (*start, actions.RestartContainer(first.id), actions.RestartContainer(second.id))
    assert undo(changes.started(after, WEB.id, 0) if again else after, before) == expected
    paused = world(LAN, BACK, WEB, replace(first, state="paused"))
    assert "first shares the network of web" in lost_by(changes.stopped(paused, WEB.id), paused)


def test_what_the_plan_made_up_has_no_id_to_be_named_by():
    made = changes.planned_id("container", "new")
    before = changes.with_container(BEFORE, ContainerSpec(name="new", image="busybox", network_mode="lan"))
    after = changes.with_endpoint(before, BACK.id, made, EndpointSpec())
    assert undo(after, before) == (Disconnect("back", "new"),)
    (again,) = undo(before, after)
    assert (again.network, again.container) == ("back", "new")
    assert undo(changes.started(before, made, 0), before) == (actions.StopContainer("new"),)


def test_a_port_that_the_engine_chose_and_the_project_of_a_network_are_lost():
    before = with_web(published_ports=(PublishedPort(80, "tcp", "0.0.0.0", 32768),))
    assert lost(before, before) == ""
    assert "port 32768 of the host for port 80/tcp of web" in lost(
        before, with_web(published_ports=(PublishedPort(80, "tcp", "0.0.0.0", None),))
    )
    theirs = replace(BACK, labels={PROJECT_LABEL: "alpha"})
    assert "back belongs to the project alpha" in lost(world(LAN, theirs), world(LAN, BACK))
    assert lost(world(LAN, BACK), world(LAN)) == ""
    again = CreateNetwork(NetworkSpec("back", labels={PROJECT_LABEL: "alpha", "team": "edge"}))
    assert as_request(again).spec.labels == {"team": "edge"}


@pytest.mark.parametrize("runs", [True, False])
def test_a_new_container_is_stopped_if_it_runs_and_deleted(runs):
    made = changes.planned_id("container", "new")
    after = changes.with_container(BEFORE, ContainerSpec(name="new", image="busybox", network_mode="lan"))
    stop = (actions.StopContainer("new", grace_s=0),) if runs else ()
    assert undo(changes.started(after, made, 0) if runs else after) == (*stop, DeleteContainer("new"))


def test_a_new_network_is_deleted_after_what_is_on_it_is_disconnected():
    spec = NetworkSpec("new", pools=(Pool("10.9.0.0/24"),))
    made = changes.with_network(BEFORE, spec, None, engine_api=(1, 45), default_pools=(), taken=())
    after = changes.with_endpoint(made, changes.planned_id("network", "new"), WEB.id, EndpointSpec())
    assert undo(after) == (Disconnect("new", WEB.id), DeleteNetwork("new"))


@pytest.mark.parametrize("ipv4", [True, False])
def test_a_network_is_made_again_with_what_it_had(ipv4):
    gone = replace(BACK, ipv4_enabled=ipv4, labels={"a": "b"}, internal=True)
    (made,) = undo(world(LAN, WEB, IDLE), world(LAN, gone, WEB, IDLE))
    assert isinstance(made, CreateNetwork)
    spec = made.spec
    assert (spec.name, spec.pools, spec.labels, spec.internal) == ("back", gone.pools, {"a": "b"}, True)
    assert spec.ipv4_enabled == (None if ipv4 else False)


def test_a_network_made_from_a_configuration_is_made_from_it_again():
    gone = replace(BACK, config_from="settings", labels={"a": "b"})
    (made,) = undo(world(LAN, WEB, IDLE), world(LAN, gone, WEB, IDLE))
    assert (made.spec.config_from, made.spec.pools, made.spec.labels) == ("settings", (), {})


def test_without_a_pool_a_new_network_gets_the_first_free_one():
    def pools(spec, default_pools=(), taken=()):
        after = changes.with_network(BEFORE, spec, None, engine_api=(1, 45), default_pools=default_pools, taken=taken)
        return [pool.subnet for pool in after.networks_by_id[changes.planned_id("network", "new")].pools]

    mine = [("10.1.0.0/16", 24), ("10.50.0.0/16", 24)]
    assert pools(NetworkSpec("new"), mine, ["10.1.1.0/24"]) == ["10.1.2.0/24"]
    assert pools(NetworkSpec("new"), [("10.1.0.0/24", 24)]) == []
    assert pools(NetworkSpec("new"), [("fd00::/48", 64), *mine], ["10.1.0.0/16"]) == ["10.50.0.0/24"]
    assert pools(NetworkSpec("new", ipv4_enabled=False), mine) == []
    assert pools(NetworkSpec("new", config_only=True), mine) == []
    assert pools(NetworkSpec("new"))[0].startswith("172.")


def test_of_a_failed_change_only_what_the_plan_meant_is_undone():
    """Two containers were to be disconnected and one was; another client stopped a third one meanwhile."""
    other = container("other", (BACK, "10.2.0.2"))
    before = world(LAN, BACK, WEB, IDLE, other)
    planned = undo(changes.without_endpoint(changes.without_endpoint(before, LAN.id, WEB.id), LAN.id, IDLE.id), before)
    now = changes.stopped(changes.without_endpoint(before, LAN.id, WEB.id), other.id)
    assert of_failed(before, now, DeleteNetwork("lan", force=True), planned) == (Connect("lan", WEB.id),)
    assert of_failed(before, before, DeleteNetwork("lan", force=True), planned) == ()


def test_a_restart_that_stopped_its_container_is_undone_by_a_start():
    now = changes.stopped(BEFORE, WEB.id)
    found = of_failed(BEFORE, now, actions.RestartContainer("web"), ())
    assert found == (actions.StartContainer(WEB.id),)


def test_what_another_client_did_to_the_same_kinds_of_things_is_left_alone():
    """The container was to leave one network, and one network was to be deleted; another client did the like."""
    both = container("both", (LAN, "10.1.0.9"), (BACK, "10.2.0.9"))
    third = network("third", "10.3.0.0/24")
    before = world(LAN, BACK, third, both, WEB)
    left = changes.without_endpoint(before, LAN.id, both.id)
    planned = undo(left, before)
    now = changes.without_endpoint(changes.without_endpoint(left, BACK.id, both.id), LAN.id, WEB.id)
    (undone,) = of_failed(before, now, Disconnect("lan", "both"), planned)
    assert (undone.network, undone.container) == ("lan", both.id)
    planned = undo(world(LAN, BACK, both, WEB), before)
    (made,) = of_failed(before, world(LAN, both, WEB), DeleteNetwork("third"), planned)
    assert made.spec.name == "third"


def test_a_container_that_another_client_started_during_a_restart_runs_on():
    now = changes.started(BEFORE, IDLE.id, 0)
    assert of_failed(BEFORE, now, actions.RestartContainer("web"), ()) == ()


def test_what_another_client_deleted_meanwhile_leaves_nothing_to_undo():
    now = changes.without_container(BEFORE, IDLE.id)
    assert of_failed(BEFORE, now, Disconnect("lan", "web"), (Connect("lan", WEB.id),)) == ()
