"""The seed's story, clicked through on a real engine: why does the ping by name fail, and what fixes it?"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.api import container, run
from tests.support.raw_engine import Raw

HTTPD = ("httpd", "-f", "-p", "8080")
RED_POINTS = """[...document.querySelectorAll("#picture canvas")].reduce((sum, canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < data.length; i += 4) sum += data[i] > 150 && data[i + 1] < 90 && data[i + 3] > 200;
  return sum;
}, 0)"""


@pytest.fixture
def tomcats(api):
    run(api, "tomcat81", command=HTTPD, published_ports=[{"container_port": 8080, "host_port": 8081}])
    run(api, "tomcat82", command=HTTPD, published_ports=[{"container_port": 8080, "host_port": 8082}])
    api.post("/v1/networks", {"name": "simon_network"}, status=201)
    run(api, "tomcat83", network_mode="simon_network")
    return api


@pytest.mark.usefixtures("tomcats")
def test_a_newcomer_sees_why_the_name_fails_and_fixes_it(console):
    page = console.open()
    console.button("Ping by address").click()
    page.locator(".verdict.reachable").wait_for()
    assert "tomcat81 reaches 172." in page.locator(".verdict").inner_text()
    console.button("Ping by name").click()
    page.locator(".verdict.unreachable").wait_for(timeout=20_000)
    assert "tomcat81 cannot reach tomcat82 by name" in page.locator(".verdict").inner_text()
    assert "Looking up “tomcat82”" in page.locator(".stop.break").inner_text()
    card = page.locator(".answer[data-code=default-bridge-no-dns]")
    assert card.locator("b").inner_text().startswith("tomcat82 cannot be resolved in tomcat81")
    assert card.locator(".remedy").bounding_box()["y"] < page.locator(".rail").bounding_box()["y"]
    console.accessible()

    console.button("What will this change?").click()
    plan = page.locator(".plan .note")
    plan.wait_for()
    assert "Solves:\n\ntomcat81, tomcat82 are on the default bridge only" in plan.inner_text()
    assert "Every change can be undone." in plan.inner_text()
    console.accessible()
    page.get_by_role("button", name="Fix it: send 3 calls …").click()
    page.get_by_role("dialog").get_by_text("POST /v1/networks").wait_for()
    console.accessible()
    console.button("Send 3 calls").click()
    page.locator(".verdict.reachable").wait_for(timeout=20_000)
    assert "reaches tomcat82 by name" in page.locator(".verdict").inner_text()
    assert "Asked again after POST /v1/networks, PUT" in page.locator(".after").inner_text()
    assert "known as tomcat82." in page.locator(".sides").inner_text()
    console.accessible()


def test_a_remedy_can_be_undone_and_its_question_is_asked_again(console, tomcats, tmp_path):
    page = console.open()
    console.button("Ping by name").click()
    page.get_by_role("button", name="Fix it: send 3 calls …").click(timeout=20_000)
    console.button("Send 3 calls").click()
    page.locator(".verdict.reachable").wait_for(timeout=20_000)
    assert len(tomcats.get("/v1/networks?type=custom")["items"]) == 2
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    console.accessible()
    page.screenshot(path=Path(os.environ.get("CONSOLE_PICTURES", tmp_path)) / "undo-390.png")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.screenshot(path=Path(os.environ.get("CONSOLE_PICTURES", tmp_path)) / "undo.png")
    console.button("Undo …").click()
    calls = page.get_by_role("dialog").locator(".calls > li").all_inner_texts()
    assert [call.split()[0] for call in calls] == ["DELETE"] * 3
    assert "/endpoints/" in calls[0]
    assert "/endpoints/" not in calls[2]
    console.accessible()
    console.button("Send 3 calls").click()
    page.locator(".verdict.unreachable").wait_for(timeout=20_000)
    assert page.locator(".after").inner_text().startswith("Asked again after DELETE /v1/networks/")
    assert page.locator("#undo").inner_text() == ""
    assert {one["name"] for one in tomcats.get("/v1/networks?type=custom")["items"]} == {"simon_network"}


@pytest.mark.usefixtures("tomcats")
def test_by_night_the_answer_is_as_clear_and_the_picture_keeps_its_arrow(console):
    page = console.open()
    assert page.evaluate(RED_POINTS) == 0
    console.button("Ping by name").click()
    page.locator(".verdict.unreachable").wait_for(timeout=20_000)
    page.wait_for_function(f"{RED_POINTS} > 100")
    page.emulate_media(color_scheme="dark")
    console.accessible()
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(500)
    assert page.evaluate(RED_POINTS) > 100


def test_nothing_is_sent_when_the_confirmation_is_cancelled(console, tomcats):
    page = console.open()
    console.button("Ping by name").click()
    page.get_by_role("button", name="Fix it: send 3 calls …").click(timeout=20_000)
    console.button("Cancel").click()
    page.get_by_role("button", name="Fix it: send 3 calls …").wait_for()
    assert {network["name"] for network in tomcats.get("/v1/networks?type=custom")["items"]} == {"simon_network"}


def test_an_empty_engine_offers_the_tutorials_containers(console, api):
    page = console.open()
    page.get_by_role("button", name="Create tomcat81 and tomcat82 …").click()
    console.button("Send 2 calls").click()
    console.button("Ping by name").click(timeout=20_000)
    page.locator(".verdict.unreachable").wait_for(timeout=20_000)
    assert {one["name"] for one in api.get("/v1/containers")["items"]} == {"tomcat81", "tomcat82"}


def test_the_picture_follows_what_changes(console, api):
    page = console.open()
    page.locator("#live[data-state=live]").wait_for()
    run(api, "newcomer")
    page.locator("#summary", has_text="1 container, 1 running").wait_for(timeout=4000)
    api.post("/v1/containers/newcomer/stop?grace_s=0")
    page.locator("#summary", has_text="1 container, 0 running").wait_for(timeout=4000)


def test_without_a_stream_the_page_asks_again_by_itself(console, api):
    console.refusals_expected = True
    page = console.page
    page.route("**/v1/events", lambda route: route.fulfill(status=429, json={"detail": "8 streams are in hand."}))
    console.open()
    page.locator("#live[data-state=polling]").wait_for()
    run(api, "newcomer")
    page.locator("#summary", has_text="1 container, 1 running").wait_for(timeout=9000)


@pytest.mark.usefixtures("tomcats")
def test_a_container_is_seen_from_inside(console):
    page = console.open()
    console.tab("Explore")
    page.locator(".thing", has_text="tomcat81").click()
    inside = page.locator("#inside")
    inside.get_by_role("cell", name=":8080").wait_for()
    inside.get_by_text("port of docker0").wait_for()
    inside.get_by_text("no server here knows containers by name").wait_for()
    console.accessible()
    page.locator(".thing", has_text="simon_network").click()
    inside.get_by_role("cell", name="tomcat83", exact=True).wait_for()
    page.locator(".thing.host").click()
    inside.get_by_role("cell", name="docker0").first.wait_for()
    console.accessible()


def test_a_stopped_container_says_that_there_is_no_inside(console, api):
    api.post("/v1/containers", container("sleeper", start=False), status=201)
    page = console.open()
    console.tab("Explore")
    page.locator(".thing", has_text="sleeper").click()
    page.locator("#inside", has_text="It is not running").wait_for()


@pytest.mark.usefixtures("tomcats")
def test_the_matrix_shows_who_reaches_whom_and_leads_to_the_reason(console):
    page = console.open()
    console.tab("Matrix")
    console.button("Measure").click()
    page.locator("#matrix-status", has_text="6 pairs in").wait_for(timeout=20_000)
    assert page.locator("td.reachable").count() == 2
    assert page.locator("td.unreachable").count() == 4
    console.accessible()
    page.locator("td[data-row='0'][data-column='1']").focus()
    page.keyboard.press("ArrowRight")
    assert "tomcat81 (bridge) → tomcat83 (simon_network): unreachable" in page.locator("#readout").inner_text()
    page.keyboard.press("Enter")
    page.locator(".verdict.unreachable").wait_for(timeout=20_000)
    assert "tomcat81 cannot reach tomcat83" in page.locator(".verdict").inner_text()


def test_an_isolation_that_is_open_by_ipv6_is_shown_with_its_address_and_remedy(console, api, engine):
    """The settings of Docker 26 leave IPv6 between bridges open."""
    for name, subnet in (("nine", "fd00:9::/64"), ("six", "fd00:6::/64")):
        api.post(
            "/v1/networks", {"name": name, "ipv6_enabled": True, "ipam": {"pools": [{"subnet": subnet}]}}, status=201
        )
    for name, network in (("k9", "nine"), ("k6", "six")):
        run(api, name, network_mode=network)
    Raw(engine).settle()
    addresses = api.get("/v1/containers/k6")["endpoints"][0]
    page = console.open()
    form = page.locator("#check-form")
    form.locator("[name=from]").fill("k9")
    form.locator("[name=to]").fill("k6")
    console.button("Check").click()
    page.locator(".verdict.reachable").wait_for(timeout=20_000)
    rows = {row.split()[0]: row.split()[2] for row in page.locator(".addresses tbody tr").all_inner_texts()}
    assert rows == {addresses["ipv4_address"]: "unreachable", addresses["ipv6_address"]: "reachable"}
    finding = page.locator(".finding[data-code=networks-not-isolated]")
    assert addresses["ipv6_address"] in finding.inner_text()
    assert "ip6tables -I FORWARD" in finding.locator(".remedy").inner_text()
    console.tab("Matrix")
    console.button("Measure").click()
    page.locator("#matrix-status", has_text="2 pairs in").wait_for(timeout=20_000)
    assert page.locator("#heatmap td.reachable").count() == 2
    page.locator("summary", has_text="k9 → k6").click()
    assert addresses["ipv6_address"] in page.locator("details.by-address[open]").inner_text()
    console.accessible()


@pytest.mark.usefixtures("tomcats")
def test_the_diagnosis_lists_what_is_wrong(console):
    page = console.open()
    console.tab("Diagnosis")
    page.locator("#findings .finding[data-code=default-bridge-no-dns]").wait_for(timeout=20_000)
    page.locator("#findings summary").first.click()
    page.locator("#findings details", has_text="Detected by:").first.wait_for()
    console.accessible()


def test_a_viewer_is_offered_nothing_that_it_may_not_do_and_told_why(console, api, tomcats, tmp_path):
    page = console.open("viewer")
    assert page.locator("#caller").inner_text() == "Token viewer, role viewer"
    console.button("Ping by name").click()
    button = page.get_by_role("button", name="Fix it: send 3 calls …")
    button.wait_for(timeout=20_000)
    assert button.is_disabled()
    assert "role viewer. Sending these calls needs the role operator" in page.locator(".remedy").first.inner_text()
    page.screenshot(path=Path(os.environ.get("CONSOLE_PICTURES", tmp_path)) / "viewer.png")
    console.accessible()
    assert tomcats.get("/v1/networks?type=custom")["items"][0]["name"] == "simon_network"
    for name in ("tomcat82", "tomcat83"):
        api.delete(f"/v1/containers/{name}?force=true")
    assert console.button("Create tomcat81 and tomcat82 …").is_disabled()


def test_an_operator_is_offered_what_it_may_do(console, tomcats):
    page = console.open("operator")
    console.button("Ping by name").click()
    button = page.get_by_role("button", name="Fix it: send 3 calls …")
    button.wait_for(timeout=20_000)
    assert button.is_enabled()
    assert tomcats.get("/v1/caller")["role"] == "admin"


@pytest.mark.usefixtures("api")
def test_a_wrong_token_is_asked_for_again_and_the_right_one_is_kept(console):
    console.refusals_expected = True
    page = console.page
    page.goto(f"{console.service}/console")
    console.accessible()
    console.enter("wrong")
    page.locator("#token-problem:not(:empty)").wait_for()
    console.enter("token-of-viewer")
    page.locator("#summary:not(:empty)").wait_for()
    page.reload()
    page.locator("#summary:not(:empty)").wait_for()
    console.button("Forget token").click()
    page.get_by_label("Access token").wait_for()


@pytest.mark.usefixtures("tomcats")
def test_the_story_needs_no_mouse(console):
    page = console.open()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.preset") == "name":
            break
    page.keyboard.press("Enter")
    page.locator(".verdict.unreachable").wait_for(timeout=20_000)
    assert page.evaluate("document.activeElement.className") == "verdict unreachable"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Enter")
    page.locator(".verdict.reachable").wait_for(timeout=20_000)
    assert page.evaluate("document.activeElement.className") == "verdict reachable"


@pytest.mark.usefixtures("tomcats")
def test_a_published_port_is_reached_from_the_host(console):
    page = console.open()
    form = page.locator("#check-form")
    form.get_by_label("From").fill("the host")
    form.get_by_role("radio", name="host").check()
    form.locator("[name=protocol]").select_option("tcp")
    form.get_by_label("port").fill("8081")
    console.button("Check").click()
    page.locator(".verdict.reachable").wait_for(timeout=20_000)
    assert "the host reaches itself on tcp port 8081" in page.locator(".verdict").inner_text()
    assert "published port of tomcat81" in page.locator(".rail").inner_text()


STOPS = """[...document.querySelectorAll(".stop")].map(
  (one) => [one.classList[1], one.querySelector(".stop-name").innerText])"""


def asked(console, source, destination):
    """Ask by container and ping, and give the stops of the answer's path: role and name."""
    form = console.page.locator("#check-form")
    form.get_by_label("From").fill(source)
    form.get_by_role("radio", name="container").check()
    form.locator("[name=to]").fill(destination)
    form.locator("[name=protocol]").select_option("icmp")
    console.button("Check").click()
    console.page.locator(".verdict.unreachable").wait_for(timeout=20_000)
    return console.page.evaluate(STOPS)


