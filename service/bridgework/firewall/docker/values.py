"""What an engine's rules are made of, and the rules themselves, as values of one IP version."""

from __future__ import annotations

from dataclasses import dataclass

NAT, UNPROTECTED, ROUTED = "nat", "nat-unprotected", "routed"
IPV4, IPV6 = 4, 6


@dataclass(frozen=True, slots=True)
class Engine:
    """The settings of an engine that change its rules.

    ``release`` is its major and minor version. ``allow_direct_routing`` and ``raw_rules`` (off where the daemon's
    environment has DOCKER_INSECURE_NO_IPTABLES_RAW=1) are ``None`` where they are not known: its API does not show
    them. ``forward_drops`` says whether the policy of the chain FORWARD is DROP. ``accept_mark`` is the mark with which
    packets are forwarded (``bridge-accept-fwmark``, Docker 29), as ``iptables-save`` prints it. ``nftables``: it writes
    its rules with nftables (``firewall-backend``).
    """

    release: tuple[int, int]
    userland_proxy: bool = True
    iptables: bool = True
    ip6tables: bool = True
    allow_direct_routing: bool | None = None
    raw_rules: bool | None = None
    forward_drops: bool | None = None
    accept_mark: str | None = None
    nftables: bool = False


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge network: ``name`` is its interface, ``subnet`` is ``None`` where it has none of the IP version.

    ``mode`` is the gateway mode, ``host_ip`` the address for outgoing packets instead of that of the way out,
    ``trusted`` the interfaces whose packets reach the containers' addresses directly, ``addresses`` those of the
    active endpoints.
    """

    name: str
    subnet: str | None
    internal: bool = False
    icc: bool = True
    masquerade: bool = True
    host_ip: str | None = None
    mode: str = NAT
    trusted: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    """A published port, with the bridge and the address of the container that get it.

    ``host_ip`` is ``""`` for every address of the host, ``host_port`` is 0 where nothing is translated (mode routed),
    and where the engine has yet to choose it.
    ``certain`` is false where it is not known whether the engine has opened the port at that address.
    """

    bridge: str
    address: str
    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the default bridge: the container at ``source`` reaches an exposed port of the one at ``address``."""

    bridge: str
    source: str
    address: str
    port: int
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class Because:
    """The option that causes a rule, in Docker's words, and the bridge or the port for which the rule is there."""

    option: str
    bridge: str | None = None
    port: Port | None = None

    @property
    def setting(self) -> str:
        """What decides whether the rule is there, where that is not known: the option, or the past of its port."""
        if self.port is None:
            return self.option
        return f"{self.option}: {self.port.container_port}/{self.port.protocol} at {self.port.address}"


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """One rule as its program prints it.

    ``unknown``: whether it is there depends on a setting, or on networks of the past, that are not known.
    """

    text: str
    because: Because
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """One rule as the engine writes it: ``first`` puts it before the others of its chain, otherwise it is the last.

    A rule that is there already is not written again. With ``moved_for``, the name of the bridge that is being made, it
    is deleted first, so it comes to the front again.
    """

    table: str
    chain: str
    rule: WrittenRule
    first: bool
    moved_for: str | None = None
