"""The page on a phone and in forced colours: the check is first, and what is chosen can be told."""

import pytest

from tests.console import stubs

FITS = "document.documentElement.scrollWidth <= innerWidth"
COLOURS = """["true", "false"].map((chosen) =>
  getComputedStyle(document.querySelector(`#panel-tabs [aria-selected=${chosen}]`)).borderBottomColor)"""

KINDS = """[":checked", ":not(:checked)"].map((one) =>
  getComputedStyle(document.querySelector(`.kinds input${one} + span`)).backgroundColor)"""


@pytest.fixture
def page(console):
    engine = stubs.large_engine(25)
    console.page.route("**/v1/topology*", lambda route: route.fulfill(json=engine))
    console.page.route("**/v1/events", lambda route: route.fulfill(body=": \n\n", content_type="text/event-stream"))
    return console.open()


@pytest.mark.parametrize("console", ["light", "dark"], indirect=True)
def test_on_a_phone_the_check_comes_before_the_picture_and_all_fits(console, page):
    page.set_viewport_size({"width": 390, "height": 844})
    tops = [page.locator(name).bounding_box()["y"] for name in ("#check-form", "#picture")]
    assert tops == sorted(tops)
    assert page.evaluate(FITS)
    assert page.locator("#check-form [type=submit]").bounding_box()["y"] < 844
    for tab in ("Explore", "Matrix"):
        console.tab(tab)
        assert page.evaluate(FITS)
        console.accessible()


def test_the_keyboard_reaches_the_check_first_and_the_picture_by_one_jump(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "jump"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "tab-picture"
    assert "#" not in page.url
    boxes = [page.locator(name).bounding_box()["x"] for name in ("#picture", "#panel")]
    assert boxes == sorted(boxes)


def test_in_forced_colours_the_chosen_tab_can_be_told(console, page):
    page.emulate_media(forced_colors="active")
    chosen, other = page.evaluate(COLOURS)
    assert chosen != other
    chosen, other = page.evaluate(KINDS)
    assert chosen != other
    console.accessible()
