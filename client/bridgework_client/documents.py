"""The objects of requests and answers, as typed dictionaries.

This file is made from the OpenAPI document by ``make openapi``.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

AddressFamily = Literal["ipv4", "ipv6"]
AddressHolderKind = Literal["gateway", "container", "auxiliary", "configured"]
AssertionOutcomeKind = Literal["passed", "failed", "error"]
CallMethod = Literal["GET", "POST", "PUT", "DELETE"]
ChangeMethod = Literal["POST", "PUT", "DELETE"]
CheckProtocol = Literal["icmp", "tcp", "udp", "http", "dns"]
ContainerState = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
EndpointState = Literal["active", "configured"]
EventType = Literal["network", "container", "expectation"]
ExpectationStatus = Literal["met", "violated", "unknown"]
ExpectedVerdict = Literal["reachable", "unreachable"]
ExposureOriginKind = Literal["lan", "host", "network"]
FirewallBackend = Literal["iptables", "nftables"]
GapReason = Literal["engine-restarted", "log-overrun"]
IpVersion = Literal["any", "4", "6"]
MatrixAim = Literal["address", "name"]
NeighbourState = Literal["incomplete", "reachable", "stale", "delay", "probe", "failed", "permanent"]
NetworkScope = Literal["local", "swarm"]
NetworkType = Literal["builtin", "custom"]
PairProtocol = Literal["icmp", "tcp", "udp"]
PlanUndo = Literal["on-failure", "never"]
ProbeRunnerKind = Literal["namespace", "sidecar", "unavailable"]
PullPolicy = Literal["never", "missing", "always"]
QueryFind = Literal["sources", "destinations"]
ReadinessStatus = Literal["ready", "not-ready"]
RestartPolicy = Literal["no", "always", "unless-stopped", "on-failure"]
Severity = Literal["blocking", "warning", "info"]
SocketProtocol = Literal["tcp", "udp"]
StateKind = Literal["file", "memory"]
TopologyEdgeKind = Literal["endpoint", "host-link", "shares-network", "uplink"]
TopologyNodeKind = Literal["container", "host", "interface", "network"]
TopologyScope = Literal["engine", "swarm"]
TransportProtocol = Literal["tcp", "udp", "sctp"]
Verdict = Literal["reachable", "unreachable", "inconclusive"]


class AddressHolder(TypedDict):
    """An address in use, and what uses it."""

    address: str
    """The IP address, such as `10.77.0.2`."""
    kind: AddressHolderKind
    """What uses the address. `configured`: a stopped container requests it; it can still be taken."""
    container_id: str | None
    """The full id of the container; null when no container uses the address."""
    name: str
    """The name of the container, or of the gateway or auxiliary address."""


class AddressPool(TypedDict):
    """An address range that the engine takes subnets for new networks from."""

    base: str
    """The address range in CIDR notation, such as `172.20.0.0/14`."""
    prefix_len: int
    """The prefix length of the subnets that are taken from the range, such as 16."""


class AnsweringNode(TypedDict):
    """The swarm node that made the check. The calls of a remedy are for the service on that node."""

    id: str
    """The id of the node in its swarm."""
    hostname: str
    """The host name of the node."""
    instance: str
    """The address of the service on that node, as `host:port`."""


class Applied(TypedDict):
    """What an applied plan did."""

    outcome: str
    """`applied`: all changes are made, and no measured pair differs. `differs`: all are made, and a pair differs.
    `undone`: every change that was made is undone. `failed`: a change failed, or the undoing of one. Known
    values, to which more may be added: applied, differs, undone, failed.
    """
    steps: list[AppliedStep]
    """What became of each change, in the order of `steps` of the plan."""
    pairs: list[MeasuredPair]
    """The pairs that were measured, each with both verdicts."""
    undone: list[UndoneChange]
    """What was undone, in that order; empty when nothing was."""


class AppliedStep(TypedDict):
    """What became of one change of an applied plan."""

    outcome: str
    """`done`, `unchanged` when there was nothing to do, `failed`, or `not-made` after a failure. Known values, to
    which more may be added: done, unchanged, failed, not-made.
    """
    problem: Problem | None
    """Why the change failed; null when it did not."""


class Assertion(TypedDict):
    """A connectivity check with the verdict that is expected of it."""

    source: CheckSource
    """The place that the check starts from."""
    destination: CheckDestination
    """What the check tries to reach."""
    protocol: NotRequired[CheckProtocol]
    """The kind of probe to send; `icmp` sends ICMP echo requests. Default: `icmp`."""
    port: NotRequired[int | None]
    """The destination port. tcp, udp and http need a port; dns uses 53 without one; icmp has none."""
    ip_version: NotRequired[IpVersion]
    """The IP version to use; `any` means the addresses of both. Default: `any`."""
    count: NotRequired[int]
    """How many probes to send, one after the other. Default: `1`."""
    interval_ms: NotRequired[int]
    """Milliseconds to wait between two probes. Default: `0`."""
    timeout_ms: NotRequired[int]
    """Milliseconds to wait for each answer. Resolving a name, and looking up the name of an address, may each take
    the same time again. Default: `1000`.
    """
    payload_bytes: NotRequired[int]
    """Bytes of payload in an ICMP echo request, without its headers. Default: `56`."""
    dont_fragment: NotRequired[bool]
    """Forbid fragmentation, to find out whether a packet of this size passes (path MTU). Default: `false`."""
    path: NotRequired[str]
    """The path of an http request, such as `/health`. Default: `/`."""
    expected_status: NotRequired[int | None]
    """The HTTP status that counts as success, such as 200; null accepts every status."""
    question: NotRequired[str | None]
    """The name that a dns check asks for; null asks for the name servers of the root."""
    name: str
    """Your name for this assertion, such as `web reaches the database`."""
    expect: ExpectedVerdict
    """The verdict that the assertion expects."""


class AssertionOutcome(TypedDict):
    """The outcome of one assertion."""

    name: str
    """The name of the assertion, as it was sent."""
    outcome: AssertionOutcomeKind
    """The outcome. `error` means that the check could not be made, or was inconclusive."""
    expect: Verdict
    """The expected verdict, as it was sent."""
    message: str
    """The outcome in one sentence."""
    duration_ms: float
    """How long the check took, in milliseconds."""
    result: CheckResult | None
    """The result of the check; null when the check could not be made."""


class Assertions(TypedDict):
    """The outcomes of all assertions of a request."""

    passed: bool
    """Whether every assertion passed."""
    counts: dict[str, int]
    """The number of assertions by outcome: `passed`, `failed` and `error`."""
    items: list[AssertionOutcome]
    """The outcomes, in the order of the assertions in the request."""


class AvailableSubnets(TypedDict):
    """Subnets that overlap no Docker network and no route of the host."""

    items: list[str]
    """Free subnets in CIDR notation, such as `172.16.0.0/24`."""
    next_cursor: str | None
    """Always null: ask for more subnets with a larger `count`."""


class Call(TypedDict):
    """A request to this API that you can send as it stands."""

    method: CallMethod
    """The HTTP method of the request."""
    path: str
    """The path of the request with its query, such as `/v1/networks/web?force=true`."""
    body: dict[str, Any] | None
    """The JSON body of the request; null when the request has no body."""


class Caller(TypedDict):
    """The caller, as the service knows the caller from the token."""

    name: str
    """The name of the token in the tokens file, or the subject of a JWT, as in the audit log."""
    role: str
    """What the caller may do: a `viewer` reads and checks, an `operator` also makes changes, an `admin` may also use
    host mode, share a container's network, force and prune. Known values, to which more may be added: viewer,
    operator, admin.
    """
    project: str | None
    """The only project whose networks and containers the caller may change; null for all."""


class Cause(TypedDict):
    """Why the status of an expectation changed."""

    code: str
    """The code of the finding that appeared or disappeared (`GET /v1/explanations`), or the code of what kept the
    check from being made. `not-known` where no evidence shows a cause.
    """
    message: str
    """The cause in one or two sentences. For `not-known`, where the packet was last seen, if that is known."""
    component: Component | None
    """The component that the finding is about; null where there is none."""
    event: CauseEvent | None
    """The event that made it so; null where none was seen that fits, or more than one."""


class CauseEvent(TypedDict):
    """A change on the host or in the engine, as the kernel or the engine told it."""

    kind: str
    """What told it. Known values, to which more may be added: engine, rules, link, address, route, policy-rule,
    setting.
    """
    at: str
    """When it happened, RFC 3339 in UTC."""
    message: str
    """What happened in one sentence, such as `iptables (process 4711) removed 1 firewall rule (filter).`."""


class CheckDestination(TypedDict):
    """What the check tries to reach: exactly one of these properties."""

    container: NotRequired[str]
    """A container by name or id, at all of its addresses that the source can send to. Those on a network that both
    are on come first.
    """
    name: NotRequired[str]
    """A DNS name, such as `tomcat82`, resolved in the same way as the source resolves it."""
    address: NotRequired[str]
    """An IPv4 or IPv6 address, such as `10.77.0.3`."""
    host: NotRequired[bool]
    """The engine's host: a container probes its default gateways and the host's addresses on its own networks, the
    host its loopback. Only `true`.
    """


class CheckRequest(TypedDict):
    """A connectivity check to run."""

    source: CheckSource
    """The place that the check starts from."""
    destination: CheckDestination
    """What the check tries to reach."""
    protocol: NotRequired[CheckProtocol]
    """The kind of probe to send; `icmp` sends ICMP echo requests. Default: `icmp`."""
    port: NotRequired[int | None]
    """The destination port. tcp, udp and http need a port; dns uses 53 without one; icmp has none."""
    ip_version: NotRequired[IpVersion]
    """The IP version to use; `any` means the addresses of both. Default: `any`."""
    count: NotRequired[int]
    """How many probes to send, one after the other. Default: `1`."""
    interval_ms: NotRequired[int]
    """Milliseconds to wait between two probes. Default: `0`."""
    timeout_ms: NotRequired[int]
    """Milliseconds to wait for each answer. Resolving a name, and looking up the name of an address, may each take
    the same time again. Default: `1000`.
    """
    payload_bytes: NotRequired[int]
    """Bytes of payload in an ICMP echo request, without its headers. Default: `56`."""
    dont_fragment: NotRequired[bool]
    """Forbid fragmentation, to find out whether a packet of this size passes (path MTU). Default: `false`."""
    path: NotRequired[str]
    """The path of an http request, such as `/health`. Default: `/`."""
    expected_status: NotRequired[int | None]
    """The HTTP status that counts as success, such as 200; null accepts every status."""
    question: NotRequired[str | None]
    """The name that a dns check asks for; null asks for the name servers of the root."""
    trace: NotRequired[bool | None]
    """With true, record the packet of the first probe at every interface and firewall rule on its way, and answer
    that as `trace`; this needs the role operator. With null, a second probe is recorded where the destination was
    predicted reachable and is not, and the caller may trace. With false, nothing is recorded.
    """
    trace_payload_bytes: NotRequired[int]
    """How many bytes behind the transport header of each traced packet are kept for the capture file. By default
    none: what programs send to each other can be secret. Default: `0`.
    """


class CheckResult(TypedDict):
    """The result of a check: the prediction beside the measurement, and the findings."""

    verdict: Verdict
    """The overall verdict: `reachable` when any address of the destination is. It is what was measured, or the
    prediction when nothing could be sent.
    """
    predicted: Prediction
    """What should happen according to the engine's state."""
    measured: Measurement
    """What was measured by sending the probes, at the first address with the overall verdict."""
    addresses: list[TriedAddress]
    """All addresses of the destination that the source can send to, in the order in which a program tries them. The
    first one is measured, and so is each other one whose prediction differs.
    """
    findings: list[Finding]
    """The causes that were found and how to fix them, the most severe first."""
    limited: list[Limitation]
    """Why the verdict is inconclusive, and what could not be observed."""
    answered_by: AnsweringNode | None
    """The other swarm node that made the check; null when this node made the check."""
    trace: Trace | None
    """The way of the packet as the kernel showed it; null where nothing was recorded. It is that of a second probe
    where the check did not ask for a trace, and the destination was predicted reachable and is not.
    """


