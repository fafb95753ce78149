"""The tables. Import from here: importing any one of them must register all."""

from services.records.tables.analysis import Analysis, Job
from services.records.tables.base import Base
from services.records.tables.cases import Case, IdempotencyKey, Image, Lesion, Patient
from services.records.tables.desk import CaseClaim, FirstOpinion, NoteTemplate, Outline, SavedView
from services.records.tables.dicom import DicomInstance
from services.records.tables.erasures import DatasetExport, DatasetImage, Erasure
from services.records.tables.identity import IdentityFinding, IdentityVerdict
from services.records.tables.models import ModelEvent, ModelVersion, ShadowAnalysis
from services.records.tables.orders import Order
from services.records.tables.review import AuditEvent, AuditHead, Review
from services.records.tables.tenants import ApiKey, Membership, Tenant, User
from services.records.tables.trail import (
    Alert,
    Calibration,
    Comparison,
    LesionEvent,
    LinkProposal,
    PortalEvent,
    Reminder,
    SequenceAnswer,
    VisitMeasure,
)
from services.records.tables.trials import Trial
from services.records.tables.uploads import Batch, BatchItem, Upload
from services.records.tables.webhooks import Delivery, DeliveryAttempt, WebhookEndpoint

__all__ = [
    "Alert",
    "Analysis",
    "ApiKey",
    "AuditEvent",
    "AuditHead",
    "Base",
    "Batch",
    "BatchItem",
    "Calibration",
    "Case",
    "CaseClaim",
    "Comparison",
    "DatasetExport",
    "DatasetImage",
    "Delivery",
    "DeliveryAttempt",
    "DicomInstance",
    "Erasure",
    "FirstOpinion",
    "IdempotencyKey",
    "IdentityFinding",
    "IdentityVerdict",
    "Image",
    "Job",
    "Lesion",
    "LesionEvent",
    "LinkProposal",
    "Membership",
    "ModelEvent",
    "ModelVersion",
    "NoteTemplate",
    "Order",
    "Outline",
    "Patient",
    "PortalEvent",
    "Reminder",
    "Review",
    "SavedView",
    "SequenceAnswer",
    "ShadowAnalysis",
    "Tenant",
    "Trial",
    "Upload",
    "User",
    "VisitMeasure",
    "WebhookEndpoint",
]
