"""A caller of the service in the test's process, and the requests that most tests send."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient

from tests.support.proves import require_run_remedies
from tests.support.spec_validator import validate
from tools.engine import wait_until

TOKENS = {
    "admin": ("admin", None),
    "operator": ("operator", None),
    "viewer": ("viewer", None),
    "alpha": ("operator", "alpha"),
    "beta": ("operator", "beta"),
    "alpha-admin": ("admin", "alpha"),
}


# For a service that one caller of a test asks for much at once.
WIDE: dict[str, Any] = {
    "rate_per_minute": 10_000_000,
    "threads": 128,
    "max_checks": 40,
    "max_traces": 12,
    "max_matrices": 4,
    "max_plans": 8,
    "max_diagnoses": 24,
    "max_streams": 40,
}


def entry(name, role, project, expires_at=None):
    digest = hashlib.sha256(f"token-of-{name}".encode()).hexdigest()
    return {"name": name, "role": role, "project": project, "sha256": digest, "expires_at": expires_at}


@dataclass
class Client:
    """A caller of the service, in this process: the whole WSGI application, without the socket."""

    app: Any
    name: str = "admin"

    def call(self, method, path, body=None, *, status=None, headers=None, **kwargs):
        """Send, check the status when one is expected, answer the parsed body (or the response's text)."""
        response = self.send(method, path, body, headers=headers, **kwargs)
        if status is not None:
            assert response.status_code == status, response.get_data(as_text=True)
        return response.get_json() if (response.mimetype or "").endswith("json") else response.get_data(as_text=True)

    def send(self, method, path, body=None, *, headers=None, **kwargs):
        sent = {"Authorization": f"Bearer token-of-{self.name}", **(headers or {})}
        if body is not None:
            kwargs["data"] = json.dumps(body)
            kwargs["content_type"] = "application/json"
        client = self.app.test_client()
        response = client.open(path, method=method, headers=sent, **kwargs)
        if not isinstance(client, FlaskClient):  # a service elsewhere, in the same form (tests/deploy)
            validate(response, method, path)
        if response.is_json and b'"remedy"' in response.get_data():
            require_run_remedies(response.get_json())
        if response.mimetype == "application/x-ndjson":
            response.get_data()
            response.close()  # as a server does at the end; until then the stream holds its slot of "matrices"
        return response

    def get(self, path, **kwargs):
        return self.call("GET", path, status=200, **kwargs)

    def post(self, path, body=None, status=200, **kwargs):
        return self.call("POST", path, body, status=status, **kwargs)

    def put(self, path, body, status=201, **kwargs):
        return self.call("PUT", path, body, status=status, **kwargs)

    def delete(self, path, status=204, **kwargs):
        return self.call("DELETE", path, status=status, **kwargs)

    def send_remedy(self, remedy):
        """Exactly the calls that a finding gives, in their order."""
        for step in remedy["calls"]:
            response = self.send(step["method"], step["path"], step["body"])
            assert response.status_code < 300, (step, response.get_data(as_text=True))

    def as_(self, name):
        return Client(self.app, name)


EVERYTHING = ("containers?limit=1000", "networks?type=custom&limit=1000")
"""What a test can make on an engine: containers first, because a network in use cannot be removed."""


def names_of_everything(client):
    """The names of all containers and custom networks."""
    lists = [client.get(f"/v1/{kind}")["items"] for kind in EVERYTHING]
    return {one["name"] for items in lists for one in items}


def sweep_up(client, spare=()):
    """Remove every container and custom network, except those with a name in ``spare``."""
    for kind in EVERYTHING:
        for one in client.get(f"/v1/{kind}")["items"]:
            if one["name"] not in spare:
                client.call("DELETE", f"/v1/{kind.partition('?')[0]}/{one['id']}?force=true")


def container(name, *, command=("sleep", "600"), **fields):
    """A create body; busybox's shells wait for no SIGTERM, so tests stop with a grace of nothing."""
    return {"name": name, "image": "busybox", "command": list(command), **fields}


def run(api, name, **fields):
    """A running container, once the web servers of its command listen: that takes them a moment."""
    made = api.post("/v1/containers", container(name, **fields), status=201)
    served = re.findall(r"httpd (?:-f )?-p (?:\S+:)?(\d+)", " ".join(fields.get("command", ())))
    assert wait_until(lambda: not served or _listens(api, made["id"], {int(port) for port in served}), 30), "no server"
    return made


def _listens(api, container_id, ports):
    return ports <= {sock["port"] for sock in api.get(f"/v1/containers/{container_id}/sockets")["items"]}


def check(api, source, destination, **fields):
    """A check between containers by name, or of ``{"name": …}`` and the like.

    A busy machine may answer late, so the time-out is two seconds unless the caller says another one.
    """
    target = {"container": destination} if isinstance(destination, str) else destination
    start = {"container": source} if source != "host" else {"host": True}
    return api.post("/v1/connectivity/checks", {"source": start, "destination": target, "timeout_ms": 2000, **fields})


def codes(findings):
    return [finding["code"] for finding in findings]
