"""The document's examples are what a real engine's service said, and are valid."""

import json

import pytest

from tests.support.spec_validator import DOCUMENT, resolved, schema_checker

WITHOUT = {"getConsole", "getOpenapiJson", "getOpenapi30Json", "getReferencePage"}
"""The document cannot hold itself, and pages are for browsers."""


def contents():
    for item in DOCUMENT["paths"].values():
        for operation in (part for name, part in item.items() if name != "parameters"):
            holders = {"request": operation.get("requestBody", {}), **operation["responses"]}
            for where, holder in holders.items():
                for media_type, content in resolved(holder).get("content", {}).items():
                    yield operation["operationId"], where, media_type, content


def shown(example):
    """The example of the components that is referred to."""
    return DOCUMENT["components"]["examples"][example["$ref"].rsplit("/", 1)[1]]


CONTENTS = list(contents())
EXAMPLES = [
    pytest.param(content["schema"], shown(example)["value"], id=f"{name} {where} {key}")
    for name, where, _, content in CONTENTS
    for key, example in content.get("examples", {}).items()
]


@pytest.mark.parametrize(("schema", "value"), EXAMPLES)
def test_an_example_is_valid(schema, value):
    assert list(schema_checker(json.dumps(schema)).iter_errors(value)) == [], "run `make examples`"


def test_every_operation_has_an_example_of_what_it_takes_and_of_every_form_it_answers_in():
    missing = {
        (name, where, media_type)
        for name, where, media_type, content in CONTENTS
        if name not in WITHOUT and media_type != "application/problem+json" and not content.get("examples")
    }
    assert missing == set(), "run `make examples`"


def test_the_examples_say_nothing_of_the_machine_they_were_recorded_on():
    text = json.dumps(DOCUMENT["components"]["examples"])
    for word in ("/run/bridgework", "/root/", "/home/", "bridgework-examples"):
        assert word not in text
