"""What generated clients and readers need of the document, said as rules that a new field must keep too."""

import re
from pathlib import Path

import jsonschema
import pytest
from gunicorn.config import LimitRequestFieldSize

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.http.schemas.fields import Strict
from bridgework.ipam.input import validate_container_name, validate_network_name
from bridgework.server.refusals import REFUSALS
from bridgework.settings import Settings
from tests.support.spec_validator import (
    DOCUMENT,
    PROBLEM,
    PROBLEM_TYPE,
    STREAMS,
    closed_components,
    codes_of,
    resolved,
)
from tools.openapi.parameters import MAX_HEADER_BYTES
from tools.openapi.responses import component_name

SCHEMAS = DOCUMENT["components"]["schemas"]
MOST_LINES = 8100
TAGS = [tag["name"] for tag in DOCUMENT["tags"]]
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


def parameters_of(operation):
    """An operation's parameters, those of the components too."""
    shared = DOCUMENT["components"]["parameters"]
    return [shared[one["$ref"].rsplit("/", 1)[1]] if "$ref" in one else one for one in operation["parameters"]]


def descriptions(node, where):
    """Every description of the document with its place; what is shown in examples is data."""
    if isinstance(node, list):
        for index, inner in enumerate(node):
            yield from descriptions(inner, f"{where}/{inner.get('name', index) if isinstance(inner, dict) else index}")
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            yield where, node["description"]
        for name, inner in node.items():
            if name != "examples":
                yield from descriptions(inner, f"{where}/{name}")


def everything():
    for name, schema in SCHEMAS.items():
        yield from nodes(schema, name)
    for method, path, operation in OPERATIONS:
        for parameter in parameters_of(operation):
            yield from nodes(parameter["schema"], f"{method} {path} {parameter['name']}")
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                yield from nodes(content["schema"], f"{method} {path} {status}")
    for name, header in DOCUMENT["components"]["headers"].items():
        yield from nodes(header["schema"], f"header {name}")


EVERYTHING = list(everything())


PARAMETERS = {parameter["name"] for _, _, operation in OPERATIONS for parameter in parameters_of(operation)}


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


def test_every_number_has_a_format_and_one_of_a_request_its_bounds():
    for where, schema, _ in EVERYTHING:
        if types(schema) & {"integer", "number"}:
            assert "format" in schema, where
            if of_a_request(where):
                assert {"minimum", "maximum"} <= schema.keys(), where


def test_every_text_of_a_request_is_bounded():
    bad = [
        where
        for where, schema, _ in EVERYTHING
        if of_a_request(where)
        and "string" in types(schema)
        and not {"maxLength", "enum", "pattern"} & schema.keys()
        and schema.get("format") not in {"ipv4", "ipv6", "date-time", "uri"}
    ]
    assert bad == [], "use fields.Text"


def of_a_request(where):
    return where.split("/")[0] in REQUESTED or where.rsplit(" ", 1)[-1] in PARAMETERS


def test_the_document_is_short_enough_to_be_read():
    assert len(Path("openapi.yaml").read_text().splitlines()) <= MOST_LINES


def test_a_request_says_its_defaults_in_words():
    """openapi-typescript demands each property of a component that has a default, in a request too."""
    assert [where for where, schema, _ in EVERYTHING if where.split("/")[0] in REQUESTED and "default" in schema] == []
    assert SCHEMAS["CheckRequest"]["properties"]["dont_fragment"]["description"].endswith("Default: `false`.")


def test_nothing_is_said_by_a_constant_or_a_union():
    """Generators for PHP, Rust, C#, Kotlin and Swift throw on these after the change was made."""
    for where, schema, _ in EVERYTHING:
        assert "const" not in schema, where
        assert not ("boolean" in types(schema) and "enum" in schema), where
        assert not ("object" in types(schema) and "not" in schema), "openapi-generator makes a class of it"
        for keyword in ("anyOf", "oneOf"):
            assert keyword not in schema or {"type": "null"} in schema[keyword], where


def test_a_tag_is_bounded_by_what_the_edge_takes_of_a_header():
    assert LimitRequestFieldSize.default == MAX_HEADER_BYTES
    bounds = {
        parameter["name"]: parameter["schema"]["maxLength"]
        for _, _, operation in OPERATIONS
        for parameter in parameters_of(operation)
        if parameter["name"] in {"If-Match", "If-None-Match"}
    }
    assert {name: bound + len(f"{name}: \r\n") for name, bound in bounds.items()} == {
        "If-Match": 8190, "If-None-Match": 8190,
    }  # fmt: skip


