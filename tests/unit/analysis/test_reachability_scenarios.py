"""The scenarios of a tutorial on Docker networks, as the prediction tells them."""

from __future__ import annotations

from bridgework.model.actions import Call
from bridgework.model.checks import Severity, Verdict
from tests.support.worlds import (
    BRIDGE,
    BUILTIN,
    NONE,
    ask,
    calls_of,
    codes,
    container,
    finding_of,
    network,
    predict,
    seen,
    target,
    world,
)

USER = network("simon_network", "10.77.0.0/24")


def test_s5_a_container_in_none_mode_reaches_nobody_and_the_remedy_takes_it_out_of_none():
    lonely = container("tomcat84", (NONE, None), network_mode="none")
    other = container("tomcat81", (BRIDGE, "172.17.0.2"))
    snapshot = world(*BUILTIN, lonely, other)
    prediction = predict(snapshot, ask(lonely, other))
    assert prediction.verdict is Verdict.UNREACHABLE
    assert calls_of(finding_of(prediction, "network-mode-none").remedy) == (
        Call("POST", "/v1/networks", {"name": "tomcat84-tomcat81"}),
        Call("DELETE", "/v1/networks/none/endpoints/tomcat84?force=true"),
        Call("PUT", "/v1/networks/tomcat84-tomcat81/endpoints/tomcat84", {}),
        Call("PUT", "/v1/networks/tomcat84-tomcat81/endpoints/tomcat81", {}),
    )
    assert codes(predict(snapshot, ask(other, lonely))) == ["network-mode-none"]


def test_s5_a_container_in_none_mode_still_has_its_own_loopback():
    lonely = container("tomcat84", (NONE, None), network_mode="none")
    prediction = predict(world(*BUILTIN, lonely), ask(lonely, lonely))
    assert prediction.verdict is Verdict.REACHABLE
    assert finding_of(prediction, "network-mode-none").severity is Severity.INFO


def test_s8_a_sharer_in_an_old_namespace_has_to_be_restarted():
    owner = container("tomcat85", (BRIDGE, "172.17.0.5"))
    sharer = container("tomcat86", network_mode=f"container:{owner.id}", shares_with=owner.id)
    other = container("tomcat81", (BRIDGE, "172.17.0.2"))
    snapshot = world(*BUILTIN, owner, sharer, other)
    observations = seen(namespace_inodes={owner.id: 20, sharer.id: 10})
    prediction = predict(snapshot, ask(sharer, other), observations)
    assert prediction.verdict is Verdict.UNREACHABLE
    stale = finding_of(prediction, "shared-network-stale")
    assert calls_of(stale.remedy) == (Call("POST", "/v1/containers/tomcat86/restart"),)
    assert (stale.evidence["sharer_namespace"], stale.evidence["owner_namespace"]) == (10, 20)
    assert codes(predict(snapshot, ask(other, sharer), observations)) == ["shared-network-stale"]
    assert predict(snapshot, ask(other, sharer)).verdict is Verdict.REACHABLE


def test_s8_an_owner_that_is_down_is_started_before_the_sharer():
    owner = container("tomcat85", BRIDGE, state="exited")
    sharer = container("tomcat86", network_mode=f"container:{owner.id}", shares_with=owner.id)
    prediction = predict(world(*BUILTIN, owner, sharer), ask(sharer, "address:172.17.0.1"))
    assert [call.path for call in calls_of(finding_of(prediction, "shared-network-owner-down").remedy)] == [
        "/v1/containers/tomcat85/start",
        "/v1/containers/tomcat86/restart",
    ]


def test_s9_on_the_default_bridge_addresses_work_and_names_do_not():
    one, two = container("tomcat81", (BRIDGE, "172.17.0.2")), container("tomcat82", (BRIDGE, "172.17.0.3"))
    snapshot = world(*BUILTIN, one, two)
    assert predict(snapshot, ask(one, two)).verdict is Verdict.REACHABLE
    assert predict(snapshot, ask(one, "address:172.17.0.3")).verdict is Verdict.REACHABLE
    by_name = predict(snapshot, ask(one, "name:tomcat82"))
    assert by_name.verdict is Verdict.UNREACHABLE
    assert calls_of(finding_of(by_name, "default-bridge-no-dns").remedy) == (
        Call("POST", "/v1/networks", {"name": "tomcat81-tomcat82"}),
        Call("PUT", "/v1/networks/tomcat81-tomcat82/endpoints/tomcat81", {}),
        Call("PUT", "/v1/networks/tomcat81-tomcat82/endpoints/tomcat82", {}),
    )


def test_s11_on_a_user_network_names_work_both_ways():
    one, two = container("tomcat81", (USER, "10.77.0.2")), container("tomcat82", (USER, "10.77.0.3"))
    snapshot = world(*BUILTIN, USER, one, two)
    for name in ("tomcat82", "TOMCAT82", "tomcat82.", "tomcat82.simon_network", two.id[:12]):
        prediction = predict(snapshot, ask(one, f"name:{name}"))
        assert (prediction.verdict, prediction.findings) == (Verdict.REACHABLE, ())
    assert [(hop.kind, hop.name) for hop in prediction.path] == [
        ("interface", "eth0"),
        ("bridge", f"br-{USER.id[:12]}"),
        ("interface", "eth0"),
    ]
    assert target(snapshot, ask(one, two)) == "10.77.0.3"
