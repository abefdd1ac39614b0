"""What generated clients and readers need of the document, said as rules that a new field must keep too."""

import re

import jsonschema
import pytest
from spec_validator import DOCUMENT, closed_components, resolved

SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = [
    (method, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
]


def nodes(schema, where, in_union=False):
    """Every schema within a schema, with where it stands; a `$ref` is not followed."""
    yield where, schema, in_union
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from nodes(schema[keyword], f"{where}/{keyword}")
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{where}/{name}")
    for keyword in ("anyOf", "oneOf"):
        for index, inner in enumerate(schema.get(keyword, ())):
            yield from nodes(inner, f"{where}/{keyword}/{index}", in_union=True)


def everything():
    for name, schema in SCHEMAS.items():
        yield from nodes(schema, name)
    for method, path, operation in OPERATIONS:
        for parameter in operation["parameters"]:
            yield from nodes(parameter["schema"], f"{method} {path} {parameter['name']}")
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                yield from nodes(content["schema"], f"{method} {path} {status}")


EVERYTHING = list(everything())


def types(schema):
    found = schema.get("type", [])
    return {found} if isinstance(found, str) else set(found)


def requested():
    """The components that requests are made of."""
    waiting = [operation.get("requestBody", {}) for _, _, operation in OPERATIONS]
    found = set()
    while waiting:
        for name in re.findall(r"#/components/schemas/(\w+)", str(waiting.pop())):
            if name not in found:
                found.add(name)
                waiting.append(SCHEMAS[name])
    return found


REQUESTED = requested()


def test_it_is_openapi_3_1_whose_schemas_are_json_schema():
    assert DOCUMENT["openapi"].startswith("3.1")
    for name, schema in SCHEMAS.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema.get("description") or "enum" in schema or "anyOf" in schema, name


def test_every_number_is_bounded_and_has_a_format():
    bad = [
        where
        for where, schema, _ in EVERYTHING
        if types(schema) & {"integer", "number"}
        and not (("minimum" in schema and "format" in schema) and ("maximum" in schema or "number" in types(schema)))
    ]
    assert bad == [], 'give metadata=described("…", minimum=…, maximum=…)'


def test_every_text_of_a_request_is_bounded():
    bad = [
        where
        for where, schema, _ in EVERYTHING
        if "string" in types(schema)
        and (where.split("/")[0] in REQUESTED or where.startswith(("get ", "put ", "post ", "delete ")))
        and not re.search(r" [1-5]\d\d", where)
        and not {"maxLength", "enum", "const", "pattern"} & schema.keys()
        and schema.get("format") not in {"ipv4", "ipv6", "date-time"}
        and not where.endswith(("If-Match", "If-None-Match"))  # every text is one: it matches or not
    ]
    assert bad == [], "use fields.Text"


def test_every_closed_set_has_a_name():
    bad = [where for where, schema, _ in EVERYTHING if "enum" in schema and where not in SCHEMAS]
    assert bad == [], "add it to service.api.spec_schemas.ENUMS, or say x_known_values=True in the metadata"


def test_no_object_is_anonymous():
    bad = [where for where, schema, _ in EVERYTHING if "properties" in schema and where not in SCHEMAS]
    assert bad == []


def test_no_schema_says_nothing():
    bad = [
        where
        for where, schema, _ in EVERYTHING
        if not {"type", "$ref", "anyOf", "oneOf", "const", "enum"} & schema.keys()
    ]
    assert bad == [], "fields.Function and fields.Raw tell the spec nothing: use a Derived, or metadata type="


def test_every_property_is_described():
    bad = [
        f"{name}/{field}"
        for name, schema in SCHEMAS.items()
        for field, inner in schema.get("properties", {}).items()
        if not inner.get("description")
    ]
    assert bad == []


def test_no_component_is_a_numbered_copy():
    names = [name for name in SCHEMAS if name.rstrip("0123456789") in SCHEMAS and name[-1].isdigit()]
    assert names == []


def test_requests_refuse_what_they_do_not_know_and_answers_may_grow():
    for name, schema in SCHEMAS.items():
        if "properties" in schema:
            assert schema.get("additionalProperties", "open") == (False if name in REQUESTED else "open"), name


def test_patterns_are_anchored_and_mean_the_same_in_every_language():
    for where, schema, _ in EVERYTHING:
        if "pattern" in schema:
            assert re.fullmatch(r"\^.*\$", schema["pattern"]), where
            assert "\\Z" not in schema["pattern"], where


def test_operation_ids_read_as_methods():
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)] == []


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=[o["operationId"] for _, _, o in OPERATIONS])
def test_an_operation_says_what_a_caller_needs(method, path, operation):
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    assert "security" in operation
    assert any(status.startswith("2") for status in operation["responses"])
    for status in operation["responses"]:
        response = resolved(operation["responses"][status])
        assert "X-Request-ID" in response["headers"], status
        if status.startswith(("4", "5")) and path != "/readyz":
            assert response["x-problem-codes"], status
            assert list(response["content"]) == ["application/problem+json"], status
    if method == "get" and path.startswith("/v1/") and "304" in operation["responses"]:
        assert "ETag" in operation["responses"]["200"]["headers"]


def test_closing_the_answers_for_tests_keeps_every_reference():
    assert set(closed_components()["schemas"]) == set(SCHEMAS)
