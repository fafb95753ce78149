"""Our words as codes of others: body sites, sides, diagnoses and what was measured.

A code stands here only where it means what we mean. Sites are those of DICOM's Dermatology Anatomic Sites (PS3.16 CID 4029), sides of
CID 245, diagnoses SNOMED CT disorders and ICD-10 chapters where one concept covers a class of ours. Whatever has none gets a code of our
own scheme, which DICOM and FHIR both admit: a wrong standard code would be believed.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from services.records.states import Decision, Laterality, Management


class Scheme(StrEnum):
    """Coding schemes by their DICOM designators (PS3.16 8)."""

    SNOMED = "SCT"
    DICOM = "DCM"
    ICD10 = "I10"
    OURS = "99DERMATRAIL"


@dataclass(frozen=True, slots=True)
class Coded:
    """A concept: its code, whose it is, and what it means in English."""

    code: str
    scheme: Scheme
    meaning: str


def _sct(code: str, meaning: str) -> Coded:
    return Coded(code, Scheme.SNOMED, meaning)


def _dcm(code: str, meaning: str) -> Coded:
    return Coded(code, Scheme.DICOM, meaning)


def _ours(code: str, meaning: str) -> Coded:
    return Coded(code, Scheme.OURS, meaning)


SKIN = _sct("39937001", "Skin")
SKIN_LESION = _sct("95324001", "Skin lesion")
LESION = _sct("52988006", "Lesion")
ABNORMAL_STRUCTURE = _sct("49755003", "Morphologically Abnormal Structure")
DERMOSCOPIC_PHOTOGRAPHY = _sct("446078004", "Dermoscopic photography")
IMAGING_PROCEDURE = _sct("363679005", "Imaging procedure")
DIAGNOSIS = _sct("439401001", "Diagnosis")
ARTIFICIAL_INTELLIGENCE = _dcm("123110", "Artificial Intelligence")
PERSON = _dcm("121006", "Person")
DEVICE = _dcm("121007", "Device")
IMPRESSION = _dcm("111023", "Differential Diagnosis/Impression")
FOLLOW_UP_INTERVAL = _dcm("111055", "Recommended Follow-up Interval")

AREA = _sct("42798000", "Area")
PERIMETER = _sct("131191004", "Perimeter")
MAJOR_AXIS = _sct("131187009", "Major Axis")
MINOR_AXIS = _sct("131188004", "Minor Axis")
ASYMMETRY = _ours("ASYMMETRY", "Asymmetry of shape")
COLOUR_ASYMMETRY = _ours("COLOUR_ASYMMETRY", "Asymmetry of colour")
BORDER_IRREGULARITY = _ours("BORDER_IRREGULAR", "Border irregularity")
ABRUPT_SEGMENTS = _ours("ABRUPT_SEGMENTS", "Border segments that end abruptly")
COLOUR_COUNT = _ours("COLOUR_COUNT", "Number of dermoscopic colours")
COLOUR_VARIEGATION = _ours("COLOUR_VARIETY", "Colour variegation")
# Precursors of cancer count with it here, which DICOM's "Probability of cancer" does not say.
MALIGNANT_PROBABILITY = _ours("MALIGNANCY_RISK", "Probability of malignancy or a direct precursor")
READERS_DECISION = _ours("DECISION", "Decision of the dermatologist")
MANAGEMENT = _ours("MANAGEMENT", "Management")
NO_ANSWER = _ours("ABSTAIN", "The model stands for no class")
LEAVES_PICTURE = _ours("LEAVES_PICTURE", "Lesion leaves the picture: sizes are lower bounds")
LIMIT = _ours("LIMIT", "Limit of the measurements")

SIDES: dict[Laterality, Coded] = {
    Laterality.LEFT: _sct("7771000", "Left"),
    Laterality.RIGHT: _sct("24028007", "Right"),
    Laterality.MIDLINE: _dcm("130290", "Median"),
}

# Hand, foot and breast as wholes are left to the words where CID 4029 knows only their parts.
SITES: dict[str, Coded] = {
    "face": _sct("73897004", "Skin of face"),
    "head": _sct("70762009", "Skin of head"),
    "forehead": _sct("68698007", "Skin of forehead"),
    "temple": _sct("16621002", "Skin of temporal region"),
    "eyebrow": _sct("367577003", "Skin of eyebrow"),
    "eyelid": _sct("362916000", "Skin of eye region"),
    "upper eyelid": _sct("41310005", "Skin of upper eyelid"),
    "lower eyelid": _sct("40069000", "Skin of lower eyelid"),
    "nose": _sct("113179006", "Skin of nose"),
    "cheek": _sct("36141000", "Skin of cheek"),
    "lip": _sct("88089004", "Skin of lip"),
    "upper lip": _sct("16251004", "Skin of upper lip"),
    "lower lip": _sct("66934001", "Skin of lower lip"),
    "oral": _sct("113277000", "Oral mucosa"),
    "chin": _sct("23747009", "Skin of chin"),
    "jaw": _sct("244097004", "Skin of jawline"),
    "ear": _sct("1902009", "Skin of ear"),
    "scalp": _sct("43067004", "Skin of scalp"),
    "vertex": _sct("61719002", "Skin of vertex of scalp"),
    "occiput": _sct("79951008", "Skin of occipital region"),
    "nape": _sct("4658004", "Skin of nuchal region"),
    "neck": _sct("43081002", "Skin of neck"),
    "chest": _sct("244106003", "Skin of anterior surface of thorax"),
    "sternum": _sct("244107007", "Sternal skin"),
    "anterior torso": _sct("181491009", "Skin of anterior trunk"),
    "abdomen": _sct("75093004", "Skin of abdomen"),
    "navel": _sct("315003", "Skin of umbilicus"),
    "groin": _sct("39687006", "Skin of inguinal region"),
    "genital": _sct("60944009", "Skin of external genitalia"),
    "axilla": _sct("76261009", "Skin of axilla"),
    "antecubital fossa": _sct("17957002", "Skin of antecubital fossa"),
    "elbow": _sct("181536004", "Skin of posterior surface of elbow"),
    "popliteal fossa": _sct("84507004", "Skin of popliteal fossa"),
    "back": _sct("66643007", "Skin of back"),
    "upper back": _sct("699893008", "Skin of back of upper thoracic region"),
    "lower back": _sct("113182001", "Skin of lower back"),
    "buttock": _sct("22180002", "Skin of buttock"),
    "upper extremity": _sct("371311000", "Skin of upper extremity"),
    "lower extremity": _sct("371304004", "Skin of lower extremity"),
    "hand": _sct("33712006", "Skin of hand"),
    "palm": _sct("70887009", "Skin of palm of hand"),
    "finger": _sct("244169007", "Skin of digit of hand"),
    "fingernail": _sct("770809003", "Nail unit of finger"),
    "foot": _sct("60496002", "Skin of foot"),
    "heel": _sct("84607009", "Skin of heel"),
    "toe": _sct("52034004", "Skin of toe"),
    "toenail": _sct("770805009", "Nail unit of toe"),
}
SAME: dict[str, str] = {
    "abdominal wall": "abdomen", "acral dorsal foot": "foot", "acral dorsal hand": "hand", "acral palm": "palm",
    "anterior trunk": "anterior torso", "armpit": "axilla", "auricle": "ear",
    "back of head": "occiput", "back of knee": "popliteal fossa", "back of neck": "nape",
    "belly": "abdomen", "bottom": "buttock", "buttocks": "buttock", "cheekbone": "cheek", "crown": "vertex", "external ear": "ear",
    "extremity lower": "lower extremity", "extremity upper": "upper extremity", "eyelids": "eyelid", "feet": "foot", "fingers": "finger",
    "genitalia": "genital", "genitals": "genital", "gluteal region": "buttock", "hands": "hand", "hindfoot": "heel",
    "inguinal region": "groin", "lips": "lip", "lower limb": "lower extremity", "lumbar region": "lower back", "mouth": "oral",
    "nail of finger": "fingernail", "nail of toe": "toenail", "nape of neck": "nape", "palm of hand": "palm", "palmar": "palm",
    "pinna": "ear", "posterior torso": "back", "posterior trunk": "back", "temporal region": "temple", "thorax": "chest", "toes": "toe",
    "umbilicus": "navel", "upper limb": "upper extremity",
}  # fmt: skip
# What has no code of its own is coded as the wider part that has one: a thigh is part of the lower limb.
WIDER: dict[str, str] = {
    "ankle": "lower extremity", "arm": "upper extremity", "back of hand": "hand", "calf": "lower extremity", "dorsum of foot": "foot",
    "dorsum of hand": "hand", "femur": "lower extremity", "forearm": "upper extremity", "great toe": "toe", "hallux": "toe",
    "knee": "lower extremity", "leg": "lower extremity", "lower leg": "lower extremity", "scapula": "back",
    "shin": "lower extremity", "sole": "foot", "sole of foot": "foot", "acral sole": "foot", "plantar": "foot",
    "thigh": "lower extremity", "thumb": "finger", "tibia": "lower extremity", "upper arm": "upper extremity",
    "wrist": "upper extremity",
}  # fmt: skip


def site_code(body_site: str | None) -> Coded | None:
    """The site's code where its words are known, at least as part of a wider one; None where they are not. The side is apart."""
    words = " ".join(re.findall(r"[a-z]+", (body_site or "").lower()))
    bare = " ".join(re.sub(r"\b(left|right|skin of|structure of|region of|the)\b", "", words).split())
    known = SAME.get(bare, WIDER.get(bare, bare))
    return SITES.get(known)


