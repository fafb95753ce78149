"""Real servers on a developer's machine, without containers, root or packages of the system."""

from infra.local.errors import LocalStackError
from infra.local.stack import LocalStack

__all__ = ["LocalStack", "LocalStackError"]
