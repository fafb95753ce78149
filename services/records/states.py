"""The words a record may hold. The database checks the same words (see ``tables/``)."""

from enum import StrEnum


class CaseState(StrEnum):
    """A case waits for its images, then for a dermatologist, where the policy asks for it for a second and a lead; then it is decided."""

    QUEUED = "queued"
    AWAITING_REVIEW = "awaiting_review"
    AWAITING_SECOND_READ = "awaiting_second_read"
    AWAITING_ADJUDICATION = "awaiting_adjudication"
    REVIEWED = "reviewed"

    @property
    def terminal(self) -> bool:
        """Whether nothing changes the case any more."""
        return self is CaseState.REVIEWED


class JobState(StrEnum):
    """One analysis of one image, from acceptance to an answer or a reason why there is none."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """Whether the job will never be claimed again."""
        return self in (JobState.DONE, JobState.FAILED)


class Urgency(StrEnum):
    """How soon the portal asks for a decision."""

    URGENT = "urgent"
    SOON = "soon"
    ROUTINE = "routine"

    @property
    def rank(self) -> int:
        """Sort key: 0 comes first."""
        return list(Urgency).index(self)


class Modality(StrEnum):
    """How the picture was taken."""

    DERMOSCOPIC = "dermoscopic"
    CLINICAL = "clinical"
    UNKNOWN = "unknown"


class Sex(StrEnum):
    """DICOM Patient's Sex, in words."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"


class Laterality(StrEnum):
    """Side of the body; ``midline`` is DICOM's unpaired."""

    LEFT = "left"
    RIGHT = "right"
    MIDLINE = "midline"


class VisitSource(StrEnum):
    """Who said when the pictures were taken; ``receipt``: nobody, so the time of arrival stands in."""

    PORTAL = "portal"
    DICOM = "dicom"
    RECEIPT = "receipt"


class SpacingSource(StrEnum):
    """Who said how large a pixel is on the skin."""

    DICOM = "dicom"
    STATED = "stated"


class MapView(StrEnum):
    """A figure of the body map."""

    FRONT = "front"
    BACK = "back"
    HEAD = "head"
    LEFT_HAND = "left_hand"
    RIGHT_HAND = "right_hand"
    LEFT_FOOT = "left_foot"
    RIGHT_FOOT = "right_foot"


class InstanceKind(StrEnum):
    """What a DICOM instance is: as the portal sent it, a photograph made of a picture that was no DICOM file, or a result."""

    RECEIVED = "received"
    PHOTOGRAPH = "photograph"
    SEGMENTATION = "segmentation"
    MEASUREMENTS = "measurements"
    CAPTURE = "capture"


class OrderState(StrEnum):
    """Whether an order became a case."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


class ErasureReason(StrEnum):
    """Why something was erased: somebody asked for it, or its time was over."""

    REQUEST = "request"
    RETENTION = "retention"


class ErasureState(StrEnum):
    """A receipt is being written (no other transaction ever sees that), its objects wait to be deleted, or nothing is left."""

    ERASING = "erasing"
    PENDING = "pending"
    DONE = "done"


class LesionEventKind(StrEnum):
    """What was said about which pictures show the same lesion, and where it is."""

    LINKED = "linked"
    MERGED = "merged"
    SPLIT = "split"
    PLACED = "placed"
    KEPT_APART = "kept_apart"
    RESTORED = "restored"


class ProposalState(StrEnum):
    """A link that the worker proposes waits for a human; ``stale``: the case or the lesion has moved on."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    STALE = "stale"


class ReminderKind(StrEnum):
    """How near a follow-up is."""

    UPCOMING = "upcoming"
    DUE = "due"
    OVERDUE = "overdue"


class Outcome(StrEnum):
    """What the models answered: one class, a set of classes, or nothing they can stand for."""

    PREDICTION = "prediction"
    SET = "set"
    ABSTAIN = "abstain"


