"""What descriptors may keep (PS3.15 E.3.5): words of a closed list, and codes of public coding schemes. Everything else goes."""

import re

# A closed list is the only cleaning that needs no trust in what people type: sites, sides, kinds of pictures, diagnoses.
_LISTED = """
abdomen abdominal acral actinic anterior arm arms axilla back basal benign biopsy breast buttock buttocks calf carcinoma cell cheek
chest chin clinical close closeup colour contact control cross dermatofibroma dermatology dermatoscopic dermatoscopy dermoscopic
dermoscopy digital distal dorsal ear ears elbow extremity eyelid face female finger first foot follow followup forearm forehead
front genital groin hand hands haemangioma head heel hip image images immersion inferior inner keratosis knee lateral left leg legs
lentigo lesion lip lower malignant male medial melanoma mid middle mole nail naevus naevi neck nevus nevi non nonpolarised
nonpolarized nose oblique outer overview palm palmar photo photograph photography photographic pigmented plantar polarised
polarized posterior proximal right scalp scar seborrheic second shin shoulder side site skin sole squamous superior thigh third
thumb toe toes torso total trunk umbilicus unknown up upper vascular view visit wound wrist
"""
WORDS = frozenset(_LISTED.split())
_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
PUBLIC_SCHEMES = frozenset({"SCT", "SRT", "SNM3", "DCM", "LN", "UCUM", "ICDO3", "I10", "ICD10", "FMA", "RADLEX"})
OLDEST = 90  # years; whoever is older could be found by their age alone


def clean_text(text: str) -> str:
    """The listed words of a descriptor, in their order, lower case; "" where there is none. Numbers go: they may be dates or names."""
    return " ".join(word for word in (found.lower() for found in _WORD.findall(text)) if word in WORDS)


def clean_age(age: str) -> str:
    """An age string (PS3.5 6.2, AS: ``nnnY``) with every age of 90 years or more as 90; "" for what is none."""
    if not re.fullmatch(r"\d{3}[DWMY]", age):
        return ""
    return f"{OLDEST:03d}Y" if age.endswith("Y") and int(age[:3]) > OLDEST else age


def is_public(scheme: str) -> bool:
    """Whether codes of this scheme are defined by a public body, so that they cannot say more than their meaning."""
    return scheme in PUBLIC_SCHEMES
