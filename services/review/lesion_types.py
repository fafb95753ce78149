"""The lesion types that the models tell apart, in plain words, with how often each occurs in a named collection.

Counts are those of HAM10000 (Tschandl et al. 2018, doi:10.1038/sdata.2018.161: 10,015 pictures) and, for the class that it
does not keep apart, of the ISIC 2019 training collection (25,331 pictures). Codes: ICD-10 and SNOMED CT.
"""

from dataclasses import dataclass

from services.records.diagnoses import DIAGNOSES

HAM10000, ISIC2019 = 10_015, 25_331


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What is said of a class. ``drawn``: what its drawing shows; ``count``: its pictures in HAM10000, None where it is no class there."""

    lead: str
    more: str
    drawn: str
    count: int | None
    commonness: str
    codes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LesionType:
    """One class as the page shows it; ``share`` is a percentage of the HAM10000 collection, 0..100."""

    code: str
    name: str
    malignant: bool
    kind: str
    text: Text
    share: float | None
    share_words: str


TEXTS = {
    "MEL": Text(
        lead="A cancer of the cells that make pigment.",
        more="It can spread early to lymph nodes and organs, and is nearly always cured when it is cut out while thin. "
        "A new or changing dark spot that looks unlike the others is the usual sign.",
        drawn="lopsided, ragged, of several colours; an uneven net, a blue-white veil, dots, streaks on one side",
        count=1113,
        commonness="",
        codes=(("ICD-10", "C43"), ("SNOMED CT", "93655004")),
    ),
    "NV": Text(
        lead="The common mole: a harmless nest of pigment cells.",
        more="Nearly everybody has some. Most are round or oval, of one or two browns, and stay as they are for years.",
        drawn="oval, of one brown, with an even net that thins out towards the edge",
        count=6705,
        commonness="",
        codes=(("ICD-10", "D22"), ("SNOMED CT", "400096001")),
    ),
    "BCC": Text(
        lead="The most frequent skin cancer.",
        more="It grows slowly and hardly ever spreads, but destroys the tissue where it stands. "
        "Often a pearly bump or a small sore that does not heal, mostly on the face.",
        drawn="a pearly rim, sharp branching vessels, blue-grey nests, a small sore; no net",
        count=514,
        commonness="",
        codes=(("ICD-10", "C44"), ("SNOMED CT", "254701007")),
    ),
    "AK": Text(
        lead="A rough, scaly patch of sun-damaged skin.",
        more="Not a cancer yet, but one that can come of it: it is treated, not only watched. Mostly on the face, scalp and hands.",
        drawn="a red net around pale follicle openings, like a strawberry, under white scale",
        count=327,
        commonness="The collection counts Bowen's disease with it.",
        codes=(("ICD-10", "L57.0"), ("SNOMED CT", "201101007")),
    ),
    "BKL": Text(
        lead="Harmless growths of the upper skin.",
        more="Seborrhoeic keratosis, solar lentigo and lichen planus-like keratosis. Very frequent with age, brown, often warty, "
        "as if stuck on.",
        drawn="a sharp edge, white cysts, dark plugs and short furrows",
        count=1099,
        commonness="",
        codes=(),
    ),
    "DF": Text(
        lead="A firm, harmless knot of fibrous tissue.",
        more="Often on the legs, sometimes after an insect bite. It dimples when it is squeezed from the sides.",
        drawn="a white scar-like middle with shining lines, and a delicate net around it",
        count=115,
        commonness="",
        codes=(("ICD-10", "D23"),),
    ),
    "VASC": Text(
        lead="A red, purple or black spot made of vessels or of blood.",
        more="Cherry angioma, angiokeratoma, pyogenic granuloma or a bleed under the skin. Harmless, though some bleed easily.",
        drawn="red to purple lakes with clear edges, parted by pale walls",
        count=142,
        commonness="",
        codes=(),
    ),
    "SCC": Text(
        lead="A cancer of the upper skin's cells.",
        more="Mostly on skin that saw much sun, often out of an actinic keratosis. It can spread to lymph nodes: "
        "a horny or sore lump that grows over weeks is its usual sign.",
        drawn="yellow-white horn in the middle, white circles around follicles, looped vessels around them",
        count=None,
        commonness="No class of its own in HAM10000; 2.5 % of the ISIC 2019 training collection (628 of 25,331 pictures).",
        codes=(("ICD-10", "C44"), ("SNOMED CT", "254651007")),
    ),
}
KINDS = {"MEL": "cancer", "BCC": "cancer", "SCC": "cancer", "AK": "precursor of cancer"}


def lesion_types() -> tuple[LesionType, ...]:
    """Every class of the desk, in its order."""
    return tuple(_type(diagnosis.code, diagnosis.name, diagnosis.malignant) for diagnosis in DIAGNOSES)


def _type(code: str, name: str, malignant: bool) -> LesionType:
    text = TEXTS[code]
    share = None if text.count is None else round(100 * text.count / HAM10000, 1)
    said = "" if text.count is None else f"{share:.1f} % of the HAM10000 collection ({text.count:,} of {HAM10000:,} pictures)."
    return LesionType(code, name, malignant, KINDS.get(code, "benign"), text, share, said)
