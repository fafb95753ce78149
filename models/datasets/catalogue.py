"""Where the public data sets lie, with their licences. Only addresses that the publishers themselves hand out.

``sha256`` is None where the publisher states none: the first download then writes down what it has got, see ``models.datasets.downloads``.
PH² is not among them: its publishers give it out on request.
"""

from dataclasses import dataclass

_CHALLENGE = "https://isic-challenge-data.s3.amazonaws.com"
_DATAVERSE = "https://dataverse.harvard.edu/api/access/datafile"
_MENDELEY = "https://prod-dcd-datasets-cache-zipfiles.s3.eu-west-1.amazonaws.com"
_PAGE = "https://challenge.isic-archive.com/data/"


@dataclass(frozen=True, slots=True)
class PublicFile:
    """One file: its name on disk, its address, and what is known of its content (``size`` in bytes)."""

    name: str
    url: str
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A data set. ``page`` tells people about it; ``name`` is the source that reads it."""

    name: str
    title: str
    licence: str
    non_commercial: bool
    page: str
    files: tuple[PublicFile, ...]


def _challenge(year: int, *names: str) -> tuple[PublicFile, ...]:
    return tuple(PublicFile(name, f"{_CHALLENGE}/{year}/{name}") for name in names)


_SETS = (
    PublicSet(
        "isic2016",
        "ISIC 2016: 900 pictures with outlines, benign or malignant, and the test part",
        "CC0 1.0",
        non_commercial=False,
        page=f"{_PAGE}#2016",
        files=_challenge(
            2016,
            "ISBI2016_ISIC_Part1_Training_Data.zip",
            "ISBI2016_ISIC_Part1_Training_GroundTruth.zip",
            "ISBI2016_ISIC_Part3_Training_GroundTruth.csv",
            "ISBI2016_ISIC_Part1_Test_Data.zip",
            "ISBI2016_ISIC_Part1_Test_GroundTruth.zip",
            "ISBI2016_ISIC_Part3_Test_GroundTruth.csv",
        ),
    ),
    PublicSet(
        "isic2017",
        "ISIC 2017: 2,000 pictures with outlines and three classes, validation and test part",
        "CC0 1.0",
        non_commercial=False,
        page=f"{_PAGE}#2017",
        files=_challenge(
            2017,
            "ISIC-2017_Training_Data.zip",
            "ISIC-2017_Training_Part1_GroundTruth.zip",
            "ISIC-2017_Training_Part3_GroundTruth.csv",
            "ISIC-2017_Validation_Data.zip",
            "ISIC-2017_Validation_Part1_GroundTruth.zip",
            "ISIC-2017_Validation_Part3_GroundTruth.csv",
            "ISIC-2017_Test_v2_Data.zip",
            "ISIC-2017_Test_v2_Part1_GroundTruth.zip",
            "ISIC-2017_Test_v2_Part3_GroundTruth.csv",
        ),
    ),
    PublicSet(
        "isic2018_task1",
        "ISIC 2018 Task 1: 2,594 pictures with outlines, validation and test part",
        "CC BY-NC 4.0",
        non_commercial=True,
        page=f"{_PAGE}#2018",
        files=_challenge(
            2018,
            "ISIC2018_Task1-2_Training_Input.zip",
            "ISIC2018_Task1_Training_GroundTruth.zip",
            "ISIC2018_Task1-2_Validation_Input.zip",
            "ISIC2018_Task1_Validation_GroundTruth.zip",
            "ISIC2018_Task1-2_Test_Input.zip",
            "ISIC2018_Task1_Test_GroundTruth.zip",
        ),
    ),
    PublicSet(
        "isic2018_task3",
        "ISIC 2018 Task 3: 10,015 pictures (HAM10000) in seven classes, validation and test part",
        "CC BY-NC 4.0",
        non_commercial=True,
        page=f"{_PAGE}#2018",
        files=_challenge(
            2018,
            "ISIC2018_Task3_Training_Input.zip",
            "ISIC2018_Task3_Training_GroundTruth.zip",
            "ISIC2018_Task3_Training_LesionGroupings.csv",
            "ISIC2018_Task3_Validation_Input.zip",
            "ISIC2018_Task3_Validation_GroundTruth.zip",
            "ISIC2018_Task3_Test_Input.zip",
            "ISIC2018_Task3_Test_GroundTruth.zip",
        ),
    ),
    PublicSet(
        "isic2019",
        "ISIC 2019: 25,331 pictures in eight classes",
        "CC BY-NC 4.0",
        non_commercial=True,
        page=f"{_PAGE}#2019",
        files=_challenge(
            2019,
            "ISIC_2019_Training_Input.zip",
            "ISIC_2019_Training_GroundTruth.csv",
            "ISIC_2019_Training_Metadata.csv",
        ),
    ),
    PublicSet(
        "isic2020",
        "ISIC 2020: 33,126 pictures of 2,056 patients, benign or malignant",
        "CC BY-NC 4.0",
        non_commercial=True,
        page=f"{_PAGE}#2020",
        files=_challenge(
            2020,
            "ISIC_2020_Training_JPEG.zip",
            "ISIC_2020_Training_GroundTruth_v2.csv",
            "ISIC_2020_Training_Duplicates.csv",
        ),
    ),
    PublicSet(
        "ham10000",
        "HAM10000: 10,015 pictures of 7,470 lesions in seven classes, with outlines",
        "CC BY-NC 4.0",
        non_commercial=True,
        page="https://doi.org/10.7910/DVN/DBW86T",
        files=(
            PublicFile("HAM10000_metadata.csv", f"{_DATAVERSE}/4338392?format=original"),
            PublicFile("HAM10000_images_part_1.zip", f"{_DATAVERSE}/3172585"),
            PublicFile("HAM10000_images_part_2.zip", f"{_DATAVERSE}/3172584"),
            PublicFile("HAM10000_segmentations_lesion_tschandl.zip", f"{_DATAVERSE}/3838943"),
        ),
    ),
    PublicSet(
        "pad_ufes_20",
        "PAD-UFES-20: 2,298 smartphone photographs of 1,373 patients in six classes",
        "CC BY 4.0",
        non_commercial=False,
        page="https://doi.org/10.17632/zr7vgbcyr2.1",
        files=(PublicFile("zr7vgbcyr2-1.zip", f"{_MENDELEY}/zr7vgbcyr2-1.zip"),),
    ),
)
CATALOGUE: dict[str, PublicSet] = {public.name: public for public in _SETS}
