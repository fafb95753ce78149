"""The tables. Import from here: importing any one of them must register all."""

from services.records.tables.analysis import Analysis, Job
from services.records.tables.base import Base
from services.records.tables.cases import Case, IdempotencyKey, Image, Lesion, Patient
from services.records.tables.models import ModelEvent, ModelVersion, ShadowAnalysis
from services.records.tables.review import AuditEvent, AuditHead, Review
from services.records.tables.tenants import ApiKey, Membership, Tenant, User

__all__ = [
    "Analysis",
    "ApiKey",
    "AuditEvent",
    "AuditHead",
    "Base",
    "Case",
    "IdempotencyKey",
    "Image",
    "Job",
    "Lesion",
    "Membership",
    "ModelEvent",
    "ModelVersion",
    "Patient",
    "Review",
    "ShadowAnalysis",
    "Tenant",
    "User",
]
