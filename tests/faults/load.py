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


def told_by(live, method, path, body=None, **kwargs):
    began = time.monotonic()
    try:
        answer = live.ask(method, path, body, **kwargs)
    except (OSError, http.client.HTTPException) as error:
        return Told(time.monotonic(), time.monotonic() - began, 0, type(error).__name__)
    code = answer.json.get("code", "") if answer.status >= 400 and b"code" in answer.body else ""
    return Told(time.monotonic(), time.monotonic() - began, answer.status, code)


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

    def settle(self, mend=None):
        """Retry what is unknown with its own key; then everything asked for is there exactly once.

        ``mend`` removes a bridge that an engine killed in mid-create left on its host and nobody owns.
        """
        for name, told in self.made.items():
            if told.status != 201:
                again = self.make(name)
                if mend is not None and again.code == "subnet-overlaps":
                    mend()
                    again = self.make(name)
                assert again.status == 201, (name, told, again)
        names = [item["name"] for item in self.live.ask("GET", "/v1/networks?type=custom&limit=1000").json["items"]]
        assert sorted(name for name in names if name.startswith(f"{self.prefix}-")) == sorted(self.made)

    def delete(self):
        for name in self.made:
            assert self.live.ask("DELETE", f"/v1/networks/{name}").status == 204


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
