"""What differs between engine versions, for the tests: an expectation is a table by the API version that brought it."""

DOCKER_26, DOCKER_27, DOCKER_28, DOCKER_28_2 = (1, 44), (1, 46), (1, 48), (1, 50)
DOCKER_29, DOCKER_29_3 = (1, 52), (1, 54)
"""The API version of each release's first; what is older than 26 counts as 26."""


def at(version, expected):
    """The expectation that holds at an API version; what is no table ``{since: expectation}`` holds at each."""
    if not isinstance(expected, dict):
        return expected
    return expected[max(since for since in expected if since <= version)]
