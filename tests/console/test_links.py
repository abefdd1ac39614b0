"""The page's address holds the question, and an answer can be copied in forms that ask the same question again."""

import json
import shlex

import pytest

from bridgework_cli import targets
from bridgework_cli.commands.check import command_check
from tests.console import stubs

CHECKS = "**/v1/connectivity/checks"
LINES = "services:\n  web:\n    networks:\n      shop-net: {}\n"
FINDING = {
    "code": "no-shared-network", "severity": "blocking", "message": "web and db share no network.", "evidence": {},
    "component": {"kind": "container", "id": "b", "name": "web"},
    "remedy": {
        "summary": "Give them one.", "commands": [],
        "calls": [{"method": "PUT", "path": "/v1/networks/shop-net/endpoints/web", "body": {}}],
    },
    "compose": {"project": "shop", "service": "web", "network": None, "undone": True, "files": [
        {"project": "shop", "path": "/srv/shop/compose.yaml", "lines": LINES},
    ]},
}  # fmt: skip
MEASURED = {"verdict": "unreachable", "attempts": 3, "successes": 0, "reason": "timed-out", "resolved_addresses": []}
ANSWER = {
    "verdict": "unreachable", "predicted": {"verdict": "unreachable", "path": []},
    "measured": MEASURED, "findings": [FINDING], "answered_by": None, "trace": None, "addresses": [], "limited": [],
}  # fmt: skip
FIXED = {**ANSWER, "verdict": "reachable", "measured": {**MEASURED, "verdict": "reachable"}, "findings": []}
QUESTIONS = [
    ("from=web&to=container:db&protocol=icmp", "bridgework check web container:db --count 3"),
    ("from=web&to=container:db&protocol=tcp&port=5432", "bridgework check web container:db:5432"),
    (
        "from=web&to=container:db&protocol=http&port=80&path=/a b",
        "bridgework check web container:db:80 --protocol http",
    ),
    ("from=web&to=name:db.internal&protocol=udp&port=53", "bridgework check web db.internal:53 --protocol udp"),
    ("from=host&to=name:host&protocol=dns", "bridgework check host name:host --protocol dns"),
    ("from=host&to=address:fd00::3&protocol=tcp&port=80", "bridgework check host '[fd00::3]:80'"),
    ("from=host&to=address:fd00::3&protocol=icmp", "bridgework check host fd00::3 --count 3"),
    ("from=web&to=db&protocol=udp&port=9", "bridgework check web container:db:9 --protocol udp"),
    ("from=web&to=host&protocol=tcp&port=22", "bridgework check web host:22"),
    ("from=web&to=container:db&protocol=tcp&port=1&trace=true", "bridgework trace web container:db:1"),
]


@pytest.fixture
def pair(console):
    """The page before two containers, and a service that finds no way between them."""
    front, back = stubs.network(1, "front", project="shop"), stubs.network(2, "back")
    members = [stubs.container(number, name) for number, name in enumerate(("web", "db"))]
    host = {"id": "host", "kind": "host", "name": "host", "attributes": {}}
    edges = [stubs.endpoint(members[0], front, 1), stubs.endpoint(members[1], back, 2)]
    graph = {"nodes": [front, back, *members, host], "edges": edges, "limited": []}
    console.page.route("**/v1/topology*", lambda route: route.fulfill(json=graph))
    console.page.route("**/v1/events", lambda route: route.fulfill(body=": \n\n", content_type="text/event-stream"))
    console.page.route(CHECKS, lambda route: route.fulfill(json=ANSWER))
    console.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return console


def copied(console, form):
    console.button(f"Copy as {form}").click()
    console.page.locator(".copy", has_text="Copied.").wait_for()
    return console.page.evaluate("navigator.clipboard.readText()")


def names_of(body):
    """The body as it was sent, with names instead of ids."""
    return json.loads(
        json.dumps(body).replace(stubs.container(0, "web")["id"], "web").replace(stubs.container(1, "db")["id"], "db")
    )


