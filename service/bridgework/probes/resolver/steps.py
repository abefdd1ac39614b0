"""Resolves names in the order of glibc's steps, without a socket.

``resolve`` and ``reverse`` are generators: they yield the queries that the C library sends at the same time, and are
sent their answers in the same order (``None`` for silence). So a single check and a whole matrix use the same steps.
The order is: literal address, hosts file, then DNS with the names that ``ndots`` and the search list give, the servers
in the order of resolv.conf, in ``attempts`` rounds. Source: glibc 2.41, resolv/res_query.c and resolv/res_send.c.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Generator
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from bridgework.model.checks import Reason
from bridgework.model.observations import ResolverConfiguration
from bridgework.probes.resolver.files import DEFAULT_NAMESERVER, ResolverOptions, options_of

# Addresses used of one name, and records read of one answer: a hostile server can send thousands.
MAX_ADDRESSES = 64
_ADDRESS_TYPES = {4: (dns.rdatatype.A,), 6: (dns.rdatatype.AAAA,), None: (dns.rdatatype.AAAA, dns.rdatatype.A)}
_FINAL_CODES = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


@dataclass(frozen=True, slots=True)
class Query:
    """A question for a server; the source would wait ``timeout_s`` for this one answer."""

    message: dns.message.QueryMessage
    server: str
    timeout_s: float
    use_tcp: bool


@dataclass(frozen=True, slots=True)
class Resolution:
    """The addresses in the order of their use, or the reason for none; ``server`` answered last."""

    addresses: tuple[str, ...] = ()
    reason: Reason | None = None
    detail: str | None = None
    server: str | None = None


_TRUNCATED = "the source's resolver files are longer than what is read of them, and their beginning lacks the name"
Answer = dns.message.Message | None
Queries = tuple[Query, ...]
Answers = tuple[Answer, ...]
Steps = Generator[Queries, Answers, Resolution]


@dataclass(frozen=True, slots=True)
class _Lookup:
    """The records of one query; ``code`` is ``None`` when no server answered."""

    records: list[str]
    code: dns.rcode.Rcode | None
    server: str | None


def resolve(configuration: ResolverConfiguration, name: str, ip_version: int | None) -> Steps:
    """Resolve to addresses of ``ip_version`` (``None``: both, IPv6 first, as in glibc's default policy)."""
    known = literal(name, ip_version) or in_hosts_file(configuration, name, ip_version)
    if known:
        return _found(name, known)
    if configuration.truncated:
        return Resolution(reason=Reason.NAMESPACE_OUT_OF_REACH, detail=_TRUNCATED)
    options, kinds = options_of(configuration), _ADDRESS_TYPES[ip_version]
    lookups: list[_Lookup] = []
    results: list[_Lookup] = []
    silent = False
    for candidate in candidates(name, configuration.search, options.ndots):
        # After silence the C library leaves out the rest of the search list, and still asks for the name as it is.
        if silent and candidate != _as_it_is(name):
            continue
        messages = [dns.message.make_query(candidate, kind) for kind in kinds]
        results = yield from _ask(configuration, options, messages)
        lookups += results
        if any(lookup.records for lookup in results):
            break
        silent = silent or all(lookup.code is None for lookup in results)
    unanswered = [kind.name for kind, lookup in zip(kinds, results, strict=False) if lookup.code is None]
    return _conclude(name, lookups, unanswered)


def _as_it_is(name: str) -> dns.name.Name | None:
    return _name_or_none(f"{name.removesuffix('.')}.")


def _conclude(name: str, lookups: list[_Lookup], unanswered: list[str]) -> Resolution:
    """Conclude from all lookups. ``unanswered`` are the record types without an answer at the last name tried."""
    server = next((lookup.server for lookup in reversed(lookups) if lookup.server), None)
    addresses = tuple(dict.fromkeys(record for lookup in lookups for record in lookup.records))
    if addresses:
        # The C library uses the addresses of one version without those of the other as well.
        silence = f"no nameserver answered in time whether {name} has {unanswered[0]} records" if unanswered else None
        return _found(name, addresses, server, silence)
    reason, detail = _no_address(name, {lookup.code for lookup in lookups})
    return Resolution(reason=reason, detail=detail, server=server)


def _no_address(name: str, codes: set[dns.rcode.Rcode | None]) -> tuple[Reason, str]:
    """Return why there is no address, by the most specific code; ``None`` stands for silence."""
    if None in codes:
        return Reason.RESOLVER_FAILED, "no nameserver answered"
    if dns.rcode.NOERROR in codes:
        return Reason.NO_ADDRESS, f"{name} has no address of the wanted kind"
    if codes - _FINAL_CODES:
        return Reason.RESOLVER_FAILED, "the nameserver answered with an error"
    return Reason.NAME_UNKNOWN, f"no server knows the name {name}"


def _found(name: str, addresses: tuple[str, ...], server: str | None = None, detail: str | None = None) -> Resolution:
    if len(addresses) >= MAX_ADDRESSES:
        detail = f"{name} has {MAX_ADDRESSES} addresses or more; the first {MAX_ADDRESSES} are used"
    return Resolution(addresses[:MAX_ADDRESSES], detail=detail, server=server)


def literal(name: str, ip_version: int | None) -> tuple[str, ...]:
    """Return the text as an address, in any spelling that the C library takes (``10.1`` is ``10.0.0.1``)."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        if not name[:1].isdigit():
            return ()
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(name))
        except (OSError, ValueError):
            return ()
    return (str(address),) if ip_version in {None, address.version} else ()


def in_hosts_file(configuration: ResolverConfiguration, name: str, ip_version: int | None) -> tuple[str, ...]:
    """Return every address of this version that the hosts file gives the name, in the file's order."""
    named = configuration.addresses_by_name.get(name.rstrip(".").lower(), ())
    return tuple(dict.fromkeys(usable for address in named for usable in literal(address, ip_version)))


def candidates(name: str, search: tuple[str, ...], ndots: int) -> list[dns.name.Name]:
    """Return the absolute names to try, in order, without those that are no names."""
    as_it_is = f"{name.removesuffix('.')}."
    with_search = [f"{name}.{domain.rstrip('.')}." if domain.rstrip(".") else as_it_is for domain in search]
    ordered = [as_it_is, *with_search] if name.count(".") >= ndots else [*with_search, as_it_is]
    # With a trailing dot the search list is not used.
    usable = (_name_or_none(text) for text in dict.fromkeys([as_it_is] if name.endswith(".") else ordered))
    return [candidate for candidate in usable if candidate is not None]


def _name_or_none(text: str) -> dns.name.Name | None:
    try:
        return dns.name.from_text(text)
    except (dns.exception.DNSException, UnicodeError):
        return None


@dataclass(frozen=True, slots=True)
class ReverseResolution:
    """The name of an address without the final dot, or none; ``detail`` says that no server answered in time."""

    name: str | None = None
    detail: str | None = None


def reverse(configuration: ResolverConfiguration, address: str) -> Generator[Queries, Answers, ReverseResolution]:
    """Look the name of an address up in the hosts file, or else by its PTR record."""
    for known, names in configuration.hosts:
        if literal(known, None) == literal(address, None):
            return ReverseResolution(names[0])
    name = dns.name.from_text(ipaddress.ip_address(address.partition("%")[0]).reverse_pointer)
    query = dns.message.make_query(name, dns.rdatatype.PTR)
    (lookup,) = yield from _ask(configuration, options_of(configuration), [query])
    if lookup.code is None:
        return ReverseResolution(detail=f"no nameserver answered the reverse lookup of {address} in time")
    return ReverseResolution(lookup.records[0].rstrip(".") if lookup.records else None)


def _ask(
    configuration: ResolverConfiguration, options: ResolverOptions, messages: list[dns.message.QueryMessage]
) -> Generator[Queries, Answers, list[_Lookup]]:
    """Look up the messages at the same time, or one after another with the option ``single-request``."""
    if not options.single_request:
        return (yield from _ask_together(configuration, options, messages))
    lookups: list[_Lookup] = []
    for message in messages:
        lookups += yield from _ask_together(configuration, options, [message])
    return lookups


def _ask_together(
    configuration: ResolverConfiguration, options: ResolverOptions, messages: list[dns.message.QueryMessage]
) -> Generator[Queries, Answers, list[_Lookup]]:
    """Ask server by server, round by round, until each message has an answer. All messages share one time-out."""
    lookups = [_Lookup([], None, None)] * len(messages)
    servers = configuration.nameservers or (DEFAULT_NAMESERVER,)
    for _ in range(options.attempts):
        for position, server in enumerate(servers):
            open_ = [number for number, lookup in enumerate(lookups) if lookup.code not in _FINAL_CODES]
            if not open_:
                return lookups
            wait_s = _wait_s(options.timeout_s, position, len(servers))
            answers = yield tuple(Query(messages[number], server, wait_s, options.use_tcp) for number in open_)
            for number, answer in zip(open_, answers, strict=True):
                if answer is not None:
                    lookups[number] = _lookup(answer, messages[number], server)
    return lookups


def _wait_s(timeout_s: float, position: int, servers: int) -> float:
    """Return the wait for the server at this position of resolv.conf, computed as by glibc (send_dg), whole seconds."""
    return timeout_s if position == 0 else max(1.0, float(int(timeout_s) * 2**position // servers))


def _lookup(answer: dns.message.Message, message: dns.message.QueryMessage, server: str) -> _Lookup:
    code = answer.rcode()
    if code in _FINAL_CODES:
        return _Lookup(_records(answer, message), code, server)
    return _Lookup([], code, None)


def _records(answer: dns.message.Message, query: dns.message.QueryMessage) -> list[str]:
    """Return the records at the end of the chain of CNAMEs; none when the chain is broken."""
    if not isinstance(answer, dns.message.QueryMessage):
        return []
    try:
        records = answer.resolve_chaining().answer
    except dns.exception.DNSException:
        return []
    return [record.to_text() for record in records] if records and records.rdtype == query.question[0].rdtype else []
