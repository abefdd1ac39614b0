"""Holds every response that tests see against the document, and counts which answers were seen.

Stricter than a client may be: a property, a value of a growing set, or a problem code that the document does not list
is a fault here.
"""

import copy
import gzip
import json
import os
import re
from collections import Counter
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Response
from flask.testing import FlaskClient
from jsonschema import Draft4Validator, Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4, DRAFT202012

PUBLISHED = Path(__file__).parents[2] / "service" / "bridgework" / "published"
DOCUMENT = json.loads((PUBLISHED / "openapi.json").read_text())
DOCUMENT_3_0 = json.loads((PUBLISHED / "openapi-3.0.json").read_text())
PROBLEM = DOCUMENT["components"]["responses"]["Problem"]
FULL_RUN = "SPEC_COVERAGE"
"""Set by `make test` when it runs everything: then an operation or a success that no test has seen is a failure."""
METHODS = ("get", "put", "post", "delete")
STREAMS = {"application/x-ndjson", "text/event-stream"}
"""Bodies that may have no end; their tests read and check them themselves, by ``validate_line``."""
PROBLEM_TYPE = "application/problem+json"
ABSENT_AT_TIMES = {"Idempotent-Replayed", "Bridgework-Dry-Run"}
"""Headers of successes that only some answers have."""
OF_A_RESOURCE = {"ETag", "Location"}
"""Headers of a change that an answer lacks when there is no resource yet: in lines, or after a dry run."""
OF_HTTP = {
    "connection", "content-encoding", "content-length", "content-security-policy", "content-type", "date", "server",
    "cache-control", "referrer-policy", "transfer-encoding", "vary", "x-accel-buffering", "x-content-type-options",
    "x-frame-options", "strict-transport-security",
}  # fmt: skip
"""Headers that mean the same with every service, so that a client's HTTP library or a proxy handles them."""
FRAMEWORK = {404: "path-unknown", 405: "method-not-allowed"}
"""What is answered before any operation is reached."""

seen = set()
agreed = Counter()
"""How many JSON answers of each operation both documents allow: by method and path."""


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
    if answer is None or PROBLEM_TYPE in answer.get("content", {}):
        if response.status_code < 400:
            fail(where, "the document has no such status", response)
        _check_problem(where, operation, answer, response)
    else:
        seen.add((method, template, str(response.status_code)))
        _check_headers(where, answer, response)
        _check_content(where, answer, response)
    if _is_one_document(response):
        _check_by_3_0(where, DOCUMENT_3_0["paths"][template][method], response)
        agreed[method, template] += 1


def _is_one_document(response):
    kind = response.mimetype or ""
    return kind.endswith("json") and kind not in STREAMS and response.request.method != "HEAD"


def _check_headers(where, answer, response):
    """What is declared is sent, and what is sent is declared; names in any case of letters."""
    declared = answer.get("headers", {})
    for name in declared:
        absent = name in ABSENT_AT_TIMES or (name in OF_A_RESOURCE and _has_no_resource(response))
        if not absent and name not in response.headers:
            fail(where, f"no header {name}", response)
    known = OF_HTTP | {name.lower() for name in declared}
    for name in response.headers.keys():  # noqa: SIM118  # iterating over werkzeug's Headers gives pairs
        if name.lower() not in known and not name.lower().startswith("access-control-"):
            fail(where, f"the document has no header {name} here", response)


def _has_no_resource(response):
    # A dry run makes nothing. An answer in lines begins before the resource is there. A plan that was made is gone.
    if "Bridgework-Dry-Run" in response.headers or response.mimetype in STREAMS:
        return True
    return response.request.method == "POST" and bool((response.get_json() or {}).get("applied"))


def codes_of(operation, status):
    """The codes that the document lists for a status of an operation."""
    holders = (PROBLEM, operation)
    return {code for holder in holders for code in holder.get("x-problem-codes", {}).get(str(status), ())}


def _check_problem(where, operation, answer, response):
    """A failure by the response of its status, or else by the default; and the code listed for this operation."""
    status = response.status_code
    default = {**PROBLEM, "headers": {"X-Request-ID": {}}}
    _check_headers(where, answer or default, response)
    _check_content(where, answer or PROBLEM, response)
    if response.request.method != "HEAD" and response.get_json()["code"] not in codes_of(operation, status):
        fail(where, f"the document does not list the code {response.get_json()['code']} here", response)


def validate_wire(method, path, status, headers, body):
    """The same for what came over a socket."""
    response: Any = Response(body, status, headers)
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
    if not _is_one_document(response):
        return
    if not response.get_data().endswith(b"\n"):
        fail(where, "the last line of the JSON has no end, so a terminal's prompt would stand behind it", response)
    _check_schema(where, schema_checker(json.dumps(content[response.mimetype]["schema"])), response)


def _check_schema(where, validator, response):
    for error in sorted(validator.iter_errors(response.get_json()), key=lambda error: -len(error.path)):
        fail(where, f"/{'/'.join(map(str, error.absolute_path))}: {error.message[:600]}", response)


def _check_by_3_0(where, operation, response):
    """The document for tools that read no 3.1 allows the answer too."""
    answer = operation["responses"].get(str(response.status_code), operation["responses"]["default"])
    content = resolved(answer, DOCUMENT_3_0)["content"][response.mimetype]
    _check_schema(f"{where}, by OpenAPI 3.0", schema_checker_3_0(json.dumps(content["schema"])), response)


def validate_line(name, document):
    """Raise unless a line of a stream is what the component ``name`` says."""
    for error in checker(name).iter_errors(document):
        raise Undocumented(f"{name}: /{'/'.join(map(str, error.absolute_path))}: {error.message[:600]}")


def resolved(node, document=DOCUMENT):
    """A response of the components, where there is a reference to one."""
    if node and "$ref" in node:
        return document["components"]["responses"][node["$ref"].rsplit("/", 1)[1]]
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


def _type_of_3_0(validator, kind, instance, schema):
    """Null is allowed by ``nullable`` beside a type of the same schema, and in no other way (3.0.3, 4.7.24.2)."""
    allowed = instance is None and schema.get("nullable") is True
    if not allowed and not validator.is_type(instance, kind):
        yield ValidationError(f"{instance!r} is not of type {kind!r}")


_Validator30 = extend(Draft4Validator, {"type": _type_of_3_0})
"""The schemas of OpenAPI 3.0: JSON Schema's draft 4 (called Wright 00 there) but for null."""


@cache
def schema_checker_3_0(text):
    """The validator of a schema of the 3.0 document."""
    document = Resource.from_contents({"components": DOCUMENT_3_0["components"]}, DRAFT4)
    schema = json.loads(text.replace('"#/components/', '"urn:bridgework-3.0#/components/'))
    return _Validator30(schema, registry=Registry().with_resource("urn:bridgework-3.0", document))


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
    output = getattr(node, "workeroutput", {})
    seen.update(tuple(answer) for answer in output.get("answers_seen", ()))
    for *operation, number in output.get("answers_agreed", ()):
        agreed[tuple(operation)] += number


def pytest_sessionfinish(session, exitstatus):
    """Fail a full run that has left out an answer of the document."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["answers_seen"] = sorted(seen)
        output["answers_agreed"] = [[*operation, number] for operation, number in agreed.items()]
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
        say(f"Both documents, 3.1 and 3.0, allow {agreed.total()} answers of {len(agreed)} operations.")
