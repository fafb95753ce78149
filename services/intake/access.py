"""Portals sign every request with their API key."""

from apiflask import HTTPTokenAuth

from services.intake.context import backends
from services.records.access import Portal, authenticate_key
from services.records.errors import AccessDenied

auth = HTTPTokenAuth(scheme="Bearer", realm="dermatrail", description="The portal's API key: `dmt_…`.")


@auth.verify_token  # type: ignore[untyped-decorator]
def portal_of(token: str | None) -> Portal | None:
    """The portal that a key belongs to; None (401) for everything else."""
    if not token:
        return None
    try:
        with backends().database.transaction() as session:
            return authenticate_key(session=session, plain=token)
    except AccessDenied:
        return None


def current_portal() -> Portal:
    """The portal of this request; only behind ``auth_required``."""
    portal = auth.current_user
    if not isinstance(portal, Portal):
        raise TypeError("The route lacks auth_required.")
    return portal
