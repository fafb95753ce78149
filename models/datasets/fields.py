"""Cells of the published tables in one vocabulary: age, sex, body site, Fitzpatrick type."""

import math

# ISIC's general anatomic sites, the trunk in one: HAM10000 and PAD-UFES-20 name finer or coarser places.
SITES: dict[str, tuple[str, ...]] = {
    "head/neck": ("head/neck", "head", "neck", "face", "scalp", "ear", "nose", "lip"),
    "torso": ("torso", "trunk", "anterior torso", "posterior torso", "lateral torso", "back", "chest", "abdomen"),
    "upper extremity": ("upper extremity", "arm", "forearm", "hand"),
    "lower extremity": ("lower extremity", "thigh", "leg", "foot"),
    "palms/soles": ("palms/soles", "acral"),
    "oral/genital": ("oral/genital", "genital"),
}
_SITE_OF = {name: site for site, names in SITES.items() for name in names}
_SEXES = {"female": "female", "f": "female", "male": "male", "m": "male"}
_TYPES = ("I", "II", "III", "IV", "V", "VI")


def age(text: str) -> float | None:
    """Years, or None for an empty cell, for words and for what no one lives to."""
    number = _number(text)
    return number if number is not None and 0 <= number <= 120 else None


def sex(text: str) -> str | None:
    """``"female"``, ``"male"`` or None."""
    return _SEXES.get(text.strip().lower())


def site(text: str) -> str | None:
    """One of SITES, or None for an empty cell and for places that are not known."""
    return _SITE_OF.get(text.strip().lower())


def fitzpatrick(text: str) -> str | None:
    """``"I"`` to ``"VI"`` from a roman numeral or from 1 to 6; None for anything else."""
    roman = text.strip().upper()
    if roman in _TYPES:
        return roman
    number = _number(text)
    return _TYPES[int(number) - 1] if number in range(1, 7) and number is not None else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
