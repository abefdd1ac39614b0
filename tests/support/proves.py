"""``@proves``: the codes of findings that a test provokes on a real engine, and whose remedy it carries out if it can.

``tests/unit/project/test_codes_are_provoked.py`` holds these marks against the catalogue without importing the tests.
``python -m tests.support.proves`` prints which test provokes which code.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
FOLDERS = ("engine", "engines", "swarm", "faults", "e2e")
"""The tests that start a real engine."""


def proves(*codes: str) -> Callable[[Any], Any]:
    """Note that the test provokes these codes. Only the source is read (``provoked``), so the test is left as it is."""
    assert codes
    return lambda test: test


def provoked() -> Mapping[str, list[str]]:
    """Map each code to the tests that are marked with it."""
    found: dict[str, list[str]] = {}
    for path in sorted(path for folder in FOLDERS for path in (TESTS / folder).rglob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for code in _codes_of(node):
                found.setdefault(code, []).append(f"{path.relative_to(TESTS)}::{getattr(node, 'name', '')}")
    return found


def _codes_of(node: ast.stmt) -> list[str]:
    marks = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return [
        argument.value
        for mark in marks
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "proves"
        for argument in mark.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


if __name__ == "__main__":
    for code, tests in sorted(provoked().items()):
        sys.stdout.write(f"{code}: {', '.join(tests)}\n")
