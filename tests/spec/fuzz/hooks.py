"""What schemathesis must know beside the document: formats and bodies of ours, and how to waste no time."""

import json
import zlib

import schemathesis
from hypothesis import strategies as st

from tests.spec.fuzz import callers  # noqa: F401  # its hooks register themselves when it is imported

QUICK = {"timeout_ms": 200, "count": 2, "interval_ms": 0, "grace_s": 1}
FURNISHED = {"network": "simon_network", "container": "tomcat81"}
LONGEST_NUMBER = 6

schemathesis.openapi.format("cidr", st.integers(0, 2**16 - 1).map(lambda n: f"10.{n >> 8}.{n & 255}.0/24"))


def quick(values):
    """Values that fit the document, with the patience of a test."""
    for name, limit in QUICK.items():
        value = values.get(name)
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        if type(number) is int and number > limit and len(str(number)) < LONGEST_NUMBER:
            values[name] = limit if type(value) is int else str(limit)


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """Wait no longer than it takes to see what is answered."""
    for values in (case.body, case.query):
        if isinstance(values, dict):
            quick(values)
    for assertion in case.body if isinstance(case.body, list) else ():
        if isinstance(assertion, dict):
            quick(assertion)


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Every second time name what is there; what is there is neither deleted nor renamed."""
    spared = context.operation.method == "delete" or context.operation.path.endswith("/rename")
    told = json.dumps(path_parameters, sort_keys=True)
    if path_parameters and not spared and zlib.crc32(told.encode()) % 2:
        return {name: FURNISHED.get(name, given) for name, given in path_parameters.items()}
    return path_parameters


@schemathesis.deserializer("application/x-ndjson")
def as_lines(_context, response):
    """The last line; the document says what one line is."""
    return json.loads(response.content.splitlines()[-1])
