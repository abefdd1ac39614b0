"""Faults of address pools and names in a request, all of them at once.

Pointers are RFC 6901, into the body of ``POST /v1/networks`` or ``POST /v1/containers``. Special-use ranges: IANA's
special-purpose address registries (RFC 6890).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from bridgework.ipam.intervals import Interval, enclosures, parse
from bridgework.model.errors import InputFault, quoted
from bridgework.model.snapshot import BUILTIN_NETWORKS, Pool

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network

# The engine accepts 8.8.8.0/24 or 169.254.169.0/24 and adds a route to it on the host, which then loses the real hosts.
REFUSED_RANGES: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "the unspecified network"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local, with the cloud's metadata service at 169.254.169.254"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/127", "the unspecified and the loopback address"),
    ("::ffff:0:0/96", "IPv4-mapped addresses"),
    ("fd00:ec2::254/128", "the cloud's metadata service"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
)
PRIVATE_RANGES = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "198.18.0.0/15",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "fc00::/7",
    "2001:db8::/32",
)
_CIDR = re.compile(r"[0-9A-Fa-f:.]+/(?:0|[1-9][0-9]{0,2})")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_LOOKS_LIKE_AN_ID = re.compile(r"[0-9a-f]{12}|[0-9a-f]{64}")
_RESERVED_NAMES = BUILTIN_NETWORKS | {"default"}
MAX_LABEL_LENGTH = 63
MAX_NAME_LENGTH = 128


def validate_pools(
    pools: Sequence[Pool],
    *,
    ipv4_enabled: bool,
    ipv6_enabled: bool,
    driver: str = "bridge",
    allow_public: bool = False,
) -> list[InputFault]:
    """Return every fault of the pools, in their order; empty when the engine may have them."""
    enabled = {4: ipv4_enabled, 6: ipv6_enabled}
    faults: list[InputFault] = []
    subnets: list[tuple[int, Subnet]] = []
    for index, pool in enumerate(pools):
        pointer = f"/ipam/pools/{index}"
        subnet, fault = _subnet(pool.subnet, f"{pointer}/subnet")
        faults += [fault] if fault else []
        if subnet is not None:
            subnets.append((index, subnet))
            faults += _faults_of_subnet(subnet, f"{pointer}/subnet", enabled, driver, allow_public=allow_public)
        faults += _faults_inside(pool, subnet, pointer)
    return faults + list(_faults_between(subnets, driver))


def _subnet(text: str, pointer: str) -> tuple[Subnet | None, InputFault | None]:
    if not _CIDR.fullmatch(text):
        return None, InputFault(pointer, f"{quoted(text)} is not a subnet in CIDR notation, such as 10.77.0.0/24.")
    try:
        loose = ip_network(text, strict=False)
    except ValueError:
        return None, InputFault(pointer, f"{quoted(text)} is not a subnet in CIDR notation, such as 10.77.0.0/24.")
    address = ip_address(text.partition("/")[0])
    if address != loose.network_address:
        return loose, InputFault(pointer, f"{text} has host bits set; the subnet is {loose}.")
    return loose, None


def _faults_of_subnet(
    subnet: Subnet, pointer: str, enabled: Mapping[int, bool], driver: str, *, allow_public: bool
) -> Iterator[InputFault]:
    version = subnet.version
    if not enabled[version]:
        yield InputFault(pointer, f"{subnet} is an IPv{version} pool, and ipv{version}_enabled is false.")
    if driver == "bridge" and subnet.max_prefixlen - subnet.prefixlen <= 1:
        yield InputFault(pointer, f"{subnet} has no room for a gateway and a container; a bridge needs more addresses.")
    refused = why_refused(_interval(subnet), allow_public=allow_public)
    if refused:
        yield InputFault(pointer, f"{subnet} {refused}.")


def why_refused(interval: Interval, *, allow_public: bool = False) -> str | None:
    """Return why a subnet is refused for its place in the address space, as the end of a sentence; else ``None``."""
    for cidr, what in REFUSED_RANGES:
        special = parse(cidr)
        if special and special.overlaps(interval):
            return f"overlaps {cidr}, {what}"
    if allow_public or any(private and _holds(private, interval) for private in map(parse, PRIVATE_RANGES)):
        return None
    return "is not private: containers could not reach the real hosts at these addresses"


def _faults_inside(pool: Pool, subnet: Subnet | None, pointer: str) -> Iterator[InputFault]:
    """Yield the faults of the gateway, the range and the reserved addresses against their subnet."""
    taken: dict[Address, str] = {}
    named = [(f"{pointer}/gateway", "the gateway", pool.gateway)] if pool.gateway is not None else []
    named += [
        (f"{pointer}/auxiliary_addresses/{_escape(name)}", f"the reserved address {quoted(name)}", text)
        for name, text in pool.auxiliary_addresses.items()
    ]
    for place, what, text in named:
        yield from _faults_of_address(text, place, subnet, taken, what)
    if pool.ip_range is None:
        return
    inner, fault = _subnet(pool.ip_range, f"{pointer}/ip_range")
    if fault:
        yield fault
    if inner is not None and subnet is not None and not _holds(_interval(subnet), _interval(inner)):
        yield InputFault(f"{pointer}/ip_range", f"{inner} does not lie inside {subnet}.")


def _faults_of_address(
    text: str, pointer: str, subnet: Subnet | None, taken: dict[Address, str], what: str
) -> Iterator[InputFault]:
    try:
        address = ip_address(text)
    except ValueError:
        yield InputFault(pointer, f"{quoted(text)} is not an IP address.")
        return
    if address in taken:
        yield InputFault(pointer, f"{address} is already {taken[address]}.")
    taken.setdefault(address, what)
    if subnet is None:
        return
    if address.version != subnet.version:
        yield InputFault(pointer, f"{address} is IPv{address.version}, and its subnet {subnet} is IPv{subnet.version}.")
    elif address not in subnet:
        yield InputFault(pointer, f"{address} does not lie inside {subnet}.")
    elif address == subnet.network_address:
        yield InputFault(pointer, f"{address} is the address of the network {subnet} itself.")
    elif isinstance(address, IPv4Address) and address == subnet.broadcast_address:
        yield InputFault(pointer, f"{address} is the broadcast address of {subnet}.")


def _faults_between(subnets: Sequence[tuple[int, Subnet]], driver: str) -> Iterator[InputFault]:
    pairs = enclosures((_interval(subnet), (index, subnet)) for index, subnet in subnets)
    for first, second in sorted((sorted(pair, key=lambda p: p[0]) for pair in pairs), key=lambda p: (p[1][0], p[0][0])):
        yield InputFault(f"/ipam/pools/{second[0]}/subnet", f"{second[1]} overlaps pool {first[0]}, {first[1]}.")
    if driver != "bridge":
        return
    versions: set[int] = set()
    for index, subnet in subnets:
        if subnet.version in versions:
            yield InputFault(f"/ipam/pools/{index}", f"A bridge network takes one IPv{subnet.version} pool.")
        versions.add(subnet.version)


def _interval(subnet: Subnet) -> Interval:
    return Interval(subnet.version, int(subnet.network_address), int(subnet.broadcast_address))


def _holds(outer: Interval, inner: Interval) -> bool:
    return outer.overlaps(inner) and outer.first <= inner.first and inner.last <= outer.last


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


def validate_network_name(name: str, *, pointer: str = "/name") -> list[InputFault]:
    """Return the faults of a new network's name: not Docker's letters, a builtin network's, or like an id."""
    faults = _faults_of_name(name, pointer, "network")
    if name in _RESERVED_NAMES:
        faults.append(InputFault(pointer, f"{name} is a name that Docker keeps for itself."))
    return faults


def validate_container_name(name: str, *, pointer: str = "/name") -> list[InputFault]:
    """Return the faults of a new container's name; Docker requires two characters at least."""
    faults = _faults_of_name(name, pointer, "container")
    if len(name) == 1:
        faults.append(InputFault(pointer, "A container's name has at least two characters."))
    return faults


def _faults_of_name(name: str, pointer: str, noun: str) -> list[InputFault]:
    faults = []
    if not _NAME.fullmatch(name):
        allowed = "a letter or digit, then letters, digits, '_', '.' and '-'"
        faults.append(InputFault(pointer, f"A {noun}'s name is {allowed} (ASCII)."))
    if len(name) > MAX_NAME_LENGTH or any(len(label) > MAX_LABEL_LENGTH for label in name.split(".")):
        limits = f"{MAX_LABEL_LENGTH} characters between dots, {MAX_NAME_LENGTH} in all"
        faults.append(InputFault(pointer, f"The name is too long for DNS to carry: {limits}."))
    if _LOOKS_LIKE_AN_ID.fullmatch(name):
        faults.append(InputFault(pointer, f"{name} could be mistaken for an id."))
    return faults
