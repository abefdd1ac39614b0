"""The rows of the exposure, each tried for real from its place: a neighbour, the host, or a guest on a network."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.support.api import Client
from tests.support.neighbour import Neighbour, answer_from
from tests.support.raw_engine import Raw
from tools.engine import PrivateEngine

SILENCE_S, ANSWER_S = 0.6, 6
"""How long to wait where no answer is expected, and where one is: a busy machine answers late."""


@dataclass
class Exposed:
    """An engine with a client of its service, and a neighbour on its LAN. ``guest-NAME`` is on the network NAME.

    With ``named``, a server answers with the name of its container.
    """

    api: Client
    engine: PrivateEngine
    raw: Raw
    neighbour: Neighbour
    native: bool = False
    proxied: bool = True
    named: bool = False

    def rows(self, query=""):
        answer = self.api.get(f"/v1/exposure?limit=1000{query}")
        assert answer["next_cursor"] is None
        return answer["items"]

    def pids(self):
        """The process of each running container by its name."""
        containers = self.raw.containers().values()
        return {one["Name"][1:]: one["State"]["Pid"] for one in containers if one["State"]["Running"]}

    def tried(self):
        """The rows that can be tried, each with whether a program answered from its place."""
        # A container's own loopback is its own: its packets do not come to the host.
        rows = [
            row
            for row in self.rows()
            if not (row["origin"]["kind"] == "network" and row["address"] in {"127.0.0.1", "::1"})
        ]
        self.raw.settle()
        pids = self.pids()
        with ThreadPoolExecutor(48) as threads:
            return list(zip(rows, threads.map(lambda row: self._answers(row, pids), rows), strict=True))

    def _answers(self, row, pids):
        kind, name = row["origin"]["kind"], row["origin"]["name"]
        place = self.engine.namespace if kind == "host" else f"/proc/{pids.get(f'guest-{name}')}/ns/net"
        if kind == "lan":
            place = self.neighbour.path
        wait_s = ANSWER_S if says(row) == "open" else SILENCE_S
        answer = answer_from(place, row["address"], row["port"], row["protocol"], wait_s)
        # A rule may lead the port to another container.
        return answer != b"" and (not self.named or row["container"]["name"].encode() in answer)


def says(row):
    """What a row says about a client at its place: ``open``, ``closed`` or ``undecided``."""
    if row["verdict"] == "unreachable" or row["listening"] is False:
        return "closed"
    return "open" if row["verdict"] == "reachable" and row["listening"] else "undecided"


def judged(row, answered):
    """Whether a row is ``right``, ``wrong`` or ``undecided``."""
    said = says(row)
    return said if said == "undecided" else "right" if (said == "open") is answered else "wrong"


def counts(tried):
    """How many rows are ``right``, ``wrong`` and ``undecided``."""
    return Counter(judged(row, answered) for row, answered in tried)


def key(row):
    return row["container"]["name"], row["origin"]["kind"], row["origin"]["name"], row["address"], row["port"]


def wrong_rows(tried):
    """The rows that are not right, as a test shows them."""
    return [
        (*key(row), row["protocol"], row["verdict"], row["reason"], "answers" if answered else "silent")
        for row, answered in tried
        if judged(row, answered) != "right"
    ]