def test_a_map_in_a_request_says_what_its_keys_may_be():
    maps = {
        (name, field): schema
        for name in REQUESTED
        for field, schema in SCHEMAS[name].get("properties", {}).items()
        if "additionalProperties" in schema
    }
    assert {("ContainerCreate", "labels"), ("NetworkCreate", "options"), ("IpamRequest", "options")} <= maps.keys()
    # The body of a planned call is that of another request, which says it.
    del maps["PlannedCall", "body"]
    assert [where for where, schema in maps.items() if "pattern" not in schema.get("propertyNames", {})] == []


@pytest.mark.parametrize("name", ["CheckSource", "CheckDestination"])
def test_a_request_that_takes_exactly_one_property_says_so_in_its_schema(name):
    schema = SCHEMAS[name]
    check = jsonschema.Draft202012Validator(schema)
    host, container = {"host": True}, {"container": "web"}
    assert [check.is_valid(given) for given in ({}, host, container, {**host, **container})] == [
        False,
        True,
        True,
        False,
    ]


PAIR = {"source": {"container": "a"}, "destination": {"host": True}}


@pytest.mark.parametrize(("name", "body", "valid"), [
    ("CheckSource", {"host": False}, False),
    ("CheckRequest", PAIR, True),
    ("CheckRequest", {**PAIR, "port": None}, True),
    ("CheckRequest", {**PAIR, "port": 80}, False),
    ("CheckRequest", {**PAIR, "protocol": "icmp", "port": 80}, False),
    ("CheckRequest", {**PAIR, "protocol": "dns"}, True),
    ("CheckRequest", {**PAIR, "protocol": "dns", "port": 5353}, True),
    ("CheckRequest", {**PAIR, "protocol": "tcp"}, False),
    ("CheckRequest", {**PAIR, "protocol": "http", "port": None}, False),
    ("CheckRequest", {**PAIR, "protocol": "udp", "port": 53}, True),
    ("MatrixRequest", {}, False),
    ("MatrixRequest", {"all": True}, True),
    ("MatrixRequest", {"all": False}, False),
    ("MatrixRequest", {"all": True, "network": "lan"}, False),
    ("MatrixRequest", {"network": "lan", "protocol": "tcp"}, False),
    ("MatrixRequest", {"network": "lan", "protocol": "tcp", "port": 80}, True),
    ("NetworkCreate", {"name": "lan"}, True),
    ("NetworkCreate", {"name": "bridge"}, False),
    ("NetworkCreate", {"name": "0123456789ab"}, False),
    ("NetworkCreate", {"name": f"{'a' * 63}.{'b' * 60}"}, True),
    ("NetworkCreate", {"name": "a" * 64}, False),
    ("ContainerRename", {"name": "ab" * 32}, False),
    ("ContainerCreate", {"image": "busybox", "name": None, "dns": ["::1", "9.9.9.9"]}, True),
    ("ContainerCreate", {"image": "busybox", "dns": ["one"]}, False),
    ("ContainerCreate", {"image": "busybox", "extra_hosts": {"a": "host-gateway", "b": "10.0.0.1"}}, True),
    ("ContainerCreate", {"image": "busybox", "extra_hosts": {"a": "gateway"}}, False),
    ("PortRequest", {"container_port": 80, "host_ip": None}, True),
    ("PortRequest", {"container_port": 80, "host_ip": ""}, False),
])  # fmt: skip
def test_the_schema_and_the_service_agree_on_what_one_field_decides_of_another(name, body, valid):
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    check = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker(["ipv4", "ipv6"]))
    assert check.is_valid(body) is valid
    assert accepted(name, body) is valid


def accepted(name, body):
    """Whether the service takes it, as far as a schema of its own or a check of names can say."""
    load = next(one for one in inputs(Strict) if component_name(one) == name)
    check = {"NetworkCreate": validate_network_name, "ContainerRename": validate_container_name}.get(name)
    return not load().validate(body) and not (check and check(body["name"]))


def inputs(base):
    """The schemas of requests."""
    for one in base.__subclasses__():
        yield one
        yield from inputs(one)


def test_every_list_and_map_of_a_request_is_bounded():
    bad = []
    for where, schema, _ in EVERYTHING:
        if of_a_request(where):
            if "array" in types(schema) and "maxItems" not in schema:
                bad.append(where)
            if "object" in types(schema) and not {"properties", "maxProperties"} & schema.keys():
                bad.append(where)
    assert bad == [], "give validate.Length(max=…)"


def test_every_closed_set_has_a_name():
    bad = [where for where, schema, _ in EVERYTHING if "enum" in schema and where not in SCHEMAS]
    assert bad == [], "add it to tools.openapi.schemas.ENUMS, or say x_known_values=True in the metadata"


