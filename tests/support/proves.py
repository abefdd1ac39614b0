"""Marks of tests on a real engine: ``@proves`` names the codes that they provoke, ``@remedied`` whose remedy they run.

``tests/unit/project/test_codes_are_provoked.py`` holds these marks against the catalogue without importing the tests.
``python -m tests.support.proves`` prints which test provokes which code. ``tests/support/api.py`` gives each answer to
``require_run_remedies``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
FOLDERS = ("engine", "engines", "swarm", "faults", "causes", "e2e")
"""The tests that start a real engine."""
NOT_RUN = {
    "container-restarting": "the command only reads the log of the program that ends",
    "conntrack-table-full": "the limit is the whole machine's, and is set in its first namespace alone",
    "neighbour-table-full": "the table is the whole machine's, which other programs may fill while a test runs",
    "pool-nearly-full": "the calls are those of pool-exhausted, which are run",
}
"""Code → why no test runs the calls or commands of its remedy."""

ONLY_READ = {
    "engine/test_scenarios.py::test_a_network_over_somebody_elses_addresses": "the call lists free subnets",
    "engine/test_scenarios.py::test_a_route_of_the_host_inside_a_network": "the call lists free subnets",
}
"""Test of a remedy → why there is nothing that ``tests/support/remedies.py`` could follow."""
_FOLLOWING = {"follow", "execute", "healed"}
"""The functions of the tests that lead to ``tests/support/remedies.py``."""


def proves(*codes: str) -> Callable[[Any], Any]:
    """Note that the test provokes these codes. Only the source is read (``provoked``), so the test is left as it is."""
    assert codes
    return lambda test: test


def remedied(*codes: str) -> Callable[[Any], Any]:
    """Note that the test runs the remedy of these codes as it is given, and that the fault is gone afterwards."""
    assert codes
    return lambda test: test


def require_run_remedies(answer: Any) -> None:
    """Require that the calls and commands of each finding in an answer are run by a test, or only read."""
    for finding in _findings(answer):
        code, remedy = finding["code"], finding["remedy"]
        changes = remedy["commands"] or [call for call in remedy["calls"] if call["method"] != "GET"]
        if changes and code not in NOT_RUN:
            assert code in provoked("remedied"), f"no test runs the remedy of {code} (@remedied): {remedy}"


def _findings(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        for one in value:
            yield from _findings(one)
    elif isinstance(value, dict):
        # An explanation has a remedy in words, and in the document all of these are schemas.
        if isinstance(value.get("message"), str) and "severity" in value and value.get("remedy"):
            yield value
        for one in value.values():
            yield from _findings(one)


@cache
def provoked(mark: str = "proves") -> Mapping[str, list[str]]:
    """Map each code to the tests that are marked with it."""
    found: dict[str, list[str]] = {}
    for path in sorted(path for folder in FOLDERS for path in (TESTS / folder).rglob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for code in _codes_of(node, mark):
                found.setdefault(code, []).append(f"{path.relative_to(TESTS)}::{getattr(node, 'name', '')}")
    return found


def not_followed() -> Iterator[str]:
    """Yield the tests that are marked with ``@remedied`` and do not follow the remedy by the helper that proves it."""
    for name in sorted({test for tests in provoked("remedied").values() for test in tests}):
        path, _, function = name.partition("::")
        body = next(
            node for node in ast.parse((TESTS / path).read_text()).body if getattr(node, "name", "") == function
        )
        called = {node.func for node in ast.walk(body) if isinstance(node, ast.Call)}
        if not _FOLLOWING & {getattr(one, "id", getattr(one, "attr", "")) for one in called}:
            yield name


def _codes_of(node: ast.stmt, mark_name: str) -> list[str]:
    marks = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return [
        argument.value
        for mark in marks
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == mark_name
        for argument in mark.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


if __name__ == "__main__":
    for code, tests in sorted(provoked().items()):
        sys.stdout.write(f"{code}: {', '.join(tests)}\n")
