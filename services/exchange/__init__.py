"""What leaves: FHIR, DICOM, reports and the words of webhooks."""
