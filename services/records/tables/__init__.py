"""The tables. Import from here: importing any one of them must register all."""

from services.records.tables.analysis import Analysis, Job
from services.records.tables.base import Base
from services.records.tables.cases import Case, IdempotencyKey, Image, Lesion, Patient
from services.records.tables.desk import CaseClaim, FirstOpinion, NoteTemplate, Outline, SavedView
from services.records.tables.models import ModelEvent, ModelVersion, ShadowAnalysis
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

__all__ = [
    "Alert",
    "Analysis",
    "ApiKey",
    "AuditEvent",
    "AuditHead",
    "Base",
    "Calibration",
    "Case",
    "CaseClaim",
    "Comparison",
    "FirstOpinion",
    "IdempotencyKey",
    "Image",
    "Job",
    "Lesion",
    "LesionEvent",
    "LinkProposal",
    "Membership",
    "ModelEvent",
    "ModelVersion",
    "NoteTemplate",
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
    "User",
    "VisitMeasure",
]
