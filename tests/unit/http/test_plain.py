"""What is written as it stands has the very fields that its schema promises."""

from dataclasses import fields

import pytest

from bridgework.http.resources.topology.schemas import TopologySchema
from bridgework.http.schemas.answers import Plain, plain
from bridgework.model.topology_graph import Edge, Node


@pytest.mark.parametrize(("name", "kind"), [("nodes", Node), ("edges", Edge)])
def test_a_dataclass_and_its_schema_have_the_same_fields_in_one_order(name, kind):
    field = TopologySchema().fields[name]
    assert isinstance(field, Plain)
    assert [one.name for one in fields(kind)] == list(field.inner.schema.fields)


def test_a_dataclass_is_written_by_its_fields_and_nothing_else_is():
    assert plain(Node("n1", "network", "lan")) == {"id": "n1", "kind": "network", "name": "lan", "attributes": {}}
    with pytest.raises(TypeError, match="set has no place in JSON"):
        plain({1})
