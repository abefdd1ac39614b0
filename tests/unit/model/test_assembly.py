"""A snapshot carried on from the one before is the one that everything read anew would make."""

from copy import deepcopy
from functools import cached_property

from hypothesis import given
from hypothesis import strategies as st

from bridgework.model.assembly import assembled, with_containers, with_networks
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot

DERIVED = [name for name, what in vars(Snapshot).items() if isinstance(what, cached_property)]
NETWORK_IDS, CONTAINER_IDS = ["n1", "n2", "n3", "n4"], ["c1", "c2", "c3", "c4", "c5"]
words = st.sampled_from(["a", "b", "c"])
networks = st.fixed_dictionaries(
    {}, optional={key: words.map(lambda name, key=key: Network(key, name)) for key in NETWORK_IDS}
)
looked_at = st.sets(st.sampled_from(DERIVED))


def container(key):
    """It may have two endpoints in one network, and some in networks that are gone."""
    return st.builds(
        lambda name, ids, owner, state: Container(
            key,
            name,
            state=state,
            shares_with=owner,
            namespace_path=f"/run/{name}/netns/{key}",
            endpoints=tuple(
                Endpoint(network_id, network_id, key, name, ipv4_address=f"10.0.0.{place}")
                for place, network_id in enumerate(ids)
            ),
        ),
        words,
        st.lists(st.sampled_from([*NETWORK_IDS, "gone"]), max_size=3),
        st.none() | st.sampled_from(CONTAINER_IDS),
        st.sampled_from(["running", "exited"]),
    )


containers = st.fixed_dictionaries({}, optional={key: container(key) for key in CONTAINER_IDS})


def everything(snapshot):
    return snapshot, {name: getattr(snapshot, name) for name in DERIVED}


def after(before, changed, gone):
    now = dict.fromkeys(gone) | changed
    return now, {key: thing for key, thing in (before | now).items() if thing is not None}


@given(networks, containers, looked_at, networks, st.sets(st.sampled_from(NETWORK_IDS)))
def test_changed_networks(known, around, names, changed, gone):
    before = assembled(known.values(), around.values())
    for name in names:
        getattr(before, name)
    now, expected = after(known, changed, gone)
    told = deepcopy(everything(before))
    assert everything(with_networks(before, now)) == everything(assembled(expected.values(), around.values()))
    assert everything(before) == told


@given(networks, containers, looked_at, containers, st.sets(st.sampled_from(CONTAINER_IDS)))
def test_changed_containers(around, known, names, changed, gone):
    before = assembled(around.values(), known.values())
    for name in names:
        getattr(before, name)
    now, expected = after(known, changed, gone)
    told = deepcopy(everything(before))
    assert everything(with_containers(before, now)) == everything(assembled(around.values(), expected.values()))
    assert everything(before) == told


def test_what_only_the_other_kind_tells_is_not_derived_again():
    here = Endpoint("n1", "a", "c1", "b", ipv4_address="10.0.0.1")
    guest = Container("c1", "b", endpoints=(here,), shares_with="c2", namespace_path="/run/netns/c1")
    before = assembled([Network("n1", "a")], [guest])
    told = {name: getattr(before, name) for name in DERIVED}
    of_networks = {"networks_by_id", "networks_by_name"}
    other_networks, other_containers = with_networks(before, {"n1": None}), with_containers(before, {"c1": None})
    for name in DERIVED:
        assert (getattr(other_networks, name) is told[name]) == (name not in of_networks)
        assert (getattr(other_containers, name) is told[name]) == (name in of_networks)
