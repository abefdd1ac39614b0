"""Packets that the host's kernel routes elsewhere, from what the kernel said."""

import pytest

from bridgework.analysis.kernel_routes import finding_of
from bridgework.model.checks import Severity
from bridgework.model.observations import RouteAnswer, RouteQuestion
from tests.support.worlds import container, network, world

FRONT, BACK = network("front", "10.1.0.0/24"), network("back", "10.2.0.0/24")
WEB = container("web", (BACK, "10.2.0.2"))
SNAPSHOT = world(FRONT, BACK, WEB)
SENT = RouteQuestion(4, "10.2.0.2", "10.1.0.2", FRONT.bridge_name, BACK.bridge_name)
RULE = {"rule": "from all lookup 52", "priority": 100, "table": 52}
TUNNEL = RouteAnswer("tun0", route="0.0.0.0/0", **RULE)
STRICT = ("net.ipv4.conf.all.rp_filter", 1)


def found(answer, question=SENT, *, reply=False):
    return finding_of(SNAPSHOT, question, answer, reply=reply)


def test_a_rule_before_the_main_table_is_quoted_and_the_remedy_comes_before_it():
    diverted = found(TUNNEL)
    assert (diverted.code, diverted.component.name, diverted.severity) == ("policy-route-diverts", "back", "blocking")
    assert '"100: from all lookup 52"' in diverted.message
    assert diverted.remedy.commands == ("ip rule add to 10.2.0.0/24 lookup main priority 99",)
    assert found(RouteAnswer("tun0", rule="from all lookup 52", priority=0)).remedy.commands[0].endswith("priority 0")


def test_a_rule_that_drops_is_quoted_too():
    dropped = found(RouteAnswer(error="drops such packets (blackhole)", **RULE))
    assert dropped.code == "policy-route-diverts"
    assert "nowhere" in dropped.message
    assert "drops such packets (blackhole)" in dropped.message
    assert "interface" not in dropped.evidence


@pytest.mark.parametrize(
    ("route", "code"),
    [
        ("10.2.0.0/25", "subnet-overlaps-host-route"),
        ("10.2.0.0/24", "subnet-overlaps-host-route"),
        ("10.0.0.0/8", None),
        ("0.0.0.0/0", None),
        (None, None),
    ],
)
def test_a_route_of_the_main_table_decides_only_inside_the_subnet(route, code):
    """A shorter one decides where the bridge has no route, so that its address is missing."""
    overlapping = found(RouteAnswer("tun0", route=route))
    assert getattr(overlapping, "code", None) == code
    if overlapping is not None:
        assert overlapping.severity is Severity.BLOCKING
        assert f"the route {route} of table main" in overlapping.message
        assert overlapping.remedy.commands == ()


def test_a_route_of_another_table_without_a_rule_is_named_by_its_table():
    assert "of table 52 decides" in found(RouteAnswer("tun0", table=52, route="10.2.0.0/25")).message


def test_an_answer_that_leaves_elsewhere_is_asymmetric():
    back = found(TUNNEL, reply=True)
    assert (back.code, back.evidence["interface"]) == ("asymmetric-routing", "tun0")
    assert found(RouteAnswer("tun0", route="10.2.0.0/25"), reply=True).remedy.commands == ()


def test_what_is_expected_at_no_bridge_is_not_judged():
    outside = RouteQuestion(4, "192.0.2.9", "10.1.0.2", FRONT.bridge_name)
    assert found(TUNNEL, outside) is None
    addressless = RouteQuestion(4, "192.0.2.9", expected=BACK.bridge_name)
    assert found(RouteAnswer("tun0", route="192.0.2.0/24"), addressless) is None
    assert found(TUNNEL, addressless).remedy.commands == ("ip rule add to 192.0.2.9 lookup main priority 99",)


def test_the_reverse_path_filter_names_its_sysctl_and_file():
    filtered = found(RouteAnswer("tun0", reverse_path_filter=STRICT, file="/etc/sysctl.d/9.conf", **RULE))
    assert (filtered.code, filtered.component.name) == ("reverse-path-filtered", "front")
    assert "net.ipv4.conf.all.rp_filter is 1 (strict, set in /etc/sysctl.d/9.conf)" in filtered.message
    assert filtered.evidence["file"] == "/etc/sysctl.d/9.conf"
    assert filtered.remedy.commands == ("ip rule add to 10.1.0.0/24 lookup main priority 99",)


def test_without_a_rule_the_filter_is_set_to_loose():
    filtered = found(RouteAnswer("tun0", route="10.1.0.0/25", reverse_path_filter=STRICT))
    assert filtered.remedy.commands == (f"sysctl -w net.ipv4.conf.{FRONT.bridge_name}.rp_filter=2",)
    assert "file" not in filtered.evidence
    at_link = RouteQuestion(4, "10.2.0.2", "198.51.100.1", "eth0.5", BACK.bridge_name)
    loose = RouteAnswer(error="has no route to the source", reverse_path_filter=("net.ipv4.conf.eth0.5.rp_filter", 2))
    filtered = found(loose, at_link)
    assert (filtered.component.kind, filtered.remedy.commands) == (
        "host",
        ("sysctl -w net.ipv4.conf.eth0/5.rp_filter=2",),
    )
    assert "2 (loose), and the host's route back to 198.51.100.1 does not exist" in filtered.message


def test_an_interface_that_does_not_forward_is_named_with_its_sysctl():
    told = found(RouteAnswer(not_forwarded_from="eth0.7"), reply=True)
    assert (told.code, told.component.kind) == ("interface-forwarding-off", "host")
    assert told.message.endswith("So the answer does not arrive.")
    assert told.remedy.commands == ("sysctl -w net.ipv4.conf.eth0/7.forwarding=1",)


def test_a_route_that_is_a_dead_end_is_deleted_by_its_type():
    answer = RouteAnswer(route="10.2.0.2/32", error="refuses such packets (prohibit)", dead_end="prohibit")
    told = found(answer)
    assert (told.code, told.component.name) == ("blackhole-route", "back")
    assert told.remedy.commands == ("ip route delete prohibit 10.2.0.2/32",)


def test_an_answer_to_the_lan_that_leaves_by_another_link_is_told_of_the_host():
    answered = found(TUNNEL, RouteQuestion(4, "192.0.2.2", "10.2.0.2", BACK.bridge_name, "eth0"), reply=True)
    assert (answered.code, answered.component.kind) == ("asymmetric-routing", "host")
