"""A kernel that has no such rules and one that refuses to tell them are not the same."""

import errno

import pytest

from bridgework.probes.kernel import firewall, netlink, xfrm


@pytest.mark.parametrize(("number", "told"), [(errno.EPERM, None), (errno.EPROTONOSUPPORT, ()), (errno.ENOBUFS, None)])
def test_policies_are_unknown_where_the_kernel_refuses(monkeypatch, number, told):
    def refused(*_):
        raise OSError(number, "as the kernel says")

    monkeypatch.setattr(netlink, "open_socket", refused)
    assert xfrm.blocking_policies() == told
    assert firewall.kernel_chains() == (None if told is None else frozenset())


def test_a_container_whose_rules_are_refused_is_not_one_without_rules(monkeypatch):
    monkeypatch.setattr(firewall, "kernel_chains", lambda: None)
    monkeypatch.setattr(firewall, "chains", lambda _: ())
    monkeypatch.setattr(firewall, "other_chains", lambda: ())
    assert firewall.inner_rules(0.0).unread == ("nftables",)
