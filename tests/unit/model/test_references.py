"""References by name, id and first digits of an id, and the words of errors about them."""

import pytest

from bridgework.model.errors import AmbiguousReference, InputFault, NotFound, invalid, plainly
from bridgework.model.observations import Observation, Route
from bridgework.model.references import container
from tests.support import worlds

WEB, DB = worlds.container("web"), worlds.container("db")
TWIN = worlds.container("web", state="exited")


def test_a_container_is_found_by_name_id_and_prefix():
    snapshot = worlds.world(WEB, DB)
    assert [container(snapshot, text).name for text in ("web", WEB.id, WEB.id[:12])] == ["web"] * 3


@pytest.mark.parametrize("text", ["", "we", "f" * 64])
def test_what_is_not_there_is_named(text):
    with pytest.raises(NotFound) as caught:
        container(worlds.world(WEB), text)
    assert (caught.value.code, caught.value.facts) == ("container-not-found", {"container": text})


@pytest.mark.parametrize(("text", "hint"), [("shop-bd-1", "shop-bd-1. Did you mean shop-db-1?"), ("zzz", "zzz.")])
def test_a_misspelt_name_is_answered_with_the_one_like_it(text, hint):
    snapshot = worlds.world(worlds.container("shop-db-1"), WEB)
    with pytest.raises(NotFound) as caught:
        container(snapshot, text)
    assert caught.value.detail.replace('"', "").endswith(hint)


def test_a_prefix_of_two_ids_lists_both():
    # Nine containers of different names: two of the ids begin with the same digit, as there are sixteen digits.
    many = [worlds.container(f"c{number}") for number in range(17)]
    digits = [one.id[0] for one in many]
    shared = next(digit for digit in digits if digits.count(digit) > 1)
    with pytest.raises(AmbiguousReference) as caught:
        container(worlds.world(*many), shared)
    assert caught.value.code == "ambiguous-reference"
    assert f"matches {digits.count(shared)} containers" in caught.value.detail


def test_the_first_of_several_faults_is_quoted_and_the_rest_counted():
    one, two = InputFault("/name", "Must be a name."), InputFault("", "Must be an object.")
    assert invalid("The body", [one]).detail == "The body is invalid: /name: Must be a name."
    assert invalid("The body", [two, one]).detail == "The body is invalid: the whole: Must be an object. (and 1 more)"


def test_an_error_of_python_is_told_without_its_words():
    assert plainly(KeyError("Id")) == "the field Id is missing"
    assert plainly(ValueError("x")) == plainly(KeyError()) == "a part is not what the API promises"


def test_a_part_that_was_cut_off_shows_nothing():
    routes = (Route("0.0.0.0/0", "ipv4", None, "eth0", None, "global", "boot"),)
    cut = Observation(1, routes=routes, sockets=(), truncated=("routes",))
    assert cut.whole() == Observation(1, sockets=())
    assert Observation(1, routes=routes).whole().routes == routes
