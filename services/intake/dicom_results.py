"""What the API says about a decided case's DICOM results: whether they are there, and where to retrieve them."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from flask import url_for
from pydantic import BaseModel, Field

from services.records.instances import InstanceView
from services.records.states import InstanceKind
from services.records.views import CaseView


class DicomState(StrEnum):
    """``pending``: they are made within seconds; ``failed``: ``problem`` says why there are none."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class DicomInstanceOut(BaseModel):
    """One DICOM instance of the case."""

    kind: InstanceKind = Field(
        description="received: as you sent it; photograph: made of a picture that was no DICOM file; segmentation: the outline; "
        "measurements: the structured report; capture: the outline drawn into the picture."
    )
    image_id: UUID | None = Field(description="The picture that it holds or is about; null for the report, which is about all of them.")
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    url: str = Field(description="Where DICOMweb retrieves it (WADO-RS).")


class DicomOut(BaseModel):
    """The case in DICOM. Instances are never changed: an amended decision adds new ones, whose report names its predecessor."""

    state: DicomState = Field(description="pending: made within seconds after the decision; ready; failed: see `problem`.")
    problem: str | None = Field(description="What was not made, and why.")
    instances: Sequence[DicomInstanceOut] = Field(description="Oldest first.")


def dicom_of(view: CaseView, instances: Sequence[InstanceView]) -> DicomOut | None:
    """None until the case is decided, and for cases that were decided before results were made."""
    state = _state(view, instances)
    if view.final is None or state is None:
        return None
    return DicomOut(state=state, problem=view.results_failed, instances=[_instance(each) for each in instances])


def _state(view: CaseView, instances: Sequence[InstanceView]) -> DicomState | None:
    if view.results_due_at is not None:
        return DicomState.PENDING
    if any(each.kind is InstanceKind.MEASUREMENTS for each in instances):
        return DicomState.READY
    return DicomState.FAILED if view.results_failed else None


def _instance(instance: InstanceView) -> DicomInstanceOut:
    return DicomInstanceOut(
        kind=instance.kind,
        image_id=instance.image_id,
        study_uid=instance.study_uid,
        series_uid=instance.series_uid,
        sop_instance_uid=instance.sop_instance_uid,
        url=url_for("dicomweb.retrieve_instance", study=instance.study_uid, series=instance.series_uid, instance=instance.sop_instance_uid),
    )
