"""FHIR Provenance: one for each version of the decision. Devices assembled what was read, dermatologists verified it."""

from services.exchange.fhir_base import (
    Json,
    Release,
    filled,
    instant,
    observation_id,
    of_release,
    person,
    reference,
    resource,
    term,
    uuid_identifier,
)
from services.exchange.fhir_device import device_id
from services.exchange.fhir_images import picture_kind, picture_links
from services.exchange.result import CaseResult
from services.records.decided import DecidedCase
from services.records.views import ReviewView

AGENTS = "provenance-participant-type"


def provenances(found: DecidedCase, result: CaseResult, *, release: Release) -> list[Json]:
    """From the first decision to the one that stands."""
    return [_provenance(found, result, number, release) for number in range(1, result.version + 1)]


def _provenance(found: DecidedCase, result: CaseResult, number: int, release: Release) -> Json:
    version = result.versions[number - 1]
    before = result.versions[number - 2] if number > 1 else None
    why = of_release(
        release, r4={"reason": [{"text": version.rationale}]}, r5={"authorization": [{"concept": {"text": version.rationale}}]}
    )
    return resource(
        "Provenance",
        f"{found.case_id}-decision-{number}",
        target=[
            reference("DiagnosticReport", found.case_id, f"Version {number}"),
            reference("Observation", observation_id(found.case_id, "diagnosis")),
        ],
        occurredDateTime=instant(version.created_at),
        recorded=instant(version.created_at),
        **(why if version.rationale else {}),
        activity=term("v3-DataOperation", *(("UPDATE", "revise") if before else ("CREATE", "create"))),
        agent=_agents(result, version, first=before is None),
        entity=[_before(before, number - 1)] if before else _sources(found, release),
    )


def _agents(result: CaseResult, version: ReviewView, *, first: bool) -> list[Json]:
    """Everybody who read the case verified the first version; who amended it, each later one."""
    analysis = result.lead.analysis
    device = [_agent("assembler", "Assembler", reference("Device", device_id(analysis.pipeline_version)))] if analysis and first else []
    readers = {read.user_id: read.reviewer for read in result.reads} if first else {}
    people = readers | {version.user_id: version.reviewer}
    return device + [_agent("verifier", "Verifier", person(user_id, name)) for user_id, name in people.items()]


def _agent(code: str, display: str, who: Json) -> Json:
    return {"type": term(AGENTS, code, display), "who": who}


def _before(review: ReviewView, number: int) -> Json:
    return {"role": "revision", "what": filled(identifier=uuid_identifier(review.id), display=f"Version {number} of the decision")}


def _sources(found: DecidedCase, release: Release) -> list[Json]:
    return [{"role": "source", "what": link} for link in picture_links(found, picture_kind(release))]
