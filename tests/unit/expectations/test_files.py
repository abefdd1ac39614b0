"""Sets from files: the same forms as the command line reads, and a bad file changes nothing."""

import json

import pytest

from bridgework.expectations.short_forms import BadForm, expanded
from bridgework_cli import targets
from bridgework_cli.commands.assertions import read_set

FORMS = (
    {"source": "web", "destination": "db:5432"},
    {"source": "web", "destination": "db", "expect": "unreachable"},
    {"source": "host", "destination": "container:db:5432", "timeout_ms": 500},
    {"source": "container:web", "destination": "[fd00::3]:80", "protocol": "udp"},
    {"source": "web", "destination": "10.0.0.3"},
    {"source": "web", "destination": "address:10.0.0.3:80"},
    {"source": "web", "destination": "http://db:8080/health?a=b"},
    {"source": "web", "destination": "http://db"},
    {"source": "web", "destination": "host"},
    {"source": "web", "destination": "db:53", "protocol": "dns", "name": "names"},
    {"name": "long", "source": {"container": "web"}, "destination": {"name": "db"}},
)
BAD = ("db:", ":80", "db:0", "db:70000", "[::1", "https://db", "")


@pytest.mark.parametrize("form", FORMS, ids=json.dumps)
def test_the_service_and_the_command_line_read_the_same(form):
    assert expanded(form) == read_set(json.dumps([form]), "a file")["expectations"][0]


@pytest.mark.parametrize("destination", BAD)
def test_both_refuse_the_same(destination):
    with pytest.raises(targets.BadTarget) as by_command_line:
        targets.check("web", destination)
    with pytest.raises(BadForm) as by_service:
        expanded({"source": "web", "destination": destination})
    assert str(by_service.value) == str(by_command_line.value)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "sets"
    made.mkdir()
    return made


def test_each_file_is_a_set(make_store, tmp_path, folder):
    (folder / "shop.yaml").write_text("- {source: web, destination: 'db:5432'}\n- {source: db, destination: web}\n")
    (folder / "edge.yml").write_text(
        "every_s: 60\nnotify: [oncall]\nexpectations: [{name: a, source: web, destination: db}]\n"
    )
    (folder / "notes.txt").write_text("no set")
    edge, shop = make_store(tmp_path, files=folder).sets()
    assert [one.name for one in shop.expectations] == [
        "web -> db:5432 (tcp) is reachable",
        "db -> web (icmp) is reachable",
    ]
    assert (edge.name, edge.file, edge.every_s, edge.notify) == ("edge", "edge.yml", 60, ("oncall",))


@pytest.mark.parametrize(("content", "why"), [
    ("- {source: web", "no YAML"),
    ("just text", "no list"),
    ("- {source: web, destination: 'db:99999'}", "item 1: The port"),
    ("- {source: {container: web}, destination: {container: db}}", "name"),
    ("- {name: a, source: web, destination: db}\n- {name: a, source: web, destination: db}", "Another expectation"),
    ("- {name: a, source: web, destination: db, expect: maybe}", "/expectations/0/expect"),
    ("{expectations: [{name: a, source: web, destination: db}], every_s: 0}", "/every_s"),
])  # fmt: skip
def test_a_bad_file_is_named_and_its_last_content_stays(make_store, tmp_path, folder, content, why):
    file = folder / "shop.yaml"
    file.write_text("- {source: web, destination: 'db:5432'}")
    store = make_store(tmp_path, files=folder)
    before = list(store.sets())
    version = store.version()
    file.write_text(content)
    assert store.version() != version
    assert list(store.sets()) == before
    [fault] = store.file_faults()
    assert fault.startswith("shop.yaml: ")
    assert why in fault


def test_a_file_that_is_gone_takes_its_set_along(make_store, tmp_path, folder):
    (folder / "shop.yaml").write_text("- {source: web, destination: db}")
    store = make_store(tmp_path, files=folder)
    assert len(store.sets()) == 1
    (folder / "shop.yaml").unlink()
    assert store.sets() == ()
