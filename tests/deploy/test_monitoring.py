"""What is shipped for Prometheus and Grafana: valid, tested by promtool, and true of a live service."""

import json
import re
import shutil
import urllib.parse
import urllib.request

import pytest
import yaml

from tests.support.api import Client, check, run, sweep_up
from tests.support.deployment import DEPLOY, install, process, sh, wait_for
from tools.service import free_port

RULES = DEPLOY / "prometheus" / "rules.yml"
DASHBOARD = DEPLOY / "grafana" / "bridgework.json"
OWN = re.compile(r"\b(?:bridgework|probe)_[a-z_]+\b")
VARIABLES = {"$__rate_interval": "5m", "$instance": "one", "$from": "web"}


@pytest.fixture(scope="module", autouse=True)
def _programs():
    install("promtool")


@pytest.fixture(scope="module")
def served(front):
    """Every metric's name that a service answers with once each kind of thing has happened; one pair does not reach."""
    client = Client(front.remote)
    client.post("/v1/networks", {"name": "shop"}, status=201)
    run(client, "web", network_mode="shop")
    run(client, "db", network_mode="shop")
    run(client, "alone", network_mode="none")
    check(client, "web", "db")
    check(client, "web", "alone")
    client.post("/v1/connectivity/matrix", {"all": True})
    client.call("POST", "/v1/containers", {"name": "web", "image": "busybox"}, status=409)
    text = client.get("/metrics") + client.get("/v1/connectivity/probe?source=web&destination=db&protocol=icmp")
    yield text
    sweep_up(client)


def expressions():
    """Every expression of the dashboard, as Grafana would send it."""
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            yield panel["title"], expression


def test_the_rules_are_valid_and_their_tests_pass():
    sh("promtool", "check", "rules", str(RULES))
    sh("promtool", "test", "rules", str(RULES.with_name("rules_test.yml")))


def test_the_scrape_configuration_is_valid_as_it_is_shipped():
    # The token's file is on the scraping machine alone, hence the syntax and no more; below it scrapes for real.
    sh("promtool", "check", "config", "--syntax-only", str(DEPLOY / "prometheus" / "prometheus.yml"))


def test_every_alert_has_a_test():
    alerts = {
        rule["alert"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    tests = yaml.safe_load(RULES.with_name("rules_test.yml").read_text())["tests"]
    assert {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]} == alerts


def test_every_expression_of_the_dashboard_is_valid(tmp_path):
    rules = [{"record": f"panel_{number}", "expr": text} for number, (_, text) in enumerate(expressions())]
    assert len(rules) > 15
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    sh("promtool", "check", "rules", str(file))


def test_the_panels_stand_beside_each_other():
    taken = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_every_metric_that_is_named_exists(served):
    # Counted only once they happen: a call that fails is made to happen nowhere here, but test_metrics.py sees it.
    known = {line.split()[2] for line in served.splitlines() if line.startswith("# TYPE ")}
    known |= {f"{name}_{part}" for name in set(known) for part in ("bucket", "sum", "count")}
    known |= {"bridgework_engine_call_failures_total"}
    named = {name for _, text in expressions() for name in OWN.findall(text)}
    named |= set(OWN.findall(re.sub(r"record: \S+|bridgework:\S+|summary:.*|description:.*", "", RULES.read_text())))
    assert named - known == set()


@pytest.mark.usefixtures("served")
def test_a_real_prometheus_scrapes_it_as_configured(front, tmp_path):
    shipped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    shutil.copy(RULES, tmp_path)
    (tmp_path / "token").write_text("token-of-viewer")
    for job in shipped["scrape_configs"]:
        job["scrape_interval"] = job["scrape_timeout"] = "1s"
        job["authorization"]["credentials_file"] = str(tmp_path / "token")
        job["tls_config"] = {"ca_file": str(front.authority)}
        for group in job["static_configs"]:
            group["targets"] = [f"localhost:{front.port}"]
    pairs = shipped["scrape_configs"][1]["static_configs"]
    pairs[0]["labels"] |= {"__param_destination": "name:db"}
    pairs[1]["labels"] |= {"__param_destination": "container:alone"}
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(shipped))
    sh("promtool", "check", "config", str(file))
    port = free_port()
    command = (
        "prometheus", f"--config.file={file}", f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    )  # fmt: skip
    with process(*command, log=tmp_path / "log"):

        def ask(expression):
            query = urllib.parse.urlencode({"query": expression})
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=5) as answer:
                return json.load(answer)["data"]["result"]

        def counted(expression):
            def found():
                try:
                    return ask(expression)
                except OSError:
                    return []

            return wait_for(found, seconds=20, what=expression)

        assert counted('up{job="bridgework"} == 1')
        assert counted('bridgework_engine_up{job="bridgework"} == 1')
        one = counted('probe_success{destination="container:alone"} == 0 and probe_conclusive == 1')[0]["metric"]
        assert (one["source"], one["protocol"], one["job"]) == ("web", "icmp", "bridgework-reachability")
        assert counted('up{job="bridgework-reachability", destination="name:db"} == 1')
