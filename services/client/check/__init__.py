"""A conformance run: does a portal's key, network and receiver work with this Dermatrail? For sandboxes alone."""

from services.client.check.run import CHECKS, Check, CheckFailed, Outcome, run_checks

__all__ = ["CHECKS", "Check", "CheckFailed", "Outcome", "run_checks"]
