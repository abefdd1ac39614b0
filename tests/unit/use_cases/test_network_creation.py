"""A network that the engine makes for another request at the same moment, listed sooner or later than it is met."""

from dataclasses import replace

import pytest

from bridgework.model.errors import Conflict
from tests.support.fake_engine import FakeEngine

KEY = {"Idempotency-Key": "once"}


class BusyEngine(FakeEngine):
    """Makes the network for another request first, and lists it only after ``unlisted`` more snapshots."""

    def __init__(self, unlisted):
        super().__init__()
        self.unlisted, self.met = unlisted, False

    def create_network(self, spec):
        if not self.met:
            super().create_network(spec)
            self.met = True
        raise Conflict("network-name-taken", "network with name once already exists")

    def snapshot(self, _asked_ns=None):
        seen = super().snapshot()
        if not self.met or self.unlisted == 0:
            return seen
        self.unlisted -= 1
        return replace(seen, networks=tuple(network for network in seen.networks if network.name != "once"))


@pytest.mark.parametrize("unlisted", range(4))
def test_a_network_listed_at_any_moment_is_a_replay_of_the_same_key(make, unlisted):
    client = make(BusyEngine(unlisted))
    answer = client.send("POST", "/v1/networks", {"name": "once"}, headers=KEY)
    assert (answer.status_code, answer.headers.get("Idempotent-Replayed")) == (201, "true"), answer.get_json()


@pytest.mark.parametrize("unlisted", range(4))
def test_and_without_a_key_it_is_named(make, unlisted):
    client = make(BusyEngine(unlisted))
    answer = client.send("POST", "/v1/networks", {"name": "once"})
    (made,) = (network.id for network in client.engine.networks.values() if network.name == "once")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "network-name-taken")
    assert answer.get_json()["facts"]["network"] == {"id": made, "name": "once"}