@pytest.mark.parametrize(("link", "command"), QUESTIONS)
def test_a_link_fills_in_the_question_and_what_is_copied_asks_the_same(pair, link, command):
    page = pair.open("operator", link)
    assert page.locator("#outcome").inner_text() == ""
    with page.expect_request(CHECKS) as asked:
        pair.button("Check").click()
    body = names_of(asked.value.post_data_json)

    curl = shlex.split(copied(pair, "curl"))
    assert json.loads(curl[curl.index("--json") + 1]) == body
    assert curl[-1] == f"{pair.service}/v1/connectivity/checks"

    told = copied(pair, "Command")
    assert told.startswith(command)
    read = command_check.make_context("check", shlex.split(told)[2:]).params
    more = {"path": read["path"], "count": read["count"]}
    again = targets.check(read["source"], read["destination"], read["protocol"], **more)
    assert {"path": "/", **again} == {"path": "/", **{key: body[key] for key in body if key != "trace"}}
    assert json.loads(copied(pair, "JSON")) == {"request": body, "answer": ANSWER}
    assert copied(pair, "Link") == page.url


def test_a_reload_keeps_the_question_the_tabs_the_filter_and_what_is_chosen(pair):
    pair.refusals_expected = True  # the chosen network is on the page only
    page = pair.open("operator")
    assert "#" not in page.url
    form = page.locator("#check-form")
    form.get_by_label("From").fill("db")
    form.get_by_role("radio", name="name").check()
    form.locator("[name=text]").fill("web.example")
    form.locator("[name=protocol]").select_option("http")
    form.locator("[name=path]").fill("/health")
    pair.tab("Explore")
    page.get_by_label("Filter").fill("we")
    page.locator(".thing", has_text="front").click()
    pair.tab("Matrix")
    page.locator("#matrix-form [name=protocol]").select_option("tcp")
    address = page.url
    page.reload()
    page.locator("#inside h2", has_text="front").wait_for()
    assert page.url == address
    assert page.locator("#view-matrix").is_visible()
    assert page.locator("#matrix-form [name=protocol]").input_value() == "tcp"
    assert page.get_by_label("Filter").input_value() == "we"
    assert page.locator(".thing.container").count() == 1
    pair.tab("Check")
    values = {name: form.locator(f"[name={name}]").input_value() for name in ("from", "text", "protocol", "path")}
    assert values == {"from": "db", "text": "web.example", "protocol": "http", "path": "/health"}


def test_a_plan_says_what_a_remedy_would_change_and_draws_it(pair):
    pair.refusals_expected = True  # the container db is on the page only
    page = pair.open("operator", "from=web&to=container:db&protocol=icmp")
    pair.button("Check").click()
    ends = {
        "source": {"kind": "container", "id": stubs.container(0, "web")["id"], "name": "web"},
        "destination": {"kind": "container", "id": stubs.container(1, "db")["id"], "name": "db"},
    }
    reachable = {"before": "unreachable", "after": "reachable", "assumes_listener": False, "reason": None}
    at = {"network": {"id": "1", "name": "shop"}, "before": None, "after": "reachable"}
    tried = [{**at, "address": "10.6.0.2", "ip_version": 4}, {**at, "address": "fd00:6::2", "ip_version": 6}]
    plan = {
        "id": "x", "possible": False, "undoable": False, "applied": None, "limited": [stubs.LIMITED],
        "steps": [{"problem": {"detail": "The name shop-net is taken."}}], "notes": [],
        "appearing_findings": [], "disappearing_findings": [{"message": "web is alone."}],
        "difference": {
            "pairs_total": 14, "containers": [], "services": [], "networks": [], "exposure": [], "exposure_total": 0,
            "pairs": [
                {**ends, **reachable, "protocol": "icmp", "port": None, "addresses": tried},
                {**ends, **reachable, "protocol": "tcp", "port": 80, "addresses": tried[:1]},
            ],
            "outside": [{"host_port": 8080, "becomes": "unreachable"}],
        },
    }  # fmt: skip
    page.route("**/v1/plans", lambda route: route.fulfill(json=plan))
    green = page.locator("#picture").screenshot()
    with page.expect_request("**/v1/plans") as asked:
        pair.button("What will this change?").click()
    assert asked.value.post_data_json == {"changes": FINDING["remedy"]["calls"]}
    note = page.locator(".plan .note")
    note.wait_for()
    assert [" ".join(text.split()) for text in note.locator("li").all_inner_texts()] == [
        "web → db icmp: reachable 2 addresses", "web → db tcp 80: reachable",
        "Port 8080 of the host, for other hosts: unreachable", "web is alone.",
        "the host host-out-of-reach It cannot be entered. Give CAP_SYS_ADMIN.",
    ]  # fmt: skip
    for words in (
        "It would be refused: The name shop-net is taken.",
        "14 pairs of",
        "… and 12 more.",
        "Not every change",
    ):
        assert words in note.inner_text()
    page.wait_for_timeout(300)
    assert page.locator("#picture").screenshot() != green
    note.locator("summary", has_text="2 addresses").click()
    assert [row.split("\t") for row in note.locator("tbody tr").all_inner_texts()] == [
        [address, "shop", "the source has no way to it", "reachable"] for address in ("10.6.0.2", "fd00:6::2")
    ]
    pair.accessible()
    note.get_by_role("button", name="db").first.click()
    assert page.locator("#inside h2").inner_text() == "db"


