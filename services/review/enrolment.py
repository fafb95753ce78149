"""The page that sets up a second factor: shown right after the password where one is required, else from the account page."""

import io
from uuid import UUID

import segno
from flask import render_template
from markupsafe import Markup

from services.records.accounts import get_account
from services.records.seal import Seal
from services.records.second_factor import begin_enrolment, enrolment_address
from services.review import reader
from services.review.door import MAKE_KEY, door


class NoSeal(Exception):
    """A second factor is asked for and DERMATRAIL_DATA_KEY is not set."""

    cure = f"Set DERMATRAIL_DATA_KEY for the desk and start it again. To make one: {MAKE_KEY}"


def seal() -> Seal:
    """What encrypts the secrets.

    Raises:
        NoSeal: there is no key; a page says how to make one.
    """
    found = door().seal
    if found is None:
        raise NoSeal
    return found


def page(user_id: UUID, *, action: str, ask_password: bool, problem: str = "") -> str:
    """Renders the QR code, the same secret to type, and the field for the first code."""
    closed = seal()
    with reader.desk().database.transaction() as records:
        email = get_account(session=records, user_id=user_id).email
        secret = begin_enrolment(session=records, user_id=user_id, seal=closed)
    picture = drawn(enrolment_address(secret=secret, email=email))
    spaced = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    return render_template(
        "second_factor.html", picture=picture, secret=spaced, action=action, ask_password=ask_password, problem=problem, email=email
    )


def recovery_page(codes: tuple[str, ...], *, onward: str) -> str:
    """Renders the recovery codes, this once."""
    return render_template("recovery_codes.html", codes=codes, onward=onward)


def drawn(text: str) -> Markup:
    """Draws a QR code as an SVG element: dark on light in every theme, or phones do not read it."""
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="svg", xmldecl=False, svgns=False, nl=False, omitsize=True, border=4, light="#fff")
    # The secret stands beside it as text: whoever does not see the drawing misses nothing.
    return Markup(out.getvalue().decode().replace("<svg", '<svg aria-hidden="true" focusable="false"', 1))  # noqa: S704 - our own drawing