class CheckSource(TypedDict):
    """Where the check starts: exactly one of these properties."""

    container: NotRequired[str]
    """The container to check from, by its name or id."""
    host: NotRequired[bool]
    """Check from the engine's host. The only value is `true`."""


class Component(TypedDict):
    """The part of the system that a finding is about."""

    kind: str
    """The kind of the component. Known values, to which more may be added: bridge, container, endpoint, host,
    interface, network, node.
    """
    id: str
    """The Docker id of the component; empty when the component has no id, as the host."""
    name: str
    """The name of the component, such as `tomcat81`."""


class ComposeFile(TypedDict):
    """What belongs into the compose file of one project, so that the remedy lasts."""

    project: str
    """The name of the Compose project whose file this is, such as `shop`."""
    path: str | None
    """The path of the file on the machine where Compose ran, such as `/srv/shop/compose.yaml`; null if not known."""
    lines: str
    """YAML to merge into the file. A comment in it says what to remove from the file."""


class ComposePart(TypedDict):
    """What Docker Compose made of the finding's component, and what that means for the remedy."""

    project: str
    """The name of the Compose project, such as `shop`."""
    service: str | None
    """The service in the compose file; null when the component is not a container."""
    network: str | None
    """The key of the network in the compose file; null when the component is not a network."""
    undone: bool
    """Whether `docker compose up` undoes the remedy, because it makes containers and networks from the compose file."""
    files: list[ComposeFile]
    """The compose files to change, one for each project; empty when no file needs a change."""


class ConnectedEndpoint(TypedDict):
    """The endpoint after a connect, with findings where the engine did not do what was asked."""

    network: Reference
    """The network that the endpoint is in."""
    container: EndpointContainer
    """The container that has this endpoint."""
    state: EndpointState
    """`active` while the container runs, `configured` while it does not."""
    endpoint_id: str | None
    """The id that Docker gave the endpoint; null while the container does not run."""
    ipv4_address: str | None
    """The IPv4 address of the endpoint, such as `10.77.0.2`; null when it has none."""
    ipv4_prefix_len: int | None
    """The prefix length of the IPv4 subnet, such as 24; null without an IPv4 address."""
    ipv6_address: str | None
    """The IPv6 address of the endpoint, such as `fd00:77::2`; null when it has none."""
    ipv6_prefix_len: int | None
    """The prefix length of the IPv6 subnet, such as 64; null without an IPv6 address."""
    mac_address: str | None
    """The MAC address, such as `02:42:ac:11:00:02`; null when there is none."""
    gateway: str | None
    """The IPv4 gateway of the endpoint, such as `10.77.0.1`; null when it has none."""
    ipv6_gateway: str | None
    """The IPv6 gateway of the endpoint, such as `fd00:77::1`; null when it has none."""
    aliases: list[str]
    """The aliases that were requested in this network, such as `web`."""
    dns_names: list[str]
    """All names that resolve to this endpoint in this network, including the aliases."""
    link_local_addresses: list[str]
    """The link-local addresses that were requested."""
    driver_options: dict[str, str]
    """The options of the network driver for this endpoint, by their full names."""
    gateway_priority: int
    """The endpoint with the highest priority provides the default route of the container."""
    configured_ipv4_address: str | None
    """The fixed IPv4 address that was requested; null when the engine chooses the address."""
    configured_ipv6_address: str | None
    """The fixed IPv6 address that was requested; null when the engine chooses the address."""
    findings: list[Finding]
    """What the engine did differently from the request; empty when nothing differs."""


class Container(TypedDict):
    """A container, with its place in each network and what is wrong with its configuration."""

    id: str | None
    """The full id, 64 hexadecimal digits. Null in the answer of a dry run that creates."""
    name: str
    """The name of the container, unique on its engine."""
    image: str
    """The image as the container was created with it, such as `busybox` or `busybox:1.37`."""
    image_id: str | None
    """The image's id, a digest such as `sha256:…`. Null in the answer of a dry run that creates."""
    command: list[str]
    """The command that the container runs, with its entrypoint, one argument an item."""
    state: ContainerState
    """The state of the container as Docker reports it, such as `running`."""
    exit_code: int | None
    """The exit code of the last run; null when the container has never run."""
    created_at: str | None
    """When the container was created, RFC 3339 in UTC. Null in the answer of a dry run that creates."""
    started_at: str | None
    """When the container was last started, RFC 3339 in UTC; null when it never was."""
    finished_at: str | None
    """When the last run of the container ended, RFC 3339 in UTC; null when none has ended."""
    hostname: str
    """The host name inside the container."""
    network_mode: str
    """The network mode: `bridge`, `host`, `none`, `container:<id>` or a network's name or id."""
    shares_network_with: Reference | None
    """The container whose network this container uses (mode `container:<id>`); otherwise null."""
    endpoints: list[Endpoint]
    """The endpoints of the container: one for each network that the container is in."""
    published_ports: list[PublishedPort]
    """The ports that are published now; empty while the container does not run."""
    configured_ports: list[PublishedPort]
    """The ports that were requested when the container was created."""
    labels: dict[str, str]
    """The labels by key, such as `team: edge`, including those that this service sets."""
    restart_policy: RestartPolicy
    """When the engine restarts the container after it has stopped."""
    findings: list[Finding]
    """Problems with the configuration that Docker accepts silently or only warns of."""


class ContainerCreate(TypedDict):
    """A container to create. Only `image` is required."""

    name: NotRequired[str | None]
    """The name of the container, unique on its engine; null lets the engine make up a name."""
    image: str
    """The image to create the container from, such as `busybox` or `busybox:1.37`."""
    command: NotRequired[list[str]]
    """The command to run, one argument an item; an empty list runs the image's own command."""
    environment: NotRequired[dict[str, str]]
    """Environment variables by name. Their values are never shown in any answer."""
    labels: NotRequired[dict[str, str]]
    """Labels by key, such as `team: edge`. Keys under `io.bridgework.` are reserved for this service."""
    network_mode: NotRequired[str | None]
    """The network mode: `bridge`, `host`, `none`, `container:<container>` or a network. Null means the first of
    `networks`, or `bridge` when there is none.
    """
    networks: NotRequired[list[ContainerNetwork]]
    """The networks to connect the container to, each with the settings of its endpoint."""
    published_ports: NotRequired[list[PortRequest]]
    """The ports to publish on the host."""
    hostname: NotRequired[str | None]
    """The host name inside the container; null means the first 12 digits of its id."""
    dns: NotRequired[list[str]]
    """The DNS servers to use; an empty list leaves the choice to the engine."""
    dns_search: NotRequired[list[str]]
    """The search domains for short names, such as `example.com`."""
    dns_options: NotRequired[list[str]]
    """Options for resolv.conf, such as `ndots:1`."""
    extra_hosts: NotRequired[dict[str, str]]
    """Lines for the hosts file: an address by host name; `host-gateway` stands for the host."""
    sysctls: NotRequired[dict[str, str]]
    """Kernel settings of the network namespace, only `net.*`, such as `net.ipv4.ip_forward: 1`."""
    restart_policy: NotRequired[RestartPolicy]
    """When the engine restarts the container after it has stopped; `no` means never. Default: `no`."""
    start: NotRequired[bool]
    """Whether to start the container. If the start fails, the container is removed again. Default: `true`."""
    pull: NotRequired[PullPolicy]
    """When the engine pulls the image from its registry. Default: `never`."""


class ContainerDns(TypedDict):
    """How a container resolves names: its files, and every name that it can resolve."""

    resolver: Resolver | None
    """The resolver configuration (resolv.conf); null when it cannot be read."""
    hosts: list[HostsEntry] | None
    """The lines of the hosts file; null when the file cannot be read."""
    names: list[ResolvableName]
    """Every name that the hosts file or Docker's DNS server resolves, sorted by name."""
    truncated: bool
    """Whether `hosts` and `names` are incomplete. The service reads at most 256 KiB of each file, 8,192 names and 32
    search domains.
    """


class ContainerLine(TypedDict):
    """One line of a streamed change of a container. `type` names the kind of line."""

    type: str
    """The kind of this object, which decides what other properties it has. Known values, to which more may be added:
    progress, heartbeat, container, problem.
    """
    message: NotRequired[str]
    """What is being done now, such as `Pulling busybox: Downloading`."""
    container: NotRequired[Container]
    """The container as it is now. Only in the last line."""
    problem: NotRequired[Problem]
    """The problem document of a failure. Only in the last line."""


class ContainerNetwork(TypedDict):
    """A network to connect the new container to, with the settings of the endpoint."""

    aliases: NotRequired[list[str]]
    """Additional DNS names for the container in this network, such as `web`."""
    ipv4_address: NotRequired[str | None]
    """A fixed IPv4 address, such as `10.77.0.9`; null lets the engine choose one."""
    ipv6_address: NotRequired[str | None]
    """A fixed IPv6 address, such as `fd00:77::9`; null lets the engine choose one."""
    link_local_addresses: NotRequired[list[str]]
    """Link-local addresses to add, in `169.254.0.0/16` or `fe80::/10`."""
    mac_address: NotRequired[str | None]
    """A fixed MAC address; null lets the engine choose one."""
    driver_options: NotRequired[dict[str, str]]
    """Options of the network driver for this endpoint, by their full names."""
    gateway_priority: NotRequired[int | None]
    """The endpoint with the highest priority provides the default route; null means 0. Needs Docker 28."""
    network: str
    """The network to connect to, by its name or id."""


class ContainerPage(TypedDict):
    """One page of containers, sorted by name."""

    items: list[Container]
    """The containers on this page."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""


class ContainerPort(TypedDict):
    """A port of a container: where it is published, and what listens on it."""

    container_port: int
    """The port inside the container, such as 8080."""
    protocol: str
    """The transport protocol of the port. Known values, to which more may be added: tcp, udp, sctp."""
    exposed: bool
    """Whether the image or the creation of the container declares the port (`EXPOSE`)."""
    published: list[PublishedPort]
    """Where the port is published on the host now; empty when it is not."""
    configured: list[PublishedPort]
    """Where the creation of the container requested the port to be published."""
    listening: bool | None
    """Whether a process listens on the port; null when that cannot be inspected."""
    listeners: list[Socket] | None
    """The sockets that listen on the port. A socket on a loopback address alone gets no traffic from a published
    port.
    """


class ContainerPortPage(TypedDict):
    """One page of ports, sorted by number."""

    items: list[ContainerPort]
    """The ports on this page of the list."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""


class ContainerRename(TypedDict):
    """The new name for a container."""

    name: str
    """The new name of the container, unique on its engine."""


