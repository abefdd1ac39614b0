"""The helper that follows remedies refuses one that does not work, opens another way, or takes protection away."""

import shlex

import pytest

from tests.support.api import run
from tests.support.raw_engine import Raw
from tests.support.remedies import follow, protecting_rules

pytestmark = pytest.mark.wide

BETWEEN = {"between": ("web", "db")}


@pytest.fixture
def raw(api, engine):
    """Three containers, each on a network of its own."""
    for name in ("web", "db", "other"):
        api.post("/v1/networks", {"name": f"of-{name}"}, status=201)
        run(api, name, network_mode=f"of-{name}")
    return Raw(engine)


def finding(*commands, joins=(), rule=None):
    calls = [{"method": "PUT", "path": f"/v1/networks/of-db/endpoints/{name}", "body": {}} for name in joins]
    return {"remedy": {"calls": calls, "commands": list(commands)}, "evidence": {"rule": rule}}


def a_rule(raw, chain):
    """A rule of Docker's that drops packets between networks, as it stands in the chain."""
    return next(line for line in raw.in_namespace("iptables", "-S", chain).splitlines() if line.endswith("-j DROP"))


@pytest.mark.parametrize(
    ("joins", "said"),
    [(["web"], None), (["other"], "web does not reach db"), ([], "web does not reach db")],
    ids=["works", "another one", "nothing"],
)
def test_the_pair_must_work(api, raw, joins, said):
    found = finding(*([] if joins else ["true"]), joins=joins)
    if said is None:
        follow(api, raw, found, **BETWEEN)
    else:
        with pytest.raises(AssertionError, match=said):
            follow(api, raw, found, **BETWEEN)


def test_no_other_pair_may_be_opened(api, raw):
    # A container that joins a network shares it. One that a rule lets in does not.
    bridge = api.get("/v1/networks/of-other")["bridge_name"]
    opened = [f"iptables -I FORWARD -{way} {bridge} -j ACCEPT" for way in ("i", "o")] + [
        f"iptables -t raw -I PREROUTING -i {bridge} -j ACCEPT"
    ]
    try:
        with pytest.raises(AssertionError, match="reach each other since the remedy"):
            follow(api, raw, finding(*opened, joins=["web"]), **BETWEEN)
        with pytest.raises(AssertionError, match="reach each other since the remedy"):
            follow(api, raw, finding("true"), apart=[("web", "db")])
    finally:
        for command in opened:
            raw.in_namespace(*shlex.split(command.replace(" -I ", " -D ")))


def test_no_rule_that_protects_may_be_gone_but_the_one_that_is_blamed(api, raw):
    chain = next(one for one in ("DOCKER-ISOLATION-STAGE-2", "DOCKER") if "-j DROP" in listed(raw, one))
    rule = a_rule(raw, chain)
    back = ["iptables", *shlex.split(rule)]
    delete = " ".join(["iptables", "-D", *shlex.split(rule)[1:]])
    before = protecting_rules(raw)
    with pytest.raises(AssertionError, match="DROP"):
        follow(api, raw, finding(delete, joins=["web"]), **BETWEEN)
    raw.in_namespace(*back)
    assert protecting_rules(raw) == before
    follow(api, raw, finding(delete, rule=rule), **BETWEEN)
    raw.in_namespace(*back)


def listed(raw, chain):
    chains = raw.in_namespace("iptables", "-S")
    return raw.in_namespace("iptables", "-S", chain) if f"-N {chain}\n" in chains else ""
