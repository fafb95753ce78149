"""All DICOM files: each is accepted with its colours, or refused with its reason; none is a surprise."""

from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest

from models.pictures.decode import decode
from models.pictures.errors import PictureRefused
from models.pictures.inspect import inspect
from tests.pictures.dicom_files import BUNDLED, every_file
from tests.pictures.dicom_reference import reference

# pydicom warns of what such files do wrong: that is what they are for.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


def outcome(path: Path) -> str:
    """What became of a file: its reason, or how its colours compare with another decoder's."""
    data = path.read_bytes()
    try:
        info = inspect(data)
        picture = decode(data)
    except PictureRefused as refused:
        return refused.reason.value
    assert picture.rgb.shape == (info.height, info.width, 3)
    dataset = pydicom.dcmread(path, force=True)
    other = reference(dataset)
    if other is None:
        return "no other decoder"
    furthest = int(np.abs(picture.rgb.astype(int) - other).max())
    return "equal" if furthest <= 1 else f"{path.name} differs by {furthest}"


def test_each_file_has_the_right_colours_or_a_reason() -> None:
    outcomes = [(path, outcome(path)) for path in every_file()]
    found = Counter(said for _, said in outcomes)
    assert not [said for said in found if "differs" in said]
    assert found["equal"] >= 20
    assert found["no other decoder"] <= found["equal"] / 3
    # No file is called damaged but those that were made so.
    broken = {path.name for path, said in outcomes if said in ("damaged", "truncated") and path.is_relative_to(BUNDLED)}
    assert broken <= {"JPEG2000-embedded-sequence-delimiter.dcm", "badVR.dcm"}
