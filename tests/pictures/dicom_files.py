"""Every DICOM file at hand: pydicom's own, and those of the data folder where there is one."""

import os
from pathlib import Path

import pydicom.data

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"
NO_FILES = {".py", ".md", ".json", ".txt"}


def every_file() -> list[Path]:
    """What pydicom brings along (nothing is fetched), then ``$DERMATRAIL_DATA/dicom``."""
    data = os.environ.get("DERMATRAIL_DATA")
    folders = [BUNDLED] + ([Path(data) / "dicom"] if data else [])
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in NO_FILES]
