"""Pages: none is skipped, whatever the names are that the order is made of."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from bridgework.http.paging import page
from bridgework.http.schemas.queries import PageQuery
from bridgework.model.errors import InvalidInput


@dataclass(frozen=True)
class Named:
    name: str
    id: str


def asked(path="/v1/things", **query):
    return SimpleNamespace(url_path=path, query=query)


def by_name(item):
    return item.name, item.id


def pages(items, limit):
    cursor, found = None, []
    while True:
        query = PageQuery().load({"limit": str(limit), **({"cursor": cursor} if cursor else {})})
        answer = page(items, asked(**query), by_name)
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
    first = page(items, asked(limit=2, cursor=None), by_name)
    left = [item for item in items if item not in first["items"]]
    second = page(left, asked(limit=2, cursor=first["next_cursor"]), by_name)
    assert second["items"] == items[2:4]


@pytest.mark.parametrize(
    ("other", "right"),
    [
        ({"path": "/v1/others"}, False),
        ({"driver": ["macvlan"]}, False),
        ({"label": ["a"]}, False),
        ({"limit": 3}, True),
    ],
)
def test_a_cursor_belongs_to_its_list_and_filters(other, right):
    items = [Named(f"n{number}", "1") for number in range(6)]
    given = {"driver": ["bridge"], "limit": 2}
    cursor = page(items, asked(cursor=None, **given), by_name)["next_cursor"]
    again = asked(**{**given, "cursor": cursor, **other})
    if right:
        assert page(items, again, by_name)["items"] == items[2:5]
    else:
        with pytest.raises(InvalidInput):
            page(items, again, by_name)


@pytest.mark.parametrize(("limit", "most", "sizes"), [(3, None, [3, 1]), (3, 4, [2, 2]), (1, 100, [1, 1, 1, 1])])
def test_what_is_not_wanted_is_left_out_and_only_so_much_is_looked_at(limit, most, sizes):
    items = [Named(f"n{number}", "") for number in range(8)]
    looked_at, found, cursor = [], [], None
    while not found or cursor is not None:
        query = PageQuery().load({"limit": str(limit), **({"cursor": cursor} if cursor else {})})
        before = len(looked_at)
        answer = page(
            items,
            asked(**query),
            by_name,
            lambda one: looked_at.append(one) or one.name,
            lambda name: int(name[1:]) % 2 == 1,
            most,
        )
        assert most is None or len(looked_at) - before <= most
        found.append(answer["items"])
        cursor = answer["next_cursor"]
    assert [name for one in found for name in one] == ["n1", "n3", "n5", "n7"]
    assert [len(one) for one in found] == sizes
