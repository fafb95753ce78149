"""The dermatologist's desk: sign-in, worklist, case page and decision."""
