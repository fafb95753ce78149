"""What the pictures and first weights of a training allow: it goes into the bundle, the command line and the dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.datasets import DatasetError


@dataclass(frozen=True, slots=True)
class Source:
    """One data set: how to cite it and its licence."""

    citation: str
    licence: str
    non_commercial: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """Of everything that went into a bundle."""

    data: str
    licence: str
    non_commercial: bool


HAM10000 = Source("HAM10000 (Tschandl et al. 2018, doi:10.7910/DVN/DBW86T)", "CC BY-NC 4.0", non_commercial=True)
SOURCES = {
    "ham10000": HAM10000,
    "isic2016": Source("ISIC 2016 challenge (Gutman et al. 2016, arXiv:1605.01397)", "CC0-1.0"),
    "isic2017": Source("ISIC 2017 challenge (Codella et al. 2018, arXiv:1710.05006)", "CC0-1.0"),
    "isic2018_task1": Source("ISIC 2018 Task 1, its images of the ISIC 2016/17 era (Codella et al. 2019, arXiv:1902.03368)", "CC0-1.0"),
    "isic2018_task3": Source("ISIC 2018 Task 3 (Codella et al. 2019, arXiv:1902.03368; HAM10000)", "CC BY-NC 4.0", non_commercial=True),
    "isic2019": Source("ISIC 2019 challenge (Combalia et al. 2019, arXiv:1908.02288)", "CC BY-NC 4.0", non_commercial=True),
    "isic2020": Source("ISIC 2020 challenge (Rotemberg et al. 2021, doi:10.1038/s41597-021-00815-z)", "CC BY-NC 4.0", non_commercial=True),
    "pad_ufes_20": Source("PAD-UFES-20 (Pacheco et al. 2020, doi:10.17632/zr7vgbcyr2.1)", "CC BY 4.0"),
    "ph2": Source("PH2 (Mendonça et al. 2013, doi:10.1109/EMBC.2013.6610779)", "research and education only", non_commercial=True),
    "uda1_originals": Source("ISIC UDA-1", "CC0-1.0"),
    # What patients agreed to is between them and their portals, so the strictest is assumed, as for any pictures of one's own.
    "dermatrail": Source("decided cases of one's own portals, by the patients' consent", "not stated", non_commercial=True),
}
# Pictures of one's own: nobody but the user knows what they allow, so the strictest is assumed.
OWN = Source("own pictures", "not stated", non_commercial=True)


def terms_of(sources: Sequence[str], *, inherited: Terms | None = None) -> Terms:
    """The terms of a training on ``sources``, and of the bundle it began from: weights remember what they have seen before.

    Raises DatasetError when there is no source.
    """
    if not sources:
        raise DatasetError("the recipe names no source: put at least one into data.sources")
    used = [SOURCES.get(source, OWN) for source in sources]
    limited = any(source.non_commercial for source in used) or bool(inherited and inherited.non_commercial)
    pictures = ", ".join(dict.fromkeys(source.licence for source in used))
    text = f"{'non-commercial use only; ' if limited else ''}training data: {pictures}"
    data = "; ".join(source.citation for source in used)
    if inherited:
        text += f"; first weights: {inherited.licence.removeprefix('non-commercial use only; ')}"
        data += f"; first weights from {inherited.data}"
    return Terms(data=data, licence=text, non_commercial=limited)
