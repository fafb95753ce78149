"""What happens to the patient next: the words, and what is preset for a diagnosis. The preset is shown, and the reader changes it."""

from dataclasses import dataclass

from services.records.reading import OTHER
from services.records.states import Management

MONTHS = 6
LONGEST = 60
# What is offered beside a diagnosis, by number key.
OFFERED = {
    Management.DISCHARGE: "Discharge with advice",
    Management.FOLLOW_UP: "Follow-up",
    Management.FACE_TO_FACE: "Face-to-face visit",
    Management.URGENT_REFERRAL: "Urgent referral or excision",
}
SHORT = {
    **OFFERED,
    Management.DISCHARGE: "Discharge",
    Management.FACE_TO_FACE: "Face-to-face",
    Management.URGENT_REFERRAL: "Urgent referral",
}
# What is offered where the pictures cannot be judged, by letter.
UNREADABLE = {
    Management.RETAKE: ("a", "Ask the portal for a new picture"),
    Management.FACE_TO_FACE: ("f", "Face-to-face visit"),
    Management.URGENT_REFERRAL: ("r", "Urgent referral"),
}
WORDS = {
    Management.DISCHARGE: "discharge with advice",
    Management.FACE_TO_FACE: "face-to-face visit",
    Management.URGENT_REFERRAL: "urgent referral",
    Management.RETAKE: "new picture asked for",
}
# Treated soon, though seldom within days; every other malignant class is urgent.
SLOWER = frozenset({"BCC", "AK"})


@dataclass(frozen=True, slots=True)
class Plan:
    """The next step; `months` with a follow-up."""

    management: Management | None
    months: int | None = None


def preset(code: str, *, malignant: bool) -> Management | None:
    """What is preset for a diagnosis; nothing for one that the list does not know."""
    if code == OTHER:
        return None
    if not malignant:
        return Management.DISCHARGE
    return Management.FACE_TO_FACE if code in SLOWER else Management.URGENT_REFERRAL


def plan_words(management: Management | None, months: int | None) -> str:
    """`urgent referral`, `follow-up in 6 months`; empty where a record says nothing."""
    if management is None:
        return ""
    if management is Management.FOLLOW_UP:
        return f"follow-up in {months} month{'' if months == 1 else 's'}"
    return WORDS[management]
