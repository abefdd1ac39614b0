"""An engine of two hundred containers as the page would see it, without the engine: the machine is spared."""

import json

LIMITED = {
    "code": "host-out-of-reach", "what": "the host", "why": "It cannot be entered.", "remedy": "Give CAP_SYS_ADMIN.",
}  # fmt: skip
TEAMS = ("shop", "billing", "search", "media", "metrics", "identity", "mail", "ledger", "maps", "queue")
ROLES = ("api", "worker", "web", "cache", "db")


def network(number, name, driver="bridge", **attributes):
    subnet = f"172.{17 + number}.0.0/16"
    bridge = ("docker0" if name == "bridge" else f"br-{number:012x}") if driver == "bridge" else None
    known = {
        "bridge_name": bridge, "builtin": name == "bridge", "driver": driver, "endpoint_count": 0, "internal": False,
        "scope": "local", "subnets": [subnet],
    }  # fmt: skip
    return {"id": f"{number:064x}", "kind": "network", "name": name, "attributes": {**known, **attributes}}


def container(number, name, state="running", **attributes):
    known = {"image": f"registry/{name.split('-')[0]}:4.2", "network_mode": "bridge", "published_ports": []}
    known |= {"running": state in {"running", "paused"}, "state": state}
    return {"id": f"{number + 4096:064x}", "kind": "container", "name": name, "attributes": {**known, **attributes}}


def endpoint(member, place, number):
    prefix = place["attributes"]["subnets"][0].removesuffix(".0.0/16")
    known = {
        "aliases": [], "interface": None, "ipv4_address": f"{prefix}.{number // 250}.{number % 250 + 2}",
        "ipv6_address": None, "mac_address": None, "state": "active", "veth": None,
    }  # fmt: skip
    return {"source": member["id"], "target": place["id"], "kind": "endpoint", "attributes": known}


def large_engine(count=200):
    """Ten teams of different sizes, a proxy on every network, some stopped, some sharing, some in host mode."""
    bridge, empty = network(0, "bridge"), network(40, "left_over")
    vlan = network(41, "office_lan", driver="macvlan", subnets=["10.20.0.0/24"], internal=True)
    teams = [network(1 + at, f"{team}_net") for at, team in enumerate(TEAMS)]
    nodes, edges = [bridge, empty, vlan, *teams], []
    for at in range(count - 12):
        team = (at * at + at // 7) % len(TEAMS)
        state = "exited" if at % 17 == 5 else "paused" if at % 61 == 9 else "running"
        ports = [f"0.0.0.0:{9000 + at}->8080/tcp"] if at % 9 == 0 else []
        one = container(at, f"{TEAMS[team]}-{ROLES[at % 5]}-{at}", state, published_ports=ports)
        nodes.append(one)
        edges.append(endpoint(one, teams[team], at))
        if at % 12 == 3:
            edges.append(endpoint(one, teams[(team + 3) % len(TEAMS)], at))
    proxy = container(9300, "edge-proxy", published_ports=["0.0.0.0:443->443/tcp"])
    edges += [endpoint(proxy, place, 240) for place in (bridge, *teams[:4])]
    odd = [
        container(9310 + at, name)
        for at, name in enumerate(("tomcat81", "tomcat82", "legacy-app", "printer", "scanner"))
    ]
    edges += [endpoint(one, bridge, at) for at, one in enumerate(odd[:3])] + [endpoint(one, vlan, 9) for one in odd[3:]]
    agents = [container(9320 + at, name) for at, name in enumerate(("node-exporter", "log-shipper"))]
    edges += [{"source": one["id"], "target": "host", "kind": "host-link", "attributes": {}} for one in agents]
    sidecars = [container(9330 + at, f"sidecar-{at}") for at in range(3)]
    for at, one in enumerate(sidecars):
        share = {"share_state": "stale" if at == 1 else "whole"}
        edges.append(
            {"source": one["id"], "target": nodes[13 + at]["id"], "kind": "shares-network", "attributes": share}
        )
    nodes += [proxy, *odd, *agents, *sidecars, container(9340, "sealed-vault")]
    nodes.append({"id": "host", "kind": "host", "name": "host", "attributes": {}})
    nodes.append(
        {"id": "interface:eth0", "kind": "interface", "name": "eth0", "attributes": {"addresses": ["192.0.2.10/24"]}}
    )
    edges.append({"source": "host", "target": "interface:eth0", "kind": "uplink", "attributes": {}})
    for place in (bridge, empty, *teams):
        edges.append({"source": place["id"], "target": "host", "kind": "host-link", "attributes": {}})
    return {"nodes": nodes, "edges": edges, "limited": []}


def matrix_lines(document):
    """The stream of a matrix over that engine: those on a common network reach each other."""
    members = [node for node in document["nodes"] if node["kind"] == "container"]
    places = {node["id"]: set() for node in members}
    for edge in document["edges"]:
        if edge["kind"] == "endpoint":
            places[edge["source"]].add(edge["target"])
    names = [{"id": node["id"], "name": node["name"]} for node in members]
    lines = [{"type": "start", "containers": names, "rows_total": len(names)}]
    counts = {"reachable": 0, "unreachable": 0, "inconclusive": 0}
    for row, one in enumerate(members):
        verdicts = [_verdict(one, other, places) for other in members]
        for verdict in verdicts:
            if verdict != "self":
                counts[verdict] += 1
        rtts = [
            0.04 * (1 + (row * at) % 23) ** 2 if verdict == "reachable" else 0 for at, verdict in enumerate(verdicts)
        ]
        lines.append(
            {
                "type": "row",
                "index": row,
                "verdicts": verdicts,
                "rtt_ms": rtts,
                "rows_done": row + 1,
                "rows_total": len(names),
            }
        )
    summary = {"pairs": sum(counts.values()), **counts, "surprises": 0}
    lines.append({"type": "end", "summary": summary, "surprises": [], "addresses": [], "duration_ms": 2140.0})
    return "".join(json.dumps(line) + "\n" for line in lines)


def _verdict(one, other, places):
    if one["id"] == other["id"]:
        return "self"
    if "paused" in {one["attributes"]["state"], other["attributes"]["state"]}:
        return "inconclusive"
    running = one["attributes"]["running"] and other["attributes"]["running"]
    return "reachable" if running and places[one["id"]] & places[other["id"]] else "unreachable"