def test_no_object_is_anonymous():
    bad = [where for where, schema, _ in EVERYTHING if "properties" in schema and where not in SCHEMAS]
    assert bad == []


def test_no_schema_says_nothing():
    bad = [where for where, schema, _ in EVERYTHING if not {"type", "$ref", "anyOf", "enum"} & schema.keys()]
    # A file of bytes: in 3.1 its media type says all, and with a type clients would make a text of it.
    assert bad == ["post /v1/connectivity/checks 200"], "use a Derived, or metadata type="


def test_every_property_is_described():
    bad = [
        f"{name}/{field}"
        for name, schema in SCHEMAS.items()
        for field, inner in schema.get("properties", {}).items()
        if not inner.get("description")
    ]
    assert bad == []


SAYS_NOTHING = {"When.", "What.", "In a word.", "By destination.", "As given.", "Its id.", "How many.", "In numbers."}
ARCHAIC = re.compile(r"\b(whom|whoever|anew|mends?|mended|wished|nobody|thither|lingers?|but for)\b", re.IGNORECASE)
WITHOUT_ITS_NOUN = re.compile(r"(Its|It|They|Their|Of|Inside|Also)\b")


def test_every_description_tells_something():
    """They become the comments of every client: a sentence that says what the thing is, its unit, its default."""
    told = list(descriptions(DOCUMENT, ""))
    assert len(told) > 700
    assert [one for one in told if len(one[1]) < 25 or one[1].rstrip()[-1] != "."] == []
    assert [one for one in told if SAYS_NOTHING & set(re.split(r"(?<=[.]) ", one[1]))] == []
    assert [one for one in told if ARCHAIC.search(one[1]) or WITHOUT_ITS_NOUN.match(one[1])] == []


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
            assert not re.search(r"\\Z|\\u|\(\?", schema["pattern"]), where


def test_operation_ids_read_as_methods():
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+([A-Z][a-z0-9]+)*", name)] == []


@pytest.mark.parametrize(
    ("method", "operation"), [(m, o) for m, _, o in OPERATIONS], ids=[o["operationId"] for _, _, o in OPERATIONS]
)
def test_an_operation_says_what_a_caller_needs(method, operation):
    assert not re.search(r"[.!?]", operation["summary"]), "one sentence, without its full stop"
    told = operation["description"].partition("\n\nNeeds the role")[0]
    assert told.rstrip(".") != operation["summary"], "say more than the summary does"
    assert operation["tags"] == [tag for tag in TAGS if tag in operation["tags"]]
    roles = {next(iter(one.values()))[0] for one in operation["security"]}
    assert roles <= {"viewer", "operator", "admin"}
    assert len(roles) == bool(operation["security"])
    assert any(status.startswith("2") for status in operation["responses"])
    assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    assert operation.get("x-problem-codes", {}).keys() <= operation["responses"].keys()
    for status in operation["responses"]:
        assert "X-Request-ID" in resolved(operation["responses"][status])["headers"], status
    parameters = {parameter["name"] for parameter in parameters_of(operation)}
    assert parameters & {"If-None-Match"} == ({"If-None-Match"} if "304" in operation["responses"] else set())
    if "304" in operation["responses"]:
        assert "ETag" in operation["responses"]["200"]["headers"]
    if "If-Match" in parameters:
        assert "412" in operation["x-problem-codes"]
    if method == "post" and roles & {"operator", "admin"}:
        assert "Idempotency-Key" in parameters or re.search("takes no\\s`Idempotency-Key`", told)
    if "201" in operation["responses"] and method == "post":
        assert "Idempotency-Key" in parameters
        assert {"Location", "Idempotent-Replayed"} <= operation["responses"]["201"]["headers"].keys()


BY_EACH_WITH_A_TOKEN = {"400", "401", "406", "422", "429", "500", "501", "502", "503", "504"}


def test_the_statuses_of_failures_are_listed_beside_the_default():
    """A typed client tells an answer from a problem by the status; ``default`` alone makes a union of both."""
    for _, path, operation in OPERATIONS:
        failures = {status for status, answer in operation["responses"].items() if PROBLEM_TYPE in contents(answer)}
        known = {"400", "406", "422", "500"} | (BY_EACH_WITH_A_TOKEN if operation["security"] else set())
        if path not in {"/openapi.json", "/openapi-3.0.json", "/docs", "/console"}:  # they read neither query nor body
            assert failures - {"default"} == known | operation.get("x-problem-codes", {}).keys(), path
        for status in failures - {"default"}:
            assert list(operation["responses"][status]) == ["$ref"], "one shared response for each status"


def contents(answer):
    return resolved(answer).get("content", {})


