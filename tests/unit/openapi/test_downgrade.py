"""The 3.0.3 document: it means what the 3.1 document means, by the rules of the older schema language."""

import json

import pytest

from tests.support.spec_validator import DOCUMENT, DOCUMENT_3_0, schema_checker_3_0
from tools.openapi.downgrade import as_3_0

SINCE_3_1 = {"const", "if", "then", "else", "propertyNames", "prefixItems", "contentEncoding", "contentMediaType"}
DATA = {"example", "examples", "value", "default", "enum"}


def dicts(node, where=""):
    """Every object of the document but what is shown as data."""
    if isinstance(node, list):
        for index, inner in enumerate(node):
            yield from dicts(inner, f"{where}/{index}")
    if isinstance(node, dict):
        yield where, node
        for name, inner in node.items():
            if name not in DATA:
                yield from dicts(inner, f"{where}/{name}")


PLACES = [(where, node) for where, node in dicts(DOCUMENT_3_0) if not where.endswith("/properties")]


def test_it_has_the_same_operations_and_components():
    assert DOCUMENT_3_0["openapi"] == "3.0.3"
    for part in ("schemas", "responses", "parameters", "headers", "examples", "securitySchemes"):
        assert DOCUMENT_3_0["components"][part].keys() == DOCUMENT["components"][part].keys()
    assert {path: set(item) for path, item in DOCUMENT_3_0["paths"].items()} == {
        path: set(item) for path, item in DOCUMENT["paths"].items()
    }


def test_nothing_stands_beside_a_reference():
    """3.0 ignores it: "this object cannot be extended with additional properties" (4.7.23)."""
    assert [where for where, node in PLACES if "$ref" in node and len(node) > 1] == []


def test_nullable_stands_beside_a_type_and_null_is_among_the_values():
    """Without a type in the same schema, ``nullable`` has no effect (4.7.24.2)."""
    nullable = [(where, node) for where, node in PLACES if node.get("nullable") is True]
    assert len(nullable) > 100
    assert [where for where, node in nullable if "type" not in node or None not in node.get("enum", [None])] == []


def test_no_keyword_of_3_1_is_left():
    assert [where for where, node in PLACES if SINCE_3_1 & node.keys() or isinstance(node.get("type"), list)] == []


REFERENCE = "#/components/schemas/Reference"
ONE = {"id": "a", "name": "b"}


@pytest.mark.parametrize(
    ("schema", "value", "valid"),
    [
        ({"anyOf": [{"$ref": REFERENCE}, {"type": "null"}], "description": "One."}, None, True),
        ({"anyOf": [{"$ref": REFERENCE}, {"type": "null"}]}, ONE, True),
        ({"anyOf": [{"$ref": REFERENCE}, {"type": "null"}]}, {"id": 1}, False),
        ({"anyOf": [{"$ref": REFERENCE}, {"type": "null"}]}, {}, False),
        ({"anyOf": [{"$ref": "#/components/schemas/Severity"}, {"type": "null"}]}, None, True),
        ({"anyOf": [{"$ref": "#/components/schemas/Severity"}, {"type": "null"}]}, "mild", False),
        ({"$ref": REFERENCE, "description": "One."}, ONE, True),
        ({"$ref": REFERENCE, "description": "One."}, None, False),
        ({"type": ["string", "null"], "maxLength": 2}, None, True),
        ({"type": ["string", "null"], "maxLength": 2}, "abc", False),
        ({"type": "string"}, None, False),
    ],
)
def test_a_converted_schema_allows_what_it_did(schema, value, valid):
    converted = as_3_0({**DOCUMENT, "components": {"schemas": {"It": schema}}})["components"]["schemas"]["It"]
    assert schema_checker_3_0(json.dumps(converted)).is_valid(value) is valid


def test_the_older_form_of_null_has_no_effect():
    """What the document said before: the answers of half of all operations were not valid by it."""
    before = {"allOf": [{"$ref": REFERENCE}], "nullable": True}
    assert not schema_checker_3_0(json.dumps(before)).is_valid(None)


def test_a_capture_is_bytes():
    at = ("/v1/connectivity/checks", "post", "responses", "200", "content", "application/x-pcapng", "schema")
    newer, older = DOCUMENT["paths"], DOCUMENT_3_0["paths"]
    for step in at:
        newer, older = newer[step], older[step]
    assert set(newer) == {"description"}
    assert (older["type"], older["format"]) == ("string", "binary")
