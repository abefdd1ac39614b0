"""A worker is killed in the middle of applying a plan: the audit names what was done, and the same plan again ends it.

The moment of the kill is chosen by a seed. Afterwards the engine is compared with the audit: every change that is made
was begun there. Then the same plan is applied again, which makes what is missing.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time

import pytest

from tests.support.api import container
from tests.support.service import until

COMMAND = ["sh", "-c", "httpd -p 80; exec sleep 3600"]
NAMES = ("alpha", "beta")


def call(method, path, body=None):
    return {"method": method, "path": f"/v1{path}", "body": body}


def changes(number):
    """A plan of every kind of change, and the one that takes it back."""
    network, one = f"killed-{number}", f"made-{number}"
    there = [
        call("POST", "/networks", {"name": network}),
        call("PUT", f"/networks/{network}/endpoints/alpha", {"aliases": ["first"]}),
        call("POST", "/containers", container(one, network_mode=network, command=COMMAND)),
        call("POST", "/containers/beta/stop?grace_s=0"),
        call("PUT", f"/networks/{network}/endpoints/beta", {}),
        call("POST", "/containers/beta/start"),
    ]
    back = [
        call("DELETE", f"/containers/{one}?force=true"),
        call("DELETE", f"/networks/{network}/endpoints/alpha"),
        call("DELETE", f"/networks/{network}/endpoints/beta"),
        call("DELETE", f"/networks/{network}"),
    ]
    return there, back


def state(live, number):
    """Which of the plan's changes the engine shows, by step."""
    network, one = f"killed-{number}", f"made-{number}"
    found = {c["name"]: c for c in live.ask("GET", "/v1/containers?limit=1000").json["items"]}
    on = {name: {e["network"]["name"] for e in c["endpoints"]} for name, c in found.items()}
    networks = {n["name"] for n in live.ask("GET", "/v1/networks?limit=1000").json["items"]}
    return {
        0: network in networks,
        1: network in on["alpha"],
        2: one in found,
        3: found["beta"]["state"] == "exited",
        4: network in on["beta"],
        5: network in on["beta"] and found["beta"]["state"] == "running",  # it was stopped when it was connected
    }


def begun(live):
    """What the audit says, by plan: the steps that were begun, and those that were done."""
    steps = {}
    for line in live.said().splitlines():
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if told.get("audit") and "plan" in told and "step" in told:
                steps.setdefault(told["plan"], {}).setdefault(told["outcome"], set()).add(told["step"])
    return steps


def apply(live, calls, *, undo="never"):
    body = {"changes": calls, "undo": undo}
    planned = live.ask("POST", "/v1/plans", body)
    assert planned.json["possible"], planned.json
    return live.ask("POST", "/v1/plans", {**body, "apply": True}, headers={"If-Match": planned.headers["etag"]})


def tried(live, calls):
    """Apply a plan whose worker is killed: no answer, or half of one, or a refused connection."""
    with contextlib.suppress(OSError, http.client.HTTPException, KeyError):
        apply(live, calls)


def kill_plans(serve, times):
    live = serve(WORKERS=2)
    for name in NAMES:
        made = live.ask("POST", "/v1/containers", container(name, network_mode="bridge", command=COMMAND))
        assert made.status == 201, made
    chance, partly = random.Random(21), 0
    for number in range(times):
        there, back = changes(number)
        plan = live.ask("POST", "/v1/plans", {"changes": there, "undo": "never"}).json["id"]
        thread = threading.Thread(target=tried, args=(live, there))
        thread.start()
        time.sleep(chance.uniform(0.05, 1.6))
        for worker in live.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        thread.join(60)
        until(lambda: len(live.workers()) == 2 and live.lives(), 30, "two workers")
        time.sleep(0.2)  # a change that was under way in the engine ends there
        told, now = begun(live).get(plan, {}), state(live, number)
        made = {step for step, is_made in now.items() if is_made}
        assert made <= told.get("begun", set()), (number, made, told)
        assert told.get("done", set()) - {3} <= made, (number, made, told)
        partly += bool(made) and told.get("done", set()) != set(range(6))
        again = apply(live, there)
        assert again.json["applied"]["outcome"] == "applied", (number, again.json)
        assert {step for step, is_made in state(live, number).items() if is_made} == {0, 1, 2, 4, 5}
        assert apply(live, back).json["applied"]["outcome"] == "applied"
        assert not any(state(live, number).values())
    return partly


def test_plans_killed_half_way(serve):
    assert kill_plans(serve, 8) > 0


@pytest.mark.long
def test_a_hundred_plans_killed_half_way(serve):
    assert kill_plans(serve, 100) > 20
