"""The converters of the generated C# client read, require and allow what the document does; nothing compiles them."""

import subprocess
from pathlib import Path

import pytest

from tools.clients.converters import faults, objects

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def models():
    """The folder of the converters, generated now. ``scripts/clients`` fetches the generator where it is missing."""
    done = subprocess.run([ROOT / "scripts" / "clients", "csharp"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "build" / "clients" / "csharp" / "src" / "Bridgework" / "Model"


def test_every_converter_follows_the_document(models):
    schemas = objects()
    assert len(schemas) > 80
    found = [faults(name, schema, (models / f"{name}.cs").read_text()) for name, schema in schemas.items()]
    assert [fault for of_one in found for fault in of_one] == []


@pytest.mark.parametrize(("line", "planted", "found"), [
    ('case "endpoint_count":', 'case "endpoints":', "Network reads"),
    ("Property is required for class Network: labels.", "", "Network requires"),
    ("Property is required for class Network: labels.", "Property is not nullable for class Network: created_at.",
     "Network takes no null for"),
    ("default:", "case 0:", "Network does not pass over"),
])  # fmt: skip
def test_a_planted_fault_is_found(models, line, planted, found):
    code = (models / "Network.cs").read_text()
    assert line in code
    told = faults("Network", objects()["Network"], code.replace(line, planted))
    assert any(fault.startswith(found) for fault in told)