class Diagnosis(TypedDict):
    """One page of the findings about the engine, the most severe first."""

    items: list[Finding]
    """The findings on this page."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""
    limited: list[Limitation]
    """What could not be inspected; the same on every page."""


class Difference(TypedDict):
    """The difference in reachability between the engine before and after the plan."""

    pairs_total: int
    """The number of pairs that change."""
    pairs: list[PlanPair]
    """The pairs that change, at most 1000 of them: from containers and the host to containers, and to the ports that
    containers publish at the host. They are compared by ICMP, and by TCP and UDP at the ports that a container
    publishes, exposes or listens on.
    """
    containers: list[PlanGroup]
    """The pairs that change, counted for each container at one of their ends."""
    services: list[PlanGroup]
    """The pairs that change, counted for each service of Docker Compose."""
    networks: list[PlanGroup]
    """The pairs that change, counted for each network that both ends are on."""
    outside: list[Opening]
    """The ports of the host that open or close to other hosts."""
    exposure_total: int
    """The number of rows of the exposure that open or close."""
    exposure: list[PlanExposure]
    """The rows of the exposure that open or close, at most 1000 of them: each a port of a container, and a neighbour
    on a link of the host, the host, or another network from which it is asked for.
    """


class Edge(TypedDict):
    """A connection between two nodes of the topology graph."""

    source: str
    """The `id` of the node that the edge starts at."""
    target: str
    """The `id` of the node that the edge ends at."""
    kind: TopologyEdgeKind
    """The kind of connection, such as `endpoint` between a container and a network."""
    attributes: dict[str, Any]
    """Further facts by name; for an endpoint its `ipv4_address` and `aliases`, for example."""


class Endpoint(TypedDict):
    """An endpoint: the place of one container in one network."""

    network: Reference
    """The network that the endpoint is in."""
    container: EndpointContainer
    """The container that has this endpoint."""
    state: EndpointState
    """`active` while the container runs, `configured` while it does not."""
    endpoint_id: str | None
    """The id that Docker gave the endpoint; null while the container does not run."""
    ipv4_address: str | None
    """The IPv4 address of the endpoint, such as `10.77.0.2`; null when it has none."""
    ipv4_prefix_len: int | None
    """The prefix length of the IPv4 subnet, such as 24; null without an IPv4 address."""
    ipv6_address: str | None
    """The IPv6 address of the endpoint, such as `fd00:77::2`; null when it has none."""
    ipv6_prefix_len: int | None
    """The prefix length of the IPv6 subnet, such as 64; null without an IPv6 address."""
    mac_address: str | None
    """The MAC address, such as `02:42:ac:11:00:02`; null when there is none."""
    gateway: str | None
    """The IPv4 gateway of the endpoint, such as `10.77.0.1`; null when it has none."""
    ipv6_gateway: str | None
    """The IPv6 gateway of the endpoint, such as `fd00:77::1`; null when it has none."""
    aliases: list[str]
    """The aliases that were requested in this network, such as `web`."""
    dns_names: list[str]
    """All names that resolve to this endpoint in this network, including the aliases."""
    link_local_addresses: list[str]
    """The link-local addresses that were requested."""
    driver_options: dict[str, str]
    """The options of the network driver for this endpoint, by their full names."""
    gateway_priority: int
    """The endpoint with the highest priority provides the default route of the container."""
    configured_ipv4_address: str | None
    """The fixed IPv4 address that was requested; null when the engine chooses the address."""
    configured_ipv6_address: str | None
    """The fixed IPv6 address that was requested; null when the engine chooses the address."""


class EndpointConnect(TypedDict):
    """The settings of the endpoint to create. An empty object leaves everything to the engine."""

    aliases: NotRequired[list[str]]
    """Additional DNS names for the container in this network, such as `web`."""
    ipv4_address: NotRequired[str | None]
    """A fixed IPv4 address, such as `10.77.0.9`; null lets the engine choose one."""
    ipv6_address: NotRequired[str | None]
    """A fixed IPv6 address, such as `fd00:77::9`; null lets the engine choose one."""
    link_local_addresses: NotRequired[list[str]]
    """Link-local addresses to add, in `169.254.0.0/16` or `fe80::/10`."""
    mac_address: NotRequired[str | None]
    """A fixed MAC address; null lets the engine choose one."""
    driver_options: NotRequired[dict[str, str]]
    """Options of the network driver for this endpoint, by their full names."""
    gateway_priority: NotRequired[int | None]
    """The endpoint with the highest priority provides the default route; null means 0. Needs Docker 28."""


class EndpointContainer(TypedDict):
    """The container of an endpoint, named by its id and its name."""

    id: str | None
    """The container's full id, 64 hexadecimal digits. Null in the answer of a dry run that creates."""
    name: str
    """The name of the container, such as `tomcat81`."""


class EndpointPage(TypedDict):
    """One page of endpoints, sorted by the name of the container."""

    items: list[Endpoint]
    """The endpoints on this page."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""


class Engine(TypedDict):
    """The Docker engine that the service works with, and its host."""

    id: str
    """The id of the engine, unique for each installation."""
    name: str
    """The host name of the machine that the engine runs on."""
    product: str
    """Which engine it is. Known values, to which more may be added: docker, podman."""
    version: str
    """The version of the engine, such as `26.1.5`."""
    api_version: str
    """The newest version of Docker's API that the engine has, such as `1.45`."""
    operating_system: str
    """The operating system of the engine's host."""
    kernel_version: str
    """The kernel version of the engine's host."""
    network_drivers: list[str]
    """The network drivers that the engine has, such as `bridge`."""
    default_address_pools: list[AddressPool]
    """Where the engine takes subnets from when a new network names no subnet."""
    swarm_state: str
    """Whether the engine is in a swarm, as Docker reports it. Known values, to which more may be added: inactive,
    pending, active, error, locked.
    """
    probe_runner: ProbeRunner
    """How the service runs checks."""
    neighbour_limit: int | None
    """The kernel's limit of ARP entries over all namespaces (gc_thresh3). The limit bounds a matrix. Null when it
    cannot be read.
    """
    neighbours_in_use: int | None
    """The number of ARP entries in use now; null when it cannot be read."""


class Event(TypedDict):
    """The `data` of one event. `type` names the kind of event."""

    action: NotRequired[str]
    """The status of the expectation from then on: `met`, `violated` or `unknown`."""
    time: NotRequired[str]
    """When the change happened, RFC 3339 in UTC."""
    id: NotRequired[str]
    """The full id of the network or container that changed."""
    name: NotRequired[str]
    """The name of the network or container that changed."""
    project: NotRequired[str | None]
    """The project of the network or container that changed; null when it has none."""
    type: str
    """The kind of this object, which decides what other properties it has. Known values, to which more may be added:
    network, container, gap, engine, expectation.
    """
    network: NotRequired[Reference]
    """The network that changed, or that the container was connected to."""
    container: NotRequired[Reference]
    """The container that changed, or that was connected or disconnected."""
    exit_code: NotRequired[int | None]
    """The exit code of the container's process in a `container.die`; otherwise null."""
    reason: NotRequired[GapReason]
    """Why events may be missing: the engine restarted, or its log no longer holds all of them."""
    state: NotRequired[str]
    """Whether the engine answers now. A stream begins only when the engine answers. Known values, to which more may
    be added: reachable, unreachable.
    """
    code: NotRequired[str | None]
    """The problem code of other requests now, such as `engine-unreachable`; null when all is well."""
    detail: NotRequired[str | None]
    """Why the engine does not answer; null when the engine answers."""
    change: NotRequired[ExpectationChange]
    """The change with its cause, as in the changes of the set."""


class Expectation(TypedDict):
    """One expectation of a set, and what is known of it."""

    name: str
    """The name of the expectation within its set."""
    expectation: dict[str, Any]
    """The expectation as it was sent, without the fields that have their defaults."""
    expect: ExpectedVerdict
    """The verdict that the expectation expects."""
    status: ExpectationStatus
    """Whether the expectation is met. `unknown`: it was not measured yet, the check could not be made, or it was
    inconclusive; `message` says which.
    """
    verdict: Verdict | None
    """The verdict of the last measurement; null where there is none."""
    since: str | None
    """When the status became this one, RFC 3339 in UTC; null before the first measurement."""
    measured_at: str | None
    """When it was last measured, RFC 3339 in UTC; null before that."""
    message: str
    """The outcome of the last measurement in one sentence."""
    findings: list[Finding]
    """The findings of the last measurement, the most severe first."""


class ExpectationChange(TypedDict):
    """A change of the status of one expectation."""

    id: str
    """The id of the change. A webhook has it in the header `webhook-id`."""
    at: str
    """When the change was measured, RFC 3339 in UTC."""
    set: str
    """The name of the set of expectations."""
    expectation: str
    """The name of the expectation."""
    project: str | None
    """The project that the set belongs to; null when it belongs to none."""
    expect: ExpectedVerdict
    """The verdict that the expectation expects."""
    before: ExpectationStatus
    """The status of the expectation before."""
    after: ExpectationStatus
    """The status of the expectation from then on."""
    verdict: Verdict | None
    """The verdict that was measured; null where none was."""
    message: str
    """The outcome of the measurement in one sentence."""
    cause: Cause
    """Why the status of the expectation changed."""
    findings: list[Finding]
    """The findings of the measurement with their remedies, the most severe first."""


class ExpectationChangePage(TypedDict):
    """A page of changes of the status of expectations."""

    items: list[ExpectationChange]
    """The changes of the set, the newest first."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""


class ExpectationSet(TypedDict):
    """A set of expectations, and what is known of each."""

    name: str
    """The name of the set of expectations."""
    project: str | None
    """The project that the set belongs to; null when it belongs to none."""
    file: str | None
    """The file that the set is from. It is changed there, not by the API; null for a set of the API."""
    every_s: int
    """How often each expectation is measured when nothing changes, in seconds."""
    notify: list[str]
    """The names of the webhooks that each change is sent to."""
    met: int
    """How many expectations are met."""
    violated: int
    """How many expectations are violated."""
    unknown: int
    """How many expectations have an unknown status."""
    since: str | None
    """When the status of an expectation last changed, RFC 3339 in UTC; null before the first measurement."""
    limited: list[Limitation]
    """What is not kept, or which files of sets cannot be used; empty when all is well."""
    expectations: list[Expectation]
    """The expectations, in the order in which they were sent."""


class ExpectationSetBody(TypedDict):
    """A set of expectations to keep."""

    expectations: list[Assertion]
    """What to expect: the items of `POST /v1/connectivity/assertions`. Each has a name of its own."""
    every_s: NotRequired[int]
    """How often each expectation is measured when nothing that decides about it changes, in seconds. Default: `300`."""
    notify: NotRequired[list[str]]
    """The webhooks that each change is sent to, by their names in the file of the operator. Default: `[]`."""


class ExpectationSetSummary(TypedDict):
    """A set of expectations in short."""

    name: str
    """The name of the set of expectations."""
    project: str | None
    """The project that the set belongs to; null when it belongs to none."""
    file: str | None
    """The file that the set is from. It is changed there, not by the API; null for a set of the API."""
    every_s: int
    """How often each expectation is measured when nothing changes, in seconds."""
    notify: list[str]
    """The names of the webhooks that each change is sent to."""
    met: int
    """How many expectations are met."""
    violated: int
    """How many expectations are violated."""
    unknown: int
    """How many expectations have an unknown status."""
    since: str | None
    """When the status of an expectation last changed, RFC 3339 in UTC; null before the first measurement."""
    limited: list[Limitation]
    """What is not kept, or which files of sets cannot be used; empty when all is well."""


class ExpectationSetSummaryPage(TypedDict):
    """A page of sets of expectations."""

    items: list[ExpectationSetSummary]
    """The sets, sorted by name."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""
    limited: list[Limitation]
    """What is not kept, or which files of sets cannot be used; empty when all is well."""


class Explanation(TypedDict):
    """The explanation of one cause that findings name by its code."""

    code: str
    """The stable code of the cause, as findings name it."""
    severity: Severity
    """How serious the cause is: `blocking` means that traffic is expected to fail."""
    meaning: str
    """What the cause means, in one or two sentences."""
    detection: str
    """How the service detects the cause."""
    remedy: str
    """How to fix the cause, in general."""
    example: str
    """An example of the message of such a finding."""
    seen: str
    """What a user sees before any check, in one or two sentences."""
    symptoms: list[str]
    """The symptoms that may have this cause, such as `name-does-not-resolve`."""
    references: list[str]
    """URLs of documents and public threads that describe the cause."""


