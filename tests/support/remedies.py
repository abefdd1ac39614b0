"""Follows a remedy as a finding gives it. Other programs then see that the pair works and that no protection is gone.

The programs are busybox's ping and wget, in the namespaces themselves, and those that list the rules of the firewall.
None of them knows the service.
"""

import ipaddress
import re
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

from tools.engine import wait_until

HOST = "host"
_OF_IPTABLES = re.compile(r"table ip6? (filter|nat|raw|mangle|security) \{")
_TARGETS = {
    "ACCEPT",
    "DNAT",
    "SNAT",
    "MASQUERADE",
    "MARK",
    "LOG",
    "RETURN",
    "REDIRECT",
    "CT",
    "TPROXY",
    "NFLOG",
    "NOTRACK",
}
"""Of iptables: those that keep no packet out. Every other target drops, or is a chain that may."""
_SECONDS = "1"


def follow(
    api,
    raw,
    finding,
    *,
    between: tuple[str, str] | None = None,
    port=None,
    version=None,
    name=None,
    both=True,
    apart=(),
    open_before=(),
    gives_up=(),
    run=None,
):
    """Send the calls of the finding's remedy and run its commands, exactly as given, and prove what it does.

    ``between`` are two ends that must reach each other afterwards, the first one the second one at ``port``. An end is
    a container, ``host`` or an address; ``version`` is the IP version that is asked for. ``name`` is what the first one
    calls the second one. Without ``both``, only the first one is to reach the second one.

    A container that did not reach another one before, and shares no network with it, must not reach it afterwards. The
    pairs of ``apart`` must not either, whatever was before. Those of ``open_before`` may: they did without the
    fault (``open_pairs``). Rules that keep packets out must all be there afterwards, but for the one that the finding
    quotes, those about addresses and bridges that nothing has any more, and those that have a text of ``gives_up``.
    ``run`` runs a command, by default in the engine's namespace.
    """
    remedy = finding["remedy"]
    assert remedy["calls"] or remedy["commands"], finding
    protection, held = protecting_rules(raw), _held(raw)
    closed = [pair for pair in permutations(_running(raw), 2) if set(pair) != set(between or ())]
    closed = _silent(raw, closed)
    api.send_remedy(remedy)
    for command in remedy["commands"]:
        (run or raw.in_namespace)(*shlex.split(command))
    if between is not None:
        raw.settle()
        _works(raw, *between, port, version)
        if both and not _is_address(between[1]):
            _works(raw, between[1], between[0], None, version)
        assert name is None or _answers(raw, between[0], name, port), f"{between[0]} reaches nothing by the name {name}"
    excused = [*gives_up, *(held - _held(raw)), *_quoted(finding)]
    assert wait_until(lambda: not _lost(raw, protection, excused), 10), _lost(raw, protection, excused)
    strangers = {*apart, *(pair for pair in closed if not _share_a_network(raw, *pair))}
    opened = strangers - set(open_before) - set(_silent(raw, strangers))
    assert not opened, f"reach each other since the remedy: {opened}"


def _works(raw, source, destination, port, version):
    reached = wait_until(lambda: reaches(raw, source, destination, port, version), 10)
    assert reached, f"{source} does not reach {destination}, port {port}, IP version {version}"


def reaches(raw, source, destination, port=None, version=None):
    """Whether a program in the source's namespace gets an answer at an address of the destination."""
    targets = _addresses(raw, source, destination)
    return any(
        _answers(raw, source, target, port) for target in targets if version in {None, 6 if ":" in target else 4}
    )


def open_pairs(raw):
    """The pairs of running containers of which the first one reaches the second one now."""
    pairs = [*permutations(_running(raw), 2)]
    return frozenset(pairs) - frozenset(_silent(raw, pairs))


def _silent(raw, pairs):
    """The pairs of which the first one gets no answer to a ping, at any address of the second one."""
    pairs = list(dict.fromkeys(pairs))
    with ThreadPoolExecutor(max(len(pairs), 1)) as threads:
        answered = list(threads.map(lambda pair: reaches(raw, *pair), pairs))
    return [pair for pair, yes in zip(pairs, answered, strict=True) if not yes]


