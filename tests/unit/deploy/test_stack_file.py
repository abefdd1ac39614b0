"""What deploy/stack.yml gives away, read from the file; tests/swarm/test_stack.py deploys it."""

import yaml

from tests.support.deployment import DEPLOY

STACK = yaml.safe_load((DEPLOY / "stack.yml").read_text())


def test_plain_http_is_published_nowhere_and_no_privilege_is_gained():
    service = STACK["services"]["bridgework"]
    assert "ports" not in service, "a swarm publishes on every address of each node"
    assert service["entrypoint"][:2] == ["setpriv", "--no-new-privs"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]


def test_the_entry_point_is_the_images_own():
    (said,) = (
        line for line in (DEPLOY.parent / "Dockerfile").read_text().splitlines() if line.startswith("ENTRYPOINT")
    )
    assert yaml.safe_load(said.removeprefix("ENTRYPOINT ")) == STACK["services"]["bridgework"]["entrypoint"][2:]