def side_code(laterality: Laterality | None) -> Coded | None:
    """The side's code."""
    return SIDES[laterality] if laterality else None


@dataclass(frozen=True, slots=True)
class Disease:
    """What one of the models' classes is to others: a SNOMED CT disorder and an ICD-10 code, where one concept covers it."""

    name: str
    snomed: str | None = None
    icd10: str | None = None


# By value from the models' taxonomies, which services may not import: a test keeps them equal.
DISEASES: dict[str, Disease] = {
    "MEL": Disease("Melanoma", "93655004", "C43"),
    "NV": Disease("Melanocytic naevus", "400096001", "D22"),
    "BCC": Disease("Basal cell carcinoma", "254701007", "C44"),
    "AK": Disease("Actinic keratosis", "201101007", "L57.0"),
    "BKL": Disease("Benign keratosis"),
    "DF": Disease("Dermatofibroma", None, "D23"),
    "VASC": Disease("Vascular lesion"),
    "SCC": Disease("Squamous cell carcinoma", "254651007", "C44"),
    "UNK": Disease("None of the other classes"),
    "AKIEC": Disease("Actinic keratosis or intraepithelial carcinoma"),
    "ACK": Disease("Actinic keratosis", "201101007", "L57.0"),
    "SEK": Disease("Seborrhoeic keratosis", "25499005", "L82"),
    "NEV": Disease("Melanocytic naevus", "400096001", "D22"),
    "BENIGN": Disease("Benign"),
    "MALIGNANT": Disease("Malignant"),
    "ACNE": Disease("Acne", "11381005", "L70"),
    "BENIGN_TUMOUR": Disease("Benign tumour"),
    "BULLOUS": Disease("Bullous disease"),
    "CANDIDIASIS": Disease("Candidiasis", "78048006", "B37"),
    "DRUG_ERUPTION": Disease("Drug eruption", "28926001", "L27"),
    "ECZEMA": Disease("Eczema", "43116000", "L30.9"),
    "INFESTATION_BITE": Disease("Infestation or bite"),
    "LICHEN": Disease("Lichenoid disease"),
    "LUPUS": Disease("Lupus erythematosus", "200936003", "L93"),
    "PSORIASIS": Disease("Psoriasis", "9014002", "L40"),
    "ROSACEA": Disease("Rosacea", "398909004", "L71"),
    "SK": Disease("Seborrhoeic keratosis", "25499005", "L82"),
    "SKIN_CANCER": Disease("Skin cancer", "372130007"),
    "SUN_DAMAGE": Disease("Sun damage", None, "L57"),
    "TINEA": Disease("Tinea", "47382004", "B35"),
    "UNKNOWN_NORMAL": Disease("Unknown or normal skin"),
    "VASCULAR_TUMOUR": Disease("Vascular tumour"),
    "VASCULITIS": Disease("Vasculitis", "31996006"),
    "VITILIGO": Disease("Vitiligo", "56727007", "L80"),
    "WART": Disease("Wart", None, "B07"),
}