def test_one_security_scheme_serves_both_kinds_of_token():
    """For two schemes that are the same on the wire, a generated Rust client sends `Authorization` twice: a 401."""
    (scheme,) = DOCUMENT["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert re.search("tokens file.*OpenID Connect", scheme["description"])


def test_the_first_server_can_be_filled_in_by_who_imports_the_document():
    first, second = DOCUMENT["servers"]
    assert first["url"] == "http://{address}"
    assert first["variables"]["address"]["default"] == "127.0.0.1:8080"
    assert second["url"] == "/"


def test_every_problem_of_an_example_is_listed():
    for example in PROBLEM["content"]["application/problem+json"]["examples"].values():
        name = example["$ref"].rsplit("/", 1)[1]
        assert DOCUMENT["components"]["examples"][name]["value"]["code"] in known_codes()


def test_every_list_is_paged():
    lists = [(path, o) for method, path, o in OPERATIONS if method == "get" and "items" in answered(o)]
    assert len(lists) > 10
    for path, operation in lists:
        if path == "/v1/subnets/available":  # computed for one answer: `count` says how many
            continue
        assert set(answered(operation)["next_cursor"]["type"]) == {"string", "null"}, path
        parameters = {parameter["name"]: parameter["schema"] for parameter in parameters_of(operation)}
        limit = parameters["limit"]
        assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 1000, 100), path
        assert "cursor" in parameters, path


def answered(operation):
    """The properties of its answer, where that is a JSON object."""
    content = resolved(operation["responses"]["200"]).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return SCHEMAS[name].get("properties", {}) if name else {}


def test_every_operation_says_what_may_be_answered_before_it_is_reached():
    for _, path, operation in OPERATIONS:
        for status, (code, _) in REFUSALS.items():
            assert code in codes_of(operation, int(status)), (path, status)


def test_a_stream_says_what_one_of_its_lines_or_events_is():
    found = {
        (operation["operationId"], media_type): item_of(content["schema"])
        for _, _, operation in OPERATIONS
        for status in ("200", "201")
        for media_type, content in operation["responses"].get(status, {}).get("content", {}).items()
        if media_type in STREAMS
    }
    assert found == {
        ("followEvents", "text/event-stream"): "Event",
        ("measureMatrix", "application/x-ndjson"): "MatrixLine",
        ("searchConnectivity", "application/x-ndjson"): "QueryLine",
        ("planChanges", "application/x-ndjson"): "PlanLine",
        ("createContainer", "application/x-ndjson"): "ContainerLine",
        ("restartContainer", "application/x-ndjson"): "ContainerLine",
        ("stopContainer", "application/x-ndjson"): "ContainerLine",
    }


def item_of(schema):
    """The component of one line or event. The whole of a stream of events is a text, as its example is."""
    assert "$ref" in schema or schema["type"] == "string"
    return schema.get("x-item-schema", schema)["$ref"].rsplit("/", 1)[1]


def test_nothing_in_a_list_or_a_map_may_be_null():
    """Rust and C# clients have plain numbers and texts in their lists, and fail at a null."""
    for name, schema in SCHEMAS.items():
        for where, node, _ in nodes(schema, name):
            for inner in (node.get("items"), node.get("additionalProperties")):
                assert not isinstance(inner, dict) or "null" not in inner.get("type", []), where


def test_a_stream_is_never_the_only_answer_with_its_status_beside_another_success():
    """Generators give a method the type of its lowest 2xx, and some warn of a status whose answer they cannot read."""
    for _, path, operation in OPERATIONS:
        successes = [operation["responses"][status] for status in operation["responses"] if status.startswith("2")]
        for success in successes:
            assert len(successes) == 1 or set(success.get("content", {})) != {"application/x-ndjson"}, path


def test_every_code_of_a_problem_is_listed_with_the_property_too():
    known = set(SCHEMAS["Problem"]["properties"]["code"]["x-known-values"])
    assert known == known_codes()
    for code in known:
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", code)


def known_codes():
    holders = [PROBLEM, *(operation for _, _, operation in OPERATIONS)]
    return {code for holder in holders for codes in holder.get("x-problem-codes", {}).values() for code in codes}


def test_every_route_is_in_the_document_but_for_the_files_of_its_pages(tmp_path):
    app = create_app(Settings(), EngineAddress(f"unix://{tmp_path}/docker.sock"))
    routes = {
        (method.lower(), rule.rule.replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    files = {route for route in routes if route[1].startswith(("/docs/", "/console/"))}
    assert routes - files - {("get", "/openapi.yaml")} == {(method, path) for method, path, _ in OPERATIONS}


def test_closing_the_answers_for_tests_keeps_every_reference():
    assert set(closed_components()["schemas"]) == set(SCHEMAS)
