"""The catalogue of problems: every ``code`` of a problem document, what it means and what to do.

A problem's ``type`` is ``/problems/{code}``, which answers the entry (RFC 9457, section 3.1.1). A test holds the
catalogue, the document and the codes that the service raises against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One entry: the code, its HTTP status, the title of every such problem, when it comes, and what to do."""

    code: str
    status: int
    title: str
    meaning: str
    remedy: str

    @property
    def url(self) -> str:
        """Return the ``type`` of the problem document, a URL reference that answers."""
        return f"/problems/{self.code}"


# fmt: off
_TYPES = (
    ProblemType(
        "address-configuration-invalid", 422, "The engine refuses the address configuration",
        "The engine refuses the pools of a new network, for example a gateway outside its subnet, or IPv4 "
        "switched off on an engine that is too old for it.",
        "Change the pools as the engine's own sentence in `detail` says.",
    ),
    ProblemType(
        "address-not-in-subnet", 422, "The address is in no subnet of the network",
        "A fixed address is not in any subnet of the network, or is its network or broadcast address.",
        "Ask `GET /v1/networks/{network}/addresses` for the subnets and the next free address.",
    ),
    ProblemType(
        "address-space-exhausted", 409, "No free subnet is left",
        "The engine's default address pools have no free subnet left for a network that names none.",
        "Name a subnet yourself; `GET /v1/subnets/available` lists free ones. Or remove networks that nothing uses.",
    ),
    ProblemType(
        "alias-not-supported", 422, "This network has no aliases",
        "Aliases work on user networks only, and the network is the default bridge.",
        "Connect the container to a network of your own, and give it the alias there.",
    ),
    ProblemType(
        "ambiguous-reference", 400, "The reference fits several things",
        "A name or an id prefix fits more than one network or container.",
        "Use the full id of the one you mean; `facts` lists the candidates.",
    ),
    ProblemType(
        "bad-request", 400, "The request is not valid HTTP",
        "The request line, a header or the framing of the body is not valid HTTP.",
        "Look at what stands between your client and the service; a common HTTP library does not send such a request.",
    ),
    ProblemType(
        "body-too-large", 413, "The body is too large",
        "The body is larger than `BRIDGEWORK_MAX_BODY_BYTES`.",
        "Send a smaller body, or raise that setting.",
    ),
    ProblemType(
        "body-unexpected", 400, "The operation takes no body",
        "A body was sent to an operation that takes none. An empty object is allowed with a change.",
        "Leave the body out. Options such as `grace_s` are query parameters.",
    ),
    ProblemType(
        "bridge-name-taken", 409, "The bridge name is taken",
        "The option `com.docker.network.bridge.name` names an interface that the host, or another network, "
        "has already.",
        "Choose another name, or leave the option out.",
    ),
    ProblemType(
        "combination-invalid", 422, "The fields contradict each other",
        "The engine refuses a combination of fields, for example published ports with a mode that has none.",
        "Remove one of the fields that the engine's sentence in `detail` names.",
    ),
    ProblemType(
        "command-not-runnable", 409, "The command cannot be run",
        "The image has no such program, or it cannot be executed. The container was removed again.",
        "Correct `command`, or use an image that holds the program.",
    ),
    ProblemType(
        "configuration-conflict", 422, "The network has a configuration of its own",
        "A network with `config_from` takes its options and pools from there, and a configuration network "
        "takes nothing else.",
        "Leave out the options and pools, or leave out `config_from`.",
    ),
    ProblemType(
        "container-name-invalid", 422, "The container name is not valid",
        "The engine refuses the name.",
        "Use letters, digits, `_`, `.` and `-`, and begin with a letter or digit.",
    ),
    ProblemType(
        "container-name-taken", 409, "The container name is taken",
        "Another container has the name.",
        "Choose another name, or remove the container that `facts` names.",
    ),
    ProblemType(
        "container-not-found", 404, "There is no such container",
        "No container has this name or id, or it was removed meanwhile.",
        "List the containers with `GET /v1/containers`.",
    ),
    ProblemType(
        "container-not-paused", 409, "The container is not paused",
        "The container was to be unpaused and is not paused.",
        "Read the container; it may be running already.",
    ),
    ProblemType(
        "container-not-running", 409, "The container is not running",
        "The request looks inside a container, which works only while the container runs.",
        "Start the container and ask again.",
    ),
    ProblemType(
        "container-paused", 409, "The container is paused",
        "A paused container cannot do this.",
        "Start it, which unpauses it, and ask again.",
    ),
    ProblemType(
        "container-removing", 409, "The container is being removed",
        "The engine is just removing the container.",
        "Wait until it is gone, and create a new one.",
    ),
    ProblemType(
        "container-restarting", 409, "The container is between two starts",
        "The container ends and is started again, so it has no network namespace to change now.",
        "Stop it, make the change, and start it.",
    ),
    ProblemType(
        "container-running", 409, "The container is running",
        "A running container is removed only with `force=true`.",
        "Stop the container first, or send `?force=true` (role admin).",
    ),
    ProblemType(
        "container-runtime-failed", 502, "The container runtime failed",
        "The runtime's own process ended before the container's command began, most often for lack of memory.",
        "Start the container again. If that fails too, look into the kernel's log.",
    ),
    ProblemType(
        "destination-not-allowed", 403, "The destination may not be probed",
        "The service's policy does not let this address and port be probed.",
        "Probe a container, or ask the operator to add the range to `BRIDGEWORK_PROBE_ALLOWED_CIDRS`.",
    ),
    ProblemType(
        "drawing-failed", 503, "The picture cannot be drawn",
        "Graphviz is not installed on the service's host, or failed.",
        "Ask for JSON, Mermaid or Graphviz text instead, or install Graphviz.",
    ),
    ProblemType(
        "driver-not-allowed", 403, "The driver is not allowed",
        "`BRIDGEWORK_ALLOWED_DRIVERS` does not list the network driver.",
        "Use a driver from the list that `detail` names.",
    ),
    ProblemType(
        "driver-single-instance", 422, "The driver has one network only",
        "The engine makes only one network of this driver, and has it.",
        "Use the network that is there.",
    ),
    ProblemType(
        "driver-unknown", 422, "The driver is unknown",
        "The engine has no network driver of this name.",
        "Ask `GET /v1/engine` for its drivers.",
    ),
    ProblemType(
        "earlier-request-failed", 409, "The earlier request with this key failed",
        "The request that used this `Idempotency-Key` first could not start its container and removed it.",
        "Send the request again.",
    ),
    ProblemType(
        "endpoint-differs", 409, "The container is connected with other settings",
        "The container is in the network already, with other aliases, addresses or options than you ask for.",
        "Disconnect it first, or ask for the settings in force.",
    ),
    ProblemType(
        "endpoint-exists", 409, "The container is in the network already",
        "The engine has an endpoint of the container in this network.",
        "Read the endpoint; connect again only after a disconnect.",
    ),
    ProblemType(
        "endpoint-half-made", 409, "An endpoint is half made",
        "An earlier connect failed and left its settings with the engine.",
        "Send the calls of `remedy`.",
    ),
    ProblemType(
        "endpoint-not-found", 404, "The container has no endpoint in the network",
        "The container is not connected to the network.",
        "Connect it with `PUT /v1/networks/{network}/endpoints/{container}`.",
    ),
    ProblemType(
        "endpoint-vanished", 409, "The endpoint is gone again",
        "Something else disconnected the container right after it was connected.",
        "Find out what else changes this network, then connect again.",
    ),
    ProblemType(
        "engine-answered-strangely", 502, "The engine's answer is not understood",
        "The engine answered something that its API does not promise.",
        "Look into the engine's log. `facts` holds its own words.",
    ),
    ProblemType(
        "engine-disk-full", 502, "The engine's disk is full",
        "The engine has no space left under its data root.",
        "Free space on the engine's host.",
    ),
    ProblemType(
        "engine-too-slow", 504, "The engine is too slow",
        "The engine did not answer within `BRIDGEWORK_ENGINE_TIMEOUT_S`. A change may still happen.",
        "Read the state before you repeat a change. A creation with an `Idempotency-Key` can be sent again.",
    ),
    ProblemType(
        "engine-unreachable", 503, "The engine cannot be reached",
        "Nothing answers at the engine's address.",
        "Start the engine, or correct `DOCKER_HOST`. Try again after `Retry-After` seconds.",
    ),
    ProblemType(
        "engine-version-unsupported", 502, "The engine's version is not supported",
        "The engine speaks none of the API versions that this service knows.",
        "Use an engine of a supported version.",
    ),
    ProblemType(
        "expectation-unknown", 417, "The expectation is unknown",
        "The header `Expect` asks for something other than `100-continue`.",
        "Leave the header out.",
    ),
    ProblemType(
        "fixed-address-not-supported", 422, "The network takes no fixed addresses",
        "The network is the default bridge, or the engine chose its subnet.",
        "Create a network with a subnet that you name; it takes fixed addresses.",
    ),
    ProblemType(
        "headers-too-large", 431, "The headers are too large",
        "There are more than 100 headers, or one is longer than 8,190 bytes.",
        "Send fewer or shorter headers, for example fewer cookies.",
    ),
    ProblemType(
        "host-address-unknown", 409, "The host has no such address",
        "A port is to be published at an address that the host does not have.",
        "Use an address of the host, or leave `host_ip` out.",
    ),
    ProblemType(
        "host-mode-not-allowed", 403, "Host mode is not allowed",
        "`BRIDGEWORK_ALLOW_HOST_MODE` is off, and the container would use the host's own network.",
        "Use a network of its own and publish its ports.",
    ),
    ProblemType(
        "host-port-not-allowed", 403, "The host port is not allowed",
        "The port is outside `BRIDGEWORK_ALLOWED_HOST_PORTS`.",
        "Use a port within the range that `detail` names.",
    ),
    ProblemType(
        "idempotency-key-reused", 422, "The key was used with another body",
        "The `Idempotency-Key` belongs to an earlier request with another body.",
        "Use a new key for a new request.",
    ),
    ProblemType(
        "identity-provider-unreachable", 503, "The identity provider cannot be reached",
        "The keys that verify a JWT cannot be loaded.",
        "Try again later, or check `BRIDGEWORK_OIDC_JWKS_URL`.",
    ),
    ProblemType(
        "image-not-allowed", 403, "The image is not allowed",
        "`BRIDGEWORK_ALLOWED_IMAGES` does not list the image.",
        "Use an allowed image.",
    ),
    ProblemType(
        "image-not-found", 404, "The engine has no such image",
        "The image is not on the engine, or not in its registry.",
        'Send `"pull": "missing"`, or load the image into the engine.',
    ),
    ProblemType(
        "image-reference-invalid", 422, "The image reference is not valid",
        "The text is no reference of an image.",
        "Write it as `name`, `name:tag` or `name@sha256:…`.",
    ),
    ProblemType(
        "ingress-scope-invalid", 422, "The network cannot be the routing mesh",
        "Only an overlay network of a swarm can have `ingress: true`.",
        "Leave `ingress` out.",
    ),
    ProblemType(
        "input-invalid", 422, "The input is not valid",
        "A field, a parameter or a header is missing, unknown or out of bounds. `errors` lists every fault.",
        "Correct each entry of `errors`.",
    ),
    ProblemType(
        "internal-error", 500, "The service failed",
        "Something unforeseen happened in the service.",
        "Report it with the `request_id`; the service's log has the details under that id.",
    ),
    ProblemType(
        "json-invalid", 400, "The body is not valid JSON",
        "The body is not one JSON document in UTF-8, or repeats a key.",
        "Send one JSON object.",
    ),
    ProblemType(
        "length-required", 411, "The transfer coding is unknown",
        "`Transfer-Encoding` names a coding other than `chunked`.",
        "Send a `Content-Length`, or chunks without another coding.",
    ),
    ProblemType(
        "link-target-down", 409, "The linked container is not running",
        "A legacy link needs its other container running in the default bridge.",
        "Start that container first, or replace the link by a user network.",
    ),
    ProblemType(
        "mac-address-invalid", 422, "The MAC address is not valid",
        "The engine or the kernel refuses the MAC address, for example a multicast one.",
        "Use a unicast address, or leave the field out.",
    ),
    ProblemType(
        "mac-address-taken", 409, "The MAC address is taken",
        "Another container in the network has this MAC address.",
        "Use another MAC address, or leave the field out.",
    ),
    ProblemType(
        "media-type-unsupported", 415, "The body is not JSON",
        "`Content-Type` is not `application/json`, or the body is encoded further.",
        "Send JSON in UTF-8 with `Content-Type: application/json`.",
    ),
    ProblemType(
        "method-not-allowed", 405, "The path does not take this method",
        "The path exists, and takes other methods. `Allow` lists them.",
        "Use one of these methods.",
    ),
    ProblemType(
        "namespace-out-of-reach", 409, "The network namespace cannot be entered",
        "The service cannot look into the container's network namespace from where it runs.",
        "Run the service on the engine's host with the needed rights, or configure helper containers.",
    ),
    ProblemType(
        "network-builtin", 409, "The network is the engine's own",
        "`bridge`, `host`, `none` and the ingress network cannot be removed.",
        "Leave the network as it is.",
    ),
    ProblemType(
        "network-config-only", 409, "The network is only a configuration",
        "Nothing can be connected to a network with `config_only: true`.",
        "Create a network with `config_from` naming it, and use that.",
    ),
    ProblemType(
        "network-gone", 409, "A network of the container is gone",
        "The container was configured with a network that does not exist any more.",
        "Send the calls of `remedy`: the container forgets the network.",
    ),
    ProblemType(
        "network-in-use", 409, "The network is in use",
        "Containers, running or stopped, are in the network, or other networks take their configuration from it.",
        "Disconnect what `facts` names, or send `?force=true` (role admin).",
    ),
    ProblemType(
        "network-mode-conflict", 409, "The network mode forbids it",
        "A container in host or none mode keeps that mode for as long as it exists.",
        "Create the container again with another `network_mode`.",
    ),
    ProblemType(
        "network-name-reserved", 422, "The network name is reserved",
        "Docker keeps the name for itself.",
        "Choose another name.",
    ),
    ProblemType(
        "network-name-taken", 409, "The network name is taken",
        "Another network has the name.",
        "Use that network, or choose another name.",
    ),
    ProblemType(
        "network-not-found", 404, "There is no such network",
        "No network has this name or id, or it was removed meanwhile.",
        "List the networks with `GET /v1/networks`.",
    ),
    ProblemType(
        "network-shared", 409, "The container uses the network of another",
        "A container in container mode has no networks of its own.",
        "Change the container whose network it shares.",
    ),
    ProblemType(
        "not-a-swarm-manager", 409, "The engine is not a swarm manager",
        "Such a network is made by a manager of a swarm only.",
        "Send the request to a manager's instance.",
    ),
    ProblemType(
        "not-acceptable", 406, "No acceptable media type",
        "`Accept` allows none of the media types that the operation answers in.",
        "Accept `application/json`, or one of the types that `detail` lists.",
    ),
    ProblemType(
        "option-invalid", 422, "An option is not valid",
        "The driver or the kernel refuses the value of an option.",
        "Correct the option that `detail` names.",
    ),
    ProblemType(
        "overlay-not-attachable", 409, "The overlay network is not attachable",
        "Containers outside of services may join an overlay network only when it is attachable.",
        "Create the network again with `attachable: true`.",
    ),
    ProblemType(
        "parent-not-allowed", 403, "The parent interface is not allowed",
        "A macvlan or ipvlan on the bridge of a Docker network would read that network's traffic.",
        "Name an interface of the host that no Docker network uses.",
    ),
    ProblemType(
        "parent-unusable", 409, "The parent interface cannot be used",
        "The kernel cannot make an interface on the parent: it does not exist, or has another use.",
        "Name another parent interface.",
    ),
    ProblemType(
        "path-unknown", 404, "There is no such path",
        "The service has nothing at this path.",
        "See `GET /` or `/openapi.yaml` for the paths.",
    ),
    ProblemType(
        "pool-exhausted", 409, "The network has no free address",
        "Every address of the network's pool is taken.",
        "Disconnect what is not needed, or create a network with a larger subnet.",
    ),
    ProblemType(
        "port-taken", 409, "The host port is taken",
        "Another container or a program on the host has the port. `facts` names it where it is known.",
        "Use another host port, or stop what holds it.",
    ),
    ProblemType(
        "precondition-failed", 412, "The resource has changed",
        "`If-Match` names another ETag than the resource has, or `If-None-Match` fits it.",
        "Read the resource again, and decide on what it is now.",
    ),
    ProblemType(
        "precondition-not-supported", 400, "The operation takes no precondition",
        "`If-Match` or `If-None-Match` was sent to an operation that has no single resource.",
        "Leave the header out. An `Idempotency-Key` makes a creation safe.",
    ),
    ProblemType(
        "project-mismatch", 403, "It belongs to another project",
        "The token is bound to a project, and the thing carries another project's label or none.",
        "Use a token of that project.",
    ),
    ProblemType(
        "protocol-not-supported", 409, "The kernel lacks the protocol",
        "A port is to be published with a protocol that the host's kernel does not have.",
        "Use another protocol, or load the kernel module.",
    ),
    ProblemType(
        "published-address-not-allowed", 403, "The published address is not allowed",
        "`BRIDGEWORK_ALLOWED_PUBLISHED_ADDRESSES` does not list the address.",
        "Publish on an address from the list that `detail` names.",
    ),
    ProblemType(
        "rate-limited", 429, "Too many requests",
        "The token sent more requests in a minute than `BRIDGEWORK_RATE_PER_MINUTE` allows.",
        "Wait `Retry-After` seconds.",
    ),
    ProblemType(
        "registry-unreachable", 502, "The image registry cannot be reached",
        "The engine cannot pull the image from its registry.",
        "Check the engine's way to the registry, or load the image into the engine.",
    ),
    ProblemType(
        "request-timed-out", 408, "The request did not arrive in time",
        "The whole request has to arrive within ten seconds.",
        "Send the request again.",
    ),
    ProblemType(
        "role-insufficient", 403, "The role is not sufficient",
        "The operation needs a higher role than the token has.",
        "Use a token with the role that `detail` names.",
    ),
    ProblemType(
        "shared-namespace-owner-down", 409, "The owner of a shared namespace is down",
        "The container shares a namespace with a container that is not running.",
        "Start that container first.",
    ),
    ProblemType(
        "shared-network-owner-down", 409, "The owner of the shared network is down",
        "The container uses the network of a container that is not running.",
        "Start that container first.",
    ),
    ProblemType(
        "shared-network-owner-gone", 409, "The owner of the shared network is gone",
        "The container uses the network of a container that was removed.",
        "Create the container again: what it shared does not come back.",
    ),
    ProblemType(
        "static-address-taken", 409, "The address is taken",
        "Another endpoint in the network holds the fixed address.",
        "Use the next free address, or free this one.",
    ),
    ProblemType(
        "subnet-not-allowed", 403, "The subnet is not allowed",
        "The subnet is public, or outside `BRIDGEWORK_ALLOWED_SUBNETS`.",
        "Use a private subnet; `GET /v1/subnets/available` lists free ones.",
    ),
    ProblemType(
        "subnet-overlaps", 409, "The subnet overlaps another",
        "The subnet overlaps a network of the engine or a route of its host.",
        "Use the free subnet that `remedy` names.",
    ),
    ProblemType(
        "sysctl-refused", 409, "The kernel refuses a sysctl",
        "The kernel does not know the sysctl, or not in a network namespace.",
        "Leave the sysctl out, or correct its name.",
    ),
    ProblemType(
        "token-invalid", 401, "The token is not valid",
        "The token is unknown, expired or not signed by a known key.",
        "Use a valid token.",
    ),
    ProblemType(
        "token-required", 401, "A token is required",
        "The request has no `Authorization: Bearer` header.",
        "Send `Authorization: Bearer <token>`.",
    ),
    ProblemType(
        "too-many-failures", 429, "Too many failed attempts",
        "The address sent too many invalid tokens.",
        "Wait `Retry-After` seconds, then send a valid token.",
    ),
    ProblemType(
        "too-many-matrices", 429, "Too many matrices at once",
        "As many matrices run as `BRIDGEWORK_MAX_MATRICES` allows.",
        "Try again when one has ended.",
    ),
    ProblemType(
        "too-many-probes", 429, "Too many probes at once",
        "As many Prometheus probes run as `BRIDGEWORK_MAX_PROBES` allows.",
        "Try again later, or scrape less often.",
    ),
    ProblemType(
        "too-many-streams", 429, "Too many streams at once",
        "As many event streams are open as `BRIDGEWORK_MAX_STREAMS` allows.",
        "Close a stream, or raise that setting.",
    ),
    ProblemType(
        "uri-too-long", 414, "The request line is too long",
        "The path and query are longer than 4,094 bytes.",
        "Send fewer filters.",
    ),
)
# fmt: on

PROBLEMS: Mapping[str, ProblemType] = {problem.code: problem for problem in _TYPES}
"""By code, in the alphabet's order."""