class Explanations(TypedDict):
    """One page of the catalogue of causes, sorted by code."""

    items: list[Explanation]
    """The explanations on this page."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""


class Exposure(TypedDict):
    """Whether one port of a container is reachable from one place."""

    container: Reference
    """The container that has the port."""
    network: Reference
    """The network by which the container gets the packet."""
    container_port: int
    """The port inside the container, such as 8080."""
    protocol: str
    """The transport protocol of the port. Known values, to which more may be added: tcp, udp."""
    published: PublishedPort | None
    """The published port that is asked for; null where the port is asked for at the container's own address."""
    origin: ExposureOrigin
    """Where the packet comes from."""
    address: str
    """The address that a client there asks for, such as `192.0.2.1`."""
    port: int
    """The port that a client there asks for."""
    verdict: Verdict
    """Whether the packet arrives at the container, and its answer at the place. It does not say that a program
    answers: see `listening`.
    """
    reason: str | None
    """Why the port is not `reachable`; null where it is. Known values, to which more may be added: firewall-rule,
    translated-elsewhere, forwarding-off, loopback-address, not-served, no-route, routed-elsewhere, link-fault,
    link-rule, container-address, container-firewall, container-route, rules-unseen, rule-not-understood,
    proxy-unseen, container-unseen, container-forwards, container-gateway.
    """
    listening: bool | None
    """Whether a program in the container listens on the port; null where that was not visible."""
    by_proxy: bool
    """Whether docker-proxy answers, a program of the host, so that the host's own firewall decides."""
    rules: list[FirewallRule]
    """The rules that let the packet through or translate it, in order."""
    stopped_by: FirewallRule | None
    """The rule that stops the packet or its answer, or sends it to another container or program; null where no rule
    does. With `container-firewall` it is a rule inside the container, otherwise one of the host.
    """
    finding: Finding | None
    """What stops the packet or its answer, with the remedy: how a kernel routes it elsewhere or drops it
    (`routed-elsewhere`), which link or address is at fault (`link-fault`), or which rule for frames drops it
    (`link-rule`); null for other reasons.
    """
    host_firewall: FirewallRule | None
    """What would stop the packet if a program of the host listened at this port; null where nothing would."""
    past_host_firewall: bool
    """Whether the port is reachable although `host_firewall` was meant to stop such packets: Docker's rules lead
    them past it.
    """


class ExposureOrigin(TypedDict):
    """A place from which a port is asked for."""

    kind: str
    """`lan`: a neighbour on a link of the host. `host`: the host itself. `network`: a container on that network.
    Known values, to which more may be added: lan, host, network.
    """
    name: str
    """The name of the host's interface, or of the network; `host` for the host itself."""
    family: AddressFamily
    """The family of the addresses that are used from there."""


class ExposurePage(TypedDict):
    """One page of the exposure, sorted by container, port and origin."""

    items: list[Exposure]
    """The rows on this page, each a port and a place."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""
    limited: list[Limitation]
    """What could not be seen, and ports that are not led through the host; the same on every page."""


Fault = TypedDict(
    "Fault",
    {
        "in": "str",
        "pointer": "NotRequired[str]",
        "name": "NotRequired[str]",
        "message": "str",
    },
)
"""One fault of an invalid request, and where in the request it is."""


class Finding(TypedDict):
    """A cause that was found, with the evidence for it and the way to fix it."""

    code: str
    """The stable code of the cause. `GET /v1/explanations` explains every code."""
    severity: Severity
    """How serious the finding is: `blocking` means that traffic is expected to fail."""
    component: Component
    """The network, container or other component that the finding is about."""
    message: str
    """One sentence that names the components and says what is wrong."""
    remedy: Remedy | None
    """How to fix the cause; null when there is nothing to fix or no fix is known."""
    evidence: dict[str, Any]
    """The observed values that led to this finding, by name. The names depend on `code`."""
    compose: ComposePart | None
    """The Compose project of the component; null when Docker Compose did not make the component."""


class FirewallRule(TypedDict):
    """A rule of the host's firewall, or the policy of a chain."""

    table: str
    """The table of the rule with its family, such as `ip filter`."""
    chain: str
    """The chain of the rule, such as `DOCKER-USER`."""
    rule: str | None
    """The rule as its program prints it; null for the policy of the chain."""
    effect: str
    """What the rule did to the packet, such as `accept`, `dnat` or `drop`."""
    owner: str | None
    """The program that wrote the rule, such as `Docker` or `ufw`; null where it is not known."""


class Gap(TypedDict):
    """A swarm node whose part of the answer is missing."""

    node: str
    """The id of the node, or the address where its service should be."""
    reason: str
    """Why the part is missing, in one sentence."""


class Hop(TypedDict):
    """One step on the way of a packet."""

    kind: str
    """The kind of step: `interface`, `veth`, `bridge`, `routing`, `published-port`, `proxy`, `port`, `listener` and
    so on, or the driver of a network on the way. The step that stops the packet may also be a `container`,
    `name`, `address`, `firewall` or `reply` (the packet arrives, but its answer is lost).
    """
    name: str
    """The name of the step on the host, such as `eth0`, `docker0` or `0.0.0.0:8080`."""
    of: str | None
    """The container, network or node that the step belongs to, or `the host`; null when there is none."""
    status: str
    """`passed`: the packet passes. `stopped`: the packet stops here, and the path ends. `unknown`: it was not
    observed whether the packet passes, so the next steps are unknown too. Known values, to which more may be
    added: passed, stopped, unknown.
    """


class HostInterfacePage(TypedDict):
    """One page of the host's interfaces, sorted by index, and all routes of the host."""

    items: list[HostLink]
    """The interfaces on this page."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""
    routes: list[Route]
    """All routes of the host; every page has all of them."""
    truncated: bool
    """Whether items are missing from all pages, because the service reads at most 262,144 interfaces and as many
    routes.
    """


class HostLink(TypedDict):
    """A network interface of the engine's host."""

    index: int
    """The index of the interface in its network namespace, as `ip link` prints it."""
    name: str
    """The name of the interface."""
    kind: str
    """The kind of interface: `veth`, `bridge`, `macvlan`, `loopback`, `device` or another one."""
    mac_address: str | None
    """The MAC address of the interface; null when it has none."""
    mtu_bytes: int
    """The MTU: the largest packet in bytes that the interface sends, such as 1500."""
    state: str
    """The operational state of the interface; a loopback is always `unknown`. Known values, to which more may be
    added: unknown, notpresent, down, lowerlayerdown, testing, dormant, up.
    """
    flags: list[str]
    """The flags of the interface, as `ip link` prints them, such as `up` and `lower-up`."""
    addresses: list[InterfaceAddress]
    """The IP addresses of the interface."""
    counters: InterfaceCounters | None
    """What the interface has received and sent; null when the kernel reports no counters."""
    bridge: LinkEnd | None
    """The bridge that this interface is a port of; null when it is not a port."""
    ports: list[LinkEnd]
    """For a bridge: the interfaces that are its ports. Otherwise empty."""
    network: Reference | None
    """The Docker network that owns the bridge or that the veth serves; otherwise null."""
    container: Reference | None
    """The container at the other end of a veth pair; otherwise null."""
    orphan: bool
    """Whether Docker made this bridge and no network owns the bridge any more."""


class HostsEntry(TypedDict):
    """One line of the hosts file."""

    address: str
    """The IP address that the names resolve to."""
    names: list[str]
    """The names that resolve to the address, in the order of the file."""


class InsideInterface(TypedDict):
    """A network interface inside a container."""

    index: int
    """The index of the interface in its network namespace, as `ip link` prints it."""
    name: str
    """The name of the interface."""
    kind: str
    """The kind of interface: `veth`, `bridge`, `macvlan`, `loopback`, `device` or another one."""
    mac_address: str | None
    """The MAC address of the interface; null when it has none."""
    mtu_bytes: int
    """The MTU: the largest packet in bytes that the interface sends, such as 1500."""
    state: str
    """The operational state of the interface; a loopback is always `unknown`. Known values, to which more may be
    added: unknown, notpresent, down, lowerlayerdown, testing, dormant, up.
    """
    flags: list[str]
    """The flags of the interface, as `ip link` prints them, such as `up` and `lower-up`."""
    addresses: list[InterfaceAddress]
    """The IP addresses of the interface."""
    counters: InterfaceCounters | None
    """What the interface has received and sent; null when the kernel reports no counters."""
    network: Reference | None
    """The Docker network whose endpoint is on this interface; null for a loopback."""
    peer: LinkEnd | None
    """The host's end of a veth pair; null for other interfaces, or when the host cannot be inspected."""
    bridge: LinkBridge | None
    """The bridge on the host that `peer` is a port of; null when there is none."""


class InsideInterfacePage(TypedDict):
    """One page of interfaces, sorted by index."""

    items: list[InsideInterface]
    """The interfaces on this page."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""
    truncated: bool
    """Whether items are missing from all pages, because the service reads at most 16,384 interfaces."""


class InterfaceAddress(TypedDict):
    """An IP address of an interface."""

    address: str
    """The IP address without its prefix length."""
    prefix_len: int
    """The prefix length of the subnet, such as 16."""
    family: AddressFamily
    """The IP version of the address."""
    scope: str
    """The scope of the address, as `ip addr` prints it. Known values, to which more may be added: global, site,
    link, host, nowhere.
    """
    flags: list[str]
    """The flags of an IPv6 address, as `ip addr` prints them: `tentative` while the kernel looks for a duplicate and
    does not use the address, `dadfailed` once it found one, `nodad`, `optimistic`, `deprecated`. Empty for IPv4.
    """


class InterfaceCounters(TypedDict):
    """What the interface has received and sent since it was created."""

    rx_bytes: int
    """The number of bytes received."""
    rx_packets: int
    """The number of packets received."""
    rx_errors: int
    """The number of errors on receive."""
    rx_dropped: int
    """The number of received packets that were dropped."""
    tx_bytes: int
    """The number of bytes sent."""
    tx_packets: int
    """The number of packets sent."""
    tx_errors: int
    """The number of errors on send."""
    tx_dropped: int
    """The number of packets that were dropped instead of sent."""


class Ipam(TypedDict):
    """How the addresses of a network are managed (IPAM)."""

    driver: str
    """The name of the IPAM driver; `default` is Docker's own."""
    options: dict[str, str]
    """The options of the IPAM driver by name."""
    pools: list[Pool]
    """The address pools, one for each subnet."""


class IpamRequest(TypedDict):
    """How the addresses of a new network are managed (IPAM)."""

    driver: NotRequired[str]
    """The name of the IPAM driver; `default` is Docker's own. Default: `default`."""
    options: NotRequired[dict[str, str]]
    """The options of the IPAM driver by name."""
    pools: NotRequired[list[PoolRequest]]
    """The address pools, one for each subnet; an empty list lets the engine choose a subnet."""


class KeptNetwork(TypedDict):
    """A network that the prune kept, and the reason."""

    network: Reference
    """The network that was kept."""
    reason: str
    """Why the network was kept, in one sentence."""


class Limitation(TypedDict):
    """Something that the answer leaves open: the part of the answer, why, and what to change."""

    code: str
    """The reason as a stable code, such as `budget-exhausted` or `firewall-not-visible`. docs/limitations.md
    explains the codes; one that is not there is the code of a finding.
    """
    what: str
    """What is left open or was not observed, such as `12 inconclusive pairs` or `the host's firewall rules`."""
    why: str
    """Why this is left open, with what was measured, in one or two sentences."""
    remedy: str | None
    """What to change so that the answer has this part: a setting, a right or a kernel parameter; null when nothing
    helps.
    """


