"""What can go wrong in the records, as types a handler can map to an answer.

``permanent`` says whether asking again, unchanged, can ever succeed.
"""

from datetime import datetime, timedelta
from uuid import UUID


class RecordError(Exception):
    """Base of every error that the records raise on purpose."""

    permanent: bool = True


class DatabaseUnavailable(RecordError):
    """Postgres cannot be reached, or took this transaction back. Nothing was stored; try again."""

    permanent = False


class AccessDenied(RecordError):
    """The key, or the e-mail address with its password, is not valid. Never says which part."""


class Conflict(RecordError):
    """The name is taken: choose another."""


class InvalidRecord(RecordError):
    """A value the records cannot hold. The message names the field and what is allowed."""


class InvalidCursor(InvalidRecord):
    """The cursor was not made by the list that it is given to: use ``next_cursor`` unchanged."""


class IdempotencyConflict(RecordError):
    """The idempotency key was used for another request: send a new key for a new request."""


class CaseNotFound(RecordError):
    """No such case among the tenants at hand; another tenant's case looks exactly like none."""

    def __init__(self, case_id: UUID) -> None:
        super().__init__(f"There is no case {case_id}.")
        self.case_id = case_id


class LesionNotFound(RecordError):
    """No such lesion among the tenants at hand; another tenant's lesion looks exactly like none."""

    def __init__(self, lesion_id: UUID) -> None:
        super().__init__(f"There is no lesion {lesion_id}.")
        self.lesion_id = lesion_id


class PatientNotFound(RecordError):
    """No such patient among the tenants at hand; another tenant's patient looks exactly like none."""

    def __init__(self, patient_id: UUID) -> None:
        super().__init__(f"There is no patient {patient_id}.")
        self.patient_id = patient_id


class CaseClosed(RecordError):
    """The case has been decided: send further images as a new case of the same lesion."""


class NotReady(RecordError):
    """Images of the case are still being analysed: decide when the case awaits review."""

    permanent = False


class AlreadyReviewed(RecordError):
    """Somebody else has decided the case: reload the page to see their decision."""


class CaseClaimed(RecordError):
    """Somebody else has the case: decide when their lease is over, or take the case over first."""

    permanent = False

    def __init__(self, holder: str, expires_at: datetime) -> None:
        super().__init__(f"{holder} has this case until {expires_at:%H:%M} UTC: decide afterwards, or take the case over first.")
        self.holder = holder
        self.expires_at = expires_at


class ReadRefused(RecordError):
    """This person may not take this step of reading. The message says who may."""


class UndoRefused(RecordError):
    """The decision can no longer be taken back: amend it instead."""


class OpinionMissing(RecordError):
    """The portal asks for a blind first read: give the first opinion before the decision."""


class OpinionGiven(RecordError):
    """The first opinion is on file already; it is never changed."""


class ModelNotFound(RecordError):
    """No model version has such a digest, or more than one begins so. The message lists what there is."""


class WrongModelState(RecordError):
    """The model version is in a state from which this step does not lead on, or somebody else was faster."""


class TrialNotFound(RecordError):
    """No such trial, or its hour is over and it is deleted."""

    def __init__(self, trial_id: UUID) -> None:
        super().__init__(f"There is no trial {trial_id}: try the picture again.")


class TooManyTrials(RecordError):
    """As many pictures are being tried as may be: try again in a few minutes."""

    permanent = False


class LesionChanged(RecordError):
    """Somebody else has merged, split or moved meanwhile: load the page again. The message says what is different."""


class NotDecided(RecordError):
    """There is no result of a case yet: it waits for its decision, or the decision can still be taken back, for the time ``left``."""

    permanent = False

    def __init__(self, case_id: UUID, *, left: timedelta | None = None) -> None:
        waits = "awaits its decision" if left is None else "was decided a moment ago, and the decision can still be taken back"
        super().__init__(f"The case {waits}: ask again later.")
        self.case_id = case_id
        self.left = left


class InstanceNotFound(RecordError):
    """The tenant has no such DICOM study, series or instance; another tenant's looks exactly like none."""


class InstanceTaken(RecordError):
    """The tenant has a DICOM instance with this SOP Instance UID already."""


class CareWithdrawn(RecordError):
    """The patient has withdrawn their consent to care here: no case is taken and no result handed out until they consent again."""

    def __init__(self) -> None:
        super().__init__(
            "The patient has withdrawn their consent to care: no case is taken and no result handed out. "
            "If they consent again, say so with consent_care."
        )


class LegalHold(RecordError):
    """Nothing of the patient may be erased: end the legal hold first."""

    def __init__(self) -> None:
        super().__init__("The patient is on legal hold: nothing of theirs is erased until the hold is ended.")


class PatientBusy(RecordError):
    """Something is being written about the patient at this moment: try again."""

    permanent = False


class ReceiptNotFound(RecordError):
    """No such receipt among the tenants at hand."""


class EndpointNotFound(RecordError):
    """No such endpoint of the tenant; another tenant's endpoint looks exactly like none."""

    def __init__(self, endpoint_id: UUID) -> None:
        super().__init__(f"There is no webhook {endpoint_id}.")


class DeliveryNotFound(RecordError):
    """No such delivery of the endpoint."""

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(f"There is no delivery {delivery_id} of this webhook.")
