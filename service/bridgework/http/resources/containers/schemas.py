"""The schemas of containers in answers."""

from __future__ import annotations

from marshmallow import Schema

from bridgework.http.resources.endpoints.schemas import EndpointSchema
from bridgework.http.schemas.answers import (
    Assigned,
    ReferenceSchema,
    list_of,
    number,
    page_of,
    part,
    text,
    text_map,
    texts,
    word,
)
from bridgework.http.schemas.findings import FindingSchema

STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
RESTART_POLICIES = ("no", "always", "unless-stopped", "on-failure")
TRANSPORTS = ("tcp", "udp", "sctp")
MAX_PORT = 65_535


class PublishedPortSchema(Schema):
    """A port of a container that is published on the host."""

    container_port = number("The port inside the container, such as 8080.", minimum=1, maximum=MAX_PORT)
    protocol = word("The transport protocol of the port.", *TRANSPORTS, grows=True)
    host_ip = text("The host address that the port is published on; empty or `0.0.0.0` for all addresses.")
    host_port = number(
        "The port on the host, such as 8081; null while the engine has not chosen one.",
        null=True,
        minimum=1,
        maximum=MAX_PORT,
    )


class ContainerSchema(Schema):
    """A container, with its place in each network and what is wrong with its configuration."""

    id = Assigned("The full id, 64 hexadecimal digits.")
    name = text("The name of the container, unique on its engine.", examples=["tomcat81"])
    image = text("The image as the container was created with it, such as `busybox` or `busybox:1.37`.")
    image_id = Assigned("The image's id, a digest such as `sha256:…`.")
    command = texts("The command that the container runs, with its entrypoint, one argument an item.")
    state = word("The state of the container as Docker reports it, such as `running`.", *STATES)
    exit_code = number(
        "The exit code of the last run; null when the container has never run.",
        null=True,
        minimum=-2_147_483_648,
        maximum=2_147_483_647,
    )
    created_at = Assigned("When the container was created, RFC 3339 in UTC.", format="date-time")
    started_at = text(
        "When the container was last started, RFC 3339 in UTC; null when it never was.", null=True, format="date-time"
    )
    finished_at = text(
        "When the last run of the container ended, RFC 3339 in UTC; null when none has ended.",
        null=True,
        format="date-time",
    )
    hostname = text("The host name inside the container.")
    network_mode = text("The network mode: `bridge`, `host`, `none`, `container:<id>` or a network's name or id.")
    shares_network_with = part(
        ReferenceSchema,
        "The container whose network this container uses (mode `container:<id>`); otherwise null.",
        null=True,
    )
    endpoints = list_of(
        EndpointSchema, "The endpoints of the container: one for each network that the container is in."
    )
    published_ports = list_of(
        PublishedPortSchema, "The ports that are published now; empty while the container does not run."
    )
    configured_ports = list_of(PublishedPortSchema, "The ports that were requested when the container was created.")
    labels = text_map("The labels by key, such as `team: edge`, including those that this service sets.")
    restart_policy = word("When the engine restarts the container after it has stopped.", *RESTART_POLICIES)
    findings = list_of(FindingSchema, "Problems with the configuration that Docker accepts silently or only warns of.")


ContainerPageSchema = page_of(
    ContainerSchema, "One page of containers, sorted by name.", "The containers on this page."
)