class LinkBridge(TypedDict):
    """A bridge of the host, and the Docker network that the bridge belongs to."""

    index: int
    """The index of the interface on the host."""
    name: str
    """The name of the interface on the host."""
    network: Reference | None
    """The Docker network that owns the bridge; null when no network owns it."""


class LinkEnd(TypedDict):
    """A network interface of the host, named by its index and its name."""

    index: int
    """The index of the interface on the host."""
    name: str
    """The name of the interface on the host."""


class Liveness(TypedDict):
    """The answer of a process that is alive."""

    status: str
    """The state of the process, always `live`."""


class Matrix(TypedDict):
    """A whole matrix: which container reaches which, with round-trip times."""

    containers: list[Reference]
    """The containers, in the order of the rows and of the columns."""
    verdicts: list[list[str]]
    """One row for each source; each row has one cell for each destination."""
    rtt_ms: list[list[float]]
    """Round-trip times in milliseconds, in the order of `verdicts`; 0 without an answer."""
    undecided: list[Undecided]
    """The inconclusive pairs, with reason and prediction, in groups that are alike."""
    summary: MatrixSummary
    """The number of pairs in the matrix, by verdict."""
    surprises: list[Surprise]
    """The pairs where measurement and prediction differ, at most 200 of them; `summary.surprises` counts all of
    them.
    """
    addresses: list[PairAddresses]
    """The pairs whose addresses have different predictions, at most 200 of them; the pair is reachable if any is.
    `summary.addresses_differ` counts all.
    """
    duration_ms: float
    """How long the whole measurement took, in milliseconds."""
    partial: list[Gap]
    """Swarm nodes that did not measure or report; the cells that need them are `inconclusive`."""
    limited: list[Limitation]
    """Why pairs are inconclusive, the most frequent reason first, and what could not be observed."""


class MatrixLine(TypedDict):
    """One line of a streamed matrix. `type` names the kind of line."""

    type: str
    """The kind of this object, which decides what other properties it has. Known values, to which more may be added:
    start, row, heartbeat, end.
    """
    containers: NotRequired[list[Reference]]
    """In the first line: the containers, in the order of the rows and of the columns."""
    rows_total: NotRequired[int]
    """The number of rows of the whole matrix."""
    index: NotRequired[int]
    """The position of this row in the order of `containers`, from 0."""
    verdicts: NotRequired[list[str]]
    """The verdicts of this row, one for each destination."""
    rtt_ms: NotRequired[list[float]]
    """Round-trip times in milliseconds, one for each destination; 0 without an answer."""
    undecided: NotRequired[list[Undecided]]
    """The inconclusive pairs, with reason and prediction, in groups that are alike."""
    rows_done: NotRequired[int]
    """The number of rows that are complete."""
    summary: NotRequired[MatrixSummary]
    """The number of pairs in the matrix, by verdict."""
    surprises: NotRequired[list[Surprise]]
    """The pairs where measurement and prediction differ, at most 200 of them; `summary.surprises` counts all of
    them.
    """
    addresses: NotRequired[list[PairAddresses]]
    """The pairs whose addresses have different predictions, at most 200 of them; the pair is reachable if any is.
    `summary.addresses_differ` counts all.
    """
    duration_ms: NotRequired[float]
    """How long the whole measurement took, in milliseconds."""
    partial: NotRequired[list[Gap]]
    """Swarm nodes that did not measure or report; the cells that need them are `inconclusive`."""
    limited: NotRequired[list[Limitation]]
    """Why pairs are inconclusive, the most frequent reason first, and what could not be observed."""


class MatrixRequest(TypedDict):
    """A matrix to measure. Name exactly one of `containers`, `network` and `all`."""

    containers: NotRequired[list[str]]
    """The containers to measure between, each by its name or id."""
    network: NotRequired[str]
    """Measure between all containers that have an endpoint in this network."""
    all: NotRequired[bool]
    """Measure between all containers. The only value is `true`."""
    protocol: NotRequired[CheckProtocol]
    """The kind of probe to send; `icmp` sends ICMP echo requests. Default: `icmp`."""
    port: NotRequired[int | None]
    """The destination port. tcp, udp and http need a port; dns uses 53 without one; icmp has none."""
    by: NotRequired[MatrixAim]
    """Whether to probe addresses, or names as each source resolves them. Default: `address`."""
    timeout_ms: NotRequired[int]
    """Milliseconds to wait for the answer of each pair. Default: `1000`."""
    max_packets_per_second: NotRequired[int | None]
    """The largest number of packets per second; null means 75,000."""


class MatrixSummary(TypedDict):
    """The number of pairs in the matrix, by verdict."""

    pairs: int
    """The number of pairs of two different containers."""
    reachable: int
    """The number of pairs where the destination answered."""
    unreachable: int
    """The number of pairs where the destination did not answer."""
    inconclusive: int
    """The number of pairs that could not be measured."""
    surprises: int
    """The number of pairs where measurement and prediction differ, all of them counted."""
    addresses_differ: int
    """The number of pairs whose addresses have different predictions, all of them counted."""
    reasons: dict[str, int]
    """The number of inconclusive pairs by the reason code; empty when every pair is decided."""


class MeasuredPair(TypedDict):
    """A pair that was measured after the changes."""

    source: Component
    """The container that sent, or the host."""
    destination: Component
    """The container that was to be reached, or the host at a published port."""
    protocol: str
    """The protocol of the pair; `icmp` means a ping. Known values, to which more may be added: icmp, tcp, udp."""
    port: int | None
    """The destination port; null for `icmp`."""
    was_to_change: bool
    """Whether the plan predicted a change; the other pairs are a sample of those that were to stay."""
    predicted: Verdict
    """The verdict that the plan predicted."""
    measured: Verdict
    """The verdict that was measured."""
    reason: str | None
    """Why the measurement failed; null when it succeeded. Known values, to which more may be added: timed-out,
    refused, name-unknown, resolver-failed, no-route, no-address, host-unreachable, administratively-prohibited,
    message-too-long, connection-reset, source-not-running, unexpected-answer, no-answer, namespace-out-of-reach,
    budget-exhausted, resources-exhausted, deadline, not-allowed.
    """
    agrees: bool | None
    """Whether both verdicts are the same; null when they cannot be compared: one is inconclusive, or no program
    listens where the plan assumed one.
    """
    findings: list[Finding]
    """Why both verdicts differ, as a check of the pair says after the changes; empty where they do not differ. At
    most 10 pairs are checked.
    """


class Measurement(TypedDict):
    """What was measured by sending the probes."""

    verdict: Verdict
    """The measured verdict, from the answers to the probes."""
    address: str | None
    """The address that was probed; null when there was no address to probe."""
    attempts: int
    """How many probes were sent."""
    successes: int
    """How many probes were answered as expected."""
    reason: str | None
    """Why the check failed; null when it succeeded. Known values, to which more may be added: timed-out, refused,
    name-unknown, resolver-failed, no-route, no-address, host-unreachable, administratively-prohibited,
    message-too-long, connection-reset, source-not-running, unexpected-answer, no-answer, namespace-out-of-reach,
    budget-exhausted, resources-exhausted, deadline, not-allowed.
    """
    detail: str | None
    """What adds to `reason` or to a reachable verdict, in words; null when there is nothing to add."""
    rtt_ms: RoundTrip | None
    """Statistics of the round-trip times; null when no probe was answered."""
    phases_ms: Phases
    """How long each phase of the first probe took, in milliseconds."""
    resolved_addresses: list[str]
    """The addresses that the name resolved to; empty when no name was resolved."""
    resolver: str | None
    """The DNS server that resolved the name, such as `127.0.0.11`; null when none did."""
    reverse_name: str | None
    """The name that a reverse lookup found for the address; null when it found none, or when no DNS server answered
    in time, which `detail` then says.
    """
    status: int | None
    """The HTTP status of an http check or the RCODE of a dns check; null for other protocols."""
    path_mtu_bytes: int | None
    """The path MTU in bytes, when a router or the kernel reported one; otherwise null."""


class Neighbour(TypedDict):
    """An entry of the ARP table (IPv4) or the NDP table (IPv6)."""

    address: str
    """The IP address of the neighbour."""
    mac_address: str | None
    """The MAC address of the neighbour; null while the neighbour has not answered."""
    interface: str
    """The interface that leads to the neighbour, such as `eth0`."""
    state: NeighbourState
    """The state of the entry, as `ip neigh` prints it."""


class NeighbourPage(TypedDict):
    """One page of neighbours, sorted by interface and address."""

    items: list[Neighbour]
    """The neighbours on this page."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""
    truncated: bool
    """Whether items are missing from all pages, because the service reads at most 16,384 neighbours of each IP
    version.
    """


class Network(TypedDict):
    """A Docker network, as the engine describes it."""

    id: str | None
    """The full id, 64 hexadecimal digits. Null in the answer of a dry run that creates."""
    name: str
    """The name of the network, unique on its engine."""
    driver: str
    """The name of the network driver."""
    scope: str
    """Where the network exists: on one engine (`local`) or in a whole swarm. Known values, to which more may be
    added: local, swarm, global.
    """
    created_at: str | None
    """When the network was created, RFC 3339 in UTC. Null in the answer of a dry run that creates."""
    builtin: bool
    """Whether the network is one of the engine's own: `bridge`, `host` or `none`."""
    bridge_name: str | None
    """The name of the bridge on the host, such as `docker0`; null for other drivers."""
    internal: bool
    """Whether the network has no route to the outside."""
    attachable: bool
    """Whether containers outside of swarm services may join this overlay network."""
    ingress: bool
    """Whether this is the routing mesh of the swarm."""
    ipv4_enabled: bool
    """Whether the network has IPv4 addresses."""
    ipv6_enabled: bool
    """Whether the network has IPv6 addresses."""
    config_only: bool
    """Whether this is only a configuration that other networks refer to by `config_from`."""
    config_from: str | None
    """The name of the config-only network that the settings come from; otherwise null."""
    ipam: Ipam
    """How the addresses of the network are managed."""
    options: dict[str, str]
    """The options of the network driver, by their full names."""
    labels: dict[str, str]
    """The labels by key, such as `team: edge`, including those that this service sets."""
    endpoint_count: int
    """The number of endpoints, including those of stopped containers."""


class NetworkAddresses(TypedDict):
    """How the addresses of a network are used, by pool."""

    network: Reference
    """The network that the pools belong to."""
    pools: list[PoolUsage]
    """The pools of the network, one for each subnet."""


class NetworkCreate(TypedDict):
    """A network to create. Only `name` is required."""

    name: str
    """The name of the network: unique on its engine, and different from any id."""
    driver: NotRequired[str]
    """The name of the network driver. `GET /v1/engine` lists those that the engine has. Default: `bridge`."""
    scope: NotRequired[NetworkScope | None]
    """Where the network exists: on one engine or in a swarm; null leaves it to the driver."""
    internal: NotRequired[bool]
    """Give the network no route to the outside. Published ports do not work in it. Default: `false`."""
    attachable: NotRequired[bool]
    """Let containers outside of swarm services join this overlay network. Default: `false`."""
    ingress: NotRequired[bool]
    """Make this network the routing mesh of the swarm. Default: `false`."""
    ipv4_enabled: NotRequired[bool | None]
    """Whether the network has IPv4; null means yes. `false` needs Docker 28."""
    ipv6_enabled: NotRequired[bool]
    """Whether the network has IPv6. With `true`, name an IPv6 subnet in `ipam.pools`. Default: `false`."""
    config_only: NotRequired[bool]
    """Create only a configuration that other networks refer to by `config_from`. Default: `false`."""
    config_from: NotRequired[str | None]
    """The name of a config-only network to take the settings from; null takes them from this request."""
    ipam: NotRequired[IpamRequest]
    """How the addresses of the network are managed; an empty object leaves it to the engine."""
    options: NotRequired[dict[str, str]]
    """Options of the network driver by their full names: `com.docker.network.driver.mtu: 1400`."""
    labels: NotRequired[dict[str, str]]
    """Labels by key, such as `team: edge`. Keys under `io.bridgework.` are reserved for this service."""


