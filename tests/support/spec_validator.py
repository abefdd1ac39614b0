"""Holds every response that tests see against the document, and counts which answers were seen.

Stricter than a client may be: a property, a value of a growing set, or a problem code that the document does not list
is a fault here.
"""

import copy
import gzip
import json
import os
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from flask import Response
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DOCUMENT = json.loads((Path(__file__).parents[2] / "service" / "bridgework" / "published" / "openapi.json").read_text())
PROBLEM = DOCUMENT["components"]["responses"]["Problem"]
FULL_RUN = "SPEC_COVERAGE"
"""Set by `make test` when it runs everything: then an operation or a success that no test has seen is a failure."""
METHODS = ("get", "put", "post", "delete")
STREAMS = {"application/x-ndjson", "text/event-stream"}
"""Bodies that may have no end; their tests read and check them themselves, by ``validate_line``."""
ABSENT_AT_TIMES = {"Idempotent-Replayed", "Bridgework-Dry-Run"}
"""Headers of successes that only some answers have."""
FRAMEWORK = {404: "path-unknown", 405: "method-not-allowed"}
"""What is answered before any operation is reached."""

seen = set()


class Undocumented(AssertionError):
    """A response that the document does not describe."""


def validate(response, method, path):
    """Raise ``Undocumented`` unless the document describes ``response`` to ``method path``."""
    if response.headers.get("Content-Encoding") == "gzip":
        request = response.request
        response = Response(gzip.decompress(response.get_data()), response.status, response.headers)
        response.request = request
    method = {"HEAD": "get"}.get(method.upper(), method.lower())
    template = find_path(path.partition("?")[0])
    operation = DOCUMENT["paths"].get(template, {}).get(method)
    if operation is None:
        _before_any_operation(response, method, path)
        return
    where = f"{method.upper()} {template} {response.status_code}"
    answer = resolved(operation["responses"].get(str(response.status_code)))
    if answer is None:
        if response.status_code < 400:
            fail(where, "the document has no such status", response)
        _check_problem(where, operation, response)
        return
    seen.add((method, template, str(response.status_code)))
    for name in answer.get("headers", {}):
        # A dry run makes nothing, so there is no place of it to name.
        # An answer in lines begins before the resource is there.
        without_location = "Bridgework-Dry-Run" in response.headers or response.mimetype in STREAMS
        missing_by_right = name in ABSENT_AT_TIMES or (name == "Location" and without_location)
        if not missing_by_right and name not in response.headers:
            fail(where, f"no header {name}", response)
    _check_content(where, answer, response)


def codes_of(operation, status):
    """The codes that the document lists for a status of an operation."""
    holders = (PROBLEM, operation)
    return {code for holder in holders for code in holder.get("x-problem-codes", {}).get(str(status), ())}


def _check_problem(where, operation, response):
    """The one response for every failure, and the code listed for this operation and status."""
    status = response.status_code
    further = {429: "Retry-After", 503: "Retry-After", 401: "WWW-Authenticate"}
    for name in {"X-Request-ID", further.get(status, "X-Request-ID")}:
        if name not in response.headers:  # in any case of letters
            fail(where, f"no header {name}", response)
    _check_content(where, PROBLEM, response)
    if response.request.method != "HEAD" and response.get_json()["code"] not in codes_of(operation, status):
        fail(where, f"the document does not list the code {response.get_json()['code']} here", response)


def validate_wire(method, path, status, headers, body):
    """The same for what came over a socket."""
    response = Response(body, status, headers)
    response.request = SimpleNamespace(method=method)
    validate(response, method, path)


def watch_clients(monkeypatch):
    """Validate whatever any test client of Flask's is answered from now on."""
    opened = FlaskClient.open

    def watched(client, *args, **kwargs):
        response = opened(client, *args, **kwargs)
        validate(response, response.request.method, response.request.path)
        return response

    monkeypatch.setattr(FlaskClient, "open", watched)


def find_path(path):
    """The path template that fits, plain segments before parameters."""
    fitting = [template for template, pattern in _patterns() if pattern.fullmatch(path)]
    return min(fitting, key=lambda template: template.count("{"), default=None)


@cache
def _patterns():
    return [(path, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))) for path in DOCUMENT["paths"]]


