"""Pictures without what tells who the patient is: DICOM by PS3.15 annex E, photographs without their metadata."""
