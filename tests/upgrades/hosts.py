"""Random hosts: networks, containers, rules of other programs and settings of the daemon, made on any engine.

Everything is chosen by a seed, with fixed names of bridges and fixed addresses, so that the same host can be made on
several engines, and the same rules fit it.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from tests.support.api import container

PORT = 8080
FIRST_PORT = 20_000
BRIDGE = "com.docker.network.bridge."
COMMAND = ["sh", "-c", f"httpd -p {PORT}; exec sleep 36000"]
LAN_ADDRESS = "192.0.2.1"
KINDS = (
    {},
    {},
    {},
    {"internal": True},
    {BRIDGE + "enable_icc": "false"},
    {BRIDGE + "enable_ip_masquerade": "false"},
    {BRIDGE + "host_binding_ipv4": "127.0.0.1"},
)
MODES = (
    *({BRIDGE + "gateway_mode_ipv4": mode} for mode in ("routed", "nat-unprotected")),
    {BRIDGE + "gateway_mode_ipv6": "routed"},
    {BRIDGE + f"gateway_mode_ipv{version}": "routed" for version in (4, 6)},
)
"""Since Docker 28. Docker 26 keeps these options and ignores them."""


@dataclass(frozen=True)
class Variant:
    """An engine with a firewall backend."""

    name: str
    release: tuple[int, int]
    nftables: bool = False

    @property
    def has_direct_routing(self):
        return self.release >= (28, 2)


@dataclass
class Host:
    """What is made on each engine: ``rules`` are commands in the order in which they are run."""

    seed: int
    has_modes: bool
    networks: list = field(default_factory=list)
    containers: list = field(default_factory=list)
    rules: list = field(default_factory=list)
    settings: dict = field(default_factory=dict)

    def __post_init__(self):
        self.dice = random.Random(self.seed)
        self.settings = {
            "userland_proxy": self._chance(0.7),
            "icc": self._chance(0.85),
            "ip6tables": self.dice.choice([None, None, True, False]),
            "allow_direct_routing": self._chance(0.15),
            # Docker sets the policy of FORWARD to DROP when it switches forwarding on itself.
            "forwarding": self._chance(0.5),
        }
        for number in range(self.dice.randint(2, 4)):
            self.networks.append(self._network(number))
        for number in range(self.dice.randint(4, 7)):
            self.containers.append(self._container(number))
        for _ in range(self.dice.randint(0, 3)):
            self.rules += self._rule()

    def _chance(self, share):
        return self.dice.random() < share

    def _network(self, number):
        name, ipv6 = f"u{number}", self._chance(0.4)
        options = dict(self.dice.choice(KINDS + MODES * self.has_modes))
        internal = options.pop("internal", False)
        pools = [{"subnet": f"10.{60 + number}.0.0/24"}]
        if ipv6:
            pools.append({"subnet": f"fd00:60:{number + 1}::/64"})
        options[BRIDGE + "name"] = f"br-{name}"
        return {"name": name, "internal": internal, "ipv6_enabled": ipv6, "options": options, "ipam": {"pools": pools}}

    def _container(self, number):
        name, fields = f"c{number}", {}
        kind = self.dice.choice(["on", "on", "on", "on", "on", "both", "bridge", "none", "shares"])
        owners = [one["name"] for one in self.containers if "networks" in one]
        if kind in {"on", "both"} or (kind == "shares" and not owners):
            chosen = self.dice.sample(self.networks, 2 if kind == "both" else 1)
            fields["networks"] = [self._place(network, number) for network in chosen]
        elif kind == "shares":
            fields["network_mode"] = f"container:{self.dice.choice(owners)}"
        else:
            fields["network_mode"] = kind
        if kind != "shares" and fields.get("network_mode") != "none" and self._chance(0.5):
            fields["published_ports"] = [self._port(number)]
        command = ["sleep", "36000"] if fields.get("network_mode", "").startswith("container:") else COMMAND
        return container(name, command=command, **fields)

    def _place(self, network, number):
        place = {"network": network["name"], "ipv4_address": _at(network["ipam"]["pools"][0]["subnet"], number)}
        if network["ipv6_enabled"]:
            place["ipv6_address"] = _at(network["ipam"]["pools"][1]["subnet"], number)
        return place

    def _port(self, number):
        host_ip = self.dice.choice([None, None, None, "127.0.0.1", LAN_ADDRESS])
        return {"container_port": PORT, "host_port": FIRST_PORT + number, "protocol": "tcp", "host_ip": host_ip}

    # -- rules of other programs --

    def _rule(self):
        kinds = ("ufw", "tailscale", "user", "user", "user", "forward", "forward", "raw", "native", "six")
        return getattr(self, f"_of_{self.dice.choice(kinds)}")()

    def _of_ufw(self):
        if any("ufw" in rule for rule in self.rules):
            return []
        return [
            "iptables -P FORWARD DROP",
            "iptables -N ufw-before-forward",
            "iptables -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "iptables -A ufw-before-forward -p icmp --icmp-type echo-request -j ACCEPT",
            "iptables -A FORWARD -j ufw-before-forward",
        ]

    def _of_tailscale(self):
        if any("ts-" in rule for rule in self.rules):
            return []
        return [
            "iptables -N ts-forward",
            "iptables -A ts-forward -i tailscale0 -j MARK --set-xmark 0x40000/0xff0000",
            "iptables -A ts-forward -m mark --mark 0x40000/0xff0000 -j ACCEPT",
            "iptables -A ts-forward -s 100.64.0.0/10 -o tailscale0 -j DROP",
            "iptables -A ts-forward -o tailscale0 -j ACCEPT",
            "iptables -I FORWARD -j ts-forward",
        ]

    def _of_user(self):
        return [f"iptables -I DOCKER-USER {self._match()} -j {self.dice.choice(['DROP', 'DROP', 'ACCEPT'])}"]

    def _of_forward(self):
        how = self.dice.choice(["-A", "-I"])
        return [f"iptables {how} FORWARD {self._match()} -j {self.dice.choice(['DROP', 'ACCEPT'])}"]

    def _of_raw(self):
        return [f"iptables -t raw -A PREROUTING -s {self._address()} -j DROP"]

    def _of_native(self):
        if any("guard" in rule for rule in self.rules):
            return []
        return [
            "nft add table inet guard",
            "nft add chain inet guard forward { type filter hook forward priority -10 ; }",
            f"nft add rule inet guard forward ip saddr {self._address()} drop",
        ]

    def _of_six(self):
        six = [network for network in self.networks if network["ipv6_enabled"]]
        if not six:
            return []
        subnet = self.dice.choice(six)["ipam"]["pools"][1]["subnet"]
        return [f"ip6tables -I FORWARD -d {subnet} -j {self.dice.choice(['DROP', 'ACCEPT'])}"]

    def _match(self):
        bridges = ["docker0", *(network["options"][BRIDGE + "name"] for network in self.networks)]
        found = self.dice.choice(
            [f"-s {self._address()}", f"-d {self._address()}", f"-i {self.dice.choice(bridges)}",
             f"-o {self.dice.choice(bridges)}"]
        )  # fmt: skip
        return f"{found} {self.dice.choice(['', f'-p tcp --dport {PORT}', '-p icmp'])}"

    def _address(self):
        places = [place["ipv4_address"] for one in self.containers for place in one.get("networks", ())]
        return self.dice.choice([*places, "10.60.0.0/24"])

    # -- on one engine --

    def daemon(self, variant):
        """The settings of dockerd."""
        wanted = {"userland-proxy": self.settings["userland_proxy"], "icc": self.settings["icc"]}
        six = self.settings["ip6tables"]
        if variant.release < (27, 0):
            wanted |= {"experimental": True, "ip6tables": True} if six else {}
        elif six is not None:
            wanted["ip6tables"] = six
        if variant.has_direct_routing and self.settings["allow_direct_routing"]:
            wanted["allow-direct-routing"] = True
        if variant.nftables:
            wanted |= {"firewall-backend": "nftables", "ip-forward": False}
        return wanted

    def upgrade(self, now, target):
        """The change of a plan that leads from one engine to the other."""
        wanted = {"version": "{}.{}".format(*target.release)}
        if now.nftables is not target.nftables:
            wanted["firewall_backend"] = "nftables" if target.nftables else "iptables"
        if self.settings["ip6tables"] is not None and (now.release < (27, 0)) is not (target.release < (27, 0)):
            wanted["ip6tables"] = self.settings["ip6tables"]
        if target.has_direct_routing and not now.has_direct_routing and self.settings["allow_direct_routing"]:
            wanted["allow_direct_routing"] = True
        return wanted

    def rules_on(self, variant):
        """The rules of others; those of DOCKER-USER are nowhere with nftables."""
        return [rule for rule in self.rules if not (variant.nftables and "DOCKER-USER" in rule)]


def _at(subnet, number):
    if ":" in subnet:
        return subnet.replace("::/64", f"::{number + 16:x}")
    return re.sub(r"\.0/24$", f".{number + 10}", subnet)
