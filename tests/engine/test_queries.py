"""``POST /v1/connectivity/queries``: what a search finds is what the checks of the same pairs say."""

import json

import pytest

from tests.support.api import check, run

PAGES = ["sh", "-c", "httpd -p 80; exec sleep 3600"]
LABELS = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}


@pytest.fixture
def shop(api):
    for name in ("front", "back"):
        api.post("/v1/networks", {"name": name}, status=201)
    run(api, "web", network_mode="front", command=PAGES, labels=LABELS)
    run(api, "web-2", network_mode="front", command=PAGES, labels=LABELS)
    run(api, "api", networks=[{"network": "front"}, {"network": "back"}], command=PAGES)
    run(api, "db", network_mode="back", command=PAGES)
    return api


def ends(found):
    return {one["name"] for group in found["groups"] for one in group["ends"] if group["verdict"] == "reachable"}


def search(api, **query):
    return api.post("/v1/connectivity/queries", query)


def test_a_search_finds_what_the_checks_find(shop):
    found = search(shop, find="sources", of={"container": "db"}, protocol="tcp", port=80)
    names = ["web", "web-2", "api"]
    checks = {name: check(shop, name, "db", protocol="tcp", port=80) for name in names}
    assert ends(found) == {"host", *(name for name in names if checks[name]["verdict"] == "reachable")}
    [group] = [group for group in found["groups"] if group["ends"][0]["name"] == "api"]
    # A check also looks at the links, so its path has the veths too.
    kinds = iter(hop["kind"] for hop in checks["api"]["predicted"]["path"])
    assert all(hop["kind"] in kinds for hop in group["path"])
    assert group["path"][-1]["kind"] == "listener"
    assert ends(search(shop, find="destinations", of={"container": "db"}, protocol="tcp")) == {"api"}
    assert ends(search(shop, find="destinations", of={"container": "web"})) == {"web-2", "api"}


def test_a_rule_that_is_broken_has_its_counterexamples(shop):
    asked = {"find": "destinations", "of": {"container": "api"}, "protocol": "tcp", "port": 80}
    kept = search(shop, **asked, must_not=[{"host": True}])
    assert (kept["outcome"], kept["counts"]["violations"]) == ("passed", 0)
    for rule, names in (
        ({"service": "shop/web"}, {"web", "web-2"}),
        ({"network": "back"}, {"db"}),
        ({"container": "web"}, {"web"}),
        ({"label": "com.docker.compose.project=shop"}, {"web", "web-2"}),
    ):
        broken = search(shop, **asked, must_not=[rule])
        violating = {one["name"] for group in broken["groups"] if group["violates"] for one in group["ends"]}
        assert (broken["outcome"], violating) == ("failed", names)
    assert shop.post("/v1/connectivity/queries", {**asked, "must_not": [{"network": "no"}]}, status=404)


def test_the_lines_of_a_search_are_its_answer(shop):
    asked = {"find": "sources", "of": {"container": "web"}, "protocol": "tcp"}
    sent = shop.send("POST", "/v1/connectivity/queries", asked, headers={"Accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in sent.get_data(as_text=True).splitlines()]
    whole = search(shop, **asked)
    assert [{**line, "type": None} for line in lines[:-1]] == [{**one, "type": None} for one in whole["groups"]]
    assert (lines[-1]["type"], lines[-1]["counts"]) == ("end", whole["counts"])


def test_a_ping_has_no_port(api):
    api.post("/v1/connectivity/queries", {"find": "sources", "of": {"host": True}, "port": 80}, status=422)


def test_a_rule_that_names_nothing_is_told(shop):
    asked = {"find": "sources", "of": {"container": "db"}, "protocol": "tcp", "port": 80}
    found = search(shop, **asked, must_not=[{"service": "shop/wbe"}, {"label": "tier"}, {"service": "shop/web"}])
    assert found["outcome"] == "passed"
    assert [(one["code"], one["what"]) for one in found["limited"]] == [
        ("rule-without-ends", "service shop/wbe in must_not"),
        ("rule-without-ends", "label tier in must_not"),
    ]


def test_a_search_can_hold_what_is_unreachable_with_the_step_that_stops_it(shop):
    asked = {"find": "sources", "of": {"container": "db"}, "protocol": "tcp", "port": 80}
    without = search(shop, **asked)
    whole = search(shop, **asked, include_unreachable=True, must_not=[{"container": "web"}])
    stopped = [group for group in whole["groups"] if group["verdict"] == "unreachable"]
    assert {one["name"] for group in stopped for one in group["ends"]} == {"web", "web-2"}
    assert all(group["path"][-1]["status"] == "stopped" and group["findings"] for group in stopped)
    assert (whole["counts"]["unreachable"], without["counts"]["unreachable"]) == (2, 0)
    assert (whole["outcome"], [group["violates"] for group in stopped]) == ("passed", [False, False])
    assert ends(whole) == ends(without)