@pytest.mark.usefixtures("tomcats")
def test_the_path_breaks_at_the_hop_that_stops_the_packet_and_is_green_nowhere_behind(console):
    console.open()
    stops = asked(console, "tomcat81", "tomcat83")
    roles = [role for role, _ in stops]
    assert roles == ["start", *["through"] * (len(roles) - 3), "break", "beyond"]
    assert ["through", "docker0"] in stops
    assert "no shared network" in console.page.locator(".stop.break").inner_text()
    console.accessible()


@pytest.mark.usefixtures("tomcats")
def test_where_the_wire_contradicts_the_prediction_no_hop_is_called_passed(console, engine):
    """A rule of the family netdev inside the destination with a match that is not followed."""
    pid = Raw(engine).get("/containers/tomcat82/json")["State"]["Pid"]
    drop = (
        "table netdev t { chain c { type filter hook ingress device eth0 priority 0; numgen inc mod 4 >= 0 drop; }; }"
    )
    subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "nft", drop], check=True)
    console.open()
    stops = asked(console, "tomcat81", "tomcat82")
    roles = [role for role, _ in stops]
    assert set(roles) == {"start", "unsure", "break", "beyond"}
    assert ["break", "Somewhere on this path"] in stops
    console.accessible()


@pytest.mark.usefixtures("tomcats")
def test_faults_of_the_input_are_told_where_they_are(console):
    console.refusals_expected = True
    page = console.open()
    form = page.locator("#check-form")
    form.get_by_role("radio", name="address").check()
    form.locator("[name=text]").fill("nonsense")
    console.button("Check").click()
    page.locator("#outcome .note.bad").wait_for()
