"""A method for each operation of the API.

This file is made from the OpenAPI document by ``make openapi``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from bridgework_client.pages import Pages
from bridgework_client.transport import Request, Transport, new_key

if TYPE_CHECKING:
    from bridgework_client.documents import (
        Assertion,
        Assertions,
        AvailableSubnets,
        Caller,
        CheckProtocol,
        CheckRequest,
        CheckResult,
        ConnectedEndpoint,
        Container,
        ContainerCreate,
        ContainerDns,
        ContainerLine,
        ContainerPage,
        ContainerPort,
        ContainerPortPage,
        ContainerRename,
        ContainerState,
        Diagnosis,
        Endpoint,
        EndpointConnect,
        EndpointPage,
        Engine,
        ExpectationChange,
        ExpectationChangePage,
        ExpectationSet,
        ExpectationSetBody,
        ExpectationSetSummary,
        ExpectationSetSummaryPage,
        Explanation,
        Explanations,
        Exposure,
        ExposureOriginKind,
        ExposurePage,
        Finding,
        HostInterfacePage,
        HostLink,
        InsideInterface,
        InsideInterfacePage,
        IpVersion,
        Liveness,
        Matrix,
        MatrixLine,
        MatrixRequest,
        Neighbour,
        NeighbourPage,
        Network,
        NetworkAddresses,
        NetworkCreate,
        NetworkPage,
        NetworkType,
        Plan,
        PlanLine,
        PlanRequest,
        ProblemType,
        ProblemTypePage,
        PruneResult,
        QueryLine,
        QueryRequest,
        QueryResult,
        Readiness,
        Route,
        RoutePage,
        ServiceIndex,
        Socket,
        SocketPage,
        SwarmNode,
        SwarmNodes,
        Topology,
        TopologyScope,
        Verdict,
    )


class Operations:
    """The operations of the API, without the conveniences of ``Client``."""

    transport: Transport

    def get_openapi_json(self) -> dict[str, Any]:
        """Get this document as JSON."""
        return self.transport.document(Request("GET", "/openapi.json"))

    def get_openapi30_json(self) -> dict[str, Any]:
        """Get this document as OpenAPI 3."""
        return self.transport.document(Request("GET", "/openapi-3.0.json"))

    def get_index(self) -> ServiceIndex:
        """Get the paths to start from."""
        return self.transport.document(Request("GET", "/"))

    def get_liveness(self) -> Liveness:
        """Check that the process answers."""
        return self.transport.document(Request("GET", "/livez"))

    def get_readiness(self) -> Readiness:
        """Check whether the service can serve requests."""
        return self.transport.document(Request("GET", "/readyz", expected=(503,)))

    def get_caller(self) -> Caller:
        """Get the caller of this request.

        Needs the role `viewer`.
        """
        return self.transport.document(Request("GET", "/v1/caller"))

    def get_engine(self) -> Engine:
        """Describe the engine.

        Needs the role `viewer`.
        """
        return self.transport.document(Request("GET", "/v1/engine"))

    def list_problems(self, *, limit: int | None = None) -> Pages[ProblemType, ProblemTypePage]:
        """List the types of problems.

        Needs the role `viewer`.
        """
        return Pages(self.transport, Request("GET", "/v1/problems", query={"limit": limit}))

    def get_problem(self, code: str) -> ProblemType:
        """Describe a type of problem."""
        return self.transport.document(Request("GET", self.transport.path("/problems/{}", code)))

    def list_networks(
        self,
        *,
        limit: int | None = None,
        driver: Sequence[str] | None = None,
        scope: Sequence[str] | None = None,
        type: Sequence[NetworkType] | None = None,
        name: Sequence[str] | None = None,
        label: Sequence[str] | None = None,
        dangling: bool | None = None,
        project: Sequence[str] | None = None,
    ) -> Pages[Network, NetworkPage]:
        """List networks.

        Needs the role `viewer`.
        """
        return Pages(
            self.transport,
            Request(
                "GET",
                "/v1/networks",
                query={
                    "limit": limit,
                    "driver": driver,
                    "scope": scope,
                    "type": type,
                    "name": name,
                    "label": label,
                    "dangling": dangling,
                    "project": project,
                },
            ),
        )

    def create_network(
        self, body: NetworkCreate, *, dry_run: bool | None = None, idempotency_key: str | None = None
    ) -> Network:
        """Create a network.

        Needs the role `operator`.
        """
        return self.transport.document(
            Request(
                "POST",
                "/v1/networks",
                query={"dry_run": dry_run},
                body=body,
                idempotency_key=idempotency_key or new_key(),
            )
        )

    def get_network(self, network: str) -> Network:
        """Get a network.

        Needs the role `viewer`.
        """
        return self.transport.document(Request("GET", self.transport.path("/v1/networks/{}", network)))

    def delete_network(
        self, network: str, *, force: bool | None = None, dry_run: bool | None = None, if_match: str | None = None
    ) -> None:
        """Delete a network.

        Needs the role `operator`.
        """
        self.transport.document(
            Request(
                "DELETE",
                self.transport.path("/v1/networks/{}", network),
                query={"force": force, "dry_run": dry_run},
                headers={"If-Match": if_match},
            )
        )

    def prune_networks(
        self,
        *,
        label: Sequence[str] | None = None,
        until: str | None = None,
        include_configured: bool | None = None,
        dry_run: bool | None = None,
    ) -> PruneResult:
        """Remove unused networks.

        Needs the role `admin`.
        """
        return self.transport.document(
            Request(
                "POST",
                "/v1/network-prunes",
                query={"label": label, "until": until, "include_configured": include_configured, "dry_run": dry_run},
                repeatable=False,
            )
        )

    def list_endpoints(self, network: str, *, limit: int | None = None) -> Pages[Endpoint, EndpointPage]:
        """List the endpoints of a network.

        Needs the role `viewer`.
        """
        return Pages(
            self.transport,
            Request("GET", self.transport.path("/v1/networks/{}/endpoints", network), query={"limit": limit}),
        )

    def get_endpoint(self, network: str, container: str) -> Endpoint:
        """Get an endpoint.

        Needs the role `viewer`.
        """
        return self.transport.document(
            Request("GET", self.transport.path("/v1/networks/{}/endpoints/{}", network, container))
        )

    def connect_container(
        self,
        network: str,
        container: str,
        body: EndpointConnect | None = None,
        *,
        dry_run: bool | None = None,
        if_match: str | None = None,
    ) -> ConnectedEndpoint:
        """Connect a container to a network.

        Needs the role `operator`.
        """
        return self.transport.document(
            Request(
                "PUT",
                self.transport.path("/v1/networks/{}/endpoints/{}", network, container),
                query={"dry_run": dry_run},
                body=body,
                headers={"If-Match": if_match},
            )
        )

    def disconnect_container(
        self,
        network: str,
        container: str,
        *,
        force: bool | None = None,
        dry_run: bool | None = None,
        if_match: str | None = None,
    ) -> None:
        """Disconnect a container from a network.

        Needs the role `operator`.
        """
        self.transport.document(
            Request(
                "DELETE",
                self.transport.path("/v1/networks/{}/endpoints/{}", network, container),
                query={"force": force, "dry_run": dry_run},
                headers={"If-Match": if_match},
            )
        )

    def list_addresses(self, network: str) -> NetworkAddresses:
        """Show how the addresses of a network are used.

        Needs the role `viewer`.
        """
        return self.transport.document(Request("GET", self.transport.path("/v1/networks/{}/addresses", network)))

    def list_available_subnets(self, *, prefix_len: int | None = None, count: int | None = None) -> AvailableSubnets:
        """Find free subnets.

        Needs the role `viewer`.
        """
        return self.transport.document(
            Request("GET", "/v1/subnets/available", query={"prefix_len": prefix_len, "count": count})
        )

    def list_containers(
        self,
        *,
        limit: int | None = None,
        name: Sequence[str] | None = None,
        state: Sequence[ContainerState] | None = None,
        network: Sequence[str] | None = None,
        label: Sequence[str] | None = None,
        image: Sequence[str] | None = None,
        publishes: Sequence[int] | None = None,
        project: Sequence[str] | None = None,
    ) -> Pages[Container, ContainerPage]:
        """List containers.

        Needs the role `viewer`.
        """
        return Pages(
            self.transport,
            Request(
                "GET",
                "/v1/containers",
                query={
                    "limit": limit,
                    "name": name,
                    "state": state,
                    "network": network,
                    "label": label,
                    "image": image,
                    "publishes": publishes,
                    "project": project,
                },
            ),
        )

    def create_container(
        self, body: ContainerCreate, *, dry_run: bool | None = None, idempotency_key: str | None = None
    ) -> Container:
        """Create a container.

        Needs the role `operator`.
        """
        return self.transport.document(
            Request(
                "POST",
                "/v1/containers",
                query={"dry_run": dry_run},
                body=body,
                idempotency_key=idempotency_key or new_key(),
            )
        )

    def create_container_lines(
        self, body: ContainerCreate, *, dry_run: bool | None = None, idempotency_key: str | None = None
    ) -> Iterator[ContainerLine]:
        """Create a container. Each line is yielded as it arrives.

        Needs the role `operator`.
        """
        return self.transport.lines(
            Request(
                "POST",
                "/v1/containers",
                query={"dry_run": dry_run},
                body=body,
                accept="application/x-ndjson",
                idempotency_key=idempotency_key or new_key(),
            )
        )

    def get_container(self, container: str) -> Container:
        """Get a container.

        Needs the role `viewer`.
        """
        return self.transport.document(Request("GET", self.transport.path("/v1/containers/{}", container)))

    def delete_container(
        self, container: str, *, force: bool | None = None, dry_run: bool | None = None, if_match: str | None = None
    ) -> None:
        """Delete a container.

        Needs the role `operator`.
        """
        self.transport.document(
            Request(
                "DELETE",
                self.transport.path("/v1/containers/{}", container),
                query={"force": force, "dry_run": dry_run},
                headers={"If-Match": if_match},
            )
        )

    def start_container(self, container: str, *, dry_run: bool | None = None, if_match: str | None = None) -> Container:
        """Start a container.

        Needs the role `operator`.
        """
        return self.transport.document(
            Request(
                "POST",
                self.transport.path("/v1/containers/{}/start", container),
                query={"dry_run": dry_run},
                headers={"If-Match": if_match},
            )
        )

    def stop_container(
        self, container: str, *, grace_s: int | None = None, dry_run: bool | None = None, if_match: str | None = None
    ) -> Container:
        """Stop a container.

        Needs the role `operator`.
        """
        return self.transport.document(
            Request(
                "POST",
                self.transport.path("/v1/containers/{}/stop", container),
                query={"grace_s": grace_s, "dry_run": dry_run},
                headers={"If-Match": if_match},
            )
        )

    def stop_container_lines(
        self, container: str, *, grace_s: int | None = None, dry_run: bool | None = None, if_match: str | None = None
    ) -> Iterator[ContainerLine]:
        """Stop a container. Each line is yielded as it arrives.

        Needs the role `operator`.
        """
        return self.transport.lines(
            Request(
                "POST",
                self.transport.path("/v1/containers/{}/stop", container),
                query={"grace_s": grace_s, "dry_run": dry_run},
                headers={"If-Match": if_match},
                accept="application/x-ndjson",
            )
        )

    def restart_container(
        self, container: str, *, grace_s: int | None = None, dry_run: bool | None = None, if_match: str | None = None
    ) -> Container:
        """Restart a container.

        Needs the role `operator`.
        """
        return self.transport.document(
            Request(
                "POST",
                self.transport.path("/v1/containers/{}/restart", container),
                query={"grace_s": grace_s, "dry_run": dry_run},
                headers={"If-Match": if_match},
                repeatable=False,
            )
        )

    def restart_container_lines(
        self, container: str, *, grace_s: int | None = None, dry_run: bool | None = None, if_match: str | None = None
    ) -> Iterator[ContainerLine]:
        """Restart a container. Each line is yielded as it arrives.

        Needs the role `operator`.
        """
        return self.transport.lines(
            Request(
                "POST",
                self.transport.path("/v1/containers/{}/restart", container),
                query={"grace_s": grace_s, "dry_run": dry_run},
                headers={"If-Match": if_match},
                accept="application/x-ndjson",
                repeatable=False,
            )
        )

    def rename_container(
        self, container: str, body: ContainerRename, *, dry_run: bool | None = None, if_match: str | None = None
    ) -> Container:
        """Rename a container.

        Needs the role `operator`.
        """
        return self.transport.document(
            Request(
                "POST",
                self.transport.path("/v1/containers/{}/rename", container),
                query={"dry_run": dry_run},
                body=body,
                headers={"If-Match": if_match},
                repeatable=False,
            )
        )

    def list_container_interfaces(
        self, container: str, *, limit: int | None = None
    ) -> Pages[InsideInterface, InsideInterfacePage]:
        """List the interfaces inside a container.

        Needs the role `viewer`.
        """
        return Pages(
            self.transport,
            Request("GET", self.transport.path("/v1/containers/{}/interfaces", container), query={"limit": limit}),
        )

    def list_container_routes(self, container: str, *, limit: int | None = None) -> Pages[Route, RoutePage]:
        """List the routes inside a container.

        Needs the role `viewer`.
        """
        return Pages(
            self.transport,
            Request("GET", self.transport.path("/v1/containers/{}/routes", container), query={"limit": limit}),
        )

    def list_container_neighbours(self, container: str, *, limit: int | None = None) -> Pages[Neighbour, NeighbourPage]:
        """List the neighbours inside a container.

        Needs the role `viewer`.
        """
        return Pages(
            self.transport,
            Request("GET", self.transport.path("/v1/containers/{}/neighbours", container), query={"limit": limit}),
        )

    def list_container_sockets(self, container: str, *, limit: int | None = None) -> Pages[Socket, SocketPage]:
        """List the listening sockets inside a container.

        Needs the role `viewer`.
        """
        return Pages(
            self.transport,
            Request("GET", self.transport.path("/v1/containers/{}/sockets", container), query={"limit": limit}),
        )

    def get_container_dns(self, container: str) -> ContainerDns:
        """Show how a container resolves names.

        Needs the role `viewer`.
        """
        return self.transport.document(Request("GET", self.transport.path("/v1/containers/{}/dns", container)))

    def list_container_ports(
        self, container: str, *, limit: int | None = None
    ) -> Pages[ContainerPort, ContainerPortPage]:
        """List the ports of a container.

        Needs the role `viewer`.
        """
        return Pages(
            self.transport,
            Request("GET", self.transport.path("/v1/containers/{}/ports", container), query={"limit": limit}),
        )

    def list_host_interfaces(self, *, limit: int | None = None) -> Pages[HostLink, HostInterfacePage]:
        """List the interfaces of the engine's host.

        Needs the role `viewer`.
        """
        return Pages(self.transport, Request("GET", "/v1/host/interfaces", query={"limit": limit}))

    def check_connectivity(self, body: CheckRequest) -> CheckResult:
        """Check whether a source reaches a destination.

        Needs the role `viewer`.
        """
        return self.transport.document(Request("POST", "/v1/connectivity/checks", body=body))

    def check_connectivity_as(self, media_type: Literal["text/plain"], body: CheckRequest) -> str:
        """Check whether a source reaches a destination. The answer is the text of this media type.

        Needs the role `viewer`.
        """
        return self.transport.text(Request("POST", "/v1/connectivity/checks", body=body, accept=media_type))

    def check_connectivity_file(self, media_type: Literal["application/x-pcapng"], body: CheckRequest) -> bytes:
        """Check whether a source reaches a destination. The answer is a file of this media type.

        Needs the role `viewer`.
        """
        return self.transport.content(Request("POST", "/v1/connectivity/checks", body=body, accept=media_type))

    def measure_matrix(self, body: MatrixRequest) -> Matrix:
        """Measure the connectivity between all pairs.

        Needs the role `viewer`.
        """
        return self.transport.document(Request("POST", "/v1/connectivity/matrix", body=body))

    def measure_matrix_lines(self, body: MatrixRequest) -> Iterator[MatrixLine]:
        """Measure the connectivity between all pairs. Each line is yielded as it arrives.

        Needs the role `viewer`.
        """
        return self.transport.lines(
            Request("POST", "/v1/connectivity/matrix", body=body, accept="application/x-ndjson")
        )

    def check_assertions(self, body: list[Assertion]) -> Assertions:
        """Check a list of assertions about connectivity.

        Needs the role `viewer`.
        """
        return self.transport.document(Request("POST", "/v1/connectivity/assertions", body=body))

    def check_assertions_as(self, media_type: Literal["application/xml"], body: list[Assertion]) -> str:
        """Check a list of assertions about connectivity. The answer is the text of this media type.

        Needs the role `viewer`.
        """
        return self.transport.text(Request("POST", "/v1/connectivity/assertions", body=body, accept=media_type))

    def list_expectations(self, *, limit: int | None = None) -> Pages[ExpectationSetSummary, ExpectationSetSummaryPage]:
        """List the sets of expectations.

        Needs the role `viewer`.
        """
        return Pages(self.transport, Request("GET", "/v1/expectations", query={"limit": limit}))

    def get_expectations(self, name: str) -> ExpectationSet:
        """Get a set of expectations.

        Needs the role `viewer`.
        """
        return self.transport.document(Request("GET", self.transport.path("/v1/expectations/{}", name)))

    def put_expectations(
        self, name: str, body: ExpectationSetBody, *, dry_run: bool | None = None, if_match: str | None = None
    ) -> ExpectationSet:
        """Keep a set of expectations.

        Needs the role `operator`.
        """
        return self.transport.document(
            Request(
                "PUT",
                self.transport.path("/v1/expectations/{}", name),
                query={"dry_run": dry_run},
                body=body,
                headers={"If-Match": if_match},
            )
        )

    def delete_expectations(self, name: str, *, dry_run: bool | None = None, if_match: str | None = None) -> None:
        """Delete a set of expectations.

        Needs the role `operator`.
        """
        self.transport.document(
            Request(
                "DELETE",
                self.transport.path("/v1/expectations/{}", name),
                query={"dry_run": dry_run},
                headers={"If-Match": if_match},
            )
        )

    def list_expectation_changes(
        self, name: str, *, limit: int | None = None
    ) -> Pages[ExpectationChange, ExpectationChangePage]:
        """List the changes of a set of expectations.

        Needs the role `viewer`.
        """
        return Pages(
            self.transport,
            Request("GET", self.transport.path("/v1/expectations/{}/changes", name), query={"limit": limit}),
        )

    def search_connectivity(self, body: QueryRequest) -> QueryResult:
        """Search for sources or destinations.

        Needs the role `viewer`.
        """
        return self.transport.document(Request("POST", "/v1/connectivity/queries", body=body))

    def search_connectivity_lines(self, body: QueryRequest) -> Iterator[QueryLine]:
        """Search for sources or destinations. Each line is yielded as it arrives.

        Needs the role `viewer`.
        """
        return self.transport.lines(
            Request("POST", "/v1/connectivity/queries", body=body, accept="application/x-ndjson")
        )

    def plan_changes(self, body: PlanRequest, *, if_match: str | None = None) -> Plan:
        """Plan changes.

        Needs the role `viewer`.
        """
        return self.transport.document(
            Request("POST", "/v1/plans", body=body, headers={"If-Match": if_match}, repeatable=False)
        )

    def plan_changes_lines(self, body: PlanRequest, *, if_match: str | None = None) -> Iterator[PlanLine]:
        """Plan changes. Each line is yielded as it arrives.

        Needs the role `viewer`.
        """
        return self.transport.lines(
            Request(
                "POST",
                "/v1/plans",
                body=body,
                headers={"If-Match": if_match},
                accept="application/x-ndjson",
                repeatable=False,
            )
        )

    def probe_for_prometheus(
        self,
        *,
        source: str,
        destination: str,
        protocol: CheckProtocol | None = None,
        port: int | None = None,
        ip_version: IpVersion | None = None,
        timeout_ms: int | None = None,
    ) -> str:
        """Run one check as Prometheus metrics.

        Needs the role `viewer`.
        """
        return self.transport.text(
            Request(
                "GET",
                "/v1/connectivity/probe",
                query={
                    "source": source,
                    "destination": destination,
                    "protocol": protocol,
                    "port": port,
                    "ip_version": ip_version,
                    "timeout_ms": timeout_ms,
                },
                accept="text/plain",
            )
        )

    def list_explanations(
        self, *, limit: int | None = None, symptom: Sequence[str] | None = None
    ) -> Pages[Explanation, Explanations]:
        """List the causes that findings name.

        Needs the role `viewer`.
        """
        return Pages(self.transport, Request("GET", "/v1/explanations", query={"limit": limit, "symptom": symptom}))

    def diagnose_engine(self, *, limit: int | None = None) -> Pages[Finding, Diagnosis]:
        """Examine the whole engine.

        Needs the role `viewer`.
        """
        return Pages(self.transport, Request("GET", "/v1/diagnostics", query={"limit": limit}))

    def list_exposure(
        self,
        *,
        limit: int | None = None,
        project: Sequence[str] | None = None,
        container: Sequence[str] | None = None,
        network: Sequence[str] | None = None,
        origin: Sequence[ExposureOriginKind] | None = None,
        verdict: Sequence[Verdict] | None = None,
        published: bool | None = None,
    ) -> Pages[Exposure, ExposurePage]:
        """List what is reachable from where.

        Needs the role `viewer`.
        """
        return Pages(
            self.transport,
            Request(
                "GET",
                "/v1/exposure",
                query={
                    "limit": limit,
                    "project": project,
                    "container": container,
                    "network": network,
                    "origin": origin,
                    "verdict": verdict,
                    "published": published,
                },
            ),
        )

    def get_topology(
        self,
        *,
        network: str | None = None,
        label: str | None = None,
        project: str | None = None,
        links: bool | None = None,
        scope: TopologyScope | None = None,
        fold: int | None = None,
    ) -> Topology:
        """Get the topology of the engine.

        Needs the role `viewer`.
        """
        return self.transport.document(
            Request(
                "GET",
                "/v1/topology",
                query={
                    "network": network,
                    "label": label,
                    "project": project,
                    "links": links,
                    "scope": scope,
                    "fold": fold,
                },
            )
        )

    def get_topology_as(
        self,
        media_type: Literal["text/vnd.graphviz", "text/vnd.mermaid", "image/svg+xml"],
        *,
        network: str | None = None,
        label: str | None = None,
        project: str | None = None,
        links: bool | None = None,
        scope: TopologyScope | None = None,
        fold: int | None = None,
    ) -> str:
        """Get the topology of the engine. The answer is the text of this media type.

        Needs the role `viewer`.
        """
        return self.transport.text(
            Request(
                "GET",
                "/v1/topology",
                query={
                    "network": network,
                    "label": label,
                    "project": project,
                    "links": links,
                    "scope": scope,
                    "fold": fold,
                },
                accept=media_type,
            )
        )

    def list_nodes(self, *, limit: int | None = None) -> Pages[SwarmNode, SwarmNodes]:
        """List the nodes of the swarm.

        Needs the role `viewer`.
        """
        return Pages(self.transport, Request("GET", "/v1/nodes", query={"limit": limit}))

    def get_metrics(self) -> str:
        """Get the metrics of the service.

        Needs the role `viewer`.
        """
        return self.transport.text(Request("GET", "/metrics", accept="text/plain"))
