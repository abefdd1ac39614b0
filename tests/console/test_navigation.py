"""Back and Forward lead through what was asked and shown, and one field understands every question."""

import pytest

from tests.console import stubs
from tests.console.test_links import ANSWER, CHECKS

IDS = {f"{number + 4096:064x}": name for number, name in enumerate(("web", "db"))}
CASES = [
    ("web → db:5432", {"source": "web", "destination": {"container": "db"}, "protocol": "tcp", "port": 5432}),
    ("web->db:53", {"source": "web", "destination": {"container": "db"}, "protocol": "tcp", "port": 53}),
    ("web db", {"source": "web", "destination": {"container": "db"}, "protocol": "icmp", "count": 3}),
    ("host cache:6379", {"source": "host", "destination": {"name": "cache"}, "protocol": "tcp", "port": 6379}),
    (
        "web http://db:8080/x",
        {"source": "web", "destination": {"container": "db"}, "protocol": "http", "port": 8080, "path": "/x"},
    ),
    (
        "web [fd00::3]:80",
        {"source": "web", "destination": {"address": "fd00::3"}, "protocol": "tcp", "port": 80},
    ),
    ("web -> 192.0.2.1", {"source": "web", "destination": {"address": "192.0.2.1"}, "protocol": "icmp", "count": 3}),
]


@pytest.fixture
def page(console):
    """The page before two containers; `asked` has the questions that were sent, with names."""
    front = stubs.network(1, "front")
    members = [stubs.container(number, name) for number, name in enumerate(("web", "db"))]
    host = {"id": "host", "kind": "host", "name": "host", "attributes": {}}
    edges = [stubs.endpoint(one, front, at) for at, one in enumerate(members)]
    graph = {"nodes": [front, *members, host], "edges": edges, "limited": []}
    console.asked = []

    def answer(route):
        body = route.request.post_data_json
        source = body.pop("source").get("container", "host")
        destination = {kind: IDS.get(name, name) for kind, name in body.pop("destination").items()}
        console.asked.append({"source": IDS.get(source, source), "destination": destination, **body})
        route.fulfill(json=ANSWER)

    console.page.route("**/v1/topology*", lambda route: route.fulfill(json=graph))
    console.page.route("**/v1/events", lambda route: route.fulfill(body=": \n\n", content_type="text/event-stream"))
    console.page.route(CHECKS, answer)
    return console.open()


def asked_in_line(console, page, line):
    before = len(console.asked)
    page.locator("#ask-line").fill(line)
    with page.expect_response(CHECKS):
        page.locator("#ask-line").press("Enter")
    page.locator(".verdict.unreachable").wait_for()
    return console.asked[before:]


@pytest.mark.parametrize(("line", "question"), CASES)
def test_a_question_in_one_line_is_checked(console, page, line, question):
    assert asked_in_line(console, page, line) == [question]


def test_keys_lead_to_the_field_and_a_name_alone_is_shown(console, page):
    console.refusals_expected = True  # the details of containers that the engine does not have
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "ask-line"
    page.keyboard.type("front")
    page.keyboard.press("Enter")
    page.locator("#inside h2", has_text="front").wait_for()
    page.locator("#filter").focus()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter", "a slash that is typed stays in its field"
    page.keyboard.press("Control+k")
    assert page.evaluate("document.activeElement.id") == "ask-line"
    page.keyboard.type("nothing")
    page.keyboard.press("Enter")
    message = page.locator("#ask-line").evaluate("(field) => field.validationMessage")
    assert message.startswith("No container and no network has the name “nothing”.")
    console.accessible()


def test_a_port_in_a_name_goes_into_its_field(console, page):
    page.get_by_label("name", exact=True).check()
    page.locator("#check-form input[name=text]").fill("api:8080")
    page.locator("#check-form input[name=text]").press("Tab")
    assert page.locator("#check-form input[name=text]").input_value() == "api"
    assert page.locator("#check-form input[name=port]").input_value() == "8080"
    with page.expect_response(CHECKS):
        console.button("Check").click()
    assert console.asked[0]["destination"] == {"name": "api"}
    assert console.asked[0]["port"] == 8080


def test_back_and_forward_show_each_question_with_its_answer(console, page):
    asked_in_line(console, page, "web → db:5432")
    asked_in_line(console, page, "db → web:80")
    console.tab("Matrix")
    page.go_back()
    assert page.locator("#tab-picture").get_attribute("aria-selected") == "true"
    assert "db cannot reach web on tcp port 80" in page.locator(".verdict").inner_text()
    page.go_back()
    assert "web cannot reach db on tcp port 5432" in page.locator(".verdict").inner_text()
    assert page.locator("#check-form input[name=port]").input_value() == "5432"
    page.go_forward()
    assert "db cannot reach web on tcp port 80" in page.locator(".verdict").inner_text()
    page.go_forward()
    assert page.locator("#tab-matrix").get_attribute("aria-selected") == "true"
    assert len(console.asked) == 2, "nothing is sent again"


def test_a_link_that_a_person_enters_is_followed(console, page):
    asked_in_line(console, page, "web → db:5432")
    page.evaluate("location.hash = '#from=db&to=container:web&protocol=tcp&port=81'")
    page.locator("#summary:not(:empty)").wait_for()
    page.wait_for_function("document.querySelector('#check-form [name=port]').value === '81'")
    assert page.locator(".verdict").count() == 0, "a link sends nothing"