def test_one_project_is_shown_alone_and_checks_still_go_everywhere(console):
    blog, shop = stubs.network(1, "blog_net", project="blog"), stubs.network(2, "shop_net", project="shop")
    members = [
        stubs.container(at, name, project=name.split("-")[0]) for at, name in enumerate(("blog-web", "shop-web"))
    ]
    both = stubs.container(2, "proxy", project=None)
    host = {"id": "host", "kind": "host", "name": "host", "attributes": {}}
    edges = [
        stubs.endpoint(one, net, 1) for one, net in zip((*members, both, both), (blog, shop, blog, shop), strict=True)
    ]
    graph = {"nodes": [blog, shop, *members, both, host], "edges": edges, "limited": []}
    console.page.route("**/v1/topology*", lambda route: route.fulfill(json=graph))
    console.page.route("**/v1/events", lambda route: route.fulfill(body=": \n\n", content_type="text/event-stream"))
    console.page.route(
        "**/v1/connectivity/matrix", lambda route: route.fulfill(body="", content_type="application/x-ndjson")
    )
    page = console.open("operator", "project=shop&tab=explore")
    assert page.locator("#summary").inner_text() == "1 network · 2 containers, 2 running"
    assert page.locator(".thing.container .thing-name").all_inner_texts() == ["proxy", "shop-web"]
    assert page.locator("#targets option").count() == 3
    assert page.locator("#targets option[value=blog-web]").inner_text() == "blog · 172.18.0.3"
    console.tab("Matrix")
    with page.expect_request("**/v1/connectivity/matrix") as asked:
        console.button("Measure").click()
    assert asked.value.post_data_json["containers"] == [members[1]["id"], both["id"]]
    page.get_by_label("Project").select_option("all")
    assert page.locator("#summary").inner_text() == "2 networks · 3 containers, 3 running"
    assert "project" not in page.url
    console.accessible()


def test_a_matrix_lists_the_addresses_of_pairs_whose_addresses_differ(pair):
    page = pair.open("operator", "")
    web, db = ({"id": stubs.container(at, name)["id"], "name": name} for at, name in enumerate(("web", "db")))
    tried = [
        {"address": "10.6.0.2", "ip_version": 4, "network": {"id": "1", "name": "shop"}, "predicted": "unreachable",
         "measured": "unreachable", "reason": "timed-out"},
        {"address": "fd00:6::2", "ip_version": 6, "network": {"id": "1", "name": "shop"}, "predicted": "reachable",
         "measured": "reachable", "reason": None},
    ]  # fmt: skip
    summary = {"pairs": 2, "reachable": 1, "unreachable": 1, "inconclusive": 0, "surprises": 0, "addresses_differ": 314}
    lines = [
        {"type": "start", "containers": [web, db], "rows_total": 2},
        {"type": "row", "index": 0, "verdicts": ["self", "reachable"], "rtt_ms": [0, 0.1], "undecided": []},
        {"type": "row", "index": 1, "verdicts": ["unreachable", "self"], "rtt_ms": [0, 0], "undecided": []},
        {"type": "end", "summary": summary, "surprises": [], "duration_ms": 3, "partial": [], "limited": [],
         "addresses": [{"source": web, "destination": db, "addresses": tried}] * 21},
    ]  # fmt: skip
    stream = "".join(json.dumps(line) + "\n" for line in lines)
    page.route(
        "**/v1/connectivity/matrix", lambda route: route.fulfill(body=stream, content_type="application/x-ndjson")
    )
    pair.tab("Matrix")
    pair.button("Measure").click()
    end = page.locator("#matrix-end")
    end.locator("summary", has_text="web → db").first.click()
    assert [[cell.strip() for cell in row.split("\t")] for row in end.locator("tbody tr").all_inner_texts()[:2]] == [
        ["10.6.0.2", "shop", "unreachable", "unreachable"],
        ["fd00:6::2", "shop", "reachable", "reachable"],
    ]
    assert "314 pairs with addresses that differ" in end.inner_text()
    assert "… and 294 more. The answer of the API lists 21 of them." in end.inner_text()
    pair.accessible()