def diagnosis_code(diagnosis: str) -> Coded:
    """The SNOMED CT disorder of a class where one covers it, else the class as a code of our own scheme."""
    disease = DISEASES.get(diagnosis)
    if disease is None:
        return _ours(diagnosis[:16], diagnosis[:64])
    return _sct(disease.snomed, disease.name) if disease.snomed else _ours(diagnosis, disease.name)


def diagnosis_icd10(diagnosis: str) -> Coded | None:
    """The ICD-10 code of a class where one covers it."""
    disease = DISEASES.get(diagnosis)
    return Coded(disease.icd10, Scheme.ICD10, disease.name) if disease and disease.icd10 else None


def probability_code(diagnosis: str) -> Coded:
    """The concept "probability of this class", of our own scheme: code values are short strings of at most 16 characters."""
    disease = DISEASES.get(diagnosis)
    return _ours(f"P_{diagnosis}"[:16], f"Probability of {disease.name if disease else diagnosis}"[:64])


DECISIONS: dict[Decision, Coded] = {
    Decision.CONFIRM: _ours("CONFIRM", "The model's answer is confirmed"),
    Decision.CORRECT: _ours("CORRECT", "The model's answer is corrected"),
    Decision.NOT_ASSESSABLE: _ours("NOT_ASSESSABLE", "The picture cannot be assessed"),
}
MANAGEMENTS: dict[Management, Coded] = {
    Management.DISCHARGE: _ours("DISCHARGE", "Discharge"),
    Management.FOLLOW_UP: _ours("FOLLOW_UP", "Follow-up"),
    Management.FACE_TO_FACE: _ours("FACE_TO_FACE", "Visit in person"),
    Management.URGENT_REFERRAL: _ours("URGENT_REFERRAL", "Urgent referral"),
    Management.RETAKE: _ours("RETAKE", "New picture"),
}
