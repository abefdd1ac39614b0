"""The Grafana dashboard: every panel says what it shows, and a pair leads to its check in the console."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
BOARD = json.loads((DEPLOY / "grafana" / "bridgework.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def test_every_panel_is_described_and_has_an_id_of_its_own():
    assert [panel["title"] for panel in PANELS if not panel.get("description", "").endswith(".")] == []
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_a_pair_leads_to_its_check_in_the_console():
    table = next(panel for panel in PANELS if panel["title"] == "Watched pairs")
    links = [
        link
        for override in table["fieldConfig"]["overrides"]
        for found in override["properties"]
        if found["id"] == "links"
        for link in found["value"]
    ]
    words = parse_qs(urlsplit(links[0]["url"]).fragment)
    assert words.keys() == {"from", "to", "protocol", "port"}
    variables = {variable["name"] for variable in BOARD["templating"]["list"]}
    assert links[0]["url"].startswith("${console}#")
    assert "console" in variables
    # The labels that the link uses are those that the scrape configuration gives each pair.
    fields = {text[0].removeprefix("${__data.fields.").removesuffix("}") for text in words.values()}
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert fields == {rule["target_label"] for rule in jobs[1]["relabel_configs"]}


def test_pairs_that_are_down_are_counted():
    down = next(panel for panel in PANELS if panel["title"] == "Pairs down")
    expression = down["targets"][0]["expr"]
    assert "1 - probe_success" in expression
    assert "probe_conclusive" in expression
