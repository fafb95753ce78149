"""Where on the body map a lesion lies of which only the site's words are known.

The words are those that portals send: DICOM's Body Part Examined, SNOMED CT's and ISIC's sites, everyday English. A word that is not
here, or one limb without its side, has no place: such a lesion is listed beside the map.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.records.lesion_places import MapPoint
from services.records.states import Laterality, MapView
from services.review.body_map_figures import APART, FIGURES

FRONT, BACK, HEAD = MapView.FRONT, MapView.BACK, MapView.HEAD
HAND, FOOT = (MapView.LEFT_HAND, MapView.RIGHT_HAND), (MapView.LEFT_FOOT, MapView.RIGHT_FOOT)
BOXES = {figure.view: (figure.width, figure.height) for figure in FIGURES}
# Lesions at one place are laid out like the seeds of a sunflower: this far from each other (units), and narrower on a limb.
APART_AT_A_PLACE = 6.5
GOLDEN = math.pi * (3 - math.sqrt(5))
LIMB = (0.45, 1.9)


@dataclass(frozen=True, slots=True)
class Place:
    """A site's place in the units of a figure: `x` of the middle, `side` how far from it the patient's left one is.

    `paired`: without a side there is no place. Of hands and feet the right one's place is given; the left one's is its mirror image.
    """

    view: MapView | tuple[MapView, MapView]
    x: float
    y: float
    side: float = 0.0
    paired: bool = False


def _pair(view: MapView, y: float, side: float) -> Place:
    return Place(view, 0.0, y, side, paired=True)


FACE, NAPE = -APART, APART
PLACES: dict[str, Place] = {
    "face": Place(HEAD, FACE, 74, 20),
    "head": Place(HEAD, FACE, 34, 14),
    "head and neck": Place(HEAD, FACE, 88, 24),
    "forehead": Place(HEAD, FACE, 34, 16),
    "temple": Place(HEAD, FACE, 50, 34, paired=True),
    "eyebrow": Place(HEAD, FACE, 49, 18, paired=True),
    "eyelid": Place(HEAD, FACE, 58, 17.5, paired=True),
    "nose": Place(HEAD, FACE, 78, 4),
    "cheek": Place(HEAD, FACE, 80, 24, paired=True),
    "lip": Place(HEAD, FACE, 98, 6),
    "oral": Place(HEAD, FACE, 98, 0),
    "chin": Place(HEAD, FACE, 111, 7),
    "jaw": Place(HEAD, FACE, 100, 26, paired=True),
    "ear": Place(HEAD, FACE, 64, 42, paired=True),
    "scalp": Place(HEAD, NAPE, 34, -18),
    "occiput": Place(HEAD, NAPE, 62, -16),
    "nape": Place(HEAD, NAPE, 126, -10),
    "neck": Place(HEAD, FACE, 128, 13),
    "chest": Place(FRONT, 0, 122, 22),
    "breast": _pair(FRONT, 138, 23),
    "anterior torso": Place(FRONT, 0, 152, 20),
    "abdomen": Place(FRONT, 0, 186, 20),
    "navel": Place(FRONT, 0, 205, 0),
    "flank": _pair(FRONT, 186, 34),
    "lateral torso": _pair(FRONT, 165, 37),
    "groin": _pair(FRONT, 243, 18),
    "genital": Place(FRONT, 0, 251, 3),
    "axilla": _pair(FRONT, 128, 46),
    "shoulder": _pair(FRONT, 101, 50),
    "upper arm": _pair(FRONT, 145, 56),
    "antecubital fossa": _pair(FRONT, 187, 63),
    "elbow": _pair(BACK, 188, -65),
    "forearm": _pair(FRONT, 214, 71),
    "wrist": _pair(FRONT, 246, 82),
    "hip": _pair(FRONT, 232, 42),
    "thigh": _pair(FRONT, 285, 27),
    "knee": _pair(FRONT, 345, 25),
    "popliteal fossa": _pair(BACK, 350, -25),
    "lower leg": _pair(FRONT, 392, 24),
    "calf": _pair(BACK, 384, -25),
    "ankle": _pair(FRONT, 450, 21),
    "back": Place(BACK, 0, 146, -22),
    "upper back": Place(BACK, 0, 114, -24),
    "lower back": Place(BACK, 0, 202, -20),
    "sacrum": Place(BACK, 0, 220, -6),
    "buttock": _pair(BACK, 242, -22),
    "hand": Place(HAND, -APART, 112, paired=True),
    "palm": Place(HAND, APART, 116, paired=True),
    "finger": Place(HAND, -APART - 8, 44, paired=True),
    "fingernail": Place(HAND, -APART - 8, 21, paired=True),
    "thumb": Place(HAND, -APART - 37, 97, paired=True),
    "foot": Place(FOOT, -APART, 98, paired=True),
    "sole": Place(FOOT, APART, 96, paired=True),
    "heel": Place(FOOT, APART, 142, paired=True),
    "toe": Place(FOOT, -APART, 26, paired=True),
    "toenail": Place(FOOT, -APART - 14, 15, paired=True),
}
SAME: dict[str, str] = {
    "abdominal wall": "abdomen", "acral dorsal foot": "foot", "acral dorsal hand": "hand", "acral palm": "palm",
    "acral sole": "sole", "anterior trunk": "anterior torso", "arm": "upper arm", "armpit": "axilla", "auricle": "ear",
    "back of hand": "hand", "back of head": "occiput", "back of knee": "popliteal fossa", "back of neck": "nape",
    "belly": "abdomen", "bottom": "buttock", "breasts": "breast", "buttocks": "buttock", "cheekbone": "cheek", "crown": "scalp",
    "dorsum of foot": "foot", "dorsum of hand": "hand", "external ear": "ear", "extremity lower": "lower leg",
    "extremity upper": "upper arm", "eyelids": "eyelid", "feet": "foot", "femur": "thigh", "fingers": "finger",
    "genitalia": "genital", "genitals": "genital", "gluteal region": "buttock", "great toe": "toe", "hallux": "toe",
    "hands": "hand", "head neck": "head and neck", "hindfoot": "heel", "inguinal region": "groin", "leg": "lower leg",
    "lips": "lip", "loin": "flank", "lower extremity": "lower leg", "lower limb": "lower leg", "lower trunk": "abdomen",
    "lumbar region": "lower back", "mouth": "oral", "nail of finger": "fingernail", "nail of toe": "toenail",
    "nape of neck": "nape", "neck anterior": "neck", "palm of hand": "palm", "palmar": "palm", "pinna": "ear", "plantar": "sole",
    "posterior torso": "back", "posterior trunk": "back", "scapula": "upper back", "shin": "lower leg",
    "side of torso": "lateral torso", "sole of foot": "sole", "sternum": "chest", "stomach": "abdomen", "thorax": "chest",
    "tibia": "lower leg", "toes": "toe", "torso": "anterior torso", "trunk": "anterior torso", "umbilicus": "navel",
    "upper extremity": "upper arm", "upper limb": "upper arm", "vertex": "scalp",
}  # fmt: skip


def site_point(body_site: str | None, laterality: Laterality | None, *, nth: int = 0) -> MapPoint | None:
    """The point of the `nth` lesion (from 0) of a site whose own point nobody set; None where the words give no place."""
    place = PLACES.get(_known(body_site or ""))
    if place is None or (place.paired and laterality not in (Laterality.LEFT, Laterality.RIGHT)):
        return None
    left = laterality is Laterality.LEFT
    dx, dy = _seed(nth, narrow=place.paired)
    if isinstance(place.view, tuple):
        return _point(place.view[0 if left else 1], (-place.x if left else place.x) + dx, place.y + dy)
    aside = {Laterality.LEFT: place.side, Laterality.RIGHT: -place.side}.get(laterality, 0.0) if laterality else 0.0
    return _point(place.view, place.x + aside + dx, place.y + dy)


def _known(body_site: str) -> str:
    words = " ".join(re.findall(r"[a-z]+", body_site.lower().replace("&", " and ")))
    without_side = re.sub(r"\b(left|right|skin of|structure of|region of|the)\b", "", f"{words}").strip()
    found = " ".join(without_side.split())
    return SAME.get(found, found)


def _seed(nth: int, *, narrow: bool) -> tuple[float, float]:
    across, along = LIMB if narrow else (1.0, 1.0)
    reach = APART_AT_A_PLACE * math.sqrt(nth)
    return reach * math.cos(nth * GOLDEN) * across, reach * math.sin(nth * GOLDEN) * along


def _point(view: MapView, x: float, y: float) -> MapPoint:
    width, height = BOXES[view]
    return MapPoint(view, _share(x / width + 0.5), _share(y / height))


def _share(value: float) -> float:
    return min(max(value, 0.01), 0.99)


def sites_with_a_place() -> Iterable[str]:
    """Every word that has a place, for tests and forms."""
    return (*PLACES, *SAME)
