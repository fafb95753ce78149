"""FHIR Bundles: everything about one report, and pages of a search.

Everything about a report is a ``collection``: a set of resources put together to be carried away. It is no ``searchset``, as nobody
searched and nothing follows on a next page, and no ``document``, which begins with a Composition and is attested as a whole: what was
attested here is the decision, in the DiagnosticReport and its Provenance.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.exchange.fhir_base import Json, Release, filled, instant, uuid_identifier
from services.exchange.fhir_device import device
from services.exchange.fhir_images import pictures, studies
from services.exchange.fhir_lesion import body_structure, patient
from services.exchange.fhir_observations import observations
from services.exchange.fhir_orders import service_request
from services.exchange.fhir_provenance import provenances
from services.exchange.fhir_report import diagnostic_report
from services.exchange.result import CaseResult
from services.records.decided import DecidedCase
from services.records.orders import OrderView


def everything(found: DecidedCase, result: CaseResult, *, order: OrderView | None, release: Release, site: str) -> list[Json]:
    """The report first, then all that it refers to, and all that these refer to.

    Args:
        order: the order of ``found.order_id``.
        site: the address of this service, such as https://derm.example.
    """
    analysis = result.lead.analysis
    models = [device(pipeline_version=analysis.pipeline_version, models=result.models, release=release)] if analysis else []
    return [
        diagnostic_report(found, release=release, site=site),
        patient(patient_id=found.patient_id, patient_reference=found.patient_reference),
        _lesion(found, release),
        *observations(found, result, release=release),
        *pictures(found, release=release, site=site),
        *studies(found, release=release, site=site),
        *models,
        *provenances(found, result, release=release),
        *([service_request(order, release=release)] if order else []),
    ]


def collection(found: DecidedCase, resources: Sequence[Json], *, base: str) -> Json:
    """These resources of a report in one Bundle. ``base``: the address of the FHIR service, for their full addresses."""
    return filled(
        resourceType="Bundle",
        id=f"{found.case_id}-everything",
        meta={"versionId": str(found.version), "lastUpdated": instant(found.signed_at)},
        identifier=uuid_identifier(found.review_id),
        type="collection",
        timestamp=instant(found.signed_at),
        entry=[_entry(each, base) for each in resources],
    )


def searchset(matches: Sequence[Json], *, base: str, links: Mapping[str, str], at: datetime) -> Json:
    """A page of a search. ``links``: by relation, self and, where there is more, next. The total is not counted."""
    return filled(
        resourceType="Bundle",
        meta={"lastUpdated": instant(at)},
        type="searchset",
        link=[{"relation": relation, "url": url} for relation, url in links.items()],
        entry=[{**_entry(match, base), "search": {"mode": "match"}} for match in matches],
    )


def _entry(resource: Json, base: str) -> Json:
    return {"fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}", "resource": resource}


def _lesion(found: DecidedCase, release: Release) -> Json:
    return body_structure(
        release=release,
        lesion_id=found.lesion_id,
        patient_id=found.patient_id,
        tracking_uid=found.tracking_uid,
        lesion_reference=found.lesion_reference,
        body_site=found.body_site,
        laterality=found.laterality,
    )
