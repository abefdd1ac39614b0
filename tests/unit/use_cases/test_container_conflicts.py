"""Who is in the way of a container, found by the facts of the engine's refusal."""

from types import SimpleNamespace

from bridgework.model.errors import Conflict
from bridgework.use_cases.preflight.container_conflicts import explained
from tests.support.worlds import container, network, world

NET = network("net")
WEB, DB = container("web", (NET, "10.1.0.2")), container("db", (NET, "10.1.0.3"))


def explain(conflict):
    services = SimpleNamespace(engine=SimpleNamespace(snapshot=lambda: world(NET, WEB, DB)))
    return explained(services, DB, conflict)


def test_the_holder_of_a_name_is_found_by_the_fact_however_the_sentence_reads():
    told = explain(Conflict("container-name-taken", "Another one is called that.", facts={"name": "web"}))
    assert told.facts["container"] == {"id": WEB.id, "name": "web", "state": "running"}
    assert told.detail.startswith("A container named web already exists")


def test_a_holder_that_is_gone_already_leaves_the_refusal_as_it_was():
    for facts in ({"name": "gone"}, {}):
        refused = Conflict("container-name-taken", "A container named web exists already.", facts=facts)
        assert explain(refused) is refused
