"""Three engines for the picture, small, middle and large, as the page would see them.

Each is a document of ``GET /v1/topology``. The large one has 40 networks with 150 containers, most of them in Compose
projects, with what makes a picture hard: a proxy on many networks, an exporter of each project on one network, shared
network namespaces, host mode and containers without a network.
"""

from tests.console import stubs

SERVICES = ("web", "api", "worker", "cache", "db", "queue", "search", "mailer", "cron", "admin")
PROJECTS = ("shop", "billing", "wiki", "media", "metrics", "identity", "mail", "ledger", "maps", "forum", "ci", "lab")


class Estate:
    """Nodes and edges of a topology, which come one after another."""

    def __init__(self):
        self.nodes, self.edges = [], []
        self.host = {"id": "host", "kind": "host", "name": "host", "attributes": {}}
        self.bridge = self.network("bridge")

    def network(self, name, **attributes):
        made = stubs.network(sum(node["kind"] == "network" for node in self.nodes), name, **attributes)
        self.nodes.append(made)
        if attributes.get("driver", "bridge") == "bridge":
            self.edges.append({"source": made["id"], "target": "host", "kind": "host-link", "attributes": {}})
        return made

    def container(self, name, *networks, state="running", **attributes):
        number = sum(node["kind"] == "container" for node in self.nodes)
        made = stubs.container(number, name, state, **attributes)
        self.nodes.append(made)
        self.edges += [stubs.endpoint(made, network, number + 2) for network in networks]
        return made

    def shares(self, name, owner, state="whole", **attributes):
        made = self.container(name, **attributes)
        share = {"share_state": state}
        self.edges.append({"source": made["id"], "target": owner["id"], "kind": "shares-network", "attributes": share})
        return made

    def in_host_mode(self, name, **attributes):
        made = self.container(name, **attributes)
        self.edges.append({"source": made["id"], "target": "host", "kind": "host-link", "attributes": {}})
        return made

    def document(self):
        uplink = {"addresses": ["192.0.2.10/24"]}
        link = {"id": "interface:eth0", "kind": "interface", "name": "eth0", "attributes": uplink}
        edge = {"source": "host", "target": "interface:eth0", "kind": "uplink", "attributes": {}}
        return {"nodes": [*self.nodes, self.host, link], "edges": [*self.edges, edge], "limited": []}


def small():
    """Six containers on three networks: a shop in two tiers, and two containers on the default bridge."""
    estate = Estate()
    front, back = estate.network("shop_front"), estate.network("shop_back", internal=True)
    estate.container("web", front, published_ports=["0.0.0.0:8080->80/tcp"])
    estate.container("api", front, back)
    estate.container("db", back)
    estate.container("cache", back, state="exited")
    for name in ("tomcat81", "tomcat82"):
        estate.container(name, estate.bridge)
    return estate.document()


def middle():
    """Thirty containers on nine networks: three Compose projects, a proxy before them, and containers of their own."""
    estate = Estate()
    edge = estate.network("edge")
    lan = estate.network("office_lan", driver="macvlan", subnets=["10.20.0.0/16"])
    for name, size in (("shop", 8), ("billing", 6), ("wiki", 4)):
        _project(estate, name, size, edge)
    estate.container("traefik", edge, estate.bridge, published_ports=["0.0.0.0:443->443/tcp"])
    owner = estate.container("vpn", estate.bridge)
    estate.shares("torrent", owner)
    estate.shares("indexer", owner, state="stale")
    for name in ("tomcat81", "tomcat82"):
        estate.container(name, estate.bridge)
    for name in ("printer", "scanner"):
        estate.container(name, lan)
    for name in ("node-exporter", "log-shipper"):
        estate.in_host_mode(name)
    for name in ("sealed-vault", "batch"):
        estate.container(name)
    estate.network("left_over")
    return estate.document()


def large():
    """150 containers on 40 networks: twelve Compose projects of three networks, and what they have in common."""
    estate = Estate()
    edge, monitoring = estate.network("edge"), estate.network("monitoring", internal=True)
    proxied = []
    for at, name in enumerate(PROJECTS):
        front = _project(estate, name, 7 + (at * 5) % 7, edge if at % 3 else None, tiers=3)
        exporter = estate.container(f"{name}-exporter-1", front, monitoring, project=name)
        assert exporter
        if not at % 3:
            proxied.append(front)
    estate.container("traefik", edge, *proxied, published_ports=["0.0.0.0:443->443/tcp"])
    for name in ("prometheus", "grafana", "alertmanager"):
        estate.container(name, monitoring)
    owner = estate.container("vpn", estate.bridge)
    estate.shares("torrent", owner)
    for name in ("node-exporter", "log-shipper"):
        estate.in_host_mode(name)
    estate.container("sealed-vault")
    while sum(node["kind"] == "network" for node in estate.nodes) < 40:
        estate.network("left_over")
    singles = 150 - sum(node["kind"] == "container" for node in estate.nodes)
    for at in range(singles):
        estate.container(f"tomcat{81 + at}", estate.bridge)
    return estate.document()


def _project(estate, name, size, edge, tiers=2):
    """A Compose project: the first service is on the tiers' first network, each third one on two neighbouring tiers."""
    networks = [estate.network(f"{name}_{tier}", project=name) for tier in ("front", "back", "data")[:tiers]]
    for at in range(size):
        tier = min(at * tiers // size, tiers - 1)
        on = [networks[tier]]
        if at % 3 == 1 and tier + 1 < tiers:
            on.append(networks[tier + 1])
        if at == 0 and edge:
            on.append(edge)
        state = "exited" if at % 11 == 7 else "running"
        estate.container(
            f"{name}-{SERVICES[at % len(SERVICES)]}-{1 + at // len(SERVICES)}", *on, state=state, project=name
        )
    return networks[0]
