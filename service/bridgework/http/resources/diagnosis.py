"""The routes of explanations and of the diagnosis."""

from __future__ import annotations

import hashlib

from marshmallow import Schema, validate

from bridgework.explanations import CATALOGUE, SYMPTOMS
from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.paging import page
from bridgework.http.resources.nodes import is_forwarded
from bridgework.http.schemas.answers import list_of, next_page, text, texts, word
from bridgework.http.schemas.fields import Text
from bridgework.http.schemas.findings import SEVERITIES, FindingSchema, LimitationSchema
from bridgework.http.schemas.queries import Filter, PageQuery
from bridgework.model.checks import Finding
from bridgework.use_cases import diagnosis

RESOURCE = Resource(
    "diagnostics", "Find out what is wrong: the catalogue of causes, the diagnosis and the topology of the engine."
)
MANY = 999_999
LONGEST_WAIT_S = 10.0
"""How long a diagnosis or an exposure waits for its turn. With 150 containers with a published port each, a diagnosis
takes 0.4 s of processor time and 1,000 rows of the exposure 1.1 s."""


class ExplanationQuery(PageQuery):
    """The filter of the catalogue, and paging."""

    symptom = Filter(
        Text(validate=validate.OneOf(tuple(SYMPTOMS)), metadata={"x_known_values": True}),
        "Only causes of this symptom, such as `name-does-not-resolve`. docs/symptoms.md describes the symptoms.",
    )


class ExplanationSchema(Schema):
    """The explanation of one cause that findings name by its code."""

    code = word("The stable code of the cause, as findings name it.", *tuple(CATALOGUE), grows=True)
    severity = word("How serious the cause is: `blocking` means that traffic is expected to fail.", *SEVERITIES)
    meaning = text("What the cause means, in one or two sentences.")
    detection = text("How the service detects the cause.")
    remedy = text("How to fix the cause, in general.")
    example = text("An example of the message of such a finding.")
    seen = text("What a user sees before any check, in one or two sentences.")
    symptoms = texts("The symptoms that may have this cause, such as `name-does-not-resolve`.")
    references = texts("URLs of documents and public threads that describe the cause.")


class ExplanationsSchema(Schema):
    """One page of the catalogue of causes, sorted by code."""

    items = list_of(ExplanationSchema, "The explanations on this page.")
    next_cursor = next_page()


class DiagnosisSchema(Schema):
    """One page of the findings about the engine, the most severe first."""

    items = list_of(FindingSchema, "The findings on this page.")
    next_cursor = next_page()
    limited = list_of(LimitationSchema, "What could not be inspected; the same on every page.")


@RESOURCE.get("/v1/explanations", ExplanationsSchema, query=ExplanationQuery())
def list_explanations(context: RequestContext) -> ViewResult:
    """List the causes that findings name.

    Each explanation says what you see, what the cause means, how the service detects it and how to fix it. A program
    can show it beside the `code` of a finding. With `symptom` the list holds the possible causes of that symptom.
    """
    symptoms = set(context.query["symptom"])
    items = [row for row in CATALOGUE.values() if not symptoms or symptoms.intersection(row.symptoms)]
    return ViewResult(page(items, context, lambda explanation: (explanation.code, "")))


@RESOURCE.get(
    "/v1/diagnostics",
    DiagnosisSchema,
    query=PageQuery(),
    concurrency_pool="diagnoses",
    longest_wait_s=lambda _: LONGEST_WAIT_S,
)
def diagnose_engine(context: RequestContext) -> ViewResult:
    """Examine the whole engine.

    The answer holds every finding about the engine, its networks and its containers, the most severe first, each with
    its evidence and its remedy. In a swarm it also covers the connections to the other nodes.
    """
    diagnosed = diagnosis.diagnosis(context.services, context.snapshot, forwarded=is_forwarded(context))
    findings = sorted(diagnosed.findings, key=_finding_key)
    return ViewResult({**page(findings, context, _finding_key), "limited": diagnosed.limited})


def _finding_key(finding: Finding) -> tuple[str, str]:
    """Return the key that sorts as ``worst_first`` does, as text for a cursor: of the message only a digest."""
    affected = int(finding.evidence.get("affected", 1))
    digest = hashlib.blake2b(finding.message.encode(), digest_size=8).hexdigest()
    component = finding.component
    return (
        f"{SEVERITIES.index(finding.severity)} {MANY - affected:06d} {finding.code}",
        f"{component.name} {component.id} {digest}",
    )
