"""Every fault of every request in our own words: nothing of marshmallow's, nothing of Python's."""

import re

import pytest
from marshmallow import Schema, ValidationError, fields, validate

from bridgework.app import RESOURCES
from bridgework.http.reading import flattened
from bridgework.http.schemas.fields import Whole

OPERATIONS = [operation for resource in RESOURCES for operation in resource.operations]
SCHEMAS = {type(schema): schema for operation in OPERATIONS for schema in (operation.body, operation.query) if schema}
JUNK = [
    None, True, 1, -1, 10**12, 1.5, float("nan"), "", "x", "\0", "a b", "\u00e9", "x" * 200_000, [], [None], [1], [[]],
    ["\0"], ["x"] * 5000, [{}], [{"x": 1}], {}, {"x": 1}, {"x": None}, {"": "x"}, {"x": "\0"}, {"x": "y" * 200_000},
    {f"k{number}": "v" for number in range(2000)}, {"net.x y": "1"}, {"a=b": "c"}, {"host": False}, {"container": 1},
]  # fmt: skip


def library_texts():
    kinds = [kind for kind in vars(fields).values() if isinstance(kind, type) and issubclass(kind, fields.Field)]
    texts = {text for kind in kinds for text in getattr(kind, "default_error_messages", {}).values()}
    for kind in (kind for kind in vars(validate).values() if isinstance(kind, type)):
        texts |= {text for name, text in vars(kind).items() if name.startswith(("message_", "default_message"))}
    texts |= {"Invalid input type.", "Unknown field."}
    return {text for text in texts if len(text) > 15}


LIBRARY = [re.compile(re.sub(r"\\\{+[^}]*\}+", ".*", re.escape(text))) for text in library_texts()]
PYTHON = re.compile(r"\b(None|True|False|str|int|dict|bool|NoneType)\b|<[a-z]|'[^']*'|[{}]")


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=[kind.__name__ for kind in SCHEMAS])
def test_no_fault_has_the_librarys_words_or_pythons(schema):
    faults = set()
    required = {"name": "ab", "image": "x", "source": {"host": True}, "destination": {"host": True}}
    whole = [
        {**{key: value for key, value in required.items() if key in schema.fields}, name: junk}
        for name in [*schema.fields, "unknown"]
        for junk in JUNK
    ]
    given = [[one] for one in whole] if schema.many else whole
    for one in [*JUNK, *given]:
        try:
            schema.load(one)
        except ValidationError as error:
            faults |= {fault.message for fault in flattened(error.messages)}
    assert len(faults) > 1
    assert [text for text in faults if any(theirs.fullmatch(text) for theirs in LIBRARY)] == []
    assert [text for text in faults if PYTHON.search(text)] == []
    assert [text for text in faults if not re.fullmatch(r"[A-Z].*[.?]", text)] == []


def test_a_fault_says_what_is_allowed(client):
    told = client.post("/v1/networks", {
        "Driver": "bridge", "ipv6": True, "name": "", "internal": "yes", "driver": 5, "scope": "global",
        "ipam": {"pools": [{"subnet": None, "gatway": "10.1.0.1"}], "options": []}, "labels": {"a": 1},
    }, status=422)  # fmt: skip
    assert {fault["pointer"]: fault["message"] for fault in told["errors"]} == {
        "/Driver": "This field is unknown. Did you mean `driver`?",
        "/ipv6": "This field is unknown.",
        "/name": "Must have 1 to 128 characters.",
        "/internal": "Must be true or false.",
        "/driver": "Must be a string.",
        "/scope": "Must be one of these: local, swarm.",
        "/ipam/pools/0/subnet": "Must not be null.",
        "/ipam/pools/0/gatway": "This field is unknown. Did you mean `gateway`?",
        "/ipam/options": "Must be an object.",
        "/labels/a": "Must be a string.",
    }
    limit = client.call("GET", "/v1/networks?limit=0", status=422)["errors"][0]
    assert limit == {"in": "query", "name": "limit", "message": "Must be a whole number from 1 to 1000."}
    listed = client.post("/v1/connectivity/assertions", {}, status=422)["errors"][0]
    assert (listed["pointer"], listed["message"]) == ("", "Must be a list of objects.")


def test_many_unknown_fields_take_no_time(client):
    """A hint costs some microseconds for each known name; a body may have a hundred thousand unknown ones."""
    body = {"name": "ab", **{f"nam{number}": 1 for number in range(10_000)}}
    told = client.post("/v1/networks", body, status=422)["errors"]
    assert len(told) == 10_000
    assert sum("Did you mean" in fault["message"] for fault in told) <= 20


@pytest.mark.parametrize(("path", "code", "quoted"), [
    ("/v1/networks/none-such", 404, '"none-such"'), ("/v1/networks/a%0ab", 404, '"a\\nb"'),
    ("/v1/networks/it's", 404, '"it\'s"'), ("/v1/networks/000", 400, '"000" matches'),
])  # fmt: skip
def test_what_a_caller_sent_is_quoted_as_json(client, path, code, quoted):
    """A Python repr quotes one text with ' and another with "; a client reads JSON."""
    assert quoted in client.call("GET", path, status=code)["detail"]


def test_a_probe_says_each_fault_as_a_sentence(client):
    path = "/v1/connectivity/probe?source=host&destination=host&protocol=icmp&port=1"
    assert client.call("GET", path, status=422)["errors"] == [
        {"in": "query", "name": "port", "message": "The protocol icmp has no port."}
    ]


@pytest.mark.parametrize("given", ["", "soon", "-1", "nan", "1e9"])
def test_the_time_out_of_a_scrape_is_a_number_of_seconds(client, given):
    path = "/v1/connectivity/probe?source=host&destination=host"
    problem = client.call("GET", path, status=422, headers={"X-Prometheus-Scrape-Timeout-Seconds": given})
    assert problem["errors"] == [
        {
            "in": "header",
            "name": "X-Prometheus-Scrape-Timeout-Seconds",
            "message": "Must be a number of seconds, such as 10 or 7.5.",
        }
    ]


@pytest.mark.parametrize(("number", "taken"), [(80, True), (80.0, True), (80.5, False), (1e400, False), (True, False)])
def test_a_whole_number_may_be_written_with_a_fraction_of_zero(number, taken):
    """JSON has one kind of number, and to JSON Schema 80.0 is an integer; Lua and PHP write such ones."""
    schema = Schema.from_dict({"port": Whole(1, 65_535)})()
    if taken:
        assert schema.load({"port": number}) == {"port": 80}
        assert type(schema.load({"port": number})["port"]) is int
    else:
        with pytest.raises(ValidationError):
            schema.load({"port": number})
