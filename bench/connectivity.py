"""Checks and matrices beside what a user would do instead."""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path
from typing import Any

import docker

from bench.measure import Line, in_turn, shown, timed
from bench.stage import Service, clear, populate, rival, service

BLACKBOX_PORT = 19115
EXEC_SAMPLE = 40
TRACED_MS = 30
ASKED_AGAIN = 0.8
BLACKBOX_CONFIG = "modules:\n  icmp:\n    prober: icmp\n    timeout: 2s\n    icmp:\n      preferred_ip_protocol: ip4\n"


@contextlib.contextmanager
def blackbox_exporter() -> Iterator[None]:
    """Debian's prometheus-blackbox-exporter on the loopback."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "blackbox.yml"
        config.write_text(BLACKBOX_CONFIG)
        command = [
            "prometheus-blackbox-exporter",
            f"--config.file={config}",
            f"--web.listen-address=127.0.0.1:{BLACKBOX_PORT}",
        ]
        with rival(command, BLACKBOX_PORT):
            yield


def one_check(made: Any) -> list[Line]:
    """One ICMP check over HTTP, kept alive, prediction and findings included."""
    api = docker.APIClient(base_url=made.docker_host)
    source, target = populate(made, 1, 2)
    address = next(iter(api.inspect_container(target)["NetworkSettings"]["Networks"].values()))["IPAddress"]
    scrape = http.client.HTTPConnection("127.0.0.1", BLACKBOX_PORT)

    def by_exec() -> None:
        made_exec = api.exec_create(source, ["ping", "-c", "1", "-W", "1", address])
        api.exec_start(made_exec["Id"])

    def by_helper() -> None:
        host_config = api.create_host_config(network_mode=f"container:{source}")
        helper = api.create_container("busybox", ["ping", "-c", "1", "-W", "1", address], host_config=host_config)
        api.start(helper["Id"])
        api.wait(helper["Id"])
        api.remove_container(helper["Id"])

    def by_blackbox() -> None:
        scrape.request("GET", "/probe?module=icmp&target=127.0.0.1")
        scrape.getresponse().read()

    body = {"source": {"container": source}, "destination": {"container": target}}
    with blackbox_exporter(), service(made) as live:

        def one() -> Any:
            return live.json("POST", "/v1/connectivity/checks", body)

        if one()["verdict"] != "reachable":
            message = "the benchmark's own check fails"
            raise RuntimeError(message)
        fast = in_turn(300, ours=one, blackbox=by_blackbox)
        traced = in_turn(100, ours=lambda: live.json("POST", "/v1/connectivity/checks", {**body, "trace": True}))[
            "ours"
        ]
        slow = in_turn(15, ours=one, exec=by_exec, helper=by_helper)
    clear(made)
    ours = fast["ours"]
    lines = [
        _against("one check", ours, slow["exec"], "docker exec … ping -c 1 (SDK)", 20),
        _against("one check", ours, slow["helper"], "a helper container that pings once", 50),
    ]
    ratio = ours.median / fast["blackbox"].median
    lines.append(
        Line("one check", shown(ours), f"{shown(fast['blackbox'])} blackbox_exporter, loopback, its own place",
             1 / ratio, "within 5 times", ratio <= 5)
    )  # fmt: skip
    lines.append(
        Line("one traced check", shown(traced), f"{shown(ours)} itself, not traced",
             ours.median / traced.median, "within 30 ms", traced.median <= TRACED_MS)
    )  # fmt: skip
    return lines


def check_of_both_versions(made: Any) -> list[Line]:
    """One ICMP check of a pair with IPv4 and IPv6, whose predictions agree, beside one of a pair with IPv4 alone."""
    alone, both = populate(made, 1, 2), populate(made, 1, 2, first=1, ipv6=True)
    with service(made) as live:

        def one(pair: list[str]) -> Any:
            body = {"source": {"container": pair[0]}, "destination": {"container": pair[1]}}
            return live.json("POST", "/v1/connectivity/checks", body)

        found = [[each["predicted"] for each in one(pair)["addresses"]] for pair in (alone, both)]
        if found != [["reachable"], ["reachable"] * 2]:
            message = f"the benchmark's own pairs are predicted otherwise: {found}"
            raise RuntimeError(message)
        times = in_turn(300, alone=lambda: one(alone), both=lambda: one(both))
    clear(made)
    ratio = times["both"].median / times["alone"].median
    return [
        Line("one check of a pair with IPv4 and IPv6", shown(times["both"]),
             f"{shown(times['alone'])} itself, of a pair with IPv4 alone", 1 / ratio, "at most 1.25 of its time",
             ratio <= 1.25),
    ]  # fmt: skip


def check_asked_again(made: Any) -> list[Line]:
    """Processor time of a plain check whose prediction is kept, beside that of checks that are asked first."""
    pairs = list(permutations(populate(made, 1, 20), 2))
    with service(made) as live:

        def ask(pair: tuple[str, str]) -> None:
            body = {"source": {"container": pair[0]}, "destination": {"container": pair[1]}}
            live.json("POST", "/v1/connectivity/checks", body)

        def processor_ms(asked: Sequence[tuple[str, str]]) -> float:
            began = live.processor_s()
            for pair in asked:
                ask(pair)
            return (live.processor_s() - began) / len(asked) * 1000

        processor_ms(pairs[:40])
        # In turn, so that what disturbs the machine disturbs both.
        times = [(processor_ms(pairs[at : at + 85]), processor_ms([pairs[0]] * 85)) for at in range(40, 380, 85)]
    clear(made)
    first, again = (statistics.median(column) for column in zip(*times, strict=True))
    return [
        Line("one check asked again, processor time", f"{again:.2f} ms", f"{first:.2f} ms asked first",
             first / again, f"{ASKED_AGAIN:.0%} of the first", again <= ASKED_AGAIN * first)
    ]  # fmt: skip


def _against(measure: str, ours: Any, rival: Any, name: str, candidate: int) -> Line:
    ratio = rival.median / ours.median
    return Line(measure, shown(ours), f"{shown(rival)} {name}", ratio, f"{candidate} times faster", ratio >= candidate)


def all_pairs_of_100(made: Any) -> list[Line]:
    """100 containers in 10 networks: 900 reachable pairs, 9,000 not."""
    api = docker.APIClient(base_url=made.docker_host, num_pools=8)
    ids = populate(made, 10, 10)
    inspected = [api.inspect_container(one) for one in ids]
    addresses = [next(iter(one["NetworkSettings"]["Networks"].values()))["IPAddress"] for one in inspected]
    pids = [one["State"]["Pid"] for one in inspected]
    with service(made) as live:
        live.json("POST", "/v1/connectivity/matrix", {"containers": ids[:2]})
        answers: list[Any] = []
        runs = [
            timed(lambda: answers.append(live.json("POST", "/v1/connectivity/matrix", {"all": True}))) for _ in range(3)
        ]
        fifty = min(
            timed(lambda: live.json("POST", "/v1/connectivity/matrix", {"containers": ids[:50]})) for _ in range(3)
        )
    _require_right(answers[-1], reachable=900, unreachable=9000)
    ours = sorted(runs)[1]
    fping = timed(lambda: _fping(pids, addresses))
    by_exec = _exec_scaled(api, ids, addresses)
    clear(made)
    return [
        Line("all pairs of 100 containers", f"{ours:.2f} s",
             f"{by_exec:.0f} s docker exec, one after another (a sample of {EXEC_SAMPLE}, scaled)",
             by_exec / ours, "500 times faster", by_exec / ours >= 500),
        Line("all pairs of 100 containers", f"{ours:.2f} s", f"{fping:.2f} s nsenter + fping, eight at once",
             fping / ours, "10 times faster", fping / ours >= 10),
        Line("twice the containers (50 → 100)", f"{ours:.2f} s", f"{fifty:.2f} s itself with 50 (pairs: 4 times)",
             ours / fifty, "no faster than pairs", ours / fifty <= 4.1),
    ]  # fmt: skip


def _require_right(answer: Any, *, reachable: int, unreachable: int) -> None:
    summary = answer["summary"]
    if (summary["reachable"], summary["unreachable"], summary["surprises"]) != (reachable, unreachable, 0):
        message = f"the matrix is wrong: {summary}"
        raise RuntimeError(message)


def _fping(pids: list[int], addresses: list[str]) -> None:
    """What a careful user would script: one fping of every address from each source, eight sources at once."""

    def one(pid: int) -> None:
        fping = ["fping", "-q", "-r", "0", "-i", "1", "-t", "1000", *addresses]
        subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", *fping], capture_output=True, check=False)

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(one, pids))


def _exec_scaled(api: Any, ids: list[str], addresses: list[str]) -> float:
    """Seconds for all 9,900 pairs by docker exec: of the sample, the reachable and the unreachable apart."""
    near = [(source, target) for source in range(4) for target in range(10) if source != target][: EXEC_SAMPLE // 2]
    far = [(source, 10 + target) for source in range(4) for target in range(5)][: EXEC_SAMPLE // 2]

    def one(pair: tuple[int, int]) -> None:
        made_exec = api.exec_create(ids[pair[0]], ["ping", "-c", "1", "-W", "1", addresses[pair[1]]])
        api.exec_start(made_exec["Id"])

    near_s = timed(lambda: [one(pair) for pair in near]) / len(near)
    far_s = timed(lambda: [one(pair) for pair in far]) / len(far)
    return 900 * near_s + 9000 * far_s


def all_pairs_of_400(made: Any) -> list[Line]:
    """400 containers in 20 networks: 159,600 pairs, bounded from below by the timeout itself."""
    populate(made, 20, 20)
    with service(made) as live:
        answers: list[Any] = []
        took = timed(
            lambda: answers.append(live.json("POST", "/v1/connectivity/matrix", {"all": True, "timeout_ms": 1000}))
        )
        memory = live.worker_memory_mib()
        lines = [
            Line("400 containers, 159,600 pairs", f"{took:.2f} s", "1 s, the timeout itself", None,
                 "3 times the timeout + 2 s", took <= 5),
            Line("the same, the worker's peak memory", f"{memory:.0f} MiB", "", None, "under 250 MiB", memory < 250),
        ]  # fmt: skip
    summary = answers[0]["summary"]
    right = (summary["reachable"], summary["unreachable"]) == (7600, 152000)
    lines.append(Line("the same, verdicts", json.dumps(summary), "", None, "7,600 reachable, 152,000 not", right))
    return lines


__all__ = ["Service", "all_pairs_of_100", "all_pairs_of_400", "check_asked_again", "one_check"]