class NetworkPage(TypedDict):
    """One page of networks, sorted by name."""

    items: list[Network]
    """The networks on this page."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""


class Node(TypedDict):
    """A node of the topology graph: a container, a network, an interface or the host."""

    id: str
    """The Docker id, `host` or `interface:<name>`. On another swarm node, the node's id is appended to the last two."""
    kind: TopologyNodeKind
    """The kind of thing that this node stands for."""
    name: str
    """The name of the thing that this node stands for."""
    attributes: dict[str, Any]
    """Further facts by name; for a container its `image`, `state` and `network_mode`, for example."""


class Opening(TypedDict):
    """A port of the host that opens or closes to other hosts."""

    container: Reference
    """The container that publishes the port."""
    protocol: str
    """The transport protocol, `tcp` or `udp`."""
    host_ip: str
    """The address of the host; `0.0.0.0` and `::` are all addresses of one IP version."""
    host_port: int | None
    """The port of the host; null when the engine chooses it."""
    container_port: int
    """The port of the container."""
    becomes: ExpectedVerdict
    """`reachable` when the port opens, `unreachable` when it closes."""


class Overlay(TypedDict):
    """An overlay network, as one node knows it."""

    network: Reference
    """The overlay network, by its id and its name."""
    attachable: bool
    """Whether containers outside of swarm services may join the network."""
    subnets: list[str]
    """The subnets of the network in CIDR notation."""
    peers: list[str]
    """The addresses of the nodes that take part in the network."""


class PairAddresses(TypedDict):
    """A pair of containers, with each address of the destination."""

    source: Reference
    """The container that the probes were sent from."""
    destination: Reference
    """The container that has the addresses."""
    addresses: list[TriedAddress]
    """The addresses of the destination that the source can send to, in the order of a check."""


class Phases(TypedDict):
    """How long each phase of the first probe took, in milliseconds."""

    resolve: float | None
    """Milliseconds to resolve the name; null when no name was resolved."""
    connect: float | None
    """Milliseconds to connect; null when the protocol has no connection."""
    first_byte: float | None
    """Milliseconds until the first byte of the answer; null when the protocol has no such phase."""


class Plan(TypedDict):
    """A plan: what its changes would do, in order, and what they would do together."""

    id: str
    """The digest of the changes: the same changes in the same order have the same id. Audit lines name it."""
    steps: list[PlanStep]
    """The changes in order, each with what it would do."""
    possible: bool
    """Whether every change can be made: no step has the outcome `conflict`."""
    undoable: bool
    """Whether every change can be undone."""
    difference: Difference
    """The pairs that become reachable or unreachable, and the ports of the host that open or close."""
    appearing_findings: list[Finding]
    """The findings of the diagnosis that the plan would cause."""
    disappearing_findings: list[Finding]
    """The findings of the diagnosis that the plan would end."""
    upgrade: PlannedEngine | None
    """The engine after the plan; null when the plan does not upgrade it."""
    notes: list[PlanNote]
    """What of this host the upgrade concerns beside that, and the known faults of the release; empty when the plan
    does not upgrade the engine.
    """
    limited: list[Limitation]
    """Why pairs are inconclusive, and what could not be seen or foreseen, so that the difference may be incomplete
    there.
    """
    applied: Applied | None
    """What the changes did; null when the plan was not applied."""


class PlanAddress(TypedDict):
    """One address of the destination of a pair, before and after the plan."""

    address: str
    """The IP address, such as `172.18.0.3`."""
    ip_version: int
    """The IP version of the address, 4 or 6."""
    network: Reference | None
    """The network whose subnet has the address; null outside of the engine's networks."""
    before: Verdict | None
    """The predicted verdict before the plan; null where the source has no way to the address."""
    after: Verdict | None
    """The predicted verdict after the plan; null where the source has no way to the address."""


class PlanExposure(TypedDict):
    """A port of a container that opens or closes for one place. `GET /v1/exposure` has such rows with their rules."""

    container: Reference
    """The container that has the port."""
    network: Reference
    """The network by which the container gets the packet."""
    container_port: int
    """The port inside the container."""
    protocol: str
    """The transport protocol of the port. Known values, to which more may be added: tcp, udp."""
    published: bool
    """Whether the published port is asked for at the host, and not the container's own address."""
    origin: ExposureOrigin
    """The place from which the port is asked for."""
    address: str
    """The address that a client there asks for."""
    port: int
    """The port that a client there asks for."""
    before: Verdict | None
    """The predicted verdict before the plan; null where there is no such row."""
    after: Verdict | None
    """The predicted verdict after the plan; null where there is no such row."""
    reason: str | None
    """Why the port is not reachable, or why that is not known, after the plan or else before it, as the exposure
    says it, such as `firewall-rule`; null when it is reachable.
    """


class PlanGroup(TypedDict):
    """Pairs that have something in common, counted by what they become."""

    id: str
    """The Docker id of the container or network; empty for a service of Docker Compose."""
    name: str
    """The name of the container or network, or `project/service` of Docker Compose."""
    becomes_reachable: int
    """The number of pairs that become reachable."""
    becomes_unreachable: int
    """The number of pairs that become unreachable."""
    becomes_inconclusive: int
    """The number of pairs of which the plan cannot say what they become."""


class PlanLine(TypedDict):
    """One line of a plan that is being applied. `type` names the kind of line."""

    type: str
    """The kind of this object, which decides what other properties it has. Known values, to which more may be added:
    progress, heartbeat, plan, problem.
    """
    message: NotRequired[str]
    """What is being done now, such as `Pulling busybox: Downloading`."""
    plan: NotRequired[Plan]
    """The plan, with what its changes did. Only in the last line."""
    problem: NotRequired[Problem]
    """The problem document of a failure. Only in the last line."""


class PlanNote(TypedDict):
    """What an upgrade does to this host beside the pairs and ports, or a known fault of the release."""

    code: str
    """What the note says, as a stable code, such as `docker-user-not-used`. More codes can come."""
    message: str
    """The note, in one or two sentences."""
    remedy: str | None
    """What to do about it; null when nothing helps."""
    references: list[str]
    """Links to the public threads and documents about it."""
    components: list[Component]
    """What of this host the note is about."""
    pairs_total: int
    """The number of pairs that the note says change."""
    pairs: list[PlanPair]
    """The pairs that the note says change, at most 100 of them."""


class PlanPair(TypedDict):
    """A pair whose reachability changes."""

    source: Component
    """The container that sends, or the host."""
    destination: Component
    """The container that is reached, or the host, at a port that it publishes."""
    protocol: str
    """The protocol of the pair; `icmp` means a ping. Known values, to which more may be added: icmp, tcp, udp."""
    port: int | None
    """The destination port; null for `icmp`."""
    before: Verdict
    """The predicted verdict before the plan."""
    after: Verdict
    """The predicted verdict after the plan."""
    reason: str | None
    """Why the verdict after the plan is inconclusive, or else the one before, as the code of a finding, such as
    `analysis-limited`; null when neither is.
    """
    addresses: list[PlanAddress]
    """The addresses of the destination that the source can send to, before or after the plan."""
    assumes_listener: bool
    """Whether `after` assumes that a program of the destination listens at the port. That is not known of a
    container that the plan starts: the service assumes its published and exposed ports.
    """


class PlanRequest(TypedDict):
    """Changes to plan, in order."""

    changes: list[PlannedCall]
    """The changes, in the order in which they are made. A later change sees what an earlier one makes."""
    apply: NotRequired[bool]
    """Make the changes. Needs the `ETag` of the plan as `If-Match`, and the role of each change. Default: `false`."""
    undo: NotRequired[PlanUndo]
    """With `apply`: whether to undo the changes, the last one first, when one fails or a measured pair differs.
    Default: `on-failure`.
    """


class PlanStep(TypedDict):
    """One change of a plan, and what would come of it."""

    call: Call
    """The change, as the request that makes it."""
    outcome: str
    """What the change would do: `changes` something, leave everything as it is (`unchanged`), or be refused
    (`conflict`). Known values, to which more may be added: changes, unchanged, conflict.
    """
    problem: Problem | None
    """Why the change would be refused; null when it would not be."""
    undoable: bool
    """Whether the change can be undone. A deleted container cannot be brought back."""
    not_undoable_because: str | None
    """Why the change cannot be undone, such as `db is deleted with its file system.`; null when it can."""
    undo: list[Call]
    """Requests that undo the change, in order; empty when nothing can or need be undone. Afterwards, an address that
    the engine chose may be another one, and a network that is made again has another id.
    """


class PlannedCall(TypedDict):
    """One change of a plan: the request that makes it, as a remedy has it, or `upgrade_engine` alone."""

    method: NotRequired[ChangeMethod | None]
    """The HTTP method of the request."""
    path: NotRequired[str | None]
    """The path of the request with its query, such as `/v1/networks/web/endpoints/tomcat81`."""
    body: NotRequired[dict[str, Any] | None]
    """The JSON body of the request; null when the request has no body."""
    upgrade_engine: NotRequired[UpgradeEngine | None]
    """The engine that takes the place of the present one after all other changes. It is no request, so it is alone,
    as the last change of the plan.
    """


class PlannedEngine(TypedDict):
    """The engine after an upgrade, as the plan takes it. A setting is null where it is not known."""

    version: str
    """The version that the plan names, such as `29.7`; that of the present engine where it names none."""
    answered_as: str
    """The release whose rules the plan takes, such as `29.7`."""
    firewall_backend: str
    """The firewall backend. Known values, to which more may be added: iptables, nftables."""
    userland_proxy: bool | None
    """Whether docker-proxy serves published ports."""
    iptables: bool | None
    """Whether the engine writes rules for IPv4."""
    ip6tables: bool | None
    """Whether the engine writes rules for IPv6."""


class Pool(TypedDict):
    """An address pool of a network: one subnet and its settings."""

    subnet: str
    """The subnet in CIDR notation, such as `10.77.0.0/24`."""
    gateway: str | None
    """The gateway in force, set by you or chosen by Docker, such as `10.77.0.1`; null when there is none."""
    ip_range: str | None
    """The part of the subnet that containers get addresses from; null for the whole subnet."""
    auxiliary_addresses: dict[str, str]
    """Addresses that no container gets, by the name of what has them."""


class PoolRequest(TypedDict):
    """An address pool for a new network: one subnet and its settings."""

    subnet: str
    """The subnet in CIDR notation, such as `10.77.0.0/24`."""
    gateway: NotRequired[str | None]
    """The address of the gateway within the subnet; null lets the engine choose it."""
    ip_range: NotRequired[str | None]
    """The part of the subnet that containers get addresses from, such as `10.77.0.128/25`; null for all."""
    auxiliary_addresses: NotRequired[dict[str, str]]
    """Addresses that no container gets, by a name of your choice: `router: 10.77.0.2`."""


class PoolUsage(TypedDict):
    """How many addresses of a pool are in use, and what uses them."""

    subnet: str
    """The subnet in CIDR notation, such as `10.77.0.0/24`."""
    ip_range: str | None
    """The part of the subnet that containers get addresses from; null for the whole subnet."""
    gateway: str | None
    """The address of the gateway; null when there is none."""
    size: int
    """The number of addresses that the pool can give; 2^53-1 also stands for any larger number."""
    used: int
    """The number of addresses in use."""
    free: int
    """The number of free addresses; 2^53-1 also stands for any larger number."""
    next_free: str | None
    """The lowest free address, such as `10.77.0.4`; null when the pool is full."""
    holders: list[AddressHolder]
    """The addresses in use, and what uses each of them."""


