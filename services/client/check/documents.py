"""Documents by every standard, and what is left once a patient is erased."""

from typing import Any

from services.client.check.bench import Bench, expect
from services.client.errors import ApiError

FHIR = {"4.0": "4.0.1", "5.0": "5.0.0"}


def the_report_is_the_same_every_time(bench: Bench) -> None:
    """A PDF, with the same bytes when it is asked for again, and an HTML twin."""
    case_id = bench.decided("melanoma").id
    first = bench.wait(lambda: _report(bench), "there is no report")
    expect(first.startswith(b"%PDF-"), "the report is no PDF")
    expect(bench.client.report(case_id) == first, "the report of the same version differs")
    twin = bench.client.report(case_id, media_type="text/html", language="de")
    expect(b'lang="de"' in twin, "the HTML report in German does not say its language")


def fhir_tells_the_same(bench: Bench) -> None:
    """A capability statement and a final report, in R4 and in R5."""
    case_id = bench.decided("melanoma").id
    for version, full in FHIR.items():
        accept = {"Accept": f"application/fhir+json; fhirVersion={version}"}
        stated = bench.bare.get("/fhir/metadata", headers=accept).json()
        expect(stated.get("fhirVersion") == full, f"{full} was asked for, {stated.get('fhirVersion')} came")
        report = bench.bare.get(f"/fhir/DiagnosticReport/{case_id}", headers=accept).json()
        expect(report.get("status") == "final", f"the report is {report.get('status') or report}")


def dicomweb_has_the_outline_and_the_measures(bench: Bench) -> None:
    """Segmentation and structured report of a decided case, found by the patient's reference."""
    bench.decided("melanoma")

    def look() -> set[str] | None:
        wanted, accept = {"PatientID": f"check-{bench.run}"}, {"Accept": "application/dicom+json"}
        answer = bench.bare.get("/dicomweb/instances", params=wanted, headers=accept)
        found: list[dict[str, Any]] = answer.json() if answer.status_code == 200 else []
        kinds = {value for one in found for value in one.get("00080060", {}).get("Value", [])}
        return kinds if {"SEG", "SR"} <= kinds else None

    bench.wait(look, "there is no SEG and SR")


def an_erased_patient_is_gone(bench: Bench) -> None:
    """Erasure with a receipt; afterwards the cases are not found."""
    case_id = bench.cases["naevus"]
    patient = bench.client.case(case_id).raw["patient_id"]
    erased = bench.bare.delete(f"/v1/patients/{patient}")
    expect(erased.status_code == 202, f"202 was expected, {erased.status_code} came: {erased.text[:200]}")
    receipt = f"/v1/receipts/{erased.json()['id']}"
    bench.wait(lambda: bench.bare.get(receipt).json()["objects_gone_at"], "the receipt does not say that nothing is left")
    answer = bench.bare.get(f"/v1/cases/{case_id}")
    expect(answer.status_code in (404, 410), f"an erased case answers {answer.status_code}")


def _report(bench: Bench) -> bytes | None:
    try:
        return bench.client.report(bench.cases["melanoma"])
    except ApiError as error:
        # In the first seconds a decision can still be taken back, and is not told.
        if error.status == 409:
            return None
        raise
