"""Clients that keep asking while something breaks, and remember what they were told."""

import http.client
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Told:
    """One answer: when it came, how long it took, its status (0: the connection failed) and the problem's code."""

    at: float
    seconds: float
    status: int
    code: str = ""
    detail: str = ""


def told_by(live, method, path, body=None, **kwargs):
    began = time.monotonic()
    try:
        answer = live.ask(method, path, body, **kwargs)
    except (OSError, http.client.HTTPException) as error:
        return Told(time.monotonic(), time.monotonic() - began, 0, type(error).__name__)
    problem = answer.json if answer.headers.get("content-type") == "application/problem+json" else {}
    told = problem.get("code", ""), problem.get("facts", {}).get("engine_message") or problem.get("detail", "")
    return Told(time.monotonic(), time.monotonic() - began, answer.status, *told)


class Client(threading.Thread):
    """Asks the same thing again and again until it is stopped."""

    def __init__(self, live, method, path, pause_s=0.0, **kwargs):
        super().__init__(daemon=True)
        self._ask = lambda: told_by(live, method, path, **kwargs)
        self._pause_s, self._stop = pause_s, threading.Event()
        self.told = []

    def run(self):
        while not self._stop.is_set():
            self.told.append(self._ask())
            self._stop.wait(self._pause_s)

    def stop(self):
        self._stop.set()
        self.join(90)
        assert not self.is_alive()
        return self.told


@dataclass
class Maker(threading.Thread):
    """Makes networks, each with its own key; what it was told of each is kept by name."""

    live: object
    prefix: str
    pause_s: float = 0.1
    made: dict = field(default_factory=dict)

    def __post_init__(self):
        super().__init__(daemon=True)
        self._stop = threading.Event()

    __hash__ = threading.Thread.__hash__

    def run(self):
        number = 0
        while not self._stop.is_set():
            number += 1
            name = f"{self.prefix}-{number}"
            self.made[name] = self.make(name)
            self._stop.wait(self.pause_s)

    def make(self, name):
        number = int(name.rpartition("-")[2])
        body = {"name": name, "ipam": {"pools": [{"subnet": f"10.{64 + number // 250}.{number % 250}.0/28"}]}}
        return told_by(self.live, "POST", "/v1/networks", body, headers={"Idempotency-Key": name})

    def stop(self):
        self._stop.set()
        self.join(90)
        assert not self.is_alive()

    def settle(self):
        """Retry what is unknown with its own key; then everything asked for is there exactly once.

        But for a fault of the engine itself: killed in mid-create it may keep a subnet for a network that it does not
        have, for ever. Then there is nothing, and the retry says that the subnet is taken. Answers what it said so of.
        """
        lost = {}
        for name, told in list(self.made.items()):
            again = told if told.status == 201 else self.make(name)
            if again.code == "subnet-overlaps":
                lost[name] = again.detail
                del self.made[name]
            else:
                assert again.status == 201, (name, told, again)
        names = [item["name"] for item in self.live.ask("GET", "/v1/networks?type=custom&limit=1000").json["items"]]
        assert sorted(name for name in names if name.startswith(f"{self.prefix}-")) == sorted(self.made)
        return lost

    def delete(self):
        for name in self.made:
            assert self.live.ask("DELETE", f"/v1/networks/{name}").status == 204


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
