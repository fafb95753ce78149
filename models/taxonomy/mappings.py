"""From one taxonomy's codes to another's.

Every lesion taxonomy is tied to ISIC 2019 with its class for the rest, and through it to every other one. Where a class of the
source has no counterpart, or could be several, it is absent rather than guessed.
"""

from models.taxonomy.types import Taxonomy

HUB = "isic2019_unknown"

_EIGHT = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
_SIX_SHARED = ("MEL", "NV", "BCC", "BKL", "DF", "VASC")
# Skin disease that is no lesion of the eight. Benign tumours may be dermatofibromas and skin cancer is any of three: both are absent.
_REST = (
    *("ACNE", "BULLOUS", "CANDIDIASIS", "DRUG_ERUPTION", "ECZEMA", "INFESTATION_BITE", "LICHEN", "LUPUS", "PSORIASIS", "ROSACEA"),
    *("SUN_DAMAGE", "TINEA", "UNKNOWN_NORMAL", "VASCULITIS", "VITILIGO", "WART"),
)

TO_HUB: dict[str, dict[str, str]] = {
    "isic2019": {code: code for code in _EIGHT},
    # ISIC 2019 took HAM10000 over and renamed AKIEC to AK; the few carcinomas among them are known only from its own table.
    "ham10000": {**{code: code for code in _SIX_SHARED}, "AKIEC": "AK"},
    "pad_ufes_20": {"MEL": "MEL", "NEV": "NV", "BCC": "BCC", "ACK": "AK", "SEK": "BKL", "SCC": "SCC"},
    "skindiseasenet": {"AK": "AK", "NV": "NV", "SK": "BKL", "VASCULAR_TUMOUR": "VASC", **dict.fromkeys(_REST, "UNK")},
}

FROM_HUB: dict[str, dict[str, str]] = {
    "isic2019": {code: code for code in _EIGHT},
    # HAM10000 has no class for invasive squamous cell carcinoma: AKIEC is its line of the same keratinocytes.
    "ham10000": {**{code: code for code in _SIX_SHARED}, "AK": "AKIEC", "SCC": "AKIEC"},
    "pad_ufes_20": {"MEL": "MEL", "NV": "NEV", "BCC": "BCC", "AK": "ACK", "BKL": "SEK", "SCC": "SCC"},
    # "None of the eight" may be any other disease: it has no counterpart.
    "skindiseasenet": {
        "MEL": "SKIN_CANCER",
        "BCC": "SKIN_CANCER",
        "SCC": "SKIN_CANCER",
        "AK": "AK",
        "NV": "NV",
        "BKL": "SK",
        "DF": "BENIGN_TUMOUR",
        "VASC": "VASCULAR_TUMOUR",
    },
}

# Classes that do not tell whether the lesion is malignant.
UNDECIDED = frozenset({"UNK", "UNKNOWN_NORMAL"})


def to_binary(taxonomy: Taxonomy) -> dict[str, str]:
    """Each code's side; classes that tell nothing about malignancy are absent."""
    return {
        diagnosis.code: "MALIGNANT" if diagnosis.malignant else "BENIGN"
        for diagnosis in taxonomy.diagnoses
        if diagnosis.code not in UNDECIDED
    }


def through_hub(source: Taxonomy, target: Taxonomy) -> dict[str, str]:
    """Source code → hub → target code, for those that have both steps."""
    forth = TO_HUB.get(source.name, {}) if source.name != HUB else {code: code for code in source.codes}
    back = FROM_HUB.get(target.name, {}) if target.name != HUB else {code: code for code in target.codes}
    return {code: back[hub] for code in source.codes if (hub := forth.get(code)) in back}
