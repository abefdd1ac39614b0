"""Roles, ownership and the policy in force."""

import pytest

from bridgework.model.errors import Refused
from bridgework.policy.access import (
    Caller,
    Policy,
    Role,
    image_allowed,
    require_ownership,
    require_role,
    reserved_label_faults,
    stamped,
    subnet_allowed,
)


@pytest.mark.parametrize("held", Role)
@pytest.mark.parametrize("needed", Role)
def test_each_role_may_do_all_that_the_one_before_may(held, needed):
    if held >= needed:
        require_role(Caller("c", held), needed, "it")
    else:
        with pytest.raises(Refused) as caught:
            require_role(Caller("c", held), needed, "it")
        assert caught.value.code == "role-insufficient"


@pytest.mark.parametrize(("project", "labels", "mine"), [
    (None, {}, True),
    (None, {"io.bridgework.project": "a"}, True),
    ("a", {"io.bridgework.project": "a"}, True),
    ("a", {"io.bridgework.project": "b"}, False),
    ("a", {"io.bridgework.project": "A"}, False),
    ("a", {}, False),
])  # fmt: skip
def test_ownership(project, labels, mine):
    caller = Caller("c", Role.ADMIN, project)
    if mine:
        require_ownership(caller, "network", "n", labels)
    else:
        with pytest.raises(Refused, match="project-mismatch"):
            require_ownership(caller, "network", "n", labels)


def test_the_stamp_wins_over_what_the_caller_wrote():
    caller = Caller("c", Role.OPERATOR, "a")
    assert stamped(caller, {"io.bridgework.project": "b", "x": "y"}) == {"io.bridgework.project": "a", "x": "y"}


def test_labels_of_the_service_are_pointed_at():
    faults = reserved_label_faults({"io.bridgework.a/b~c": "1", "IO.BRIDGEWORK.x": "2", "io.bridgeworks": "3"})
    assert [fault.pointer for fault in faults] == ["/labels/io.bridgework.a~1b~0c", "/labels/IO.BRIDGEWORK.x"]


def test_policy_on_images_and_subnets():
    policy = Policy(allowed_images=("team/*", "busybox"), allowed_subnets=("10.0.0.0/8", "fd00::/8"))
    assert image_allowed(policy, "team/web:1")
    assert not image_allowed(policy, "other/team/web")
    assert not image_allowed(policy, "busybox:evil")
    assert subnet_allowed(policy, "10.1.0.0/16")
    assert not subnet_allowed(policy, "0.0.0.0/0")
    assert not subnet_allowed(policy, "10.0.0.0/7")
    assert subnet_allowed(policy, "fd00:1::/64")


@pytest.mark.parametrize(
    ("subnet", "allowed"),
    [
        ("10.1.0.0/16", True), ("10.1.2.0/24", True), ("10.0.0.0/15", False), ("fd00:1::/64", True),
        ("fd01::/64", False), ("192.168.0.0/24", False),
    ],
)  # fmt: skip
def test_a_subnet_lies_whole_within_an_allowed_one(subnet, allowed):
    assert subnet_allowed(Policy(allowed_subnets=("10.1.0.0/16", "fd00::/16")), subnet) is allowed
    assert subnet_allowed(Policy(), subnet)