class Decision(StrEnum):
    """What the dermatologist said about the leading answer; the last two leave the case open."""

    CONFIRM = "confirm"
    CORRECT = "correct"
    NOT_ASSESSABLE = "not_assessable"
    SECOND_OPINION = "second_opinion"
    WITHDRAWN = "withdrawn"


class ReviewKind(StrEnum):
    """Which step of reading a review is."""

    FIRST = "first"
    SECOND = "second"
    ADJUDICATION = "adjudication"
    AMENDMENT = "amendment"
    UNDO = "undo"


class Management(StrEnum):
    """What should happen to the patient next."""

    DISCHARGE = "discharge"
    FOLLOW_UP = "follow_up"
    FACE_TO_FACE = "face_to_face"
    URGENT_REFERRAL = "urgent_referral"
    RETAKE = "retake"


class TrialState(StrEnum):
    """A visitor's picture waits for the worker, then has an answer or a reason for none."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


class Role(StrEnum):
    """What a signed-in person may do."""

    DERMATOLOGIST = "dermatologist"
    LEAD = "lead"
    ADMIN = "admin"


class UserState(StrEnum):
    """A disabled user keeps their name on old decisions and can no longer sign in."""

    ACTIVE = "active"
    DISABLED = "disabled"


class ActorKind(StrEnum):
    """Who did it, for the audit trail."""

    PORTAL = "portal"
    USER = "user"
    SYSTEM = "system"


class AuditAction(StrEnum):
    """What was done, for the audit trail."""

    PORTAL_CREATED = "portal.created"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    USER_CREATED = "user.created"
    USER_SIGNED_IN = "user.signed_in"
    USER_REFUSED = "user.refused"
    CASE_ACCEPTED = "case.accepted"
    CASE_READ = "case.read"
    CASES_LISTED = "cases.listed"
    CASE_REVIEWED = "case.reviewed"
    IMAGES_ADDED = "images.added"
    IMAGE_READ = "image.read"
    IMAGE_ANALYSED = "image.analysed"
    IMAGE_FAILED = "image.failed"
    MODEL_REGISTERED = "model.registered"
    MODEL_PROMOTED = "model.promoted"
    MODEL_SHADOWED = "model.shadowed"
    MODEL_RETIRED = "model.retired"
    MODEL_ROLLED_BACK = "model.rolled_back"
    PORTAL_CHANGED = "portal.changed"
    USER_CHANGED = "user.changed"
    SECOND_FACTOR_SET = "second_factor.set"
    SECOND_FACTOR_REMOVED = "second_factor.removed"
    AUDIT_READ = "audit.read"
    CASE_CLAIMED = "case.claimed"
    CASE_RELEASED = "case.released"
    OPINION_GIVEN = "opinion.given"
    REVIEW_UNDONE = "review.undone"
    REVIEW_AMENDED = "review.amended"
    OUTLINE_CORRECTED = "outline.corrected"
    OUTLINE_MEASURED = "outline.measured"
    STATISTICS_READ = "statistics.read"
    TEMPLATE_CHANGED = "template.changed"
    DATASET_EXPORTED = "dataset.exported"
    PATIENT_READ = "patient.read"
    LESION_READ = "lesion.read"
    LESIONS_LISTED = "lesions.listed"
    FOLLOW_UPS_LISTED = "follow_ups.listed"
    FOLLOW_UPS_REMINDED = "follow_ups.reminded"
    EVENTS_READ = "portal_events.read"
    LESION_LINKED = "lesion.linked"
    LESION_MERGED = "lesion.merged"
    LESION_SPLIT = "lesion.split"
    LESION_RESTORED = "lesion.restored"
    LESION_KEPT_APART = "lesion.kept_apart"
    TRAIL_COMPARED = "trail.compared"
    TRAIL_FAILED = "trail.failed"
    ALERT_RAISED = "alert.raised"
    ALERT_WITHDRAWN = "alert.withdrawn"
    LESION_PLACED = "lesion.placed"
    IMAGE_CALIBRATED = "image.calibrated"
    IDENTITY_JUDGED = "identity.judged"
    UPLOAD_COMPLETED = "upload.completed"
    UPLOADS_EXPIRED = "uploads.expired"
    BATCH_ACCEPTED = "batch.accepted"
    BATCH_READ = "batch.read"
    INSTANCES_LISTED = "dicom_instances.listed"
    INSTANCES_READ = "dicom_instances.read"
    ORDER_REJECTED = "order.rejected"
    ORDERS_READ = "orders.read"
    RESULT_READ = "result.read"
    RESULTS_LISTED = "results.listed"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_REMOVED = "webhook.removed"
    WEBHOOK_DISABLED = "webhook.disabled"
    WEBHOOK_SECRET_ROTATED = "webhook.secret_rotated"  # noqa: S105  (an action, not a secret)
    WEBHOOK_TESTED = "webhook.tested"
    WEBHOOK_REDELIVERED = "webhook.redelivered"
    EVENT_DELIVERED = "portal_event.delivered"
    RESULTS_MADE = "results.made"
    RESULTS_FAILED = "results.failed"
    PATIENT_ERASED = "patient.erased"
    TRAIL_EXPIRED = "trail.expired"
    ERASURE_DONE = "erasure.done"
    RECEIPTS_READ = "receipts.read"
    CONSENT_CHANGED = "consent.changed"
    HOLD_CHANGED = "legal_hold.changed"
    DATASET_PRUNED = "dataset.pruned"


class IdentityState(StrEnum):
    """Whether a picture may tell who the patient is: a machine's word, then a human's, which stands."""

    UNCHECKED = "unchecked"
    CLEAR = "clear"
    SUSPECTED = "suspected"
    CLEARED = "cleared"
    HELD = "held"


class IdentityKind(StrEnum):
    """What may tell who the patient is: words in the picture, a face, or the file says so of itself."""

    TEXT = "text"
    FACE = "face"
    DECLARED = "declared"


class IdentityVerdictWord(StrEnum):
    """What a human says who has looked: nothing identifies the patient, or something does."""

    CLEAR = "clear"
    HOLD = "hold"


class ModelKind(StrEnum):
    """The places that a model version can fill: two in the pipeline, one that reads a lesion's visits."""

    SEGMENTER = "segmenter"
    CLASSIFIER = "classifier"
    SEQUENCE = "sequence"


