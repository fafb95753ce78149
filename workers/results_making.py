"""The DICOM results of one decided case: what there is to make, made, stored, and told to the records in one transaction.

Everything is derived from the decision, so whoever begins anew after a worker that died makes the same files under the same keys, and
rows that are there already stay. What is not there yet is made; what is there is only referred to.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydicom import Dataset
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.exchange.dicom_capture import capture
from services.exchange.dicom_files import Made, query_attributes, read_header, referred
from services.exchange.dicom_measurements import Pictured, measurements, measurements_uid
from services.exchange.dicom_photograph import photograph
from services.exchange.dicom_segmentation import segmentation
from services.exchange.result import CaseResult, load_result
from services.objects import Objects
from services.records.audit import Actor, Subject, record_event
from services.records.identity import PictureIdentity, identity_of_case, may_leave
from services.records.instances import InstanceView, NewInstance, instances_of_case, store_instances
from services.records.results import WORKER, ResultsClaim, finish_results
from services.records.states import AuditAction, IdentityState, InstanceKind
from services.records.views import ImageView
from workers.results_pictures import drawing_of, mask_of, picture_of

DICOM = "application/dicom"
NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "PatientID")
LOOKED_AT = (IdentityState.CLEAR, IdentityState.CLEARED)
# An outline is measured within a second. Should that take longer than this after the decision, its results go without measures.
PATIENCE = timedelta(minutes=5)
Transaction = Callable[..., AbstractContextManager[Session]]


class Unmeasured(Exception):
    """An outline that counts has not been measured yet: the report would lack its figures."""


@dataclass(slots=True)
class ResultsMaking:
    """The work on one claimed case. ``transaction``: of a login that reads decisions; ``put``: the keys of what was stored anew."""

    claim: ResultsClaim
    transaction: Transaction
    store: Objects
    max_pixels: int
    captures: bool = False
    new: list[NewInstance] = field(default_factory=list)
    put: list[str] = field(default_factory=list)
    held: list[ImageView] = field(default_factory=list)

    def run(self) -> None:
        """Raises NotDecided, CaseNotFound, Unmeasured, StoreUnavailable, DatabaseUnavailable; others are this case's own fault."""
        with self._records() as session:
            result = load_result(session=session, tenant_id=self.claim.tenant_id, case_id=self.claim.case_id)
            states = identity_of_case(session=session, tenant_ids=[self.claim.tenant_id], case_id=self.claim.case_id)
            known = instances_of_case(session=session, tenant_id=self.claim.tenant_id, case_id=self.claim.case_id)
        _wait_for_measures(result)
        lead = result.lead
        images = (lead, *(each for each in result.case.images if each.id != lead.id))
        made = [self._picture(result, image, states[image.id], known) for image in images]
        pictures = [each for each in made if each is not None]
        if pictures:
            self._report(result, pictures, known)
        try:
            self._record(result)
        except IntegrityError:
            # The case was erased meanwhile: nothing of it may be left in the store.
            for key in self.put:
                self.store.delete(key)
            raise

    def _records(self) -> AbstractContextManager[Session]:
        return self.transaction(tenants=[self.claim.tenant_id])

    def _picture(self, result: CaseResult, image: ImageView, identity: PictureIdentity, known: list[InstanceView]) -> Pictured | None:
        """The instance of a picture and its segmentation; None for one that must not leave."""
        original = self.store.get(image.original_key)
        source = received(original) if image.media_type == DICOM else None
        shown = may_leave(identity)
        if source is None and not shown:
            self.held.append(image)
            return None
        if source is None:
            source = self._photograph(result, image, original, known, anonymous=identity.identity_state in LOOKED_AT)
        if image.mask_key is None:
            return Pictured(image, source, None)
        mask = mask_of(self.store.get(image.mask_key), image)
        made = segmentation(result=result, image=image, source=source, mask=mask)
        if made is None:
            return Pictured(image, source, None)
        self._keep(result, made, InstanceKind.SEGMENTATION, known, image=image)
        if self.captures and shown:
            rgb, small = drawing_of(original, mask, max_pixels=self.max_pixels)
            drawn = capture(result=result, image=image, source=source, rgb=rgb, mask=small)
            self._keep(result, drawn, InstanceKind.CAPTURE, known, image=image)
        return Pictured(image, source, made.header)

    def _photograph(self, result: CaseResult, image: ImageView, original: bytes, known: list[InstanceView], *, anonymous: bool) -> Dataset:
        """Minted once for a case and never again: a later decision refers to the same photograph."""
        for instance in known:
            if instance.kind is InstanceKind.PHOTOGRAPH and instance.image_id == image.id:
                return referred(read_header(self.store.get(instance.object_key)))
        picture = picture_of(original, max_pixels=self.max_pixels)
        made = photograph(case=result.case, image=image, picture=picture, anonymous=anonymous)
        self._keep(result, made, InstanceKind.PHOTOGRAPH, known, image=image)
        return referred(made.header)

    def _report(self, result: CaseResult, pictures: list[Pictured], known: list[InstanceView]) -> None:
        earlier = [each for each in known if each.kind is InstanceKind.MEASUREMENTS]
        if any(each.sop_instance_uid == measurements_uid(result, pictures) for each in earlier):
            return
        predecessor = _named(earlier[-1]) if earlier else None
        made = measurements(result=result, pictures=pictures, predecessor=predecessor)
        self._keep(result, made, InstanceKind.MEASUREMENTS, known)

    def _keep(
        self, result: CaseResult, made: Made, kind: InstanceKind, known: list[InstanceView], *, image: ImageView | None = None
    ) -> None:
        """Put the file into the store and remember its row: what a row names is there."""
        header = made.header
        if any(instance.sop_instance_uid == header.SOPInstanceUID for instance in known):
            return
        key = f"{self.claim.tenant_id}/{self.claim.case_id}/dicom/{header.SOPInstanceUID}"
        self.store.put(key, made.data, DICOM)
        self.put.append(key)
        row = NewInstance(
            case_id=self.claim.case_id,
            kind=kind,
            study_uid=str(header.StudyInstanceUID),
            series_uid=str(header.SeriesInstanceUID),
            sop_instance_uid=str(header.SOPInstanceUID),
            sop_class_uid=str(header.SOPClassUID),
            transfer_syntax_uid=str(header.file_meta.TransferSyntaxUID),
            modality=str(header.Modality),
            object_key=key,
            byte_size=len(made.data),
            sha256=made.sha256,
            attributes=query_attributes(header),
            image_id=image.id if image else None,
            review_id=None if kind is InstanceKind.PHOTOGRAPH else result.decision.id,
        )
        self.new.append(row)

    def _record(self, result: CaseResult) -> None:
        """The rows and the end of the claim together. A flag that an amendment has set anew stays: the next claim tells that one."""
        tenant_id, case_id = self.claim.tenant_id, self.claim.case_id
        with self._records() as session:
            added = store_instances(session=session, tenant_id=tenant_id, instances=self.new, keep_known=True)
            if added:
                record_event(
                    session=session,
                    tenant_id=tenant_id,
                    actor=Actor.system(WORKER),
                    action=AuditAction.RESULTS_MADE,
                    subject=Subject("case", case_id),
                    details={"review": str(result.decision.id), "instances": len(added)},
                )
            finish_results(session=session, claim=self.claim, problem=held_words(self.held))


def held_words(held: list[ImageView]) -> str | None:
    """What was not made, in words for who can change it; None where everything was."""
    if not held:
        return None
    named = ", ".join(str(image.position + 1) for image in sorted(held, key=lambda image: image.position))
    return f"Held back: picture {named} may show who the patient is. Clear it on the case's page, and its DICOM results are made."


def received(original: bytes) -> Dataset | None:
    """The header of an instance as the portal sent it; None where it lacks what others refer to."""
    source = referred(read_header(original))
    return source if all(source.get(keyword) is not None for keyword in NEEDED) and source.StudyInstanceUID else None


def _named(instance: InstanceView) -> Dataset:
    named = Dataset()
    named.StudyInstanceUID, named.SeriesInstanceUID = instance.study_uid, instance.series_uid
    named.SOPClassUID, named.SOPInstanceUID = instance.sop_class_uid, instance.sop_instance_uid
    return named


def _wait_for_measures(result: CaseResult) -> None:
    waits = any(image.outline is not None and image.outline.measured_at is None for image in result.case.images)
    if waits and datetime.now(UTC) - result.signed_at < PATIENCE:
        raise Unmeasured
