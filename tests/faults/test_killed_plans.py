"""A worker is killed in the middle of applying a plan: the audit names what was done, and the same plan again ends it.

The step and the moment of the kill are chosen by a seed. Afterwards the engine is compared with the audit: every change
that is made was begun there, and what is half connected is named by the step that was not done. Then the same plan is
applied again, which makes what is missing, or another one takes back what was made.
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
TOUCHED = ("", "alpha", "made", "beta", "beta", "beta")
"""The container that each step of the plan changes."""
COMPLETED = 0.6
"""The share of plans that are applied again; the others are taken back half made."""


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


def kill_at(live, plan, step, delay_s):
    """Kill all workers some time after a step of the plan has begun, or at once if the plan ends before."""
    until(lambda: step in begun(live).get(plan, {}).get("begun", ()) or not live.lives(), 60, f"step {step}")
    time.sleep(delay_s)
    for worker in live.workers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def half_connected(live):
    """The containers that run and have an endpoint that is not active, and those that were never started."""
    found = live.ask("GET", "/v1/containers?limit=1000").json["items"]
    return {
        c["name"]
        for c in found
        if c["state"] == "created" or (c["state"] == "running" and any(e["state"] != "active" for e in c["endpoints"]))
    }


def kill_plans(serve, times, seed):
    live = serve(WORKERS=2)
    for name in NAMES:
        made = live.ask("POST", "/v1/containers", container(name, network_mode="bridge", command=COMMAND))
        assert made.status == 201, made
    chance, partly = random.Random(seed), 0
    for number in range(times):
        there, back = changes(number)
        plan = live.ask("POST", "/v1/plans", {"changes": there, "undo": "never"}).json["id"]
        thread = threading.Thread(target=tried, args=(live, there))
        thread.start()
        kill_at(live, plan, chance.randrange(len(there)), chance.uniform(0, 0.3))
        thread.join(60)
        until(lambda: len(live.workers()) == 2 and live.lives(), 30, "two workers")
        time.sleep(0.2)  # a change that was under way in the engine ends there
        told, now = begun(live).get(plan, {}), state(live, number)
        made = {step for step, is_made in now.items() if is_made}
        assert made <= told.get("begun", set()), (number, made, told)
        assert told.get("done", set()) - {3} <= made, (number, made, told)
        # What is half connected is the container of the one step that was begun and not done.
        pending = told.get("begun", set()) - told.get("done", set())
        assert len(pending) <= 1, told
        found = {name.partition("-")[0] for name in half_connected(live)}
        assert found <= {TOUCHED[step] for step in pending}, (number, told)
        partly += bool(made) and told.get("done", set()) != set(range(len(there)))
        if chance.random() < COMPLETED:
            again = apply(live, there)
            assert again.json["applied"]["outcome"] == "applied", (number, again.json)
            assert {step for step, is_made in state(live, number).items() if is_made} == {0, 1, 2, 4, 5}
        assert apply(live, [*back, call("POST", "/containers/beta/start")]).json["applied"]["outcome"] == "applied"
        assert not any(state(live, number).values())
        assert half_connected(live) == set()
    return partly


def test_plans_killed_half_way(serve):
    assert kill_plans(serve, 8, seed=21) > 0


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_plans_killed_half_way(serve, seed):
    assert kill_plans(serve, 10, seed) > 3