class PortRequest(TypedDict):
    """A port to publish on the host, or a range of ports."""

    container_port: int
    """The port inside the container, such as 8080; the first one of a range."""
    protocol: NotRequired[TransportProtocol]
    """The transport protocol of the port, such as `udp`. Default: `tcp`."""
    host_ip: NotRequired[str | None]
    """The host address to publish on, such as `127.0.0.1`; null for all addresses."""
    host_port: NotRequired[int | None]
    """The port on the host, such as 8081; null lets the engine choose a free port."""
    count: NotRequired[int]
    """How many ports the range has, counted up from `container_port` and `host_port`. Default: `1`."""


class Prediction(TypedDict):
    """What should happen according to the engine's state and the host's configuration."""

    verdict: Verdict
    """The predicted verdict, before anything is sent."""
    path: list[Hop]
    """The steps of a packet, in order. When `verdict` is `unreachable`, the last step stops the packet."""


class ProbeRunner(TypedDict):
    """How the service runs checks inside of network namespaces."""

    kind: ProbeRunnerKind
    """`namespace`: directly; `sidecar`: in a helper container; `unavailable`: not at all."""
    reason: str
    """Why checks run in this way, in one sentence."""
    missing: list[str]
    """What the service would need to run checks in a better way; empty when nothing is missing."""


class Problem(TypedDict):
    """A problem document (RFC 9457): the body of every answer that reports a failure."""

    type: str
    """The path that describes this type of problem, such as `/problems/port-taken`."""
    title: str
    """The summary of this type of problem, the same for every problem with this `code`."""
    status: int
    """The HTTP status of the answer, such as 409."""
    detail: str
    """What went wrong with this request; the sentence names the resources concerned."""
    code: str
    """The stable code of the problem, such as `port-taken`. Programs decide on this code."""
    request_id: str
    """The id of the request, as in the header `X-Request-ID` and in the service's log."""
    remedy: NotRequired[Remedy]
    """How to fix the problem; absent when no fix is known."""
    errors: NotRequired[list[Fault]]
    """Every fault of an invalid request; absent for other problems."""
    facts: NotRequired[dict[str, Any]]
    """Further details for programs, by name. The names depend on `code`."""


class ProblemType(TypedDict):
    """A type of problem: what its code means and what to do about it."""

    code: str
    """The stable code of the type, such as `port-taken`."""
    status: int
    """The HTTP status of such a problem, such as 409."""
    title: str
    """The title of every problem with this code."""
    meaning: str
    """When this problem occurs, in one or two sentences."""
    remedy: str
    """What you can do about the problem."""
    type: str
    """The `type` of such problem documents, which is the path of this entry."""


class ProblemTypePage(TypedDict):
    """One page of the catalogue of problems, sorted by code."""

    items: list[ProblemType]
    """The types of problems on this page."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""


class PruneResult(TypedDict):
    """What the prune removed and kept; in a dry run, what it would remove and keep."""

    removed: list[Reference]
    """The networks that were removed."""
    kept: list[KeptNetwork]
    """The networks that were kept, each with the reason."""


class PublishedPort(TypedDict):
    """A port of a container that is published on the host."""

    container_port: int
    """The port inside the container, such as 8080."""
    protocol: str
    """The transport protocol of the port. Known values, to which more may be added: tcp, udp, sctp."""
    host_ip: str
    """The host address that the port is published on; empty or `0.0.0.0` for all addresses."""
    host_port: int | None
    """The port on the host, such as 8081; null while the engine has not chosen one."""


class QueryCounts(TypedDict):
    """The number of ends that were found, counted once for each port."""

    reachable: int
    """The number of ends that are reachable."""
    inconclusive: int
    """The number of ends that may be reachable: the prediction cannot say it."""
    unreachable: int
    """The number of ends that are unreachable; 0 without `include_unreachable`."""
    violations: int
    """The number of reachable ends that `must_not` names."""


class QueryEnd(TypedDict):
    """The known end of a search: exactly one of these properties."""

    container: NotRequired[str]
    """The container, by its name or id."""
    host: NotRequired[bool]
    """The engine's host. The only value is `true`."""


class QueryGroup(TypedDict):
    """Ends that were found and are alike: one path stands for all of them."""

    ends: list[Component]
    """The sources or destinations that were found, the first one with its path."""
    protocol: str
    """The protocol; `icmp` means a ping. Known values, to which more may be added: icmp, tcp, udp."""
    port: int | None
    """The destination port; null for `icmp`."""
    verdict: Verdict
    """`inconclusive` when something that matters was not visible; `unreachable` only with `include_unreachable`."""
    reason: str | None
    """Why the ends are inconclusive, as the code of a finding; null when that is known."""
    violates: bool
    """Whether `must_not` names these ends. A reachable group that violates makes the query fail."""
    path: list[Hop]
    """The steps of a packet between the first of `ends` and the known end, in order."""
    addresses: list[TriedAddress]
    """The addresses of the destination that the source can send to, for the first of `ends`. Nothing is measured."""
    findings: list[Finding]
    """What is known about the way between the first of `ends` and the known end, with the remedy that closes it.
    Only groups that violate, are inconclusive or are unreachable have findings.
    """


class QueryLine(TypedDict):
    """One line of a streamed search. `type` names the kind of line."""

    ends: NotRequired[list[Component]]
    """The sources or destinations that were found, the first one with its path."""
    protocol: NotRequired[str]
    """The protocol; `icmp` means a ping. Known values, to which more may be added: icmp, tcp, udp."""
    port: NotRequired[int | None]
    """The destination port; null for `icmp`."""
    verdict: NotRequired[Verdict]
    """`inconclusive` when something that matters was not visible; `unreachable` only with `include_unreachable`."""
    reason: NotRequired[str | None]
    """Why the ends are inconclusive, as the code of a finding; null when that is known."""
    violates: NotRequired[bool]
    """Whether `must_not` names these ends. A reachable group that violates makes the query fail."""
    path: NotRequired[list[Hop]]
    """The steps of a packet between the first of `ends` and the known end, in order."""
    addresses: NotRequired[list[TriedAddress]]
    """The addresses of the destination that the source can send to, for the first of `ends`. Nothing is measured."""
    findings: NotRequired[list[Finding]]
    """What is known about the way between the first of `ends` and the known end, with the remedy that closes it.
    Only groups that violate, are inconclusive or are unreachable have findings.
    """
    type: str
    """The kind of this object, which decides what other properties it has. Known values, to which more may be added:
    group, end.
    """
    outcome: NotRequired[str]
    """`failed` when an end that `must_not` names is reachable, `inconclusive` when it is not known whether one is,
    `passed` otherwise. Known values, to which more may be added: passed, failed, inconclusive.
    """
    counts: NotRequired[QueryCounts]
    """The number of ends that were found, by kind."""
    limited: NotRequired[list[Limitation]]
    """Why ends are inconclusive, what could not be seen, and the rules of `must_not` that name no end."""


class QueryMatch(TypedDict):
    """Which ends a rule means: exactly one of these properties."""

    container: NotRequired[str]
    """One container, by its name or id."""
    network: NotRequired[str]
    """All containers that have an endpoint in this network."""
    service: NotRequired[str]
    """All containers of this service of Docker Compose: `shop/web`."""
    label: NotRequired[str]
    """All containers with this label, `key` or `key=value`."""
    host: NotRequired[bool]
    """The engine's host. The only value is `true`."""


class QueryRequest(TypedDict):
    """A search over all containers and the host."""

    find: QueryFind
    """What to search for: the `sources` that reach `of`, or the `destinations` that `of` reaches."""
    of: QueryEnd
    """The known end: the destination of the sources, or the source."""
    protocol: NotRequired[PairProtocol]
    """The protocol to ask for; `icmp` means a ping. Default: `icmp`."""
    port: NotRequired[int | None]
    """The destination port; null asks for every port that is published, exposed or listened on."""
    must_not: NotRequired[list[QueryMatch]]
    """Ends that must not be found. Each one that is reachable is a violation."""
    include_unreachable: NotRequired[bool]
    """Whether the answer also holds the ends that are unreachable, with the step that stops them. Default: `false`."""


class QueryResult(TypedDict):
    """What a search found. Ends that are predicted unreachable are left out, unless `include_unreachable` is true."""

    outcome: str
    """`failed` when an end that `must_not` names is reachable, `inconclusive` when it is not known whether one is,
    `passed` otherwise. Known values, to which more may be added: passed, failed, inconclusive.
    """
    counts: QueryCounts
    """The number of ends that were found, by kind."""
    groups: list[QueryGroup]
    """The ends that were found, in groups that are alike."""
    limited: list[Limitation]
    """Why ends are inconclusive, what could not be seen, and the rules of `must_not` that name no end."""


class Readiness(TypedDict):
    """Whether the service can serve requests, and how checks run."""

    status: ReadinessStatus
    """Whether the service can serve requests now."""
    probe_runner: ProbeRunner
    """How the service runs checks."""
    missing: list[str]
    """What keeps the service from being ready; empty when it is ready."""
    expectations: State
    """How the state of expectations is kept. A problem of it does not make the service unready."""
    remedy: Remedy | None
    """How to make the service ready; null when it is ready or no fix is known."""


class Reference(TypedDict):
    """A Docker object, named by its id and its name."""

    id: str
    """The full id, 64 hexadecimal digits."""
    name: str
    """The name, such as `tomcat81`."""


class Remedy(TypedDict):
    """How to fix a problem: requests to this API in order, or commands where no request can help."""

    summary: str
    """What to do, in one sentence."""
    calls: list[Call]
    """Requests to this API, to be sent in this order."""
    commands: list[str]
    """Shell commands to run on the engine's host, in this order."""
    plan: RemedyPlan | None
    """The body to send to `POST /v1/plans`, which shows what the calls would change; null where a plan cannot hold
    them.
    """


class RemedyPlan(TypedDict):
    """A remedy as the body of `POST /v1/plans`, which answers what the remedy would change."""

    changes: list[Call]
    """The calls of the remedy, in the same order."""


class ResolvableName(TypedDict):
    """A name that the container can resolve without an outside DNS server."""

    name: str
    """The name. A name in a network also resolves with the network's name appended."""
    addresses: list[str]
    """The IP addresses that the name resolves to."""
    network: Reference | None
    """The network in which Docker resolves the name; null when it comes from the hosts file."""
    containers: list[Reference]
    """The containers that have this name in that network. Docker alternates between several."""


class Resolver(TypedDict):
    """The resolver configuration inside the container (resolv.conf)."""

    nameservers: list[str]
    """The addresses of the DNS servers, in the order in which they are asked."""
    search: list[str]
    """The search domains that are appended to short names."""
    options: list[str]
    """The options of resolv.conf, such as `ndots:0`."""
    uses_embedded_dns: bool
    """Whether the container asks Docker's embedded DNS server, `127.0.0.11`."""
    upstreams: list[str]
    """The DNS servers that Docker's embedded DNS server forwards to."""


class RoundTrip(TypedDict):
    """Statistics of the round-trip times of all answered probes, in milliseconds."""

    min: float
    """The shortest round trip, in milliseconds."""
    avg: float
    """The arithmetic mean, in milliseconds."""
    max: float
    """The longest round trip, in milliseconds."""
    p50: float
    """The 50th percentile (median), in milliseconds."""
    p95: float
    """The 95th percentile, in milliseconds."""
    p99: float
    """The 99th percentile, in milliseconds."""


