"""Only ``engine`` and ``firewall/docker`` decide by the release or the product of an engine. Others ask for facts."""

import ast
from pathlib import Path

import pytest

SERVICE = Path(__file__).resolve().parents[3] / "service" / "bridgework"
ROOMS = (SERVICE / "engine", SERVICE / "firewall" / "docker")
RELEASES = range(20, 40)
NAMES = {"engine_version", "release", "product"}


def is_release(node):
    """Whether the node is a major and a minor version of Docker, such as ``(28, 2)``."""
    if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
        return False
    numbers = [part.value for part in node.elts if isinstance(part, ast.Constant) and type(part.value) is int]
    return len(numbers) == 2 and numbers[0] in RELEASES


def decisions(source):
    """The lines that name a release, or that compare one or the product of an engine."""
    nodes = list(ast.walk(ast.parse(source)))
    # Two numbers for two names are no release.
    unpacked = {node.value for node in nodes if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)}
    for node in nodes:
        if is_release(node) and node not in unpacked:
            yield node.lineno
        elif isinstance(node, ast.Compare):
            operands = (node.left, *node.comparators)
            named = {getattr(one, "attr", getattr(one, "id", None)) for one in operands}
            if named & NAMES:
                yield node.lineno


def test_no_other_module_decides_by_a_release():
    modules = [path for path in SERVICE.rglob("*.py") if not any(path.is_relative_to(room) for room in ROOMS)]
    assert len(modules) > 200
    found = {f"{path.relative_to(SERVICE)}:{line}" for path in modules for line in decisions(path.read_text())}
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "SINCE = (28, 0)",
        "seen.engine_version >= SINCE",
        "if release < since: pass",
        'if facts.product == "podman": pass',
    ],
)
def test_a_decision_is_seen(source):
    assert list(decisions(source)) == [1]
