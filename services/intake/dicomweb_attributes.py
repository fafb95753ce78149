"""The attributes that queries know (PS3.18 tables 10.6.1-5), with their tags, so that answering one needs no DICOM library.

Names, birth dates and free text of a study are known here and kept nowhere but in the file itself: they are returned empty.
"""

from dataclasses import dataclass

from services.records.instance_search import Level

STUDY, SERIES, INSTANCE = Level.STUDY, Level.SERIES, Level.INSTANCE
NUMERIC = frozenset({"IS", "US", "DS"})
DATED = frozenset({"DA", "TM", "DT"})


@dataclass(frozen=True, slots=True)
class Attribute:
    """``level``: from which level on it is returned without being asked for; None: only when it is asked for."""

    keyword: str
    tag: str
    vr: str
    level: Level | None = None
    # Returned also where nothing is known of it (type 2 of the level).
    always: bool = False


LISTED = (
    Attribute("SpecificCharacterSet", "00080005", "CS", STUDY),
    Attribute("StudyDate", "00080020", "DA", STUDY, always=True),
    Attribute("StudyTime", "00080030", "TM", STUDY, always=True),
    Attribute("AccessionNumber", "00080050", "SH", STUDY, always=True),
    Attribute("InstanceAvailability", "00080056", "CS", STUDY),
    Attribute("ModalitiesInStudy", "00080061", "CS", STUDY),
    Attribute("ReferringPhysicianName", "00080090", "PN", STUDY, always=True),
    Attribute("TimezoneOffsetFromUTC", "00080201", "SH", STUDY),
    Attribute("RetrieveURL", "00081190", "UR", STUDY),
    Attribute("PatientName", "00100010", "PN", STUDY, always=True),
    Attribute("PatientID", "00100020", "LO", STUDY, always=True),
    Attribute("PatientBirthDate", "00100030", "DA", STUDY, always=True),
    Attribute("PatientSex", "00100040", "CS", STUDY, always=True),
    Attribute("StudyInstanceUID", "0020000D", "UI", STUDY),
    Attribute("StudyID", "00200010", "SH", STUDY, always=True),
    Attribute("NumberOfStudyRelatedSeries", "00201206", "IS", STUDY),
    Attribute("NumberOfStudyRelatedInstances", "00201208", "IS", STUDY),
    Attribute("Modality", "00080060", "CS", SERIES),
    Attribute("SeriesDescription", "0008103E", "LO", SERIES),
    Attribute("SeriesInstanceUID", "0020000E", "UI", SERIES),
    Attribute("SeriesNumber", "00200011", "IS", SERIES, always=True),
    Attribute("NumberOfSeriesRelatedInstances", "00201209", "IS", SERIES),
    Attribute("PerformedProcedureStepStartDate", "00400244", "DA", SERIES),
    Attribute("PerformedProcedureStepStartTime", "00400245", "TM", SERIES),
    Attribute("SOPClassUID", "00080016", "UI", INSTANCE),
    Attribute("SOPInstanceUID", "00080018", "UI", INSTANCE),
    Attribute("InstanceNumber", "00200013", "IS", INSTANCE, always=True),
    Attribute("Rows", "00280010", "US", INSTANCE),
    Attribute("Columns", "00280011", "US", INSTANCE),
    Attribute("BitsAllocated", "00280100", "US", INSTANCE),
    Attribute("NumberOfFrames", "00280008", "IS", INSTANCE),
    Attribute("StudyDescription", "00081030", "LO"),
    Attribute("ImageType", "00080008", "CS"),
    Attribute("SeriesDate", "00080021", "DA"),
    Attribute("AcquisitionDate", "00080022", "DA"),
    Attribute("ContentDate", "00080023", "DA"),
    Attribute("AcquisitionDateTime", "0008002A", "DT"),
    Attribute("SeriesTime", "00080031", "TM"),
    Attribute("AcquisitionTime", "00080032", "TM"),
    Attribute("ContentTime", "00080033", "TM"),
    Attribute("Manufacturer", "00080070", "LO"),
    Attribute("ManufacturerModelName", "00081090", "LO"),
    Attribute("IssuerOfPatientID", "00100021", "LO"),
    Attribute("PatientAge", "00101010", "AS"),
    Attribute("BodyPartExamined", "00180015", "CS"),
    Attribute("Laterality", "00200060", "CS"),
    Attribute("ImageLaterality", "00200062", "CS"),
    Attribute("AnatomicRegionSequence", "00082218", "SQ"),
    Attribute("CodeValue", "00080100", "SH"),
    Attribute("CodingSchemeDesignator", "00080102", "SH"),
    Attribute("TrackingID", "00620020", "UT"),
    Attribute("TrackingUID", "00620021", "UI"),
    Attribute("SamplesPerPixel", "00280002", "US"),
    Attribute("PhotometricInterpretation", "00280004", "CS"),
    Attribute("PixelSpacing", "00280030", "DS"),
    Attribute("BitsStored", "00280101", "US"),
    Attribute("LossyImageCompression", "00282110", "CS"),
)
BY_KEYWORD = {attribute.keyword: attribute for attribute in LISTED}
BY_TAG = {attribute.tag: attribute for attribute in LISTED}
_DEPTH = {STUDY: 0, SERIES: 1, INSTANCE: 2}


def returned(level: Level) -> list[Attribute]:
    """What an answer at this level holds, with everything of the levels above."""
    return [each for each in LISTED if each.level is not None and _DEPTH[each.level] <= _DEPTH[level]]
