"""The schemas of findings and of their remedies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from marshmallow import Schema, pre_dump

from bridgework.explanations import CATALOGUE
from bridgework.http.schemas.actions import call_of
from bridgework.http.schemas.answers import any_values, flag, list_of, part, text, texts, word
from bridgework.model.actions import Change
from bridgework.model.errors import Remedy

COMPONENT_KINDS = ("bridge", "container", "endpoint", "host", "interface", "network", "node")
SEVERITIES = ("blocking", "warning", "info")
_PLANNED = get_args(Change)


class CallSchema(Schema):
    """A request to this API that you can send as it stands."""

    method = word("The HTTP method of the request.", "GET POST PUT DELETE")
    path = text("The path of the request with its query, such as `/v1/networks/web?force=true`.")
    body = any_values("The JSON body of the request; null when the request has no body.", null=True)


class RemedyPlanSchema(Schema):
    """A remedy as the body of `POST /v1/plans`, which answers what the remedy would change."""

    changes = list_of(CallSchema, "The calls of the remedy, in the same order.")


class RemedySchema(Schema):
    """How to fix a problem: requests to this API in order, or commands where no request can help."""

    summary = text("What to do, in one sentence.")
    calls = list_of(CallSchema, "Requests to this API, to be sent in this order.")
    commands = texts("Shell commands to run on the engine's host, in this order.")
    plan = part(
        RemedyPlanSchema,
        "The body to send to `POST /v1/plans`, which shows what the calls would change; null where a plan cannot hold "
        "them.",
        null=True,
    )

    @pre_dump
    def render(self, remedy: Remedy | Mapping[str, Any], **_: Any) -> Mapping[str, Any]:
        """Render the actions as requests. A remedy that another node wrote is JSON already."""
        if isinstance(remedy, Mapping):
            return {"plan": None, **remedy}
        calls = [call_of(action) for action in remedy.actions]
        # A plan holds changes of this engine: no reads, and no calls for another node.
        fits = bool(calls) and all(isinstance(action, _PLANNED) for action in remedy.actions)
        plan = {"changes": calls} if fits else None
        return {"summary": remedy.summary, "calls": calls, "commands": remedy.commands, "plan": plan}


class LimitationSchema(Schema):
    """Something that the answer leaves open: the part of the answer, why, and what to change."""

    code = text(
        "The reason as a stable code, such as `budget-exhausted` or `firewall-not-visible`. docs/limitations.md "
        "explains the codes; one that is not there is the code of a finding."
    )
    what = text(
        "What is left open or was not observed, such as `12 inconclusive pairs` or `the host's firewall rules`."
    )
    why = text("Why this is left open, with what was measured, in one or two sentences.")
    remedy = text(
        "What to change so that the answer has this part: a setting, a right or a kernel parameter; null when nothing "
        "helps.",
        null=True,
    )


class ComponentSchema(Schema):
    """The part of the system that a finding is about."""

    kind = word("The kind of the component.", *COMPONENT_KINDS, grows=True)
    id = text("The Docker id of the component; empty when the component has no id, as the host.")
    name = text("The name of the component, such as `tomcat81`.")


class ComposeFileSchema(Schema):
    """What belongs into the compose file of one project, so that the remedy lasts."""

    project = text("The name of the Compose project whose file this is, such as `shop`.")
    path = text(
        "The path of the file on the machine where Compose ran, such as `/srv/shop/compose.yaml`; null if not known.",
        null=True,
    )
    lines = text("YAML to merge into the file. A comment in it says what to remove from the file.")


class ComposePartSchema(Schema):
    """What Docker Compose made of the finding's component, and what that means for the remedy."""

    project = text("The name of the Compose project, such as `shop`.")
    service = text("The service in the compose file; null when the component is not a container.", null=True)
    network = text("The key of the network in the compose file; null when the component is not a network.", null=True)
    undone = flag(
        "Whether `docker compose up` undoes the remedy, because it makes containers and networks from the compose file."
    )
    files = list_of(
        ComposeFileSchema, "The compose files to change, one for each project; empty when no file needs a change."
    )


class FindingSchema(Schema):
    """A cause that was found, with the evidence for it and the way to fix it."""

    code = word(
        "The stable code of the cause. `GET /v1/explanations` explains every code.", *tuple(CATALOGUE), grows=True
    )
    severity = word("How serious the finding is: `blocking` means that traffic is expected to fail.", *SEVERITIES)
    component = part(ComponentSchema, "The network, container or other component that the finding is about.")
    message = text("One sentence that names the components and says what is wrong.")
    remedy = part(
        RemedySchema, "How to fix the cause; null when there is nothing to fix or no fix is known.", null=True
    )
    evidence = any_values("The observed values that led to this finding, by name. The names depend on `code`.")
    compose = part(
        ComposePartSchema,
        "The Compose project of the component; null when Docker Compose did not make the component.",
        null=True,
    )
