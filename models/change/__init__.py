"""The same lesion at two visits: where it lies in the other picture, and what has changed beyond the error of looking twice."""

from models.change.look import Look, look_at
from models.change.registration import NoComparison, Registration, Why, register

__all__ = ["Look", "NoComparison", "Registration", "Why", "look_at", "register"]