def _answers(raw, source, target, port):
    place = [f"--net={raw.namespace}"] if source == HOST else ["-t", str(_pid(raw, source)), "--net", "--mount"]
    url = f"http://[{target}]:{port}/" if ":" in target else f"http://{target}:{port}/"
    ping = ["ping", "-c", "1", "-W", _SECONDS, target]
    program = ping if port is None else ["wget", "-q", "-T", _SECONDS, "-O", "/dev/null", url]
    command = ["nsenter", *place, "--", "busybox", *program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # A web server without pages answers as well.
    return done.returncode == 0 or "server returned error" in done.stderr


def _pid(raw, name):
    return raw.get(f"/containers/{name}/json")["State"]["Pid"]


def _endpoints(raw, name):
    """The endpoints of a container, or of the one whose network it shares."""
    found = raw.get(f"/containers/{name}/json")
    mode = found["HostConfig"]["NetworkMode"]
    return (
        _endpoints(raw, mode.partition(":")[2])
        if mode.startswith("container:")
        else found["NetworkSettings"]["Networks"]
    )


def _addresses(raw, source, destination):
    """The addresses of a destination; those of the host are the source's gateways."""
    if _is_address(destination):
        return [destination]
    kinds = ("Gateway", "IPv6Gateway") if destination == HOST else ("IPAddress", "GlobalIPv6Address")
    endpoints = _endpoints(raw, source if destination == HOST else destination).values()
    return [endpoint[kind] for endpoint in endpoints for kind in kinds if endpoint[kind]]


def _is_address(text):
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _running(raw):
    """The names of the containers that run in a namespace of their own."""
    modes = {one["Names"][0].removeprefix("/"): one["HostConfig"]["NetworkMode"] for one in raw.get("/containers/json")}
    return [name for name, mode in modes.items() if mode != HOST]


def _share_a_network(raw, *names):
    running = _running(raw)
    if not set(names) <= set(running):
        return True  # what does not run reaches nothing
    first, second = ({one["NetworkID"] for one in _endpoints(raw, name).values()} for name in names)
    return bool(first & second)


def _held(raw):
    """What rules name and a remedy may take away: the addresses of containers and the bridges of networks."""
    addresses = {address for name in _running(raw) for address in _addresses(raw, name, name)}
    return addresses | {f"br-{network[:12]}" for network in raw.networks()}


# -- rules ---------------------------------------------------------------------------------------------------------


def protecting_rules(raw):
    """The rules that keep packets out or lead to a chain that may, and the policies that drop, without counters."""
    found = set()
    for program in ("iptables-save", "ip6tables-save"):
        table = ""
        for line in raw.in_namespace(program).splitlines():
            table = line[1:] if line.startswith("*") else table
            policy = re.match(r":(\S+) DROP", line)
            target = re.search(r" -j (\S+)", line)
            if policy or (line.startswith("-A") and target and target[1] not in _TARGETS):
                found.add(f"{program} {table}: {policy[0] if policy else line}")
    return found | (_native(raw) if shutil.which("nft") else set())


def _native(raw):
    """The same of the tables that iptables did not write."""
    found, place = set(), ""
    for line in map(str.strip, raw.in_namespace("nft", "-s", "list", "ruleset").splitlines()):
        if line.startswith("table "):
            place = "" if _OF_IPTABLES.fullmatch(line) else line
        elif line.startswith("chain "):
            place = place and f"{place.partition(' {')[0]} {{ {line}"
        elif place and re.search(r"\b(drop|reject|jump|goto|vmap)\b", line):
            found.add(f"nft {place} {line}")
    return found


def _lost(raw, before, excused):
    return sorted(rule for rule in before - protecting_rules(raw) if not any(text in rule for text in excused))


def _quoted(finding):
    """The rule that the finding blames, in the words in which the firewall lists it."""
    rule = finding["evidence"].get("rule")
    return [] if not isinstance(rule, str) else [rule.removeprefix("iptables ").removeprefix("ip6tables ")]
