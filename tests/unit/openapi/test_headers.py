"""The headers that each change sends are those that the document declares for it."""

import pytest

from tests.support.spec_validator import DOCUMENT, OF_HTTP

CHANGES = {
    (operation["operationId"], int(status)): (method.upper(), path, answer["headers"].keys())
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
    and {"operator", "admin"} & {role for scheme in operation["security"] for role in next(iter(scheme.values()))}
    for status, answer in operation["responses"].items()
    if status.startswith("2")
}
"""The operation and the status of each success of a change → how to ask, and the headers that it declares."""
JOIN = {"method": "PUT", "path": "/v1/networks/alpha-unused/endpoints/alpha-run"}
EXPECTED = {"expectations": [{"name": "a", "expect": "reachable", "source": {"container": "alpha-run"},
                              "destination": {"container": "beta-run"}}]}  # fmt: skip
SET = "/v1/expectations/kept"
MADE = {"X-Request-ID", "ETag"}
REMOVED = {"X-Request-ID"}
SENT = {
    ("createNetwork", 201): ({"name": "new"}, MADE | {"Location"}),
    ("deleteNetwork", 204): (None, REMOVED),
    ("pruneNetworks", 200): (None, MADE),
    ("connectContainer", 201): ({}, MADE),
    ("connectContainer", 200): ({}, MADE),
    ("disconnectContainer", 204): (None, REMOVED),
    ("createContainer", 201): ({"name": "new", "image": "busybox"}, MADE | {"Location"}),
    ("deleteContainer", 204): (None, REMOVED),
    ("startContainer", 200): (None, MADE),
    ("stopContainer", 200): (None, MADE),
    ("restartContainer", 200): (None, MADE),
    ("renameContainer", 200): ({"name": "renamed"}, MADE),
    ("putExpectations", 201): (EXPECTED, MADE),
    ("putExpectations", 200): (EXPECTED, MADE),
    ("deleteExpectations", 204): (None, REMOVED),
}
"""The body of each change, and the headers that its answer has."""
OF_SOME_ANSWERS = {"Bridgework-Dry-Run", "Idempotent-Replayed"}


def ask(client, change, **headers):
    """Send the change; a header that every HTTP service has is left out of the answer's headers."""
    method, path, _ = CHANGES[change]
    network = "alpha-unused" if change in {("connectContainer", 201), ("deleteNetwork", 204)} else "alpha-net"
    name = "alpha-still" if change[0] == "deleteContainer" else "alpha-run"
    if path == SET.replace("kept", "{name}"):
        client.send("DELETE", SET) if change[1] == 201 else client.send("PUT", SET, EXPECTED)
    url = path.format(network=network, container=name, name="kept")
    answer = client.send(method, url + headers.pop("query", ""), SENT[change][0], headers=headers)
    return answer.status_code, {name for name, _ in answer.headers if name.lower() not in OF_HTTP}


def test_every_success_of_a_change_is_asked_for():
    assert SENT.keys() == CHANGES.keys()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change[0]} {change[1]}")
def test_a_change_sends_the_headers_that_it_declares(shared_client, change):
    declared = CHANGES[change][2]
    assert ask(shared_client, change) == (change[1], SENT[change][1])
    assert declared - OF_SOME_ANSWERS == SENT[change][1]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change[0]} {change[1]}")
def test_a_dry_run_says_that_it_is_one_and_tells_no_resource(shared_client, change):
    status, sent = ask(shared_client, change, query="?dry_run=true")
    assert (status, sent - {"ETag"}) == (change[1], REMOVED | {"Bridgework-Dry-Run"})
    assert sent <= CHANGES[change][2]


@pytest.mark.parametrize("change", [change for change in CHANGES if "Idempotent-Replayed" in CHANGES[change][2]])
def test_a_repeated_creation_says_that_it_is_one(shared_client, change):
    key = {"Idempotency-Key": f"headers-of-{change[0]}"}
    ask(shared_client, change, **key)
    assert ask(shared_client, change, **key) == (201, SENT[change][1] | {"Idempotent-Replayed"})


def test_a_plan_sends_its_tag_as_declared_and_none_once_it_is_applied(shared_client):
    declared = DOCUMENT["paths"]["/v1/plans"]["post"]["responses"]["200"]["headers"].keys()
    planned = shared_client.send("POST", "/v1/plans", {"changes": [JOIN]})
    assert {name for name, _ in planned.headers if name.lower() not in OF_HTTP} == declared == MADE
    gate = {"If-Match": planned.headers["ETag"]}
    applied = shared_client.send("POST", "/v1/plans", {"changes": [JOIN], "apply": True}, headers=gate)
    assert applied.status_code == 200, applied.get_data(as_text=True)
    assert {name for name, _ in applied.headers if name.lower() not in OF_HTTP} == {"X-Request-ID"}
