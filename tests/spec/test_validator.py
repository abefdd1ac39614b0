"""The hook that holds every response against the document does see what the document does not say."""

import json

import pytest
from flask import Response
from spec_validator import Undocumented, find_path, validate

FINE = {"name": "bridgework", "version": "1", "links": {}}


def answered(body, status=200, **headers):
    response = Response(json.dumps(body), status, {"X-Request-ID": "1", **headers}, content_type="application/json")
    response.request = type("Request", (), {"method": "GET"})
    return response


def test_what_the_document_says_passes():
    validate(answered(FINE), "GET", "/")


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (answered({**FINE, "more": 1}), "'more' was unexpected"),
        (answered({**FINE, "version": 1}), "1 is not of type 'string'"),
        (answered({"name": "bridgework", "links": {}}), "'version' is a required property"),
        (answered(FINE, 418), "no such status"),
    ],
)
def test_what_it_does_not_say_fails(response, why):
    with pytest.raises(Undocumented, match=why):
        validate(response, "GET", "/")


def test_a_path_without_parameters_goes_before_one_with():
    assert find_path("/v1/networks/prune") == "/v1/networks/prune"
    assert find_path("/v1/networks/other") == "/v1/networks/{network}"
    assert find_path("/v2") is None