class Route(TypedDict):
    """A unicast route of the main routing table."""

    destination: str
    """The destination subnet in CIDR notation; `0.0.0.0/0` and `::/0` are the default routes."""
    family: AddressFamily
    """The IP version of the route."""
    gateway: str | None
    """The next router, such as `10.77.0.1`; null when the destination is directly connected."""
    interface: str | None
    """The interface that packets leave by, such as `eth0`; null when the route names none."""
    preferred_source: str | None
    """The preferred source address of packets on this route; null when none is set."""
    scope: str
    """The scope of the route, as `ip route` prints it. Known values, to which more may be added: global, site, link,
    host, nowhere.
    """
    protocol: str
    """What installed the route, as `ip route` prints it. Known values, to which more may be added: redirect, kernel,
    boot, static, ra, dhcp.
    """
    metric: int | None
    """The metric of the route; the lowest wins. Null when none is set."""


class RoutePage(TypedDict):
    """One page of routes, sorted by IP version and destination."""

    items: list[Route]
    """The routes on this page of the list."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""
    truncated: bool
    """Whether items are missing from all pages, because the service reads at most 16,384 routes of each IP version."""


class ServiceIndex(TypedDict):
    """The paths where a client can start."""

    name: str
    """The name of the service, always `bridgework`."""
    version: str
    """The version of the service, such as `0.1.0`."""
    links: dict[str, str]
    """Paths of this service by their meaning, such as `networks: /v1/networks`."""


class Socket(TypedDict):
    """A listening socket: TCP in the state LISTEN, or UDP that is bound and not connected."""

    protocol: SocketProtocol
    """The transport protocol of the socket."""
    family: AddressFamily
    """The IP version of the socket."""
    address: str
    """The address that the socket is bound to; `0.0.0.0` or `::` for all addresses."""
    port: int
    """The port that the socket is bound to, such as 8080."""
    process: str | None
    """The name of the process, such as `httpd`; null when the process is not visible."""
    pid: int | None
    """The process id as the service sees it; null when the process is not visible."""
    ipv6_only: bool
    """Whether an IPv6 socket refuses IPv4 (`IPV6_V6ONLY`); always false for IPv4."""


class SocketPage(TypedDict):
    """One page of listening sockets, sorted by protocol and port."""

    items: list[Socket]
    """The listening sockets on this page."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""
    truncated: bool
    """Whether items are missing from all pages, because the service reads at most 16,384 sockets of each protocol
    and IP version.
    """


class State(TypedDict):
    """How the state of expectations is kept."""

    kind: StateKind
    """`file`: in the folder of `BRIDGEWORK_STATE_DIR`; `memory`: until the service ends."""
    problem: str | None
    """What is wrong with the file; null when nothing is wrong."""


class Surprise(TypedDict):
    """A pair of containers where the measurement differs from the prediction."""

    source: Reference
    """The container that the probe was sent from."""
    destination: Reference
    """The container that the probe was sent to."""
    predicted: Verdict
    """The verdict that the engine's state predicts."""
    measured: Verdict
    """The verdict that was measured."""
    reason: str | None
    """Why the measurement failed; null when it succeeded. Known values, to which more may be added: timed-out,
    refused, name-unknown, resolver-failed, no-route, no-address, host-unreachable, administratively-prohibited,
    message-too-long, connection-reset, source-not-running, unexpected-answer, no-answer, namespace-out-of-reach,
    budget-exhausted, resources-exhausted, deadline, not-allowed.
    """
    findings: list[Finding]
    """The findings that the prediction is based on."""


class SwarmNode(TypedDict):
    """A machine of the swarm; without a swarm, the machine of this engine."""

    id: str
    """The id of the node in its swarm; without a swarm, the id of its engine."""
    hostname: str
    """The host name of the node; several nodes can have the same name."""
    engine_id: str | None
    """The id of the engine on the node; null when it is not known."""
    address: str | None
    """The address where other nodes reach this node; null without a swarm."""
    instance: str | None
    """The address of this service on the node, as `host:port`; null on the node that answers."""
    engine_version: str | None
    """The version of the engine on the node, such as `26.1.5`; null when it is not known."""
    state: str
    """The state of the node as a manager of the swarm reports it; `unknown` when none answers. Known values, to
    which more may be added: unknown, down, ready, disconnected.
    """
    manager: bool
    """Whether the node is a manager of the swarm."""
    here: bool
    """Whether the node is the one that answers this request."""
    reachable: bool
    """Whether this service answers on the node now."""
    reason: str | None
    """Why the service on the node does not answer; null when it does."""
    overlays: list[Overlay]
    """The overlay networks that the node takes part in."""


class SwarmNodes(TypedDict):
    """One page of nodes, the node that answers first."""

    items: list[SwarmNode]
    """The nodes on this page of the list."""
    next_cursor: str | None
    """The `cursor` that the request for the next page needs; null on the last page."""
    partial: list[Gap]
    """The nodes that did not answer; the same on every page."""


class Topology(TypedDict):
    """Networks, containers and interfaces as a graph, in a stable order."""

    nodes: list[Node]
    """The nodes of the graph: containers, networks, interfaces and the host."""
    edges: list[Edge]
    """The edges of the graph: how the nodes are connected."""
    limited: list[Limitation]
    """What of the host and of the containers is not in the graph, and how to get it."""
    partial: list[Gap]
    """The swarm nodes that did not answer; their containers are missing."""


class Trace(TypedDict):
    """The way of the check's first packet and of its answer, as the kernel showed it."""

    protocol: str
    """The protocol of the packet. Known values, to which more may be added: icmp, tcp, udp."""
    identifier: int
    """The source port of the packet, or the identifier of the ICMP echo."""
    steps: list[TraceStep]
    """The steps in order: first those of the packet, then those of its answer."""
    client: TraceEnd | None
    """The client as the destination sees it; null where the packet did not arrive."""
    server: TraceEnd | None
    """The destination after all translations; null where the packet did not arrive."""
    connection: TraceConnection | None
    """The host's entry in conntrack; null where there is none."""
    lost: TraceLoss | None
    """Where the packet or its answer was lost; null where nothing was lost."""
    missing: list[str]
    """Sentences about what could not be recorded, and why; empty where everything was."""


class TraceConnection(TypedDict):
    """The entry of the connection in conntrack. It shows how the packet and its answer are translated."""

    source: TraceEnd
    """The source as the client sent it."""
    destination: TraceEnd
    """The destination as the client sent it."""
    reply_source: TraceEnd
    """Where the answer is expected from: the destination after translation."""
    reply_destination: TraceEnd
    """Where the answer is expected to go: the source after translation."""
    mark: int
    """The mark of the connection."""


class TraceEnd(TypedDict):
    """An address with its port."""

    address: str
    """The IP address, such as `172.18.0.2`."""
    port: int | None
    """The port; the identifier for an ICMP echo; null where there is none."""


class TraceLoss(TypedDict):
    """Where the packet or its answer was lost."""

    direction: str
    """Whether the packet (`request`) or its answer (`reply`) was lost. Known values, to which more may be added:
    request, reply.
    """
    message: str
    """One sentence that says where."""
    by: TraceStep | None
    """The step that stopped it; null where no rule and no route did."""
    silent: TraceStep | None
    """The first predicted interface where it was not seen; null where there is none."""


class TraceStep(TypedDict):
    """One step of the packet: predicted, seen in the kernel, or both."""

    kind: str
    """`interface`: the packet at an interface. `rule`: a firewall rule that matched. `policy`: the policy of a
    chain, which dropped the packet. `route`: the route that the host chose. Known values, to which more may be
    added: interface, rule, policy, route.
    """
    direction: str
    """`request`: the packet that the check sent. `reply`: the answer to it. Known values, to which more may be
    added: request, reply.
    """
    place: str
    """The network namespace of this step. Known values, to which more may be added: source, host, destination."""
    of: str
    """Whose namespace it is: the name of a container, or `the host`."""
    predicted: bool
    """Whether this step was predicted from the engine's state and the rules in force."""
    seen: bool
    """Whether the kernel showed the packet at this step."""
    source: TraceEnd | None
    """The source of the packet as it came to this step; null where unknown."""
    destination: TraceEnd | None
    """The destination of the packet; null where unknown."""
    note: str
    """Which packet it is, such as `SYN` or `echo reply`; empty where there is nothing to say."""
    interface: str | None
    """The interface of the step; of a rule, the interface that the packet came in by; null where there is none."""
    leaving: bool | None
    """At an interface: whether the packet leaves by it or comes in by it; null at other steps."""
    hook: str | None
    """The hook of the rule, such as `forward`; null at other steps."""
    table: str | None
    """The rule's table with its family, such as `ip filter`; null at other steps."""
    chain: str | None
    """The rule's chain, such as `DOCKER-USER`; null at other steps."""
    rule: str | None
    """The rule as its program prints it; null where it was not read, and at other steps."""
    handle: int | None
    """The number that the kernel gave to the rule; null where it has none."""
    verdict: str | None
    """What the rule did, such as `drop`, `accept`, `dnat` or `jump DOCKER-USER`; of a route `forward` (with `via`
    and its gateway), `local`, or `no-route` with the reason; null at interfaces.
    """
    proxied: bool
    """Whether this is docker-proxy's own connection to the container, not that of the client."""
    time_us: float | None
    """Microseconds since the packet was first seen; null where the kernel gives no time, such as at rules."""


class TriedAddress(TypedDict):
    """One address of the destination, with its prediction and its measurement."""

    address: str
    """The IP address, such as `172.18.0.3`."""
    ip_version: int
    """The IP version of the address, 4 or 6."""
    network: Reference | None
    """The network whose subnet has the address; null outside of the engine's networks."""
    predicted: Verdict
    """The predicted verdict of this address."""
    measured: Verdict | None
    """The measured verdict of this address. It is null when nothing was sent: the prediction is that of an address
    that was measured, or `reason` says why.
    """
    reason: str | None
    """Why the measurement failed, or why nothing was sent; null when there is no such reason. Known values, to which
    more may be added: timed-out, refused, name-unknown, resolver-failed, no-route, no-address, host-unreachable,
    administratively-prohibited, message-too-long, connection-reset, source-not-running, unexpected-answer,
    no-answer, namespace-out-of-reach, budget-exhausted, resources-exhausted, deadline, not-allowed.
    """


class Undecided(TypedDict):
    """The inconclusive pairs of one source that have the same reason and the same predicted verdict."""

    source: int
    """The position of the source in the order of `containers`, from 0."""
    reason: str
    """Why these pairs are inconclusive, as a code: the reason of a measurement or the code of a finding."""
    predicted: Verdict
    """The verdict that the engine's state predicts for these pairs."""
    destinations: list[int]
    """The positions of the destinations in the order of `containers`, from 0."""


class UndoneChange(TypedDict):
    """A change that undid a part of the plan."""

    call: Call
    """The change, as the request that makes it."""
    problem: Problem | None
    """Why it failed; null when it did not."""


class UpgradeEngine(TypedDict):
    """Another release of Docker, or the same with other settings. What is left out stays as it is."""

    version: NotRequired[str | None]
    """The version with major and minor, and the patch level if known, such as `29.7` or `28.3.3`; null for the one
    that runs. A version that is newer than the newest known one is answered as that one, and `limited` says so.
    """
    firewall_backend: NotRequired[FirewallBackend | None]
    """The daemon's `firewall-backend`; left out, it stays as it is. Docker 29 has `nftables`."""
    userland_proxy: NotRequired[bool | None]
    """The daemon's `userland-proxy`; null leaves it as it is."""
    iptables: NotRequired[bool | None]
    """The daemon's `iptables`; null leaves it as it is."""
    ip6tables: NotRequired[bool | None]
    """The daemon's `ip6tables`; null leaves it as it is. Between Docker 26 and a later release, null means the
    default of the target: off in Docker 26, on since Docker 27.
    """
    icc: NotRequired[bool | None]
    """The daemon's `icc`, which is about the default bridge; null leaves it as it is."""
    allow_direct_routing: NotRequired[bool | None]
    """The daemon's `allow-direct-routing`, since Docker 28.2; null leaves it as it is."""