class ModelState(StrEnum):
    """A model version is known, scores unseen, serves, or served. Each kind has at most one champion."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    CHAMPION = "champion"
    RETIRED = "retired"


class ModelAction(StrEnum):
    """What moved a model version from one state to another."""

    REGISTERED = "registered"
    PROMOTED = "promoted"
    SHADOWED = "shadowed"
    RETIRED = "retired"
    ROLLED_BACK = "rolled_back"

    @property
    def audited(self) -> AuditAction:
        """The same step in the audit trail."""
        return AuditAction(f"model.{self.value}")


class UploadState(StrEnum):
    """How far a file is that a portal puts into the store itself."""

    PENDING = "pending"
    READY = "ready"
    RESERVED = "reserved"  # a line of a batch names it
    USED = "used"


class BatchItemState(StrEnum):
    """What has become of one line of a batch."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class EndpointState(StrEnum):
    """Whether a portal's address is told anything; ``disabled``: it failed for days, said that it is gone, or somebody wished it."""

    ACTIVE = "active"
    DISABLED = "disabled"
    REMOVED = "removed"


class DeliveryState(StrEnum):
    """One event on its way to one endpoint; ``dead``: it was given up, and waits to be asked for again."""

    WAITING = "waiting"
    LEASED = "leased"
    DELIVERED = "delivered"
    DEAD = "dead"

    @property
    def terminal(self) -> bool:
        """Whether nothing more is tried unless somebody asks for it."""
        return self in (DeliveryState.DELIVERED, DeliveryState.DEAD)