def _before_any_operation(response, method, path):
    code = FRAMEWORK.get(response.status_code)
    if (code is None and response.status_code >= 300) or "Access-Control-Allow-Methods" in response.headers:
        return
    if path.partition("?")[0].startswith(("/docs/", "/console/", "/openapi.yaml")):
        return
    if code is None or method not in (*METHODS, "patch", "options", "trace"):
        if response.status_code < 300:
            fail(f"{method.upper()} {path} {response.status_code}", "the document has no such operation", response)
        return
    document = response.get_json()
    for error in checker("Problem").iter_errors(document):
        fail(f"{method.upper()} {path}", error.message, response)


def _check_content(where, answer, response):
    content = answer.get("content")
    if content is None:
        if response.get_data():
            fail(where, "the document has no body here", response)
        return
    if response.mimetype not in content:
        fail(where, f"the document has {', '.join(content)} here, not {response.mimetype}", response)
    if response.mimetype in STREAMS or not response.mimetype.endswith("json") or response.request.method == "HEAD":
        return
    if not response.get_data().endswith(b"\n"):
        fail(where, "the last line of the JSON has no end, so a terminal's prompt would stand behind it", response)
    document = response.get_json()
    schema = content[response.mimetype]["schema"]
    for error in sorted(schema_checker(json.dumps(schema)).iter_errors(document), key=lambda error: -len(error.path)):
        fail(where, f"/{'/'.join(map(str, error.absolute_path))}: {error.message[:600]}", response)


def validate_line(name, document):
    """Raise unless a line of a stream is what the component ``name`` says."""
    for error in checker(name).iter_errors(document):
        raise Undocumented(f"{name}: /{'/'.join(map(str, error.absolute_path))}: {error.message[:600]}")


def resolved(node):
    """A response of the components, where there is a reference to one."""
    if node and "$ref" in node:
        return DOCUMENT["components"]["responses"][node["$ref"].rsplit("/", 1)[1]]
    return node


def checker(name):
    """The validator of a named component."""
    return schema_checker(json.dumps({"$ref": f"#/components/schemas/{name}"}))


@cache
def schema_checker(text):
    """The validator of a schema of the document, every answer closed."""
    registry = Registry().with_resource(
        "urn:bridgework", Resource.from_contents({"components": closed_components()}, DRAFT202012)
    )
    schema = json.loads(text.replace('"#/components/', '"urn:bridgework#/components/'))
    return Draft202012Validator(schema, registry=registry, format_checker=FormatChecker())


@cache
def closed_components():
    """The document's components where nothing may appear that is not listed."""
    components = copy.deepcopy(DOCUMENT["components"])
    for schema in components["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    for node in _dicts(components["schemas"]):
        if "x-known-values" in node:
            node["enum"] = [*node["x-known-values"], *([None] if "null" in node.get("type", ()) else [])]
    return components


def _dicts(node):
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from _dicts(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _dicts(inner)


def fail(where, why, response):
    """Say which answer, and what is wrong with it."""
    body = "" if response.mimetype in STREAMS else response.get_data(as_text=True)[:1500]
    raise Undocumented(f"{where}: {why}\n{body}")


def missing():
    """The document's operations and successes that were not seen: ``(method, path, status)``."""
    wanted = {
        (method, path, status)
        for path, item in DOCUMENT["paths"].items()
        for method in METHODS
        for status in item.get(method, {}).get("responses", {})
        if status.startswith(("2", "3"))
    }
    return sorted(wanted - seen)


def pytest_testnodedown(node):
    """Take over what a pytest-xdist worker's tests saw: the controller judges the whole run."""
    seen.update(tuple(answer) for answer in getattr(node, "workeroutput", {}).get("answers_seen", ()))


def pytest_sessionfinish(session, exitstatus):
    """Fail a full run that has left out an answer of the document."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["answers_seen"] = sorted(seen)
        return
    if exitstatus != 0 or FULL_RUN not in os.environ:
        return
    say = session.config.get_terminal_writer().line
    unseen = missing()
    for method, path, status in unseen:
        say(f"\nNo test has seen {method.upper()} {path} answer {status}, as the document says it can.")
    if unseen:
        session.exitstatus = 1
    else:
        say(f"\nEvery operation of the document and every success of each was seen: {len(seen)} answers in all.")
