"""Pages: none is skipped, whatever the names are that the order is made of."""

from dataclasses import dataclass

import pytest

from service.api.networks_schemas import PageQuery
from service.api.paging import page


@dataclass(frozen=True)
class Named:
    name: str
    id: str


def pages(items, limit):
    cursor, found = None, []
    while True:
        query = PageQuery().load({"limit": str(limit), **({"cursor": cursor} if cursor else {})})
        answer = page(items, query, lambda item: (item.name, item.id))
        found.append(answer["items"])
        cursor = answer["next_cursor"]
        if cursor is None:
            return found


@pytest.mark.parametrize("letter", ["n", "ü", "網", "\N{GRINNING FACE}", '"'])
@pytest.mark.parametrize("length", [1, 900])
def test_pages_go_on_behind_any_name(letter, length):
    items = [Named(letter * length, f"{number:064x}") for number in range(5)]
    assert pages(items, 2) == [items[:2], items[2:4], items[4:]]


def test_a_page_goes_on_where_an_item_is_gone():
    items = [Named(f"n{number}", "1") for number in range(6)]
    first = page(items, {"limit": 2, "cursor": None}, lambda item: (item.name, item.id))
    left = [item for item in items if item not in first["items"]]
    second = page(left, {"limit": 2, "cursor": first["next_cursor"]}, lambda item: (item.name, item.id))
    assert second["items"] == items[2:4]
