"""The guard of v1 finds planted breaks, and lets the document grow."""

import copy
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.spec_validator import DOCUMENT

ROOT = Path(__file__).resolve().parent.parent.parent
NEW_PROPERTY = {"extra": {"type": "string", "description": "New."}}
NEW_PARAMETER = {"name": "zz", "in": "query", "required": False, "description": "New.", "schema": {"type": "string"}}

REQUIRED_PARAMETER = {**NEW_PARAMETER, "required": True}


def networks(document):
    return document["paths"]["/v1/networks"]


def component(document, name):
    return document["components"]["schemas"][name]


BREAKS = {
    "a path goes": lambda d: d["paths"].pop("/v1/engine"),
    "an operation goes": lambda d: networks(d).pop("post"),
    "an operation is renamed": lambda d: networks(d)["post"].update(operationId="makeNetwork"),
    "an operation changes its class": lambda d: networks(d)["post"].update(tags=["service"]),
    "an answer goes": lambda d: networks(d)["post"]["responses"].pop("201"),
    "a problem code goes": lambda d: networks(d)["post"]["x-problem-codes"]["409"].pop(),
    "a parameter goes": lambda d: networks(d)["get"]["parameters"].pop(0),
    "a parameter that is required comes": lambda d: networks(d)["get"]["parameters"].append(REQUIRED_PARAMETER),
    "a token becomes required": lambda d: d["paths"]["/livez"]["get"].update(security=[{"bearerToken": []}]),
    "a property of an answer goes": lambda d: component(d, "Network")["properties"].pop("labels"),
    "a property of an answer may be missing": lambda d: component(d, "Network")["required"].remove("labels"),
    "a property of an answer may be null": lambda d: component(d, "Network")["properties"]["name"].update(
        type=["string", "null"]
    ),
    "a property changes its type": lambda d: component(d, "Network")["properties"]["name"].update(type="integer"),
    "a property of a request goes": lambda d: component(d, "NetworkCreate")["properties"].pop("labels"),
    "a property of a request becomes required": lambda d: component(d, "NetworkCreate")["required"].append("driver"),
    "a bound of a request tightens": lambda d: component(d, "NetworkCreate")["properties"]["name"].update(maxLength=9),
    "a value of a request goes": lambda d: component(d, "PullPolicy")["enum"].remove("always"),
    "a closed set of an answer grows": lambda d: component(d, "Verdict")["enum"].append("perhaps"),
    "a component goes": lambda d: d["components"]["schemas"].pop("Phases"),
}
GROWTH = {
    "nothing changes": lambda _: None,
    "an operation comes": lambda d: d["paths"].update(
        {"/v1/new": {"get": {**d["paths"]["/v1/engine"]["get"], "operationId": "getNew"}}}
    ),
    "a parameter comes": lambda d: networks(d)["get"]["parameters"].append(NEW_PARAMETER),
    "a property of an answer comes": lambda d: component(d, "Network")["properties"].update(NEW_PROPERTY),
    "a property of a request comes": lambda d: component(d, "NetworkCreate")["properties"].update(NEW_PROPERTY),
}


def compared(folder, change):
    changed = copy.deepcopy(DOCUMENT)
    change(changed)
    for name, document in (("old", DOCUMENT), ("new", changed)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return subprocess.run(
        [ROOT / "scripts" / "spec-diff", folder / "old.yaml", folder / "new.yaml"], check=False, capture_output=True
    )


@pytest.mark.parametrize("change", BREAKS.values(), ids=BREAKS)
def test_a_break_is_found(tmp_path, change):
    assert compared(tmp_path, change).returncode != 0


@pytest.mark.parametrize("change", GROWTH.values(), ids=GROWTH)
def test_growth_is_let_through(tmp_path, change):
    done = compared(tmp_path, change)
    assert done.returncode == 0, done.stdout.decode()
