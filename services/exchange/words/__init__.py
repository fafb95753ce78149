"""The words of reports, one file for each language."""