def test_a_name_that_no_container_has_is_told_before_anything_is_sent(pair):
    page = pair.open("operator", "from=web&to=container:gone&protocol=icmp")
    page.on("request", lambda request: pair.complaints.append("sent") if "checks" in request.url else None)
    pair.button("Check").click()
    to = page.locator("#check-form [name=to]")
    assert to.evaluate("(field) => field.validationMessage") == "No container has the name “gone”."


def test_a_remedy_that_compose_would_undo_says_so_and_its_question_is_asked_again(pair):
    page = pair.open("operator", "from=web&to=container:db&protocol=icmp")
    pair.button("Check").click()
    note = page.locator(".answer .compose")
    assert "Compose would undo this. The next docker compose up of the project shop" in note.inner_text()
    assert "These lines in /srv/shop/compose.yaml of shop make the remedy last:" in note.inner_text()
    assert note.locator("pre").inner_text() == LINES.rstrip()
    pair.accessible()
    page.route("**/v1/networks/shop-net/endpoints/web", lambda route: route.fulfill(status=201, json={}))
    page.unroute(CHECKS)
    page.route(CHECKS, lambda route: route.fulfill(json=FIXED))
    page.locator("#check-form [name=protocol]").select_option("dns")
    page.get_by_role("button", name="Fix it: send 1 call …").click()
    with page.expect_request(CHECKS) as asked:
        pair.button("Send 1 call").click()
    assert asked.value.post_data_json["protocol"] == "icmp"
    page.locator(".verdict.reachable").wait_for()
    assert page.locator(".after").inner_text() == ("Asked again after PUT /v1/networks/shop-net/endpoints/web.")
    assert page.evaluate("document.activeElement.className") == "verdict reachable"
    pair.accessible()


def test_each_address_is_shown_with_its_prediction_and_its_measurement(pair):
    rows = [
        ("10.1.0.2", "front", "unreachable", "unreachable", "timed-out"),
        ("fd00:1::2", "front", "reachable", "reachable", None),
        ("fd00:2::2", None, "unreachable", None, None),
        ("192.0.2.1", None, "reachable", None, "not-allowed"),
    ]
    names = ("address", "network", "predicted", "measured", "reason")
    addresses = [dict(zip(names, row, strict=True)) for row in rows]
    for one in addresses:
        one["network"] = one["network"] and {"id": "1" * 64, "name": one["network"]}
    pair.page.route(CHECKS, lambda route: route.fulfill(json={**FIXED, "addresses": addresses}))
    page = pair.open("operator", QUESTIONS[0][0])
    pair.button("Check").click()
    rows = page.locator("table.addresses tbody tr")
    rows.first.wait_for()
    assert [[cell.inner_text().strip() for cell in row.locator("th, td").all()] for row in rows.all()] == [
        ["10.1.0.2", "front", "unreachable", "unreachable"],
        ["fd00:1::2", "front", "reachable", "reachable"],
        ["fd00:2::2", "", "unreachable", "as predicted for the measured one"],
        ["192.0.2.1", "", "reachable", "the service\u2019s policy does not allow it"],
    ]
